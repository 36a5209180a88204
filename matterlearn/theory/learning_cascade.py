"""How a restricted Boltzmann machine begins to learn: the modes of the data one after the other.

Weights W near 0, hidden units of ±1 without bias. To first order in W the gradient of the likelihood is

    dW/dt = (C − C₀) W

with C = ⟨v vᵀ⟩ of the data and C₀ that of the visible units left alone: I for units of ±1 and for Gaussian units of
width 1. So W grows along eigenvectors of C with rates λ − 1, the strongest first, and modes with λ < 1 are forgotten
[decelle2017spectral]; each that has grown changes the law of the machine, a cascade of transitions
[bachtis2024cascade]. Where hidden units are {0, 1}, ⟨h⟩ grows by ¼ of its field and dW/dt = ¼ (Cov − Cov₀) W, biases
following so that all means are right.

*Gaussian* hidden units too make the machine linear, P(v) normal, and its whole course is known. A mode of W of
singular value w along an eigenvector of variance s² obeys, with widths σ_v and σ_h,

    dw/dt = w σ_h² [s² − σ_v²/(1 − σ_v² σ_h² w²)],     w* = √((1 − σ_v²/s²)/(σ_v² σ_h²)) where s² > σ_v², else 0,

which at w* makes the variance of the machine that of the data: probabilistic principal components [tipping1999].
The law integrates to 2 σ_h² A t = ln(w²/w₀²) − (σ_v²/s²) ln[(A − Bw²)/(A − Bw₀²)], A = s² − σ_v², B = s² σ_v² σ_h².

Units: W, v in 1; time is learning rate times updates. Limits: first order in W; whole batches, exact gradients.
"""

import numpy as np
from jaxtyping import Float


def early_rates(covariance: Float[np.ndarray, "N N"], alone: float = 1.0) -> Float[np.ndarray, " N"]:
    """Growth rates λ − C₀ of all modes, fastest first.

    >>> early_rates(np.array([[1.0, 0.5], [0.5, 1.0]])).round(9).tolist()
    [0.5, -0.5]
    """
    return np.linalg.eigvalsh(covariance)[::-1] - alone


def early_weights(
    covariance: Float[np.ndarray, "N N"], start: Float[np.ndarray, "N hidden"], rate: float, updates: int
) -> Float[np.ndarray, "N hidden"]:
    """W after updates of a learning rate each, W ← W + rate (C − I) W: exact for the steps that are made.

    >>> early_weights(2 * np.eye(1), np.ones((1, 1)), 0.1, 2).round(9).tolist()
    [[1.21]]
    """
    values, vectors = np.linalg.eigh(covariance)
    return vectors @ ((1 + rate * (values - 1))[:, None] ** updates * (vectors.T @ start))


def linear_rate(w, variance: float, visible_width: float = 1.0, hidden_width: float = 1.0) -> Float[np.ndarray, "*k"]:
    """dw/dt of a mode of the linear machine.

    >>> linear_rate(np.array([0.0, 1e-3]), 1.5).round(9).tolist()
    [0.0, 0.000499999]
    """
    v, h = visible_width**2, hidden_width**2
    w = np.asarray(w, dtype=float)
    return w * h * (variance - v / (1 - v * h * w**2))


def linear_fixed_point(variance, visible_width: float = 1.0, hidden_width: float = 1.0) -> Float[np.ndarray, "*k"]:
    """w*, where learning a mode of this variance ends.

    >>> linear_fixed_point(np.array([1.5, 4.0, 0.5])).round(10).tolist()
    [0.5773502692, 0.8660254038, 0.0]
    """
    share = np.maximum(1 - visible_width**2 / np.asarray(variance, dtype=float), 0)
    return np.sqrt(share) / (visible_width * hidden_width)


def linear_time(
    w: Float[np.ndarray, "*k"], start: float, variance: float, visible_width: float = 1.0, hidden_width: float = 1.0
) -> Float[np.ndarray, "*k"]:
    """When a mode of the linear machine that was w₀ at time 0 is w: the course of learning, the other way round.

    Times before the start are negative; the fixed point is never reached.

    Raises:
        ValueError: if the variance is that of the noise, so that w decays as a power, or if w has no machine.

    >>> linear_time(np.array([0.01, 0.86, 0.866]), 0.01, 4.0).round(4).tolist()
    [0.0, 1.663, 1.8931]
    """
    v, h = visible_width**2, hidden_width**2
    gain, slope = variance - v, variance * v * h
    w2 = np.asarray(w, dtype=float) ** 2
    if gain == 0 or not 0 < start**2 * v * h < 1 or np.any((w2 * v * h >= 1) | (w2 == 0)):
        raise ValueError("a machine needs 0 < w < 1/(σ_v σ_h), and this law a variance that is not σ_v²")
    with np.errstate(divide="ignore", invalid="ignore"):
        left = np.log(w2 / start**2) - v / variance * np.log((gain - slope * w2) / (gain - slope * start**2))
    return left / (2 * h * gain)
