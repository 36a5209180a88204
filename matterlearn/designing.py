"""The design stage of a run: couplings descend along the gradient of an objective.

A :class:`matterlearn.loop.Stage`. One step evaluates loss and gradient at the present couplings, records them, and
takes a step of the optimiser; after the last step there is one more evaluation. Random numbers come from
``fold_in(key, …)`` of the update alone, so chunks and resumes do not change them.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from matterlearn.core.dynamics import DynState
from matterlearn.core.system import couplings, with_couplings
from matterlearn.design._constraints import project
from matterlearn.design._diagnostics import length_of
from matterlearn.design._estimator import Setup, evaluate
from matterlearn.design._objective import Objective, Term
from matterlearn.design._sensitivity import Sensitivity, sensitivity
from matterlearn.errors import InputError, SimulationError
from matterlearn.loop import MOST_REPLAYS
from matterlearn.stages import MOST_NUMBERS, allocate, named, overflowed, replica, required

SIGNS = {"minimise": 1, "maximise": -1, None: 1}


def term(section, system, task) -> Term:
    """A term of the objective as its section describes it."""
    observable = section.observable.build(system, task)
    target = None if section.target is None else jnp.asarray(section.target, float)
    return Term(observable, target, jnp.asarray(float(section.weight)), section.component, SIGNS[section.goal],
                section.scale, section.reduce)  # fmt: skip


class DesignCarry(NamedTuple):
    """What the next update needs."""

    theta: Any
    optimizer: Any
    memories: tuple[Any, ...]  # of the estimator and its fallback
    using: jax.Array  # which of them
    distrusted: jax.Array  # updates in a row
    room: jax.Array  # entries of neighbour lists


class Design:
    """Moving couplings by gradients of what the matter does.

    Raises:
        InputError: if there are no couplings, or an objective speaks of numbers that its observable does not have.
    """

    name, unit, stride = "design", "update", 1

    def __init__(self, key, system, dynamics, task, section, optimizer: optax.GradientTransformation, log):
        self.key, self.system, self.dynamics, self.task, self.section = key, system, dynamics, task, section
        self.optimizer, self.log = optimizer, log
        chosen = [section.estimator] + ([section.fallback] if section.fallback is not None else [])
        self.estimators = tuple(config.build() for config in chosen)
        self.names = tuple(config.kind for config in chosen)
        self.total = section.updates + 1
        numbers = sum(np.size(leaf) for leaf in jax.tree.leaves(couplings(system)))
        if not numbers:
            raise InputError(f"design: a {type(system).__name__} as it is configured has no couplings to design")
        terms = tuple(term(t, system, task) for t in section.objective)
        recall = task.recall(key, system, 1)
        first, drive, x = (replica(tree, 0) for tree in (recall.system, recall.drive, recall.x))
        self.objective = Objective.of(terms, first, drive, DynState(x, jnp.zeros((), jnp.int32)))
        Setup.of(system, dynamics, self.objective, recall)
        self.record = max(1, -(-self.total * numbers // MOST_NUMBERS))
        self._made: tuple[Any, Setup] | None = None

    def start(self) -> DesignCarry:
        """The couplings that the scenario gives, as far as they are allowed."""
        theta = project(couplings(self.system), self.section.constraints)
        room = jnp.zeros((), jnp.int32)
        memories = tuple(e.prepare(self.key, theta, self._setup(e, 0, room), None) for e in self.estimators)
        zero = jnp.zeros((), jnp.int32)
        return DesignCarry(theta, self.optimizer.init(theta), memories, zero, zero, room)

    def first_records(self, carry):
        """Nothing: the first evaluation is the first step's."""
        del carry
        return {}

    def advance(self, carry, begin, count):
        """``count`` evaluations, each followed by a step of the optimiser unless it is the last of all."""
        parts = []
        for update in range(begin, begin + count):
            carry, setup, found, numbers = self._evaluate(carry, update)
            if update % self.record == 0 or update == self.section.updates:
                parts.append(self._records(carry, found, numbers, update))
            carry = self._switched(carry, found, update)
            if update < self.section.updates:
                steps, state = self.optimizer.update(found.gradient, carry.optimizer, carry.theta)
                theta = project(optax.apply_updates(carry.theta, steps), self.section.constraints)
                carry = carry._replace(theta=theta, optimizer=state)
        return carry, {k: np.concatenate([p[k] for p in parts]) for k in (parts[0] if parts else {})}

    def _setup(self, estimator, update: int, room) -> Setup:
        """Replicas as the task starts them with the random numbers of an update, and room in their lists."""
        reseed = 0 if estimator.keeps else self.section.reseed
        epoch = update // reseed if reseed else 0
        made = (epoch, int(room), estimator.exact)
        if self._made is None or self._made[0] != made:
            replicas = 1 if estimator.exact else self.section.replicas
            recall = self.task.recall(jax.random.fold_in(self.key, epoch), self.system, replicas)
            lists = allocate(recall.system, recall.x, int(room))
            self._made = made, Setup.of(self.system, self.dynamics, self.objective, recall, lists)
        return self._made[1]

    def _evaluate(self, carry: DesignCarry, update: int):
        """Loss and gradient; lists that overflowed are made larger and everything is done again.

        Raises:
            SimulationError: if they overflow whatever their size.
        """
        which = int(carry.using)
        estimator, memory = self.estimators[which], carry.memories[which]
        for _ in range(MOST_REPLAYS + 1):
            setup = self._setup(estimator, update, carry.room)
            reseed = self.section.reseed
            key = jax.random.fold_in(self.key, update // reseed if reseed else 0)
            memory = estimator.prepare(key, carry.theta, setup, memory)
            found = evaluate(estimator, key, carry.theta, setup, memory, clip=self.section.clip)
            if found.neighbors is None or not overflowed(found.neighbors):
                break
            carry, memory = carry._replace(room=jnp.asarray(required(found.neighbors), jnp.int32)), None
        else:
            raise SimulationError(
                f"update {update}: neighbour lists overflow again and again",
                suggestion="particles are collapsing onto each other; bound the couplings, or use a stiffer core",
            )
        if update == 0 and estimator.responds:
            check_response(found, self.names[which])
        memories = tuple(memory if i == which else m for i, m in enumerate(carry.memories))
        return carry._replace(memories=memories), setup, found, estimator.numbers(carry.theta, setup, memory)

    def _switched(self, carry: DesignCarry, found, update: int) -> DesignCarry:
        """The fallback takes over once an estimator was distrusted often enough."""
        doubts = 0 if bool(found.trusted) else int(carry.distrusted) + 1
        if doubts >= self.section.patience and int(carry.using) + 1 < len(self.estimators):
            self.log("estimator distrusted", update=update, was=self.names[int(carry.using)],
                     now=self.names[int(carry.using) + 1], tail_index=float(found.tail_index))  # fmt: skip
            carry, doubts = carry._replace(using=carry.using + 1), 0
        elif doubts == self.section.patience:
            self.log("estimator distrusted", update=update, was=self.names[int(carry.using)],
                     tail_index=float(found.tail_index))  # fmt: skip
        return carry._replace(distrusted=jnp.asarray(doubts, jnp.int32))

    def _records(self, carry: DesignCarry, found, numbers: dict[str, float], update: int) -> dict[str, np.ndarray]:
        traces: dict[str, Any] = {
            "update": update, "loss": found.loss, "loss_sem": found.loss_sem,
            "gradient_norm": length_of(found.gradient), "gradient_noise": length_of(found.gradient_sem),
            "tail_index": found.tail_index, "clipped": found.clipped, "estimator": carry.using,
        }  # fmt: skip
        for name in dict.fromkeys(n for estimator in self.estimators for n in estimator.reports):
            traces[name] = numbers.get(name, np.nan)
        for ending, values in (("", found.mean), ("_sem", found.mean_sem)):
            for i, part in enumerate(self.objective.parts(values)):
                traces[f"term{i}{ending}"] = part
        system = self.designed(carry)
        traces |= {name: values for name, (_, values) in named(system, carry.theta, "couplings").items()}
        return {name: np.asarray(value)[None] for name, value in traces.items()}

    def designed(self, carry: DesignCarry):
        """The system with the couplings of a carry."""
        return with_couplings(self.system, carry.theta)

    def sensitivity(self, carry: DesignCarry) -> Sensitivity | None:
        """How trajectories respond to the couplings, where an estimator goes through them."""
        estimator: Any = self.estimators[0]
        if not estimator.responds or not hasattr(estimator, "sampling"):
            return None
        setup = self._setup(estimator, self.total, carry.room)
        return sensitivity(jax.random.fold_in(self.key, self.total), carry.theta, setup, estimator.sampling.steps)

    def status(self, records):
        """The last loss with its standard error, and which estimator is in use."""
        if not len(records.get("loss", ())):
            return ""
        loss, error = records["loss"][-1], records["loss_sem"][-1]
        return f"loss {loss:.3g} ± {error:.1g} ({self.names[int(records['estimator'][-1])]})"

    def trouble(self, carry, after, begin, count):
        """Whether the couplings stopped being finite."""
        del carry
        if all(bool(jnp.all(jnp.isfinite(leaf))) for leaf in jax.tree.leaves(after.theta)):
            return None
        return f"update {begin + count}: the designed couplings are no longer finite; clip gradients, or shorten paths"

    def enlarge(self, carry, after):
        """Lists are enlarged within an evaluation."""
        del carry, after


def check_response(found, names: str) -> None:
    """A gradient that is exactly zero everywhere is a step function's.

    Raises:
        InputError: if so.
    """
    if all(bool(jnp.all(leaf == 0)) for leaf in jax.tree.leaves(found.gradient)):
        raise InputError(
            f"design.objective: nothing of it responds to the couplings through {names}; for counts, indicators and "
            "other steps use score_function or equilibrium"
        )
