"""Concentrations of a protein in its phases: record, mean and noise, with standard errors over replicas.

    CV = standard deviation / mean of single measurements,        buffered_slope = slope of the dilute means

Replicas of one combination of the task (of all, if there is none) are pooled after a first fraction of the records is
discarded. ``<phase>_mean`` has its standard error over the replicas' time averages; ``<phase>_cv`` that of the
jackknife over replicas. Where the task has a level axis, ``buffered_slope`` is the least-squares slope of the dilute
mean against the level for levels from ``fit_above`` on; where it has an unregulated case, ``noise_suppression`` is
CV(dilute) of that case over CV(dilute).

Source: [klosin2020phase]. Limits: phases with a mean of 0 have no CV.

Example:
    >>> Config(kind="concentration", every=5, fit_above=12.0).fit_above
    12.0
"""

from typing import Any, ClassVar, Literal

import equinox as eqx
import numpy as np
from jaxtyping import Float
from pydantic import Field

from matterlearn.core.observable import Observable, Summary
from matterlearn.spec import Problem, Spec

NOISY = ("total", "dilute")  # phases of which mean and CV are given
UNITS = "µM"


class Concentration(Observable):
    """Concentration of every phase; ``grid`` are the axes of the task's combinations."""

    phases: tuple[str, ...] = eqx.field(static=True)
    grid: tuple[tuple[str, tuple], ...] = eqx.field(static=True)
    discard: float = eqx.field(static=True)
    fit_above: float | None = eqx.field(static=True)

    def __call__(self, system: Any, drive, state):
        return system.concentrations(state.x)

    def coords(self):
        """Names of the phases, and the task's own axes."""
        return {"phase": np.array(self.phases)} | {name: np.array(values) for name, values in self.grid}

    def summary(self, values, labels) -> list[Summary]:
        """Means, CVs, suppression and slope."""
        axes, shape = tuple(name for name, _ in self.grid), tuple(len(values) for _, values in self.grid)
        cell = np.asarray(labels.get("combination", np.zeros(len(values), int)))
        kept = values[:, int(self.discard * values.shape[1]) :].astype(float)
        found = {}
        for phase in NOISY:
            record = kept[..., self.phases.index(phase)]
            numbers = [noise(record[cell == c]) for c in range(int(np.prod(shape)))]
            for name, column in zip(("mean", "mean_sem", "cv", "cv_sem"), np.transpose(numbers), strict=True):
                found[f"{phase}_{name}"] = column.reshape(shape)
        units = {"mean": (UNITS, "mean"), "cv": ("1", "coefficient of variation")}
        summaries = []
        for name, column in found.items():
            phase, quantity, *error = name.split("_")
            unit, words = units[quantity]
            words = f"{'standard error of the ' * len(error)}{words} of the {phase} concentration"
            summaries.append(Summary(name, axes, column, unit, words))
        return summaries + self._suppression(found) + self._slope(found)

    def _suppression(self, found) -> list[Summary]:
        """CV without regulation over CV with it; the errors of different cells are independent."""
        grid = dict(self.grid)
        if "none" not in grid.get("regulation", ()):
            return []
        cv, free = found["dilute_cv"], grid["regulation"].index("none")
        error = found["dilute_cv_sem"] / cv
        ratio = cv[free] / cv
        spread = ratio * np.sqrt(error**2 + error[free] ** 2) * (np.arange(len(cv)) != free)[:, None]
        words = "CV of the dilute concentration, unregulated over regulated"
        axes = tuple(grid)
        return [
            Summary("noise_suppression", axes, ratio, "1", words),
            Summary("noise_suppression_sem", axes, spread, "1", f"standard error of the {words}"),
        ]

    def _slope(self, found) -> list[Summary]:
        """Least squares of the dilute mean against the level, which is the mean total exactly.

        All levels count the same: weights by the measured errors would favour means that happen to be small.
        """
        grid = dict(self.grid)
        level = np.array(grid.get("level", ()))
        fitted = level >= (np.inf if self.fit_above is None else self.fit_above)
        if fitted.sum() < 2:
            return []
        centred = level[fitted] - level[fitted].mean()
        weight = centred / np.sum(centred**2)
        slope = found["dilute_mean"][:, fitted] @ weight
        error = np.sqrt(found["dilute_mean_sem"][:, fitted] ** 2 @ weight**2)
        words = f"slope of dilute against total concentration, from {self.fit_above:g} {UNITS} on"
        return [
            Summary("buffered_slope", ("regulation",), slope, "1", words),
            Summary("buffered_slope_sem", ("regulation",), error, "1", f"standard error of the {words}"),
        ]


def noise(record: Float[np.ndarray, "replica record"]) -> tuple[float, float, float, float]:
    """Mean, its standard error, CV, its standard error: over replicas, whose records are correlated in time.

    >>> [round(float(value), 3) for value in noise(np.array([[1.0, 3.0], [1.0, 3.0], [1.0, 3.0]]))]
    [2.0, 0.0, 0.5, 0.0]
    """
    first, second, n = record.mean(1), (record**2).mean(1), len(record)
    cv = _cv(first.mean(), second.mean())
    if n < 2:
        return first.mean(), np.nan, cv, np.nan
    left_out = _cv((first.sum() - first) / (n - 1), (second.sum() - second) / (n - 1))
    jackknife = np.sqrt((n - 1) / n * np.sum((left_out - left_out.mean()) ** 2))
    return first.mean(), first.std(ddof=1) / np.sqrt(n), cv, jackknife


def _cv(first, second):
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.sqrt(np.maximum(second - first**2, 0.0)) / first


class Config(Spec):
    """Concentrations in a scenario."""

    kind: Literal["concentration"]
    provides: ClassVar[tuple[str, ...]] = (
        "total_mean", "total_cv", "dilute_mean", "dilute_cv", "noise_suppression", "buffered_slope",
        "total_mean_deviation", "total_cv_deviation", "dilute_mean_deviation", "dilute_cv_deviation",
        "noise_suppression_deviation", "buffered_slope_deviation",
    )  # fmt: skip
    every: int = Field(default=1, ge=1, description="steps between records")
    discard: float = Field(default=0.2, ge=0, lt=1, description="first fraction of the records that is left out")
    fit_above: float | None = Field(
        default=None, description="smallest level that the slope of the buffered law is fitted to, µM; null fits none"
    )

    def check(self, scenario):
        """There are phases to measure, and levels to fit."""
        if not getattr(scenario.system, "phases", None):
            yield Problem(("kind",), f"needs a protein in phases, which {scenario.system.kind!r} does not have")
        if self.fit_above is not None:
            levels = [level for level in getattr(scenario.task, "levels", []) if level >= self.fit_above]
            if len(levels) < 2:
                message = f"a slope needs two levels from {self.fit_above:g} µM on; give the task more"
                yield Problem(("fit_above",), message)

    def build(self, system, task) -> Concentration:
        """The observable."""
        grid, words = tuple(getattr(task, "grid", {}).items()), "concentration in the volume of the cell"
        phases = tuple(system.phases)
        return Concentration(
            "concentration", ("phase",), UNITS, words, self.every, phases, grid, self.discard, self.fit_above
        )
