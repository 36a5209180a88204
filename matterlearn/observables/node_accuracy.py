"""How many nodes are put into their class, of those whose class was not told.

    accuracy = mean over members of the fraction of nodes with argmax_c y_ic = c_i

Example:
    >>> Config(kind="node_accuracy").every
    1
"""

from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from matterlearn.core.observable import Observable, Summary, averaged
from matterlearn.spec import Problem, Spec


class NodeAccuracy(Observable):
    """The fraction for each member."""

    task: Any

    def __call__(self, system, drive, state):
        del system, drive
        return self.task.accuracy(state.x)

    def summary(self, values, labels) -> list[Summary]:
        """Mean and standard error over members of the last record, each averaged over replicas."""
        del labels
        last = np.asarray(values)[:, -1].mean(0)
        return averaged("accuracy", (), last, "1", "fraction of nodes put into their class")


class Config(Spec):
    """Accuracy on nodes in a scenario."""

    kind: Literal["node_accuracy"]
    provides: ClassVar[tuple[str, ...]] = ("node_accuracy", "accuracy")
    every: int = Field(default=1, ge=1, description="steps between records")

    def check(self, scenario):
        """The task asks for classes of nodes."""
        if not hasattr(scenario.task, "told"):
            yield Problem(("kind",), "is about classes of nodes, which the task does not ask for; use node_labels")

    def build(self, system, task) -> NodeAccuracy:
        """The observable."""
        del system
        words = "fraction of nodes put into their class"
        return NodeAccuracy("node_accuracy", ("member",), "1", words, self.every, task)
