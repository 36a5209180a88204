"""A small scenario from end to end: what a run leaves, what it says, and that it learned."""

import json
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

from matterlearn import report, results
from matterlearn.cli import app
from matterlearn.errors import ScenarioError
from matterlearn.run import simulate
from matterlearn.scenario import dump, load, resolve

SCENARIO = {
    "title": "Two squares of four discs",
    "references": ["murugan2015multifarious"],
    "system": {"kind": "particles", "species": 6, "box": 7.0},
    "dynamics": {"kind": "brownian", "dt": 1e-3},
    "task": {"kind": "structures", "shape": [2, 2], "count": 2, "cue": {"by": "seed", "size": 4}},
    "learning": {
        "rule": {"kind": "hebbian_linkers", "rate": 2.0, "saturation": 9.0, "samples": 5, "stride": 10, "relax": 50},
        "exposures": 4,
    },
    "observe": [
        {"kind": "energy", "every": 50},
        {"kind": "overlap", "every": 100},
        {"kind": "trajectory", "every": 200},
    ],
    "run": {"seed": 1, "replicas": 4, "steps": 400},
    "expect": {"overlap_final": {"min": 0.8}, "source": "four discs that stick stay together"},
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """One run for most tests, without figures."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "write", lambda directory: None)
        return simulate(SCENARIO, out=tmp_path_factory.mktemp("run") / "r")


def test_learning_stores_the_bonds_that_were_shown(finished):
    """Couplings of stored pairs are strong and sticky, those of all others exactly zero."""
    learned = finished.tree["couplings/couplings"].values
    stored = finished.tree["memories/bonds"].values.max(0) > 0
    assert stored.sum() == stored.T.sum() and (stored == stored.T).all()
    assert (learned[stored] < -4.0).all(), learned[stored]
    # Discs on the diagonal of a square are 1.41 apart: the tail of the well, a tenth of a contact.
    assert learned[~stored].min() > 0.5 * learned[stored].max()
    np.testing.assert_array_equal(learned, learned.T)
    assert abs(learned.min()) <= 9.0


def test_learning_is_recorded(finished):
    learning = finished.tree["learning"].to_dataset()
    assert learning.sizes["update"] == 1 + 4 * 2, "before learning, then four exposures to each of two memories"
    assert learning["memory_shown"].values.tolist() == [-1] + 4 * [0, 1]
    assert (learning["couplings"].isel(update=0) == 0).all()
    last = learning["couplings"].isel(update=-1).values
    np.testing.assert_array_equal(last, finished.tree["couplings/couplings"].values)
    np.testing.assert_allclose(learning["linkers"].isel(update=-1), -last)
    assert (np.diff(learning["time"]) > 0).all()


def test_recall_keeps_what_was_learned(finished):
    """A whole structure as the cue stays together; the verdict says so."""
    (verdict,) = finished.verdicts
    assert verdict.passed, str(verdict)
    tree = finished.tree
    own = tree["overlap"].isel(step=-1).sel(memory=tree["cue"])
    assert (own > 0.7).all()
    assert tree["cue"].values.tolist() == [0, 1, 0, 1]


CONTRACT = {
    "/": {"energy": ("replica", "step"), "overlap": ("replica", "step", "memory")},
    "/learning": {"couplings": ("update", "site", "site_other"), "linkers": ("update", "site", "site_other")},
    "/couplings": {"couplings": ("site", "site_other"), "ideal": ("site", "site_other")},
    "/memories": {
        "bonds": ("memory", "site", "site_other"),
        "position": ("memory", "tile", "axis"),
        "species": ("memory", "tile"),
    },
    "/trajectory": {
        "position": ("replica", "frame", "particle", "axis"),
        "species": ("replica", "particle"),
        **dict.fromkeys(("bond_replica", "bond_frame", "bond_first", "bond_second", "bond_memory"), ("bond",)),
    },
}


@pytest.mark.parametrize("group", CONTRACT)
def test_groups_hold_what_they_should(finished, group):
    dataset = finished.tree[group].to_dataset()
    for name, dims in CONTRACT[group].items():
        assert dataset[name].dims == dims, name
    for name, variable in dataset.variables.items():
        assert variable.attrs.get("units"), f"{group}: {name} has no units"
        assert variable.attrs.get("long_name"), f"{group}: {name} has no long_name"
        assert all(isinstance(value, str | int | float) for value in variable.attrs.values())


def test_steps_and_frames(finished):
    tree = finished.tree
    assert tree["step"].values.tolist() == list(range(0, 401, 50))
    assert not tree["energy"].isnull().any()
    assert tree["overlap"].dropna("step", how="all")["step"].values.tolist() == [0, 100, 200, 300, 400]
    frames = tree["trajectory"].to_dataset()
    assert frames["frame_step"].values.tolist() == [0, 200, 400]
    assert frames.attrs["box"] == 7.0 and frames.attrs["patches"] == 0
    # The bonds of the first frame are the four of the cue; a scattered disc nearby may add one of no memory.
    first = frames.isel(bond=frames["bond_frame"].values == 0)
    for replica, cue in enumerate(tree["cue"].values):
        memory = first["bond_memory"].values[first["bond_replica"].values == replica]
        assert np.isin(memory, [cue, -2]).sum() == 4 and not (memory == 1 - cue).any()


def test_root_says_where_it_comes_from(finished):
    attrs = finished.tree.attrs
    assert attrs["Conventions"] == "CF-1.11" and attrs["title"] == SCENARIO["title"]
    assert {"history", "references", "source"} <= set(attrs)
    assert json.loads(attrs["matterlearn_scenario"]) == resolve(load(SCENARIO))
    provenance = json.loads(attrs["matterlearn_provenance"])
    assert provenance["seed"] == 1 and provenance["precision"] == "f32"
    assert {"jax", "equinox", "numpy"} <= set(provenance["versions"])


def test_results_open_without_jax(finished):
    code = f"""
import sys, xarray
tree = xarray.open_datatree({str(finished.directory / "results.nc")!r}, engine="h5netcdf")
print(tree["energy"].mean().item(), sorted(tree.groups))
assert "jax" not in sys.modules and "matterlearn" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split()[0]) == pytest.approx(finished.tree["energy"].mean().item())


def test_directory_of_a_run(finished):
    names = {path.name for path in finished.directory.iterdir()}
    assert {"scenario.yaml", "results.nc", "log.jsonl", "checkpoints", "run.json"} <= names
    assert load(finished.directory / "scenario.yaml") == load(SCENARIO)
    events = [json.loads(line)["event"] for line in (finished.directory / "log.jsonl").read_text().splitlines()]
    assert events[0] == "start" and events[-1] == "done"
    assert "energy" in finished.table and "overlap" in finished.table


TINY = {
    "title": "Two discs",
    "system": {"kind": "particles", "species": 2, "box": 6.0},
    "dynamics": {"kind": "brownian", "dt": 1e-3},
    "run": {"steps": 20, "seed": 5},
}


@pytest.fixture
def command(tmp_path, monkeypatch):
    """The command line in a directory of its own with the tiny scenario in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "two.yaml").write_text(dump(load(TINY)))

    def call(*words):
        return CliRunner().invoke(app, ["run", "two.yaml", *words])

    return call


def test_command_line_gives_the_same_run(command, monkeypatch, tmp_path):
    monkeypatch.setattr(report, "write", lambda directory: None)
    done = command("--out", "a", "--quiet")
    assert done.exit_code == 0 and done.stderr == "", done.output
    assert "energy" in done.stdout and "files: a" in done.stdout
    xr.testing.assert_equal(results.open("a")["energy"], simulate(TINY, out="b").tree["energy"])


def test_command_line_options(command, monkeypatch):
    monkeypatch.setattr(report, "write", lambda directory: None)
    done = command("--out", "c", "--quiet", "--set", "run.seed=6", "--precision", "f64", "--set", "run.replicas=2")
    assert done.exit_code == 0, done.output
    tree = results.open("c")
    assert tree["energy"].dtype == np.float64 and tree.sizes["replica"] == 2
    assert json.loads(tree.attrs["matterlearn_provenance"])["precision"] == "f64"
    assert json.loads(tree.attrs["matterlearn_scenario"])["run"]["seed"] == 6


def test_failed_expectation_is_an_exit_code(command, monkeypatch):
    monkeypatch.setattr(report, "write", lambda directory: None)
    done = command("--out", "d", "--quiet", "--set", "expect={energy_final: {min: 1000}, source: nowhere}")
    assert done.exit_code == 1 and "failed expectation" in done.stderr
    assert results.open("d")["energy"].size == 21, "results are kept"


def test_wrong_scenario_is_told_before_anything_runs(tmp_path):
    with pytest.raises(ScenarioError, match="dt"):
        simulate({**TINY, "dynamics": {"kind": "brownian", "dt": 0.5}}, out=tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_figures_are_drawn(command):
    assert command("--out", "e", "--quiet").exit_code == 0
    from pathlib import Path

    assert list(Path("e").rglob("*.png")), sorted(Path("e").rglob("*"))
