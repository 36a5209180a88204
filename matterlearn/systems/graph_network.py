"""Network of layers on a graph: conduction of features that learns; its energy is what keeps layers from agreeing.

    E = ½ Σ_l |z_{l+1} − F_l(z_l)|²,        z_0: given features,  z_{l+1}: what layer l asks for,  last: outputs

Every F_l mixes the features of neighbours by the propagator S of the graph (``systems/_graph_layers.py`` has them all),

| propagator | S | stationary |
|---|---|---|
| symmetric | D̃^{−½} (A + 1) D̃^{−½} | ∝ √(d + 1) |
| row_normalised | D̃^{−1} (A + 1) | constant |

so a layer without weights is one step of heat conduction, and deep networks forget what they were given: differences
fade by the second eigenvalue of S per layer (oversmoothing). With the inputs clamped, E = 0 at the forward pass, which
``forward_pass`` takes; adjoint there is backpropagation, and equilibrium propagation needs nothing but the matter.

``members`` are networks with initial weights of their own that learn side by side: E is the sum of theirs.

| quantity | unit |
|---|---|
| z, W, b | 1 |
| E | kT_ref |

Source: [kipf2017semisupervised], [velickovic2018graph], [chamberlain2021grand], [oono2020graph]. Limits: undirected
graphs; one head of attention; weights of the graph count only if the graph says so.

Example:
    >>> net = Config(kind="graph_network", graph={"kind": "path", "nodes": 3}).build(jax.random.key(0))
    >>> float(net.energy(net.minimum(net.init_state(jax.random.key(1)))))
    0.0
"""

from typing import Annotated, ClassVar, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key
from pydantic import Field

from matterlearn.core.graphs import Graph, edge_array, edge_weights, node_classes
from matterlearn.core.message_passing import messages, row_normalised, symmetric
from matterlearn.core.system import AbstractSystem
from matterlearn.spec import Problem, Spec
from matterlearn.systems._graph_layers import AbstractLayer, Activation, Layer, Propagator, Sizes

PROPAGATORS = {"symmetric": symmetric, "row_normalised": row_normalised}


class GraphState(NamedTuple):
    """Features of all nodes in all layers."""

    given: Float[Array, "node feature"]
    hidden: Float[Array, "member layer node channel"]
    output: Float[Array, "member node class"]


class GraphNetwork(AbstractSystem):
    """Weights of all layers are the couplings, with a leading member axis; those between hidden layers are stacked."""

    first: AbstractLayer
    middle: AbstractLayer
    last: AbstractLayer
    propagate: Propagator
    symmetric: Propagator
    edges: Int[np.ndarray, "edge 2"]
    classes: dict[str, Int[np.ndarray, " node"]]
    sizes: Sizes = eqx.field(static=True)
    hidden: int = eqx.field(static=True)
    members: int = eqx.field(static=True)
    learns: tuple[str, ...] = eqx.field(static=True)

    dims: ClassVar = {
        "given": ("node", "feature"),
        "hidden": ("member", "layer", "node", "channel"),
        "output": ("member", "node", "class"),
    }
    coupling_units: ClassVar = ("1", "weight or bias")

    @property
    def nodes(self) -> int:
        """Number of nodes."""
        return self.propagate.messages.nodes

    def _asked(self, network, given, hidden) -> tuple[Array, Array]:
        """What one member's layers ask of the hidden ones and of the outputs, each from the layer before it."""
        first, middle, last = network
        if not self.hidden:
            return hidden, last(self.propagate, given)
        asked = first(self.propagate, given)[None]
        if self.hidden > 1:
            each = eqx.filter_vmap(lambda layer, z: layer(self.propagate, z))
            asked = jnp.concatenate([asked, each(middle, hidden[:-1])])
        return asked, last(self.propagate, hidden[-1])

    def energy(self, x: GraphState, neighbors=None) -> Float[Array, ""]:
        """½ Σ squared deviations of all layers of all members, kT_ref."""
        del neighbors

        def one(network, hidden, output):
            asked, answer = self._asked(network, x.given, hidden)
            return 0.5 * (jnp.sum((hidden - asked) ** 2) + jnp.sum((output - answer) ** 2))

        return jnp.sum(eqx.filter_vmap(one)((self.first, self.middle, self.last), x.hidden, x.output))

    def minimum(self, x: GraphState) -> GraphState:
        """The forward pass: E = 0."""

        def one(network, _):
            first, middle, last = network
            if not self.hidden:
                return jnp.zeros((0, self.nodes, self.sizes.channels), x.given.dtype), last(self.propagate, x.given)

            def on(z, layer):
                z = layer(self.propagate, z)
                return z, z

            start, between = first(self.propagate, x.given), self.hidden - 1
            used = jax.tree.map(lambda leaf: leaf[:between], middle)
            end, beyond = jax.lax.scan(on, start, used, length=between)
            return jnp.concatenate([start[None], beyond]), last(self.propagate, end)

        network = (self.first, self.middle, self.last)
        hidden, output = eqx.filter_vmap(one, axis_size=self.members)(network, jnp.arange(self.members))
        return GraphState(x.given, hidden, output)

    def smooth(self, z: Float[Array, "node channel"]) -> Float[Array, "node channel"]:
        """S z of the symmetric propagator, whichever the layers use."""
        return self.symmetric(z)

    def amplification(self, eigenvalues: Float[np.ndarray, " mode"]) -> Float[np.ndarray, " mode"] | None:
        """What a hidden layer makes of eigenvectors of S, weights aside, where that is a number."""
        return self.middle.amplification(eigenvalues)

    def features(self, x: GraphState) -> Float[Array, "member layer node channel"]:
        """z_1, z_2, … of all members."""
        return x.hidden

    def init_state(self, key: Key[Array, ""]) -> GraphState:
        """Standard normal features."""
        features, channels, classes = self.sizes
        shapes = (
            (self.nodes, features),
            (self.members, self.hidden, self.nodes, channels),
            (self.members, self.nodes, classes),
        )
        return GraphState(*(jax.random.normal(k, s) for k, s in zip(jax.random.split(key, 3), shapes, strict=True)))

    def learnable(self):
        """Weights, biases, or both, of the layers that are there."""

        def learned(part, used):
            def one(path, leaf):
                name = "biases" if jax.tree_util.keystr(path).endswith("bias") else "weights"
                return used and name in self.learns and eqx.is_inexact_array(leaf)

            return jax.tree_util.tree_map_with_path(one, part)

        parts = learned(self.first, self.hidden > 0), learned(self.middle, self.hidden > 1), learned(self.last, True)
        blank = jax.tree.map(lambda _: False, self)
        return eqx.tree_at(lambda s: (s.first, s.middle, s.last), blank, parts)

    def geometry(self):
        """Which nodes every edge joins."""
        return {"edge_node": (("edge", "end"), self.edges, "1", "node at an end of an edge")}


class Config(Spec):
    """A network on a graph in a scenario."""

    kind: Literal["graph_network"]
    positions: ClassVar[bool] = False
    explicit_minimum: ClassVar[bool] = True
    node_features: ClassVar[bool] = True
    graph: Graph = Field(description="who is joined to whom", examples=[{"kind": "path", "nodes": 3}])
    layer: Layer = Field(
        default={"kind": "convolution"}, validate_default=True, description="how features follow from those before",
        examples=[{"kind": "convolution"}, {"kind": "attention"}, {"kind": "diffusion", "step": 0.5, "attention": 2}],
    )  # fmt: skip
    depth: int = Field(default=2, ge=1, le=1000, description="layers that see the graph", examples=[2, 3, 1])
    channels: int = Field(default=16, ge=1, le=4096, description="features of a node in hidden layers", examples=[3])
    classes: int = Field(default=2, ge=1, le=1000, description="outputs of a node")
    features: int | None = Field(
        default=None, ge=1, le=10**5, description="features given to a node; null: as many as there are nodes",
        examples=[2],
    )  # fmt: skip
    activation: Activation = Field(default="relu", description="f", examples=["tanh"])
    propagator: Literal[tuple(PROPAGATORS)] = Field(
        default="symmetric", description="S", examples=["symmetric", "row_normalised"]
    )
    self_loops: bool = Field(default=True, description="whether a node is its own neighbour")
    learn: Annotated[list[Literal["weights", "biases"]], Field(min_length=1, max_length=2)] = Field(
        default=["weights"], description="what is learned; biases start at 0",
        examples=[["weights"], ["weights", "biases"]],
    )  # fmt: skip
    members: int = Field(default=1, ge=1, le=10_000, description="networks side by side, each with its own weights",
                         examples=[1, 2])  # fmt: skip

    @property
    def degrees_of_freedom(self) -> int:
        """Numbers of a state."""
        nodes = self.graph.node_count
        rows = (self.features or nodes) + self.members * (self.hidden_layers * self.channels + self.classes)
        return nodes * rows

    @property
    def hidden_layers(self) -> int:
        """Hidden layers."""
        return self.depth + self.layer.beyond

    def check(self, scenario):
        """There is someone to listen to."""
        del scenario
        weights = edge_weights(self.graph.network)
        if not len(weights):
            yield Problem(("graph",), "has no edges, so no layer sees a neighbour")
        elif np.min(weights) <= 0:
            yield Problem(("graph",), f"has an edge of weight {np.min(weights):g}; averages need positive ones")

    def build(self, key) -> GraphNetwork:
        """The network with Glorot's random weights and no biases."""
        graph = self.graph.build()
        through = messages(graph, loops=self.self_loops)
        propagate = Propagator(through, PROPAGATORS[self.propagator](through, jnp.asarray(edge_weights(graph))))
        even = Propagator(through, symmetric(through, jnp.asarray(edge_weights(graph))))
        sizes = Sizes(self.features or len(graph), self.channels, self.classes)
        stack = self.layer.stack(self.depth, sizes, self.activation)
        between = max(self.hidden_layers - 1, 1)  # one that nobody uses keeps the couplings of all depths alike

        def one(key):
            first, middle, last = jax.random.split(key, 3)
            hidden = eqx.filter_vmap(stack.middle)(jax.random.split(middle, between))
            return stack.first(first), hidden, stack.last(last)

        first, middle, last = eqx.filter_jit(eqx.filter_vmap(one))(jax.random.split(key, self.members))
        return GraphNetwork(
            first, middle, last, propagate, even, edge_array(graph), node_classes(graph), sizes, self.hidden_layers,
            self.members, tuple(sorted(set(self.learn))),
        )  # fmt: skip
