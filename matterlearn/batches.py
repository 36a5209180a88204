"""A batch of a sweep: points that may share one compiled program, computed in one process.

Where the points' programs differ only in the numbers of their arrays they are vectorised together (``together``).
Otherwise, and where that fails for one of them, they run one after the other, and compiled programs are reused where
they fit. The same batch gives the same bits whoever computes it, and after any interruption: its checkpoints are in
its folder.
"""

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import xarray as xr

from matterlearn import assemble, results, variants
from matterlearn.assemble import Records
from matterlearn.checkpoints import Store
from matterlearn.errors import Interrupted, MatterlearnError, SimulationError
from matterlearn.experiment import Experiment, build
from matterlearn.kinds import allow
from matterlearn.loop import Log, run_stage
from matterlearn.run import compute, configure
from matterlearn.scenario import Scenario, folder, load, resolve, variant
from matterlearn.swept import light
from matterlearn.together import Learnings, Recalls, apart, joint, part

HINT = "run the same sweep again to go on"


class Outcome(NamedTuple):
    """What became of a point: its results file, and the part of it that is joined, or why there is none."""

    file: bytes = b""
    tree: xr.DataTree | None = None
    failure: str | None = None

    @classmethod
    def of(cls, tree: xr.DataTree) -> "Outcome":
        """Packed here, because that takes as long as many a run: the process that collects has no time for it."""
        with tempfile.TemporaryDirectory(prefix="matterlearn-") as spare:
            return cls(results.save(tree, Path(spare) / results.FILE_NAME).read_bytes(), light(tree))


def run_batch(
    scenarios: Sequence[dict], place: str, *, precision: str, device: str | None, trusted: Sequence[str] = ()
) -> list[Outcome]:
    """Results of the points of a batch, in their order.

    Args:
        scenarios: resolved scenarios, as plain data.
        place: folder for checkpoints; one that this machine does not have, or that another process holds, is
            replaced by a temporary one, so a cluster need not share its disks.
        precision: ``"f32"`` or ``"f64"``.
        device: ``"cpu"``, ``"gpu"`` or whatever jax finds. A process of a sweep computes on one CPU core: others have
            processes of their own.
        trusted: packages whose kinds may be used; they are found where this machine keeps packages, or in the folder
            in which the process was started.
    """
    if trusted:
        allow(*trusted)
        sys.path += [os.getcwd()] * (os.getcwd() not in sys.path)
    configure(device, precision, cpu_devices=1)
    points = [load(data) for data in scenarios]
    with _held(Path(place)) as directory:
        log = Log(directory / "log.jsonl")
        if len(points) > 1 and not points[0].variants and points[0].design is None:
            with contextlib.suppress(SimulationError):  # one of them went wrong: alone it shows which
                trees = _at_once(points, directory, precision, log)
                if trees is not None:
                    return [Outcome.of(tree) for tree in trees]
        return [_alone(point, directory / f"{n:04d}", precision, log) for n, point in enumerate(points)]


@contextlib.contextmanager
def _held(place: Path) -> Iterator[Path]:
    """The folder, locked while in use; a temporary one where it cannot be had."""
    try:
        import fcntl

        handle = os.open(place, os.O_RDONLY)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (OSError, ImportError):
        with tempfile.TemporaryDirectory(prefix="matterlearn-") as spare:
            yield Path(spare)
        return
    try:
        yield place
    finally:
        os.close(handle)


def _alone(point: Scenario, directory: Path, precision: str, log: Log) -> Outcome:
    """One point as any run."""
    directory.mkdir(exist_ok=True)
    settings: dict[str, Any] = {"quiet": True, "precision": precision, "log": log}
    try:
        if not point.variants:
            return Outcome.of(compute(point, directory, **settings))
        began, trees = time.monotonic(), {}
        for name in point.variants:
            inside = directory / folder(name)
            inside.mkdir(exist_ok=True)
            trees[name] = compute(variant(point, name), inside, **settings)
        attrs = results.provenance(
            resolve(point), seed=point.run.seed, device=assemble.devices(), precision=precision,
            wall_time=time.monotonic() - began,
        )  # fmt: skip
        return Outcome.of(variants.joined(trees, attrs))
    except Interrupted:
        raise
    except MatterlearnError as error:
        return Outcome(failure=str(error))


def _at_once(points: list[Scenario], directory: Path, precision: str, log: Log) -> list | None:
    """Results of points that go together, or ``None`` if they do not."""
    began = time.monotonic()
    experiments = [build(point) for point in points]
    store = Store(directory / "checkpoints")
    settings: dict[str, Any] = {"store": store, "quiet": True, "log": log, "resume_hint": HINT}
    records = _learned(experiments, settings)
    if records is None:
        return None
    members = [one.recall(record.system) for one, record in zip(experiments, records, strict=True)]
    stage = joint(Recalls, members)
    if stage is None:
        return None
    _, recalled = run_stage(stage, chunk=points[0].run.chunk, **settings)
    share = (time.monotonic() - began) / len(points)
    return [
        assemble.tree(
            experiment, record._replace(after=(member.recall, apart(recalled, n))), precision=precision, wall_time=share
        )
        for n, (experiment, record, member) in enumerate(zip(experiments, records, members, strict=True))
    ]


def _learned(experiments: list[Experiment], settings: dict) -> list[Records] | None:
    """What every point has learned, if it is to learn; ``None`` if the points cannot learn together."""
    if experiments[0].scenario.learning is None:
        return [Records(one.system) for one in experiments]
    members = [one.learning() for one in experiments]
    stage = joint(Learnings, members)
    if stage is None:
        return None
    carry, learned = run_stage(stage, chunk=None, **settings)
    return [Records(one.learned(part(carry, n)), learned=apart(learned, n)) for n, one in enumerate(members)]
