"""Scores against densities, enumeration and each other."""

import functools
import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from noising import number, ou
from scipy import integrate

from covering import slow
from matterlearn.diffusion.bases import Axes, Fourier, Sites, laplacian_eigenvalues
from matterlearn.diffusion.fitted import FittedScore
from matterlearn.diffusion.likelihood import flow_log_density
from matterlearn.diffusion.losses import WEIGHTS, denoising_loss, explicit_loss
from matterlearn.diffusion.networks import perceptron_network
from matterlearn.diffusion.processes import Gaussian, Poisson
from matterlearn.diffusion.samplers import Adaptive
from matterlearn.diffusion.schedules import LogRatio, NoiseLevel
from matterlearn.diffusion.scores import (
    GaussianScore,
    Guided,
    curie_weiss_score,
    empirical_score,
    linear_score,
    mixture_score,
    reference_score,
)

pytestmark = pytest.mark.usefixtures("x64")
END = 3.0


def spins(size):
    return np.array(list(itertools.product([-1.0, 1.0], repeat=size)))


@functools.cache
def all_scores():
    """Every score with a known density, in four dimensions."""
    mixed = Gaussian(LogRatio(jnp.linspace(-3.0, -1.0, 4), jnp.full(4, 4.0)), Fourier())
    means = jnp.array([[1.0, 2.0, 0.0, -1.0], [-1.0, 0.5, 0.5, 0.0]])
    data = jax.random.normal(jax.random.key(1), (37, 4))
    return {
        "gaussian": GaussianScore(ou(), number(END), means[0], jnp.array([0.1, 1.0, 2.0, 5.0]), Fourier()),
        "gaussian_by_component": GaussianScore(mixed, number(1), means[0], jnp.array([0.1, 1.0, 2.0, 5.0]), Fourier()),
        "mixture": mixture_score(ou(), number(END), jnp.array([1.0, 3.0]), means, 0.4),
        "mixture_by_component": mixture_score(mixed, number(1), jnp.array([1.0, 3.0]), means, 0.4),
        "curie_weiss": curie_weiss_score(ou(), 1.3, 4, number(END)),
        "empirical": empirical_score(ou(), data, number(END), block=10),
        "empirical_by_component": empirical_score(mixed, data, number(1)),
        "linear": linear_score(ou(), data, number(END)),
    }


@pytest.mark.parametrize("name", [
    "gaussian", slow("gaussian_by_component"), slow("mixture"), "mixture_by_component", "curie_weiss",
    slow("empirical"), "empirical_by_component", "linear",
])  # fmt: skip
def test_score_is_the_gradient_of_the_log_density(name):
    """And conversions between score, posterior mean, noise and velocity close."""
    known, x, t = all_scores()[name], jnp.array([0.3, -0.7, 1.1, 0.2]), number(0.4)
    score, process = jax.jit(lambda *at: known.score(*at))(x, t), known.process
    assert np.allclose(jax.jit(jax.grad(known.log_density))(x, t), score, rtol=1e-10, atol=1e-11)
    assert np.allclose(process.mean_of(x, score, t), known.denoise(x, t), rtol=1e-9, atol=1e-10)
    to = process.basis.to
    assert np.allclose(to(known.noise(x, t)), -process.noise(t) * to(score), atol=1e-11)
    drift, diffusivity = process.rates(t)
    assert np.allclose(to(known.velocity(x, t)), drift * to(x) - diffusivity * to(score), atol=1e-11)


@pytest.mark.parametrize("name", ["gaussian", "mixture", "curie_weiss", "empirical"])
def test_slope_of_the_posterior_mean_is_its_covariance(name):
    """Second order of Tweedie's formula: ∇s = −1/σ² + (α/σ²)² Cov(a|x), symmetric; here its trace and symmetry."""
    known, x, t = all_scores()[name], jnp.array([0.3, -0.7, 1.1, 0.2]), number(0.5)
    turn = jax.jit(jax.jacfwd(known.score))(x, t)
    assert np.allclose(turn, turn.T, atol=1e-11)
    signal, variance = float(known.process.signal(t)), float(known.process.schedule.variance(t))
    covariance = (turn + np.eye(4) / variance) * (variance / signal) ** 2
    assert np.all(np.linalg.eigvalsh(covariance) > -1e-12)
    if name == "empirical":
        a = known.components.reshape(-1, 4)[:37]
        w = jax.nn.softmax(known.process.log_kernels(x, a, t))
        gap = a - w @ a
        assert np.allclose(covariance, (w[:, None] * gap).T @ gap, atol=1e-10)


@pytest.mark.parametrize("beta", [slow(0.5), slow(1.0), 1.5])
def test_curie_weiss_against_enumeration(beta):
    """Score and density of eight spins to 1e-12, at three noise levels."""
    known, states = curie_weiss_score(ou(), beta, 8, number(END)), spins(8)
    log_prior = beta / 16 * states.sum(1) ** 2
    for t in (0.1, 0.6, 2.0):
        x = np.asarray(jax.random.normal(jax.random.key(3), (8,)))
        noise = 1 - np.exp(-2 * t)
        logs = log_prior - np.sum((x - states * np.exp(-t)) ** 2, 1) / (2 * noise)
        w = np.exp(logs - logs.max())
        score = (-x + np.exp(-t) * (w @ states) / w.sum()) / noise
        assert np.allclose(known.score(jnp.asarray(x), number(t)), score, atol=1e-12, rtol=1e-12)
        density = np.log(np.exp(logs).sum() / np.exp(log_prior).sum()) - 4 * np.log(2 * np.pi * noise)
        assert np.isclose(known.log_density(jnp.asarray(x), number(t)), density, atol=1e-11)


def test_curie_weiss_of_a_thousand_spins_is_finite_everywhere():
    """At low noise and strong coupling, far from and at the minima."""
    known = curie_weiss_score(ou(), 2.0, 1000, number(END))
    for x in (jnp.zeros(1000), jnp.full(1000, 0.9), 30 * jax.random.normal(jax.random.key(0), (1000,))):
        assert np.all(np.isfinite(known.score(x, number(0.01))))


@pytest.mark.slow
def test_empirical_score_does_not_depend_on_blocks():
    """Nor does participation; near a sample one sample takes all."""
    data = jax.random.normal(jax.random.key(2), (100, 3))
    x, t = jnp.array([0.2, 0.1, -0.4]), number(0.3)
    whole, cut = (empirical_score(ou(), data, number(END), block=b) for b in (100, 7))
    assert np.allclose(whole.denoise(x, t), cut.denoise(x, t), atol=1e-13)
    assert np.isclose(whole.participation(x, t), cut.participation(x, t), rtol=1e-12)
    assert np.isclose(whole.log_density(x, t), cut.log_density(x, t), rtol=1e-12)
    near = data[13] * jnp.exp(-1e-3)
    assert np.isclose(cut.participation(near, number(1e-3)), 1.0)
    assert np.isclose(cut.participation(x, number(12.0)), 1 / 100, rtol=1e-6)


def test_linear_score_is_the_best_linear_one():
    """W = (σ² + α² C)⁻¹, and its loss is d/σ² − tr W: every other matrix has more."""
    data = jax.random.normal(jax.random.key(4), (500, 3)) @ jnp.array([[1.0, 0.3, 0], [0, 2.0, 0.1], [0, 0, 0.5]])
    data = data - data.mean(0)
    t = number(0.35)
    signal, noise = float(ou().signal(t)), float(ou().schedule.variance(t))
    c = np.cov(np.asarray(data).T, bias=True)
    w = np.linalg.inv(noise * np.eye(3) + signal**2 * c)
    known = linear_score(ou(), data, number(END))
    assert np.allclose(-jax.jit(jax.jacfwd(known.score))(jnp.zeros(3), t), w, atol=1e-10)

    def loss(v):
        tilt = np.eye(3) - noise * v
        return np.trace(tilt.T @ tilt) / noise + signal**2 * np.trace(v.T @ v @ c)

    assert np.isclose(loss(w), 3 / noise - np.trace(w), rtol=1e-12)
    push = 0.05 * np.asarray(jax.random.normal(jax.random.key(5), (3, 3)))
    assert loss(w + push) > loss(w) and loss(w - push) > loss(w)


def test_denoising_and_explicit_score_matching_differ_by_a_constant():
    """d/σ² − I(p_t), by quadrature over x for two points and a score that is wrong."""
    points, t = jnp.array([[-1.0], [1.0]]), number(0.5)
    known = empirical_score(ou(), points, number(END))
    wrong = GaussianScore(ou(), number(END), jnp.full(1, 0.2), jnp.full(1, 0.3), Sites())
    signal, noise = float(ou().signal(t)), float(ou().schedule.variance(t))
    x = np.linspace(-9, 9, 20_001)
    kernel = np.exp(-((x[:, None] - signal * np.array([-1.0, 1.0])) ** 2) / (2 * noise)) / np.sqrt(2 * np.pi * noise)
    density = kernel.mean(1)
    at = jnp.asarray(x)[:, None]
    explicit = np.asarray(jax.jit(jax.vmap(lambda y: explicit_loss(wrong, known, y, t)))(at))
    own = np.asarray(jax.jit(jax.vmap(lambda y: wrong.score(y, t)))(at))[:, 0]
    errors = ((signal * np.array([-1.0, 1.0]) - x[:, None]) / noise - own[:, None]) ** 2
    denoising = integrate.trapezoid((kernel * errors).mean(1), x)
    fisher = integrate.trapezoid(density * np.asarray(jax.jit(jax.vmap(lambda y: known.score(y, t)))(at))[:, 0] ** 2, x)
    assert np.isclose(denoising - integrate.trapezoid(density * explicit, x), 1 / noise - fisher, atol=1e-9)


def test_weights_of_the_loss_are_those_of_one_error():
    """All four residuals are multiples of a − ⟨a|x⟩, by factors of the process alone."""
    known = GaussianScore(ou(), number(END), jnp.zeros(3), jnp.full(3, 0.5), Sites())
    a, x, t = jnp.array([1.0, 0.0, -2.0]), jnp.array([0.4, 0.3, 0.1]), number(0.6)
    error = a - known.denoise(x, t)
    signal, noise = known.process.signal(t), known.process.noise(t)
    assert np.allclose(WEIGHTS["signal"](known, a, x, t), error)
    assert np.allclose(WEIGHTS["noise"](known, a, x, t), -signal / noise * error)
    assert np.allclose(WEIGHTS["score"](known, a, x, t), signal / noise**2 * error)  # g = 1
    deviation = known.uncertainty(jnp.ones(3), t)
    assert np.allclose(deviation, noise * jnp.sqrt(0.5 / (signal**2 * 0.5 + noise**2)))
    many = jax.jit(jax.vmap(lambda k: denoising_loss(k, known, a, t, WEIGHTS["signal"])))
    assert np.all(np.asarray(many(jax.random.split(jax.random.key(0), 9))) > 0)


def test_guidance_between_two_clusters():
    """Towards one of two equal clusters, away from both: s = s_1 + w (s_1 − s_both), exactly."""
    t, x = number(0.7), jnp.array([0.3])
    both = mixture_score(ou(), number(END), jnp.ones(2), jnp.array([[-1.0], [1.0]]), 0.5)
    one = mixture_score(ou(), number(END), jnp.ones(1), jnp.array([[1.0]]), 0.5)
    guided = Guided(towards=one, away=both, weight=number(2.0))
    wanted = one.score(x, t) + 2.0 * (one.score(x, t) - both.score(x, t))
    assert np.allclose(guided.score(x, t), wanted, atol=1e-12)
    assert np.allclose(Guided(towards=one, away=both, weight=number(0)).score(x, t), one.score(x, t))


@pytest.mark.parametrize("name", ["gaussian", "gaussian_by_component"])
def test_flow_likelihood_of_a_normal_law_is_exact(name):
    """To 1e-7, with the divergence of the whole flow."""
    known = all_scores()[name]
    x, start = jnp.array([0.3, -0.7, 1.1, 0.2]), number(0.01)
    assert np.isclose(flow_log_density(known, x, start), known.log_density(x, start), atol=1e-7)


def test_flow_likelihood_of_clusters():
    """Not linear: against the density, when the reverse process starts late enough."""
    known = mixture_score(ou(), number(16), jnp.array([1.0, 3.0]), jnp.array([[1.0, 2.0], [-1.0, 0.5]]), 0.3)
    x, start = jnp.array([0.1, 0.9]), number(0.01)
    assert np.isclose(flow_log_density(known, x, start), known.log_density(x, start), atol=1e-5)


@pytest.mark.slow
def test_flow_likelihood_of_a_network_is_smooth():
    """Value against steps four times as fine; slopes and curvatures against central differences."""
    shape = (2,)
    reference = GaussianScore(ou(), number(END), jnp.zeros(shape), jnp.ones(shape), Sites())
    network = perceptron_network(jax.random.key(0), shape, width=3, depth=1)
    leaves, tree = jax.tree.flatten(eqx.filter(network, eqx.is_inexact_array))
    rough = [leaf + 0.5 * jax.random.normal(jax.random.key(i), leaf.shape, float) for i, leaf in enumerate(leaves)]
    fitted = FittedScore(reference=reference, network=eqx.combine(tree.unflatten(rough), network))
    x, along, start = jnp.array([0.7, -0.4]), jnp.array([0.3, 0.9]), number(1e-3)

    def value(x):
        return flow_log_density(fitted, x, start)

    @jax.jit
    def slopes(x):  # one compilation for all three
        return value(x), *jax.jvp(jax.grad(value), (x,), (along,))

    (here, gradient, curvature), h = slopes(x), 1e-4
    after, before = slopes(x + h * along), slopes(x - h * along)
    assert np.isclose(here, jax.jit(lambda x: flow_log_density(fitted, x, start, 400))(x), rtol=0, atol=1e-8)
    assert np.isclose(gradient @ along, (after[0] - before[0]) / (2 * h), rtol=1e-7, atol=1e-7)
    assert np.allclose(curvature, (after[1] - before[1]) / (2 * h), rtol=1e-6, atol=1e-6)
    assert not np.isclose(here, reference.log_density(x, start), atol=0.05)  # the network matters


@pytest.mark.slow
def test_poisson_flow_in_one_dimension_maps_quantiles():
    """Charges −1, .2, .9, weights .2, .5, .3: Σ w atan2(z, x − y) is conserved; from (3.7, 40) it lands at .200053."""
    charges = jnp.repeat(jnp.array([-1.0, 0.2, 0.9]), jnp.array([2, 5, 3]))[:, None]
    field = empirical_score(Poisson(extra=number(1)), charges, number(40))
    flow = Adaptive(number(1e-10))
    stream = lambda x, z: float(jnp.mean(jnp.arctan2(z, x - charges[:, 0])))  # noqa: E731
    x = jnp.array([3.7])
    half = flow(jax.random.key(0), field, x, number(40), number(1.0))
    assert abs(stream(half[0], 1.0) - stream(3.7, 40.0)) < 1e-8
    end = flow(jax.random.key(0), field, x, number(40), number(1e-4))
    assert np.isclose(end[0], 0.200053, atol=2e-6)


def test_single_charge_has_straight_field_lines():
    """(x − y)/z is conserved, in any number of dimensions."""
    charge = jnp.array([[1.0, -2.0, 0.5]])
    field = empirical_score(Poisson(extra=number(2)), charge, number(10))
    x = jnp.array([4.0, 1.0, -3.0])
    end = Adaptive(number(1e-10))(jax.random.key(0), field, x, number(10), number(0.1))
    assert np.allclose((end - charge[0]) / 0.1, (x - charge[0]) / 10, atol=1e-6)


def test_reference_takes_variances_of_the_process_own_components():
    """Of a free field in plane waves; without samples it is standard normal."""
    process = Gaussian(NoiseLevel(), Fourier())
    variance = 0.5 / (laplacian_eigenvalues((4, 4)) + 1.0)
    noise = jax.random.normal(jax.random.key(0), (20_000, 4, 4))
    fields = jax.jit(jax.vmap(lambda z: Fourier().back(jnp.sqrt(variance) * z)))(noise)
    found = reference_score(process, number(10), fields, each=True)
    assert np.max(np.abs(found.variance / variance - 1)) < 4.5 * np.sqrt(2 / 20_000)
    assert np.ptp(reference_score(process, number(10), fields, each=False).variance) == 0
    assert np.all(reference_score(process, number(10), fields[:0], each=True).variance == 1)


def test_gaussian_data_in_any_axes():
    """A rotated basis gives the score of the full covariance."""
    modes = jnp.linalg.qr(jax.random.normal(jax.random.key(1), (3, 3)))[0]
    variance = jnp.array([0.2, 1.0, 3.0])
    known = GaussianScore(ou(), number(END), jnp.zeros(3), variance, Axes(modes))
    t, x = number(0.4), jnp.array([1.0, -0.5, 0.2])
    covariance = modes.T @ jnp.diag(variance) @ modes
    total = np.exp(-0.8) * covariance + (1 - np.exp(-0.8)) * np.eye(3)
    assert np.allclose(known.score(x, t), -np.linalg.solve(total, np.asarray(x)), atol=1e-12)
