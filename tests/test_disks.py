"""What the machine does to a run ends in one line that says what to do, and nothing that was computed is lost."""

import errno
import fcntl
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr
from killed_runs import identical, scenario

from covering import slow
from matterlearn import cli, results
from matterlearn.checkpoints import read_arrays, write_arrays, write_json
from matterlearn.errors import DiskError, InputError, Interrupted, MatterlearnError, SimulationError
from matterlearn.run import simulate
from matterlearn.surroundings import LOCK, clear_leftovers, guarded, occupied

SMALL = scenario("lattice") | {"run": {"replicas": 2, "steps": 200}}
TEXT = """\
title: a
system: {kind: mean_field_mixture, components: 4}
dynamics: {kind: brownian, dt: 0.01}
run: {steps: 1}
"""


def line(error) -> str:
    text = str(error.value)
    assert text.isprintable()
    assert len(text) < 600
    return text


@pytest.fixture
def disk(tmp_path):
    """A file system of one megabyte, mounted for the test."""
    place = tmp_path / "disk"
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    mounted = subprocess.run(words, capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("only root can mount a small disk")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def leave(disk, kilobytes):
    """Fills a disk but for so much."""
    (disk / "filler").unlink(missing_ok=True)
    (disk / "filler").write_bytes(bytes(max(0, shutil.disk_usage(disk).free - 1024 * kilobytes)))


def tree_of(size):
    numbers = np.random.default_rng(0).normal(size=size)
    return xr.DataTree(xr.Dataset({name: ("x", numbers) for name in "ab"}))


WRITERS = {
    "results.nc": lambda path, size: results.save(tree_of(size), path),
    "recall.npz": lambda path, size: write_arrays(path, {"a": np.random.default_rng(0).normal(size=size)}),
    "run.json": lambda path, size: write_json(path, {"a": "x" * size}),
}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("kilobytes", [0, 100])
def test_what_does_not_fit_leaves_what_was_there(disk, name, kilobytes, capfd):
    file = disk / name
    WRITERS[name](file, 100)
    before = file.read_bytes()
    leave(disk, kilobytes)
    with pytest.raises(DiskError) as told, guarded(disk, "go on"):
        WRITERS[name](file, 200_000)
    assert line(told).endswith("No space left on device; make room, then go on")
    assert file.read_bytes() == before
    assert sorted(os.listdir(disk)) == sorted(["filler", name])
    assert capfd.readouterr().err == ""  # nor does a library say more
    (disk / "filler").unlink()
    WRITERS[name](file, 1000)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The run that nothing happened to."""
    return simulate(SMALL, tmp_path_factory.mktemp("whole") / "run").directory


@pytest.mark.parametrize("kilobytes", [1, slow(60), 180])
def test_full_disks_lose_nothing(disk, whole, kilobytes):
    """At the first checkpoint, at the results, and at the figures or the report."""
    leave(disk, kilobytes)
    out = disk / "run"
    with pytest.raises(DiskError) as told:
        simulate(SMALL, out)
    assert "No space left on device; make room, then go on with: matterlearn run" in line(told)
    assert not list(out.rglob("*.tmp"))
    (disk / "filler").unlink()
    leave(disk, 900)
    assert identical(simulate(SMALL, out, resume=True).directory, whole) == []
    assert (out / "report.html").exists()


@pytest.mark.parametrize("where", ["experiment.build", "report.write", "results.save", "loop.run_stage"])
def test_ctrl_c_outside_the_loop(tmp_path, whole, where, monkeypatch):
    """While compiling, drawing, saving."""
    module, name = where.split(".")
    module = {"experiment": "run", "loop": "experiment"}.get(module, module)

    def stopped(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(f"matterlearn.{module}.{name}", stopped)
        with pytest.raises(Interrupted) as told:
            simulate(SMALL, tmp_path / "run")
    assert line(told).startswith("stopped; go on with: matterlearn run ")
    assert identical(simulate(SMALL, tmp_path / "run", resume=True).directory, whole) == []


def test_disks_that_may_not_be_written(disk, tmp_path, whole):
    shutil.copytree(whole, disk / "run")
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    for out, resume in ((disk / "new", False), (disk / "run", True)):
        with pytest.raises(DiskError) as told:
            simulate(SMALL, out, resume=resume)
        assert "Read-only file system; make it writable, then go on with" in line(told)
    assert identical(disk / "run", whole) == []


def test_files_in_the_place_of_directories_and_the_other_way_round(tmp_path, whole):
    (tmp_path / "file").write_text("")
    with pytest.raises(DiskError, match=r"file/run: Not a directory; put it right"):
        simulate(SMALL, tmp_path / "file" / "run")
    for name in ("results.nc", "log.jsonl"):
        out = tmp_path / name.replace(".", "_")
        (out / name).mkdir(parents=True)
        with pytest.raises(DiskError, match=rf"{name}: Is a directory; put it right, then go on with"):
            simulate(SMALL, out)
        (out / name).rmdir()
        assert identical(simulate(SMALL, out, resume=True).directory, whole) == []


def test_one_process_at_a_time(tmp_path):
    with occupied(tmp_path):
        with pytest.raises(InputError) as told, occupied(tmp_path):
            pass
        assert "another process is at work here" in line(told)
    (tmp_path / LOCK).touch()  # left by one that was killed
    with open(tmp_path / LOCK) as file, occupied(tmp_path), pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert os.listdir(tmp_path) == []


def test_too_little_memory(tmp_path):
    for error in (MemoryError(), RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 80000000000 bytes.")):
        with pytest.raises(SimulationError) as told, guarded(tmp_path, "go on"):
            raise error
        assert line(told) == "out of memory; use fewer replicas, or observe less often (every: ...)"
    with pytest.raises(RuntimeError, match="a fault"), guarded(tmp_path, "go on"):
        raise RuntimeError("a fault")
    with pytest.raises(DiskError, match="Input/output error; put it right, then go on"), guarded(tmp_path, "go on"):
        raise OSError(errno.EIO, "Input/output error")


def test_leftovers_are_cleared_and_never_opened(tmp_path, whole):
    out = tmp_path / "run"
    (out / "checkpoints").mkdir(parents=True)
    (out / "figures.part").mkdir()
    for name in ("results.nc.x1.part", "run.7.tmp", "checkpoints/recall.7.tmp"):
        (out / name).write_bytes((whole / "results.nc").read_bytes()[:-7])
    with pytest.raises(InputError) as told:
        results.open(out)
    assert "cut off while writing it" in line(told)
    clear_leftovers(out)
    assert [file for file in out.rglob("*") if file.is_file()] == []


def test_results_that_were_cut_are_refused_in_one_line(tmp_path, whole, capfd):
    """Cut anywhere, or something else altogether."""
    whole_bytes, file = (whole / "results.nc").read_bytes(), tmp_path / "results.nc"
    cuts = [whole_bytes[: len(whole_bytes) * tenths // 10] for tenths in range(10)]
    for content in [b"title: a", *cuts, whole_bytes[:-1]]:
        file.write_bytes(content)
        with pytest.raises(InputError, match="not a complete results file") as told:
            results.open(file)
        line(told)
    assert capfd.readouterr().err == ""  # nor does a library say more
    with pytest.raises(MatterlearnError):
        read_arrays(file)


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (["run", "missing.yaml"], 2, "missing.yaml: cannot be read: No such file or directory"),
        (["run", "folder.yaml"], 2, "folder.yaml: cannot be read: Is a directory"),
        (["run", "a.yaml", "--out", "a.yaml"], 2, "a.yaml is a file; give another directory with --out"),
        (["run", "a.yaml", "--out", "a.yaml/b"], 1, "a.yaml/b: Not a directory; put it right, then go on with: "),
        (["run", "a.yaml", "--out", "x" * 300], 1, "File name too long"),
        (["report", "missing"], 2, "missing: no such file or run directory"),
        (["report", "folder.yaml"], 2, "folder.yaml: no results.nc in this directory (has nothing)"),
        (["new", "system", "mine", "--to", "a.yaml"], 2, "cannot be written: "),
    ],
)
def test_the_command_line_says_what_and_why(words, code, expected, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "a.yaml").write_text(TEXT)
    monkeypatch.setattr(sys, "argv", ["matterlearn", *words])
    with pytest.raises(SystemExit) as left:
        cli.main()
    told = capfd.readouterr()
    assert left.value.code == code
    assert told.err.count("\n") == 1
    assert expected in told.err
