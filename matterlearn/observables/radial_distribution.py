"""Radial distribution function g(r): pairs at a distance, over those of an ideal gas of the same density.

    g(r_k) = V/(N(N − 1)/2) Σ_{i<j} B((r_ij − r_k)/h) / ∫ B((r − r_k)/h) S r^(d−1) dr

B is the cubic B-spline, of width 4h, in place of a bin: g is a smooth function of positions, so it can be designed, and
the integral is known exactly (2π h r_k in the plane, 4π h (r_k² + h²/3) in space). Independent uniform points have
⟨g⟩ = 1 at every distance, for any N and h.

``radial_distribution`` in the results is the mean over the last part of the records with standard errors over replicas.

| quantity | unit |
|---|---|
| r, h | σ |

Source: [allen2017computer]; B-splines in place of bins. Limits: periodic boxes, up to half of their side; features
narrower than 2h are smeared.

Example:
    >>> Config(kind="radial_distribution", start=0.5, cutoff=3.0, points=24).points
    24
"""

from typing import Any, ClassVar, Literal

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from pydantic import Field

from matterlearn.core.observable import Observable, Summary, averaged
from matterlearn.core.space import minimum_image
from matterlearn.spec import Problem, Spec


def bump(u: Float[Array, "..."]) -> Float[Array, "..."]:
    """The cubic B-spline on knots −2 … 2; its integral is one.

    >>> bump(jnp.array([-2.0, 0.0, 2.0])).tolist()
    [0.0, 0.6666666865348816, 0.0]
    """
    far, near = jnp.maximum(2.0 - jnp.abs(u), 0.0), jnp.maximum(1.0 - jnp.abs(u), 0.0)
    return (far**3 - 4.0 * near**3) / 6.0


class RadialDistribution(Observable):
    """g at equidistant points."""

    start: float = eqx.field(static=True)
    cutoff: float = eqx.field(static=True)
    points: int = eqx.field(static=True)
    discard: float = eqx.field(static=True)

    @property
    def spacing(self) -> float:
        """h."""
        return (self.cutoff - self.start) / (self.points + 3)

    @property
    def distances(self) -> Float[np.ndarray, " distance"]:
        """r_k, such that no spline begins before ``start`` or ends beyond ``cutoff``."""
        return self.start + self.spacing * (2.0 + np.arange(self.points))

    def __call__(self, system: Any, drive, state) -> Float[Array, " distance"]:
        position, box = state.x.position, system.box
        n, dimension = position.shape
        first, second = np.triu_indices(n, 1)
        apart = minimum_image(position[first] - position[second], box)
        r = jnp.sqrt(jnp.maximum(jnp.sum(apart**2, -1), 1e-12))
        seen = jnp.stack([jnp.sum(bump((r - at) / self.spacing)) for at in self.distances])
        h, at = self.spacing, self.distances
        shell = 2 * np.pi * h * at if dimension == 2 else 4 * np.pi * h * (at**2 + h**2 / 3)
        return seen * (box**dimension / (n * (n - 1) / 2) / shell)

    def coords(self):
        """Distances."""
        return {"distance": self.distances}

    def summary(self, values, labels) -> list[Summary]:
        """g with standard errors over replicas."""
        kept = values[:, int(self.discard * values.shape[1]) :].mean(1)
        return averaged("radial_distribution", ("distance",), kept, "1", "radial distribution function")


class Config(Spec):
    """g(r) in a scenario."""

    kind: Literal["radial_distribution"]
    provides: ClassVar[tuple[str, ...]] = ("radial_distribution",)
    every: int = Field(default=100, ge=1, description="steps between records")
    start: float = Field(default=0.5, ge=0, description="smallest distance, σ")
    cutoff: float = Field(default=2.5, gt=0, description="largest distance, σ")
    points: int = Field(default=24, ge=1, le=500, description="distances")
    discard: float = Field(default=0.5, ge=0, lt=1, description="first fraction of the records that is left out")

    def check(self, scenario):
        """There are particles in a periodic box, large enough."""
        box = getattr(scenario.system, "box", 0)
        if box == 0 and ":" not in scenario.system.kind:
            yield Problem(("kind",), f"needs particles, which {scenario.system.kind!r} does not have")
        elif box is None:
            yield Problem(("kind",), "needs a periodic box, because an ideal gas in free space has no density")
        elif box and self.cutoff > box / 2:
            yield Problem(("cutoff",), f"lies beyond half of the box; use at most {box / 2:g}")
        if self.start >= self.cutoff:
            yield Problem(("start",), f"g goes from {self.start:g} to {self.cutoff:g}; begin before the end")

    def build(self, system, task) -> RadialDistribution:
        """The observable."""
        del system, task
        return RadialDistribution(
            "pair_distribution", ("distance",), "1", "radial distribution function of one sample", self.every,
            self.start, self.cutoff, self.points, self.discard,
        )  # fmt: skip
