"""Fraction of particles grown onto a correct piece of a structure without belonging to it."""

from typing import Literal

from pydantic import Field

from matterlearn.core.observable import Observable
from matterlearn.core.task import AbstractTask
from matterlearn.spec import Problem, Spec


class Chimera(Observable):
    """The task says what that means for its structures."""

    task: AbstractTask

    def __call__(self, system, drive, state):
        return self.task.chimera(system, state)


class Config(Spec):
    """The observable in a scenario."""

    kind: Literal["chimera"]
    every: int = Field(default=1000, ge=1, description="steps between records")

    def check(self, scenario):
        """There are structures to compare with."""
        if not getattr(scenario.task, "assembles", False):
            yield Problem(("kind",), "chimera needs stored structures, but no task stores any; add one or drop this")

    def build(self, system, task) -> Chimera:
        """The observable."""
        del system
        return Chimera("chimera", (), "1", "chimera fraction", self.every, task)
