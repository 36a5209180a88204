"""Sparse message passing: what the edges of a graph carry between its nodes, at the cost of its edges.

    y_i = Σ_j w_ij x_j,        ∂L/∂x_j = Σ_i w_ij ∂L/∂y_i,        ∂L/∂w_ij = ∂L/∂y_i · x_j

Every edge is there in both directions, so the transpose of a mixture runs over the same edges with the weights of their
mirror images: no derivative of any order scatters, and none keeps numbers for edges × channels. Mixtures and the dot
products along edges that are their derivatives are two bilinear primitives, each the other's transpose
(docs/benchmarks/message_passing.md). Several replicas are one graph in several pieces.

Weights of edges are never read silently: a graph of ``core.graphs`` has them only if its spec says ``weighted: true``,
and :func:`messages` leaves them to ``core.graphs.edge_weights``. Spectra are in ``core.spectra``.

Source: [kipf2017semisupervised], [gilmer2017neural]; textbook. Limits: undirected graphs of one kind of edge.

Example:
    >>> from matterlearn.core.graphs import Graph
    >>> path = messages(Graph(kind="path", nodes=3).build(), loops=True)
    >>> path.mix(row_normalised(path), jnp.array([[1.0], [2.0], [3.0]])).tolist()
    [[1.5], [2.0], [2.5]]
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental.sparse import BCSR
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array, Float, Int

from matterlearn.core.graphs import edge_array


class Messages(eqx.Module):
    """Directed edges of an undirected graph, sorted by receiver and then by sender; host arrays of integers.

    Attributes:
        senders: node that each directed edge comes from.
        receivers: node that it goes to.
        starts: first edge into every node, and the number of edges after them.
        mirror: the same edge in the other direction.
        undirected: its number in ``core.graphs.edge_array``; one beyond the last for an edge of a node to itself.
        nodes: number of nodes.
        edges: number of undirected edges.
    """

    senders: Int[np.ndarray, " edge"]
    receivers: Int[np.ndarray, " edge"]
    starts: Int[np.ndarray, " row"]
    mirror: Int[np.ndarray, " edge"]
    undirected: Int[np.ndarray, " edge"]
    nodes: int = eqx.field(static=True)
    edges: int = eqx.field(static=True)

    def both_ways(self, values: Float[Array, " undirected"], own: float = 1.0) -> Float[Array, " edge"]:
        """Numbers of undirected edges on both directions; ``own`` on the edge of a node to itself."""
        return jnp.append(jnp.asarray(values, float), own)[self.undirected]

    def sum(self, values: Float[Array, "edge *channel"]) -> Float[Array, "node *channel"]:
        """Σ over the edges into each node; 0 at a node without any."""
        return jax.ops.segment_sum(values, self.receivers, self.nodes, indices_are_sorted=True)

    def softmax(self, logits: Float[Array, "edge *head"]) -> Float[Array, "edge *head"]:
        """exp(l_e) / Σ exp(l) over the edges into the same node, for logits of any size."""
        highest = jax.ops.segment_max(jax.lax.stop_gradient(logits), self.receivers, self.nodes, True)
        raised = jnp.exp(logits - highest[self.receivers])
        return raised / self.sum(raised)[self.receivers]

    def mix(self, weights: Float[Array, " edge"], x: Float[Array, "node *channel"]) -> Float[Array, "node *channel"]:
        """Σ_j w_ij x_j at every node i; 0 at a node without edges."""
        x = jnp.asarray(x)
        kind = jnp.result_type(weights, x)
        flat = x.reshape(self.nodes, -1).astype(kind)
        return mix_p.bind(jnp.asarray(weights, kind), flat, *self._places()).reshape(x.shape)

    def dots(self, y: Float[Array, "node *channel"], x: Float[Array, "node *channel"]) -> Float[Array, " edge"]:
        """y_i · x_j along every edge from j to i."""
        kind = jnp.result_type(y, x)
        y, x = (jnp.asarray(z, kind).reshape(self.nodes, -1) for z in (y, x))
        return dots_p.bind(y, x, *self._places())

    def _places(self):
        return tuple(jnp.asarray(a) for a in (self.senders, self.receivers, self.starts, self.mirror))


def messages(graph: Any, loops: bool) -> Messages:
    """Edges of a graph that ``core.graphs.Graph`` built, in both directions, with one of every node to itself or not.

    >>> from matterlearn.core.graphs import Graph
    >>> pair = messages(Graph(kind="path", nodes=2).build(), loops=True)
    >>> list(zip(pair.senders.tolist(), pair.receivers.tolist()))
    [(0, 0), (1, 0), (0, 1), (1, 1)]
    """
    return joined(edge_array(graph), len(graph), loops)


def joined(edges: Int[np.ndarray, "undirected 2"], nodes: int, loops: bool) -> Messages:
    """The same from pairs of nodes, every pair once; undirected edges keep their order.

    >>> joined(np.array([[2, 0]]), 3, loops=False).receivers.tolist()
    [0, 2]
    """
    low, high = np.asarray(edges).reshape(-1, 2).T
    own, number = np.arange(nodes if loops else 0), np.arange(len(low))
    senders, receivers = np.concatenate([low, high, own]), np.concatenate([high, low, own])
    undirected = np.concatenate([number, number, np.full(len(own), len(low))])
    order = np.lexsort((senders, receivers))
    senders, receivers, undirected = (a[order].astype(np.int32) for a in (senders, receivers, undirected))
    starts = np.searchsorted(receivers, np.arange(nodes + 1)).astype(np.int32)
    # Sorted the other way around, the same pairs appear in the order of their mirror images.
    mirror = np.lexsort((receivers, senders)).astype(np.int32)
    return Messages(senders, receivers, starts, mirror, undirected, nodes, len(low))


def directed(messages: Messages, edge_weights: Float[Array, " undirected"] | None = None) -> Float[Array, " edge"]:
    """Ã: 1 or the given weight on both directions of every edge, 1 on loops."""
    return messages.both_ways(jnp.ones(messages.edges) if edge_weights is None else edge_weights)


def degrees(messages: Messages, edge_weights: Float[Array, " undirected"] | None = None) -> Float[Array, " node"]:
    """D̃: sum of Ã over the edges into each node."""
    if edge_weights is None:
        return jnp.diff(messages.starts).astype(float)
    return messages.sum(directed(messages, edge_weights))


def symmetric(messages: Messages, edge_weights: Float[Array, " undirected"] | None = None) -> Float[Array, " edge"]:
    """D̃^{−½} Ã D̃^{−½} on every edge: Kipf's propagator if the messages have loops. Isolated nodes receive nothing."""
    degree = degrees(messages, edge_weights)
    linked = degree > 0
    root = jnp.where(linked, jax.lax.rsqrt(jnp.where(linked, degree, 1.0)), 0.0)
    return root[messages.receivers] * directed(messages, edge_weights) * root[messages.senders]


def row_normalised(
    messages: Messages, edge_weights: Float[Array, " undirected"] | None = None
) -> Float[Array, " edge"]:
    """D̃^{−1} Ã on every edge: what arrives at a node is an average. Isolated nodes receive nothing."""
    degree = degrees(messages, edge_weights)
    return directed(messages, edge_weights) / jnp.where(degree > 0, degree, 1.0)[messages.receivers]


def _mixed(weights, x, senders, receivers, starts, mirror):
    del receivers, mirror
    return BCSR((weights, senders, starts), shape=(len(x), len(x)), indices_sorted=True, unique_indices=True) @ x


def _dotted(y, x, senders, receivers, starts, mirror):
    del starts, mirror
    along = y[receivers] * x[senders]
    # A product of matrices may be summed in any order, so it is made of vector instructions; a sum is not.
    return jnp.dot(along, jnp.ones(along.shape[1], along.dtype), precision="highest")


def _transposed_mix(slope, weights, x, senders, receivers, starts, mirror):
    places = senders, receivers, starts, mirror
    if ad.is_undefined_primal(weights):
        return dots_p.bind(slope, x, *places), None, None, None, None, None
    return None, mix_p.bind(weights[mirror], slope, *places), None, None, None, None


def _transposed_dots(slope, y, x, senders, receivers, starts, mirror):
    places = senders, receivers, starts, mirror
    if ad.is_undefined_primal(y):
        return mix_p.bind(slope, x, *places), None, None, None, None, None
    return None, mix_p.bind(slope[mirror], y, *places), None, None, None, None


def _pieces(arguments, axes, nodes: int, edges: int):
    """Replicas as pieces of one graph: every argument of all replicas in one row, numbered on from piece to piece."""
    size = next(a.shape[axis] for a, axis in zip(arguments, axes, strict=True) if axis is not None)
    first, second, senders, receivers, starts, mirror = (
        jnp.broadcast_to(a, (size, *a.shape)) if axis is None else jnp.moveaxis(a, axis, 0)
        for a, axis in zip(arguments, axes, strict=True)
    )
    piece = jnp.arange(size, dtype=senders.dtype)[:, None]
    rows = jnp.append((starts[:, :-1] + edges * piece).reshape(-1), jnp.asarray(size * edges, starts.dtype))
    flat = [z.reshape(-1, *z.shape[2:]) for z in (first, second)]
    places = [(z + step * piece).reshape(-1) for z, step in ((senders, nodes), (receivers, nodes), (mirror, edges))]
    return size, (*flat, *places[:2], rows, places[2])


def _batched_mix(arguments, axes):
    """Replicas that share their weights are channels; others are pieces of one graph."""
    weights, x, *places = arguments
    if all(axis is None for axis in (axes[0], *axes[2:])):
        wide = jnp.moveaxis(x, axes[1], 1)
        return mix_p.bind(weights, wide.reshape(len(wide), -1), *places).reshape(wide.shape), 1
    nodes = [n for axis, n in enumerate(x.shape) if axis != axes[1]][0]
    edges = [n for axis, n in enumerate(places[0].shape) if axis != axes[2]][0]
    size, pieces = _pieces(arguments, axes, nodes, edges)
    return mix_p.bind(*pieces).reshape(size, nodes, -1), 0


def _batched_dots(arguments, axes):
    x, senders = arguments[1], arguments[2]
    nodes = [n for axis, n in enumerate(x.shape) if axis != axes[1]][0]
    edges = [n for axis, n in enumerate(senders.shape) if axis != axes[2]][0]
    size, pieces = _pieces(arguments, axes, nodes, edges)
    return dots_p.bind(*pieces).reshape(size, edges), 0


def _bilinear(name, evaluated, shaped, transposed, batched) -> Primitive:
    """A primitive that is linear in its first two arguments; the places that follow are integers."""
    primitive = Primitive(name)
    primitive.def_impl(jax.jit(evaluated))
    primitive.def_abstract_eval(shaped)
    by_first = lambda slope, first, second, *places: primitive.bind(slope, second, *places)  # noqa: E731
    by_second = lambda slope, first, second, *places: primitive.bind(first, slope, *places)  # noqa: E731
    ad.defjvp(primitive, by_first, by_second, None, None, None, None)
    ad.primitive_transposes[primitive] = transposed
    batching.primitive_batchers[primitive] = batched
    mlir.register_lowering(primitive, mlir.lower_fun(evaluated, multiple_results=False))
    return primitive


mix_p = _bilinear("mix", _mixed, lambda weights, x, *_: x, _transposed_mix, _batched_mix)
dots_p = _bilinear(
    "dots", _dotted, lambda y, x, senders, *_: y.update(shape=senders.shape), _transposed_dots, _batched_dots
)
