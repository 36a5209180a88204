"""Wake–sleep learning: its sampled gradient is exact, its error bars are right, its runs can be cut anywhere."""

import os
import signal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from covering import slow
from matterlearn import loop, run, stages
from matterlearn.checkpoints import Store
from matterlearn.core.drive import Drive
from matterlearn.core.lattice_kernel import LatticeState
from matterlearn.core.rule import Batch, phase_statistics, start_phase
from matterlearn.core.schedule import Constant
from matterlearn.core.system import coupling_gradient
from matterlearn.core.task import replicated
from matterlearn.errors import Interrupted
from matterlearn.kinds import load_kind
from matterlearn.learning import Learning
from matterlearn.scenario import load
from matterlearn.theory import enumeration

# Open cube of eight sites, J and μ as below; visible: the face x = 0; target: ½ on (1, 1, 1, 1), ½ on (1, 1, 2, 2).
# Gradient of KL with respect to J11, J12, J22, μ1, μ2, from a sum over all 6561 states outside this package.
GRADIENT = [-1.22982756, 1.43653427, 0.55463596, -0.58831174, 0.89087455]
KL = 2.5878593491
CUBE = {
    "title": "Cube",
    "system": {
        "kind": "lattice_condensate", "shape": [2, 2, 2], "periodic": False, "species": 2,
        "couplings": [[-1.0, 0.5], [0.5, -1.0]], "chemical_potential": [0.3, 0.7],
    },
    "dynamics": {"kind": "heat_bath"},
    "task": {
        "kind": "target_distribution", "patterns": [[1, 1, 1, 1], [1, 1, 2, 2]],
        "visible": [[0, 0, 0], [0, 0, 1], [0, 1, 0], [0, 1, 1]],
    },
    "learning": {
        "rule": {"kind": "wake_sleep", "samples": 2, "relax": 2}, "updates": 7, "replicas": 20,
        "optimizer": {"kind": "adam", "learning_rate": 0.1, "final_rate": 0.01},
    },
    "run": {"steps": 10},
}  # fmt: skip


def flat(tree):
    """Numbers of J and μ in one row."""
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


def kind(family, name, **config):
    return load_kind(family, name)(kind=name, **config)


def estimates(rule, experiment, replicas, keys):
    """One estimate per key, from disordered chains: slopes and their own standard errors, [key, coupling]."""
    system, dynamics = experiment.system, experiment.dynamics

    @eqx.filter_jit
    def estimate(key):
        batch = experiment.task.present(key, system, jnp.zeros((), int), replicas, 1.0)
        state = rule.init(jax.random.fold_in(key, 1), system, dynamics, replicas)
        slope, _, info = rule.estimate(key, system, dynamics, state, batch, parameters=rule.parameters(system))
        return slope, jax.tree.map(jnp.hypot, info.phases["wake"].sem, info.phases["sleep"].sem)

    slopes, errors = zip(*map(estimate, keys), strict=True)
    return np.stack([flat(s) for s in slopes]), np.stack([flat(e) for e in errors])


def test_exact_gradient(x64):
    """∂E/∂θ of the system, averaged over all states with exact weights, is the gradient known from elsewhere."""
    experiment = run.build(load(CUBE))
    oracle, system = experiment.task.oracle, experiment.system
    states = LatticeState(jnp.asarray(oracle.states).reshape(-1, 2, 2, 2))
    counts = jax.jit(jax.vmap(lambda x: coupling_gradient(system, x)))(states)
    statistics = np.concatenate([np.reshape(leaf, (len(oracle.states), -1)) for leaf in jax.tree.leaves(counts)], 1)
    model = oracle.ensemble(system, 1.0)
    gradient = enumeration.kl_gradient(model, statistics, oracle.index, oracle.target)
    np.testing.assert_allclose(gradient, GRADIENT, atol=6e-9)  # all digits that are known
    assert abs(oracle.kl(system, 1.0) - KL) < 6e-11


@pytest.mark.slow
@pytest.mark.parametrize(
    ("chains", "samples"), [("persistent", 250), pytest.param("clamped", 50, marks=pytest.mark.slow)]
)
def test_sampled_gradient_is_the_exact_one(chains, samples):
    """Forty independent estimates; over 10⁶ samples of persistent chains.

    Patterns are shown in equal numbers, so estimates scatter less than the errors that each gives for itself, which
    take patterns for random. Power: from the scatter, persistent chains would betray a bias of 0.05 in J11 and of 0.03
    elsewhere, a few hundredths of the gradient. Chains that start where waking ended forget it within the thirty sweeps
    before the first sample.
    """
    experiment, replicas = run.build(load(CUBE)), 100
    rule = kind("rules", "wake_sleep", samples=samples, relax=30, chains=chains).build()
    slopes, errors = estimates(rule, experiment, replicas, jax.random.split(jax.random.key(5), 40))
    assert slopes.shape[0] * replicas * samples >= (1e6 if chains == "persistent" else 2e5)
    scatter = slopes.std(0, ddof=1)
    sem = scatter / np.sqrt(len(slopes))
    assert np.all(sem < (0.013 if chains == "persistent" else 0.04)), sem
    z = (slopes.mean(0) - GRADIENT) / sem
    assert np.all(np.abs(z) < 4), z
    assert np.all(errors.mean(0) * (1 + 4 / np.sqrt(2 * len(slopes))) > scatter), "its own errors are never too small"


@pytest.mark.slow
def test_effective_samples_of_a_known_autocorrelation():
    """Metropolis on free sites flips 0 → 1 with rate e^−μ/2 and back with ½: correlations λ^k, λ = 1 − (1 + e^−μ)/2.

    Power: the variance over 4000 replicas is known to 2.2 %; without the correlations the answer were 2.4 times larger.
    """
    mu, samples, replicas = 3.0, 20, 4000
    config = {"shape": [2, 2], "periodic": False, "species": 1, "chemical_potential": mu}
    system = kind("systems", "lattice_condensate", **config).build(None)
    dynamics = kind("dynamics", "metropolis").build()
    keys = jax.random.split(jax.random.key(1), replicas)

    @eqx.filter_jit
    def statistics():
        x = jax.vmap(system.init_state)(keys)
        drive = Drive(strength=Constant(jnp.ones(replicas)))
        start = start_phase(keys[0], system, dynamics, drive, x, None)
        return phase_statistics(keys[0], system, dynamics, drive, start, samples=samples, stride=1, relax=30)[0]

    stats = statistics()
    decay = 1 - (1 + np.exp(-mu)) / 2
    lags = np.arange(1, samples)
    expected = replicas * samples / (1 + 2 * np.sum((1 - lags / samples) * decay**lags))
    found = float(stats.effective_samples().chemical_potential[0])
    assert abs(found / expected - 1) < 4 * np.sqrt(2 / (replicas - 1)), (found, expected)
    p = 1 / (1 + np.exp(mu))
    z = (float(stats.mean.chemical_potential[0]) - 4 * p) / float(stats.sem.chemical_potential[0])
    assert abs(z) < 4


@pytest.mark.slow
def test_matter_that_is_held_everywhere_does_not_move():
    system = kind("systems", "lattice_condensate", shape=[2, 2], species=2).build(None)
    dynamics = kind("dynamics", "heat_bath").build()
    x = LatticeState(jnp.ones((3, 2, 2), jnp.int8))
    drive = Drive(target=x, clamped=LatticeState(jnp.ones((3, 2, 2), bool)), strength=Constant(jnp.ones(3)))
    assert bool(drive.holds_everything) and not bool(Drive().holds_everything)
    loose = eqx.tree_at(lambda d: d.clamped.species, drive, jnp.ones((3, 2, 2), bool).at[2, 0, 0].set(False))
    assert not bool(loose.holds_everything)
    start = start_phase(jax.random.key(0), system, dynamics, drive, x, None)
    stats, end = phase_statistics(
        jax.random.key(0), system, dynamics, drive, start, samples=2, stride=10**9, relax=10**9
    )  # returns at all
    assert (end.x.species == 1).all() and stats.mean.chemical_potential.tolist() == [4.0, 0.0]


@pytest.mark.slow
def test_particles_learn_with_lists_as_with_all_pairs():
    """The lists of the waking phase are those of another place when sleep begins; no pair is lost."""
    config = {"species": 1, "copies": 120, "bond": -1.0}
    system = kind("systems", "particles", **config).build(jax.random.key(0))
    dynamics = kind("dynamics", "brownian", dt=1e-4).build()
    rule = kind("rules", "wake_sleep", samples=2, stride=5, relax=10).build()
    x = jax.jit(jax.vmap(system.init_state))(jax.random.split(jax.random.key(2), 2))
    trap = Drive(jax.tree.map(jnp.zeros_like, x), jax.tree.map(lambda a: jnp.full(a.shape, 10.0), x))
    drive = eqx.tree_at(lambda d: d.strength, trap, Constant(jnp.ones(2)))

    def estimate(lists):
        batch = Batch(drive, x, jnp.ones(()), lists)
        state = rule.init(jax.random.key(3), system, dynamics, 2)
        return rule.estimate(jax.random.key(4), system, dynamics, state, batch, parameters=rule.parameters(system))

    lists = stages.allocate(replicated(system, 2), x)
    assert lists is not None and stages.capacity(lists) < 120 * 119 / 2
    room = stages.allocate(replicated(system, 2), x, 3000)
    with_lists, _, info = eqx.filter_jit(estimate)(room)
    without, _, _ = eqx.filter_jit(estimate)(None)
    assert not stages.overflowed(info.neighbors)
    np.testing.assert_allclose(flat(with_lists), flat(without), rtol=1e-4)


# A learning stage, cut and interrupted ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def experiment():
    """The experiment with its rule and optimiser, made once: others would be compiled again."""
    built = run.build(load(CUBE))
    learning = built.scenario.learning
    return built, learning.rule.build(), run.optimizer(learning.optimizer, learning.updates)


def learned(experiment, directory, chunk=None, stop_at=None):
    """Final parameters and all records of a learning stage; ``stop_at`` asks it to stop during that update."""
    built, rule, optimizer = experiment
    learning = built.scenario.learning
    stage = Learning(
        jax.random.key(7), built.system, built.dynamics, rule, built.task, optimizer,
        exposures=1, updates=learning.updates, duration=1.0, replicas=learning.replicas,
    )  # fmt: skip
    advance = stage.advance

    def interrupted(carry, begin, count):
        if begin <= stop_at < begin + count:
            os.kill(os.getpid(), signal.SIGINT)
        return advance(carry, begin, count)

    if stop_at is not None:
        stage.advance = interrupted
    settings = {"quiet": True, "log": loop.Log(directory / "log.jsonl"), "resume_hint": "go on"}
    carry, records = loop.run_stage(stage, Store(directory / "checkpoints"), chunk=chunk, **settings)
    return jax.tree.leaves((carry.parameters, carry.rule, carry.optimizer)), records


@pytest.fixture(scope="module")
def whole(experiment, tmp_path_factory):
    return learned(experiment, tmp_path_factory.mktemp("whole"))


def same(one, other):
    for a, b in zip(one[0], other[0], strict=True):
        np.testing.assert_array_equal(a, b)
    assert one[1].keys() == other[1].keys()
    for name in one[1]:
        np.testing.assert_array_equal(one[1][name], other[1][name], err_msg=name)


@pytest.mark.parametrize("chunk", [slow(1), 3, slow(7)])
def test_any_chunk_learns_the_same_bits(tmp_path, experiment, whole, chunk):
    same(learned(experiment, tmp_path, chunk), whole)


@pytest.mark.parametrize("update", [slow(0), 4])
def test_interrupted_learning_goes_on_to_the_same_bits(tmp_path, experiment, whole, update):
    with pytest.raises(Interrupted, match=f"stopped at update {update + 1} of 7"):
        learned(experiment, tmp_path, chunk=1, stop_at=update)
    same(learned(experiment, tmp_path, chunk=3), whole)
    assert whole[1]["kl"][-1] != whole[1]["kl"][0], "nothing was learned meanwhile"


def test_the_rate_falls_to_what_was_asked_for():
    sgd = load(CUBE).learning.optimizer.model_copy(update={"kind": "sgd"})
    optimizer, steps = run.optimizer(sgd, 10), []
    state = optimizer.init(jnp.zeros(()))
    for _ in range(11):
        step, state = optimizer.update(jnp.ones(()), state)
        steps.append(-float(step))
    np.testing.assert_allclose(steps, 0.1 * 0.1 ** (np.arange(11) / 10), rtol=1e-5)


@pytest.mark.slow
def test_a_hidden_species_beats_every_model_without():
    """The bound without: exact fits from many starts, ln 3/2; sampled learning with one ends far below it."""
    states = enumeration.configurations(4, 2)
    statistics = enumeration.potts_statistics(states, enumeration.lattice_bonds((1, 4), False), 2)[:, [2, 4]]
    patterns, shown = enumeration.visible_patterns(states, [0, 3])
    target = (patterns.sum(1) == 1) / 2
    starts = np.random.default_rng(0).normal(0.0, 3.0, (40, 2))
    bound = enumeration.fit(statistics, shown, target, starts=starts).kl
    assert abs(bound - np.log(1.5)) < 1e-3
    experiment = run.build(load("hidden_species"))
    learning = experiment.scenario.learning
    stage = Learning(
        jax.random.key(11), experiment.system, experiment.dynamics, learning.rule.build(), experiment.task,
        run.optimizer(learning.optimizer, learning.updates), exposures=1, updates=learning.updates, duration=1.0,
        replicas=learning.replicas,
    )  # fmt: skip
    carry, _ = stage.advance(stage.start(), 0, stage.total)
    system = learning.rule.build().couple(experiment.system, carry.parameters)
    assert experiment.task.evaluate(system, experiment.dynamics)["kl"] < bound / 4
