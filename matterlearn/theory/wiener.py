"""The best linear denoiser and its risk.

    y = x + σ z,    x̂_k = β_k/(β_k + σ²) y_k,    E|x̂ − x|² = Σ_k β_k σ²/(β_k + σ²)

in the basis in which the covariance of x is diagonal, with variances β. The error is uncorrelated with y; if x is
normal, no other denoiser does better. Since ½ min(a, b) ≤ ab/(a + b) ≤ min(a, b), keeping the components with β_k > σ²
and dropping the others costs at most twice as much.

| symbol | unit |
| --- | --- |
| x, y, σ | as the data |
| β, risks | square of that |

Source: [mallat2009], chapter 11. Limits: zero mean; white noise.

Example:
    >>> round(float(risk(np.array([4.0, 1.0, 0.25, 0.01]), 0.5)), 6)
    0.954248
"""

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike


def gain(variance: ArrayLike, noise: ArrayLike) -> Float[np.ndarray, "..."]:
    """β/(β + σ²): what a component with this variance is multiplied by; ``noise`` is σ².

    >>> float(gain(3.0, 1.0))
    0.75
    """
    signal = np.asarray(variance, float)
    return signal / (signal + np.asarray(noise, float))


def risk(variance: ArrayLike, noise: float) -> float:
    """Σ_k β_k σ²/(β_k + σ²): squared error of all components together; ``noise`` is σ²."""
    return float(noise * np.sum(gain(variance, noise)))


def linear_risk(multiplier: ArrayLike, variance: ArrayLike, noise: float) -> float:
    """Σ_k (h_k − 1)² β_k + h_k² σ²: squared error of any multipliers h.

    >>> linear_risk([0.5], [1.0], 1.0)
    0.5
    """
    h = np.asarray(multiplier, float)
    return float(np.sum((h - 1) ** 2 * np.asarray(variance, float) + h**2 * noise))


def projection_risk(power: ArrayLike, noise: float) -> float:
    """Σ_k min(β_k, σ²): squared error of keeping just those components that are stronger than the noise.

    ``power`` are variances, or squares x_k² of one signal: then it is the risk of an oracle who knows the signal, below
    which no choice of components gets.

    >>> projection_risk([4.0, 0.25], 1.0)
    1.25
    """
    return float(np.sum(np.minimum(np.asarray(power, float), noise)))


def psnr(mse: ArrayLike, peak: float) -> Float[np.ndarray, "..."]:
    """Peak signal-to-noise ratio 10 log₁₀(peak²/mse), dB; ``mse`` per component, ``peak`` the range of the data.

    >>> float(psnr(0.01, 1.0))
    20.0
    """
    return 10 * np.log10(peak**2 / np.asarray(mse, float))
