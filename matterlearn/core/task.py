"""What is asked of the matter: memories to store, cues to recall them from.

Learning shows the task's presentations one after the other; recall gives each replica a system, a drive, a
starting sample and labels (which memory was cued, how strong the bonds are).
"""

import abc
import functools
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, PyTree

from matterlearn.core.drive import Drive
from matterlearn.core.dynamics import AbstractDynamics
from matterlearn.core.observable import Summary
from matterlearn.core.rule import Batch
from matterlearn.core.system import AbstractSystem, State
from matterlearn.errors import InputError

LARGE = 4096  # numbers in a leaf from which on replicas do not get copies of their own


def shown(key: Key[Array, ""], count: int, replicas: int) -> Int[Array, " replica"]:
    """Which of ``count`` examples the replicas see: different ones at random, or all of them over and over.

    >>> shown(jax.random.key(0), 2, 5).tolist()
    [0, 1, 0, 1, 0]
    """
    return jax.random.permutation(key, count)[:replicas] if replicas < count else jnp.arange(replicas) % count


class Label(NamedTuple):
    """A coordinate over replicas: values with units and a description."""

    values: np.ndarray
    units: str
    long_name: str


class Recall(NamedTuple):
    """Where each replica starts; every array has a leading replica axis, the system's leaves too."""

    system: AbstractSystem
    drive: Drive
    x: State
    labels: dict[str, Label]


@functools.partial(jax.jit, static_argnums=1)  # one small program in place of one for every leaf
def replicated(tree: PyTree, replicas: int) -> PyTree:
    """Every array leaf with a leading replica axis, the same in all replicas.

    >>> replicated(jnp.arange(3), 2).shape
    (2, 3)
    """
    return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (replicas, *jnp.shape(leaf))), tree)


def alike(system: AbstractSystem, replicas: int) -> AbstractSystem:
    """The system with a leading replica axis, the same in all; of large leaves only as a view, which takes no memory.

    >>> class Heavy(eqx.Module):
    ...     weight: Array
    >>> alike(Heavy(jnp.zeros(10**6)), 1000).weight.strides[0]
    0
    """

    def one(leaf):
        if np.size(leaf) < LARGE:
            return replicated(leaf, replicas)
        return np.broadcast_to(np.asarray(leaf), (replicas, *np.shape(leaf)))

    return jax.tree.map(one, system)


def cue_labels(cued: np.ndarray, scale: np.ndarray, strongest: float) -> dict[str, Label]:
    """Labels of replicas that were cued with a memory and have scaled couplings."""
    return {
        "cue": Label(cued, "1", "memory that the replica was given a part of"),
        "bond_strength": Label(np.round(scale * strongest, 3), "kT_ref", "strongest bond"),
        "bond_scale": Label(scale, "1", "factor on the learned couplings"),
    }


class AbstractTask(eqx.Module):
    """Presentations to learn from and cues to recall with."""

    @property
    @abc.abstractmethod
    def memory_count(self) -> int:
        """How many memories there are."""

    @property
    def training_samples(self) -> Float[Array, "sample entry"] | None:
        """Training samples, for systems that take more than couplings from them. Default: none."""
        return None

    def teach(self, system: AbstractSystem, memory: Int[Array, ""]) -> AbstractSystem:
        """The system as it stands in an exposure to one memory; traced, its couplings are the system's own.

        Default: the system itself.
        """
        del memory
        return system

    def present(
        self, key: Key[Array, ""], system: AbstractSystem, memory: Int[Array, ""], replicas: int, duration: float
    ) -> Batch:
        """One presentation of one memory to all replicas; traced, ``memory`` may be an index array.

        Raises:
            InputError: if there is nothing to learn from. Default.
        """
        del key, system, memory, replicas, duration
        raise InputError(f"the task {type(self).__name__} has nothing to learn from; use another, or drop learning")

    @abc.abstractmethod
    def recall(self, key: Key[Array, ""], system: AbstractSystem, replicas: int) -> Recall:
        """Cues for all replicas."""

    def overlap(self, system: AbstractSystem, state) -> Float[Array, " memory"]:
        """Overlap of a sample with every memory, 1 for perfect recall."""
        raise NotImplementedError(f"{type(self).__name__} stores no memories that a state could overlap with")

    def extra(self, system: AbstractSystem, state) -> Float[Array, ""]:
        """Wrong and surplus units around the best recalled structure, over the structure's size."""
        raise NotImplementedError(f"{type(self).__name__} stores no structures that a state could exceed")

    def chimera(self, system: AbstractSystem, state) -> Float[Array, ""]:
        """Fraction of the matter that is bound without belonging to the structure it grew on."""
        raise NotImplementedError(f"{type(self).__name__} stores no structures that a state could mix")

    @property
    def states(self) -> tuple[str, ...]:
        """Names of the states that :meth:`classify` tells apart. Default: none."""
        return ()

    def classify(self, system: AbstractSystem, state) -> Int[Array, ""]:
        """Which of the states the matter is in."""
        raise NotImplementedError(f"{type(self).__name__} tells no states apart")

    def evaluate(self, system: AbstractSystem, dynamics: AbstractDynamics) -> dict[str, float]:
        """How well the system does the task, in numbers that learning records as it goes. Default: none."""
        del system, dynamics
        return {}

    def references(self, system: AbstractSystem, dynamics: AbstractDynamics) -> list[Summary]:
        """Exact values to draw beside what recall measures; their names end in ``_theory``. Default: none."""
        del system, dynamics
        return []

    def coords(self) -> dict[str, np.ndarray]:
        """Labels of the axes that :meth:`references` have. Default: none."""
        return {}

    def groups(self, system: AbstractSystem) -> dict[str, list[Summary]]:
        """What is stored, by group of the results: ``memories``, and ideal ``couplings`` to compare with."""
        del system
        return {}

    def annotations(self, system: AbstractSystem) -> dict[str, float]:
        """Numbers from theory that belong to the whole run, for the results' root attributes. Default: none."""
        del system
        return {}
