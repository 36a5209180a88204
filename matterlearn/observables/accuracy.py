"""Which memory was recalled: the one of largest overlap, averaged over the second half of the run.

    accuracy = fraction of replicas whose recalled memory is the one they were cued with
"""

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from matterlearn.core.observable import Observable, Summary
from matterlearn.core.task import AbstractTask
from matterlearn.spec import Problem, Spec


class Accuracy(Observable):
    """Overlaps, of which only their average in equilibrium counts."""

    task: AbstractTask

    def __call__(self, system, drive, state):
        return self.task.overlap(system, state)

    def summary(self, values, labels) -> list[Summary]:
        """The fraction of correct recalls, its binomial error, and what each replica recalled."""
        settled = values[:, values.shape[1] // 2 :].mean(1)
        recalled = settled.argmax(-1)
        cued = labels["cue"] >= 0
        every = recalled == labels["cue"]
        right = every[cued]
        mean = right.mean() if cued.any() else np.nan
        error = np.sqrt(mean * (1 - mean) / max(cued.sum() - 1, 1))
        words = "fraction of replicas that recall what they were cued with"
        return [
            Summary("accuracy", (), np.asarray(mean), "1", words),
            Summary("accuracy_sem", (), np.asarray(error), "1", words),
            Summary("correct", ("replica",), np.where(cued, every, np.nan), "1", "whether the cue was recalled"),
            Summary("recalled", ("replica",), recalled, "label", "memory of largest mean overlap"),
        ]


class Config(Spec):
    """Accuracy in a scenario."""

    kind: Literal["accuracy"]
    provides: ClassVar[tuple[str, ...]] = ("accuracy", "correct")
    every: int = Field(default=10, ge=1, description="steps between overlaps that are averaged")

    def check(self, scenario):
        """There are memories to recall."""
        if not getattr(scenario.task, "memories", 0):
            yield Problem(("kind",), "accuracy needs memories, but no task stores any; add one or drop this")

    def build(self, system, task) -> Accuracy:
        """The observable."""
        del system
        return Accuracy("vote", ("memory",), "1", "overlap with stored memory", self.every, task)
