"""Buffering: quadrature, Lyapunov equations, detailed balance, and a Gillespie simulation of linear reactions."""

import numpy as np
import pytest
from scipy.linalg import solve_continuous_lyapunov
from scipy.stats import gamma, lognorm

from matterlearn.theory import active_mixture, buffering, linear_noise
from matterlearn.theory.linear_noise import Network


def gillespie(network, start, time, rng):
    """Numbers of independent replicas, the rows of the start, at a given time; exact stochastic simulation."""
    state = np.array(start, dtype=float)
    clock, running = np.zeros(len(state)), np.arange(len(state))
    while len(running):
        rates = network.rates(state[running].T)
        assert rates.min() >= 0
        clock[running] += rng.exponential(size=len(running)) / rates.sum(axis=0)
        inside = clock[running] < time
        ladder = np.cumsum(rates, axis=0)
        chosen = (rng.random(len(running)) * ladder[-1] > ladder).sum(axis=0)
        running, chosen = running[inside], chosen[inside]
        state[running] += network.changes[chosen]
    return state


def variance_score(sample, exact):
    """z of a sample variance, its error from the spread of the squared deviations."""
    square = (sample - sample.mean()) ** 2
    return (square.mean() - exact) / (square.std() / np.sqrt(len(sample)))


def test_law_solves_its_balance_and_keeps_small_totals():
    total = np.linspace(0.0, 30.0, 31)
    dilute = buffering.dilute_concentration(total, 7.5, 20.0)
    above = total > 7.5
    np.testing.assert_array_equal(dilute[~above], total[~above])
    np.testing.assert_allclose((total - dilute)[above], 20.0 * (dilute[above] - 7.5), rtol=1e-12)
    np.testing.assert_allclose(np.diff(dilute[above]), buffering.buffered_slope(20.0), rtol=1e-12)
    assert buffering.dilute_concentration(30.0, 7.5, np.inf) == 7.5


def test_published_fit_and_regression_are_the_same_line():
    """Slope .04637 and intercept 7.1256 belong to K = 20.56, c* = 7.472; the binned fit agrees within its error."""
    fit = buffering.PUBLISHED_FIT
    ratio = 1 / fit.regression_slope - 1
    saturation = fit.regression_intercept / (1 - fit.regression_slope)
    assert ratio == pytest.approx(20.56, abs=0.01)
    assert saturation == pytest.approx(7.472, abs=0.001)
    assert buffering.buffered_slope(fit.ratio) == pytest.approx(0.0443, abs=5e-5)
    assert abs(ratio - fit.ratio) < fit.ratio_error
    assert abs(saturation - fit.saturation) < fit.saturation_error


@pytest.mark.parametrize("saturation", [0.3, 1.0, 2.5])
@pytest.mark.parametrize("ratio", [0.0, 4.0, np.inf])
def test_closed_moments_against_quadrature(saturation, ratio):
    mean, cv = 1.2, 0.6
    width = np.sqrt(np.log1p(cv**2))
    laws = [
        (buffering.gamma_moments, gamma(1 / cv**2, scale=mean * cv**2)),
        (buffering.lognormal_moments, lognorm(width, scale=mean * np.exp(-(width**2) / 2))),
    ]
    for closed, law in laws:
        exact, numerical = closed(mean, cv, saturation, ratio), buffering.moments(law.pdf, saturation, ratio)
        np.testing.assert_allclose(exact, numerical, rtol=1e-7)
        if ratio == 0:
            assert exact.cv == pytest.approx(cv, rel=1e-9)


def test_suppression_far_above_saturation():
    """A narrow distribution above c*: the ratio of the CVs is that of the closed form."""
    found = buffering.gamma_moments(10.0, 0.05, 4.0, 20.0)
    assert 0.05 / found.cv == pytest.approx(buffering.suppression_above(10.0, 4.0, 20.0), rel=1e-12)


EXPRESSION = buffering.Expression(birth=8.0, death=1.0, translation=5.0, decay=1.0, exchange=3.0, saturation=6.0)


def test_expression_moments_are_those_of_its_network():
    network = buffering.expression_network(EXPRESSION)
    exact = buffering.expression_moments(EXPRESSION)
    state = linear_noise.steady_state(network, np.array([1.0, 1.0]))
    noise = linear_noise.linear_noise(network, state)
    np.testing.assert_allclose(state, [8.0, exact.mean], rtol=1e-12)
    assert noise.covariance[1, 1] == pytest.approx(exact.variance, rel=1e-12)
    assert noise.covariance[0, 0] == pytest.approx(8.0, rel=1e-12)
    total = 40.0 / EXPRESSION.decay  # made over decay
    ratio = EXPRESSION.exchange / EXPRESSION.decay
    assert exact.mean == pytest.approx(buffering.dilute_concentration(total, 6.0, ratio), rel=1e-13)


def test_slow_mrna_passes_with_the_slope_of_the_law():
    """death -> 0 at fixed mean: the extrinsic part of the standard deviation shrinks by 1 + K."""
    slow = EXPRESSION._replace(birth=8e-9, death=1e-9)
    free = buffering.expression_moments(slow._replace(exchange=0.0))
    held = buffering.expression_moments(slow)
    extrinsic = [np.sqrt(m.variance - m.mean) for m in (held, free)]
    assert extrinsic[0] / extrinsic[1] == pytest.approx(buffering.buffered_slope(3.0), rel=1e-6)


def test_gillespie_of_the_buffer():
    """|z| < 4; power: with 3000 replicas the variance has a standard error of 3 %, the buffer changes it sixfold."""
    network = buffering.expression_network(EXPRESSION)
    exact = buffering.expression_moments(EXPRESSION)
    start = np.tile([8, round(exact.mean)], (3000, 1))
    sample = gillespie(network, start, 8.0, np.random.default_rng(1))
    assert abs(sample[:, 1].mean() - exact.mean) < 4 * np.sqrt(exact.variance / 3000)
    assert abs(variance_score(sample[:, 1], exact.variance)) < 4


CONTROLLER = buffering.Controller(decay=1.0, proportional=1.5, integral=2.0, drift=0.7, disturbance=4.0, intrinsic=3.0)


def controller_variance(controller):
    """Lyapunov equation for (x, y, d)."""
    decay, proportional, integral, drift, disturbance, intrinsic = controller
    relaxation = np.array([[-decay - proportional, -integral, 1.0], [1.0, 0.0, 0.0], [0.0, 0.0, -drift]])
    return solve_continuous_lyapunov(relaxation, -np.diag([2 * intrinsic, 0.0, 2 * drift * disturbance**2]))[0, 0]


@pytest.mark.parametrize("proportional", [0.0, 1.5, 20.0])
@pytest.mark.parametrize("integral", [0.01, 2.0, 50.0])
@pytest.mark.parametrize("drift", [0.01, 0.7, 30.0])
def test_pi_variance_solves_the_lyapunov_equation(proportional, integral, drift):
    controller = CONTROLLER._replace(proportional=proportional, integral=integral, drift=drift)
    assert buffering.pi_variance(controller) == pytest.approx(controller_variance(controller), rel=1e-9)


def test_integral_gain_removes_what_the_buffer_only_reduces():
    slow = CONTROLLER._replace(drift=1e-9, intrinsic=0.0, proportional=3.0, integral=0.0)
    assert buffering.pi_suppression(slow) == pytest.approx((1 + 3.0) ** 2, rel=1e-6)
    assert buffering.pi_suppression(slow._replace(integral=1.0)) > 1e6
    noisy = slow._replace(disturbance=0.0, intrinsic=3.0)
    assert buffering.pi_suppression(noisy._replace(integral=1.0)) == pytest.approx(4.0, rel=1e-12)


def test_the_buffer_is_proportional_control():
    """k_p = k_D, noise of all flows 2 D = 2 (a + k_p) <x>, mRNA as coloured disturbance."""
    exact = buffering.expression_moments(EXPRESSION)
    controller = buffering.Controller(
        decay=EXPRESSION.decay, proportional=EXPRESSION.exchange, integral=0.0, drift=EXPRESSION.death,
        disturbance=EXPRESSION.translation * np.sqrt(EXPRESSION.birth / EXPRESSION.death),
        intrinsic=(EXPRESSION.decay + EXPRESSION.exchange) * exact.mean,
    )  # fmt: skip
    assert buffering.pi_variance(controller) == pytest.approx(exact.variance, rel=1e-13)


def test_gillespie_of_the_pi_controller():
    """Integral control by counting: y grows at rate x, shrinks at rate x_0, and lowers the production of x.

    The counting adds k_i x_0/G. |z| < 4 with 2000 replicas, mRNA from its Poisson law; power: the standard error of
    the variance is 3 %, integral control and its counting noise change it by 40 % and 20 %.
    """
    x0, integral, proportional, decay, drift, made = 80.0, 1.0, 1.0, 1.0, 0.3, 10.0
    offset = (decay + proportional) * x0 - made * 10.0
    changes = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], dtype=float)

    def rates(state):
        x, y, mrna = state
        one = 1 + 0 * x
        birth = offset + made * mrna - integral * (y - 300)
        return np.stack([birth, (decay + proportional) * x, x, x0 * one, 10.0 * drift * one, drift * mrna])

    network = Network(changes, rates)
    state = linear_noise.steady_state(network, np.array([70.0, 280.0, 9.0]))
    np.testing.assert_allclose(state, [x0, 300.0, 10.0], rtol=1e-9)
    variance = linear_noise.linear_noise(network, state).covariance[0, 0]
    gain = decay + proportional
    controller = buffering.Controller(decay, proportional, integral, drift, made * np.sqrt(10.0), gain * x0)
    counting = buffering.counting_noise(controller, x0)
    assert variance == pytest.approx(buffering.pi_variance(controller) + counting, rel=1e-10)

    rng = np.random.default_rng(2)
    start = np.column_stack([np.full((2000, 2), [x0, 300.0]), rng.poisson(10.0, 2000)])
    sample = gillespie(network, start, 8.0, rng)[:, 0]
    assert abs(sample.mean() - x0) < 4 * np.sqrt(variance / 2000)
    assert abs(variance_score(sample, variance)) < 4
    assert variance_score(sample, buffering.pi_variance(controller)) > 4
    assert variance_score(sample, buffering.pi_variance(controller._replace(integral=0.0))) < -4


def test_linear_noise_refuses_an_unstable_state_and_a_network_without_one():
    growth = Network(np.array([[1.0], [-1.0]]), lambda x: np.stack([x[0] ** 2, 2.0 * x[0]]))
    with pytest.raises(ValueError, match="unstable"):
        linear_noise.linear_noise(growth, np.array([2.0]))
    explosion = Network(np.array([[1.0]]), lambda x: np.stack([1.0 + x[0] ** 2]))
    with pytest.raises(RuntimeError, match="no steady state"):
        linear_noise.steady_state(explosion, np.array([1.0]))


MIXTURE = active_mixture.ActiveMixture()


def droplet_energy(mixture, n1, s1, n):
    """F of the active mixture from its definition."""
    v, size = mixture.solvent_volume, mixture.size
    first = v * (size * n1 + s1)
    second = mixture.volume - first

    def density(phi):
        mixing = phi / size * np.log(phi) + (1 - phi) * np.log(1 - phi)
        return (mixture.chi * phi * (1 - phi) + mixing) / v

    bulk = first * density(v * size * n1 / first) + second * density(v * size * (n - n1) / second)
    return bulk + mixture.tension * (36 * np.pi) ** (1 / 3) * second ** (2 / 3)


def test_affinities_are_the_gradient_of_the_free_energy():
    n1, s1, n = 1.2e4, 9.7e8, 1e6
    h = 1e-20
    solute = np.imag(droplet_energy(MIXTURE, n1 + 1j * h * n1, s1, n)) / (h * n1)
    solvent = np.imag(droplet_energy(MIXTURE, n1, s1 + 1j * h * s1, n)) / (h * s1)
    found = active_mixture.exchange_affinities(MIXTURE, n1, s1, n)
    np.testing.assert_allclose(found, [solute, solvent], rtol=1e-6, atol=1e-9)


def test_passive_droplet_fluctuates_with_the_inverse_hessian():
    """Exchange alone obeys detailed balance, so C = (d^2 F/dx^2)^-1 whatever the exchange rates."""
    full = active_mixture.network(MIXTURE)
    n1, s1, n, mrna = active_mixture.equilibrium_guess(MIXTURE)
    closed = Network(full.changes[:4, :2], lambda x: full.rates([x[0], x[1], n + 0 * x[0], mrna + 0 * x[0]])[:4])
    state = linear_noise.steady_state(closed, np.array([n1, s1]), tol=1e-6)
    affinity = Network(np.eye(2), lambda x: np.stack(active_mixture.exchange_affinities(MIXTURE, x[0], x[1], n)))
    hessian = linear_noise.rate_slopes(affinity, state)
    np.testing.assert_allclose(hessian[0, 1], hessian[1, 0], rtol=1e-6)
    noise = linear_noise.linear_noise(closed, state)
    scale = np.sqrt(np.outer(np.diag(noise.covariance), np.diag(noise.covariance)))
    np.testing.assert_allclose(noise.covariance / scale, np.linalg.inv(hessian) / scale, atol=2e-4)


@pytest.mark.parametrize("fraction", [0.01, 0.02])
def test_active_droplet_is_a_two_stage_expression_with_a_buffer(fraction):
    """Total: closed form, exactly. Dilute: the fast-buffer law with k_D = alpha/V_1^(2/3), up to the surface tension.

    The noise of the dilute phase is that of `expression_moments`, whose droplets hold the same saturation.
    """
    mixture = MIXTURE._replace(total_fraction=fraction)
    noise = active_mixture.droplet_noise(mixture)
    n1, s1, n, mrna = noise.state
    total_cv = np.sqrt(1 / n + mixture.decay / (mrna * (mixture.decay + mixture.mrna_death)))
    assert noise.total_cv == pytest.approx(total_cv, rel=1e-6)
    exchange = mixture.solute_exchange * (mixture.solvent_volume * (mixture.size * n1 + s1)) ** (-2 / 3)
    saturation = active_mixture.equilibrium_guess(mixture)[0]
    law = buffering.dilute_concentration(n, saturation, exchange / mixture.decay)
    assert n1 == pytest.approx(law, rel=5e-3)
    linear = buffering.Expression(
        mixture.mrna_birth, mixture.mrna_death, mixture.decay * n / mrna, mixture.decay, exchange, saturation
    )
    assert noise.dilute_cv == pytest.approx(buffering.expression_moments(linear).cv, rel=0.02)
    assert noise.dilute_cv < noise.total_cv


def test_no_droplet_below_saturation():
    with pytest.raises(ValueError, match="no droplet"):
        active_mixture.droplet_noise(MIXTURE._replace(total_fraction=1e-4))
