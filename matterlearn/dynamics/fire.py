"""Quench to the nearest energy minimum by FIRE, the fast inertial relaxation engine (jax-md's implementation).

Damped molecular dynamics that stops and shortens its step whenever force and velocity oppose each other. There is no
temperature. Source: [bitzek2006structural], [jaxmd2020]. Limits: finds a local minimum; needs a differentiable energy.

Example:
    >>> Config(kind="fire", dt=0.01).build().dt
    0.01
"""

from typing import ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from pydantic import Field

from matterlearn.core.dynamics import AbstractDynamics, DynState, StepInfo, force
from matterlearn.core.mixture import check_step
from matterlearn.spec import Spec


class Fire(AbstractDynamics):
    """FIRE; the memory of the state is jax-md's own."""

    dt: float = eqx.field(static=True)  # jax-md takes these as constants
    dt_max: float = eqx.field(static=True)

    stationary: ClassVar = "none"

    def init(self, key, system, drive, x, neighbors=None) -> DynState:
        """Start from x at rest."""
        del key
        state = DynState(drive.project(x), jnp.zeros((), jnp.int32), None, neighbors)
        start, _ = self._minimiser(system, drive, state)
        mass = jax.tree.map(lambda _: jnp.ones(()), state.x)
        return state._replace(memory=jax.tree.map(self._at_full_precision, start(state.x, mass=mass)))

    @staticmethod
    def _at_full_precision(leaf):
        """jax-md stores its constants in the smallest type that holds them, half precision for 0.01."""
        return jnp.asarray(leaf, float) if jnp.issubdtype(jnp.result_type(leaf), jnp.floating) else jnp.asarray(leaf)

    def step(self, key, system, drive, state) -> tuple[DynState, StepInfo]:
        """One FIRE step."""
        del key
        _, move = self._minimiser(system, drive, state)
        memory = move(state.memory)
        x = drive.project(memory.position)
        memory = memory.set(position=x)
        return DynState(x, state.step + 1, memory, system.refresh(state.neighbors, x)), StepInfo(jnp.ones(()))

    def _minimiser(self, system, drive, state):
        from jax_md import minimize

        def pull(x, **_):
            return force(system, drive, state._replace(x=x))

        def shift(x, dx, **_):
            return x + dx

        return minimize.fire_descent(pull, shift, dt_start=self.dt, dt_max=self.dt_max)


class Config(Spec):
    """FIRE in a scenario."""

    kind: Literal["fire"]
    smooth: ClassVar[bool] = True
    minimises: ClassVar[bool] = True
    dt: float = Field(default=0.002, gt=0, description="first time step, √(m σ²/kT_ref)")
    dt_max: float = Field(default=0.01, gt=0, description="longest time step, √(m σ²/kT_ref)")

    def check(self, scenario):
        """The longest step resolves the material's stiffest direction."""
        yield from check_step(self, scenario, stable=0.5, power=0.5, step="dt_max")

    def build(self) -> Fire:
        """The minimiser."""
        return Fire(float(self.dt), float(self.dt_max))
