"""Matter that is a real number at every site or entry: lattice fields, and generative models of anything real.

    x ∈ R^shape,       E(x) in kT_ref;     a normalised model has E = −ln p(x), and ln Z = 0 at kT_ref

One state for all of them: what is measured on a lattice field is measured on the samples of a model of it, too.
"""

import abc
import math
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from matterlearn.core.system import AbstractSystem

AXES = {1: ("entry",), 2: ("row", "column"), 3: ("layer", "row", "column")}


class FieldState(NamedTuple):
    """The field."""

    field: Float[Array, "*site"]


class AbstractField(AbstractSystem):
    """Matter with a real number at every site of an array of this shape."""

    shape: eqx.AbstractVar[tuple[int, ...]]

    @property
    def dims(self):
        """Rows and columns of a plane, or entries of a list."""
        return {"field": AXES[len(self.shape)]}

    @property
    def size(self) -> int:
        """Number of entries."""
        return math.prod(self.shape)

    def init_state(self, key) -> FieldState:
        """White noise of unit variance."""
        return FieldState(jax.random.normal(key, self.shape))


class AbstractGenerative(AbstractField):
    """A model that draws independent samples at once, at kT_ref, instead of waiting for equilibrium."""

    @abc.abstractmethod
    def draw(self, key: Key[Array, ""]) -> FieldState:
        """One independent sample of the model."""


def normalised(kT: Float[Array, ""]) -> Float[Array, ""]:
    """ln Z of a model with E = −ln p: 0 at kT_ref, and not known (NaN) at other temperatures.

    >>> float(normalised(jnp.asarray(1.0)))
    0.0
    """
    return jnp.where(kT == 1.0, 0.0, np.nan)
