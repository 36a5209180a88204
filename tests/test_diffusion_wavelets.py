"""Wavelet bases against PyWavelets, and what an orthonormal basis promises."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import pywt

from covering import slow
from matterlearn.diffusion.wavelets import wavelet_basis

CASES = [((32,), "db4", 5), ((16, 16), "haar", 4), ((16, 24), "db2", 3), ((8, 8), "sym4", 3)]


def field(shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape))


@pytest.mark.parametrize(("shape", "name", "depth"), CASES)
def test_components_are_those_of_pywavelets(x64, shape, name, depth):
    x = field(shape)
    with warnings.catch_warnings():  # of sides shorter than the filter, where it is exact, too
        warnings.simplefilter("ignore", UserWarning)
        levels = pywt.wavedecn(np.asarray(x), name, "periodization", depth)
    expected, _ = pywt.coeffs_to_array(levels)
    assert np.allclose(jax.jit(wavelet_basis(shape, name, depth).to)(x), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("shape", "name", "depth"), [CASES[0], *(slow(*case) for case in CASES[1:]), ((8, 4, 12), "db3", 2)]
)
def test_a_basis_is_orthonormal(x64, shape, name, depth):
    basis, size = wavelet_basis(shape, name, depth), int(np.prod(shape))
    matrix = jax.jit(jax.vmap(lambda x: basis.to(x).ravel()))(jnp.eye(size).reshape(-1, *shape))
    assert np.allclose(matrix @ matrix.T, np.eye(size), atol=1e-14)
    x = field(shape, 1)
    there = np.asarray(x.ravel() @ matrix)
    assert np.allclose(jax.jit(basis.back)(there.reshape(shape)), x, atol=1e-13)
    assert np.sum(there**2) == pytest.approx(float(jnp.sum(x**2)), rel=1e-14)  # Parseval
    assert np.allclose(jax.jit(lambda y: basis.synthesise(basis.analyse(y)))(x), x, atol=1e-13)


def test_single_precision_comes_back_to_its_last_digits():
    basis, x = wavelet_basis((32, 32), "db3"), jnp.asarray(field((32, 32)), jnp.float32)
    back = jax.jit(lambda y: basis.back(basis.to(y)))(x)
    assert back.dtype == jnp.float32
    assert float(jnp.abs(back - x).max()) < 20 * np.finfo(np.float32).eps * float(jnp.abs(x).max())


def test_gradients_go_through(x64):
    basis, x = wavelet_basis((8, 8), "db2"), field((8, 8))
    slope = jax.jit(jax.grad(lambda y: jnp.sum(basis.to(y) ** 4)))(x)
    assert np.allclose(slope, jax.jit(lambda y: basis.back(4 * basis.to(y) ** 3))(x), atol=1e-12)


@pytest.mark.parametrize("moments", [1, 2, 3])
def test_details_of_daubechies_do_not_see_polynomials(x64, moments):
    basis = wavelet_basis((64,), f"db{moments}", 1)
    place = np.arange(64) / 64
    details = np.asarray(basis.to(jnp.asarray(place ** (moments - 1)))[32:])
    seen = np.asarray(basis.to(jnp.asarray(place**moments))[32:])
    inside = slice(moments, -moments)  # away from the seam
    assert np.abs(details[inside]).max() < 1e-12 < 1e-7 < np.abs(seen[inside]).min()


def test_levels_count_components():
    basis = wavelet_basis((16, 16), "haar", 3)
    assert np.bincount(basis.levels().ravel()).tolist() == [0, 192, 48, 12, 4]
    coarse = np.zeros((16, 16))
    coarse[basis.levels() == 4] = 1.0
    smooth = jax.jit(basis.back)(jnp.asarray(coarse))
    assert np.allclose(smooth, 1 / 8)  # constant over blocks of 8 × 8: all that is coarse, and nothing else


def test_random_walk_detail_variances_by_sampling_the_covariance(x64):
    """Haar details of a random walk at scale j have the variance (2^(2j−1) + 1)/6, exactly."""
    size = 64
    basis = wavelet_basis((size,), "haar")
    walk = np.minimum.outer(np.arange(1, size + 1), np.arange(1, size + 1)).astype(float)
    matrix = np.asarray(jax.jit(jax.vmap(basis.to))(jnp.eye(size)))
    variance = np.diag(matrix.T @ walk @ matrix)
    for level, expected in ((1, 0.5), (2, 1.5), (3, 5.5), (4, 21.5), (5, 85.5)):
        assert np.allclose(variance[basis.levels() == level], expected)


@pytest.mark.parametrize(
    ("shape", "name", "depth", "words"),
    [((7, 8), "haar", None, "multiples of 2"), ((12,), "haar", 3, "only 2 times"), ((8,), "bior2.2", 1, "orthogonal")],
)
def test_bad_input_names_the_fix(shape, name, depth, words):
    with pytest.raises(ValueError, match=words):
        wavelet_basis(shape, name, depth)
