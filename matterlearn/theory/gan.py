"""What adversarial learning descends: the Jensen–Shannon divergence, by quadrature in one dimension.

    C(D) = ⟨ln D⟩_p + ⟨ln(1 − D)⟩_q;     max_D C = C(D*) = −ln 4 + 2 JSD(p, q),    D* = p/(p + q)
    JSD(p, q) = ½ KL(p ‖ m) + ½ KL(q ‖ m),   m = ½ (p + q),      0 ≤ JSD ≤ ln 2

Where generator and data agree, C* = −ln 4.

Source: [goodfellow2014].

Example:
    >>> round(jensen_shannon_of_shift(1.0), 6)
    0.111421
    >>> round(best_value(0.0), 6)
    -1.386294
"""

from collections.abc import Callable

import numpy as np
from scipy import integrate, stats
from scipy.special import rel_entr

REACH = 12.0  # standard deviations beyond which normal laws are left out


def best_value(divergence: float) -> float:
    """C of the best discriminator, nat."""
    return float(2 * divergence - np.log(4))


def best_discriminator(p: float, q: float) -> float:
    """Probability that a sample is one of the data, from the densities of data and generator there."""
    return p / (p + q)


def jensen_shannon(
    p: Callable[[float], float], q: Callable[[float], float], low: float, high: float
) -> float:
    """JSD of two densities on a line, nat."""

    def integrand(x):
        one, other = p(x), q(x)
        middle = 0.5 * (one + other)
        return 0.5 * float(rel_entr(one, middle) + rel_entr(other, middle))

    return float(integrate.quad(integrand, low, high, epsabs=1e-12, limit=400)[0])


def jensen_shannon_of_shift(shift: float) -> float:
    """JSD of N(0, 1) and N(shift, 1), nat."""
    low, high = min(0.0, shift) - REACH, max(0.0, shift) + REACH
    return jensen_shannon(lambda x: float(stats.norm.pdf(x)), lambda x: float(stats.norm.pdf(x - shift)), low, high)
