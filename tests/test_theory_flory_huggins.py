"""Flory-Huggins mixtures: finite differences, exact binodals, published phases, exhaustive tangent-plane test."""

import numpy as np
import pytest

from matterlearn.theory import coexistence as envelope
from matterlearn.theory import flory_huggins as fh

TERNARY = np.array([[3.27, -0.34, 0.0], [-0.34, -3.96, 0.0], [0.0, 0.0, 0.0]])


def pair(chi):
    return np.array([[0.0, chi], [chi, 0.0]])


def random_mixture(seed, count):
    rng = np.random.default_rng(seed)
    chi = rng.normal(0, 3, (count, count))
    return rng.dirichlet(np.ones(count)), chi + chi.T, rng.integers(1, 6, count).astype(float)


@pytest.mark.parametrize("seed", range(3))
def test_potential_is_the_derivative_with_respect_to_added_volume(seed):
    """mu_i = d(V f)/dV_i at fixed volumes of the others."""
    phi, chi, sizes = random_mixture(seed, 4)
    total = lambda volume: volume.sum() * fh.free_energy(volume / volume.sum(), chi, sizes)  # noqa: E731
    slope = [(total(phi + 1e-6 * e) - total(phi - 1e-6 * e)) / 2e-6 for e in np.eye(4)]
    potential = fh.chemical_potential(phi, chi, sizes)
    np.testing.assert_allclose(potential, slope, rtol=1e-7, atol=1e-8)
    assert phi @ potential == pytest.approx(fh.free_energy(phi, chi, sizes), rel=1e-13)
    np.testing.assert_allclose(envelope.potentials(fh.mixture(chi, sizes), phi), potential, rtol=1e-13)


@pytest.mark.parametrize("solvent", [-1, 0, 2])
def test_spinodal_matrix_is_the_slope_of_the_exchange_potentials(solvent):
    phi, chi, sizes = random_mixture(5, 4)
    kept = np.delete(np.arange(4), solvent)

    def exchange(phi):
        potential = fh.chemical_potential(phi, chi, sizes)
        return (potential - potential[solvent])[kept]

    columns = []
    for i in kept:
        shift = np.zeros(4)
        shift[i], shift[solvent] = 1e-6, -1e-6
        columns.append((exchange(phi + shift) - exchange(phi - shift)) / 2e-6)
    matrix = fh.spinodal_matrix(phi, chi, sizes, solvent)
    np.testing.assert_allclose(matrix, np.transpose(columns), rtol=1e-7, atol=1e-6)
    assert np.sum(np.linalg.eigvalsh(matrix) < 0) == fh.unstable_modes(phi, chi, sizes)


def test_osmotic_pressure_of_a_dilute_solution_and_of_the_solvent():
    sizes = np.array([5.0, 20.0, 1.0])
    phi = np.array([1e-7, 3e-7, 1 - 4e-7])
    assert fh.osmotic_pressure(phi, TERNARY, sizes) == pytest.approx(np.sum(phi[:2] / sizes[:2]), rel=1e-5)
    # pure binary: Pi = -ln(1 - phi) - phi (1 - 1/l) - chi phi^2
    phi, length, chi = 0.3, 10.0, 0.4
    textbook = -np.log(1 - phi) - phi * (1 - 1 / length) - chi * phi**2
    found = fh.osmotic_pressure(np.array([phi, 1 - phi]), pair(chi), np.array([length, 1.0]))
    assert found == pytest.approx(textbook, rel=1e-13)


@pytest.mark.parametrize(("size", "other"), [(1.0, 1.0), (1.0, 2.0), (100.0, 1.0)])
def test_critical_point_has_no_second_and_third_derivative(size, other):
    """f'' = 1/(l_1 phi) + 1/(l_2 (1-phi)) - 2 chi and its derivative vanish; the spinodal closes there."""
    chi, phi = fh.binary_critical_point(size, other)
    assert 1 / (size * phi) + 1 / (other * (1 - phi)) == pytest.approx(2 * chi, rel=1e-13)
    assert 1 / (size * phi**2) == pytest.approx(1 / (other * (1 - phi) ** 2), rel=1e-13)
    low, high = fh.binary_spinodal(1.1 * chi, size, other)
    assert low < phi < high
    for edge in (low, high):
        matrix = fh.spinodal_matrix(np.array([edge, 1 - edge]), pair(1.1 * chi), np.array([size, other]))
        assert matrix[0, 0] == pytest.approx(0.0, abs=1e-12 / low)
    with pytest.raises(ValueError, match="below the critical point"):
        fh.binary_spinodal(0.9 * chi, size, other)


BINODAL = [(2.2, 0.24852971), (2.5, 0.14479411), (3.0, 0.07072018), (3.5, 0.03787393), (5.0, 0.00718806)]


@pytest.mark.parametrize(("chi", "minority"), [*BINODAL, (4.0, 0.02124798796)])
def test_symmetric_binodal(chi, minority):
    """Printed digits; the general solver finds the same phases at an uneven mean."""
    exact = fh.symmetric_binodal(chi)
    assert exact == pytest.approx(minority, abs=0.51e-8)
    assert np.log((1 - exact) / exact) == pytest.approx(chi * (1 - 2 * exact), rel=1e-13)
    found = fh.coexistence(np.array([0.6, 0.4]), pair(chi), 1)
    np.testing.assert_allclose(found.compositions, [[1 - exact, exact], [exact, 1 - exact]], rtol=1e-10)
    assert fh.symmetric_binodal(chi / 7, 7.0) == pytest.approx(exact, rel=1e-12)


def test_close_to_the_critical_point_and_far_from_it():
    """phi = (1 - sqrt(3 (chi - 2)/2))/2 to leading order above, exp(-chi) far above, no phases below."""
    assert fh.symmetric_binodal(2 + 1e-6) == pytest.approx(0.5 - 0.5 * np.sqrt(1.5e-6), rel=1e-6)
    assert fh.symmetric_binodal(300.0) == pytest.approx(np.exp(-300.0), rel=1e-10)
    found = fh.coexistence(np.array([0.5, 0.5]), pair(2.001), 1)
    np.testing.assert_allclose(found.compositions[1, 0], fh.symmetric_binodal(2.001), rtol=1e-8)
    assert len(fh.coexistence(np.array([0.5, 0.5]), pair(1.99), 1).volumes) == 1
    with pytest.raises(ValueError, match="mix at all fractions"):
        fh.symmetric_binodal(2.0)


PUBLISHED = [  # mean, chi, sizes, volumes, phases
    ([0.5, 0.5], pair(4.0), [1, 1], [0.5, 0.5], [[0.97875201, 0.02124799], [0.02124799, 0.97875201]]),
    (
        [0.5, 0.5], pair(4.0), [1, 2], [0.49421383, 0.50578617],
        [[0.999096418, 1 - 0.999096418], [0.0123228537, 1 - 0.0123228537]],
    ),
    (
        [0.16, 0.55, 0.29], TERNARY, [2, 2, 1], [0.36652257, 0.63347743],
        [[0.30555252, 0.09408838, 0.60035913], [0.07578503, 0.81378509, 0.11042987]],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("mean", "chi", "sizes", "volumes", "phases"), PUBLISHED)
def test_published_phases(mean, chi, sizes, volumes, phases):
    """Outputs of the package of [qiang2025flory], which stops at a mismatch of the potentials of up to 4e-4 kT.

    Four decimals agree, and one Newton step from the published numbers leads to ours up to its square: they solve the
    same equations.
    """
    mean, sizes = np.array(mean), np.array(sizes, dtype=float)
    found = fh.coexistence(mean, chi, sizes)
    potential = fh.chemical_potential(found.compositions, chi, sizes)
    assert np.ptp(potential, axis=0).max() < 1e-11
    np.testing.assert_allclose(found.volumes @ found.compositions, mean, rtol=1e-12)
    np.testing.assert_allclose(found.volumes, volumes, atol=5e-5)
    np.testing.assert_allclose(found.compositions, phases, atol=5e-5)

    start = np.array(phases)
    common = fh.chemical_potential(start, chi, sizes).mean(axis=0)
    conditions = envelope._conditions(fh.mixture(chi, sizes), mean, np.array(volumes), start, common)
    step = np.linalg.solve(conditions[1], -conditions[0])[: start.size].reshape(start.shape)
    remaining = np.abs(np.log(start) + step - np.log(found.compositions)).max()
    assert remaining < np.max(np.abs(step)) ** 2 + 1e-12


@pytest.mark.parametrize("count", [3, 5])
def test_equal_repulsion_gives_one_rich_phase_per_component(count):
    """x = phi of the majority, y of each other: ln(x/y) = chi (x - y)."""
    found = fh.coexistence(np.full(count, 1 / count), 6.0 * (1 - np.eye(count)), 1)
    assert len(found.volumes) == count
    np.testing.assert_allclose(found.volumes, 1 / count, rtol=1e-9)
    for phi in found.compositions:
        y, x = np.sort(phi)[[0, -1]]
        assert np.log(x / y) == pytest.approx(6.0 * (x - y), rel=1e-11)
        np.testing.assert_allclose(np.sort(phi)[:-1], y, rtol=1e-9)


def test_long_polymer_against_its_two_equations():
    """l = 1000 just beyond its critical chi: a dilute phase of 1e-21."""
    sizes = np.array([1000.0, 1.0])
    found = fh.coexistence(np.array([0.05, 0.95]), pair(0.7), sizes)
    assert found.compositions[1, 0] < 1e-20
    dense = found.compositions[0]
    # equal potential of the polymer fixes the dilute fraction once the dense phase has no osmotic pressure
    assert fh.osmotic_pressure(dense, pair(0.7), sizes) == pytest.approx(0.0, abs=1e-13)
    dilute = np.exp(1000 * fh.chemical_potential(dense, pair(0.7), sizes)[0] - 1 + 1000 - 1000 * 0.7)
    assert found.compositions[1, 0] == pytest.approx(dilute, rel=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_no_composition_on_a_grid_lies_below_the_tangent_plane(seed):
    """With equal potentials and conserved composition this proves the global minimum, up to the grid of 1 %."""
    mean, chi, sizes = random_mixture(seed, 3)
    found = fh.coexistence(mean, chi, sizes)
    grid = np.array([(i, j, 100 - i - j) for i in range(101) for j in range(101 - i)]) / 100
    assert np.min(fh.free_energy(grid, chi, sizes) - grid @ found.potential) > -1e-11
    potential = fh.chemical_potential(found.compositions, chi, sizes)
    np.testing.assert_allclose(potential, np.broadcast_to(found.potential, potential.shape), atol=1e-11)
    np.testing.assert_allclose(found.volumes @ found.compositions, mean, atol=1e-12)


def test_several_unlike_phases_of_many_components():
    mean, chi, sizes = random_mixture(8, 5)
    first, second = (fh.coexistence(mean, chi, sizes, seed=seed) for seed in (0, 1))
    assert len(first.volumes) > 2
    np.testing.assert_allclose(first.compositions, second.compositions, rtol=1e-8, atol=1e-12)
    assert np.ptp(fh.chemical_potential(first.compositions, chi, sizes), axis=0).max() < 1e-10


def test_lattice_couplings_and_their_mean_field_interactions_give_the_same_phases():
    """z J/kT and chi differ by terms linear in phi; unlike neighbours cost (J_ab - (J_aa + J_bb)/2)."""
    couplings = np.array([[-1.0, 0.3, 0.2], [0.3, -0.6, 0.1], [0.2, 0.1, 0.0]])
    mean, kT = np.array([0.3, 0.3, 0.4]), 0.5
    chi = fh.lattice_interactions(couplings, 4, kT)
    assert chi[0, 1] == pytest.approx(4 * (0.3 + 0.8) / 0.5)
    assert np.all(np.diag(chi) == 0)
    reduced, plain = (fh.coexistence(mean, matrix, 1) for matrix in (chi, 4 * couplings / kT))
    np.testing.assert_allclose(reduced.compositions, plain.compositions, rtol=1e-9)


@pytest.mark.parametrize(
    ("count", "strength", "published"),
    [(8, 1.0, 0.00), (8, 2.5, 1.65), (8, 4.5, 2.62), (16, 3.5, 4.86), (64, 2.5, 15.84), (64, 4.5, 22.80)],
)
def test_unstable_modes_of_random_interactions(count, strength, published):
    """|z| < 4 against means over 400 matrices by an independent calculation, standard error 0.03 each.

    Power: our standard error with 300 matrices is 0.04, so a shift of 0.2 fails: 12 % at N = 8, 1 % at N = 64.
    """
    rng = np.random.default_rng([count, int(10 * strength)])
    phi = np.append(np.full(count, 0.5 / count), 0.5)
    found = []
    for _ in range(300):
        upper = np.triu(rng.normal(0, strength * np.sqrt(count), (count, count)), 1)
        chi = np.pad(upper + upper.T, ((0, 1), (0, 1)))
        found.append(fh.unstable_modes(phi, chi, 1))
    error = np.hypot(np.std(found, ddof=1) / np.sqrt(300), 0.03)
    assert abs(np.mean(found) - published) < 4 * error


@pytest.mark.parametrize(
    ("strength", "fraction"), [(2.5, 0.2523), (3.5, 0.3206), (4.5, 0.3597), (1.0, 0.0), (1e9, 0.5)]
)
def test_semicircle_fraction(strength, fraction):
    assert fh.random_unstable_fraction(strength, 0.5) == pytest.approx(fraction, abs=5.1e-5)


def test_refusals():
    with pytest.raises(ValueError, match="positive and sum to one"):
        fh.coexistence(np.array([0.5, 0.6]), pair(3.0), 1)
    with pytest.raises(ValueError, match="symmetric"):
        fh.coexistence(np.array([0.5, 0.5]), np.array([[0.0, 1.0], [2.0, 0.0]]), 1)
    with pytest.raises(ValueError, match="sizes must be positive"):
        fh.coexistence(np.array([0.5, 0.5]), pair(3.0), np.array([1.0, 0.0]))
