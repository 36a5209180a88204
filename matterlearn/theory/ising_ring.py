"""The Ising ring: a closed chain of N spins, solved by its transfer matrix.

    Z = λ₊^N + λ₋^N,   λ₊ = 2cosh K,   λ₋ = 2sinh K,        ⟨s_0 s_r⟩ = (t^r + t^{N−r})/(1 + t^N),   t = tanh K

K = βJ couples neighbours, K > 0 binding equal spins; an energy +J s s of this package has K = −J/kT. In a field H (per
kT) the transfer matrix has eigenvalues e^K cosh H ± √(e^{2K} sinh² H + e^{−2K}).

Units: K, H in 1. Limits: N >= 3, so that no bond joins two spins twice.
"""

import numpy as np
from jaxtyping import Float


def log_partition(spins: int, K: float, H: float = 0.0) -> float:
    """ln Z.

    >>> round(log_partition(10, 0.3), 12), round(log_partition(10, 0.7), 12)
    (7.37488390627, 9.210654547333)
    """
    _check(spins)
    root = np.sqrt(np.exp(2 * K) * np.sinh(H) ** 2 + np.exp(-2 * K))
    middle = np.exp(K) * np.cosh(H)
    ratio = (middle - root) / (middle + root)
    return float(spins * np.log(middle + root) + np.log1p(ratio**spins))


def correlation(spins: int, K: float, distance: int | Float[np.ndarray, "*r"]) -> Float[np.ndarray, "*r"]:
    """⟨s_0 s_r⟩ without a field.

    >>> correlation(10, 0.3, np.array([0, 1, 3])).round(12).tolist()
    [1.0, 0.291326439127, 0.024899602704]
    """
    _check(spins)
    t, r = np.tanh(K), np.asarray(distance) % spins
    return (t**r + t ** (spins - r)) / (1 + t**spins)


def energy(spins: int, K: float) -> float:
    """−N ⟨s_0 s_1⟩: ⟨E⟩ per unit of the binding energy, −∂ln Z/∂K.

    >>> round(energy(4, 20.0), 12)    # all equal
    -4.0
    """
    return -spins * float(correlation(spins, K, 1))


def _check(spins):
    if spins < 3:
        raise ValueError(f"a ring needs three spins or more, got {spins}")
