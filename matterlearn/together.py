"""Several runs as one compiled program: what differs between them has a leading axis ``point``, the rest is shared.

Runs can go together where their programs have the same structure and only numbers in arrays differ: temperatures,
strengths, seeds. Each keeps its own random numbers, so a run has the same statistics as alone; the last bits of its
numbers depend on how many go together, because compilers order sums by the shape of arrays.

Example:
    >>> alike = together([{"kT": jnp.array(1.0), "J": jnp.ones(3)}, {"kT": jnp.array(2.0), "J": jnp.ones(3)}])
    >>> alike.own["kT"].tolist(), alike.common["J"].shape, alike.own["J"]
    ([1.0, 2.0], (3,), None)
    >>> alike.each(lambda program: program["kT"] * program["J"].sum()).tolist()
    [3.0, 6.0]
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from matterlearn.learning import Learning, learn, learn_on
from matterlearn.stages import Recall, advance_replicas, all_sane, shard

MOST_BYTES = 1 << 30  # of the programs and states that go together


class Points(eqx.Module):
    """Programs of several points: leaves that all have in common, and those with a leading axis."""

    common: Any
    own: Any

    def each(self, function, *carried):
        """``function(program, …)`` of every point, vectorised."""
        one = lambda own, *rest: function(eqx.combine(self.common, own), *rest)  # noqa: E731
        return jax.vmap(one)(self.own, *carried)


def together(programs) -> Points | None:
    """:class:`Points`, or ``None`` if the programs differ in more than the numbers of their arrays."""
    flat = [jax.tree.flatten(program) for program in programs]
    treedef = flat[0][1]
    if any(other != treedef for _, other in flat):
        return None
    common, own = [], []
    for leaves in zip(*(leaves for leaves, _ in flat), strict=True):
        first = leaves[0]
        if not all(_compatible(first, leaf) for leaf in leaves):
            return None
        same = all(_same(first, leaf) for leaf in leaves)
        if not same and not _is_array(first):
            return None
        common.append(first if same else None)
        own.append(None if same else jnp.stack(leaves))
    return Points(treedef.unflatten(common), treedef.unflatten(own))


def _is_array(leaf) -> bool:
    return isinstance(leaf, jax.Array | np.ndarray)


def _compatible(one, other) -> bool:
    if not _is_array(one):
        return type(one) is type(other)
    return _is_array(other) and one.shape == other.shape and one.dtype == other.dtype


def _same(one, other) -> bool:
    if one is other or not _is_array(one):
        return one is other or bool(one == other)
    plain = lambda leaf: jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf  # noqa: E731
    return np.array_equal(np.asarray(plain(one)), np.asarray(plain(other)))


def size(tree) -> int:
    """Bytes of all arrays.

    >>> size({"a": jnp.zeros(4, jnp.float32)})
    16
    """
    return sum(leaf.nbytes for leaf in jax.tree.leaves(tree) if isinstance(leaf, jax.Array | np.ndarray))


def pile(trees):
    """Trees of one structure with a leading axis."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


def part(tree, n: int):
    """One of a pile."""
    return jax.tree.map(lambda leaf: leaf[n], tree)


def _piled(records: list[dict]) -> dict[str, np.ndarray]:
    """Records of all points under one name; time stays the first axis."""
    return {name: np.stack([one[name] for one in records], 1) for name in records[0]}


def apart(records: dict[str, np.ndarray], n: int) -> dict[str, np.ndarray]:
    """The records of one point."""
    return {name: values[:, n] for name, values in records.items()}


def joint(stage: type, members: list):
    """The stage of several members, or ``None`` where they cannot go together.

    Dynamics on the host and neighbour lists run one by one, as do programs of other structure or too many bytes.
    """
    points = None if any(one.dynamics.hosted for one in members) else together([one.program for one in members])
    if points is None:
        return None
    starts = [one.start() for one in members]
    if any(start.neighbors is not None for start in starts) or size((points, starts)) > MOST_BYTES:
        return None
    return stage(members, points, pile(starts))


class Recalls:
    """:class:`~matterlearn.stages.Recall` of several points at once; a :class:`~matterlearn.loop.Stage`."""

    def __init__(self, members: list[Recall], points: Points, begun):
        first = members[0]
        self.members, self.points, self.begun, self.blocks = members, points, begun, first.blocks
        self.name, self.unit, self.total, self.stride = first.name, first.unit, first.total, first.stride

    def start(self):
        """States of all points."""
        return shard(self.begun)

    def first_records(self, carry):
        """Every observable of every point at step 0."""
        return _piled([one.first_records(part(carry, n)) for n, one in enumerate(self.members)])

    def advance(self, carry, begin, count):
        """``count`` steps of every replica of every point."""
        after, values = advance_points(self.points, carry, jnp.asarray(begin), *self.blocks(count))
        steps = begin + self.stride * np.arange(1, count // self.stride + 1)
        values = jax.tree.map(np.asarray, values)
        return after, _piled([one.traces(part(values, n), steps) for n, one in enumerate(self.members)])

    def status(self, records):
        """Nothing to say of recalls."""
        del records
        return ""

    def trouble(self, carry, after, begin, count):
        """Whether any point went wrong; which, is found when it runs alone."""
        del carry, begin
        return None if bool(points_sane(self.points, after)) else f"within {count} steps a state is no longer finite"

    def enlarge(self, carry, after):
        """Points with neighbour lists do not go together."""
        del carry, after


class Learnings(Learning):
    """:class:`~matterlearn.learning.Learning` of several points at once."""

    def __init__(self, members: list[Learning], points: Points, begun):  # members hold what the base class would
        first = members[0]
        self.members, self.points, self.begun = members, points, begun
        self.rule, self.dynamics = first.rule, first.dynamics
        self.optimizer, self.memory, self.replicas, self.duration = first.settings
        self.total, self.stride, self.record = first.total, first.stride, first.record

    def start(self):
        """Blank materials of all points."""
        return shard(self.begun)

    def _update(self, carry):
        return learn_points(self.points, carry, self.settings)

    def _move_on(self, carry, count):
        return learn_points_on(self.points, carry, count, self.settings)

    def _records(self, carry, memory, info, update):
        return _piled([
            one._records(part(carry, n), memory, None if info is None else part(info, n), update)
            for n, one in enumerate(self.members)
        ])  # fmt: skip

    def status(self, records):
        """The mean of the last losses."""
        return f"mean loss {np.mean(records['loss'][-1]):.3g}" if len(records.get("loss", ())) else ""


@eqx.filter_jit
def advance_points(points, carry, begin, records: int, stride: int, rest: int):
    """:func:`~matterlearn.stages.advance_replicas` of every point."""
    return points.each(lambda program, one: advance_replicas(program, one, begin, records, stride, rest), carry)


@eqx.filter_jit
def points_sane(points, carry):
    """Whether every replica of every point is sane."""
    return jnp.all(points.each(lambda program, one: all_sane(program[1], one), carry))


@eqx.filter_jit
def learn_points(points, carry, settings):
    """One update of every point."""
    return points.each(lambda program, one: learn(program, one, *settings), carry)


@eqx.filter_jit
def learn_points_on(points, carry, count, settings):
    """Many updates of every point."""
    return points.each(lambda program, one: learn_on(program, one, count, *settings), carry)
