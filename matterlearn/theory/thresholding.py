"""Denoising by thresholds: components below T are dropped, the others kept (hard) or drawn in by T (soft).

    y = μ + z,   z ~ N(0, 1)
    soft:  r(T, μ) = 1 + T² + (μ² − T² − 1)[Φ(T−μ) − Φ(−T−μ)] − (T−μ) φ(T+μ) − (T+μ) φ(T−μ)
    hard:  r(T, μ) = 1 + (μ² − 1)[Φ(T−μ) − Φ(−T−μ)] + (T−μ) φ(T−μ) + (T+μ) φ(T+μ)

per component, in units in which the noise has unit variance. Soft thresholding at T = σ√(2 ln d) has a risk of at most
(2 ln d + 1)(σ² + Σ_k min(x_k², σ²)), a logarithm from that of an oracle who knows which of the d components to keep: so
what matters is a basis in which few components are large.

Source: [donoho1994]. Limits: independent normal noise of known variance.

Example:
    >>> round(float(soft_risk(1.0, 0.0)), 8), round(float(soft_risk(2.5, 1.0)), 8)
    (0.15067957, 0.96437833)
"""

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.stats import norm

from matterlearn.theory.wiener import projection_risk


def soft(y: ArrayLike, threshold: ArrayLike) -> Float[np.ndarray, "..."]:
    """sign(y) max(|y| − T, 0).

    >>> soft([-3.0, 0.5], 1.0).tolist()
    [-2.0, 0.0]
    """
    values, limit = np.asarray(y, float), np.asarray(threshold, float)
    return values - np.clip(values, -limit, limit)


def hard(y: ArrayLike, threshold: ArrayLike) -> Float[np.ndarray, "..."]:
    """y where |y| > T, else 0.

    >>> hard([-3.0, 0.5], 1.0).tolist()
    [-3.0, 0.0]
    """
    values = np.asarray(y, float)
    return np.where(np.abs(values) > threshold, values, 0.0)


def soft_risk(threshold: ArrayLike, mean: ArrayLike) -> Float[np.ndarray, "..."]:
    """E (soft(μ + z, T) − μ)²."""
    limit, mu = np.asarray(threshold, float), np.asarray(mean, float)
    above, below = limit - mu, limit + mu
    inside = norm.cdf(above) - norm.cdf(-below)
    edges = above * norm.pdf(below) + below * norm.pdf(above)
    return 1 + limit**2 + (mu**2 - limit**2 - 1) * inside - edges


def hard_risk(threshold: ArrayLike, mean: ArrayLike) -> Float[np.ndarray, "..."]:
    """E (hard(μ + z, T) − μ)².

    >>> float(hard_risk(0.0, 3.0))
    1.0
    """
    limit, mu = np.asarray(threshold, float), np.asarray(mean, float)
    above, below = limit - mu, limit + mu
    inside = norm.cdf(above) - norm.cdf(-below)
    return 1 + (mu**2 - 1) * inside + above * norm.pdf(above) + below * norm.pdf(below)


def universal_threshold(count: int) -> float:
    """√(2 ln d), in units of the noise: pure noise rarely exceeds it in any of d components.

    >>> round(universal_threshold(1024), 4)
    3.7233
    """
    return float(np.sqrt(2 * np.log(count)))


def exceedance(count: int, threshold: float) -> float:
    """P(max_k |z_k| > T) of d independent components of noise.

    At the universal threshold it falls no faster than 1/√(π ln d).

    >>> round(exceedance(1024, universal_threshold(1024)), 4)
    0.1824
    """
    return float(-np.expm1(count * np.log1p(-2 * norm.sf(threshold))))


def donoho_johnstone_bound(signal: ArrayLike, noise: float) -> float:
    """(2 ln d + 1)(σ² + Σ_k min(x_k², σ²)): no risk of soft thresholding at σ√(2 ln d) is above; ``noise`` is σ².

    >>> round(donoho_johnstone_bound(np.zeros(1024), 1.0), 2)
    14.86
    """
    x = np.asarray(signal, float)
    return float((2 * np.log(x.size) + 1) * (noise + projection_risk(x**2, noise)))
