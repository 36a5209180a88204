"""Generations: every step draws data from the present model and fits the next one.

    pool ← policy(pool, data of x_n),        x_{n+1} = fit(pool),        x_0 = the truth (or what the learner starts as)

| policy | pool |
|---|---|
| replace | ``size`` data of the model x_n |
| accumulate | these, and all that were there before |
| mix | these with weight 1 − w, and ``size`` fresh real data with weight w |
| verify | ``size`` data of the model x_n that a verifier accepts |

Step n leaves generation n: generation 1 is fitted to real data. A replica is an independent lineage. A verifier accepts
with probability exp(−d²/2 width²), d being how far a datum (of an input, its label) is from what the verifier's own
model predicts, which is ``bias`` away from the truth.

Source: [shumailov2024collapse], [gerstgrasser2024inevitable], [he2025golden], [feng2024verification]. Limits: data
enter fits by sufficient statistics (``matterlearn.core.learner``).

Example:
    >>> Config(kind="generations", size=20, policy={"kind": "mix", "weight": 0.5}).build().policy.weight.item()
    0.5
"""

import math
from typing import Annotated, Any, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from pydantic import Field

from matterlearn.core.dynamics import AbstractDynamics, DynState, StepInfo
from matterlearn.core.learner import AbstractLearner, Accumulate, Mix, Policy, Replace, Verifier, Verify
from matterlearn.core.matter import check_matter
from matterlearn.spec import Problem, Spec

MOST_DATA = 10**7  # in a generation: numbers of one replica that are drawn at once


class Generations(AbstractDynamics):
    """Draw and refit; the memory is the pool of the last fit."""

    policy: Policy
    size: int = eqx.field(static=True)
    stationary: ClassVar[str] = "none"
    hosted: ClassVar = True  # eigenvectors come from a library that cannot be divided between devices

    def init(self, key, system, drive, x, neighbors=None) -> DynState:
        """Start with the model x and no data.

        Raises:
            TypeError: if the system is no learner.
            ValueError: if the drive pulls or holds: a fit feels data alone.
        """
        if not isinstance(system, AbstractLearner):
            raise TypeError(f"generations refit learners, which a {type(system).__name__} is not; use another dynamics")
        if any(part is not None for part in (drive.stiffness, drive.force, drive.clamped)):
            raise ValueError("a model that is fitted to data feels no tethers, forces or clamps; leave them out")
        blank = jax.eval_shape(lambda key, x: system.statistics(key, x, self.size), key, x)
        pool = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), blank)
        return DynState(x, jnp.zeros((), jnp.int32), pool, neighbors)

    def step(self, key, system: Any, drive, state) -> tuple[DynState, StepInfo]:
        """One generation."""
        pool = self.policy.pool(key, system, state.x, state.memory, self.size)
        return state._replace(x=system.fit(pool), step=state.step + 1, memory=pool), StepInfo(jnp.ones(()))


class ReplaceSpec(Spec):
    """Data of the model before alone."""

    kind: Literal["replace"]

    def build(self) -> Policy:
        """The policy."""
        return Replace()


class AccumulateSpec(Spec):
    """All data are kept."""

    kind: Literal["accumulate"]

    def build(self) -> Policy:
        """The policy."""
        return Accumulate()


class MixSpec(Spec):
    """Fresh real data in every generation."""

    kind: Literal["mix"]
    weight: float = Field(
        default=(math.sqrt(5) - 1) / 2, ge=0, le=1, description="w of real data; 1/φ is the best for the mean"
    )

    def build(self) -> Policy:
        """The policy."""
        return Mix(jnp.asarray(float(self.weight)))


class VerifySpec(Spec):
    """Data that a verifier accepts."""

    kind: Literal["verify"]
    bias: float = Field(default=0.0, ge=0, le=1e6, description="distance of the verifier's own model from the truth")
    width: float = Field(default=1.0, gt=0, le=1e6, description="of what it accepts; a narrow one is strict")

    def build(self) -> Policy:
        """The policy."""
        return Verify(Verifier(jnp.asarray(float(self.bias)), jnp.asarray(float(self.width))))


PolicySpec = Annotated[ReplaceSpec | AccumulateSpec | MixSpec | VerifySpec, Field(discriminator="kind")]


class Config(Spec):
    """Generations in a scenario."""

    kind: Literal["generations"]
    matter: ClassVar[str] = "learner"
    stationary: ClassVar[str] = "none"
    size: int = Field(ge=1, le=MOST_DATA, description="data that are drawn in a generation", examples=[6])
    policy: PolicySpec = Field(
        default=ReplaceSpec(kind="replace"), description="{kind: replace, accumulate, mix or verify}: what is fitted",
        examples=[{"kind": "replace"}, {"kind": "accumulate"}, {"kind": "mix"}, {"kind": "verify"}],
    )  # fmt: skip

    def check(self, scenario):
        """There is a learner, with enough data, and nothing else that should learn."""
        yield from check_matter(self, scenario)
        system = scenario.system
        least = getattr(system, "fewest", 1)
        if self.size < least:
            yield Problem(("size",), f"{system.kind!r} needs at least {least} data for a fit; got {self.size}")
        if self.policy.kind == "verify" and not getattr(system, "verifiable", True):
            yield Problem(("policy",), f"{system.kind!r} knows no law of data that a verifier accepts; use replace, "
                          "accumulate or mix")  # fmt: skip
        numbers = self.size * getattr(system, "numbers", 1) * scenario.run.replicas
        if numbers > 100 * MOST_DATA:
            yield Problem(("size",), f"{numbers:.0e} numbers are drawn at once in all replicas, at most "
                          f"{100 * MOST_DATA:.0e} fit in memory; use fewer data or replicas")  # fmt: skip
        if getattr(scenario, "learning", None) is not None:
            yield Problem(("kind",), "refits models, whose parameters are their state; drop learning")

    def build(self) -> Generations:
        """The dynamics."""
        return Generations(self.policy.build(), self.size)
