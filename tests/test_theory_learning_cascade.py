"""First steps of learning against exact gradients, and the linear machine against its equation of motion."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from matterlearn.theory import learning_cascade as cascade
from matterlearn.theory import restricted_boltzmann as rbm


def equicorrelated(units, correlation):
    """All states of ±1 with their weights: all alike with probability ρ, independent otherwise; C = (1 − ρ) I + ρ."""
    states = rbm.states(units, -1)
    alike = np.abs(states.sum(axis=1)) == units
    return states, (1 - correlation) / 2**units + alike * correlation / 2


@pytest.mark.parametrize(("units", "correlation", "value"), [(4, 0.69426666667, 3.0828), (4, 0.2975, 0.7025)])
def test_rates_of_a_machine_of_spins(units, correlation, value):
    """One small step of exact gradient ascent multiplies the mode by 1 + dt (λ − 1), to 1e-6 in the rate."""
    states, weights = equicorrelated(units, correlation)
    covariance = (weights[:, None] * states).T @ states
    values, modes = np.linalg.eigh(covariance)
    place = int(np.argmin(abs(values - value)))
    assert values[place] == pytest.approx(value, abs=1e-9)
    W = 1e-6 * np.outer(modes[:, place], [1.0, -0.5])
    machine = rbm.Machine(W, np.zeros(units), np.zeros(2), -1)
    slope = rbm.clamped_moments(machine, states, weights).minus(rbm.free_moments(machine)).W
    dt = 0.01
    measured = np.log(np.vdot(W + dt * slope, W) / np.vdot(W, W)) / dt
    assert measured == pytest.approx(np.log(1 + dt * (value - 1)) / dt, abs=1e-6)
    assert cascade.early_rates(covariance)[units - 1 - place] == pytest.approx(value - 1)


def test_early_weights_follow_exact_learning():
    """Fifty updates of all modes at once, while W is small."""
    states, weights = equicorrelated(4, 0.5)
    start = 1e-7 * np.random.default_rng(0).normal(size=(4, 3))
    machine = rbm.Machine(start, np.zeros(4), np.zeros(3), -1)
    for _ in range(50):
        slope = rbm.clamped_moments(machine, states, weights).minus(rbm.free_moments(machine)).W
        machine = machine._replace(W=machine.W + 0.05 * slope)
    expected = cascade.early_weights((weights[:, None] * states).T @ states, start, 0.05, 50)
    assert pytest.approx(expected, rel=1e-6, abs=1e-13) == machine.W


def test_a_quarter_for_units_of_0_and_1():
    """dW/dt = ¼ (Cov − Cov₀) W once the thresholds give the visible units the means of the data."""
    spins, weights = equicorrelated(4, 0.69426666667)
    states = (spins + 1) / 2
    covariance = (weights[:, None] * (states - 0.5)).T @ (states - 0.5)
    rate, mode = np.linalg.eigvalsh(covariance)[-1] - 0.25, np.ones(4) / 2
    W = 1e-6 * np.outer(mode, [1.0, 0.7])
    machine = rbm.Machine(W, -W.sum(axis=1) / 2, np.zeros(2), 0)
    slope = rbm.clamped_moments(machine, states, weights).minus(rbm.free_moments(machine)).W
    assert np.vdot(slope, W) / np.vdot(W, W) == pytest.approx(rate / 4, abs=1e-6)


@pytest.mark.parametrize(("variance", "end"), [(1.5, 0.5773502692), (4.0, 0.8660254038), (0.5, 0.0)])
def test_known_fixed_points(variance, end):
    assert cascade.linear_fixed_point(variance) == pytest.approx(end, abs=5e-11)
    assert cascade.linear_rate(cascade.linear_fixed_point(variance), variance) == pytest.approx(0, abs=1e-14)


@pytest.mark.parametrize(("widths", "variance"), [((1.0, 1.0), 4.0), ((0.8, 1.3), 2.0), ((1.2, 0.7), 0.6)])
def test_course_of_the_linear_machine(widths, variance):
    """Closed form against the equation of motion, for modes that grow and one that is forgotten."""
    times = np.linspace(0.1, 1.5, 7)  # later on w hardly moves and tells no time
    law = solve_ivp(lambda t, w: cascade.linear_rate(w, variance, *widths), (0, 1.5), [0.05], t_eval=times,
                    rtol=1e-11, atol=1e-13)  # fmt: skip
    assert cascade.linear_time(law.y[0], 0.05, variance, *widths) == pytest.approx(times, rel=1e-6)


def test_fixed_point_has_the_variance_of_the_data():
    """σ_v²/(1 − σ_v² σ_h² w*²) = s²."""
    w = cascade.linear_fixed_point(2.5, 0.8, 1.3)
    assert 0.64 / (1 - 0.64 * 1.69 * w**2) == pytest.approx(2.5)


def test_refusals():
    with pytest.raises(ValueError, match="not σ_v²"):
        cascade.linear_time(np.array([0.5]), 0.1, 1.0)
    with pytest.raises(ValueError, match="0 < w"):
        cascade.linear_time(np.array([1.0]), 0.1, 4.0)
