"""Networks and fitted scores: identities that hold for any weights."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from matterlearn.diffusion.bases import Fourier, Sites
from matterlearn.diffusion.fitted import BlindScore, FittedScore
from matterlearn.diffusion.networks import bias_free_network, perceptron_network, u_net
from matterlearn.diffusion.processes import Gaussian
from matterlearn.diffusion.schedules import NoiseLevel, VariancePreserving
from matterlearn.diffusion.scores import GaussianScore

KEY = jax.random.key(0)


def moved(network, size=0.3):
    """The network with noise on all weights."""
    rng = np.random.default_rng(7)
    return jax.tree.map(lambda leaf: leaf + size * rng.normal(size=leaf.shape).astype(leaf.dtype), network)


def test_networks_without_constants_are_locally_linear():
    """f(y) = J_f(y) y and f(cy) = c f(y) to float precision."""
    with jax.enable_x64(True):
        network = moved(bias_free_network(KEY, width=6, depth=3, edges="zero"))
        network = jax.tree.map(lambda leaf: leaf.astype(float), network)
        y = jax.random.normal(jax.random.key(1), (6, 5))
        _, along = jax.jvp(network, (y,), (y,))
        assert np.allclose(along, network(y), rtol=1e-12, atol=1e-14)
        assert np.allclose(network(3.0 * y), 3.0 * network(y), rtol=1e-12)


def test_convolutions_and_their_edges():
    """Against scipy, with zeros beyond the edges and periodic ones."""
    for edges, mode in (("zero", "constant"), ("periodic", "wrap")):
        layer = moved(bias_free_network(KEY, width=4, depth=1, edges=edges)).layers[1]
        x = np.asarray(jax.random.normal(jax.random.key(2), (5, 6, 4)))
        kernel = np.asarray(layer.weight)
        own = sum(ndimage.correlate(x[:, :, c], kernel[:, :, c, 0], mode=mode) for c in range(4))
        assert np.allclose(layer(x)[:, :, 0], own, atol=1e-5)


@pytest.mark.slow
def test_u_net_knows_no_origin():
    """On a periodic lattice it commutes with shifts by its coarsest spacing; noise levels are told apart."""
    network = eqx.filter_jit(moved(u_net(KEY, (8, 8), width=4, depth=3, edges="periodic")))
    x = jax.random.normal(jax.random.key(3), (8, 8))
    shifted = lambda y: jnp.roll(y, (4, -4), (0, 1))  # noqa: E731
    level = jnp.asarray(0.3)
    assert np.allclose(network(shifted(x), level), shifted(network(x, level)), atol=1e-4)
    assert not np.allclose(network(x, level), network(x, level + 1.0), atol=1e-2)


def test_u_net_says_how_often_sides_can_be_halved():
    """Before it is built."""
    with pytest.raises(ValueError, match="cannot be halved 2 times"):
        u_net(KEY, (6, 8), width=2, depth=3, edges="zero")


@pytest.mark.slow
@pytest.mark.parametrize("basis", [Sites(), Fourier()])
def test_a_fit_begins_with_the_gaussian_posterior(basis):
    """The network's last layer is zero; then a residual has unit variance on normal data."""
    process = Gaussian(VariancePreserving(jnp.asarray(0.1), jnp.asarray(20.0)), basis)
    variance = jnp.linspace(0.2, 3.0, 16).reshape(4, 4)
    reference = GaussianScore(process, jnp.asarray(1.0), jnp.full((4, 4), 0.3), variance, basis)
    fitted = FittedScore(reference=reference, network=perceptron_network(KEY, (4, 4), width=8, depth=2))
    x, t = jax.random.normal(jax.random.key(4), (4, 4)), jnp.asarray(0.4)
    assert np.allclose(fitted.denoise(x, t), reference.denoise(x, t), atol=1e-6)

    def residual(key):
        first, second = jax.random.split(key)
        a = 0.3 + basis.back(jnp.sqrt(variance) * jax.random.normal(first, (4, 4)))
        x = process.perturb(second, a, t)
        return basis.to(fitted.residual(a, x, t))

    found = np.asarray(jax.jit(jax.vmap(residual))(jax.random.split(jax.random.key(5), 20_000)))
    assert np.max(np.abs(found.var(0) - 1)) < 4.5 * np.sqrt(2 / 20_000)  # the largest of sixteen


@pytest.mark.slow
def test_only_networks_are_learned():
    """Weights are arrays; nothing else in them is."""
    plane = u_net(KEY, (4, 4), width=2, depth=2, edges="zero")
    for network in (perceptron_network(KEY, (3,), width=4, depth=1), plane):
        assert all(eqx.is_inexact_array(leaf) for leaf in jax.tree.leaves(network))


def test_blind_scores_take_the_noise_from_the_image():
    """The same function at all times."""
    process = Gaussian(NoiseLevel(), Sites())
    network = moved(bias_free_network(KEY, width=3, depth=2, edges="zero"))
    blind = BlindScore(process, jnp.asarray(5.0), network)
    x = jax.random.normal(jax.random.key(6), (5, 5))
    assert np.array_equal(blind.denoise(x, jnp.asarray(0.1)), blind.denoise(x, jnp.asarray(2.0)))
