"""Steps of a linear gradient flow, u = −h r(hH) g: what they differ in is the function r alone.

| step | r(z) | Hessian |
|---|---|---|
| ``Euler`` | 1 | never |
| ``BackwardEuler`` | 1/(1 + z) | products, by conjugate gradients |
| ``Eigenmodes`` | (1 − e^{−z})/z | decomposed once per loop |
| ``ChebyshevSeries`` | (1 − e^{−z})/z | products, as a series on 0 ≤ z ≤ h λ |

The exact r(z) is the mean of e^{−sz} over 0 ≤ s ≤ 1: where z → 0, it tends to 1.

The largest eigenvalue λ for the series is bounded by Lanczos steps: the norm of the tridiagonal matrix that they give
and the norm of what is left [zhou2011bounding]. Series: [talezer1984accurate].
"""

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.fft import dct
from jax.scipy.sparse.linalg import cg
from jaxtyping import Array, Float, Int

from matterlearn.core.spectra import check_dense

Vector = Float[Array, " step"]
Product = Callable[[Vector], Vector]  # v ↦ H v
LANCZOS = 24  # steps that bound the largest eigenvalue
MOST_TERMS = 2048  # of a Chebyshev series: enough for h λ of about 2·10⁵ in double precision
ROUNDING = 8.0  # units in the last place below which residuals and coefficients mean nothing


def exact_ratio(z: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """r(z) = (1 − e^{−z})/z, 1 at 0.

    >>> exact_ratio(jnp.array([0.0, 1.0])).round(6).tolist()
    [1.0, 0.6321210265159607]
    """
    there = jnp.where(z == 0, 1.0, z)
    return jnp.where(z == 0, 1.0, -jnp.expm1(-there) / there)


class Euler(eqx.Module):
    """r = 1: explicit, first order, stable for h λ_max ≤ 2."""

    decomposes: ClassVar[bool] = False

    def prepare(self, dt: Float[Array, ""], product: Product, origin: Vector) -> None:
        """Nothing."""

    def filtered(self, dt: Float[Array, ""], product: Product, kept: Any, gradient: Vector) -> Vector:
        """g."""
        del dt, product, kept
        return gradient


class BackwardEuler(eqx.Module):
    """r = 1/(1 + z): implicit, first order, stable for any h."""

    tolerance: float = eqx.field(static=True)
    decomposes: ClassVar[bool] = False

    def prepare(self, dt: Float[Array, ""], product: Product, origin: Vector) -> None:
        """Nothing."""

    def filtered(self, dt: Float[Array, ""], product: Product, kept: Any, gradient: Vector) -> Vector:
        """(1 + hH)⁻¹ g to the relative residual ``tolerance``, or to rounding."""
        del kept
        accuracy = max(self.tolerance, ROUNDING * float(jnp.finfo(gradient.dtype).eps))
        return cg(lambda v: v + dt * product(v), gradient, tol=accuracy)[0]


class Eigenmodes(eqx.Module):
    """The exact r in the eigenvectors of H."""

    decomposes: ClassVar[bool] = True

    def prepare(
        self, dt: Float[Array, ""], product: Product, origin: Vector
    ) -> tuple[Float[Array, " mode"], Float[Array, "step mode"]]:
        """r(h λ) of all modes, and the modes.

        Raises:
            InputError: for more degrees of freedom than ``core.spectra.MOST_DENSE``.
        """
        check_dense(origin.size)
        values, modes = jnp.linalg.eigh(jax.vmap(product)(jnp.eye(origin.size, dtype=origin.dtype)))
        return exact_ratio(dt * values), modes

    def filtered(self, dt: Float[Array, ""], product: Product, kept: Any, gradient: Vector) -> Vector:
        """r(hH) g."""
        del dt, product
        ratios, modes = kept
        return modes @ (ratios * (modes.T @ gradient))


class ChebyshevSeries(eqx.Module):
    """The exact r as a series in H; as many terms as ``accuracy`` takes, about √(h λ ln(1/accuracy))."""

    accuracy: float = eqx.field(static=True)
    decomposes: ClassVar[bool] = False

    def prepare(self, dt: Float[Array, ""], product: Product, origin: Vector) -> "Series":
        """The series on 0 ≤ λ ≤ a bound on λ_max; NaN if ``MOST_TERMS`` terms are not enough."""
        largest = eigenvalue_bound(product, origin)
        places = (1 + jnp.cos(jnp.pi * (jnp.arange(MOST_TERMS) + 0.5) / MOST_TERMS)) / 2
        series = dct(exact_ratio(dt * largest * places)) / MOST_TERMS
        series = series.at[0].divide(2)
        accuracy = max(self.accuracy, ROUNDING * float(jnp.finfo(series.dtype).eps))
        terms = 1 + jnp.max(jnp.where(jnp.abs(series) > accuracy, jnp.arange(MOST_TERMS), 0))
        return Series(largest, jnp.where(terms < MOST_TERMS, series, jnp.nan), terms)

    def filtered(self, dt: Float[Array, ""], product: Product, kept: "Series", gradient: Vector) -> Vector:
        """Σ_k c_k T_k(2H/λ − 1) g, by the recurrence of the polynomials."""
        del dt

        def scaled(v):
            return 2 * product(v) / kept.largest - v

        def body(k, carry):
            before, last, total = carry
            following = 2 * scaled(last) - before
            return last, following, total + kept.coefficients[k] * following

        first = scaled(gradient)
        start = gradient, first, kept.coefficients[0] * gradient + kept.coefficients[1] * first
        return jax.lax.fori_loop(2, kept.terms, body, start)[2]


class Series(NamedTuple):
    """Coefficients in T_k(2H/λ − 1), of which the first ``terms`` count."""

    largest: Float[Array, ""]
    coefficients: Float[Array, " term"]
    terms: Int[Array, ""]


def eigenvalue_bound(product: Product, origin: Vector) -> Float[Array, ""]:
    """λ at or above the largest eigenvalue of a positive semi-definite H, from a few Lanczos steps; at least 10⁻³⁰."""

    def lanczos(carry, _):
        before, vector, length = carry
        pushed = product(vector) - length * before
        own = pushed @ vector
        rest = pushed - own * vector
        left = jnp.linalg.norm(rest)
        going = left > jnp.finfo(rest.dtype).eps * (jnp.abs(own) + length)
        following = jnp.where(going, rest / jnp.where(going, left, 1.0), 0.0)
        return (vector, following, jnp.where(going, left, 0.0)), (own, length, jnp.where(going, left, 0.0))

    start = jax.random.normal(jax.random.key(0), origin.shape, origin.dtype)
    carry = jnp.zeros_like(start), start / jnp.linalg.norm(start), jnp.zeros((), start.dtype)
    _, (diagonal, below, above) = jax.lax.scan(lanczos, carry, length=LANCZOS)
    # Rows of the tridiagonal matrix bound its norm; the last one counts what is left beyond it.
    return jnp.maximum(jnp.max(jnp.abs(diagonal) + below + above), 1e-30)
