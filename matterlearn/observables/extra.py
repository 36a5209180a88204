"""Wrong and surplus units attached to the best recalled structure, over the structure's size."""

from typing import Literal

from pydantic import Field

from matterlearn.core.observable import Observable
from matterlearn.core.task import AbstractTask
from matterlearn.spec import Problem, Spec


class Extra(Observable):
    """The task says what that means for its structures."""

    task: AbstractTask

    def __call__(self, system, drive, state):
        return self.task.extra(system, state)


class Config(Spec):
    """The observable in a scenario."""

    kind: Literal["extra"]
    every: int = Field(default=1000, ge=1, description="steps between records")

    def check(self, scenario):
        """There are structures to compare with."""
        if not getattr(scenario.task, "assembles", False):
            yield Problem(("kind",), "extra needs stored structures, but no task stores any; add one or drop this")

    def build(self, system, task) -> Extra:
        """The observable."""
        del system
        return Extra("extra", (), "1", "wrong or surplus units / structure size", self.every, task)
