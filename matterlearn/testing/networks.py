"""Checks of networks and of their dynamics: gaps against energies, blocks against single visits, exact enumeration.

The network that dynamics are tried on has six spins with all couplings different, 2^6 states.
"""

import functools
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from matterlearn.core.drive import Drive
from matterlearn.core.dynamics import advance
from matterlearn.core.network import NetworkState
from matterlearn.core.system import couplings, with_couplings
from matterlearn.kinds import load_kind
from matterlearn.testing._examples import Counted, agree, moved, noise_like, same_bits
from matterlearn.testing.discrete import (
    DiscreteCase,
    energy_is_a_number,
    energy_is_compiled_once,
    moments_are_derivatives_of_the_energy,
)
from matterlearn.testing.samplers import deviation
from matterlearn.testing.systems import in_double, start_is_reproducible, state_is_named
from matterlearn.theory import enumeration

CHAINS = 8192
UNITS = 6
HALF = np.arange(UNITS) < UNITS // 2  # active in a state from which dynamics that conserve the activity can start
LONG = 200  # steps: six spins at kT = 0.8 forget long before


def network_case(config: Any) -> DiscreteCase:
    """A network with random couplings and a random state; double precision."""
    with jax.enable_x64(True):
        blank = config.build(jax.random.key(0))
        theta = couplings(blank)
        system = with_couplings(blank, moved(theta, noise_like(1, theta), 0.5)).constrain()
        return DiscreteCase(system, eqx.filter_jit(lambda s, k: s.init_state(k))(system, jax.random.key(3)))


def _flipped(active, unit, value):
    return NetworkState(active.at[unit].set(jnp.asarray(value, active.dtype)))


@in_double
def gaps_are_energy_differences(case: DiscreteCase) -> None:
    """Δ_i = E(s_i = low) − E(s_i = 1) for every unit."""

    @eqx.filter_jit
    def both(system, active):
        kernel = system.kernel()
        units = jnp.arange(len(active))
        down, up = (jax.vmap(lambda i, v=v: system.energy(_flipped(active, i, v)))(units) for v in (0, 1))
        return kernel.gaps(kernel.summary(active), active, units), down - up

    gaps, differences = both(case.system, case.x.active)
    agree(gaps, differences, 1e-8, "gaps are not differences of the energy")


@in_double
def summaries_follow_the_state(case: DiscreteCase) -> None:
    """Absorbing changes leads to the summary of the changed state; units may be given as a slice."""

    @eqx.filter_jit
    def changed(system, active):
        kernel = system.kernel()
        units = jnp.arange(len(active))[::2]
        change = 1.0 - 2.0 * active[units]
        after = active.at[units].add(change.astype(active.dtype))
        every = kernel.gaps(kernel.summary(after), after, jnp.arange(len(active)))
        return (
            (kernel.absorb(kernel.summary(active), units, change), every),
            (kernel.summary(after), kernel.gaps(kernel.summary(after), after, slice(None))),
        )

    agree(*changed(case.system, case.x.active), 1e-8, "the summary loses track of the state")


@in_double
def blocks_change_nothing(case: DiscreteCase) -> None:
    """Within a block, gaps corrected by ``response`` are those of the state at that moment."""

    @eqx.filter_jit
    def answered(system, active):
        kernel = system.kernel()
        units = jnp.arange(len(active))
        if kernel.block == 1:
            return jnp.zeros(()), jnp.zeros(())
        before = kernel.gaps(kernel.summary(active), active, units)
        change = 1.0 - 2.0 * active[units]
        single = jax.vmap(lambda i: active.at[i].add(change[i].astype(active.dtype)))(units)
        after = jax.vmap(lambda a: kernel.gaps(kernel.summary(a), a, units))(single)  # [changed, felt]
        return kernel.response(units).T * change[:, None], after - before

    agree(*answered(case.system, case.x.active), 1e-7, "response is not the change of the gaps")


NETWORK_SYSTEM_CHECKS = (
    state_is_named,
    start_is_reproducible,
    energy_is_a_number,
    moments_are_derivatives_of_the_energy,
    energy_is_compiled_once,
    gaps_are_energy_differences,
    summaries_follow_the_state,
    blocks_change_nothing,
)


class Trial(NamedTuple):
    """A dynamics, the network of six, its law at the temperature of the dynamics, and compiled chains."""

    dynamics: Any
    system: Any
    states: NetworkState
    ensemble: enumeration.Ensemble
    run: Counted


@functools.lru_cache(maxsize=1)
def _trial(config_type: type, written: str) -> Trial:
    dynamics = config_type.model_validate_json(written).build()
    config = load_kind("systems", "spin_network")(kind="spin_network", units=UNITS, disorder=1.5, threshold=0.2)
    system = config.build(jax.random.key(11))
    states = NetworkState(jnp.asarray(enumeration.configurations(UNITS, 2), jnp.int8))
    energies = np.asarray(jax.jit(jax.vmap(system.energy))(states), float)
    kT = max(float(dynamics.kT(jnp.zeros(()))), 1e-3)
    return Trial(dynamics, system, states, enumeration.ensemble(energies, kT), Counted(_run))


def trial(config: Any) -> Trial:
    """What the checks of one dynamics share."""
    return _trial(type(config), config.model_dump_json())


def _run(key, dynamics, system, drive, x, steps):
    """Independent chains from x."""
    keys = jax.random.split(key, len(x.active))

    def one(key, y):
        start = dynamics.init(jax.random.fold_in(key, 2**31), system, drive, y)
        return advance(key, system, dynamics, drive, start, steps)

    return jax.vmap(one)(keys, x)


def _free() -> Drive:
    return Drive(clamped=NetworkState(jnp.zeros(UNITS, bool)), target=NetworkState(jnp.zeros(UNITS, jnp.int8)))


def _index(x: NetworkState) -> np.ndarray:
    return np.asarray(x.active).astype(int) @ 2 ** np.arange(UNITS)[::-1]


def samples_its_law(config: Any) -> None:
    """From one state, all 64 are reached as often as the Boltzmann law says, χ² with |z| < 4, where that is claimed.

    Dynamics that conserve the activity of all chains are held against the law of the 20 states of that activity. With
    8192 chains it finds a probability of 1/64 that is wrong by a third.
    """
    t = trial(config)
    if t.dynamics.stationary != "boltzmann" or float(t.dynamics.kT(jnp.zeros(()))) == 0:
        return
    start = NetworkState(jnp.broadcast_to(jnp.asarray(HALF, jnp.int8), (CHAINS, UNITS)))
    rows = _index(t.run(jax.random.key(1), t.dynamics, t.system, _free(), start, jnp.asarray(LONG)).x)
    activity = np.sum(np.asarray(t.states.active), 1)
    allowed = (activity == UNITS // 2) | (activity[rows] != UNITS // 2).any()
    weight = np.where(allowed, t.ensemble.probabilities, 0.0)
    z = deviation(rows, weight / weight.sum())
    assert abs(z) < 4, f"the states do not follow the Boltzmann law, z = {z:.1f}"


def steps_are_counted_and_chunked(config: Any) -> None:
    """The same key gives the same bits, however a run is cut into chunks; another key gives other bits."""
    t = trial(config)
    go = eqx.filter_jit(advance)
    x, key = NetworkState(t.states.active[21]), jax.random.key(3)
    start = t.dynamics.init(key, t.system, _free(), x)
    whole = go(key, t.system, t.dynamics, _free(), start, jnp.asarray(12))
    assert int(whole.step) == 12, f"12 steps count as {int(whole.step)}"
    for cut in ((5, 7), (1,) * 12):
        state = start
        for steps in cut:
            state = go(key, t.system, t.dynamics, _free(), state, jnp.asarray(steps))
        assert same_bits(state, whole), f"chunks of {cut} steps give other bits"
    if float(t.dynamics.kT(jnp.zeros(()))) > 0:
        many = NetworkState(jnp.broadcast_to(x.active, (CHAINS, UNITS)))
        one, other = (t.run(jax.random.key(k), t.dynamics, t.system, _free(), many, jnp.asarray(2)).x for k in (4, 5))
        assert not same_bits(one, other), "the noise ignores its key"


def clamps_hold(config: Any) -> None:
    """Clamped units stay on their target, every other one moves in some chain."""
    t = trial(config)
    held = jnp.zeros(UNITS, bool).at[jnp.array([1, 2])].set(True)
    drive = Drive(clamped=NetworkState(held), target=NetworkState(jnp.ones(UNITS, jnp.int8)))
    x = NetworkState(t.states.active[jnp.arange(CHAINS) % len(t.states.active)])
    before, after = (
        np.asarray(t.run(jax.random.key(6), t.dynamics, t.system, drive, x, jnp.asarray(n)).x.active) for n in (0, 3)
    )
    assert np.all(before[:, held] == 1) and np.all(after[:, held] == 1), "a clamped unit moved"
    assert np.all(np.any(before != after, 0)[~np.asarray(held)]), "a free unit did not move"


def a_field_aligns(config: Any) -> None:
    """Forces much larger than all couplings and kT decide every unit sooner or later, with their signs."""
    t = trial(config)
    x = NetworkState(t.states.active[jnp.sum(t.states.active, 1) == UNITS // 2])
    for wanted in (HALF, ~HALF):
        force = NetworkState(jnp.where(wanted, 200.0, -200.0))
        drive = eqx.tree_at(lambda d: d.force, _free(), force, is_leaf=_is_none)
        end = t.run(jax.random.key(7), t.dynamics, t.system, drive, x, jnp.asarray(LONG)).x
        assert np.all(np.asarray(end.active) == np.asarray(wanted)), "units do not follow a strong field"


def _is_none(leaf) -> bool:
    return leaf is None


def cold_networks_go_down(config: Any) -> None:
    """At kT = 0 no step raises the energy, where the dynamics claims a stationary law."""
    t = trial(config)
    if t.dynamics.stationary != "boltzmann":
        return
    cold = type(config).model_validate({**config.model_dump(), "kT": 0.0}).build()
    energy = jax.jit(jax.vmap(t.system.energy))
    x, last = NetworkState(t.states.active), np.inf
    for n in range(4):
        now = np.asarray(energy(t.run(jax.random.key(8), cold, t.system, _free(), x, jnp.asarray(n)).x))
        assert np.all(now <= last), "the energy rose at kT = 0"
        last = now + 1e-5


def numbers_are_leaves(config: Any) -> None:
    """Other couplings or another temperature never recompile."""
    t = trial(config)
    x = NetworkState(t.states.active)
    args = t.system, _free(), x, jnp.asarray(1)
    t.run(jax.random.key(9), t.dynamics, *args)
    traces = t.run.traces
    for name, value in config.model_dump().items():
        if isinstance(value, float):
            changed = type(config).model_validate({**config.model_dump(), name: 0.9 * value}).build()
            t.run(jax.random.key(9), changed, *args)
            assert t.run.traces == traces, f"another {name} compiles again: make it an array leaf"
    other = with_couplings(t.system, moved(couplings(t.system), couplings(t.system), 0.1))
    t.run(jax.random.key(9), t.dynamics, other, *args[1:])
    assert t.run.traces == traces, "other couplings compile again"


NETWORK_DYNAMICS_CHECKS = (
    samples_its_law,
    steps_are_counted_and_chunked,
    clamps_hold,
    a_field_aligns,
    cold_networks_go_down,
    numbers_are_leaves,
)
