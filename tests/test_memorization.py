"""Memorisation and generalisation: disjoint subsets of data, samples from the same noise, and their figures."""

# The type stubs of xarray and matplotlib are narrower than what they take.
# pyright: reportOptionalMemberAccess=false, reportAttributeAccessIssue=false, reportIndexIssue=false

import numpy as np
import pytest
import xarray as xr

from matterlearn import plots_memorization, run, style
from matterlearn.errors import InputError, ScenarioError
from matterlearn.results import judge
from matterlearn.scenario import load
from matterlearn.variants import sample_similarity

pytestmark = pytest.mark.usefixtures("undrawn")

FIRST, OTHER = {"first": 0, "count": 6}, {"first": 30, "count": 6}


def scenario(**changes):
    return {
        "title": "halves",
        "system": {"kind": "score_model", "shape": [4, 4], "process": {"kind": "noise_level"},
                   "score": {"kind": "empirical"}, "start": 0.01, "end": 20.0},
        "dynamics": {"kind": "reverse_diffusion", "steps": 16, "step": "heun", "alpha": 0.0, "power": 7.0,
                     "first": 0.01},
        "task": {"kind": "denoising", "data": {"source": "normal", "size": 16, "count": 200, "test_fraction": 0.5},
                 "times": [1.0, 2.0], "subset": FIRST},
        "observe": [{"kind": "visible_patterns", "every": 16}, {"kind": "nearest_sample", "every": 16}],
        "run": {"steps": 16, "replicas": 40},
        **changes,
    }  # fmt: skip


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Scores that know only their six samples, and one that knows the law and no sample."""
    law = {"system.score": {"kind": "gaussian", "variance": 1.0}}
    variants = {
        "six": {}, "six others": {"task.subset": OTHER},
        "law": {"task.subset.count": 30, **law}, "law others": {"task.subset": OTHER | {"count": 30}, **law},
    }  # fmt: skip
    return run.simulate(scenario(variants=variants), tmp_path_factory.mktemp("halves") / "r").tree


def test_subsets_are_disjoint_parts_of_the_same_data():
    task = scenario()["task"]
    built = [run.build(scenario(task={**task, "subset": subset})).task for subset in (FIRST, OTHER, None)]
    one, other, whole = (np.asarray(each.training_samples) for each in built)
    assert np.array_equal(one, whole[:6]) and np.array_equal(other, whole[30:36])
    assert not set(map(bytes, one)) & set(map(bytes, other))
    assert all(np.array_equal(each.data.test, built[2].data.test) for each in built[:2])


def test_a_subset_has_to_be_there():
    task = scenario()["task"] | {"subset": {"first": 95, "count": 6}}
    with pytest.raises(InputError, match="ends with training sample 101, but there are 100"):
        run.build(scenario(task=task))


@pytest.mark.slow
def test_scores_of_the_samples_copy_them_and_that_of_the_law_does_not(tree):
    node = tree["variants"].to_dataset()
    copies = {str(name): float(node["copies"].sel(variant=name)) for name in node["variant"].values}
    assert copies == {"six": 1.0, "six others": 1.0, "law": 0.0, "law others": 0.0}
    # Normal data of variance 1: the mean squared error is σ²/(1 + σ²) for all samples, seen or not.
    exact = node["noise"] ** 2 / (1 + node["noise"] ** 2)
    law = node.sel(variant=["law", "law others"])
    assert np.all(np.abs(law["mse_gap"]) < 4 * law["mse_gap_sem"])
    assert np.all(np.abs(law["mse_test"] - exact) < 4 * law["mse_test_sem"])
    # That is the least that can be had: less only by knowing the samples, which costs all others dear.
    known = node.sel(variant=["six", "six others"])
    assert np.all(known["mse_train"] + 4 * known["mse_train_sem"] < exact)
    assert np.all(known["mse_test"] - 4 * known["mse_test_sem"] > exact)
    assert np.all(known["mse_gap"] > 4 * known["mse_gap_sem"])


@pytest.mark.slow
def test_only_what_does_not_depend_on_the_samples_makes_the_same_of_the_same_noise(tree):
    similar = sample_similarity(tree["variants"].to_dataset())
    same = similar.sel(variant="law", variant_other="law others")
    assert np.allclose(same, 1, atol=1e-5)
    # Two sets of normal samples: the flow ends on the one that is best aligned with the noise, of either set.
    apart = similar.sel(variant="six", variant_other="six others")
    assert apart.mean() + 4 * apart.std(ddof=1) / np.sqrt(40) < 0.9
    where = {"variant": "law", "variant_other": "law others"}
    (verdict,) = judge(tree, {"sample_similarity": {"min": 0.999, "where": where}})
    assert verdict.passed and verdict.value == pytest.approx(1, abs=1e-5)


def test_samples_of_other_noise_are_not_compared():
    first = np.random.default_rng(0).normal(size=(2, 5, 1, 8))
    last = np.ones((2, 5, 1, 8))
    patterns = np.concatenate([first, last], 2)
    node = xr.Dataset({"visible_patterns": (("variant", "replica", "step", "entry"), patterns)})
    found = sample_similarity(node)
    assert np.all(np.isnan(found.isel(variant=0, variant_other=1)))
    assert np.allclose(found.isel(variant=1, variant_other=1), 1)


def test_expectations_name_variants_that_there_are():
    expected = {"sample_similarity": {"min": 0.9, "where": {"variant": "a", "variant_other": "c"}}}
    with pytest.raises(ScenarioError, match="no variant 'c'"):
        load(scenario(variants={"a": {}, "b": {}}, expect=expected))
    with pytest.raises(ScenarioError, match="sample_similarity"):
        load(scenario(expect={"sample_similarity": {"min": 0.9}}))


@pytest.mark.slow
def test_figures_show_all_sizes(tree):
    with style.look():
        figure = plots_memorization.memorization(tree)
        pictures = plots_memorization.same_noise(tree)
    copies, gap, similarity = figure.axes
    assert [line.get_xdata().tolist() for line in similarity.lines[:1]] == [[6, 30]]
    assert np.allclose(similarity.lines[0].get_ydata()[1], 1, atol=1e-5)
    assert copies.get_xlabel() == "training samples N" and gap.get_xscale() == "log"
    assert [axes.get_title("left").split(",")[0] for axes in pictures.axes] == ["N = 6", "N = 30"]
    assert plots_memorization.memorization(xr.DataTree()) is None
    assert plots_memorization.same_noise(xr.DataTree()) is None
