"""Score models in the spine: what they learn, what they keep, what they refuse."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from covering import slow
from matterlearn.core.cost import operations_per_step
from matterlearn.core.drive import Drive
from matterlearn.core.field import FieldState
from matterlearn.core.rule import Batch
from matterlearn.core.system import couplings, with_couplings
from matterlearn.core.task import replicated
from matterlearn.dynamics.reverse_diffusion import Config as Reverse
from matterlearn.errors import ScenarioError
from matterlearn.rules.denoising_score_matching import Config as Rule
from matterlearn.run import build, simulate
from matterlearn.scenario import load
from matterlearn.systems.score_model import Config as Model

pytestmark = pytest.mark.usefixtures("undrawn")

FITTED = {"kind": "fitted", "network": {"kind": "perceptron", "width": 16, "depth": 2}}


def model(**settings):
    given = {"shape": [2], "process": {"kind": "noise_level"}, "score": FITTED, "end": 10.0, "start": 0.01}
    return Model(kind="score_model", **(given | settings))


def scenario(**settings):
    given = {
        "title": "points",
        "system": model().model_dump(),
        "dynamics": {"kind": "reverse_diffusion", "steps": 10},
        "task": {"kind": "data", "data": {"source": "points", "shape": "ring", "count": 200}, "likelihood": "none"},
        "learning": {"rule": {"kind": "denoising_score_matching"}, "optimizer": {"kind": "adam"}, "updates": 3,
                     "replicas": 8},
        "observe": [{"kind": "visible_patterns", "every": 10}],
        "run": {"steps": 10, "replicas": 4},
    }  # fmt: skip
    return given | settings


def batch(field):
    drive = Drive(target=FieldState(field), strength=replicated(Drive().strength, len(field)))
    return Batch(drive, FieldState(field), jnp.asarray(1.0))


@pytest.mark.parametrize("weight", [slow("reference"), "noise", slow("score"), slow("signal")])
def test_direction_is_the_slope_of_the_loss(weight):
    """Against central differences along a random direction, in double precision."""
    with jax.enable_x64(True):
        system = jax.tree.map(lambda a: a.astype(float), model().build(jax.random.key(0)))
        rule = Rule(kind="denoising_score_matching", weight=weight).build()
        shown, key = batch(jax.random.normal(jax.random.key(1), (16, 2))), jax.random.key(2)
        theta = jax.tree.map(lambda a: a + 0.1, couplings(system))
        memory = rule.init(key, system, None, 16)

        @eqx.filter_jit
        def estimate(theta):
            taught = with_couplings(system, theta)
            slope, _, info = rule.estimate(key, taught, None, memory, shown, parameters=theta)
            return slope, info.numbers["loss"]

        rng = np.random.default_rng(0)
        tilt = jax.tree.map(lambda a: jnp.asarray(rng.normal(size=a.shape)), theta)
        slope = estimate(theta)[0]
        along = sum(float(jnp.vdot(a, b)) for a, b in zip(jax.tree.leaves(slope), jax.tree.leaves(tilt), strict=True))
        h = 1e-5
        ends = [float(estimate(jax.tree.map(lambda a, b, s=s: a + s * b, theta, tilt))[1]) for s in (-h, h)]
        assert np.isclose(along, (ends[1] - ends[0]) / (2 * h), rtol=1e-5, atol=1e-8)


def test_average_forgets_the_beginning():
    """θ̄ after k updates of a parameter that grows by one each time, against the recursion."""
    system = model().build(jax.random.key(0))
    rule = Rule(kind="denoising_score_matching", decay=0.9).build()
    theta, state, mean = couplings(system), None, None
    state = rule.init(jax.random.key(0), system, None, 4)
    shown = batch(jnp.ones((4, 2)))
    first = jax.tree.leaves(theta)[0]
    mean = float(first.ravel()[0])
    estimate = eqx.filter_jit(rule.estimate)
    for k in range(20):
        now = jax.tree.map(lambda a, k=k: a + k, theta)
        _, state, _ = estimate(jax.random.key(k), system, None, state, shown, parameters=now)
        mean += (1 - min(0.9, (1 + k) / (10 + k))) * (float(first.ravel()[0]) + k - mean)
    kept = jax.tree.leaves(rule.learned(theta, state))[0]
    assert np.isclose(float(kept.ravel()[0]), mean, rtol=1e-5)


def test_scores_take_what_they_need_from_the_data():
    """Samples, covariances and spectra of the task; the network stays as it was built."""
    plain = scenario()
    for score in ({"kind": "empirical"}, {"kind": "linear"}, FITTED):
        made = build(plain | {"system": model(score=score).model_dump(), "learning": None})
        data = np.asarray(made.task.train)
        x, t = jnp.array([0.3, -0.1]), jnp.asarray(3.0)
        if score["kind"] == "empirical":
            w = np.exp(-np.sum((data - np.asarray(x)) ** 2, 1) / 18)
            assert np.allclose(made.system.score.denoise(x, t), w @ data / w.sum(), atol=1e-5)
        elif score["kind"] == "linear":
            cov = np.cov(data.T, bias=True)
            wanted = data.mean(0) + cov @ np.linalg.solve(cov + 9 * np.eye(2), np.asarray(x) - data.mean(0))
            assert np.allclose(made.system.score.denoise(x, t), wanted, atol=1e-5)
        else:
            assert np.allclose(made.system.score.reference.variance, data.var(0).mean(), rtol=1e-5)
            assert np.allclose(made.system.score.reference.mean, data.mean(0), atol=1e-6)


@pytest.mark.slow
def test_learning_reaches_the_posterior_mean_of_clusters():
    """Two clusters: 800 updates close 95 % of the gap between the normal posterior's error and the perfect one."""
    known = model(score={"kind": "clusters", "means": [[1.5], [-1.5]], "variance": 0.1}).build(jax.random.key(0)).score
    network = {"kind": "perceptron", "width": 32, "depth": 2}
    system = model(score={"kind": "fitted", "network": network}).build(jax.random.key(0))
    rule = Rule(kind="denoising_score_matching", decay=0.99).build()
    optimizer = optax.adam(optax.exponential_decay(1e-2, 800, 0.03))

    def draw(key, count):
        first, second = jax.random.split(key)
        sign = jax.random.rademacher(first, (count, 1)).astype(float)
        return 1.5 * sign + jnp.sqrt(0.1) * jax.random.normal(second, (count, 2))

    @jax.jit
    def learn(theta, slots, memory):
        def body(k, carry):
            theta, slots, memory = carry
            key = jax.random.fold_in(jax.random.key(3), k)
            slope, memory, _ = rule.estimate(
                key, with_couplings(system, theta), None, memory, batch(draw(key, 256)), parameters=theta
            )
            steps, slots = optimizer.update(slope, slots, theta)
            return optax.apply_updates(theta, steps), slots, memory

        return jax.lax.fori_loop(0, 800, body, (theta, slots, memory))

    theta = couplings(system)
    *_, memory = learn(theta, optimizer.init(theta), rule.init(jax.random.key(0), system, None, 256))
    fitted = with_couplings(system, rule.learned(theta, memory)).score
    a = draw(jax.random.key(9), 20_000)
    t = jnp.asarray(1.0)
    x = a + jax.random.normal(jax.random.key(10), a.shape)
    scores = known, fitted, system.score
    denoised = (jax.jit(jax.vmap(lambda y, s=s: s.denoise(y, t)))(x) for s in scores)
    best, reached, start = (float(jnp.mean((a - found) ** 2)) for found in denoised)
    assert best < reached < best + 0.05 * (start - best)


@pytest.mark.slow
def test_a_run_gives_the_same_bits_twice(tmp_path):
    """And what it measures is in the results, the price of a step among it."""
    trees = [simulate(scenario(), tmp_path / name).tree for name in ("a", "b")]
    assert np.array_equal(trees[0]["visible_patterns"], trees[1]["visible_patterns"])
    assert float(trees[0]["operations_per_step"]) > 1000


@pytest.mark.slow
def test_likelihood_of_a_known_law_in_a_run(tmp_path):
    """Of a share of the samples, by the perfect score of normal data: −½ d ln 2πe v to the scatter of samples."""
    known = model(score={"kind": "gaussian", "variance": 1.0}).model_dump()
    rows = np.random.default_rng(0).normal(size=(400, 2)).round(4).tolist()
    task = {"kind": "data", "data": {"source": "rows", "rows": rows, "values": 0}, "likelihood": {"samples": 300}}
    tree = simulate(scenario(system=known, task=task, learning=None), tmp_path / "r").tree
    value, error = float(tree["log_likelihood_train"]), float(tree["log_likelihood_train_sem"])
    exact = -0.5 * np.mean(np.sum(np.asarray(rows[:300]) ** 2, 1)) - np.log(2 * np.pi)
    assert np.isclose(value, exact, atol=1e-3) and error > 0


@pytest.mark.slow
def test_operations_grow_with_the_network():
    """A perceptron of twice the width costs about four times as much."""
    dynamics = Reverse(kind="reverse_diffusion", steps=4).build()
    few, many = (
        operations_per_step(
            model(score={"kind": "fitted", "network": {"kind": "perceptron", "width": w, "depth": 3}}).build(
                jax.random.key(0)
            ),
            dynamics,
        )
        for w in (200, 400)
    )
    assert 3 < many / few < 4.2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"system": model(process={"kind": "cosine"}, end=1.0).model_dump()}, "end at 0.999 or sooner"),
        ({"system": model(process={"kind": "variance_preserving"}, end=2.0).model_dump()}, "go from 0 to 1"),
        ({"system": model(process={"kind": "noise_level", "basis": "haar"}, shape=[3]).model_dump()}, "is odd"),
        ({"system": model(start=20.0).model_dump()}, "before the end"),
        ({"dynamics": {"kind": "reverse_diffusion", "steps": 20}}, "ends after 10 of 20"),
        ({"dynamics": {"kind": "reverse_diffusion", "steps": 9, "power": 7.0}}, "is needed unless"),
        ({"dynamics": {"kind": "brownian", "dt": 0.01}, "learning": None, "task": None,
          "system": model(score={"kind": "linear"}).model_dump(), "observe": []}, "needs samples"),
        ({"system": model(score={"kind": "curie_weiss", "beta": 1.0}).model_dump()}, "nothing to learn"),
        ({"system": model(process={"kind": "poisson"}).model_dump()}, "deterministic: use alpha: 0"),
        ({"system": model(process={"kind": "heat_conduction", "graph": {"kind": "cycle", "nodes": 5}}).model_dump()},
         "5 nodes, but the data 2"),
        ({"system": model(shape=[6, 6], score=FITTED | {"network": {"kind": "u_net", "depth": 3}}).model_dump()},
         "no multiples of 4"),
    ],
)  # fmt: skip
def test_mistakes_get_one_clear_line(change, words):
    """Before anything runs."""
    with pytest.raises(ScenarioError, match=words):
        load(scenario(**change))
