"""Enumeration against known sums, against itself by another route, and against what learning must satisfy."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from matterlearn.theory import enumeration as en

J = np.array([[0, 0, 0], [0, -1, 0.5], [0, 0.5, -1]])
MU = np.array([0, 0.3, 0.7])
CUBE = en.lattice_bonds((2, 2, 2), False)
CUBE_HIDDEN = [4, 5, 6, 7]  # the sites of the plane x = 1; those of x = 0 are visible

LATTICES = {  # shape, periodic, composition, states, bonds, ln Z, <E>, Var E, <n_a>
    "cube": ((2, 2, 2), False, None, 6561, 12, 10.4615274086, -6.6656140940, 10.0159309861,
             (0.8781078869, 6.4740578071, 0.6478343061)),
    "doubled cube": ((2, 2, 2), True, None, 6561, 24, 21.6690475102, -21.3005260340, 1.4586336954,
                     (0.0293142155, 7.6535851864, 0.3171005981)),
    "torus": ((3, 3), True, None, 19683, 18, 15.5980401974, -14.0475070672, 5.7400571735,
              (0.2805407326, 8.4226677711, 0.2967914963)),
    "block": ((2, 2, 3), False, None, 531441, 20, 17.2714858924, -13.3309011839, 12.1533462037,
              (0.8931147609, 10.7517542633, 0.3551309758)),
    "torus of fixed composition": ((3, 3), True, (3, 3, 3), 1680, 18, 6.3534852644, 0.1649886692, 1.2522176033,
                                   (3, 3, 3)),
    "cube of fixed composition": ((2, 2, 2), False, (4, 2, 2), 420, 12, 4.5134190327, 1.1120437253, 0.6958031536,
                                  (4, 2, 2)),
}  # fmt: skip


@pytest.mark.parametrize("name", LATTICES)
def test_known_lattices(name):
    shape, periodic, composition, states, size, log_partition, energy, variance, numbers = LATTICES[name]
    bonds = en.lattice_bonds(shape, periodic)
    table = en.configurations(math.prod(shape), 3, composition=composition)
    assert (len(table), len(bonds)) == (states, size)
    model = en.ensemble(en.potts_energies(table, bonds, J, MU))
    found = [model.log_partition, model.mean(model.energies), model.variance(model.energies)]
    np.testing.assert_allclose(found, [log_partition, energy, variance], rtol=0, atol=6e-11)
    np.testing.assert_allclose(model.mean(en.compositions(table, 3)), numbers, rtol=0, atol=6e-11)


@pytest.mark.parametrize(
    ("shape", "periodic", "composition", "ordered"),
    [
        ((2, 2, 2), False, None, (0.2833061808, 0.8582342248, 0.1756214246, 8.6569634625, 0.1958890233, 0.6002410112)),
        ((3, 3), True, (3, 3, 3), (1.6829980418, 2.1585009791, 2.1585009791, 2.2255034506, 1.6159955703, 2.2255034506)),
    ],
)
def test_known_contacts(shape, periodic, composition, ordered):
    """The known numbers average over both orders of a pair, so unlike contacts are twice as many here."""
    bonds = en.lattice_bonds(shape, periodic)
    table = en.configurations(math.prod(shape), 3, composition=composition)
    model = en.ensemble(en.potts_energies(table, bonds, J, MU))
    unordered = np.array(ordered) * [1, 2, 2, 1, 2, 1]
    np.testing.assert_allclose(model.mean(en.contact_counts(table, bonds, 3)), unordered, rtol=0, atol=1.1e-10)


def hidden_problem():
    """A cube whose upper four sites are hidden; two patterns of the lower four are wanted equally."""
    table = en.configurations(8, 3)
    statistics = en.potts_statistics(table, CUBE, 3)
    patterns, visible = en.visible_patterns(table, range(4))
    target = np.zeros(len(patterns))
    for wanted in ([1, 1, 1, 1], [1, 1, 2, 2]):
        target[(patterns == wanted).all(axis=1)] = 0.5
    theta = np.concatenate([J[np.triu_indices(3)], MU])
    return statistics, visible, target, theta


def test_known_moments_with_hidden_sites():
    statistics, visible, target, theta = hidden_problem()
    model = en.ensemble(statistics @ theta)
    clamped = [0.13696042, 0.97465409, 0.47806030, 7.42713590, 1.82831231, 1.15487697, 0.57554508, 5.88574607, 1.53870885]  # fmt: skip # noqa: E501
    free = [0.28330618, 1.71646845, 0.35124285, 8.65696346, 0.39177805, 0.60024101, 0.87810789, 6.47405781, 0.64783431]
    slope = [-0.14634576, -0.74181436, 0.12681745, -1.22982756, 1.43653427, 0.55463596, -0.30256281, -0.58831174, 0.89087455]  # fmt: skip # noqa: E501
    np.testing.assert_allclose(en.clamped_moments(model, statistics, visible, target), clamped, rtol=0, atol=6e-9)
    np.testing.assert_allclose(en.free_moments(model, statistics), free, rtol=0, atol=6e-9)
    np.testing.assert_allclose(en.kl_gradient(model, statistics, visible, target), slope, rtol=0, atol=6e-9)
    assert en.kl(model, visible, target) == pytest.approx(2.5878593491, abs=6e-11)


@pytest.mark.parametrize("kT", [1.0, 0.7])
def test_gradient_is_the_slope_of_kl(kT):
    statistics, visible, target, theta = hidden_problem()
    gradient = en.kl_gradient(en.ensemble(statistics @ theta, kT), statistics, visible, target)

    def divergence(parameters):
        return en.kl(en.ensemble(statistics @ parameters, kT), visible, target)

    slopes = [(divergence(theta + h) - divergence(theta - h)) / 2e-5 for h in 1e-5 * np.eye(len(theta))]
    np.testing.assert_allclose(gradient, slopes, rtol=0, atol=1e-8)


def test_clamped_average_is_the_mean_of_clamped_ensembles():
    """The same number by enumerating the hidden sites alone at each wanted pattern."""
    statistics, visible, target, theta = hidden_problem()
    separate = []
    for lower in ([1, 1, 1, 1], [1, 1, 2, 2]):
        table = en.configurations(8, 3, fixed=dict(enumerate(lower)))
        model = en.ensemble(en.potts_energies(table, CUBE, J, MU))
        separate.append(model.mean(en.potts_statistics(table, CUBE, 3)))
    together = en.clamped_moments(en.ensemble(statistics @ theta), statistics, visible, target)
    np.testing.assert_allclose(together, np.mean(separate, axis=0), rtol=1e-12)


def test_configurations_are_the_digits_of_a_count():
    table = en.configurations(4, [2, 3, 1, 4])
    place = np.array([12, 4, 4, 1])
    np.testing.assert_array_equal(table @ place, np.arange(24))
    assert table.dtype == np.int8


def test_fixing_sites_and_composition_selects_rows_of_the_full_table():
    full = en.configurations(7, [3, 3, 2, 3, 3, 3, 3])
    wanted = (full[:, 1] == 2) & (full[:, 5] == 0) & (en.compositions(full, 3) == [2, 2, 3]).all(axis=1)
    table = en.configurations(7, [3, 3, 2, 3, 3, 3, 3], fixed={5: 0, 1: 2}, composition=[2, 2, 3])
    np.testing.assert_array_equal(table, full[wanted])


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"sites": 40, "values": 2}, "need 4.1e\\+04 GiB"),
        ({"sites": 40, "values": 2, "composition": [20, 20]}, "137846528820 configurations of 40 sites"),
        ({"sites": 3, "values": 2, "composition": [1, 1]}, "add up to 3"),
        ({"sites": 3, "values": 2, "composition": [1, 1, 1]}, "2 counts"),
        ({"sites": 3, "values": 2, "composition": [2, 1], "fixed": {0: 1, 1: 1}}, "hold more"),
        ({"sites": 3, "values": 2, "fixed": {0: 2}}, r"fixed\[0\] = 2"),
        ({"sites": 3, "values": 2, "fixed": {3: 0}}, r"fixed\[3\] = 0"),
        ({"sites": 3, "values": 0}, "between 1 and 128"),
    ],
)
def test_impossible_requests_are_refused(request_, message):
    with pytest.raises(ValueError, match=message):
        en.configurations(**request_)


def test_many_fixed_sites_leave_a_small_table():
    table = en.configurations(200, 2, fixed={site: 1 for site in range(197)})
    assert table.shape == (8, 200) and table[:, :197].all()


def test_bonds_of_periodic_and_open_lattices():
    mixed = en.lattice_bonds((3, 4), (True, False))
    assert len(mixed) == 12 + 9
    assert np.bincount(mixed.ravel()).tolist() == [3, 4, 4, 3] * 3
    doubled = np.sort(en.lattice_bonds((2, 2, 2), True), axis=1)
    once = np.unique(doubled, axis=0, return_counts=True)
    np.testing.assert_array_equal(once[0], np.unique(np.sort(CUBE, axis=1), axis=0))
    assert set(once[1]) == {2}
    assert len(en.lattice_bonds((1, 5), False)) == 4
    with pytest.raises(ValueError, match="length 1"):
        en.lattice_bonds((1, 5), True)


def test_energy_is_linear_in_its_parameters():
    generator = np.random.default_rng(0)
    couplings = generator.normal(size=(4, 4))
    couplings, mu = couplings + couplings.T, generator.normal(size=4)
    table, bonds = en.configurations(6, 4), generator.integers(6, size=(9, 2))  # any pairs, loops and repeats included
    theta = np.concatenate([couplings[np.triu_indices(4)], mu])
    energies = en.potts_energies(table, bonds, couplings, mu)
    np.testing.assert_allclose(energies, en.potts_statistics(table, bonds, 4) @ theta, atol=1e-12)
    with pytest.raises(ValueError, match="symmetric"):
        en.potts_energies(table, bonds, np.triu(couplings), mu)


def test_ensemble_of_independent_spins():
    """ln Z = N ln 2cosh(h/kT) and its derivatives, at fields too large to exponentiate."""
    spins = 2 * en.configurations(10, 2) - 1
    for field, kT in ((0.3, 1.0), (0.3, 2.5), (400.0, 0.3)):
        model = en.ensemble(-field * spins.sum(axis=1, dtype=float), kT)
        x = field / kT
        assert model.log_partition == pytest.approx(10 * np.logaddexp(x, -x), rel=1e-14)
        np.testing.assert_allclose(model.mean(spins), np.tanh(x), rtol=1e-12)
        expected = np.eye(10) * (1 - np.tanh(x) ** 2)
        np.testing.assert_allclose(model.covariance(spins), expected, atol=1e-13)
        np.testing.assert_allclose(model.variance(spins), np.diag(expected), atol=1e-13)
        assert model.probabilities.sum() == pytest.approx(1.0, rel=1e-12)


def test_energies_of_a_jax_function():
    states = en.configurations(4, 2)
    coupling = jnp.array([0.5, -1.0, 2.0])
    energies = jax.vmap(lambda s: (coupling * s[:-1] * s[1:]).sum())(states)
    model = en.ensemble(energies, kT=2.0)
    assert model.probabilities.dtype == np.float64
    expected = np.log(np.exp(-np.asarray(energies, dtype=float) / 2).sum())
    assert model.log_partition == pytest.approx(expected, rel=1e-14)


def test_forbidden_states_do_not_count():
    model = en.ensemble([0.0, np.inf, 1.0])
    allowed = en.ensemble([0.0, 1.0])
    assert model.log_partition == allowed.log_partition
    assert model.mean(model.energies) == allowed.mean(allowed.energies)
    assert en.kl(model, np.array([0, 1, 1]), [0.0, 1.0]) == pytest.approx(-allowed.log_probabilities[1])
    assert en.kl(model, np.array([0, 1, 0]), [0.0, 1.0]) == np.inf
    with pytest.raises(ValueError, match="no state"):
        en.clamped_moments(model, np.ones(3), np.array([0, 1, 0]), [0.5, 0.5])


@pytest.mark.parametrize(("energies", "kT"), [([0.0, np.nan], 1.0), ([np.inf], 1.0), ([], 1.0), ([0.0], 0.0)])
def test_meaningless_ensembles_are_refused(energies, kT):
    with pytest.raises(ValueError):
        en.ensemble(energies, kT)


@pytest.mark.parametrize("target", [[0.5, 0.6], [1.5, -0.5]])
def test_a_target_is_a_distribution(target):
    with pytest.raises(ValueError, match="adding up to 1"):
        en.kl(en.ensemble([0.0, 0.0]), np.array([0, 1]), target)


@pytest.mark.parametrize("kT", [1.0, 0.4])
def test_a_visible_model_is_found_again(kT):
    """A target made by the model class has KL 0, and the optimum matches all moments."""
    table = en.configurations(6, 3)
    statistics = en.potts_statistics(table, en.lattice_bonds((2, 3), False), 3)
    theta = np.random.default_rng(1).normal(size=statistics.shape[1]) * kT
    target = en.ensemble(statistics @ theta, kT).probabilities
    best = en.fit(statistics, np.arange(len(table)), target, kT=kT)
    assert 0 <= best.kl + 1e-12 < 1e-10
    model = en.ensemble(statistics @ best.theta, kT)
    np.testing.assert_allclose(en.free_moments(model, statistics), target @ statistics, atol=1e-5)


def boltzmann_machine(spins):
    """Fields and all pair products, negated: E = −Σ h s − Σ W s s."""
    rows, columns = np.triu_indices(spins.shape[1], 1)
    return -np.hstack([spins, spins[:, rows] * spins[:, columns]])


def test_parity_needs_a_hidden_spin():
    """No pair of three spins of even parity is correlated: pairs alone can do no better than KL = ln 2.

    One hidden spin makes an effective three-spin coupling; with energies up to 12 kT every start reaches KL < 1e-4.
    """
    even = [0.25 * (pattern.prod() == 1) for pattern in 2 * en.configurations(3, 2) - 1]
    bare = 2 * en.configurations(3, 2) - 1
    assert en.fit(boltzmann_machine(bare), np.arange(8), even).kl == pytest.approx(np.log(2), abs=1e-12)
    assisted = 2 * en.configurations(4, 2) - 1
    _, visible = en.visible_patterns(assisted, [0, 1, 2])
    for start in np.random.default_rng(2).normal(size=(2, 1, 10)):
        best = en.fit(boltzmann_machine(assisted), visible, even, starts=start, largest=12.0)
        assert best.kl < 1e-4 and np.abs(best.theta).max() <= 12.0
