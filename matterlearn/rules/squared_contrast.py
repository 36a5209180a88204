"""Contrastive divergence with a penalty on the size of energies, as image models are trained.

    L = ⟨E⁺ − E⁻ + α (E⁺² + E⁻²)⟩

The penalty fixes the zero of energy, which E⁺ − E⁻ leaves open, and bounds the loss from below: without it the energies
of shown and free states drift, and once they part they part for ever. It is no likelihood: its minimum over two freely
chosen energies is E⁺ = −1/2α, E⁻ = 1/2α, a gap of 1/α, as a margin would be, whatever the law of the data. As α → 0 the
slope is that of rule wake_sleep.

| quantity | unit |
|---|---|
| α | 1/kT_ref |
| L, E | kT_ref |

Source: [dumordatch2019], where kT_ref is 1 and α = 1. Limits: biased, the more so the larger α.

Example:
    >>> Squares(jnp.asarray(1.0))(jnp.asarray([-0.5]), jnp.asarray([0.5])).tolist()
    [-0.5]
"""

from typing import ClassVar, Literal

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float
from pydantic import Field

from matterlearn.rules._energy_loss import EnergyLoss
from matterlearn.rules._phases import Start, strategy
from matterlearn.spec import Spec


class Squares(eqx.Module):
    """E⁺ − E⁻ + α (E⁺² + E⁻²)."""

    weight: Float[Array, ""]

    def __call__(self, shown, free):
        return shown - free + self.weight * (shown**2 + free**2)


class Config(Spec):
    """Squared contrast in a scenario."""

    kind: Literal["squared_contrast"]
    provides: ClassVar[tuple[str, ...]] = ("loss", "energy_shown", "energy_free")
    weight: float = Field(default=1.0, ge=0, description="α, 1/kT_ref", examples=[0.01])
    relax: int = Field(default=10, ge=0, description="steps before the state of a phase is taken", examples=[30])
    chains: Start = Field(
        default={"size": 10_000, "restart": 0.05},
        description="start of the free phase: its last end, the clamped state, disorder, or a buffer {size, restart}",
        examples=["persistent", {"size": 5, "restart": 0.1}],
        validate_default=True,
    )  # fmt: skip

    def build(self) -> EnergyLoss:
        """The rule."""
        return EnergyLoss(Squares(jnp.asarray(float(self.weight))), strategy(self.chains), self.relax)
