"""What is asked of the matter: memories to store, cues to recall them from.

Learning shows the task's presentations one after the other; recall gives each replica a system, a drive, a
starting sample and labels (which memory was cued, how strong the bonds are).
"""

import abc
from typing import NamedTuple

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float, Int, Key

from matterlearn.core.drive import Drive
from matterlearn.core.dynamics import AbstractDynamics
from matterlearn.core.observable import Summary
from matterlearn.core.rule import Batch
from matterlearn.core.system import AbstractSystem, State


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


class AbstractTask(eqx.Module):
    """Presentations to learn from and cues to recall with."""

    @property
    @abc.abstractmethod
    def memory_count(self) -> int:
        """How many memories there are."""

    @abc.abstractmethod
    def teach(self, system: AbstractSystem, memory: Int[Array, ""]) -> AbstractSystem:
        """The system as it stands in an exposure to one memory; traced, its couplings are the system's own."""

    @abc.abstractmethod
    def present(
        self, key: Key[Array, ""], system: AbstractSystem, memory: Int[Array, ""], replicas: int, duration: float
    ) -> Batch:
        """One presentation of one memory to all replicas; traced, ``memory`` may be an index array."""

    @abc.abstractmethod
    def recall(self, key: Key[Array, ""], system: AbstractSystem, replicas: int) -> Recall:
        """Cues for all replicas."""

    def overlap(self, system: AbstractSystem, state) -> Float[Array, " memory"]:
        """Overlap of a sample with every memory, 1 for perfect recall."""
        raise NotImplementedError(f"{type(self).__name__} stores no memories that a state could overlap with")

    def evaluate(self, system: AbstractSystem, dynamics: AbstractDynamics) -> dict[str, float]:
        """How well the system does the task, in numbers that learning records as it goes. Default: none."""
        del system, dynamics
        return {}

    def references(self, system: AbstractSystem, dynamics: AbstractDynamics) -> list[Summary]:
        """Exact values to draw beside what recall measures; their names end in ``_theory``. Default: none."""
        del system, dynamics
        return []

    def annotations(self, system: AbstractSystem) -> dict[str, float]:
        """Numbers from theory that belong to the whole run, for the results' root attributes. Default: none."""
        del system
        return {}
