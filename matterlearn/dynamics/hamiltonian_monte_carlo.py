"""Hamiltonian Monte Carlo: matter is thrown with thermal velocities, flies, and lands where Metropolis allows it.

    v ~ N(0, kT/m),    L leapfrog steps of m dv/dt = −∂E/∂x,    accept with probability min(1, exp(−Δ(E + ½ m v²)/kT))

Exact at any step size: the integrator's error only costs acceptance (the recorded one should be 0.6 to 0.9). The time
step of every flight is drawn from dt(1 ± jitter), so no harmonic mode is brought back to where it was by flights of
just its period. Clamped coordinates have no force: they fly freely, which changes no difference of energies, and are
put back. blackjax makes the flights, at unit temperature in x with mass m/kT.

| quantity | unit |
|---|---|
| dt | √(m σ²/kT_ref) |
| kT | kT_ref |
| step | one flight: L + 1 forces |

Source: [duane1987], [neal2011]; blackjax [cabezas2024]. Limits: flat space, kT > 0; energies of all pairs, since
lists of neighbours could become stale in flight.

Example:
    >>> Config(kind="hamiltonian_monte_carlo", dt=0.1, leaps=8).build().leaps
    8
"""

from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float
from pydantic import Field

from matterlearn.core.dynamics import AbstractDynamics, DynState, StepInfo, potential
from matterlearn.core.matter import check_matter
from matterlearn.core.schedule import Schedule, schedule
from matterlearn.spec import PositiveSchedule, Spec


class HamiltonianMonteCarlo(AbstractDynamics):
    """Flights of ``leaps`` leapfrog steps."""

    dt: Float[Array, ""]
    kT: Schedule
    jitter: Float[Array, ""]
    leaps: int = eqx.field(static=True)

    def init(self, key, system, drive, x, neighbors=None) -> DynState:
        """Start from x; nothing is remembered between flights."""
        del key
        return DynState(drive.project(x), jnp.zeros((), jnp.int32), None, neighbors)

    def step(self, key, system, drive, state) -> tuple[DynState, StepInfo]:
        """One flight."""
        from blackjax.mcmc import hmc  # at the top of the module it would start a backend before devices are chosen

        kT = self.kT(state.step.astype(self.dt.dtype))
        alone = state._replace(neighbors=None)

        def log_density(x):
            return -potential(system, drive, alone._replace(x=drive.project(x))) / kT

        lengthen, fly = jax.random.split(key)
        dt = self.dt * (1 + self.jitter * jax.random.uniform(lengthen, minval=-1.0))
        lightness = jax.tree.map(lambda m, leaf: jnp.broadcast_to(kT / m, leaf.shape), system.inertia(), state.x)
        flight: Any = hmc.build_kernel()
        ground = hmc.init(state.x, log_density)
        landed, info = flight(fly, ground, log_density, dt, ravel_pytree(lightness)[0], self.leaps)
        x = drive.project(landed.position)
        moved = DynState(x, state.step + 1, None, system.refresh(state.neighbors, x))
        return moved, StepInfo(jnp.asarray(info.acceptance_rate))


class Config(Spec):
    """Hamiltonian Monte Carlo in a scenario."""

    kind: Literal["hamiltonian_monte_carlo"]
    dt: float = Field(default=0.1, gt=0, description="time step of the flight, √(m σ²/kT_ref)", examples=[0.2])
    leaps: int = Field(default=10, ge=1, le=1000, description="leapfrog steps L of a flight", examples=[3])
    kT: PositiveSchedule = Field(default=1.0, description="temperature, kT_ref: a number, a ramp or a cycle")
    jitter: float = Field(default=0.2, ge=0, lt=1, description="the time step varies by this fraction, up and down")

    def check(self, scenario):
        """There are coordinates that move continuously."""
        yield from check_matter(self, scenario)

    def build(self) -> HamiltonianMonteCarlo:
        """The sampler."""
        dt, jitter = (jnp.asarray(float(value)) for value in (self.dt, self.jitter))
        return HamiltonianMonteCarlo(dt, schedule(self.kT), jitter, self.leaps)
