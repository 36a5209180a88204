"""Designed clusters: labelled isomers and their yields, the flip of a rhombus; exact values, gradients, simulation."""

from functools import partial
from itertools import combinations, permutations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.sparse import diags_array
from scipy.sparse.linalg import spsolve

from matterlearn.core.dynamics import DynState
from matterlearn.core.pair_profile import Quadrature, contact_distance, log_bond_weights
from matterlearn.core.symmetric import index, pack, unpack
from matterlearn.errors import ScenarioError
from matterlearn.observables import cluster_yield, isomer, rhombus_flip
from matterlearn.run import run
from matterlearn.scenario import load
from matterlearn.systems.particles import Config as Particles
from matterlearn.tasks import rigid_isomers
from matterlearn.theory import cluster_integrals, clusters
from matterlearn.theory import rhombus_flip as theory
from matterlearn.theory.labelled_clusters import (
    finite_range_probability,
    isomer_probabilities,
    labelled_isomers,
    shape_probabilities,
)

APART = [(0, 3), (1, 4), (2, 5)]
RING = [(0, 1), (1, 2), (2, 3), (0, 3)]
FIRST, SECOND = np.triu_indices(6, 1)


def spheres(coupling=-6.0, **settings):
    """Six labelled spheres; the coupling is one number or a matrix."""
    settings = {"dimension": 3, "box": 5.0, "range": 15.0, "core": {"kind": "harmonic", "stiffness": 1800.0}} | settings
    system = Particles(kind="particles", species=6, copies=1, **settings).build(jax.random.key(0))
    return with_coupling(system, pack(jnp.broadcast_to(jnp.asarray(coupling, float), (6, 6))))


def with_coupling(system, packed):
    return eqx.tree_at(lambda s: s.coupling, system, packed)


def random_couplings(n: int, seed: int, low=-8.0, high=-3.0) -> np.ndarray:
    matrix = np.random.default_rng(seed).uniform(low, high, (n, n))
    return np.triu(matrix) + np.triu(matrix, 1).T


def pair_law(coupling, alpha, stiffness, kT=1.0):
    """Boltzmann factor of a pair with a harmonic core, written out again."""

    def energy(r):
        x = np.exp(-alpha * np.maximum(r - 1.0, 0.0))
        return coupling * x * (2.0 - x) + stiffness * np.maximum(1.0 - r, 0.0) ** 2

    return lambda r: np.exp(-energy(r) / kT)


def bond_weight(coupling, alpha=15.0, stiffness=1800.0, kT=1.0):
    law, cutoff = pair_law(coupling, alpha, stiffness, kT), 1.0 - np.log(1.0 - np.sqrt(0.5)) / alpha
    return sum(quad(law, *piece, epsabs=0)[0] for piece in ((0.7, 0.9), (0.9, 1.0), (1.0, cutoff)))


# ---- labelled isomers ----


@pytest.mark.parametrize(("n", "dim"), [(3, 2), (4, 2), (4, 3), (5, 3), (6, 2), (6, 3)])
def test_isomers_are_all_labelled_graphs_and_equal_bonds_give_the_sticky_shapes(n, dim):
    isomers = labelled_isomers(n, dim)
    first, second = np.triu_indices(n, 1)
    assert len(np.unique(isomers.contact, axis=0)) == len(isomers.contact)
    distance = np.linalg.norm(isomers.position[:, first] - isomers.position[:, second], axis=-1)
    np.testing.assert_array_equal(distance < 1.0 + 1e-6, isomers.contact)
    relabelled = set()
    for rigid in clusters.rigid_clusters(n, dim):
        relabelled |= {tuple(rigid.contact[np.ix_(o, o)][first, second]) for o in permutations(range(n))}
    assert relabelled == set(map(tuple, isomers.contact))
    found = shape_probabilities(isomers, isomer_probabilities(isomers, np.zeros(len(first))))
    assert found == pytest.approx(clusters.sticky_probabilities(n, dim), abs=1e-12)


def test_equal_couplings_give_24_to_1_and_symmetry_is_a_count():
    isomers = labelled_isomers(6, 3)
    share = isomer_probabilities(isomers, np.zeros(15))
    octahedron = isomers.shape == isomers.names.index("octahedron")
    assert (octahedron.sum(), (~octahedron).sum()) == (15, 180)
    assert share[octahedron].sum() == pytest.approx(0.0400, abs=1e-9)
    assert share[~octahedron].sum() / share[octahedron].sum() == pytest.approx(24.000, abs=1e-9)
    # what is left per isomer is rotation times vibration, 1.116 x 1.792
    assert share[~octahedron][0] / share[octahedron][0] == pytest.approx(2.0, abs=1e-9)


def missing_edges():
    """Pairs apart in octahedra (three that share no sphere) and tri-tetrahedra (a path), enumerated as such."""
    edges = [frozenset(e) for e in combinations(range(6), 2)]
    octahedra = [set(m) for m in combinations(edges, 3) if len(frozenset.union(*m)) == 6]
    paths = {frozenset(frozenset(p) for p in zip(o, o[1:], strict=False)) for o in permutations(range(6), 4)}
    return octahedra, [set(p) for p in paths]


@pytest.mark.parametrize(("strong", "weak"), [(-7.0, -2.0), (-5.0, 0.0)])
def test_yield_is_a_polynomial_in_one_ratio_of_bond_weights(strong, weak):
    chosen = {frozenset(p) for p in APART}
    ratio = bond_weight(weak) / bond_weight(strong)
    octahedra, paths = missing_edges()
    assert (len(octahedra), len(paths)) == (15, 180)
    # every pair of the chosen three that is not apart is a weak contact instead of a strong one
    octahedral = [ratio ** (3 - len(chosen & apart)) for apart in octahedra]
    others = [2.0 * ratio ** (3 - len(chosen & apart)) for apart in paths]
    expected = np.array([1.0, sum(octahedral), sum(others)]) / (sum(octahedral) + sum(others))
    matrix = np.full((6, 6), strong)
    for a, b in APART:
        matrix[a, b] = matrix[b, a] = weak
    system = spheres(matrix)
    one, whole = (
        cluster_yield.Config(kind="cluster_yield", apart=a).build(system, None)(system, None, None) for a in (APART, [])
    )
    np.testing.assert_allclose([one[0], *whole], expected, rtol=2e-4)
    assert one[1] == 0.0


# ---- one bond ----


CORES = [{"kind": "harmonic", "stiffness": 900.0}, {"kind": "wca", "strength": 3.0}, {"kind": "morse"}]


@pytest.mark.parametrize("core", CORES, ids=lambda core: core["kind"])
def test_weight_of_a_bond_is_its_integral(x64, core):
    alpha, kT = 25.0, 0.6
    system = spheres(random_couplings(6, 1), range=alpha, core=core)
    rule = Quadrature.upto(contact_distance(system))
    found = log_bond_weights(system, FIRST[:3], SECOND[:3], rule, kT)
    pieces = (0.3, 0.9), (0.9, 1.0), (1.0, contact_distance(system))
    for k in range(3):
        two = system.with_species(jnp.array([FIRST[k], SECOND[k]]))

        @jax.jit
        def law(r, two=two):
            return jnp.exp(-two.energy(two.arrange(jnp.zeros((2, 3)).at[1, 0].set(r))) / kT)

        exact = sum(quad(lambda r, law=law: float(law(r)), *piece, epsabs=0)[0] for piece in pieces)
        assert float(found[k]) == pytest.approx(np.log(exact), abs=1e-5)


def test_a_deep_stiff_bond_vibrates_harmonically(x64):
    """z = e^{−J/kT} ½ [√(π kT/k) + √(π kT/(−J α²))] and its derivative with respect to J."""
    coupling, alpha, stiffness = -400.0, 15.0, 90_000.0
    system = spheres(coupling, range=alpha, core={"kind": "harmonic", "stiffness": stiffness})
    rule = Quadrature.upto(contact_distance(system))

    def log_z(coupling):
        return log_bond_weights(with_coupling(system, coupling), FIRST[:1], SECOND[:1], rule, 1.0)[0]

    expected = -coupling + np.log(0.5 * np.sqrt(np.pi) * (stiffness**-0.5 + (-coupling * alpha**2) ** -0.5))
    assert float(log_z(system.coupling)) == pytest.approx(expected, abs=0.02)
    slope = jax.grad(log_z)(system.coupling)[index(jnp.array(0), jnp.array(1), 6)]
    outer = (-coupling * alpha**2) ** -0.5 / (stiffness**-0.5 + (-coupling * alpha**2) ** -0.5)
    assert float(slope) == pytest.approx(-1.0 + 0.5 * outer / -coupling, abs=1e-4)


# ---- gradients of yields ----


def test_gradient_at_equal_couplings_is_contacts_minus_their_mean():
    """d ln Y_i/dJ_ab = (n_ab,i − ⟨n⟩) d ln z/dJ with ⟨n⟩ = 12/15; for a whole shape it is one number for all pairs."""
    system, step = spheres(-6.0), 1e-3
    slope = (np.log(bond_weight(-6.0 + step)) - np.log(bond_weight(-6.0 - step))) / (2 * step)
    gradient = {}
    for apart in (APART, []):
        measure = cluster_yield.Config(kind="cluster_yield", apart=apart).build(system, None)

        def log_yield(coupling, measure=measure):
            return jnp.log(measure(with_coupling(system, coupling), None, None)[0])

        gradient[len(apart)] = np.asarray(unpack(jax.grad(log_yield)(system.coupling)))[FIRST, SECOND]
    contact = np.array([(a, b) not in APART for a, b in zip(FIRST, SECOND, strict=True)])
    np.testing.assert_allclose(gradient[3], (contact - 12 / 15) * slope, rtol=3e-3, atol=2e-5)
    np.testing.assert_allclose(gradient[0], 0.0, atol=2e-5)


def test_yield_and_gradient_agree_with_theory_at_any_couplings(x64):
    matrix = random_couplings(6, 0)
    system = spheres(matrix)
    measure = cluster_yield.Config(kind="cluster_yield").build(system, None)
    isomers = labelled_isomers(6, 3)

    def expected(matrix):
        log_bond = np.log([bond_weight(matrix[a, b]) for a, b in zip(FIRST, SECOND, strict=True)])
        return np.array(list(shape_probabilities(isomers, isomer_probabilities(isomers, log_bond)).values()))

    np.testing.assert_allclose(measure(system, None, None), expected(matrix), rtol=1e-6)
    gradient = jax.jacobian(lambda c: measure(with_coupling(system, c), None, None))(system.coupling)
    for a, b in ((0, 1), (2, 5), (3, 4)):
        moved = np.zeros((6, 6))
        moved[a, b] = moved[b, a] = 1e-4
        difference = (expected(matrix + moved) - expected(matrix - moved)) / 2e-4
        np.testing.assert_allclose(gradient[:, index(jnp.array(a), jnp.array(b), 6)], difference, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize(("alpha", "start", "kT"), [(15.0, -6.0, 1.0), (30.0, -5.0, 0.7)])
def test_the_octahedron_can_be_had_at_any_range_and_strength(alpha, start, kT):
    """Descent on the logit of the yield of one octahedron, from 1/375 to 0.95."""
    core = {"kind": "harmonic", "stiffness": 8 * alpha**2}
    system = spheres(start, range=alpha, core=core)
    measure = cluster_yield.Config(kind="cluster_yield", apart=APART, kT=kT).build(system, None)
    assert float(measure(system, None, None)[0]) == pytest.approx(0.04 / 15, rel=1e-3)

    @jax.jit
    def step(coupling):
        def loss(c):
            y = measure(with_coupling(system, c), None, None)[0]
            return (jnp.log(y / (1 - y)) - np.log(19.0)) ** 2

        return jnp.clip(coupling - 0.08 * kT**2 * jax.grad(loss)(coupling), start - 3.0, 0.0)

    coupling = system.coupling
    for _ in range(150):
        coupling = step(coupling)
    assert float(measure(with_coupling(system, coupling), None, None)[0]) == pytest.approx(0.95, abs=0.005)


def test_finite_range_agrees_with_the_integral_over_unlabelled_clusters():
    bond = {"depth": 6.0, "alpha": 15.0}
    unlabelled = cluster_integrals.morse_probability("octahedron", n=6, dim=3, cutoff=1.08, samples=1000, **bond)
    isomers = labelled_isomers(6, 3)
    labelled = finite_range_probability(
        isomers, "octahedron", partial(cluster_integrals.morse, **bond), 1.08, samples=60, seed=1
    )
    assert unlabelled.value > 0.0415  # the range shows
    gap = labelled.value - unlabelled.value
    assert abs(gap) < 4 * np.hypot(labelled.error, unlabelled.error)


# ---- the flip of a rhombus ----


def discs(first: float, second: float, side=-15.0, alpha=7.0, stiffness=735.0):
    matrix = np.zeros((4, 4))
    for a, b in RING:
        matrix[a, b] = matrix[b, a] = side
    matrix[0, 2] = matrix[2, 0] = first
    matrix[1, 3] = matrix[3, 1] = second
    core = {"kind": "harmonic", "stiffness": stiffness}
    config = Particles(kind="particles", species=4, copies=1, range=alpha, bonds=matrix.tolist(), core=core)
    return config.build(jax.random.key(0))


def diagonal(coupling, alpha=7.0, stiffness=735.0):
    law = pair_law(coupling, alpha, stiffness)
    return lambda r: -np.log(law(r))


def test_sine_and_metric_of_the_opening_angle():
    """√(det I · g) / √(∏' λ) ∝ 1/sin ψ and g = ½, from the Hessian of the four sides at several angles."""
    contact = np.zeros((4, 4), bool)
    for a, b in RING:
        contact[a, b] = contact[b, a] = True

    def ring(angle):
        x, y = np.sin(angle / 2), np.cos(angle / 2)
        return np.array([[x, 0], [0, y], [-x, 0], [0, -y]])

    weights = []
    for angle in (1.1, 1.4, np.pi / 2, 1.9):
        metric = np.sum(((ring(angle + 1e-5) - ring(angle - 1e-5)) / 2e-5) ** 2)
        assert 1 / metric == pytest.approx(theory.ANGULAR_MOBILITY, abs=1e-8)
        stiff = np.linalg.eigvalsh(clusters.spring_hessian(ring(angle), contact))[4:]
        inertia = np.linalg.det(clusters.inertia_tensor(ring(angle)))
        weights.append(np.sqrt(inertia * metric / np.prod(stiff)) * np.sin(angle))
    np.testing.assert_allclose(weights, weights[0], rtol=1e-9)


def generator_times(first, second, cutoff, cells=4000):
    """Mean first-passage times from the generator of hops between cells: another way to the same numbers."""
    a = 2 * np.arcsin(cutoff / 2)
    times = []
    for here, there in ((first, second), (second, first)):
        angle = np.linspace(0.9, np.pi - a, cells)
        width, free = angle[1] - angle[0], theory.free_energy(angle, here, there)
        hop = theory.ANGULAR_MOBILITY / width**2 * np.exp(-0.5 * np.diff(free))
        back = theory.ANGULAR_MOBILITY / width**2 * np.exp(0.5 * np.diff(free))
        leave = np.append(hop, 0.0) + np.append(0.0, back)
        operator = diags_array([leave[:-1], -hop[:-1], -back[:-1]], offsets=[0, 1, -1]).tocsc()
        times.append(np.interp(a, angle[:-1], spsolve(operator, np.ones(cells - 1))))
    return times


@pytest.mark.parametrize(("first", "second", "alpha"), [(-2.5, -1.5, 7.0), (-9.0, -8.0, 7.0), (-5.0, -6.0, 12.0)])
def test_first_passage_agrees_with_a_generator_and_with_populations(first, second, alpha):
    cutoff = 1.0 - np.log(1.0 - np.sqrt(0.5)) / alpha
    energies = diagonal(first, alpha), diagonal(second, alpha)
    rates = theory.flip_rates(*energies, cutoff)
    forth, back = generator_times(*energies, cutoff)
    assert rates.forward == pytest.approx(1 / forth, rel=5e-3)
    assert rates.backward == pytest.approx(1 / back, rel=5e-3)
    assert rates.free_energy == pytest.approx(-np.log(rates.forward / rates.backward), abs=1e-9)
    if min(-first, -second) > 4:  # states by their basins are then states by history
        halves = [quad(lambda y: np.exp(-theory.free_energy(y, *energies)), *ends, limit=200)[0]
                  for ends in ((0.9, 1.15), (np.pi - 1.15, np.pi - 0.9))]  # fmt: skip
        assert rates.free_energy == pytest.approx(-np.log(halves[1] / halves[0]), abs=0.05)


def test_equal_shifts_of_both_diagonals_change_the_rate_and_not_the_free_energy():
    """At the top both diagonals are √2 long, so a shift s lowers the barrier by s (1 − 2 χ(√2)) at most."""
    slow, fast = (theory.flip_rates(diagonal(-14.0 + s), diagonal(-14.0 + s), 1.17) for s in (0.0, 5.0))
    assert abs(slow.free_energy) < 1e-6 > abs(fast.free_energy)
    reach = -2 * diagonal(-1.0)(np.sqrt(2.0))
    assert 0.2 < reach < 0.23
    # widths of well and barrier, which multiply the time, grow no faster than J^(-1/2) each
    assert 9 / 14 < fast.forward / slow.forward / np.exp(5.0 * (1 - reach)) < 1.0


def test_high_barriers_separate_well_and_barrier():
    """Kramers: 1/k = ∫_well e^{−F} ∫_barrier e^F / D_ψ for wells deep enough, without any other approximation."""
    first, second = diagonal(-16.0), diagonal(-15.0)
    free = partial(theory.free_energy, first=first, second=second)
    well = quad(lambda y: np.exp(-free(y)), 0.9, 1.3, points=[np.pi / 3], limit=200)[0]
    barrier = quad(lambda y: np.exp(free(y)), 1.1, np.pi - 1.1, limit=200)[0]
    exact = theory.flip_rates(first, second, 1.17).forward
    assert exact == pytest.approx(theory.ANGULAR_MOBILITY / well / barrier, rel=2e-3)


@pytest.mark.parametrize(("couplings", "interval"), [((-2.5, -1.5), 0.0), ((-9.5, -8.4), 2e-3)])
def test_closed_form_of_the_flip_and_its_gradient(x64, couplings, interval):
    system = discs(*couplings)
    cutoff = contact_distance(system)

    def expected(first, second):
        return theory.flip_rates(diagonal(first), diagonal(second), cutoff, interval=interval)

    for quantity, pick in (("rate", lambda r: np.log(r.forward)), ("free_energy", lambda r: r.free_energy)):
        measure = rhombus_flip.Config(kind="rhombus_flip", quantity=quantity, interval=interval).build(system, None)
        scale = jnp.log if quantity == "rate" else lambda v: v
        value, gradient = jax.value_and_grad(lambda c, m=measure, f=scale: f(m(with_coupling(system, c), None, None)))(
            system.coupling
        )
        assert float(value) == pytest.approx(pick(expected(*couplings)), abs=2e-3)
        gradient = np.asarray(unpack(gradient))
        for pair, shift in (((0, 2), (1e-3, 0.0)), ((1, 3), (0.0, 1e-3))):
            ahead, behind = (expected(*(np.array(couplings) + s * np.array(shift))) for s in (1, -1))
            # an off-diagonal coupling stands in two places of the matrix, but is one number
            assert gradient[pair] == pytest.approx((pick(ahead) - pick(behind)) / 2e-3, abs=3e-3)
        assert all(abs(gradient[side]) < 1e-12 for side in RING)


def test_looking_from_time_to_time_shrinks_the_cores():
    """Free diffusion on a line between reflecting ends, seen at intervals: rates with and without the correction."""
    diffusion, interval, length, core = 2.0, 4e-3, 1.0, 0.25
    generator = np.random.default_rng(4)
    x = generator.uniform(0, length, 4000)
    seen = []
    for _ in range(4000):
        x = x + np.sqrt(2 * diffusion * interval) * generator.normal(size=len(x))
        x = length - np.abs(length - np.abs(x))  # reflect
        seen.append(np.stack([x < core, x > length - core], -1))
    time, changes = isomer.residence(isomer.last_visited(np.moveaxis(np.array(seen), 0, 1)[:, 500:]), 2)
    rate, error = isomer.jackknife(partial(isomer._rate, interval=interval), time, changes)
    shift = theory.OVERSHOOT * np.sqrt(2 * diffusion * interval)
    predicted = [1 / theory.first_passage(np.zeros_like, 0.0, core - s, length - core + s, diffusion=diffusion)
                 for s in (0.0, shift)]  # fmt: skip
    assert error[0, 1] / rate[0, 1] < 3e-3
    assert predicted[0] / rate[0, 1] > 1.15  # what would be missed without it
    assert predicted[1] == pytest.approx(rate[0, 1], rel=0.02)  # exact to first order in the step over the length


# ---- measured isomers ----


def test_rates_of_a_chain_with_known_rates():
    """Two states with hops of probability p, q per record, and gaps in which none is visited."""
    generator, p, q = np.random.default_rng(0), 0.02, 0.05
    state = np.zeros((200, 3000), int)
    uniform = generator.random(state.shape)
    for t in range(1, state.shape[1]):
        hop = uniform[:, t] < np.where(state[:, t - 1] == 0, p, q)
        state[:, t] = np.where(hop, 1 - state[:, t - 1], state[:, t - 1])
    time, changes = isomer.residence(isomer.last_visited(np.eye(2, dtype=bool)[state]), 2)
    rate, error = isomer.jackknife(partial(isomer._rate, interval=0.5), time, changes)
    free, free_error = isomer.jackknife(isomer._free_energy, time)
    for value, exact, sem in ((rate[0, 1], p / 0.5, error[0, 1]), (rate[1, 0], q / 0.5, error[1, 0]),
                              (free[1], np.log(q / p), free_error[1])):  # fmt: skip
        assert abs(value - exact) < 4 * sem
        assert sem < 0.03 * exact


def test_an_isomer_is_seen_when_all_its_bonds_are_formed():
    system = discs(-5.0, -5.0)
    isomers = labelled_isomers(4, 2)
    task = rigid_isomers.Config(kind="rigid_isomers", contacts=RING).build(system)
    observable = isomer.Config(kind="isomer", isomers=[[(0, 2)], [(1, 3)]], dt=1e-3).build(system, task)
    assert len(task.position) == 2 and len(isomers.shape) == 6
    recall = task.recall(jax.random.key(1), system, 8)
    seen = jax.vmap(lambda x: observable(system, None, DynState(x, jnp.zeros((), int))))(recall.x)
    assert np.asarray(seen).sum(1).tolist() == [1] * 8 and np.asarray(seen).sum(0).tolist() == [4, 4]
    everything = observable(system, None, DynState(system.arrange(jnp.zeros((4, 2))), jnp.zeros((), int)))
    assert not np.asarray(everything).any()  # both at once is neither


def test_bonds_that_isomers_share_tell_an_open_ring_apart():
    system = discs(-5.0, -5.0)
    open_ring = system.arrange(jnp.array([[0.0, 0.0], [2.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(0.75)]]))
    settings = {"kind": "isomer", "isomers": [[(0, 2)], [(1, 3)]], "dt": 1e-3}
    observables = [isomer.Config(**settings, shared=shared).build(system, None) for shared in ([], RING)]
    seen = [o(system, None, DynState(open_ring, jnp.zeros((), int))).tolist() for o in observables]
    assert seen == [[True, False], [False, False]]


@pytest.mark.parametrize(
    ("scenario", "override", "told"),
    [
        ("design_kinetics", "observe.0.dt=1e-3", "is not the time step of the dynamics"),
        ("design_kinetics", "observe.0.shared=[[0, 4]]", "numbered 0 … 3"),
        ("design_kinetics", "observe.1.kT=2", "is not the temperature of the dynamics"),
        ("design_kinetics", "observe.1.ring=[0, 1, 1, 2]", "names each of the discs"),
        ("design_kinetics", "task.contacts=[[0, 4]]", "numbered 0 … 3"),
        ("design_cluster_selectivity", "observe.1.apart=[[0, 6]]", "numbered 0 … 5"),
        ("design_cluster_selectivity", "system.species=7", "3 to 6 isotropic particles"),
    ],
)
def test_bad_input_is_told_in_one_line(scenario, override, told):
    with pytest.raises(ScenarioError, match=told):
        load(scenario, [override])


# ---- simulation against theory ----


@pytest.mark.slow
def test_designed_octahedra_form_as_often_as_predicted(tmp_path):
    """Langevin dynamics of an unequal design at another range, against the integral over bond lengths; |z| < 4.

    An error of 0.008 tells 0.86, which bonds of finite range have, from what bonds of half a kT less would give (0.79).
    """
    matrix = np.full((6, 6), -6.5)
    for a, b in APART:
        matrix[a, b] = matrix[b, a] = -1.2
    alpha, stiffness = 14.0, 1300.0
    result = run({
        "title": "octahedra", "system": {"kind": "particles", "species": 6, "copies": 1, "dimension": 3, "box": 4.5,
        "range": alpha, "bonds": matrix.tolist(), "core": {"kind": "harmonic", "stiffness": stiffness}},
        "dynamics": {"kind": "langevin", "dt": 7e-3, "friction": 3.0}, "task": {"kind": "rigid_isomers"},
        "observe": [{"kind": "cluster_shapes", "every": 100, "discard": 0.25}],
        "run": {"seed": 5, "replicas": 64, "steps": 40_000},
    }, out=tmp_path / "run")  # fmt: skip
    law = pair_law(matrix[FIRST, SECOND], alpha, stiffness)
    cutoff = 1.0 - np.log(1.0 - np.sqrt(0.5)) / alpha
    exact = finite_range_probability(
        labelled_isomers(6, 3), "octahedron", lambda r: -np.log(law(r)), cutoff, samples=300
    )
    measured = result.tree["cluster_shape_population"].sel(shape="octahedron").item()
    error = result.tree["cluster_shape_population_sem"].sel(shape="octahedron").item()
    assert error < 0.012
    assert abs(measured - exact.value) < 4 * np.hypot(error, exact.error)


@pytest.mark.slow
def test_four_discs_flip_as_often_as_predicted(tmp_path):
    """Brownian motion of the whole ring against one-dimensional first passage; |z| < 4 at errors of a few per cent.

    A missing sine, or a metric of 1 instead of 1/2, would change rates by 15 and by 100 per cent.
    """
    dt, every = 1e-4, 20
    system = discs(-3.5, -3.0)
    result = run({
        "title": "flips", "system": {"kind": "particles", "species": 4, "copies": 1, "range": 7.0,
        "bonds": np.asarray(unpack(system.coupling)).tolist(), "core": {"kind": "harmonic", "stiffness": 735.0}},
        "dynamics": {"kind": "brownian", "dt": dt}, "task": {"kind": "rigid_isomers", "contacts": RING},
        "observe": [{"kind": "isomer", "isomers": [[[0, 2]], [[1, 3]]], "shared": RING, "dt": dt, "every": every}],
        "run": {"seed": 2, "replicas": 64, "steps": 120_000},
    }, out=tmp_path / "run")  # fmt: skip
    exact = theory.flip_rates(diagonal(-3.5), diagonal(-3.0), contact_distance(system), interval=every * dt)
    rate, error = (result.tree[f"transition_rate{suffix}"].values for suffix in ("", "_sem"))
    assert error[0, 1] < 0.05 * rate[0, 1] and error[1, 0] < 0.05 * rate[1, 0]
    assert abs(rate[0, 1] - exact.forward) < 4 * error[0, 1]
    assert abs(rate[1, 0] - exact.backward) < 4 * error[1, 0]
    free, sem = (result.tree[f"isomer_free_energy{suffix}"].values[1] for suffix in ("", "_sem"))
    assert abs(free - exact.free_energy) < 4 * sem
