"""Square-lattice Ising model and lattice gas: the infinite lattice, and every finite torus exactly.

    E(s) = −J Σ_<x,y> s_x s_y,   s = ±1,   K = J/kT > 0.

Infinite lattice: energy and free energy [onsager1944], spontaneous magnetisation [yang1952]. An n × m torus has
[kaufman1949]

    Z = ½ (2 sinh 2K)^{nm/2} [Π 2cosh(mγ_{2r+1}/2) + Π 2sinh(mγ_{2r+1}/2) + Π 2cosh(mγ_{2r}/2) + Π 2sinh(mγ_{2r}/2)],
    cosh γ_l = cosh 2K coth 2K − cos(πl/n),     γ_0 = 2K + ln tanh K,     products over r = 0 … n − 1,

γ_0 being negative above the critical temperature. Its energy and specific heat follow from the analytic derivatives of
every factor, through the critical point, where γ_0 and one product vanish.

The lattice gas E = −ε Σ n n + μ Σ n with n = (1 + s)/2 is the same model at ε = 4J; our sign of μ: positive disfavours.

Units: kT and energies in the unit of J (of ε for the gas); energies per site. Limits: ferromagnetic, no field; a torus
side of 2 has doubled bonds, as in `enumeration.lattice_bonds`; sinh² 2K overflows beyond K = 177.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.integrate import quad
from scipy.special import ellipe, ellipkm1


def critical_temperature(J: float = 1.0) -> float:
    """kT_c = 2J/ln(1 + √2), where sinh 2K = 1.

    >>> round(critical_temperature(), 10)
    2.2691853142
    """
    return float(2 * J / np.log1p(np.sqrt(2)))


def _reduced(kT, J):
    """2K and k' = 2tanh²2K − 1, the complementary modulus with a sign: negative above T_c, zero at it."""
    twice = 2 * J / np.asarray(kT, dtype=float)
    square = np.sinh(twice) ** 2
    return twice, (square - 1) / (square + 1)


def _first_kind(complementary):
    """Complete elliptic integral K(k), from k'; the factor k' that always comes with it makes infinity harmless."""
    return ellipkm1(np.maximum(complementary**2, np.finfo(float).tiny))


def infinite_energy(kT, J: float = 1.0):
    """Energy per site of the infinite lattice, −J coth 2K [1 + (2/π) k' K(k)],  k' = 2tanh²2K − 1.

    >>> float(infinite_energy(critical_temperature())).__round__(9)    # −√2
    -1.414213562
    """
    twice, complementary = _reduced(kT, J)
    return -J / np.tanh(twice) * (1 + 2 / np.pi * complementary * _first_kind(complementary))


def infinite_specific_heat(kT, J: float = 1.0):
    """Heat capacity per site in units of k_B; diverges at T_c as −(8K²/π) ln|1 − T/T_c|.

    C = (4/π) (K coth 2K)² {K(k) − E(k) − (1 − tanh²2K)[π/2 + k' K(k)]}.

    >>> round(float(infinite_specific_heat(2.0)), 6)
    0.724871
    """
    twice, complementary = _reduced(kT, J)
    first, second = _first_kind(complementary), ellipe(1 - complementary**2)
    bracket = first - second - (np.pi / 2 + complementary * first) / np.cosh(twice) ** 2
    return 4 / np.pi * (twice / 2 / np.tanh(twice)) ** 2 * bracket


def infinite_log_partition(kT: float, J: float = 1.0) -> float:
    """ln Z per site of the infinite lattice; the free energy per site is −kT times this.

    ln(√2 cosh 2K) + (1/π) ∫_0^{π/2} ln[1 + √(1 − k² sin²φ)] dφ, by quadrature to 1e-12; 1 − k² sin²φ is written as
    cos²φ + k'² sin²φ, which loses nothing near T_c.

    >>> round(infinite_log_partition(critical_temperature()), 9)    # (ln 2)/2 + 2 Catalan/π
    0.929695398
    """
    twice, complementary = (float(value) for value in _reduced(kT, J))

    def integrand(angle):
        return np.log1p(np.hypot(np.cos(angle), complementary * np.sin(angle)))

    area, _ = quad(integrand, 0, np.pi / 2, epsabs=1e-13, epsrel=1e-13, limit=200)
    return float(np.logaddexp(twice, -twice) - np.log(2) / 2 + area / np.pi)


def spontaneous_magnetisation(kT, J: float = 1.0):
    """m = (1 − sinh⁻⁴ 2K)^{1/8} per site below T_c, zero above.

    >>> round(float(spontaneous_magnetisation(2.0)), 8), float(spontaneous_magnetisation(2.5))
    (0.91131938, 0.0)
    """
    fourth = np.sinh(2 * J / np.asarray(kT, dtype=float)) ** -4.0
    return np.maximum(1 - fourth, 0.0) ** 0.125


class Torus(NamedTuple):
    """ln Z, mean energy and heat capacity (in units of k_B) of a whole finite lattice."""

    log_partition: float
    energy: float
    heat_capacity: float


def torus(shape: tuple[int, int], kT: float, J: float = 1.0) -> Torus:
    """Exact ln Z, ⟨E⟩ = −J d ln Z/dK and C = K² d² ln Z/dK² of a periodic lattice, all totals and not per site.

    Args:
        shape: the two sides, each at least 2.
        kT: temperature, on either side of T_c or at it.
        J: coupling > 0.

    Raises:
        ValueError: if a side is shorter than 2, or kT or J is not positive.

    >>> two = torus((2, 2), kT=4.0)    # 8 bonds; 2 states at −8, 12 at 0, 2 at 8
    >>> round(two.log_partition, 9) == round(float(np.log(12 + 4 * np.cosh(2.0))), 9)
    True
    """
    n, m = shape
    if min(n, m) < 2 or not (kT > 0 and J > 0):
        raise ValueError(f"a torus needs sides of at least 2 and positive kT and J, got {shape}, kT={kT}, J={J}")
    K = J / kT
    series = _sum_of_products(K, n, m)
    # the common factor ½ (2 sinh 2K)^{nm/2}
    log_partition = n * m / 2 * np.log(2 * np.sinh(2 * K)) - np.log(2) + series[0]
    slope = n * m / np.tanh(2 * K) + series[1]
    curvature = -2 * n * m / np.sinh(2 * K) ** 2 + series[2]
    return Torus(float(log_partition), float(-J * slope), float(K**2 * curvature))


def _sum_of_products(K, n, m) -> tuple[float, float, float]:
    """ln of Kaufman's bracket and its first two derivatives in K."""
    odd = _modes(K, np.pi * np.arange(1, 2 * n, 2) / n)
    even = _modes(K, np.pi * np.arange(2, 2 * n, 2) / n)
    # γ_0 goes through zero at T_c, so its factors are kept as they are and not as logarithms
    half, half1, half2 = m / 2 * np.array([2 * K + np.log(np.tanh(K)), 2 + 2 / np.sinh(2 * K), _zero_curvature(K)])
    scale = abs(half)  # taken out, so that nothing overflows
    up, down = np.exp(half - scale), np.exp(-half - scale)
    cosh, sinh = up + down, -np.sign(half) * np.expm1(-2 * scale)
    cosh_factor = cosh, sinh * half1, cosh * half1**2 + sinh * half2
    sinh_factor = sinh, cosh * half1, sinh * half1**2 + cosh * half2
    one = 1.0, 0.0, 0.0
    terms = [
        _times(_log_cosh_product(odd, m), one, 0.0),
        _times(_log_sinh_product(odd, m), one, 0.0),
        _times(_log_cosh_product(even, m), cosh_factor, scale),
        _times(_log_sinh_product(even, m), sinh_factor, scale),
    ]
    largest = max(exponent for exponent, *_ in terms)
    value, slope, curvature = (
        sum(np.exp(term[0] - largest) * term[1 + derivative] for term in terms) for derivative in range(3)
    )
    return largest + np.log(value), slope / value, curvature / value - (slope / value) ** 2


def _zero_curvature(K):
    """γ_0'' = −4 cosh 2K/sinh² 2K."""
    return -4 * np.cosh(2 * K) / np.sinh(2 * K) ** 2


def _modes(K, angle) -> Float[np.ndarray, "3 modes"]:
    """γ, γ', γ'' of the modes that never vanish.

    With S = sinh 2K:  cosh γ − 1 = (S − 1)²/S + 2 sin²(angle/2), which loses nothing near T_c, and
    (cosh γ)' = 2 cosh 2K (1 − 1/S²),   (cosh γ)'' = 4S + 4/S + 8/S³.
    """
    S = np.sinh(2 * K)
    excess = (S - 1) ** 2 / S + 2 * np.sin(angle / 2) ** 2
    sinh = np.sqrt(excess * (excess + 2))
    first = 2 * np.cosh(2 * K) * (1 - S**-2.0) / sinh
    second = (4 * S + 4 / S + 8 * S**-3.0 - (1 + excess) * first**2) / sinh
    return np.stack([np.log1p(excess + sinh), first, second])


def _log_cosh_product(modes, m) -> tuple[float, float, float]:
    """ln Π 2cosh(mγ/2) and its first two derivatives."""
    half, half1, half2 = m / 2 * modes
    tanh = np.tanh(half)
    value = half + np.log1p(np.exp(-2 * half))
    return value.sum(), (half1 * tanh).sum(), (half2 * tanh + half1**2 * (1 - tanh**2)).sum()


def _log_sinh_product(modes, m) -> tuple[float, float, float]:
    """ln Π 2sinh(mγ/2) and its first two derivatives."""
    half, half1, half2 = m / 2 * modes
    coth = 1 / np.tanh(half)
    value = half + np.log(-np.expm1(-2 * half))
    return value.sum(), (half1 * coth).sum(), (half2 * coth + half1**2 * (1 - coth**2)).sum()


def _times(log_product, factor, exponent) -> tuple[float, float, float, float]:
    """Exponent, then value, slope and curvature of exp(ln product) × factor over exp(exponent)."""
    log, slope, curvature = log_product
    f, f1, f2 = factor
    return log + exponent, f, f1 + f * slope, f2 + 2 * f1 * slope + f * (curvature + slope**2)


class GasCouplings(NamedTuple):
    """Contact energies and costs of the values empty and filled, in the language of E = Σ J[s, s'] + Σ μ[s]."""

    J: Float[np.ndarray, "2 2"]
    mu: Float[np.ndarray, "2"]


def gas_couplings(eps: float, coordination: int = 4) -> GasCouplings:
    """Lattice gas at coexistence: J_11 = −ε and μ_1 = +zε/2, the cost at which filled and empty are symmetric.

    With these, E = E_Ising(J = ε/4) + zεN/8 on N sites of a periodic lattice of coordination z, exactly.

    >>> gas_couplings(1.0).mu.tolist()
    [0.0, 2.0]
    """
    return GasCouplings(np.array([[0.0, 0.0], [0.0, -eps]]), np.array([0.0, coordination * eps / 2]))


def gas_critical_temperature(eps: float = 1.0) -> float:
    """Critical kT of the square-lattice gas, that of the Ising model at J = ε/4.

    >>> round(gas_critical_temperature(), 9)
    0.567296329
    """
    return critical_temperature(eps / 4)


class Densities(NamedTuple):
    """Filled fraction of the two coexisting phases; equal above the critical temperature."""

    dense: Float[np.ndarray, "..."]
    dilute: Float[np.ndarray, "..."]


def gas_densities(kT, eps: float = 1.0) -> Densities:
    """Densities (1 ± m)/2 of the coexisting phases of the square-lattice gas.

    >>> [round(float(density), 8) for density in gas_densities(0.5)]    # kT = 2J
    [0.95565969, 0.04434031]
    """
    m = spontaneous_magnetisation(kT, eps / 4)
    return Densities((1 + m) / 2, (1 - m) / 2)
