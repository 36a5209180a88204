"""Moments of samples that a known law has, too: the mean of x², and the square of the mean.

    mean_square = ⟨(1/d) Σ x_i²⟩,  squared_mean = ⟨((1/d) Σ x_i)²⟩,  width_error = (mean_square/that of the law)^½ − 1

at the last record, with standard errors over replicas.

Limits: task known_law; entries are taken together.
"""

from typing import ClassVar, Literal

import jax.numpy as jnp
import numpy as np
from pydantic import Field

from matterlearn.core.observable import Observable, Summary, averaged
from matterlearn.spec import Problem, Spec


class SampleMoments(Observable):
    """Mean of squares, and mean, of one sample."""

    square: float

    def __call__(self, system, drive, state):
        x = state.x.field
        return jnp.stack([jnp.mean(x**2), jnp.mean(x)])

    def coords(self):
        """Which moment."""
        return {"moment": np.array([2, 1])}

    def summary(self, values, labels) -> list[Summary]:
        """Averages over replicas at the end."""
        del labels
        last = np.asarray(values, float)[:, -1]
        found = [
            *averaged("mean_square", (), last[:, 0], "1", "mean of x²"),
            *averaged("squared_mean", (), last[:, 1] ** 2, "1", "square of the mean of a sample"),
        ]
        square, sem = found[0].values, found[1].values
        ratio = np.sqrt(square / self.square)
        words = "relative error of the width of samples"
        return found + [
            Summary("width_error", (), ratio - 1, "1", words),
            Summary("width_error_sem", (), sem / (2 * self.square * ratio), "1", f"standard error of the {words}"),
        ]


class Config(Spec):
    """Moments of samples in a scenario."""

    kind: Literal["sample_moments"]
    provides: ClassVar[tuple[str, ...]] = ("mean_square", "squared_mean", "width_error")
    every: int = Field(default=100, ge=1, description="steps between records")

    def check(self, scenario):
        """There is a law to compare with."""
        if getattr(scenario.task, "kind", None) != "known_law":
            yield Problem(("kind",), "compares samples with a law: use task known_law")

    def build(self, system, task) -> SampleMoments:
        """The observable."""
        del system
        words = "mean of x², and mean, of a sample"
        return SampleMoments("sample_moments", ("moment",), "1", words, self.every, task.law.moments()[0])
