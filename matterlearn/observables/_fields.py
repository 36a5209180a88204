"""What observables of lattice fields share: averages of statistics, functions of them, errors over replicas, targets.

A field is measured by *statistics*, numbers of one configuration; what is reported are *functions of their averages*
such as U₄. Averages are over the records after ``discard`` and over replicas, errors by the jackknife: f_r being the
function of the averages without replica r,

    sem² = (n − 1)/n Σ_r (f_r − f̄)²

Time averages of replicas are independent however slowly each of them moves. ``…_target`` are the same functions of the
task's training samples, if it has any.
"""

from collections.abc import Callable
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from pydantic import Field

from matterlearn.core.matter import matter
from matterlearn.core.observable import Observable, Summary
from matterlearn.spec import Problem, Spec

BLOCKS = 100  # of training samples, for the jackknife

Reported = tuple[str, tuple[str, ...], str, str]  # name, axes, units, words


class FieldStatistics(Observable):
    """Statistics of the field of each record, and functions of their averages."""

    target: Float[np.ndarray, "sample *site"] | None
    discard: float = eqx.field(static=True)
    statistics: Callable = eqx.field(static=True)
    derived: Callable = eqx.field(static=True)
    reported: tuple[Reported, ...] = eqx.field(static=True)
    places: tuple[float | str, ...] = eqx.field(static=True)

    def __call__(self, system, drive, state):
        """Statistics of one configuration."""
        del system, drive
        return self.statistics(state.x.field)

    def coords(self):
        """Labels of what is recorded."""
        return {self.dims[0]: np.array(self.places)}

    def summary(self, values, labels) -> list[Summary]:
        """Functions of averages with errors, of what was measured and of training samples."""
        del labels
        kept = np.asarray(values, float)[:, int(self.discard * values.shape[1]) :]
        found = self._summaries("", kept.mean(1))
        if self.target is not None:
            of_data = np.asarray(jax.lax.map(self.statistics, jnp.asarray(self.target), batch_size=256), float)
            blocks = np.array_split(of_data, min(BLOCKS, len(of_data)))
            found += self._summaries("_target", np.stack([block.mean(0) for block in blocks]), " of training samples")
        return found

    def _summaries(self, suffix: str, each: Float[np.ndarray, "block ..."], whose: str = "") -> list[Summary]:
        found = []
        for (name, dims, units, words), (value, error) in zip(
            self.reported, jackknife(self.derived, each), strict=True
        ):  # fmt: skip
            found += [
                Summary(f"{name}{suffix}", dims, value, units, f"{words}{whose}"),
                Summary(f"{name}{suffix}_sem", dims, error, units, f"standard error of the {words}{whose}"),
            ]
        return found


def jackknife(
    function: Callable, each: Float[np.ndarray, "block ..."]
) -> list[tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]]:
    """Values of a function of the mean, a tuple, with their standard errors; NaN for a single block.

    >>> [(value, error)] = jackknife(lambda mean: (mean,), np.array([1.0, 3.0]))
    >>> float(value), float(error)
    (2.0, 1.0)
    """
    n, mean = len(each), each.mean(0)
    values = [np.asarray(value) for value in function(mean)]
    if n < 2:
        return [(value, np.full(value.shape, np.nan)) for value in values]
    without = [function((n * mean - one) / (n - 1)) for one in each]
    columns = [np.stack(column) for column in zip(*without, strict=True)]
    return [(value, np.sqrt((n - 1) * c.var(0))) for value, c in zip(values, columns, strict=True)]


def training_fields(system, task) -> Float[np.ndarray, "sample *site"] | None:
    """Training samples in the shape of the field, where the task has such samples.

    >>> training_fields(None, object()) is None
    True
    """
    train = getattr(task, "train", None)
    if train is None or not len(train):
        return None
    return np.asarray(train).reshape(-1, *system.shape)


class FieldSpec(Spec):
    """What the Configs of these observables share."""

    every: int = Field(default=10, ge=1, description="steps between records")
    discard: float = Field(default=0.2, ge=0, lt=1, description="first fraction of the records that is left out")

    kind: ClassVar[str]

    def check(self, scenario):
        """The state is a field."""
        system = scenario.system
        if matter(system) != "continuous" or not hasattr(system, "shape") or getattr(system, "positions", True):
            yield Problem(("kind",), f"is a quantity of fields, which {system.kind!r} has not: use lattice_field, or a "
                          "generative model of fields")  # fmt: skip
