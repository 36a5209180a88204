"""φ⁴ theory: a scalar field on a periodic lattice in one, two or three dimensions.

    E(φ) = Σ_x [a φ² + λ φ⁴] − J Σ_⟨ij⟩ φ_i φ_j,        P(φ) ∝ exp(−E/kT)

At kT = 1 the energy is the Euclidean action S. The couplings a, J, λ are what learning changes; scenarios give them in
one of four conventions (``matterlearn.core.lattice_action``). Here J > 0 aligns neighbours. In two dimensions the sign
φ → −φ breaks spontaneously, in the class of the Ising model: at m² = −4 in the convention ``lattice`` near λ = 4.24.

| quantity | unit |
|---|---|
| φ | 1 |
| a, J, λ | kT_ref |

Source: [albergo2019], [schaich2009]. Limits: ln Z is not known; without λ use free_field, whose ln Z is. A side of
length 2 has each of its bonds twice.

Example:
    >>> action = {"convention": "lattice", "mass_squared": -4.0, "coupling": 8.0}
    >>> system = Config(kind="lattice_field", shape=[2, 2], action=action).build(None)
    >>> system.energy(FieldState(0.5 * jnp.ones((2, 2)))).item()  # Σ(m²φ² + λφ⁴), as nothing varies
    -2.0
"""

import math
from typing import Annotated, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
from pydantic import Field

from matterlearn.core.field import AbstractField, FieldState
from matterlearn.core.lattice_action import FieldAction, Side, bond_products
from matterlearn.spec import Spec

SMALLEST = 1e-3  # λ, below which fields would wander off


class LatticeField(AbstractField):
    """φ⁴ with couplings (a, J, λ)."""

    quadratic: Float[Array, ""]
    hopping: Float[Array, ""]
    quartic: Float[Array, ""]
    shape: tuple[int, ...] = eqx.field(static=True)

    symmetries: ClassVar = frozenset({"flip"})
    coupling_units: ClassVar = ("kT_ref", "coefficient of the action")

    def site_energy(self, field: Float[Array, "*site"]) -> Float[Array, "*site"]:
        """aφ² + λφ⁴ of each site, kT_ref."""
        square = field**2
        return square * (self.quadratic + self.quartic * square)

    def energy(self, x: FieldState, neighbors=None) -> Float[Array, ""]:
        """The action, kT_ref."""
        del neighbors
        return jnp.sum(self.site_energy(x.field)) - self.hopping * bond_products(x.field)

    def init_state(self, key) -> FieldState:
        """White noise, about as wide as fluctuations of a single site at kT_ref."""
        width = 1 / jnp.sqrt(2 * jnp.maximum(self.quadratic, 0.0) + 4 * jnp.sqrt(jnp.maximum(self.quartic, SMALLEST)))
        return FieldState(width * jax.random.normal(key, self.shape))

    def constrain(self) -> "LatticeField":
        """λ ≥ 10⁻³, so that Z exists."""
        return eqx.tree_at(lambda s: s.quartic, self, jnp.maximum(self.quartic, SMALLEST))


class Config(Spec):
    """φ⁴ in a scenario."""

    kind: Literal["lattice_field"]
    positions: ClassVar[bool] = False
    embedded_spins: ClassVar[bool] = True
    pattern_values: ClassVar[int] = 0
    shape: Annotated[list[Side], Field(min_length=1, max_length=3)] = Field(
        description="sides of the periodic lattice", examples=[[4, 4], [5], [2, 3, 4], [3, 4]]
    )
    action: FieldAction = Field(
        description="couplings, in the convention lattice, hopping, continuum or wavelet",
        examples=[
            {"convention": "lattice", "mass_squared": -4.0, "coupling": 8.0},
            {"convention": "hopping", "hopping": 0.25, "coupling": 0.5},
            {"convention": "continuum", "mass_squared": -0.5, "coupling": 1.0},
            {"convention": "wavelet", "inverse_temperature": 0.68},
        ],
    )

    @property
    def pattern_size(self) -> int:
        """Sites."""
        return math.prod(self.shape)

    def build(self, key) -> LatticeField:
        """The field."""
        del key
        action = self.action.action(len(self.shape))
        couplings = {name: jnp.asarray(float(value)) for name, value in action._asdict().items()}
        return LatticeField(shape=tuple(self.shape), **couplings)
