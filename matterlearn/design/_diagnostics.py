"""Whether a gradient can be trusted: how heavy its tails are, and how fast sensitivities grow along a path.

Magnitudes beyond a threshold follow a generalised Pareto law with P(|g| > y) ∝ y^{−α} far out. Its shape 1/α is fitted
to the largest min(n/5, 3√n) of n values by the quasi-Bayesian formula of Zhang and Stephens, drawn a little towards
1/2 where few values speak. Below α = 2 there is no variance, hence no standard error of a mean; below 1 no mean. A mean
of n values is reliable while 1/α < min(1 − 1/log₁₀ n, 0.7).

Source: [zhang2009new], [vehtari2024pareto]. Limits: needs some tens of values.
"""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

FEWEST = 25  # values from which a tail index means something
MANY = 30  # values that make up a variance which can be relied on


def tail_count(n: int) -> int:
    """How many of n values are fitted."""
    return math.ceil(min(0.2 * n, 3 * math.sqrt(n)))


@jax.jit
def tail_index(values: Float[Array, " n"]) -> Float[Array, ""]:
    """α of the magnitudes; infinite for thin tails, or fewer than :data:`FEWEST` values; 0 if one is not finite.

    Where the variance is the work of many values, (Σ y²)²/Σ y⁴ > :data:`MANY`, there is no tail to speak of, however
    the magnitudes are distributed (two populations, say).

    >>> import jax
    >>> heavy = jax.random.pareto(jax.random.key(0), 1.5, (4000,))
    >>> abs(1 / float(tail_index(heavy)) - 1 / 1.5) < 3 * (1 + 1 / 1.5) / tail_count(4000) ** 0.5
    True
    """
    n = len(values)
    if n < FEWEST:
        return jnp.asarray(jnp.inf)
    m = tail_count(n)
    top = jnp.sort(jnp.where(jnp.isnan(values), jnp.inf, jnp.abs(values)))[-m - 1 :]
    shape = pareto_shape(top[1:] - top[0])
    shape = (shape * m + 5.0) / (m + 10.0)  # ten more values that speak for 1/2
    same = top[-1] <= top[0]
    scaled = (values / top[-1]) ** 2
    shared = jnp.sum(scaled) ** 2 > MANY * jnp.sum(scaled**2)
    index = jnp.where((shape > 0) & ~same & ~shared, 1 / shape, jnp.inf)
    return jnp.where(jnp.isfinite(top[-1]), index, 0.0)


def pareto_shape(excess: Float[Array, " m"]) -> Float[Array, ""]:
    """Shape ξ of a generalised Pareto law, P(y) ∝ (1 + ξ y/s)^{−1/ξ}, from sorted excesses over a threshold."""
    m = len(excess)
    grid = 30 + int(math.sqrt(m))
    quartile = jnp.maximum(excess[int(m / 4 + 0.5) - 1], jnp.finfo(excess.dtype).tiny)
    theta = 1 / excess[-1] + (1 - jnp.sqrt(grid / (jnp.arange(grid) + 0.5))) / (3 * quartile)
    k = jnp.mean(jnp.log1p(-theta[:, None] * excess), 1)
    profile = m * (jnp.log(-theta / k) - k - 1)
    weights = jax.nn.softmax(jnp.where(jnp.isnan(profile), -jnp.inf, profile))
    best = jnp.sum(weights * theta)
    return jnp.mean(jnp.log1p(-best * excess))


def reliable(index: Float[Array, ""], n: int) -> Bool[Array, ""]:
    """False if a mean over n values with this tail index is worth nothing: 1/α above the limit by its own error."""
    shape = 1 / index
    error = (1 + shape) / math.sqrt(tail_count(n))
    return jnp.isposinf(index) | (shape - error < min(1 - 1 / math.log10(max(n, FEWEST)), 0.7))


@jax.jit
def growth_rate(times: Float[Array, " time"], norms: Float[Array, "replica time"]) -> Float[Array, ""]:
    """Slope of the median of ln |dx/dθ| over the second half of the times: a Lyapunov exponent where there is chaos.

    >>> times = jnp.arange(10.0)
    >>> round(float(growth_rate(times, jnp.exp(0.3 * times)[None])), 6)
    0.3
    """
    half = len(times) // 2
    late, log = times[half:], jnp.median(jnp.log(jnp.maximum(norms, jnp.finfo(norms.dtype).tiny)), 0)[half:]
    centred = late - jnp.mean(late)
    return jnp.sum(centred * log) / jnp.sum(centred**2)


def length_of(tree) -> Float[Array, ""]:
    """Euclidean norm over all numbers of a tree."""
    return jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(tree)))


def norm_of(tree) -> Float[Array, ""]:
    """Root mean square over all numbers of a tree."""
    leaves = [leaf for leaf in jax.tree.leaves(tree) if jnp.issubdtype(leaf.dtype, jnp.inexact)]
    return jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in leaves) / sum(leaf.size for leaf in leaves))
