"""A free field, scale by scale: what is fine given what is coarse is never critical.

    P(φ) ∝ exp(−½ φᵀKφ),   K = m² + k̂²,     φ → (φ', ψ): coarse part and details of a Haar step in all d directions

Given φ', the details are normal with precision G K Gᵀ (G: rows of details), and φ' alone is a free field again, with
precision K' = (H K⁻¹ Hᵀ)⁻¹. While cond K = (4d + m²)/m² diverges at the critical point, cond(G K Gᵀ) stays bounded at
all scales: sampled from coarse to fine, the field has no critical slowing down.

Everything is invariant under shifts of the coarse lattice. So modes q of it couple to the 2^d modes of the fine lattice
that look alike there, q and q + π in some directions, and every matrix is a block of 2^d × 2^d per q.

| quantity | unit |
| --- | --- |
| K, m² | kT per site² of the field |

Source: [marchand2022], [guth2023]. Limits: periodic lattices of 2^n sites a side.

Example:
    >>> np.round([scale.condition for scale in scales(spectrum((32, 32), 0.01), 4)], 2).tolist()
    [3.99, 5.92, 7.58, 7.41]
"""

from itertools import product
from typing import NamedTuple

import numpy as np
from jaxtyping import Complex, Float
from numpy.typing import ArrayLike


class Scale(NamedTuple):
    """One step: shape of the finer lattice, and condition numbers of the details' precision there.

    ``condition`` is that of G K Gᵀ, ``renormalised`` with every detail in units of its own conditional deviation.
    """

    shape: tuple[int, ...]
    condition: float
    renormalised: float


def spectrum(shape: tuple[int, ...], mass_squared: float) -> Float[np.ndarray, "*mode"]:
    """Eigenvalues m² + Σ_μ 4 sin²(k_μ/2) of K, by mode.

    >>> spectrum((2,), 1.0).tolist()
    [1.0, 5.0]
    """
    waves = [4 * np.sin(np.pi * np.fft.fftfreq(n)) ** 2 for n in shape]
    return mass_squared + np.sum(np.meshgrid(*waves, indexing="ij"), axis=0)


def condition_number(precision: Float[np.ndarray, "*mode"]) -> float:
    """Largest over smallest eigenvalue.

    >>> round(condition_number(spectrum((32, 32), 0.1)), 6)
    81.0
    """
    return float(precision.max() / precision.min())


def scales(precision: Float[np.ndarray, "*mode"], depth: int) -> list[Scale]:
    """Condition numbers of ``depth`` steps, from fine to coarse.

    Raises:
        ValueError: if a side cannot be halved so often.
    """
    found = []
    for _ in range(depth):
        details = detail_precision(precision)
        own = np.einsum("...aa->...a", details).reshape(-1, details.shape[-1]).mean(0).real
        widths = np.sqrt(np.multiply.outer(own, own))
        found.append(Scale(precision.shape, _condition(details), _condition(details / widths)))
        precision = coarse_precision(precision)
    return found


def coarse_precision(precision: Float[np.ndarray, "*mode"]) -> Float[np.ndarray, "*coarse"]:
    """Spectrum of K', the precision of the coarse part alone.

    >>> coarse_precision(np.full((4, 4), 2.0)).round(9).tolist()
    [[2.0, 2.0], [2.0, 2.0]]
    """
    bands, aliases = _transfer(precision.shape), _aliased(precision)
    return 1 / np.sum(np.abs(bands[..., 0, :]) ** 2 / aliases, -1)


def detail_precision(precision: Float[np.ndarray, "*mode"]) -> Complex[np.ndarray, "*coarse detail detail"]:
    """Blocks of G K Gᵀ, the precision of details given the coarse part: one Hermitian matrix per mode of the latter."""
    bands = _transfer(precision.shape)[..., 1:, :]
    return np.einsum("...ak,...k,...bk->...ab", bands, _aliased(precision), bands.conj())


def random_walk_detail_variance(level: ArrayLike) -> Float[np.ndarray, "..."]:
    """(2^(2j−1) + 1)/6: variance of a Haar detail at scale j = 1, 2, … of a walk with steps of unit variance.

    The walk is the free field in one dimension without a mass. Details are independent of where it is, and of those at
    the same scale, since each knows only the steps within its own 2^j sites.

    >>> random_walk_detail_variance([1, 2, 3]).tolist()
    [0.5, 1.5, 5.5]
    """
    return (2.0 ** (2 * np.asarray(level, float) - 1) + 1) / 6


def _condition(blocks) -> float:
    values = np.linalg.eigvalsh(blocks)
    return float(values.max() / values.min())


def _aliased(values):
    """The 2^d fine modes that look alike on the coarse lattice, as a last axis."""
    if any(n % 2 for n in values.shape):
        raise ValueError(f"sides {values.shape} cannot be halved; take powers of two, or fewer steps")
    half = [n // 2 for n in values.shape]
    parts = [values[tuple(slice(a * h, (a + 1) * h) for a, h in zip(alias, half, strict=True))]
             for alias in product((0, 1), repeat=values.ndim)]  # fmt: skip
    return np.stack(parts, -1)


def _transfer(shape):
    """Amplitude of every fine mode in the bands of a Haar step: [*coarse, band, alias], a unitary matrix per mode."""
    phases = [np.exp(2j * np.pi * np.fft.fftfreq(n)) for n in shape]
    grids = np.meshgrid(*phases, indexing="ij")
    bands = [np.prod([(1 + (-1) ** bit * z) / 2 for bit, z in zip(band, grids, strict=True)], axis=0)
             for band in product((0, 1), repeat=len(shape))]  # fmt: skip
    return np.stack([_aliased(band) for band in bands], -2)
