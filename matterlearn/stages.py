"""Recall as a stage of a run: couplings stay, the state moves and is observed; and what other stages share with it.

It is a :class:`matterlearn.loop.Stage`. Random numbers come from ``fold_in(key, step)`` and ``fold_in(·, replica)``
alone, so chunks, resumes and the number of devices do not change them.
"""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from matterlearn.core.discrete import AbstractDiscreteSystem
from matterlearn.core.dynamics import advance
from matterlearn.core.field import AbstractField
from matterlearn.core.learner import AbstractLearner
from matterlearn.core.network import AbstractNetwork
from matterlearn.core.rule import map_replicas
from matterlearn.core.system import AbstractSystem, with_couplings

MOST_NUMBERS = 1_000_000  # of one quantity, over all records


class Shared(eqx.Module):
    """Systems of all replicas: what they have in common is closed over instead of mapped over.

    Tables and matrices that all replicas share are then built once, and products with them are matrix products.
    """

    common: Any
    own: Any  # leading replica axis


def share(systems):
    """:class:`Shared` for matter with tabulated local energies and for models of data, otherwise what was given."""
    if not isinstance(systems, AbstractDiscreteSystem | AbstractNetwork | AbstractField | AbstractLearner):
        return systems
    common, own = eqx.partition(systems, jax.tree.map(_same, systems))
    return Shared(jax.tree.map(jnp.asarray, replica(common, 0)), own)


def _same(leaf) -> bool:
    """Whether all replicas have the same numbers; views of one copy certainly have."""
    if isinstance(leaf, np.ndarray) and leaf.strides[0] == 0:
        return True
    entries = np.asarray(leaf)
    return bool(np.all(entries == entries[:1]))


def each(function, neighbors, systems, *args):
    """``function(system, …)`` of every replica."""
    if isinstance(systems, Shared):
        one = lambda own, *rest: function(eqx.combine(systems.common, own), *rest)  # noqa: E731
        return map_replicas(one, neighbors)(systems.own, *args)
    return map_replicas(function, neighbors)(systems, *args)


TOO_LONG = "use a smaller dynamics.dt, or weaker bonds"
TOO_STRONG = "use weaker couplings; what is learned stays smaller with a smaller learning.optimizer.learning_rate"


class Recall:
    """Fixed couplings, moving state: replicas of one system advance and are observed."""

    unit = "step"

    def __init__(self, key, dynamics, recall, observables, steps: int, name: str = "recall"):
        self.name = name
        place = (lambda tree: tree) if dynamics.hosted else shard
        self.place, shared = place, share(recall.system)
        recall = recall._replace(drive=place(recall.drive))
        self.key, self.dynamics, self.recall, self.observables = key, dynamics, recall, tuple(observables)
        self.system = shared if isinstance(shared, Shared) else place(shared)
        self.total = steps
        self.stride = math.gcd(*(o.every for o in observables)) if observables else steps
        self.replicas = len(jax.tree.leaves(recall.x)[0])

    def start(self):
        """State of the dynamics at every replica's starting sample."""
        lists = allocate(self.recall.system, self.recall.x)
        states = start_replicas(self.key, self.system, self.dynamics, self.recall.drive, self.recall.x, lists)
        return self.place(states) if lists is None else states

    def first_records(self, carry):
        """Every observable at step 0."""
        values = measure_replicas(self.system, self.recall.drive, carry, self.observables)
        first = lambda tree: jax.tree.map(lambda v: np.asarray(v)[None], tree)  # noqa: E731
        return self.traces({o.name: first(values[o.name]) for o in self.observables}, [0])

    def advance(self, carry, begin, count):
        """``count`` steps of every replica, with records at multiples of the stride."""
        after, values = advance_replicas(self.program, carry, jnp.asarray(begin), *self.blocks(count))
        steps = begin + self.stride * np.arange(1, count // self.stride + 1)
        return after, self.traces(values, steps)

    @property
    def program(self):
        """What a step depends on besides the carry."""
        return self.key, self.system, self.dynamics, self.recall.drive, self.observables

    def blocks(self, count: int) -> tuple[int, int, int]:
        """Records, steps between two of them, and steps after the last."""
        return count // self.stride, self.stride, count % self.stride

    def traces(self, values, steps) -> dict[str, np.ndarray]:
        """Flat arrays [record, replica, …]; observables that were not due at a record hold NaN or 0 there."""
        traces = {"step": np.asarray(steps)}
        for name, value in values.items():
            for part, leaf in leaves_by_name(name, value).items():
                traces[part] = np.asarray(leaf)
        return traces

    def status(self, records):
        """Nothing to say of a recall."""
        del records
        return ""

    def trouble(self, carry, after, begin, count):
        """Which step first gave a non-finite state or an energy beyond all bounds, and what to change, or ``None``."""
        if bool(all_sane(self.system, after)):
            return None
        sane = np.asarray(
            sane_steps(self.key, self.system, self.dynamics, self.recall.drive, carry, count)
        )
        where = np.argwhere(~sane)
        step, replica = (begin + where[0][0] + 1, where[0][1]) if len(where) else (begin + count, 0)
        remedy = TOO_LONG if hasattr(self.dynamics, "dt") else TOO_STRONG
        what = f"the state or energy of replica {replica} is no longer finite or beyond all bounds"
        return f"step {step}: {what}; {remedy}"

    def enlarge(self, carry, after):
        """A carry with larger neighbour lists if those of ``after`` overflowed."""
        return enlarge(self.recall.system, carry, after.neighbors)


def named(system, theta, label: str):
    """Couplings-shaped numbers under the names of the system's couplings, with ``label`` for "couplings"."""
    named = with_couplings(system, theta).named_couplings()
    matrix = "couplings" in named
    return {label if matrix and name == "couplings" else f"{label}_{name}": values for name, values in named.items()}


def shard(tree):
    """Replicas spread over all devices when they divide evenly; otherwise left where they are."""
    devices = jax.devices()
    n = len(jax.tree.leaves(tree)[0])
    if len(devices) == 1 or n % len(devices):
        return tree
    mesh = jax.sharding.Mesh(np.array(devices), ("replica",))
    place = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("replica"))
    return jax.tree.map(lambda leaf: jax.device_put(leaf, place), tree)


def leaves_by_name(name: str, value) -> dict[str, Any]:
    """Parts of an observable: itself if an array, one entry per field if a state."""
    if hasattr(value, "_fields"):
        return {f"{name}/{field}": leaf for field, leaf in zip(value._fields, value, strict=True)}
    return {name: value}


@eqx.filter_jit
def start_replicas(key, system, dynamics, drive, x, neighbors):
    """Initial states of the dynamics, one key per replica."""

    def one(system, replica, drive, x, neighbors):
        return dynamics.init(jax.random.fold_in(key, replica), system, drive, x, neighbors)

    n = len(jax.tree.leaves(x)[0])
    return each(one, neighbors, system, jnp.arange(n), drive, x, neighbors)


def measure(system, drive, state, observables, step):
    """All observables that are due at a step; the others are zero and are dropped later.

    ``step`` is the same for all replicas, unlike the batched ``state.step``: a batched condition would evaluate both
    branches always.
    """

    def value(observable):
        shape = jax.eval_shape(lambda: observable(system, drive, state))
        blank = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shape)
        return jax.lax.cond(step % observable.every == 0, lambda: observable(system, drive, state), lambda: blank)

    return {observable.name: value(observable) for observable in observables}


@eqx.filter_jit
def measure_replicas(system, drive, state, observables):
    """Every observable of every replica, at step 0."""
    one = lambda a, b, c: measure(a, b, c, observables, jnp.zeros((), int))  # noqa: E731
    return each(one, state.neighbors, system, drive, state)


@eqx.filter_jit
def advance_replicas(program, state, begin, records: int, stride: int, rest: int):
    """``records`` times ``stride`` steps with a measurement after each, then ``rest`` steps without."""
    key, system, dynamics, drive, observables = program
    n = len(state.step)

    def one(system, replica, drive, state):
        mine = jax.random.fold_in(key, replica)

        def record(state, entry):
            count, step = entry
            state = advance(mine, system, dynamics, drive, state, count)
            return state, measure(system, drive, state, observables, step)

        # What is left after the last record is one more entry whose measurement is dropped.
        counts = jnp.asarray([stride] * records + [rest] * (rest > 0))
        state, values = jax.lax.scan(record, state, (counts, begin + jnp.cumsum(counts)))
        return state, jax.tree.map(lambda v: v[:records], values)

    state, values = each(one, state.neighbors, system, jnp.arange(n), drive, state)
    return state, jax.tree.map(lambda v: jnp.moveaxis(v, 0, 1), values)


def sane(system, state):
    """Finite everywhere, nothing flung away, and not exploding."""
    finite = [jnp.all(jnp.abs(leaf) < system.largest) for leaf in jax.tree.leaves(state.x)]  # false for NaN too
    return jnp.all(jnp.stack(finite)) & system.bounded(state.x, state.neighbors)


@eqx.filter_jit
def all_sane(system, state):
    """Whether every replica is sane."""
    return jnp.all(each(sane, state.neighbors, system, state))


@eqx.filter_jit
def sane_steps(key, system, dynamics, drive, state, count: int):
    """The chunk once more, step by step: [step, replica] booleans."""

    def one(system, replica, drive, state):
        def body(state, _):
            state = advance(jax.random.fold_in(key, replica), system, dynamics, drive, state, 1)
            return state, sane(system, state)

        return jax.lax.scan(body, state, length=count)[1]

    return each(one, state.neighbors, system, jnp.arange(len(state.step)), drive, state).T


@jax.jit
def replica(tree, r: int):
    """One replica's slice."""
    return jax.tree.map(lambda leaf: leaf[r], tree)


def uses_lists(system) -> bool:
    """Whether the system says how to allocate neighbour lists."""
    return type(system).allocate is not AbstractSystem.allocate


def allocate(system, x, needed: int = 0):
    """Neighbour lists of all replicas with one common capacity, or ``None`` where the system uses none."""
    if not uses_lists(system):
        return None
    n = len(jax.tree.leaves(x)[0])
    lists = [replica(system, r).allocate(replica(x, r), needed) for r in range(n)]
    if lists[0] is None:
        return None
    largest = max(map(capacity, lists))
    if any(capacity(item) != largest for item in lists):
        room = max(int(item.needed) for item in lists)
        lists = [replica(system, r).allocate(replica(x, r), max(needed, room)) for r in range(n)]
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *lists)


def capacity(neighbors) -> int:
    """Entries that a (replica's) list can hold."""
    return neighbors.pairs.shape[-1]


def required(neighbors) -> int:
    """Most entries that any replica asked for."""
    return int(jnp.max(neighbors.needed))


def overflowed(neighbors) -> bool:
    """Whether any replica asked for more than there is."""
    return required(neighbors) > capacity(neighbors)


def enlarge(system, carry, neighbors):
    """The carry with lists that hold what ``neighbors`` asked for, or ``None`` if nothing overflowed."""
    if neighbors is None or not overflowed(neighbors):
        return None
    return carry._replace(neighbors=allocate(system, carry.x, required(neighbors)))
