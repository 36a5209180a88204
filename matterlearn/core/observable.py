"""What is measured: one labelled array per record, with the name, axes and units it has in the results file."""

import abc
from typing import NamedTuple

import equinox as eqx
import numpy as np
from jaxtyping import Array

from matterlearn.core.drive import Drive
from matterlearn.core.dynamics import DynState
from matterlearn.core.system import AbstractSystem


class Summary(NamedTuple):
    """A derived variable of the results, as :class:`matterlearn.results.Variable` has it."""

    name: str
    dims: tuple[str, ...]
    values: np.ndarray
    units: str
    long_name: str


def averaged(name: str, dims: tuple[str, ...], values: np.ndarray, units: str, long_name: str) -> list[Summary]:
    """Mean over replicas (the first axis) under ``name`` and its standard error under ``name_sem``."""
    n = len(values)
    error = values.std(0, ddof=1) / np.sqrt(n) if n > 1 else np.full(values.shape[1:], np.nan)
    return [
        Summary(name, dims, values.mean(0), units, long_name),
        Summary(f"{name}_sem", dims, error, units, f"standard error of the {long_name}"),
    ]


class Observable(eqx.Module):
    """A measurement on one sample.

    Attributes:
        name: variable name in the results.
        dims: names of the axes of what is returned.
        units: physical units, in the file's attributes.
        long_name: what a figure's axis says.
        every: steps between records.
    """

    name: str = eqx.field(static=True)
    dims: tuple[str, ...] = eqx.field(static=True)
    units: str = eqx.field(static=True)
    long_name: str = eqx.field(static=True)
    every: int = eqx.field(static=True)

    @abc.abstractmethod
    def __call__(self, system: AbstractSystem, drive: Drive, state: DynState) -> Array:
        """Value at one sample."""

    def coords(self) -> dict[str, np.ndarray]:
        """Labels of the observable's own axes. Default: none."""
        return {}

    def summary(self, values: np.ndarray, labels: dict[str, np.ndarray]) -> list[Summary]:
        """What only the whole record [replica, record, …] tells, such as populations with errors. Default: nothing.

        ``labels`` are the coordinates over replicas, ``cue`` among them.
        """
        del values, labels
        return []
