"""Pairs of neighbouring sites, sorted into classes whose pairs do not feel each other.

Two pairs interact if a site of one is, or neighbours, a site of the other. So all pairs of a class may exchange their
values at once: an exact product of independent moves of two sites each.

``exchange`` of a layout asks ``change(pair, around)`` what it costs to exchange the values (a, b) of every pair of a
class. ``around(u, v)`` gives the values of all neighbours of the first and of the second site, by direction, if these
two had the values u and v; the bond between them is counted once, with the first.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from matterlearn.core.lattice import Lattice, colouring

WASTE = 1.25  # how much larger than the lattice its bricks may be


@functools.cache
def pair_layout(lattice: Lattice) -> "Bricks | PairList":
    """The fast layout where the lattice has it, the general one elsewhere."""
    bricks = Bricks(lattice)
    fits = all(n % 4 == 0 for n, p in zip(lattice.shape, lattice.periodic, strict=True) if p)
    return bricks if fits and bricks.sites <= WASTE * lattice.sites else PairList(lattice)


@dataclass(frozen=True)
class Bricks:
    """Four classes per axis: pairs start at every fourth site of a line, on every other line two sites further on.

    Periodic sides are multiples of 4; open ones are closed by walls up to the next multiple. Along the axis of the
    pairs the lattice is cut into four planes a, b, c, d of which every line holds one site in turn, the odd lines
    starting two sites earlier. A class exchanges a with b, then the planes move on: b, c, d, a.
    """

    lattice: Lattice

    @property
    def walls(self) -> list[tuple[int, int]]:
        """Planes of wall before and after each side."""
        sides = zip(self.lattice.shape, self.lattice.periodic, strict=True)
        return [(0, 0 if periodic else 4 - n % 4) for n, periodic in sides]

    @property
    def sites(self) -> int:
        """Sites, walls included."""
        return int(np.prod([n + after for n, (_, after) in zip(self.lattice.shape, self.walls, strict=True)]))

    @property
    def classes(self) -> tuple[int, int]:
        """Number of classes, and of pairs in the largest."""
        return 4 * len(self.lattice.shape), self.sites // 4

    def exchange(
        self,
        x: Int[Array, "..."],
        wall: int,
        frozen: Bool[Array, "..."] | None,
        limits: Float[Array, "class pair"],
        change: Callable,
    ) -> tuple[Int[Array, "..."], Int[Array, ""]]:
        """Exchange wherever that costs no more than the limit; the lattice, and how many pairs changed."""
        x = jnp.pad(x, self.walls, constant_values=wall)
        held = None
        if frozen is not None or any(after for _, after in self.walls):
            frozen = jnp.zeros(self.lattice.shape, bool) if frozen is None else frozen
            held = jnp.pad(frozen, self.walls, constant_values=True)
        changed = jnp.zeros((), jnp.int32)
        for axis in range(x.ndim):
            here = limits[4 * axis : 4 * axis + 4]
            x, count = self._along(axis, x, wall, None if held is None else self._pairs_held(held, axis), here, change)
            changed = changed + count
        return x[tuple(slice(n) for n in self.lattice.shape)], changed

    def _along(self, axis: int, x, wall: int, held, limits, change: Callable):
        """The four classes of one axis."""
        a, b, c, d = self._cut(x, axis)
        limits = limits.reshape(4, *a.shape)

        def move_on(pair, c, d, changed):
            (a, b), swapped = _unpacked(pair, x.dtype)
            return b, c, d, jnp.roll(a, -1, axis), changed + jnp.sum(swapped, dtype=jnp.int32)

        def one(offset, carry):
            a, b, c, d, changed = move_on(*carry)
            free = change((a, b), self._around(axis, c, d, wall)) <= limits[offset]
            if held is not None:
                free &= ~held[offset]
            # One word per pair: from a decision with several uses the compiler would make several loops.
            return _packed(a, b, free & (a != b)), c, d, changed

        start = _packed(jnp.roll(d, 1, axis), a, jnp.zeros(a.shape, bool)), b, c, jnp.zeros((), jnp.int32)
        *planes, changed = move_on(*lax.fori_loop(0, 4, one, start))
        return self._joined([jnp.roll(plane, 1, axis) for plane in planes], axis), changed

    def _around(self, axis: int, c, d, wall: int) -> Callable:
        odd = _odd_lines((*c.shape[:axis], 4 * c.shape[axis], *c.shape[axis + 1 :]), axis)
        before = jnp.roll(d, 1, axis)
        beside = jnp.where(odd, c, jnp.roll(c, 1, axis)), jnp.where(odd, d, before)  # of the first, the second

        first, second = ([jnp.roll(s, by, k) for k in range(s.ndim) for by in (1, -1)] for s in beside)
        at = slice(2 * axis, 2 * axis + 2)

        def around(u, v):
            first[at], second[at] = (before, v), (jnp.full_like(u, wall), c)
            return list(first), list(second)

        return around

    def _cut(self, x, axis: int) -> list[Array]:
        blocks = x.reshape(*x.shape[:axis], x.shape[axis] // 4, 4, *x.shape[axis + 1 :])
        a, b, c, d = (lax.index_in_dim(blocks, r, axis + 1, keepdims=False) for r in range(4))
        odd = _odd_lines(x.shape, axis)
        earlier = jnp.roll(c, 1, axis), jnp.roll(d, 1, axis), a, b
        return [jnp.where(odd, e, p) for e, p in zip(earlier, (a, b, c, d), strict=True)]

    def _joined(self, planes, axis: int) -> Array:
        a, b, c, d = planes
        shape = (*a.shape[:axis], 4 * a.shape[axis], *a.shape[axis + 1 :])
        odd = _odd_lines(shape, axis)
        later = c, d, jnp.roll(a, -1, axis), jnp.roll(b, -1, axis)
        blocks = [jnp.where(odd, e, p) for e, p in zip(later, planes, strict=True)]
        return jnp.stack(blocks, axis + 1).reshape(shape)

    def _pairs_held(self, held, axis: int) -> Bool[Array, "4 ..."]:
        """Pairs of which a site never moves, by class."""
        a, b, c, d = self._cut(held, axis)
        return jnp.stack([a | b, b | c, c | d, d | jnp.roll(a, -1, axis)])


@dataclass(frozen=True)
class PairList:
    """Any lattice, by index: pairs start at every third site of every second (or third) line.

    What is left over at the end of a periodic line makes classes of its own.
    """

    lattice: Lattice

    @property
    def classes(self) -> tuple[int, int]:
        """Number of classes, and of pairs in the largest."""
        return self._tables[0].shape[:2]

    def exchange(
        self,
        x: Int[Array, "..."],
        wall: int,
        frozen: Bool[Array, "..."] | None,
        limits: Float[Array, "class pair"],
        change: Callable,
    ) -> tuple[Int[Array, "..."], Int[Array, ""]]:
        """Exchange wherever that costs no more than the limit; the lattice, and how many pairs changed."""
        values = jnp.append(x.ravel(), jnp.asarray(wall, x.dtype))
        held = jnp.zeros(values.shape, bool) if frozen is None else jnp.append(frozen.ravel(), True)

        def one(values, row):
            pair, neighbors, partner, limits = row
            a, b = values[pair[:, 0]], values[pair[:, 1]]
            first, second = (values[neighbors[:, side]].T for side in (0, 1))

            def around(u, v):
                del u
                return list(jnp.where(partner.T, v, first)), list(second)

            swap = (change((a, b), around) <= limits) & (a != b) & ~jnp.any(held[pair], 1)
            values = values.at[pair[:, 0]].set(jnp.where(swap, b, a)).at[pair[:, 1]].set(jnp.where(swap, a, b))
            return values, jnp.sum(swap, dtype=jnp.int32)

        values, changed = lax.scan(one, values, (*map(jnp.asarray, self._tables), limits))
        return values[:-1].reshape(x.shape), jnp.sum(changed, dtype=jnp.int32)

    @functools.cached_property
    def _tables(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Sites of each pair by class; their neighbours, the wall instead of the partner; where the first has it.

        Classes are filled up with pairs of walls. On a periodic side of length 2 both bonds join the pair, whatever
        order it is in, so neither costs anything.
        """
        table, wall = self.lattice.neighbor_table(), self.lattice.sites
        rows = []
        for axis, labels in enumerate(self._labels()):
            for label in np.unique(labels[labels >= 0]):
                first = np.flatnonzero(labels.ravel() == label)
                pairs = np.stack([first, table[first, 2 * axis + 1]], 1)
                around, partner = table[pairs], np.zeros((len(first), table.shape[1]), bool)
                around[:, 0, 2 * axis + 1] = around[:, 1, 2 * axis] = wall
                if self.lattice.periodic[axis] and self.lattice.shape[axis] == 2:
                    around[:, :, 2 * axis : 2 * axis + 2] = wall
                else:
                    partner[:, 2 * axis + 1] = True
                rows.append((pairs, around, partner))
        largest = max(len(pairs) for pairs, _, _ in rows)
        fill = wall, wall, False
        return tuple(
            np.stack([np.concatenate([a, np.full((largest - len(a), *a.shape[1:]), f, a.dtype)]) for a in column])
            for column, f in zip(zip(*rows, strict=True), fill, strict=True)
        )  # pyright: ignore[reportReturnType]

    def _labels(self):
        """Class of the pair that starts at every site, per axis; −1 where none does."""
        shape, periodic = self.lattice.shape, self.lattice.periodic
        for axis, n in enumerate(shape):
            start, whole = np.arange(n), n - n % 3 if periodic[axis] else n
            along = np.where(start < whole, start % 3, 3 + start - whole)
            others = [k for k in range(len(shape)) if k != axis]
            lines = colouring(tuple(shape[k] for k in others), tuple(periodic[k] for k in others))
            labels = along.reshape([-1 if k == axis else 1 for k in range(len(shape))])
            labels = labels + 5 * np.expand_dims(lines, axis)
            has = np.ones(n, bool) if periodic[axis] else start < n - 1
            yield np.where(has.reshape([-1 if k == axis else 1 for k in range(len(shape))]), labels, -1)


def _odd_lines(shape, axis: int) -> Bool[Array, "..."]:
    """Lines along an axis whose other coordinates add up to an odd number."""
    other = [1 if k == axis else n for k, n in enumerate(shape)]
    return jnp.asarray(np.indices(other).sum(0) % 2 == 1)


def _packed(a, b, swapped) -> Int[Array, "..."]:
    """A pair as one word, exchanged where ``swapped``; the sign says so."""
    wide = jnp.int16 if a.dtype == jnp.int8 else jnp.int32
    base = np.asarray(jnp.iinfo(a.dtype).max + 1, wide)
    a, b = a.astype(wide), b.astype(wide)
    return jnp.where(swapped, ~(b + a * base), a + b * base)


def _unpacked(word, dtype):
    """The pair, and whether it was exchanged."""
    swapped, most = word < 0, jnp.iinfo(dtype).max
    word = jnp.where(swapped, ~word, word)
    return ((word & most).astype(dtype), (word >> most.bit_length()).astype(dtype)), swapped
