"""Tasks and observables of dynamical regimes: what they measure, against what is known, in small runs; bad input."""

import tempfile

import numpy as np
import pytest

from matterlearn import report, run, scenario
from matterlearn.errors import ScenarioError
from matterlearn.tasks import _laws
from matterlearn.theory import curie_weiss, speciation

MODEL = {"kind": "score_model", "shape": [32], "process": {"kind": "ornstein_uhlenbeck"}, "end": 5.0}
REVERSE = {"kind": "reverse_diffusion", "steps": 40}


def measured(**sections):
    """Results of a small run, without its report."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "write", lambda directory: None)
        scene = {"title": "a small run", "dynamics": REVERSE, **sections}
        return run.simulate(scene, f"{folder}/run").tree.to_dataset()


@pytest.fixture(scope="module")
def clones():
    return measured(
        system={**MODEL, "score": {"kind": "clusters", "means": [[1.0], [-1.0]]}},
        task={
            "kind": "clone_overlap",
            "data": {"source": "normal_clusters", "size": 32, "count": 200},
            "times": [0.8, 1.4, 1.9, 3.0],
        },
        observe=[{"kind": "clone_overlap", "every": 40}],
        run={"seed": 1, "replicas": 1600, "steps": 40},
    )


@pytest.mark.slow
def test_clones_part_where_theory_says(clones):
    """Four standard errors of 200 pairs are 0.14 at most; φ goes from 1 to ½."""
    assert float(clones["clone_overlap_deviation"]) < 4
    overlap = clones["clone_overlap"].values
    assert overlap[0] > 0.97 and overlap[-1] < 0.7
    assert abs(float(clones["speciation_time"]) - np.log(32) / 2) < 4 * float(clones["speciation_time_sem"]) + 0.03
    assert clones["noise_time"].values == pytest.approx([0.8, 1.4, 1.9, 3.0])


def test_clones_start_from_one_noisy_sample(clones):
    """At the start all pairs are in the same class: they are one."""
    start = clones["sample_class"].values[:, 0].reshape(4, -1, 2)
    assert (start[..., 0] == start[..., 1]).all()
    assert clones["start_time"].values.reshape(4, -1)[:, 7].tolist() == pytest.approx([0.8, 1.4, 1.9, 3.0])


@pytest.fixture(scope="module")
def collapse():
    return measured(
        system={**MODEL, "score": {"kind": "empirical"}},
        task={
            "kind": "excess_entropy",
            "data": {"source": "normal_clusters", "size": 32, "count": 500},
            "times": [0.3, 1.2, 2.0, 3.0],
            "draws": 400,
        },
        observe=[{"kind": "nearest_sample", "every": 40}],
        run={"seed": 1, "replicas": 30, "steps": 40},
    )


@pytest.mark.slow
def test_excess_entropy_beside_theory(collapse):
    assert float(collapse["collapse_time_theory"]) == pytest.approx(speciation.collapse_time(500, 32))
    assert float(collapse["excess_entropy_deviation"]) < 4
    assert np.isnan(collapse["excess_entropy_theory"].values[0])  # below the collapse it would be a bound only
    entropy, ratio = collapse["excess_entropy"].values, collapse["participation_ratio"].values
    assert entropy[0] < 0.02 and ratio[0] > 0.98 and entropy[-1] > 0.9 and ratio[-1] < 0.05
    assert (np.diff(entropy) > 0).all() and (np.diff(ratio) < 0).all()


@pytest.mark.slow
def test_empirical_score_copies(collapse):
    assert float(collapse["copies"]) == 1.0
    assert collapse["nearest_sample"].values[:, -1, 0].max() < 1e-3


def known(data, score, **more):
    return measured(
        system={**MODEL, "score": score, "end": 4.0},
        task={"kind": "known_law", "data": {"size": 32, **data}, "times": [0.1, 1.0], "draws": 400},
        observe=[{"kind": "sample_moments", "every": 40}],
        run={"seed": 1, "replicas": 1000, "steps": 40},
        **more,
    )


@pytest.mark.slow
def test_linear_score_is_off_by_what_is_known():
    """Exact error for this data set within 4 s.e.; random matrices (d = 32) within a quarter."""
    found = known({"source": "normal", "variance": 2.0, "count": 64}, {"kind": "linear"})
    assert float(found["score_error_deviation"]) < 4
    assert found["score_error"].values == pytest.approx(found["score_error_limit"].values, rel=0.25)
    assert (found["score_error_sem"].values < 0.1 * found["score_error"].values).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("data", "score"),
    [
        ({"source": "normal", "variance": 2.5}, {"kind": "gaussian", "variance": 2.5}),
        ({"source": "normal_clusters", "width": 0.5}, {"kind": "clusters", "means": [[1.0], [-1.0]], "variance": 0.25}),
        ({"source": "curie_weiss", "beta": 1.2}, {"kind": "curie_weiss", "beta": 1.2}),
    ],
)
def test_perfect_scores_bring_the_moments_back(data, score):
    found = known(data, score, dynamics={**REVERSE, "step": "heun", "spacing": "log_ratio", "first": 0.005})
    assert float(found["score_error"].max()) < 1e-9 * float(found["score_power"].max()) + 1e-9
    assert float(found["squared_mean_deviation"]) < 4
    square = float(found["mean_square"] / found["mean_square_theory"])
    assert abs(square - 1) < 4 * float(found["mean_square_sem"] / found["mean_square_theory"]) + 1e-3


@pytest.mark.slow
def test_width_after_steps_of_heun():
    """Nine levels of Karras et al. make samples of normal data 27.8 % too wide."""
    score = {"kind": "gaussian", "variance": 0.25}
    found = measured(
        system={**MODEL, "process": {"kind": "noise_level"}, "score": score, "end": 80.0},
        dynamics={"kind": "reverse_diffusion", "step": "heun", "alpha": 0.0, "steps": 9, "first": 0.002, "power": 7.0},
        task={"kind": "known_law", "data": {"source": "normal", "size": 32, "variance": 0.25}, "times": [1.0]},
        observe=[{"kind": "sample_moments", "every": 9}],
        run={"seed": 1, "replicas": 20, "steps": 9},
    )
    assert float(found["width_error_exact"]) == pytest.approx(0.2781, abs=5e-5)
    assert float(found["width_error"]) == pytest.approx(float(found["width_error_exact"]), abs=1e-5)


def test_samples_of_laws_have_their_moments():
    for law in (
        _laws.Normal(source="normal", size=20, count=20_000, variance=[0.5] * 10 + [2.0] * 10),
        _laws.NormalClusters(source="normal_clusters", size=20, count=20_000, means=[[1.0], [-1.0], [0.2]], width=0.7),
        _laws.Magnet(source="curie_weiss", size=20, count=20_000, beta=1.1),
    ):
        samples = law.build().train
        for each, exact in zip(((samples**2).mean(1), samples.mean(1) ** 2), law.moments(), strict=True):
            assert abs(each.mean() - exact) < 4 * each.std() / np.sqrt(len(each)) + 1e-12
    assert law.moments()[1] == curie_weiss.magnetisation_squared(20, 1.1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"run": {"replicas": 6, "steps": 40}}, "multiple of 4"),
        ({"run": {"replicas": 800, "steps": 40}}, "larger count, or fewer replicas"),
        ({"task.times": [0.0, 1.0]}, "should be positive"),
        ({"task.data.means": [[1.0, 2.0]]}, "32 entries, or one for all"),
        ({"dynamics": {"kind": "brownian", "dt": 0.01, "kT": 1.0}}, "use reverse_diffusion"),
    ],
)
def test_clones_that_cannot_be(changes, message):
    asked = {
        "title": "clones",
        "system": {**MODEL, "score": {"kind": "clusters", "means": [[1.0], [-1.0]]}},
        "dynamics": REVERSE,
        "task": {
            "kind": "clone_overlap", "times": [0.5, 1.0],
            "data": {"source": "normal_clusters", "size": 32, "count": 100},
        },
        "observe": [{"kind": "clone_overlap", "every": 40}],
        "run": {"replicas": 8, "steps": 40},
    }  # fmt: skip
    for path, value in changes.items():
        *parents, last = path.split(".")
        place = asked
        for parent in parents:
            place = place[parent]
        place[last] = value
    with pytest.raises(ScenarioError, match=message):
        scenario.load(asked)


@pytest.mark.parametrize(
    ("task", "score", "message"),
    [
        ({"kind": "excess_entropy", "data": {"source": "normal", "size": 32}, "times": [1.0]},
         {"kind": "linear"}, "kind: empirical"),
        ({"kind": "known_law", "data": {"source": "normal", "size": 32, "variance": [1.0, 2.0]}, "times": [1.0]},
         {"kind": "linear"}, "2 variances are given for 32"),
        ({"kind": "known_law", "data": {"source": "normal", "size": 16}, "times": [1.0]},
         {"kind": "linear"}, "16 entries"),
    ],
)  # fmt: skip
def test_tasks_that_cannot_be(task, score, message):
    asked = {"title": "no", "system": {**MODEL, "score": score}, "dynamics": REVERSE, "task": task,
             "run": {"replicas": 2, "steps": 40}}  # fmt: skip
    with pytest.raises(ScenarioError, match=message):
        scenario.load(asked)
