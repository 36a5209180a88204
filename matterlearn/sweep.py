"""Sweeps: one scenario at every point of a grid, on one machine or a cluster, as one labelled tree.

    DIR/sweep.json               what is swept
    DIR/points/HASH/results.nc   every finished point; HASH is that of its resolved scenario
    DIR/batches/HASH.json        which points are computed together; its folder holds their checkpoints
    DIR/results.nc               all points, rewritten while the sweep goes on; DIR/results.zarr if that is large

Points that are there are never computed again. Files appear whole or not at all, so a sweep that was killed goes on
when it is started again, and gives the same bits: a batch that was begun stays the same batch.

Example:
    >>> scenario = {"title": "two discs", "system": {"kind": "patchy_particles", "species": 2, "box": 6.0},
    ...             "dynamics": {"kind": "brownian", "dt": 1e-3}, "run": {"steps": 20}}
    >>> tree = sweep(scenario, {"dynamics.kT": [0.5, 1.0], "run.seed": range(3)},
    ...              out=getfixture("tmp_path") / "s", workers=0, quiet=True)
    >>> tree["energy"].dims
    ('kT', 'seed', 'replica', 'step')
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import xarray as xr

from matterlearn import clusters, directories, progress, report, results, swept
from matterlearn.checkpoints import write_bytes, write_json
from matterlearn.errors import InputError, SimulationError
from matterlearn.grids import Axis, Point, axes, batches, points
from matterlearn.kinds import allowed
from matterlearn.scenario import Scenario, digest, dump, load, resolve
from matterlearn.surroundings import guarded, occupied

BATCH = 16  # points that are computed together
REWRITE_SECONDS, SPARING = 30.0, 20  # results are rewritten this often, and in at most 1/20 of the time
MARK, POINTS, BATCHES = "sweep.json", "points", "batches"


@dataclass(frozen=True)
class SweepResult:
    """What a sweep leaves: its directory and tree, how many points were computed now, and which failed and why."""

    directory: Path
    tree: xr.DataTree
    total: int
    computed: int
    failed: dict[str, str]

    def __str__(self) -> str:
        lines = [f"{self.total} points: {self.total - self.computed} were there, {self.computed} computed"]
        lines += [f"failed: {where}: {why}" for where, why in self.failed.items()]
        return "\n".join([*lines, f"files: {self.directory}"])


def sweep(source: str | Path | dict | Scenario, over: Mapping[str, Iterable] | Sequence[str], out=None, **options):
    """Run a scenario at every point of a grid; ``matterlearn.sweep`` is this function.

    Args:
        source: a name, a path, YAML text, a mapping or a checked scenario.
        over: path → values, or assignments as on the command line (``matterlearn.grids``); single values are set.
        out: directory; default ``runs/NAME-sweep-HASH``. One that holds points of this sweep is gone on with.
        scheduler: address of a Dask scheduler, ``"tcp://host:8786"``; default: worker processes of this machine.
        workers: how many of these; 0: this process alone; default: one for each core.
        batch: points that are computed together at most.
        precision: ``"f32"`` or ``"f64"``.
        device: ``"cpu"``, ``"gpu"`` or whatever jax finds.
        quiet: no progress bar.

    Returns:
        xarray.DataTree: every variable with one dimension more for each swept path; NaN where a point failed.

    Raises:
        ScenarioError: if any point is no valid scenario; nothing is computed then.
        InputError, Interrupted: each with one clear line.
    """
    return run_sweep(source, over, out, **options).tree


def run_sweep(
    source: str | Path | dict | Scenario,
    over: Mapping[str, Iterable] | Sequence[str],
    out: str | Path | None = None,
    *,
    scheduler: str | None = None,
    workers: int | None = None,
    batch: int = BATCH,
    precision: str = "f32",
    device: str | None = None,
    quiet: bool = False,
) -> SweepResult:
    """What :func:`sweep` and the command line do."""
    from matterlearn.batches import run_batch

    wide, fixed = axes(over)
    base = load(source, fixed)
    grid = points(base, wide)
    place = Path(out or standard(source, base, wide, precision))
    work = partial(run_batch, precision=precision, device=device, trusted=allowed())
    with guarded(place, "start the same sweep again to go on"):
        directory = Directory.of(place, precision)
        missing = directory.missing(grid)
        if not missing and directory.holds(wide):
            return SweepResult(place, results.open(place), len(grid), 0, {})
        with occupied(place):
            planned = directory.plan(missing, wide, batch)
            tasks = {name: ([entry["scenario"] for entry in entries], str(directory.batch(name)))
                     for name, entries in planned.items()}  # fmt: skip
            join = partial(directory.join, base, grid, wide, precision, time.monotonic())
            found = _computed(work, tasks, scheduler, workers)
            with progress.bar(total=len(missing), desc="sweep", unit="point", quiet=quiet) as bar:
                failed = _collected(directory, planned, found, join, bar)
            told = {_where(point, wide): failed[point.digest] for point in grid if point.digest in failed}
            if len(told) == len(grid):
                raise SimulationError(f"no point could be computed; {': '.join(next(iter(told.items())))}")
            return SweepResult(place, join(), len(grid), len(missing), told)


def standard(source: str | Path | dict | Scenario, base: Scenario, wide: Sequence[Axis], precision: str) -> Path:
    """``runs/NAME-sweep-HASH``; the hash is that of the scenario and of what is swept, not of the values."""
    named = json.dumps([digest(base), sorted(one.path for one in wide), precision])
    name = directories.standard(source, base)
    return name.with_name(f"{name.name.rpartition('-')[0]}-sweep-{hashlib.sha256(named.encode()).hexdigest()[:8]}")


def _collected(directory: "Directory", planned: dict, found, join: Callable, bar) -> dict[str, str]:
    """Keeps what is found, and rewrites the joined results now and then; what failed and why."""
    failed: dict[str, str] = {}
    tried, due = 0, time.monotonic() + REWRITE_SECONDS
    for name, outcomes in found:
        failed |= directory.keep(name, planned[name], outcomes)
        tried += len(planned[name])
        bar.update(len(planned[name]))
        began = time.monotonic()
        if began > due and len(failed) < tried:
            join()
            due = time.monotonic() + max(REWRITE_SECONDS, SPARING * (time.monotonic() - began))
    return failed


def _computed(work, tasks, scheduler: str | None, workers: int | None) -> Iterator[tuple[str, Any]]:
    if not tasks:
        return iter(())
    if scheduler is not None:
        return clusters.existing(work, tasks, scheduler)
    if workers == 0:
        return clusters.here(work, tasks)
    return clusters.embedded(work, tasks, min(workers or os.cpu_count() or 1, len(tasks)))


def _where(point: Point, wide: Sequence[Axis]) -> str:
    return ", ".join(f"{one.path}={one.values[n]}" for one, n in zip(wide, point.index, strict=True))


@dataclass(frozen=True)
class Directory:
    """The files of a sweep, and in memory what its tree is made of, as long as that is little."""

    path: Path
    memory: dict[str, xr.DataTree] = field(default_factory=dict)

    @classmethod
    def of(cls, path: Path, precision: str) -> "Directory":
        """The directory of a sweep, made if it is not there.

        Raises:
            InputError: if it holds a run, or a sweep at another precision.
        """
        if (path / directories.MARK).exists():
            raise InputError(f"{path} holds a run; choose another place with --out")
        for folder in (POINTS, BATCHES):
            (path / folder).mkdir(parents=True, exist_ok=True)
        if not (path / MARK).exists():
            write_json(path / MARK, {"precision": precision, "versions": directories.versions()})
        found = json.loads((path / MARK).read_text())
        if found["precision"] != precision:
            raise InputError(f"{path} holds a sweep at precision {found['precision']}; choose another place with --out")
        return cls(path)

    def point(self, key: str) -> Path:
        """Folder of a point."""
        return self.path / POINTS / key[:16]

    def batch(self, name: str) -> Path:
        """Folder of the checkpoints of a batch."""
        return self.path / BATCHES / name

    def missing(self, grid: Sequence[Point]) -> list[Point]:
        """Points without results."""
        return [point for point in grid if not (self.point(point.digest) / results.FILE_NAME).exists()]

    def plan(self, missing: Sequence[Point], wide: Sequence[Axis], most: int) -> dict[str, list[dict]]:
        """Batches that give the missing points: those begun before as they were, new ones for the rest."""
        wanted = {point.digest for point in missing}
        planned: dict[str, list[dict]] = {}
        for file in sorted((self.path / BATCHES).glob("*.json")):
            entries = json.loads(file.read_text())["points"]
            if known := wanted & {entry["digest"] for entry in entries}:
                planned[file.stem] = entries
                wanted -= known
        for together in batches([point for point in missing if point.digest in wanted], wide, most):
            entries = [{"digest": point.digest, "scenario": resolve(point.scenario)} for point in together]
            name = hashlib.sha256("".join(entry["digest"] for entry in entries).encode()).hexdigest()[:16]
            planned[name] = entries
            write_json(self.batch(f"{name}.json"), {"points": entries})
        for name in planned:
            self.batch(name).mkdir(exist_ok=True)
        return planned

    def keep(self, name: str, entries: list[dict], outcomes) -> dict[str, str]:
        """Writes the results of a batch; digest → why, for points that failed."""
        if isinstance(outcomes, str):  # the batch as a whole
            return dict.fromkeys((entry["digest"] for entry in entries), outcomes)
        failed = {}
        for entry, outcome in zip(entries, outcomes, strict=True):
            place = self.point(entry["digest"])
            if outcome.failure is not None:
                failed[entry["digest"]] = outcome.failure
            elif not (place / results.FILE_NAME).exists():
                place.mkdir(exist_ok=True)
                (place / "scenario.yaml").write_text(dump(load(entry["scenario"])), encoding="utf-8")
                write_bytes(place / results.FILE_NAME, outcome.file)
                self.memorise(entry["digest"], outcome.tree)
        shutil.rmtree(self.batch(name), ignore_errors=True)
        if not failed:
            self.batch(f"{name}.json").unlink(missing_ok=True)
        return failed

    def found(self, grid: Sequence[Point]) -> Iterator[tuple[tuple[int, ...], xr.DataTree]]:
        """The finished points of a grid and where they belong."""
        for point in grid:
            key = point.digest
            if key in self.memory:
                yield point.index, self.memory[key]
            elif (self.point(key) / results.FILE_NAME).exists():
                yield point.index, self.memorise(key, swept.light(results.open(self.point(key))))

    def memorise(self, key: str, tree: xr.DataTree) -> xr.DataTree:
        """Keeps what the joined tree needs of a point; files are slow to open."""
        if len(self.memory) * tree.nbytes < swept.LARGE:
            self.memory[key] = tree
        return tree

    def holds(self, wide: Sequence[Axis]) -> bool:
        """Whether the joined results are those of this grid, complete."""
        written = json.loads((self.path / MARK).read_text()).get("axes")
        files = results.FILE_NAME, results.STORE_NAME
        return written == _axes(wide) and any((self.path / name).exists() for name in files)

    def join(self, base: Scenario, grid: Sequence[Point], wide: Sequence[Axis], precision: str, began: float):
        """Joins what there is into ``results.nc``, or into a Zarr store if that is large; then the report."""
        found, there = partial(self.found, grid), len(grid) - len(self.missing(grid))
        first = json.loads(next(found())[1].attrs["matterlearn_provenance"])
        attrs = results.provenance(
            resolve(base), seed=base.run.seed, device=first["device"], precision=precision,
            wall_time=time.monotonic() - began,
        )  # fmt: skip
        layout = swept.plan(found)
        if swept.bytes_of(layout, len(grid)) > swept.LARGE:
            part = self.path / f"{results.STORE_NAME}.part"
            shutil.rmtree(part, ignore_errors=True)
            swept.stored(found, layout, wide, attrs, part)
            shutil.rmtree(self.path / results.STORE_NAME, ignore_errors=True)
            os.replace(part, self.path / results.STORE_NAME)
            (self.path / results.FILE_NAME).unlink(missing_ok=True)
        else:
            results.save(swept.joined(found, layout, wide, attrs), self.path / results.FILE_NAME)
        complete = {"axes": _axes(wide)} if there == len(grid) else {}
        write_json(self.path / MARK, {"precision": precision, "versions": directories.versions(), **complete})
        report.write(self.path)
        return results.open(self.path)


def _axes(wide: Sequence[Axis]) -> dict[str, list]:
    return {one.path: list(one.values) for one in wide}
