"""Is a stored pattern stable? The field of one step, as a signal and the noise of all other patterns.

N spins, K random patterns, the state being one of them or a corrupted copy.

*Hebb*, J_ij = (1/N) Σ ξ_i ξ_j, J_ii = 0: a spin of the stored pattern has the field (N − 1)/N + R/N along the pattern,
R the sum of (K − 1)(N − 1) fair signs. The probability of a wrong sign is a binomial tail, and ½ erfc(1/√(2α)) at large
N and α = K/N.

*Dense*, E = −(1/N^{n−1}) Σ_μ (ξ^μ·s)^n: the noise has variance (2n − 3)!! K/N^{n−1} [krotov2016dense],

    P = ½ erfc √(N^{n−1}/[2K (2n − 3)!!]),     K_max = N^{n−1}/[2 (2n − 3)!! ln N],

at K_max the N spins expect together (4π ln N)^{−½} errors.

*Exponential*, E = −Σ_μ exp(ξ^μ·s), K = e^{αN} [demircigil2017model]: a pattern of which a fraction ρ is flipped has the
overlap x = 1 − 2ρ, as any other has with probability e^{−N I(x)}. None of the K² pairs does if

    α < I(1 − 2ρ)/2,     I(x) = ½ [(1 + x) ln(1 + x) + (1 − x) ln(1 − x)].

Limits: one step, all spins at once; N → ∞ and many patterns (a Gaussian noise) unless said exact. What further steps do
at a finite load is in `hopfield`.
"""

import numpy as np
from jaxtyping import Float
from scipy.special import entr, erfc, erfcinv, factorial2
from scipy.stats import binom


def bit_error(alpha) -> Float[np.ndarray, "*loads"]:
    """½ erfc(1/√(2α)): fraction of the spins of a stored pattern that the first step turns wrong.

    >>> round(float(bit_error(0.13846)), 4)
    0.0036
    """
    return erfc(1 / np.sqrt(2 * np.asarray(alpha, dtype=float))) / 2


def load_of_error(error) -> Float[np.ndarray, "*errors"]:
    """α at which `bit_error` is the given number in (0, ½).

    >>> load_of_error([0.001, 0.01, 0.1]).round(5).tolist()
    [0.10472, 0.18478, 0.60887]
    """
    return 1 / (2 * erfcinv(2 * np.asarray(error, dtype=float)) ** 2)


def exact_bit_error(spins: int, patterns) -> Float[np.ndarray, "*loads"]:
    """The same for finite N and K without approximation; a spin in no field turns with probability ½.

    >>> exact_bit_error(2, [1, 2]).round(12).tolist()    # one sign against one: a tie half of the time
    [0.0, 0.25]
    """
    noise = (np.asarray(patterns) - 1) * (spins - 1)
    return binom.cdf((noise - spins) // 2, noise, 0.5) + binom.pmf((noise - spins + 1) / 2, noise, 0.5) / 2


def dense_bit_error(spins, patterns, order) -> Float[np.ndarray, "*memories"]:
    """½ erfc √(N^{n−1}/[2K (2n − 3)!!]) for a memory of n-spin terms; n = 2 is `bit_error`.

    >>> round(float(dense_bit_error(60, 400, 3)), 4)
    0.0416
    """
    return bit_error(
        np.asarray(patterns) * factorial2(2 * np.asarray(order) - 3) / np.float_power(spins, np.asarray(order) - 1)
    )


def dense_capacity(spins, order) -> Float[np.ndarray, "*memories"]:
    """K_max = N^{n−1}/[2 (2n − 3)!! ln N], at which a whole pattern has about (4π ln N)^{−½} errors.

    >>> dense_capacity(1000, [2, 3]).round(2).tolist()
    [72.38, 24127.47]
    """
    return np.float_power(spins, np.asarray(order) - 1) / (2 * factorial2(2 * np.asarray(order) - 3) * np.log(spins))


def exponential_load(corruption) -> Float[np.ndarray, "*fractions"]:
    """α = ln K/N below which an exponential memory recalls all patterns from copies with a fraction ρ < ½ flipped.

    I(1 − 2ρ)/2 = (ln 2 + ρ ln ρ + (1 − ρ) ln(1 − ρ))/2; ln 2/2 without corruption, where it keeps patterns distinct.

    >>> exponential_load([0.0, 0.1, 0.25]).round(6).tolist()
    [0.346574, 0.184032, 0.065406]
    """
    rho = np.asarray(corruption, dtype=float)
    return (np.log(2) - entr(rho) - entr(1 - rho)) / 2
