"""Designed clusters: labelled isomers and their yields; exact values, gradients, simulation."""

# What depends on couplings alone is asked without drive and state; stubs of scipy are narrower than scipy.
# pyright: reportArgumentType=false

from functools import partial
from itertools import combinations, permutations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad
from sticky_clusters import pair_law, with_coupling

from covering import slow
from matterlearn.core.pair_profile import Quadrature, contact_distance, log_bond_weights
from matterlearn.core.symmetric import index, pack, unpack
from matterlearn.errors import ScenarioError
from matterlearn.observables import cluster_yield
from matterlearn.run import simulate
from matterlearn.scenario import load
from matterlearn.systems.particles import Config as Particles
from matterlearn.theory import cluster_integrals, clusters
from matterlearn.theory.labelled_clusters import (
    finite_range_probability,
    isomer_probabilities,
    labelled_isomers,
    shape_probabilities,
)

pytestmark = pytest.mark.usefixtures("undrawn")

APART = [(0, 3), (1, 4), (2, 5)]
FIRST, SECOND = np.triu_indices(6, 1)


def spheres(coupling=-6.0, **settings):
    """Six labelled spheres; the coupling is one number or a matrix."""
    settings = {"dimension": 3, "box": 5.0, "range": 15.0, "core": {"kind": "harmonic", "stiffness": 1800.0}} | settings
    system = Particles(kind="particles", species=6, copies=1, **settings).build(jax.random.key(0))
    return with_coupling(system, pack(jnp.broadcast_to(jnp.asarray(coupling, float), (6, 6))))


def random_couplings(n: int, seed: int, low=-8.0, high=-3.0) -> np.ndarray:
    matrix = np.random.default_rng(seed).uniform(low, high, (n, n))
    return np.triu(matrix) + np.triu(matrix, 1).T


def bond_weight(coupling, alpha=15.0, stiffness=1800.0, kT=1.0):
    law, cutoff = pair_law(coupling, alpha, stiffness, kT), 1.0 - np.log(1.0 - np.sqrt(0.5)) / alpha
    return sum(quad(law, *piece, epsabs=0)[0] for piece in ((0.7, 0.9), (0.9, 1.0), (1.0, cutoff)))


# ---- labelled isomers ----


@pytest.mark.parametrize(("n", "dim"), [(3, 2), (4, 2), (4, 3), (5, 3), slow(6, 2), (6, 3)])
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_deep_stiff_bond_vibrates_harmonically(x64):
    """z = e^{−J/kT} ½ [√(π kT/k) + √(π kT/(−J α²))] and its derivative with respect to J."""
    coupling, alpha, stiffness = -400.0, 15.0, 90_000.0
    system = spheres(coupling, range=alpha, core={"kind": "harmonic", "stiffness": stiffness})
    rule = Quadrature.upto(contact_distance(system))

    def log_z(coupling):
        return log_bond_weights(with_coupling(system, coupling), FIRST[:1], SECOND[:1], rule, 1.0)[0]

    expected = -coupling + np.log(0.5 * np.sqrt(np.pi) * (stiffness**-0.5 + (-coupling * alpha**2) ** -0.5))
    assert float(log_z(system.coupling)) == pytest.approx(expected, abs=0.02)
    slope = jax.jit(jax.grad(log_z))(system.coupling)[index(jnp.array(0), jnp.array(1), 6)]
    outer = (-coupling * alpha**2) ** -0.5 / (stiffness**-0.5 + (-coupling * alpha**2) ** -0.5)
    assert float(slope) == pytest.approx(-1.0 + 0.5 * outer / -coupling, abs=1e-4)


# ---- gradients of yields ----


@pytest.mark.slow
def test_gradient_at_equal_couplings_is_contacts_minus_their_mean():
    """d ln Y_i/dJ_ab = (n_ab,i − ⟨n⟩) d ln z/dJ with ⟨n⟩ = 12/15; for a whole shape it is one number for all pairs."""
    system, step = spheres(-6.0), 1e-3
    slope = (np.log(bond_weight(-6.0 + step)) - np.log(bond_weight(-6.0 - step))) / (2 * step)
    gradient = {}
    for apart in (APART, []):
        measure = cluster_yield.Config(kind="cluster_yield", apart=apart).build(system, None)

        def log_yield(coupling, measure=measure):
            return jnp.log(measure(with_coupling(system, coupling), None, None)[0])

        gradient[len(apart)] = np.asarray(unpack(jax.jit(jax.grad(log_yield))(system.coupling)))[FIRST, SECOND]
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
    gradient = jax.jit(jax.jacobian(lambda c: measure(with_coupling(system, c), None, None)))(system.coupling)
    for a, b in ((0, 1), (2, 5), (3, 4)):
        moved = np.zeros((6, 6))
        moved[a, b] = moved[b, a] = 1e-4
        difference = (expected(matrix + moved) - expected(matrix - moved)) / 2e-4
        np.testing.assert_allclose(gradient[:, index(jnp.array(a), jnp.array(b), 6)], difference, rtol=1e-4, atol=1e-9)


@pytest.mark.slow
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


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("observe.1.apart=[[0, 6]]", "numbered 0 … 5"),
        ("system.species=7", "3 to 6 isotropic particles"),
    ],
)
def test_bad_input_is_told_in_one_line(override, told):
    with pytest.raises(ScenarioError, match=told):
        load("design_cluster_selectivity", [override])


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
    result = simulate({
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
