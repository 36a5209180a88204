"""Graphs of a scenario: networkx in, index arrays out. Host code, no jax.

A graph says who interacts with whom: resistors between nodes, springs between joints, couplings between spins. Its
nodes are numbered from 0 in the order in which networkx makes them, so that a scenario can name them.

| kind | fields | graph |
|---|---|---|
| ``path``, ``cycle``, ``star``, ``complete`` | ``nodes`` | as named; a star's centre is node 0 |
| ``grid`` | ``shape``, ``periodic`` | hypercubic lattice, the last coordinate runs fastest |
| ``triangular`` | ``shape``, ``periodic`` | rows and columns of triangles |
| ``layered`` | ``layers`` | every node of a layer with every node of the next |
| ``balanced_tree`` | ``degree``, ``height`` | ``degree`` branches at every node |
| ``erdos_renyi`` | ``nodes``, ``probability``, ``seed`` | every pair joined with this probability |
| ``random_regular`` | ``nodes``, ``degree``, ``seed`` | uniformly among those with this degree |
| ``small_world`` | ``nodes``, ``degree``, ``probability``, ``seed`` | a rewired ring [watts1998collective] |
| ``preferential`` | ``nodes``, ``degree``, ``seed`` | by preferential attachment [barabasi1999emergence] |
| ``random_geometric`` | ``nodes``, ``radius``, ``dimension``, ``seed`` | points in a unit cube closer than ``radius`` |
| ``stochastic_blocks`` | ``blocks``, ``degree``, ``signal``, ``seed`` | blocks, by :func:`block_probabilities` |
| ``edges`` | ``edges``, ``nodes``, ``weights``, ``positions`` | as listed |
| ``named`` | ``name`` | small graphs that come with networkx, such as ``karate_club`` |

Some graphs of networkx carry weights (the karate club does). They are ignored unless ``weighted: true`` asks for them.

Source: [hagberg2008networkx]. Limits: no directed graphs, no loops, no parallel edges.

Example:
    >>> square = Graph(kind="grid", shape=[2, 2])
    >>> edge_array(square.build()).tolist()
    [[0, 1], [0, 2], [1, 3], [2, 3]]
"""

import math
from functools import lru_cache
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from pydantic import Field, model_validator

from matterlearn.spec import Spec

MOST_NODES, MOST_EDGES = 10**5, 2 * 10**5  # networkx takes seconds and hundreds of megabytes beyond
MOST_PAIRS = 4 * 10**6  # of nodes, where each pair is drawn
NAMED = (
    "bull", "chvatal", "cubical", "davis_southern_women", "desargues", "diamond", "dodecahedral",
    "florentine_families", "frucht", "heawood", "house", "icosahedral", "karate_club", "krackhardt_kite",
    "les_miserables", "octahedral", "pappus", "petersen", "tetrahedral", "truncated_cube", "tutte",
)  # fmt: skip


class Fields(NamedTuple):
    """Which fields a kind of graph needs, and which others it takes."""

    needs: tuple[str, ...]
    takes: tuple[str, ...] = ()


FIELDS = {
    "path": Fields(("nodes",)),
    "cycle": Fields(("nodes",)),
    "star": Fields(("nodes",)),
    "complete": Fields(("nodes",)),
    "grid": Fields(("shape",), ("periodic",)),
    "triangular": Fields(("shape",), ("periodic",)),
    "layered": Fields(("layers",)),
    "balanced_tree": Fields(("degree", "height")),
    "erdos_renyi": Fields(("nodes", "probability"), ("seed",)),
    "random_regular": Fields(("nodes", "degree"), ("seed",)),
    "small_world": Fields(("nodes", "degree", "probability"), ("seed",)),
    "preferential": Fields(("nodes", "degree"), ("seed",)),
    "random_geometric": Fields(("nodes", "radius"), ("dimension", "seed")),
    "stochastic_blocks": Fields(("blocks", "degree", "signal"), ("seed",)),
    "edges": Fields(("edges",), ("nodes", "weights", "positions")),
    "named": Fields(("name",)),
}
Count = Annotated[int, Field(ge=1, le=MOST_NODES)]
Node = Annotated[int, Field(ge=0, lt=MOST_NODES)]


class Graph(Spec):
    """A graph in a scenario; see the module's docstring for the fields of each kind."""

    kind: Literal[
        "path", "cycle", "star", "complete", "grid", "triangular", "layered", "balanced_tree", "erdos_renyi",
        "random_regular", "small_world", "preferential", "random_geometric", "stochastic_blocks", "edges", "named",
    ] = Field(description="how the graph is made")  # fmt: skip
    nodes: Count | None = Field(default=None, description="number of nodes")
    shape: tuple[Count, ...] | None = Field(
        default=None, min_length=1, max_length=6, description="nodes along each axis; rows and columns of triangles"
    )
    periodic: bool = Field(default=False, description="whether opposite sides are joined")
    layers: tuple[Count, ...] | None = Field(default=None, min_length=2, description="nodes of each layer")
    degree: int | None = Field(
        default=None,
        ge=1,
        le=MOST_NODES,
        description="neighbours of a node, on average where blocks are joined; branches of a tree",
    )
    blocks: tuple[Count, ...] | None = Field(default=None, min_length=2, description="nodes of each block")
    signal: float | None = Field(
        default=None, description="λ: how much nodes prefer their own block; below 0 they prefer the others"
    )
    height: int | None = Field(default=None, ge=1, le=30, description="generations of a tree")
    probability: float | None = Field(default=None, ge=0, le=1, description="of an edge, or of rewiring it")
    radius: float | None = Field(default=None, gt=0, description="points closer than this are joined")
    dimension: Literal[1, 2, 3] = Field(default=2, description="of the space in which points are drawn")
    seed: int = Field(default=0, ge=0, lt=2**32, description="of the random graph")
    edges: tuple[tuple[Node, Node], ...] | None = Field(default=None, min_length=1, description="pairs of nodes")
    weights: tuple[float, ...] | None = Field(default=None, description="one per listed edge")
    positions: tuple[tuple[float, ...], ...] | None = Field(default=None, description="of all nodes, σ")
    name: Literal[NAMED] | None = Field(default=None, description="of a graph that comes with networkx")
    weighted: bool = Field(default=False, description="whether weights that the graph carries count")

    @model_validator(mode="after")
    def _belongs(self):
        needs, takes = FIELDS[self.kind]
        for name in needs:
            if getattr(self, name) is None:
                meaning = type(self).model_fields[name].description
                raise ValueError(f"a graph of kind {self.kind!r} needs {name} ({meaning})")
        for name in sorted(self.model_fields_set - {"kind", "weighted", *needs, *takes}):
            if getattr(self, name) != type(self).model_fields[name].default:
                known = ", ".join(needs + takes)
                raise ValueError(f"{name} means nothing to a graph of kind {self.kind!r}, which takes {known}")
        complaint = CHECKS.get(self.kind, lambda spec: "")(self) or _crowd_complaint(self)
        if complaint:
            raise ValueError(complaint)
        return self

    @property
    def node_count(self) -> int:
        """Number of nodes, without drawing a random graph."""
        return self.nodes or sum(self.blocks or ()) or len(self.network)

    @property
    def network(self) -> Any:
        """What :meth:`build` gives, but frozen, for checks of a scenario, where nothing can be built."""
        return _made(self.model_dump_json())

    def build(self) -> Any:
        """The ``networkx.Graph``: nodes 0 … N−1, weights only if they count, attribute ``pos`` if it has places."""
        return self.network.copy()


def edge_array(graph: Any) -> Int[np.ndarray, "edge 2"]:
    """Edges of a built graph, i < j, in lexicographic order.

    >>> edge_array(Graph(kind="cycle", nodes=3).build()).tolist()
    [[0, 1], [0, 2], [1, 2]]
    """
    return np.array(_sorted_edges(graph), np.int32).reshape(-1, 2)


def edge_weights(graph: Any, default: float = 1.0) -> Float[np.ndarray, " edge"]:
    """Weights in the order of :func:`edge_array`; ``default`` where an edge has none.

    >>> edge_weights(Graph(kind="edges", edges=[[1, 2], [0, 1]], weights=[5, 3], weighted=True).build()).tolist()
    [3.0, 5.0]
    """
    return np.array([graph.edges[edge].get("weight", default) for edge in _sorted_edges(graph)], float)


def node_positions(graph: Any) -> Float[np.ndarray, "node axis"]:
    """Places of the nodes: those that the graph was made with, otherwise drawn by springs, mean edge of length 1.

    >>> node_positions(Graph(kind="grid", shape=[1, 2]).build()).tolist()
    [[0.0, 0.0], [0.0, 1.0]]
    """
    import networkx

    known = networkx.get_node_attributes(graph, "pos")
    if len(known) == len(graph):
        return np.array([known[node] for node in range(len(graph))], float)
    drawn = networkx.spring_layout(graph, weight=None, seed=0)
    places = np.array([drawn[node] for node in range(len(graph))], float)
    i, j = edge_array(graph).T
    return places / np.mean(np.linalg.norm(places[i] - places[j], axis=-1)) if len(i) else places


def node_classes(graph: Any) -> dict[str, Int[np.ndarray, " node"]]:
    """What divides all nodes into classes, by name: ``club`` of the karate club, ``block`` of stochastic blocks.

    Classes are numbered in the order of their first node.

    >>> club = node_classes(Graph(kind="named", name="karate_club").build())["club"]
    >>> club[[0, 33]].tolist(), int(club.sum())
    ([0, 1], 17)
    """
    names = sorted({name for _, attributes in graph.nodes(data=True) for name in attributes} - {"pos", "label"})
    found = {}
    for name in names:
        values = [attributes.get(name) for _, attributes in graph.nodes(data=True)]
        if None not in values:
            order = {value: number for number, value in enumerate(dict.fromkeys(values))}
            found[name] = np.array([order[value] for value in values], np.int32)
    return found


def block_probabilities(sizes: tuple[int, ...], degree: float, signal: float) -> tuple[float, float]:
    """Probability of an edge within a block, and between two, of q blocks of n nodes in all.

        p_in = (d + (q − 1) λ√d)/n,        p_out = (d − λ√d)/n

    d is the mean degree if the blocks are of one size. Blocks can be found for |λ| > 1 [mossel2018proof], from the
    graph alone; λ² d is the squared second eigenvalue of a branching walk, over d.

    >>> block_probabilities((50, 50), 4, 1.0)
    (0.06, 0.02)
    """
    blocks, nodes = len(sizes), sum(sizes)
    strength = signal * degree**0.5
    return (degree + (blocks - 1) * strength) / nodes, (degree - strength) / nodes


def _sorted_edges(graph) -> list[tuple[int, int]]:
    return sorted((min(edge), max(edge)) for edge in graph.edges)


@lru_cache(maxsize=4)  # one scenario's graph is asked for by many checks
def _made(text: str) -> Any:
    import networkx

    spec = Graph.model_validate_json(text)
    made = MAKERS[spec.kind](networkx, spec)
    graph = networkx.convert_node_labels_to_integers(networkx.Graph(made), label_attribute="label")
    if not spec.weighted:
        for *_, attributes in graph.edges(data=True):
            attributes.pop("weight", None)
    return networkx.freeze(graph)


def _grid(nx, spec):
    graph = nx.grid_graph(spec.shape[::-1], periodic=spec.periodic)  # networkx counts axes backwards
    nx.set_node_attributes(graph, {node: node if isinstance(node, tuple) else (node,) for node in graph}, "pos")
    return graph


def _layered(nx, spec):
    ends = np.cumsum((0, *spec.layers))
    blocks = [range(a, b) for a, b in zip(ends, ends[1:], strict=False)]
    graph = nx.Graph()
    for depth, block in enumerate(blocks):
        graph.add_nodes_from((int(node), {"layer": depth, "pos": (depth, i)}) for i, node in enumerate(block))
    for block, following in zip(blocks, blocks[1:], strict=False):
        graph.add_edges_from((int(i), int(j)) for i in block for j in following)
    return graph


def _blocks(nx, spec):
    within, between = block_probabilities(spec.blocks, spec.degree, spec.signal)
    chances = np.full((len(spec.blocks),) * 2, between) + np.diag(np.full(len(spec.blocks), within - between))
    return nx.stochastic_block_model(spec.blocks, chances.tolist(), seed=spec.seed, sparse=True)


def _listed_nodes(spec) -> int:
    return spec.nodes if spec.nodes is not None else 1 + max(map(max, spec.edges))


def _listed(nx, spec):
    graph = nx.Graph()
    graph.add_nodes_from(range(_listed_nodes(spec)))
    weights = spec.weights or (None,) * len(spec.edges)
    for (i, j), weight in zip(spec.edges, weights, strict=True):
        graph.add_edge(i, j, **({} if weight is None else {"weight": weight}))
    if spec.positions:
        nx.set_node_attributes(graph, dict(enumerate(spec.positions)), "pos")
    return graph


MAKERS = {
    "path": lambda nx, g: nx.path_graph(g.nodes),
    "cycle": lambda nx, g: nx.cycle_graph(g.nodes),
    "star": lambda nx, g: nx.star_graph(g.nodes - 1),
    "complete": lambda nx, g: nx.complete_graph(g.nodes),
    "grid": _grid,
    "triangular": lambda nx, g: nx.triangular_lattice_graph(*g.shape, periodic=g.periodic),
    "layered": _layered,
    "balanced_tree": lambda nx, g: nx.balanced_tree(g.degree, g.height),
    "erdos_renyi": lambda nx, g: nx.gnp_random_graph(g.nodes, g.probability, g.seed),
    "random_regular": lambda nx, g: nx.random_regular_graph(g.degree, g.nodes, g.seed),
    "small_world": lambda nx, g: nx.watts_strogatz_graph(g.nodes, g.degree, g.probability, g.seed),
    "preferential": lambda nx, g: nx.barabasi_albert_graph(g.nodes, g.degree, g.seed),
    "random_geometric": lambda nx, g: nx.random_geometric_graph(g.nodes, g.radius, g.dimension, seed=g.seed),
    "stochastic_blocks": _blocks,
    "edges": _listed,
    "named": lambda nx, g: getattr(nx, f"{g.name}_graph")(),
}


def _degree_complaint(spec) -> str:
    if spec.degree >= spec.nodes:
        return f"degree {spec.degree} needs more than {spec.nodes} nodes"
    if spec.kind == "random_regular" and spec.degree * spec.nodes % 2:
        return f"{spec.nodes} nodes of degree {spec.degree} have an odd number of ends: make one of them even"
    return ""


def _triangular_complaint(spec) -> str:
    if len(spec.shape) != 2:
        return f"a triangular lattice has rows and columns, not {len(spec.shape)} axes"
    if spec.periodic and (spec.shape[0] < 3 or spec.shape[1] < 5):
        return "a periodic triangular lattice needs a shape of [3, 5] or more"
    return _size_complaint(spec)


def _crowd_complaint(spec) -> str:
    """What would take too long to draw."""
    n, degree = float(spec.nodes or sum(spec.blocks or ()) or sum(spec.layers or ())), spec.degree or 0
    pairs = n * (n - 1) / 2
    expected = {
        "complete": pairs,
        "grid": len(spec.shape or ()) * np.prod(spec.shape or 0, dtype=float),
        "triangular": 3 * np.prod(spec.shape or 0, dtype=float),
        "layered": sum(float(a) * b for a, b in zip(spec.layers or (), (spec.layers or ())[1:], strict=False)),
        "balanced_tree": float(degree) ** (spec.height or 0) + n,
        "erdos_renyi": pairs * (spec.probability or 0),
        "random_geometric": pairs * min(1.0, 4 * min(spec.radius or 0, 1.0) ** spec.dimension),
        "edges": n,
    }.get(spec.kind, n * max(degree, 2) / 2)
    if expected > MOST_EDGES:
        return f"about {expected:.2g} edges; at most {MOST_EDGES}"
    if spec.kind in ("erdos_renyi", "stochastic_blocks") and pairs > MOST_PAIRS:
        return f"{n:g} nodes; at most {math.isqrt(2 * MOST_PAIRS)} where each pair of them is drawn"
    return ""


def _size_complaint(spec) -> str:
    return f"more than {MOST_NODES} nodes" if np.prod(spec.shape, dtype=float) > MOST_NODES else ""


def _blocks_complaint(spec) -> str:
    if sum(spec.blocks) > MOST_NODES:
        return f"more than {MOST_NODES} nodes"
    chances = block_probabilities(spec.blocks, spec.degree, spec.signal)
    if min(chances) < 0 or max(chances) > 1:
        within, between = chances
        return (
            f"signal {spec.signal:g} at degree {spec.degree} gives edges with probability {within:.3g} within a block "
            f"and {between:.3g} between two, not in 0 to 1: bring signal nearer to 0, or change degree"
        )
    return ""


def _listing_complaint(spec) -> str:
    loops = [edge for edge in spec.edges if edge[0] == edge[1]]
    if loops:
        return f"edge {list(loops[0])} joins a node to itself"
    if len({frozenset(edge) for edge in spec.edges}) < len(spec.edges):
        return "an edge is listed twice"
    last = max(map(max, spec.edges))
    if spec.nodes is not None and last >= spec.nodes:
        return f"nodes are numbered from 0 to {spec.nodes - 1}, but an edge has {last}"
    if spec.weights is not None and len(spec.weights) != len(spec.edges):
        return f"{len(spec.weights)} weights for {len(spec.edges)} edges"
    count, places = _listed_nodes(spec), spec.positions
    if places is not None and (len(places) != count or len({len(place) for place in places}) != 1):
        return f"positions should be {count} points of one dimension"
    return ""


CHECKS = {
    "edges": _listing_complaint,
    "grid": _size_complaint,
    "triangular": _triangular_complaint,
    "stochastic_blocks": _blocks_complaint,
    **dict.fromkeys(("random_regular", "small_world", "preferential"), _degree_complaint),
}
