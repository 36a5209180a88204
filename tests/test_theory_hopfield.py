"""Hopfield theory: published and independently computed digits, the equations by other quadratures, exact limits."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import erf

from covering import slow
from matterlearn.theory import enumeration, hopfield
from matterlearn.theory import hopfield_exact as exact
from matterlearn.theory import hopfield_mixtures as mixtures
from matterlearn.theory import hopfield_phases as phases

OVERLAP = {0.05: 0.99999223, 0.08: 0.99955738, 0.1: 0.99799927, 0.12: 0.99322273, 0.13: 0.98721189}  # at T = 0
SPINODAL = {  # T: load, overlap
    0.02: (0.1381841, 0.966866),
    0.05: (0.1377940, 0.965667),
    0.1: (0.1350492, 0.962555),
    0.2: (0.1225589, 0.950861),
    0.3: (0.1033298, 0.929212),
    0.4: (0.0810372, 0.894936),
    0.5: (0.0588155, 0.845940),
    0.6: (0.0388089, 0.779935),
    0.7: (0.0223220, 0.693273),
    0.8: (0.0101009, 0.578608),
    0.9: (0.0025684, 0.416448),
}
STATES = {  # load, T: m, q, r, f
    (0.05, 0.1): (0.99995412, 0.99992352, 1.00145474, -0.50000265),
    (0.05, 0.3): (0.99116500, 0.98296095, 1.10490710, -0.50123617),
    (0.1, 0.2): (0.98908516, 0.98441706, 1.15780903, -0.50104066),
    (0.02, 0.5): (0.94500403, 0.89458516, 1.43641589, -0.51202654),
}
LINES = {  # load: T_M, T_c, T_g
    0.005: (0.859994, 0.807363, 1.07071),
    0.01: (0.801018, 0.721624, 1.1),
    0.02: (0.716481, 0.591300, 1.14142),
    0.03: (0.650417, 0.478793, 1.17321),
    0.04: (0.593569, 0.365231, 1.2),
    0.05: (0.542255, 0.216383, 1.22361),
    0.06: (0.494479, None, 1.24495),
    0.08: (0.404571, None, 1.28284),
    0.1: (0.315432, None, 1.31623),
    0.12: (0.215087, None, 1.34641),
    0.13: (0.148919, None, 1.36056),
}
DILUTED = {
    1: 0.137906, 0.9: 0.142751, 0.7: 0.155056, 0.5: 0.173084, 0.3: 0.203391,
    0.2: 0.229415, 0.1: 0.276288, 0.05: 0.323835, 0.01: 0.424800,
}  # fmt: skip


@pytest.mark.parametrize(("sigma", "T"), [(0.4, 0.02), (0.4, 0.39), (0.4, 0.41), (0.4, 0.9), (0.05, 0.8), (0.9, 0.3)])
@pytest.mark.parametrize("x", [0.0, 0.3, 0.97, 2.0])
def test_averages_agree_with_adaptive_quadrature(x, sigma, T):
    """Both ways of averaging, on either side of σ = T, against integrals over z that know nothing of them."""

    def average(function):
        area = quad(
            lambda z: function((x + sigma * z) / T) * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi),
            -12, 12, points=[-x / sigma], epsabs=1e-13, epsrel=1e-12, limit=500,
        )  # fmt: skip
        return area[0]

    at = hopfield.potential(x, sigma, T)
    sech2 = lambda h: 1 / np.cosh(min(abs(h), 300.0)) ** 2  # noqa: E731
    assert at.g == pytest.approx(T * average(lambda h: np.logaddexp(h, -h)), abs=1e-12)
    assert at.g1 == pytest.approx(average(np.tanh), abs=1e-12)
    assert at.q == pytest.approx(average(lambda h: np.tanh(h) ** 2), abs=1e-12)
    assert T * at.g2 == pytest.approx(average(sech2), abs=1e-12)
    assert T**2 * at.g3 == pytest.approx(average(lambda h: -2 * np.tanh(h) * sech2(h)), abs=1e-11)
    assert T**3 * at.g4 == pytest.approx(average(lambda h: 4 * sech2(h) - 6 * sech2(h) ** 2), abs=1e-11)


def test_both_averages_meet_where_the_noises_are_equal():
    x = np.linspace(0, 3, 7)
    below, above = hopfield.potential(x, 0.5, 0.5), hopfield.potential(x, 0.5 * (1 + 1e-15), 0.5)
    for one, other in zip(below, above, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)


def test_capacity_at_zero_temperature():
    """α_c, m and y = m/√(2αr) to all known digits, and the closed form √(2α) = erf(y)/y − (2/√π) exp(−y²)."""
    state = hopfield.spinodal(0.0)
    y = state.m / np.sqrt(2 * state.alpha * state.r)
    assert state.alpha == pytest.approx(0.137905566495, abs=6e-13)
    assert state.m == pytest.approx(0.967417115685, abs=6e-13)
    assert y == pytest.approx(1.51121855633, abs=6e-12)
    assert np.sqrt(2 * state.alpha) == pytest.approx(erf(y) / y - 2 / np.sqrt(np.pi) * np.exp(-(y**2)), abs=1e-14)


def test_overlaps_and_energy_at_zero_temperature():
    np.testing.assert_allclose(hopfield.overlap(list(OVERLAP), 0.0), list(OVERLAP.values()), rtol=0, atol=6e-9)
    state = hopfield.retrieval(0.1, 0.0)
    assert (state.r, state.energy) == pytest.approx((1.0430588, -0.50015421), abs=6e-8)
    assert state.energy == pytest.approx(-(state.m**2) / 2 + 0.1 * (1 - state.r) / 2, abs=1e-14)
    assert state.free_energy == pytest.approx(state.energy, abs=1e-14)


@pytest.mark.parametrize("T", SPINODAL)
def test_spinodal(T):
    load, overlap = SPINODAL[T]
    state = hopfield.spinodal(T)
    assert state.alpha == pytest.approx(load, abs=6e-8)
    assert state.m == pytest.approx(overlap, abs=6e-7)


@pytest.mark.parametrize(
    ("T", "load"), [(0.005, 0.1380158), (0.01, 0.1380990), (0.0225, 0.1381884), (0.025, 0.1381861)]
)
def test_spinodal_is_not_monotone(T, load):
    assert hopfield.spinodal(T).alpha == pytest.approx(load, abs=6e-8)
    assert load <= phases.largest_load().alpha == pytest.approx(0.138188, abs=1e-6)


@pytest.mark.parametrize(("alpha", "T"), STATES)
def test_known_states(alpha, T):
    state = hopfield.retrieval(alpha, T)
    assert (state.m, state.q, state.r, state.free_energy) == pytest.approx(STATES[alpha, T], abs=6e-9)


@pytest.mark.parametrize("alpha", [one if one in (0.02, 0.05) else slow(one) for one in LINES])
def test_transition_temperatures(alpha):
    spinodal, coexistence, glass = LINES[alpha]
    assert phases.spinodal_temperature(alpha) == pytest.approx(spinodal, abs=6e-7)
    assert phases.spin_glass_temperature(alpha) == pytest.approx(glass, abs=6e-6)
    if coexistence is None:
        with pytest.raises(ValueError, match=r"ground state at loads in \(0, 0.0518543\]"):
            phases.coexistence_temperature(alpha)
    else:
        assert phases.coexistence_temperature(alpha) == pytest.approx(coexistence, abs=6e-7)


def test_patterns_are_the_ground_state_of_a_light_load():
    state = phases.coexistence(0.0)
    assert state.alpha == pytest.approx(0.0518543, abs=6e-8)
    assert state.energy == pytest.approx(hopfield.spin_glass(state.alpha, 0.0).energy, abs=1e-12)
    warm = phases.coexistence(0.5)
    assert phases.coexistence_temperature(warm.alpha) == pytest.approx(0.5, abs=1e-9)


@pytest.mark.parametrize(("alpha", "T"), [(0.12, 0.0050), (0.13, 0.0095), (0.135, 0.0142), (0.1375, 0.0195)])
def test_replica_symmetry_breaks_just_above_zero(alpha, T):
    """Figures to two digits, as known; the replicon must change sign there."""
    found = phases.instability_temperature(alpha)
    assert found == pytest.approx(T, abs=6e-5)
    assert hopfield.retrieval(alpha, 0.99 * found).replicon < 0 < hopfield.retrieval(alpha, 1.01 * found).replicon


def test_instability_at_small_load_and_its_end():
    """T_R → (8α/9π)^½ exp(−1/2α), with corrections of order exp(−1/2α); the line ends on the spinodal."""
    for alpha in (0.01, 0.02, 0.03):
        law = np.sqrt(8 * alpha / 9 / np.pi) * np.exp(-1 / 2 / alpha)
        assert phases.instability_temperature(alpha) == pytest.approx(law, rel=4e5 * np.exp(-1 / 2 / alpha))
    end = phases.instability_end()
    assert end.alpha == pytest.approx(hopfield.spinodal(end.T).alpha, abs=1e-14)
    assert end.replicon == pytest.approx(0, abs=1e-9)
    assert 0.025 < end.T < 0.0256


def replica_symmetric_free_energy(order_parameters, alpha, T, c):
    """f as a function of the order parameters, those of the missing bonds included; for its stationary points."""
    m, q, r = order_parameters
    C = (1 - q) / T
    sigma = np.sqrt(c * alpha * r + (1 - c) * alpha * q)
    noise = c * alpha / 2 * (1 + T * np.log(1 - C) - q / (1 - C) + r * C) - (1 - c) * alpha * T * C**2 / 4
    return m**2 / 2 + noise - float(hopfield.potential(m, sigma, T).g)


@pytest.mark.parametrize("c", [1.0, 0.4])
@pytest.mark.parametrize(("alpha", "T", "kind"), [(0.05, 0.3, "m"), (0.1, 0.1, "m"), (0.1, 0.5, "g"), (0.1, 1.2, "g")])
def test_states_are_stationary_and_thermodynamics_is_consistent(alpha, T, kind, c):
    solve = hopfield.retrieval if kind == "m" else hopfield.spin_glass
    state = solve(alpha, T, connectivity=c)
    point = np.array([state.m, state.q, state.q / (1 - state.C) ** 2])
    assert replica_symmetric_free_energy(point, alpha, T, c) == pytest.approx(state.free_energy, abs=1e-13)
    for step in 1e-5 * np.eye(3):
        up, down = (replica_symmetric_free_energy(point + sign * step, alpha, T, c) for sign in (1, -1))
        assert (up - down) / 2e-5 == pytest.approx(0, abs=1e-8)
    warm, cold = (solve(alpha, T + shift, connectivity=c) for shift in (1e-4, -1e-4))
    assert (warm.free_energy - cold.free_energy) / 2e-4 == pytest.approx(-state.entropy, abs=1e-6)


def test_spin_glass():
    """T = 0 closed form, continuity at T_g, and a replicon that is negative everywhere below."""
    for alpha in (0.01, 0.1, 1.0):
        state = hopfield.spin_glass(alpha, 0.0)
        assert np.sqrt(alpha * state.r) == pytest.approx(np.sqrt(alpha) + np.sqrt(2 / np.pi), rel=1e-12)
        freezing = 1 + np.sqrt(alpha)
        assert hopfield.spin_glass(alpha, freezing + 1e-6).q == 0
        assert 0 < hopfield.spin_glass(alpha, freezing * (1 - 1e-4)).q < 1e-2
        assert hopfield.spin_glass(alpha, freezing * (1 + 1e-9)).replicon == pytest.approx(0, abs=1e-6)
        for fraction in (0.2, 0.7, 0.95):
            assert hopfield.spin_glass(alpha, fraction * freezing).replicon < 0
    high = hopfield.spin_glass(0.1, 3.0)  # annealed: f = α/2 + (α/2) T ln(1 − 1/T) − T ln 2
    assert high.free_energy == pytest.approx(0.05 + 0.15 * np.log(2 / 3) - 3 * np.log(2), abs=1e-14)


@pytest.mark.parametrize("c", DILUTED)
def test_diluted_capacity(c):
    assert hopfield.spinodal(0.0, connectivity=c).alpha == pytest.approx(DILUTED[c], abs=6e-7)


def test_capacity_without_feedback_is_approached():
    """c → 0: m = erf(m/√(2α)) loses its solution continuously at 2/π, from below and very slowly."""
    capacities = [hopfield.spinodal(0.0, connectivity=c).alpha for c in (1e-3, 1e-5, 1e-7)]
    assert np.all(np.diff(capacities) > 0)
    assert 0.6 < capacities[-1] < 2 / np.pi


def test_no_load_is_the_curie_weiss_magnet():
    state = hopfield.retrieval(0.0, 0.5)
    assert state.m == pytest.approx(0.9575040241, abs=6e-11)
    assert state.m == pytest.approx(np.tanh(2 * state.m), abs=1e-15)
    assert hopfield.retrieval(1e-9, 0.5).m == pytest.approx(state.m, abs=1e-8)


@pytest.mark.parametrize(
    ("n", "T", "m"), [(3, 0.4597942399, 0.431971155512054), (5, 0.3847392724, None), (7, 0.3439298450, None)]
)
def test_mixtures_become_stable(n, T, m):
    assert mixtures.stable_below(n) == pytest.approx(T, abs=6e-11)
    assert mixtures.stability(n, T - 1e-6).apart > 0 > mixtures.stability(n, T + 1e-6).apart
    if m is not None:
        assert mixtures.overlap(n, mixtures.stable_below(n)) == pytest.approx(m, abs=1e-14)


def test_mixtures_at_zero_temperature():
    np.testing.assert_allclose([mixtures.overlap(n, 0.0) for n in (3, 5, 7)], [1 / 2, 3 / 8, 5 / 16], rtol=1e-15)
    energies = [mixtures.free_energy(n, 0.0) for n in (1, 3, 5, 7)]
    np.testing.assert_allclose(energies, [-0.5, -0.375, -0.3515625, -0.341796875], rtol=0, atol=1e-14)
    assert mixtures.free_energy(1001, 0.0) == pytest.approx(-1 / np.pi, abs=2e-4)
    assert mixtures.overlap(3, 1e-3) == pytest.approx(0.5, abs=1e-15)
    assert mixtures.overlap(3, 0.3) == pytest.approx(0.4804385037, abs=6e-11)


def test_largest_load_of_a_mixture_of_three():
    state = hopfield.spinodal(0.0, mixed=3)
    assert state.alpha == pytest.approx(0.0299418, abs=6e-8)
    assert state.m == pytest.approx(0.496, abs=6e-4)
    assert hopfield.retrieval(0.0, 0.3, mixed=3).free_energy == pytest.approx(mixtures.free_energy(3, 0.3), abs=1e-14)


def landau(m, T):
    """f(m) of as many patterns as there are overlaps, by enumeration of one spin's signs."""
    signs = 2.0 * enumeration.configurations(len(m), 2) - 1
    field = signs @ m / T
    return m @ m / 2 - T * np.mean(np.logaddexp(field, -field))


@pytest.mark.parametrize(("n", "T"), [(2, 0.3), (3, 0.4), (3, 0.55), (4, 0.2), (5, 0.35)])
def test_stability_is_the_hessian_of_the_free_energy(n, T):
    """Second differences of f in all n overlaps and one more pattern, along the three kinds of directions."""
    point = np.append(np.full(n, mixtures.overlap(n, T)), 0.0)
    together = np.append(np.ones(n), 0.0) / np.sqrt(n)
    apart, outside = np.eye(n + 1)[:2].T @ [1, -1] / np.sqrt(2), np.eye(n + 1)[n]
    for direction, eigenvalue in zip((together, apart, outside), mixtures.stability(n, T), strict=True):
        step = 1e-3 * direction
        curvature = (landau(point + step, T) - 2 * landau(point, T) + landau(point - step, T)) / 1e-6
        assert curvature == pytest.approx(eigenvalue, abs=2e-4)  # step² × the fourth derivative, of order T⁻³


@pytest.mark.parametrize("n", [2, 4, 6])
def test_even_mixtures_are_never_stable(n):
    assert all(mixtures.stability(n, T).apart < 0 for T in np.linspace(0.02, 0.98, 25))


def brute_force(patterns, kT):
    """Ensemble, energies and overlaps of all 2^N states, J_ii = 0."""
    states = 2.0 * enumeration.configurations(patterns.shape[1], 2) - 1
    couplings = patterns.T @ patterns / patterns.shape[1]
    np.fill_diagonal(couplings, 0)
    energies = -np.einsum("si,ij,sj->s", states, couplings, states) / 2
    stable = np.all(states * (states @ couplings) > 0, axis=1)
    return enumeration.ensemble(energies, kT), energies, states @ patterns.T / patterns.shape[1], stable


def test_eight_spins_and_two_patterns():
    patterns = np.array([[1, 1, 1, 1, -1, -1, -1, -1], [1, -1, 1, -1, 1, -1, 1, 1]])
    table = exact.levels(patterns)
    model = exact.equilibrium(table, 1 / 1.5)
    everything, energies, overlaps, stable = brute_force(patterns, 1 / 1.5)
    assert model.log_partition == pytest.approx(7.081256246983, abs=6e-13)
    assert model.mean(table.energies) == pytest.approx(-2.237899619581, abs=6e-13)
    np.testing.assert_allclose(model.mean(table.overlaps**2), 0.404737452448, rtol=0, atol=6e-13)
    assert energies.min() == -3.25 == table.energies.min()
    assert np.sum(energies == -3.25) == 4 == stable.sum()
    assert everything.log_partition == pytest.approx(model.log_partition, abs=1e-13)
    np.testing.assert_allclose(everything.mean(overlaps**2), model.mean(table.overlaps**2), rtol=1e-13)


@pytest.mark.parametrize(("count", "spins"), [(1, 7), (3, 9), (4, 10)])
def test_levels_are_all_states(count, spins):
    patterns = np.random.default_rng(count).choice([-1, 1], (count, spins))
    everything, energies, _, _ = brute_force(patterns, 0.7)
    table = exact.levels(patterns)
    model = exact.equilibrium(table, 0.7)
    assert model.log_partition == pytest.approx(everything.log_partition, abs=1e-12)
    assert model.mean(table.energies) == pytest.approx(everything.mean(energies), abs=1e-12)
    assert exact.gaussian_log_partition(patterns, 0.7, nodes=40) == pytest.approx(
        model.log_partition + count / 2 / 0.7, abs=1e-10
    )


def test_gaussian_hidden_units_are_the_network_with_its_diagonal():
    patterns = np.array([[-1, 1, 1, -1, 1, 1], [1, 1, 1, 1, 1, 1]])
    assert exact.gaussian_log_partition(patterns, 1 / 1.2) == pytest.approx(6.152916477196, abs=6e-13)
    assert exact.equilibrium(exact.levels(patterns), 1 / 1.2).log_partition == pytest.approx(4.952916477196, abs=6e-13)


def test_finite_networks_approach_the_theory_without_load():
    """−T ln Z = N f + K/2 − T ln[4/(1 − C)] + O(1/N): two patterns and their inverses, K Gaussian fluctuations each."""
    state = hopfield.retrieval(0.0, 0.5)
    rest = []
    for spins in (200, 400, 800):
        patterns = np.array([[1] * spins, [1, -1] * (spins // 2)])
        log_partition = exact.equilibrium(exact.levels(patterns), 0.5).log_partition
        rest.append(-0.5 * log_partition - spins * state.free_energy - 1 + 0.5 * np.log(4 / (1 - state.C)))
    assert abs(rest[-1]) < 1e-3
    ratio = np.divide(rest[:-1], rest[1:])
    assert np.all(abs(ratio - 2) < 10 / np.array([200, 400]))  # 1/N, but for the next order


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: hopfield.retrieval(0.2, 0.0), "spinodal is at 0.137906"),
        (lambda: hopfield.retrieval(0.1, 1.0), "0 <= T < 1"),
        (lambda: hopfield.retrieval(0.0, 0.0), "not both 0"),
        (lambda: hopfield.spinodal(0.1, connectivity=0.0), "connectivity"),
        (lambda: hopfield.spinodal(0.1, mixed=2), "odd number"),
        (lambda: hopfield.spin_glass(0.0, 0.5), "alpha must be > 0"),
        (lambda: hopfield.potential(0.0, 0.0, 0.0), "not both 0"),
        (lambda: phases.spinodal_temperature(0.14), "load in"),
        (lambda: phases.instability_temperature(0.001), "loads in"),
        (lambda: phases.instability(0.03), "breaks at T in"),
        (lambda: mixtures.overlap(0, 0.1), "n >= 1"),
        (lambda: mixtures.stability(1, 0.1), "n >= 2"),
        (lambda: mixtures.stable_below(4), "odd number"),
        (lambda: exact.levels(np.array([[0, 1]])), r"\+1 and −1"),
        (lambda: exact.levels(np.sign(np.random.default_rng(0).normal(size=(9, 60)))), "levels, more than"),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
