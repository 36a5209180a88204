"""Networks: units of two values that all feel each other.

    s_i ∈ {low, 1},  low = −1 (spins) or 0 (threshold units);        state: active_i = 1 where s_i = 1, else 0

Where everybody is everybody's neighbour no two units may be updated independently, so the colours of lattice matter
(see ``matterlearn.core.discrete``) do not help. Its kernel offers instead the *gap* of each unit,

    Δ_i = E(s_i = low) − E(s_i = 1) = (1 − low) φ_i        with φ_i the local field in the usual words,

and a *summary* of the state from which gaps follow and which is cheap to keep: the overlaps with stored patterns, or
all fields. Units are visited in blocks: gaps of a block at its start are one matrix product for all replicas, and
what its units do to each other within the block is the block's own small response matrix. So nothing is approximated.

Every unit follows, one at a time or all at once,

    P(s_i = 1) = 1/(1 + e^{−Δ_i/kT}),

which at kT = 0 is the threshold unit s_i = 1 where Δ_i > 0; a unit without preference stays as it is.
"""

import abc
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, UInt32

from matterlearn.core.bits import uniform
from matterlearn.core.system import AbstractSystem


class NetworkState(NamedTuple):
    """Which units are at their upper value."""

    active: Int[Array, " unit"]


Chosen = Any  # Int[Array, " block"] or a slice


class AbstractNetworkKernel(eqx.Module):
    """Gaps of one network at its present couplings.

    ``low`` is the lower value of a unit, ``units`` their number, ``block`` how many of them a sequential sweep may
    take at once. With a block of 1, :meth:`response` is never asked. ``chosen`` is a list of units or a slice.
    """

    low: eqx.AbstractVar[int]
    units: eqx.AbstractVar[int]
    block: eqx.AbstractVar[int]

    @abc.abstractmethod
    def summary(self, active: Int[Array, " unit"]) -> Any:
        """What the gaps follow from, at one state."""

    @abc.abstractmethod
    def gaps(self, summary: Any, active: Int[Array, " unit"], chosen: Chosen) -> Float[Array, " block"]:
        """Δ of the chosen units, each with all others as they are, kT_ref."""

    @abc.abstractmethod
    def response(self, chosen: Chosen) -> Float[Array, "block block"]:
        """By how much Δ of chosen unit a grows when chosen unit b becomes active, kT_ref."""

    @abc.abstractmethod
    def absorb(self, summary: Any, chosen: Chosen, change: Float[Array, " block"]) -> Any:
        """The summary after ``active`` of the chosen units has changed by −1, 0 or 1 each."""


class AbstractNetwork(AbstractSystem):
    """A system of two-valued units that all feel each other."""

    dims: ClassVar = {"active": ("unit",)}

    @abc.abstractmethod
    def kernel(self) -> AbstractNetworkKernel:
        """Gaps at the present couplings; traced, built once per loop over sweeps."""

    def log_conditionals(self, x: NetworkState, kT: Float[Array, ""]) -> NetworkState:
        """ln P(s_i | all others) of every unit at x; differentiable in the couplings."""
        kernel = self.kernel()
        gaps = kernel.gaps(kernel.summary(x.active), x.active, slice(None)) / kT
        return NetworkState(jax.nn.log_sigmoid(jnp.where(x.active > 0, gaps, -gaps)))


MOST_STATES = 2**20
BLOCK = 2**12  # states that are summed at once


def log_sum_over_states(
    weight: Callable[[Int[Array, " unit"]], Float[Array, ""]], units: int
) -> Float[Array, ""] | None:
    """ln Σ exp(weight) over all states of two-valued units, 0 or 1 each; ``None`` beyond 2^20 states.

    >>> round(float(log_sum_over_states(lambda active: 0.0 * active.sum(), 10)), 4)
    6.9315
    """
    if 2**units > MOST_STATES:
        return None
    bits = np.arange(units, dtype=np.uint32)
    one = lambda state: weight(((state >> bits) & 1).astype(jnp.int8))  # noqa: E731
    return jax.nn.logsumexp(jax.lax.map(one, jnp.arange(2**units, dtype=jnp.uint32), batch_size=BLOCK))


def spins(active: Int[Array, "..."], low: int) -> Float[Array, "..."]:
    """s = 1 where active, ``low`` elsewhere.

    >>> spins(jnp.array([0, 1]), -1).tolist()
    [-1.0, 1.0]
    """
    return low + (1 - low) * active.astype(jnp.result_type(float))


@jax.custom_jvp
def product(matrix: Float[Array, "m n"], vector: Float[Array, " n"]) -> Float[Array, " m"]:
    """matrix · vector, for many vectors in the order in which XLA's matrix product on CPUs is fast.

    Replicas share the matrix. Left to itself, XLA multiplies from the side that takes two to three times longer.
    """
    return _product(matrix, vector)


@product.defjvp
def _(primals, tangents):
    (matrix, vector), (turn, move) = primals, tangents
    return _product(matrix, vector), turn @ vector + matrix @ move


@jax.custom_batching.custom_vmap
def _product(matrix, vector):
    return matrix @ vector


@_product.def_vmap
def _(size, batched, matrix, vector):
    del size
    if batched == [False, True]:
        return jax.lax.optimization_barrier(matrix @ vector.T).T, True
    return jax.vmap(jnp.matmul, [0 if b else None for b in batched])(matrix, vector), True


def logistic(high: UInt32[Array, "..."], low: UInt32[Array, "..."]) -> Float[Array, "..."]:
    """Numbers z with P(z < a) = 1/(1 + e^{−a}), from two words; both tails are exact down to 2^-58.

    >>> word = jnp.asarray([1 << 31], jnp.uint32)
    >>> bool(logistic(word, word | 1) == -logistic(word, word))
    True
    """
    half = uniform(high, low) / 2
    size = jnp.log1p(-half) - jnp.log(half)
    return jnp.where(low & 1, size, -size)  # the lowest bit is one that ``uniform`` does not read


def decide(
    gap: Float[Array, "..."], noise: Float[Array, "..."], kT: Float[Array, ""], active: Int[Array, "..."]
) -> Bool[Array, "..."]:
    """Whether units are active after a visit: where Δ + kT z > 0 with z logistic; as they were where that is 0."""
    field = gap + kT * noise
    return jnp.where(field == 0, active > 0, field > 0)
