"""Denoising in closed form: against quadrature and sampling; and the free field's scales against dense matrices."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from matterlearn.theory import free_field_wavelets, thresholding, wiener

VARIANCES = np.array([4.0, 1.0, 0.25, 0.01])


def test_wiener_risk_is_the_least_and_its_error_is_uncorrelated_with_what_was_seen():
    noise = 0.5
    best = wiener.gain(VARIANCES, noise)
    assert wiener.risk(VARIANCES, noise) == pytest.approx(0.954248, abs=5e-7)
    assert wiener.linear_risk(best, VARIANCES, noise) == pytest.approx(wiener.risk(VARIANCES, noise), rel=1e-14)
    correlation = best * (VARIANCES + noise) - VARIANCES  # E (x̂ − x) y
    assert np.abs(correlation).max() < 1e-15
    for shift in (-1e-3, 1e-3):
        assert wiener.linear_risk(best + shift, VARIANCES, noise) > wiener.risk(VARIANCES, noise)


def test_wiener_and_projection_are_within_a_factor_of_two():
    power = np.geomspace(1e-6, 1e6, 1001)
    ratio = np.array([wiener.projection_risk([b], 1.0) / wiener.risk([b], 1.0) for b in power])
    assert np.all((ratio >= 1) & (ratio <= 2))
    assert ratio.max() == pytest.approx(2.0, rel=1e-12)  # at β = σ²
    assert ratio[[0, -1]] == pytest.approx(1.0, abs=2e-6)


@pytest.mark.parametrize(("rule", "risk"), [
    (thresholding.soft, thresholding.soft_risk), (thresholding.hard, thresholding.hard_risk)])  # fmt: skip
@pytest.mark.parametrize(("threshold", "mean"), [(1.0, 0.0), (2.5, 1.0), (0.3, -4.0), (3.0, 3.0)])
def test_threshold_risks_are_their_integrals(rule, risk, threshold, mean):
    def lost(z):
        return (rule(mean + z, threshold) - mean) ** 2 * norm.pdf(z)

    kinks = [-threshold - mean, threshold - mean]
    assert risk(threshold, mean) == pytest.approx(quad(lost, -12, 12, points=kinks, limit=200)[0], rel=1e-9)


def test_soft_thresholding_has_the_risk_that_is_known():
    assert float(thresholding.soft_risk(1.0, 0.0)) == pytest.approx(0.15067957, abs=5e-9)
    assert float(thresholding.soft_risk(2.5, 1.0)) == pytest.approx(0.96437833, abs=5e-9)


@pytest.mark.parametrize("size", [16, 1024])
def test_soft_thresholding_is_a_logarithm_from_the_oracle(size):
    """Component by component: r(T, μ) ≤ (2 ln d + 1)(1/d + min(μ², 1)), whose sum is the bound."""
    limit = thresholding.universal_threshold(size)
    mu = np.linspace(0, 20, 4001)
    each = (2 * np.log(size) + 1) * (1 / size + np.minimum(mu**2, 1))
    assert np.all(thresholding.soft_risk(limit, mu) <= each)
    signal = np.random.default_rng(0).laplace(size=size)
    total = np.sum(thresholding.soft_risk(limit, signal))
    assert total < thresholding.donoho_johnstone_bound(signal, 1.0) < size * (2 * np.log(size) + 1) * 2


@pytest.mark.parametrize(("size", "chance"), [(64, 0.2226), (1024, 0.1824), (2**20, 0.1363)])
def test_noise_above_the_universal_threshold(size, chance):
    assert thresholding.exceedance(size, thresholding.universal_threshold(size)) == pytest.approx(chance, abs=5e-5)
    slow = 1 / np.sqrt(np.pi * np.log(size))
    assert chance / slow == pytest.approx(1.0, abs=0.25)


def test_random_walk_details():
    assert free_field_wavelets.random_walk_detail_variance(np.arange(1, 6)).tolist() == [0.5, 1.5, 5.5, 21.5, 85.5]


@pytest.mark.parametrize(("mass_squared", "whole"), [(0.1, 81), (0.01, 801), (0.001, 8001), (1e-4, 80001)])
def test_the_whole_field_is_critical_and_its_scales_are_not(mass_squared, whole):
    precision = free_field_wavelets.spectrum((32, 32), mass_squared)
    assert free_field_wavelets.condition_number(precision) == pytest.approx(whole, rel=1e-9)
    assert max(scale.condition for scale in free_field_wavelets.scales(precision, 4)) < 10


@pytest.mark.parametrize(("mass_squared", "plain", "renormalised"), [
    (1e-2, [3.99, 5.92, 7.58, 7.41], [2.99, 4.15, 4.97, 4.73]),
    (1e-4, [4.00, 6.00, 8.00, 9.01], [3.00, 4.20, 5.22, 5.64]),
])  # fmt: skip
def test_condition_numbers_of_details(mass_squared, plain, renormalised):
    found = free_field_wavelets.scales(free_field_wavelets.spectrum((32, 32), mass_squared), 4)
    assert [scale.shape[0] for scale in found] == [32, 16, 8, 4]
    assert [scale.condition for scale in found] == pytest.approx(plain, abs=0.0051)
    assert [scale.renormalised for scale in found] == pytest.approx(renormalised, abs=0.0051)


def test_blocks_of_modes_are_the_dense_matrices():
    side, mass_squared = 8, 0.3
    precision = free_field_wavelets.spectrum((side, side), mass_squared)
    ring = 2 * np.eye(side) - np.roll(np.eye(side), 1, 0) - np.roll(np.eye(side), -1, 0)
    dense = mass_squared * np.eye(side**2) + np.kron(ring, np.eye(side)) + np.kron(np.eye(side), ring)
    pair = np.array([[1.0, 1.0], [1.0, -1.0]]) / np.sqrt(2)
    low, high = (np.kron(np.eye(side // 2), row) for row in pair)
    details = np.concatenate([np.kron(low, high), np.kron(high, low), np.kron(high, high)])
    coarse = np.kron(low, low)
    expected = np.linalg.eigvalsh(details @ dense @ details.T)
    found = np.linalg.eigvalsh(free_field_wavelets.detail_precision(precision)).ravel()
    assert np.allclose(np.sort(found), expected, atol=1e-12)
    marginal = np.linalg.eigvalsh(np.linalg.inv(coarse @ np.linalg.inv(dense) @ coarse.T))
    assert np.allclose(np.sort(free_field_wavelets.coarse_precision(precision).ravel()), marginal, atol=1e-12)


def test_odd_sides_are_refused():
    with pytest.raises(ValueError, match="powers of two"):
        free_field_wavelets.scales(free_field_wavelets.spectrum((6, 6), 1.0), 2)
