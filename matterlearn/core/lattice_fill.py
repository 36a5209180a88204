"""Disordered lattices: species at random places around what is held."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from matterlearn.core.lattice import Lattice
from matterlearn.core.lattice_kernel import LatticeState


def fill(
    key: Key[Array, ""],
    lattice: Lattice,
    mobile: int,
    composition: tuple[int, ...] | None,
    x: LatticeState,
    held: LatticeState,
) -> LatticeState:
    """Random species 0 … ``mobile`` wherever nothing is held; with what is held they have the given composition.

    >>> lattice, blank = Lattice((2, 2), (False, False)), LatticeState(jnp.zeros((2, 2), jnp.int8))
    >>> held = LatticeState(jnp.zeros((2, 2), bool))
    >>> int(jnp.sum(fill(jax.random.key(0), lattice, 1, (1, 3), blank, held).species))
    3
    """
    if composition is None:
        species = jax.random.randint(key, lattice.shape, 0, mobile + 1)
    else:
        taken = jnp.bincount(jnp.where(held.species, x.species, -1).ravel() + 1, length=mobile + 2)[1:]
        left = jnp.cumsum(jnp.asarray(composition) - taken)
        lot = jnp.where(held.species.ravel(), 2.0, jax.random.uniform(key, (lattice.sites,)))
        rank = jnp.argsort(jnp.argsort(lot))  # among the free sites, which come first
        species = jnp.searchsorted(left, rank, side="right").reshape(lattice.shape)
    return LatticeState(jnp.where(held.species, x.species, species.astype(x.species.dtype)))
