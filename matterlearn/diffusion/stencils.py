"""Stencils of 3 × 3 sites between channels, with derivatives that are stencils too.

    y_p = Σ_s W_s x_{p+s},        ∂L/∂x_p = Σ_s W_sᵀ ∂L/∂y_{p−s},        ∂L/∂W_s = Σ_p x_{p+s} (∂L/∂y_p)ᵀ

The transpose by x is the mirrored stencil. The compiler's own transposes of a convolution are not its fast convolution:
on a CPU they take more than ten times longer (docs/benchmarks/score_speed.md). So the stencil is a bilinear primitive
of its own, with these transposes; derivatives forward, backward and of any order follow.

Example:
    >>> x, weight = jnp.arange(9.0).reshape(1, 3, 3, 1), jnp.ones((3, 3, 1, 1))
    >>> stencil(x, weight, "zero")[0, 1, 1].tolist(), stencil(x, weight, "zero")[0, 0, 0].tolist()
    ([36.0], [8.0])
"""

import functools

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array, Float

Planes = Float[Array, "sample row column channel"]
Weight = Float[Array, "3 3 channel output"]
EDGES = {"periodic": "wrap", "zero": "constant"}


def stencil(x: Planes, weight: Weight, edges: str) -> Planes:
    """The stencil at all sites, beyond the edges ``zero`` or ``periodic``."""
    return stencil_p.bind(x, weight, edges=edges)


def _padded(x, edges):
    return jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode=EDGES[edges])


def _convolved(x, weight, *, edges):
    numbers = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(_padded(x, edges), weight, (1, 1), "VALID", dimension_numbers=numbers)


def _around(x, edges):
    """The nine sites around each one, as rows of a matrix."""
    wide, (_, rows, columns, channels) = _padded(x, edges), x.shape
    shifted = [wide[:, i : i + rows, j : j + columns] for i in range(3) for j in range(3)]
    return jnp.concatenate(shifted, -1).reshape(-1, 9 * channels)


def _by_field(slope, x, weight, *, edges):
    del x
    return stencil(slope, jnp.flip(weight, (0, 1)).swapaxes(2, 3), edges)


def _by_weight(slope, x, weight, *, edges):
    """A product of matrices; what is copied nine times is the side with fewer channels."""
    channels, output = weight.aval.shape[2:]
    if channels < output:
        return (_around(x, edges).T @ slope.reshape(-1, output)).reshape(3, 3, channels, output)
    mirrored = x.reshape(-1, channels).T @ _around(slope, edges)
    return jnp.flip(mirrored.reshape(channels, 3, 3, output).transpose(1, 2, 0, 3), (0, 1))


def _batched(arguments, axes, *, edges):
    """More samples; weights of their own are left to the compiler."""
    (x, weight), (place, own) = arguments, axes
    if own is not None:
        each = jax.vmap(functools.partial(_convolved, edges=edges), axes)
        return each(x, weight), 0
    x = jnp.moveaxis(x, place, 0)
    out = stencil(x.reshape(-1, *x.shape[2:]), weight, edges)
    return out.reshape(*x.shape[:2], *out.shape[1:]), 0


stencil_p = Primitive("stencil")
stencil_p.def_impl(jax.jit(_convolved, static_argnames="edges"))
stencil_p.def_abstract_eval(lambda x, weight, *, edges: x.update(shape=(*x.shape[:3], weight.shape[3])))
ad.defbilinear(stencil_p, _by_field, _by_weight)
batching.primitive_batchers[stencil_p] = _batched
mlir.register_lowering(stencil_p, mlir.lower_fun(_convolved, multiple_results=False))
