"""Exact partition function of a Hopfield network with few patterns, for hundreds of spins.

    E(s) = −½ Σ_{i≠j} J_ij s_i s_j = −(N/2) Σ_μ m_μ² + K/2,     J = ξᵀξ/N,     m_μ = (1/N) Σ_i ξ_i^μ s_i.

Spins whose columns of ξ are equal, or opposite, are interchangeable: K patterns make at most 2^{K−1} classes, of n_c
spins each, and a state is counted Π_c C(n_c, k_c) times, k_c being the spins along the class's column. The levels serve
as the states of an `enumeration.Ensemble` with energies E − kT ln(degeneracy).

*Duality* with a restricted Boltzmann machine of K Gaussian hidden units [barra2012equivalence]: the diagonal included,

    Σ_s exp(βN/2 Σ_μ m_μ²) = ∫ DZ Π_i 2cosh(√(β/N) Σ_μ ξ_i^μ Z_μ).

Units: kT and energies in the unit of the signal; J_ii = 0 unless said otherwise. Limits: levels are Π (n_c + 1), about
(N/2^{K−1})^{2^{K−1}}: K <= 2 for a thousand spins, K = 3 for a hundred.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.polynomial.hermite_e import hermegauss
from scipy.special import gammaln

from matterlearn.theory.enumeration import Ensemble, ensemble


class Levels(NamedTuple):
    """All values of the overlaps: ``energies`` at J_ii = 0, and the logarithm of how many states share them."""

    overlaps: Float[np.ndarray, "levels K"]
    energies: Float[np.ndarray, " levels"]
    log_degeneracy: Float[np.ndarray, " levels"]


def levels(patterns: Float[np.ndarray, "K N"]) -> Levels:
    """Levels of the network that stores these patterns of ±1.

    Raises:
        ValueError: if an entry is not ±1, or if there would be more than 10⁷ levels.

    >>> table = levels(np.array([[1, -1, 1]]))
    >>> table.energies.round(9).tolist(), np.exp(table.log_degeneracy).round(9).tolist()
    ([-1.0, 0.333333333, 0.333333333, -1.0], [1.0, 3.0, 3.0, 1.0])
    """
    columns, counts = _classes(patterns)
    count, spins = np.shape(patterns)
    if np.prod(counts + 1.0) > 1e7:
        raise ValueError(f"{count} patterns of {spins} spins have {np.prod(counts + 1.0):.3g} levels, more than 1e7")
    along = np.stack([axis.ravel() for axis in np.indices(tuple(counts + 1))], axis=1)
    overlaps = (2 * along - counts) @ columns / spins
    log_degeneracy = (gammaln(counts + 1) - gammaln(along + 1) - gammaln(counts - along + 1)).sum(axis=1)
    return Levels(overlaps, (count - spins * (overlaps**2).sum(axis=1)) / 2, log_degeneracy)


def equilibrium(table: Levels, kT: float) -> Ensemble:
    """The canonical ensemble; averages of energies and overlaps are those of the network, as is ln Z.

    >>> two = levels(np.array([[1, 1]]))    # E = −½ twice, +½ twice
    >>> model = equilibrium(two, 0.5)
    >>> round(model.log_partition, 9) == round(float(np.log(4 * np.cosh(1.0))), 9)
    True
    >>> round(float(model.mean(two.energies)), 9)    # −½ tanh(J/kT)
    -0.380797078
    """
    return ensemble(table.energies - kT * table.log_degeneracy, kT)


def gaussian_log_partition(patterns: Float[np.ndarray, "K N"], kT: float, nodes: int = 64) -> float:
    """ln ∫ DZ Π_i 2cosh(√(β/N) ξ_i·Z): ln Z with the diagonal, by a Gauss–Hermite rule for each hidden unit.

    Exact to rounding while √(βN) is well below √(nodes); nodes^K terms.

    >>> patterns = np.array([[1, -1, 1]])
    >>> network = equilibrium(levels(patterns), 0.8).log_partition + 1 / (2 * 0.8)
    >>> bool(np.isclose(gaussian_log_partition(patterns, 0.8), network, rtol=1e-13))
    True
    """
    columns, counts = _classes(patterns)
    count, spins = np.shape(patterns)
    z, weight = hermegauss(nodes)
    hidden = np.stack([axis.ravel() for axis in np.meshgrid(*[z] * count, indexing="ij")], axis=1)
    log_weight = (
        np.log(np.stack(np.meshgrid(*[weight] * count, indexing="ij")) / np.sqrt(2 * np.pi)).sum(axis=0).ravel()
    )
    field = hidden @ columns.T / np.sqrt(kT * spins)
    return float(np.logaddexp.reduce(log_weight + np.logaddexp(field, -field) @ counts))


def _classes(patterns):
    """Columns of ξ that differ by more than a sign, and how many spins have each."""
    patterns = np.asarray(patterns)
    if patterns.ndim != 2 or not (abs(patterns) == 1).all():
        raise ValueError(f"patterns must be a matrix [K, N] of +1 and −1, got shape {patterns.shape}")
    return np.unique((patterns * patterns[0]).T, axis=0, return_counts=True)
