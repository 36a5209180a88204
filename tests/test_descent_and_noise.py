"""Noise that belongs to a temperature, and noise that does not: stationary variances of discrete steps."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from matterlearn.core.drive import Drive
from matterlearn.core.dynamics import advance
from matterlearn.errors import ScenarioError
from matterlearn.kinds import load_kind
from matterlearn.scenario import load
from matterlearn.systems.landscape import LandscapeState

CHAINS = 20_000  # independent: the relative error of a variance is √(2/20000) = 1 %


def made(kind, **fields):
    return load_kind("dynamics", kind)(kind=kind, **fields).build()


def ends(dynamics, stiffness, steps, start=0.0, chains=CHAINS):
    """Independent coordinates in a well, one particle each."""
    config = load_kind("systems", "landscape")(kind="landscape", coefficients=[0.0, stiffness / 2], particles=chains)
    system = config.build(jax.random.key(0))
    x = LandscapeState(jnp.full((chains, 1), float(start)))
    state = dynamics.init(jax.random.key(1), system, Drive(), x)
    state = eqx.filter_jit(advance)(jax.random.key(2), system, dynamics, Drive(), state, jnp.asarray(steps))
    return np.asarray(state.x.position, float)[:, 0]


def z_of(variance, exact):
    return (variance / exact - 1) / np.sqrt(2 / CHAINS)


@pytest.mark.parametrize(("stiffness", "step"), [(1.0, 0.1), (4.0, 0.2)])
def test_matched_noise_has_the_variance_of_its_step(stiffness, step):
    """1/(k(1 − εk/2)): 5 and 67 % above kT/k, seen at 5 and 40 standard errors."""
    exact = 1 / (stiffness * (1 - step * stiffness / 2))
    found = ends(made("brownian", dt=step), stiffness, 400).var()
    assert abs(z_of(found, exact)) < 4
    assert abs(z_of(found, 1 / stiffness)) > 4, "the test cannot see the bias of the step"


def test_unclipped_noise_belongs_to_its_own_temperature():
    """x ← (1 − εk)(x + sξ): variance a²s²/(1 − a²), a = 1 − εk, and for short steps (s²/2ε)/k, not kT/k."""
    step, noise, stiffness = 0.02, 0.05, 1.5
    config = load_kind("dynamics", "clipped_descent")(kind="clipped_descent", step=step, noise=noise, limit=1e6)
    found = ends(config.build(), stiffness, 600).var()
    a = 1 - step * stiffness
    assert abs(z_of(found, a**2 * noise**2 / (1 - a**2))) < 4
    assert found == pytest.approx(config.warmth / stiffness, rel=0.1)
    assert config.warmth == pytest.approx(0.0625)


def test_steps_are_clipped_and_kept_in_range():
    """Without noise: x goes down by ε c per step while k x > c, then shrinks by 1 − εk; a range ends it."""
    plain = {"step": 0.1, "noise": 0.0, "limit": 0.5}
    assert ends(made("clipped_descent", **plain), 1.0, 3, start=5.0, chains=1)[0] == pytest.approx(5 - 3 * 0.05)
    assert ends(made("clipped_descent", **plain), 1.0, 3, start=0.4, chains=1)[0] == pytest.approx(0.4 * 0.9**3)
    assert ends(made("clipped_descent", **plain, range=[1.0, 2.0]), 1.0, 50, start=5.0, chains=1)[0] == 1.0


def test_published_numbers_are_nearly_zero_temperature():
    config = load_kind("dynamics", "clipped_descent")(kind="clipped_descent", step=10.0, noise=0.005, limit=0.01)
    assert config.warmth == pytest.approx(1.25e-6)
    assert config.step * config.limit == pytest.approx(0.1)


def test_a_range_has_two_ends():
    scenario = {"title": "any", "system": {"kind": "landscape", "coefficients": [0, 1]},
                "dynamics": {"kind": "clipped_descent", "range": [1, 0]}, "run": {"steps": 2}}  # fmt: skip
    with pytest.raises(ScenarioError, match="lower end 1 should be below the upper one 0"):
        load(scenario)
