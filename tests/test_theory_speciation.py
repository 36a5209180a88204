"""Speciation, collapse, symmetry breaking and the Curie–Weiss magnet against published and recomputed values."""

import numpy as np
import pytest

from matterlearn.theory import curie_weiss, speciation

TIMES = np.array([3.0, 3.5, 4.0, 4.5, 5.0])


@pytest.mark.parametrize(
    ("d", "time", "overlap"),
    [
        (256, 2.77259, [0.7069, 0.5964, 0.5397, 0.5153, 0.5057]),
        (1024, 3.46574, [0.9176, 0.7644, 0.6319, 0.5565, 0.5222]),
        (4096, 4.15888, [0.9989, 0.9599, 0.8261, 0.6764, 0.5794]),
        (16384, 4.85203, [1.000, 0.9999, 0.9855, 0.8861, 0.7297]),
    ],
)
def test_clone_overlap(d, time, overlap):
    assert speciation.speciation_time(d) == pytest.approx(time, abs=5e-6)
    assert speciation.clone_overlap_at(TIMES, d) == pytest.approx(np.array(overlap), abs=5e-5)
    assert speciation.clone_overlap_at(np.array(time), d) == pytest.approx(0.775200, abs=2e-6)


def test_clone_overlap_is_its_defining_integral():
    x, step = np.linspace(-60, 60, 600_001, retstep=True)
    for u in (0.1, 1.0, 4.0):
        plus, minus = np.exp(-((x - u) ** 2) / 2), np.exp(-((x + u) ** 2) / 2)
        total = plus + minus
        inside = np.where(total > 0, (plus**2 + minus**2) / np.where(total > 0, total, 1), 0.0)
        direct = step * inside.sum() / np.sqrt(2 * np.pi) / 2
        assert float(speciation.clone_overlap(u)) == pytest.approx(direct, abs=1e-9)
    assert float(speciation.clone_overlap(0.0)) == 0.5 and float(speciation.clone_overlap(40.0)) == pytest.approx(1.0)


def test_clone_overlap_against_classes_drawn_from_the_posterior():
    rng = np.random.default_rng(0)
    u, count = 1.3, 400_000
    x = u * rng.choice([-1, 1], count) + rng.normal(size=count)
    up = rng.random((2, count)) < 1 / (1 + np.exp(-2 * u * x))
    same = (up[0] == up[1]).mean()
    assert abs(same - float(speciation.clone_overlap(u))) < 4 * 0.5 / np.sqrt(count)


def test_width_of_clusters_enters_through_the_separation():
    assert float(speciation.separation(0.0, 4, mean=1.0, width=0.5)) == pytest.approx(4.0)
    with pytest.raises(ValueError, match="exceed"):
        speciation.speciation_time(0.9)


@pytest.mark.parametrize(("d", "time"), [(256, 1.29879), (1024, 1.97755), (4096, 2.66707)])
def test_collapse_time(d, time):
    found = speciation.collapse_time(20_000, d)
    assert found == pytest.approx(time, abs=5e-6)
    assert float(speciation.excess_entropy(found, 20_000, d)) == pytest.approx(0.0, abs=1e-12)
    assert speciation.samples_needed(found, d) == pytest.approx(20_000, rel=1e-9)
    assert float(speciation.excess_entropy(12.0, 20_000, d)) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(
    ("d", "t", "value"),
    [
        (256, 1.728, 0.586), (256, 2.12, 0.812), (256, 2.512, 0.915), (1024, 2.12, 0.250),
        (1024, 2.512, 0.659), (1024, 2.904, 0.845), (4096, 2.904, 0.378), (4096, 3.296, 0.716),
    ],
)  # fmt: skip
def test_excess_entropy(d, t, value):
    assert float(speciation.excess_entropy(t, 20_000, d)) == pytest.approx(value, abs=6e-4)


@pytest.mark.parametrize(("d", "n"), [(32, 300), (64, 1000)])
def test_excess_entropy_of_finite_size_against_samples(d, n):
    """Above the collapse within 4 standard errors of E[−ln w]; the limit of many entries is 10 of them away.

    Samples are drawn anew for every noisy sample, so that draws are independent.
    """
    rng = np.random.default_rng(0)
    t, draws = 1.5, 600
    decay, noise = np.exp(-t), np.sqrt(1 - np.exp(-2 * t))
    entropy = np.empty(draws)
    for k in range(draws):
        a = rng.choice([-1, 1], n)[:, None] + rng.normal(size=(n, d))
        x = decay * a[0] + noise * rng.normal(size=d)
        logs = -((x - decay * a) ** 2).sum(1) / (2 * noise**2)
        entropy[k] = np.logaddexp.reduce(logs) - logs[0]
    found, error = entropy.mean() / np.log(n), entropy.std() / np.sqrt(draws) / np.log(n)
    assert t > 1.2 * speciation.collapse_time(n, d)
    assert abs(found - speciation.excess_entropy_finite(t, n, d, mean=1.0)) < 4 * error
    assert speciation.excess_entropy(t, n, d) - found > 6 * error


def test_excess_entropy_of_finite_size_at_its_ends():
    assert speciation.excess_entropy_finite(9.0, 500, 64, mean=1.0) == pytest.approx(1.0, abs=1e-3)
    assert speciation.excess_entropy_finite(0.1, 500, 64) == pytest.approx(0.0, abs=1e-3)
    # one cluster has ln 2/ln n more than two far ones
    one, two = (speciation.excess_entropy_finite(2.8, 10**6, 1000, mean=m) for m in (0.0, 20.0))
    assert one - two == pytest.approx(np.log(2) / np.log(10**6), rel=0.01)


def test_excess_entropy_of_finite_size_explains_published_simulations():
    """Their errors are not known; what is left of the deviation from the limit is a quarter of it."""
    published = [
        (256, 1.728, 0.523), (256, 2.12, 0.750), (256, 2.512, 0.869), (1024, 2.12, 0.257), (1024, 2.512, 0.588),
        (1024, 2.904, 0.785), (4096, 2.904, 0.328), (4096, 3.296, 0.642),
    ]  # fmt: skip
    finite = [speciation.excess_entropy_finite(t, 20_000, d, mean=1.0) - f for d, t, f in published]
    limit = [float(speciation.excess_entropy(t, 20_000, d)) - f for d, t, f in published]
    assert np.linalg.norm(finite) < np.linalg.norm(limit) / 4


def test_points_needed_against_collapse():
    found = [speciation.samples_needed(0.5, d) for d in (10, 50, 100)]
    assert found == pytest.approx([9.9, 9.55e4, 9.12e9], rel=2e-3)


@pytest.mark.parametrize(
    ("family", "time"), [(1.0, 0.4406868), (2.0, 0.3998211), (0.5, 0.5025263), (0.25, 0.5871795)]
)
def test_symmetry_breaking_of_two_points(family, time):
    assert speciation.breaking_time(family) == pytest.approx(time, abs=6e-8)
    signal = speciation.breaking_signal(family)
    assert float(speciation.linear_coefficient(signal, family)) == pytest.approx(0.0, abs=1e-12)
    # stable before (less signal) and unstable after
    assert speciation.linear_coefficient(0.9 * signal, family) < 0 < speciation.linear_coefficient(1.1 * signal, family)


def test_symmetry_breaking_at_the_ends_of_the_family():
    assert speciation.breaking_signal(1.0) == pytest.approx(np.sqrt(np.sqrt(2) - 1))
    assert speciation.breaking_time(1e9) == pytest.approx(np.log(2) / 2, abs=1e-9)
    assert speciation.breaking_time(0.0) == np.inf
    assert np.all(speciation.linear_coefficient(np.array([0.01, 0.5, 0.99]), 0.0) > 0)
    # variance-preserving time at which e^{−∫β/2} = θ_c, β from 0.1 to 20
    theta = speciation.breaking_signal(1.0)
    s = (-0.1 + np.sqrt(0.01 - 4 * 19.9 * np.log(theta))) / 19.9
    assert s == pytest.approx(0.292642, abs=5e-7)


def test_curie_weiss_score_is_the_sum_over_all_magnets():
    rng = np.random.default_rng(0)
    for beta, t in ((0.5, 0.3), (1.0, 0.05), (1.5, 1.0), (3.0, 2.0)):
        x = rng.normal(size=8)
        gap = curie_weiss.score(x, t, beta) - curie_weiss.score_by_enumeration(x, t, beta)
        assert np.abs(gap).max() * (1 - np.exp(-2 * t)) < 1e-13


def test_curie_weiss_density():
    """Its gradient is the score, and at d = 2 its integral is 1."""
    x, t, beta, h = np.array([0.3, -0.8, 1.1]), 0.6, 1.3, 1e-5
    slope = [
        (curie_weiss.log_density(x + h * e, t, beta) - curie_weiss.log_density(x - h * e, t, beta)) / (2 * h)
        for e in np.eye(3)
    ]
    assert slope == pytest.approx(list(curie_weiss.score(x, t, beta)), abs=1e-8)
    line, step = np.linspace(-6, 6, 41, retstep=True)
    total = sum(np.exp(curie_weiss.log_density(np.array([a, b]), 0.7, 1.5)) for a in line for b in line) * step**2
    assert total == pytest.approx(1.0, abs=1e-9)


def test_curie_weiss_score_of_a_large_magnet():
    """Deep in the ordered phase every spin's guess is m*-like: the quadrature reaches maxima at |g| ≈ √(βd) ≈ 40."""
    d, beta = 1000, 1.5
    rng = np.random.default_rng(1)
    magnet = np.where(rng.random(d) < (1 + curie_weiss.spontaneous_magnetisation(beta)) / 2, 1.0, -1.0)
    t = 1.5
    x = np.exp(-t) * magnet + np.sqrt(1 - np.exp(-2 * t)) * rng.normal(size=d)
    guess = curie_weiss.mean_spins(x, t, beta)
    m = guess.mean()
    exact = np.tanh(beta * m + np.exp(-t) * x / (1 - np.exp(-2 * t)))  # self-consistent field, up to 1/d
    assert np.abs(guess - exact).max() < 20 / d
    assert m > 0.7


@pytest.mark.parametrize(("beta", "m"), [(1.1, 0.502941), (1.2, 0.658570), (1.5, 0.858560), (2.0, 0.957504)])
def test_spontaneous_magnetisation(beta, m):
    assert curie_weiss.spontaneous_magnetisation(beta) == pytest.approx(m, abs=5e-7)


def test_spontaneous_magnetisation_near_the_critical_point():
    assert curie_weiss.spontaneous_magnetisation(1.0) == 0.0
    found = curie_weiss.spontaneous_magnetisation(1.0001)
    assert found == pytest.approx(np.sqrt(3e-4), rel=1e-3)


@pytest.mark.parametrize(
    ("d", "values"),
    [
        (10, [0.171464, 0.346944, 0.644766]),
        (100, [0.0196174, 0.114481, 0.724521]),
        (1000, [0.00199602, 0.0367552, 0.735965]),
    ],
)
def test_moments_of_finite_magnets(d, values):
    found = [curie_weiss.magnetisation_squared(d, beta) for beta in (0.5, 1.0, 1.5)]
    assert found == pytest.approx(values, rel=3e-6)


def test_exact_draws_of_magnets():
    rng = np.random.default_rng(2)
    spins = curie_weiss.draw(rng, 20_000, 10, 1.0)
    each = spins.mean(1) ** 2
    assert abs(each.mean() - curie_weiss.magnetisation_squared(10, 1.0)) < 4 * each.std() / np.sqrt(len(each))
    pairs = spins[:, 2] * spins[:, 7]  # which spins are up is random
    exact = (100 * curie_weiss.magnetisation_squared(10, 1.0) - 10) / 90
    assert abs(pairs.mean() - exact) < 4 / np.sqrt(len(each))


def test_potential_of_the_magnetisation():
    d, beta, t, h = 100, 1.5, 2.0, 1e-3
    V = curie_weiss.potential(np.array([-h, 0.0, h]), t, d, beta)
    assert (V[0] - 2 * V[1] + V[2]) / h**2 == pytest.approx(curie_weiss.curvature(t, d, beta), rel=1e-4)
    late = curie_weiss.instability_time(d, beta)
    assert curie_weiss.curvature(late, d, beta) == pytest.approx(0.0, abs=1e-12)
    assert late - curie_weiss.speciation_time(d, beta) == pytest.approx(np.log(2) / 2)
    assert speciation.instability_time(d * 0.858560**2, 1.0) == pytest.approx(late, abs=1e-5)
