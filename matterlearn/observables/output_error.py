"""How far the outputs are from what is wanted of them: ½ Σ_o (x_o − y_o)² per replica.

Example:
    >>> Config(kind="output_error", every=2).every
    2
"""

from typing import Any, Literal

from pydantic import Field

from matterlearn.core.observable import Observable
from matterlearn.core.ports import check_outputs
from matterlearn.spec import Spec


class OutputError(Observable):
    """½ Σ (o − y)² of the task's outputs."""

    task: Any

    def __call__(self, system, drive, state):
        return self.task.error(system, drive, state.x)


class Config(Spec):
    """The output error in a scenario."""

    kind: Literal["output_error"]
    every: int = Field(default=1, ge=1, description="steps between records")

    def check(self, scenario):
        """The task has outputs."""
        yield from check_outputs(scenario)

    def build(self, system, task) -> OutputError:
        """The observable."""
        del system
        return OutputError("output_error", (), "1", "output error", self.every, task)
