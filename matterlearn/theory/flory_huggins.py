"""Incompressible Flory-Huggins mixtures: potentials, stability, critical points, phase coexistence.

Free energy per volume of one lattice site, in units of kT, with sum_i phi_i = 1:

    f(phi) = 1/2 phi.chi.phi + sum_i (phi_i / l_i) ln phi_i.

The chemical potential per site of component i is mu_i = f + w_i - phi.w with w_i = df/dphi_i, so that
f = mu.phi. Phases coexist when all N potentials agree; with component s as solvent this is equality
of the N - 1 exchange potentials mu_i - mu_s and of the osmotic pressure -mu_s.

| symbol | meaning | unit |
| --- | --- | --- |
| phi_i | volume fraction | 1 |
| l_i | size (sites per molecule) | 1 |
| chi_ij | interaction parameter, symmetric; chi_ij > 0 demixes if chi_ii = chi_jj = 0 | kT |
| f, mu, Pi | per site | kT |

Source: [flory1942, huggins1941]; the same free energy, and numbers for comparison, in [qiang2025flory].
Limits: mean field, no interfaces, no compressibility; every component is listed, the solvent too.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq
from scipy.special import xlogy

from matterlearn.theory.coexistence import Mixture, Phases, coexist


def free_energy(
    phi: Float[np.ndarray, "*phase N"], chi: Float[np.ndarray, "N N"], sizes
) -> Float[np.ndarray, "*phase"]:
    """f = 1/2 phi.chi.phi + sum (phi_i/l_i) ln phi_i [kT per site]; pure components are allowed.

    Args:
        phi: volume fractions, components last.
        chi: symmetric interactions.
        sizes: l_i, scalar or [N].

    >>> float(free_energy(np.array([0.5, 0.5]), np.array([[0, 4.0], [4.0, 0]]), 1).round(6))
    0.306853
    """
    phi = np.asarray(phi, dtype=float)
    return 0.5 * np.einsum("...i,ij,...j->...", phi, chi, phi) + (xlogy(phi, phi) / sizes).sum(axis=-1)


def chemical_potential(
    phi: Float[np.ndarray, "*phase N"], chi: Float[np.ndarray, "N N"], sizes
) -> Float[np.ndarray, "*phase N"]:
    """mu_i = f + w_i - phi.w, w_i = (chi phi)_i + (ln phi_i + 1)/l_i [kT per site].

    The free energy added by a volume of pure i at constant total composition elsewhere; a molecule
    counts l_i mu_i.

    Args:
        phi: volume fractions, all positive.
        chi: symmetric interactions.
        sizes: l_i.

    >>> phi = np.array([0.3, 0.7])
    >>> ideal = chemical_potential(phi, np.zeros((2, 2)), 1)
    >>> bool(np.allclose(ideal, np.log(phi)))
    True
    """
    slope = _slope(phi, chi, sizes)
    return slope + (free_energy(phi, chi, sizes) - (phi * slope).sum(axis=-1))[..., None]


def _slope(phi, chi, sizes):
    return phi @ chi + (np.log(phi) + 1) / sizes


def osmotic_pressure(
    phi: Float[np.ndarray, "*phase N"], chi: Float[np.ndarray, "N N"], sizes, solvent: int = -1
) -> Float[np.ndarray, "*phase"]:
    """Pi = mu_s(pure) - mu_s(phi) [kT per site]: what a wall permeable to the solvent alone feels.

    Dilute solutes: Pi -> sum_i phi_i / l_i (van 't Hoff).

    >>> dilute = np.array([1e-6, 1 - 1e-6])
    >>> float(osmotic_pressure(dilute, np.zeros((2, 2)), np.array([10, 1])).round(10))
    1e-07
    """
    return 0.5 * np.asarray(chi)[solvent, solvent] - chemical_potential(phi, chi, sizes)[..., solvent]


def spinodal_matrix(
    phi: Float[np.ndarray, " N"], chi: Float[np.ndarray, "N N"], sizes, solvent: int = -1
) -> Float[np.ndarray, "N-1 N-1"]:
    """Hessian of f in the N - 1 fractions other than the solvent's [kT].

    H_ij = chi_ij - chi_is - chi_js + chi_ss + delta_ij/(l_i phi_i) + 1/(l_s phi_s). A mixture is
    locally stable where H is positive definite; the spinodal is det H = 0.

    >>> spinodal_matrix(np.array([0.5, 0.5]), np.array([[0, 2.0], [2.0, 0]]), 1).tolist()
    [[0.0]]
    """
    phi, chi = np.asarray(phi, dtype=float), np.asarray(chi, dtype=float)
    full = chi + np.diag(1 / (np.broadcast_to(sizes, phi.shape) * phi))
    exchange = np.delete(np.eye(len(phi)), solvent % len(phi), axis=0)
    exchange[:, solvent] = -1.0
    return exchange @ full @ exchange.T


def unstable_modes(phi: Float[np.ndarray, " N"], chi: Float[np.ndarray, "N N"], sizes) -> int:
    """Number of directions in which a homogeneous mixture demixes without a barrier.

    The count does not depend on which component is called the solvent.

    >>> unstable_modes(np.full(3, 1 / 3), 5.0 * (1 - np.eye(3)), 1)
    2
    """
    return int(np.sum(np.linalg.eigvalsh(spinodal_matrix(phi, chi, sizes)) < 0))


def random_unstable_fraction(strength: float, filled: float, size: float = 1.0) -> float:
    """Fraction of unstable modes of many solutes with random interactions, N -> infinity.

    1/2 + (u sqrt(1 - u^2) + arcsin u)/pi with u = -1/(2 s beta l): Wigner's semicircle below the
    entropic stiffness N/(beta l). Zero for s <= 1/(2 beta l), one half for s -> infinity.

    Args:
        strength: s, the standard deviation of chi_ij is s sqrt(N) between the N solutes, mean zero.
        filled: beta, total fraction of solutes, beta/N each; the rest is an inert solvent.
        size: l of the solutes.

    Limits: N -> infinity; at N = 64 some 2 % high.

    >>> round(random_unstable_fraction(2.5, 0.5), 4)
    0.2523
    """
    u = max(-1.0, -1 / (2 * strength * filled * size))
    return float(0.5 + (u * np.sqrt(1 - u * u) + np.arcsin(u)) / np.pi)


def lattice_interactions(couplings: Float[np.ndarray, "N N"], coordination: int, kT: float) -> Float[np.ndarray, "N N"]:
    """Mean-field chi_ab = z (J_ab - (J_aa + J_bb)/2)/kT of a full lattice with contact energies J_ab.

    z J_ab/kT itself gives the same coexistence: the difference is linear in phi.

    Args:
        couplings: J, energy of one ab contact [energy]; lower sticks. Empty sites are a component.
        coordination: z, contacts per site.
        kT: temperature [energy].

    Limits: Bragg-Williams, no correlation between neighbours. On the square lattice two components
        demix at chi = 4 ln(1 + sqrt 2) = 3.526 (Onsager), not at 2.

    >>> lattice_interactions(np.array([[-1.0, 0.0], [0.0, 0.0]]), 4, 1.0).tolist()
    [[0.0, 2.0], [2.0, 0.0]]
    """
    couplings = np.asarray(couplings, dtype=float)
    own = np.diag(couplings)
    return coordination * (couplings - 0.5 * (own[:, None] + own)) / kT


class CriticalPoint(NamedTuple):
    """Critical interaction and volume fraction of the first component."""

    chi: float
    phi: float


def binary_critical_point(size: float = 1.0, other_size: float = 1.0) -> CriticalPoint:
    """chi_c = (l_1^(-1/2) + l_2^(-1/2))^2 / 2, phi_1 = sqrt(l_2)/(sqrt(l_1) + sqrt(l_2)).

    >>> binary_critical_point()
    CriticalPoint(chi=2.0, phi=0.5)
    """
    root, other = np.sqrt(size), np.sqrt(other_size)
    return CriticalPoint(float((1 / root + 1 / other) ** 2 / 2), float(other / (root + other)))


def binary_spinodal(chi: float, size: float = 1.0, other_size: float = 1.0) -> tuple[float, float]:
    """Both fractions phi_1 with 1/(l_1 phi) + 1/(l_2 (1 - phi)) = 2 chi, lower first.

    Raises:
        ValueError: below the critical point, where there is none.

    >>> [round(phi, 6) for phi in binary_spinodal(2.5)]
    [0.276393, 0.723607]
    """
    if chi < binary_critical_point(size, other_size).chi:
        raise ValueError(f"chi = {chi} lies below the critical point; the mixture is stable everywhere.")
    a, b = 1 / size, 1 / other_size
    middle = 2 * chi + a - b
    root = np.sqrt(max(0.0, middle**2 - 8 * chi * a))
    return float((middle - root) / (4 * chi)), float((middle + root) / (4 * chi))


def symmetric_binodal(chi: float, size: float = 1.0) -> float:
    """Minority fraction of two coexisting phases of two components of equal size l.

    ln((1 - phi)/phi) = chi l (1 - 2 phi); with 1 - 2 phi = tanh t this is t / tanh t = chi l / 2, which
    has one root. Exact to rounding at any chi.

    Args:
        chi: chi_12.
        size: l.

    Raises:
        ValueError: for chi l <= 2, where the components mix.

    >>> round(symmetric_binodal(3.0), 8)
    0.07072018
    """
    half = chi * size / 2
    if half <= 1:
        raise ValueError(f"chi l = {2 * half} does not exceed 2: the components mix at all fractions.")
    # near the critical point t^2 ~ 3 (half - 1), and always t < half
    lowest = 0.5 * min(1.0, np.sqrt(3 * (half - 1)))
    t = brentq(lambda t: t / np.tanh(t) - half, lowest, half, xtol=1e-15, rtol=1e-15)  # pyright: ignore[reportArgumentType]
    return float(1 / (1 + np.exp(2 * float(t))))  # pyright: ignore[reportArgumentType]


def mixture(chi: Float[np.ndarray, "N N"], sizes) -> Mixture:
    """The free energy as `coexistence` takes it.

    Raises:
        ValueError: unless chi is square and symmetric and every size positive.

    >>> mixture(np.zeros((2, 2)), 1).sizes.tolist()
    [1.0, 1.0]
    """
    chi = np.asarray(chi, dtype=float)
    if chi.ndim != 2 or chi.shape[0] != chi.shape[1] or not np.allclose(chi, chi.T):
        raise ValueError(f"chi must be square and symmetric, got shape {chi.shape}; average it with its transpose.")
    sizes = np.broadcast_to(np.asarray(sizes, dtype=float), len(chi)).copy()
    if np.any(sizes <= 0):
        raise ValueError(f"sizes must be positive, got {sizes}.")
    return Mixture(
        lambda phi: 0.5 * np.einsum("...i,ij,...j->...", phi, chi, phi), lambda phi: phi @ chi, lambda phi: chi, sizes
    )


def coexistence(mean: Float[np.ndarray, " N"], chi: Float[np.ndarray, "N N"], sizes, *, seed: int = 0) -> Phases:
    """Phases in equilibrium at a given mean composition: any number of components and phases.

    Args:
        mean: mean volume fractions, all positive, summing to one.
        chi: symmetric interactions.
        sizes: l_i, scalar or [N].
        seed: of the random starting compositions.

    Returns:
        `Phases`: volumes, compositions (falling fraction of component 0), common potential, and the gap of the
        tangent-plane test.

    Raises:
        ValueError: for a mean that is no composition, or an asymmetric chi.
        RuntimeError: if no set of phases passes the tangent-plane test.

    >>> phases = coexistence(np.array([0.5, 0.5]), np.array([[0, 4.0], [4.0, 0]]), 1)
    >>> phases.compositions[:, 0].round(8).tolist()
    [0.97875201, 0.02124799]
    """
    return coexist(mixture(chi, sizes), mean, seed=seed)
