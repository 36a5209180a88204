"""Orthonormal periodic wavelet bases: Haar, Daubechies and all other orthogonal filters of PyWavelets.

    coarse_k = Σ_n h_n x_{2k+n+s},     detail_k = Σ_n g_n x_{2k+n+s},     s = 1 − taps/2, indices periodic

along every axis, and again of what is coarse in all of them. In d dimensions a step makes 2^d bands of half the sides:
band 0 is coarse, the bit of an axis says whether that axis is a detail. Filters and layout of components are those of
PyWavelets' mode ``periodization`` and of ``coeffs_to_array``: every corner of the array holds what is coarser than the
rest. The steps are orthonormal for sides of any even length, filters longer than the side included, so energies are
kept, |c|² = |x|², white noise stays white noise, and the inverse is the transpose.

Scales are numbered from 1, the finest details, to ``depth``; what is left coarse after ``depth`` steps has
``depth + 1``, where Haar components are sums over 2^depth sites along every axis, times 2^(−depth/2) for each.

Source: [daubechies1988], [mallat1989]. Limits: periodic ends; what is not periodic has large details at the seam.

Example:
    >>> basis = wavelet_basis((4,), "haar")
    >>> np.asarray(basis.to(jnp.array([1.0, 1.0, 3.0, 5.0])), float).round(3).tolist()
    [5.0, -3.0, 0.0, -1.414]
    >>> basis.levels().tolist()
    [3, 2, 1, 1]
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from matterlearn.core.wavelet_filters import coarse_filter, halvings, wavelet_complaint
from matterlearn.diffusion.bases import AbstractBasis, Data


class WaveletBasis(AbstractBasis):
    """Components of arrays of one shape; all of it is static, so it can be closed over or passed through jit."""

    shape: tuple[int, ...] = eqx.field(static=True)
    depth: int = eqx.field(static=True)
    filters: tuple[tuple[float, ...], tuple[float, ...]] = eqx.field(static=True)

    def to(self, x: Data) -> Data:
        """Components in one array of the data's shape."""
        for level in range(self.depth):
            corner = tuple(slice(side >> level) for side in self.shape)
            x = x.at[corner].set(_side_by_side(self.analyse(x[corner])))
        return x

    def back(self, c: Data) -> Data:
        """The array with these components."""
        return _transposed(self.to, c, self.shape)

    def levels(self) -> Int[np.ndarray, "*site"]:
        """Scale of every component: 1 for the finest details, ``depth + 1`` for what is coarse in the end."""
        found = np.full(self.shape, 1)
        for level in range(1, self.depth + 1):
            found[tuple(slice(side >> level) for side in self.shape)] = level + 1
        return found

    def analyse(self, x: Data) -> Float[Array, "band *half"]:
        """One step of an array of any even sides: 2^d bands of half the sides, the coarse one first."""
        bands = x[None]
        for axis in range(1, x.ndim + 1):
            halved = _halved(bands, axis, self.filters)
            bands = jnp.moveaxis(halved, -1, 1).reshape(-1, *halved.shape[1:-1])
        return bands

    def synthesise(self, bands: Float[Array, "band *half"]) -> Data:
        """The array with these bands."""
        return _transposed(self.analyse, bands, tuple(2 * side for side in bands.shape[1:]))


def _halved(x, axis: int, filters):
    """Coarse and detail along one axis, as a last axis of length two."""
    taps = len(filters[0])
    moved = jnp.moveaxis(jnp.roll(x, taps // 2 - 1, axis), axis, -1)
    pairs = moved.reshape(*moved.shape[:-1], -1, 2)
    windows = jnp.concatenate([jnp.roll(pairs, -shift, -2) for shift in range(taps // 2)], -1)
    return jnp.moveaxis(windows @ jnp.asarray(filters, x.dtype).T, -2, axis)


def _side_by_side(bands):
    """Bands as blocks of one array."""
    half = bands.shape[1:]
    d = len(half)
    blocks = bands.reshape((2,) * d + half).transpose(*(axis for i in range(d) for axis in (i, d + i)))
    return blocks.reshape(tuple(2 * side for side in half))


def _transposed(linear, y, shape):
    return jax.linear_transpose(linear, jax.ShapeDtypeStruct(shape, y.dtype))(y)[0]


def wavelet_basis(shape: tuple[int, ...], name: str = "haar", depth: int | None = None) -> WaveletBasis:
    """The basis of an orthogonal wavelet on arrays of this shape.

    Args:
        shape: sides of the data, in up to three dimensions.
        name: of PyWavelets: ``haar``, ``db2``, ``db3``, …, ``sym4``, ``coif1``.
        depth: how often the coarse part is halved; default: as often as the sides allow.

    Raises:
        ValueError: for sides that cannot be halved so often, or a wavelet that is not orthogonal.

    >>> wavelet_basis((8, 12), "db2").depth
    2
    >>> wavelet_basis((6,), depth=2)
    Traceback (most recent call last):
    ValueError: sides (6,) cannot be halved 2 times: crop or pad them to multiples of 4, or halve them only 1 time
    >>> wavelet_basis((8, 7))
    Traceback (most recent call last):
    ValueError: sides (8, 7) cannot be halved 1 time: crop or pad them to multiples of 2
    """
    wrong = wavelet_complaint(tuple(shape), name, depth)
    if wrong:
        raise ValueError(wrong)
    low = coarse_filter(name)
    high = low[::-1] * (-1.0) ** np.arange(len(low))
    filters = tuple(low.tolist()), tuple(high.tolist())
    return WaveletBasis(tuple(shape), halvings(shape) if depth is None else depth, filters)
