"""Overlap of the sample with every memory of the task; 1 is perfect recall."""

from typing import Literal

from pydantic import Field

from matterlearn.core.observable import Observable
from matterlearn.core.task import AbstractTask
from matterlearn.spec import Problem, Spec


class Overlap(Observable):
    """The task says what overlap means for its memories."""

    task: AbstractTask

    def __call__(self, system, drive, state):
        return self.task.overlap(system, state)


class Config(Spec):
    """Overlap in a scenario."""

    kind: Literal["overlap"]
    every: int = Field(default=1000, ge=1, description="steps between records")

    def check(self, scenario):
        """There are memories to overlap with."""
        if not getattr(scenario.task, "memories", 0):
            yield Problem(("kind",), "overlap needs memories, but no task stores any; add one or drop this")

    def build(self, system, task) -> Overlap:
        """The observable."""
        del system
        return Overlap("overlap", ("memory",), "1", "overlap with stored structure", self.every, task)
