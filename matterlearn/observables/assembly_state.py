"""Which state the matter is in: a number per record, and the name of the final one of every replica.

The task names the states and says where one ends; ``tile_structures`` knows dispersed, recalled, chimera and liquid.
"""

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from matterlearn.core.observable import Observable, Summary
from matterlearn.core.task import AbstractTask
from matterlearn.spec import Problem, Spec


class AssemblyState(Observable):
    """The task's classification."""

    task: AbstractTask

    def __call__(self, system, drive, state):
        return self.task.classify(system, state)

    def summary(self, values, labels) -> list[Summary]:
        """Names of the final states."""
        del labels
        names = np.array(self.task.states)[values[:, -1]]
        return [Summary("final_state", ("replica",), names, "label", "state at the end")]


class Config(Spec):
    """State of the matter in a scenario."""

    kind: Literal["assembly_state"]
    provides: ClassVar[tuple[str, ...]] = ("final_state",)
    every: int = Field(default=1000, ge=1, description="steps between records")

    def check(self, scenario):
        """The task tells states apart."""
        if not getattr(scenario.task, "tells_states", False):
            yield Problem(("kind",), "needs a task that tells states apart, as tile_structures does")

    def build(self, system, task) -> AssemblyState:
        """The observable."""
        del system
        words = ", ".join(f"{number} {name}" for number, name in enumerate(task.states))
        return AssemblyState("assembly_state", (), "label", words, self.every, task)
