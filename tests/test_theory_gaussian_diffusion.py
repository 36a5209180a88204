"""Diffusion of normal laws: processes, reverses, information, linear scores, discrete chains, schedules."""

import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp

from matterlearn.theory import denoising_chain as chain
from matterlearn.theory import diffusion_information as information
from matterlearn.theory import edm, linear_score
from matterlearn.theory import gaussian_diffusion as diffusion


def test_general_process_has_the_variance_of_its_ode():
    f, g = (lambda t: -0.5 - 0.3 * t), (lambda t: 0.8 + np.sin(t))
    law = diffusion.general(f, g, 1.3)
    assert law.variance(2.5) == pytest.approx(diffusion.variance_by_ode(f, g, 1.3, 2.5), rel=1e-10)
    assert law.signal == pytest.approx(np.exp(-0.5 * 1.3 - 0.15 * 1.3**2), rel=1e-12)


@pytest.mark.parametrize(
    ("named", "f", "g"),
    [
        (diffusion.ornstein_uhlenbeck, lambda t: -1.0, lambda t: 1.0),
        (diffusion.variance_preserving, lambda t: -(0.1 + 19.9 * t) / 2, lambda t: np.sqrt((0.1 + 19.9 * t) / 2)),
        (
            diffusion.sub_variance_preserving,
            lambda t: -(0.1 + 19.9 * t) / 2,
            lambda t: np.sqrt((0.1 + 19.9 * t) / 2 * -np.expm1(-2 * (0.1 * t + 9.95 * t**2))),
        ),
        (diffusion.variance_exploding, lambda t: 0.0, lambda t: 0.01 * 5000**t * np.sqrt(np.log(5000))),
    ],
)
def test_named_processes_solve_their_equations(named, f, g):
    for t in (0.2, 1.0):
        exact, found = named(t), diffusion.general(f, g, t)
        assert found.signal == pytest.approx(float(exact.signal), rel=1e-9)
        assert found.noise == pytest.approx(float(exact.noise), rel=1e-9)


def test_numbers_of_published_schedules():
    law = diffusion.variance_preserving(1.0)
    assert float(law.signal) == pytest.approx(0.00657159, abs=5e-9)
    assert float(law.noise**2) == pytest.approx(0.9999568, abs=5e-8)
    assert diffusion.LinearRate().integral(1.0) == pytest.approx(10.05)
    assert chain.kept(chain.linear_betas())[-1] == pytest.approx(4.03583e-5, rel=1e-6)
    less, full = diffusion.sub_variance_preserving(0.3), diffusion.variance_preserving(0.3)
    assert float(less.noise**2) == pytest.approx(float(full.noise**4))
    exploding = diffusion.variance_exploding(1.0)
    assert float(exploding.noise**2) == pytest.approx(50.0**2 - 0.01**2, rel=1e-12)


def test_reverse_family():
    """Every member keeps the marginals; a wrong start is forgotten by noise only; the law is that of its ODE."""
    assert [diffusion.reverse_variance(2.5, 3.0, A) for A in (0.0, 0.3, 1.0, 2.0)] == pytest.approx([2.5] * 4)
    assert diffusion.reverse_variance(2.5, 3.0, 0.0, start=1.0) == pytest.approx(2.490739, abs=5e-7)
    assert diffusion.reverse_variance(2.5, 3.0, 1.0, start=1.0) == pytest.approx(2.499943, abs=5e-7)
    for family in (0.0, 0.4, 2.0):

        def rate(tau, v, family=family):
            return diffusion.reverse_variance_rate(2.5, 1.5 - tau, family, v)

        by_ode = solve_ivp(rate, (0.0, 1.5), [0.7], rtol=1e-11, atol=1e-12).y[0, -1]
        assert diffusion.reverse_variance(2.5, 1.5, family, start=0.7) == pytest.approx(by_ode, rel=1e-8)
    for family in (0.0, 0.3, 1.0, 2.0):
        marginal = 1 + 1.5 * np.exp(-1.0)
        assert diffusion.reverse_variance_rate(2.5, 0.5, family, marginal) == pytest.approx(2 * marginal - 2)


def test_mismatch_of_the_prior():
    found = [diffusion.prior_divergence(2.5, T) for T in (1.0, 2.0, 3.0)]
    assert found == pytest.approx([9.09e-3, 1.85e-4, 3.45e-6], rel=2e-3)


def test_euler_maruyama_variance_is_the_fixed_point():
    variance = diffusion.euler_maruyama_variance(0.3)
    assert 0.7**2 * variance + 0.6 == pytest.approx(variance)
    with pytest.raises(ValueError, match="smaller"):
        diffusion.euler_maruyama_variance(2.0)


def test_likelihood_by_the_flow():
    x, variances = np.array([0.3, -2.0, 1.1]), np.array([2.5, 0.1, 1.0])
    exact = -(np.log(2 * np.pi * variances) + x**2 / variances).sum() / 2
    assert diffusion.flow_log_likelihood(x, variances, 3.0) == pytest.approx(exact, abs=1e-9)


def test_divergence_at_the_end_is_bounded_by_that_of_the_start_and_the_error_of_the_score():
    """A reverse process (A = 1) with score −x/(cG), from N(0, 1): KL(p₀ ‖ p) ≤ KL(p_T ‖ N) + ∫E|Δs|² dt."""
    data, duration, factor = 2.5, 2.0, 1.2

    def marginal(t):
        return 1 + (data - 1) * np.exp(-2 * t)

    def rate(tau, v):
        return 2 * (1 - 2 / (factor * marginal(duration - tau))) * v + 2

    end = solve_ivp(rate, (0, duration), [1.0], rtol=1e-10).y[0, -1]
    divergence = (data / end - 1 - np.log(data / end)) / 2
    error = quad(lambda t: (1 - 1 / factor) ** 2 / marginal(t), 0, duration)[0]
    assert 1e-3 < divergence < diffusion.prior_divergence(data, duration) + error


def test_information_of_two_points():
    two = information.two_points()
    assert information.entropy_rate(two, 0.5) == pytest.approx(0.0202556, abs=5e-8)
    assert information.denoising_error(two, 0.5) == pytest.approx(0.61011976, abs=5e-9)
    assert information.denoising_error_direct(two, 0.5) == pytest.approx(0.61011976, abs=5e-9)
    slope = (information.entropy(two.at(0.501)) - information.entropy(two.at(0.499))) / 0.002
    assert slope == pytest.approx(information.entropy_rate(two, 0.5), abs=1e-6)


def test_information_of_a_mixture_with_widths():
    data = information.Mixture(np.array([0.2, 0.5, 0.3]), np.array([-2.0, 0.4, 1.0]), np.array([0.3, 0.02, 0.5]))
    for t in (0.05, 0.8):
        gap = information.denoising_error(data, t) - information.denoising_error_direct(data, t)
        assert gap == pytest.approx(0.0, abs=1e-9)
    h = 1e-4
    slope = (information.entropy(data.at(0.3 + h)) - information.entropy(data.at(0.3 - h))) / (2 * h)
    assert slope == pytest.approx(information.entropy_rate(data, 0.3), rel=1e-6)
    x = np.array([0.3, -1.7])
    by_difference = (np.log(data.density(x + h)) - np.log(data.density(x - h))) / (2 * h)
    assert data.score(x) == pytest.approx(by_difference, rel=1e-5)


def test_linear_score_is_the_best_and_explicit_and_denoising_losses_differ_by_a_constant():
    rng = np.random.default_rng(0)
    root = rng.normal(size=(4, 4))
    covariance, (signal, noise) = root @ root.T / 4, (np.exp(-0.4), np.sqrt(1 - np.exp(-0.8)))
    best = linear_score.optimal(covariance, signal, noise)
    least = linear_score.least_loss(covariance, signal, noise)
    assert linear_score.denoising_loss(best, covariance, signal, noise) == pytest.approx(least, rel=1e-12)
    other = best + 0.3 * rng.normal(size=(4, 4))
    excess = linear_score.denoising_loss(other, covariance, signal, noise) - least
    assert excess == pytest.approx(linear_score.score_error(other, covariance, signal, noise), rel=1e-11)
    # least = d/σ² − I: the Fisher information of the normal law is Tr W_opt
    fisher = information.normal_information(np.linalg.eigvalsh(covariance), 0.4)
    assert least == pytest.approx(4 / noise**2 - fisher, rel=1e-12)
    assert fisher == pytest.approx(np.trace(best), rel=1e-12)


def test_denoising_loss_against_samples():
    """The second term carries no 1/σ²: 40 standard errors would tell."""
    rng = np.random.default_rng(1)
    variances, weights = np.array([4.0, 1.0, 0.25]), rng.normal(size=(3, 3))
    signal, noise = np.exp(-0.3), np.sqrt(1 - np.exp(-0.6))
    z = rng.normal(size=(200_000, 3))
    x = signal * np.sqrt(variances) * rng.normal(size=z.shape) + noise * z
    each = ((z / noise - x @ weights.T) ** 2).sum(1)
    exact = linear_score.denoising_loss(weights, np.diag(variances), signal, noise)
    error = each.std() / np.sqrt(len(each))
    assert abs(each.mean() - exact) < 4 * error
    second = signal**2 * np.trace(weights.T @ weights @ np.diag(variances))
    assert second * (1 / noise**2 - 1) > 40 * error


def test_descent_relaxes_modes_at_their_own_rates():
    covariance, signal, noise = np.diag([4.0, 0.5]), 0.8, 0.6
    best = linear_score.optimal(covariance, signal, noise)
    weights, step = np.zeros((2, 2)), 1e-4
    for _ in range(2000):
        gap = weights @ (noise**2 * np.eye(2) + signal**2 * covariance) - np.eye(2)
        weights = weights - step * 2 * gap  # ∂L/∂W = 2 (W G − 1)
    exact = linear_score.descent(np.zeros((2, 2)), covariance, signal, noise, 0.2)
    assert np.diag(weights) == pytest.approx(np.diag(exact), rel=1e-3)
    left = 1 - np.diag(exact) / np.diag(best)
    assert np.log(left) == pytest.approx(-0.4 * (noise**2 + signal**2 * np.diag(covariance)), rel=1e-10)


@pytest.mark.parametrize("t", [1, 2, 300, 1000])
def test_posterior_of_a_step_is_that_of_the_joint_law(t):
    betas = chain.linear_betas()
    assert np.allclose(chain.posterior(betas, t), chain.posterior_by_conditioning(betas, t), rtol=1e-10, atol=1e-13)


def test_variance_of_a_step_back():
    """β̃ for known data, β for data of unit variance, more for broader data."""
    betas = np.array([0.1, 0.25, 0.016264, 0.041408])  # ᾱ₃ = 0.664
    tilde = chain.posterior(betas, 4).variance
    assert tilde == pytest.approx(0.038276, abs=1e-6)
    assert chain.reverse_variance(betas, 4, 0.0) == pytest.approx(tilde)
    assert chain.reverse_variance(betas, 4, 1.0) == pytest.approx(betas[3])
    assert chain.reverse_variance(betas, 4, 2.0) == pytest.approx(0.042104, abs=1e-6)


def test_noise_of_all_steps_adds_up_in_two_ways():
    betas = chain.linear_betas(200, 1e-3, 0.05)
    early, late = chain.noise_weights(betas)
    total = 1 - chain.kept(betas)[-1]
    assert early.sum() == pytest.approx(total) and late.sum() == pytest.approx(total)
    assert not np.allclose(early, late)


def test_bound_is_the_entropy_plus_what_the_chain_gets_wrong():
    betas = chain.linear_betas(300, 1e-3, 0.05)
    entropy = np.log(2 * np.pi * np.e * 0.3) / 2
    last = chain.kept(betas)[-1] * 0.3 + 1 - chain.kept(betas)[-1]
    exact = chain.bound(betas, 0.3).total
    assert exact - entropy == pytest.approx((last - 1 - np.log(last)) / 2, abs=1e-12)
    assert chain.bound(betas, 0.3, betas).total > exact
    assert chain.bound(betas, 1.0).total == pytest.approx(np.log(2 * np.pi * np.e) / 2, abs=1e-12)


def test_errors_of_heun_on_normal_data():
    found = [edm.heun_error(n) for n in (9, 18, 36, 72)]
    assert found == pytest.approx([0.2781, 0.05527, 0.01221, 0.002871], rel=4e-4)  # digits given
    assert np.log2(found[2] / found[3]) == pytest.approx(2.0, abs=0.15)  # of second order


def test_preconditioning_of_normal_data_leaves_nothing_to_learn():
    for sigma in (0.01, 0.5, 30.0):
        skip, out, into, _ = edm.preconditioning(sigma)
        assert skip == pytest.approx(0.25 / (0.25 + sigma**2))
        assert out**2 + skip * sigma**2 == pytest.approx(sigma**2 * skip + sigma**2 * 0.25 * into**2)
        assert into**2 * (0.25 + sigma**2) == pytest.approx(1.0)
