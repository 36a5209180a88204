"""Refit loops of the project's own dynamics against closed forms: independent lineages, fixed seeds, |z| < 4."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from matterlearn import run
from matterlearn.core.learner import Verifier
from matterlearn.core.multinomial import multinomial
from matterlearn.errors import ScenarioError
from matterlearn.kinds import load_kind
from matterlearn.scenario import load
from matterlearn.stages import Recall
from matterlearn.systems.gaussian_learner import Scatter
from matterlearn.theory import infinite_memory, model_collapse

GOLDEN = model_collapse.GOLDEN_WEIGHT


def scenario(system, size, generations, *, replicas, policy="replace", sizes=(), **settings):
    """Lineages of a learner."""
    return {
        "title": "lineages", "system": system, "run": {"steps": generations, "replicas": replicas},
        "dynamics": {"kind": "generations", "size": size, "policy": {"kind": policy, **settings}},
        "task": {"kind": "lineages", "generations": generations, "sizes": list(sizes)},
        "observe": [{"kind": "lineage"}, *([{"kind": "downstream"}] if sizes else [])],
    }  # fmt: skip


def lineages(*args, **kwargs):
    """Means over lineages, standard errors and theory of a scenario, by name and generation."""
    experiment = run.build(scenario(*args, **kwargs))
    replicas, steps = experiment.scenario.run.replicas, experiment.scenario.run.steps
    recall = experiment.task.recall(jax.random.key(1), experiment.system, replicas)
    stage = Recall(jax.random.key(0), experiment.dynamics, recall, experiment.observables, steps)
    start = stage.start()
    first, (_, after) = stage.first_records(start), stage.advance(start, 0, steps)
    found = experiment.task.references(experiment.system, experiment.dynamics)
    for observable in experiment.observables:
        values = np.concatenate([first[observable.name], after[observable.name]]).swapaxes(0, 1)
        found += observable.summary(values, {})
    return {summary.name: np.asarray(summary.values, float) for summary in found}


def agree(found, *names):
    """Every generation of these quantities is that of theory, |z| < 4, and theory is known."""
    for name in names:
        z = (found[name] - found[f"{name}_theory"]) / found[f"{name}_sem"]
        assert np.isfinite(z).all() and np.abs(z).max() < 4, f"{name}: z = {z.round(1)}"


def gaussian(**settings):
    return {"kind": "gaussian_learner", **settings}


def linear(dimension, **settings):
    return {"kind": "linear_learner", "dimension": dimension, **settings}


def items(count, **settings):
    return {"kind": "item_learner", "items": count, **settings}


@pytest.mark.slow
def test_regression_loses_the_same_in_every_generation():
    """1500 lineages of six generations and a last fit, σ_0 = 0.5, σ = 0.3; finds a slope that is 4 % off."""
    found = lineages(linear(20, last_noise=0.3), 60, 6, replicas=1500, sizes=[100, 15])
    agree(found, "excess_risk")
    law = found["downstream_risk_theory"]
    z = (found["downstream_risk"][:, 0] - law[:, 0]) / found["downstream_risk_sem"][:, 0]
    assert np.abs(z).max() < 4 and law[5, 0] == pytest.approx(0.7920155794, rel=2e-6)
    assert np.isnan(law[:, 1]).all(), "theory of a last fit to fewer data than dimensions is not the one given"
    assert found["excess_risk_sem"][0] / found["excess_risk"][0] < 0.011


@pytest.mark.slow
def test_regression_with_any_covariance():
    """Eigenvalues from 1 to 1/36 and another truth leave the law as it is; 800 lineages find 10 %."""
    agree(lineages(linear(6, decay=2.0, signal=3.0, noise=2.0), 15, 5, replicas=800), "excess_risk")


@pytest.mark.slow
@pytest.mark.parametrize(("noise", "size"), [(0.0, 30), (0.4, 24)])
def test_shortest_weights_fade(noise, size):
    """(T/d)^n is left of squared weights in 40 dimensions even without noise; 600 lineages find 7 %."""
    found = lineages(linear(40, noise=noise), size, 5, replicas=600)
    agree(found, "excess_risk", "squared_norm")
    if not noise:
        assert found["squared_norm_theory"] == pytest.approx(0.75 ** np.arange(1, 6), rel=1e-6)


@pytest.mark.slow
def test_shortest_weights_after_a_last_fit():
    """The risk of a last fit to fewer data than dimensions, in closed form, is that of the next generation."""
    found = lineages(linear(12, noise=0.3), 6, 3, replicas=2000, sizes=[6])
    for n in (0, 1):
        error = np.hypot(found["excess_risk_sem"][n + 1], found["downstream_risk_sem"][n, 0])
        assert abs(found["excess_risk"][n + 1] - found["downstream_risk"][n, 0]) < 4 * error


@pytest.mark.slow
@pytest.mark.parametrize("decay", [0.0, 1.5])
def test_accumulated_data_bound_the_risk(decay):
    """Exactly, of any covariance, below π²/6 of the first fit; 1500 lineages find 4 %, leading order is 8 % above."""
    found = lineages(linear(20, decay=decay), 60, 6, replicas=1500, policy="accumulate")
    agree(found, "excess_risk")
    bound = model_collapse.ACCUMULATION_BOUND * model_collapse.fit_risk(20, 60, 0.5)
    assert bound == pytest.approx(0.2109, abs=5e-5)
    assert np.all(found["excess_risk"] + 4 * found["excess_risk_sem"] < bound)


@pytest.mark.slow
def test_leading_order_is_that_of_many_data():
    """2000 data in 4 dimensions, where corrections are below the standard error of 1500 lineages, 2 %."""
    found = lineages(linear(4), 2000, 6, replicas=1500, policy="mix")
    z = (found["excess_risk"] - found["excess_risk_leading_theory"]) / found["excess_risk_sem"]
    assert np.abs(z).max() < 4


@pytest.mark.slow
def test_verified_labels_end_at_the_verifier():
    """Risk bounded near the square of the verifier's bias, exactly, of any covariance; finds 4 %."""
    found = lineages(linear(8, decay=1.0), 20, 12, replicas=1000, policy="verify", bias=0.7, width=0.5)
    agree(found, "excess_risk")
    assert found["excess_risk"][-1] < 0.5 * 12 * model_collapse.fit_risk(8, 20, 0.5)


@pytest.mark.parametrize("estimator", [pytest.param("maximum_likelihood", marks=pytest.mark.slow), "unbiased"])
def test_normal_laws_lose_their_variance(estimator):
    """N = 20, thirty generations, 4000 lineages find ⟨ln v⟩ 7 %, ⟨m²⟩ 17 % and ⟨v⟩, which few hold, 30 % off."""
    truth = {"mean": 5.0, "variance": 0.04}
    found = lineages(gaussian(estimator=estimator, **truth), 20, 30, replicas=4000)
    agree(found, "mean_square", "variance", "log_variance", "excess_risk")
    exact = {"maximum_likelihood": (0.2146388, 0.7853612), "unbiased": (1.0, 1.5)}[estimator]
    assert (found["variance_theory"][-1], found["mean_square_theory"][-1]) == pytest.approx(exact, abs=5e-8)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("policy", "settings", "estimator"),
    [("accumulate", {}, "unbiased"), ("accumulate", {}, "maximum_likelihood"), ("mix", {"weight": 0.3}, "unbiased")],
)  # fmt: skip
def test_other_pools_keep_the_variance(policy, settings, estimator):
    """Few data, so that nothing of higher order in 1/T can hide; finds ⟨m²⟩ 15 %, ⟨v⟩ 7 % off."""
    found = lineages(gaussian(estimator=estimator), 6, 12, replicas=3000, policy=policy, **settings)
    agree(found, "mean_square", "variance")


def test_the_golden_ratio_is_the_best_weight():
    """Squared errors at w = 0.25, 1/φ and 0.95 are those of theory, to 10 %; the middle one is the least by 4."""
    at = {w: lineages(gaussian(), 100, 12, replicas=4000, policy="mix", weight=w) for w in (0.25, GOLDEN, 0.95)}
    last = {}
    for weight, found in at.items():
        agree(found, "mean_square")
        last[weight] = found["mean_square"][-1], found["mean_square_sem"][-1]
        assert found["mean_square_theory"][-1] * 100 == pytest.approx(model_collapse.mixing_variance(weight), rel=0.03)
    for weight in (0.25, 0.95):
        assert last[weight][0] - last[GOLDEN][0] > 4 * np.hypot(last[weight][1], last[GOLDEN][1])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("inputs", "beta"),
    [("remembered", 2.0), *(pytest.param(inputs, beta, marks=pytest.mark.slow)
                            for inputs, beta in (("remembered", 1.5), ("fresh", 1.5), ("fresh", 2.0)))],
)  # fmt: skip
def test_items_are_forgotten(inputs, beta):
    """2000 items, 300 data, six generations, 200 lineages: risk and number of items; finds 6 %."""
    found = lineages(items(2000, beta=beta, inputs=inputs), 300, 6, replicas=200)
    agree(found, "excess_risk", "items_known")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("inputs", "policy"),
    [("fresh", "mix"), ("fresh", "accumulate"), ("remembered", "accumulate")],
)
def test_items_that_are_kept_or_seen_again(inputs, policy):
    """What accumulates is never lost; fresh real data hold the risk. The first model knows 40 of 500 items."""
    found = lineages(items(500, inputs=inputs, cut=40), 100, 6, replicas=400, policy=policy)
    agree(found, "excess_risk", "items_known")


@pytest.mark.slow
def test_last_fits_of_the_infinite_memory():
    """Tail cut, plateau, clean data: exact for every lineage alike; and the law after generations of labels."""
    found = lineages(items(3000, cut=50, clean=0.1), 200, 3, replicas=200, sizes=[100, 3000])
    agree(found, "downstream_risk")
    learner = load_kind("systems", "item_learner")(kind="item_learner", items=3000, cut=50, clean=0.1).build(None)
    start = learner.init_state(jax.random.key(0))
    for size in (100, 3000, 10**5):
        law = infinite_memory.mixed_mass(size, 2.0, 50, 0.1) - infinite_memory.mixed_mass(1e9, 2.0, 3000)
        assert float(learner.downstream(start, size)) == pytest.approx(law, rel=0.01)


def test_counts_follow_their_law():
    """χ² of 10⁶ draws from 37 values that span four decades, |z| < 4; values of probability 0 never come."""
    weight = np.where(np.arange(37) % 5 == 3, 0.0, np.arange(1, 38.0) ** -2.5)
    draw = jax.jit(multinomial, static_argnums=2)
    counts = np.asarray(draw(jax.random.key(0), jnp.asarray(weight), 1_000_000), float)
    expected = 1e6 * weight / weight.sum()
    held = expected > 0
    assert counts.sum() == 1e6 and np.all(counts[~held] == 0)
    square = np.sum((counts - expected)[held] ** 2 / expected[held])
    assert abs(stats.norm.isf(stats.chi2.sf(square, held.sum() - 1))) < 4


@pytest.mark.slow
def test_rare_values_come_as_often_as_they_should():
    """4096 values of 10⁻⁹ each beside one that nearly always comes, as 2¹² equal leaves of one branch."""
    weight = jnp.concatenate([jnp.ones(4096), jnp.full(4096, 1e-9)])
    counts = np.asarray(multinomial(jax.random.key(1), weight.at[:4096].mul(1e-9), 400_000), float)
    rest = counts[4096:].sum()
    assert abs(rest - 200_000) < 4 * np.sqrt(100_000)
    assert abs((counts > 0).mean() - (1 - np.exp(-400_000 / 8192))) < 1e-9


def test_small_variances_keep_their_digits():
    """Sums of squares around the mean of a pool, far from 0 and far smaller than it, against double precision."""
    rng = np.random.default_rng(0)
    parts = [3.0 + 1e-3 * rng.normal(size=n) for n in (7, 40)]
    a, b = (Scatter(*(jnp.asarray(v, jnp.float32) for v in (len(p), p.mean(), ((p - p.mean()) ** 2).sum())))
            for p in parts)  # fmt: skip
    both = np.concatenate(parts)
    assert float((a + b).squares) == pytest.approx(((both - both.mean()) ** 2).sum(), rel=1e-2)
    learner = load_kind("systems", "gaussian_learner")(kind="gaussian_learner", mean=3.0, variance=1e-8).build(None)
    drawn = learner.fit(learner.statistics(jax.random.key(0), learner.truth(), 10**6))
    assert float(drawn.variance) == pytest.approx(1e-8, rel=4 * np.sqrt(2e-6))


def test_verified_normal_data():
    """Accepted draws of a model, counted, have the law that the learner says."""
    learner = load_kind("systems", "gaussian_learner")(kind="gaussian_learner").build(None)
    rng = np.random.default_rng(1)
    y = rng.normal(size=400_000)
    passed = y[rng.random(len(y)) < np.exp(-((y - 0.8) ** 2) / (2 * 0.6**2))]
    law = learner.accepted(learner.truth(), Verifier(jnp.asarray(0.8), jnp.asarray(0.6)))
    error = np.sqrt(float(law.variance) / len(passed))
    assert abs(passed.mean() - float(law.mean)) < 4 * error
    assert abs(passed.var() / float(law.variance) - 1) < 4 * np.sqrt(2 / len(passed))


@pytest.mark.parametrize("change", [
    ({"system": gaussian(), "dynamics": {"kind": "brownian", "dt": 1e-3}}, "use generations"),
    ({"system": {"kind": "free_field", "shape": [4]}}, "moves a model that is refitted"),
    ({"dynamics": {"kind": "generations", "size": 1}}, "at least 2 data"),
    ({"dynamics": {"kind": "generations", "size": 2}, "run": {"steps": 300, "replicas": 3}}, "single precision holds"),
    ({"system": items(20, beta=1.0)}, "greater than 1"),
    ({"system": items(20, cut=30)}, "cannot know 30 of 20"),
    ({"system": items(20), "dynamics": {"kind": "generations", "size": 5, "policy": {"kind": "verify"}}}, "no law"),
    ({"system": linear(100, decay=3.0)}, "single precision"),
    ({"system": linear(3, noise=0), "dynamics": {"kind": "generations", "size": 9, "policy": {"kind": "verify"}}},
     "noise > 0"),
    ({"task": {"kind": "lineages", "generations": 9}}, "run.steps is 4"),
    ({"task": {"kind": "lineages", "generations": 4, "sizes": [1]}}, "at least 2 data"),
    ({"observe": [{"kind": "downstream"}]}, "with sizes"),
    ({"dynamics": {"kind": "generations", "size": 9, "policy": {"kind": "mix", "weight": 1.5}}}, "less than or equal"),
    ({"learning": {"rule": {"kind": "wake_sleep"}, "updates": 1}}, "drop learning"),
])  # fmt: skip
def test_nonsense_is_refused_in_one_line(change):
    parts, words = change
    with pytest.raises(ScenarioError, match=words):
        load(scenario(gaussian(), 9, 4, replicas=3) | parts)


@pytest.mark.parametrize("size", [19, 20, 21])
def test_theory_that_does_not_exist_is_not_given(size):
    found = run.build(scenario(linear(20), size, 3, replicas=2))
    assert found.task.references(found.system, found.dynamics) == []
