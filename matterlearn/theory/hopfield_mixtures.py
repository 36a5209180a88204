"""Mixtures of few patterns in a Hopfield network: spurious states with the same overlap with each of n patterns.

At a load α → 0 the free energy per spin is a function of the overlaps m_μ alone [amit1985],

    f(m) = ½ Σ_μ m_μ² − T ⟨ln 2cosh(Σ_μ m_μ ξ^μ/T)⟩_ξ,

stationary at m_1 = … = m_n = m with n m = ⟨S tanh(mS/T)⟩, S the sum of n fair signs. With q = ⟨tanh²⟩ and
Q = ⟨ξ¹ξ² tanh²⟩ its Hessian there has three eigenvalues, see `Stability`. The second one decides: mixtures of an odd
number of patterns are minima below the temperature of `stable_below`, mixtures of an even number never are, because a
fraction of their spins is in no field.

Mixtures at a finite load are `hopfield.retrieval(alpha, T, mixed=n)`.

Units: T and energies in the unit of the signal of one pattern. Limits: finite n, N → ∞.
"""

from math import comb
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.stats import binom

from matterlearn.theory.hopfield import Branch, find_root


def overlap(n: int, T) -> Float[np.ndarray, "*temperatures"]:
    """m_n(T), the overlap with each of the n patterns; at T = 0 it is C(n − 1, ⌊(n − 1)/2⌋)/2^{n−1}, at T >= 1 zero.

    Raises:
        ValueError: if n is not a positive integer or T is negative.

    >>> overlap(3, [0.0, 0.3]).round(10).tolist()
    [0.5, 0.4804385037]
    """
    _check(n, T)
    return np.vectorize(lambda T: _overlap(int(n), float(T)), otypes=[float])(T)


def _overlap(n, T):
    if T == 0:
        return comb(n - 1, (n - 1) // 2) / 2 ** (n - 1)
    return Branch(T, mixed=n).overlap(0.0) if T < 1 else 0.0


def free_energy(n: int, T) -> Float[np.ndarray, "*temperatures"]:
    """f per spin, n m²/2 − T⟨ln 2cosh(mS/T)⟩; at T = 0 it is the energy −n m²/2, which goes to −1/π for many patterns.

    Raises:
        ValueError: as `overlap`.

    >>> free_energy(3, 0.0).item(), round(free_energy(5, 0.0).item(), 10)
    (-0.375, -0.3515625)
    """
    _check(n, T)
    return np.vectorize(lambda T: _free_energy(int(n), float(T)), otypes=[float])(T)


def _free_energy(n, T):
    S, weight = _signs(n)
    m = _overlap(n, T)
    field = m * abs(S)
    thermal = T * np.log1p(np.exp(-2 * field / T)) if T else 0.0
    return n * m**2 / 2 - (field + thermal) @ weight


class Stability(NamedTuple):
    """Eigenvalues of the Hessian of f at a symmetric mixture; a minimum has none below zero.

    ``together`` 1 − β(1 − q) + (n − 1)βQ: all n overlaps alike; ``apart`` 1 − β(1 − q) − βQ: one grows at the cost of
    another, n − 1 times; ``outside`` 1 − β(1 − q): towards any other pattern.
    """

    together: float
    apart: float
    outside: float


def stability(n: int, T: float) -> Stability:
    """The eigenvalues at temperature T.

    Raises:
        ValueError: unless n >= 2 and 0 < T < 1.

    >>> stability(3, 0.4).apart > 0 > stability(3, 0.5).apart
    True
    """
    if n < 2 or not 0 < T < 1:
        raise ValueError(f"stability is that of n >= 2 patterns at 0 < T < 1, got n = {n}, T = {T}")
    S, weight = _signs(n)
    square = np.tanh(overlap(n, T) * S / T) ** 2
    q = square @ weight
    Q = (S**2 * square @ weight / n - q) / (n - 1)
    outside = 1 - (1 - q) / T
    return Stability(*(float(value) for value in (outside + (n - 1) * Q / T, outside - Q / T, outside)))


def stable_below(n: int) -> float:
    """Temperature below which a mixture of n patterns, n odd and at least 3, is a minimum.

    Raises:
        ValueError: for other n.

    >>> round(stable_below(3), 10)
    0.4597942399
    """
    if n < 3 or n % 2 == 0:
        raise ValueError(f"mixtures of an odd number of patterns, at least 3, become stable, got n = {n}")
    # cold: all fields are multiples of m, so 1 − q is of order exp(−2m/T)
    return find_root(lambda T: stability(n, T).apart, 0.05 * overlap(n, 0.0).item(), 1 - 1e-6)


def _signs(n):
    """Values of the sum of n fair signs and their probabilities."""
    up = np.arange(n + 1)
    return 2 * up - n, binom.pmf(up, n, 0.5)


def _check(n, T):
    if n != int(n) or n < 1 or np.min(T) < 0:
        raise ValueError(f"a mixture has n >= 1 patterns at T >= 0, got n = {n}, T = {T}")
