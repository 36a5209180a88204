"""What is measured on fields: exact values on fields written by hand, and on draws whose law is known."""

import jax.numpy as jnp
import numpy as np
import pytest

from matterlearn import run
from matterlearn.observables._fields import jackknife
from matterlearn.observables.field_moments import averages, moments
from matterlearn.observables.power_spectrum import shells, spectrum
from matterlearn.observables.two_point import correlations, decay
from matterlearn.theory.lattice_field import free_spectrum, momenta_squared

pytestmark = pytest.mark.usefixtures("undrawn")


def test_moments_of_a_field_written_by_hand():
    field = jnp.array([[1.0, -2.0], [0.0, -1.0]])
    np.testing.assert_allclose(moments(field), [0.5, 0.25, 0.0625, 1.5, 4.5, -0.5])
    two_values = np.array([1.0, 1.0, 1.0, 1.0, 1.0, 0.0])
    np.testing.assert_allclose(averages(two_values, 4)[2:4], (0.0, 2 / 3))


@pytest.mark.parametrize("shape", [(9,), (4, 6), (2, 3, 4)])
def test_power_sums_to_the_mean_square(shape):
    field = np.random.default_rng(0).normal(size=shape)
    size, mean = shells(shape)
    waves = (mean > 0).sum(1)
    assert np.all(np.diff(size) > 0) and waves.sum() == field.size and size[0] == 0
    power = np.asarray(spectrum(jnp.asarray(field), mean))
    np.testing.assert_allclose(waves @ power / field.size, (field**2).mean(), rtol=1e-5)
    np.testing.assert_allclose(power[0], field.size * field.mean() ** 2, rtol=1e-4)


def test_a_wave_has_its_power_in_its_shell_and_its_correlation():
    wave = jnp.cos(2 * np.pi * 2 * jnp.arange(8) / 8)[:, None] * jnp.ones(8)
    size, mean = shells((8, 8))
    power = np.asarray(spectrum(wave, mean)) * (mean > 0).sum(1)
    assert abs(power[np.argmin(abs(size - np.pi / 2))] - 32) < 1e-4 and abs(power.sum() - 32) < 1e-4
    np.testing.assert_allclose(correlations(wave), 4 * np.cos(np.pi * np.arange(8) / 2), atol=1e-5)


def test_noise_without_arccosh_is_left_out():
    G, length = decay(np.array([2.0, 1.0, 3.0, 1.0]))  # at t = 2 the ratio is 1/3
    assert abs(length - 4 * np.arccosh(2.5)) < 1e-12
    assert np.isnan(decay(np.array([0.0, 1.0, 1.0, 0.5]))[1]) or len(G) == 4


def test_the_jackknife_of_a_mean_is_its_standard_error():
    values = np.random.default_rng(0).normal(size=(30, 2))
    [(mean, error)] = jackknife(lambda m: (m,), values)
    np.testing.assert_allclose(error, values.std(0, ddof=1) / np.sqrt(30))
    [(ratio, error)] = jackknife(lambda m: (m[0] / (5 + m[1]),), values)
    slope = np.array([1 / (5 + mean[1]), -mean[0] / (5 + mean[1]) ** 2])
    np.testing.assert_allclose(error, np.sqrt(slope @ np.cov(values.T) @ slope / 30), rtol=0.05)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Independent draws of the free field, beside data of the same law."""
    scene = {
        "title": "Free field",
        "system": {"kind": "free_field", "shape": [6, 6], "mass_squared": 0.5},
        "dynamics": {"kind": "direct_sampling"},
        "task": {"kind": "data", "data": {"source": "free_field", "shape": [6, 6], "mass_squared": 0.5, "count": 4000}},
        "observe": [{"kind": kind, "every": 1}
                    for kind in ("field_moments", "power_spectrum", "two_point", "virial", "visible_patterns")],
        "run": {"seed": 0, "replicas": 50, "steps": 100},
    }  # fmt: skip
    return run.simulate(scene, tmp_path_factory.mktemp("free") / "r").tree.to_dataset()


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["", "_target"])
def test_draws_and_data_have_the_moments_of_the_free_field(measured, suffix):
    law = free_spectrum((6, 6), 0.5)
    _, mean = shells((6, 6))
    cosh = np.fft.ifft(law[:, 0]).real
    exact = {
        "susceptibility": 1.0, "mean_square_field": law.mean(), "mean_fourth_power": 3 * law.mean() ** 2,
        "binder_cumulant": 0.0, "magnetization": np.sqrt(2 / np.pi / 36), "lengths_across": decay(cosh)[1],
        "power_spectrum": mean @ law.ravel(), "two_point_function": cosh,
    }  # fmt: skip
    for name, value in exact.items():
        z = (measured[name + suffix].values - value) / measured[f"{name}{suffix}_sem"].values
        assert np.abs(z).max() < 4, (name, z)
    length = 6 * 2 * np.arcsinh(np.sqrt(0.5) / 2)  # cosh m = 1 + m₀²/2
    assert abs(exact["lengths_across"] - length) < 1e-9
    assert measured["susceptibility_target"].attrs["long_name"].endswith("of training samples")


def test_virial_and_energy_of_draws(measured):
    for name, value in (("mean_virial", 1.0), ("energy_density", 0.5)):
        assert abs(float(measured[name]) - value) < 4 * float(measured[f"{name}_sem"])
    assert list(measured["part"].values) == ["virial", "energy"]
    assert momenta_squared((6, 6)).max() == 8.0
