"""Closed forms of refit loops and of the infinite memory against computed digits, quadrature and brute force."""

import numpy as np
import pytest
from scipy.special import zeta

from matterlearn.theory import infinite_memory, model_collapse

N = np.arange(1, 7)
REPLACE = np.tile([0.0, 0.0, 1.0], (30, 1))


def accumulate(generations):
    n = np.arange(1, generations + 1)
    return np.stack([0 * n, 1 - 1 / n, 1 / n], 1)


def mix(weight, generations):
    return np.tile([weight, 0.0, 1 - weight], (generations, 1))


def test_regression():
    assert model_collapse.regression_risk(6, 20, 60, 0.5, 100, 0.3) == pytest.approx(0.7920155794, abs=5e-11)
    fit = model_collapse.fit_risk(20, 60, 0.5)
    assert fit == pytest.approx(0.1282051, abs=5e-8)
    assert fit * model_collapse.pooled_risk(REPLACE[:6]) == pytest.approx(fit * N, rel=1e-14)
    assert model_collapse.minimum_norm(N[:5], 40, 30).squared_norm == pytest.approx(0.75 ** N[:5], rel=1e-14)
    assert model_collapse.minimum_norm(N, 40, 30).risk == pytest.approx(1 - 0.75**N, rel=1e-14)


@pytest.mark.parametrize("size", [3, 20, 21])
def test_means_that_do_not_exist_are_refused(size):
    with pytest.raises(ValueError, match="more than 21 data"):
        model_collapse.fit_risk(20, size, 0.5)


def test_shortest_weights_are_refused_where_nothing_is_left_open():
    for size, noise in ((40, 0.0), (39, 0.1)):
        with pytest.raises(ValueError, match="40 dimensions"):
            model_collapse.minimum_norm(1, 40, size, noise)


def test_accumulation():
    risk = model_collapse.fit_risk(20, 60, 0.5) * model_collapse.pooled_risk(accumulate(10_000))
    assert risk[:6] == pytest.approx(np.array([0.1282, 0.1603, 0.1745, 0.1825, 0.1876, 0.1912]), abs=5e-5)
    assert risk[-1] == pytest.approx(0.2109, abs=5e-5) and model_collapse.ACCUMULATION_BOUND * risk[0] > risk[-1]
    exact = model_collapse.accumulated_risk(np.arange(1, 10_001), 20, 60, 0.5)
    i = np.arange(1, 10_001)
    assert exact == pytest.approx(np.cumsum(5 / (i * (60 * i - 21))), rel=1e-11)
    assert exact[0] == pytest.approx(risk[0], rel=1e-13) and np.all(exact[1:] < risk[1:])
    published = np.array([0.1287, 0.1545, 0.1654, 0.1713, 0.1750, 0.1776])  # a simulation, errors of about 1 %
    assert exact[:6] == pytest.approx(published, rel=0.012)
    with pytest.raises(ValueError, match="more than 21 data"):
        model_collapse.accumulated_risk(3, 20, 21, 0.5)
    variance = model_collapse.gaussian_moments(accumulate(20_000), 20).variance
    assert variance[-1] == pytest.approx(model_collapse.accumulated_variance(20), abs=3e-6)
    products = np.cumprod(1 - 1 / (20 * np.arange(1, 11.0) ** 2))
    assert variance[:10] == pytest.approx(products, rel=1e-13)


def test_mixing_is_best_at_the_golden_ratio():
    weights = np.linspace(0.01, 1, 100)
    V = model_collapse.mixing_variance(weights)
    golden = model_collapse.GOLDEN_WEIGHT
    assert golden == pytest.approx(0.6180339887, abs=5e-11)
    assert model_collapse.mixing_variance(golden) == pytest.approx(0.6180339887, abs=5e-11)
    assert golden <= V.min() and V[-1] == 1
    h = 1e-5
    assert abs(model_collapse.mixing_variance(golden + h) - model_collapse.mixing_variance(golden - h)) < 1e-12
    for weight in (0.2, golden, 0.9):
        V = model_collapse.mixing_variance(weight)
        assert model_collapse.pooled_risk(mix(weight, 200))[-1] == pytest.approx(V, rel=1e-12)
        many = 10**7  # data: the variance stays that of the truth, and the mean follows V(w)
        errors = model_collapse.gaussian_moments(mix(weight, 200), many).mean_square
        assert many * errors[-1] == pytest.approx(V, rel=1e-6)


def test_verification_ends_at_the_verifier():
    risk = model_collapse.verified_risk(np.arange(200), 0.1, 0.4, 0.3)
    error, noise = 0.0, 0.0
    for n in range(199):
        assert risk[n] == pytest.approx(error**2 + noise, rel=1e-12, abs=1e-15)
        error, noise = 0.6 * error + 0.4 * 0.3, 0.36 * noise + 0.6 * 0.1
    assert risk[-1] == pytest.approx(0.3**2 + 0.06 / 0.64, rel=1e-12)


def test_gaussian_refit():
    likely, fair = (model_collapse.gaussian_moments(REPLACE, 20, unbiased=unbiased) for unbiased in (False, True))
    assert likely.variance[-1] == pytest.approx(0.2146388, abs=5e-8)
    assert likely.mean_square[-1] == pytest.approx(0.7853612, abs=5e-8)
    assert fair.variance == pytest.approx(np.ones(30), abs=1e-13)
    assert fair.mean_square[-1] == pytest.approx(1.5, abs=1e-13)
    assert model_collapse.mean_log_variance(30, 20, unbiased=True) == pytest.approx(-1.6066177, abs=5e-8)
    gap = model_collapse.mean_log_variance(1, 20, unbiased=True) - model_collapse.mean_log_variance(1, 20)
    assert gap == pytest.approx(np.log(20 / 19), abs=1e-14)


@pytest.mark.parametrize(
    ("size", "beta", "mass"),
    [(1e3, 2, 0.0218427788), (1e4, 2, 0.0069096239), (1e5, 2, 0.0021850887), (1e4, 1.5, 0.0437023497),
     (1e4, 3, 0.000914540)],
)  # fmt: skip
def test_infinite_memory(size, beta, mass):
    assert infinite_memory.unseen_mass(size, beta) == pytest.approx(mass, abs=5.1e-11 if beta < 3 else 5e-10)
    assert infinite_memory.asymptote(size, beta) == pytest.approx(mass, rel=2e-2)


def test_asymptote_of_the_infinite_memory():
    assert infinite_memory.asymptote(1e3, 2) == pytest.approx(0.0218509686, abs=5e-11)
    assert infinite_memory.asymptote(1.0, 2) == pytest.approx(0.691, abs=5e-4)
    ratio = [infinite_memory.unseen_mass(T, 2) / infinite_memory.asymptote(T, 2) for T in (1e3, 1e4, 1e5)]
    assert np.all(np.diff(np.abs(np.array(ratio) - 1)) < 0)


@pytest.mark.parametrize("beta", [1.0, 0.5])
def test_laws_without_a_norm_are_refused(beta):
    for function in (infinite_memory.exponent, lambda b: infinite_memory.unseen_mass(10, b),
                     lambda b: infinite_memory.tail_mass(3, b), lambda b: infinite_memory.asymptote(9, b)):  # fmt: skip
        with pytest.raises(ValueError, match="beta > 1"):
            function(beta)


def test_sum_over_all_items_is_that_of_many_and_an_integral():
    p = np.arange(1, 4_000_001.0) ** -1.7 / zeta(1.7)
    assert infinite_memory.total(lambda p: np.ones_like(p), 1.7) == pytest.approx(1.0, rel=1e-10)
    direct = np.sum(p * infinite_memory.missed(p, 50)) + infinite_memory.tail_mass(4_000_000, 1.7)
    assert infinite_memory.unseen_mass(50, 1.7) == pytest.approx(direct, rel=1e-6)


@pytest.mark.parametrize(
    ("size", "clean", "mass"),
    [(1e3, 0.0, 0.02196198), (1e4, 0.0, 0.00793214), (1e6, 0.0, 0.00604898),
     (1e3, 0.01, 0.02196076), (1e5, 0.01, 0.00593092), (1e7, 0.01, 0.00218396)],
)  # fmt: skip
def test_tail_cut_and_clean_data(size, clean, mass):
    assert infinite_memory.mixed_mass(size, 2, 100, clean) == pytest.approx(mass, abs=5.1e-9)


def test_plateau_and_return_to_the_clean_law():
    assert infinite_memory.tail_mass(100, 2) == pytest.approx(0.00604898, abs=5e-9)
    assert infinite_memory.tail_mass(100, 2) == pytest.approx(100**-1 / zeta(2), rel=0.006)
    assert infinite_memory.asymptote(0.01 * 1e7, 2) == pytest.approx(0.00218509686, abs=5e-11)


@pytest.mark.parametrize(("n", "ratio"), [(1, 1.29288), (2, 1.45600), (5, 1.71538), (10, 1.92211), (100, 2.55410)])
def test_labels_of_a_chain_of_models(n, ratio):
    clean = infinite_memory.unseen_mass(1e4, 2)
    risk = infinite_memory.relabelled_mass(n, 1e4, 1e4, 2)
    assert risk / clean == pytest.approx(ratio, abs=6e-6)
    assert risk < (1 + n) * clean


def test_drift_of_items():
    survival = [1 - infinite_memory.extinction(k) for k in range(5)]
    assert survival == pytest.approx([1, 0.63212056, 0.46853639, 0.37408231, 0.31207971], abs=5e-9)
    many = infinite_memory.extinction(10_000)
    assert (1 - many) * 10_000 == pytest.approx(2, rel=2e-3)
    growth = np.array([infinite_memory.drifted_mass(int(n), 2000, 2) for n in N]) / infinite_memory.unseen_mass(2000, 2)
    law = infinite_memory.asymptote(2000, 2) * growth - infinite_memory.tail_mass(20_000, 2)  # of 20,000 items alone
    assert law == pytest.approx([0.01542, 0.01940, 0.02254, 0.02523, 0.02763, 0.02981], abs=5e-6)


def test_exact_drift_is_that_of_all_histories():
    """Three items, two draws, three generations, against the sum over all compositions."""
    p = np.array([0.5, 0.3, 0.2])
    lost = infinite_memory.drift(p, 3, 2)
    law = {tuple(p): 1.0}
    for n in range(3):
        after = {}
        for frequencies, weight in law.items():
            for i in range(3):
                for j in range(3):
                    counts = np.bincount([i, j], minlength=3) / 2
                    key = tuple(counts)
                    after[key] = after.get(key, 0.0) + weight * frequencies[i] * frequencies[j]
        law = after
        gone = [sum(w for f, w in law.items() if f[item] == 0) for item in range(3)]
        assert lost[n] == pytest.approx(gone, rel=1e-12)


def test_exact_drift_comes_to_its_limit():
    """The error of the leading order falls as data become more; the matrix is refused where it would be too large."""
    p = np.arange(1, 20_001.0) ** -2 / zeta(2)
    beyond, errors = infinite_memory.tail_mass(20_000, 2), []
    for size in (50, 200, 800):
        exact = infinite_memory.drift(p, 4, size) @ p + beyond * infinite_memory.missed(1e-9, size)
        law = np.array([infinite_memory.drifted_mass(n, size, 2) for n in range(1, 5)])
        assert exact[0] == pytest.approx(law[0], rel=1e-5)
        errors.append(np.abs(law / exact - 1)[1:])
    assert np.all(errors[1] < 0.5 * errors[0]) and np.all(errors[2] < 0.5 * errors[1]), errors
    with pytest.raises(ValueError, match="4000"):
        infinite_memory.drift(p, 2, 4001)
