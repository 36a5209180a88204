"""Free energies of a linear decoder against known digits, quadrature and the variational principle; the Ising ring."""

import numpy as np
import pytest
from scipy.integrate import dblquad

from matterlearn.theory import enumeration, ising_ring
from matterlearn.theory import latent_free_energy as latent

W, Y = np.array([[1, 0.5], [0, 1], [-0.5, 0.3]]), np.array([1, -0.5, 2])


@pytest.mark.parametrize(
    ("beta", "value"), [(0.5, 6.730028404285), (2, 5.908590746559), (50, 5.059306734941), (5000, 4.962056164063)]
)
def test_known_free_energies(beta, value):
    assert latent.free_energy(W, Y, beta) == pytest.approx(value, abs=6e-13)


def test_known_limit():
    z, energy = latent.best_latent(W, Y)
    assert z == pytest.approx([-0.1352657005, 0.4830917874], abs=5e-11)
    assert energy == pytest.approx(4.960144927536, abs=6e-13)
    assert latent.free_energy(W, Y, 1e9) == pytest.approx(energy, abs=1e-7)


@pytest.mark.parametrize("beta", [0.5, 2.0])
def test_against_quadrature(beta):
    def weight(a, b):
        z = np.array([a, b])
        return np.exp(-z @ z / 2 - beta * np.sum((Y - W @ z) ** 2)) / (2 * np.pi)

    total = dblquad(weight, -8, 8, -8, 8, epsabs=1e-13, epsrel=1e-12)[0]
    assert latent.free_energy(W, Y, beta) == pytest.approx(-np.log(total) / beta, rel=1e-9)


@pytest.mark.parametrize("beta", [0.5, 5.0])
def test_variational_principle(beta):
    """The posterior reaches F; any other q is above it by KL(q ‖ q*)/β."""
    exact, best = latent.free_energy(W, Y, beta), latent.posterior(W, Y, beta)
    assert latent.variational(W, Y, beta, best) == pytest.approx(exact, rel=1e-12)
    precision, rng = np.linalg.inv(best.covariance), np.random.default_rng(0)
    for _ in range(5):
        root = np.eye(2) + 0.3 * rng.normal(size=(2, 2))
        q = latent.Posterior(best.mean + 0.2 * rng.normal(size=2), root @ root.T)
        gap, product = q.mean - best.mean, precision @ q.covariance
        kl = (np.trace(product) + gap @ precision @ gap - 2 - np.linalg.slogdet(product)[1]) / 2
        assert latent.variational(W, Y, beta, q) - exact == pytest.approx(kl / beta, rel=1e-9)


@pytest.mark.parametrize(
    ("K", "log_partition", "next_one", "third"),
    [(0.3, 7.374883906270, 0.291326439127, 0.024899602704), (0.7, 9.210654547333, 0.611151887012, 0.248587049985)],
)
def test_known_ring(K, log_partition, next_one, third):
    assert ising_ring.log_partition(10, K) == pytest.approx(log_partition, abs=6e-13)
    assert ising_ring.correlation(10, K, np.array([1, 3])) == pytest.approx([next_one, third], abs=6e-13)


@pytest.mark.parametrize(("K", "H"), [(0.4, 0.0), (-0.8, 0.0), (0.5, 0.3), (-0.6, 1.1)])
def test_ring_against_enumeration(K, H):
    states = 2.0 * enumeration.configurations(7, 2) - 1
    model = enumeration.ensemble(-K * (states * np.roll(states, 1, axis=1)).sum(axis=1) - H * states.sum(axis=1))
    assert ising_ring.log_partition(7, K, H) == pytest.approx(model.log_partition, rel=1e-13)
    if H == 0:
        measured = [model.mean(states[:, 0] * states[:, r]) for r in range(7)]
        assert ising_ring.correlation(7, K, np.arange(7)) == pytest.approx(measured, abs=1e-14)
        assert ising_ring.energy(7, K) == pytest.approx(-7 * measured[1])
