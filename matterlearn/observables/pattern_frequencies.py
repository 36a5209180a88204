"""How often the matter shows exactly one of the task's patterns on the visible sites.

    pattern_frequency(memory) = fraction of records, and replicas, whose visible sites all agree with the pattern

Beside it stand ``pattern_frequency_target`` and, where the lattice can be enumerated, ``pattern_frequency_theory`` of
the trained model, both given what is clamped. Errors are standard errors over replicas.

Example:
    >>> Config(kind="pattern_frequencies", every=5).every
    5
"""

from typing import ClassVar, Literal

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from pydantic import Field

from matterlearn.core.observable import Observable, Summary, averaged
from matterlearn.core.task import AbstractTask
from matterlearn.spec import Problem, Spec


class PatternFrequencies(Observable):
    """Number of the pattern that is shown, −1 if none is."""

    task: AbstractTask
    discard: float = eqx.field(static=True)

    def __call__(self, system, drive, state):
        exact = self.task.overlap(system, state) >= 1
        return jnp.where(jnp.any(exact), jnp.argmax(exact), -1)

    def summary(self, values, labels) -> list[Summary]:
        """Frequencies with standard errors over replicas."""
        kept = values[:, int(self.discard * values.shape[1]) :]
        patterns = range(len(self.task.patterns))  # pyright: ignore[reportAttributeAccessIssue]
        shares = np.stack([(kept == k).mean(1) for k in patterns], -1)
        return averaged("pattern_frequency", ("memory",), shares, "1", "frequency of a pattern on the visible sites")


class Config(Spec):
    """Frequencies of patterns in a scenario."""

    kind: Literal["pattern_frequencies"]
    provides: ClassVar[tuple[str, ...]] = ("pattern_frequency", "pattern_frequency_deviation")
    every: int = Field(default=10, ge=1, description="steps between records")
    discard: float = Field(default=0.2, ge=0, lt=1, description="first fraction of the records that is left out")

    def check(self, scenario):
        """The task has patterns on visible sites."""
        if not hasattr(scenario.task, "patterns"):
            yield Problem(("kind",), "needs a task with patterns, such as target_distribution")

    def build(self, system, task) -> PatternFrequencies:
        """The observable."""
        del system
        return PatternFrequencies("pattern", (), "label", "pattern shown, −1 if none", self.every, task, self.discard)
