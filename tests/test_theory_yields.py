"""Yields: the exact finite batch, mass action, and the published table for 60 spheres."""

import numpy as np
import pytest

from matterlearn.theory import yields

CONCENTRATIONS = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)
# number fraction of complete shells, [curatolo2023computational], as printed (2 or 3 digits)
PUBLISHED = {
    10: ("9e-57", "6e-26", ".0039", ".047", ".15", ".38"),
    11: ("1e-16", ".015", ".072", ".224", ".469", ".745"),
    12: (".029", ".118", ".298", ".588", ".809", ".933"),
    13: (".169", ".412", ".677", ".873", ".953", ".985"),
    14: (".510", ".775", ".910", ".971", ".990", ".997"),
    16: (".962", ".988", ".996", ".999", "1.00", "1.00"),
}


def last_digit(printed):
    """One unit in the last printed place."""
    mantissa, _, exponent = printed.partition("e")
    return 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))


@pytest.mark.parametrize("depth", PUBLISHED)
def test_published_shell_table(depth):
    log_constant = yields.published_shell_log_constant(float(depth))
    for concentration, printed in zip(CONCENTRATIONS, PUBLISHED[depth], strict=True):
        found = yields.complete_fraction(log_constant, 60, concentration)
        assert abs(found - float(printed)) <= last_digit(printed)


def test_the_shell_is_the_snub_dodecahedron():
    points = yields.snub_dodecahedron()
    distance = np.linalg.norm(points[:, None] - points[None], axis=-1)
    np.fill_diagonal(distance, np.inf)
    assert np.sum(distance < 0.75) == 2 * 150
    np.testing.assert_allclose(distance[distance < 0.75], 0.463857, atol=1e-6)
    assert 2 * np.degrees(np.arcsin(distance.min() / 2)) == pytest.approx(26.82, abs=0.005)


def test_central_bonds_alone_leave_the_shell_floppy():
    points = yields.snub_dodecahedron()
    distance = np.linalg.norm(points[:, None] - points[None], axis=-1)
    bonds = np.nonzero(np.triu(distance < 0.5, 1))
    hessian = yields.pair_hessian(points, bonds, np.zeros(150), np.ones(150))
    assert np.sum(np.linalg.eigvalsh(hessian) < 1e-9) >= 180 - 150
    with pytest.raises(ValueError, match="not a rigid minimum"):
        yields.cluster_log_constant(points, hessian, -150.0, symmetry_number=60)


@pytest.mark.parametrize(
    ("constant", "dilute", "dense"),
    [
        (47.7, 0.0122, 0.0345),
        (500.0, 0.100, 0.214),
        (6307.0, 0.430, 0.607),
        (8.62e4, 0.808, 0.907),
        (1.239e6, 0.976, 0.992),
    ],
)
def test_finite_batch_of_dimers(constant, dilute, dense):
    for concentration, expected in ((0.001, dilute), (0.003, dense)):
        digits = 4 if expected < 0.05 else 3
        found = yields.heterodimer_yield(constant, 9, concentration).value
        assert round(found, digits) == pytest.approx(expected, abs=1.01 * 10.0**-digits)


def test_finite_batch_slope_is_its_derivative():
    def value(log_constant):
        return yields.heterodimer_yield(np.exp(log_constant), 9, 0.001).value

    slope = (value(8.0 + 1e-5) - value(8.0 - 1e-5)) / 2e-5
    assert yields.heterodimer_yield(np.exp(8.0), 9, 0.001).slope == pytest.approx(slope, rel=1e-7)


def test_one_pair_is_solved_by_hand():
    # N = 1: w(1)/w(0) = K/V with V = 2/c, and the yield is the bound probability
    constant, concentration = 50.0, 0.01
    ratio = constant * concentration / 2
    found = yields.heterodimer_yield(constant, 1, concentration).value
    assert found == pytest.approx(ratio / (1 + ratio))


def test_large_batch_approaches_mass_action():
    # n distinct kinds, here A and B at c/2 each: bound fraction y gives Y = y/(2 - y)
    constant, concentration = 3000.0, 0.002
    bound = yields.addressable_yield(np.log(constant), 2, concentration / 2)
    found = yields.heterodimer_yield(constant, 4000, concentration).value
    assert found == pytest.approx(bound / (2 - bound), rel=1e-3)


@pytest.mark.parametrize("log_constant", [280.0, 300.0, 400.0, 600.0])
def test_mass_action_conserves_matter(log_constant):
    n, concentration = 60, 0.01
    fraction = yields.complete_fraction(log_constant, n, concentration)
    # c_n = f c_1/(1 - f) and c_1 + n c_n = c determine both
    free = concentration / (1 + n * fraction / (1 - fraction))
    cluster = free * fraction / (1 - fraction)
    assert np.log(cluster) == pytest.approx(log_constant + n * np.log(free), rel=1e-8)


@pytest.mark.parametrize(("log_constant", "limit"), [(-5000.0, 0.0), (5000.0, 1.0)])
def test_mass_action_survives_extreme_constants(log_constant, limit):
    assert yields.complete_fraction(log_constant, 60, 0.01) == pytest.approx(limit, abs=1e-12)
    assert yields.addressable_yield(log_constant, 60, 0.01) == pytest.approx(limit, abs=1e-12)


def test_switched_morse_derivatives():
    law = {"depth": 7.0, "alpha": 5.0, "rest": 0.46, "cutoff": 0.75}
    step = 1e-5
    below, here, above = (yields.switched_morse(0.5 + s * step, **law) for s in (-1, 0, 1))
    assert here[1] == pytest.approx((above[0] - below[0]) / (2 * step), rel=1e-7)
    assert here[2] == pytest.approx((above[1] - below[1]) / (2 * step), rel=1e-7)
    assert yields.switched_morse(0.75, **law)[:2] == pytest.approx((0.0, 0.0), abs=1e-12)


def test_rigid_tetrahedron_constant_is_the_stiff_limit_of_its_bond_lengths():
    # positions <-> six bond lengths: d^9 r = 8 pi^2 prod(b) / (6 volume) d^6 b, one hand
    corners = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(8)
    bonds = np.triu_indices(4, 1)
    hessian = yields.pair_hessian(corners, bonds, np.zeros(6), np.full(6, 900.0))
    found = yields.cluster_log_constant(corners, hessian, 0.0, symmetry_number=12)
    volume = 1 / (6 * np.sqrt(2))
    exact = np.log(8 * np.pi**2 * (2 * np.pi / 900.0) ** 3 / (6 * volume) / 12)
    assert found == pytest.approx(exact, abs=1e-9)
