"""Probabilistic principal component analysis: the linear latent-variable model and its best likelihood.

    x = W z + b + σ ξ,   z ~ N(0, 1_q), ξ ~ N(0, 1_d):      x ~ N(b, C),  C = W Wᵀ + σ² 1

Of data with covariance S, of eigenvalues λ_1 ≥ … ≥ λ_d and eigenvectors u_k, the maximum of the likelihood has

    σ² = (1/(d − q)) Σ_{k>q} λ_k,        W = U_q (Λ_q − σ²)^{1/2} R,  R any rotation
    ⟨ln p⟩ = −½ [d ln 2π + Σ_{k≤q} ln λ_k + (d − q) ln σ² + d]

and the law of the code given the data is N(M⁻¹Wᵀ(x − b), σ² M⁻¹) with M = WᵀW + σ² 1. A linear variational autoencoder
attains it, with no gap between bound and likelihood, since its encoder can be that law.

Source: [tipping1999]; the autoencoder [lucas2019].

Example:
    >>> round(max_log_likelihood(np.diag([4.0, 1.0, 0.5]), 1), 6)
    -4.662281
"""

import numpy as np
from jaxtyping import Float


def noise_variance(covariance: Float[np.ndarray, "entry entry"], latents: int) -> float:
    """σ² of the best model: the mean of the eigenvalues that are not modelled.

    Raises:
        ValueError: unless there are fewer latent variables than entries.
    """
    if not 0 <= latents < len(covariance):
        raise ValueError(f"{latents} latent variables should be fewer than the {len(covariance)} entries")
    return float(np.linalg.eigvalsh(covariance)[: len(covariance) - latents].mean())


def loadings(covariance: Float[np.ndarray, "entry entry"], latents: int) -> Float[np.ndarray, "entry latent"]:
    """W of the best model, its columns along principal axes, largest first."""
    values, axes = np.linalg.eigh(covariance)
    kept = np.sqrt(values[::-1][:latents] - noise_variance(covariance, latents))
    return axes[:, ::-1][:, :latents] * kept


def max_log_likelihood(covariance: Float[np.ndarray, "entry entry"], latents: int) -> float:
    """Largest mean log-likelihood of data with this covariance (divided by n, not n − 1), nat."""
    noise, entries = noise_variance(covariance, latents), len(covariance)
    kept = np.linalg.eigvalsh(covariance)[::-1][:latents]
    volume = np.sum(np.log(kept)) + (entries - latents) * np.log(noise)
    return float(-0.5 * (entries * np.log(2 * np.pi) + volume + entries))


def posterior(
    loadings: Float[np.ndarray, "entry latent"], noise: float
) -> tuple[Float[np.ndarray, "latent entry"], Float[np.ndarray, "latent latent"]]:
    """Of the code given x: the matrix that makes its mean of x − b, and its covariance.

    >>> [part.item() for part in posterior(np.ones((1, 1)), 1.0)]
    [0.5, 0.5]
    """
    curvature = loadings.T @ loadings + noise * np.eye(loadings.shape[1])
    return np.linalg.solve(curvature, loadings.T), noise * np.linalg.inv(curvature)
