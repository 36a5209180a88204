"""Counts of draws from a discrete law with many values."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key


def multinomial(key: Key[Array, ""], weight: Float[Array, " value"], draws: int) -> Float[Array, " value"]:
    """How often each value comes in independent draws of probability ∝ weight ≥ 0, not all of them 0.

    Every draw goes down a binary tree of partial sums with a uniform number for each turn, so that even values of
    probability 10⁻²⁰ come as often as they should in single precision; inverting a cumulative sum would round them off.

    >>> counts = multinomial(jax.random.key(0), jnp.array([3.0, 0.0, 1.0]), 1000)
    >>> counts.sum().item(), counts[1].item(), bool(abs(counts[0] - 750) < 60)
    (1000.0, 0.0, True)
    """
    depth = max(1, (len(weight) - 1).bit_length())
    leaves = jnp.pad(weight, (0, 2**depth - len(weight)))
    levels = [leaves]
    while len(levels[0]) > 1:
        levels.insert(0, levels[0].reshape(-1, 2).sum(1))
    place = jnp.zeros(draws, jnp.int32)
    for level, sums in enumerate(levels[1:]):
        left, right = sums[2 * place], sums[2 * place + 1]
        u = jax.random.uniform(jax.random.fold_in(key, level), (draws,))
        place = 2 * place + ((u * (left + right) >= left) & (right > 0))
    return jnp.zeros_like(leaves).at[place].add(1.0)[: len(weight)]
