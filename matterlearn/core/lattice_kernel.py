"""Local energies of lattice mixtures, tabulated so that a site's energy costs one gather per axis.

    e_i(w) = Σ_axes T_axis[w, s_−, s_+],     T[w, u, v] = bond_−[w, u] + bond_+[w, v] + field[w]/d

Gathers are what a lattice update costs on a CPU, so both neighbours along an axis share one table. Beyond
``LARGEST_TABLE`` entries it would fall out of the cache, and bonds are looked up one by one. With few species there
is also a table of differences D[w, s, s_−, s_+] = T[w, s_−, s_+] − T[s, s_−, s_+], which halves the gathers of a
Metropolis move.
"""

from typing import NamedTuple, Protocol

import equinox as eqx
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int, Key

from matterlearn.core.bits import uniform
from matterlearn.core.discrete import AbstractKernel
from matterlearn.core.lattice import Lattice
from matterlearn.core.lattice_pairs import pair_layout

LARGEST_TABLE = 1 << 18
LARGEST_DIFFERENCES = 1 << 14
_ONE = lax.GatherDimensionNumbers(offset_dims=(), collapsed_slice_dims=(0,), start_index_map=(0,))


class LatticeState(NamedTuple):
    """Species at every site: 0 is the solvent."""

    species: Int[Array, "..."]


class LatticeMixture(Protocol):
    """Species on a lattice, as tasks see them: ``mobile`` species may be proposed, 0 being the solvent."""

    lattice: Lattice
    composition: tuple[int, ...] | None

    @property
    def mobile(self) -> int: ...
    @property
    def species_count(self) -> int: ...
    def site_energies(self) -> Float[Array, " q"]: ...
    def complete(self, key: Key[Array, ""], x: LatticeState, held: LatticeState) -> LatticeState: ...


def species_dtype(species: int):
    """Smallest integer type for the species and the wall."""
    return jnp.int8 if species < 127 else jnp.int16


class LatticeKernel(AbstractKernel):
    """Nearest-neighbour energies, isotropic (one axis in ``tables``) or by direction (one entry per axis).

    ``tables`` is [axis, w, s_−, s_+] flattened per axis, or [2 axes, w, s] where that is too large.
    """

    values: int = eqx.field(static=True)
    lattice: Lattice = eqx.field(static=True)
    wall: int = eqx.field(static=True)
    paired: bool = eqx.field(static=True)
    tables: Float[Array, "axis entry"]
    differences: Float[Array, "axis entry"] | None = None

    @property
    def colours(self) -> int:
        """Number of colours of sites."""
        return self.lattice.layout.colours

    def split(self, x: LatticeState) -> tuple:
        """One array of species per colour."""
        return self.lattice.layout.split(x.species)

    def join(self, parts) -> LatticeState:
        """Species on the lattice."""
        return LatticeState(self.lattice.layout.join(parts))

    def environment(self, parts, colour: int) -> list[Int[Array, "..."]]:
        """Where in each table the row of a site's neighbours begins."""
        return self.rows(self.lattice.layout.neighbors(parts, colour, self.wall))

    def rows(self, neighbors: list[Int[Array, "..."]]) -> list[Int[Array, "..."]]:
        """Where in each table the row of a site begins, from its neighbours by direction."""
        found = [n.astype(jnp.int32) for n in neighbors]
        if not self.paired:
            return found
        return [before * (self.wall + 1) + after for before, after in zip(found[::2], found[1::2], strict=True)]

    def site_energy(self, value, environment):
        """Energy of a value at every site of the colour, kT_ref."""
        row = value.astype(jnp.int32) * (self.wall + 1) ** (2 if self.paired else 1)
        last = len(self.tables) - 1
        terms = [gather(self.tables[min(k, last)], row + where) for k, where in enumerate(environment)]
        return sum(terms[1:], terms[0])

    def change(self, new, old, environment):
        """e_i(new) − e_i(old): one gather per axis where differences are tabulated."""
        if self.differences is None:
            return super().change(new, old, environment)
        pair = (new.astype(jnp.int32) * self.wall + old.astype(jnp.int32)) * (self.wall + 1) ** 2
        last = len(self.differences) - 1
        terms = [gather(self.differences[min(k, last)], pair + where) for k, where in enumerate(environment)]
        return sum(terms[1:], terms[0])

    def conditional(self, bits, value, environment, kT):
        """Values drawn from the conditional law, as in general; on small lattices with all energies found beforehand.

        Compiled into one loop with the gathers, weights and random numbers would not run in vectors.
        """
        if self.values * value.size > LARGEST_TABLE:
            return super().conditional(bits, value, environment, kT)
        words, like = bits.sequence(value.shape, self.values), jnp.zeros_like(value)
        energies = lax.map(lambda w: self.site_energy(like + w, environment) / kT, jnp.arange(self.values))
        weights = jnp.exp(jnp.min(energies, 0) - energies)

        def offer(w, carry):
            kept, before = carry
            weight = weights[w]
            smaller = weight <= before
            rare = uniform(*words(w)) * (before + weight) < jnp.where(smaller, weight, before)
            return jnp.where(rare == smaller, w, kept), before + weight

        return lax.fori_loop(1, self.values, offer, (like, weights[0]))[0]

    @property
    def exchanges(self) -> tuple[int, int]:
        """Number of classes of pairs, and of pairs in the largest."""
        return pair_layout(self.lattice).classes

    def exchange(self, parts, clamped, limits):
        """Neighbours exchange their species where that costs no more than the limit."""

        def change(pair, around):
            def energy(u, v):
                first, second = (self.rows(neighbors) for neighbors in around(u, v))
                return self.site_energy(u, first) + self.site_energy(v, second)

            a, b = pair
            return energy(b, a) - energy(a, b)

        layout, dtype = self.lattice.layout, parts[0].dtype
        frozen = None if clamped is None else layout.join(clamped)
        species = layout.join(parts).astype(species_dtype(self.wall))
        species, changed = pair_layout(self.lattice).exchange(species, self.wall, frozen, limits, change)
        return layout.split(species.astype(dtype)), changed / self.lattice.bonds


def gather(table: Float[Array, " entry"], index: Int[Array, "..."]) -> Float[Array, "..."]:
    """``table[index]`` without the treatment of negative indices, which would double the work."""
    mode = lax.GatherScatterMode.PROMISE_IN_BOUNDS
    return lax.gather(table, index[..., None], _ONE, (1,), mode=mode)


def lattice_kernel(
    lattice: Lattice, bonds: Float[Array, "direction q q"], field: Float[Array, " q"], values: int
) -> LatticeKernel:
    """Tabulate bonds [direction, w, neighbour] and fields; ``direction`` is 2 (isotropic) or 2 per axis."""
    q = field.shape[0]
    walled = jnp.pad(bonds, ((0, 0), (0, 0), (0, 1)))
    share = field / len(lattice.shape)
    paired = q * (q + 1) ** 2 <= LARGEST_TABLE
    if paired:
        tables = walled[0::2, :, :, None] + walled[1::2, :, None, :] + share[:, None, None]
    else:
        tables = walled + share[:, None] / 2
        if len(bonds) == 2:  # isotropic: both directions of every axis use the same table
            tables = tables[:1]
    differences = None
    if paired and q**2 * (q + 1) ** 2 <= LARGEST_DIFFERENCES:
        differences = (tables[:, :, None] - tables[:, None]).reshape(len(tables), -1)
    return LatticeKernel(values, lattice, q, paired, tables.reshape(len(tables), -1), differences)
