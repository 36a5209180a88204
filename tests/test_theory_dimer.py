"""Two particles in a box: measure, bound fraction, derivative, patchy discs against sampling."""

import numpy as np
import pytest

from matterlearn.theory import dimer


@pytest.mark.parametrize("dim", [2, 3])
def test_measure_of_the_cell_is_exact(dim):
    # <1> fixes nothing, so test the second and fourth moments of a uniform point in the cell
    second = dimer.pair_average(lambda r: r**2, lambda r: 0.0, box=3.0, dim=dim)
    assert second == pytest.approx(dim * 9 / 12, rel=1e-9)
    fourth = dimer.pair_average(lambda r: r**4, lambda r: 0.0, box=3.0, dim=dim)
    assert fourth == pytest.approx(81 * (dim / 80 + dim * (dim - 1) / 144), rel=1e-9)


@pytest.mark.parametrize("dim", [2, 3])
@pytest.mark.parametrize("radius", [0.9, 1.1, 1.35, 1.6])
def test_measure_against_a_cloud_of_points(dim, radius):
    points = np.random.default_rng(0).random((400_000, dim)) * 2 - 1
    inside = np.linalg.norm(points, axis=1) < radius
    exact = dimer.bound_fraction(lambda r: 0.0, radius, box=2.0, dim=dim)
    error = np.sqrt(exact * (1 - exact) / len(points)) + 1e-12
    assert abs(inside.mean() - exact) < 4 * error


def test_derivative_of_the_two_disc_bond_order():
    """Morse eps = 5, alpha = 5, switched between 1.5 and 1.9, box 4: d<O>/d eps = 0.0518."""

    def switch(r, onset=1.5, cutoff=1.9):
        if r < onset:
            return 1.0
        gap = cutoff**2 - r**2
        outer = cutoff**2 + 2 * r**2 - 3 * onset**2
        return gap**2 * outer / (cutoff**2 - onset**2) ** 3 if r < cutoff else 0.0

    def shape(r):
        return (np.exp(-10 * (r - 1)) - 2 * np.exp(-5 * (r - 1))) * switch(r)

    def order(r):
        return 1 / (1 + np.exp(-(1.4 - r) / 0.05))

    def average(eps):
        return dimer.pair_average(order, lambda r: eps * shape(r), **where)

    where = {"box": 4.0, "dim": 2, "breaks": (0.8, 1.0, 1.4, 1.5, 1.9)}
    slope = dimer.average_derivative(order, lambda r: 5 * shape(r), shape, **where)
    assert slope == pytest.approx(0.0518, abs=5e-5)
    assert slope == pytest.approx((average(5.001) - average(4.999)) / 0.002, rel=1e-5)


COUPLING = np.array([[-6.0, 0.0, -1.0], [-2.0, -3.0, 0.0], [0.0, 1.0, -4.0]])
DISCS = {"box": 5.0, "patch_width": 0.2, "stiffness": 100.0}


def sampled_pair(coupling, *, box, patch_width, stiffness, samples, seed):
    """Uniform positions and angles, Boltzmann weights: bound fraction and energy with errors."""
    generator = np.random.default_rng(seed)
    gap = (generator.random((samples, 2)) - 0.5) * box
    angle = generator.random((2, samples)) * 2 * np.pi
    energy = stiffness * np.clip(1 - np.hypot(*gap.T), 0, None) ** 2
    bound = np.zeros(samples, dtype=bool)
    patches = len(coupling)
    for p in range(patches):
        for q in range(patches):
            first = angle[0] + 2 * np.pi * p / patches
            second = angle[1] + 2 * np.pi * q / patches
            x = gap[:, 0] + 0.5 * (np.cos(second) - np.cos(first))
            y = gap[:, 1] + 0.5 * (np.sin(second) - np.sin(first))
            chi = np.exp(-(x**2 + y**2) / (2 * patch_width**2))
            energy += coupling[p, q] * chi
            bound |= chi > 0.5
    weight = np.exp(-energy)
    for value in (bound, energy):
        mean = np.average(value, weights=weight)
        error = np.sqrt(np.mean(weight**2 * (value - mean) ** 2) / samples) / weight.mean()
        yield mean, error


def test_patchy_pair_against_plain_sampling():
    exact = dimer.patchy_pair(COUPLING, **DISCS)
    sampled = list(sampled_pair(COUPLING, **DISCS, samples=1_000_000, seed=3))
    for value, (mean, error) in zip((exact.bound, exact.energy), sampled, strict=True):
        assert error < 0.05 * abs(value)
        assert abs(mean - value) < 3 * error


def test_patchy_quadrature_converges():
    coarse = dimer.patchy_pair(COUPLING, **DISCS, angles=60, radii=48)
    fine = dimer.patchy_pair(COUPLING, **DISCS)
    assert coarse.energy == pytest.approx(fine.energy, rel=1e-7)
    assert coarse.bound == pytest.approx(fine.bound, rel=0.01)


def test_contacts_are_the_derivative_of_the_free_energy():
    def log_partition(shift):
        changed = COUPLING + shift * (np.arange(9).reshape(3, 3) == 3)
        pair = dimer.patchy_pair(changed, **DISCS, angles=60, radii=48)
        # bound / bound_weight = 1 / Z
        return np.log(pair.bound_weight / pair.bound)

    slope = (log_partition(1e-3) - log_partition(-1e-3)) / 2e-3
    exact = dimer.patchy_pair(COUPLING, **DISCS, angles=60, radii=48).contacts[1, 0]
    assert -slope == pytest.approx(exact, rel=1e-5)


def test_patchy_pair_refuses_a_small_box():
    with pytest.raises(ValueError, match="box must exceed"):
        dimer.patchy_pair(COUPLING, box=3.0, patch_width=0.2, stiffness=100.0)
