"""Distance to the nearest training sample, and whether a sample is a copy of it.

    r = min_μ |x − a^μ|,        a copy: r < r₂/3, the distance to the second nearest

``copies`` is the fraction of copies at the last record, with the standard error over replicas. A fitted score that
generalises makes none; the empirical one nothing else.

Source: [yoon2023]. Limits: training samples that stand there twice make every sample near them no copy.
"""

from typing import ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from pydantic import Field

from matterlearn.core.observable import Observable, Summary
from matterlearn.diffusion.diagnostics import COPY, nearest
from matterlearn.spec import Problem, Spec


class NearestSample(Observable):
    """Distances to the two nearest training samples."""

    train: Float[Array, "sample entry"]

    def __call__(self, system, drive, state):
        x = jnp.ravel(system.read(state.x)).astype(self.train.dtype)
        return nearest(x, self.train).distances

    def coords(self):
        """The nearest one and the second."""
        return {"neighbour": np.arange(2)}

    def summary(self, values, labels) -> list[Summary]:
        """How many copies there are at the end."""
        del labels
        first, second = np.moveaxis(np.asarray(values, float)[:, -1], -1, 0)
        copied = first < COPY * second
        share, n = copied.mean(), len(copied)
        sem = np.sqrt(copied.var() / max(1, n - 1))
        words = "fraction of samples that are copies of a training sample"
        return [
            Summary("copies", (), np.asarray(share), "1", words),
            Summary("copies_sem", (), np.asarray(sem), "1", f"standard error of the {words}"),
        ]


class Config(Spec):
    """Distance to training samples in a scenario."""

    kind: Literal["nearest_sample"]
    provides: ClassVar[tuple[str, ...]] = ("copies",)
    every: int = Field(default=100, ge=1, description="steps between records")

    def check(self, scenario):
        """There are training samples."""
        if getattr(scenario.task, "data", None) is None:
            yield Problem(("kind",), "measures distances to training samples: use task data")

    def build(self, system, task) -> NearestSample:
        """The observable."""
        del system
        train = jnp.asarray(task.training_samples)
        words = "distance to the nearest training samples"
        return NearestSample("nearest_sample", ("neighbour",), "1", words, self.every, jax.device_put(train))
