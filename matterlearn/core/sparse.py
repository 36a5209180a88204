"""Kernel of two-valued units on any sparse graph: colours by greedy colouring, neighbours by index.

    e_i(s) = s (U_i + Σ_j J_ij s_j),        s ∈ {low, 1},        state: 1 where s = 1, else 0

Units of one colour have no edge in common, so they are updated together. Greedy colouring needs at most one colour
more than the largest degree; bipartite graphs get two. Every unit of a colour is given as many neighbours as the most
connected one has; what is missing is a neighbour that couples with J = 0.
"""

import functools
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from matterlearn.core.discrete import AbstractKernel
from matterlearn.core.layers import likely
from matterlearn.core.network import NetworkState


class Colour(NamedTuple):
    """Units of one colour: their numbers, and places of their neighbours in the state laid out by colour.

    ``edges`` numbers the edge to each neighbour; one beyond the last edge stands for none.
    """

    units: Int[np.ndarray, " member"]
    neighbors: Int[np.ndarray, "neighbor member"]
    edges: Int[np.ndarray, "neighbor member"]


class Coloring(NamedTuple):
    """A graph sorted by colour; host arrays. ``place`` is where each unit stands in the layout."""

    colours: tuple[Colour, ...]
    place: Int[np.ndarray, " unit"]


def colour_groups(units: int, edges: tuple[tuple[int, int], ...]) -> list[list[int]]:
    """Units of each colour: greedy, most constrained units first; two colours if the graph is bipartite.

    >>> colour_groups(3, ((0, 1), (1, 2)))
    [[0, 2], [1]]
    """
    import networkx

    graph = networkx.empty_graph(units)
    graph.add_edges_from(edges)
    if networkx.is_bipartite(graph):
        colour = networkx.bipartite.color(graph)
        colour = {node: 1 - side if colour[0] else side for node, side in colour.items()}
    else:
        colour = networkx.greedy_color(graph, strategy="DSATUR")
    return [sorted(n for n in graph if colour[n] == c) for c in range(max(colour.values()) + 1)]


@functools.lru_cache(maxsize=32)
def coloring(units: int, edges: tuple[tuple[int, int], ...]) -> Coloring:
    """The graph sorted by colour.

    >>> [c.units.tolist() for c in coloring(3, ((0, 1), (1, 2))).colours]
    [[0, 2], [1]]
    """
    import networkx

    graph = networkx.empty_graph(units)
    graph.add_edges_from((i, j, {"edge": e}) for e, (i, j) in enumerate(edges))
    members = colour_groups(units, edges)
    place = np.empty(units, np.int32)
    place[np.concatenate(members)] = np.arange(units)
    return Coloring(tuple(_colour(graph, group, place, len(edges)) for group in members), place)


def _colour(graph, members, place, none: int) -> Colour:
    most = max((graph.degree[n] for n in members), default=0)
    neighbors = np.zeros((most, len(members)), np.int32)
    edges = np.full((most, len(members)), none, np.int32)
    for column, node in enumerate(members):
        for row, (other, data) in enumerate(sorted(graph.adj[node].items())):
            neighbors[row, column], edges[row, column] = place[other], data["edge"]
    return Colour(np.array(members, np.int32), neighbors, edges)


class SparseKernel(AbstractKernel):
    """Local energies on a coloured graph; ``couplings`` are those of each colour's neighbours."""

    values: int = eqx.field(static=True)
    low: int = eqx.field(static=True)
    units: int = eqx.field(static=True)
    edges: tuple[tuple[int, int], ...] = eqx.field(static=True)
    couplings: tuple[Float[Array, "neighbor member"], ...]
    thresholds: tuple[Float[Array, " member"], ...]

    @property
    def layout(self) -> Coloring:
        """The graph by colour."""
        return coloring(self.units, self.edges)

    def split(self, x):
        """Units by colour."""
        return tuple(x.active[colour.units] for colour in self.layout.colours)

    def join(self, parts):
        """Units by number."""
        return NetworkState(jnp.concatenate(parts)[self.layout.place])

    def environment(self, parts, colour):
        """U_i + Σ_j J_ij s_j."""
        active = jnp.concatenate(parts)
        field = self.thresholds[colour]
        for neighbors, coupling in zip(self.layout.colours[colour].neighbors, self.couplings[colour], strict=True):
            field = field + coupling * (self.low + (1 - self.low) * active[neighbors].astype(field.dtype))
        return field

    def site_energy(self, value, environment):
        """e_i(s)."""
        return (self.low + (1 - self.low) * value.astype(environment.dtype)) * environment

    def conditional(self, bits, value, environment, kT):
        """1 with probability 1/(1 + exp[(1 − low) field/kT])."""
        return likely(bits, (self.low - 1) * environment / kT).astype(value.dtype)


def sparse_kernel(
    edges: tuple[tuple[int, int], ...], coupling: Float[Array, " edge"], threshold: Float[Array, " unit"], low: int
) -> SparseKernel:
    """The kernel at these couplings."""
    colours = coloring(len(threshold), edges).colours
    padded = jnp.concatenate([coupling, jnp.zeros(1, coupling.dtype)])
    couplings = tuple(padded[colour.edges] for colour in colours)
    thresholds = tuple(threshold[colour.units] for colour in colours)
    return SparseKernel(2, low, len(threshold), edges, couplings, thresholds)
