"""Functions that a compiled program calls on the host, for all replicas at once."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree


def on_host(function: Callable, shapes: PyTree, *arguments: Any) -> PyTree:
    """``function(*arguments)`` with NumPy arrays, called from traced code; under ``vmap``, one call per replica.

    Replicas are spread over threads, so a function that releases the interpreter's lock uses all cores. The program
    that calls must run on one device: of two, one would wait for the other inside the call, and JAX gives up on it.
    """

    def every(*batched):
        batched = [np.asarray(b) for b in batched]
        sizes = {len(b) for b, rank in zip(batched, ranks, strict=True) if b.ndim > rank}
        if not sizes:
            return function(*batched)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            found = list(pool.map(lambda r: function(*(_one(b, k, r) for b, k in zip(batched, ranks, strict=True))),
                                  range(max(sizes))))  # fmt: skip
        return jax.tree.map(lambda *leaves: np.stack(leaves), *found)

    ranks = [np.ndim(argument) for argument in arguments]
    return jax.pure_callback(every, shapes, *arguments, vmap_method="expand_dims")


def _one(batched: np.ndarray, rank: int, replica: int) -> np.ndarray:
    """What one replica is given: arguments that all share have one row, or none."""
    if batched.ndim == rank:
        return batched
    return batched[replica if len(batched) > 1 else 0]
