"""Storing patterns, examples of them, and dreaming: known digits, exact laws, and large sampled networks."""

import numpy as np
import pytest
from scipy.stats import binom

from matterlearn.theory import dreaming, enumeration
from matterlearn.theory import learning_from_examples as examples
from matterlearn.theory import signal_to_noise as noise


@pytest.mark.parametrize(
    ("error", "load"), [(0.001, 0.10472), (0.0036, 0.13846), (0.01, 0.18478), (0.05, 0.36961), (0.1, 0.60887)]
)
def test_load_of_an_error(error, load):
    assert noise.load_of_error(error) == pytest.approx(load, abs=6e-6)
    assert noise.bit_error(noise.load_of_error(error)) == pytest.approx(error, rel=1e-12)


@pytest.mark.parametrize(("spins", "patterns"), [(3, 2), (3, 3), (4, 3), (5, 2)])
def test_exact_error_against_all_patterns(spins, patterns):
    """All sets of patterns, fields as they are; half of the spins in no field turn."""
    signs = 2 * enumeration.configurations(spins * patterns, 2).astype(int) - 1
    xi = signs.reshape(-1, patterns, spins)
    couplings = np.einsum("smi,smj->sij", xi, xi)
    couplings[:, range(spins), range(spins)] = 0
    field = np.einsum("sij,sj->si", couplings, xi[:, 0]) * xi[:, 0]
    wrong = np.mean(field < 0) + np.mean(field == 0) / 2
    assert noise.exact_bit_error(spins, patterns) == pytest.approx(wrong, abs=1e-14)


def test_exact_error_becomes_gaussian():
    """At N = 10⁶ the lattice of the noise is finer than its width by √N; what is left is of order 1/N and the ties."""
    for alpha in (0.1, 0.3, 1.0):
        error = noise.exact_bit_error(1_000_000, 1 + int(alpha * 1_000_000))
        assert error == pytest.approx(noise.bit_error(alpha), rel=1e-4)


@pytest.mark.parametrize(
    ("spins", "patterns", "order", "error"), [(60, 400, 3, 0.0416), (40, 1500, 4, 0.0459), (100, 30, 2, 0.0339)]
)
def test_dense_memories(spins, patterns, order, error):
    """The known figure for four spins, 0.0459, is that of 0.04585 rounded up."""
    assert noise.dense_bit_error(spins, patterns, order) == pytest.approx(error, abs=6e-5)
    assert noise.dense_bit_error(spins, patterns, 2) == pytest.approx(noise.bit_error(patterns / spins), rel=1e-14)


def test_variance_of_the_dense_noise():
    """(2n − 3)!! is the mean of (ξ·s/√N)^{2(n−1)} over random patterns as N → ∞, with corrections of order 1/N."""
    for order, odd in [(2, 1), (3, 3), (4, 15), (5, 105)]:
        moments = []
        for spins in (500, 1000):
            sums = np.arange(-spins, spins + 1, 2)
            moments.append(binom.pmf((sums + spins) // 2, spins, 0.5) @ (sums / np.sqrt(spins)) ** (2 * (order - 1)))
        assert 2 * moments[1] - moments[0] == pytest.approx(odd, rel=1e-3)
        assert noise.dense_bit_error(50, 7, order) == pytest.approx(noise.bit_error(7 * odd / 50 ** (order - 1)))


@pytest.mark.parametrize("order", [2, 3, 5])
def test_dense_capacity_leaves_a_fraction_of_an_error(order):
    """N P(K_max) (4π ln N)^½ → 1, with a correction 1 − 1/(2 ln N) + … of the tail of erfc."""
    for spins in (1e3, 1e6, 1e9):
        expected = spins * noise.dense_bit_error(spins, noise.dense_capacity(spins, order), order)
        scaled = expected * np.sqrt(4 * np.pi * np.log(spins))
        assert 1 - 1 / (2 * np.log(spins)) < scaled < 1 - 1 / (2 * np.log(spins)) + 3 / (4 * np.log(spins) ** 2)


def test_exponential_loads():
    np.testing.assert_allclose(
        noise.exponential_load([0.0, 0.1, 0.25]), [0.346574, 0.184032, 0.065406], rtol=0, atol=6e-7
    )
    x = 0.3
    rate = ((1 + x) * np.log(1 + x) + (1 - x) * np.log(1 - x)) / 2
    assert noise.exponential_load((1 - x) / 2) == pytest.approx(rate / 2, rel=1e-14)
    assert noise.exponential_load(0.5) == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize(
    ("patterns", "count", "quality", "supervised", "unsupervised"),
    [(50, 20, 0.3, 0.7963, 0.7186), (50, 100, 0.2, 0.9243, 0.8025), (100, 40, 0.4, 0.9505, 0.9199)],
)
def test_one_step_from_the_archetype(patterns, count, quality, supervised, unsupervised):
    alpha = patterns / 1000
    assert examples.supervised_overlap(alpha, count, quality) == pytest.approx(supervised, abs=6e-5)
    assert examples.unsupervised_overlap(alpha, count, quality) == pytest.approx(unsupervised, abs=6e-5)
    for overlap, needed in [
        (examples.supervised_overlap, examples.supervised_examples),
        (examples.unsupervised_overlap, examples.unsupervised_examples),
    ]:
        assert needed(overlap(alpha, count, quality), alpha, quality) == pytest.approx(count, rel=1e-9)


def test_a_teacher_saves_examples():
    """M r² and M r⁴ go to constants as r → 0; no number of examples helps beyond the load of perfect copies."""
    quality = np.array([1e-2, 1e-3, 1e-4])
    supervised = examples.supervised_examples(0.95, 0.1, quality) * quality**2
    unsupervised = examples.unsupervised_examples(0.95, 0.1, quality) * quality**4
    np.testing.assert_allclose(supervised, supervised[-1], rtol=2e-4)
    np.testing.assert_allclose(unsupervised, unsupervised[-1], rtol=2e-3)
    most = 1 - 2 * noise.bit_error(0.1)
    assert np.isnan(examples.supervised_examples(most + 1e-9, 0.1, 0.3))
    assert np.isfinite(examples.unsupervised_examples(most - 1e-9, 0.1, 0.3))
    np.testing.assert_allclose(examples.supervised_overlap(0.1, [1, 7], 1.0), most, rtol=1e-14)


def sampled_fields(rng, patterns, count, quality, spins):
    """Fields of the two networks at an archetype, along it and in units of r² (M r² N of the unsupervised)."""
    xi = rng.choice([-1, 1], (patterns, 1, spins)).astype(np.int8)
    eta = xi * rng.choice([1, -1], (patterns, count, spins), p=[(1 + quality) / 2, (1 - quality) / 2]).astype(np.int8)
    target, seen, means = xi[0, 0].astype(float), eta.reshape(-1, spins).astype(float), eta.mean(axis=1)
    unsupervised = (seen @ target) @ seen - len(seen) * target
    supervised = (means @ target) @ means - (means**2).sum(axis=0) * target
    return supervised * target / (spins * quality**2), unsupervised * target / (spins * count * quality**2)


def test_fields_of_sampled_networks():
    """Mean 1 and variance v, from spins that are nearly independent; 8000 of them tell v to 1.6 %.

    α = ½, ρ = 0.525: (1 + ρ)² is 2.3 times 1, so that mixing up the two variances is 70 standard errors off.
    """
    patterns, count, quality, spins = 500, 10, 0.4, 1000
    rng = np.random.default_rng(3)
    fields = [sampled_fields(rng, patterns, count, quality, spins) for _ in range(8)]
    rho = examples.example_noise(count, quality)
    fourth = quality**4
    expected = rho + 0.5 * (1 + rho) ** 2, rho + 0.5 * (1 + (1 - fourth) / (count * fourth))
    for sample, variance in zip(np.concatenate(fields, axis=1), expected, strict=True):
        size = len(sample)
        assert abs(sample.mean() - 1) < 4 * np.sqrt(variance / size)
        assert abs(sample.var() / variance - 1) < 4 * np.sqrt(2 / size)


@pytest.mark.parametrize(("count", "quality"), [(1, 0.3), (4, 0.5), (5, 0.2), (8, 0.7)])
def test_majority_by_enumeration(count, quality):
    votes = 2 * enumeration.configurations(count, 2).astype(int) - 1
    weight = np.prod(np.where(votes > 0, (1 + quality) / 2, (1 - quality) / 2), axis=1)
    expected = weight @ np.sign(votes.sum(axis=1))
    assert examples.majority_overlap(count, quality) == pytest.approx(expected, abs=1e-14)


def test_majority_is_the_unloaded_network():
    assert examples.majority_overlap(101, 0.2) == pytest.approx(0.9582066180, abs=6e-11)
    assert examples.supervised_overlap(0.0, 101, 0.2) == pytest.approx(0.9597741579, abs=6e-11)
    assert examples.unsupervised_overlap(0.0, 101, 0.2) == examples.supervised_overlap(0.0, 101, 0.2)
    gap = [examples.majority_overlap(n, n**-0.5) - examples.supervised_overlap(0.0, n, n**-0.5) for n in (10**4, 10**6)]
    assert abs(gap[1]) < abs(gap[0]) < 1e-2


@pytest.fixture(scope="module")
def patterns():
    return np.random.default_rng(1).choice([-1.0, 1.0], (30, 60))


def test_sleep_moves_the_eigenvalues(patterns):
    awake = np.linalg.eigvalsh(dreaming.kernel(patterns, 0.0))
    for t in (0.3, 4.0, 100.0):
        asleep = np.linalg.eigvalsh(dreaming.kernel(patterns, t))
        np.testing.assert_allclose(asleep, dreaming.spectrum(awake, t), rtol=0, atol=1e-12)


@pytest.mark.parametrize("t", [0.0, 0.7, 5.0])
def test_kernel_solves_the_flow(patterns, t):
    """Central differences of step h err by h² times the third derivative, below 10⁻⁸ here."""
    h = 1e-4
    left = dreaming.kernel(patterns, t + 2 * h), dreaming.kernel(patterns, t)
    slope = (left[0] - left[1]) / (2 * h)
    middle = dreaming.kernel(patterns, t + h)
    np.testing.assert_allclose(slope, dreaming.rate(middle, t + h), rtol=0, atol=2e-7)


def test_long_sleep_projects(patterns):
    P = dreaming.projector(patterns)
    np.testing.assert_allclose(P @ P, P, rtol=0, atol=1e-13)
    np.testing.assert_allclose(patterns @ P, patterns, rtol=0, atol=1e-12)
    assert np.trace(P) == pytest.approx(30, abs=1e-11)
    np.testing.assert_allclose(dreaming.kernel(patterns, 1e9), P, rtol=0, atol=1e-6)
    np.testing.assert_allclose(dreaming.rate(P, 1.0), 0, rtol=0, atol=1e-13)
    assert pytest.approx(0.3634, abs=6e-5) == dreaming.DEGENERATE_LOAD


def test_dreaming_error_has_the_right_limits():
    """Hebb's at t = 0; none left below α = 1 as t → ∞; a signal-to-noise ratio 1/(α − 1) above."""
    np.testing.assert_allclose(dreaming.bit_error([0.1, 0.5, 2.0], 0.0), noise.bit_error([0.1, 0.5, 2.0]), rtol=1e-13)
    assert dreaming.bit_error(0.9, 1e6) < 1e-300
    np.testing.assert_allclose(dreaming.bit_error([1.5, 3.0], 1e7), noise.bit_error([0.5, 2.0]), rtol=1e-5)
    assert np.all(np.diff(dreaming.bit_error(0.6, np.linspace(0, 20, 50))) < 0)


def sampled_errors(rng, alpha, t, spins, networks):
    """Fraction of wrong bits after one step, in networks with their own patterns."""
    wrong = []
    for _ in range(networks):
        xi = rng.choice([-1.0, 1.0], (round(alpha * spins), spins))
        couplings = dreaming.kernel(xi, t)
        np.fill_diagonal(couplings, 0)
        wrong.append(np.mean(xi * (xi @ couplings) < 0))
    return np.mean(wrong), np.std(wrong, ddof=1) / np.sqrt(networks)


@pytest.mark.slow
@pytest.mark.parametrize(("alpha", "t"), [(0.3, 0.5), (0.6, 1.0), (0.9, 3.0), (1.5, 2.0)])
def test_dreaming_error_of_sampled_networks(alpha, t):
    """Networks of 200 and 400 spins, extrapolated in 1/N to the theory; standard errors from the scatter."""
    rng = np.random.default_rng(5)
    (small, small_sem), (large, large_sem) = (sampled_errors(rng, alpha, t, *size) for size in ((200, 60), (400, 40)))
    sem = np.hypot(small_sem, 2 * large_sem)
    assert sem < 0.06 * large
    assert abs(2 * large - small - dreaming.bit_error(alpha, t)) < 4 * sem


def test_wrong_sleep_is_named(patterns):
    with pytest.raises(ValueError, match="t >= 0"):
        dreaming.kernel(patterns, -1.0)
