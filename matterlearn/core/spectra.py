"""Spectra of graphs on the host, no jax: Laplacians, dense decompositions up to a size, extreme eigenvalues beyond.

    L = D − A,        D_ii = Σ_j A_ij

Weights are given, in the order of ``core.graphs.edge_array``, or they are 1: those that a graph carries are never read
silently. A dense decomposition takes time N³ and memory N²; above ``MOST_DENSE`` nodes it is refused, and extreme
eigenvalues by Lanczos, or Chebyshev series of functions of L, which need nothing but products, take its place.

Source: [chung1997spectral], Lanczos: [lehoucq1998arpack] through scipy. Limits: undirected graphs.

Example:
    >>> from matterlearn.core.graphs import Graph
    >>> square = Graph(kind="cycle", nodes=4).build()
    >>> abs(spectrum(laplacian(square)).values.round(9)).tolist(), round(largest_eigenvalue(square), 9)
    ([0.0, 2.0, 2.0, 4.0], 4.0)
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from matterlearn.core.graphs import edge_array
from matterlearn.errors import InputError

MOST_DENSE = 3000  # rows: half a minute and 200 MB in double precision
SMALL = 400  # rows below which a dense decomposition is as quick as Lanczos


class Spectrum(NamedTuple):
    """Eigenvalues in ascending order, and eigenvectors as columns."""

    values: Float[np.ndarray, " mode"]
    modes: Float[np.ndarray, "node mode"]


def laplacian(graph: Any, weights: Float[np.ndarray, " edge"] | None = None) -> Any:
    """L = D − A as a sparse matrix of scipy; rows add up to zero.

    >>> from matterlearn.core.graphs import Graph
    >>> laplacian(Graph(kind="path", nodes=2).build(), np.array([3.0])).toarray().tolist()
    [[3.0, -3.0], [-3.0, 3.0]]
    """
    from scipy.sparse import csr_array, diags_array

    (low, high), nodes = edge_array(graph).T, len(graph)
    weights = np.ones(len(low)) if weights is None else np.asarray(weights, float)
    both = np.concatenate([weights, weights]), (np.concatenate([low, high]), np.concatenate([high, low]))
    adjacency = csr_array(both, shape=(nodes, nodes))
    return csr_array(diags_array(adjacency.sum(1)) - adjacency)


def spectrum(matrix: Any) -> Spectrum:
    """All eigenvalues and eigenvectors of a symmetric matrix, sparse or dense.

    Raises:
        InputError: above ``MOST_DENSE`` rows.
    """
    check_dense(matrix.shape[0])
    return Spectrum(*np.linalg.eigh(matrix.toarray() if hasattr(matrix, "toarray") else np.asarray(matrix)))


def largest_eigenvalue(graph: Any, weights: Float[np.ndarray, " edge"] | None = None) -> float:
    """λ_max of the Laplacian, to rounding: dense if the graph is small, otherwise by Lanczos.

    >>> from matterlearn.core.graphs import Graph
    >>> round(largest_eigenvalue(Graph(kind="complete", nodes=5).build(), np.full(10, 2.0)), 9)
    10.0
    """
    nodes = len(graph)
    if nodes <= SMALL:  # with numpy alone: checking a scenario should not wait for scipy
        low, high = edge_array(graph).T
        matrix = np.zeros((nodes, nodes))
        matrix[low, high] = -1.0 if weights is None else -np.asarray(weights, float)
        matrix += matrix.T
        return float(np.linalg.eigvalsh(matrix - np.diag(matrix.sum(1)))[-1])
    from scipy.sparse.linalg import eigsh

    start = np.random.default_rng(0).normal(size=nodes)  # a fixed start: the same digits every time
    return float(eigsh(laplacian(graph, weights), k=1, which="LA", v0=start, return_eigenvectors=False)[0])


def dense_complaint(rows: int) -> str | None:
    """Why a matrix of so many rows should not be decomposed, if it should not.

    >>> dense_complaint(10**5)
    '100000 degrees of freedom are too many for a dense decomposition, at most 3000; use a chebyshev series instead'
    """
    if rows <= MOST_DENSE:
        return None
    return (
        f"{rows} degrees of freedom are too many for a dense decomposition, at most {MOST_DENSE}; use a chebyshev "
        "series instead"
    )


def check_dense(rows: int) -> None:
    """Refuse what is too large.

    Raises:
        InputError: above ``MOST_DENSE`` rows.
    """
    complaint = dense_complaint(rows)
    if complaint:
        raise InputError(complaint)
