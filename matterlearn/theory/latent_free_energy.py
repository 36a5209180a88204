"""Free energy of an energy with latent variables, and a linear decoder for which it is closed.

    F_β(y) = −(1/β) ln ∫ p(z) e^{−βE(y, z)} dz = min_q { ⟨E⟩_q + (1/β) KL(q ‖ p) },    q* ∝ p(z) e^{−βE(y, z)}

The minimum over distributions q of the latent variables is reached at their posterior; every other q gives an upper
bound, higher by KL(q ‖ q*)/β. As β → ∞ all weight falls on the best latent variable, F → min_z E.

For a linear decoder E = |y − W z|² with a standard normal prior everything is Gaussian,

    F_β = yᵀ(I + 2βW Wᵀ)⁻¹ y + (1/2β) ln det(I + 2βWᵀW),    q* = N(2βΣ Wᵀy, Σ),  Σ = (I + 2βWᵀW)⁻¹

and min_z E is the distance of y from the range of W. With a flat prior instead, 1/|Z| on a volume Z, the first term
would be that distance already and the second grow without bound with the volume.

Source: [lecun2006tutorial]; the Gaussian model is that of [tipping1999]. Units: E in its own, β in 1/E.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float


class Posterior(NamedTuple):
    """A normal law of the latent variables."""

    mean: Float[np.ndarray, " z"]
    covariance: Float[np.ndarray, "z z"]


def free_energy(W: Float[np.ndarray, "y z"], y: Float[np.ndarray, " y"], beta: float) -> float:
    """F_β of the linear decoder.

    >>> round(free_energy(np.array([[1.0]]), np.array([1.0]), 0.5), 6)    # 1/2 + ln 2
    1.193147
    """
    visible, latent = W.shape
    distance = y @ np.linalg.solve(np.eye(visible) + 2 * beta * W @ W.T, y)
    return float(distance + np.linalg.slogdet(np.eye(latent) + 2 * beta * W.T @ W)[1] / (2 * beta))


def posterior(W: Float[np.ndarray, "y z"], y: Float[np.ndarray, " y"], beta: float) -> Posterior:
    """q*.

    >>> posterior(np.array([[1.0]]), np.array([1.0]), 0.5).mean.tolist()
    [0.5]
    """
    covariance = np.linalg.inv(np.eye(W.shape[1]) + 2 * beta * W.T @ W)
    return Posterior(2 * beta * covariance @ W.T @ y, covariance)


def variational(W: Float[np.ndarray, "y z"], y: Float[np.ndarray, " y"], beta: float, q: Posterior) -> float:
    """⟨E⟩_q + KL(q ‖ N(0, I))/β: an upper bound of F_β, reached by `posterior`.

    >>> W, y = np.array([[1.0]]), np.array([1.0])
    >>> bool(np.isclose(variational(W, y, 0.5, posterior(W, y, 0.5)), free_energy(W, y, 0.5)))
    True
    """
    energy = np.sum((y - W @ q.mean) ** 2) + np.trace(W @ q.covariance @ W.T)
    kl = (np.trace(q.covariance) + q.mean @ q.mean - len(q.mean) - np.linalg.slogdet(q.covariance)[1]) / 2
    return float(energy + kl / beta)


def best_latent(W: Float[np.ndarray, "y z"], y: Float[np.ndarray, " y"]) -> tuple[Float[np.ndarray, " z"], float]:
    """The z of lowest energy, and that energy: |(I − W W⁺) y|².

    >>> [np.round(part, 9).tolist() for part in best_latent(np.array([[1.0], [0.0]]), np.array([2.0, 3.0]))]
    [[2.0], 9.0]
    """
    z = np.linalg.lstsq(W, y)[0]
    return z, float(np.sum((y - W @ z) ** 2))
