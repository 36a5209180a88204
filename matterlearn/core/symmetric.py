"""Symmetric coupling matrices stored as their upper triangle.

One unordered pair (a, b) is one parameter, so dE/dJ_ab is the number of ab contacts exactly: no factor of
two between diagonal and off-diagonal entries, and no gradient that depends on how the species are numbered.

    index(a, b) = a n - a (a - 1)/2 + b - a          for a <= b,        size = n (n + 1)/2
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int


def size(n: int) -> int:
    """Number of unordered pairs, n (n + 1)/2, of n sites.

    >>> size(25)
    325
    """
    return n * (n + 1) // 2


def order(packed_size: int) -> int:
    """Number of sites n whose packed triangle has ``packed_size`` entries.

    Raises:
        ValueError: if no n fits.

    >>> order(325)
    25
    """
    n = int((np.sqrt(8 * packed_size + 1) - 1) / 2 + 0.5)
    if size(n) != packed_size:
        raise ValueError(f"{packed_size} is not n(n+1)/2 for any n: not a packed symmetric matrix")
    return n


def index(a: Int[Array, "*#batch"], b: Int[Array, "*#batch"], n: int) -> Int[Array, "*batch"]:
    """Position of the unordered pair (a, b) in the packed vector.

    >>> int(index(jnp.array(2), jnp.array(1), 3))
    4
    """
    low, high = jnp.minimum(a, b), jnp.maximum(a, b)
    return low * n - low * (low - 1) // 2 + high - low


def index_table(n: int) -> Int[np.ndarray, "n n"]:
    """All packed positions as an n x n table; a host constant, so gathers through it cost nothing to trace."""
    low, high = np.minimum.outer(np.arange(n), np.arange(n)), np.maximum.outer(np.arange(n), np.arange(n))
    return (low * n - low * (low - 1) // 2 + high - low).astype(np.int32)


def unpack(packed: Float[Array, " pair"]) -> Float[Array, "n n"]:
    """Symmetric matrix from its packed upper triangle.

    >>> unpack(jnp.array([1.0, 2.0, 3.0])).tolist()
    [[1.0, 2.0], [2.0, 3.0]]
    """
    return packed[index_table(order(packed.shape[-1]))]


def pack(matrix: Float[Array, "n n"]) -> Float[Array, " pair"]:
    """Packed upper triangle of a symmetric matrix; the lower triangle is not read.

    >>> pack(jnp.array([[1.0, 2.0], [2.0, 3.0]])).tolist()
    [1.0, 2.0, 3.0]
    """
    rows, columns = np.triu_indices(matrix.shape[-1])
    return matrix[rows, columns]
