"""Moments of samples that a known law has, too: the mean of x², and the square of the mean.

    mean_square = ⟨(1/d) Σ x_i²⟩,     squared_mean = ⟨((1/d) Σ x_i)²⟩

at the last record, with standard errors over replicas. For normal data the width of samples is held against that of the
noise they were made of, which fluctuates as much:

    width_error = (R/R_law)^½ − 1,    R = mean_square at the end / at the start,    R_law = C/(α² C + σ²).

A flow without noise is linear there, so that its error is the same in every sample.

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

    ratio: float | None

    def __call__(self, system, drive, state):
        x = state.x.field
        return jnp.stack([jnp.mean(x**2), jnp.mean(x)])

    def coords(self):
        """Which moment."""
        return {"moment": np.array([2, 1])}

    def summary(self, values, labels) -> list[Summary]:
        """Averages over replicas at the end."""
        del labels
        values = np.asarray(values, float)
        last = values[:, -1]
        found = [
            *averaged("mean_square", (), last[:, 0], "1", "mean of x²"),
            *averaged("squared_mean", (), last[:, 1] ** 2, "1", "square of the mean of a sample"),
        ]
        return found if self.ratio is None else found + _width(values[:, 0, 0], last[:, 0], self.ratio)


def _width(first, last, law: float) -> list[Summary]:
    """Error of the width, with that of a ratio of means."""
    ratio = last.mean() / first.mean()
    rest = (last - ratio * first) / first.mean()
    width, n = np.sqrt(ratio / law), len(rest)
    sem = rest.std(ddof=1) / np.sqrt(n) / (2 * law * width) if n > 1 else np.nan
    words = "relative error of the width of samples"
    return [
        Summary("width_error", (), width - 1, "1", words),
        Summary("width_error_sem", (), np.asarray(sem), "1", f"standard error of the {words}"),
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
        words = "mean of x², and mean, of a sample"
        return SampleMoments("sample_moments", ("moment",), "1", words, self.every, task.width_ratio(system))
