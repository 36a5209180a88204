"""Fraction of the sites that are occupied, by whatever species."""

from typing import Literal

import jax.numpy as jnp
from pydantic import Field

from matterlearn.core.mixture import check_species
from matterlearn.core.observable import Observable
from matterlearn.spec import Spec


class Density(Observable):
    """Occupied sites / sites."""

    def __call__(self, system, drive, state):
        return jnp.mean(state.x.species > 0)


class Config(Spec):
    """Density in a scenario."""

    kind: Literal["density"]
    every: int = Field(default=100, ge=1, description="steps between records")

    def check(self, scenario):
        """There are species on sites."""
        yield from check_species(scenario)

    def build(self, system, task) -> Density:
        """The observable."""
        del system, task
        return Density("density", (), "1", "fraction of occupied sites", self.every)
