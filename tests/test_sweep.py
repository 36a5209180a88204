"""Sweeps: what a grid is, that a point is the run it stands for, and that nothing is lost or computed twice."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import xarray as xr

import matterlearn
from matterlearn import clusters, grids, results, sweep, swept, together
from matterlearn.errors import InputError, ScenarioError

HOPFIELD = {
    "title": "A small network recalls",
    "system": {"kind": "spin_network", "units": 40},
    "dynamics": {"kind": "sequential", "kT": 0.2},
    "task": {"kind": "stored_patterns", "count": 3, "cue_overlaps": [0.3, 0.8]},
    "learning": {
        "rule": {"kind": "hebbian_linkers", "rate": 0.025, "saturation": 1.0e6, "inhibition": 1.0, "samples": 1,
                 "stride": 1, "relax": 0},
        "replicas": 1,
    },
    "observe": [{"kind": "energy", "every": 2}, {"kind": "overlap", "every": 1}],
    "run": {"seed": 0, "replicas": 4, "steps": 4},
}  # fmt: skip
WELL = {
    "title": "Particles in a well",
    "system": {"kind": "landscape", "coefficients": [0.0, 0.5]},
    "dynamics": {"kind": "brownian", "dt": 0.01},
    "run": {"replicas": 4, "steps": 4},
}
GRID = {"dynamics.kT": [0.2, 0.5, 1.0], "run.seed": range(4)}


@pytest.mark.parametrize(
    "text, values",
    [
        ("run.seed=0:4", (0, 1, 2, 3)),
        ("dynamics.kT=0.2:2.0:19", tuple(round(0.2 + 0.1 * n, 10) for n in range(19))),
        ("a.b=1:3:3", (1, 2, 3)),
        ("a.b=1:2:3", (1.0, 1.5, 2.0)),
        ("a.b=0.01:1:3:log", (0.01, 0.1, 1.0)),
        ("a.b=-1:1:3", (-1, 0, 1)),
        ("a.b=[4, 4],[8, 8]", ([4, 4], [8, 8])),
        ("a.b={ramp: {start: 1, stop: 2, steps: 3}}, 4", ({"ramp": {"start": 1, "stop": 2, "steps": 3}}, 4)),
        ("rule.kind=wake_sleep,triplet", ("wake_sleep", "triplet")),
        ("a='x, y'", ("x, y",)),
        ("a=package.module:Config", ("package.module:Config",)),
    ],
)
def test_axes_are_read_from_words(text, values):
    assert grids.axis(text).values == values


@pytest.mark.parametrize(
    "swept, why",
    [
        (["run.seed"], "should look like"),
        (["run.seed=0:0"], "empty"),
        (["dynamics.kT=0.2:2.0"], "how many"),
        (["dynamics.kT=0:1:3:log"], "above 0"),
        (["run.seed=0:99999999"], "at most"),
        (["run.seed=0:4", "run.seed=1,2"], "given twice"),
        (["run.seed=1,1"], "given twice"),
        (["run.seed=3"], "nothing is swept"),
        (["run.seed=[1,"], "not valid YAML"),
        (["run.seed=0:1001", "dynamics.kT=0:1:1000"], "at most"),
    ],
)
def test_what_is_no_grid_is_refused_in_one_line(swept, why):
    with pytest.raises((InputError, ScenarioError), match=why) as told:
        grids.axes(swept)
    assert "\n" not in str(told.value)


def test_a_point_that_is_no_scenario_is_named_before_anything_runs(tmp_path):
    with pytest.raises(ScenarioError, match=r"at dynamics\.kT=-1\.0.*dynamics\.kT"):
        sweep.sweep(HOPFIELD, {"dynamics.kT": [0.2, -1.0]}, tmp_path / "s", workers=0)
    assert not (tmp_path / "s").exists()


def test_axes_are_named_by_as_many_words_as_it_takes():
    wide = [grids.Axis(path, (0, 1)) for path in ("system.J.start", "dynamics.kT.start", "run.seed")]
    assert grids.names(wide) == ["J_start", "kT_start", "seed"]
    assert grids.names(wide[2:], taken={"seed"}) == ["run_seed"]
    assert grids.names([grids.Axis("observe.0", (0, 1))]) == ["observe_0"]


def test_points_go_together_where_only_numbers_and_seeds_differ():
    wide, _ = grids.axes({"dynamics.kT": [0.2, 0.5], "run.seed": range(3), "system.units": [40, 50]})
    planned = grids.batches(grids.points(matterlearn.load(HOPFIELD), wide), wide, most=4)
    sizes = [{point.scenario.system.units for point in batch} for batch in planned]
    assert [len(batch) for batch in planned] == [4, 2, 4, 2]
    assert all(len(units) == 1 for units in sizes)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A finished sweep: twelve points in three batches, in this process."""
    place = tmp_path_factory.mktemp("sweep") / "s"
    return sweep.run_sweep(HOPFIELD, GRID, place, workers=0, batch=4, quiet=True)


def numbers(tree: xr.DataTree) -> dict:
    """Every array of a tree, coordinates too."""
    return {f"{node.path}:{name}": array.values for node in tree.subtree for name, array in node.variables.items()}


def assert_same_bits(one: xr.DataTree, other: xr.DataTree):
    first, second = numbers(one), numbers(other)
    assert first.keys() == second.keys()
    for name, values in first.items():
        np.testing.assert_array_equal(values, second[name], err_msg=name)


def test_a_sweep_is_one_labelled_tree(done):
    tree = done.tree
    assert tree["overlap"].dims == ("kT", "seed", "replica", "step", "memory")
    assert tree["kT"].values.tolist() == [0.2, 0.5, 1.0] and tree["kT"].attrs["path"] == "dynamics.kT"
    assert json.loads(tree.attrs["matterlearn_sweep"]) == {"kT": "dynamics.kT", "seed": "run.seed"}
    assert tree["overlap"].attrs["units"] == "1" and tree["energy"].attrs["long_name"]
    assert tree["cue"].dims == ("replica",)  # the same at all points
    assert "/learning/couplings" in json.loads(tree.attrs["matterlearn_elsewhere"])
    assert not np.isnan(tree["overlap"].values).any()


def test_a_point_of_a_sweep_is_the_run_it_stands_for(done, tmp_path):
    """Discrete dynamics: the same random numbers give the same states, vectorised or alone."""
    tree = matterlearn.run(HOPFIELD, tmp_path / "r", set={"dynamics.kT": 0.5, "run.seed": 2}, quiet=True)
    point = done.tree.sel(kT=0.5, seed=2)
    np.testing.assert_array_equal(point["overlap"], tree["overlap"])
    np.testing.assert_allclose(point["energy"], tree["energy"], rtol=1e-6)
    np.testing.assert_allclose(point["couplings/couplings"], tree["couplings/couplings"], rtol=1e-6)


def test_batches_of_one_structure_are_compiled_once(tmp_path, monkeypatch):
    """Neither seeds nor temperatures are part of the program; another number of units is."""
    traces = []

    def counted(program, *args):
        traces.append(program)
        return honest(program, *args)

    honest = together.advance_replicas
    monkeypatch.setattr(together, "advance_replicas", counted)
    unlearned = {name: section for name, section in HOPFIELD.items() if name != "learning"}
    sizes = {"system.units": [21, 22], "dynamics.kT": [0.3, 0.6], "run.seed": range(4)}
    sweep.sweep(unlearned, sizes, tmp_path / "s", workers=0, batch=4, quiet=True)
    assert len(traces) == 2  # four batches


def test_seeds_and_temperatures_matter(done):
    energy = done.tree["energy"].isel(step=-1).mean("replica")
    assert len(np.unique(energy.values)) == energy.size
    assert (energy.mean("seed").diff("kT") > 0).all()


def test_doing_it_again_touches_nothing(done):
    result = done
    files = {file: file.stat().st_mtime_ns for file in result.directory.rglob("*")}
    again = sweep.run_sweep(HOPFIELD, GRID, result.directory, workers=0, batch=4, quiet=True)
    assert again.computed == 0
    assert {file: file.stat().st_mtime_ns for file in result.directory.rglob("*")} == files
    assert_same_bits(again.tree, result.tree)


def test_points_that_are_added_are_the_only_ones_computed(done, tmp_path):
    place = tmp_path / "s"
    shutil.copytree(done.directory, place)
    there = {file: file.stat().st_mtime_ns for file in place.glob("points/*/results.nc")}
    more = sweep.run_sweep(HOPFIELD, GRID | {"run.seed": range(5)}, place, workers=0, batch=4, quiet=True)
    assert more.computed == 3 and more.total == 15
    assert there.items() <= {file: file.stat().st_mtime_ns for file in place.glob("points/*/results.nc")}.items()
    np.testing.assert_array_equal(more.tree["energy"].sel(seed=slice(0, 3)), done.tree["energy"])


@pytest.mark.slow
def test_a_batch_that_was_interrupted_stays_the_same_batch(done, tmp_path):
    """Killed between two points: what was begun is computed as it was, not in another grouping."""
    place = tmp_path / "s"
    shutil.copytree(done.directory, place)
    wide, _ = grids.axes(GRID)
    grid = grids.points(matterlearn.load(HOPFIELD), wide)
    directory = sweep.Directory(place)
    for point in grid[1:3]:
        shutil.rmtree(directory.point(point.digest))
    entries = [{"digest": point.digest, "scenario": matterlearn.scenario.resolve(point.scenario)} for point in grid[:4]]
    (place / "batches" / "begun.json").write_text(json.dumps({"points": entries}))
    planned = directory.plan(directory.missing(grid), wide, 4)
    assert list(planned) == ["begun"]
    again = sweep.run_sweep(HOPFIELD, GRID, place, workers=0, batch=4, quiet=True)
    assert again.computed == 2
    assert_same_bits(again.tree, done.tree)


def test_a_point_that_fails_is_named_and_the_others_stand(tmp_path, monkeypatch):
    from matterlearn import batches
    from matterlearn.errors import SimulationError

    honest = batches.compute

    def compute(scenario, *args, **settings):
        if scenario.run.seed == 1:
            raise SimulationError("the state is no longer finite", step=3)
        return honest(scenario, *args, **settings)

    monkeypatch.setattr(batches, "_at_once", lambda *_: (_ for _ in ()).throw(SimulationError("one of them failed")))
    monkeypatch.setattr(batches, "compute", compute)
    result = sweep.run_sweep(HOPFIELD, {"run.seed": range(3)}, tmp_path / "s", workers=0, quiet=True)
    assert list(result.failed) == ["run.seed=1"] and "step 3" in str(result)
    assert np.isnan(result.tree["energy"].sel(seed=1)).all()
    assert not np.isnan(result.tree["overlap"].sel(seed=[0, 2])).any()
    monkeypatch.setattr(batches, "compute", honest)
    assert sweep.run_sweep(HOPFIELD, {"run.seed": range(3)}, tmp_path / "s", workers=0, quiet=True).computed == 1


@pytest.mark.slow
def test_results_grow_while_the_sweep_goes_on(tmp_path, monkeypatch):
    """After every batch, if rewriting is made so cheap; what is not there yet is NaN."""
    monkeypatch.setattr(sweep, "REWRITE_SECONDS", 0.0)
    monkeypatch.setattr(sweep, "SPARING", 0.0)
    missing = []
    honest = sweep.Directory.join

    def join(self, *args):
        tree = honest(self, *args)
        missing.append(int(np.isnan(tree["overlap"].isel(replica=0, step=0, memory=0)).sum()))
        return tree

    monkeypatch.setattr(sweep.Directory, "join", join)
    sweep.sweep(HOPFIELD, {"run.seed": range(3)}, tmp_path / "s", workers=0, batch=1, quiet=True)
    assert missing == [2, 1, 0, 0]


def test_a_directory_of_a_run_is_left_alone(tmp_path):
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(InputError, match="holds a run"):
        sweep.sweep(HOPFIELD, GRID, tmp_path, workers=0)


def test_points_at_other_steps_are_put_on_the_union(tmp_path):
    one = xr.DataTree(xr.Dataset({"energy": ("step", [1.0, 2.0])}, {"step": [0, 10]}))
    two = xr.DataTree(xr.Dataset({"energy": ("step", [3.0, 4.0])}, {"step": [0, 20]}))
    wide = [grids.Axis("run.steps", (10, 20))]
    found = {(0,): one, (1,): two}.items
    expected = [[1.0, 2.0, np.nan], [3.0, np.nan, 4.0]]
    tree = swept.joined(found, swept.plan(found), wide, {})
    np.testing.assert_array_equal(tree["energy"], expected)
    swept.stored(found, swept.plan(found), wide, {"title": "t"}, tmp_path / "results.zarr")
    stored = results.open(tmp_path)
    np.testing.assert_array_equal(stored["energy"], expected)
    assert stored["steps"].values.tolist() == [10, 20] and stored.attrs["title"] == "t"


def test_a_large_sweep_is_a_store_that_need_not_fit_in_memory(done, tmp_path, monkeypatch):
    place = tmp_path / "s"
    shutil.copytree(done.directory, place)
    (place / "results.nc").unlink()
    monkeypatch.setattr(swept, "LARGE", 1000)
    tree = sweep.sweep(HOPFIELD, GRID, place, workers=0, quiet=True)
    assert (place / "results.zarr").is_dir() and not (place / "results.nc").exists()
    assert tree["energy"].chunks is not None
    np.testing.assert_array_equal(tree["energy"].compute(), done.tree["energy"])
    assert tree.ml.table.equals(done.tree.ml.table)
    assert (place / "report.html").stat().st_mtime_ns > (place / "results.zarr").stat().st_mtime_ns


def test_programs_of_other_structure_do_not_go_together():
    import jax.numpy as jnp

    assert together.together([{"a": jnp.ones(2)}, {"a": jnp.ones(3)}]) is None
    assert together.together([{"a": "x"}, {"a": "y"}]) is None
    assert together.together([{"a": jnp.ones(2)}, {"b": jnp.ones(2)}]) is None
    assert together.size(together.together([{"a": jnp.ones(2)}, {"a": jnp.ones(2)}])) == 8


COMMAND = [sys.executable, "-m", "matterlearn", "sweep"]


@pytest.fixture(scope="module")
def serial(tmp_path_factory):
    """Scenario, options and results of 210 points computed in one process."""
    place = tmp_path_factory.mktemp("large")
    scenario = place / "s.yaml"
    scenario.write_text(matterlearn.scenario.dump(matterlearn.load(HOPFIELD)))
    command = [*COMMAND, scenario, "--set", "dynamics.kT=0.05:1.05:21", "--set", "run.seed=0:10", "--batch", "10"]
    subprocess.run([*command, "--out", place / "serial", "--workers", "0"], check=True)
    return command, results.open(place / "serial")


@pytest.mark.slow
def test_a_killed_worker_loses_nothing(serial, tmp_path):
    """210 points, two workers, one killed with SIGKILL half-way: the same bits as in one process."""
    command, expected = serial
    running = subprocess.Popen([*command, "--out", tmp_path / "s", "--workers", "2"])
    kill_one_worker(running, tmp_path / "s", when=100)
    assert running.wait(timeout=600) == 0
    assert_same_bits(expected, results.open(tmp_path / "s"))


@pytest.mark.slow
def test_a_killed_sweep_goes_on(serial, tmp_path):
    """The process that collects is killed, too: what was there stays, and the rest has the same bits."""
    command, expected = serial
    running = subprocess.Popen([*command, "--out", tmp_path / "s", "--workers", "2"])
    wait_for_points(running, tmp_path / "s", 60)
    running.kill()
    running.wait()
    there = {file: file.stat().st_mtime_ns for file in (tmp_path / "s").glob("points/*/results.nc")}
    subprocess.run([*command, "--out", tmp_path / "s", "--workers", "2"], check=True)
    assert all(file.stat().st_mtime_ns == written for file, written in there.items())
    assert_same_bits(expected, results.open(tmp_path / "s"))


def wait_for_points(running: subprocess.Popen, place: Path, count: int) -> None:
    """Until so many points are there."""
    while running.poll() is None and len(list(place.glob("points/*/results.nc"))) < count:
        time.sleep(0.05)
    assert running.poll() is None, "the sweep ended before anything was killed"


def kill_one_worker(running: subprocess.Popen, place: Path, when: int) -> None:
    """SIGKILL to a process that computes, once so many points are there."""
    wait_for_points(running, place, when)
    computing = []
    for child in psutil.Process(running.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # of programs that are called now and then
            if not child.children() and "resource_tracker" not in " ".join(child.cmdline()):
                computing.append((child.memory_info().rss, child.pid))
    os.kill(max(computing)[1], 9)


def test_an_existing_cluster_is_used(tmp_path, monkeypatch):
    """A scheduler and two workers in processes of their own, over loopback."""
    file = tmp_path / "scheduler.json"
    start = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    dask = [sys.executable, "-m", "dask"]
    options = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", file]
    processes = [subprocess.Popen([*dask, "scheduler", *options], **start)]
    try:
        while not file.exists() or not file.read_text():
            assert processes[0].poll() is None
            time.sleep(0.1)
        address = json.loads(file.read_text())["address"]
        with monkeypatch.context() as impatient, pytest.raises(InputError, match="no workers"):
            impatient.setattr(clusters, "PATIENCE", 1.0)
            sweep.sweep(WELL, {"run.seed": range(2)}, tmp_path / "none", scheduler=address, quiet=True)
        options = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", tmp_path]
        worker = [*dask, "worker", address, *options]
        processes += [subprocess.Popen(worker, **start, env=os.environ | {"PYTHONPATH": ""}) for _ in range(2)]
        tree = sweep.sweep(WELL, {"run.seed": range(4)}, tmp_path / "s", scheduler=address, batch=2, quiet=True)
        assert not np.isnan(tree["energy"].values).any()
    finally:
        for process in reversed(processes):
            process.kill()  # a worker that is still looking for its scheduler does not end when asked
            process.wait(timeout=30)


def test_nobody_at_an_address_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(clusters, "PATIENCE", 1.0)
    with pytest.raises(InputError, match="no Dask scheduler answers"):
        sweep.sweep(HOPFIELD, {"run.seed": range(2)}, tmp_path / "s", scheduler="tcp://127.0.0.1:9", quiet=True)
