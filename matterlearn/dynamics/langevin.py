"""Underdamped Langevin motion by the BAOAB splitting, in every degree of freedom.

    m dv = F dt − γ m v dt + √(2 γ m kT) dW

one step: half kick (B), half drift (A), exact Ornstein–Uhlenbeck (O), half drift (A), half kick (B). Orientations
of discs are one angle each, so no rigid-body splitting is needed and rotation has the set temperature.

| quantity | unit |
|---|---|
| dt | √(m σ²/kT_ref) |
| friction γ | 1/time |

Source: [leimkuhler2013]. Limits: position averages of harmonic modes are exact at any stable dt (ω dt < 2);
velocity averages carry an error of order dt².

Example:
    >>> Config(kind="langevin", dt=5e-3, friction=1.0).build().friction.item()
    1.0
"""

from typing import ClassVar, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
from pydantic import Field

from matterlearn.core.dynamics import AbstractDynamics, DynState, StepInfo, force, normal_like
from matterlearn.core.mixture import check_step
from matterlearn.core.schedule import Schedule, schedule
from matterlearn.spec import NonNegativeSchedule, Spec


class Langevin(AbstractDynamics):
    """BAOAB; the memory of the state is (velocity, force)."""

    dt: Float[Array, ""]
    kT: Schedule
    friction: Float[Array, ""]

    def init(self, key, system, drive, x, neighbors=None) -> DynState:
        """Start from x with velocities drawn from the thermal law."""
        x = drive.project(x)
        kT = self.kT(jnp.zeros((), self.dt.dtype))
        velocity = jax.tree.map(lambda n, m: n * jnp.sqrt(kT / m), normal_like(key, x), system.inertia())
        state = DynState(x, jnp.zeros((), jnp.int32), None, neighbors)
        return state._replace(memory=(velocity, force(system, drive, state)))

    def step(self, key, system, drive, state) -> tuple[DynState, StepInfo]:
        """One BAOAB step; the force of the last half kick is kept for the next step's first."""
        velocity, push = state.memory
        mass = system.inertia()
        kT = self.kT(state.step.astype(self.dt.dtype))
        velocity = jax.tree.map(lambda v, f, m: v + 0.5 * self.dt * f / m, velocity, push, mass)
        x = jax.tree.map(lambda y, v: y + 0.5 * self.dt * v, state.x, velocity)
        decay = jnp.exp(-self.friction * self.dt)
        width = jnp.sqrt(-kT * jnp.expm1(-2 * self.friction * self.dt))
        velocity = jax.tree.map(
            lambda v, n, m: decay * v + width / jnp.sqrt(m) * n, velocity, normal_like(key, x), mass
        )
        x = drive.project(jax.tree.map(lambda y, v: y + 0.5 * self.dt * v, x, velocity))
        moved = DynState(x, state.step + 1, None, system.refresh(state.neighbors, x))
        push = force(system, drive, moved)
        velocity = jax.tree.map(lambda v, f, m: v + 0.5 * self.dt * f / m, velocity, push, mass)
        return moved._replace(memory=(velocity, push)), StepInfo(jnp.ones(()))

    def path_memory(self, system, drive, state):
        """Velocity after the first half kick: at a fixed path of positions it depends on the couplings."""
        velocity, push = state.memory[0], force(system, drive, state)
        return jax.tree.map(lambda v, f, m: v + 0.5 * self.dt * f / m, velocity, push, system.inertia())

    def log_probability(self, system, drive, before, after, memory):
        """−Σ ξ²/2 of the noise that this path of positions needs.

        Two half drifts make x' − x = ½Δt (w + u), w the velocity before the noise and u = e^{−γΔt} w + σ ξ after it, so
        u follows from the path, and w' = u + Δt F(x')/m.
        """
        kT = self.kT(before.step.astype(self.dt.dtype))
        decay = jnp.exp(-self.friction * self.dt)
        width = jnp.sqrt(-kT * jnp.expm1(-2 * self.friction * self.dt))
        mass = system.inertia()
        u = jax.tree.map(lambda x, new, w: 2 * (new - x) / self.dt - w, before.x, after.x, memory)
        noise = jax.tree.map(lambda v, w, m: jnp.sum((v - decay * w) ** 2 * m / (2 * width**2)), u, memory, mass)
        push = force(system, drive, after)
        w = jax.tree.map(lambda v, f, m: v + self.dt * f / m, u, push, mass)
        return -sum(jax.tree.leaves(noise)), w


class Config(Spec):
    """Langevin motion in a scenario."""

    kind: Literal["langevin"]
    known_steps: ClassVar[bool] = True
    smooth: ClassVar[bool] = True
    dt: float = Field(gt=0, le=1, description="time step, √(m σ²/kT_ref)", examples=[5e-3])
    kT: NonNegativeSchedule = Field(default=1.0, description="temperature, kT_ref: a number, a ramp or a cycle")
    friction: float = Field(default=1.0, ge=0, description="friction γ, inverse time")

    def check(self, scenario):
        """The step resolves the material's stiffest direction."""
        yield from check_step(self, scenario, stable=1.0, power=0.5)

    def build(self) -> Langevin:
        """The integrator."""
        return Langevin(jnp.asarray(float(self.dt)), schedule(self.kT), jnp.asarray(float(self.friction)))
