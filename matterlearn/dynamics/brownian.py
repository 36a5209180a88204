"""Overdamped Brownian motion by the Euler–Maruyama step, in every degree of freedom.

    x ← x + μ F dt + √(2 μ kT dt) ξ,        F = −∂(E + E_drive)/∂x,   ξ ~ N(0, 1)

μ is the dynamics' mobility times the system's own (translation 1, rotation of a disc 3/σ²), so D = μ kT.

| quantity | unit |
|---|---|
| dt | σ²/D |
| kT | kT_ref |

Source: [ermak1975]. Limits: weak order 1; in a harmonic well of stiffness k the stationary variance is
kT/k / (1 − μ k dt/2), and the step is unstable for μ k dt > 2.

Example:
    >>> Config(kind="brownian", dt=1e-3).build().mobility.item()
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


class Brownian(AbstractDynamics):
    """Euler–Maruyama; all numbers are leaves."""

    dt: Float[Array, ""]
    kT: Schedule
    mobility: Float[Array, ""]

    def init(self, key, system, drive, x, neighbors=None) -> DynState:
        """Start from x; nothing is remembered between steps."""
        del key
        return DynState(drive.project(x), jnp.zeros((), jnp.int32), None, neighbors)

    def step(self, key, system, drive, state) -> tuple[DynState, StepInfo]:
        """One step of all degrees of freedom."""
        kT = self.kT(state.step.astype(self.dt.dtype))

        def drift(f, mobility):
            return self.mobility * mobility * f * self.dt

        def diffusion(noise, mobility):
            return jnp.sqrt(2 * (self.mobility * mobility) * kT * self.dt) * noise

        pushed, mobility = force(system, drive, state), system.mobility()
        noise = normal_like(key, pushed)
        x = system.displace(state.x, jax.tree.map(drift, pushed, mobility))
        x = drive.project(system.displace(x, jax.tree.map(diffusion, noise, mobility)))
        neighbors = system.refresh(state.neighbors, x)
        return DynState(x, state.step + 1, None, neighbors), StepInfo(jnp.ones(()))

    def log_probability(self, system, drive, before, after, memory):
        """−Σ (Δx − μFΔt)²/(4μkTΔt), the noise that this path needs; clamped coordinates need none."""
        kT = self.kT(before.step.astype(self.dt.dtype))

        def noise(step, f, mobility):
            mu = self.mobility * mobility
            return jnp.sum((step - mu * f * self.dt) ** 2 / (4 * mu * kT * self.dt))

        pushed = force(system, drive, before)
        if drive.clamped is not None:
            pushed = jax.tree.map(lambda f, held: jnp.where(held, 0.0, f), pushed, drive.clamped)
        terms = jax.tree.map(noise, system.difference(before.x, after.x), pushed, system.mobility())
        return -sum(jax.tree.leaves(terms)), memory


class Config(Spec):
    """Brownian motion in a scenario."""

    kind: Literal["brownian"]
    known_steps: ClassVar[bool] = True
    smooth: ClassVar[bool] = True
    curved: ClassVar[bool] = True
    dt: float = Field(gt=0, le=1, description="time step, σ²/D", examples=[1e-3])
    kT: NonNegativeSchedule = Field(default=1.0, description="temperature, kT_ref: a number, a ramp or a cycle")
    mobility: float = Field(default=1.0, gt=0, description="overall mobility")

    def check(self, scenario):
        """The step resolves the material's stiffest direction."""
        yield from check_step(self, scenario, stable=1.0 / self.mobility, power=1.0)

    def build(self) -> Brownian:
        """The integrator."""
        return Brownian(jnp.asarray(float(self.dt)), schedule(self.kT), jnp.asarray(float(self.mobility)))
