"""Filters of orthogonal wavelets, and how often arrays can be halved. Needs no jax, so scenarios can be checked."""

import math

import numpy as np
from jaxtyping import Float


def halvings(shape: tuple[int, ...]) -> int:
    """How often all sides can be halved.

    >>> halvings((8, 12)), halvings((7,))
    (2, 0)
    """
    common = math.gcd(*shape)
    return (common & -common).bit_length() - 1


def wavelet_complaint(shape: tuple[int, ...], name: str, depth: int | None) -> str | None:
    """What is wrong with a wavelet for arrays of this shape, halved so often (``None``: as often as they can be).

    >>> wavelet_complaint((6,), "haar", 2)
    'sides (6,) cannot be halved 2 times: crop or pad them to multiples of 4, or halve them only 1 time'
    """
    if not is_orthogonal(name):
        return f"wavelet {name!r} is not one of PyWavelets' orthogonal ones: use haar, db2, db3, … or sym4"
    possible = halvings(shape)
    asked = max(possible, 1) if depth is None else depth
    if asked <= possible:
        return None
    fewer = f", or halve them only {_times(possible)}" if possible else ""
    return f"sides {shape} cannot be halved {_times(asked)}: crop or pad them to multiples of {2**asked}{fewer}"


def _times(count: int) -> str:
    return f"{count} time{'s' * (count > 1)}"


def is_orthogonal(name: str) -> bool:
    """Whether PyWavelets has an orthogonal wavelet of this name.

    >>> is_orthogonal("db4"), is_orthogonal("bior2.2")
    (True, False)
    """
    import pywt

    return name in pywt.wavelist(kind="discrete") and pywt.Wavelet(name).orthogonal  # pyright: ignore[reportAttributeAccessIssue]  # noqa: E501


def coarse_filter(name: str) -> Float[np.ndarray, " tap"]:
    """h of an orthogonal wavelet, orthonormal to the last digit: Σ_n h_n h_{n+2k} = δ_k.

    Tables of filters have about twelve digits; a step of Newton's method for these equations finds the others.

    >>> coarse_filter("haar").round(6).tolist()
    [0.707107, 0.707107]
    """
    import pywt

    low = np.array(pywt.Wavelet(name).dec_lo[::-1])  # pyright: ignore[reportAttributeAccessIssue]
    padded = np.pad(low, len(low))
    later, earlier = (
        np.array([padded[len(low) + side * k :][: len(low)] for k in range(0, len(low), 2)]) for side in (1, -1)
    )
    excess = later @ low - np.eye(len(low) // 2)[0]
    return low - np.linalg.lstsq(later + earlier, excess)[0]
