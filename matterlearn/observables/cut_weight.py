"""Weight of the couplings between the two camps of spins: Σ_<ij> J_ij (1 − s_i s_j)/2, what max-cut maximises.

Source: [lucas2014].

Example:
    >>> Config(kind="cut_weight").every
    1
"""

from typing import Any, Literal

import jax.numpy as jnp
from pydantic import Field

from matterlearn.core.observable import Observable
from matterlearn.spec import Problem, Spec


class CutWeight(Observable):
    """One number."""

    def __call__(self, system: Any, drive, state):
        first, second = system.pairs.T
        active = state.x.active
        return jnp.sum(jnp.where(active[first] != active[second], system.coupling, 0.0))


class Config(Spec):
    """Weight of a cut in a scenario."""

    kind: Literal["cut_weight"]
    every: int = Field(default=1, ge=1, description="steps between records")

    def check(self, scenario):
        """Units have two values and pairs of them couplings."""
        if not getattr(scenario.system, "pairwise", False):
            yield Problem(("kind",), f"{scenario.system.kind!r} has no pairwise couplings of two-valued units")

    def build(self, system, task) -> CutWeight:
        """The observable."""
        del system, task
        return CutWeight("cut_weight", (), "kT_ref", "weight of the cut", self.every)
