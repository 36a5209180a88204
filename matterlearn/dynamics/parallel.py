"""Parallel dynamics of a network (Little): all units see the same state and decide at once.

    P(x_t+1 | x_t) = Π_i 1/(1 + e^{∓Δ_i(x_t)/kT})        − for units that become active, + for the others

Its stationary law is not the Boltzmann law of E: for symmetric couplings of spins it is that of Peretto's energy,
−kT Σ_i ln 2 cosh(φ_i/kT). At kT = 0 runs end in a fixed point or in a cycle of two states, never in a longer one. The
memory of the state holds the two states before, so that cycles are seen (observable ``period``).

| quantity | unit |
|---|---|
| kT | kT_ref |
| step | one decision of every unit |

Source: [little1974], [peretto1984]. Limits: a drive's force acts as a field, with its schedule; see ``sequential``.

Example:
    >>> Config(kind="parallel").build().stationary
    'none'
"""

from typing import Any, ClassVar, Literal, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Int
from pydantic import Field

from matterlearn.core.bits import Bits
from matterlearn.core.dynamics import AbstractDynamics, DynState, StepInfo
from matterlearn.core.matter import check_matter
from matterlearn.core.network import decide, logistic
from matterlearn.core.schedule import Schedule, schedule
from matterlearn.dynamics._networks import field_gap, require_network
from matterlearn.spec import NonNegativeSchedule, Spec


class History(NamedTuple):
    """The states one and two steps ago."""

    previous: Int[Array, " unit"]
    before: Int[Array, " unit"]


class Parallel(AbstractDynamics):
    """All units at once."""

    kT: Schedule
    stationary: ClassVar[str] = "none"

    def init(self, key, system, drive, x, neighbors=None) -> DynState:
        """Start from x with clamped units on their targets; its history is that nothing was like it."""
        del key, system
        x = drive.project(x)
        other = 1 - x.active
        return DynState(x, jnp.zeros((), jnp.int32), History(other, other), neighbors)

    def enter(self, system, drive, state):
        """Refuse what is no network.

        Raises:
            TypeError: if the system is not a network.
            ValueError: if the drive tethers, which only continuous states can follow.
        """
        return require_network(system, drive).kernel(), drive, state

    def step(self, key, system: Any, drive: Any, state):
        """One decision of every unit."""
        now, every = state.x.active, slice(None)
        gaps = system.gaps(system.summary(now), now, every) + field_gap(system, drive, state.step, every)
        noise = logistic(*Bits(key).draw(now.shape))
        active = decide(gaps, noise, self.kT(state.step.astype(float)), now).astype(now.dtype)
        if drive.clamped is not None:
            active = jnp.where(drive.clamped.active, now, active)
        changed = jnp.mean((active != now).astype(float))
        memory = History(now, state.memory.previous)
        after = state._replace(x=state.x._replace(active=active), step=state.step + 1, memory=memory)
        return after, StepInfo(changed)


class Config(Spec):
    """Parallel dynamics of a network in a scenario."""

    kind: Literal["parallel"]
    matter: ClassVar[str] = "network"
    stationary: ClassVar[str] = "none"
    kT: NonNegativeSchedule = Field(
        default=0.0, description="temperature, kT_ref: a number, a ramp or a cycle", examples=[1.0]
    )

    def check(self, scenario):
        """There is a network."""
        yield from check_matter(self, scenario)

    def build(self) -> Parallel:
        """The dynamics."""
        return Parallel(schedule(self.kT))
