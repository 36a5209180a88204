"""Spin network: every pair of units has a coupling of its own.

    E(s) = Σ_{i<j} J_ij s_i s_j + Σ_i U_i s_i,        s_i ∈ {low, 1},  low = −1 (spins) or 0 (threshold units)

Lower J binds equal units; papers write E = −Σ J s s − Σ h s, with J and h = −U the negatives of ours. Couplings are
one number per unordered pair, so ∂E/∂J_ij = s_i s_j and any rule can learn them: Hebbian synapses give Hopfield's
network, wake–sleep a Boltzmann machine without hidden units, unlearning the network that dreamt. They start at nothing,
at random (Sherrington–Kirkpatrick: independent, variance ``disorder``²/cN), or with memories stored by Hebb,
J_ij = −(1/cN) Σ_μ ξ_i^μ ξ_j^μ. ``connectivity`` c cuts the network: each pair is joined with probability c, and the
couplings of all others count for nothing, whatever is learned.

| quantity | unit |
|---|---|
| J, U | kT_ref |

Source: [hopfield1982neural], [ackley1985], [sherrington1975]. Memory O(N²): beyond some thousand units use
``pattern_network``. Limits: no self-coupling.

Example:
    >>> system = Config(kind="spin_network", units=3, disorder=1.0).build(jax.random.key(0))
    >>> x = NetworkState(jnp.ones(3, jnp.int8))
    >>> bool(jnp.isclose(system.energy(x), jnp.sum(system.coupling)))
    True
"""

import functools
from typing import ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int
from pydantic import Field

from matterlearn.core.network import (
    AbstractNetwork,
    AbstractNetworkKernel,
    NetworkState,
    log_sum_over_states,
    product,
    spins,
)
from matterlearn.spec import Spec

BLOCK = 32  # units visited between two updates of all gaps


@functools.lru_cache(maxsize=8)
def places(units: int) -> np.ndarray:
    """Where in [J packed, 0] the coupling of each pair stands; the diagonal is the 0 at the end.

    >>> places(3).tolist()
    [[3, 0, 1], [0, 3, 2], [1, 2, 3]]
    """
    table = np.full((units, units), units * (units - 1) // 2, np.int32)
    rows, columns = np.triu_indices(units, 1)
    table[rows, columns] = table[columns, rows] = np.arange(len(rows))
    return table


class MatrixKernel(AbstractNetworkKernel):
    """Gaps from the coupling matrix; the summary is all gaps."""

    low: int = eqx.field(static=True)
    units: int = eqx.field(static=True)
    block: int = eqx.field(static=True)
    matrix: Float[Array, "unit unit"]
    threshold: Float[Array, " unit"]

    def summary(self, active):
        """Δ of every unit."""
        return -(1 - self.low) * (product(self.matrix, spins(active, self.low)) + self.threshold)

    def gaps(self, summary, active, chosen):
        """Δ of the chosen units."""
        del active
        return summary[chosen]

    def response(self, chosen):
        """−(1 − low)² J_ab."""
        return -((1 - self.low) ** 2) * self.matrix[chosen][:, chosen]

    def absorb(self, summary, chosen, change):
        """Δ after the changes."""
        return summary - (1 - self.low) ** 2 * product(self.matrix[chosen].T, change)


class SpinNetwork(AbstractNetwork):
    """Couplings of all pairs and thresholds; see the module's docstring."""

    coupling: Float[Array, " pair"]
    threshold: Float[Array, " unit"]
    memory: Int[Array, "unit memory"]
    joined: Bool[Array, " pair"] | None
    low: int = eqx.field(static=True)

    def bonds(self) -> Float[Array, " pair"]:
        """J of every pair, 0 where it was cut."""
        return self.coupling if self.joined is None else jnp.where(self.joined, self.coupling, 0.0)

    def matrix(self) -> Float[Array, "unit unit"]:
        """J as a symmetric matrix with an empty diagonal."""
        packed = jnp.concatenate([self.bonds(), jnp.zeros(1, self.coupling.dtype)])
        return packed[places(len(self.threshold))]

    @property
    def pairs(self) -> Int[np.ndarray, "pair 2"]:
        """Units of each coupling."""
        return np.stack(np.triu_indices(len(self.threshold), 1), axis=1)

    def named_couplings(self):
        """The matrix and the thresholds."""
        return {"couplings": (("unit", "unit_other"), self.matrix()), "thresholds": (("unit",), self.threshold)}

    def energy(self, x: NetworkState, neighbors=None) -> Float[Array, ""]:
        """Energy, kT_ref."""
        s = spins(x.active, self.low)
        rows, columns = np.triu_indices(len(self.threshold), 1)
        return self.bonds() @ (s[rows] * s[columns]) + self.threshold @ s

    def log_partition(self, kT):
        """ln Σ_s exp(−E/kT), all states; ``None`` beyond 2^20."""
        return log_sum_over_states(lambda active: -self.energy(NetworkState(active)) / kT, len(self.threshold))

    def init_state(self, key) -> NetworkState:
        """Every unit active or not by the toss of a coin."""
        return NetworkState(jax.random.bernoulli(key, 0.5, self.threshold.shape).astype(jnp.int8))

    def kernel(self) -> MatrixKernel:
        """Gaps from the matrix."""
        return MatrixKernel(self.low, len(self.threshold), BLOCK, self.matrix(), self.threshold)


class Config(Spec):
    """Spin network in a scenario."""

    kind: Literal["spin_network"]
    matter: ClassVar[str] = "network"
    pattern_values: ClassVar[int] = 2
    pairwise: ClassVar[bool] = True
    units: int = Field(ge=2, le=10_000, description="number of units N", examples=[6])
    values: Literal["spins", "threshold"] = Field(
        default="spins", description="values of a unit: −1 and 1, or 0 and 1", examples=["spins", "threshold"]
    )
    disorder: float = Field(default=0.0, ge=0, description="standard deviation of √N J at the start, kT_ref")
    memories: int = Field(default=0, ge=0, description="random memories that are stored by Hebb at the start")
    memory_seed: int = Field(default=0, ge=0, description="seed of the memories")
    connectivity: float = Field(
        default=1.0, gt=0, le=1, description="probability c that a pair is joined", examples=[1.0, 0.6]
    )
    threshold: float = Field(default=0.0, description="threshold U of every unit, kT_ref", examples=[0.0, 0.1])

    @property
    def pattern_size(self) -> int:
        """Entries of a visible pattern."""
        return self.units

    @property
    def exact(self) -> bool:
        """Whether ln Z can be summed."""
        return self.units <= 20

    def build(self, key) -> SpinNetwork:
        """The system, with random couplings drawn from ``key``."""
        rows, columns = np.triu_indices(self.units, 1)
        rng = np.random.default_rng(self.memory_seed)
        memory = rng.integers(0, 2, (self.units, self.memories), np.int8) * 2 - 1
        stored = memory.astype(np.float32) @ memory.astype(np.float32).T / (self.connectivity * self.units)
        joined = None if self.connectivity == 1 else jnp.asarray(rng.random(rows.shape) < self.connectivity)
        noise = jnp.zeros(()) if key is None else jax.random.normal(key, rows.shape)
        spread = self.disorder / (self.connectivity * self.units) ** 0.5
        return SpinNetwork(
            coupling=spread * noise - jnp.asarray(stored[rows, columns], float),
            threshold=jnp.full(self.units, float(self.threshold)),
            memory=jnp.asarray(memory),
            joined=joined,
            low=-1 if self.values == "spins" else 0,
        )
