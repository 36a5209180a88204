"""The best linear score −W x, at one noise level, of data of covariance C.

    x_t = α a + σ z,    L(W) = E |σ^{-1} z − W x_t|² = σ^{-2} Tr (1 − σ²W)ᵀ(1 − σ²W) + α² Tr WᵀWC        (denoising)
    W_opt = (σ² + α² C)^{-1},        min L = d/σ² − Tr W_opt,

and L is E |∇ln p_t + W x_t|² plus a constant, d/σ² − I(p_t) with Fisher's information I. For normal data W_opt is the
score itself and L − min L the whole error [vincent2011]. Gradient descent on W relaxes the mode of eigenvalue λ at the
rate 2 (σ² + α² λ), in the eigenbasis of C.

Pure numbers. Limits: centred data.
"""

import numpy as np
from jaxtyping import Float
from scipy.linalg import expm

Matrix = Float[np.ndarray, "d d"]


def optimal(covariance: Matrix, signal: float, noise: float) -> Matrix:
    """W_opt = (σ² + α² C)^{-1}.

    >>> optimal(np.diag([3.0]), 0.5, 0.5).tolist()
    [[1.0]]
    """
    return np.linalg.inv(noise**2 * np.eye(len(covariance)) + signal**2 * np.asarray(covariance))


def denoising_loss(weights: Matrix, covariance: Matrix, signal: float, noise: float) -> float:
    """L(W), the expected squared error of −W x_t as a guess of −z/σ.

    >>> denoising_loss(np.zeros((2, 2)), np.eye(2), 0.5, 0.5)
    8.0
    """
    rest = np.eye(len(covariance)) - noise**2 * weights
    return float((rest**2).sum() / noise**2 + signal**2 * np.trace(weights.T @ weights @ covariance))


def least_loss(covariance: Matrix, signal: float, noise: float) -> float:
    """min L = d/σ² − Tr W_opt.

    >>> round(least_loss(np.eye(2), 0.6, 0.8), 12)
    1.125
    """
    return float(len(covariance) / noise**2 - np.trace(optimal(covariance, signal, noise)))


def score_error(weights: Matrix, covariance: Matrix, signal: float, noise: float) -> float:
    """E |∇ln p_t(x) + W x|² for normal data: Tr (W − W_opt) G (W − W_opt)ᵀ with G = σ² + α² C.

    >>> score_error(np.eye(3), np.eye(3), 0.6, 0.8)
    0.0
    """
    gap = weights - optimal(covariance, signal, noise)
    spread = noise**2 * np.eye(len(covariance)) + signal**2 * np.asarray(covariance)
    return float(np.trace(gap @ spread @ gap.T))


def descent(weights: Matrix, covariance: Matrix, signal: float, noise: float, time: float) -> Matrix:
    """W after a time of dW/dt = −∂L/∂W: W_opt + (W − W_opt) exp(−2 G t), every mode of C at its own rate.

    >>> descent(np.zeros((1, 1)), np.eye(1), 0.6, 0.8, 1.0).round(6).item()  # 1 − e^{−2}
    0.864665
    """
    best = optimal(covariance, signal, noise)
    spread = noise**2 * np.eye(len(covariance)) + signal**2 * np.asarray(covariance)
    return best + (weights - best) @ expm(-2 * time * spread)
