"""Spectra of noisy matrices against random matrices, at sizes where fluctuations are far smaller than what is told."""

import numpy as np
import pytest

from matterlearn.theory import linear_score
from matterlearn.theory import random_matrices as matrices


def test_marchenko_pastur_moments_and_edges():
    for q in (0.1, 0.5, 2.0):
        assert matrices.marchenko_pastur_mean(np.ones_like, q) == pytest.approx(1.0, abs=1e-12)
        assert matrices.marchenko_pastur_mean(lambda l: l, q) == pytest.approx(1.0, abs=1e-12)
        assert matrices.marchenko_pastur_mean(lambda l: l**3, q) == pytest.approx(1 + 3 * q + q**2, abs=1e-11)
    assert matrices.marchenko_pastur_mean(lambda l: 1 / l, 0.5) == pytest.approx(2.0, rel=1e-10)  # 1/(1 − q)
    values = np.linalg.eigvalsh(np.cov(np.random.default_rng(0).normal(size=(200, 400))))
    low, high = matrices.marchenko_pastur_edges(0.5)
    assert values[0] == pytest.approx(low, abs=0.05) and values[-1] == pytest.approx(high, abs=0.15)


def test_linear_score_from_few_samples():
    assert matrices.empirical_score_trace(0.5, 0.1) == pytest.approx(1.434544, abs=5e-7)
    assert matrices.empirical_score_error(0.5, 0.1) == pytest.approx(0.9646, abs=5e-5)
    data = np.random.default_rng(1).normal(size=(800, 400))
    signal, noise = np.exp(-0.1), np.sqrt(1 - np.exp(-0.2))
    weights = linear_score.optimal(data.T @ data / 800, signal, noise)
    assert np.trace(weights) / 400 == pytest.approx(1.434544, rel=5e-3)
    error = linear_score.score_error(weights, np.eye(400), signal, noise) / 400
    assert error == pytest.approx(0.9646, rel=2e-2)


def test_spike_of_a_covariance():
    assert matrices.covariance_spike(3.0, 0.5) == pytest.approx((3.75, 0.70))
    found = []
    for seed in range(5):
        data = np.random.default_rng(seed).normal(size=(1200, 600))
        data[:, 0] *= np.sqrt(3.0)
        values, axes = np.linalg.eigh(data.T @ data / 1200)
        found.append((values[-1], axes[0, -1] ** 2))
    assert np.mean(found, 0) == pytest.approx([3.75, 0.70], rel=0.04)  # fluctuations √(2·9/1200) ≈ 0.12 per draw
    edge = matrices.covariance_spike(1 + np.sqrt(0.5) + 1e-9, 0.5)
    assert edge == pytest.approx(matrices.covariance_spike(1.0, 0.5), abs=1e-6)  # continuous at the transition


def test_spike_in_symmetric_noise():
    rng = np.random.default_rng(0)
    noise = matrices.symmetric_noise(rng, 800)
    assert np.linalg.eigvalsh(noise)[-1] == pytest.approx(2.0, abs=0.06)
    noise[0, 0] += 2.0
    values, axes = np.linalg.eigh(noise)
    assert (values[-1], axes[0, -1] ** 2) == pytest.approx(matrices.symmetric_spike(2.0), rel=0.05)
    assert matrices.symmetric_spike(1.0 + 1e-9) == pytest.approx((2.0, 0.0), abs=1e-7)


def test_axes_are_learned_from_more_samples_than_eigenvalues():
    """Overlap² falls with d at a < 1, stays at a = 1 and rises at a > 1, where what is lost falls as fast.

    Golden rule: eigenvectors are Lorentzians of half-width π ρ v with ρ = d and v = d^{−1−a}, so that the overlap² is
    1/(π d · π d v) = d^{a−1}/π². At d = 150 edges of the spectrum still add a tenth.
    """
    rng = np.random.default_rng(3)
    overlap = {(a, d): np.mean([matrices.axes_overlap(rng, d, a) for _ in range(1200 // d)]) for a in (0.5, 1.0, 1.5)
               for d in (150, 600)}  # fmt: skip
    assert overlap[0.5, 150] / overlap[0.5, 600] == pytest.approx(2.0, rel=0.2)
    assert overlap[1.0, 600] == pytest.approx(overlap[1.0, 150], rel=0.2)
    assert overlap[1.0, 600] == pytest.approx(1 / np.pi**2, rel=0.1)
    assert (1 - overlap[1.5, 150]) / (1 - overlap[1.5, 600]) == pytest.approx(2.0, rel=0.2)
