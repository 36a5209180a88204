"""Triplet loss: what is shown should lie lower than what the free matter does instead, by a margin.

    L = ⟨[m + E⁺ − E⁻]₊⟩,        ∂L/∂θ = ⟨∂E⁺/∂θ − ∂E⁻/∂θ⟩ over the replicas inside the margin, m + E⁺ − E⁻ > 0

E⁺ is the energy of a state in which the shown part is clamped, E⁻ that of the state which the free matter took in the
same replica. Beyond the margin a replica has no slope: energies far apart are left alone, which the loss E⁺ − E⁻
without a hinge would push apart for ever. With inputs that stay clamped and a dynamics that goes to the lowest energy
this is the perceptron's rule: couplings change by Hebb minus anti-Hebb where the free answer is wrong, and nowhere
else. At a temperature it is contrastive divergence inside a margin; it does not make the matter sample the data.

Where the free phase starts is said by ``chains``, as in rule wake_sleep.

| quantity | unit |
|---|---|
| m, L | kT_ref |
| gradient | that of E/θ |

Source: [lecun2006tutorial]. Limits: one pair of states per replica and update; the free state is the only negative.

Example:
    >>> Hinge(jnp.asarray(1.0))(jnp.asarray([0.0, 0.0]), jnp.asarray([0.5, 2.0])).tolist()
    [0.5, 0.0]
"""

from typing import ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
from pydantic import Field

from matterlearn.rules._energy_loss import EnergyLoss
from matterlearn.rules._phases import Start, strategy
from matterlearn.spec import Spec


class Hinge(eqx.Module):
    """[m + E⁺ − E⁻]₊."""

    margin: Float[Array, ""]

    def __call__(self, shown, free):
        return jax.nn.relu(self.margin + shown - free)


class Config(Spec):
    """Triplet loss in a scenario."""

    kind: Literal["triplet"]
    provides: ClassVar[tuple[str, ...]] = ("loss", "energy_shown", "energy_free")
    margin: float = Field(default=1.0, ge=0, description="m, by how much what is shown should lie lower, kT_ref")
    relax: int = Field(default=10, ge=0, description="steps before the state of a phase is taken", examples=[30])
    chains: Start = Field(
        default="persistent",
        description="start of the free phase: its last end, the clamped state, disorder, or a buffer {size, restart}",
        examples=["persistent", "clamped", "disordered", {"size": 5, "restart": 0.1}],
    )  # fmt: skip

    def build(self) -> EnergyLoss:
        """The rule."""
        return EnergyLoss(Hinge(jnp.asarray(float(self.margin))), strategy(self.chains), self.relax)
