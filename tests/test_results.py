"""The results tree: joined by step, saved whole or not at all, and judged by the expect grammar."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from matterlearn import results
from matterlearn.errors import MatterlearnError
from matterlearn.results import Group, Variable, judge, reduce, to_tree
from synthetic import MEMORIES, REPLICAS, SCENARIO, fabricate


@pytest.fixture(scope="module")
def tree():
    return fabricate()


@pytest.fixture(scope="module")
def sweep():
    return fabricate(swept=[6.0, 8.0, 9.1, 12.0])


def two_replicas(values, **coords):
    """energy(replica, step) with given numbers."""
    root = xr.Dataset({"energy": (("replica", "step"), np.asarray(values, float))}, coords)
    root["energy"].attrs = {"units": "kT", "long_name": "energy"}
    return xr.DataTree(root)


def test_nothing_here_imports_jax():
    names = ("results", "verdicts", "style", "plots", "snapshots", "report", "trajectory")
    imports = "; ".join(f"import matterlearn.{name}" for name in names)
    code = f"import sys; sys.modules['jax'] = None; {imports}; assert 'jaxlib' not in sys.modules"
    root = Path(results.__file__).parents[1]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root)


def test_different_clocks_share_the_union_of_steps(tree):
    assert tree["energy"].sizes["step"] == 25
    assert tree["overlap"].isel(step=1).isnull().all()
    assert not tree["overlap"].isel(step=2).isnull().any()
    assert tree["step"].dtype.kind == "i"
    assert tree["energy"].attrs["units"] == "kT"
    assert tree["cue"].dims == ("replica",)


def test_shapes_that_disagree_are_named():
    with pytest.raises(MatterlearnError, match=r"a has dims \('step',\) but values of shape \(\)"):
        to_tree({"/": Group([Variable("a", ("step",), 1.0, "1", "a")])}, {})
    short = [Variable(n, ("memory",), np.zeros(k), "1", n) for n, k in (("a", 2), ("b", 3))]
    with pytest.raises(MatterlearnError, match="memory"):
        to_tree({"/learning": Group(short)}, {})
    with pytest.raises(MatterlearnError, match="b has 3 entries along 'memory', its group has 2"):
        to_tree({"/": Group(short[1:], {"memory": [0, 1]})}, {})


def test_a_name_that_hides_a_dimension_of_the_root_is_refused():
    root = Group([Variable("a", ("step",), [1.0], "1", "a")])
    frames = Group([Variable("step", ("frame",), [0, 5], "1", "step")])
    with pytest.raises(MatterlearnError, match="another name, such as frame_step"):
        to_tree({"/": root, "/trajectory": frames}, {})


def test_round_trip_keeps_everything(tree, tmp_path):
    path = results.save(tree, tmp_path / "deep" / "results.nc")
    assert results.open(path).identical(tree)
    assert results.open(path.parent).identical(tree)
    assert [p.name for p in path.parent.iterdir()] == ["results.nc"]


def test_a_failed_save_leaves_the_old_file(tree, tmp_path, monkeypatch):
    path = results.save(two_replicas([[1.0]]), tmp_path / "results.nc")
    before = path.read_bytes()
    monkeypatch.setattr(results, "_flush", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        results.save(tree, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_open_says_what_is_wrong(tree, tmp_path):
    with pytest.raises(MatterlearnError, match="no such file or run directory"):
        results.open(tmp_path / "nowhere")
    (tmp_path / "log.jsonl").touch()
    with pytest.raises(MatterlearnError, match=r"has log.jsonl\); has the run finished"):
        results.open(tmp_path)
    (tmp_path / "results.nc.x1.part").touch()
    with pytest.raises(MatterlearnError, match="cut off while writing"):
        results.open(tmp_path)
    path = results.save(tree, tmp_path / "results.nc")
    path.write_bytes(path.read_bytes()[:20000])
    with pytest.raises(MatterlearnError, match="not a complete results file"):
        results.open(path)


def test_provenance_is_text_and_complete(tree):
    assert all(isinstance(v, str) for v in tree.attrs.values())
    record = json.loads(tree.attrs["matterlearn_provenance"])
    assert {"seed", "device", "precision", "wall_time_s", "created", "versions"} <= set(record)
    assert record["versions"]["numpy"] == np.__version__
    assert results.scenario_of(tree) == SCENARIO
    assert tree.attrs["Conventions"] == "CF-1.11"


@pytest.mark.parametrize(
    ("name", "expected"),
    [("final", [-3.0, -5.0]), ("initial", [0.0, 1.0]), ("mean", [-1.0, -2.0]),
     ("max", [0.0, 1.0]), ("min", [-3.0, -5.0])],
)  # fmt: skip
def test_reductions_are_per_replica(name, expected):
    tree = two_replicas([[0.0, 0.0, -3.0], [1.0, -2.0, -5.0]])
    assert reduce(tree, f"energy_{name}").values.tolist() == expected


def test_steps_of_other_observables_are_not_measurements(tree):
    final = reduce(tree, "extra_mean")
    own = tree["extra"].dropna("step", how="all").mean("step")
    np.testing.assert_allclose(final, own)


def test_a_run_that_blew_up_fails():
    values = np.array([[1.0, np.nan], [2.0, np.nan]])
    variable = Variable("energy", ("replica", "step"), values, "kT", "energy", {"step": [0, 9]})
    tree = to_tree({"/": Group([variable])}, {})
    verdict = judge(tree, {"energy_final": {"max": 5}})[0]
    assert math.isnan(verdict.value)
    assert not verdict.passed
    assert not judge(tree, {"energy_mean": {"max": 5}})[0].passed


def test_overlap_is_with_the_cue_and_cross_with_the_best_other():
    overlap = np.array([[[0.9, 0.2, 0.3]], [[0.4, 0.8, 0.1]], [[0.5, 0.6, 0.7]]])
    root = xr.Dataset(
        {"overlap": (("replica", "step", "memory"), overlap)},
        {"cue": ("replica", [0, 1, -1]), "memory": [0, 1, 2]},
    )
    tree = xr.DataTree(root)
    np.testing.assert_array_equal(reduce(tree, "overlap_final"), [0.9, 0.8, np.nan])
    np.testing.assert_array_equal(reduce(tree, "cross_overlap_final"), [0.3, 0.4, 0.7])
    np.testing.assert_array_equal(reduce(tree, "overlap_final", {"memory": 2}), [0.3, 0.1, 0.7])


def test_sem_by_hand():
    row = results.summary(two_replicas([[0.0, 1.0], [0.0, 3.0]]))[0]
    assert (row.mean, row.sem, row.replicas) == (2.0, 1.0, 2)
    single = results.summary(two_replicas([[0.0, 1.0]]))[0]
    assert math.isnan(single.sem)
    assert "1 ± —" in results.table([single])


def test_where_selects_replicas(sweep):
    at = reduce(sweep, "overlap_final", {"bond_strength": np.float32(9.1)})
    assert at.sizes["replica"] == REPLICAS // 4
    assert (at["bond_strength"] == 9.1).all()
    with pytest.raises(MatterlearnError, match=r"no bond_strength = 9 in .*6, 8, 9.1, 12"):
        reduce(sweep, "overlap_final", {"bond_strength": 9})
    with pytest.raises(MatterlearnError, match="no coordinate 'box'"):
        reduce(sweep, "overlap_final", {"box": 9})


@pytest.mark.parametrize(
    ("name", "match"),
    [("overlaps_final", "have: .*overlap"), ("energy_end", "final|initial"),
     ("energy", "energy_final, energy_initial"), ("couplings_final", "choose with where")],
)  # fmt: skip
def test_wrong_names_are_explained(tree, name, match):
    with pytest.raises(MatterlearnError, match=match):
        reduce(tree, name)


def test_learning_curves_reduce_over_updates(tree):
    assert float(reduce(tree, "loss_final")) == pytest.approx(math.exp(-4.0))


def test_stored_error_bars_are_used():
    root = xr.Dataset({"capacity": ((), 3.0), "capacity_sem": ((), 0.25)})
    verdict = judge(xr.DataTree(root), {"capacity": {"value": 3.2, "tolerance": 0.3}})[0]
    assert str(verdict) == "capacity = 3.0 ± 0.2 (expected 3.2 ± 0.3) PASS"


def test_verdicts_read_like_sentences(tree):
    verdicts = judge(tree, SCENARIO["expect"])
    assert [v.passed for v in verdicts] == [True, True]
    assert str(verdicts[0]).startswith("overlap_final = 0.9")
    assert str(verdicts[0]).endswith("(min 0.8) PASS")
    assert verdicts[0].source == "murugan2015multifarious"
    tight = judge(tree, {"energy_final": {"min": 0, "max": 1}})[0]
    assert str(tight).endswith("(min 0, max 1) FAIL")
    with pytest.raises(MatterlearnError, match="no bound"):
        judge(tree, {"energy_final": {}})


@pytest.mark.parametrize(
    ("mean", "sem", "text"),
    [(0.9312, 0.021, "0.93 ± 0.02"), (0.9312, 0.0142, "0.931 ± 0.014"), (-312.4, 3.2, "-312 ± 3"),
     (1.5, 0.0, "1.5 ± 0"), (2.0, math.nan, "2 ± —"), (math.nan, 0.1, "nan")],
)  # fmt: skip
def test_numbers_are_cut_at_their_error(mean, sem, text):
    assert results.Row("x", mean, sem, "1", 3).value_text == text


def test_summary_has_a_row_per_swept_value(sweep, tree):
    names = [row.name for row in results.summary(sweep)]
    assert "overlap_final[bond_strength=9.1]" in names
    assert "cross_overlap_final[bond_strength=12]" in names
    plain = {row.name: row for row in results.summary(tree)}
    assert plain["overlap_final"].replicas == REPLICAS
    assert "overlap_final[memory=0]" not in plain
    assert MEMORIES == 2
    lines = results.table(list(plain.values())).splitlines()
    assert len({line.index("kT") for line in lines if "kT" in line}) == 1
