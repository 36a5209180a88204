"""Finite volumes for the Fokker–Planck equation: what is exact, and how errors fall with the grid."""

import numpy as np
import pytest

from matterlearn.theory import fokker_planck as fp
from matterlearn.theory.diffusion_information import Mixture

START = (1.5, 0.3)  # mean and variance of a normal law
DURATION = 0.5


def normal(x, mean, variance):
    return np.exp(-((x - mean) ** 2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)


def marginal(t):
    """Ornstein and Uhlenbeck: mean m e^{−t}, variance 1 + (C − 1) e^{−2t}."""
    return START[0] * np.exp(-t), 1 + (START[1] - 1) * np.exp(-2 * t)


@pytest.mark.parametrize("build", ["drift", "potential"])
def test_normal_laws_solve_the_equation_to_second_order(build):
    errors = []
    for cells in (50, 100, 200):
        grid = fp.Grid((-7.0,), (7.0,), (cells,))
        x = grid.centres()[0]
        matrix = (
            fp.with_drift(grid, lambda x: (-x,)) if build == "drift" else fp.with_potential(grid, lambda x: x**2 / 2)
        )
        end = fp.evolve(matrix, normal(x, *START), DURATION)
        errors.append(np.abs(end - normal(x, *marginal(DURATION))).max())
        assert end.sum() * grid.volume == pytest.approx(1.0, abs=1e-9)
        assert end.min() > -1e-15
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert orders == pytest.approx([2.0, 2.0], abs=0.1)
    assert errors[-1] < 3e-4


def test_any_grid_keeps_boltzmanns_law():
    """Two dimensions, a double well, cells as wide as its barrier is steep."""
    grid = fp.Grid((-2.0, -2.0), (2.0, 2.0), (9, 12))

    def potential(x, y):
        return 3 * (x**2 - 1) ** 2 + y**2 + 0.5 * x * y

    matrix = fp.with_potential(grid, potential, diffusion=0.5)
    law = np.exp(-potential(*grid.centres()) / 0.5)
    law /= law.sum()
    assert np.abs(matrix @ law.ravel()).max() < 1e-13
    start = np.full(grid.cells, 1 / law.size)
    assert np.abs(fp.evolve(matrix, start, 60.0) - law).max() < 1e-9


def test_matrices_are_those_of_a_jump_process():
    rng = np.random.default_rng(0)
    grid = fp.Grid((0.0, 0.0), (1.0, 2.0), (6, 5))
    peclet = [rng.normal(size=(5, 5)) * 300, rng.normal(size=(6, 4)) * 300]
    matrix = fp.generator(grid, peclet).toarray()
    assert np.abs(matrix.sum(0)).max() < 1e-9 * np.abs(matrix).max()
    assert (matrix - np.diag(np.diag(matrix))).min() >= 0


def test_reverse_process_brings_the_data_back():
    """Members of the family, driven by the score of two clusters, from noise to the data; errors of first order."""
    data = Mixture(np.array([0.3, 0.7]), np.array([-1.5, 1.5]), np.array([0.1, 0.2]))
    grid = fp.Grid((-6.0,), (6.0,), (240,))
    x, duration = grid.centres()[0], 2.0
    for family in (0.3, 1.0):
        errors = []
        for steps in (50, 100):

            def rates(tau, family=family):
                law = data.at(duration - tau)
                return fp.with_drift(grid, lambda x: (x + (1 + family) * law.score(x),), diffusion=family)

            end = fp.evolve_driven(rates, data.at(duration).density(x), np.linspace(0, duration, steps + 1))
            errors.append(np.abs(end - data.density(x)).sum() * grid.volume)
            assert end.min() >= 0 and end.sum() * grid.volume == pytest.approx(1.0, abs=1e-5)
        assert errors[1] < 0.06 and errors[0] / errors[1] == pytest.approx(2.0, abs=0.25)


def test_ensemble_against_the_solution():
    """Brownian particles in a double well: χ² of their histogram over cells that expect at least 20."""
    rng = np.random.default_rng(4)
    count, dt, steps = 40_000, 1e-3, 400
    points = rng.normal(0.3, 0.3, count)
    for _ in range(steps):
        points += -4 * points * (points**2 - 1) * dt + np.sqrt(2 * dt) * rng.normal(size=count)
    grid = fp.Grid((-3.0,), (3.0,), (60,))
    fine = fp.Grid((-3.0,), (3.0,), (600,))
    matrix = fp.with_potential(fine, lambda x: (x**2 - 1) ** 2)
    end = fp.evolve(matrix, normal(fine.centres()[0], 0.3, 0.09), dt * steps).reshape(60, 10).mean(1)
    expected = end * grid.volume * count
    found = fp.cell_means(grid, points[:, None]) * grid.volume * count
    held = expected > 20
    chi_square = ((found - expected)[held] ** 2 / expected[held]).sum()
    assert abs(chi_square - held.sum()) < 4 * np.sqrt(2 * held.sum())
