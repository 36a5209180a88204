"""Square-lattice Potts model with q values: the transition of the infinite lattice.

    E(s) = −Σ_<x,y> δ(s_x, s_y),      β = 1/kT in the unit of one contact.

Self-duality puts the transition at (e^β − 1)² = q, where the energy per site, averaged over the two phases if there are
two, is −(1 + 1/√q) [wu1982]. For q <= 4 the energy is continuous; for q > 4 it jumps by the latent heat [baxter1973]

    L = 2 (1 + 1/√q) tanh(Θ/2) Π_{n≥1} tanh²(nΘ),      2 cosh Θ = √q.

q may be any real number >= 1 in these formulas; only `couplings` needs an integer.

Limits: no field; ferromagnetic; the infinite lattice. The q = 2 model is the Ising model with J = 1/2, its energy
shifted by −1/2 per bond, so its finite tori are in `ising.torus`.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float


def critical_beta(q: float) -> float:
    """β_c = ln(1 + √q).

    >>> round(critical_beta(3), 10)
    1.0050525387
    """
    _check(q)
    return float(np.log1p(np.sqrt(q)))


def critical_energy(q: float) -> float:
    """Energy per site at β_c, −(1 + 1/√q); the mean of both phases where they coexist.

    >>> critical_energy(4)
    -1.5
    """
    _check(q)
    return float(-(1 + 1 / np.sqrt(q)))


def latent_heat(q: float) -> float:
    """Jump of the energy per site at β_c; zero for q <= 4, and exponentially small just above.

    >>> round(latent_heat(10), 10), latent_heat(4)
    (0.6960494315, 0.0)
    """
    if q <= 4:
        _check(q)
        return 0.0
    # arccosh(√q/2) without the loss of digits near q = 4; below Θ = 1e-3 the product underflows to zero anyway
    theta = np.arcsinh(np.sqrt(q / 4 - 1))
    n = np.arange(1, int(20 / max(theta, 1e-3)) + 2)  # 1 − tanh(20) is below rounding
    return float(2 * (1 + 1 / np.sqrt(q)) * np.tanh(theta / 2) * np.exp(2 * np.log(np.tanh(n * theta)).sum()))


class PhaseEnergies(NamedTuple):
    """Energies per site of the phases that coexist at β_c; equal for q <= 4."""

    ordered: float
    disordered: float


def phase_energies(q: float) -> PhaseEnergies:
    """Energies of the two phases at β_c, half a latent heat below and above their mean.

    >>> [round(energy, 10) for energy in phase_energies(10)]
    [-1.6642524818, -0.9682030503]
    """
    middle, half = critical_energy(q), latent_heat(q) / 2
    return PhaseEnergies(middle - half, middle + half)


class Couplings(NamedTuple):
    """Contact energies and costs, in the language of E = Σ J[s, s'] + Σ μ[s]."""

    J: Float[np.ndarray, "q q"]
    mu: Float[np.ndarray, " q"]


def couplings(q: int) -> Couplings:
    """The model as contact energies: J_aa = −1, all else zero.

    Raises:
        ValueError: if q is not a positive integer.

    >>> couplings(2).J.tolist()
    [[-1.0, 0.0], [0.0, -1.0]]
    """
    if q != int(q) or q < 1:
        raise ValueError(f"a model has a positive integer number of values, got q = {q}")
    return Couplings(np.diag(np.full(int(q), -1.0)), np.zeros(int(q)))


def _check(q):
    if not q >= 1:
        raise ValueError(f"q must be at least 1, got {q}")
