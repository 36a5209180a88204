"""Sequential dynamics of a network: one unit after the other sees its field and decides.

    P(s_i = 1) = 1/(1 + e^{−Δ_i/kT}),        Δ_i = E(s_i = low) − E(s_i = 1)

the heat bath of networks, where everybody feels everybody (Glauber). At kT = 0 the energy never rises (its Lyapunov
function is E, for symmetric couplings without self-coupling, or with one that holds units where they are) and every
run ends in a state where no unit wants to change. A drive's ``force`` f adds the field f_i, with its schedule.

``order: random`` visits N units drawn anew for every replica and step (some twice, some not at all: the textbook's
random-site dynamics), ``order: fixed`` every unit once, by number. Both sample the Boltzmann law; the fixed order
lets all replicas share one matrix product per block, which is several times faster.

| quantity | unit |
|---|---|
| kT | kT_ref |
| step | N visits, N the number of units |

Source: [glauber1963], [hopfield1982neural]. Limits: single visits cost O(K) for K stored patterns, O(N) for a full
matrix.

Example:
    >>> Config(kind="sequential", kT=0.1).build().kT(0.0).item()
    0.10000000149011612
"""

from typing import Any, ClassVar, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int
from pydantic import Field

from matterlearn.core.bits import Bits
from matterlearn.core.dynamics import AbstractDynamics, DynState, StepInfo
from matterlearn.core.matter import check_matter
from matterlearn.core.network import AbstractNetworkKernel, decide, logistic
from matterlearn.core.schedule import Schedule, schedule
from matterlearn.dynamics._networks import field_gap, require_network
from matterlearn.spec import NonNegativeSchedule, Spec

ORDERS = {
    "fixed": lambda key, units: jnp.arange(units),
    "random": lambda key, units: jax.random.randint(key, (units,), 0, units),
}


class Sequential(AbstractDynamics):
    """Visits in order; the memory of a running state is the network's summary."""

    kT: Schedule
    order: str = eqx.field(static=True)

    def init(self, key, system, drive, x, neighbors=None) -> DynState:
        """Start from x with clamped units on their targets."""
        del key
        return DynState(drive.project(x), jnp.zeros((), jnp.int32), None, neighbors)

    def enter(self, system, drive, state):
        """Summarise the state.

        Raises:
            TypeError: if the system is not a network.
            ValueError: if the drive tethers, which only continuous states can follow.
        """
        kernel = require_network(system, drive).kernel()
        return kernel, drive, state._replace(memory=kernel.summary(state.x.active))

    def leave(self, system, state):
        """The state without its summary, which follows from it."""
        del system
        return state._replace(memory=None)

    def step(self, key, system: Any, drive: Any, state):
        """N visits."""
        n, size = system.units, min(system.block, system.units)
        blocks = -(-n // size)
        kT = self.kT(state.step.astype(float))
        noise = logistic(*Bits(key).draw((blocks, size)))
        order = jnp.resize(ORDERS[self.order](jax.random.fold_in(key, 0), n), (blocks, size))
        free = jnp.arange(blocks * size).reshape(blocks, size) < n  # the last block may be longer than what is left
        if drive.clamped is not None:
            free &= ~drive.clamped.active[order]
        visits = Visits(order, noise, free, field_gap(system, drive, state.step, order))
        one = lambda carry, block: (visit_block(system, carry[0], carry[1], block, kT), None)  # noqa: E731
        (summary, active), _ = jax.lax.scan(one, (state.memory, state.x.active), visits)
        changed = jnp.mean((active != state.x.active).astype(float))
        after = state._replace(x=state.x._replace(active=active), step=state.step + 1, memory=summary)
        return after, StepInfo(changed)


class Visits(NamedTuple):
    """Which units are visited, their noise, whether they may change, and what the drive adds to their gaps."""

    chosen: Int[Array, "*block visit"]
    noise: Float[Array, "*block visit"]
    free: Bool[Array, "*block visit"]
    extra: Float[Array, "*block visit"]


def visit_block(
    kernel: AbstractNetworkKernel, summary: Any, active: Int[Array, " unit"], visits: Visits, kT: Float[Array, ""]
) -> tuple[Any, Int[Array, " unit"]]:
    """Visit units one after the other, exactly: gaps at the start, corrected by what changed since."""
    chosen, noise, free, extra = visits
    size = chosen.shape[0]
    gaps, before = kernel.gaps(summary, active, chosen) + extra, active[chosen].astype(extra.dtype)
    response = kernel.response(chosen) if size > 1 else jnp.zeros((1, 1), gaps.dtype)
    again = (chosen[:, None] == chosen).astype(gaps.dtype)  # a unit may be drawn more than once

    def one(b, change):
        now = before[b] + again[b] @ change
        wanted = decide(gaps[b] + response[b] @ change, noise[b], kT, now).astype(gaps.dtype)
        return change.at[b].set(jnp.where(free[b], wanted - now, 0.0))

    change = jax.lax.fori_loop(0, size, one, jnp.zeros_like(gaps))
    return kernel.absorb(summary, chosen, change), active.at[chosen].add(change.astype(active.dtype))


class Config(Spec):
    """Sequential dynamics of a network in a scenario."""

    kind: Literal["sequential"]
    matter: ClassVar[str] = "network"
    kT: NonNegativeSchedule = Field(
        default=0.0, description="temperature, kT_ref: a number, a ramp or a cycle", examples=[1.0, 0.8]
    )
    order: Literal["fixed", "random"] = Field(
        default="fixed", description="every unit once by number, or units drawn at random", examples=["fixed", "random"]
    )

    def check(self, scenario):
        """There is a network."""
        yield from check_matter(self, scenario)

    def build(self) -> Sequential:
        """The dynamics."""
        return Sequential(schedule(self.kT), self.order)
