"""Exact stochastic simulation of chemical reactions: every event at its own time.

    waiting time ~ Exp(Σ_r w_r(n)),        reaction r with probability w_r(n) / Σ_s w_s(n)

One step is a duration dt, which any number of events may fill; what is left of the last waiting time at its end is
drawn anew, which the exponential law forgets. Numbers that a drive clamps are held by a reservoir: reactions that
change them happen, and leave them as they are.

| quantity | unit |
|---|---|
| dt | that of the system's time |

Cost: one pass of a loop per event, so the time of a run is proportional to the molecules; replicas wait for the one
with the most events in each step. For 10⁶ molecules use chemical_langevin. Source: [gillespie1977]. Limits: numbers
below 2²⁴, rates that do not depend on time.

Example:
    >>> Config(kind="gillespie", dt=0.5).build().dt.item()
    0.5
"""

import itertools
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
from pydantic import Field

from matterlearn.core.bits import Bits, uniform
from matterlearn.core.dynamics import AbstractDynamics, DynState, StepInfo
from matterlearn.core.reactions import Numbers, check_reacting, check_reactions, propensities
from matterlearn.spec import Problem, Spec

MOST_EVENTS = 2**31  # per step: draws that one key gives
LONG_RUN = 1e8  # events per replica: hours


class Gillespie(AbstractDynamics):
    """Gillespie's direct method."""

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
        """All events of a duration dt."""
        words = Bits(key).sequence((2,), MOST_EVENTS)

        def draw(numbers, time, event):
            """The next reaction and its time."""
            rates = propensities(system, Numbers(jnp.stack(numbers)))
            # Added one by one: any other order may round so that a reaction of rate 0 is chosen.
            ladder = list(itertools.accumulate(rates))
            wait, choice = uniform(*words(event))
            chosen = sum((rung < choice * ladder[-1]).astype(jnp.int32) for rung in ladder)
            return chosen, time - jnp.log(wait) / ladder[-1]

        def happen(carry):
            numbers, (chosen, time), event = carry
            numbers = [
                n + sum(jnp.where(chosen == r, float(c), 0.0) for r, c in enumerate(column) if c)
                for n, column in zip(numbers, system.changes.T, strict=True)
            ]
            numbers = list(drive.project(Numbers(jnp.stack(numbers))).number)
            return numbers, draw(numbers, time, event + 1), event + 1

        zero = jnp.zeros((), jnp.int32)
        # Scalars one by one: under vmap they become vectors over replicas, which a processor handles best.
        numbers = list(state.x.number)
        start = numbers, draw(numbers, jnp.zeros_like(self.dt), zero), zero
        numbers, _, _ = jax.lax.while_loop(lambda carry: carry[1][1] < self.dt, happen, start)
        x = Numbers(jnp.stack(numbers))
        return state._replace(x=x, step=state.step + 1), StepInfo(jnp.ones(()))


class Config(Spec):
    """Exact reactions in a scenario."""

    kind: Literal["gillespie"]
    matter: ClassVar[str] = "reactions"
    dt: float = Field(gt=0, description="duration of a step, in the system's unit of time", examples=[0.1])

    def check(self, scenario):
        """There are reactions, and not too many events."""
        yield from check_reactions(self, scenario)
        events = getattr(scenario.system, "events", 0.0) * self.dt * scenario.run.steps
        if events > LONG_RUN:
            yield Problem(
                ("kind",),
                f"about {events:.0e} events per replica would take hours; use chemical_langevin, or fewer molecules",
            )

    def build(self) -> Gillespie:
        """The dynamics."""
        return Gillespie(jnp.asarray(float(self.dt)))
