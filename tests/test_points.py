"""Energies of a point, deep or linear in their couplings: ln Z, moments and covariances against exact integrals."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate

from covering import slow
from matterlearn.core.drive import Drive
from matterlearn.core.point import PointState, nodes
from matterlearn.core.rule import Batch
from matterlearn.core.system import coupling_gradient, couplings, with_couplings
from matterlearn.kinds import load_kind
from matterlearn.scenario import load
from matterlearn.testing._examples import moved, noise_like
from matterlearn.testing.systems import in_double


def system(kind, **fields):
    return load_kind("systems", kind)(kind=kind, **fields).build(jax.random.key(1))


def deep(**fields):
    return system("deep_energy", **({"width": 5, "confinement": 1.0, "reach": 9.0, "points": 240} | fields))


def family(**fields):
    return system("exponential_family", **({"reach": 9.0, "points": 240} | fields))


def energy_at(model):
    """The energy as a function of plain numbers, compiled once."""
    one = jax.jit(lambda x: model.energy(PointState(x)))
    return lambda *x: float(one(jnp.asarray(x)))


# Deep energies ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kT", [0.5, slow(1.0)])
@in_double
def test_without_weights_it_is_a_well(kT):
    """f constant, so ln Z = −f/kT + ln(2π kT/k), to rounding."""
    model = deep(confinement=2.0)
    silent = with_couplings(model, jax.tree.map(jnp.zeros_like, couplings(model)))
    silent = eqx.tree_at(lambda s: s.network.layers[-1].bias, silent, jnp.full(1, 0.3))
    found = eqx.filter_jit(lambda s: s.log_partition(jnp.asarray(kT)))(silent)
    assert abs(found - (-0.3 / kT + np.log(np.pi * kT))) < 1e-12


@pytest.mark.parametrize("activation", [slow("silu"), "tanh", slow("softplus")])
@in_double
def test_log_partition_is_the_integral(activation):
    """In one and two dimensions, against adaptive quadrature."""
    kT = 0.7
    model = deep(dimension=1, activation=activation)
    model = with_couplings(model, moved(couplings(model), noise_like(2, couplings(model)), 0.4))
    found = energy_at(model)
    exact = integrate.quad(lambda x: np.exp(-found(x) / kT), -9, 9, epsabs=0, epsrel=1e-11, limit=200)[0]
    assert abs(model.log_partition(jnp.asarray(kT)) - np.log(exact)) < 1e-10


@pytest.mark.slow
@in_double
def test_log_partition_in_the_plane():
    model = deep(points=100)
    model = with_couplings(model, moved(couplings(model), noise_like(3, couplings(model)), 0.5))
    found = energy_at(model)
    exact = integrate.dblquad(lambda y, x: np.exp(-found(x, y)), -8, 8, -8, 8, epsabs=0, epsrel=1e-7)[0]
    assert abs(model.log_partition(jnp.asarray(1.0)) - np.log(exact)) < 1e-7


@in_double
def test_slope_of_log_partition_is_the_mean_moment():
    """By reverse differentiation, as ⟨∂E/∂θ⟩ over the density, and by differences."""
    kT = jnp.asarray(0.8)
    model = deep(points=60)
    theta = moved(couplings(model), noise_like(4, couplings(model)), 0.5)
    log_partition: Any = eqx.filter_jit(lambda t: with_couplings(model, t).log_partition(kT))
    slope = eqx.filter_jit(jax.grad(log_partition))(theta)
    taught = with_couplings(model, theta)
    places = nodes(2, 9.0, 60)
    weight = jax.nn.softmax(jax.jit(jax.vmap(lambda x: -taught.energy(PointState(x)) / kT))(places))
    moments = eqx.filter_jit(jax.vmap(lambda x: coupling_gradient(taught, PointState(x))))(places)
    tilt = noise_like(5, theta)
    measured = (log_partition(moved(theta, tilt, 1e-5)) - log_partition(moved(theta, tilt, -1e-5))) / 2e-5
    along = 0.0
    for s, m, t in zip(*map(jax.tree.leaves, (slope, moments, tilt)), strict=True):
        np.testing.assert_allclose(s, -jnp.tensordot(weight, m, 1) / kT, atol=1e-12)
        along += float(jnp.sum(s * t))
    assert abs(along - measured) < 1e-8


@in_double
def test_any_weights_are_confined():
    """f grows linearly at most, so far out only the confining term counts."""
    for activation in ("silu", "tanh", "softplus"):
        model = deep(activation=activation, dimension=3)
        wild = with_couplings(model, jax.tree.map(lambda leaf: 30 * leaf, couplings(model)))
        far = 1e8 * jax.random.normal(jax.random.key(0), (20, 3))
        ratio = jax.jit(jax.vmap(lambda x: wild.energy(PointState(x)) / (0.5 * jnp.sum(x**2))))(far)  # noqa: B023
        np.testing.assert_allclose(ratio, 1.0, atol=1e-2)


def test_high_dimensions_have_no_sum():
    assert deep(dimension=3).log_partition(jnp.ones(())) is None
    assert not deep(dimension=3).geometry()
    model = deep(dimension=1)
    chart = model.geometry()["energy_chart"][1]
    assert chart.shape == (101,)
    assert float(chart[50]) == pytest.approx(float(model.energy(PointState(jnp.zeros(1)))), abs=1e-5)


@pytest.mark.slow
def test_sampled_learning_has_the_exact_slope():
    """Wake–sleep with 4000 independent Langevin chains against the derivative of ln Z, every coupling: |z| < 4."""
    model = deep(dimension=1, width=4, depth=1)
    model = with_couplings(model, moved(couplings(model), noise_like(6, couplings(model)), 1.0))
    brownian = load_kind("dynamics", "brownian")(kind="brownian", dt=0.003).build()
    make = lambda kind, **fields: load_kind("rules", kind)(kind=kind, **fields).build()  # noqa: E731
    data = jnp.linspace(-1, 1, 4000)[:, None]
    target, held = jax.vmap(model.show)(data)
    strength = jax.vmap(lambda _: Drive().strength)(data)
    batch = Batch(Drive(target=target, clamped=held, strength=strength), target, jnp.ones(()))

    def direction(rule):
        state = rule.init(jax.random.key(0), model, brownian, len(data))
        return eqx.filter_jit(rule.estimate)(
            jax.random.key(1), model, brownian, state, batch, parameters=couplings(model)
        )

    exact, _, _ = direction(make("maximum_likelihood"))
    sampled, _, info = direction(make("wake_sleep", samples=1, relax=2000, chains="disordered"))
    for e, s, error in zip(*map(jax.tree.leaves, (exact, sampled, info.phases["sleep"].sem)), strict=True):
        fluctuates = np.asarray(error) > 1e-6
        z = (np.asarray(s) - np.asarray(e))[fluctuates] / np.asarray(error)[fluctuates]
        assert np.all(np.abs(z) < 4), z


# Exponential families ---------------------------------------------------------------------------------------------


@in_double
def test_quadratic_families_are_normal_laws():
    """ln Z and, by Wick's theorem, Cov(Φ) of a correlated normal law."""
    kT, precision = 0.6, np.array([[2.0, 0.5], [0.5, 1.2]])
    model = family(degree=2, points=80)
    assert model.exponents == ((0, 1), (0, 2), (1, 0), (1, 1), (2, 0))
    (a, b), (_, c) = precision
    theta = jnp.asarray([0.0, c / 2, 0.0, b, a / 2])
    log_partition = jax.jit(lambda t: eqx.tree_at(lambda s: s.coupling, model, t).log_partition(jnp.asarray(kT)))
    assert abs(log_partition(theta) - np.log(2 * np.pi * kT / np.sqrt(np.linalg.det(precision)))) < 1e-12
    (xx, xy), (_, yy) = kT * np.linalg.inv(precision)
    wick = np.array([  # of y, y², x, xy, x²
        [yy, 0, xy, 0, 0], [0, 2 * yy**2, 0, 2 * yy * xy, 2 * xy**2], [xy, 0, xx, 0, 0],
        [0, 2 * yy * xy, 0, xx * yy + xy**2, 2 * xx * xy], [0, 2 * xy**2, 0, 2 * xx * xy, 2 * xx**2],
    ])  # fmt: skip
    np.testing.assert_allclose(jax.jit(jax.hessian(log_partition))(theta), wick / kT**2, atol=1e-10)
    np.testing.assert_allclose(-kT * jax.jit(jax.grad(log_partition))(theta), [0, yy, 0, xy, xx], atol=1e-11)


@in_double
def test_curvature_of_the_likelihood_is_the_covariance_of_features():
    """A tilted double well with waves in one dimension, against adaptive quadrature."""
    kT = 0.9
    model = family(dimension=1, degree=4, waves=1, wavenumber=1.3)
    theta = jnp.asarray([0.2, -1.5, 0.1, 0.6, 0.4, -0.3])
    log_partition = jax.jit(lambda t: eqx.tree_at(lambda s: s.coupling, model, t).log_partition(jnp.asarray(kT)))
    features = lambda x: np.array([x, x**2, x**3, x**4, np.cos(1.3 * x), np.sin(1.3 * x)])  # noqa: E731
    weight = lambda x: np.exp(-np.asarray(theta) @ features(x) / kT)  # noqa: E731
    table = lambda x: np.concatenate([[1.0], features(x), np.outer(features(x), features(x)).ravel()])  # noqa: E731
    moments = integrate.quad_vec(lambda x: weight(x) * table(x), -9, 9, epsabs=1e-13, epsrel=1e-13)[0]
    mean, square = moments[1:7] / moments[0], moments[7:].reshape(6, 6) / moments[0]
    assert abs(log_partition(theta) - np.log(moments[0])) < 1e-11
    np.testing.assert_allclose(-kT * jax.jit(jax.grad(log_partition))(theta), mean, atol=1e-10)
    curvature = jax.jit(jax.hessian(log_partition))(theta)
    np.testing.assert_allclose(curvature, (square - np.outer(mean, mean)) / kT**2, atol=1e-9)
    assert np.linalg.eigvalsh(curvature).min() > 0, "the likelihood is strictly concave"


@pytest.mark.parametrize(("dimension", "degree"), [slow(1, 4), (2, 2), slow(2, 6), (3, 4)])
@in_double
def test_constrained_couplings_confine(dimension, degree):
    """The form of highest degree stays above ε Σ x_i^D in every direction; nothing else changes, nor does it twice."""
    model = family(dimension=dimension, degree=degree, floor=0.05)
    wild = eqx.tree_at(lambda s: s.coupling, model, 3 * noise_like(7, model.coupling))
    tame = wild.constrain()
    table = np.array(model.exponents)
    pure = table.max(1) == degree
    np.testing.assert_array_equal(np.asarray(tame.coupling)[~pure], np.asarray(wild.coupling)[~pure])
    np.testing.assert_array_equal(tame.constrain().coupling, tame.coupling)
    way = np.random.default_rng(0).normal(size=(2000, dimension))
    top = table.sum(1) == degree
    forms = np.prod(way[:, None, :] ** table[top], axis=2) @ np.asarray(tame.coupling)[top]
    assert np.all(forms >= 0.05 * (way**degree).sum(1) * (1 - 1e-9))


@in_double
def test_features_are_monomials_and_waves():
    model = family(dimension=2, degree=2, waves=2, wavenumber=0.5)
    x, y = 0.3, -0.7
    waves = [wave(q * c) for wave in (np.cos, np.sin) for q in (0.5, 1.0) for c in (x, y)]
    np.testing.assert_allclose(model.features(jnp.asarray([x, y])), [y, y**2, x, x * y, x**2, *waves], rtol=1e-14)


def test_the_law_that_made_the_clusters_has_the_likelihood_that_the_scenario_says():
    """Four normal clusters: ln P of the test samples, and minus the entropy, by quadrature."""
    task: Any = load("langevin_ebm_2d").realise().task
    source = task.data
    angle = 2 * np.pi * np.arange(source.clusters) / source.clusters
    centres = source.radius * np.stack([np.cos(angle), np.sin(angle)], 1)

    def logs(x):
        square = np.sum((x[:, None] - centres) ** 2, axis=2)
        weight = np.exp(-square / (2 * source.noise**2)).mean(1)
        return np.log(weight) - np.log(2 * np.pi * source.noise**2)

    test = logs(source.build().test)
    assert test.mean() == pytest.approx(-2.09, abs=0.005)
    places = np.asarray(nodes(2, 5.0, 200), float)
    entropy = -np.sum(np.exp(logs(places)) * logs(places)) * 0.05**2
    assert abs(test.mean() + entropy) < 4 * test.std() / np.sqrt(len(test))
