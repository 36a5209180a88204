"""Volume fractions as unconstrained coordinates: squares of real numbers, normalised.

    φ_i ∝ r_i²,        Σ φ_i fixed

Steepest descent in r is the natural one for fractions, d ln φ_i/dt ∝ −(μ_i − μ̄): a fraction never becomes negative,
and a rare component moves no slower than a common one. The uniform law on the sphere |r| = 1 is Π φ_i^−½ dφ, which is
how many ways Stirling's formula gives to a composition, so thermal noise in r is that of a finite droplet.
"""

from typing import NamedTuple, Protocol

import jax.numpy as jnp
from jaxtyping import Array, Float


class MixtureState(NamedTuple):
    """Roots of the volume fractions; their norm means nothing."""

    root: Float[Array, "compartment component"]


class FluidMixture(Protocol):
    """Components in compartments, as tasks and observables see them; ``filling`` is the fraction of solutes."""

    temperature: Float[Array, ""]
    repulsion: Float[Array, ""]
    order: int
    coupling: Float[Array, " pair"]

    @property
    def components(self) -> int: ...
    @property
    def filling(self) -> Float[Array, ""]: ...
    def fractions(self, x: MixtureState) -> Float[Array, "compartment component"]: ...


def normalised(root: Float[Array, "..."], axis: int) -> Float[Array, "..."]:
    """Squares that sum to one along an axis.

    >>> normalised(jnp.array([1.0, -1.0]), 0).tolist()
    [0.5, 0.5]
    """
    square = root**2
    return square / jnp.sum(square, axis, keepdims=True)


def xlogx(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """x ln x, and 0 with a finite slope at 0.

    >>> xlogx(jnp.array([0.0, 1.0])).tolist()
    [0.0, 0.0]
    """
    present = x > 0
    return jnp.where(present, x * jnp.log(jnp.where(present, x, 1.0)), 0.0)
