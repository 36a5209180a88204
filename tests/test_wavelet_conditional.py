"""Fields made from coarse to fine: exact for normal fields, not slowed down near criticality, and right for φ⁴."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from matterlearn.diffusion.wavelet_conditional import around, fit, neighbours, site_functions
from matterlearn.diffusion.wavelets import wavelet_basis
from matterlearn.theory import free_field_wavelets, lattice_field

SIDE = 8
BASIS = wavelet_basis((SIDE, SIDE), "haar")


def drawn(model, count, steps, seed=0):
    draw = jax.jit(jax.vmap(lambda key: model.draw(key, steps=steps)))
    return np.asarray(draw(jax.random.split(jax.random.key(seed), count)), float)


def spectrum(x):
    power = np.abs(np.fft.fft2(x, norm="ortho")) ** 2
    return power.mean(0), power.std(0) / np.sqrt(len(x))


def conditional_spectrum(scale, side):
    """Eigenvalues of the precision that a scale's couplings stand for."""
    row = np.zeros((side, side))
    for coupling, near in zip(np.asarray(scale.couplings, float), scale.neighbours, strict=True):
        for place in near:
            row[place] += 2 * coupling
    return np.fft.fft2(row).real


@pytest.mark.slow
@pytest.mark.parametrize("mass_squared", [0.1, 1e-4])
def test_details_of_a_free_field_have_their_exact_precision_and_are_well_conditioned(mass_squared):
    """Score matching finds G K Gᵀ of every scale within the error of 4000 samples, however close to criticality."""
    data = lattice_field.free_samples((SIDE, SIDE), mass_squared, count=4000, seed=0)
    model = fit(jnp.asarray(data, jnp.float32), BASIS, reach=SIDE, bumps=0)
    precision = 2 * lattice_field.momenta_squared((SIDE, SIDE)) + 2 * mass_squared
    for scale in model.scales[:2]:
        exact = free_field_wavelets.detail_precision(precision)
        fitted = free_field_wavelets.detail_precision(conditional_spectrum(scale, len(precision)))
        assert np.linalg.norm(fitted - exact) < 0.05 * np.linalg.norm(exact)
        values = np.linalg.eigvalsh(fitted)
        assert values.max() / values.min() < 10
        own = np.sqrt(np.einsum("...aa->...a", exact).reshape(-1, 3).mean(0).real)
        assert np.allclose(1 / own, np.asarray(scale.deviation).ravel(), rtol=0.05)
        precision = free_field_wavelets.coarse_precision(precision)


@pytest.mark.slow
def test_coarse_to_fine_sampling_is_not_slowed_down():
    """The same 60 steps at every scale, at ξ = 3 and ξ = 100; as many plain Langevin steps do not move the mean."""
    for mass_squared in (0.1, 1e-4):
        data = lattice_field.free_samples((SIDE, SIDE), mass_squared, count=4000, seed=1)
        model = fit(jnp.asarray(data, jnp.float32), BASIS, reach=2, bumps=0)
        found, error = spectrum(drawn(model, 1000, 60))
        exact = lattice_field.free_spectrum((SIDE, SIDE), mass_squared)
        assert abs(found - exact)[0, 0] < 5 * error[0, 0]
        assert np.abs(found / exact - 1).mean() < 0.1
    # Euler steps as long as is stable, 2/λ_max; the zero mode then has 1 − (1 − 2λ_0/λ_max)^(2n) of its variance.
    stiffest = 2 * (8 + mass_squared)
    share = 1 - (1 - 2 * mass_squared / stiffest) ** (2 * 60 * (BASIS.depth + 1))
    assert share < 0.02


@pytest.mark.slow
def test_phi4_near_criticality_has_its_moments_and_spectrum():
    """β = 0.67, just above the critical temperature: short chains at every scale against clusters and Metropolis."""
    action = lattice_field.wavelet_action(0.67)
    data = lattice_field.samples((SIDE, SIDE), action, count=4000, seed=0)
    model = fit(jnp.asarray(data, jnp.float32), BASIS, reach=2, bumps=8)
    x = drawn(model, 1500, 80)
    for moment in (lambda y: np.mean(y**2, (1, 2)), lambda y: np.mean(y**4, (1, 2)),
                   lambda y: np.abs(y.mean((1, 2))), lambda y: y.mean((1, 2)) ** 2):  # fmt: skip
        own, theirs = moment(x), moment(data)
        error = np.hypot(own.std() / np.sqrt(len(own)), theirs.std() / np.sqrt(len(theirs)))
        assert error < 0.02 * theirs.mean()
        assert abs(own.mean() - theirs.mean()) < 4 * error
    found, exact = spectrum(x)[0], spectrum(data)[0]
    assert np.abs(found / exact - 1).mean() < 0.1  # statistics alone: 0.025


def test_neighbours_cover_the_torus_once():
    places = [place for near in neighbours(6, 3) for place in near]
    assert sorted(places) == [(a, b) for a in range(6) for b in range(6)]


def test_sums_around_a_site_are_shifts():
    x, classes = jax.random.normal(jax.random.key(0), (6, 6)), neighbours(6, 2)
    shifted = [np.sum([np.roll(x, step, (0, 1)) for step in near], 0) for near in classes]
    assert np.allclose(around(x, classes), np.array(shifted), atol=1e-5)


def test_potentials_are_even():
    x = jax.random.normal(jax.random.key(0), (4, 4))
    centres = jnp.linspace(0.0, 2.0, 5)
    assert site_functions(x, centres).shape == (6, 4, 4)
    assert np.allclose(site_functions(x, centres), site_functions(-x, centres), atol=1e-6)


def test_other_lattices_are_refused():
    with pytest.raises(ValueError, match="one square lattice"):
        fit(jnp.zeros((3, 8, 4)), wavelet_basis((8, 4), "haar"), reach=1, bumps=0)
