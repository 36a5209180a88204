"""Whether a memory stands complete: 1 where the largest overlap is 1, else 0.

``assembled_max`` in ``expect:`` is then the fraction of replicas that ever had one, at a record.
"""

from typing import Literal

import jax.numpy as jnp
from pydantic import Field

from matterlearn.core.observable import Observable
from matterlearn.core.task import AbstractTask
from matterlearn.spec import Problem, Spec

ROUNDING = 1e-5


class Assembled(Observable):
    """Complete or not."""

    task: AbstractTask

    def __call__(self, system, drive, state):
        return (jnp.max(self.task.overlap(system, state)) > 1 - ROUNDING).astype(float)


class Config(Spec):
    """Completeness in a scenario."""

    kind: Literal["assembled"]
    every: int = Field(default=1, ge=1, description="steps between records")

    def check(self, scenario):
        """There are memories to complete."""
        if not getattr(scenario.task, "memories", 0):
            yield Problem(("kind",), "assembled needs memories, but no task stores any; add one or drop this")

    def build(self, system, task) -> Assembled:
        """The observable."""
        del system
        return Assembled("assembled", (), "1", "a memory stands complete", self.every, task)
