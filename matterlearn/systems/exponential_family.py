"""One point in up to three dimensions with an energy that is linear in its couplings: an exponential family.

    E(x) = ⟨θ, Φ(x)⟩,        Φ: all monomials of degree 1 … D, and cos q·x_i, sin q·x_i for q = κ, 2κ, …, Qκ

    L = ⟨E⟩_data/kT + ln Z,      kT ∂L/∂θ = ⟨Φ⟩_data − ⟨Φ⟩,      kT² ∂²L/∂θ∂θ = Cov(Φ)

so the likelihood is concave and its maximum is where the moments agree. With D = 2 the family is that of normal laws.
Up to two dimensions ln Z is summed on a grid (``matterlearn.core.point``).

Z has to exist: D is even, and ``constrain`` raises the coefficients of x_i^D to ε + Σ_c |θ_c| a_ci/D, a_ci being the
power of x_i in the mixed monomial c of degree D. By Young's inequality mixed terms cannot win then; of normal laws
with D = 2 those remain whose precision matrix is diagonally dominant.

| quantity | unit |
|---|---|
| x | σ, or as the data |
| θ | kT_ref over the unit of its feature |

Source: textbook; see [lecun2006tutorial]. Limits: three dimensions, ln Z in two; the sufficient condition above.

Example:
    >>> Config(kind="exponential_family", dimension=2, degree=2).build(None).exponents
    ((0, 1), (0, 2), (1, 0), (1, 1), (2, 0))
"""

from itertools import product
from typing import ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from pydantic import Field

from matterlearn.core.point import AbstractPoint, PointSpec, PointState
from matterlearn.spec import Problem


class ExponentialFamily(AbstractPoint):
    """⟨θ, Φ(x)⟩; monomials come first, then cosines and sines."""

    coupling: Float[Array, " feature"]
    floor: Float[Array, ""]
    exponents: tuple[tuple[int, ...], ...] = eqx.field(static=True)
    wavenumbers: tuple[float, ...] = eqx.field(static=True)

    coupling_units: ClassVar = ("kT_ref", "coupling over the unit of its feature")

    def features(self, point: Float[Array, " entry"]) -> Float[Array, " feature"]:
        """Φ(x)."""
        table = np.array(self.exponents)
        powers = jnp.stack([point**n for n in range(table.max() + 1)])  # static powers have smooth derivatives at 0
        monomials = jnp.prod(powers[table, np.arange(self.dimension)], axis=1)
        phases = jnp.ravel(jnp.asarray(self.wavenumbers)[:, None] * point)
        return jnp.concatenate([monomials, jnp.cos(phases), jnp.sin(phases)])

    def energy(self, x: PointState, neighbors=None) -> Float[Array, ""]:
        """⟨θ, Φ(x)⟩, kT_ref."""
        del neighbors
        return jnp.dot(self.coupling, self.features(x.point))

    def constrain(self) -> "ExponentialFamily":
        """Pure powers of the highest degree no smaller than what the mixed ones could outweigh."""
        table = np.array(self.exponents)
        degree = table.max()
        top = table.sum(1) == degree
        mixed, pure = top & (table.max(1) < degree), top & (table.max(1) == degree)
        bound = jnp.abs(self.coupling[: len(table)][mixed]) @ (table[mixed] / degree)
        lowest = table[pure].astype(bool) @ (self.floor + bound)
        place = np.flatnonzero(pure)
        raised = self.coupling.at[place].max(lowest.astype(self.coupling.dtype))
        return eqx.tree_at(lambda s: s.coupling, self, raised)

    def init_state(self, key) -> PointState:
        """Standard normal."""
        return PointState(jax.random.normal(key, (self.dimension,)))

    def learnable(self):
        """The coefficients."""
        return eqx.tree_at(lambda s: s.coupling, jax.tree.map(lambda _: False, self), True)

    def named_couplings(self):
        """Coefficients by feature."""
        return {"couplings": (("feature",), self.coupling)}


class Config(PointSpec):
    """An exponential family in a scenario."""

    kind: Literal["exponential_family"]
    dimension: Literal[1, 2, 3] = Field(default=2, description="entries of a point", examples=[2, 1, 3])
    degree: int = Field(default=4, ge=2, le=12, description="highest degree D of a monomial, even", examples=[4, 2])
    waves: int = Field(default=0, ge=0, le=50, description="wavenumbers Q of cosines and sines", examples=[2, 0])
    wavenumber: float = Field(default=1.0, gt=0, description="the smallest wavenumber κ, 1/σ")
    floor: float = Field(default=0.01, gt=0, description="ε, smallest coefficient of x^D beyond what confines")

    def check(self, scenario):
        """The highest degree can confine."""
        if self.degree % 2:
            yield Problem(("degree",), f"{self.degree} is odd, and no odd power confines: use {self.degree + 1}")

    def build(self, key) -> ExponentialFamily:
        """Energy ½ |x|², and what confines beyond."""
        del key
        powers = product(range(self.degree + 1), repeat=self.dimension)
        table = np.array([a for a in powers if 1 <= sum(a) <= self.degree])
        squares = np.isin(table, (0, 2)).all(1) & (table.sum(1) == 2)
        waves = 2 * self.waves * self.dimension
        start = jnp.asarray(np.concatenate([0.5 * squares, np.zeros(waves)]), float)
        grid = self.dimension, float(self.reach), self.points
        family = tuple(map(tuple, table.tolist())), tuple(self.wavenumber * n for n in range(1, self.waves + 1))
        blank = ExponentialFamily(*grid, start, jnp.asarray(float(self.floor)), *family)
        return blank.constrain()
