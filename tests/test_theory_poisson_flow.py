"""Field lines of charges on a line and in space."""

import numpy as np
import pytest

from matterlearn.theory import poisson_flow as flow

ATOMS, WEIGHTS = np.array([-1.0, 0.2, 0.9]), np.array([0.2, 0.5, 0.3])


def test_stream_function_is_conserved_and_gives_the_quantile():
    end = flow.follow([3.7], ATOMS[:, None], WEIGHTS, 40.0, 1e-4)[0]
    assert end == pytest.approx(0.200053, abs=5e-7)
    assert end == pytest.approx(flow.end_of_line(3.7, 40.0, 1e-4, ATOMS, WEIGHTS), abs=1e-8)
    start = flow.stream_function(3.7, 40.0, ATOMS, WEIGHTS)
    # near an atom ψ turns by π within z = 1e-4: places to 1e-12 are angles to 1e-8
    assert flow.stream_function(end, 1e-4, ATOMS, WEIGHTS) == pytest.approx(start, abs=3e-8)
    assert flow.quantile(start, ATOMS, WEIGHTS) == 0.2


def test_every_start_of_the_prior_ends_at_its_quantile():
    rng = np.random.default_rng(0)
    height = 1e5
    starts = flow.draw_prior(rng, 4000, height, 1)[:, 0]
    ends = np.array([flow.quantile(flow.stream_function(x, height, ATOMS, WEIGHTS), ATOMS, WEIGHTS) for x in starts])
    found = np.array([(ends == atom).mean() for atom in ATOMS])
    assert np.abs(found - WEIGHTS).max() < 4 * 0.5 / np.sqrt(4000)


def test_one_charge_has_straight_field_lines_in_any_dimension():
    charge = np.array([[0.5, -1.0, 2.0]])
    for extra in (1, 7):
        end = flow.follow([3.0, 0.0, 1.0], charge, np.ones(1), 10.0, 1.0, extra)
        assert (end - charge[0]) * 10 == pytest.approx(np.array([3.0, 0.0, 1.0]) - charge[0], abs=1e-8)


def test_radius_of_the_prior():
    rng = np.random.default_rng(1)
    height, dimension, extra = 2.0, 6, 26.0
    square = (flow.draw_prior(rng, 200_000, height, dimension, extra) ** 2).sum(1)
    exact = flow.prior_mean_square(height, dimension, extra)
    assert exact == pytest.approx(1.0)
    assert abs(square.mean() - exact) < 4 * square.std() / np.sqrt(len(square))
    half = (np.sqrt(square) < 1.0).mean()
    assert abs(half - flow.prior_radius_law(1.0, height, dimension, extra)) < 4 * 0.5 / np.sqrt(len(square))
    assert flow.prior_mean_square(1.0, 3, 1.0) == np.inf


def test_prior_is_cauchys_on_a_line_and_the_field_of_one_charge_in_space():
    for r in (0.3, 2.0):
        assert flow.prior_radius_law(r, 1.5, 1) == pytest.approx(2 / np.pi * np.arctan(r / 1.5))
    # flux of a charge through a disc of its plane N = 2, D = 1: the solid angle over 2π
    assert flow.prior_radius_law(1.0, 1.0, 2) == pytest.approx(1 - 1 / np.sqrt(2))


def test_many_extra_dimensions_are_noise_of_a_diffusion():
    sigma, extra = 0.7, 1e6
    from scipy.stats import chi2

    r = np.array([0.5, 1.2, 2.0])
    found = flow.prior_radius_law(r, sigma * np.sqrt(extra), 3, extra)
    assert found == pytest.approx(chi2.cdf((r / sigma) ** 2, 3), abs=1e-5)
