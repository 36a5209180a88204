"""Actions of scalar lattice fields: how scenarios write them, and what systems and samplers share.

    S = Σ_x V(φ_x) − J Σ_⟨ij⟩ φ_i φ_j,        V(φ) = aφ² + λφ⁴

The conventions and their (a, J, λ) are those of ``matterlearn.theory.lattice_field``. A system with the claim
``embedded_spins`` has a ``hopping`` J and an even ``site_energy`` V, both in kT_ref: at fixed sizes |φ| the signs are
spins with couplings J|φ_i||φ_j|.
"""

from typing import Annotated, Literal

import jax.numpy as jnp
from jaxtyping import Array, Float
from pydantic import Field

from matterlearn.spec import Spec
from matterlearn.theory.lattice_field import (
    Action,
    continuum_action,
    hopping_action,
    lattice_action,
    wavelet_action,
)

Side = Annotated[int, Field(ge=2, le=4096)]


class Lattice(Spec):
    """Σ[Σ_μ(φ_{x+μ} − φ_x)² + m²φ² + λφ⁴]."""

    convention: Literal["lattice"]
    mass_squared: float = Field(description="m²; negative on both sides of the transition")
    coupling: float = Field(gt=0, description="λ")

    def action(self, dimension: int) -> Action:
        """(a, J, λ)."""
        return lattice_action(self.mass_squared, self.coupling, dimension)


class Hopping(Spec):
    """Σ[−2κ Σ_μ φ_{x+μ}φ_x + (1 − 2λ)φ² + λφ⁴]."""

    convention: Literal["hopping"]
    hopping: float = Field(description="hopping parameter κ")
    coupling: float = Field(gt=0, description="λ")

    def action(self, dimension: int) -> Action:
        """(a, J, λ)."""
        return hopping_action(self.hopping, self.coupling, dimension)


class Continuum(Spec):
    """Σ[½ Σ_μ(φ_{x+μ} − φ_x)² + ½ μ₀²φ² + ¼ λφ⁴]."""

    convention: Literal["continuum"]
    mass_squared: float = Field(description="bare mass μ₀²")
    coupling: float = Field(gt=0, description="λ")

    def action(self, dimension: int) -> Action:
        """(a, J, λ)."""
        return continuum_action(self.mass_squared, self.coupling, dimension)


class Wavelet(Spec):
    """Σ[½ β Σ_μ(φ_{x+μ} − φ_x)² + φ⁴ − (1 + dβ)φ²]."""

    convention: Literal["wavelet"]
    inverse_temperature: float = Field(description="β of the gradient")

    def action(self, dimension: int) -> Action:
        """(a, J, λ)."""
        return wavelet_action(self.inverse_temperature, dimension)


FieldAction = Annotated[Lattice | Hopping | Continuum | Wavelet, Field(discriminator="convention")]


def bond_products(field: Float[Array, "*site"]) -> Float[Array, ""]:
    """Σ_⟨ij⟩ φ_i φ_j on a periodic lattice; a side of length 2 has each of its bonds twice.

    >>> bond_products(jnp.ones((2, 3))).item()
    12.0
    """
    return jnp.sum(field * sum(jnp.roll(field, -1, axis) for axis in range(field.ndim)))
