"""How many particles sit in clusters of each size: n_s with Σ_s n_s = N (s n clusters of size s count s n)."""

from typing import Literal

import jax.numpy as jnp
from pydantic import Field

from matterlearn.core.assembly import ParticleSystem, components, sizes
from matterlearn.core.mixture import check_particles
from matterlearn.core.observable import Observable
from matterlearn.spec import Spec


class ClusterSizes(Observable):
    """Histogram of particles over the size of their cluster; entry s − 1 is size s."""

    def __call__(self, system: ParticleSystem, drive, state):
        n = len(system.species)
        bonds = system.bonds(state.x, state.neighbors)
        each = sizes(components(bonds, bonds.formed, n))
        return jnp.zeros(n).at[each - 1].add(1.0)


class Config(Spec):
    """Cluster sizes in a scenario."""

    kind: Literal["cluster_sizes"]
    every: int = Field(default=1000, ge=1, description="steps between records")

    def check(self, scenario):
        """There are particles that bind."""
        yield from check_particles(scenario)

    def build(self, system, task) -> ClusterSizes:
        """The observable."""
        del system, task
        return ClusterSizes("cluster_sizes", ("size",), "1", "particles in clusters of this size", self.every)
