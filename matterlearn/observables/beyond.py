"""Fraction of coordinates beyond a threshold: which well a particle is in, whether a barrier was crossed.

    mean over particles and axes of  1/(1 + exp(−(x − threshold)/width)),      a step for width 0

With ``reduce: ever`` in a design's objective this is the probability of a first passage, with ``survival_time`` the
time it takes.

Source: textbook. Limits: for matter whose state has positions; a step does not respond smoothly to couplings.
"""

from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from pydantic import Field

from matterlearn.core.matter import check_coordinates
from matterlearn.core.observable import Observable
from matterlearn.spec import Spec


class Beyond(Observable):
    """Fraction beyond the threshold."""

    threshold: float = eqx.field(static=True)
    width: float = eqx.field(static=True)

    def __call__(self, system, drive, state):
        past = state.x.position - self.threshold
        return jnp.mean(jax.nn.sigmoid(past / self.width) if self.width else (past > 0).astype(float))


class Config(Spec):
    """A threshold in a scenario."""

    kind: Literal["beyond"]
    threshold: float = Field(default=0.0, description="σ")
    width: float = Field(default=0.0, ge=0, description="over which the step is smoothed, σ")
    every: int = Field(default=1000, ge=1, description="steps between records")

    def check(self, scenario):
        """There are coordinates."""
        yield from check_coordinates(self, scenario)

    def build(self, system, task) -> Beyond:
        """The observable."""
        del system, task
        return Beyond("beyond", (), "1", f"fraction beyond {self.threshold:g}", self.every, self.threshold, self.width)
