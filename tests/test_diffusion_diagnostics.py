"""Diagnostics of scores: on data whose posterior covariance, clone overlap and collapse are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from noising import ou

from matterlearn.diffusion import diagnostics
from matterlearn.diffusion.bases import Axes, Sites
from matterlearn.diffusion.processes import Gaussian
from matterlearn.diffusion.samplers import Exponential
from matterlearn.diffusion.schedules import Relaxation
from matterlearn.diffusion.scores import GaussianScore, MixtureScore, empirical_score
from matterlearn.theory import speciation

KEY = jax.random.key(0)


def clusters(d, process=None):
    means = jnp.stack([jnp.ones(d), -jnp.ones(d)])
    end, half = jnp.asarray(8.0), jnp.full(2, np.log(0.5))
    return MixtureScore(process or ou(), end, half, means, jnp.ones((2, 1)))


@pytest.mark.slow
def test_clones_of_two_clusters_agree_as_often_as_theory_says():
    """d = 64 at t_S, where φ = 0.7752: exact but for steps, 4 standard errors of 4000 pairs are 0.026."""
    d, count = 64, 4000
    start = speciation.speciation_time(d)
    times = jnp.linspace(start, 0.0, 61)
    score, step = clusters(d), Exponential(jnp.asarray(1.0))

    def one(k):
        sign, noise, way = jax.random.split(jax.random.fold_in(KEY, k), 3)
        a = jax.random.rademacher(sign, ()) + jax.random.normal(noise, (d,))
        return diagnostics.clones_agree(way, score, step, times, a, lambda x: jnp.sum(x) > 0)

    found = float(jnp.mean(jax.jit(jax.vmap(one))(jnp.arange(count))))
    assert abs(found - 0.775200) < 4 * np.sqrt(0.7752 * 0.2248 / count)


@pytest.mark.parametrize(("t", "expected"), [(3.0, 1.0), (0.05, 0.0)])
def test_excess_entropy_at_both_ends(t, expected):
    data = jax.random.normal(KEY, (500, 64))
    score = empirical_score(ou(), data, jnp.asarray(5.0), block=128)
    keys = jax.random.split(jax.random.key(1), 200)
    each = jax.jit(jax.vmap(lambda k, a: diagnostics.excess_entropy(k, score, a, jnp.asarray(t))))(keys, data[:200])
    assert float(each.mean()) * 64 / np.log(500) == pytest.approx(expected, abs=0.02)


def test_excess_entropy_is_that_of_the_responsibilities():
    """E[−ln w_μ] = E H(w), computed from all weights; and the formula with the density of the noised samples."""
    d, n, t = 5, 40, jnp.asarray(0.4)
    data = jax.random.normal(KEY, (n, d))
    score = empirical_score(ou(), data, jnp.asarray(5.0), block=16)
    count = 20_000
    which = jax.random.randint(jax.random.key(2), (count,), 0, n)
    keys = jax.random.split(jax.random.key(3), count)
    each = jax.jit(jax.vmap(lambda k, m: diagnostics.excess_entropy(k, score, data[m], t)))(keys, which)

    def of_weights(k, m):
        x = score.process.perturb(k, data[m], t)
        logs = jax.nn.log_softmax(score.process.log_kernels(x, data, t))
        density = score.log_density(x, t) / d + 0.5 + 0.5 * jnp.log(2 * jnp.pi * (1 - jnp.exp(-2 * t))) + np.log(n) / d
        return -jnp.sum(jnp.exp(logs) * logs) / d, density

    entropy, density = jax.jit(jax.vmap(of_weights))(keys, which)
    for other in (entropy, density):
        gap = np.asarray(each - other, float)
        assert abs(gap.mean()) < 4 * gap.std() / np.sqrt(count)
    assert float(each.mean()) > 0.05  # far from collapse: the equality says something


def test_excess_entropy_of_other_noise_is_between_its_bounds():
    """Component-wise noise in turned axes: the same quantity, an entropy between 0 and ln n."""
    turn = jnp.asarray(np.linalg.qr(np.random.default_rng(0).normal(size=(6, 6)))[0], jnp.float32)
    process = Gaussian(Relaxation(jnp.linspace(0.2, 3.0, 6), jnp.asarray(1.0)), Axes(turn))
    data = jax.random.normal(KEY, (100, 6))
    score = empirical_score(process, data, jnp.asarray(5.0))
    keys = jax.random.split(jax.random.key(1), 100)
    every = jax.jit(jax.vmap(lambda k, a, t: diagnostics.excess_entropy(k, score, a, t), (0, 0, None)))
    means = [float(every(keys, data, jnp.asarray(t)).mean()) * 6 for t in (0.01, 0.5, 20.0)]
    assert abs(means[0]) < 0.05 and means[0] < means[1] < means[2]
    assert means[2] == pytest.approx(np.log(100), abs=0.05)


def test_modes_of_a_normal_law_are_its_principal_axes():
    """Eigenvalues α λ/(α² λ + σ²), those of Wiener's filter."""
    variance = jnp.array([4.0, 1.0, 0.25, 0.01])
    turn = jnp.asarray(np.linalg.qr(np.random.default_rng(1).normal(size=(4, 4)))[0], jnp.float32)
    score = GaussianScore(ou(), jnp.asarray(4.0), jnp.zeros(4), variance, Axes(turn))
    t = jnp.asarray(0.3)
    found = jax.jit(diagnostics.modes)(score, jnp.ones(4), t)
    signal, noise = jnp.exp(-t), 1 - jnp.exp(-2 * t)
    assert np.allclose(found.values, signal * variance / (signal**2 * variance + noise), atol=1e-6)
    assert np.allclose(np.abs(np.sum(found.axes * turn, 1)), 1.0, atol=1e-5)
    assert float(found.asymmetry) < 1e-6


def test_jacobian_is_the_posterior_covariance():
    """Empirical score: weights give Cov(a|x) directly; with other noise in every component, in components."""
    turn = jnp.asarray(np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))[0], jnp.float32)
    data = jax.random.normal(KEY, (30, 3))
    for process in (ou(), Gaussian(Relaxation(jnp.array([0.5, 1.0, 2.0]), jnp.asarray(1.0)), Axes(turn))):
        score, t = empirical_score(process, data, jnp.asarray(5.0)), jnp.asarray(0.6)
        x = process.perturb(jax.random.key(5), data[0], t)
        c = jax.vmap(process.basis.to)(data)
        w = jax.nn.softmax(process.log_kernels(x, c, t))
        direct = (c.T * w) @ c - jnp.outer(w @ c, w @ c)
        found = jax.jit(diagnostics.posterior_covariance)(score, x, t)
        assert np.allclose(found, direct, atol=2e-5)


def test_error_of_the_perfect_denoiser_is_the_trace_of_its_covariance():
    d, t, count = 3, jnp.asarray(0.8), 20_000
    score = clusters(d)

    def one(k):
        sign, normal, noise = jax.random.split(jax.random.fold_in(KEY, k), 3)
        a = jax.random.rademacher(sign, ()) + jax.random.normal(normal, (d,))
        x = score.process.perturb(noise, a, t)
        return diagnostics.squared_error(noise, score, a, t), jnp.trace(diagnostics.posterior_covariance(score, x, t))

    error, trace = (np.asarray(v, float) for v in jax.jit(jax.vmap(one))(jnp.arange(count)))
    gap = error - trace
    assert abs(gap.mean()) < 4 * gap.std() / np.sqrt(count)


def test_nearest_samples_are_found_in_blocks():
    data = jax.random.normal(KEY, (1001, 4))
    x = jax.random.normal(jax.random.key(1), (4,))
    distances = np.linalg.norm(np.asarray(data) - np.asarray(x), axis=1)
    for block in (100, 5000):
        found = diagnostics.nearest(x, data, block)
        assert int(found.index) == distances.argmin()
        assert np.allclose(found.distances, np.sort(distances)[:2], rtol=1e-5)


@pytest.mark.slow
def test_empirical_score_copies_and_true_score_does_not():
    """Ends of the reverse process: all are training samples, or none; and only new data show the gap."""
    d = 16
    data = jax.random.normal(KEY, (200, d))
    fresh = jax.random.normal(jax.random.key(9), (200, d))
    true = GaussianScore(ou(), jnp.asarray(4.0), jnp.zeros(d), jnp.ones(d), Sites())
    memory = empirical_score(ou(), data, jnp.asarray(4.0))
    times, step = jnp.append(jnp.geomspace(4.0, 1e-3, 80), 0.0), Exponential(jnp.asarray(1.0))

    def copies(score):
        def one(k):
            end = diagnostics.descend(k, score, step, times, score.prior(k, (d,)))
            return diagnostics.is_copy(diagnostics.nearest(end, data))

        return float(jnp.mean(jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(3), 100))))

    assert copies(memory) == 1.0 and copies(true) == 0.0
    t = jnp.asarray(0.5)
    gap = diagnostics.generalisation_gap(KEY, memory, data, fresh, t)
    assert float(gap.test - gap.train) > 8 * float(gap.sem)
    gap = diagnostics.generalisation_gap(KEY, true, data, fresh, t)
    assert abs(float(gap.test - gap.train)) < 4 * float(gap.sem)


@pytest.mark.slow
def test_two_scores_from_the_same_noise():
    """Of one law they agree; memories of disjoint halves end at different samples."""
    d, step = 32, Exponential(jnp.asarray(0.0))
    times = jnp.append(jnp.geomspace(4.0, 1e-3, 60), 0.0)
    data = jax.random.normal(KEY, (100, d))
    end = jnp.asarray(4.0)
    halves = empirical_score(ou(), data[:50], end), empirical_score(ou(), data[50:], end)
    keys = jax.random.split(KEY, 20)
    twice = halves[0], halves[0]
    one, same = (
        jax.jit(jax.vmap(lambda k, pair=pair: diagnostics.agreement(k, pair, step, times, (d,))))(keys)
        for pair in (halves, twice)
    )
    assert float(jnp.min(same)) > 0.9999 and float(jnp.mean(one)) < 0.7
