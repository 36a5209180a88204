"""The restricted Boltzmann machine against brute force, known digits and laws that every machine obeys."""

import numpy as np
import pytest
from scipy.integrate import dblquad
from sklearn.datasets import load_digits

from matterlearn.tasks._data import BarsAndStripes
from matterlearn.theory import enumeration
from matterlearn.theory import restricted_boltzmann as rbm
from matterlearn.theory.independent_entries import log_likelihood

VISIBLE, HIDDEN = np.indices((4, 3))
MACHINE = rbm.Machine(np.sin(1 + 3 * VISIBLE + HIDDEN), np.array([0.1, -0.2, 0.3, -0.4]), np.array([0.2, -0.1, 0.05]))
DATA = np.array([[1.0, 1, 0, 0], [0, 0, 1, 1], [1, 0, 1, 0]])


def test_known_likelihood():
    assert rbm.log_partition(MACHINE) == pytest.approx(5.949397266819, abs=1e-12)
    assert rbm.log_likelihood(MACHINE, DATA) == pytest.approx([-3.93271704, -3.89160047, -0.69151106], abs=5e-9)
    assert rbm.log_likelihood(MACHINE, DATA).mean() == pytest.approx(-2.838609522670, abs=1e-12)


def test_known_gradient():
    slope = rbm.gradient(MACHINE, DATA)
    W = [
        [-0.16379623, -0.18280023, -0.10775929],
        [0.08131042, 0.05623565, 0.0663325],
        [-0.18118303, -0.20539909, -0.13652824],
        [0.09629687, 0.07722055, 0.09019622],
    ]
    assert pytest.approx(np.array(W), abs=5e-9) == slope.W
    assert slope.a == pytest.approx([-0.13460086, 0.15630353, -0.17254385, 0.18417465], abs=5e-9)
    assert slope.b == pytest.approx([-0.09195566, -0.13847068, -0.05721085], abs=5e-9)


@pytest.mark.parametrize("low", [0, -1])
@pytest.mark.parametrize("tall", [True, False])
def test_against_enumeration(low, tall):
    """ln Z and moments from every state of both layers, in the sign of the package: E = Σ J v h + Σ U s."""
    machine = MACHINE._replace(low=low)
    machine = machine if tall else machine.turned
    visible, hidden = machine.W.shape
    table = low + (1 - low) * enumeration.configurations(visible + hidden, 2).astype(float)
    v, h = table[:, :visible], table[:, visible:]
    kT = 0.7
    J, U = -machine.W * kT, -np.concatenate([machine.a, machine.b]) * kT
    model = enumeration.ensemble(np.einsum("si,ij,sj->s", v, J, h) + table @ U, kT)
    assert rbm.log_partition(machine) == pytest.approx(model.log_partition, rel=1e-14)
    free = rbm.free_moments(machine)
    assert free.W.ravel() == pytest.approx(model.mean((v[:, :, None] * h[:, None]).reshape(len(v), -1)), abs=1e-13)
    assert np.concatenate([free.a, free.b]) == pytest.approx(model.mean(table), abs=1e-13)


@pytest.mark.parametrize("low", [0, -1])
def test_gradient_is_a_derivative(low):
    machine, data, step = MACHINE._replace(low=low), low + (1 - low) * DATA, 1e-5
    slope = rbm.gradient(machine, data)
    for part in range(3):
        for place in np.ndindex(slope[part].shape):
            shift = np.zeros_like(slope[part])
            shift[place] = step
            ends = [
                rbm.log_likelihood(machine._replace(**{machine._fields[part]: machine[part] + sign * shift}), data)
                for sign in (1, -1)
            ]
            assert (ends[0] - ends[1]).mean() / (2 * step) == pytest.approx(slope[part][place], abs=1e-9)


@pytest.mark.parametrize("low", [0, -1])
def test_kernel(low):
    """Stationary, in detailed balance with P(v), and with the squared correlations of the layers as its eigenvalues."""
    machine = MACHINE._replace(low=low)
    kernel, joint = rbm.gibbs_kernel(machine), np.exp(rbm.log_joint(machine))
    flow = joint.sum(axis=1)[:, None] * kernel
    assert kernel.sum(axis=1) == pytest.approx(np.ones(16), abs=1e-14)
    assert flow == pytest.approx(flow.T, abs=1e-15)
    values = np.sort(np.linalg.eigvals(kernel).real)[::-1]
    assert rbm.spectrum(machine) == pytest.approx(values[:8], abs=1e-12)
    assert np.exp(rbm.log_likelihood(machine, rbm.states(4, low))) == pytest.approx(joint.sum(axis=1), rel=1e-13)


def test_known_second_eigenvalue():
    assert rbm.spectrum(MACHINE)[1] == pytest.approx(0.19860397, abs=5e-9)


@pytest.mark.parametrize(("k", "bias"), [(1, 0.20859799), (2, 0.04124506), (5, 3.229e-4), (10, 9.98e-8)])
def test_known_bias_of_contrastive_divergence(k, bias):
    estimate = rbm.contrastive_divergence(MACHINE, DATA, k)
    measured, cosine = rbm.relative_bias(estimate.W, rbm.gradient(MACHINE, DATA).W)
    assert measured == pytest.approx(bias, rel=3e-4)
    if k == 1:
        assert measured == pytest.approx(bias, abs=5e-9)
        assert cosine == pytest.approx(0.99939, abs=5e-6)


def test_bias_shrinks_like_the_second_eigenvalue():
    exact = rbm.gradient(MACHINE, DATA).W
    far, near = (np.linalg.norm(rbm.contrastive_divergence(MACHINE, DATA, k).W - exact) for k in (7, 8))
    assert near / far == pytest.approx(rbm.spectrum(MACHINE)[1], rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(("k", "end"), [(None, -1.11500579), (1, -1.11869533), (2, -1.11583886), (10, -1.11503769)])
def test_known_training(k, end):
    """From a tenth of the weights and no biases; nothing exceeds −ln 3, the entropy of three equally likely images."""
    start = rbm.Machine(MACHINE.W / 10, np.zeros(4), np.zeros(3))
    trained = rbm.train(start, DATA, 0.2, 5000, k)
    assert rbm.log_likelihood(trained, DATA).mean() == pytest.approx(end, abs=5e-9)
    assert end < -np.log(3)


def test_long_chains_learn_like_the_likelihood():
    start = rbm.Machine(MACHINE.W / 10, np.zeros(4), np.zeros(3))
    exact, chained = (rbm.train(start, DATA, 0.2, 20, k) for k in (None, 30))
    assert pytest.approx(exact.W, abs=1e-12) == chained.W


def test_independent_pixels_of_digits():
    """What a machine has to exceed."""
    digits = (np.asarray(load_digits(return_X_y=True)[0]) / 16 > 0.5).astype(float)
    assert digits.mean() == pytest.approx(0.292910, abs=5e-7)
    assert log_likelihood(digits, digits, 2).mean() == pytest.approx(-24.424701, abs=5e-7)


@pytest.mark.parametrize(("side", "images"), [(2, 6), (3, 14), (4, 30)])
def test_bars_and_stripes(side, images):
    """2^(side + 1) − 2 different images; at best a model gives each its share, ln P = −ln of their number."""
    shown = np.unique(BarsAndStripes(source="bars_and_stripes", side=side).build().train, axis=0)
    assert len(shown) == images
    assert -np.log(images) == pytest.approx({6: -1.791759, 14: -2.639057, 30: -3.401197}[images], abs=5e-7)


def test_both_ways_of_streaming():
    """More states than one chunk holds, and a machine that factorises: ln Z = Σ ln 2cosh."""
    machine = rbm.Machine(np.zeros((15, 16)), np.linspace(-1, 1, 15), np.linspace(0, 2, 16), -1)
    expected = np.log(2 * np.cosh(machine.a)).sum() + np.log(2 * np.cosh(machine.b)).sum()
    assert rbm.log_partition(machine) == pytest.approx(expected, rel=1e-13)
    assert rbm.log_partition(machine.turned) == pytest.approx(expected, rel=1e-13)
    assert pytest.approx(np.outer(np.tanh(machine.a), np.tanh(machine.b)), abs=1e-13) == rbm.free_moments(machine).W


def test_refusals():
    with pytest.raises(ValueError, match="smaller layer has 21"):
        rbm.log_partition(rbm.Machine(np.zeros((21, 22)), np.zeros(21), np.zeros(22)))
    with pytest.raises(ValueError, match="at most 24"):
        rbm.gibbs_kernel(rbm.Machine(np.zeros((13, 12)), np.zeros(13), np.zeros(12)))


GAUSSIAN = rbm.GaussianMachine(
    np.array([[0.8, -0.4], [0.2, 0.6]]), np.array([0.3, -0.5]), np.array([0.1, -0.2]), np.array([1, 0.7])
)


def test_known_mixture():
    mixture = rbm.mixture(GAUSSIAN)
    assert mixture.log_partition == pytest.approx(2.915762914562, abs=1e-12)
    assert mixture.weights == pytest.approx([0.23821997, 0.14668633, 0.39147795, 0.22361575], abs=5e-9)
    assert mixture.centres == pytest.approx(np.array([[0.3, -0.5], [-0.1, 0.1], [1.1, -0.3], [0.7, 0.3]]))


def test_mixture_against_quadrature():
    def density(x, y):
        v, s2 = np.array([x, y]), GAUSSIAN.sigma**2
        field = GAUSSIAN.b + (v / s2) @ GAUSSIAN.W
        return np.exp(-((v - GAUSSIAN.a) ** 2 / (2 * s2)).sum()) * np.prod(1 + np.exp(field))

    total = dblquad(density, -9, 9, -9, 9, epsabs=1e-11, epsrel=1e-12)[0]
    assert rbm.mixture(GAUSSIAN).log_partition == pytest.approx(np.log(total), abs=1e-11)
