"""Dreaming: unlearning the couplings of a Hopfield network until they project onto the patterns.

With C = ξξᵀ/N the overlaps of K patterns ξ [K, N], sleeping for a time t turns Hebb's J(0) = ξᵀξ/N into

    J(t) = (1/N) ξᵀ (1 + t)(1 + tC)⁻¹ ξ,     dJ/dt = (J − J²)/(1 + t),     λ → (1 + t) λ/(1 + tλ)

for every eigenvalue λ [fachechi2019dreaming]: what patterns share is unlearned. At t → ∞ J projects on the patterns
[kanter1987associative], which are then stable up to α = K/N = 1; at α = 1 − 2/π the spin glass has their energy.

*Stability in one step* (derived here). Random patterns, N → ∞, J_ii = 0, g = tr (1 + tJ(0))⁻¹/N = 1/(1 + αt/(1 + tg)).
The formula of Sherman and Morrison takes one pattern out of J; a spin of it feels a Gaussian field with

    (mean/standard deviation)² = g √(b² + 4t)/(g − 1 + α),     b = 1 + t(α − 1),     g = 2/(b + √(b² + 4t)):

1/α when awake, as in `signal_to_noise`, growing with t, without limit below α = 1 and to 1/(α − 1) above.

Limits: kernels of symmetric networks with the diagonal kept (set it to zero for dynamics: from α = ½ on it destroys the
basins); t <= 1e8 in `bit_error`, for its digits.
"""

import numpy as np
from jaxtyping import Float
from scipy.special import erfc

DEGENERATE_LOAD = 1 - 2 / np.pi  # of the projector: here the energy of the spin glass is that of the patterns


def kernel(patterns: Float[np.ndarray, "K N"], t: float) -> Float[np.ndarray, "N N"]:
    """J(t), diagonal included; t = 0 is Hebb's rule.

    Raises:
        ValueError: if t is negative.

    >>> kernel(np.array([[1.0, -1.0]]), 3.0).tolist()    # a single pattern has nothing to unlearn
    [[0.5, -0.5], [-0.5, 0.5]]
    """
    if t < 0:
        raise ValueError(f"sleep lasts a time t >= 0, got {t}")
    xi = np.asarray(patterns, dtype=float)
    count, spins = xi.shape
    return (1 + t) / spins * xi.T @ np.linalg.solve(np.eye(count) + t / spins * xi @ xi.T, xi)


def projector(patterns: Float[np.ndarray, "K N"]) -> Float[np.ndarray, "N N"]:
    """J(∞), the orthogonal projector on the span of the patterns, be they independent or not.

    >>> projector(np.array([[1.0, 1.0], [2.0, 2.0]])).round(12).tolist()
    [[0.5, 0.5], [0.5, 0.5]]
    """
    return np.linalg.pinv(patterns) @ patterns


def spectrum(eigenvalues, t) -> Float[np.ndarray, "*eigenvalues"]:
    """(1 + t)λ/(1 + tλ): 0 and 1 stay, all others go to 1.

    >>> spectrum([0.0, 1.0, 3.0], 1.0).tolist()
    [0.0, 1.0, 1.5]
    """
    eigenvalues = np.asarray(eigenvalues, dtype=float)
    return (1 + t) * eigenvalues / (1 + t * eigenvalues)


def rate(J: Float[np.ndarray, "N N"], t: float) -> Float[np.ndarray, "N N"]:
    """dJ/dt = (J − J²)/(1 + t), the flow that `kernel` solves; projectors are its fixed points.

    >>> rate(np.diag([0.0, 1.0, 2.0]), 1.0).diagonal().tolist()
    [0.0, 0.0, -1.0]
    """
    return (J - J @ J) / (1 + t)


def bit_error(alpha, t) -> Float[np.ndarray, "*points"]:
    """Fraction of the spins of a stored pattern that one step turns wrong after sleeping for a time t.

    >>> bit_error(0.4, [0.0, 1.0, 10.0]).round(6).tolist()
    [0.056923, 0.002907, 0.0]
    """
    alpha, t = np.asarray(alpha, dtype=float), np.asarray(t, dtype=float)
    b = 1 + t * (alpha - 1)
    root = np.sqrt(b**2 + 4 * t)
    g = 2 / (b + root)
    return erfc(np.sqrt(g * root / (2 * (g - 1 + alpha)))) / 2
