"""Couplings that are allowed: projections onto bounds, budgets, sparse or tied couplings, few distinct species.

After every step of the optimiser θ ← P(θ), P being the nearest allowed couplings (several: one after the other).

Source: [optax] for boxes and balls; means over ties are the nearest tied couplings; the k largest the nearest sparse
ones; few distinct species by k-means on rows of the coupling matrix, nearest only among the clusters found.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree
from scipy.cluster.vq import kmeans2

from matterlearn.core.symmetric import index, size, unpack
from matterlearn.errors import InputError


def project(theta: PyTree, constraints: tuple[Any, ...]) -> PyTree:
    """The allowed couplings nearest to θ.

    Args:
        theta: couplings.
        constraints: sections as of ``matterlearn.sections.Constraint``.

    Raises:
        InputError: if couplings or species that a constraint speaks of do not exist.

    >>> from matterlearn.sections import Bounds, Sparsity
    >>> project(jnp.array([3.0, -1.0, 0.5]), (Bounds(kind="bounds", high=2.0), Sparsity(kind="sparsity", nonzero=2)))
    Array([ 2., -1.,  0.], dtype=float32)
    """
    for constraint in constraints:
        theta = PROJECTIONS[constraint.kind](constraint, theta)
    return theta


def _flat(function):
    """A projection of the flattened couplings as one of their tree."""

    def projection(constraint, theta):
        flat, unravel = ravel_pytree(theta)
        return unravel(function(constraint, flat))

    return projection


def _sparse(constraint, flat: Float[Array, " n"]):
    kept = jnp.argsort(-jnp.abs(flat))[: constraint.nonzero]
    return jnp.zeros_like(flat).at[kept].set(flat[kept])


def _tied(constraint, flat: Float[Array, " n"]):
    for group in constraint.groups:
        if max(group) >= len(flat):
            raise InputError(f"design.constraints: ties name coupling {max(group)}, but the last is {len(flat) - 1}")
        members = jnp.asarray(group)
        flat = flat.at[members].set(jnp.mean(flat[members]))
    return flat


def _few_species(constraint, flat: Float[Array, " n"]):
    sites = int(np.sqrt(2 * len(flat)))
    if size(sites) != len(flat):
        raise InputError("design.constraints: distinct_species needs couplings between pairs of species")
    if constraint.count >= sites:
        return flat
    rows = np.asarray(unpack(flat), float)
    labels = kmeans2(rows, rows[_spread(rows, constraint.count)], minit="matrix")[1]
    first, second = np.triu_indices(sites)
    low, high = np.sort(np.stack([labels[first], labels[second]]), 0)
    same, block = np.unique(low * sites + high + (first == second) * sites**2, return_inverse=True)
    means = np.bincount(block, rows[first, second], len(same)) / np.bincount(block, minlength=len(same))
    return jnp.zeros_like(flat).at[index(jnp.asarray(first), jnp.asarray(second), sites)].set(means[block])


def _spread(rows, count: int) -> list[int]:
    """Rows far from each other, to begin with: each next one is the farthest from those chosen."""
    chosen = [int(np.argmax(((rows - rows.mean(0)) ** 2).sum(1)))]
    while len(chosen) < count:
        distance = ((rows[:, None] - rows[chosen]) ** 2).sum(-1).min(1)
        chosen.append(int(np.argmax(distance)))
    return chosen


PROJECTIONS = {
    "bounds": _flat(lambda c, flat: optax.projections.projection_box(flat, c.low, c.high)),
    "budget": lambda c, theta: optax.projections.projection_l1_ball(theta, c.total),
    "sparsity": _flat(_sparse),
    "ties": _flat(_tied),
    "distinct_species": _flat(_few_species),
}
