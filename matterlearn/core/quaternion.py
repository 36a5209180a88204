"""Rotations in three dimensions as unit quaternions (scalar first), and steps between them as rotation vectors.

    q = (cos α/2, n sin α/2),      exp(v): n α = v,      R(q) x = x + 2 (w u × x + u × (u × x))/|q|²,  q = (w, u)

A step ω in the laboratory frame takes q to exp(ω) q. ``matrix`` divides by |q|², so energies are smooth around the
unit sphere and do not change along |q|.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

Quaternion = Float[Array, "*n 4"]
Vector = Float[Array, "*n 3"]
SMALL = 1e-6  # squared angles below this take the series


def multiply(p: Quaternion, q: Quaternion) -> Quaternion:
    """p q: first the rotation q, then p.

    >>> quarter = exp(jnp.array([0.0, 0.0, jnp.pi / 2]))
    >>> multiply(quarter, quarter).round(3).tolist()
    [0.0, 0.0, 0.0, 1.0]
    """
    a, u, b, v = p[..., :1], p[..., 1:], q[..., :1], q[..., 1:]
    scalar = a * b - jnp.sum(u * v, -1, keepdims=True)
    return jnp.concatenate([scalar, a * v + b * u + jnp.cross(u, v)], -1)


def inverse(q: Quaternion) -> Quaternion:
    """The opposite rotation of a unit quaternion."""
    return q * jnp.array([1.0, -1.0, -1.0, -1.0], q.dtype)


def normalised(q: Quaternion) -> Quaternion:
    """q/|q|."""
    return q / jnp.linalg.norm(q, axis=-1, keepdims=True)


def exp(v: Vector) -> Quaternion:
    """Rotation by a rotation vector; smooth at 0."""
    square = jnp.sum(v**2, -1, keepdims=True)
    tiny = square < SMALL
    angle = jnp.sqrt(jnp.where(tiny, 1.0, square))
    scale = jnp.where(tiny, 0.5 - square / 48, jnp.sin(angle / 2) / angle)
    return jnp.concatenate([jnp.where(tiny, 1.0 - square / 8, jnp.cos(angle / 2)), scale * v], -1)


def log(q: Quaternion) -> Vector:
    """Rotation vector, of length up to π, of a unit quaternion; q and −q are the same rotation.

    >>> log(-exp(jnp.array([0.0, 0.5, 0.0]))).round(4).tolist()
    [0.0, 0.5, 0.0]
    """
    q = jnp.where(q[..., :1] < 0, -q, q)
    scalar, vector = q[..., :1], q[..., 1:]
    square = jnp.sum(vector**2, -1, keepdims=True)
    tiny = square < SMALL
    length = jnp.sqrt(jnp.where(tiny, 1.0, square))
    return vector * jnp.where(tiny, 2.0 + square / 3, 2 * jnp.arctan2(length, scalar) / length)


def matrix(q: Quaternion) -> Float[Array, "*n 3 3"]:
    """Rotation matrix; |q| does not matter.

    >>> (matrix(exp(jnp.array([0.0, 0.0, jnp.pi / 2]))) @ jnp.array([1.0, 0.0, 0.0])).round(3).tolist()
    [0.0, 1.0, 0.0]
    """
    w, x, y, z = jnp.moveaxis(q, -1, 0)
    scale = 2.0 / jnp.sum(q**2, -1)
    rows = [
        [1 - scale * (y * y + z * z), scale * (x * y - w * z), scale * (x * z + w * y)],
        [scale * (x * y + w * z), 1 - scale * (x * x + z * z), scale * (y * z - w * x)],
        [scale * (x * z - w * y), scale * (y * z + w * x), 1 - scale * (x * x + y * y)],
    ]
    return jnp.stack([jnp.stack(row, -1) for row in rows], -2)
