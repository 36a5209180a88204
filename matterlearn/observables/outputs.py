"""Values at the outputs of a network.

Example:
    >>> Config(kind="outputs", every=2).every
    2
"""

from typing import Any, Literal

from pydantic import Field

from matterlearn.core.observable import Observable
from matterlearn.core.ports import check_outputs
from matterlearn.spec import Spec


class Outputs(Observable):
    """x_o at the task's outputs."""

    task: Any

    def __call__(self, system, drive, state):
        del drive
        return self.task.answer(system, state.x)


class Config(Spec):
    """Outputs in a scenario."""

    kind: Literal["outputs"]
    every: int = Field(default=1, ge=1, description="steps between records")

    def check(self, scenario):
        """The task has outputs."""
        yield from check_outputs(scenario)

    def build(self, system, task) -> Outputs:
        """The observable."""
        del system
        return Outputs("outputs", ("output",), "1", "value at an output", self.every, task)
