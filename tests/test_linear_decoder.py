"""The linear decoder against known digits of its free energy, normal integrals and principal components."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate

from matterlearn.core.system import marginal_gradient
from matterlearn.kinds import load_kind
from matterlearn.systems.linear_decoder import DecodedState
from matterlearn.testing.systems import in_double
from matterlearn.theory import latent_free_energy as exact

W = np.array([[1, 0.5], [0, 1], [-0.5, 0.3]])
Y = np.array([1, -0.5, 2])


def decoder(W, prior):
    rows, columns = np.shape(W)
    blank = load_kind("systems", "linear_decoder")(kind="linear_decoder", visible=rows, hidden=columns, prior=prior)
    return eqx.tree_at(lambda s: s.coupling, blank.build(jax.random.key(0)), jnp.asarray(W))


def seen(y, hidden=2):
    return DecodedState(jnp.asarray(y, float), jnp.zeros(hidden))


@pytest.mark.parametrize(
    ("beta", "value"),
    [(0.5, 6.730028404285), (2, 5.908590746559), (50, 5.059306734941), (5000, 4.962056164063)],
)
@in_double
def test_free_energy_has_the_known_digits(beta, value):
    """At κ = kT the prior is standard normal; its volume is the only difference."""
    kT = 1 / beta
    found = decoder(W, kT).marginal_energy(seen(Y), jnp.asarray(kT)) + kT * np.log(2 * np.pi)
    assert abs(found - value) < 6e-13
    assert abs(exact.free_energy(W, Y, beta) - value) < 6e-13


@in_double
def test_cold_limit_is_the_best_latent():
    z, lowest = exact.best_latent(W, Y)
    np.testing.assert_allclose(z, [-0.1352657005, 0.4830917874], atol=6e-11)
    assert abs(lowest - 4.960144927536) < 6e-13
    state = DecodedState(jnp.asarray(Y), jnp.asarray(z))
    system = decoder(W, 1e-9)
    assert abs(system.energy(state) - lowest) < 1e-8
    assert abs(system.marginal_energy(seen(Y), jnp.asarray(1e-9)) - lowest) < 1e-6
    assert np.abs(jax.jit(jax.grad(lambda h: system.energy(state._replace(hidden=h))))(state.hidden)).max() < 1e-8


@pytest.mark.parametrize("held", [None, 0, 1])
@in_double
def test_marginal_is_the_integral_over_what_is_free(held):
    """All latent variables, or all but one that is held, by adaptive quadrature at κ ≠ kT."""
    kT, prior = 0.8, 1.7
    system = decoder(W, prior)
    x = DecodedState(jnp.asarray(Y), jnp.asarray([0.4, -0.9]))
    weight = lambda *z: np.exp(-(np.sum((Y - W @ z) ** 2) + 0.5 * prior * np.sum(np.square(z))) / kT)  # noqa: E731
    assert abs(system.energy(x) + kT * np.log(weight(0.4, -0.9))) < 1e-12
    mask = DecodedState(jnp.ones(3, bool), jnp.arange(2) == held)
    if held is None:
        integral = integrate.dblquad(weight, -7, 7, -7, 7, epsabs=0, epsrel=1e-9)[0]
    else:
        put = (lambda z: weight(0.4, z)) if held == 0 else (lambda z: weight(z, -0.9))
        integral = integrate.quad(put, -9, 9, epsabs=0, epsrel=1e-12)[0]
    found = system.marginal_energy(x, jnp.asarray(kT), None if held is None else mask)
    assert abs(found + kT * np.log(integral)) < 1e-8


@in_double
def test_everything_held_leaves_the_energy():
    system = decoder(W, 1.7)
    x = DecodedState(jnp.asarray(Y), jnp.asarray([0.4, -0.9]))
    mask = DecodedState(jnp.ones(3, bool), jnp.ones(2, bool))
    assert abs(system.marginal_energy(x, jnp.asarray(0.8), mask) - system.energy(x)) < 1e-12


@in_double
def test_log_partition_is_the_integral_and_no_function_of_the_decoder():
    kT, prior = 0.8, 1.7
    system = decoder([[0.6]], prior)
    energy = lambda y, z: (y - 0.6 * z) ** 2 + 0.5 * prior * z**2  # noqa: E731
    integral = integrate.dblquad(lambda y, z: np.exp(-energy(y, z) / kT), -8, 8, -9, 9, epsabs=0, epsrel=1e-10)[0]
    assert abs(system.log_partition(jnp.asarray(kT)) - np.log(integral)) < 1e-9
    slope = jax.grad(lambda w: eqx.tree_at(lambda s: s.coupling, system, w).log_partition(jnp.asarray(kT)))
    assert slope(jnp.ones((1, 1))).item() == 0.0


@in_double
def test_slope_three_ways():
    """∂F/∂W by differentiation, as the posterior mean of ∂E/∂W, and by differences."""
    kT = 0.5
    system = decoder(W, kT)
    gradient: Any = marginal_gradient(system, seen(Y), jnp.asarray(kT))
    slope = gradient.coupling
    q = exact.posterior(W, Y, 1 / kT)
    second = q.covariance + np.outer(q.mean, q.mean)
    np.testing.assert_allclose(slope, 2 * (W @ second - np.outer(Y, q.mean)), atol=1e-12)
    tilt = np.random.default_rng(0).normal(size=W.shape)
    ends = [exact.free_energy(W + h * tilt, Y, 1 / kT) for h in (1e-5, -1e-5)]
    assert abs((ends[0] - ends[1]) / 2e-5 - np.sum(np.asarray(slope) * tilt)) < 1e-8


@pytest.mark.slow
@in_double
def test_likelihood_is_flat_at_the_principal_components():
    """W Wᵀ kT/κ = Σ_k (λ_k − kT/2) u_k u_kᵀ is a maximum: no slope there, for any rotation of latent variables."""
    kT, prior = 0.6, 1.3
    rng = np.random.default_rng(1)
    data = rng.normal(size=(40, 3)) @ np.diag([2.0, 1.5, 0.7]) @ rng.normal(size=(3, 3))
    values, axes = np.linalg.eigh(data.T @ data / len(data))
    assert values[-2] > kT / 2
    rotation = np.linalg.qr(rng.normal(size=(2, 2)))[0]
    best = axes[:, -2:] @ np.diag(np.sqrt((values[-2:] - kT / 2) * prior / kT)) @ rotation
    mean = lambda system: jnp.mean(  # noqa: E731
        jax.jit(jax.vmap(lambda y: system.marginal_energy(seen(y), jnp.asarray(kT))))(jnp.asarray(data))
    )
    slope = jax.grad(lambda w: mean(decoder(w, prior)))(jnp.asarray(best))
    np.testing.assert_allclose(slope, 0, atol=1e-10)
    for seed in range(5):
        other = best + 0.05 * np.random.default_rng(seed).normal(size=best.shape)
        assert mean(decoder(other, prior)) > mean(decoder(best, prior))
    # and there the likelihood is that of a normal law with this covariance
    covariance = best @ best.T * kT / prior + kT / 2 * np.eye(3)
    system = decoder(best, prior)
    normal = -0.5 * (Y @ np.linalg.solve(covariance, Y) + np.linalg.slogdet(2 * np.pi * covariance)[1])
    found = -system.marginal_energy(seen(Y), jnp.asarray(kT)) / kT - system.log_partition(jnp.asarray(kT))
    assert abs(found - normal) < 1e-11
