"""Sliced Wasserstein distance between samples: how far mass has to be carried, averaged over directions.

    W₂²(a, b) = ∫₀¹ (F_a⁻¹(u) − F_b⁻¹(u))² du                     on a line, between quantile functions
    SW₂²(a, b) = ⟨W₂²(e·a, e·b)⟩ over directions e, |e| = 1

Shifting a law by Δ gives W₂ = |Δ|, hence SW₂² = |Δ|²/d; scaling an isotropic normal law from s to s' gives
SW₂ = |s − s'|.

Source: [bonneel2015]. Limits: between finite samples of one law it is not 0 but of the order of √(d/n).

Example:
    >>> a = np.array([[0.0], [1.0]])
    >>> sliced_wasserstein(a, a + 3.0, directions(1, 1))
    3.0
"""

import numpy as np
from jaxtyping import Float


def directions(dimension: int, count: int, seed: int = 0) -> Float[np.ndarray, "direction entry"]:
    """Unit vectors: one on a line, equal angles of a half-turn in a plane, independent ones beyond.

    >>> directions(2, 2).round(12).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    if dimension == 1:
        return np.ones((1, 1))
    if dimension == 2:
        angle = np.pi * np.arange(count) / count
        return np.stack([np.cos(angle), np.sin(angle)], -1)
    vectors = np.random.default_rng(seed).normal(size=(count, dimension))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def squared_distances(
    a: Float[np.ndarray, "sample line"], b: Float[np.ndarray, "other line"]
) -> Float[np.ndarray, " line"]:
    """W₂² of every column: exact, for any two numbers of samples."""
    ends = np.union1d(np.arange(1, len(a) + 1) * len(b), np.arange(1, len(b) + 1) * len(a))  # in units of 1/(n m)
    width = np.diff(ends, prepend=0) / (len(a) * len(b))
    first, second = np.sort(a, 0)[(ends - 1) // len(b)], np.sort(b, 0)[(ends - 1) // len(a)]
    return width @ (first - second) ** 2


def sliced_wasserstein(
    a: Float[np.ndarray, "sample entry"],
    b: Float[np.ndarray, "other entry"],
    along: Float[np.ndarray, "direction entry"],
) -> float:
    """SW₂ over these directions."""
    return float(np.sqrt(squared_distances(a @ along.T, b @ along.T).mean()))
