"""Size of the largest cluster, as a fraction of all particles."""

from typing import Literal

import jax.numpy as jnp
from pydantic import Field

from matterlearn.core.assembly import ParticleSystem, components, sizes
from matterlearn.core.mixture import check_particles
from matterlearn.core.observable import Observable
from matterlearn.spec import Spec


class LargestCluster(Observable):
    """max_s / N over clusters held together by formed bonds."""

    def __call__(self, system: ParticleSystem, drive, state):
        n = len(system.species)
        bonds = system.bonds(state.x, state.neighbors)
        return jnp.max(sizes(components(bonds, bonds.formed, n))) / n


class Config(Spec):
    """Largest cluster in a scenario."""

    kind: Literal["largest_cluster"]
    every: int = Field(default=1000, ge=1, description="steps between records")

    def check(self, scenario):
        """There are particles that bind."""
        yield from check_particles(scenario)

    def build(self, system, task) -> LargestCluster:
        """The observable."""
        del system, task
        return LargestCluster("largest_cluster", (), "1", "largest cluster / all particles", self.every)
