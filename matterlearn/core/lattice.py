"""Hypercubic lattices: bonds, and layouts in which whole colours of sites are updated at once.

Directions are ordered (−axis 0, +axis 0, −axis 1, +axis 1, …). A periodic side of length 2 joins its two planes by two
bonds; a missing neighbour at an open side is a wall, whose value is the number of species q.
"""

import functools
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Int


@dataclass(frozen=True)
class Lattice:
    """A box of sites, each side periodic or open.

    >>> Lattice((2, 2, 2), (True, True, True)).bonds
    24
    """

    shape: tuple[int, ...]
    periodic: tuple[bool, ...]

    @property
    def sites(self) -> int:
        """Number of sites."""
        return int(np.prod(self.shape))

    @property
    def bonds(self) -> int:
        """Number of bonds."""
        sides = zip(self.shape, self.periodic, strict=True)
        return sum(self.sites // n * (n if wraps else n - 1) for n, wraps in sides)

    def neighbor_table(self) -> Int[np.ndarray, "site direction"]:
        """Neighbour of every site in every direction; ``sites`` where there is none."""
        index = np.arange(self.sites).reshape(self.shape)
        columns = []
        for axis, periodic in enumerate(self.periodic):
            for step in (-1, 1):
                column = np.roll(index, -step, axis)
                if not periodic:
                    edge = [slice(None)] * len(self.shape)
                    edge[axis] = slice(0, 1) if step < 0 else slice(-1, None)
                    column[tuple(edge)] = self.sites
                columns.append(column.ravel())
        return np.stack(columns, 1)

    def shifted(self, x: Int[Array, "..."], axis: int, wall: int) -> Int[Array, "..."]:
        """The + neighbour of every site along an axis; counts every bond of this axis once."""
        if self.periodic[axis]:
            return jnp.roll(x, -1, axis)
        inner = lax.slice_in_dim(x, 1, self.shape[axis], axis=axis)
        edge = jnp.full_like(lax.slice_in_dim(x, 0, 1, axis=axis), wall)
        return jnp.concatenate([inner, edge], axis)

    @functools.cached_property
    def layout(self) -> "Checkerboard | Coloured":
        """The fast layout where the lattice has two colours of one shape, the general one elsewhere."""
        even = all(n % 2 == 0 for n, p in zip(self.shape, self.periodic, strict=True) if p)
        return Checkerboard(self) if even and self.shape[-1] % 2 == 0 else Coloured(self)

    def __hash__(self):
        return hash((self.shape, self.periodic))


@dataclass(frozen=True)
class Checkerboard:
    """Two colours of sites, each packed along the last axis: no site is computed only to be masked."""

    lattice: Lattice
    colours = 2

    def split(self, x: Array) -> tuple[Array, Array]:
        """Even and odd sites, last side halved."""
        pairs = x.reshape(*x.shape[:-1], x.shape[-1] // 2, 2)
        odd = self._odd_rows()
        return jnp.where(odd, pairs[..., 1], pairs[..., 0]), jnp.where(odd, pairs[..., 0], pairs[..., 1])

    def join(self, parts: tuple[Array, Array]) -> Array:
        """Back on the lattice."""
        odd, (a, b) = self._odd_rows(), parts
        pairs = jnp.stack([jnp.where(odd, b, a), jnp.where(odd, a, b)], -1)
        return pairs.reshape(self.lattice.shape)

    def neighbors(self, parts: tuple[Array, ...], colour: int, wall: int) -> list[Array]:
        """Values of the neighbours of a colour's sites, by direction."""
        other, last = parts[1 - colour], len(self.lattice.shape) - 1
        for axis, periodic in enumerate(self.lattice.periodic):
            other = _padded(other, axis, periodic, wall)
        # A fused pad hides the shifts from the vectoriser; held in memory it costs one copy of one colour.
        other = lax.optimization_barrier(other)
        found = []
        for axis in range(last):
            found += [self._cut(other, axis, -1), self._cut(other, axis, 1)]
        here = self._cut(other, last, 0)
        behind = self._odd_rows() if colour == 0 else ~self._odd_rows()  # the partner at the same index lies before
        before = jnp.where(behind, here, self._cut(other, last, -1))
        after = jnp.where(behind, self._cut(other, last, 1), here)
        return [*found, before, after]

    def _cut(self, padded: Array, along: int, by: int) -> Array:
        start = [1 + (by if axis == along else 0) for axis in range(padded.ndim)]
        return lax.slice(padded, start, [s + n - 2 for s, n in zip(start, padded.shape, strict=True)])

    def _odd_rows(self) -> Bool[Array, "..."]:
        """Rows whose first site is odd, broadcasting against a colour."""
        rows = np.indices((*self.lattice.shape[:-1], 1)).sum(0) % 2 == 1
        return jnp.asarray(rows)


@dataclass(frozen=True)
class Coloured:
    """Any lattice: two colours, or three where odd periodic sides need them; neighbours by index."""

    lattice: Lattice

    @property
    def colours(self) -> int:
        """Number of colours."""
        return len(self._members)

    @functools.cached_property
    def _members(self) -> list[np.ndarray]:
        labels = colouring(self.lattice.shape, self.lattice.periodic).ravel()
        return [np.flatnonzero(labels == c) for c in range(labels.max() + 1)]

    def split(self, x: Array) -> tuple[Array, ...]:
        """Sites of each colour, flat."""
        flat = x.reshape(-1)
        return tuple(flat[members] for members in self._members)

    def join(self, parts: tuple[Array, ...]) -> Array:
        """Back on the lattice."""
        place = np.argsort(np.concatenate(self._members))
        return jnp.concatenate(parts)[place].reshape(self.lattice.shape)

    def neighbors(self, parts: tuple[Array, ...], colour: int, wall: int) -> list[Array]:
        """Values of the neighbours of a colour's sites, by direction."""
        order = np.concatenate(self._members)
        place = np.append(np.argsort(order), len(order))  # the wall comes last
        values = jnp.concatenate([*parts, jnp.full(1, wall, parts[0].dtype)])
        table = place[self.lattice.neighbor_table()[self._members[colour]]]
        return [values[table[:, direction]] for direction in range(table.shape[1])]


def colouring(shape: tuple[int, ...], periodic: tuple[bool, ...]) -> Int[np.ndarray, "..."]:
    """A colour for every site, different on neighbours: two colours, or three where odd periodic sides need them."""
    # Along a side 0, 1, 0, 1, …, with a 2 at the end of an odd periodic one; sums differ across every bond mod 3.
    ticks = [np.arange(n) % 2 for n in shape]
    for tick, n, wraps in zip(ticks, shape, periodic, strict=True):
        tick[-1] = 2 if wraps and n % 2 else tick[-1]
    return np.sum(np.meshgrid(*ticks, indexing="ij"), 0) % (3 if any(2 in tick for tick in ticks) else 2)


def _padded(x: Array, axis: int, periodic: bool, wall: int) -> Array:
    first, last = lax.slice_in_dim(x, 0, 1, axis=axis), lax.slice_in_dim(x, x.shape[axis] - 1, None, axis=axis)
    if not periodic:
        first, last = jnp.full_like(first, wall), jnp.full_like(last, wall)
    return jnp.concatenate([last, x, first], axis)
