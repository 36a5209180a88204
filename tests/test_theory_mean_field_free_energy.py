"""Expansions of ln Z around free units: known digits, the orders that they claim, and stationarity."""

import numpy as np
import pytest

from matterlearn.theory import mean_field_free_energy as mean_field
from matterlearn.theory import restricted_boltzmann as rbm

VISIBLE, HIDDEN = np.indices((4, 3))
W = np.sin(1 + 3 * VISIBLE + HIDDEN)
A, B = np.array([0.1, -0.2, 0.3, -0.4]), np.array([0.2, -0.1, 0.05])


@pytest.mark.parametrize(
    ("scale", "exact", "values"),
    [
        (0.25, 4.9739523793, (4.9625217, 4.9739030, 4.9739119)),
        (0.5, 5.1770648210, (5.1358926, 5.1762373, 5.1765662)),
        (1.0, 5.9493972668, (5.8605472, 5.9391271, 5.9465483)),
        (2.0, 8.8838592294, (8.8635970, 8.8751518, 8.8807111)),
    ],
)
def test_known_values(scale, exact, values):
    assert rbm.log_partition(rbm.Machine(scale * W, A, B)) == pytest.approx(exact, abs=5e-11)
    for order, value in enumerate(values, 1):
        assert mean_field.log_partition(scale * W, A, B, order=order).log_partition == pytest.approx(value, abs=6e-8)


@pytest.mark.parametrize("low", [0, -1])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_error_is_of_the_next_order(order, low):
    """Halving the couplings divides the error by 2^(order + 1); signs such that nothing cancels."""

    def error(scale):
        machine = rbm.Machine(scale * abs(W), 1 + A, 1 + B, low)
        return rbm.log_partition(machine) - mean_field.log_partition(*machine[:3], order=order, low=low).log_partition

    strong, weak = error(0.02), error(0.01)
    assert strong / weak == pytest.approx(2 ** (order + 1), rel=0.1)


@pytest.mark.parametrize("low", [0, -1])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_stationary(order, low):
    found = mean_field.log_partition(W / 2, A, B, order=order, low=low)

    def gibbs(visible, hidden):
        return mean_field.gibbs(W / 2, A, B, visible, hidden, order=order, low=low)

    for unit in range(4):
        shift = 1e-5 * np.eye(4)[unit]
        slope = gibbs(found.visible + shift, found.hidden) - gibbs(found.visible - shift, found.hidden)
        assert slope / 2e-5 == pytest.approx(0, abs=1e-7)
    for unit in range(3):
        shift = 1e-5 * np.eye(3)[unit]
        slope = gibbs(found.visible, found.hidden + shift) - gibbs(found.visible, found.hidden - shift)
        assert slope / 2e-5 == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("low", [0, -1])
def test_mean_field_is_a_bound(low):
    rng = np.random.default_rng(0)
    for _ in range(20):
        w, a, b = rng.normal(size=(4, 3)), rng.normal(size=4), rng.normal(size=3)
        m, n = (low + (1 - low) * rng.random(size) for size in (4, 3))
        assert mean_field.gibbs(w, a, b, m, n, order=1, low=low) < rbm.log_partition(rbm.Machine(w, a, b, low))


def test_magnetisations_approach_the_exact_ones():
    """Order 2 is better than order 1, and order 3 than order 2, at couplings of a quarter."""
    exact = rbm.free_moments(rbm.Machine(W / 4, A, B))
    errors = []
    for order in (1, 2, 3):
        found = mean_field.log_partition(W / 4, A, B, order=order)
        errors.append(np.abs(np.concatenate([found.visible - exact.a, found.hidden - exact.b])).max())
    assert errors[0] > 4 * errors[1] > 4 * errors[2]


def test_refusal():
    with pytest.raises(ValueError, match="orders 1, 2 and 3"):
        mean_field.log_partition(W, A, B, order=4)
