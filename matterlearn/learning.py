"""Learning as a stage of a run: the couplings move, each update from the phases that the rule runs.

It is a :class:`matterlearn.loop.Stage`. Random numbers come from ``fold_in(key, update)`` alone, so chunks and resumes
do not change them.
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

from matterlearn.core.system import couplings
from matterlearn.core.task import replicated
from matterlearn.stages import MOST_NUMBERS, allocate, capacity, named, overflowed, required, uses_lists

MOST_COUPLING_RECORDS = 200
FEWEST_COUPLING_RECORDS = 20


class LearningCarry(NamedTuple):
    """What the next update needs."""

    parameters: Any
    optimizer: Any
    rule: Any
    update: jax.Array
    neighbors: Any = None


class Order(eqx.Module):
    """Which memory is shown in an update: all updates of one exposure, then the next memory."""

    updates: int = eqx.field(static=True)
    memories: int = eqx.field(static=True)

    def __call__(self, update):
        """Number of the memory."""
        return update // self.updates % self.memories


class Learning:
    """Moving couplings: one update after the other, each from the phases that the rule runs."""

    name, unit = "learning", "update"

    def __init__(self, key, system, dynamics, rule, task, optimizer, *, exposures, updates, duration, replicas):
        self.key, self.system, self.dynamics, self.rule, self.task = key, system, dynamics, rule, task
        self.optimizer = optimizer
        self.replicas, self.duration = replicas, duration / updates
        self.memory = Order(updates, task.memory_count)
        self.total = exposures * task.memory_count * updates
        self.stride = 1
        numbers = sum(np.size(leaf) for leaf in jax.tree.leaves(couplings(system)))
        records = min(MOST_COUPLING_RECORDS, max(FEWEST_COUPLING_RECORDS, MOST_NUMBERS // max(numbers, 1)))
        self.record = max(1, -(-self.total // records))

    def start(self):
        """Parameters of the blank material."""
        theta = self.rule.parameters(self.system)
        lists = self._allocate(theta, 0, 0)
        state = self.rule.init(self.key, self.system, self.dynamics, self.replicas)
        carry = LearningCarry(theta, self.optimizer.init(theta), state, jnp.zeros((), jnp.int32), lists)
        # Python scalars and weak types would make the second update compile again.
        return jax.tree.map(lambda leaf: jax.lax.convert_element_type(leaf, jnp.result_type(leaf)), carry)

    def _allocate(self, theta, update: int, needed: int):
        if not uses_lists(self.system):
            return None  # and nothing is presented just to see it
        system = self.task.teach(self.rule.couple(self.system, theta), self.memory(update))
        batch = self.task.present(self.key, system, self.memory(update), self.replicas, self.duration)
        return allocate(replicated(system, self.replicas), batch.x, needed)

    def first_records(self, carry):
        """The couplings before the first update; nothing was shown yet."""
        return self._records(carry, -1, None, 0)

    def advance(self, carry, begin, count):
        """``count`` updates; those between two records are one compiled loop."""
        parts, done, end = [], begin, begin + count
        while done < end:
            quiet = self.record - 1 - done % self.record  # updates before the next one that is recorded
            if carry.neighbors is not None:  # a list belongs to one presentation
                carry = carry._replace(neighbors=self._allocate(carry.parameters, done, capacity(carry.neighbors)))
            elif quiet := min(quiet, end - done, self.total - 1 - done):
                carry = self._move_on(carry, jnp.asarray(quiet))
                done += quiet
                continue
            carry, info = self._update(carry)
            done += 1
            if done % self.record == 0 or done == self.total:
                parts.append(self._records(carry, self.memory(done - 1), info, done))
        return carry, {k: np.concatenate([p[k] for p in parts]) for k in (parts[0] if parts else {})}

    @property
    def program(self):
        """What an update depends on besides the carry."""
        return self.key, self.system, self.dynamics, self.rule, self.task

    @property
    def settings(self):
        """What an update depends on that is the same whatever the numbers of the program."""
        return self.optimizer, self.memory, self.replicas, self.duration

    def _update(self, carry):
        """One update and what the rule found out."""
        return learn(self.program, carry, *self.settings)

    def _move_on(self, carry, count):
        """Many updates of which nothing is recorded."""
        return learn_on(self.program, carry, count, *self.settings)

    def _records(self, carry, memory, info, update):
        traces = {"update": np.asarray([update]), "memory_shown": np.asarray([memory])}
        system = self.learned(carry)
        trees = {"couplings": couplings(system), self.rule.parameter_name: carry.parameters}
        for phase, stats in info.phases.items() if info else ():
            trees |= {f"{phase}_moment": stats.mean, f"{phase}_moment_sem": stats.sem}
        for label, tree in trees.items():
            for name, (_, values) in named(system, tree, label).items():
                traces[name] = np.asarray(values)[None]
        numbers = self.task.evaluate(system, self.dynamics) | (info.numbers if info else {})
        return traces | {name: np.asarray(value)[None] for name, value in numbers.items()}

    def learned(self, carry):
        """The system as it would be if learning ended here."""
        return self.rule.couple(self.system, self.rule.learned(carry.parameters, carry.rule))

    def status(self, records):
        """The last loss, where there is one."""
        return f"loss {records['loss'][-1]:.3g}" if len(records.get("loss", ())) else ""

    def trouble(self, carry, after, begin, count):
        """Whether the parameters stopped being finite, and what to change."""
        if all(bool(jnp.all(jnp.isfinite(leaf))) for leaf in jax.tree.leaves(after.parameters)):
            return None
        remedy = "use a smaller learning.optimizer.learning_rate, or learning.optimizer.clip"
        if hasattr(self.dynamics, "dt"):
            remedy += ", or a smaller dynamics.dt"
        return f"update {begin + count}: the learned parameters are no longer finite; {remedy}"

    def enlarge(self, carry, after):
        """Larger lists for the next try, if those of the phases overflowed."""
        if after.neighbors is None or not overflowed(after.neighbors):
            return None
        return carry._replace(neighbors=self._allocate(carry.parameters, int(carry.update), required(after.neighbors)))


def update_once(program, carry, optimizer, memory, replicas, duration):
    """One update: present, estimate, step."""
    key, system, dynamics, rule, task = program
    here, shown = jax.random.fold_in(key, carry.update), memory(carry.update)
    taught = task.teach(rule.couple(system, carry.parameters), shown)
    batch = task.present(here, taught, shown, replicas, duration)._replace(neighbors=carry.neighbors)
    grads, state, info = rule.estimate(
        here, taught, dynamics, carry.rule, batch, parameters=carry.parameters
    )
    steps, optimizer_state = optimizer.update(grads, carry.optimizer, carry.parameters)
    parameters = optax.apply_updates(carry.parameters, steps)
    if rule.parameter_name == "couplings":  # other parameters know their own limits
        parameters = couplings(rule.couple(system, parameters).constrain())
    after = LearningCarry(parameters, optimizer_state, state, carry.update + 1, info.neighbors)
    return after, info._replace(neighbors=None)


@eqx.filter_jit
def learn(*args):
    """:func:`update_once`, compiled."""
    return update_once(*args)


@eqx.filter_jit
def learn_on(program, carry, count, optimizer, memory, replicas, duration):
    """Many updates of which only the end is wanted; statistics that nobody reads are not computed."""

    def once(_, carry):
        return update_once(program, carry, optimizer, memory, replicas, duration)[0]

    return jax.lax.fori_loop(0, count, once, carry)
