"""What the neighbours of a species are: fraction f[a, b] of the bonds at sites of species a that lead to species b.

    f[a, b] = (1 + δ_ab) n_ab / Σ_c (1 + δ_ac) n_ac,        n_ab contacts of a and b, solvent included

A species that is absent has no neighbours: its row is 0. Limits: at most 64 species.

Example:
    >>> Config(kind="neighbor_fractions").every
    100
"""

from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int
from pydantic import Field

from matterlearn.core.lattice import Lattice
from matterlearn.core.mixture import check_species
from matterlearn.core.observable import Observable
from matterlearn.spec import Spec

MOST_SPECIES = 64


def bond_counts(lattice: Lattice, sites: Int[Array, "..."], species: int) -> Float[Array, "q q"]:
    """(1 + δ_ab) n_ab: every bond seen from both of its ends.

    >>> bond_counts(Lattice((2, 2), (False, False)), jnp.array([[0, 1], [1, 1]]), 2).tolist()
    [[0.0, 2.0], [2.0, 4.0]]
    """
    sites = sites.astype(jnp.int32)
    here = jax.nn.one_hot(sites.ravel(), species)
    pairs = [lattice.shifted(sites, axis, species) for axis in range(sites.ndim)]  # the wall has no entry
    counts = here.T @ sum(jax.nn.one_hot(pair.ravel(), species) for pair in pairs)
    return counts + counts.T


class NeighborFractions(Observable):
    """f[a, b]."""

    lattice: Lattice = eqx.field(static=True)
    species: int = eqx.field(static=True)

    def __call__(self, system, drive, state):
        counts = bond_counts(self.lattice, state.x.species, self.species)
        return counts / jnp.maximum(jnp.sum(counts, 1, keepdims=True), 1.0)


class Config(Spec):
    """Fractions of neighbours in a scenario."""

    kind: Literal["neighbor_fractions"]
    every: int = Field(default=100, ge=1, description="steps between records")

    def check(self, scenario):
        """There are species on sites."""
        yield from check_species(scenario, MOST_SPECIES)

    def build(self, system, task) -> NeighborFractions:
        """The observable."""
        del task
        words, dims = "fraction of a species' neighbours", ("component", "component_other")
        return NeighborFractions(
            "neighbor_fractions", dims, "1", words, self.every, system.lattice, len(system.site_energies())
        )
