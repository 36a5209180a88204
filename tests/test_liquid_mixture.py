"""The mean-field mixture: its energy, its phases, its noise, and how it stores and retrieves compositions."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad

from covering import slow
from matterlearn import run, stages
from matterlearn.core.drive import Drive
from matterlearn.core.dynamics import advance
from matterlearn.core.fractions import MixtureState
from matterlearn.core.symmetric import unpack
from matterlearn.core.system import coupling_gradient
from matterlearn.errors import ScenarioError
from matterlearn.kinds import load_kind
from matterlearn.learning import Learning
from matterlearn.scenario import load
from matterlearn.theory import coexistence, flory_huggins
from matterlearn.theory import hebbian_mixture as hm
from matterlearn.theory import liquid_hopfield as lh

ROWS = [1, 2, 4, 8]
HOPFIELD = {
    "title": "Liquid",
    "system": {"kind": "mean_field_mixture", "components": 32, "filling": 1.0, "repulsion": 1.0},
    "dynamics": {"kind": "brownian", "dt": 0.02, "kT": 0.0},
    "task": {"kind": "target_compositions", "targets": {"hadamard": ROWS}, "cue": {"purity": [0.3], "noise": 0.05}},
    "learning": {
        "rule": {"kind": "hebbian_linkers", "rate": 16000.0, "saturation": 1e9, "samples": 1, "relax": 0},
        "replicas": 2,
    },
    "observe": [{"kind": "overlap", "every": 50}, {"kind": "participation", "every": 50}],
    "run": {"steps": 500, "replicas": 4},
}  # fmt: skip
TERNARY = [[3.27, -0.34], [-0.34, -3.96]]


def kind(family, name, **config):
    return load_kind(family, name)(kind=name, **config)


def mixture(**config):
    return kind("systems", "mean_field_mixture", **config).build(None)


def relaxed(system, steps, dt, seed=0):
    """Where steepest descent ends, and the energy after every tenth of it."""
    dynamics = kind("dynamics", "brownian", dt=dt, kT=0.0).build()
    key = jax.random.key(seed)

    @eqx.filter_jit
    def descend():
        def part(state, _):
            state = advance(key, system, dynamics, Drive(), state, steps // 10)
            return state, system.energy(state.x)

        start = dynamics.init(key, system, Drive(), system.init_state(key))
        return jax.lax.scan(part, start, length=10)

    state, energies = descend()
    return state.x, np.asarray(energies)


# Energy ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [2, 3, 4])
def test_energy_is_that_of_the_theory(x64, order):
    """Any compositions, against the liquid Hopfield mixture with its couplings; per volume and temperature."""
    rng = np.random.default_rng(order)
    model = lh.LiquidHopfield(lh.random_targets(rng, 6, 3), 4.0, 1.5, order, kT=0.7)
    settings = {"couplings": (-4.0 * model.targets.T @ model.targets).tolist(), "repulsion": 1.5, "order": order}
    system = mixture(components=6, filling=0.3, temperature=0.7, sites=5.0, **settings)
    share = rng.dirichlet(np.ones(6))
    phi = np.append(0.3 * share, 0.7)
    x = MixtureState(jnp.sqrt(jnp.asarray(share))[None])
    expected = 5.0 * 0.7 * coexistence.free_energy(lh.mixture(model), phi)
    assert float(eqx.filter_jit(lambda s, y: s.energy(y))(system, x)) == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(system.fractions(x)[0], phi[:-1], rtol=1e-12)
    contacts = unpack(eqx.filter_jit(coupling_gradient)(system, x).coupling)
    pairs = np.outer(phi[:-1], phi[:-1]) * (1 - np.eye(6) / 2)
    np.testing.assert_allclose(contacts, 5.0 * pairs, rtol=1e-10)


@pytest.mark.slow
def test_descent_is_natural_and_pulls_on_chemical_potentials(x64):
    """d ln a_ni/dt = −4 M (μ_ni − Σ_m w_mi μ_mi) times the total of i: rare components move as fast as others."""
    totals, sizes = np.array([0.16, 0.55, 0.29]), [2.0, 2.0, 1.0]
    system = mixture(components=2, compartments=3, totals=totals.tolist(), couplings=TERNARY, sizes=sizes, sites=3.0)
    x = system.init_state(jax.random.key(3))
    slope = jax.jit(jax.grad(system.energy))(x).root
    _, rate = jax.jvp(lambda r: jnp.log(system.amounts(MixtureState(r))), (x.root,), (-slope,))
    amounts = np.asarray(system.amounts(x))
    chi = np.pad(np.array(TERNARY), ((0, 1), (0, 1)))
    mu = flory_huggins.chemical_potential(amounts / amounts.sum(1, keepdims=True), chi, np.array(sizes))
    share = amounts / totals
    np.testing.assert_allclose(rate, -4 * 3.0 * totals * (mu - (share * mu).sum(0)), rtol=1e-9, atol=1e-9)


# Phases ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, slow(1)])
@pytest.mark.parametrize(("chi", "minority"), [
    (2.2, 0.24852971), slow(2.5, 0.14479411), (3.0, 0.07072018), slow(3.5, 0.03787393), slow(4.0, 0.02124799),
    (5.0, 0.00718806),
])  # fmt: skip
def test_two_compartments_reach_the_symmetric_binodal(x64, chi, minority, seed):
    """J_11 = −2 chi against a solvent; the energy never rises and the totals never change."""
    system = mixture(components=1, compartments=2, totals=[0.5, 0.5], couplings=[[-2 * chi]])
    x, energies = relaxed(system, 20_000, 0.02, seed)
    np.testing.assert_allclose(np.sort(system.fractions(x)[:, 0]), [minority, 1 - minority], atol=6e-9)
    assert np.all(np.diff(energies) <= 1e-12)
    np.testing.assert_allclose(system.amounts(x).sum(0), [0.5, 0.5], rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("totals", "couplings", "sizes", "flory"),
    [
        ([0.5, 0.5], [[-8.0]], [2.0, 1.0], [[1 - 0.999096418], [1 - 0.0123228537]]),
        ([0.16, 0.55, 0.29], TERNARY, [2.0, 2.0, 1.0], [[0.07578503, 0.81378509], [0.30555252, 0.09408838]]),
    ],
)
def test_compartments_reach_the_phases_that_coexist(x64, totals, couplings, sizes, flory):
    """Volumes and compositions to nine digits of the lower convex envelope, to five of an independent program."""
    n = len(couplings)
    system = mixture(components=n, compartments=2, totals=totals, couplings=couplings, sizes=sizes)
    x, energies = relaxed(system, 20_000, 0.03)
    chi = np.pad(np.array(couplings), ((0, 1), (0, 1)))
    exact = flory_huggins.coexistence(np.array(totals), chi, np.array(sizes))
    order, expected = np.argsort(system.fractions(x)[:, 0]), np.argsort(exact.compositions[:, 0])
    np.testing.assert_allclose(system.fractions(x)[order], exact.compositions[expected, :n], atol=1e-9)
    np.testing.assert_allclose(system.volumes(x)[order], exact.volumes[expected], atol=1e-8)
    np.testing.assert_allclose(system.fractions(x)[order], flory, atol=2e-5)
    assert float(system.energy(x)) == pytest.approx(float(exact.potential @ np.array(totals)), rel=1e-10)
    assert np.all(np.diff(energies) <= 1e-12)


def test_more_compartments_than_phases_end_in_those_phases(x64):
    """Eight compartments of a mixture with three phases: every one that is left is one of them."""
    chi = 5.0 * (1 - np.eye(3))
    settings = {"couplings": (chi[:2, :2] - chi[:2, 2:] - chi[2:, :2]).tolist(), "totals": [1 / 3] * 3}
    system = mixture(components=2, compartments=8, **settings)
    x, _ = relaxed(system, 40_000, 0.02)
    exact = flory_huggins.coexistence(np.full(3, 1 / 3), chi, 1.0)
    for phi in np.asarray(system.fractions(x))[np.asarray(system.volumes(x)) > 1e-6]:
        assert np.min(np.abs(exact.compositions[:, :2] - phi).max(1)) < 1e-6


# Noise -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("coupling", [0.0, -6.0])
def test_noise_is_that_of_a_finite_droplet(coupling):
    """Two components in M = 12 sites: ⟨(y − ½)²⟩ under exp(−M f(y)) y^−½ (1 − y)^−½, against quadrature.

    4000 independent chains; an error of 8 % would show, and half a power of y in the measure makes one of 12 %.
    """
    sites, chains = 12.0, 4000
    settings = {"components": 2, "filling": 1.0, "couplings": [[coupling / 2, 0.0], [0.0, coupling / 2]]}
    system = mixture(sites=sites, **settings)
    dynamics = kind("dynamics", "langevin", dt=0.02, kT=1.0, friction=4.0).build()

    @eqx.filter_jit
    def sample(key):
        state = dynamics.init(key, system, Drive(), system.init_state(key))
        return system.fractions(advance(key, system, dynamics, Drive(), state, 1500).x)[0, 0]

    y = np.asarray(jax.jit(jax.vmap(sample))(jax.random.split(jax.random.key(0), chains)))

    def weight(angle):  # y = sin² of it: the measure is even in the angle
        y = np.sin(angle) ** 2
        entropy = np.sum([p * np.log(p) for p in (y, 1 - y)], 0)
        return np.exp(-sites * (entropy + coupling / 4 * (y**2 + (1 - y) ** 2)))

    ends = 1e-9, np.pi / 2 - 1e-9
    norm = quad(weight, *ends)[0]
    square, fourth = (quad(lambda a, k: weight(a) * (np.sin(a) ** 2 - 0.5) ** k, *ends, (k,))[0] / norm for k in (2, 4))
    error = np.sqrt((fourth - square**2) / chains)
    assert 4 * error < 0.09 * square
    assert abs(np.mean((y - 0.5) ** 2) - square) < 4 * error


# Theory of Hebbian couplings -----------------------------------------------------------------------------------------


def test_without_pair_repulsion_the_theory_is_the_known_one():
    targets = lh.hadamard_targets(16, ROWS)
    products = lh.hadamard_targets(16, [1, 2, 3])
    for order, kT in ((2, 1.0), (3, 0.7), (4, 2.0)):
        terms = ((1.0, order - 1),)
        field = lh.target_field(9.0, 1.0, order, kT)
        assert hm.polarisation(9.0, terms, kT) == pytest.approx(np.tanh(field), rel=1e-10)
        known = lh.transverse_gain(field, 1.0, order, kT), lh.product_gain(field, 1.0, order, kT)
        found = hm.gain(targets, 9.0, terms, kT), hm.gain(products, 9.0, terms, kT)
        np.testing.assert_allclose(found, known, rtol=1e-9)


def test_window_is_where_target_states_are_minima():
    """Curvature of the whole free energy, just inside and just outside both ends."""
    targets, attraction, terms = lh.hadamard_targets(32, ROWS), 13.0, ((1.0, 2), (1.4, 1))
    low, high = hm.temperature_window(targets, attraction, terms)
    pairs = 1.4 * np.eye(32) * 32 - attraction * targets.T @ targets

    def curvature(kT):
        y = (1 + hm.polarisation(attraction, terms, kT) * targets[1]) / 32
        bend = (pairs + np.diag(2 * 32**2 * y)) / kT
        return coexistence.lowest_curvature(
            coexistence.Mixture(np.sum, np.copy, lambda _: bend, np.ones(32)), y  # its energy and slope are not asked
        )

    signs = [np.sign(curvature(kT)) for kT in (0.98 * low, 1.02 * low, 0.98 * high, 1.02 * high)]
    assert signs == [-1, 1, 1, 1]  # above the window the target state is the even mixture
    assert hm.polarisation(attraction, terms, 0.98 * high) > 0 == hm.polarisation(attraction, terms, 1.02 * high)


# Learning and retrieval ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def taught():
    """The experiment and the mixture that Hebbian linkers made of it."""
    experiment = run.build(load(HOPFIELD))
    learning = experiment.scenario.learning
    rule = learning.rule.build()
    stage = Learning(
        jax.random.key(0), experiment.system, experiment.dynamics, rule, experiment.task,
        run.optimizer(learning.optimizer, 4), exposures=1, updates=1, duration=1.0, replicas=2,
    )  # fmt: skip
    carry, _ = stage.advance(stage.start(), 0, stage.total)
    return experiment, rule.couple(experiment.system, carry.parameters)


def test_linkers_store_targets_and_half_of_the_self_attraction(taught):
    experiment, system = taught
    targets = np.asarray(experiment.task.targets)
    dose = 16000.0 / 32**2  # per target; half of the replicas show its complement
    grown = hm.grown(4, dose, 0.9)
    expected = grown.uniform - grown.attraction * targets.T @ targets + grown.repulsion * np.eye(32)
    np.testing.assert_allclose(unpack(system.coupling), expected, rtol=2e-5)
    parts = hm.hebbian_parts(np.asarray(unpack(system.coupling), float), targets)
    np.testing.assert_allclose(parts, grown, rtol=2e-5, atol=2e-5)


def recalled(taught, temperatures, *, noise=0.05, purity=0.3, copies=1, steps=800):
    """Final overlaps [replica, target] and participation, with the labels."""
    experiment, system = taught
    task = kind("tasks", "target_compositions", targets={"hadamard": ROWS}, temperatures=temperatures,
                cue={"purity": [purity], "noise": noise}).build(system)  # fmt: skip
    replicas = copies * 4 * len(temperatures)
    recall = task.recall(jax.random.key(5), system, replicas)
    observables = [kind("observables", name, every=steps).build(system, task) for name in ("overlap", "participation")]
    stage = stages.Recall(jax.random.key(6), experiment.dynamics, recall, observables, steps)
    _, records = stage.advance(stage.start(), 0, steps)
    return records["overlap"][-1], records["participation"][-1], recall.labels, task


@pytest.mark.slow
def test_retrieval_is_that_of_the_theory(taught):
    """Inside the window the overlap of target states, nothing of the others, and N/(1 + t²) components."""
    temperatures = [1.6, 4.0, 6.0, 8.0]
    overlap, participation, labels, task = recalled(taught, temperatures)
    window = task.annotations(taught[1])
    assert window["window_low"] < 1.6 and window["window_high"] > 8.0
    theory = dict(zip(temperatures, task.references(taught[1], None)[0].values, strict=True))
    t = np.array([theory[T] for T in labels["temperature"].values])
    expected = t[:, None] * np.eye(4)[labels["cue"].values]
    np.testing.assert_allclose(overlap, expected, atol=2e-4)
    np.testing.assert_allclose(participation, 32 * hm.participation(t), rtol=2e-4)


@pytest.mark.slow
def test_it_melts_above_the_window_and_localises_below(taught):
    window = taught[0].task.annotations(taught[1])
    low, high = window["window_low"], window["window_high"]
    temperatures = [0.7 * low, 1.2 * low, 0.9 * high, 1.1 * high]
    overlap, participation, labels, _ = recalled(taught, temperatures, steps=2000)
    cold, cool, warm, hot = (labels["temperature"].values == T for T in temperatures)
    assert np.all(participation[cold] < 13)
    np.testing.assert_allclose(participation[cool], 16, rtol=0.01)
    assert np.all(participation[warm] > 20) and np.all(np.abs(overlap[hot]) < 1e-3)
    np.testing.assert_allclose(participation[hot], 32, rtol=1e-4)


@pytest.mark.slow
def test_the_largest_overlap_wins(taught):
    """Impure cues: 800 replicas, in which a chance that is wrong by 0.07 shows."""
    overlap, _, labels, task = recalled(taught, [6.0], noise=0.2, purity=0.05, copies=200, steps=400)
    own = overlap[np.arange(len(overlap)), labels["cue"].values]
    right = own > 0.5
    chance = hm.winner_chance(0.05, 0.2 * np.sqrt((1 + 0.05**2) / 32), 4)
    assert task.references(taught[1], None)[-1].values[0] == pytest.approx(chance)
    assert abs(right.mean() - chance) < 4 * np.sqrt(chance * (1 - chance) / len(right))


def test_couplings_that_are_not_hebbian_have_no_theory(taught):
    experiment, system = taught
    other = eqx.tree_at(lambda s: s.coupling, system, system.coupling.at[5].add(30.0))
    assert experiment.task.references(other, None) == [] and experiment.task.annotations(other) == {}


# Scenarios -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_same_seed_same_bits(tmp_path):
    first, second = (run.simulate(HOPFIELD, tmp_path / name).tree for name in ("a", "b"))
    np.testing.assert_array_equal(first["overlap"], second["overlap"])
    assert (tmp_path / "a" / "figures" / "retrieval.png").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("system.compartments=2", "without totals they would not know of each other"),
        ("system.totals=[0.5, 0.5]", "needs 33 numbers, the solvent's last; these are 2"),
        ("system.couplings=[[1.0]]", "needs 32 rows of 32 numbers"),
        ("system.components=24", "need a power of two of components, not 24"),
        ("task.targets={hadamard: [1, 40]}", "names a row twice, or one beyond 31"),
        ("task.targets={count: 2}", None),
        ("task.targets=[[1, -1]]", "a target has 32 numbers"),
        ("learning.replicas=3", "use an even number"),
        ("run.replicas=3", "4 cues (targets x purities x temperatures) need as many replicas"),
        ("dynamics.dt=0.5", "0.5 is too long for this material"),
        ("dynamics={kind: metropolis}", "metropolis"),
    ],
)
def test_bad_input_is_one_line(change, words):
    if words is None:
        load(HOPFIELD, [change])
        return
    with pytest.raises(ScenarioError) as caught:
        load(HOPFIELD, [change])
    assert any(words in line for line in str(caught.value).splitlines()), caught.value
