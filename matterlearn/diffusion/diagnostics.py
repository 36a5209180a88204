"""What a score does to data: when it decides for a class, when for a sample, and along which directions it denoises.

    clones      φ(t) = P(two reverse trajectories that part at x_t end in one class)
    entropy     f(t) = (1/d) E[−ln w_μ(x_t)],   x_t noised from sample μ,   w the responsibilities of the samples

f is the entropy, per entry, of the question which sample x_t came from: ln n/d where all overlap, 0 after the collapse.
It equals (1/d) E ln p^emp_t + ½ + ½ ln 2πσ² + ln n/d in white noise. Denoisers that are posterior means have the
Jacobian

    ∂⟨a|x⟩/∂x = Cov(a|x) α/σ²        (in the components of the process),

symmetric where all components have the same noise, and the mean squared error E tr Cov(a|x). A fitted one need not.
Everything is in the units of the data. Source: [biroli2024], [kadkhodaie2024]; copies [yoon2023].

Example:
    >>> nearest(jnp.array([0.5, 0.0]), jnp.array([[0.0, 0.0], [0.5, 4.0]])).distances.tolist()
    [0.5, 4.0]
"""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from matterlearn.diffusion.bases import Data
from matterlearn.diffusion.samplers import AbstractStep
from matterlearn.diffusion.schedules import Time
from matterlearn.diffusion.scores import AbstractScore, EmpiricalScore

Number = Float[Array, ""]
Samples = Float[Array, "sample *site"]
COPY = 1 / 3  # a sample is a copy if the nearest training sample is this much nearer than the second


def descend(
    key: Key[Array, ""], score: AbstractScore, step: AbstractStep, times: Float[Array, " time"], x: Data
) -> Data:
    """x at the last of the falling times, by the reverse process from x at the first."""

    def body(k, x):
        return step(jax.random.fold_in(key, k), score, x, times[k], times[k + 1])

    return jax.lax.fori_loop(0, len(times) - 1, body, x)


def clones_agree(
    key: Key[Array, ""],
    score: AbstractScore,
    step: AbstractStep,
    times: Float[Array, " time"],
    a: Data,
    classify: Callable[[Data], Int[Array, ""]],
) -> Bool[Array, ""]:
    """Whether two ends of reverse trajectories from one noised sample, at times[0], are of one class.

    The mean over samples of the data is φ(times[0]).
    """
    noise, *ways = jax.random.split(key, 3)
    x = score.process.perturb(noise, a, times[0])
    first, second = (classify(descend(way, score, step, times, x)) for way in ways)
    return first == second


def excess_entropy(key: Key[Array, ""], score: EmpiricalScore, a: Data, t: Time) -> Number:
    """−(1/d) ln w(a | x_t) of one draw of x_t, from a sample a of the score: the mean over draws is f(t)."""
    x = score.process.perturb(key, a, t)
    density = score.log_density(x, t)
    components = score.process.basis.to(a)[None]
    kernel = score.process.log_kernels(x, components, t)[0] + score.process.log_normalisation(x, t)
    return (density + jnp.log(score.count) - kernel) / a.size


class Modes(NamedTuple):
    """Eigenvalues (largest first) and axes of the symmetric part of a Jacobian, and |J − Jᵀ|/|J + Jᵀ|."""

    values: Float[Array, " mode"]
    axes: Float[Array, "mode *site"]
    asymmetry: Number


def jacobian(score: AbstractScore, x: Data, t: Time) -> Float[Array, "entry entry"]:
    """∂⟨a|x⟩/∂x, rows for a."""
    one = lambda flat: score.denoise(flat.reshape(x.shape), t).ravel()  # noqa: E731
    return jax.jacfwd(one)(x.ravel())


def modes(score: AbstractScore, x: Data, t: Time) -> Modes:
    """Directions that the denoiser keeps (eigenvalues near 1) and those that it takes for noise (near 0), at x."""
    J = jacobian(score, x, t)
    even, odd = 0.5 * (J + J.T), 0.5 * (J - J.T)
    values, axes = jnp.linalg.eigh(even)
    return Modes(values[::-1], axes.T[::-1].reshape(-1, *x.shape), jnp.linalg.norm(odd) / jnp.linalg.norm(even))


def posterior_covariance(score: AbstractScore, x: Data, t: Time) -> Float[Array, "component component"]:
    """Cov(a | x_t = x) in the components of the process, if the denoiser is a posterior mean: J σ²/α."""
    process = score.process
    one = lambda c: process.basis.to(score.denoise(process.basis.back(c.reshape(x.shape)), t)).ravel()  # noqa: E731
    ratio = process.schedule.variance(t) / process.signal(t)
    return jax.jacfwd(one)(process.basis.to(x).ravel()) * jnp.broadcast_to(ratio, x.shape).ravel()


def squared_error(key: Key[Array, ""], score: AbstractScore, a: Data, t: Time) -> Number:
    """|⟨a|x_t⟩ − a|² of one draw of x_t."""
    return jnp.sum((score.denoise(score.process.perturb(key, a, t), t) - a) ** 2)


class Gap(NamedTuple):
    """Mean squared error of denoising, per entry, of training and test samples, and the standard error of the gap."""

    train: Number
    test: Number
    sem: Number


@eqx.filter_jit
def generalisation_gap(key: Key[Array, ""], score: AbstractScore, train: Samples, test: Samples, t: Time) -> Gap:
    """How much better samples are denoised that the score was fitted to: test − train is 0 without memorisation."""

    def errors(key, samples):
        one = lambda k, a: squared_error(jax.random.fold_in(key, k), score, a, t) / a.size  # noqa: E731
        return jax.lax.map(lambda pair: one(*pair), (jnp.arange(len(samples)), samples), batch_size=256)

    first, second = jax.random.split(key)
    seen, new = errors(first, train), errors(second, test)
    error = jnp.sqrt(jnp.var(seen, ddof=1) / len(seen) + jnp.var(new, ddof=1) / len(new))
    return Gap(jnp.mean(seen), jnp.mean(new), error)


class Neighbours(NamedTuple):
    """The nearest sample, and the distances of the two nearest."""

    index: Int[Array, ""]
    distances: Float[Array, " 2"]


def nearest(x: Data, data: Samples, block: int = 4096) -> Neighbours:
    """The two samples nearest to x. Samples are looked at in blocks: memory is bounded by a block."""
    flat = data.reshape(len(data), -1)
    block = min(block, len(flat))
    fill = -len(flat) % block
    padded = jnp.pad(flat, ((0, fill), (0, 0)), constant_values=jnp.inf).reshape(-1, block, flat.shape[1])

    def look(carry, entry):
        start, rows = entry
        squares = jnp.concatenate([carry[0], jnp.sum((rows - x.ravel()) ** 2, 1)])
        places = jnp.concatenate([carry[1], start + jnp.arange(block)])
        least, where = jax.lax.top_k(-squares, 2)
        return (-least, places[where]), None

    begin = (jnp.full(2, jnp.inf, x.dtype), jnp.full(2, -1))
    (squares, places), _ = jax.lax.scan(look, begin, (jnp.arange(len(padded)) * block, padded))
    return Neighbours(places[0], jnp.sqrt(squares))


def is_copy(found: Neighbours, ratio: float = COPY) -> Bool[Array, ""]:
    """Whether the nearest sample is nearer than ``ratio`` times the second one."""
    return found.distances[0] < ratio * found.distances[1]


def similarity(x: Data, other: Data) -> Number:
    """Cosine of the angle between two samples: of two scores from the same noise, 1 if both learned one function."""
    return jnp.vdot(x, other) / (jnp.linalg.norm(x) * jnp.linalg.norm(other))


def agreement(
    key: Key[Array, ""],
    scores: tuple[AbstractScore, AbstractScore],
    step: AbstractStep,
    times: Float[Array, " time"],
    shape: tuple[int, ...],
) -> Number:
    """Similarity of what two scores make of the same noise."""
    start, way = jax.random.split(key)
    x = scores[0].prior(start, shape)
    return similarity(*(descend(way, score, step, times, x) for score in scores))
