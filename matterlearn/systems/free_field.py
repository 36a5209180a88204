"""The free scalar field on a periodic lattice: a Gaussian model of which everything is known.

    E(φ) = Σ_x [K Σ_μ (φ_{x+μ} − φ_x)² + m² φ_x²] = Σ_k (K k̂² + m²) |φ_k|²,        k̂² = Σ_μ 4 sin²(k_μ/2)

    ⟨|φ_k|²⟩ = kT/[2(K k̂² + m²)],        ln Z = ½ Σ_k ln[π kT/(K k̂² + m²)]

Waves are independent, so ``draw`` colours white noise by the root of the spectrum: exact samples without a chain.
K and m² learn, and ln Z is differentiable in them. K = ½ with m² halved is the continuum's convention.

| quantity | unit |
|---|---|
| φ | 1 |
| K, m² | kT_ref |

Source: textbook; see [albergo2019]. Limits: m² > 0, or the mean of the field would wander off.

Example:
    >>> field = Config(kind="free_field", shape=[8, 8]).build(None)
    >>> round(float(field.log_partition(jnp.asarray(1.0))), 4)
    -11.6229
"""

import math
from typing import Annotated, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
from pydantic import Field

from matterlearn.core.field import AbstractGenerative, FieldState
from matterlearn.core.lattice_action import Side, bond_products
from matterlearn.spec import Spec
from matterlearn.theory.lattice_field import momenta_squared

SMALLEST = 1e-6  # K k̂² + m²


class FreeField(AbstractGenerative):
    """K and m²."""

    stiffness: Float[Array, ""]
    mass_squared: Float[Array, ""]
    shape: tuple[int, ...] = eqx.field(static=True)

    symmetries: ClassVar = frozenset({"flip"})
    coupling_units: ClassVar = ("kT_ref", "coefficient of the action")

    @property
    def hopping(self) -> Float[Array, ""]:
        """J = 2K: what is left of the squared differences between neighbours."""
        return 2 * self.stiffness

    def site_energy(self, field: Float[Array, "*site"]) -> Float[Array, "*site"]:
        """(2dK + m²)φ² of each site, kT_ref."""
        return (2 * len(self.shape) * self.stiffness + self.mass_squared) * field**2

    def energy(self, x: FieldState, neighbors=None) -> Float[Array, ""]:
        """The action, kT_ref."""
        del neighbors
        return jnp.sum(self.site_energy(x.field)) - self.hopping * bond_products(x.field)

    def curvatures(self) -> Float[Array, "*site"]:
        """K k̂² + m² of every wave, in the order of a discrete Fourier transform."""
        return self.stiffness * momenta_squared(self.shape) + self.mass_squared

    def log_partition(self, kT) -> Float[Array, ""]:
        """½ Σ_k ln[π kT/(K k̂² + m²)]."""
        return 0.5 * jnp.sum(jnp.log(jnp.pi * kT / self.curvatures()))

    def draw(self, key) -> FieldState:
        """White noise, coloured."""
        waves = jnp.fft.fftn(jax.random.normal(key, self.shape)) / jnp.sqrt(2 * self.curvatures())
        return FieldState(jnp.fft.ifftn(waves).real)

    def constrain(self) -> "FreeField":
        """K ≥ 0 and m² ≥ 10⁻⁶."""
        allowed = jnp.maximum(self.stiffness, 0.0), jnp.maximum(self.mass_squared, SMALLEST)
        return eqx.tree_at(lambda s: (s.stiffness, s.mass_squared), self, allowed)


class Config(Spec):
    """A free field in a scenario."""

    kind: Literal["free_field"]
    positions: ClassVar[bool] = False
    embedded_spins: ClassVar[bool] = True
    draws_samples: ClassVar[bool] = True
    exact: ClassVar[bool] = True
    pattern_values: ClassVar[int] = 0
    quadratic: ClassVar[bool] = True
    shape: Annotated[list[Side], Field(min_length=1, max_length=3)] = Field(
        description="sides of the periodic lattice", examples=[[4, 4], [5], [2, 3, 4]]
    )
    mass_squared: float = Field(default=1.0, gt=0, description="m², kT_ref")
    stiffness: float = Field(default=1.0, ge=0, description="K of squared differences between neighbours, kT_ref")

    @property
    def pattern_size(self) -> int:
        """Sites."""
        return math.prod(self.shape)

    @property
    def degrees_of_freedom(self) -> int:
        """Sites."""
        return self.pattern_size

    @property
    def largest_eigenvalue(self) -> float:
        """Largest curvature 2(K k̂² + m²) of a wave, kT_ref."""
        return 2 * (self.stiffness * float(momenta_squared(tuple(self.shape)).max()) + self.mass_squared)

    @property
    def largest_diagonal(self) -> float:
        """Curvature 2(2dK + m²) at a site, kT_ref."""
        return 2 * (2 * len(self.shape) * self.stiffness + self.mass_squared)

    def build(self, key) -> FreeField:
        """The field."""
        del key
        stiffness, mass_squared = jnp.asarray(float(self.stiffness)), jnp.asarray(float(self.mass_squared))
        return FreeField(stiffness=stiffness, mass_squared=mass_squared, shape=tuple(self.shape))
