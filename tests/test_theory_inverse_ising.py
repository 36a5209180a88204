"""Couplings from moments: known biases, exact cases, and how errors fall with the number of samples."""

import numpy as np
import pytest

from matterlearn.theory import inverse_ising as inverse
from matterlearn.theory.enumeration import configurations, ensemble

STATES = 2.0 * configurations(10, 2) - 1
METHODS = ("naive", "tap", "independent_pair", "sessak_monasson", "bethe")


def teacher(beta, spins=10):
    i, j = np.indices((spins, spins))
    J = beta * np.sqrt(2 / spins) * np.cos(1 + 3 * i * j + i + j)
    return inverse.Model(J - np.diag(np.diag(J)), 0.2 * np.sin(2 * np.arange(spins) + 1))


def law(model, states=STATES):
    return ensemble(-np.einsum("si,ij,sj->s", states, model.J, states) / 2 - states @ model.h)


@pytest.mark.parametrize(("beta", "value"), [(0.2, 7.1047545478), (0.5, 7.4753016371), (1.0, 8.6794621446)])
def test_known_partition_function(beta, value):
    assert law(teacher(beta)).log_partition == pytest.approx(value, abs=5e-11)


@pytest.mark.parametrize(
    ("beta", "errors"),
    [
        (0.2, (0.00479, 0.00302, 0.1626, 0.000217, 0.00178)),
        (0.5, (0.02243, 0.02017, 0.3853, 0.00656, 0.01836)),
        (0.8, (0.07640, 0.07621, 0.5880, 0.04277, 0.06929)),
        (1.0, (0.15679, 0.15745, 0.7147, 0.10285, 0.13190)),
        (1.3, (0.35957, 0.35928, 0.8887, 0.26294, 0.25483)),
    ],
)
def test_known_biases(beta, errors):
    truth = teacher(beta)
    of = inverse.exact_moments(truth)
    for name, error in zip(METHODS, errors, strict=True):
        digits = 6e-7 if error < 1e-3 else 6e-6 if error < 0.1 or name != "independent_pair" else 6e-5
        assert inverse.relative_error(inverse.METHODS[name](of), truth) == pytest.approx(error, abs=digits)


@pytest.mark.parametrize("beta", [0.2, 0.5, 0.8, 1.0, 1.3])
def test_likelihoods_have_no_bias(beta):
    truth = teacher(beta)
    likely = inverse.maximum_likelihood(inverse.exact_moments(truth))
    pseudo = inverse.pseudo_likelihood(STATES, law(truth).probabilities)
    for found in (likely, pseudo):
        assert inverse.relative_error(found, truth) < 1e-8
        assert found.h == pytest.approx(truth.h, abs=1e-8)


@pytest.mark.parametrize("method", ["independent_pair", "sessak_monasson", "bethe"])
def test_exact_for_two_spins(method):
    truth = inverse.Model(np.array([[0, 0.9], [0.9, 0]]), np.array([0.3, -0.7]))
    found = inverse.METHODS[method](inverse.exact_moments(truth))
    assert pytest.approx(truth.J, abs=1e-12) == found.J
    assert found.h == pytest.approx(truth.h, abs=1e-12)


def test_bethe_is_exact_on_trees():
    J = np.zeros((6, 6))
    for (i, j), value in {(0, 1): 0.7, (1, 2): -1.1, (1, 3): 0.4, (3, 4): 1.3, (3, 5): -0.2}.items():
        J[i, j] = J[j, i] = value
    truth = inverse.Model(J, np.linspace(-0.5, 0.8, 6))
    found = inverse.bethe(inverse.exact_moments(truth))
    assert pytest.approx(truth.J, abs=1e-11) == found.J
    assert found.h == pytest.approx(truth.h, abs=1e-11)


def errors_of_order(method, order):
    """Errors of couplings and fields at weak couplings and at half of them, fields kept."""

    def error(beta):
        truth = inverse.Model(teacher(beta, 5).J, np.linspace(-0.6, 0.7, 5))
        found = inverse.METHODS[method](inverse.exact_moments(truth))
        return np.array([np.linalg.norm(found.J - truth.J), np.linalg.norm(found.h - truth.h)])

    strong, weak = error(0.02), error(0.01)
    return np.log2(strong / weak) == pytest.approx(order, abs=0.15)


@pytest.mark.parametrize(
    ("method", "order"),
    [("naive", (2, 2)), ("tap", (3, 3)), ("independent_pair", (2, 2)), ("sessak_monasson", (4, 4)), ("bethe", (3, 3))],
)
def test_orders_of_the_expansions(method, order):
    """By which power of the couplings each method is wrong; that settles the fields, too."""
    assert errors_of_order(method, order)


def test_likelihood_meets_all_moments():
    rng = np.random.default_rng(3)
    states = rng.choice([-1.0, 1.0], (200, 6), p=[0.4, 0.6])
    data = inverse.moments(states)
    model = inverse.exact_moments(inverse.maximum_likelihood(data))
    assert model.magnetisation == pytest.approx(data.magnetisation, abs=1e-10)
    assert model.correlation == pytest.approx(data.correlation, abs=1e-10)


def draws(truth, samples, seed):
    """Moments and pseudo-likelihood's data of independent samples."""
    counts = np.random.default_rng(seed).multinomial(samples, law(truth).probabilities)
    return STATES[counts > 0], counts[counts > 0] / samples


@pytest.mark.parametrize("samples", [10_000, 100_000])
def test_errors_from_samples(samples):
    """Twenty samples: likelihoods at the Cramér–Rao bound, mean-field methods at their bias, which adds in squares."""
    truth, squares = teacher(1.0), []
    for seed in range(20):
        states, weights = draws(truth, samples, seed)
        of = inverse.moments(states, weights)
        found = [
            inverse.maximum_likelihood(of), inverse.pseudo_likelihood(states, weights), *(
                inverse.METHODS[name](of) for name in ("naive", "sessak_monasson", "bethe"))
        ]  # fmt: skip
        squares.append([inverse.relative_error(model, truth) ** 2 for model in found])
    mean, sem = np.mean(squares, axis=0), np.std(squares, axis=0, ddof=1) / np.sqrt(20)
    bound = inverse.sampling_error(truth, samples) ** 2
    assert abs(mean[0] - bound) < 4 * sem[0]
    assert abs(mean[1] - mean[0]) < 0.15 * mean[0]  # pseudo-likelihood loses little here
    single = {10_000: (0.0632, 0.0625, 0.177, 0.124, 0.155), 100_000: (0.0151, 0.0153, 0.147, 0.099, 0.127)}
    spread = np.std(np.sqrt(squares), axis=0, ddof=1)
    assert np.all(np.abs(np.array(single[samples]) - np.sqrt(squares).mean(axis=0)) < 4 * spread)
    bias = np.array([0.15679, 0.10285, 0.13190]) ** 2
    assert np.all(mean[2:] > bias - 4 * sem[2:])


def test_refusals():
    with pytest.raises(ValueError, match="singular"):
        inverse.naive(inverse.moments(np.ones((5, 3))))
    never = inverse.moments(np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0]]))
    with pytest.raises(ValueError, match="never shows"):
        inverse.independent_pair(never)
    with pytest.raises(ValueError, match="without bound"):
        inverse.maximum_likelihood(never)
