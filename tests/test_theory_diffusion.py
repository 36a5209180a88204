"""Diffusion laws against quadrature of their own definitions and against simulated integrators."""

import numpy as np
import pytest

from matterlearn.theory import diffusion_laws


def test_langevin_msd_is_the_double_integral_of_the_velocity_correlation():
    law = {"friction": 1.7, "kT": 0.8, "mass": 1.3, "dim": 2}
    time = 2.5
    nodes, weights = np.polynomial.legendre.leggauss(60)
    s, w = time * (nodes + 1) / 2, weights * time / 2
    integral = 2 * np.sum(w * (time - s) * diffusion_laws.velocity_autocorrelation(s, **law))
    assert diffusion_laws.langevin_msd(time, **law) == pytest.approx(integral, rel=1e-12)


def test_langevin_msd_limits():
    law = {"friction": 2.0, "kT": 0.8, "mass": 1.3, "dim": 3}
    short, long = 1e-5, 1e6
    ballistic = 3 * 0.8 / 1.3 * short**2
    assert diffusion_laws.langevin_msd(short, **law) == pytest.approx(ballistic, rel=1e-4)
    brownian = diffusion_laws.brownian_msd(long, 0.8 / (1.3 * 2.0), 3)
    assert diffusion_laws.langevin_msd(long, **law) == pytest.approx(brownian, rel=1e-5)
    # the series and the closed form meet
    near = [diffusion_laws.langevin_msd(t / 2.0, **law) for t in (0.999e-3, 1.001e-3)]
    assert near[1] / near[0] == pytest.approx((1.001 / 0.999) ** 2, rel=1e-5)


@pytest.mark.parametrize("step", [0.05, 0.5, 1.5])
def test_euler_maruyama_trap_variance_is_the_fixed_point(step):
    stiffness, kT, mobility = 2.0, 0.7, 0.5
    dt = step / (stiffness * mobility)
    variance = diffusion_laws.euler_maruyama_trap_variance(stiffness, kT, mobility, dt)
    after = (1 - step) ** 2 * variance + 2 * mobility * kT * dt
    assert after == pytest.approx(variance, rel=1e-12)


def test_euler_maruyama_law_is_refused_where_there_is_none():
    with pytest.raises(ValueError, match="below 2"):
        diffusion_laws.euler_maruyama_trap_variance(1.0, 1.0, 1.0, 2.5)


@pytest.mark.parametrize("friction", [0.05, 1.0, 30.0])
@pytest.mark.parametrize("dt", [0.01, 0.5, 0.9])
def test_baoab_position_is_exact_and_momentum_is_not(friction, dt):
    stiffness, kT, mass = 3.0, 0.7, 0.8
    covariance = diffusion_laws.baoab_trap_covariance(stiffness, kT, mass, friction, dt)
    assert covariance[0, 0] == pytest.approx(diffusion_laws.trap_variance(stiffness, kT), rel=1e-9)
    momentum = mass * kT * (1 - stiffness * dt**2 / (4 * mass))
    assert covariance[1, 1] == pytest.approx(momentum, rel=1e-9)
    assert covariance[0, 1] == pytest.approx(0.0, abs=1e-10)


def test_baoab_covariance_against_independent_chains():
    stiffness, kT, mass, friction, dt = 1.0, 1.0, 1.0, 1.0, 0.8
    generator = np.random.default_rng(0)
    x, p = np.zeros((2, 40_000))
    memory = np.exp(-friction * dt)
    for _ in range(40):
        p -= stiffness * x * dt / 2
        x += p / mass * dt / 2
        p = memory * p + np.sqrt(mass * kT * (1 - memory**2)) * generator.normal(size=x.size)
        x += p / mass * dt / 2
        p -= stiffness * x * dt / 2
    exact = diffusion_laws.baoab_trap_covariance(stiffness, kT, mass, friction, dt)
    # relative s.e. of a Gaussian variance is sqrt(2/n) = 0.7 %; the momentum error is 16 %
    for sample, variance in ((x, exact[0, 0]), (p, exact[1, 1])):
        assert abs(np.mean(sample**2) / variance - 1) < 4 * np.sqrt(2 / x.size)


def test_rotational_correlation_of_gaussian_turns():
    generator = np.random.default_rng(1)
    turn = np.sqrt(2 * 0.7 * 1.3) * generator.normal(size=200_000)
    found, error = np.mean(np.cos(turn)), np.std(np.cos(turn)) / np.sqrt(turn.size)
    assert abs(found - diffusion_laws.rotational_correlation(1.3, 0.7)) < 4 * error


def test_overdamped_limit_of_the_trap_correlation():
    trap = {"stiffness": 1.0, "kT": 1.0, "mass": 1e-4, "friction": 1e4}
    found = diffusion_laws.langevin_trap_correlation(0.7, **trap)
    assert found == pytest.approx(np.exp(-0.7), rel=1e-3)


def test_trap_relaxation_grows_as_free_diffusion_first():
    trap = {"stiffness": 2.0, "mobility": 0.5, "kT": 0.7}
    early = diffusion_laws.trap_relaxation(1e-6, **trap)
    assert early == pytest.approx(diffusion_laws.brownian_msd(1e-6, 0.35, 1), rel=1e-5)
