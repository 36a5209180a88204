"""Rate and free energy of the flip of a rhombus, from theory: functions of the couplings alone.

Four discs form a ring of four strong bonds; one of the two diagonals is bonded, and the ring flips when it breaks and
the other one forms. With ψ the angle of the ring, E_02 and E_13 the energies of the diagonals at their lengths,

    F(ψ) = E_02(2 sin ψ/2) + E_13(2 cos ψ/2) + kT ln sin ψ,    D_ψ = 2 D,
    1/k = (1/D_ψ) ∫_a^b dy e^{F(y)/kT} ∫_0^y dz e^{−F(z)/kT},   ΔF = F_B − F_A = −kT ln(k_AB / k_BA),

A the state with the first diagonal bonded, B with the second; integrals by the trapezoidal rule. Measured from states,
this is ``isomer``, which looks at the ring from time to time: ``interval`` corrects for that.

Source: derivation and limits in ``matterlearn.theory.rhombus_flip``. Limits: sides stiffer than the diagonals.
"""

from typing import Annotated, ClassVar, Literal

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from pydantic import Field

from matterlearn.core.assembly import ParticleSystem
from matterlearn.core.observable import Observable
from matterlearn.core.pair_profile import check_temperature, contact_distance, pair_energy
from matterlearn.spec import Problem, Spec
from matterlearn.theory.rhombus_flip import ANGULAR_MOBILITY, SHORTEST, core_angle

Disc = Annotated[int, Field(ge=0, le=3)]
POINTS = 1001  # of the trapezoidal rule in each interval


class RhombusFlip(Observable):
    """ln of the mean times of both directions gives rate and free energy."""

    quantity: str = eqx.field(static=True)
    ring: tuple[int, int, int, int] = eqx.field(static=True)
    core: float = eqx.field(static=True)
    diffusion: float = eqx.field(static=True)
    kT: float = eqx.field(static=True)

    def __call__(self, system: ParticleSystem, drive, state) -> Float[Array, ""]:
        """k_AB [D/σ² at mobility 1] or F_B − F_A [kT_ref]; drive and state are not looked at."""
        del drive, state
        first, second = (self.ring[0], self.ring[2]), (self.ring[1], self.ring[3])
        forth = self._log_time(system, first, second)
        if self.quantity == "rate":
            return jnp.exp(-forth)
        return self.kT * (forth - self._log_time(system, second, first))

    def _log_time(self, system, broken, formed):
        """ln of the mean time until the second diagonal is formed, from where the first one is."""
        behind = jnp.linspace(2 * np.arcsin(SHORTEST / 2), self.core, POINTS)
        ahead = jnp.linspace(self.core, np.pi - self.core, POINTS)

        def potential(angle):
            energies = [
                pair_energy(system, jnp.asarray(pair[0]), jnp.asarray(pair[1]), length)
                for pair, length in ((broken, 2 * jnp.sin(angle / 2)), (formed, 2 * jnp.cos(angle / 2)))
            ]
            return sum(energies) / self.kT + jnp.log(jnp.sin(angle))

        here, there = potential(behind), potential(ahead)
        low, high = jnp.min(here), jnp.max(there)  # shifts that cancel; without them exponentials overflow
        weight = jnp.exp(low - there)
        steps = 0.5 * (weight[1:] + weight[:-1]) * (ahead[1] - ahead[0])
        held = jnp.trapezoid(jnp.exp(low - here), behind) + jnp.append(0.0, jnp.cumsum(steps))
        time = jnp.trapezoid(jnp.exp(there - high) * held, ahead) / self.diffusion
        return jnp.log(time) + high - low


class Config(Spec):
    """The flip of a rhombus in a scenario."""

    kind: Literal["rhombus_flip"]
    quantity: Literal["rate", "free_energy"] = "rate"
    ring: tuple[Disc, Disc, Disc, Disc] = Field(default=(0, 1, 2, 3), description="the discs in order")
    kT: float = Field(default=1.0, gt=0, description="temperature, kT_ref, the dynamics' own")
    interval: float = Field(default=0.0, ge=0, description="time between looks at the ring when it is measured, σ²/D")
    every: int = Field(default=1000, ge=1, description="steps between records")

    provides: ClassVar[tuple[str, ...]] = ("flip_rate", "flip_free_energy")

    def check(self, scenario):
        """Four isotropic discs whose diagonals cannot both be bonded."""
        system = scenario.system
        yield from check_temperature(self, scenario)
        isotropic = sum(getattr(system, "counts", [])) == 4 and getattr(system, "patches", 1) == 1
        if not isotropic or getattr(system, "dimension", 2) != 2:
            yield Problem(("kind",), "needs four isotropic discs in the plane")
        if len(set(self.ring)) != 4:
            yield Problem(("ring",), "names each of the discs 0, 1, 2, 3 once, in their order along the ring")

    def build(self, system, task) -> RhombusFlip:
        """The observable."""
        del task
        words = {"rate": ("D/σ²", "rate of the flip, theory"), "free_energy": ("kT_ref", "free energy gained, theory")}
        diffusion = ANGULAR_MOBILITY * self.kT
        core = core_angle(contact_distance(system), diffusion, self.interval)
        name, labels = f"flip_{self.quantity}", words[self.quantity]
        return RhombusFlip(name, (), *labels, self.every, self.quantity, self.ring, core, diffusion, self.kT)
