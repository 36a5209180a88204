"""Linker laws against direct integration and against enumeration of every linker occupation."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from matterlearn.theory import linkers


def integrate(slope, initial, time):
    return solve_ivp(lambda _, y: slope(y), (0, time), [initial], rtol=1e-11, atol=1e-12).y[0, -1]


@pytest.mark.parametrize("time", [0.1, 1.0, 7.0])
@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_flow_solves_its_equation(time, decay):
    exact = linkers.coupling_flow(time, rate=0.7, correlation=1.3, decay=decay, initial=-0.4)
    assert exact == pytest.approx(integrate(lambda y: 0.7 * 1.3 - decay * y, -0.4, time), rel=1e-8)


@pytest.mark.parametrize("time", [0.1, 1.0, 7.0])
@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_saturating_flow_solves_its_equation(time, decay):
    law = {"rate": 0.7, "correlation": 1.3, "decay": decay, "maximum": 2.5, "initial": 0.2}
    slope = lambda y: 0.7 * 1.3 * (1 - y / 2.5) - decay * y  # noqa: E731
    expected = integrate(slope, 0.2, time)
    assert linkers.saturating_flow(time, **law) == pytest.approx(expected, rel=1e-8)
    stationary = linkers.saturating_stationary(0.7, 1.3, decay, 2.5)
    assert linkers.saturating_flow(1e4, **law) == pytest.approx(stationary, rel=1e-12)
    assert slope(stationary) == pytest.approx(0.0, abs=1e-12)


def test_unlimited_sites_recover_the_linear_law():
    law = {"rate": 0.7, "correlation": 1.3, "decay": 0.2, "initial": 0.1}
    saturating = linkers.saturating_flow(3.0, maximum=np.inf, **law)
    assert saturating == pytest.approx(linkers.coupling_flow(3.0, **law))


def test_sequence_equals_flow_applied_pattern_by_pattern():
    patterns = np.random.default_rng(0).random((5, 4, 4))
    law = {"rate": 0.5, "decay": 0.4}
    coupling = np.zeros((4, 4))
    for pattern in patterns:
        coupling = linkers.coupling_flow(0.9, correlation=pattern, initial=coupling, **law)
    exact = linkers.sequential_coupling(patterns, duration=0.9, **law)
    np.testing.assert_allclose(exact, coupling, rtol=1e-13)


def test_fast_rotation_averages_the_patterns():
    patterns = np.random.default_rng(1).random((3, 2, 2))
    long_train = np.tile(patterns, (4000, 1, 1))
    shown = linkers.sequential_coupling(long_train, rate=0.5, decay=0.2, duration=0.01)
    # one period is 0.03, so the memory of order within a period is O(lambda * 0.03)
    expected = linkers.rotation_coupling(0.5, patterns, 0.2)
    np.testing.assert_allclose(shown, expected, rtol=0.01)


def test_older_patterns_fade_exponentially():
    first_only = np.zeros((4, 1))
    first_only[0] = 1.0
    last_only = first_only[::-1]
    law = {"rate": 1.0, "decay": 0.3, "duration": 2.0}
    old, new = (linkers.sequential_coupling(train, **law) for train in (first_only, last_only))
    assert float(old[0] / new[0]) == pytest.approx(np.exp(-0.3 * 2.0 * 3))


@pytest.fixture
def mixture():
    generator = np.random.default_rng(2)
    fugacity = generator.random((4, 4)) * 2
    return fugacity + fugacity.T, generator.random(4) * 3 + 0.1


def test_competing_bonds_equal_the_enumeration(mixture):
    fugacity, affinity = mixture
    closed = linkers.competing_bond_energy(fugacity, affinity, 1.7)
    for i in range(4):
        for j in range(4):
            exact = linkers.enumerate_two_sites(fugacity, affinity, i, j, 1.7).energy
            assert closed[i, j] == pytest.approx(exact, rel=1e-12)


def test_single_linker_equals_the_enumeration():
    fugacity = np.array([[0.0, 0.8], [0.8, 0.0]])
    exact = linkers.enumerate_two_sites(fugacity, [2.0, 0.5], 0, 1, 3.0).energy
    assert linkers.linker_bond_energy(0.8, 2.0, 0.5, 3.0) == pytest.approx(exact, rel=1e-13)


def test_bridge_number_is_the_response_to_fugacity():
    def energy(log_z):
        return linkers.linker_bond_energy(np.exp(log_z), 2.0, 2.0, 3.0)

    slope = (energy(0.2 + 1e-5) - energy(0.2 - 1e-5)) / 2e-5
    z = np.exp(0.2)
    near = linkers.enumerate_two_sites([[0, z], [z, 0]], [2.0, 2.0], 0, 1, 3.0)
    apart = linkers.enumerate_two_sites([[0, z], [z, 0]], [2.0, 2.0], 0, 1, 0.0)
    change = sum(near[1:]) - sum(apart[1:])
    assert -slope == pytest.approx(change, rel=1e-8)


@pytest.mark.parametrize("affinities", [(3.0, 3.0), (0.2, 5.0)])
def test_bond_is_strongest_at_the_optimal_fugacity(affinities):
    best = linkers.optimal_fugacity(*affinities)
    scan = linkers.linker_bond_energy(best * np.geomspace(1e-3, 1e3, 2001), *affinities, 2.0)
    assert np.argmin(scan) == 1000
    assert scan.min() == pytest.approx(linkers.strongest_bond_energy(*affinities, 2.0), rel=1e-12)


def test_equal_affinities_peak_at_one_and_give_the_quarter_law():
    assert linkers.optimal_fugacity(7.0, 7.0) * 7.0 == pytest.approx(1.0)
    energy = linkers.strongest_bond_energy(7.0, 7.0, 1.3)
    assert energy == pytest.approx(-np.log(1 + 7 * 1.3 / 4))


def test_hook_effect_and_dilute_limit():
    assert abs(linkers.linker_bond_energy(1e9, 1.0, 1.0, 1.0)) < 1e-8
    dilute = linkers.linker_bond_energy(1e-6, 1.0, 1.0, 1.0)
    assert dilute == pytest.approx(linkers.hebbian_bond_energy(1e-6, 1.0, 1.0, 1.0), rel=1e-5)


def test_a_new_memory_weakens_the_old_bond():
    old = np.array([[0.0, 0.5, 0.0], [0.5, 0.0, 0.0], [0.0, 0.0, 0.0]])
    both = old.copy()
    both[0, 2] = both[2, 0] = 0.5
    alone = linkers.competing_bond_energy(old, np.ones(3), 4.0)[0, 1]
    assert alone < linkers.competing_bond_energy(both, np.ones(3), 4.0)[0, 1] < 0


def test_asymmetric_fugacity_is_refused():
    with pytest.raises(ValueError, match="symmetric"):
        linkers.competing_bond_energy(np.array([[0.0, 1.0], [0.5, 0.0]]), np.ones(2), 1.0)
