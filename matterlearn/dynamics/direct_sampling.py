"""Independent samples: every step replaces the state by a new draw of a model that can make one at once.

    x ← x' ~ P(x) ∝ exp(−E(x)/kT_ref)

No sample remembers another, so a run of n steps holds n independent samples, and the free phase of a rule needs neither
relaxation nor a buffer of chains. The temperature is kT_ref: that is the law which the model draws from.

A draw knows nothing of the outside. Matter that is clamped everywhere stays where it is, as data do that are shown;
tethers and forces are refused, and so are scenarios that clamp a part, of which the rest would have to know.

| quantity | unit |
|---|---|
| kT | kT_ref, always 1 |

Source: textbook. Limits: systems with a ``draw`` (``matterlearn.core.field.AbstractGenerative``); free matter.

Example:
    >>> Config(kind="direct_sampling").build().temperature(jnp.zeros((), int)).item()
    1.0
"""

from typing import Any, ClassVar, Literal

import jax.numpy as jnp

from matterlearn.core.dynamics import AbstractDynamics, DynState, StepInfo
from matterlearn.core.matter import check_matter
from matterlearn.core.schedule import Constant
from matterlearn.spec import Problem, Spec


class DirectSampling(AbstractDynamics):
    """x ← ``system.draw``."""

    kT: Constant

    def init(self, key, system, drive, x, neighbors=None) -> DynState:
        """Start from x.

        Raises:
            TypeError: if the drive tethers or pushes; a draw would not feel it.
        """
        del key, system
        if drive.stiffness is not None or drive.force is not None:
            raise TypeError("direct sampling draws from the free model, which feels no tethers or forces; use brownian")
        return DynState(drive.project(x), jnp.zeros((), jnp.int32), None, neighbors)

    def step(self, key, system: Any, drive, state) -> tuple[DynState, StepInfo]:
        """A new sample; what is clamped is put back on its target."""
        x = drive.project(system.draw(key))
        return state._replace(x=x, step=state.step + 1), StepInfo(jnp.ones(()))


class Config(Spec):
    """Direct sampling in a scenario."""

    kind: Literal["direct_sampling"]
    independent: ClassVar[bool] = True

    def check(self, scenario):
        """The system draws samples, of all of it."""
        yield from check_matter(self, scenario)
        if getattr(scenario.task, "trap", 0):
            yield Problem(("kind",), "draws from the free model, which feels no trap: use brownian")
        system, rule = scenario.system, getattr(getattr(scenario, "learning", None), "rule", None)
        if not getattr(system, "draws_samples", False):
            yield Problem(("kind",), f"{system.kind!r} cannot draw independent samples at once: use brownian or "
                          "langevin, or a generative model such as coupling_flow")  # fmt: skip
        elif getattr(scenario.task, "given", None):
            yield Problem(("kind",), "draws from the free model, and cannot complete entries that are clamped: leave "
                          "task.given empty, or use brownian")  # fmt: skip
        elif rule is not None and getattr(system, "sampled_hidden", False) and not getattr(rule, "infers", False):
            yield Problem(("kind",), f"cannot draw the hidden part of {system.kind!r} given data, which rule "
                          f"{rule.kind!r} needs: use brownian, or rule evidence_lower_bound")  # fmt: skip

    def build(self) -> DirectSampling:
        """The sampler."""
        return DirectSampling(Constant(jnp.ones(())))
