"""Moments of coordinates: the mean of x^p over particles and axes.

Source: textbook. Limits: for matter whose state has positions; in a periodic box they are unwrapped.
"""

from typing import Literal

import equinox as eqx
import jax.numpy as jnp
from pydantic import Field

from matterlearn.core.matter import check_coordinates
from matterlearn.core.observable import Observable
from matterlearn.spec import Spec


class Moment(Observable):
    """⟨x^p⟩ of one sample."""

    power: int = eqx.field(static=True)

    def __call__(self, system, drive, state):
        return jnp.mean(state.x.position**self.power)


class Config(Spec):
    """A moment in a scenario."""

    kind: Literal["moment"]
    power: int = Field(default=2, ge=1, le=12, description="p")
    every: int = Field(default=1000, ge=1, description="steps between records")

    def check(self, scenario):
        """There are coordinates."""
        yield from check_coordinates(self, scenario)

    def build(self, system, task) -> Moment:
        """The observable."""
        del system, task
        units = f"σ^{self.power}" if self.power > 1 else "σ"
        return Moment("moment", (), units, f"mean of x^{self.power}", self.every, self.power)
