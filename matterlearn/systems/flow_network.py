"""Flow network: potentials on the nodes of a graph, conductances on its edges; linear resistors.

    E = ½ Σ_e k_e (V_i − V_j)²

E is half the dissipated power, and its minimum under clamped potentials is Kirchhoff's current law: at every other node
the currents k_e (V_i − V_j) add up to the current imposed there. Conductances are the couplings; a force of the drive
is an imposed current. ∂E/∂k_e = ½ (V_i − V_j)²: every edge knows its own share of any contrast.

The same equations conduct heat: V is then the temperature of a node of heat capacity 1, k the thermal conductance of an
edge, E half the Dirichlet energy Σ k (V_i − V_j)², and its gradient flow (``gradient_flow``) the heat equation on the
graph, V̇ = −LV with the weighted Laplacian L.

| quantity | unit |
|---|---|
| V | 1 |
| k | kT_ref/V² |

Source: [stern2021supervised], [dillavou2022demonstration]. Limits: linear, so outputs are averages of clamped
potentials with weights from the conductances; ``constrain`` keeps those at ``lowest`` or above.

Example:
    >>> divider = Config(kind="flow_network", graph={"kind": "path", "nodes": 3}, conductance=[1.0, 2.0]).build(None)
    >>> float(divider.energy(FlowState(jnp.array([1.0, 0.5, 0.0]))))
    0.375
"""

from typing import Annotated, ClassVar, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key
from pydantic import Field

from matterlearn.core.graphs import Graph, edge_array, edge_weights
from matterlearn.core.spectra import largest_eigenvalue
from matterlearn.core.system import AbstractSystem
from matterlearn.spec import Problem, Spec

SMALLEST = 1e-9  # total conductance of a node in a graph without edges


class FlowState(NamedTuple):
    """Potentials."""

    potential: Float[Array, " node"]


class FlowNetwork(AbstractSystem):
    """Conductances between nodes are the couplings."""

    conductance: Float[Array, " edge"]
    edges: Int[np.ndarray, "edge 2"]
    nodes: int = eqx.field(static=True)
    lowest: float = eqx.field(static=True)

    dims: ClassVar = {"potential": ("node",)}
    symmetries: ClassVar = frozenset({"flip"})
    coupling_units: ClassVar = ("kT_ref/V²", "conductance")

    def drops(self, x: FlowState) -> Float[Array, " edge"]:
        """V_i − V_j of every edge."""
        return x.potential[self.edges[:, 0]] - x.potential[self.edges[:, 1]]

    def currents(self, x: FlowState) -> Float[Array, " edge"]:
        """k_e (V_i − V_j) from the lower to the higher node."""
        return self.conductance * self.drops(x)

    def energy(self, x: FlowState, neighbors=None) -> Float[Array, ""]:
        """Half the dissipated power, kT_ref."""
        del neighbors
        return 0.5 * jnp.sum(self.conductance * self.drops(x) ** 2)

    def init_state(self, key: Key[Array, ""]) -> FlowState:
        """Standard normal potentials."""
        return FlowState(jax.random.normal(key, (self.nodes,)))

    def constrain(self) -> "FlowNetwork":
        """Conductances of at least ``lowest``."""
        return eqx.tree_at(lambda s: s.conductance, self, jnp.maximum(self.conductance, self.lowest))

    def learnable(self):
        """The conductances."""
        return eqx.tree_at(lambda s: s.conductance, jax.tree.map(lambda _: False, self), True)

    def named_couplings(self):
        """Conductances by edge."""
        return {"couplings": (("edge",), self.conductance)}

    def geometry(self):
        """Which nodes every edge joins."""
        return {"edge_node": (("edge", "end"), self.edges, "1", "node at an end of an edge")}


Positive = Annotated[float, Field(gt=0)]


class Config(Spec):
    """A flow network in a scenario."""

    kind: Literal["flow_network"]
    positions: ClassVar[bool] = False
    quadratic: ClassVar[bool] = True
    conducts: ClassVar[bool] = True
    graph: Graph = Field(
        description="who is joined to whom; weights that count multiply the conductances",
        examples=[{"kind": "path", "nodes": 3}, {"kind": "grid", "shape": [3, 3], "periodic": True}],
    )
    conductance: Positive | Annotated[list[Positive], Field(min_length=1)] = Field(
        default=1.0, description="initial conductance, or one per edge in lexicographic order"
    )
    disorder: float = Field(default=0.0, ge=0, lt=1, description="half-width of its relative random spread")
    lowest: float = Field(default=1e-3, gt=0, description="lowest conductance that learning may reach")

    @property
    def ports(self) -> int:
        """Nodes."""
        return self.graph.node_count

    @property
    def degrees_of_freedom(self) -> int:
        """Nodes."""
        return self.ports

    @property
    def largest_diagonal(self) -> float:
        """Largest total conductance of a node at the start, or a bound on it if there is disorder, kT_ref/V²."""
        graph = self.graph.network
        conductance = self._conductances(graph)
        total = np.bincount(edge_array(graph).ravel(), np.repeat(conductance, 2), len(graph))
        return float(max(np.max(total), SMALLEST)) * (1 + self.disorder)

    @property
    def largest_eigenvalue(self) -> float:
        """Of the Laplacian at the start, or a bound if there is disorder: L grows with every conductance, kT_ref/V²."""
        graph = self.graph.network
        return largest_eigenvalue(graph, self._conductances(graph)) * (1 + self.disorder)

    @property
    def stiffness(self) -> float:
        """Bound on the largest curvature at the start, kT_ref/V²: twice the largest total conductance of a node."""
        return 2 * self.largest_diagonal

    def _conductances(self, graph) -> Float[np.ndarray, " edge"]:
        """Without disorder; a list of the wrong length is complained about in :meth:`check`, not here."""
        weights = np.abs(edge_weights(graph))
        return weights * np.resize(self.conductance, len(weights))

    def check(self, scenario):
        """There are edges, and a positive conductance for each."""
        del scenario
        weights = edge_weights(self.graph.network)
        if len(weights) == 0:
            yield Problem(("graph",), "has no edges, so nothing flows")
        elif np.min(weights) <= 0:
            yield Problem(("graph",), f"has an edge of weight {np.min(weights):g}; conductances are positive")
        if isinstance(self.conductance, list) and len(self.conductance) != len(weights):
            yield Problem(("conductance",), f"{len(self.conductance)} numbers for {len(weights)} edges")

    def build(self, key) -> FlowNetwork:
        """The network; ``key`` draws the disorder."""
        graph = self.graph.build()
        edges = edge_array(graph)
        conductance = jnp.asarray(edge_weights(graph) * np.asarray(self.conductance), float)
        if self.disorder:
            spread = jax.random.uniform(key, conductance.shape, minval=-self.disorder, maxval=self.disorder)
            conductance = conductance * (1 + spread)
        return FlowNetwork(conductance, edges, len(graph), float(self.lowest))
