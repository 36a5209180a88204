"""Schedules, bases and kernels of noising processes against closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from noising import number, ou
from scipy import integrate, stats

from matterlearn.diffusion.bases import Axes, Fourier, laplacian_eigenvalues
from matterlearn.diffusion.processes import Gaussian, Poisson
from matterlearn.diffusion.schedules import (
    Coloured,
    Cosine,
    LogRatio,
    NoiseLevel,
    Relaxation,
    SubVariancePreserving,
    VarianceExploding,
    VariancePreserving,
    rates,
    soft_conditioning,
)

pytestmark = pytest.mark.usefixtures("x64")


def all_schedules():
    return {
        "ou": Relaxation(number(1), number(1)),
        "free": Relaxation(number(0), number(0.7)),
        "vp": VariancePreserving(number(0.1), number(20)),
        "sub_vp": SubVariancePreserving(number(0.1), number(20)),
        "ve": VarianceExploding(number(0.01), number(50)),
        "level": NoiseLevel(),
        "cosine": Cosine(number(0.008)),
        "log_ratio": LogRatio(number(-9), number(5)),
        "coloured": Coloured(Relaxation(number(1), number(1)), number(3)),
    }


@pytest.mark.parametrize("name", ["ou", "free", "vp", "sub_vp", "ve", "level", "cosine", "log_ratio", "coloured"])
def test_signal_and_variance_solve_the_equations_of_motion(name):
    """α' = f α and (σ²)' = 2 f σ² + 2 g², by central differences; g² is never negative."""
    schedule, t, h = all_schedules()[name], number(0.37), 1e-6
    drift, diffusivity = rates(schedule, t)
    ends = [(jnp.exp(schedule.log_signal(t + s)), schedule.variance(t + s)) for s in (-h, h)]
    fade, growth = ((late - early) / (2 * h) for early, late in zip(*ends, strict=True))
    signal, variance = jnp.exp(schedule.log_signal(t)), schedule.variance(t)
    assert np.isclose(fade, drift * signal, rtol=1e-7, atol=1e-9)
    assert np.isclose(growth, 2 * drift * variance + 2 * diffusivity, rtol=1e-6)
    assert diffusivity >= 0


def test_known_numbers():
    """Of the noising processes in use."""
    vp, sub, ve = (all_schedules()[name] for name in ("vp", "sub_vp", "ve"))
    one = number(1)
    assert np.isclose(jnp.exp(vp.log_signal(one)), 0.00657159, rtol=1e-6)
    assert np.isclose(vp.variance(one), 0.9999568, atol=1e-7)
    assert np.isclose(sub.variance(one), vp.variance(one) ** 2, rtol=1e-12)
    assert np.isclose(ve.variance(one), 50.0**2 - 0.01**2, rtol=1e-12)
    beta = np.linspace(1e-4, 0.02, 1000)  # the chain of a thousand steps
    assert np.isclose(np.prod(1 - beta), 4.03583e-5, rtol=1e-5)


def test_soft_conditioning_interpolates_between_white_matched_and_autoregressive():
    """softness 1: one γ for all; infinite: one ratio Σ/σ² for all; → 0: no two scales are noised at the same time."""
    variance = jnp.array([4.0, 1.0, 0.05])
    level = -jnp.log(variance)
    ends = {"clean": -8.0, "noisy": 6.0}
    white = soft_conditioning(variance, level, softness=1.0, **ends)
    assert np.ptp(white.first) < 1e-12 and np.ptp(white.final) < 1e-12
    matched = soft_conditioning(variance, level, softness=1e9, **ends)
    for t in (0.1, 0.6):
        gamma = 2 * (0.5 * jnp.log(matched.variance(number(t))) - matched.log_signal(number(t)))
        assert np.ptp(jnp.log(variance) - gamma) < 1e-6
    hard = soft_conditioning(variance, level, softness=0.01, **ends)
    clean = hard.variance(number(0.5)) < 1e-6
    noisy = hard.variance(number(0.5)) > 1 - 1e-6
    assert bool(clean[0]) and bool(noisy[2])  # the smallest scale is gone before the largest is touched
    top = soft_conditioning(variance, level, softness=0.5, **ends)
    smallest, largest = 2, 0
    assert np.isclose(top.first[smallest] - jnp.log(variance[smallest]), -8.0)
    assert np.isclose(top.final[largest] - jnp.log(variance[largest]), 6.0)


def test_rate_of_noise_is_that_of_gamma():
    """β = σ² dγ/dt of dc = −½ β c dt + √β dW, component by component."""
    schedule = LogRatio(jnp.array([-9.0, -4.0]), jnp.array([5.0, 7.0]))
    drift, diffusivity = rates(schedule, number(0.4))
    beta = schedule.variance(number(0.4)) * jnp.array([14.0, 11.0])
    assert np.allclose(-2 * drift, beta, rtol=1e-12) and np.allclose(2 * diffusivity, beta, rtol=1e-12)


@pytest.mark.parametrize("shape", [(7,), (4, 6), (3, 2, 5)])
def test_plane_waves_are_orthonormal_and_diagonalise_what_is_stationary(shape):
    """to is its own inverse, keeps |x|², and makes the lattice Laplacian diagonal with eigenvalues −k̂²."""
    x = jax.random.normal(jax.random.key(0), shape)
    basis = Fourier()
    assert np.allclose(basis.back(basis.to(x)), x, atol=1e-13)
    assert np.isclose(jnp.sum(basis.to(x) ** 2), jnp.sum(x**2), rtol=1e-13)
    laplacian = sum(jnp.roll(x, 1, a) + jnp.roll(x, -1, a) - 2 * x for a in range(len(shape)))
    assert np.allclose(basis.to(laplacian), -laplacian_eigenvalues(shape) * basis.to(x), atol=1e-12)


@pytest.mark.slow
def test_noise_is_white_in_every_basis_and_variances_follow_the_schedule():
    """Var c_i = α_i² Σ_i + σ_i² in the components, over 40 000 draws: |z| < 4."""
    modes = jnp.linalg.qr(jax.random.normal(jax.random.key(1), (6, 6)))[0]
    process = Gaussian(LogRatio(jnp.linspace(-4.0, 0.0, 6), jnp.full(6, 5.0)), Axes(modes))
    variance, t, draws = jnp.linspace(0.2, 3.0, 6), number(0.3), 40_000

    def one(key):
        first, second = jax.random.split(key)
        a = process.basis.back(jnp.sqrt(variance) * jax.random.normal(first, (6,)))
        return process.basis.to(process.perturb(second, a, t))

    c = np.asarray(jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(2), draws)))
    wanted = np.asarray(process.signal(t) ** 2 * variance + process.schedule.variance(t))
    assert np.max(np.abs(c.var(0) / wanted - 1)) < 4 * np.sqrt(2 / draws)
    apart = np.corrcoef(c.T)[np.triu_indices(6, 1)]
    assert np.max(np.abs(apart)) < 4 / np.sqrt(draws)


def test_gaussian_kernel_is_the_normal_density():
    """With its normalisation, against scipy."""
    process, t = ou(), number(0.4)
    x, a = jnp.array([0.3, -1.2, 2.0]), jnp.array([[1.0, 0.5, -0.3], [0.0, 0.0, 1.0]])
    found = process.log_kernels(x, a, t) + process.log_normalisation(x, t)
    wanted = [stats.multivariate_normal(np.exp(-0.4) * m, 1 - np.exp(-0.8)).logpdf(x) for m in np.asarray(a)]
    assert np.allclose(found, wanted, atol=1e-12)


@pytest.mark.parametrize("size", [1, 2])
def test_poisson_kernel_is_normalised(size):
    """∫ p = 1 over the radius."""
    process, t, origin = Poisson(extra=number(3)), number(0.7), jnp.zeros((1, size))

    def density(r):
        x = jnp.zeros(size).at[0].set(r)
        return float(jnp.exp(process.log_kernels(x, origin, t)[0] + process.log_normalisation(x, t)))

    surface = {1: lambda r: 2.0, 2: lambda r: 2 * np.pi * r}[size]
    assert np.isclose(integrate.quad(lambda r: surface(r) * density(r), 0, np.inf)[0], 1.0, atol=1e-7)


@pytest.mark.slow
def test_poisson_radii():
    """⟨R²⟩ = r² N/(D − 2) with r = t √D (|z| < 4); many extra dimensions are Gaussian noise of width t."""
    n, extra, t, draws = 4, 10.0, number(0.5), 100_000
    keys = jax.random.split(jax.random.key(3), draws)
    r = jax.jit(jax.vmap(lambda k: Poisson(extra=number(extra)).perturb(k, jnp.zeros(n), t)))(keys)
    squares = np.sum(np.asarray(r) ** 2, 1)
    z = (squares.mean() - 0.25 * extra * n / (extra - 2)) / (squares.std() / np.sqrt(draws))
    assert abs(z) < 4
    many = np.asarray(jax.jit(jax.vmap(lambda k: Poisson(extra=number(1e6)).perturb(k, jnp.zeros(n), t)))(keys))
    assert abs(many.var() / 0.25 - 1) < 4 * np.sqrt(2 / many.size)
    assert stats.kstest(many[:5000, 0] / 0.5, "norm").pvalue > 1e-4
