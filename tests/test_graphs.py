"""Graphs of scenarios: counts and degrees known beforehand, numbering, weights, complaints."""

import subprocess
import sys

import networkx
import numpy as np
import pytest
from pydantic import ValidationError

from matterlearn.core.graphs import (
    FIELDS,
    Graph,
    block_probabilities,
    edge_array,
    edge_weights,
    node_classes,
    node_positions,
)

# kind and fields, nodes, edges: textbook counts
KNOWN = [
    ({"kind": "path", "nodes": 5}, 5, 4),
    ({"kind": "cycle", "nodes": 5}, 5, 5),
    ({"kind": "star", "nodes": 5}, 5, 4),
    ({"kind": "complete", "nodes": 6}, 6, 15),
    ({"kind": "grid", "shape": [3, 4]}, 12, 17),
    ({"kind": "grid", "shape": [3, 4], "periodic": True}, 12, 24),
    ({"kind": "grid", "shape": [4]}, 4, 3),
    ({"kind": "triangular", "shape": [2, 3]}, 8, 13),
    ({"kind": "layered", "layers": [3, 4, 2]}, 9, 20),
    ({"kind": "balanced_tree", "degree": 2, "height": 3}, 15, 14),
    ({"kind": "erdos_renyi", "nodes": 7, "probability": 1.0}, 7, 21),
    ({"kind": "random_regular", "nodes": 10, "degree": 3, "seed": 4}, 10, 15),
    ({"kind": "small_world", "nodes": 12, "degree": 4, "probability": 0.3}, 12, 24),
    ({"kind": "preferential", "nodes": 10, "degree": 2}, 10, 16),
    ({"kind": "random_geometric", "nodes": 9, "radius": 2.0, "dimension": 3}, 9, 36),
    ({"kind": "stochastic_blocks", "blocks": [4, 4], "degree": 4, "signal": 2.0}, 8, 12),
    ({"kind": "edges", "edges": [[0, 1], [3, 1]]}, 4, 2),
    ({"kind": "named", "name": "karate_club"}, 34, 78),
]


@pytest.mark.parametrize(("fields", "nodes", "edges"), KNOWN, ids=lambda v: v["kind"] if isinstance(v, dict) else "")
def test_counts(fields, nodes, edges):
    spec = Graph(**fields)
    graph = spec.build()
    assert spec.node_count == len(graph) == nodes
    assert list(graph) == list(range(nodes))
    pairs = edge_array(graph)
    assert pairs.shape == (edges, 2) and np.all(pairs[:, 0] < pairs[:, 1])
    assert np.array_equal(pairs, edge_array(spec.build())), "one seed gives two graphs"
    assert node_positions(graph).shape[0] == nodes
    assert np.all(edge_weights(graph, 2.0) == 2.0), "weights count without being asked for"


def test_every_kind_is_known():
    assert {fields["kind"] for fields, *_ in KNOWN} == set(FIELDS)


def test_grids_are_numbered_last_axis_first():
    """Node (r, c) of a grid of R x C is r C + c, and its position says so."""
    graph = Graph(kind="grid", shape=[2, 3]).build()
    assert node_positions(graph).tolist() == [[r, c] for r in range(2) for c in range(3)]
    assert sorted(graph[4]) == [1, 3, 5]


def test_layers_meet_their_neighbours_only():
    assert networkx.is_bipartite(Graph(kind="layered", layers=[2, 3, 4]).build())
    assert edge_array(Graph(kind="layered", layers=[2, 1, 1]).build()).tolist() == [[0, 2], [1, 2], [2, 3]]


def test_seeds_make_the_difference():
    first, other = (Graph(kind="erdos_renyi", nodes=30, probability=0.2, seed=seed).build() for seed in (0, 1))
    assert edge_array(first).tolist() != edge_array(other).tolist()


def test_blocks_have_the_edges_that_their_signal_gives():
    """Pairs within and between two blocks are joined with (d ± λ√d)/n; a tenth of λ would be seen, |z| < 4."""
    graph = Graph(kind="stochastic_blocks", blocks=[300, 300], degree=10, signal=1.2, seed=3).build()
    block = node_classes(graph)["block"]
    same = np.ptp(block[edge_array(graph)], 1) == 0
    assert block.tolist() == [0] * 300 + [1] * 300
    counts, pairs = (same.sum(), (~same).sum()), (300 * 299, 300 * 300)
    for count, size, chance in zip(counts, pairs, block_probabilities((300, 300), 10, 1.2), strict=True):
        assert abs(count - size * chance) < 4 * np.sqrt(size * chance * (1 - chance))


@pytest.mark.parametrize("signal", [4.0, -9.0])
def test_impossible_blocks_are_refused(signal):
    with pytest.raises(ValidationError, match="gives edges with probability"):
        Graph(kind="stochastic_blocks", blocks=[20, 20], degree=9, signal=signal)


def test_weights_are_asked_for():
    """The karate club counts encounters: 231 in all [networkx's own copy of the data]."""
    club = Graph(kind="named", name="karate_club", weighted=True).build()
    assert edge_weights(club).sum() == 231
    assert edge_weights(club)[0] == club.edges[0, 1]["weight"] == 4


def test_drawn_positions_have_the_unit_of_an_edge():
    graph = Graph(kind="complete", nodes=5).build()
    places, (i, j) = node_positions(graph), edge_array(graph).T
    assert np.mean(np.linalg.norm(places[i] - places[j], axis=-1)) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"kind": "cycle"}, "needs nodes"),
        ({"kind": "cycle", "nodes": 3, "radius": 0.1}, "radius means nothing"),
        ({"kind": "random_regular", "nodes": 5, "degree": 3}, "odd number of ends"),
        ({"kind": "preferential", "nodes": 3, "degree": 3}, "more than 3 nodes"),
        ({"kind": "edges", "edges": [[1, 1]]}, "to itself"),
        ({"kind": "edges", "edges": [[0, 1], [1, 0]]}, "listed twice"),
        ({"kind": "edges", "edges": [[0, 5]], "nodes": 3}, "from 0 to 2"),
        ({"kind": "edges", "edges": [[0, 1]], "weights": [1, 2]}, "2 weights for 1 edges"),
        ({"kind": "edges", "edges": [[0, 1]], "positions": [[0.0]]}, "2 points"),
        ({"kind": "triangular", "shape": [2]}, "rows and columns"),
        ({"kind": "triangular", "shape": [2, 2], "periodic": True}, r"\[3, 5\]"),
        ({"kind": "grid", "shape": [10**4, 10**4]}, "more than 100000 nodes"),
    ],
)
def test_complaints(fields, words):
    with pytest.raises(ValidationError, match=words):
        Graph(**fields)


def test_validation_needs_no_scipy():
    """Counting the nodes of any graph imports neither jax nor scipy."""
    fields = [case for case, *_ in KNOWN]
    code = f"""
import sys
from matterlearn.kinds import _light_names
Graph = _light_names("matterlearn.core.graphs", {{"Graph"}}, ())[0]["Graph"]
assert [Graph(**f).node_count for f in {fields!r}]
assert not {{"jax", "scipy", "equinox"}} & set(sys.modules), "heavy import"
"""
    subprocess.run([sys.executable, "-c", code], check=True)
