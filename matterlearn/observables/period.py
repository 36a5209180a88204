"""How parallel dynamics ended: 1 at a fixed point, 2 in a cycle of two states, 0 while neither is reached.

Example:
    >>> Config(kind="period").every
    1
"""

from typing import Literal

import jax.numpy as jnp
from pydantic import Field

from matterlearn.core.observable import Observable
from matterlearn.spec import Problem, Spec


class Period(Observable):
    """Compares the state with the two before it, which the dynamics remembers."""

    def __call__(self, system, drive, state):
        now, (previous, before) = state.x.active, state.memory
        still, back = jnp.all(now == previous), jnp.all(now == before)
        return jnp.where(still, 1.0, jnp.where(back, 2.0, 0.0))


class Config(Spec):
    """Period in a scenario."""

    kind: Literal["period"]
    every: int = Field(default=1, ge=1, description="steps between records")

    def check(self, scenario):
        """The dynamics remembers two states."""
        if scenario.dynamics.kind != "parallel":
            yield Problem(("kind",), "needs the parallel dynamics, the only one that can run into cycles")

    def build(self, system, task) -> Period:
        """The observable."""
        del system, task
        return Period("period", (), "1", "period reached", self.every)
