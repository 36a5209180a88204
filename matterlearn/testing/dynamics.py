"""Checks of a dynamics of continuous matter: stationary law, relaxation, keys and chunks, clamps, compilation."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from pydantic import ValidationError

from matterlearn.core.drive import Drive
from matterlearn.core.dynamics import AbstractDynamics, advance, potential
from matterlearn.testing._examples import Counted, WellState, agree, same_bits, trap, well

LONG = 2000  # steps: many relaxation times of the trap at the time step of a sensible example
REPLICAS = 2000  # of four particles each


def _run(dynamics: AbstractDynamics, system, drive, x, steps, seed=0):
    key = jax.random.key(seed)
    start = dynamics.init(jax.random.fold_in(key, 2**31), system, drive, x)
    return advance(key, system, dynamics, drive, start, steps)


_run_compiled = eqx.filter_jit(_run)


@eqx.filter_jit
def _replicas(dynamics, system, drive, x, steps):
    """Many ends from one start."""
    return jax.vmap(lambda seed: _run(dynamics, system, drive, x, steps, seed))(jnp.arange(REPLICAS))


def samples_the_boltzmann_law(config: Any) -> None:
    """In a trap, from its bottom, coordinates reach the variance kT/k; only if ``stationary`` says so."""
    dynamics = config.build()
    if dynamics.stationary != "boltzmann":
        return
    system = well(1.0)
    x = jax.tree.map(jnp.zeros_like, system.init_state(jax.random.key(0)))
    end = _replicas(dynamics, system, trap(x, 3.0), x, jnp.asarray(LONG)).x
    kT = float(dynamics.kT(jnp.zeros(())))
    for name, leaf in end._asdict().items():
        ratio = float(jnp.mean(leaf**2)) * 4.0 / kT
        z = (ratio - 1.0) / np.sqrt(2.0 / leaf.size)
        assert abs(z) < 4, f"variance of {name} is {ratio:.3f} kT/k, z = {z:.1f}"


def cold_matter_relaxes(config: Any) -> None:
    """Without noise the energy goes down."""
    dynamics = _coldest(config).build()
    system = well(1.0)
    x = system.init_state(jax.random.key(1))
    drive = trap(x, 3.0)
    start, end = (_run_compiled(dynamics, system, drive, x, jnp.asarray(n)) for n in (0, LONG))
    before, after = (float(potential(system, drive, state)) for state in (start, end))
    assert after < 0.1 * before, f"energy went from {before:.3g} to {after:.3g} at kT = 0"


def _coldest(config: Any) -> Any:
    """The Config at kT = 0, or next to it where a law without a temperature is none."""
    if "kT" not in type(config).model_fields:
        return config
    try:
        return type(config).model_validate({**config.model_dump(), "kT": 0.0})
    except ValidationError:
        return type(config).model_validate({**config.model_dump(), "kT": 1e-5})


def steps_are_counted_and_chunked(config: Any) -> None:
    """The same key gives the same bits, however a run is cut into chunks; another key gives other bits."""
    dynamics, system = config.build(), well()
    x = system.init_state(jax.random.key(2))
    drive = trap(x, 2.0)
    go = eqx.filter_jit(advance)
    key = jax.random.key(3)
    start = dynamics.init(key, system, drive, x)
    whole = go(key, system, dynamics, drive, start, jnp.asarray(12))
    assert int(whole.step) == int(start.step) + 12, f"12 steps count as {int(whole.step - start.step)}"
    for cut in ((5, 7), (1,) * 12):
        state = start
        for steps in cut:
            state = go(key, system, dynamics, drive, state, jnp.asarray(steps))
        assert same_bits(state, whole), f"chunks of {cut} steps give other bits"
    other = go(jax.random.key(4), system, dynamics, drive, start, jnp.asarray(12))
    assert dynamics.stationary == "none" or not same_bits(other.x, whole.x), "the noise ignores its key"


def clamps_hold(config: Any) -> None:
    """Clamped coordinates stay on their target exactly, the others move."""
    dynamics, system = config.build(), well()
    x = system.init_state(jax.random.key(5))
    held = WellState(jnp.zeros((4, 1), bool).at[1].set(True), jnp.zeros(4, bool).at[2].set(True))
    drive = Drive(target=jax.tree.map(lambda leaf: jnp.full_like(leaf, 0.3), x), clamped=held)
    end = _run_compiled(dynamics, system, drive, x, jnp.asarray(20)).x
    for leaf, before, mask in zip(end, x, held, strict=True):
        assert np.all(np.asarray(leaf)[mask] == np.float32(0.3)), "a clamped coordinate moved"
        assert np.all(np.asarray(leaf != before)[~np.asarray(mask)]), "a free coordinate did not move"


def numbers_are_leaves(config: Any) -> None:
    """Other couplings, time step or temperature never recompile; replicas can be vmapped."""
    dynamics, system = config.build(), well()
    x = system.init_state(jax.random.key(6))
    run = Counted(lambda dynamics, system: _run(dynamics, system, trap(x, 2.0), x, 5).x)
    first = run(dynamics, system)
    for name, value in config.model_dump().items():
        if isinstance(value, float) and dynamics.stationary == "boltzmann":  # quenches may keep constants
            changed = type(config).model_validate({**config.model_dump(), name: 0.9 * value})
            run(changed.build(), system)
            assert run.traces == 1, f"another {name} compiles again: make it an array leaf"
    run(dynamics, well(2.0))
    assert run.traces == 1, "other couplings compile again"
    pair = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), x)
    both = jax.jit(jax.vmap(lambda y: _run(dynamics, system, trap(y, 2.0), y, 5).x))(pair)
    agree(jax.tree.map(lambda leaf: leaf[1], both), first, 1e-5, "vmap changes the step")


DYNAMICS_CHECKS = (
    samples_the_boltzmann_law,
    cold_matter_relaxes,
    steps_are_counted_and_chunked,
    clamps_hold,
    numbers_are_leaves,
)
