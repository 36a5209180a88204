"""Dense associative memory: energies steeper than quadratic in the overlaps, room for far more memories than units.

    E(s) = −(N/n) Σ_μ w_μ m_μⁿ             interaction of n bodies (n = 2 is Hopfield's energy with its diagonal)
    E(s) = −ln Σ_μ w_μ e^{N m_μ}           exponential ("modern") memory

with overlaps m_μ = (1/N) Σ_i ξ_i^μ s_i of spins s_i = ±1. A unit compares the energies of its two values, so nothing
is left of the diagonal. The couplings are c_μ = −ln w_μ: lower c makes a memory stronger.

| quantity | unit |
|---|---|
| E | kT_ref |
| c | 1 |

Source: [krotov2016dense], [demircigil2017model], [ramsauer2021hopfield]. Limits: spins only; a visit costs O(K) and
units are visited one at a time, because gaps are no linear function of the state.

Example:
    >>> system = Config(kind="dense_memory", units=8, memories=3, order=3).build(jax.random.key(0))
    >>> x = NetworkState((system.memory[:, 0] > 0).astype(jnp.int8))
    >>> bool(system.energy(x) < 0)
    True
"""

from typing import Annotated, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from pydantic import Field

from matterlearn.core.network import AbstractNetwork, AbstractNetworkKernel, NetworkState, product, spins
from matterlearn.spec import Spec
from matterlearn.theory import signal_to_noise

EXPONENTIAL = "exponential"


def energy_of(overlap: Float[Array, "*batch memory"], weight: Float[Array, " memory"], units: int, order):
    """E from overlaps [..., memory]."""
    if order == EXPONENTIAL:
        return -jax.nn.logsumexp(units * overlap, axis=-1, b=weight)
    return -units / order * (overlap**order @ weight)


class DenseKernel(AbstractNetworkKernel):
    """Gaps from the overlaps, one unit at a time."""

    low: int = eqx.field(static=True)
    units: int = eqx.field(static=True)
    block: int = eqx.field(static=True)
    order: int | str = eqx.field(static=True)
    memory: Array  # [unit, memory]
    weight: Float[Array, " memory"]

    def summary(self, active):
        """m."""
        return product(self.memory.astype(self.weight.dtype).T, spins(active, self.low)) / self.units

    def gaps(self, summary, active, chosen):
        """E with the unit down minus E with it up."""
        rows = self.memory[chosen].astype(self.weight.dtype) / self.units
        others = summary - rows * spins(active[chosen], self.low)[:, None]
        down, up = (energy_of(others + way * rows, self.weight, self.units, self.order) for way in (-1, 1))
        return down - up

    def response(self, chosen):
        """Not linear, and not asked."""
        raise TypeError("gaps of a dense memory are no linear function of the state; visit one unit at a time")

    def absorb(self, summary, chosen, change):
        """m after the changes."""
        return summary + 2 * (change @ self.memory[chosen].astype(change.dtype)) / self.units


class DenseMemory(AbstractNetwork):
    """Memories and how strong each is; see the module's docstring."""

    coupling: Float[Array, " memory"]
    memory: Int[Array, "unit memory"]
    order: int | str = eqx.field(static=True)
    low: ClassVar[int] = -1

    def energy(self, x: NetworkState, neighbors=None) -> Float[Array, ""]:
        """Energy, kT_ref."""
        s = spins(x.active, self.low)
        overlap = s @ self.memory.astype(s.dtype) / len(s)
        return energy_of(overlap, jnp.exp(-self.coupling), len(s), self.order)

    def init_state(self, key) -> NetworkState:
        """Every unit active or not by the toss of a coin."""
        return NetworkState(jax.random.bernoulli(key, 0.5, self.memory.shape[:1]).astype(jnp.int8))

    def keeping(self, memories: Int[Array, ""], examples: Int[Array, ""]) -> "DenseMemory":
        """The network that stores the first so many memories: the others have no weight."""
        del examples
        kept = jnp.arange(len(self.coupling)) < memories
        return eqx.tree_at(lambda s: s.coupling, self, jnp.where(kept, self.coupling, jnp.inf))

    def first_step(self, memories, examples) -> Float[np.ndarray, " point"]:
        """Overlap with a memory after one parallel step at kT = 0 from it, for numbers of memories.

        That of an exponential memory is 1 within its capacity, for many units, and not known beyond.
        """
        del examples
        units, memories = len(self.memory), np.asarray(memories)
        if self.order == EXPONENTIAL:
            return np.where(np.log(memories) / units < signal_to_noise.exponential_load(0.0), 1.0, np.nan)
        return 1 - 2 * signal_to_noise.dense_bit_error(units, memories, self.order)

    def kernel(self) -> DenseKernel:
        """Gaps from overlaps."""
        return DenseKernel(self.low, len(self.memory), 1, self.order, self.memory, jnp.exp(-self.coupling))


class Config(Spec):
    """Dense associative memory in a scenario."""

    kind: Literal["dense_memory"]
    matter: ClassVar[str] = "network"
    sweeps: ClassVar[tuple[str, ...]] = ("loads",)
    units: int = Field(ge=2, description="number of units N", examples=[6])
    memories: int = Field(ge=1, description="number of memories K, random and independent", examples=[2, 3])
    memory_seed: int = Field(default=0, ge=0, description="seed of the memories")
    order: Literal["exponential"] | Annotated[int, Field(ge=2)] = Field(
        default=3, description="bodies n ≥ 2 of an interaction, or exponential", examples=[3, "exponential"]
    )

    def build(self, key) -> DenseMemory:
        """The system; ``key`` is unused: memories have a seed of their own."""
        del key
        memory = np.random.default_rng(self.memory_seed).integers(0, 2, (self.units, self.memories), np.int8) * 2 - 1
        return DenseMemory(jnp.zeros(self.memories), jnp.asarray(memory), self.order)
