"""Boltzmann machine: two-valued units on any graph, some of them hidden.

    E(s) = Σ_<ij> J_ij s_i s_j + Σ_i U_i s_i,        s_i ∈ {low, 1},  low = −1 (spins) or 0 (threshold units)

The sum runs over the edges of a networkx graph; ∂E/∂J_ij = s_i s_j. Lower J binds equal units; papers write
E = −Σ J s s − Σ h s, with J and h = −U the negatives of ours. The last ``hidden`` units are hidden: data are shown on
the others. With couplings that are given it is an Ising model on that graph, and its ground state an optimisation
problem: J_ij = w_ij > 0 makes it max-cut, J_ij = a_i a_j number partitioning.

Units of one colour of the graph do not interact and are updated together; ln Z is summed exactly up to 2^20 states.

| quantity | unit |
|---|---|
| J, U | kT_ref |

Source: [ackley1985], [lucas2014]. Limits: at most 64 colours, since each is compiled by itself; where everybody
couples to everybody, ``spin_network`` is for more units than that.

Example:
    >>> ring = Config(kind="boltzmann_machine", graph={"kind": "cycle", "nodes": 10}, coupling=-0.3)
    >>> round(float(ring.build(jax.random.key(0)).log_partition(jnp.ones(()))), 4)
    7.3749
"""

from typing import ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from pydantic import Field

from matterlearn.core.discrete import AbstractDiscreteSystem
from matterlearn.core.graphs import Graph, edge_array, edge_weights
from matterlearn.core.network import NetworkState, log_sum_over_states, spins
from matterlearn.core.sparse import SparseKernel, colour_groups, sparse_kernel
from matterlearn.spec import Problem, Spec

MOST_COLOURS = 64
MOST_SUMMED = 12  # hidden units


class BoltzmannMachine(AbstractDiscreteSystem):
    """Couplings of the edges and thresholds; see the module's docstring."""

    coupling: Float[Array, " edge"]
    threshold: Float[Array, " unit"]
    edges: tuple[tuple[int, int], ...] = eqx.field(static=True)
    low: int = eqx.field(static=True)
    hidden: int = eqx.field(static=True)
    learned: tuple[str, ...] = eqx.field(static=True)

    dims: ClassVar = {"active": ("unit",)}

    @property
    def units(self) -> int:
        """Number of units."""
        return self.threshold.shape[0]

    @property
    def pairs(self) -> Int[np.ndarray, "edge 2"]:
        """Units of each coupling."""
        return np.array(self.edges, np.int32).reshape(-1, 2)

    def energy(self, x: NetworkState, neighbors=None) -> Float[Array, ""]:
        """Energy, kT_ref."""
        del neighbors
        s = spins(x.active, self.low)
        first, second = self.pairs.T
        return self.coupling @ (s[first] * s[second]) + self.threshold @ s

    def marginal_energy(self, x: NetworkState, kT, held=None, neighbors=None):
        """F of the visible units: the states of up to 12 hidden ones, held ones excepted, are summed over."""
        if not 0 < self.hidden <= MOST_SUMMED:
            return self.energy(x)
        visible = self.units - self.hidden

        def weight(state):
            here = x.active.at[visible:].set(state.astype(x.active.dtype))
            other = False if held is None else jnp.any(held.active[visible:] & (state != x.active[visible:]))
            return jnp.where(other, -jnp.inf, -self.energy(NetworkState(here)) / kT)

        return -kT * log_sum_over_states(weight, self.hidden)  # pyright: ignore[reportOperatorIssue]

    def log_partition(self, kT):
        """ln Σ_s exp(−E/kT), all states; ``None`` beyond 2^20."""
        return log_sum_over_states(lambda active: -self.energy(NetworkState(active)) / kT, self.units)

    def independent(self, kT):
        """No edges: ln Z is a sum over units."""
        gap = self.threshold / kT
        alone = eqx.tree_at(lambda s: s.coupling, self, jnp.zeros_like(self.coupling))
        return alone, jnp.sum(jnp.logaddexp(-gap, -self.low * gap))

    def init_state(self, key) -> NetworkState:
        """Every unit active or not by the toss of a coin."""
        return NetworkState(jax.random.bernoulli(key, 0.5, self.threshold.shape).astype(jnp.int8))

    def show(self, pattern):
        """The units that are not hidden."""
        active = jnp.zeros(self.units, jnp.int8).at[: self.units - self.hidden].set(jnp.ravel(pattern).astype(jnp.int8))
        return NetworkState(active), NetworkState(jnp.arange(self.units) < self.units - self.hidden)

    def read(self, x):
        """The units that are not hidden."""
        return x.active[: self.units - self.hidden]

    def learnable(self):
        """The leaves that were asked for."""
        blank = jax.tree.map(lambda _: False, self)
        return eqx.tree_at(lambda s: [getattr(s, name) for name in self.learned], blank, [True] * len(self.learned))

    def named_couplings(self):
        """Couplings by edge, and thresholds."""
        return {"couplings": (("edge",), self.coupling), "thresholds": (("unit",), self.threshold)}

    def kernel(self) -> SparseKernel:
        """Local energies by colour."""
        return sparse_kernel(self.edges, self.coupling, self.threshold, self.low)


class Config(Spec):
    """Boltzmann machine in a scenario."""

    kind: Literal["boltzmann_machine"]
    matter: ClassVar[str] = "discrete"
    pattern_values: ClassVar[int] = 2
    pairwise: ClassVar[bool] = True
    graph: Graph = Field(
        description="who couples to whom",
        examples=[{"kind": "grid", "shape": [2, 3]}, {"kind": "complete", "nodes": 4},
                  {"kind": "layered", "layers": [3, 2, 2]}],
    )  # fmt: skip
    values: Literal["spins", "threshold"] = Field(
        default="spins", description="values of a unit: −1 and 1, or 0 and 1", examples=["spins", "threshold"]
    )
    hidden: int = Field(default=0, ge=0, description="hidden units: the last of the graph", examples=[0, 1, 4])
    coupling: float = Field(
        default=0.0, description="J of every edge at the start, times its weight if it has one, kT_ref"
    )
    weights: list[float] | None = Field(
        default=None, min_length=1, description="w_i: J_ij is multiplied by w_i w_j; default: 1 for every unit"
    )
    disorder: float = Field(default=0.0, ge=0, description="standard deviation of J at the start, kT_ref")
    threshold: float = Field(default=0.0, description="U of every unit at the start, kT_ref")
    learn: list[Literal["coupling", "threshold"]] = Field(
        default=["coupling", "threshold"], min_length=1, max_length=2, description="what is learned"
    )

    @property
    def pattern_size(self) -> int:
        """Entries of a visible pattern."""
        return self.graph.node_count - self.hidden

    @property
    def sampled_hidden(self) -> bool:
        """Whether there are too many hidden units to sum over them."""
        return self.hidden > MOST_SUMMED

    @property
    def exact(self) -> bool:
        """Whether ln Z can be summed."""
        return self.graph.node_count <= 20

    def check(self, scenario):
        """Something is visible, and the graph has few colours."""
        del scenario
        nodes = self.graph.node_count
        if len(set(self.learn)) < len(self.learn):
            yield Problem(("learn",), "names a coupling twice")
        if self.hidden >= nodes:
            yield Problem(("hidden",), f"leaves nothing visible of {nodes} units")
        if self.weights is not None and len(self.weights) != nodes:
            yield Problem(("weights",), f"{len(self.weights)} weights for {nodes} units")
        edges = tuple(map(tuple, edge_array(self.graph.network).tolist()))
        colours = len(colour_groups(nodes, edges))
        if colours > MOST_COLOURS:
            yield Problem(("graph",), f"needs {colours} colours, at most {MOST_COLOURS} are updated one by one; "
                                      "where everybody couples to everybody use system spin_network")  # fmt: skip

    def build(self, key) -> BoltzmannMachine:
        """The machine, with random couplings drawn from ``key``."""
        graph = self.graph.build()
        edges = edge_array(graph)
        weights = np.ones(self.graph.node_count) if self.weights is None else np.array(self.weights)
        given = self.coupling * edge_weights(graph) * weights[edges].prod(axis=1)
        noise = jnp.zeros(()) if key is None else jax.random.normal(key, (len(edges),))
        return BoltzmannMachine(
            coupling=jnp.asarray(given, float) + self.disorder * noise,
            threshold=jnp.full(self.graph.node_count, float(self.threshold)),
            edges=tuple(map(tuple, edges.tolist())),
            low=-1 if self.values == "spins" else 0,
            hidden=self.hidden,
            learned=tuple(self.learn),
        )
