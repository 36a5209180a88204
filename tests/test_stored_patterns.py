"""Recall from stored patterns: what is swept, the theory beside it, and networks as machines with hidden units."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from matterlearn.core.drive import Drive
from matterlearn.core.dynamics import advance
from matterlearn.core.network import NetworkState
from matterlearn.kinds import load_kind
from matterlearn.plots_finals import window
from matterlearn.run import build
from matterlearn.scenario import load
from matterlearn.tasks._pattern_theory import ALL, Combination
from matterlearn.theory import (
    dreaming,
    gaussian_machine,
    hopfield,
    hopfield_exact,
    hopfield_mixtures,
    learning_from_examples,
    signal_to_noise,
)


def system(kind, **fields):
    return load_kind("systems", kind)(kind=kind, **fields).build(jax.random.key(0))


def dynamics(kind, **fields):
    return load_kind("dynamics", kind)(kind=kind, **fields).build()


SIX = np.array([[-1, 1, 1, -1, 1, 1], [1, 1, 1, 1, 1, 1]])


def test_hopfield_is_a_gaussian_machine():
    """Six spins, two patterns, β = 1.2: ln Z = 6.152916477196 with the diagonal, both ways; 4.952916477196 without."""
    memory = gaussian_machine.PatternMemory(SIX.T, -np.ones(2), np.zeros(6))
    machine = gaussian_machine.from_patterns(memory, 1 / 1.2)
    with_diagonal = machine._replace(constant=0.0)
    for found in (with_diagonal.log_partition(), with_diagonal.log_partition_hidden()):
        assert found == pytest.approx(6.152916477196, abs=2e-12)
    for found in (machine.log_partition(), machine.log_partition_hidden()):
        assert found == pytest.approx(4.952916477196, abs=2e-12)
    exact = hopfield_exact.equilibrium(hopfield_exact.levels(SIX), 1 / 1.2)
    assert machine.log_partition() == pytest.approx(exact.log_partition, abs=1e-12)


@pytest.mark.parametrize("storage", [{"rule": "hebb"}, {"rule": "dreaming", "time": 2.0}, {"rule": "projector"}])
def test_networks_and_machines_have_equal_energies(storage):
    """E/kT of ``pattern_network`` is the machine's energy at integrated hidden units, state by state; and back."""
    kT = 0.7
    with jax.enable_x64(True):
        net = system("pattern_network", units=8, memories=3, storage=storage)
        rng = np.random.default_rng(3)
        net = eqx.tree_at(lambda s: s.coupling, net, jnp.asarray(-rng.uniform(0.2, 2, 3)))
        net = eqx.tree_at(lambda s: s.threshold, net, jnp.asarray(rng.normal(size=8)))
        states = jnp.asarray([[int(b) for b in f"{k:08b}"] for k in range(256)], jnp.int8)
        energy = np.asarray(jax.jit(jax.vmap(net.energy))(NetworkState(states)))
        memory = gaussian_machine.PatternMemory(*(np.asarray(a, float) for a in
                                                  (net.vectors, net.coupling, net.threshold)))  # fmt: skip
        machine = gaussian_machine.from_patterns(memory, kT)
        s = 2.0 * np.asarray(states) - 1
        np.testing.assert_allclose(machine.marginal_energy(s), energy / kT, atol=1e-12)
        exact = float(np.logaddexp.reduce(-energy / kT))
        assert machine.log_partition() == pytest.approx(exact, abs=1e-12)
        assert machine.log_partition_hidden() == pytest.approx(exact, abs=1e-9), "64 nodes"
        back = gaussian_machine.to_patterns(machine, kT)
        numbers = tuple(map(jnp.asarray, back))
        parts = lambda s: (s.stored, s.coupling, s.threshold)  # noqa: E731
        net = eqx.tree_at(parts, net, numbers, is_leaf=lambda leaf: leaf is None)
        again = np.asarray(jax.jit(jax.vmap(net.energy))(NetworkState(states)))
        np.testing.assert_allclose(again, energy, atol=1e-12)


def test_hidden_units_are_normal_given_the_spins():
    """The joint energy minus the marginal one is ½|z − Wᵀs|²."""
    rng = np.random.default_rng(0)
    machine = gaussian_machine.GaussianMachine(rng.normal(size=(5, 2)), rng.normal(size=5), 0.3)
    s, z = rng.choice([-1.0, 1.0], (20, 5)), rng.normal(size=(20, 2))
    gap = machine.energy(s, z) - machine.marginal_energy(s)
    np.testing.assert_allclose(gap, ((z - s @ machine.weights) ** 2).sum(1) / 2, atol=1e-12)
    with pytest.raises(ValueError, match="couplings c <= 0"):
        gaussian_machine.from_patterns(gaussian_machine.PatternMemory(SIX.T, np.array([-1.0, 0.1]), np.zeros(6)), 1.0)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "fields"), [
    ("pattern_network", {}), ("dense_memory", {"order": 3}), ("dense_memory", {"order": "exponential"}),
])  # fmt: skip
def test_keeping_memories_leaves_the_others_out(kind, fields):
    """The first four of nine memories: every gap and energy difference is that of a network of these four."""
    with jax.enable_x64(True):
        net = system(kind, units=20, memories=9, **fields)
        kept = net.keeping(jnp.asarray(4), jnp.asarray(ALL))
        small = eqx.tree_at(lambda s: (s.coupling, s.memory), net, (net.coupling[:4], net.memory[:, :4]))
        x, y = (net.init_state(jax.random.key(k)) for k in (2, 3))
        gaps = [n.kernel().gaps(n.kernel().summary(x.active), x.active, jnp.arange(20)) for n in (kept, small)]
        np.testing.assert_allclose(*gaps, rtol=1e-10)
        here, there = (float(n.energy(x) - n.energy(y)) for n in (kept, small))
        assert here == pytest.approx(there, rel=1e-9)
        assert bool(jnp.isfinite(kept.energy(x)))


def test_keeping_examples_leaves_the_others_out():
    """Three of five examples of two of four memories, against the sum over them."""
    with jax.enable_x64(True):
        examples = {"count": 5, "quality": 0.4, "supervised": False}
        net = system("pattern_network", units=12, memories=4, examples=examples)
        s = 2.0 * net.init_state(jax.random.key(2)).active - 1
        shown = np.asarray(net.vectors, float).reshape(12, 4, 5)[:, :2, :3].reshape(12, 6)
        J = -shown @ shown.T / 12
        expected = s @ (J - np.diag(np.diag(J))) @ s / 2
        kept = net.keeping(jnp.asarray(2), jnp.asarray(3))
        assert float(kept.energy(NetworkState((s > 0).astype(jnp.int8)))) == pytest.approx(float(expected), rel=1e-9)


def test_first_step_in_theory():
    """What each storage knows of it, and that it says nothing where nothing is known."""
    plain = {"units": 200, "memories": 40}
    hebb = system("pattern_network", **plain)
    np.testing.assert_allclose(
        hebb.first_step([20, 40], ALL), 1 - 2 * signal_to_noise.exact_bit_error(200, np.array([20, 40]))
    )
    slept = system("pattern_network", **plain, storage={"rule": "dreaming", "time": 3.0})
    assert float(slept.first_step(40, ALL)) == pytest.approx(1 - 2 * float(dreaming.bit_error(0.2, 3.0)))
    assert float(system("pattern_network", **plain, storage={"rule": "projector"}).first_step(40, ALL)) == 1
    for supervised, theory in ((True, learning_from_examples.supervised_overlap),
                               (False, learning_from_examples.unsupervised_overlap)):  # fmt: skip
        examples = {"count": 20, "quality": 0.3, "supervised": supervised}
        net = system("pattern_network", **plain, examples=examples)
        assert float(net.first_step(40, ALL)) == pytest.approx(float(theory(0.2, 20, 0.3)))
        assert float(net.first_step(40, 7)) == pytest.approx(float(theory(0.2, 7, 0.3)))
    for unknown in ({"threshold": 0.1}, {"self_coupling": 0.5}, {"values": "threshold"}):
        assert np.isnan(system("pattern_network", **plain, **unknown).first_step(40, ALL))
    dense = system("dense_memory", units=60, memories=400, order=3)
    assert float(dense.first_step(400, ALL)) == pytest.approx(1 - 2 * 0.0416, abs=1e-4)
    full = system("dense_memory", units=20, memories=1100, order="exponential")
    assert dense.order == 3 and full.first_step(1000, ALL) == 1 and np.isnan(full.first_step(1100, ALL))


@pytest.mark.parametrize(("storage", "time"), [("hebb", None), ("dreaming", 1.0)])
def test_first_step_as_measured(storage, time):
    """N = 1000, load .3: overlap after one parallel step at kT = 0 from every memory of four sets, |z| < 4."""
    rule = {"rule": storage} | ({} if time is None else {"time": time})
    found = []
    for seed in range(4):
        net = system("pattern_network", units=1000, memories=300, memory_seed=seed, storage=rule)
        kernel, active = net.kernel(), (net.memory.T > 0).astype(jnp.int8)
        gaps = jax.jit(jax.vmap(lambda a, k=kernel: k.gaps(k.summary(a), a, slice(None))))(active)
        found.append(float(jnp.mean(jnp.sign(gaps) * net.memory.T)))
    z = (np.mean(found) - float(net.first_step(300, ALL))) / (np.std(found, ddof=1) / 2)
    assert abs(z) < 4, f"{found}, z = {z:.1f}"


def references(path, *overrides):
    experiment = build(load(path, list(overrides)))
    found = experiment.task.references(experiment.system, experiment.dynamics)
    return experiment, {summary.name: summary.values for summary in found}


MIXED = ("scenarios/spurious_mixtures.yaml", "system.units=40", "expect={}")


def test_mixtures_have_their_theory():
    """Overlaps over mixtures and temperatures up to where they melt; the three stability temperatures."""
    experiment, found = references(*MIXED, "task.temperatures=[0.3, 0.4, 0.5]", "run.replicas=12")
    exact = np.array([hopfield_mixtures.overlap(n, [0.3, 0.4, 0.5]) for n in (1, 3, 5, 7)])
    stable = np.array([[1, 1, 1], [1, 1, 0], [1, 0, 0], [1, 0, 0]])
    np.testing.assert_allclose(found["overlap_theory"], np.where(stable, exact, np.nan))
    np.testing.assert_array_equal(found["mixed_memories_theory"][:, 0], [1, 3, 5, 7])
    limits = list(experiment.task.annotations(experiment.system).values())
    np.testing.assert_allclose(limits, [0.4597942399, 0.3847392724, 0.3439298450], atol=1e-9)


def test_mixtures_mix():
    """The sign of the sum of n of 2^n balanced patterns overlaps with each by C(n − 1, (n − 1)/2)/2^(n−1), exactly."""
    bits = jnp.asarray([[2 * int(b) - 1 for b in f"{k:05b}"] for k in range(32)], jnp.int8)
    experiment, _ = references(*MIXED, "system.memories=5", "system.units=32", "task.mixtures=[1, 3, 5]",
                               "run.replicas=30")  # fmt: skip
    task = eqx.tree_at(lambda t: t.memory, experiment.task, bits.T)
    net = eqx.tree_at(lambda s: s.memory, experiment.system, bits)
    recall = task.recall(jax.random.key(0), net, 30)
    observe = load_kind("observables", "mixed_memories")(kind="mixed_memories").build(net, task)
    for replica, n in enumerate(recall.labels["mixture"].values):
        state = dynamics("sequential").init(jax.random.key(0), net, Drive(), NetworkState(recall.x.active[replica]))
        overlap = np.sort(np.asarray(task.overlap(net, state)))[::-1]
        exact = float(hopfield_mixtures.overlap(int(n), 0.0))
        np.testing.assert_allclose(overlap, [exact] * n + [0] * (5 - n), atol=1e-6)
        assert float(observe(net, Drive(), state)) == pytest.approx(n, rel=1e-5)


def test_one_temperature_or_one_load_is_a_curve():
    base = ("scenarios/hopfield_phase_diagram.yaml", "system.units=200", "system.memories=20", "expect={}",
            "run.replicas=6")  # fmt: skip
    _, found = references(*base, "task.loads=[0.05, 0.1]", "task.temperatures=[0.3]")
    np.testing.assert_allclose(found["overlap_theory"], hopfield.overlap([0.05, 0.1], 0.3))
    _, found = references(*base, "task.loads=null", "task.temperatures=[0.2, 0.3]")
    np.testing.assert_allclose(found["overlap_theory"], hopfield.overlap(0.1, [0.2, 0.3]))
    _, found = references(*base, "task.loads=[0.05]", "task.temperatures=[0.2]", "task.cue_overlaps=[0.4, 0.8]")
    assert not found, "the stationary state is not what a poor cue leads to"


def test_examples_are_swept():
    """Replicas that saw more examples have more couplings; theory is a curve over them."""
    experiment, found = references("scenarios/learning_from_examples.yaml", "system.units=50", "expect={}",
                                   "task.examples=[2, 120]", "run.replicas=4")  # fmt: skip
    recall = experiment.task.recall(jax.random.key(0), experiment.system, 4)
    np.testing.assert_array_equal((np.asarray(recall.system.coupling) != 0).sum(1), [50, 3000, 50, 3000])
    assert recall.labels["examples"].values.tolist() == [2, 120, 2, 120]
    exact = learning_from_examples.unsupervised_overlap(0.5, np.array([2, 120]), 0.4)
    np.testing.assert_allclose(found["overlap_theory"], exact)


def test_figures_of_two_swept_quantities():
    """One curve for each mixture, in panels of what theory knows; points are not joined over it."""
    replica = {"temperature": ("replica", [0.1, 0.2, 0.3] * 2), "mixture": ("replica", [1, 1, 1, 3, 3, 3])}
    values = np.arange(12.0).reshape(6, 2)
    for dims in (("mixture", "temperature"), ("temperature", "mixture")):
        exact = np.arange(6.0).reshape(2, 3) if dims[0] == "mixture" else np.arange(6.0).reshape(2, 3).T
        known = tuple(f"{d}_value" for d in dims), exact
        measured = {"energy": (("replica", "step"), values), "energy_theory": known}
        root = xr.Dataset(measured, coords={d: replica[d] for d in dims})
        figure = window(xr.DataTree(root))
        assert figure is not None
        dashed = [line for line in figure.axes[0].lines if line.get_linestyle() == "--"]
        assert [np.asarray(line.get_ydata()).tolist() for line in dashed] == [[0, 1, 2], [3, 4, 5]]


def test_combinations_know_what_they_store():
    assert Combination(1.0, 1, None, None, None).stored(7, 100) == 7
    assert [Combination(1.0, 1, load, None, None).stored(7, 100) for load in (0.001, 0.05)] == [1, 5]


@pytest.mark.slow
@pytest.mark.parametrize(("connectivity", "alpha"), [(0.5, 0.1), (0.2, 0.15)])
def test_diluted_networks_retrieve_as_in_theory(connectivity, alpha):
    """N = 2000 at T = .2, loads per connection: the overlap within 4 s.e."""
    memories = round(alpha * connectivity * 2000)
    net = load_kind("systems", "spin_network")(
        kind="spin_network", units=2000, memories=memories, connectivity=connectivity
    ).build(None)
    error = (connectivity * (1 - connectivity) / net.joined.size) ** 0.5
    assert abs(float(jnp.mean(net.joined)) - connectivity) < 4 * error
    moved = load_kind("dynamics", "sequential")(kind="sequential", kT=0.2).build()
    active = (net.memory[:, :16].T > 0).astype(jnp.int8)

    @eqx.filter_jit
    def end(net, active):
        def one(key, active):
            start = moved.init(key, net, Drive(), NetworkState(active))
            return advance(key, net, moved, Drive(), start, jnp.asarray(60)).x.active

        return jax.vmap(one)(jax.random.split(jax.random.key(0), 16), active)

    overlap = np.mean((2.0 * np.asarray(end(net, active)) - 1) * np.asarray(net.memory[:, :16]).T, 1)
    expected = hopfield.retrieval(alpha, 0.2, connectivity=connectivity).m
    assert abs(overlap.mean() - expected) < 4 * overlap.std(ddof=1) / 4, f"{overlap.mean()} for {expected}"


@pytest.mark.parametrize("values", ["spins", "threshold"])
def test_a_field_along_the_cue(values):
    """Without couplings, units in a field h along their cue agree with it by tanh(h/kT); a cycle carries them along."""
    scenario = {
        "title": "free units in a field",
        "system": {"kind": "pattern_network", "units": 4000, "memories": 4, "values": values},
        "dynamics": {"kind": "sequential", "kT": 0.5},
        "task": {"kind": "stored_patterns", "cue_overlaps": [0.0], "field": 0.4},
        "observe": [{"kind": "overlap", "every": 1}], "run": {"steps": 3, "replicas": 4},
    }  # fmt: skip
    experiment = build(load(scenario))
    system = eqx.tree_at(lambda s: s.coupling, experiment.system, jnp.zeros(4))
    recall = experiment.task.recall(jax.random.key(0), system, 4)

    def one(key, drive, x):
        start = experiment.dynamics.init(key, system, drive, x)
        return advance(key, system, experiment.dynamics, drive, start, jnp.asarray(2))

    ends = eqx.filter_jit(jax.vmap(one))(jax.random.split(jax.random.key(1), 4), recall.drive, recall.x)
    overlap = np.diag(jax.vmap(lambda s: experiment.task.overlap(system, s))(ends))
    expected, error = np.tanh(0.8), np.sqrt((1 - np.tanh(0.8) ** 2) / 4000)
    assert (np.abs(overlap - expected) < 4 * error).all(), f"{overlap} for {expected:.4f}"
    assert experiment.task.references(system, experiment.dynamics) == []
