"""Reverse steps: exact where they can be, of the order they claim elsewhere, and one family."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from noising import number, ou

from covering import slow
from matterlearn.diffusion.bases import Axes, Sites
from matterlearn.diffusion.processes import Gaussian
from matterlearn.diffusion.samplers import Adaptive, Corrected, EulerMaruyama, Exponential, Heun, power_grid, sample
from matterlearn.diffusion.schedules import LogRatio, NoiseLevel, VariancePreserving
from matterlearn.diffusion.scores import GaussianScore, empirical_score

pytestmark = pytest.mark.usefixtures("x64")
KEY = jax.random.key(0)


def normal(process, end, variance):
    return GaussianScore(process, number(end), jnp.zeros(1), jnp.full(1, float(variance)), Sites())


@jax.jit
def gain(step, score, times):
    """x(0)/x(end) of a step that is linear and without noise."""
    x = jnp.ones(1)
    return jax.lax.fori_loop(0, len(times) - 1, lambda k, x: step(KEY, score, x, times[k], times[k + 1]), x)[0]


@pytest.mark.parametrize(("steps", "error"), [(9, 0.2781), (18, 0.05527), slow(36, 0.01221), slow(72, 0.002871)])
def test_heun_on_normal_data(steps, error):
    """Relative error of x(0) = x(σ) s/√(s² + σ²) from σ = 80 with s = ½ and levels even in their 7th root."""
    score = normal(Gaussian(NoiseLevel(), Sites()), 80, 0.25)
    found = gain(Heun(number(0)), score, power_grid(0.002, 80.0, steps, 7.0))
    assert np.isclose(found / (0.5 / np.sqrt(0.25 + 80**2)) - 1, error, rtol=6e-4)


@pytest.mark.parametrize(("step", "order"), [(Heun, 2), (Exponential, 1), (EulerMaruyama, 1)])
def test_order_of_convergence(step, order):
    """Of the flow from t = 3 to 1 with variance 2.5, against its closed form: twice the steps, 2^−order the error."""
    score = normal(ou(), 3, 2.5)
    total = lambda t: np.exp(-2 * t) * 2.5 + 1 - np.exp(-2 * t)  # noqa: E731
    exact = np.sqrt(total(1.0) / total(3.0))
    errors = [abs(float(gain(step(number(0)), score, jnp.linspace(3.0, 1.0, n + 1))) - exact) for n in (40, 80, 160)]
    rates = np.log2([errors[0] / errors[1], errors[1] / errors[2]])
    assert np.all(np.abs(rates - order) < 0.15) and abs(rates[1] - order) < abs(rates[0] - order)


@pytest.mark.slow
def test_adaptive_flow_is_exact():
    """To the tolerance, however long the step."""
    score = normal(ou(), 3, 2.5)
    found = Adaptive(number(1e-9))(KEY, score, jnp.ones(1), number(3), number(0.2))[0]
    total = lambda t: np.exp(-2 * t) * 2.5 + 1 - np.exp(-2 * t)  # noqa: E731
    assert np.isclose(found, np.sqrt(total(0.2) / total(3.0)), atol=1e-8)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0, 2.0])
def test_exponential_steps_are_exact_for_one_point(alpha):
    """From any time to any other, in one step: mean α_u a, variance σ_u², at 40 000 draws (|z| < 4)."""
    process, a = Gaussian(VariancePreserving(number(0.1), number(20)), Sites()), jnp.array([1.7])
    score = empirical_score(process, a[None], number(1))
    t, u, draws = number(0.8), number(0.3), 40_000

    def one(key):
        first, second = jax.random.split(key)
        return Exponential(number(alpha))(second, score, process.perturb(first, a, t), t, u)

    x = np.asarray(jax.jit(jax.vmap(one))(jax.random.split(KEY, draws)))
    signal, noise = float(process.signal(u)), float(process.noise(u))
    assert abs(x.mean() - signal * 1.7) < 4 * noise / np.sqrt(draws)
    assert abs(x.var() / noise**2 - 1) < 4 * np.sqrt(2 / draws)


def test_exponential_steps_are_ddpm_and_ddim():
    """α = 1: mean and variance β̃ of p(x_u | x_t, a); α = 0: the noise keeps its direction and gets the new size."""
    process, a = Gaussian(VariancePreserving(number(0.1), number(20)), Sites()), jnp.array([0.6])
    score = empirical_score(process, a[None], number(1))
    t, u, x = number(0.5), number(0.45), jnp.array([-0.4])
    late, early = (float(process.signal(s)) ** 2 for s in (t, u))  # the products of (1 − β) up to both times
    beta = 1 - late / early
    ancestral = Exponential(number(1))
    draws = np.asarray(jax.jit(jax.vmap(lambda k: ancestral(k, score, x, t, u)))(jax.random.split(KEY, 100_000)))
    middle = np.sqrt(early) * beta / (1 - late) * 0.6 + np.sqrt(1 - beta) * (1 - early) / (1 - late) * -0.4
    spread = beta * (1 - early) / (1 - late)
    assert abs(draws.mean() - middle) < 4 * np.sqrt(spread / len(draws))
    assert abs(draws.var() / spread - 1) < 4 * np.sqrt(2 / len(draws))
    flow = Exponential(number(0))(KEY, score, x, t, u)
    noise = (-0.4 - np.sqrt(late) * 0.6) / np.sqrt(1 - late)
    assert np.isclose(flow[0], np.sqrt(early) * 0.6 + np.sqrt(1 - early) * noise, rtol=1e-12)


@jax.jit
def spread(step, score, times, start):
    """Variance of every component at the end, carried along exactly: steps are linear in x and in their noise."""
    to, back = score.process.basis.to, score.process.basis.back
    noise, one = jax.random.normal(KEY, score.mean.shape), jnp.ones(score.mean.shape)

    def body(k, variance):
        t, u = times[k], times[k + 1]
        quiet, moved = (to(step(KEY, score, back(c), t, u)) for c in (0 * one, one))
        return (moved - quiet) ** 2 * variance + (quiet / noise) ** 2

    return jax.lax.fori_loop(0, len(times) - 1, body, start)


def extrapolated(step, score, last, steps, start):
    """The limit of small steps, from errors of first and second order."""
    coarse, middle, fine = (
        spread(step, score, jnp.linspace(score.end, last, n + 1), start) for n in (steps, 2 * steps, 4 * steps)
    )
    first, second = 2 * middle - coarse, 2 * fine - middle
    return (4 * second - first) / 3


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0, 2.0])
@pytest.mark.parametrize("step", [Exponential, Heun, EulerMaruyama])
def test_every_alpha_has_the_same_law(step, alpha):
    """Data of variance 2.5 have the variance of p_t at t = 0.2, whatever α."""
    score = normal(ou(), 3, 2.5)
    total = lambda t: np.exp(-2 * t) * 2.5 + 1 - np.exp(-2 * t)  # noqa: E731
    found = extrapolated(step(number(alpha)), score, 0.2, 500, jnp.full(1, total(3.0)))
    assert np.isclose(found[0], total(0.2), atol=1e-6)


@pytest.mark.parametrize(("alpha", "variance"), [(0.0, 2.490739), (1.0, 2.499943)])
def test_a_wrong_start_is_forgotten_by_noise_only(alpha, variance):
    """From N(0, 1) at T = 3 instead of p_T: the flow keeps the error, the reversed diffusion contracts it."""
    found = extrapolated(EulerMaruyama(number(alpha)), normal(ou(), 3, 2.5), 0.0, 2000, jnp.ones(1))
    assert np.isclose(found[0], variance, atol=1e-6)


def test_samples_have_the_variance_that_is_carried_along():
    """The whole sampler against the exact variance of its steps: 20 000 draws, |z| < 4."""
    score, step, times, draws = normal(ou(), 3, 2.5), Heun(number(1)), jnp.linspace(3.0, 0.2, 41), 20_000
    x = jax.jit(lambda key: sample(key, score, step, times, (1,), draws))(jax.random.key(5))
    exact = spread(step, score, times, jnp.full(1, np.exp(-6.0) * 2.5 + 1 - np.exp(-6.0)))[0]
    assert abs(float(jnp.var(x) / exact) - 1) < 4 * np.sqrt(2 / draws)


def test_langevin_corrections_have_the_bias_of_their_step():
    """At unit variance and noise level 1 the variance of x ← x − εx + √(2ε) z is 1/(1 − ε/2): |z| < 4."""
    process = Gaussian(VariancePreserving(number(0.1), number(20)), Sites())
    score, size, draws = normal(process, 1, 1.0), 0.4, 20_000
    step = Corrected(None, number(size), 200)
    many = jax.jit(jax.vmap(lambda k: step(k, score, jnp.zeros(1), number(0.999), number(0.99))))
    x = many(jax.random.split(KEY, draws))
    epsilon = size * float(process.schedule.variance(number(0.99)))
    assert abs(float(jnp.var(x)) * (1 - epsilon / 2) - 1) < 4 * np.sqrt(2 / draws)


@pytest.mark.slow
@pytest.mark.parametrize("step", [Exponential(number(1)), Heun(number(0)), EulerMaruyama(number(1))])
def test_components_with_their_own_schedules(step):
    """Scales that are destroyed one after the other come back, each with its variance at t = 0.1."""
    variance, modes = jnp.array([4.0, 1.0, 0.1]), jnp.linalg.qr(jax.random.normal(jax.random.key(1), (3, 3)))[0]
    process = Gaussian(LogRatio(jnp.array([-6.0, -7.0, -9.0]), jnp.array([8.0, 6.0, 5.0])), Axes(modes))
    score = GaussianScore(process, number(1), jnp.zeros(3), variance, Axes(modes))
    total = lambda t: process.signal(number(t)) ** 2 * variance + process.schedule.variance(number(t))  # noqa: E731
    assert np.allclose(extrapolated(step, score, 0.1, 1000, total(1.0)), total(0.1), rtol=1e-4)


@pytest.mark.slow
def test_samples_do_not_depend_on_how_many_are_drawn():
    """Every sample has a key of its own."""
    score, times = normal(ou(), 3, 2.5), jnp.linspace(3.0, 0.0, 11)
    few, many = (sample(KEY, score, Exponential(number(1)), times, (1,), n) for n in (3, 7))
    assert np.array_equal(few, many[:3])


def test_last_step_returns_the_posterior_mean():
    """Exponential and Heun's steps to t = 0, noise or not."""
    score, x, t = normal(ou(), 3, 2.5), jnp.array([0.7]), number(0.1)
    for step in (Exponential(number(1)), Exponential(number(0)), Heun(number(1)), Heun(number(0))):
        assert np.allclose(step(KEY, score, x, t, number(0)), score.denoise(x, t), rtol=1e-12)
