"""Effective number of memories in a state, (Σ m²)²/Σ m⁴ of its overlaps: 1 in a memory, n in an even mixture of n.

Limits: where nothing is recalled it counts noise.

Example:
    >>> Config(kind="mixed_memories").every
    1
"""

from typing import Literal

import jax.numpy as jnp
from pydantic import Field

from matterlearn.core.observable import Observable
from matterlearn.core.task import AbstractTask
from matterlearn.spec import Problem, Spec


class MixedMemories(Observable):
    """Participation of the memories in the overlaps."""

    task: AbstractTask

    def __call__(self, system, drive, state):
        square = jnp.square(self.task.overlap(system, state))
        return jnp.sum(square) ** 2 / jnp.sum(square**2)


class Config(Spec):
    """Effective number of memories in a scenario."""

    kind: Literal["mixed_memories"]
    every: int = Field(default=1, ge=1, description="steps between records")

    def check(self, scenario):
        """There are memories."""
        if not getattr(scenario.task, "memories", 0):
            yield Problem(("kind",), "mixed_memories needs memories, but no task stores any; add one or drop this")

    def build(self, system, task) -> MixedMemories:
        """The observable."""
        del system
        return MixedMemories("mixed_memories", (), "1", "effective number of memories", self.every, task)
