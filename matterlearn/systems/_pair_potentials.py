"""Radial shapes of pair interactions: one attractive well, and three cores to put under it.

Distances are in units of the particle diameter σ, where the well has its minimum. The well is the contact χ(r) that
multiplies the coupling J (negative sticks); the core is what keeps particles apart.
"""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

R = Float[Array, "*pairs"]


class MorseWell(eqx.Module):
    """χ(r) = S(r) · [2e^{−x} − e^{−2x}] with x = α (r − 1) beyond the minimum, 1 within it.

    S switches smoothly from 1 at ``onset`` to 0 at ``cutoff``, so force and energy have no step:
    S = (r_c² − r²)² (r_c² + 2r² − 3r_o²)/(r_c² − r_o²)³. χ ∈ [0, 1] is a contact.
    """

    steepness: Float[Array, ""]
    onset: float = eqx.field(static=True)
    cutoff: float = eqx.field(static=True)

    def __call__(self, r: R) -> R:
        decay = jnp.exp(-self.steepness * jnp.maximum(r - 1.0, 0.0))
        return self.switch(r) * decay * (2.0 - decay)

    def switch(self, r: R) -> R:
        """The factor S."""
        outer, inner, squared = self.cutoff**2, self.onset**2, r**2
        bridge = (outer - squared) ** 2 * (outer + 2 * squared - 3 * inner) / (outer - inner) ** 3
        return jnp.where(r < self.onset, 1.0, jnp.where(r < self.cutoff, bridge, 0.0))


class HarmonicCore(eqx.Module):
    """k (1 − r)² below contact, the same for all species."""

    stiffness: Float[Array, ""]

    def __call__(self, r: R, coupling: R) -> R:
        del coupling
        return self.stiffness * jnp.maximum(1.0 - r, 0.0) ** 2


class WCACore(eqx.Module):
    """ε (r⁻¹² − 2r⁻⁶ + 1) below contact: the repulsive half of Lennard-Jones with its minimum at σ."""

    strength: Float[Array, ""]

    def __call__(self, r: R, coupling: R) -> R:
        del coupling
        # Below 0.3 σ the power is meaningless and overflows single precision.
        inverse = 1.0 / jnp.clip(r, 0.3, 1.0) ** 6
        return self.strength * (inverse - 1.0) ** 2


class MorseCore(eqx.Module):
    """−J (1 − e^{−x})² below contact: with the well, the whole Morse potential of depth −J."""

    steepness: Float[Array, ""]

    def __call__(self, r: R, coupling: R) -> R:
        # At most e^40: keeps the derivative with respect to J finite in single precision.
        x = jnp.clip(self.steepness * (r - 1.0), -20.0, 0.0)
        return -coupling * (1.0 - jnp.exp(-x)) ** 2


Core = HarmonicCore | WCACore | MorseCore
