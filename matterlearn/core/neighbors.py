"""Pair interactions and the neighbour list that makes them cost O(N).

`pair_energy` sums a pair potential once per pair, over all pairs or over a `Neighbors` list.
The list is allocated outside jit (`allocate`), follows the particles inside it (`refresh`), and
says afterwards whether its buffer was ever too small (`overflowed`).
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32

from matterlearn.core.pair_builders import DeviceBuilder, HostBuilder, tree_pairs
from matterlearn.core.space import minimum_image

PyTree = Any


def _by_rows(columns: Sequence[Array], pairs: Int32[Array, "2 capacity"]) -> tuple[tuple[Array, ...], ...]:
    """Columns [N] at both ends of every pair, gathered as rows; the transpose is one row scatter per end."""
    table = jnp.stack(columns, axis=1)
    # Rows of four floats move as one vector: twice as fast as rows of three.
    table = jnp.pad(table, ((0, 0), (0, -table.shape[1] % 4)))
    rows = [table.at[end].get(mode="clip", wrap_negative_indices=False) for end in pairs]
    return tuple(tuple(row[:, k] for k in range(len(columns))) for row in rows)


@jax.custom_jvp
def _ends(columns, pairs):
    """Columns at both ends of every pair, for energies and forces: rows there and back."""
    return _by_rows(columns, pairs)


@_ends.defjvp
def _(primals, tangents):
    return _ends_of_forces(*primals), _by_rows(tangents[0], primals[1])


@jax.custom_jvp
def _ends_of_forces(columns, pairs):
    """The same inside a first derivative, whose own derivatives go column by column.

    To scatter second derivatives into rows, XLA computes them once for every entry of a row: four times slower.
    """
    return _by_rows(columns, pairs)


@_ends_of_forces.defjvp
def _(primals, tangents):
    columns, pairs = primals
    take = lambda dot, end: dot.at[end].get(mode="clip", wrap_negative_indices=False)  # noqa: E731
    return _ends_of_forces(columns, pairs), tuple(tuple(take(dot, end) for dot in tangents[0]) for end in pairs)


class Neighbors(eqx.Module):
    r"""Every pair closer than `cutoff + skin` at the last build, in a buffer of fixed size.

    Until a particle has moved `skin / 2` from `reference` the list holds every pair closer than
    `cutoff`. Pairs are sorted, so sums over them do not depend on the capacity.

    Attributes:
        pairs: `[2, capacity]` particle indices, `i < j`; unused slots hold N.
        reference: `[N, dim]` positions at the last build, length.
        needed: largest number of pairs any build asked for; above `capacity` pairs were lost.
        cutoff: range of the interaction, length.
        skin: extra range, length.
        box: side of the periodic box `[0, box)`, length; None is free space.
        builder: how the pairs are found, chosen by `allocate`.

    Limits:
        `refresh` must not be vmapped: a batched `lax.cond` runs both branches and rebuilds at
        each step. Send replicas through `jax.lax.map` instead.
    """

    pairs: Int32[Array, "*replicas 2 capacity"]
    reference: Float[Array, "*replicas N dim"]
    needed: Int32[Array, "*replicas"]
    cutoff: float = eqx.field(static=True)
    skin: float = eqx.field(static=True)
    box: float | None = eqx.field(static=True)
    builder: HostBuilder | DeviceBuilder = eqx.field(static=True)

    @property
    def capacity(self) -> int:
        return self.pairs.shape[-1]


def allocate(
    position: Float[Array, "*replicas N dim"],
    *,
    cutoff: float,
    skin: float,
    box: float | None,
    margin: float = 1.25,
    needed: int = 0,
    builder: Literal["host", "device"] | None = None,
) -> Neighbors:
    """Build a list with room for `margin` times the pairs of `position`; outside jit only.

    Args:
        position: unwrapped positions, length; a leading replica axis gives every replica a list
            of the same capacity, ready for `jax.lax.map`.
        cutoff: range beyond which the pair energy is zero, length.
        skin: extra range, length. Larger means fewer rebuilds and more pairs.
        box: side of the periodic box, length, or None.
        margin: room over the present number of pairs.
        needed: pairs known to be needed, e.g. `max(neighbors.needed)` of a list that overflowed.
        builder: "host" (k-d tree) or "device" (cell list); None takes what suits the backend.

    Raises:
        ValueError: a position is not finite.

    >>> line = jnp.array([[0.1], [1.0], [3.0], [7.9]])
    >>> neighbors = allocate(line, cutoff=1.0, skin=0.2, box=8.0)
    >>> neighbors.pairs[:, : int(neighbors.needed)].T.tolist()
    [[0, 1], [0, 3], [1, 3]]
    """
    samples = np.asarray(position, np.float64)
    samples = samples.reshape(-1, *samples.shape[-2:])
    if not np.isfinite(samples).all():
        raise ValueError(
            "cannot list neighbours: a position is NaN or infinite; "
            "the time step is probably too large for the forces"
        )
    n, reach = samples.shape[1], cutoff + skin
    dtype = jnp.asarray(position).dtype
    found = max(len(tree_pairs(x, reach, box, dtype)) for x in samples)
    wanted = margin * max(found, needed, 1)
    capacity = min(64 * -(-int(np.ceil(wanted)) // 64), max(n * (n - 1) // 2, 1))
    if _suits_backend(builder) == "host":
        build = HostBuilder(reach, box)
    else:
        build = DeviceBuilder.covering(samples, reach, box, room=wanted / max(found, 1))
    compiled = jax.jit(build, static_argnums=1)
    lists = [compiled(jnp.asarray(x, dtype), capacity) for x in samples]
    pairs, counts = (jnp.stack(leaves) for leaves in zip(*lists, strict=True))
    lead = position.shape[:-2]
    return Neighbors(
        pairs=pairs.reshape(*lead, 2, capacity),
        reference=jnp.asarray(position),
        needed=counts.reshape(lead),
        cutoff=float(cutoff),
        skin=float(skin),
        box=None if box is None else float(box),
        builder=build,
    )


def refresh(neighbors: Neighbors, position: Float[Array, "N dim"]) -> Neighbors:
    """Rebuild the list if some particle has moved more than `skin / 2`; for use inside jit.

    Exact: no pair within `cutoff` is ever missing unless `overflowed`. Positions that are not
    finite leave the list as it was. No derivative passes through the choice of pairs.

    >>> line = jnp.array([[0.0], [1.0], [3.0]])
    >>> neighbors = allocate(line, cutoff=1.0, skin=0.2, box=None)
    >>> moved = refresh(neighbors, line.at[1].set(2.0))
    >>> moved.pairs[:, : int(moved.needed)].T.tolist()
    [[1, 2]]
    """
    position = jax.lax.stop_gradient(position)
    squared = jnp.sum((position - neighbors.reference) ** 2, axis=-1)
    stale = jnp.any(squared > (neighbors.skin / 2) ** 2) & jnp.all(jnp.isfinite(position))

    def rebuilt():
        pairs, count = neighbors.builder(position, neighbors.capacity)
        return pairs, position, jnp.maximum(neighbors.needed, count)

    def kept():
        return neighbors.pairs, neighbors.reference, neighbors.needed

    pairs, reference, needed = jax.lax.cond(stale, rebuilt, kept)
    return eqx.tree_at(
        lambda n: (n.pairs, n.reference, n.needed), neighbors, (pairs, reference, needed)
    )


def overflowed(neighbors: Neighbors) -> bool:
    """Whether a build (of any replica) found more pairs than the buffer holds; outside jit only.

    The steps since the last good check are then wrong: discard them, and repeat them with
    `allocate(position, ..., needed=int(neighbors.needed.max()))`.
    """
    return bool(np.max(np.asarray(neighbors.needed)) > neighbors.capacity)


def pays(n_particles: int, cutoff: float, box: float | None, *, skin: float = 0.5) -> bool:
    """Whether a list is expected to be faster than all pairs.

    Measured on one CPU core (docs/benchmarks/particles_speed.md): the two are equal near 100
    particles, and a box below two and a half ranges has too few pairs to leave out.

    >>> pays(25, 2.0, None), pays(1000, 2.0, 14.0), pays(1000, 2.0, 6.0)
    (False, True, False)
    """
    if box is not None and box < 2.5 * (cutoff + skin):
        return False
    return n_particles >= 100


def pair_energy(
    position: Float[Array, "N dim"],
    neighbors: Neighbors | None,
    box: float | None,
    pair_fn: Callable[[tuple[Array, ...], PyTree, PyTree], Array],
    fields: PyTree = None,
) -> Float[Array, ""]:
    r"""Sum a pair energy once over each pair.

    $$E = \sum_{i<j} u(r_i - r_j,\, f_i,\, f_j)$$

    Derivatives of every order, in the positions, in the fields, and in whatever `pair_fn` closes
    over, come from automatic differentiation.

    Args:
        position: unwrapped positions, length; separations use the minimum image.
        neighbors: list that covers the range of `pair_fn`, or None for all pairs.
        box: side of the periodic box, length, or None.
        pair_fn: `pair_fn(separation, first, second)` returns energies, kT. `separation` is the
            tuple of the components of $r_i - r_j$; `first` and `second` have the structure of
            `fields`. Everything is elementwise over arrays of one shape. It must be zero beyond
            `neighbors.cutoff` and symmetric under exchange of the particles.
        fields: what `pair_fn` sees of each particle: a pytree of `[N]` arrays, such as species or
            orientation. None gives the particle indices.

    Limits:
        With a list, integer fields are exact up to 2^24 in float32.

    >>> species, depth = jnp.array([0, 1, 1]), jnp.array([[1.0, 2.0], [2.0, 3.0]])
    >>> def contact(separation, a, b):
    ...     return jnp.where(sum(x * x for x in separation) < 1.5, -depth[a, b], 0.0)
    >>> corner = jnp.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    >>> float(pair_energy(corner, None, None, contact, species))
    -5.0
    """
    if fields is None:
        fields = jnp.arange(position.shape[0], dtype=jnp.int32)
    if neighbors is not None:
        return _sum_listed(position, neighbors, box, pair_fn, fields)
    if position.shape[0] <= 64:
        return _sum_triangle(position, box, pair_fn, fields)
    return _sum_square(position, box, pair_fn, fields)


def _suits_backend(builder: str | None) -> str:
    """The one place that maps hardware to a way of finding pairs."""
    return builder or ("host" if jax.default_backend() == "cpu" else "device")


def _sum_triangle(position, box, pair_fn, fields):
    """The pairs i < j picked by constant 0/1 matrices: least work, and no scatter at all.

    Products with the matrices are exact (one term is not zero), and their transposes are products
    too, which up to some tens of particles are several times faster than scatters.
    """
    n = position.shape[0]
    ends = np.triu_indices(n, 1)
    picks = [np.eye(n, dtype=position.dtype)[:, end] for end in ends]
    rows = [*position.T]
    leaves, treedef = jax.tree.flatten(fields)
    rows += [leaf for leaf in leaves if jnp.issubdtype(leaf.dtype, jnp.floating)]
    table = jnp.stack(rows)
    exact = jax.lax.Precision.HIGHEST
    first, second = (
        jax.lax.optimization_barrier(jnp.matmul(table, pick, precision=exact)) for pick in picks
    )
    dim = position.shape[1]
    separation = tuple(minimum_image(first[k] - second[k], box) for k in range(dim))

    def fields_at(picked, end):
        floats = iter(picked[dim:])
        return treedef.unflatten(
            next(floats) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf[end]
            for leaf in leaves
        )

    return jnp.sum(pair_fn(separation, fields_at(first, ends[0]), fields_at(second, ends[1])))


def _sum_square(position, box, pair_fn, fields):
    """The whole N x N square, half weight: twice the work, but no gather and no scatter."""
    n, dim = position.shape
    itself = jnp.eye(n, dtype=bool)

    def apart(x):
        # A particle and itself: any distance will do, but zero would make derivatives NaN.
        return jnp.where(itself, 1.0, minimum_image(x[:, None] - x[None, :], box))

    separation = tuple(apart(position[:, k]) for k in range(dim))
    first = jax.tree.map(lambda f: jnp.broadcast_to(f[:, None], (n, n)), fields)
    second = jax.tree.map(lambda f: jnp.broadcast_to(f[None, :], (n, n)), fields)
    return 0.5 * jnp.sum(jnp.where(itself, 0.0, pair_fn(separation, first, second)))


def _sum_listed(position, neighbors, box, pair_fn, fields):
    """The pairs of a list; integer fields travel as floats with the positions."""
    n, dim = position.shape
    leaves, treedef = jax.tree.flatten(fields)
    used = neighbors.pairs[0] < n
    columns = (*position.T, *(leaf.astype(position.dtype) for leaf in leaves))
    first, second = _ends(columns, neighbors.pairs)

    def fields_of(end):
        return [column.astype(leaf.dtype) for column, leaf in zip(end[dim:], leaves, strict=True)]

    separation = [first[k] - second[k] for k in range(dim)]
    # Without the barrier XLA may recompute the whole potential for each entry of a gathered row.
    separation, a, b = jax.lax.optimization_barrier((separation, fields_of(first), fields_of(second)))
    separation = tuple(jnp.where(used, minimum_image(x, box), 1.0) for x in separation)
    energy = pair_fn(separation, treedef.unflatten(a), treedef.unflatten(b))
    return jnp.sum(jnp.where(used, energy, 0.0))
