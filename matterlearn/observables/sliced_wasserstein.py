"""Distance between samples of a model and the data: sliced Wasserstein-2, whatever the model.

    SW₂²(model, data) = ⟨W₂²(e·model, e·data)⟩ over directions e       (``matterlearn.theory.wasserstein``)

The model's samples are the records of the second half of the run, of all replicas; the data are the test samples (the
training samples if none are held out). Two finite sets of samples of one law differ, too: ``sliced_wasserstein_floor``
is the distance between training and test samples, and as many samples of the model are compared as there are training
samples, so a model that has learned the law itself comes to the floor within errors. Standard errors are jackknifed
over 20 groups, of whole replicas for the model.

Limits: one number, which few directions in many dimensions make a weak test; samples of slow dynamics are not
independent, so give them time.

Example:
    >>> Config(kind="sliced_wasserstein").every
    100
"""

from typing import ClassVar, Literal

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from pydantic import Field

from matterlearn.core.observable import Observable, Summary
from matterlearn.spec import Problem, Spec
from matterlearn.theory.wasserstein import directions, sliced_wasserstein

GROUPS = 20


class SlicedWasserstein(Observable):
    """The visible pattern; all of them together have the distance."""

    train: Float[np.ndarray, "sample entry"]
    test: Float[np.ndarray, "other entry"]
    along: int = eqx.field(static=True)

    def __call__(self, system, drive, state):
        del drive
        return jnp.ravel(system.read(state.x)).astype(float)

    def summary(self, values, labels) -> list[Summary]:
        """Distance of the model's samples from the data, and of the data from themselves, with standard errors."""
        del labels
        late = np.asarray(values, float)[:, values.shape[1] // 2 :]  # [replica, record, entry]
        data = np.asarray(self.test if len(self.test) else self.train, float)
        train, along = np.asarray(self.train, float), directions(late.shape[-1], self.along)
        drawn = late.reshape(-1, late.shape[-1])
        kept = np.linspace(0, len(drawn) - 1, min(len(drawn), len(train))).astype(int)
        group = kept // late.shape[1] * GROUPS // len(late)  # replicas stay together
        found = measured("sliced_wasserstein", drawn[kept], data, along, group, "from the model to the data")
        if len(self.test):
            part = np.arange(len(kept)) * GROUPS // len(kept)
            words = "from training to test samples"
            found += measured("sliced_wasserstein_floor", train[: len(kept)], data, along, part, words)
        return found


def measured(name: str, samples, data, along, group, words: str) -> list[Summary]:
    """SW₂ and its standard error, by leaving out one group of the samples after the other."""
    value = sliced_wasserstein(samples, data, along)
    labels = np.unique(group)
    left = np.array([sliced_wasserstein(samples[group != g], data, along) for g in labels if len(labels) > 1])
    error = np.sqrt((len(left) - 1) / len(left) * np.sum((left - left.mean()) ** 2)) if len(left) else np.nan
    words = f"sliced Wasserstein distance {words}"
    return [
        Summary(name, (), np.asarray(value), "1", words),
        Summary(f"{name}_sem", (), np.asarray(error), "1", f"standard error of the {words}"),
    ]


class Config(Spec):
    """The sliced Wasserstein distance in a scenario."""

    kind: Literal["sliced_wasserstein"]
    provides: ClassVar[tuple[str, ...]] = ("sliced_wasserstein", "sliced_wasserstein_floor")
    every: int = Field(default=100, ge=1, description="steps between records")
    directions: int = Field(default=64, ge=1, le=10_000, description="directions; a line has one")

    def check(self, scenario):
        """There are data to compare with."""
        if getattr(scenario.task, "data", None) is None:
            yield Problem(("kind",), "compares samples with data: use task data")

    def build(self, system, task) -> SlicedWasserstein:
        """The observable."""
        del system
        words = "entry of a sample"
        train, test = np.asarray(task.train), np.asarray(task.test)
        return SlicedWasserstein("samples", ("entry",), "1", words, self.every, train, test, self.directions)
