"""Footprints of structures: cells one bond length apart, centred on the origin. Host code, no jax."""

import numpy as np
from jaxtyping import Bool, Float, Int

HEXAGONS = [1 + 3 * k * (k + 1) for k in range(1, 12)]  # 7, 19, 37, …


def make(*, shape=None, hexagon=None, image=None, graph=None) -> Float[np.ndarray, "cell dim"]:
    """Cells of the one footprint that is given.

    >>> make(hexagon=7).shape
    (7, 2)
    """
    if shape is not None:
        return square(shape)
    if hexagon is not None:
        return hexagonal(hexagon)
    if image is not None:
        width = max(len(row) for row in image)
        filled = np.array([[c not in ". " for c in row.ljust(width)] for row in image])
        return centred(cells_of(filled))
    return embedded(graph)


def square(shape) -> Float[np.ndarray, "cell dim"]:
    """Cells of an l₁ × l₂ (× l₃) block, the last axis fastest."""
    return centred(np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1).reshape(-1, len(shape)))


def hexagonal(cells: int) -> Float[np.ndarray, "cell 2"]:
    """Cells of a hexagon cut from the triangular lattice; ``cells`` is 1 + 3 k (k + 1)."""
    k = HEXAGONS.index(cells) + 1
    axial = [(q, r) for q in range(-k, k + 1) for r in range(-k, k + 1) if abs(q + r) <= k]
    return np.array([(q + r / 2, r * np.sqrt(3) / 2) for q, r in axial])


def cells_of(filled: Bool[np.ndarray, "row column"]) -> Float[np.ndarray, "cell 2"]:
    """Points of the filled cells of a grid, in reading order; rows run downwards."""
    rows, columns = np.nonzero(filled)
    return np.stack([columns, -rows], -1).astype(float)


def embedded(bonds) -> Float[np.ndarray, "cell 2"]:
    """Cells of a graph, placed so that bonded cells are one bond length apart on average (stress layout)."""
    import networkx as nx

    graph = nx.Graph([tuple(bond) for bond in bonds])
    place = nx.kamada_kawai_layout(graph)
    points = np.array([place[node] for node in sorted(graph)])
    lengths = [np.linalg.norm(place[a] - place[b]) for a, b in graph.edges]
    return centred(points / np.mean(lengths))


def centred(points) -> Float[np.ndarray, "cell dim"]:
    """The same points about their centroid."""
    points = np.asarray(points, float)
    return points - points.mean(0)


def compact(cells: Float[np.ndarray, "cell dim"], size: int) -> Int[np.ndarray, " size"]:
    """The ``size`` cells nearest to the centroid.

    >>> len(compact(square([5, 5]), 9))
    9
    """
    distance = np.linalg.norm(cells - cells.mean(0), axis=1)
    return np.argsort(np.round(distance, 9), kind="stable")[:size]


def permutations(species: int, cells: int, count: int, seed: int) -> list[Int[np.ndarray, " cell"]]:
    """Independent random assignments of ``species`` (from 0) to cells, each species at most once.

    >>> [sorted(order.tolist()) for order in permutations(3, 3, 2, 0)]
    [[0, 1, 2], [0, 1, 2]]
    """
    random = np.random.default_rng(seed)
    return [random.permutation(species)[:cells] for _ in range(count)]


def most_structures(species: int, cells: int, patches: int) -> int:
    """How many structures can be stored before every pair of sites is somebody's bond.

    A structure of n cells has about 2 (n − √n) bonds (square) out of P n (n − 1)/2 that P patches can tell apart.
    """
    bonds = max(2 * (cells - np.sqrt(cells)), 1.0)
    return max(int(patches * species * (species - 1) / 2 / bonds), 1)
