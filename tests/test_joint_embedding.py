"""Joint embeddings: the three terms to the digit, their slopes, and collapse without them."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from matterlearn.core.drive import Drive
from matterlearn.core.rule import Batch
from matterlearn.core.system import couplings, with_couplings
from matterlearn.errors import ScenarioError
from matterlearn.kinds import load_kind
from matterlearn.scenario import load
from matterlearn.systems.joint_embedding import ViewsState
from matterlearn.testing._examples import dot, moved, noise_like
from matterlearn.testing.systems import in_double

Z = np.array([[1, 2], [0, 1], [-1, 0], [2, -1]], float)
OTHER = np.array([[1.1, 1.8], [0.2, 0.9], [-0.8, 0.1], [1.7, -1.2]])
SCENARIO = {
    "title": "any", "system": {"kind": "joint_embedding", "size": 2, "features": 3},
    "dynamics": {"kind": "brownian", "dt": 0.01},
    "task": {"kind": "views", "samples": {"source": "points", "shape": "moons", "count": 20}},
    "learning": {"rule": {"kind": "variance_covariance"}, "updates": 2, "replicas": 8},
    "run": {"steps": 2, "replicas": 2},
}  # fmt: skip


def made(family, kind, *key, **fields):
    return load_kind(family, kind)(kind=kind, **fields).build(*key)


def rule(**fields):
    return made("rules", "variance_covariance", **fields)


def pairs(first, second):
    target = ViewsState(jnp.asarray(first), jnp.asarray(second))
    held = jax.tree.map(lambda leaf: jnp.ones(leaf.shape, bool), target)
    return Batch(Drive(target=target, clamped=held, strength=jax.vmap(lambda _: Drive().strength)(target.first)),
                 target, jnp.ones(()))  # fmt: skip


@in_double
def test_terms_have_the_known_digits():
    found = rule().terms(jnp.asarray(Z), jnp.asarray(OTHER))
    known = {"invariance": 0.07, "variance": 0.0, "covariance": 0.1895111111, "loss": 1.9395111111}
    for name, value in known.items():
        assert abs(found[name] - value) < 6e-11, name
    scaled = rule().terms(jnp.asarray(0.3 * Z), jnp.asarray(0.3 * OTHER))
    assert abs(scaled["variance"] - 1.257881239) < 6e-10
    assert abs(scaled["loss"] - 31.6060660265) < 6e-11


@in_double
def test_energy_of_a_linear_encoder():
    system = made("systems", "joint_embedding", jax.random.key(0), size=2, features=3, depth=0)
    (layer,) = system.encoder.layers
    x = ViewsState(jnp.asarray([0.3, -1.0]), jnp.asarray([1.2, 0.4]))
    gap = np.asarray(layer.weight) @ (np.asarray(x.first) - np.asarray(x.second))
    assert abs(system.energy(x) - gap @ gap) < 1e-14


@in_double
def test_slope_of_the_rule():
    """Against differences of the loss that the rule reports; the invariance term is the mean energy."""
    system = made("systems", "joint_embedding", jax.random.key(0), size=2, features=3, width=5, depth=1)
    brownian = made("dynamics", "brownian", dt=0.01)
    learn, batch = rule(target=2.0), pairs(Z, OTHER)

    @eqx.filter_jit
    def estimate(theta):
        taught = with_couplings(system, theta)
        return learn.estimate(jax.random.key(0), taught, brownian, None, batch, parameters=theta)

    theta = couplings(system)
    slope, _, info = estimate(theta)
    assert abs(info.numbers["invariance"] - jnp.mean(jax.jit(jax.vmap(system.energy))(batch.x))) < 1e-12
    assert info.numbers["variance"] > 0
    tilt = noise_like(1, theta)
    ends = [estimate(moved(theta, tilt, h))[2].numbers["loss"] for h in (1e-6, -1e-6)]
    assert abs((ends[0] - ends[1]) / 2e-6 - dot(slope, tilt)) < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize(("weights", "collapsed"), [({}, False), ({"variance": 0.0, "covariance": 0.0}, True)])
def test_the_embedding_collapses_unless_variance_is_asked_for(weights, collapsed):
    """A linear encoder and isotropic noise: the mean energy alone is 2σ²|W|², which W = 0 minimises."""
    system = made("systems", "joint_embedding", jax.random.key(0), size=2, features=2, depth=0)
    data = {"source": "points", "shape": "moons", "count": 100}
    task = load_kind("tasks", "views")(kind="views", samples=data, noise=0.1).build(system)
    brownian, optimizer = made("dynamics", "brownian", dt=0.01), optax.adam(0.03)
    learn = rule(**weights)

    @eqx.filter_jit
    def update(carry, n):
        theta, memory = carry
        taught, key = with_couplings(system, theta), jax.random.fold_in(jax.random.key(1), n)
        batch = task.present(key, taught, jnp.asarray(0), 100, 1.0)
        slope, *_ = learn.estimate(key, taught, brownian, None, batch, parameters=theta)
        step, memory = optimizer.update(slope, memory)
        return (optax.apply_updates(theta, step), memory), None

    theta: Any = couplings(system)
    (theta, _), _ = jax.lax.scan(update, (theta, optimizer.init(theta)), jnp.arange(300))
    extent = task.evaluate(with_couplings(system, theta), brownian)
    if collapsed:
        assert extent["embedding_spread"] < 0.02
    else:
        assert extent["embedding_spread"] > 0.8
        assert extent["embedding_dimension"] > 1.5


def test_views_share_a_sample_and_nothing_else():
    """⟨|x − x'|²⟩ = 2σ² d, from 2000 pairs; and both scatter around samples of the data."""
    system = made("systems", "joint_embedding", jax.random.key(0), size=2, features=2, depth=0)
    data = {"source": "points", "shape": "clusters", "count": 50, "noise": 0.0}
    task = load_kind("tasks", "views")(kind="views", samples=data, noise=0.05).build(system)
    batch = task.present(jax.random.key(2), system, jnp.asarray(0), 2000, 1.0)
    gap = np.sum((np.asarray(batch.x.first) - np.asarray(batch.x.second)) ** 2, axis=1)
    z = (gap.mean() / (2 * 0.05**2 * 2) - 1) / np.sqrt(1 / 2000)  # half a χ² of 2: its variance is its mean squared
    assert abs(z) < 4
    near = np.linalg.norm(np.asarray(batch.x.first)[:, None] - np.asarray(task.samples)[None], axis=2).min(1)
    assert near.max() < 5 * 0.05


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("system.size=3", "a sample has 2 entries, but a view of 'joint_embedding' 3"),
        ("learning.replicas=1", "a batch of one has no variance"),
        ("system={kind: landscape, coefficients: [0, 1]}", "embeds no views"),
    ],
)
def test_complaints(override, words):
    with pytest.raises(ScenarioError, match=words):
        load(SCENARIO, [override])
