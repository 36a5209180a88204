"""The noise levels of Karras et al., and the error that Heun's method makes on normal data.

    σ_i = (σ_max^{1/ρ} + i/(n−1) (σ_min^{1/ρ} − σ_max^{1/ρ}))^ρ,  i = 0 … n−1,   σ_n = 0;     dx/dσ = (x − D(x, σ))/σ

For data of variance s² the denoiser is D = s² x/(s² + σ²), the exact end x s/√(s² + σ²), and every step a factor.
Source: [karras2022]. σ and x in the unit of the data.
"""

import numpy as np
from jaxtyping import Float


def levels(
    count: int, least: float = 0.002, most: float = 80.0, exponent: float = 7.0
) -> Float[np.ndarray, " level"]:
    """σ_0 … σ_{n−1}, 0.

    >>> levels(18).round(3)[[0, 17, 18]].tolist()
    [80.0, 0.002, 0.0]
    """
    roots = np.linspace(most ** (1 / exponent), least ** (1 / exponent), count)
    return np.append(roots**exponent, 0.0)


def heun_factor(sigmas: Float[np.ndarray, " level"], width: float = 0.5) -> float:
    """x_end/x_start of Heun steps along these levels, the step to 0 by Euler.

    >>> round(heun_factor(np.array([1.0, 0.0]), 1.0), 12)
    0.5
    """
    factor = 1.0
    for now, after in zip(sigmas[:-1], sigmas[1:], strict=True):
        slope, step = now / (width**2 + now**2), after - now
        euler = 1 + step * slope
        late = after / (width**2 + after**2) * euler if after > 0 else slope
        factor *= 1 + step * (slope + late) / 2
    return float(factor)


def heun_error(count: int, width: float = 0.5, **schedule: float) -> float:
    """Relative error of n levels on normal data: what the width of the samples is too large by.

    >>> round(heun_error(18), 5)
    0.05527
    """
    sigmas = levels(count, **schedule)
    return float(heun_factor(sigmas, width) / (width / np.sqrt(width**2 + sigmas[0] ** 2)) - 1)


def preconditioning(sigma, width: float = 0.5) -> tuple:
    """c_skip, c_out, c_in, c_noise: D(x) = c_skip x + c_out F(c_in x, c_noise); for normal data F = 0.

    >>> [round(float(c), 6) for c in preconditioning(0.5)]
    [0.5, 0.353553, 1.414214, -0.173287]
    """
    total = sigma**2 + width**2
    return width**2 / total, sigma * width / np.sqrt(total), 1 / np.sqrt(total), np.log(sigma) / 4
