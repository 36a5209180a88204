"""The chemical Langevin equation: reactions as drift and noise of real numbers, for many molecules.

    n ← n + Σ_r S_r [w_r(n) dt + √(w_r(n) dt) ξ_r],        ξ_r ~ N(0, 1), one per reaction

the Euler–Maruyama step. No reaction, forwards or backwards, takes more molecules than there are, and what several of
them still take too much is cut off at 0. Mean and covariance are those of the exact process where rates are linear in
the numbers, up to the step: a number that relaxes at rate k has its variance multiplied by 1/(1 − k dt/2). Numbers
that a drive clamps are held by a reservoir.

| quantity | unit |
|---|---|
| dt | that of the system's time |

Cost: the same for any number of molecules. Source: [gillespie2000]. Limits: noise of a few molecules is not Gaussian,
and is cut off where numbers come within some standard deviations of 0; a kind that is used up within a step holds what
one step makes. Use gillespie for few molecules.

Example:
    >>> Config(kind="chemical_langevin", dt=1e-3).build().stationary
    'none'
"""

from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from pydantic import Field

from matterlearn.core.dynamics import AbstractDynamics, DynState, StepInfo
from matterlearn.core.reactions import Numbers, check_reacting, check_reactions, propensities
from matterlearn.spec import Problem, Spec

LARGEST_BIAS = 0.1  # of a variance, by the step


class ChemicalLangevin(AbstractDynamics):
    """Euler–Maruyama with numbers cut off at 0."""

    dt: Float[Array, ""]
    stationary: ClassVar[str] = "none"

    def init(self, key, system, drive, x, neighbors=None) -> DynState:
        """Start from x; nothing is remembered between steps."""
        del key
        return DynState(drive.project(x), jnp.zeros((), jnp.int32), None, neighbors)

    def enter(self, system, drive, state):
        """See that there is something that reacts."""
        check_reacting(system, drive)
        return system, drive, state

    def step(self, key, system: Any, drive, state) -> tuple[DynState, StepInfo]:
        """One step of all reactions."""
        events = propensities(system, state.x) * self.dt
        events = events + jnp.sqrt(events) * jax.random.normal(key, events.shape, events.dtype)
        events = jnp.clip(events, -_there(system.changes, state.x), _there(-system.changes, state.x))
        number = jnp.maximum(state.x.number + jnp.sum(events[:, None] * system.changes, 0), 0.0)
        x = drive.project(state.x._replace(number=number))
        return state._replace(x=x, step=state.step + 1), StepInfo(jnp.ones(()))


def _there(taken: Int[np.ndarray, "reaction molecule"], x: Numbers) -> Float[Array, " reaction"]:
    """How often each reaction can take these numbers from what is there."""
    return jnp.min(jnp.where(taken > 0, x.number / np.maximum(taken, 1), jnp.inf), -1)


class Config(Spec):
    """Chemical Langevin equation in a scenario."""

    kind: Literal["chemical_langevin"]
    matter: ClassVar[str] = "reactions"
    dt: float = Field(gt=0, description="time step, in the system's unit of time", examples=[1e-2])

    def check(self, scenario):
        """There are reactions, and the step resolves the fastest of them."""
        yield from check_reactions(self, scenario)
        fastest = getattr(scenario.system, "fastest", 0.0)
        if fastest * self.dt > 2 * LARGEST_BIAS:
            longest = 2 * LARGEST_BIAS / fastest
            yield Problem(
                ("dt",),
                f"{self.dt:g} is too long for a relaxation rate of {fastest:.3g}, variances would be wrong by "
                f"{LARGEST_BIAS:.0%}; use at most {longest:.2g}",
            )

    def build(self) -> ChemicalLangevin:
        """The dynamics."""
        return ChemicalLangevin(jnp.asarray(float(self.dt)))
