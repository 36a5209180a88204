"""Lattice fields in theory: conventions, exact values, and the sampler that samples are compared with."""

import lattice_fields
import numpy as np
import pytest

from matterlearn.theory import lattice_field as theory
from matterlearn.theory.lattice_field_values import HOPPING, LATTICE


def differences(field):
    return sum((np.roll(field, -1, axis) - field) ** 2 for axis in range(field.ndim))


def products(field):
    return sum(np.roll(field, -1, axis) * field for axis in range(field.ndim))


@pytest.mark.parametrize("shape", [(7,), (3, 4), (2, 3, 5)])
def test_conventions_are_the_actions_they_say(shape):
    field, d = np.random.default_rng(0).normal(size=shape), len(shape)
    m2, kappa, coupling, mu2, beta = -1.3, 0.27, 0.7, -0.8, 0.68
    written = {
        theory.lattice_action(m2, coupling, d): differences(field) + m2 * field**2 + coupling * field**4,
        theory.hopping_action(kappa, coupling, d):
            -2 * kappa * products(field) + (1 - 2 * coupling) * field**2 + coupling * field**4,
        theory.continuum_action(mu2, coupling, d):
            differences(field) / 2 + mu2 * field**2 / 2 + coupling * field**4 / 4,
        theory.wavelet_action(beta, d): beta / 2 * differences(field) + field**4 - (1 + d * beta) * field**2,
    }  # fmt: skip
    for action, density in written.items():
        np.testing.assert_allclose(theory.action_value(field, action, d), density.sum(), rtol=1e-12)


def test_a_scaled_field_is_the_same_model():
    """φ → cφ: (ac², Jc², λc⁴); at m² = −4 the hopping convention with λ = ½ has 2κ = √(2/λ)."""
    action, c = theory.lattice_action(-4.0, 6.975), 1.3
    scaled = theory.Action(action.quadratic * c**2, action.hopping * c**2, action.quartic * c**4)
    a, b = theory.two_by_two(action), theory.two_by_two(scaled)
    np.testing.assert_allclose(b.log_partition, a.log_partition - 4 * np.log(c), rtol=1e-9)
    np.testing.assert_allclose(b.magnetization, a.magnetization / c, rtol=1e-7)
    for coupling, hopping in ((6.975, 0.5355), (4.25, 0.6860)):
        a = theory.lattice_action(-4.0, coupling)
        assert abs(a.hopping * np.sqrt(0.5 / a.quartic) - hopping) < 5e-5


def test_exact_values_of_small_lattices():
    one = theory.single_site(theory.Action(-4.0, 0.0, 8.0))
    np.testing.assert_allclose(
        [one.mean_square, one.mean_fourth_power, one.log_partition], [0.22336624, 0.08709156, 0.73374869], atol=6e-9
    )
    assert abs(theory.single_site(theory.Action(0.0, 0.0, 8.0)).mean_fourth_power - 1 / 32) < 1e-12
    four = theory.two_by_two(theory.lattice_action(-4.0, 8.0))
    binder = theory.binder(four.magnetization_square, four.magnetization_fourth_power)
    local = four.log_partition, four.mean_square, 0.5 - 8 * four.mean_fourth_power
    found = [*local[:2], 4 * four.magnetization_square, four.magnetization, binder, local[2]]
    exact = [0.91443398, 0.17143443, 0.45048166, 0.28947562, 0.36376423, 0.05064335]
    np.testing.assert_allclose(found, exact, atol=2e-8)
    other = theory.two_by_two(theory.lattice_action(-4.0, 6.975))
    found = [other.log_partition, other.mean_square, 4 * other.magnetization_square]
    np.testing.assert_allclose(found, [1.17318472, 0.19562621, 0.54420963], atol=2e-8)


def test_exact_values_of_the_free_field():
    spectrum = theory.free_spectrum((8, 8), 1.0)
    np.testing.assert_allclose([spectrum.mean(), spectrum[0, 0]], [0.127086999, 0.5], atol=1e-9)
    np.testing.assert_allclose(theory.free_spectrum((32, 32), 0.25).mean(), 0.18842765, atol=1e-8)
    np.testing.assert_allclose(theory.free_log_partition((8, 8), 1.0), -11.622885, atol=1e-6)
    half = theory.free_spectrum((8, 8), 0.5, stiffness=0.5)  # the continuum's convention
    np.testing.assert_allclose(half, 2 * spectrum)


def test_free_samples_have_the_spectrum():
    """χ² of 200 000 waves; it finds a power that is 2 % off everywhere."""
    fields = theory.free_samples((4, 6), 0.3, count=8000, seed=1)
    power = np.abs(np.fft.fft2(fields)) ** 2 / 24
    real = (np.indices((4, 6)) * np.array([1, 1])[:, None, None] % np.array([2, 3])[:, None, None] == 0).all(0)
    ratio = power.mean(0) / theory.free_spectrum((4, 6), 0.3) - 1
    z = ratio / np.sqrt(np.where(real, 2, 1) / 8000)
    assert np.abs(z).max() < 4.5 and abs((z**2).sum() / 2 - 24 / 2) < 4 * np.sqrt(24)


def test_small_lattices_are_sampled_as_quadrature_says():
    """A 2 x 2 lattice, whose bonds are double: averages of 10 000 samples, |z| < 4."""
    action = theory.lattice_action(-4.0, 6.975)
    fields = theory.samples((2, 2), action, count=10_000, seed=0, relax=30)
    M, exact = fields.mean((1, 2)), theory.two_by_two(action)
    for values, law in (
        (M, 0.0), (np.abs(M), exact.magnetization), (M**2, exact.magnetization_square),
        ((fields**2).mean((1, 2)), exact.mean_square), ((fields**4).mean((1, 2)), exact.mean_fourth_power),
    ):  # fmt: skip
        assert abs(values.mean() - law) < 4 * values.std() / 100


@pytest.mark.parametrize("shape", [(9,), (3, 5), (3, 2, 4)])
def test_the_virial_is_one_in_every_dimension_and_on_odd_sides(shape):
    d = len(shape)
    action = theory.lattice_action(-3.0, 2.0, d)
    fields = theory.samples(shape, action, count=4000, seed=1, relax=50)
    quartic = theory.Action(0.0, 0.0, action.quartic)
    virial = (2 * theory.action_value(fields, action, d) + 2 * theory.action_value(fields, quartic, d)) / fields[0].size
    assert abs(virial.mean() - 1) < 4 * virial.std() / np.sqrt(len(fields))
    assert virial.std() / np.sqrt(len(fields)) < 0.02


@pytest.mark.slow
@pytest.mark.parametrize("row", [*LATTICE[:2], HOPPING[1]], ids=lambda row: f"{row.side}")
def test_samples_have_the_averages_of_the_tables(row):
    fields = theory.samples((row.side, row.side), row.action, count=5000, seed=2)
    lattice_fields.agree(lattice_fields.estimates(fields, row.action), row)


@pytest.mark.slow
@pytest.mark.parametrize("row", [*LATTICE[2:5], HOPPING[2]], ids=lambda row: f"{row.side}")
def test_samples_have_the_averages_of_the_tables_on_larger_lattices(row):
    fields = theory.samples((row.side, row.side), row.action, count=10_000, seed=3)
    lattice_fields.agree(lattice_fields.estimates(fields, row.action), row)
