"""Sliced Wasserstein: closed forms, unequal numbers of samples, the floor, the error bar."""

import numpy as np
import pytest

from matterlearn.kinds import load_kind
from matterlearn.theory.wasserstein import directions, sliced_wasserstein, squared_distances


@pytest.mark.parametrize("dimension", [1, 2])
def test_a_shift_is_its_own_length_over_the_root_of_the_dimension(dimension):
    a = np.random.default_rng(0).normal(size=(50, dimension))
    shift = np.arange(1.0, dimension + 1)
    found = sliced_wasserstein(a, a + shift, directions(dimension, 16))
    assert abs(found - np.linalg.norm(shift) / np.sqrt(dimension)) < 1e-13


def test_many_dimensions_average_over_random_directions():
    """(e·Δ)² has mean |Δ|²/d and variance 2|Δ|⁴(d − 1)/(d²(d + 2)) over directions."""
    d, count = 6, 4000
    along, shift = directions(d, count), np.ones(d)
    np.testing.assert_allclose(np.linalg.norm(along, axis=1), 1, rtol=1e-14)
    found = sliced_wasserstein(np.zeros((3, d)), np.ones((2, d)), along) ** 2
    error = np.sqrt(2 * (d - 1) / (d + 2) / count) * (shift @ shift) / d
    assert abs(found - 1.0) / error < 4


def test_unequal_numbers_are_repeated_samples():
    """Of 6 and 4 samples, as if each were repeated to 12."""
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(6, 3)), rng.normal(size=(4, 3))
    wide = [np.sort(np.repeat(s, 12 // len(s), 0), 0) for s in (a, b)]
    np.testing.assert_allclose(squared_distances(a, b), np.mean((wide[0] - wide[1]) ** 2, 0), rtol=1e-13)


def test_normal_laws_of_two_widths():
    """Quantiles at (k + ½)/n: SW₂ = |s − s'| times the quantiles' own root mean square, → 1."""
    from scipy.stats import norm

    quantile = norm.ppf((np.arange(400) + 0.5) / 400)[:, None]
    found = sliced_wasserstein(0.5 * quantile, 2.0 * quantile, directions(1, 1))
    assert abs(found / (1.5 * np.sqrt(np.mean(quantile**2))) - 1) < 1e-13


def observable(train, test):
    class Task:
        pass

    task = Task()
    task.train, task.test = train, test  # pyright: ignore[reportAttributeAccessIssue]
    return load_kind("observables", "sliced_wasserstein")(kind="sliced_wasserstein").build(None, task)


def summaries(train, test, values):
    return {s.name: float(s.values) for s in observable(train, test).summary(values, {})}


def test_a_perfect_model_is_at_the_floor_and_a_shifted_one_is_not():
    """Over 40 repetitions the two distances have one mean, |z| < 4; the jackknife knows the scatter of the first."""
    rng = np.random.default_rng(2)
    test = rng.normal(size=(400, 2))
    found = [
        summaries(rng.normal(size=(400, 2)), test, rng.normal(size=(100, 8, 2))) for _ in range(40)
    ]  # fmt: skip
    gap = np.array([s["sliced_wasserstein"] - s["sliced_wasserstein_floor"] for s in found])
    assert abs(gap.mean()) < 4 * gap.std(ddof=1) / np.sqrt(len(gap))
    scatter = np.std([s["sliced_wasserstein"] for s in found], ddof=1)
    assert 0.5 < np.median([s["sliced_wasserstein_sem"] for s in found]) / scatter < 2
    far = summaries(test, test, rng.normal(size=(100, 8, 2)) + 1.0)
    assert far["sliced_wasserstein"] == pytest.approx(1.0, abs=4 * far["sliced_wasserstein_sem"] + 0.02)


def test_only_the_second_half_of_the_run_counts():
    rng = np.random.default_rng(3)
    values = rng.normal(size=(30, 10, 2))
    values[:, :5] += 100.0
    assert summaries(rng.normal(size=(90, 2)), rng.normal(size=(90, 2)), values)["sliced_wasserstein"] < 1
