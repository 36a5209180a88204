"""What scores are fitted by: the squared error of the posterior mean, at noise levels drawn from a law of their own.

    L(t) = E_a E_{x|a} ‖w(t) (a − ⟨a|x⟩)‖²,        t from the law of noise levels

Its minimum over all functions is the posterior mean, whatever w; a network that cannot be that settles for another
compromise with each w.

| weight | ‖…‖² is that of | per entry at the minimum |
|---|---|---|
| reference | (a − ⟨a\\|x⟩)/deviation in the reference's posterior | 1 for normal data |
| noise | z − ⟨z\\|x⟩ | the simple loss of DDPM |
| score | √g² (∇ ln p(x\\|a) − ∇ ln p_t): denoising score matching | ∫ of it bounds the likelihood: the ELBO of DDPM |
| signal | a − ⟨a\\|x⟩ | mean squared error of denoising |

Denoising and explicit score matching differ by a constant that no score changes, d/σ² − I(p_t), I the Fisher
information of p_t:

    E‖∇ ln p(x|a) − s(x)‖² = E‖∇ ln p_t(x) − s(x)‖² + E‖∇ ln p(x|a)‖² − E‖∇ ln p_t(x)‖²

Source: [vincent2011], [ho2020], [songml2021], [karras2022].
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from matterlearn.diffusion.bases import Data
from matterlearn.diffusion.fitted import log_ratio
from matterlearn.diffusion.processes import AbstractProcess
from matterlearn.diffusion.samplers import power_grid
from matterlearn.diffusion.schedules import Time
from matterlearn.diffusion.scores import AbstractScore

Residual = Callable[[Any, Data, Data, Time], Data]


def _reference(score, a, x, t):
    return score.residual(a, x, t)


def _noise(score, a, x, t):
    return score.process.noise_of(x, a, t) - score.noise(x, t)


def _score(score, a, x, t):
    diffusivity = jnp.sqrt(score.process.rates(t)[1])
    gap = score.process.score_of(x, a, t) - score.score(x, t)
    return score.process.basis.back(diffusivity * score.process.basis.to(gap))


def _signal(score, a, x, t):
    return a - score.denoise(x, t)


WEIGHTS: dict[str, Residual] = {"reference": _reference, "noise": _noise, "score": _score, "signal": _signal}


def denoising_loss(
    key: Key[Array, ""], score: Any, a: Data, t: Time, residual: Residual = _reference
) -> Float[Array, ""]:
    """‖residual‖² per entry of one sample, noised to t."""
    x = score.process.perturb(key, a, t)
    return jnp.mean(residual(score, a, x, t) ** 2)


def explicit_loss(score: AbstractScore, known: AbstractScore, x: Data, t: Time) -> Float[Array, ""]:
    """‖∇ ln p_t(x) − s(x)‖², where the score of the data is known."""
    return jnp.sum((known.score(x, t) - score.score(x, t)) ** 2)


NODES = 2048  # of tables of noise levels


def level_table(
    process: AbstractProcess, start: Time, end: Time, law: str, centre: float = -1.2, width: float = 1.2
) -> Float[Array, " node"]:
    """Times at evenly spaced quantiles of a law of noise levels between two times.

    ``time`` is uniform in time, ``log_ratio`` uniform in ln σ/α, and ``normal`` normal in it, with centre and width.
    """
    geometric = start * (end / start) ** jnp.linspace(0.0, 1.0, NODES)
    uniform = jnp.linspace(start, end, NODES)
    if law == "time":
        return uniform
    # Both ends need many points: noise grows geometrically in some processes, linearly in others.
    times = jnp.sort(jnp.concatenate([geometric, uniform]))
    levels = jax.vmap(lambda t: log_ratio(process, t))(times)
    shares = jnp.linspace(0.0, 1.0, NODES)
    if law == "log_ratio":
        wanted = levels[0] + shares * (levels[-1] - levels[0])
    else:
        ends = jax.scipy.stats.norm.cdf((levels[jnp.array([0, -1])] - centre) / width)
        inside = jnp.clip(ends[0] + shares * (ends[1] - ends[0]), 1e-6, 1 - 1e-6)
        wanted = centre + width * jax.scipy.stats.norm.ppf(inside)
    return jnp.interp(wanted, levels, times)


def draw_levels(
    key: Key[Array, ""], table: Float[Array, " node"], count: int
) -> Float[Array, " sample"]:
    """One time from each of ``count`` strata of a table of quantiles: the loss fluctuates less than with any times."""
    shares = (jnp.arange(count) + jax.random.uniform(key, (count,))) / count
    return jnp.interp(shares * (len(table) - 1), jnp.arange(len(table)), table)


def falling_times(
    process: AbstractProcess, first: Time, end: Time, steps: int, law: str, power: Float[Array, ""]
) -> Float[Array, " time"]:
    """Times of a reverse process: ``steps`` of them from ``end`` down to ``first``, then 0.

    Even in the ``power``-th root of time (``time``), or in ln σ/α (``log_ratio``).
    """
    if law == "time":
        return power_grid(first, end, steps, power)
    table = level_table(process, first, end, law)
    places = jnp.linspace(len(table) - 1, 0, steps)
    return jnp.append(jnp.interp(places, jnp.arange(len(table)), table), 0.0)
