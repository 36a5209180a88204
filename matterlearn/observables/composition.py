"""Fraction of the sites that each species occupies, solvent first."""

from typing import Literal

import equinox as eqx
import jax.numpy as jnp
from pydantic import Field

from matterlearn.core.mixture import check_species
from matterlearn.core.observable import Observable
from matterlearn.spec import Spec


class Composition(Observable):
    """n_a / sites."""

    species: int = eqx.field(static=True)

    def __call__(self, system, drive, state):
        sites = state.x.species.ravel()
        return jnp.bincount(sites, length=self.species) / sites.size


class Config(Spec):
    """Composition in a scenario."""

    kind: Literal["composition"]
    every: int = Field(default=100, ge=1, description="steps between records")

    def check(self, scenario):
        """There are species on sites."""
        yield from check_species(scenario)

    def build(self, system, task) -> Composition:
        """The observable."""
        del task
        words = "fraction of sites of a species"
        return Composition("composition", ("component",), "1", words, self.every, len(system.site_energies()))
