"""Bond-orientational order of every particle in the plane: m-fold, among the neighbours that such order should have.

    ψ_i = |Σ_j w(r_ij) exp(i m θ_ij)| / max(n, Σ_j w(r_ij))

θ_ij is the angle of the bond to neighbour j, and w falls smoothly from 1 at ``inner`` to 0 at ``outer``. With fewer
than n neighbours the missing ones count as disorder, so neither a lone pair nor a chain is ordered. A perfect crystal
has 1: the honeycomb for m = n = 3 (three bonds at 120°), the square lattice for 4, the triangular one for 6. In the
triangular lattice ψ of m = 3 is 0, because opposite bonds cancel.

Differentiable in positions wherever ψ ≠ 0. ``ordered_fraction`` is the fraction of particles with ψ above ``threshold``
in the last part of the records, with its standard error over replicas.

| quantity | unit |
|---|---|
| inner, outer | σ |

Source: [halperin1978theory], [steinhardt1983bond]; smooth neighbours in place of those of a Voronoi cell.
Limits: two dimensions.

Example:
    >>> Config(kind="bond_orientational_order", symmetry=3, inner=1.2, outer=1.5).neighbors is None
    True
"""

from typing import Any, ClassVar, Literal

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float
from pydantic import Field

from matterlearn.core.observable import Observable, Summary, averaged
from matterlearn.core.space import minimum_image
from matterlearn.spec import Problem, Spec


def bond_order(
    position: Float[Array, "particle 2"],
    box: float | None,
    symmetry: int,
    neighbors: int,
    inner: float,
    outer: float,
) -> Float[Array, " particle"]:
    """ψ of every particle.

    >>> square = jnp.stack(jnp.meshgrid(jnp.arange(4.0), jnp.arange(4.0)), -1).reshape(-1, 2)
    >>> [round(float(bond_order(square, 4.0, m, m, 1.1, 1.3)[0]), 4) for m in (3, 4)]
    [0.0, 1.0]
    """
    x, y = (minimum_image(c[:, None] - c[None, :], box) for c in position.T)
    itself = jnp.eye(len(position), dtype=bool)
    square = jnp.where(itself, outer**2, x * x + y * y)
    place = jnp.clip((jnp.sqrt(jnp.maximum(square, 1e-12)) - inner) / (outer - inner), 0.0, 1.0)
    weight = 1 - place * place * (3 - 2 * place)
    # e^{imθ} as a power of a unit vector: no angle, whose derivative jumps and which has none for a particle itself
    unit = jnp.where(itself, 1.0, (x + 1j * y) / jnp.sqrt(jnp.maximum(square, 1e-12)))
    total = jnp.sum(weight * unit**symmetry, 1)
    length = jnp.sqrt(jnp.maximum(total.real**2 + total.imag**2, 1e-12))
    return length / jnp.maximum(jnp.sum(weight, 1), float(neighbors))


class BondOrientationalOrder(Observable):
    """ψ of every particle."""

    symmetry: int = eqx.field(static=True)
    neighbors: int = eqx.field(static=True)
    inner: float = eqx.field(static=True)
    outer: float = eqx.field(static=True)
    threshold: float = eqx.field(static=True)
    discard: float = eqx.field(static=True)

    def __call__(self, system: Any, drive, state):
        return bond_order(state.x.position, system.box, self.symmetry, self.neighbors, self.inner, self.outer)

    def summary(self, values, labels) -> list[Summary]:
        """Fraction of ordered particles, with its standard error over replicas."""
        kept = values[:, int(self.discard * values.shape[1]) :]
        words = f"fraction of particles with {self.symmetry}-fold bond-orientational order above {self.threshold:g}"
        return averaged("ordered_fraction", (), (kept > self.threshold).mean((1, 2)), "1", words)


class Config(Spec):
    """Bond-orientational order in a scenario."""

    kind: Literal["bond_orientational_order"]
    provides: ClassVar[tuple[str, ...]] = ("ordered_fraction",)
    every: int = Field(default=100, ge=1, description="steps between records")
    symmetry: int = Field(default=6, ge=1, le=12, description="m, of how many-fold order", examples=[3])
    neighbors: int | None = Field(default=None, ge=1, description="n, neighbours in the perfect crystal; null: m")
    inner: float = Field(default=1.25, gt=0, description="distance up to which a neighbour counts fully, σ")
    outer: float = Field(default=1.5, gt=0, description="distance from which on it does not, σ")
    threshold: float = Field(default=0.7, gt=0, lt=1, description="ψ from which on a particle counts as ordered")
    discard: float = Field(default=0.5, ge=0, lt=1, description="first fraction of the records that is left out")

    def check(self, scenario):
        """There are particles in a plane, and a shell around them."""
        if self.inner >= self.outer:
            yield Problem(("inner",), f"neighbours fade from {self.inner:g} to {self.outer:g}; begin before the end")
        system = scenario.system
        if getattr(system, "box", 0) == 0 and ":" not in system.kind:
            yield Problem(("kind",), f"needs particles, which {system.kind!r} does not have")
        elif getattr(system, "dimension", 2) != 2:
            yield Problem(("kind",), "is for particles in two dimensions; leave it out")

    def build(self, system, task) -> BondOrientationalOrder:
        """The observable."""
        del task
        return BondOrientationalOrder(
            "bond_orientational_order", ("particle",), "1", "bond-orientational order of a particle", self.every,
            self.symmetry, self.neighbors or self.symmetry, self.inner, self.outer, self.threshold, self.discard,
        )  # fmt: skip
