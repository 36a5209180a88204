"""Effective number of components of a mixture, (Σ φ)²/Σ φ² of its solutes: N if even, 1 if localised in one.

Compartments are averaged.
"""

from typing import Literal

import jax.numpy as jnp
from pydantic import Field

from matterlearn.core.fractions import FluidMixture
from matterlearn.core.observable import Observable
from matterlearn.spec import Problem, Spec


class Participation(Observable):
    """(Σ φ)²/Σ φ²."""

    def __call__(self, system: FluidMixture, drive, state):
        phi = system.fractions(state.x)
        return jnp.mean(jnp.sum(phi, 1) ** 2 / jnp.sum(phi**2, 1))


class Config(Spec):
    """Effective number of components in a scenario."""

    kind: Literal["participation"]
    every: int = Field(default=100, ge=1, description="steps between records")

    def check(self, scenario):
        """There are fractions."""
        if not hasattr(scenario.system, "components"):
            yield Problem(("kind",), f"needs volume fractions, which {scenario.system.kind!r} does not have")

    def build(self, system, task) -> Participation:
        """The observable."""
        del system, task
        return Participation("participation", (), "1", "effective number of components", self.every)
