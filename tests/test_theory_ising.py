"""Ising closed forms against enumeration of small tori, each other's derivatives, and the large-lattice limit."""

import numpy as np
import pytest
from scipy.special import zeta

from matterlearn.theory import enumeration, ising

CRITICAL = ising.critical_temperature()
CATALAN = (zeta(2, 0.25) - zeta(2, 0.75)) / 16


@pytest.fixture(scope="module")
def energies():
    """Energies of all states of small tori, by their shape."""

    def of(shape):
        spins = 2 * enumeration.configurations(shape[0] * shape[1], 2) - 1
        bonds = enumeration.lattice_bonds(shape, True)
        return -sum(spins[:, i].astype(float) * spins[:, j] for i, j in bonds)

    return {shape: of(shape) for shape in ((2, 2), (2, 3), (3, 3), (3, 4), (4, 4))}


@pytest.mark.parametrize("shape", [(2, 2), (2, 3), (3, 3), (3, 4), (4, 4)])
@pytest.mark.parametrize("kT", [0.3, 1.0, 2.0, CRITICAL, 2.27, 3.0, 50.0])
def test_tori_equal_their_enumeration(energies, shape, kT):
    model = enumeration.ensemble(energies[shape], kT)
    exact = model.log_partition, model.mean(model.energies), model.variance(model.energies) / kT**2
    np.testing.assert_allclose(ising.torus(shape, kT), exact, rtol=1e-12, atol=1e-11)


def test_coupling_sets_the_unit_of_energy(energies):
    model = enumeration.ensemble(2.5 * energies[3, 3], 4.0)
    exact = model.log_partition, model.mean(model.energies), model.variance(model.energies) / 16
    np.testing.assert_allclose(ising.torus((3, 3), 4.0, J=2.5), exact, rtol=1e-12)


@pytest.mark.parametrize("kT", [0.9, 2.2, CRITICAL, np.nextafter(CRITICAL, 3), 2.4, 6.0])
@pytest.mark.parametrize("shape", [(5, 31), (16, 256), (30, 7)])
def test_sides_can_be_exchanged(shape, kT):
    """The formula treats its two sides quite differently; the lattice does not."""
    np.testing.assert_allclose(ising.torus(shape, kT), ising.torus(shape[::-1], kT), rtol=1e-9)


@pytest.mark.parametrize("kT", [2.0, CRITICAL, 2.6])
def test_torus_energy_and_heat_are_derivatives(kT):
    """Of ln Z and E of a large torus, by central differences with an error of order h² = 1e-8."""
    h, shape = 1e-4, (24, 17)
    below, at, above = (ising.torus(shape, t) for t in (kT - h, kT, kT + h))
    assert kT**2 * (above.log_partition - below.log_partition) / (2 * h) == pytest.approx(at.energy, rel=1e-6)
    assert (above.energy - below.energy) / (2 * h) == pytest.approx(at.heat_capacity, rel=1e-5)


@pytest.mark.parametrize(("kT", "degeneracy"), [(1.5, 2), (4.0, 1)])
def test_large_torus_is_the_infinite_lattice(kT, degeneracy):
    """Away from T_c the difference is exponentially small, but for the number of ordered phases."""
    sites = 256 * 256
    log_partition, energy, heat = ising.torus((256, 256), kT)
    assert (log_partition - np.log(degeneracy)) / sites == pytest.approx(ising.infinite_log_partition(kT), rel=1e-11)
    assert energy / sites == pytest.approx(ising.infinite_energy(kT), rel=1e-11)
    assert heat / sites == pytest.approx(ising.infinite_specific_heat(kT), rel=1e-9)


def test_critical_point():
    assert pytest.approx(1.0, rel=1e-14) == np.sinh(2 / CRITICAL)
    assert ising.infinite_energy(CRITICAL) == pytest.approx(-np.sqrt(2), rel=1e-13)
    assert ising.infinite_log_partition(CRITICAL) == pytest.approx(np.log(2) / 2 + 2 * CATALAN / np.pi, rel=1e-12)
    amplitude = 8 / (np.pi * CRITICAL**2)  # of the logarithm in the specific heat, on both sides
    for side in (-1, 1):
        near, nearer = (ising.infinite_specific_heat(CRITICAL * (1 + side * t)) for t in (1e-6, 1e-8))
        assert nearer - near == pytest.approx(amplitude * np.log(100), rel=1e-4)


@pytest.mark.parametrize("kT", [1.0, 2.2, 2.3, 5.0])
def test_infinite_energy_and_heat_are_derivatives(kT):
    h = 1e-4
    log_slope = (ising.infinite_log_partition(kT + h) - ising.infinite_log_partition(kT - h)) / (2 * h)
    slope = (ising.infinite_energy(kT + h) - ising.infinite_energy(kT - h)) / (2 * h)
    assert kT**2 * log_slope == pytest.approx(ising.infinite_energy(kT), abs=1e-6)
    assert slope == pytest.approx(ising.infinite_specific_heat(kT), abs=1e-5)


def test_free_energy_near_and_at_the_critical_point_is_continuous():
    """The singular part is t² ln t; the quadrature must not notice the near-kink of its integrand."""
    for t in (1e-2, 1e-4, 1e-6, 1e-8, 1e-12):
        for kT in (CRITICAL * (1 - t), CRITICAL * (1 + t)):
            beta = 1 / kT - 1 / CRITICAL
            linear = ising.infinite_log_partition(CRITICAL) + beta * np.sqrt(2)
            bound = 2 * t**2 * (1 + abs(np.log(t))) + 1e-12
            assert abs(ising.infinite_log_partition(kT) - linear) < bound


def test_known_numbers():
    assert round(float(ising.spontaneous_magnetisation(2.0)), 5) == 0.91132
    assert round(ising.torus((64, 64), 2.269185).energy / 64**2, 4) == -1.4239
    assert round(float(ising.infinite_energy(2.269185)), 4) == -1.4142


def test_magnetisation_vanishes_as_a_power_of_one_eighth():
    kT = CRITICAL * (1 - np.array([1e-6, 1e-8]))
    ratio = np.divide(*ising.spontaneous_magnetisation(kT))
    assert ratio == pytest.approx(100**0.125, rel=1e-5)
    np.testing.assert_array_equal(ising.spontaneous_magnetisation([CRITICAL * 1.0001, 10.0]), 0.0)


@pytest.mark.parametrize("shape", [(1, 4), (4, 0)])
def test_a_torus_needs_two_sites_a_side(shape):
    with pytest.raises(ValueError, match="at least 2"):
        ising.torus(shape, 2.0)


@pytest.mark.parametrize(("kT", "J"), [(0.0, 1.0), (2.0, -1.0)])
def test_only_ferromagnets_at_positive_temperature(kT, J):
    with pytest.raises(ValueError, match="positive"):
        ising.torus((4, 4), kT, J)


@pytest.mark.parametrize(
    ("kT_over_J", "dense", "dilute"),
    [(2.0, 0.95565969, 0.04434031), (2.1, 0.93437381, 0.06562619), (2.2, 0.89237757, 0.10762243)],
)
def test_known_gas_densities(kT_over_J, dense, dilute):
    np.testing.assert_allclose(ising.gas_densities(kT_over_J / 4), (dense, dilute), rtol=0, atol=6e-9)


@pytest.mark.parametrize("shape", [(3, 4), (2, 2, 3)])
def test_gas_at_coexistence_is_the_ising_model(shape):
    """State by state on periodic lattices of two and three dimensions, and half filled on average."""
    bonds, sites = enumeration.lattice_bonds(shape, True), int(np.prod(shape))
    table = enumeration.configurations(sites, 2)
    spins, eps, z = 2 * table - 1, 1.3, 2 * len(shape)
    gas = enumeration.potts_energies(table, bonds, *ising.gas_couplings(eps, z))
    magnet = -eps / 4 * sum(spins[:, i].astype(float) * spins[:, j] for i, j in bonds)
    np.testing.assert_allclose(gas, magnet + z * eps * sites / 8, atol=1e-12)
    assert enumeration.ensemble(gas).mean(table.mean(axis=1)) == pytest.approx(0.5, rel=1e-12)


def test_gas_partition_function_from_the_torus():
    table = enumeration.configurations(16, 2)
    gas = enumeration.potts_energies(table, enumeration.lattice_bonds((4, 4), True), *ising.gas_couplings(1.0))
    kT = ising.gas_critical_temperature()
    expected = ising.torus((4, 4), kT, J=0.25).log_partition - 16 / 2 / kT
    assert enumeration.ensemble(gas, kT).log_partition == pytest.approx(expected, rel=1e-13)
