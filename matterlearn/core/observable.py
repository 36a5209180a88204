"""What is measured: one labelled array per record, with the name, axes and units it has in the results file."""

import abc

import equinox as eqx
from jaxtyping import Array

from matterlearn.core.drive import Drive
from matterlearn.core.dynamics import DynState
from matterlearn.core.system import AbstractSystem


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
