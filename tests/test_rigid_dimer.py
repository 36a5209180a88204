"""Pairs of rigid bodies: partition function against quadrature and the published dimer, yields, crowding."""

import numpy as np
import pytest
from scipy.integrate import quad

from matterlearn.theory import rigid_dimer as rd
from matterlearn.theory.dimer_crowding import crowded_yield, crowding, docked, room
from matterlearn.theory.yields import heterodimer_yield

# D0: K with its sampling error, Y and dY/dD0 at N = 9, c = 0.001: independent integration of the same model.
ANCHORS = {
    6: (47.7, 0.3, 0.0122, 0.0255),
    7: (500.0, 4.0, 0.100, 0.192),
    8: (6307.0, 49.0, 0.430, 0.422),
    9: (8.62e4, 0.07e4, 0.808, 0.291),
    10: (1.239e6, 0.011e6, 0.976, 0.061),
}
EQUAL = [0, 3, 5]  # packed places of equal colours
ALL = rd.like_colours(3, -1.0)


@pytest.fixture(scope="module")
def samples():
    return rd.pair_samples(*rd.facing_trimers(), rd.DOCKED, colours=3, samples=400_000)


@pytest.mark.parametrize("depth", ANCHORS)
def test_published_dimer(samples, depth):
    value, error, share, slope = ANCHORS[depth]
    found = rd.pair_constant(samples, depth * ALL)
    spread = np.hypot(error / value, found.error / found.value)
    assert found.error / found.value < 0.004
    assert abs(np.log(found.value / value)) < 4 * spread
    yields = rd.dimer_yield(found, 9, 0.001, ALL)
    by_log = heterodimer_yield(found.value, 9, 0.001).slope
    assert abs(yields.value - share) < 4 * spread * by_log + 0.5e-3
    assert yields.slope == pytest.approx(slope, rel=0.02, abs=0.5e-3)


def test_derivative_is_that_of_the_same_samples(samples):
    """Covariance and shell together are the difference quotient with common random numbers."""
    found = rd.pair_constant(samples, 7.0 * ALL, step=0.01)
    for k in EQUAL:
        unit = np.eye(6)[k]
        ends = [rd.pair_constant(samples, 7.0 * ALL + way * 0.005 * unit).value for way in (1, -1)]
        assert (found.slope + found.shell)[k] == pytest.approx(np.log(ends[0] / ends[1]) / 0.01, rel=1e-4, abs=1e-5)
    assert np.abs(found.shell)[EQUAL].max() < 1e-3 * np.abs(found.slope).max()


def test_the_shell_matters_less_the_deeper_the_bond(samples):
    shells = [abs(rd.pair_constant(samples, d * ALL).shell @ ALL) for d in ANCHORS]
    assert all(later < earlier for earlier, later in zip(shells, shells[1:], strict=False))
    assert shells[0] < 1e-3


def radial(function, forces, until):
    return quad(lambda r: 4 * np.pi * r**2 * function(r), 0, until, points=[forces.onset], epsabs=0, limit=200)[0]


@pytest.mark.parametrize("arm", [0.0, 0.4])
def test_one_patch_each_is_a_radial_integral(arm):
    """Without spheres in reach the patches alone decide, and where they sit in their bodies drops out."""
    forces, nothing = rd.PUBLISHED, np.array([0])
    first = rd.Body(np.zeros((0, 3)), np.array([[0.0, arm, 0.0]]), nothing)
    second = rd.Body(np.zeros((0, 3)), np.array([[0.0, 0.0, -arm]]), nothing)
    pose = rd.about_patches([0.0, arm, arm], [0.0, 0.0, 0.0], second)
    drawn = rd.pair_samples(first, second, pose, colours=1, samples=200_000)
    found = rd.pair_constant(drawn, [-5.0])
    weight = lambda r: np.exp(5.0 * rd.patch_contact(np.array(r), forces))  # noqa: E731
    exact = radial(weight, forces, forces.cutoff)
    bond = radial(lambda r: rd.patch_contact(np.array(r), forces) * weight(r), forces, forces.cutoff)
    assert abs(found.value - exact) < 4 * found.error
    assert abs(found.slope[0] + bond / exact) < 4 * found.slope_error[0]
    assert found.error < 0.01 * exact


def test_room_of_soft_spheres_is_a_radial_integral():
    ball = rd.Body(np.zeros((1, 3)), np.zeros((1, 3)), np.array([0]))
    forces = rd.Forces(repulsion=2.0)
    energy = lambda r: 0.4 * max(2.0 - r, 0.0) ** 2.5 - 10.0 * rd.patch_contact(np.array(r), forces)  # noqa: E731
    exact = radial(lambda r: 1 - np.exp(-energy(r)), forces, 2.0)
    found = room(ball, ball, np.array([-10.0]), forces=forces)
    assert abs(found.free - exact) < 4 * found.error
    assert found.unbound > found.free


def test_docked_dimer_has_the_energy_of_its_parts():
    first, second = rd.facing_trimers()
    dimer = docked(first, second, rd.DOCKED)
    random = np.random.default_rng(0)
    place, turn = 2.5 * random.normal(size=(50, 3)), rd.rotation_matrices(random.normal(size=(50, 3)))
    coupling = 8.0 * ALL
    whole = rd.pair_terms(first, dimer, place, turn, rd.PUBLISHED, 3).energy(coupling)
    middle = dimer.spheres[0] - first.spheres[0]
    parts = sum(
        rd.pair_terms(first, part, place + np.einsum("nij,j->ni", turn, middle + shift), turn, rd.PUBLISHED, 3).energy(
            coupling
        )
        for part, shift in ((first, np.zeros(3)), (second, np.array(rd.DOCKED.translation)))
    )
    np.testing.assert_allclose(whole, parts, rtol=1e-9, atol=1e-9)


def test_crowding_favours_dimers_in_proportion_to_the_concentration():
    bodies, coupling = rd.facing_trimers(), 8.0 * ALL
    law = {"counts": (9, 9), "samples": 20_000}
    shifts = []
    for volume in (18_000.0, 180_000.0):
        crowded = crowding(*bodies, rd.DOCKED, coupling, volume=volume, **law)
        shifts.append(crowded[9] - crowded[0])
        constant = volume / 3.0  # the same yield in the ideal mixture
        assert crowded_yield(constant, (9, 9), volume, crowded) > crowded_yield(constant, (9, 9), volume, 0.0)
    assert shifts[0] == pytest.approx(10 * shifts[1], rel=1e-9)
    assert shifts[0] > 0
