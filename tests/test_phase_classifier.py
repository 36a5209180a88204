"""Classification by condensation: order, inputs, the gradient by equilibrium response, theory, scenarios."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from matterlearn import run
from matterlearn.core.drive import Drive
from matterlearn.core.lattice_kernel import LatticeState
from matterlearn.core.rule import Batch
from matterlearn.core.schedule import Constant
from matterlearn.core.system import coupling_gradient, couplings, with_couplings
from matterlearn.errors import ScenarioError
from matterlearn.kinds import load_kind
from matterlearn.scenario import load
from matterlearn.tasks.phase_classifier import arrange, condensate
from matterlearn.theory import phase_boundary as pb

SMALL = {
    "title": "Small",
    "system": {"kind": "lattice_condensate", "shape": [8, 8], "species": 2, "coupling": -1.0, "learn": ["coupling"]},
    "dynamics": {"kind": "kawasaki"},
    "task": {"kind": "phase_classifier", "condensed": {"weights": [1.0, 3.0], "threshold": 0.6}, "grid": 5,
             "inputs": 24},
    "learning": {
        "rule": {"kind": "equilibrium_response", "samples": 10, "stride": 4, "relax": 20},
        "optimizer": {"kind": "adam", "learning_rate": 0.15}, "updates": 40, "replicas": 48,
    },
    "observe": [{"kind": "overlap", "every": 50}, {"kind": "accuracy", "every": 5}],
    "run": {"steps": 400, "replicas": 200},
}  # fmt: skip


def kind(family, name, **config):
    return load_kind(family, name)(kind=name, **config)


def lattice(shape, periodic=True, **config):
    settings = {"shape": shape, "periodic": periodic, "learn": ["coupling"]}
    return kind("systems", "lattice_condensate", **settings, **config).build(None)


def flat(tree):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


# Order and inputs ------------------------------------------------------------------------------------------------


def test_condensate_of_known_lattices():
    """A full row of a periodic square, one molecule alone, everything filled; whichever the species."""
    system = lattice([6, 6], species=2)
    row = jnp.zeros((6, 6), jnp.int8).at[2].set(jnp.array([1, 2, 1, 1, 2, 2], jnp.int8))
    cases = {6: row, 1: jnp.zeros_like(row).at[0, 0].set(2), 36: jnp.ones_like(row)}
    expected = {6: (6 / 36) * (2 / 4 - 5 / 35) / (1 - 5 / 35), 1: 0.0, 36: 0.0}
    for count, species in cases.items():
        assert float(condensate(system, LatticeState(species))) == pytest.approx(expected[count], abs=1e-6)
    assert float(condensate(system, LatticeState(jnp.zeros_like(row)))) == 0.0


@pytest.mark.parametrize(("shape", "periodic"), [([3, 4], True), ([3, 3], False)])
def test_random_mixtures_have_no_condensate_on_average(x64, shape, periodic):
    """All arrangements of four molecules: zero to rounding."""
    system, sites = lattice(shape, periodic, species=1), int(np.prod(shape))
    rows = np.array([np.isin(np.arange(sites), chosen) for chosen in itertools.combinations(range(sites), 4)])
    states = LatticeState(jnp.asarray(rows.reshape(-1, *shape), jnp.int8))
    assert abs(float(jnp.mean(jax.jit(jax.vmap(lambda x: condensate(system, x)))(states)))) < 1e-12


def test_shown_drops_are_round_and_mixed():
    system, numbers = lattice([16, 16], species=3), jnp.array([40, 20, 5])
    keys = jax.random.split(jax.random.key(0), 400)
    made = jax.jit(jax.vmap(lambda key, rounded: arrange(key, system, numbers, rounded), (0, None)))
    drops, mixtures = (made(keys, jnp.asarray(rounded)).species for rounded in (True, False))
    for shown in (drops, mixtures):
        counts = np.stack([(shown == a).sum((1, 2)) for a in range(4)], 1)
        assert np.all(counts == [256 - 65, 40, 20, 5])
    order = jax.jit(jax.vmap(lambda s: condensate(system, LatticeState(s))))
    assert float(order(drops).min()) > 0.8 * 65 / 256  # a square of eight by eight has 0.83
    random = np.asarray(order(mixtures))
    assert abs(random.mean()) < 4 * random.std(ddof=1) / np.sqrt(len(random))
    occupied = np.asarray(drops > 0).mean(0)
    z = (occupied - 65 / 256) / np.sqrt(65 / 256 * (1 - 65 / 256) / 400)
    assert np.abs(z).max() < 4.5, "drops are anywhere, 256 places compared"
    pairs = np.asarray((drops == 1) & (jnp.roll(drops, 1, 1) == 1)).sum((1, 2))
    touching = np.asarray((drops > 0) & (jnp.roll(drops, 1, 1) > 0)).sum((1, 2))
    share = pairs / touching
    assert abs(share.mean() - 40 * 39 / (65 * 64)) < 4 * share.std(ddof=1) / 20


@pytest.mark.slow
def test_labels_follow_the_whole_numbers_of_molecules():
    experiment = run.build(load(SMALL))
    task = experiment.task
    for numbers, label in ((task.train, task.train_label), (task.test, task.test_label)):
        np.testing.assert_array_equal(label, numbers @ [1, 3] / 64 > 0.6)
    trained, asked = ({tuple(row) for row in numbers.tolist()} for numbers in (task.train, task.test))
    assert not trained & asked
    batch = task.present(jax.random.key(0), experiment.system, 0, 2 * len(task.train), 1.0)
    order = np.asarray(jax.jit(jax.vmap(lambda x: task.decision(experiment.system, x)))(batch.x))
    assert order[np.tile(task.train_label, 2)].min() > 0.6 > 0.4 > order[~np.tile(task.train_label, 2)].max()


# Equilibrium response ----------------------------------------------------------------------------------------------


def all_states(shape, species):
    sites = int(np.prod(shape))
    rows = np.array(list(itertools.product(range(species + 1), repeat=sites)), np.int8)
    return rows.reshape(-1, *shape)


def exact(system, states, order, wanted):
    """⟨O⟩ − O*, ∂⟨O⟩/∂θ by covariances and by central differences, at kT = 1."""
    x = LatticeState(jnp.asarray(states))
    value = np.asarray(jax.jit(jax.vmap(lambda y: order(system, y)))(x))
    moments = np.asarray(jax.jit(jax.vmap(lambda y: coupling_gradient(system, y).coupling))(x))

    def mean(theta):
        energy = jax.jit(jax.vmap(lambda y: with_couplings(system, theta).energy(y)))(x)
        weight = np.asarray(jax.nn.softmax(-energy))
        return weight @ value, weight

    theta = couplings(system)
    average, weight = mean(theta)
    covariance = -((weight * value) @ moments - average * (weight @ moments))
    h = 1e-5
    steps = [[mean(eqx.tree_at(lambda t: t.coupling, theta, theta.coupling.at[i].add(s)))[0] for s in (h, -h)]
             for i in range(len(covariance))]  # fmt: skip
    return average - wanted, covariance, np.array([(up - down) / (2 * h) for up, down in steps])


@pytest.mark.slow
@pytest.mark.parametrize("moves", ["heat_bath", "kawasaki"])
def test_sampled_gradient_is_the_exact_one(moves):
    """Ten thousand chains of twelve nearly independent samples on six sites; free, and at fixed numbers of molecules.

    Power: a gradient wrong by its largest component times 0.07 would be seen, a missing factor of ½ by far.
    """
    shape, wanted = [2, 3], jnp.asarray([[1, 2, 1], [0, 2, 0]], jnp.int8)
    settings = {"species": 2, "couplings": [[-0.8, 0.4], [0.4, -0.3]], "periodic": False}
    system, dynamics = lattice(shape, **settings), kind("dynamics", moves).build()
    states = all_states(shape, 2)
    if moves == "kawasaki":
        states = states[((states == 1).sum((1, 2)) == 2) & ((states == 2).sum((1, 2)) == 2)]

    def order(system, x):
        return jnp.sum((x.species > 0) * jnp.arange(6.0).reshape(2, 3)) / 10 + condensate(system, x)

    target = float(order(system, LatticeState(wanted)))
    with jax.enable_x64(True):
        deviation, covariance, slope = exact(lattice(shape, **settings), states, order, target)
    np.testing.assert_allclose(covariance, slope, atol=1e-6)
    rule, replicas = kind("rules", "equilibrium_response", samples=12, stride=6, relax=20).build(), 250
    x = LatticeState(jnp.broadcast_to(wanted, (replicas, *wanted.shape)))
    strength = Constant(jnp.ones(replicas))
    drive = Drive(target=x, clamped=jax.tree.map(lambda s: jnp.ones(s.shape, bool), x), strength=strength)
    batch = Batch(drive, x, jnp.ones(()), free=Drive(strength=strength), order=order)

    @eqx.filter_jit
    def estimate(key):
        return rule.estimate(key, system, dynamics, None, batch, parameters=couplings(system))[0]

    slopes = np.stack([flat(estimate(key)) for key in jax.random.split(jax.random.key(2), 40)])
    sem = slopes.std(0, ddof=1) / np.sqrt(len(slopes))
    expected = deviation * covariance
    assert np.all(4 * sem < 0.07 * np.abs(expected).max()), sem / np.abs(expected).max()
    assert np.all(np.abs(slopes.mean(0) - expected) < 4 * sem), (slopes.mean(0), expected, sem)


@pytest.mark.slow
def test_learning_moves_the_boundary(tmp_path):
    """The taught mixture answers most inputs rightly, the untaught one at best says the commoner answer."""
    taught, untaught = (
        float(run.simulate(load(SMALL, changes), tmp_path / name).tree["accuracy"])
        for name, changes in (("taught", []), ("untaught", ["learning=null"]))
    )
    experiment = run.build(load(SMALL))
    commoner = max(np.mean(experiment.task.test_label), 1 - np.mean(experiment.task.test_label))
    assert untaught < commoner + 0.05 and taught > commoner + 0.1, (taught, untaught, commoner)


# Theory ----------------------------------------------------------------------------------------------------------


def compositions(rng, count, species):
    return rng.dirichlet(np.full(species + 1, 2.0), count)[:, 1:]


def test_pairs_have_the_given_compositions_and_potentials_are_derivatives():
    rng = np.random.default_rng(0)
    bonds = np.array([[-1.0, 0.7, 0.2], [0.7, 0.3, -1.5], [0.2, -1.5, -0.4]])
    c, h = compositions(rng, 20, 3), 1e-6
    x = pb.activities(c, bonds)
    pairs = x[:, :, None] * np.exp(-np.pad(bonds, ((1, 0), (1, 0)))) * x[:, None]
    np.testing.assert_allclose(pairs.sum(2)[:, 1:], c, rtol=1e-9)

    def free(c):
        return pb._free_energy(c, pb.activities(c, bonds), 4)

    def potentials(c):
        return pb._potentials(c, pb.activities(c, bonds), 4)

    steps = h * np.eye(3)
    slope = np.stack([(free(c + e) - free(c - e)) / (2 * h) for e in steps], 1)
    np.testing.assert_allclose(potentials(c), slope, atol=1e-6)
    hessian = np.stack([(potentials(c + e) - potentials(c - e)) / (2 * h) for e in steps], 1)
    lowest = np.linalg.eigvalsh((hessian + hessian.swapaxes(1, 2)) / 2)[:, 0]
    np.testing.assert_allclose(pb.curvature(c, bonds, 4), lowest, rtol=1e-5, atol=1e-5)


def test_chains_never_demix_and_bethe_lattices_do_at_their_critical_point():
    """z = 2 at any attraction; z = 4, 6 at kT = |J|/(2 ln(z/(z − 2))), half filled."""
    c = np.linspace(0.05, 0.95, 19)[:, None]
    assert np.all(pb.curvature(c, np.array([[-6.0]]), 2) > 0)
    for z in (4, 6):
        critical = -2 * np.log(z / (z - 2))
        assert abs(pb.curvature(np.array([0.5]), np.array([[critical]]), z)) < 1e-8
        assert pb.curvature(np.array([0.5]), np.array([[1.02 * critical]]), z) < 0
        assert np.all(pb.curvature(c, np.array([[0.98 * critical]]), z) > 0)
        assert np.all(pb.depth(c, np.array([[0.98 * critical]]), z) > 0)


def test_equal_species_demix_as_one():
    """Colour does not matter: spinodal and binodal depend on the sum of concentrations."""
    rng = np.random.default_rng(1)
    c = compositions(rng, 30, 2)
    both, one = np.full((2, 2), -1.7), np.array([[-1.7]])
    total = c.sum(1, keepdims=True)
    assert np.all((pb.curvature(c, both, 4) < 0) == (pb.curvature(total, one, 4) < 0))
    clear = np.abs(pb.depth(total, one, 4)) > 5e-3
    agree = (pb.depth(c, both, 4) < 0) == (pb.depth(total, one, 4) < 0)
    assert clear.sum() > 10 and np.all(agree[clear])


# Scenarios -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_same_seed_same_bits(tmp_path):
    changes = ["learning.updates=3", "learning.replicas=8", "run.steps=50", "run.replicas=25"]
    short = load(SMALL, [*changes, "task.hidden=[0.1]", "system.species=3"])
    first, second = (run.simulate(short, tmp_path / name).tree for name in ("a", "b"))
    np.testing.assert_array_equal(first["overlap"], second["overlap"])
    np.testing.assert_array_equal(first["learning"]["couplings"], second["learning"]["couplings"])
    np.testing.assert_allclose(first["overlap"].dropna("step").sum("memory"), 1.0, rtol=1e-5)
    assert (tmp_path / "a" / "figures" / "decisions.png").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("system.species=3", "2 inputs and 0 hidden species need as many; the system has 3"),
        ("task.high=0.6", "together they leave 5 % of solvent"),
        ("task.condensed.threshold=9", "one answer for all inputs"),
        ("task.margin=2.0", "no training inputs for one of the answers"),
        ("dynamics.kind=heat_bath", "use kawasaki, which conserves them"),
        ("learning.rule={kind: wake_sleep}", "sleep has to begin with the input's molecules: use clamped"),
        ("run.replicas=20", "5^2 inputs need as many replicas"),
        ("task.condensed={exponents: [0.5, 0.5], threshold: 0}", "greater than 0"),
    ],
)
def test_bad_input_is_one_line(change, words):
    with pytest.raises(ScenarioError) as caught:
        load(SMALL, [change])
    assert any(words in line for line in str(caught.value).splitlines()), caught.value


def test_a_rule_of_fluctuations_needs_a_temperature():
    change = ["system={kind: particles, species: 1, copies: 4}", "dynamics={kind: fire}", "task=null", "observe=null"]
    with pytest.raises(ScenarioError, match="needs thermal fluctuations, which 'fire' does not have"):
        load(SMALL, change)
