"""Boltzmann machines on graphs and restricted ones against exact sums; what learns them against exact gradients."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from covering import slow
from matterlearn.core.annealing import anneal
from matterlearn.core.drive import Drive
from matterlearn.core.dynamics import advance
from matterlearn.core.network import NetworkState
from matterlearn.core.rule import Batch
from matterlearn.core.system import coupling_gradient, couplings, marginal_gradient
from matterlearn.kinds import load_kind
from matterlearn.systems.restricted_boltzmann_machine import LayersState
from matterlearn.testing.systems import in_double
from matterlearn.theory import enumeration
from matterlearn.theory import restricted_boltzmann as exact

ONE = np.ones(())
# An enumerable machine in the papers' signs, and what exact sums say of it.
W = np.sin(1 + 3 * np.arange(4)[:, None] + np.arange(3))
A, B = np.array([0.1, -0.2, 0.3, -0.4]), np.array([0.2, -0.1, 0.05])
DATA = np.array([[1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 1, 0]])
LOG_Z = 5.949397266819
LOG_P = [-3.93271704, -3.89160047, -0.69151106]
SLOPE_W = [[-.16379623, -.18280023, -.10775929], [.08131042, .05623565, .0663325],
           [-.18118303, -.20539909, -.13652824], [.09629687, .07722055, .09019622]]  # fmt: skip
SLOPE_A = [-0.13460086, 0.15630353, -0.17254385, 0.18417465]
SLOPE_B = [-0.09195566, -0.13847068, -0.05721085]


def config(kind="restricted_boltzmann_machine", **fields):
    return load_kind("systems", kind)(kind=kind, **fields)


def machine(values="threshold", visible=4, hidden=3):
    """The enumerable machine, with couplings as energies."""
    blank = config(visible=visible, hidden=hidden, values=values).build(None)
    found = eqx.tree_at(lambda s: (s.coupling, s.hidden.threshold), blank, (jnp.asarray(-W), jnp.asarray(-B)))
    return eqx.tree_at(lambda s: s.visible.threshold, found, jnp.asarray(-A)) if values == "threshold" else found


def heat_bath(kT=1.0):
    return load_kind("dynamics", "heat_bath")(kind="heat_bath", kT=kT).build()


def rule(kind, **fields):
    return load_kind("rules", kind)(kind=kind, **fields).build()


def shown(system, data):
    """A batch with one replica per sample, visible parts held."""
    target, held = jax.vmap(system.show)(jnp.asarray(data))
    drive = Drive(target=target, clamped=held, strength=jax.vmap(lambda _: Drive().strength)(jnp.arange(len(data))))
    return Batch(drive, target, jnp.ones(()))


def estimate(made, system, batch, seed=0, dynamics=None):
    dynamics = dynamics or heat_bath()
    state = made.init(jax.random.key(seed), system, dynamics, len(jax.tree.leaves(batch.x)[0]))
    return eqx.filter_jit(made.estimate)(
        jax.random.key(seed), system, dynamics, state, batch, parameters=couplings(system)
    )


# Restricted machines ----------------------------------------------------------------------------------------------


@in_double
def test_log_partition_and_likelihood_have_the_known_digits():
    system = machine()
    log_z = system.log_partition(ONE)
    energy = jax.jit(jax.vmap(lambda v: system.marginal_energy(system.show(v)[0], ONE)))
    logs = -energy(jnp.asarray(DATA)) - log_z
    assert abs(log_z - LOG_Z) < 6e-13
    np.testing.assert_allclose(logs, LOG_P, atol=6e-9)
    assert abs(np.mean(logs) + 2.838609522670) < 6e-13


@in_double
def test_exact_rule_descends_the_known_gradient():
    """The papers' gradient of ⟨ln P⟩ by W = −J is the slope of −⟨ln P⟩ by J."""
    system = machine()
    direction, _, info = estimate(rule("maximum_likelihood"), system, shown(system, DATA))
    np.testing.assert_allclose(direction.coupling, SLOPE_W, atol=6e-9)
    np.testing.assert_allclose(direction.visible.threshold, SLOPE_A, atol=6e-9)
    np.testing.assert_allclose(direction.hidden.threshold, SLOPE_B, atol=6e-9)
    assert abs(info.numbers["log_partition"] - LOG_Z) < 6e-13


@pytest.mark.parametrize("values", ["threshold", "spins", {"values": 3}])
@pytest.mark.parametrize("kT", [0.6, slow(1.0)])
@in_double
def test_both_ways_to_sum_agree_with_all_states(values, kT):
    """ln Z, marginals and their gradients, from the energies of all states."""
    system = config(visible=3, hidden=4, values=values, hidden_values="spins", disorder=0.8).build(jax.random.key(2))
    system = eqx.tree_at(lambda s: s.hidden.threshold, system, jnp.asarray([0.3, -0.2, 0.1, 0.5]))
    q, kT = system.visible.values, jnp.asarray(kT)
    table = enumeration.configurations(7, [q] * 3 + [2] * 4)
    states = LayersState(jnp.asarray(table[:, :3]), jnp.asarray(table[:, 3:]))
    first = jax.tree.map(lambda leaf: leaf[5], states)

    @eqx.filter_jit
    def sums(system, kT):
        moments = jax.vmap(lambda x: coupling_gradient(system, x))(states)
        marginal, slope = system.marginal_energy(first, kT), marginal_gradient(system, first, kT)
        return jax.vmap(system.energy)(states), system.log_partition(kT), moments, marginal, slope

    energies, log_z, moments, marginal, slope = sums(system, kT)
    energies = np.asarray(energies)
    weight = np.exp(-energies / kT)
    assert abs(log_z - np.log(weight.sum())) < 1e-12
    mine = np.all(table[:, :3] == table[5, :3], axis=1)
    assert abs(marginal + float(kT) * np.log(weight[mine].sum())) < 1e-12
    law = weight[mine] / weight[mine].sum()
    for one, each in zip(jax.tree.leaves(slope), jax.tree.leaves(moments), strict=True):
        np.testing.assert_allclose(one, np.tensordot(law, np.asarray(each)[mine], 1), atol=1e-12)


@in_double
def test_held_hidden_units_are_not_summed_over():
    system = machine()
    x = LayersState(jnp.asarray([1, 0, 1, 0]), jnp.asarray([1, 0, 1]))
    everything = jax.tree.map(lambda leaf: jnp.ones(leaf.shape, bool), x)
    assert abs(system.marginal_energy(x, ONE, everything) - system.energy(x)) < 1e-12


def gaussian_machine():
    """Two real units and two hidden ones, in energies."""
    blank = config(visible=2, hidden=2, values={"scale": [1.0, 0.7]}).build(None)
    # φ(v) = v/σ² and E = Σ J φ h, so that papers' W is −J; their a is our mean.
    new = jnp.array([0.3, -0.5]), -jnp.array([[0.8, -0.4], [0.2, 0.6]]), -jnp.array([0.1, -0.2])
    return eqx.tree_at(lambda s: (s.visible.mean, s.coupling, s.hidden.threshold), blank, new)


@in_double
def test_gaussian_machine_has_the_known_partition_function_and_mixture():
    system = gaussian_machine()
    assert abs(system.log_partition(ONE) - 2.915762914562) < 6e-13
    hidden = jnp.asarray([[0, 0], [0, 1], [1, 0], [1, 1]])
    field = jax.jit(jax.vmap(lambda h: system.coupling @ h.astype(float)))(hidden)
    free = jax.jit(jax.vmap(lambda g: jnp.sum(system.visible.free_energies(g, ONE))))(field)
    weight = -free - hidden @ system.hidden.threshold - system.log_partition(ONE)
    np.testing.assert_allclose(np.exp(weight), [0.23821997, 0.14668633, 0.39147795, 0.22361575], atol=6e-9)


@pytest.mark.parametrize("kT", [slow(1.0), 0.5])
def test_gaussian_machine_is_sampled_from_its_law(kT):
    """Means and covariances of 20 000 independent chains against the exact mixture; finds errors of 3 %."""
    system, sampler, chains = gaussian_machine(), heat_bath(kT), 20_000

    @jax.jit
    def ends(keys):
        def one(key):
            start = sampler.init(key, system, Drive(), system.init_state(key))
            return advance(key, system, sampler, Drive(), start, 30).x.visible

        return jax.vmap(one)(keys)

    v = np.asarray(ends(jax.random.split(jax.random.key(0), chains)))
    hidden = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    shift = np.asarray(system.coupling) @ hidden.T  # [unit, state]
    mean, scale = np.asarray(system.visible.mean), np.exp(np.asarray(system.visible.log_scale))
    precise = ((mean[:, None] * shift - shift**2 / 2) / scale[:, None] ** 2).sum(0)
    weight = np.exp(-(precise + hidden @ np.asarray(system.hidden.threshold)) / kT)
    weight /= weight.sum()
    places = mean[:, None] - shift
    exact = places @ weight
    spread = (places * weight) @ places.T - np.outer(exact, exact) + np.diag(scale**2 * kT)
    products = v[:, :, None] * v[:, None]
    second = spread + np.outer(exact, exact)
    for got, want in ((v, exact), (products, second)):
        z = (got.mean(0) - want) / (got.std(0) / np.sqrt(chains))
        assert np.abs(z).max() < 4, z


@pytest.mark.slow
@pytest.mark.parametrize(("make", "log_z"), [(machine, LOG_Z), slow(gaussian_machine, 2.915762914562)])
def test_annealing_finds_the_partition_function(make, log_z):
    """Against the sum, in standard errors of 400 chains; ⟨w⟩ itself has no bias, so three levels will do as well."""
    system = make()
    found = eqx.filter_jit(anneal)(jax.random.key(1), system, heat_bath(), levels=50, chains=400)
    assert abs(found.log_partition - log_z) < 4 * found.sem and found.sem < 0.02
    short = eqx.filter_jit(anneal)(jax.random.key(2), system, heat_bath(), levels=3, chains=4000)
    assert abs(short.log_partition - log_z) < 4 * short.sem
    assert short.effective_samples / 4000 < found.effective_samples / 400, "fewer levels should cost samples"


@pytest.mark.slow
def test_annealed_rule_estimates_the_exact_gradient():
    """Forty independent estimates, |z| < 4 for all 19 couplings."""
    system = machine()
    made = rule("maximum_likelihood", partition={"levels": 20, "chains": 100})
    batch, parameters = shown(system, DATA), couplings(system)
    many = jax.vmap(lambda key: made.estimate(key, system, heat_bath(), None, batch, parameters=parameters)[0])
    drawn = eqx.filter_jit(many)(jax.random.split(jax.random.key(3), 40))
    for leaf, slope in zip(jax.tree.leaves(drawn), map(np.asarray, (SLOPE_W, SLOPE_A, SLOPE_B)), strict=True):
        z = (leaf.mean(0) - slope) / (leaf.std(0, ddof=1) / np.sqrt(40))
        assert np.abs(z).max() < 4, z


# Machines on graphs -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("K", "log_z", "nearest"), [(0.3, 7.374883906270, 0.291326439127),
                                                     (0.7, 9.210654547333, 0.611151887012)])  # fmt: skip
@in_double
def test_ising_ring_has_the_known_partition_function(K, log_z, nearest):
    ring = config("boltzmann_machine", graph={"kind": "cycle", "nodes": 10}, coupling=-K).build(None)
    found, slope = jax.jit(jax.value_and_grad(lambda J: eqx.tree_at(lambda s: s.coupling, ring, J).log_partition(ONE)))(
        ring.coupling
    )
    assert abs(found - log_z) < 6e-13
    np.testing.assert_allclose(-slope, np.full(10, nearest), atol=6e-13)


@in_double
def test_hidden_units_of_any_graph_are_summed_over():
    graph = {"kind": "layered", "layers": [3, 2, 2]}
    system = config("boltzmann_machine", graph=graph, hidden=4, disorder=0.7, threshold=0.2).build(jax.random.key(0))
    table = enumeration.configurations(7, 2)
    energies = np.asarray(jax.jit(jax.vmap(system.energy))(NetworkState(jnp.asarray(table))))
    for v in (0, 5):
        mine = table[:, :3] @ [4, 2, 1] == v
        x = NetworkState(jnp.asarray(table[mine][3]))
        assert abs(system.marginal_energy(x, ONE) + np.log(np.exp(-energies[mine]).sum())) < 1e-12
    held = NetworkState(jnp.arange(7) >= 5)
    kept = mine & (table[:, 5] == x.active[5]) & (table[:, 6] == x.active[6])
    assert abs(system.marginal_energy(x, ONE, held) + np.log(np.exp(-energies[kept]).sum())) < 1e-12


@pytest.mark.slow
@pytest.mark.parametrize("moves", ["heat_bath", "metropolis"])
def test_a_frustrated_graph_is_sampled_from_its_law(moves):
    """Mean of every unit and of every bond, 8192 chains, |z| < 4."""
    system = config(
        "boltzmann_machine", graph={"kind": "small_world", "nodes": 9, "degree": 4, "probability": 0.3, "seed": 1},
        disorder=0.6, threshold=0.3,
    ).build(jax.random.key(5))  # fmt: skip
    sampler = load_kind("dynamics", moves)(kind=moves).build()

    @jax.jit
    def ends(keys):
        def one(key):
            start = sampler.init(key, system, Drive(), system.init_state(key))
            return advance(key, system, sampler, Drive(), start, 60).x

        return jax.vmap(one)(keys)

    found = jax.jit(jax.vmap(lambda x: coupling_gradient(system, x)))(ends(jax.random.split(jax.random.key(6), 8192)))
    states = NetworkState(jnp.asarray(enumeration.configurations(9, 2)))
    model = enumeration.ensemble(np.asarray(jax.jit(jax.vmap(system.energy))(states), float))
    exact = jax.jit(jax.vmap(lambda x: coupling_gradient(system, x)))(states)
    for got, each in zip(jax.tree.leaves(found), jax.tree.leaves(exact), strict=True):
        want = enumeration.free_moments(model, np.asarray(each, float))
        z = (np.mean(got, 0) - want) / np.sqrt((1 - want**2) / 8192)
        assert np.abs(z).max() < 4, z


# Rules ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [slow("boltzmann_machine"), "spin_network"])
@in_double
def test_pseudo_likelihood_descends_its_own_loss(kind):
    """Direction against central differences of −Σ ln P(s_i | others), and against the law of one unit written out."""
    fields = {"graph": {"kind": "complete", "nodes": 5}} if kind == "boltzmann_machine" else {"units": 5}
    system = config(kind, disorder=0.9, threshold=0.2, **fields).build(jax.random.key(1))
    data = np.array([[1, 0, 1, 1, 0], [0, 0, 1, 0, 1]])
    direction, _, info = estimate(rule("pseudo_likelihood"), system, shown(system, data))

    def loss(J):
        s = 2.0 * data - 1
        matrix = jnp.zeros((5, 5)).at[jnp.triu_indices(5, 1)].set(J)
        field = -(s @ (matrix + matrix.T) + 0.2)
        return jnp.mean(jnp.sum(jnp.log1p(jnp.exp(-2 * s * field)), -1))

    value, slope = jax.jit(jax.value_and_grad(loss))(system.coupling)
    np.testing.assert_allclose(direction.coupling, slope, atol=1e-12)
    assert abs(info.numbers["pseudo_likelihood"] + value) < 1e-12


@pytest.mark.slow
def test_contrastive_divergence_is_biased_as_the_enumerated_kernel_says():
    """CD-1 and CD-10 of the enumerable machine: 200 batches of 600 chains; the bias of CD-1 is .2086 of the gradient.

    The relative bias is measured to ±.01, so that neither no bias nor that of CD-2 (.041) would pass.
    """
    system, data = machine(), np.tile(DATA, (200, 1))
    reference = exact.Machine(W, A, B)
    batch, parameters = shown(system, data), couplings(system)
    for k, bias in ((1, 0.20859799), (10, 9.98e-8)):
        made = rule("wake_sleep", samples=1, stride=1, relax=k - 1, chains="clamped")

        def one(key, made=made):
            return made.estimate(key, system, heat_bath(), None, batch, parameters=parameters)[0].coupling

        drawn = np.asarray(eqx.filter_jit(lambda keys, f=one: jax.lax.map(f, keys))(
            jax.random.split(jax.random.key(k), 200)
        ))  # fmt: skip
        mean, error = drawn.mean(0), drawn.std(0, ddof=1) / np.sqrt(200)
        want = exact.contrastive_divergence(reference, DATA, k).W
        assert np.abs((mean - want) / error).max() < 4
        size = np.linalg.norm(want - SLOPE_W) / np.linalg.norm(SLOPE_W)
        assert abs(size - bias) < 6e-9


@pytest.mark.slow
def test_chains_of_replica_exchange_keep_their_ladder():
    """The copies at other temperatures go on from update to update, and so does who is where."""
    system = config("boltzmann_machine", graph={"kind": "cycle", "nodes": 6}, disorder=1.0).build(jax.random.key(0))
    ladder = load_kind("dynamics", "replica_exchange")(kind="replica_exchange", ladder=[1.0, 2.0, 4.0]).build()
    made = rule("wake_sleep", samples=1, stride=2, relax=0, chains="persistent")
    batch = shown(system, np.array([[1, 0, 1, 0, 1, 0]] * 3))
    state = made.init(jax.random.key(0), system, ladder, 3)
    step = eqx.filter_jit(made.estimate)
    for update in range(4):
        before = state
        _, state, _ = step(jax.random.key(update), system, ladder, before, batch, parameters=couplings(system))
    assert jax.tree.structure(state) == jax.tree.structure(before)
    assert int(state[1].attempted.sum()) == 3 * 4 * 2, "trades of earlier updates are forgotten"


@pytest.mark.slow
def test_a_buffer_gives_back_what_was_not_drawn():
    """Of 7 chains, 3 are drawn: the others stay as they are, and none starts afresh without a restart."""
    system = machine()
    made = rule("wake_sleep", samples=1, relax=0, chains={"size": 7, "restart": 0.0})
    batch = shown(system, DATA)
    state = made.init(jax.random.key(0), system, heat_bath(), 3)
    _, after, _ = estimate(made, system, batch)
    same = np.all(np.asarray(state.hidden) == np.asarray(after.hidden), 1)
    assert len(same) == 7 and same.sum() >= 4
