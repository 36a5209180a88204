"""Matter that is one point in d dimensions; up to two, its ln Z is summed on a grid.

    ln Z = ln ∫ exp(−E/kT) dx ≈ ln Σ_g exp(−E(x_g)/kT) + d ln h,      x_g midpoints of spacing h in [−L, L]^d

For a smooth E that confines before the walls of the box, the midpoint rule converges faster than any power of h: its
error is about exp(−2π²w²/h²) where the narrowest feature of the density has width w. What lies beyond the box is left
out. The result is differentiable in the couplings.
"""

from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
from pydantic import Field

from matterlearn.core.system import AbstractSystem
from matterlearn.spec import Spec

MOST_DIMENSIONS = 2
CHARTED = 101  # points per axis of a chart
AXES = ("first_place", "second_place")


class PointState(NamedTuple):
    """Where the point is."""

    point: Float[Array, " entry"]


def nodes(dimension: int, reach: float, points: int) -> Float[Array, "node axis"]:
    """Midpoints of ``points`` intervals along each axis of [−reach, reach]^dimension.

    >>> nodes(1, 2.0, 2).tolist()
    [[-1.0], [1.0]]
    """
    axis = reach * ((2 * jnp.arange(points) + 1.0) / points - 1)
    return jnp.stack([place.ravel() for place in jnp.meshgrid(*[axis] * dimension, indexing="ij")], -1)


class AbstractPoint(AbstractSystem):
    """A point whose ln Z is integrated from −reach to reach with so many points along each axis."""

    dimension: int = eqx.field(static=True)
    reach: float = eqx.field(static=True)
    points: int = eqx.field(static=True)

    dims: ClassVar = {"point": ("entry",)}

    def log_partition(self, kT):
        """ln ∫ exp(−E/kT) dx on the grid; ``None`` beyond two dimensions."""
        if self.dimension > MOST_DIMENSIONS:
            return None
        places = nodes(self.dimension, self.reach, self.points)
        logs = jax.vmap(lambda x: -self.energy(PointState(x)) / kT)(places)
        return jax.nn.logsumexp(logs) + self.dimension * jnp.log(2 * self.reach / self.points)

    def geometry(self):
        """A chart of the energy over the grid's range; nothing beyond two dimensions."""
        if self.dimension > MOST_DIMENSIONS:
            return {}
        places = nodes(self.dimension, self.reach, CHARTED)
        values = jax.lax.map(lambda x: self.energy(PointState(x)), places, batch_size=1024)
        values = values.reshape((CHARTED,) * self.dimension)
        return {
            "energy_chart": (AXES[: self.dimension], values, "kT_ref", "energy of a point"),
            "chart_place": (AXES[:1], nodes(1, self.reach, CHARTED)[:, 0], "σ", "place along an axis of the chart"),
        }


class PointSpec(Spec):
    """What the Configs of points share; each says its own ``dimension``."""

    positions: ClassVar[bool] = False
    pattern_values: ClassVar[int] = 0
    dimension: int = Field(default=2, ge=1, le=10_000, description="entries of a point", examples=[2, 1])
    reach: float = Field(default=6.0, gt=0, description="ln Z integrates from −reach to reach along each axis, σ")
    points: int = Field(default=128, ge=8, le=2000, description="of the grid for ln Z, along each axis", examples=[32])

    @property
    def pattern_size(self) -> int:
        """Entries of a point."""
        return self.dimension

    @property
    def exact(self) -> bool:
        """Whether ln Z can be integrated on a grid."""
        return self.dimension <= 2
