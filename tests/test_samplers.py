"""Samplers of discrete matter against exact enumeration and the Ising model."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from matterlearn.core.drive import Drive
from matterlearn.core.dynamics import advance
from matterlearn.core.lattice_kernel import LatticeState
from matterlearn.kinds import load_kind
from matterlearn.testing import trap, well
from matterlearn.theory import enumeration, ising

KINDS = {
    "metropolis": {}, "heat_bath": {}, "kawasaki": {},
    "mixed_moves": {"moves": [{"kind": "kawasaki"}, {"kind": "metropolis", "sweeps": 2}]},
    "replica_exchange": {"ladder": [1.0, 1.5, 2.5]},
}  # fmt: skip


def sampler(kind, **numbers):
    return load_kind("dynamics", kind)(kind=kind, **{**KINDS[kind], **numbers}).build()


def condensate(shape, periodic, couplings=((-1.0, 0.5), (0.5, -1.0)), mu=(0.3, 0.7), **more):
    config = load_kind("systems", "lattice_condensate")(
        kind="lattice_condensate", shape=list(shape), periodic=periodic, species=len(mu),
        couplings=[list(row) for row in couplings], chemical_potential=list(mu), **more,
    )  # fmt: skip
    return config.build(jax.random.key(0))


def replicate(dynamics, system, x):
    """Independent chains at their start."""
    keys = jax.random.split(jax.random.key(2), len(x.species))
    return jax.jit(jax.vmap(lambda k, y: dynamics.init(k, system, Drive(), y)))(keys, x)


@functools.partial(jax.jit, static_argnames=("measure", "samples"))
def chain_means(key, system, dynamics, states, measure, samples, stride, relax=0):
    """Averages over each chain of what ``measure`` says of its sample; independent between chains."""
    strides = jnp.full(samples, stride).at[0].add(relax)

    def one(key, state):
        def sample(carry, stride):
            state, total = carry
            state = advance(key, system, dynamics, Drive(), state, stride)
            return (state, total + measure(system, state)), None

        zero = jnp.zeros(jax.eval_shape(measure, system, state).shape)
        (state, total), _ = jax.lax.scan(sample, (state, zero), strides)
        return total / samples, state

    return jax.vmap(one)(jax.random.split(key, len(states.step)), states)


def z_scores(means, exact):
    means = np.asarray(means, float)
    return (means.mean(0) - exact) / (means.std(0, ddof=1) / np.sqrt(len(means)))


# Couplings of `condensate`, kT = 1: shape, periodic, composition; ⟨E⟩, Var E, ⟨n_a⟩.
GOLDEN = {
    "2x2x2 open": ((2, 2, 2), False, None, -6.6656140940, 10.0159309861, (0.8781078869, 6.4740578071, 0.6478343061)),
    "2x2x2": ((2, 2, 2), True, None, -21.3005260340, 1.4586336954, (0.0293142155, 7.6535851864, 0.3171005981)),
    "3x3": ((3, 3), True, None, -14.0475070672, 5.7400571735, (0.2805407326, 8.4226677711, 0.2967914963)),
    "2x2x3 open": ((2, 2, 3), False, None, -13.3309011839, 12.1533462037, (0.8931147609, 10.7517542633, 0.3551309758)),
    "3x3 fixed": ((3, 3), True, (3, 3, 3), 0.1649886692, 1.2522176033, (3, 3, 3)),
    "2x2x2 open fixed": ((2, 2, 2), False, (4, 2, 2), 1.1120437253, 0.6958031536, (4, 2, 2)),
}  # fmt: skip
CHAINS, SAMPLES = 4096, 256  # 10^6 sweeps


def exact_states(system, composition, count):
    """Exact samples, and the ensemble they come from."""
    shape = system.lattice.shape
    table = enumeration.configurations(int(np.prod(shape)), system.mobile + 1, composition=composition)
    states = LatticeState(jnp.asarray(table.reshape(-1, *shape)))
    energies = jax.jit(lambda s, x: jax.lax.map(s.energy, x, batch_size=4096))(system, states)
    model = enumeration.ensemble(np.asarray(energies, float))
    rows = np.random.default_rng(1).choice(len(table), count, p=model.probabilities)
    return LatticeState(states.species[rows]), model


def moments(system, state):
    """E, E², numbers of each species, J-contacts through ∂E/∂J."""
    energy = system.energy(state.x)
    numbers = [jnp.sum(state.x.species == a).astype(energy.dtype) for a in range(3)]
    return jnp.stack([energy, energy**2, *numbers])


def seldom(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    ("kind", "row"),
    [
        ("metropolis", "2x2x2 open"), seldom("heat_bath", "3x3"), seldom("kawasaki", "3x3 fixed"),
        seldom("metropolis", "2x2x2"), seldom("metropolis", "3x3"), seldom("metropolis", "2x2x3 open"),
        seldom("heat_bath", "2x2x2 open"), seldom("kawasaki", "2x2x2 open fixed"), seldom("mixed_moves", "2x2x2"),
        seldom("replica_exchange", "3x3"),
    ],
)  # fmt: skip
def test_golden_moments(kind, row):
    """10^6 samples of 4096 chains that start from exact samples, |z| < 4: energies to 0.1 % or better."""
    shape, periodic, composition, energy, variance, numbers = GOLDEN[row]
    system, dynamics = condensate(shape, periodic), sampler(kind)
    x, model = exact_states(system, composition, CHAINS)
    np.testing.assert_allclose(model.mean(model.energies), energy, rtol=1e-6)
    means, _ = chain_means(jax.random.key(3), system, dynamics, replicate(dynamics, system, x), moments, SAMPLES, 1)
    second = means[:, 1] - 2 * energy * means[:, 0] + energy**2  # (E − ⟨E⟩)²
    z = z_scores(np.stack([means[:, 0], second], 1), [energy, variance])
    assert np.all(np.abs(z) < 4), f"energy and variance: z = {z}"
    if composition is None:
        z = z_scores(means[:, 2:], numbers)
        assert np.all(np.abs(z) < 4), f"numbers of species: z = {z}"
    else:
        assert np.array_equal(means[:, 2:], np.broadcast_to(np.asarray(numbers, np.float32), (CHAINS, 3)))


@pytest.mark.slow
@pytest.mark.parametrize(("composition", "chains"), [((12, 2, 2), CHAINS), ((6, 5, 5), 4 * CHAINS)])
def test_bricks_on_the_4x4_torus(composition, chains):
    """Kawasaki exchanges in bricks, 10^4 and 2 × 10^6 states: energy and variance, |z| < 4, to 0.2 % and 0.05 %."""
    system, dynamics = condensate((4, 4), True), sampler("kawasaki")
    x, model = exact_states(system, composition, chains)
    energy, variance = model.mean(model.energies), model.variance(model.energies)
    means, _ = chain_means(jax.random.key(4), system, dynamics, replicate(dynamics, system, x), moments, SAMPLES, 1)
    second = means[:, 1] - 2 * energy * means[:, 0] + energy**2
    z = z_scores(np.stack([means[:, 0], second], 1), [energy, variance])
    assert np.all(np.abs(z) < 4), f"energy and variance: z = {z}"


def site_energy(system, state):
    return system.energy(state.x) / state.x.species.size


ISING = [(side, kT, kind) for side in (16, 64) for kT in (2.0, 2.269, 3.0) for kind in ("metropolis", "heat_bath")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("side", "kT", "kind"), [case if case == (16, 2.269, "metropolis") else seldom(*case) for case in ISING]
)
def test_ising_torus(side, kT, kind):
    """Lattice gas with ε = 4 J against Kaufman's energy, |z| < 4: to 0.1 %, off T_c on 64 x 64 to 0.02 %.

    Half of the chains start full, half empty, and relax for longer than side^2.17, the autocorrelation time at T_c.
    """
    couplings = ising.gas_couplings(4.0)
    system = condensate((side, side), True, couplings.J[1:, 1:].tolist(), couplings.mu[1:].tolist())
    dynamics, chains = sampler(kind, kT=kT), 64
    x = LatticeState(jnp.zeros((chains, side, side), jnp.int8).at[::2].set(1))
    relax = (2000 if side == 16 else 20_000) if kT == 2.269 else 500
    samples, states = 1000 if side == 16 else 2000, replicate(dynamics, system, x)
    means, _ = chain_means(jax.random.key(5), system, dynamics, states, site_energy, samples, 2, relax)
    exact = ising.torus((side, side), kT).energy / side**2 + 2.0  # the gas has z ε N/8 more
    z = z_scores(means, exact)
    assert abs(z) < 4, f"energy {means.mean():.5f}, exactly {exact:.5f}, z = {z:.1f}"


def test_a_mixture_of_one_move_is_that_move():
    one = sampler("mixed_moves", moves=[{"kind": "kawasaki"}])
    assert jax.tree.structure(one) == jax.tree.structure(sampler("kawasaki"))


@pytest.mark.parametrize("kind", ["kawasaki", seldom("replica_exchange")])
def test_samplers_run_in_double_precision(kind, x64):
    system, x = condensate((4, 4), True), LatticeState(jnp.zeros((2, 4, 4), jnp.int8).at[:, ::2].set(1))
    dynamics = sampler(kind)
    _, states = chain_means(jax.random.key(7), system, dynamics, replicate(dynamics, system, x), moments, 2, 1)
    assert states.x.species.dtype == jnp.int8 and np.all(states.step == 2)


def test_moves_refuse_what_they_cannot_move():
    system, linkers = condensate((4, 4), True), load_kind("systems", "lattice_linkers")
    x = system.init_state(jax.random.key(0))
    dynamics = sampler("metropolis")
    state = dynamics.init(jax.random.key(0), system, Drive(), x)
    with pytest.raises(TypeError, match="discrete system"):
        dynamics.enter(well(), Drive(), state)
    with pytest.raises(ValueError, match="clamp discrete ones"):
        dynamics.enter(system, trap(x, 1), state)
    linked = linkers(kind="lattice_linkers", shape=[4, 4], species=1).build(None)
    with pytest.raises(TypeError, match="no neighbouring sites"):
        _ = linked.kernel().exchanges


# --- replica exchange -------------------------------------------------------------------------------------------------


def trades(system, state):
    return state.memory.acceptance()


@pytest.mark.slow
def test_trades_are_accepted_as_often_as_two_ensembles_say():
    """⟨min(1, e^{Δβ ΔE})⟩ over two independent ensembles; 1024 exact starts, 100 trades each, |z| < 4, to 0.3 %."""
    system, chains = condensate((2, 2), False), 1024
    dynamics = sampler("replica_exchange", ladder=[1.0, 1.6, 2.4], every=2)
    table = enumeration.configurations(4, 3).reshape(-1, 2, 2)
    energies = np.asarray(jax.jit(jax.vmap(system.energy))(LatticeState(jnp.asarray(table))), float)
    models = [enumeration.ensemble(energies, kT) for kT in np.asarray(dynamics.ladder, float)]
    draw = np.random.default_rng(3).choice
    first, *others = (table[draw(len(table), chains, p=model.probabilities)] for model in models)
    states = replicate(dynamics, system, LatticeState(jnp.asarray(first)))
    copies = LatticeState(jnp.asarray(np.stack(others, 1)))
    states = states._replace(memory=states.memory._replace(copies=copies))
    _, end = chain_means(jax.random.key(8), system, dynamics, states, trades, 1, 200)
    measured = np.asarray(end.memory.acceptance())
    for k, (cold, hot) in enumerate(zip(models[:-1], models[1:], strict=True)):
        chance = np.exp(np.minimum(0, (1 / cold.kT - 1 / hot.kT) * np.subtract.outer(energies, energies)))
        exact = cold.probabilities @ chance @ hot.probabilities
        z = z_scores(measured[:, k], exact)
        assert abs(z) < 4, f"trades {k}: {measured[:, k].mean():.4f}, exactly {exact:.4f}, z = {z:.1f}"


@pytest.mark.slow
def test_walkers_are_followed():
    """Round trips, counted again from who was at which temperature after every step."""
    system, dynamics = condensate((2, 2), False), sampler("replica_exchange", ladder=[1.0, 1.3, 1.7, 2.2])
    state = dynamics.init(jax.random.key(0), system, Drive(), system.init_state(jax.random.key(1)))

    @jax.jit
    def history(state):
        def one(state, _):
            state = advance(jax.random.key(10), system, dynamics, Drive(), state, 1)
            return state, state.memory.walker

        return jax.lax.scan(one, state, length=400)

    end, walkers = history(state)
    trips, returning = np.zeros(4, int), np.zeros(4, bool)
    for row in np.asarray(walkers):
        assert np.array_equal(np.sort(row), np.arange(4))
        trips[row[0]] += returning[row[0]]
        returning[row[0]], returning[row[-1]] = False, True
    assert np.array_equal(end.memory.round_trips, trips) and trips.sum() > 10
    assert np.array_equal(end.memory.attempted, [200, 200, 200])


def test_ladders_are_checked():
    config = load_kind("dynamics", "replica_exchange")
    falling = config(kind="replica_exchange", ladder=[2.0, 1.0])
    assert "do not increase" in str(next(iter(falling.check(None))))
    spaced = config(kind="replica_exchange", ladder={"coldest": 1.0, "hottest": 8.0, "count": 4})
    np.testing.assert_allclose(spaced.temperatures, [1, 2, 4, 8])
    assert spaced.kT == float(spaced.build().kT(0.0)) == 1.0
