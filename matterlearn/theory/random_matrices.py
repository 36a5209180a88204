"""Spectra of covariances that were measured from few samples, and of noise added to a matrix.

    Marchenko–Pastur: d components of unit variance, n = d/q samples, eigenvalues between (1 ± √q)²,
        ρ(l) = √((l₊ − l)(l − l₋))/(2π q l),   and a weight 1 − 1/q at 0 if q > 1           [marchenko1967]
    a spike ℓ > 1 + √q of the true covariance is seen at ℓ (1 + q/(ℓ − 1)), its axis with an overlap² of
        (1 − q/(ℓ − 1)²)/(1 + q/(ℓ − 1))                                                [baik2005]
    a spike θ > 1 in a symmetric Gaussian matrix of entry variance 1/d (edge 2): θ + 1/θ, overlap² 1 − 1/θ²

Used for the empirical linear score W = [D + e^{−2t} C]^{−1}, D = 1 − e^{−2t}. Pure numbers. Limits: d → ∞ at fixed q.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

NODES = 4096


def marchenko_pastur_edges(q: float) -> tuple[float, float]:
    """(1 ∓ √q)², between which the eigenvalues of an empirical covariance lie.

    >>> marchenko_pastur_edges(0.25)
    (0.25, 2.25)
    """
    root = float(np.sqrt(q))
    return (1 - root) ** 2, (1 + root) ** 2


def marchenko_pastur_mean(values: Callable[[np.ndarray], np.ndarray], q: float) -> float:
    """∫ ρ(l) F(l) dl, the mean over eigenvalues.

    With l = 1 + q + 2√q cos ϑ the integrand is periodic and equal steps are exact to rounding, unless q is within 10⁻⁵
    of 1.

    Raises:
        ValueError: if q <= 0.

    >>> round(marchenko_pastur_mean(lambda l: l**2, 0.5), 12)  # 1 + q
    1.5
    """
    if q <= 0:
        raise ValueError(f"q = d/n must be positive, got {q}")
    angle = (np.arange(NODES) + 0.5) * np.pi / NODES
    l = 1 + q + 2 * np.sqrt(q) * np.cos(angle)
    bulk = 2 / NODES * (np.sin(angle) ** 2 / l * values(l)).sum()
    return float(bulk + (max(0.0, 1 - 1 / q) * values(np.zeros(1))[0] if q > 1 else 0.0))


def empirical_score_trace(q: float, t: float) -> float:
    """Tr W/d of the linear score that is optimal for n = d/q samples of white data, at time t; 1 for the true one.

    >>> round(empirical_score_trace(0.5, 0.1), 6)
    1.434544
    """
    return marchenko_pastur_mean(lambda l: _slope(l, t), q)


def empirical_score_error(q: float, t: float) -> float:
    """E |score error|²/d of that score against the true one, −x.

    >>> round(empirical_score_error(0.5, 0.1), 4)
    0.9646
    """
    return marchenko_pastur_mean(lambda l: (_slope(l, t) - 1) ** 2, q)


def _slope(l, t: float):
    return 1 / (-np.expm1(-2 * t) + np.exp(-2 * t) * l)


def covariance_spike(spike: float, q: float) -> tuple[float, float]:
    """Where a spike of the true covariance is seen, and the overlap² of its axis with the true one.

    At and below 1 + √q it is lost: the edge of the bulk, and 0.

    >>> covariance_spike(3.0, 0.5)
    (3.75, 0.7)
    """
    if spike <= 1 + np.sqrt(q):
        return marchenko_pastur_edges(q)[1], 0.0
    gap = q / (spike - 1)
    return float(spike * (1 + gap)), float((1 - gap / (spike - 1)) / (1 + gap))


def symmetric_spike(strength: float) -> tuple[float, float]:
    """Largest eigenvalue of θ u uᵀ + noise of entry variance 1/d, and (u · axis)².

    >>> symmetric_spike(2.0), symmetric_spike(0.5)
    ((2.5, 0.75), (2.0, 0.0))
    """
    if strength <= 1:
        return 2.0, 0.0
    return strength + 1 / strength, 1 - 1 / strength**2


def symmetric_noise(rng: np.random.Generator, d: int) -> Float[np.ndarray, "d d"]:
    """A symmetric Gaussian matrix of entry variance 1/d (2/d on the diagonal), whose eigenvalues fill [−2, 2].

    >>> symmetric_noise(np.random.default_rng(0), 3).shape
    (3, 3)
    """
    square = rng.normal(size=(d, d))
    return (square + square.T) / np.sqrt(2 * d)


def axes_overlap(rng: np.random.Generator, d: int, exponent: float) -> float:
    """Mean overlap² of the axes of a covariance with those seen in n = d^{1+a} samples, from one draw.

    The true one has d eigenvalues equally spaced on [0, 1), the other d^{−a/2} times :func:`symmetric_noise` more. Its
    eigenvalues are right for a > 0; its axes only for a > 1, where noise is smaller than the gaps 1/d.

    >>> 0.5 < axes_overlap(np.random.default_rng(0), 100, 1.5) < 1.0
    True
    """
    true = np.arange(d) / d
    seen = np.linalg.eigh(np.diag(true) + d ** (-exponent / 2) * symmetric_noise(rng, d))[1]
    return float((np.diag(seen) ** 2).mean())
