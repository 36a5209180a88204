"""Pairwise energies of two-valued units, and the two conventions they are written in.

    E(s) = Σ_<ij> J_ij s_i s_j + Σ_i U_i s_i,        s_i ∈ {low, 1},  low = −1 (spins) or 0 (threshold units)

Inference and optimisation speak of spins σ = ±1 with P ∝ exp(Σ J' σσ + Σ h σ). The same law is

    spins:            J = −kT J',       U = −kT h
    threshold units:  J = −4 kT J',     U = −2 kT (h − Σ_j J'_ij)          since σ = 2s − 1.

A system of this kind claims ``pairwise`` in its Config (see ``matterlearn.core.matter``) and has the fields and the
property of :class:`Pairwise`; more fields of its own do not matter.
"""

from typing import Any, Protocol

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int


class Pairwise(Protocol):
    """Couplings of listed pairs, thresholds of all units, and the units' lower value."""

    coupling: Float[Array, " pair"]
    threshold: Float[Array, " unit"]
    low: int

    @property
    def pairs(self) -> Int[np.ndarray, "pair 2"]:
        """Units of each coupling."""
        ...


def with_law(system: Any, J: Float[Array, "unit unit"], h: Float[Array, " unit"], kT: Float[Array, ""]) -> Any:
    """The system whose spins have the couplings and fields of papers; pairs that it does not couple are left out.

    Raises:
        ValueError: if J and h are not those of as many units.
    """
    if J.shape != (len(system.threshold),) * 2 or h.shape != system.threshold.shape:
        raise ValueError(f"J {J.shape} and h {h.shape} are not those of {len(system.threshold)} units")
    first, second = system.pairs.T
    J = matrix(system, J[first, second])
    scale = 2 / (1 - system.low)  # σ = scale · s + constant
    shifted = h if system.low == -1 else h - J.sum(axis=1)
    new = -kT * scale**2 * J[first, second], -kT * scale * shifted
    return eqx.tree_at(lambda s: (s.coupling, s.threshold), system, new)


def law(system: Pairwise, kT: Float[Array, ""]) -> tuple[Float[Array, "unit unit"], Float[Array, " unit"]]:
    """J' and h of the spins: inverse of :func:`with_law`."""
    scale = 2 / (1 - system.low)
    J = matrix(system, -system.coupling / (kT * scale**2))
    h = -system.threshold / (kT * scale)
    return J, h if system.low == -1 else h + J.sum(axis=1)


def matrix(system: Pairwise, values: Float[Array, " pair"]) -> Float[Array, "unit unit"]:
    """One number per pair as a symmetric matrix, 0 where no pair is."""
    first, second = system.pairs.T
    empty = jnp.zeros((len(system.threshold),) * 2, values.dtype)
    return empty.at[first, second].set(values).at[second, first].set(values)
