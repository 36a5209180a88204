"""Elastic network: joints in two or three dimensions, joined by central springs.

    E = ½ Σ_e k_e (|r_i − r_j| − ℓ_e)²

Stiffnesses k and rest lengths ℓ are the couplings, one of them or both are learned. Springs turn with their joints, so
the response is not linear: the geometry of the graph decides what can be trained. Rest lengths start as the distances
in the positions that the graph comes with (or is drawn with), so the network is made without stress.

| quantity | unit |
|---|---|
| r, ℓ | σ |
| k | kT_ref/σ² |

Source: [stern2021supervised], [rocks2017designing]. Limits: no bending, no excluded volume; ``constrain`` keeps
stiffnesses at ``lowest`` or above and rest lengths positive. A network that is not held turns and moves freely.

Example:
    >>> spring = Config(kind="elastic_network", graph={"kind": "grid", "shape": [1, 2]}).build(jax.random.key(0))
    >>> float(spring.energy(ElasticState(jnp.array([[0.0, 0.0], [0.0, 3.0]]))))
    2.0
"""

from typing import Annotated, ClassVar, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key
from pydantic import Field

from matterlearn.core.graphs import Graph, edge_array, edge_weights, node_positions
from matterlearn.core.system import AbstractSystem
from matterlearn.spec import Problem, Spec

SHAKEN = 0.05  # σ, standard deviation of a disordered start around the positions of the graph
CLOSEST = 1e-12  # square of the distance below which a spring has no direction, σ²


class ElasticState(NamedTuple):
    """Joints."""

    position: Float[Array, "particle axis"]


class ElasticNetwork(AbstractSystem):
    """Central springs; what is learned of them is in ``learns``."""

    stiffness: Float[Array, " edge"]
    rest_length: Float[Array, " edge"]
    edges: Int[np.ndarray, "edge 2"]
    made_at: Float[np.ndarray, "node axis"]
    learns: tuple[str, ...] = eqx.field(static=True)
    lowest: float = eqx.field(static=True)

    dims: ClassVar = {"position": ("particle", "axis")}
    symmetries: ClassVar = frozenset({"translation", "rotation", "flip"})
    coupling_units: ClassVar = ("kT_ref/σ², σ", "stiffness, rest length")

    def lengths(self, x: ElasticState) -> Float[Array, " edge"]:
        """|r_i − r_j| of every spring, σ."""
        separation = x.position[self.edges[:, 0]] - x.position[self.edges[:, 1]]
        return jnp.sqrt(jnp.maximum(jnp.sum(separation**2, -1), CLOSEST))

    def energy(self, x: ElasticState, neighbors=None) -> Float[Array, ""]:
        """Energy of all springs, kT_ref."""
        del neighbors
        return 0.5 * jnp.sum(self.stiffness * (self.lengths(x) - self.rest_length) ** 2)

    def rest(self) -> ElasticState:
        """The positions in which the network was made."""
        return ElasticState(jnp.asarray(self.made_at, self.stiffness.dtype))

    def init_state(self, key: Key[Array, ""]) -> ElasticState:
        """Shaken a little around the positions in which it was made."""
        return ElasticState(self.rest().position + SHAKEN * jax.random.normal(key, self.made_at.shape))

    def constrain(self) -> "ElasticNetwork":
        """Stiffnesses of at least ``lowest``, rest lengths that are not negative."""
        allowed = jnp.maximum(self.stiffness, self.lowest), jnp.maximum(self.rest_length, 0.0)
        return eqx.tree_at(lambda s: (s.stiffness, s.rest_length), self, allowed)

    def learnable(self):
        """Those of ``learns``."""
        nothing = jax.tree.map(lambda _: False, self)
        return eqx.tree_at(lambda s: [getattr(s, name) for name in self.learns], nothing, [True] * len(self.learns))

    def named_couplings(self):
        """Stiffnesses and rest lengths by spring, as far as they are learned."""
        return {name: (("edge",), getattr(self, name)) for name in self.learns}

    def geometry(self):
        """Which nodes every spring joins, and where the network was made."""
        return {
            "edge_node": (("edge", "end"), self.edges, "1", "node at an end of a spring"),
            "node_position": (("node", "axis"), self.made_at, "σ", "position in which the network was made"),
        }


Positive = Annotated[float, Field(gt=0)]


class Config(Spec):
    """An elastic network in a scenario."""

    kind: Literal["elastic_network"]
    graph: Graph = Field(
        description="springs and joints; weights that count multiply the stiffnesses",
        examples=[
            {"kind": "triangular", "shape": [2, 4]},
            {"kind": "random_geometric", "nodes": 8, "radius": 0.8, "dimension": 3},
        ],
    )  # fmt: skip
    stiffness: Positive = Field(default=1.0, description="initial stiffness, kT_ref/σ²")
    disorder: float = Field(default=0.0, ge=0, lt=1, description="half-width of its relative random spread")
    learn: Annotated[list[Literal["stiffness", "rest_length"]], Field(min_length=1, max_length=2)] = Field(
        default=["stiffness"], description="what the springs learn", examples=[["stiffness", "rest_length"]]
    )
    lowest: float = Field(default=1e-3, gt=0, description="lowest stiffness that learning may reach, kT_ref/σ²")

    @property
    def ports(self) -> int:
        """Coordinates: axis by axis, node after node."""
        return node_positions(self.graph.network).size

    def check(self, scenario):
        """There are springs between points of two or three dimensions."""
        del scenario
        graph = self.graph.network
        if not graph.number_of_edges():
            yield Problem(("graph",), "has no edges, so there are no springs")
        elif np.min(edge_weights(graph)) <= 0:
            yield Problem(("graph",), "has an edge whose weight is not positive; stiffnesses are")
        axes = node_positions(graph).shape[1]
        if axes not in (2, 3):
            yield Problem(("graph",), f"its nodes are points in {axes} dimension(s); springs live in 2 or 3")
        if len(set(self.learn)) < len(self.learn):
            yield Problem(("learn",), "names something twice")

    def build(self, key) -> ElasticNetwork:
        """The network, without stress; ``key`` draws the disorder."""
        graph = self.graph.build()
        edges, places = edge_array(graph), node_positions(graph)
        length = np.linalg.norm(places[edges[:, 0]] - places[edges[:, 1]], axis=-1)
        stiffness = jnp.asarray(self.stiffness * edge_weights(graph), float)
        if self.disorder:
            spread = jax.random.uniform(key, stiffness.shape, minval=-self.disorder, maxval=self.disorder)
            stiffness = stiffness * (1 + spread)
        learns = tuple(name for name in ("stiffness", "rest_length") if name in self.learn)
        return ElasticNetwork(stiffness, jnp.asarray(length, float), edges, places, learns, float(self.lowest))
