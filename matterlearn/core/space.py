"""Free and periodic space, and placing particles in it.

State positions are never wrapped: energies take the minimum image and mean-square displacements need no
unfolding. The box is a side length L (square or cubic, periodic) or ``None`` (free space).
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key


def minimum_image(displacement: Float[Array, "..."], box: float | None) -> Float[Array, "..."]:
    """d − L round(d/L): the shortest of all periodic copies of a displacement.

    >>> float(minimum_image(jnp.array(6.0), 7.0))
    -1.0
    """
    if box is None:
        return displacement
    return displacement - box * jnp.round(displacement / box)


def grid(n: int, dimension: int, box: float | None, spacing: float) -> Float[np.ndarray, "point dim"]:
    """Square or cubic grid of points at least ``spacing`` apart that fills the box (free space: of 3 n points)."""
    per_side = int(np.floor(box / spacing)) if box is not None else int(np.ceil((3 * n) ** (1 / dimension)))
    per_side = max(per_side, 1)
    pitch = box / per_side if box is not None else spacing
    axes = [np.arange(per_side) * pitch - (0 if box is not None else pitch * (per_side - 1) / 2)] * dimension
    return np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, dimension)


def scatter_points(
    key: Key[Array, ""],
    n: int,
    dimension: int,
    box: float | None,
    avoid: Float[Array, "other dim"] | None = None,
    spacing: float = 1.1,
) -> Float[Array, "n dim"]:
    """n random grid points, ``spacing`` apart from each other and (as far as there is room) from ``avoid``.

    Raises:
        ValueError: if the box has fewer than n grid points.
    """
    points = grid(n, dimension, box, spacing)
    if len(points) < n:
        raise ValueError(f"{n} particles of spacing {spacing} do not fit a box of side {box}: enlarge the box")
    points = jnp.asarray(points, float)
    score = jax.random.uniform(key, (len(points),))
    if avoid is not None and len(avoid) > 0:
        distance = jnp.linalg.norm(minimum_image(points[:, None] - avoid[None], box), axis=-1).min(1)
        # Points too close come last, the closest at the very end.
        score = score + jnp.where(distance < spacing, 2.0 * (1.0 + spacing - distance), 0.0)
    return points[jnp.argsort(score)[:n]]
