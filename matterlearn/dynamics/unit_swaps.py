"""Swaps of a network's units: an active and an inactive unit exchange, so that the activity Σ s is conserved.

    P(exchange) = min(1, e^{−ΔE/kT}),        ΔE = Δ_i − Δ_j + ∂Δ_j/∂i

for i active and j not: i gives up its gap Δ_i, and j wins its own, less what it owed to i (``response``). Every
active unit may exchange with every inactive one, however far apart they are (Kawasaki dynamics of a network). At
kT = 0 the energy never rises. A drive's ``force`` f adds the field f_i, with its schedule; a clamped unit stays.

A list holds the active units first, then the others. A block of proposals exchanges entries at so many consecutive
places of the first part with as many of the second, from random places on that do not depend on the state: proposals
are symmetric, and as no entry is met twice in a block, energy differences are those at its start, corrected for what
was accepted since. Nothing is approximated.

| quantity | unit |
|---|---|
| kT | kT_ref |
| step | N proposals, N the number of units; fewer where fewer than a block of units are active, or inactive |

Source: [kawasaki1966], [monasson2013crosstalk]. Limits: pair couplings without self-coupling.

Example:
    >>> Config(kind="unit_swaps", kT=0.1).build().stationary
    'boltzmann'
"""

from typing import Any, ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int
from pydantic import Field

from matterlearn.core.bits import Bits, uniform
from matterlearn.core.dynamics import AbstractDynamics, DynState, StepInfo
from matterlearn.core.matter import check_matter
from matterlearn.core.network import AbstractNetworkKernel
from matterlearn.core.schedule import Schedule, schedule
from matterlearn.dynamics._networks import field_gap, require_network
from matterlearn.spec import NonNegativeSchedule, Problem, Spec


class Roster(NamedTuple):
    """Units in a list, those that are active first; the summary of the network follows from the state."""

    unit: Int[Array, " unit"]
    summary: Any


class UnitSwaps(AbstractDynamics):
    """Exchanges of active and inactive units."""

    kT: Schedule

    conserving: ClassVar[bool] = True

    def init(self, key, system, drive, x, neighbors=None) -> DynState:
        """Start from x with clamped units on their targets."""
        del key, system
        x = drive.project(x)
        unit = jnp.argsort(-x.active, stable=True).astype(jnp.int32)
        return DynState(x, jnp.zeros((), jnp.int32), Roster(unit, None), neighbors)

    def enter(self, system, drive, state):
        """Summarise the state.

        Raises:
            TypeError: if the system is not a network, or has more than pair couplings.
            ValueError: if the drive tethers, which only continuous states can follow.
        """
        kernel = require_network(system, drive).kernel()
        if kernel.block == 1:
            raise TypeError(f"swaps need pair couplings, which {type(system).__name__} does not have")
        return kernel, drive, state._replace(memory=state.memory._replace(summary=kernel.summary(state.x.active)))

    def leave(self, system, state):
        """The state without its summary, which follows from it."""
        del system
        return state._replace(memory=state.memory._replace(summary=None))

    def step(self, key, system: Any, drive: Any, state):
        """N proposals."""
        size = max(1, min(system.block, system.units) // 2)
        bits, blocks = Bits(key), -(-system.units // size)
        count = jnp.sum(state.x.active.astype(jnp.int32))
        tolerance = -self.kT(state.step.astype(float)) * jnp.log(uniform(*bits.draw((blocks, size))))
        places = slots(uniform(*bits.draw((blocks, 2))), count, system.units, size)

        def one(carry, proposals):
            place, tolerance = proposals
            chosen = carry[0].unit[place]
            free = jnp.arange(size) < jnp.minimum(count, system.units - count)
            if drive.clamped is not None:
                free &= ~jnp.any(drive.clamped.active[chosen].reshape(2, size), 0)
            extra = field_gap(system, drive, state.step, chosen)
            moved = decide(system, carry, Proposals(chosen, tolerance, free, extra))
            return exchange(system, carry, place, moved), jnp.mean(moved.astype(float))

        (roster, active), accepted = jax.lax.scan(one, (state.memory, state.x.active), (places, tolerance))
        after = state._replace(x=state.x._replace(active=active), step=state.step + 1, memory=roster)
        return after, StepInfo(jnp.mean(accepted))


class Proposals(NamedTuple):
    """Units to exchange: the active ones, then the others; the energies they may cost, whether they may, fields."""

    chosen: Int[Array, " 2*size"]
    tolerance: Float[Array, " size"]
    free: Bool[Array, " size"]
    extra: Float[Array, " 2*size"]


def slots(
    start: Float[Array, "block 2"], count: Int[Array, ""], units: int, size: int
) -> Int[Array, "block 2*size"]:
    """Consecutive places of the list in both of its parts, from a random place of each on and round again.

    >>> slots(jnp.array([[0.9, 0.1]]), jnp.asarray(4), 10, 2).tolist()
    [[3, 0, 4, 5]]
    """
    length = jnp.maximum(jnp.stack([count, units - count]), 1)
    first = jnp.minimum((start * length).astype(jnp.int32), length - 1)
    along = (first[:, :, None] + jnp.arange(size)) % length[:, None]
    return jnp.minimum(along + jnp.stack([jnp.zeros_like(count), count])[:, None], units - 1).reshape(-1, 2 * size)


def decide(kernel: AbstractNetworkKernel, carry, proposals: Proposals) -> Bool[Array, " size"]:
    """Which exchanges are made, one after the other: costs at the start, corrected by what was accepted since."""
    (_, summary), active = carry
    chosen, tolerance, free, extra = proposals
    size = len(free)
    gap, response = kernel.gaps(summary, active, chosen) + extra, kernel.response(chosen)
    cost = gap[:size] - gap[size:] + jnp.diagonal(response[size:, :size])
    felt = response[:size] - response[size:]
    felt = felt[:, size:] - felt[:, :size]  # by how much one exchange makes another dearer

    def one(b, moved):
        return moved.at[b].set(jnp.where(free[b] & (cost[b] + felt[b] @ moved < tolerance[b]), 1.0, 0.0))

    return jax.lax.fori_loop(0, size, one, jnp.zeros_like(cost)) > 0


def exchange(kernel: AbstractNetworkKernel, carry, place: Int[Array, " 2*size"], moved: Bool[Array, " size"]):
    """Roster and state after the accepted exchanges."""
    (unit, summary), active = carry
    chosen, size = unit[place], len(moved)
    change = jnp.concatenate([-moved.astype(active.dtype), moved.astype(active.dtype)])
    # Added, not set: where a part is shorter than the block its places come more than once, once of them free.
    turn = jnp.where(moved, chosen[size:] - chosen[:size], 0)
    unit = unit.at[place].add(jnp.concatenate([turn, -turn]))
    summary = kernel.absorb(summary, chosen, change.astype(float))
    return Roster(unit, summary), active.at[chosen].add(change)


class Config(Spec):
    """Swaps of units in a scenario."""

    kind: Literal["unit_swaps"]
    matter: ClassVar[str] = "network"
    conserving: ClassVar[bool] = True
    kT: NonNegativeSchedule = Field(
        default=0.0, description="temperature, kT_ref: a number, a ramp or a cycle", examples=[1.0, 0.8]
    )

    def check(self, scenario):
        """There is a network with pair couplings."""
        yield from check_matter(self, scenario)
        if scenario.system.kind == "dense_memory" or getattr(scenario.system, "self_coupling", 0):
            yield Problem(("kind",), f"needs pair couplings and no self-coupling, unlike this {scenario.system.kind!r}")

    def build(self) -> UnitSwaps:
        """The dynamics."""
        return UnitSwaps(schedule(self.kT))
