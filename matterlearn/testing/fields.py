"""Checks of a dynamics of lattice fields alone: against quadrature, keys and chunks, clamps, compilation.

The matter is φ⁴ on a periodic 2 x 2 lattice near its transition, of which all averages are known; chains are
independent.
"""

import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from matterlearn.core.drive import Drive
from matterlearn.core.dynamics import advance
from matterlearn.kinds import load_kind
from matterlearn.testing._examples import Counted, same_bits
from matterlearn.theory.lattice_field import lattice_action, two_by_two

CHAINS = 2048
LONG = 20  # steps: four sites forget far earlier
COUPLING = 6.975


@functools.cache
def lattice() -> Any:
    """The system."""
    action = {"convention": "lattice", "mass_squared": -4.0, "coupling": COUPLING}
    return load_kind("systems", "lattice_field")(kind="lattice_field", shape=[2, 2], action=action).build(None)


def _chains(key, dynamics, system, drive, x, steps):
    """Chains that all start at x."""

    def one(key):
        return advance(key, system, dynamics, drive, dynamics.init(key, system, drive, x), steps)

    return jax.vmap(one)(jax.random.split(key, CHAINS))


_run = eqx.filter_jit(_chains)


def keeps_the_boltzmann_law(config: Any) -> None:
    """From one far state, averages are those of quadrature, |z| < 4; at 2048 chains that finds ⟨φ²⟩ 4 % off."""
    exact = two_by_two(lattice_action(-4.0, COUPLING))
    x = lattice().init_state(jax.random.key(0))
    x = x._replace(field=jnp.full_like(x.field, 0.8))
    field = np.asarray(_run(jax.random.key(1), config.build(), lattice(), Drive(), x, jnp.asarray(LONG)).x.field)
    mean = field.mean((1, 2))
    for name, values, law in (
        ("M", mean, 0.0), ("|M|", np.abs(mean), exact.magnetization), ("M²", mean**2, exact.magnetization_square),
        ("φ²", (field**2).mean((1, 2)), exact.mean_square), ("φ⁴", (field**4).mean((1, 2)), exact.mean_fourth_power),
    ):  # fmt: skip
        z = (values.mean() - law) / (values.std() / np.sqrt(CHAINS))
        assert abs(z) < 4, f"⟨{name}⟩ = {values.mean():.5f}, exactly {law:.5f}, z = {z:.1f}"


def steps_are_counted_and_chunked(config: Any) -> None:
    """The same key gives the same bits, however a run is cut into chunks; another key gives other bits."""
    dynamics, x, key = config.build(), lattice().init_state(jax.random.key(2)), jax.random.key(3)
    go = eqx.filter_jit(advance)
    start = dynamics.init(key, lattice(), Drive(), x)
    whole = go(key, lattice(), dynamics, Drive(), start, jnp.asarray(12))
    assert int(whole.step) == 12, f"12 steps count as {int(whole.step)}"
    for cut in ((5, 7), (1,) * 12):
        state = start
        for steps in cut:
            state = go(key, lattice(), dynamics, Drive(), state, jnp.asarray(steps))
        assert same_bits(state, whole), f"chunks of {cut} steps give other bits"
    other = go(jax.random.key(4), lattice(), dynamics, Drive(), start, jnp.asarray(12))
    assert not same_bits(other.x, whole.x), "the noise ignores its key"


def clamps_hold(config: Any) -> None:
    """A clamped site stays on its target, the others move, and follow its sign as the bonds tell them to."""
    x = lattice().init_state(jax.random.key(5))
    held = x._replace(field=jnp.zeros((2, 2), bool).at[0, 0].set(True))
    drive = Drive(target=x._replace(field=jnp.full((2, 2), 0.5)), clamped=held)
    after = np.asarray(_run(jax.random.key(6), config.build(), lattice(), drive, x, jnp.asarray(LONG)).x.field)
    assert np.all(after[:, 0, 0] == np.float32(0.5)), "a clamped site moved"
    assert np.all(after.std(0).ravel()[1:] > 0.1), "a free site did not move"
    law = _beside(0.5)
    z = (after[:, 0, 1].mean() - law) / (after[:, 0, 1].std() / np.sqrt(CHAINS))
    found = after[:, 0, 1].mean()
    assert abs(z) < 4, f"beside a site held at 0.5 the field is {found:.4f}, exactly {law:.4f}: z = {z:.1f}"


def _beside(value: float) -> float:
    """Mean of the field next to a held site, by sums over the three others."""
    a, J, quartic = lattice_action(-4.0, COUPLING)
    phi = np.linspace(-2.0, 2.0, 161)
    weight = np.exp(-a * phi**2 - quartic * phi**4)
    b, c, d = np.meshgrid(phi, phi, phi, indexing="ij")  # c and b are neighbours of the held site and of d
    law = np.exp(2 * J * (b + c) * (value + d)) * weight[:, None, None] * weight[:, None] * weight
    return float((law * b).sum() / law.sum())


def numbers_are_leaves(config: Any) -> None:
    """Other couplings, widths or temperatures never recompile."""
    x = lattice().init_state(jax.random.key(7))

    def moved(dynamics, system):
        start = dynamics.init(jax.random.key(8), system, Drive(), x)
        return advance(jax.random.key(8), system, dynamics, Drive(), start, 3).x

    run = Counted(moved)
    run(config.build(), lattice())
    for name, value in config.model_dump().items():
        if isinstance(value, float):
            run(type(config).model_validate({**config.model_dump(), name: 0.9 * value}).build(), lattice())
            assert run.traces == 1, f"another {name} compiles again: make it an array leaf"
    other = jax.tree.map(lambda leaf: 1.1 * leaf if eqx.is_inexact_array(leaf) else leaf, lattice())
    run(config.build(), other)
    assert run.traces == 1, "other couplings compile again"


FIELD_DYNAMICS_CHECKS = (keeps_the_boltzmann_law, steps_are_counted_and_chunked, clamps_hold, numbers_are_leaves)
