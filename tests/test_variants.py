"""Variants of a scenario: run once each, joined along one dimension, refused where they are wrong."""

import numpy as np
import pytest
import xarray as xr

from matterlearn import report, results, run, variants
from matterlearn.errors import ScenarioError
from matterlearn.scenario import dump, load, variant

SCENE = {
    "title": "Two rules",
    "system": {"kind": "boltzmann_machine", "graph": {"kind": "cycle", "nodes": 4}},
    "dynamics": {"kind": "heat_bath"},
    "task": {"kind": "ising_teacher", "strength": 0.5, "data_sets": 2},
    "learning": {"rule": {"kind": "maximum_likelihood"}, "updates": 4, "replicas": 16},
    "observe": [{"kind": "energy", "every": 2}],
    "run": {"steps": 4, "replicas": 3},
    "variants": {
        "exact": {},
        "CD-2": {"learning.rule": {"kind": "wake_sleep", "samples": 1, "relax": 1, "chains": "clamped"}},
        "hot": {"dynamics.kT": 2.0, "learning.updates": 3},
    },
    "expect": {"kl_final": [{"max": 10.0, "where": {"variant": "CD-2"}}]},
}  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    directory = tmp_path_factory.mktemp("side by side") / "run"
    return run.simulate(SCENE, directory)


@pytest.fixture
def no_figures(monkeypatch):
    monkeypatch.setattr(report, "write", lambda directory: None)


@pytest.mark.usefixtures("no_figures")
def test_every_variant_is_what_it_would_be_alone(finished, tmp_path):
    """The joined numbers are those of a run of that variant by itself, bit by bit; what is missing is NaN."""
    alone = run.simulate(variant(load(SCENE), "CD-2"), tmp_path / "alone").tree
    mine = finished.tree["variants"].sel(variant="CD-2")
    np.testing.assert_array_equal(mine["energy"].values, alone["energy"].values)
    np.testing.assert_array_equal(mine["learning"]["kl"].values, alone["learning"]["kl"].values)
    learned = finished.tree["variants/learning"]
    assert learned["kl"].dims == ("variant", "update")
    assert np.isnan(learned["log_partition"].sel(variant="CD-2")).all(), "it records no partition function"
    assert np.isnan(learned["kl"].sel(variant="hot").values[-1]), "it had one update less"


def test_what_theory_says_of_all_stands_there_once(finished):
    assert finished.tree["variants"]["bias_naive"].dims == ()
    assert "variant" in finished.tree["variants"]["energy"].dims


def test_couplings_and_what_has_other_lengths_are_left_out():
    """Variants whose matter differs are compared by what they have in common."""
    trees = {name: xr.DataTree.from_dict({"/learning": xr.Dataset({
        "loss": ("update", np.ones(2)), "weight": (("update", "layer"), np.ones((2, units))),
        "couplings_bias": (("update", "unit"), np.ones((2, 5))),
    }, coords={"update": [1, 2]})}) for name, units in (("a", 3), ("b", 4))}  # fmt: skip
    assert set(variants.joined(trees, {})["variants/learning"].data_vars) == {"loss"}


def test_an_error_bar_stands_beside_its_value():
    """Values that differ keep error bars that do not, so that both are chosen by variant."""
    trees = {name: xr.DataTree(xr.Dataset({"score": ((), value), "score_sem": ((), 0.5), "bound": ((), 3.0)}))
             for name, value in (("a", 1.0), ("b", 2.0))}  # fmt: skip
    node = variants.joined(trees, {})["variants"].to_dataset()
    assert (node["score"].dims, node["score_sem"].dims, node["bound"].dims) == (("variant",), ("variant",), ())
    found = results.reduce(variants.joined(trees, {}), "score", {"variant": "b"})
    assert (float(found), found.attrs["sem"]) == (2.0, 0.5)


def test_bounds_choose_a_variant(finished):
    (verdict,) = finished.verdicts
    assert verdict.passed and "variant=CD-2" in str(verdict)
    assert "kl_final[variant=hot]" in finished.table
    assert "log_partition_final[variant=CD-2]" not in finished.table


def test_figures_compare(finished):
    assert (finished.directory / "figures" / "comparison.png").exists()
    assert (finished.directory / "variants" / "cd-2" / "report.html").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("no_figures")
def test_finished_variants_are_left_alone(finished):
    """After one of them is lost, only that one runs again, to the same numbers."""
    import shutil

    kept, lost = (finished.directory / "variants" / name for name in ("exact", "cd-2"))
    before, written = finished.tree["variants"].load(), (kept / results.FILE_NAME).stat().st_mtime_ns
    shutil.rmtree(lost)
    again = run.simulate(SCENE, finished.directory, resume=True)
    assert (kept / results.FILE_NAME).stat().st_mtime_ns == written
    np.testing.assert_array_equal(again.tree["variants"]["energy"], before["energy"])


def test_a_scenario_with_variants_can_be_written_and_read():
    scenario = load(SCENE)
    assert load(dump(scenario)) == scenario
    assert variant(scenario, "hot").dynamics.kT == 2.0 and not variant(scenario, "hot").variants


@pytest.mark.parametrize(("name", "changes", "words"), [
    ("wrong kind", {"learning.rule": {"kind": "magic"}}, r"variants\.wrong kind: learning\.rule\.kind"),
    ("wrong value", {"dynamics.kT": -1.0}, r"variants\.wrong value: dynamics\.kT"),
    ("nowhere", {"run.seed.more": 1}, "plain value"),
    ("a/b", {}, "variants"),
    ("..", {}, "variants"),
])  # fmt: skip
def test_a_mistake_in_a_variant_is_said_in_its_place(name, changes, words):
    with pytest.raises(ScenarioError, match=words):
        load(SCENE | {"variants": {name: changes}})


def test_variants_never_share_a_folder():
    with pytest.raises(ScenarioError, match="share a folder"):
        load(SCENE | {"variants": {"CD 2": {}, "cd_2": {"run.seed": 1}}, "expect": {}})


def test_a_bound_on_a_variant_that_is_not_there_is_told_before_anything_runs():
    with pytest.raises(ScenarioError, match="no variant 'CD-3'.*CD-2"):
        load(SCENE | {"expect": {"kl_final": {"max": 1.0, "where": {"variant": "CD-3"}}}})
