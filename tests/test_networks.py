"""Networks: storage prescriptions, dynamics at and off equilibrium, learning by the rules of all matter."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from covering import slow
from matterlearn.core.drive import Drive
from matterlearn.core.dynamics import advance
from matterlearn.core.network import NetworkState, logistic, product
from matterlearn.core.system import with_couplings
from matterlearn.errors import ScenarioError
from matterlearn.kinds import load_kind
from matterlearn.run import build
from matterlearn.scenario import load
from matterlearn.theory import dreaming, hopfield, signal_to_noise


def system(kind, **fields):
    return load_kind("systems", kind)(kind=kind, **fields).build(jax.random.key(0))


def dynamics(kind, **fields):
    return load_kind("dynamics", kind)(kind=kind, **fields).build()


@functools.partial(eqx.filter_jit)
def relaxed(system, dynamics, key, active, steps):
    """Replicas after some steps."""

    def one(key, active):
        start = dynamics.init(key, system, Drive(), NetworkState(active))
        return advance(key, system, dynamics, Drive(), start, steps)

    return jax.vmap(one)(jax.random.split(key, len(active)), active)


def damaged(memory, overlap, seed=0):
    """[replica, unit] copies of memories [unit, replica] with this overlap on average."""
    rng = np.random.default_rng(seed)
    wrong = rng.random(memory.shape) < (1 - overlap) / 2
    return jnp.asarray(((np.asarray(memory) > 0) ^ wrong).T.astype(np.int8))


def overlaps(state, memory):
    """Of each replica with its own memory."""
    return np.mean((2 * np.asarray(state.x.active, int) - 1) * np.asarray(memory).T, 1)


def recalled(net, count, *, start=1.0, steps=30, **kinds):
    memory = net.memory[:, :count]
    moved = dynamics(**({"kind": "sequential"} | kinds))
    return overlaps(relaxed(net, moved, jax.random.key(1), damaged(memory, start), jnp.asarray(steps)), memory)


def test_pattern_form_is_the_matrix_form():
    """Same memories, same energies, same gaps, same bits at every step."""
    with jax.enable_x64(True):
        pattern, matrix = system("pattern_network", units=40, memories=7), system("spin_network", units=40, memories=7)
        x = pattern.init_state(jax.random.key(2))
        np.testing.assert_array_equal(pattern.memory, matrix.memory)
        np.testing.assert_allclose(pattern.energy(x), matrix.energy(x), rtol=1e-6)
        start = jnp.stack([pattern.init_state(jax.random.key(k)).active for k in range(8)])
        ends = [relaxed(s, dynamics("sequential", kT=0.5), jax.random.key(3), start, jnp.asarray(20)).x.active
                for s in (pattern, matrix)]  # fmt: skip
    np.testing.assert_array_equal(*ends)


def test_quadratic_dense_memory_is_hopfields():
    fields = {"units": 30, "memories": 4}
    pattern, dense = system("pattern_network", **fields), system("dense_memory", **fields, order=2)
    x = pattern.init_state(jax.random.key(2))
    assert float(dense.energy(x)) == pytest.approx(float(pattern.energy(x)) - 4 / 2, abs=1e-4), "with its diagonal"


@pytest.mark.parametrize("time", [0.0, 1.0, 10.0])
def test_dreaming_kernel(time):
    net = system("pattern_network", units=50, memories=10, storage={"rule": "dreaming", "time": time})
    exact = dreaming.kernel(np.asarray(net.memory, float).T, time)
    np.testing.assert_allclose(net.vectors @ net.vectors.T / 50, exact, atol=1e-6)


def test_projector_is_where_dreams_end():
    net = system("pattern_network", units=50, memories=10, storage={"rule": "projector"})
    exact = dreaming.projector(np.asarray(net.memory, float).T)
    np.testing.assert_allclose(net.vectors @ net.vectors.T / 50, exact, atol=1e-6)


@pytest.mark.parametrize("load", [slow(0.2), slow(0.5), slow(0.8), 0.95])
def test_projector_stores_every_load(load):
    """With the diagonal, every memory is a fixed point whose field is the memory itself."""
    fields = {"units": 400, "memories": round(load * 400), "self_coupling": 1}
    net = system("pattern_network", **fields, storage={"rule": "projector"})
    kernel = net.kernel()
    active = (net.memory.T > 0).astype(jnp.int8)
    gaps = jax.jit(jax.vmap(lambda a: kernel.gaps(kernel.summary(a), a, slice(None))))(active)
    np.testing.assert_allclose(gaps, 2 * net.memory.T, atol=2e-4)
    assert (recalled(net, 20, steps=2) == 1).all()


@pytest.mark.slow
def test_self_coupling_kills_basins():
    """N = 400, start at .8: published success at load .5 is .67 without the diagonal and 0 with it; all at load .2."""
    fraction = {}
    for alpha, kept in ((0.2, 0.0), (0.5, 0.0), (0.5, 1.0)):
        fields = {"units": 400, "memories": round(alpha * 400), "storage": {"rule": "projector"}}
        net = system("pattern_network", **fields, self_coupling=kept)
        fraction[alpha, kept] = np.mean(recalled(net, 80, start=0.8) > 0.99)
    assert fraction[0.2, 0.0] == 1
    z = (fraction[0.5, 0.0] - 0.67) / np.sqrt(0.67 * 0.33 / 80)
    assert abs(z) < 4, f"{fraction[0.5, 0.0]}"
    assert fraction[0.5, 1.0] == 0


@pytest.mark.parametrize(("time", "alpha", "expected"), [
    (0, 0.2, 0.609), slow(1, 0.2, 1.0), slow(1, 0.4, 0.992), slow(1, 0.6, 0.714), slow(10, 0.8, 1.0),
    slow(10, 0.9, 0.996),
])  # fmt: skip
def test_dreaming_overlaps(time, alpha, expected):
    """Overlap after relaxation from a memory, N = 400, against published runs of one set of memories each.

    Both runs scatter between sets of memories: the standard deviation of ten sets is that of one.
    """
    found, storage = [], {"rule": "dreaming", "time": time}
    for seed in range(10):
        net = system("pattern_network", units=400, memories=round(alpha * 400), memory_seed=seed, storage=storage)
        found.append(recalled(net, 60).mean())
    scatter = np.std(found, ddof=1) * (1 + 1 / 10) ** 0.5
    assert abs(np.mean(found) - expected) < 4 * np.hypot(scatter, 0.0005), f"{np.mean(found)} ± {scatter}"


@pytest.mark.slow
def test_retrieval_at_finite_size():
    """N = 2000: memories hold at loads up to .12, and are lost at .25."""
    for alpha, low, high in ((0.1, 0.99, 1.0), (0.12, 0.98, 1.0), (0.25, 0.0, 0.6)):
        net = system("pattern_network", units=2000, memories=round(alpha * 2000))
        mean = recalled(net, 24, steps=60).mean()
        assert low <= mean <= high, f"overlap {mean:.3f} at load {alpha}"


def test_retrieval_at_finite_temperature():
    """N = 2000, α = .05, T = .3: the replica-symmetric overlap within 4 s.e."""
    net = system("pattern_network", units=2000, memories=100)
    m = recalled(net, 64, kT=0.3, steps=60)
    expected = float(hopfield.overlap(0.05, 0.3))
    assert abs(m.mean() - expected) < 4 * m.std(ddof=1) / 8, f"{m.mean()} for {expected}"


@pytest.mark.slow
@pytest.mark.parametrize(("units", "memories", "order"), [(60, 400, 3), (40, 1500, 4), (100, 30, 2)])
def test_dense_bit_errors(units, memories, order):
    """Error of a unit of a stored memory: exact moments of the crosstalk D(x) = (x + 1)ⁿ − (x − 1)ⁿ of every memory.

    x is a sum of N − 1 signs; with many memories the sum of their crosstalk is normal. The leading order of the same is
    the published formula, right to a tenth at these sizes. Finds an error that is wrong by a tenth.
    """
    x = 2 * np.arange(units) - (units - 1)
    difference = lambda x: (x + 1.0) ** order - (x - 1.0) ** order  # noqa: E731
    square = np.sum(stats.binom.pmf(np.arange(units), units - 1, 0.5) * difference(x) ** 2)
    expected = stats.norm.sf(difference(units - 1) / np.sqrt((memories - 1) * square))
    wrong = []
    for seed in range(40):
        net = system("dense_memory", units=units, memories=memories, order=order, memory_seed=seed)
        kernel, shown = net.kernel(), net.memory.T[:40]
        gaps = jax.jit(jax.vmap(lambda a, k=kernel: k.gaps(k.summary(a), a, jnp.arange(units))))
        wrong.append(np.mean(np.asarray(gaps((shown > 0).astype(jnp.int8))) * np.asarray(shown) < 0))
    z = (np.mean(wrong) - expected) / (np.std(wrong, ddof=1) / 40**0.5)
    assert abs(z) < 4, f"{np.mean(wrong):.4f}, expected {expected:.4f}, z = {z:.1f}"
    assert abs(expected / float(signal_to_noise.dense_bit_error(units, memories, order)) - 1) < 0.1


@pytest.mark.slow
def test_exponential_memory_never_fails_at_thirty_units():
    """Far below the capacity exp(.3466 N) = 32 800: ten thousand memories of 30 units, all stable."""
    net = system("dense_memory", units=30, memories=10_000, order="exponential")
    assert (recalled(net, 200, steps=2) == 1).all()


@pytest.mark.slow
@pytest.mark.parametrize(("K", "M", "r", "supervised", "expected"), [
    (50, 20, 0.3, True, 0.7934), (50, 100, 0.2, False, 0.8002),
    slow(100, 40, 0.4, True, 0.9481), slow(100, 40, 0.4, False, 0.9177),
])  # fmt: skip
def test_one_step_from_examples(K, M, r, supervised, expected):
    """One parallel step from the archetype at N = 1000, against published Monte Carlo values."""
    found = []
    for seed in range(6):
        examples = {"count": M, "quality": r, "supervised": supervised}
        net = system("pattern_network", units=1000, memories=K, memory_seed=seed, examples=examples)
        found.append(recalled(net, K, steps=1, kind="parallel").mean())
    error = np.std(found, ddof=1) / 6**0.5
    assert abs(np.mean(found) - expected) < 4 * np.hypot(error, 0.001), f"{np.mean(found)} ± {error}"


def test_parallel_dynamics_runs_into_a_cycle():
    """Two spins that want to be equal, and are not, change places for ever; one at a time they agree at once."""
    net = system("spin_network", units=2)
    net = with_couplings(net, eqx.tree_at(lambda s: s.coupling, net, jnp.array([-1.0])))
    start = jnp.array([[1, 0]], jnp.int8)
    state = relaxed(net, dynamics("parallel"), jax.random.key(0), start, jnp.asarray(5))
    observe = load_kind("observables", "period")(kind="period").build(net, None)
    assert float(observe(net, Drive(), jax.tree.map(lambda leaf: leaf[0], state))) == 2
    assert state.x.active.tolist() == [[0, 1]]
    settled = relaxed(net, dynamics("sequential"), jax.random.key(0), start, jnp.asarray(1)).x.active
    assert settled[0, 0] == settled[0, 1]


def test_parallel_dynamics_follows_perettos_law():
    """P(s) ∝ Π_i cosh(Δ_i/2kT): 4096 chains of four spins, χ² over 16 states."""
    net = system("spin_network", units=4, disorder=1.5)
    table = jnp.asarray([[int(b) for b in f"{k:04b}"] for k in range(16)], jnp.int8)
    kernel = net.kernel()
    gaps = np.asarray(jax.jit(jax.vmap(lambda a: kernel.gaps(kernel.summary(a), a, slice(None))))(table), float)
    weight = np.prod(np.cosh(gaps / 2), 1)
    start = jnp.zeros((4096, 4), jnp.int8)
    end = np.asarray(relaxed(net, dynamics("parallel", kT=1.0), jax.random.key(5), start, jnp.asarray(60)).x.active)
    count = np.bincount(end.astype(int) @ [8, 4, 2, 1], minlength=16)
    expected = 4096 * weight / weight.sum()
    z = (np.sum((count - expected) ** 2 / expected) - 15) / 30**0.5
    assert abs(z) < 4, f"χ² off by {z:.1f} standard deviations"


def test_thresholds_are_spins_in_other_words():
    """x = (1 + σ)/2: threshold units with J' = 4J and U' = 2U − 2 Σ_j J_ij have the same energies."""
    with jax.enable_x64(True):
        spin, unit = (system("spin_network", units=5, disorder=1.0, values=v) for v in ("spins", "threshold"))
        J, U = spin.matrix(), jnp.arange(5.0)
        spin = eqx.tree_at(lambda s: s.threshold, spin, U)
        unit = eqx.tree_at(lambda s: (s.coupling, s.threshold), unit, (4 * spin.coupling, 2 * U - 2 * J.sum(1)))
        states = [NetworkState(jnp.asarray([int(b) for b in f"{k:05b}"], jnp.int8)) for k in range(32)]
        gap = [float(spin.energy(x) - unit.energy(x)) for x in states]
        np.testing.assert_allclose(gap, gap[0], atol=1e-12)
        kernels = [s.kernel() for s in (spin, unit)]
        both = [k.gaps(k.summary(x.active), x.active, slice(None)) for k in kernels for x in states[5:6]]
        np.testing.assert_allclose(*both, atol=1e-12)


@pytest.mark.slow
def test_hebbian_linkers_store_what_hebb_stores():
    """The rule that grows linkers between molecules makes J = −(1/N) Σ ξξ of spins."""
    scenario = load("scenarios/hopfield_recall.yaml", ["system.units=60", "task.count=4", "run.replicas=7"])
    experiment, rule = build(scenario), scenario.realise().learning.rule.build()  # pyright: ignore[reportOptionalMemberAccess]
    rule = eqx.tree_at(lambda r: r.rate, rule, jnp.asarray(1 / 60))
    parameters, estimate = rule.parameters(experiment.system), eqx.filter_jit(rule.estimate)
    for memory in range(4):
        batch = experiment.task.present(jax.random.key(0), None, memory, 1, 1.0)
        direction, *_ = estimate(
            jax.random.key(0), experiment.system, experiment.dynamics, None, batch, parameters=parameters
        )
        parameters = jax.tree.map(jnp.subtract, parameters, direction)
    learned = rule.couple(experiment.system, parameters)
    xi = np.asarray(experiment.task.memory, float)
    exact = -(xi.T @ xi) / 60
    np.testing.assert_allclose(learned.matrix(), exact - np.diag(np.diag(exact)), atol=1e-5)


def test_bounded_synapses_forget_the_oldest():
    """At saturation L_max a synapse forgets by e^{−η/L_max} per memory shown, exactly."""
    rule = load_kind("rules", "hebbian_linkers")(
        kind="hebbian_linkers", rate=1.0, saturation=5.0, inhibition=1.0, coupling={"law": "linear"}
    ).build()
    shown = np.random.default_rng(0).choice([-1.0, 1.0], 30)
    linkers = jnp.zeros(())
    for c in shown:
        linkers = rule.flow(linkers, jnp.asarray(c), 1.0)
    weight = np.exp(-np.arange(30)[::-1] / 5) * -np.expm1(-1 / 5) * 5
    assert float(linkers) == pytest.approx(shown @ weight, rel=1e-5)


def test_a_time_dependent_field_carries_the_network():
    """A free spin in a field that cycles between 0 and 1 follows P(+) = 1/(1 + e^{−2 f s(t)/kT})."""
    from matterlearn.core.schedule import Cycle

    net = system("pattern_network", units=4000, memories=1)
    net = eqx.tree_at(lambda s: s.coupling, net, jnp.zeros(1))
    cycle = Cycle(jnp.asarray(0.0), jnp.asarray(1.0), jnp.asarray(8.0))
    drive = Drive(force=NetworkState(jnp.ones(4000)), strength=cycle)
    moved = dynamics("sequential", kT=1.0)
    state = moved.init(jax.random.key(0), net, drive, net.init_state(jax.random.key(1)))
    for step, strength in enumerate((0.0, 0.25, 0.5, 0.75, 1.0, 0.75)):
        state = eqx.filter_jit(advance)(jax.random.key(2), net, moved, drive, state, jnp.asarray(1))
        p = 1 / (1 + np.exp(-2 * strength))
        z = (float(jnp.mean(state.x.active)) - p) / np.sqrt(p * (1 - p) / 4000)
        assert abs(z) < 4, f"step {step}: z = {z:.1f}"


def test_logistic_noise():
    """P(z < a) = 1/(1 + e^{−a}) at quartiles and far out in both tails."""
    from matterlearn.core.bits import Bits

    z = np.asarray(logistic(*Bits(jax.random.key(0)).draw((1 << 21,))))
    for a in (-9.0, -3.0, 0.0, 3.0, 9.0):
        p = 1 / (1 + np.exp(-a))
        assert abs(np.mean(z < a) - p) < 4 * np.sqrt(p * (1 - p) / z.size)


def test_product_of_replicas():
    matrix = np.random.default_rng(0).normal(size=(5, 3))
    many, few = np.random.default_rng(1).normal(size=(4, 3)), np.random.default_rng(2).normal(size=(4, 5, 3))
    np.testing.assert_allclose(jax.vmap(lambda v: product(matrix, v))(many), many @ matrix.T, rtol=1e-5)
    np.testing.assert_allclose(jax.vmap(product)(few, many), np.einsum("rij,rj->ri", few, many), rtol=1e-5)


def test_million_units():
    """N = 10⁶ with 20 memories: one sweep keeps a memory, in memory of order NK."""
    net = system("pattern_network", units=1_000_000, memories=20)
    start = (net.memory[:, :1].T > 0).astype(jnp.int8)
    end = relaxed(net, dynamics("parallel"), jax.random.key(0), start, jnp.asarray(2))
    assert overlaps(end, net.memory[:, :1])[0] == 1


PHASES = ["system.units=200", "system.memories=20", "task.loads=[0.05, 0.1]", "task.temperatures=[0.5, 1.0]",
          "run.replicas=8", "expect={}"]  # fmt: skip


def test_combinations_scale_couplings():
    """A replica at load α and temperature T has the first αN couplings, over T, and no others."""
    scenario = load("scenarios/hopfield_phase_diagram.yaml", PHASES)
    experiment = build(scenario)
    recall = experiment.task.recall(jax.random.key(0), experiment.system, 8)
    stored = np.where(np.arange(20) < np.array([10, 10, 20, 20] * 2)[:, None], -1.0, 0.0)
    np.testing.assert_allclose(recall.system.coupling, stored / np.array([0.5, 1.0] * 4)[:, None])
    assert recall.labels["cue"].values.tolist() == [0] * 4 + [1] * 4


@pytest.mark.slow
def test_combinations_have_the_lines_of_theory():
    experiment = build(load("scenarios/hopfield_phase_diagram.yaml", PHASES))
    names = [summary.name for summary in experiment.task.references(experiment.system, experiment.dynamics)]
    assert "line_spinodal_theory" in names and "line_instability_theory" in names


@pytest.mark.parametrize(("override", "expected"), [
    ("task.examples=[3]", "does not store examples one by one"),
    ("task.theory=first_step", "one step of parallel dynamics"),
    ("system={kind: spin_network, units: 9, memories: 3}", "cannot be swept here, since 'spin_network'"),
    ("task.mixtures=[2]", "odd numbers"),
    ("task.loads=[0.5]", "needs more than the 400 memories"),
    ("dynamics.kT=0.5", "set dynamics.kT to 1"),
    ("dynamics={kind: heat_bath}", "moves discrete values"),
    ("dynamics={kind: brownian, dt: 0.001}", "has units of a network: use sequential"),
    ("observe=[{kind: period}]", "needs the parallel dynamics"),
    ("run.replicas=8", "96 combinations need as many replicas"),
    ("system.storage={rule: projector}", "does not store memories one by one"),
    ("system.self_coupling=2", "less than or equal to 1"),
])  # fmt: skip
def test_complaints(override, expected):
    with pytest.raises(ScenarioError, match=expected):
        load("scenarios/hopfield_phase_diagram.yaml", [override])
