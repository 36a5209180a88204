"""Pseudo-likelihood: every unit of the data is predicted from all others, and nothing is sampled.

    L = −⟨Σ_i ln P(s_i | all others as in the data)⟩_data,        direction = kT ∂L/∂θ

The conditional laws contain no partition function. L is concave for couplings that enter E linearly, its maximum is a
consistent estimate, nearly as good as that of maximum likelihood; there is no free phase, no mixing, and no sampling
noise but that of the data. What counts are the entries that the batch clamps, each given all others.

| quantity | unit |
|---|---|
| gradient | that of E/θ; J and μ in kT_ref |

Source: [besag1975]; for couplings of spins [nguyen2017inverse]. Limits: nothing hidden; values finitely many.

Example:
    >>> Config(kind="pseudo_likelihood", decay=0.01).build().decay.item()
    0.009999999776482582
"""

from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
from pydantic import Field

from matterlearn.core.matter import check_trains
from matterlearn.core.rule import AbstractRule, Batch, RuleInfo, statistics
from matterlearn.core.system import couplings, with_couplings
from matterlearn.spec import Problem, Spec


class PseudoLikelihood(AbstractRule):
    """Descent on the pseudo-likelihood of what is clamped."""

    decay: Float[Array, ""]

    def estimate(self, key, system: Any, dynamics, state, batch: Batch, *, parameters):
        """kT ∂L/∂θ; its scatter over the data stands under the phase ``data``."""
        del key
        kT = dynamics.temperature(jnp.zeros((), int))

        def loss(theta, drive, x):
            taught: Any = with_couplings(system, theta)
            logs = taught.log_conditionals(drive.project(x), kT)
            held = drive.clamped if drive.clamped is not None else jax.tree.map(jnp.ones_like, logs)
            return -kT * sum(jnp.sum(jnp.where(h, leaf, 0.0)) for leaf, h in
                             zip(jax.tree.leaves(logs), jax.tree.leaves(held), strict=True))  # fmt: skip

        values, slopes = jax.vmap(jax.value_and_grad(loss), (None, 0, 0))(couplings(system), batch.drive, batch.x)
        stats = statistics(slopes, jax.tree.map(jnp.square, slopes))
        direction = jax.tree.map(lambda m, p: m + self.decay * p, stats.mean, parameters)
        numbers = {"pseudo_likelihood": -jnp.mean(values) / kT}
        return direction, state, RuleInfo({"data": stats}, batch.neighbors, numbers)


class Config(Spec):
    """Pseudo-likelihood in a scenario."""

    kind: Literal["pseudo_likelihood"]
    trains: ClassVar[tuple[str, ...]] = ("discrete", "network")
    provides: ClassVar[tuple[str, ...]] = ("pseudo_likelihood",)
    decay: float = Field(default=0.0, ge=0, description="stiffness of a penalty ½ decay θ² on every coupling")

    def check(self, scenario):
        """Nothing is hidden, and values are finitely many."""
        yield from check_trains(self, scenario)
        system = scenario.system
        if getattr(system, "hidden", 0):
            yield Problem(("kind",), f"units of {system.kind!r} are hidden, and pseudo-likelihood needs all of them: "
                                     "use wake_sleep, or hidden: 0")  # fmt: skip

    def build(self) -> PseudoLikelihood:
        """The rule."""
        return PseudoLikelihood(jnp.asarray(float(self.decay)))
