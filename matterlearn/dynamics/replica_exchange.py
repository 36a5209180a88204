"""Replica exchange (parallel tempering): copies of the matter on a ladder of temperatures, which swap places.

    accept copies k, k + 1 trading temperatures with probability min(1, exp[(1/kT_k − 1/kT_{k+1}) (E_k − E_{k+1})])

The first temperature is the one that is asked for; the others carry the copies over barriers. Even and odd pairs of
neighbours take turns. The memory of the state holds the other copies and what tells whether the ladder works: how
often each pair of neighbours traded (a fifth to a half is good), and how often a walker came back to the first
temperature from the last.

| quantity | unit |
|---|---|
| kT | kT_ref |
| step | ``every`` sweeps of every copy, then one round of trades |

Source: [hukushima1996]. Limits: costs one ladder of copies per replica; what starts from a sample of the first
temperature alone starts all copies there, and the others need time to warm up.

Example:
    >>> ladder = {"coldest": 0.5, "hottest": 2.0, "count": 3}
    >>> Config(kind="replica_exchange", ladder=ladder).build().ladder.tolist()
    [0.5, 1.0, 2.0]
"""

from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int
from pydantic import Field

from matterlearn.core.bits import Bits, uniform
from matterlearn.core.dynamics import AbstractDynamics, DynState
from matterlearn.core.sampler import AbstractMove, Sampler
from matterlearn.core.schedule import Constant
from matterlearn.dynamics._moves import Move, built, check_moves
from matterlearn.spec import Problem, Spec


class Ladder(NamedTuple):
    """Copies at all temperatures but the first, and the history of trades.

    ``walker`` says who is at which temperature, ``returning`` which walkers have met the last temperature since they
    were at the first, ``round_trips`` how often that was completed.
    """

    copies: Any
    attempted: Int[Array, " pair"]
    accepted: Int[Array, " pair"]
    walker: Int[Array, " copy"]
    returning: Array
    round_trips: Int[Array, " walker"]

    def acceptance(self) -> Float[Array, " pair"]:
        """Fraction of trades accepted between each pair of neighbouring temperatures."""
        return self.accepted / jnp.maximum(self.attempted, 1)


class ReplicaExchange(AbstractDynamics):
    """A ladder of samplers; the sample is that at the first temperature."""

    ladder: Float[Array, " copy"]
    moves: tuple[AbstractMove, ...]
    every: int = eqx.field(static=True)

    @property
    def kT(self) -> Constant:
        """The first temperature."""
        return Constant(self.ladder[0])

    def init(self, key, system, drive, x, neighbors=None) -> DynState:
        """All copies start from x with clamped sites on their targets."""
        state = Sampler(self.kT, self.moves).init(key, system, drive, x, neighbors)
        n = len(self.ladder)
        copies = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (n - 1, *leaf.shape)), state.x)
        none = jnp.zeros(n - 1, jnp.int32)
        memory = Ladder(copies, none, none, jnp.arange(n), jnp.zeros(n, bool), jnp.zeros(n, jnp.int32))
        return state._replace(memory=memory)

    def remember(self, state):
        """All copies, with the history of their trades."""
        return state.x, state.memory

    def resume(self, key, system, drive, kept, neighbors=None):
        """The copies where they were, with clamped sites on their targets."""
        del key, system
        x, memory = kept
        memory = memory._replace(copies=jax.vmap(drive.project)(memory.copies))
        return DynState(drive.project(x), jnp.zeros((), jnp.int32), memory, neighbors)

    def enter(self, system, drive, state):
        """Tabulate local energies; from here on the state holds all copies, laid out by colour."""
        kernel, clamped, first = Sampler(self.kT, self.moves).enter(system, drive, state)
        others = jax.vmap(kernel.split)(state.memory.copies)
        x = jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), first.x, others)
        return (system, kernel), clamped, state._replace(x=x, memory=state.memory._replace(copies=None))

    def leave(self, system: Any, state):
        """The sample at the first temperature, the others in memory."""
        x = jax.vmap(system[1].join)(state.x)
        copies = jax.tree.map(lambda leaf: leaf[1:], x)
        first = jax.tree.map(lambda leaf: leaf[0], x)
        return state._replace(x=first, memory=state.memory._replace(copies=copies))

    def step(self, key, system: Any, drive: Any, state):
        """Sweeps of every copy, then trades between even or odd neighbours; all as :meth:`enter` returned it."""
        energy, kernel = system

        def sweep(number, carry):
            x, _ = carry
            keys = jax.random.split(jax.random.fold_in(key, number), len(self.ladder))

            def one(key, kT, x):
                sampler = Sampler(Constant(kT), self.moves)
                moved, info = sampler.step(key, kernel, drive, DynState(x, state.step))
                return moved.x, info

            return jax.vmap(one)(keys, self.ladder, x)

        unknown = jax.eval_shape(lambda: sweep(0, (state.x, None))[1])
        start = state.x, jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), unknown)
        x, info = jax.lax.fori_loop(0, self.every, sweep, start)
        energies = jax.vmap(lambda parts: energy.energy(kernel.join(parts)))(x)
        words = Bits(jax.random.fold_in(key, self.every)).draw((len(self.ladder) - 1,))
        order, memory = self.trade(state.memory, energies, uniform(*words), state.step)
        x = jax.tree.map(lambda leaf: leaf[order], x)
        info = jax.tree.map(lambda leaf: leaf[0], info)
        return state._replace(x=x, step=state.step + 1, memory=memory), info

    def trade(
        self, memory: Ladder, energies: Float[Array, " copy"], lot: Float[Array, " pair"], step: Int[Array, ""]
    ) -> tuple[Int[Array, " copy"], Ladder]:
        """Which copy comes to each temperature, and the history with this round in it."""
        n = len(self.ladder)
        slope = 1 / self.ladder[:-1] - 1 / self.ladder[1:]
        turn = jnp.arange(n - 1) % 2 == step % 2
        accept = turn & (jnp.log(lot) <= slope * (energies[:-1] - energies[1:]))
        up = accept.astype(jnp.int32)
        order = jnp.arange(n) + jnp.append(up, 0) - jnp.append(0, up)
        walker = memory.walker[order]
        back = jnp.arange(n) == walker[0]
        trips = memory.round_trips + (back & memory.returning)
        returning = (memory.returning & ~back) | (jnp.arange(n) == walker[-1])
        return order, Ladder(
            None, memory.attempted + turn, memory.accepted + accept, walker, returning, trips.astype(jnp.int32)
        )  # fmt: skip


class Spaced(Spec):
    """Temperatures in equal ratios."""

    coldest: float = Field(gt=0, description="first temperature, kT_ref: the one that is asked for")
    hottest: float = Field(gt=0, description="last temperature, kT_ref")
    count: int = Field(ge=2, le=256, description="number of temperatures")
    spacing: Literal["geometric"] = Field(default="geometric", description="equal ratios of neighbours")


class Config(Spec):
    """Replica exchange in a scenario."""

    kind: Literal["replica_exchange"]
    matter: ClassVar[str] = "discrete"
    ladder: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=2)] | Spaced = Field(
        description="temperatures, kT_ref: increasing numbers, or {coldest, hottest, count}; the first is the sample's",
        examples=[[0.8, 1.2, 2.0], {"coldest": 1.0, "hottest": 2.0, "count": 2}],
    )
    moves: list[Move] = Field(
        default=[Move(kind="metropolis")], min_length=1, description="kinds of moves and how many sweeps of each",
        examples=[[{"kind": "metropolis"}], [{"kind": "kawasaki"}, {"kind": "heat_bath"}]],
    )  # fmt: skip
    every: int = Field(default=1, ge=1, description="rounds of moves between trades", examples=[2, 1])

    @property
    def temperatures(self) -> list[float]:
        """The ladder in numbers."""
        if isinstance(self.ladder, list):
            return self.ladder
        ratio = (self.ladder.hottest / self.ladder.coldest) ** (1 / (self.ladder.count - 1))
        return [self.ladder.coldest * ratio**k for k in range(self.ladder.count)]

    @property
    def kT(self) -> float:
        """Temperature of the sample."""
        return self.temperatures[0]

    def check(self, scenario):
        """Temperatures increase, and every move suits the system."""
        kT = self.temperatures
        if any(cold >= hot for cold, hot in zip(kT, kT[1:], strict=False)):
            yield Problem(("ladder",), "temperatures do not increase; the first is the coldest")
        yield from check_moves(self.moves, scenario)

    def build(self) -> ReplicaExchange:
        """The dynamics."""
        return ReplicaExchange(jnp.asarray(self.temperatures, float), built(self.moves), self.every)
