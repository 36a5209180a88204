"""Orthonormal bases in whose components noise is independent: white noise stays white in all of them.

``to`` takes an array to its components, of the same shape, ``back`` is the inverse and the transpose.

Example:
    >>> x = jnp.arange(6.0).reshape(2, 3)
    >>> bool(jnp.allclose(Fourier().back(Fourier().to(x)), x, atol=1e-5))
    True
"""

import abc

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

Data = Float[Array, "*site"]


class AbstractBasis(eqx.Module):
    """An orthonormal change of basis."""

    @abc.abstractmethod
    def to(self, x: Data) -> Data:
        """Components of x."""

    @abc.abstractmethod
    def back(self, c: Data) -> Data:
        """x of components."""


class Sites(AbstractBasis):
    """Entries as they are."""

    def to(self, x):
        return x

    def back(self, c):
        return c


class Fourier(AbstractBasis):
    """Plane waves of a periodic array, as the Hartley transform: real, orthonormal, and its own inverse.

    c_k = N^{−½} Σ_x φ_x [cos(k·x) + sin(k·x)]; components k and −k have the same variance in a stationary field, so its
    covariance is diagonal here, and no component is the complex conjugate of another one.
    """

    def to(self, x):
        waves = jnp.fft.fftn(x, norm="ortho")
        return (waves.real - waves.imag).astype(x.dtype)

    def back(self, c):
        return self.to(c)


class Axes(AbstractBasis):
    """Any orthonormal axes, one per row: principal axes of data, eigenvectors of a Laplacian or of a Hessian."""

    axes: Float[Array, "component entry"]

    def to(self, x):
        return (self.axes @ x.ravel()).reshape(x.shape)

    def back(self, c):
        return (c.ravel() @ self.axes).reshape(c.shape)


def laplacian_eigenvalues(shape: tuple[int, ...]) -> Float[np.ndarray, "*site"]:
    """k̂² = Σ_μ 4 sin²(k_μ/2) of the periodic lattice, in the order of :class:`Fourier`'s components.

    >>> laplacian_eigenvalues((2, 2)).tolist()
    [[0.0, 4.0], [4.0, 8.0]]
    """
    waves = [4 * np.sin(np.pi * np.fft.fftfreq(n)) ** 2 for n in shape]
    return np.sum(np.meshgrid(*waves, indexing="ij"), axis=0)


def principal_axes(data: Float[np.ndarray, "sample *site"]) -> tuple[Float[np.ndarray, " component"], Axes]:
    """Variances (largest first) along the principal axes of data, and the axes."""
    flat = np.asarray(data, float).reshape(len(data), -1)
    variances, modes = np.linalg.eigh(np.atleast_2d(np.cov(flat.T, bias=True)))
    return np.maximum(variances[::-1], 0.0), Axes(jnp.asarray(modes.T[::-1].copy(), jnp.result_type(float)))
