"""Classes of a few nodes are told, those of all others asked: what a graph says about its nodes.

    C = −Σ_{i told} (1/n_told) ln softmax(y_i)_{c_i}        (log_loss)
    C = ½ Σ_{i told} (1/n_told) |y_i − e_{c_i}|²            (squares),      y: outputs, e: one-hot

Features of all nodes are clamped. What divides the nodes is an attribute of the graph (``club`` of the karate club,
``block`` of stochastic blocks), or listed. Features are the identity (a node is known by its number alone), rows that
are listed, or those of the contextual block model [deshpande2018contextual]: with v_i = ±1 for the two classes,

    x_i = √(μ p/n) v_i u + z_i,      u ~ N(0, 1/p),  z ~ N(0, 1) in p entries

Beside the accuracy on nodes that were not told stand those of the harmonic function with the told nodes held, of the
sign of the Laplacian's second eigenvector (two classes, of the better sign), and of logistic regression on features.

Source: [kipf2017semisupervised], [zhu2003semisupervised], [fiedler1973algebraic]. Limits: theory for up to 3000
nodes.

Example:
    >>> Config(kind="node_labels", classes="club", told=[0, 33]).loss
    'log_loss'
"""

from typing import Annotated, Any, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from pydantic import Field
from scipy.sparse.csgraph import connected_components

from matterlearn.core.drive import Drive, harmonic, log_loss
from matterlearn.core.graphs import node_classes
from matterlearn.core.observable import Summary
from matterlearn.core.rule import Batch
from matterlearn.core.spectra import MOST_DENSE
from matterlearn.core.task import AbstractTask, Label, Recall, alike, replicated
from matterlearn.spec import Problem, Spec
from matterlearn.theory import graph_diffusion

LOSSES = {"log_loss": log_loss, "squares": harmonic}


class NodeLabels(AbstractTask):
    """Features and classes of nodes."""

    features: Float[np.ndarray, "node feature"]
    labels: Int[np.ndarray, " node"]
    told: Int[np.ndarray, " told"]
    asked: Int[np.ndarray, " asked"]  # the others
    classes: int = eqx.field(static=True)
    loss: str = eqx.field(static=True)

    @property
    def memory_count(self) -> int:
        """One: all nodes are seen together."""
        return 1

    def _scene(self, system: Any) -> tuple[Drive, Any, Any]:
        """Clamped features with wanted outputs, the start, and the stiffness that ties outputs to what is told."""
        blank = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), system.state_shape())
        x = blank._replace(given=jnp.asarray(self.features, blank.given.dtype))
        wanted = jnp.broadcast_to(jax.nn.one_hot(jnp.asarray(self.labels), self.classes), blank.output.shape)
        free = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, bool), blank)
        clamped = free._replace(given=jnp.ones(free.given.shape, bool))
        ties = jnp.zeros((len(self.labels), 1)).at[self.told].set(1 / len(self.told))
        stiffness = jax.tree.map(lambda leaf: jnp.zeros((1,) * leaf.ndim), blank)._replace(output=ties)
        return Drive(x._replace(output=wanted), clamped=clamped), x, stiffness

    def present(self, key, system, memory, replicas, duration) -> Batch:
        """The whole graph."""
        del key, memory
        free, x, stiffness = self._scene(system)
        drive = Drive(free.target, stiffness, clamped=free.clamped, tether=LOSSES[self.loss])
        drive, x, free = replicated((drive, x, free), replicas)
        return Batch(drive, x, jnp.asarray(duration), free=free)

    def recall(self, key, system, replicas) -> Recall:
        """The whole graph again."""
        del key
        free, x, _ = self._scene(system)
        drive, x = replicated((free, x), replicas)
        return Recall(alike(system, replicas), drive, x, {"cue": Label(np.full(replicas, -1), "1", "no cue")})

    def accuracy(self, x: Any) -> Float[Array, " member"]:
        """Fraction of nodes that were not told whose largest output is that of their class."""
        answers = jnp.argmax(x.output, -1)[:, self.asked]
        return jnp.mean(answers == jnp.asarray(self.labels)[self.asked], -1)

    def evaluate(self, system, dynamics) -> dict[str, float]:
        """Accuracy of the learning network, mean over members, where its minimum is known."""
        del dynamics
        _, x, _ = self._scene(system)
        least = _least(system, x)
        return {} if least is None else {"test_accuracy": float(jnp.mean(self.accuracy(least)))}

    def references(self, system: Any, dynamics) -> list[Summary]:
        """What the graph alone, and what the features alone, say of the nodes that were not told."""
        del dynamics
        guesses = {}
        if len(self.labels) <= MOST_DENSE:
            adjacency = np.zeros((len(self.labels),) * 2)
            adjacency[tuple(system.edges.T)] = 1
            adjacency += adjacency.T
            guesses["harmonic"] = self._harmonic(adjacency), "the harmonic function"
            if self.classes == 2:
                sign = (graph_diffusion.fiedler_labels(adjacency) > 0).astype(int)
                better = max(sign, 1 - sign, key=lambda guess: np.mean(guess == self.labels))
                guesses["fiedler"] = better, "the sign of the Laplacian's second eigenvector"
        if self._informative:
            from sklearn.linear_model import LogisticRegression

            model = LogisticRegression(max_iter=2000).fit(self.features[self.told], self.labels[self.told])
            guesses["features"] = model.predict(self.features), "logistic regression on features alone"
        return [
            Summary(f"accuracy_{name}", (), np.mean(guess[self.asked] == self.labels[self.asked]), "1",
                    f"accuracy of {words}, nodes not told")
            for name, (guess, words) in guesses.items()
        ]  # fmt: skip

    def _harmonic(self, adjacency) -> Int[np.ndarray, " node"]:
        """Classes by the harmonic function; what is joined to no told node gets class 0."""
        _, piece = connected_components(adjacency)
        reached = np.flatnonzero(np.isin(piece, piece[self.told]))
        places = {node: place for place, node in enumerate(reached.tolist())}
        one_hot, within = np.eye(self.classes)[self.labels[self.told]], adjacency[np.ix_(reached, reached)]
        known = [{places[n]: float(v) for n, v in zip(self.told.tolist(), column, strict=True)} for column in one_hot.T]
        guess = np.zeros(len(adjacency), int)
        guess[reached] = np.argmax([graph_diffusion.harmonic_function(within, values) for values in known], 0)
        return guess

    @property
    def _informative(self) -> bool:
        """Whether features say more of a node than its number, and more than one class was told."""
        square = self.features.shape[0] == self.features.shape[1]
        named = square and np.array_equal(self.features, np.eye(len(self.features)))
        return not named and len(set(self.labels[self.told])) > 1

    def groups(self, system) -> dict[str, list[Summary]]:
        """Classes of the nodes, and which were told."""
        del system
        told = np.isin(np.arange(len(self.labels)), self.told).astype(int)
        found = ("class", self.labels, "class of a node"), ("told", told, "whether the class of a node was told")
        return {"memories": [Summary(f"node_{name}", ("node",), values, "1", words) for name, values, words in found]}


@eqx.filter_jit
def _least(system, x):
    return system.minimum(x)


class Identity(Spec):
    """A node is known by its number alone."""

    source: Literal["identity"]

    def count(self, nodes: int) -> int:
        """Features of a node."""
        return nodes

    def complaint(self, labels: Int[np.ndarray, " node"]) -> str | None:
        """They fit any graph."""

    def build(self, labels: Int[np.ndarray, " node"]) -> Float[np.ndarray, "node feature"]:
        """One-hot rows."""
        return np.eye(len(labels))


class Rows(Spec):
    """Features as listed."""

    source: Literal["rows"]
    rows: list[Annotated[list[float], Field(min_length=1)]] = Field(min_length=1, description="one row per node")

    def count(self, nodes: int) -> int:
        """Features of a node."""
        return len(self.rows[0])

    def complaint(self, labels: Int[np.ndarray, " node"]) -> str | None:
        """A row for each node, all of one length."""
        if len(self.rows) != len(labels) or len({len(row) for row in self.rows}) != 1:
            return f"should be {len(labels)} rows of one length, one per node"
        return None

    def build(self, labels: Int[np.ndarray, " node"]) -> Float[np.ndarray, "node feature"]:
        """The rows."""
        return np.array(self.rows, float)


class Spiked(Spec):
    """Noise in which one direction knows the class."""

    source: Literal["spiked"]
    strength: float = Field(ge=0, description="μ")
    entries: int = Field(ge=1, le=10**5, description="p, features of a node")
    seed: int = Field(default=0, ge=0, description="of direction and noise")

    def count(self, nodes: int) -> int:
        """Features of a node."""
        return self.entries

    def complaint(self, labels: Int[np.ndarray, " node"]) -> str | None:
        """Two classes."""
        if labels.max() != 1:
            return f"are made for two classes, not for {labels.max() + 1}"
        return None

    def build(self, labels: Int[np.ndarray, " node"]) -> Float[np.ndarray, "node feature"]:
        """Direction, then noise."""
        rng, (n, p) = np.random.default_rng(self.seed), (len(labels), self.entries)
        direction = rng.normal(size=p) / np.sqrt(p)
        return np.sqrt(self.strength * p / n) * np.outer(2 * labels - 1, direction) + rng.normal(size=(n, p))


class PerClass(Spec):
    """Some nodes of every class, drawn at random."""

    per_class: int = Field(ge=1, description="nodes told of every class")
    seed: int = Field(default=0, ge=0, description="of the choice")


Node = Annotated[int, Field(ge=0)]


class Config(Spec):
    """Classes of nodes in a scenario."""

    kind: Literal["node_labels"]
    memories: ClassVar[int] = 0
    provides: ClassVar[tuple[str, ...]] = (
        "accuracy_harmonic", "accuracy_fiedler", "accuracy_features", "test_accuracy",
    )  # fmt: skip
    classes: str | list[Node] = Field(
        description="attribute of the graph's nodes, or the class of every node", examples=[[0, 1, 1]]
    )
    told: Annotated[list[Node], Field(min_length=1)] | PerClass = Field(
        description="nodes whose class is told", examples=[[0, 2]]
    )
    features: Annotated[Identity | Rows | Spiked, Field(discriminator="source")] = Field(
        default={"source": "identity"}, validate_default=True, description="what is given at the nodes"
    )
    loss: Literal[tuple(LOSSES)] = Field(default="log_loss", description="C")

    def _labels(self, attributes: dict, nodes: int) -> tuple[np.ndarray | None, str]:
        if isinstance(self.classes, str):
            known = ", ".join(attributes) or "none"
            complaint = f"the graph's nodes have no attribute {self.classes!r}; they have: {known}"
            return (attributes[self.classes], "") if self.classes in attributes else (None, complaint)
        labels = np.array(self.classes, np.int32)
        return (labels, "") if len(labels) == nodes else (None, f"{len(labels)} classes for {nodes} nodes")

    def _told(self, labels: np.ndarray) -> np.ndarray:
        if isinstance(self.told, list):
            return np.array(self.told, np.int32)
        rng = np.random.default_rng(self.told.seed)
        every = [np.flatnonzero(labels == c) for c in range(labels.max() + 1)]
        return np.sort(np.concatenate([rng.choice(own, self.told.per_class, replace=False) for own in every]))

    def check(self, scenario):
        """Classes, told nodes and features fit the graph, and the network its classes and features."""
        system = scenario.system
        if not getattr(system, "node_features", False):
            yield Problem(("kind",), f"asks for classes of nodes, which {system.kind!r} does not give: use "
                          "graph_network")  # fmt: skip
            return
        graph = system.graph.network
        labels, complaint = self._labels(node_classes(graph), len(graph))
        if labels is None:
            yield Problem(("classes",), complaint)
            return
        count, sizes = int(labels.max()) + 1, np.bincount(labels)
        if count != system.classes:
            yield Problem(("classes",), f"there are {count} classes, but system.classes is {system.classes}")
        if isinstance(self.told, list):
            if max(self.told) >= len(graph) or len(set(self.told)) < len(self.told):
                yield Problem(("told",), f"should be different nodes from 0 to {len(graph) - 1}")
            elif len(self.told) == len(graph):
                yield Problem(("told",), "tells all nodes, so none is left to ask")
        elif self.told.per_class >= sizes.min():
            yield Problem(("told", "per_class"), f"the smallest class has {sizes.min()} nodes; leave some to ask")
        complaint = self.features.complaint(labels)
        given, wanted = self.features.count(len(graph)), system.features or len(graph)
        if complaint:
            yield Problem(("features",), complaint)
        elif given != wanted:
            yield Problem(("features",), f"are {given} per node, but system.features is {wanted}: set it to {given}")

    def build(self, system) -> NodeLabels:
        """The task."""
        labels, _ = self._labels(system.classes, system.nodes)
        assert labels is not None, "validation has found the classes"
        features = self.features.build(labels)
        told = self._told(labels)
        asked = np.setdiff1d(np.arange(len(labels)), told)
        return NodeLabels(features, labels, told, asked, int(labels.max()) + 1, self.loss)
