"""Classical denoisers: their risks, sampled with noise, against closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from noising import ou

from matterlearn.diffusion.bases import Fourier, Sites
from matterlearn.diffusion.denoisers import hard, soft, threshold_score, wiener_score
from matterlearn.diffusion.processes import Gaussian
from matterlearn.diffusion.schedules import NoiseLevel
from matterlearn.diffusion.scores import GaussianScore, linear_score
from matterlearn.diffusion.wavelets import wavelet_basis
from matterlearn.theory import lattice_field, thresholding, wiener

LEVEL = Gaussian(NoiseLevel(), Sites())
OU = ou()
END = jnp.asarray(10.0)
SHAPE, MASS, NOISE = (8, 8), 0.3, 0.6
FREE = lattice_field.free_spectrum(SHAPE, MASS)


def gaussian(variance, basis):
    mean, variance = jnp.zeros(SHAPE), jnp.asarray(variance, jnp.float32)
    return GaussianScore(process=LEVEL, mean=mean, variance=variance, basis=basis, end=END)


def losses(score, clean, t, seed=1):
    """Squared error of every noisy sample."""
    keys = jax.random.split(jax.random.key(seed), len(clean))

    @jax.jit
    def one(key, a):
        return jnp.sum((score.denoise(score.process.perturb(key, a, t), t) - a) ** 2)

    return np.asarray(jax.vmap(one)(keys, jnp.asarray(clean, jnp.float32)), float)


def z_value(sample, expected):
    return (sample.mean() - expected) / (sample.std(ddof=1) / np.sqrt(len(sample)))


def test_wiener_filter_of_a_free_field_has_its_risk():
    """4000 samples: the risk is known to 0.4 %, and the next best filters are several per cent worse."""
    clean = lattice_field.free_samples(SHAPE, MASS, count=4000, seed=0)
    exact = gaussian(FREE, Fourier())
    lost = losses(exact, clean, jnp.asarray(NOISE))
    risk = wiener.risk(FREE, NOISE**2)
    assert abs(z_value(lost, risk)) < 4
    flat = gaussian(np.full(SHAPE, FREE.mean()), Sites())
    worse = losses(flat, clean, jnp.asarray(NOISE))
    assert abs(z_value(worse, wiener.risk(np.full(FREE.shape, FREE.mean()), NOISE**2))) < 4
    assert worse.mean() > 1.1 * lost.mean()


def test_estimated_filters_come_close_and_only_from_above():
    """Of 500 samples: the spectrum costs far less than the covariance, as it has fewer numbers."""
    clean = lattice_field.free_samples(SHAPE, MASS, count=4500, seed=2)
    data, held = jnp.asarray(clean[:500]), clean[500:]
    risk, t = wiener.risk(FREE, NOISE**2), jnp.asarray(NOISE)
    waves = losses(wiener_score(LEVEL, data, Fourier(), END), held, t)
    axes = losses(linear_score(LEVEL, data, END), held, t)
    assert z_value(axes - waves, 0) > 4
    assert z_value(waves, risk) > -4 and waves.mean() < 1.02 * risk
    assert 1.01 * risk < axes.mean() < 1.2 * risk


@pytest.mark.slow
@pytest.mark.parametrize(("rule", "risk"), [("soft", thresholding.soft_risk), ("hard", thresholding.hard_risk)])
@pytest.mark.parametrize("process", [LEVEL, OU])
def test_thresholding_in_wavelets_has_the_risk_of_its_components(rule, risk, process):
    basis, t = wavelet_basis((16, 16), "haar", 3), jnp.asarray(0.5)
    image = np.zeros((16, 16))
    image[3:9, 5:16] = 2.0
    score = threshold_score(process, basis, (16, 16), END, rule=rule)
    assert float(score.threshold) == pytest.approx(thresholding.universal_threshold(256), rel=1e-6)
    width = float(process.noise(t) / process.signal(t))
    mu = np.asarray(basis.to(jnp.asarray(image))) / width
    each = np.where(basis.levels() > 3, 1.0, risk(float(score.threshold), mu)) * width**2
    lost = losses(score, np.broadcast_to(image, (4000, 16, 16)), t)
    assert abs(z_value(lost, each.sum())) < 4


def test_rules_are_those_of_the_theory():
    y = np.linspace(-3, 3, 13)
    assert np.allclose(soft(jnp.asarray(y), jnp.asarray(1.2)), thresholding.soft(y, 1.2), atol=1e-6)
    assert np.allclose(hard(jnp.asarray(y), jnp.asarray(1.2)), thresholding.hard(y, 1.2), atol=1e-6)


def test_scores_follow_from_denoisers():
    score = threshold_score(LEVEL, Sites(), (4,), END, rule="soft", threshold=1.0)
    x, t = jnp.array([3.0, 0.2, -0.4, -5.0]), jnp.asarray(0.5)
    assert np.allclose(score.score(x, t), -np.clip(x, -0.5, 0.5) / 0.25, atol=1e-5)


def test_rules_that_do_not_exist_are_refused():
    with pytest.raises(ValueError, match="hard or soft"):
        threshold_score(LEVEL, Sites(), (4,), END, rule="firm")
