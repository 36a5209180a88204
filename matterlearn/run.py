"""From a scenario to results: the only module that joins system, dynamics, task, rule and observables."""

import contextlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matterlearn import assemble, directories
from matterlearn.errors import InputError, ResumeError
from matterlearn.experiment import Experiment, build, optimizer
from matterlearn.kinds import allowed
from matterlearn.loop import Log
from matterlearn.scenario import Scenario, digest, dump, folder, load, resolve, variant
from matterlearn.surroundings import clear_leftovers, guarded, occupied

__all__ = ["Experiment", "RunResult", "build", "compute", "configure", "optimizer", "publish", "run", "simulate"]

MOST_TRAJECTORIES = 32  # replicas whose frames are also written as GSD and extended XYZ


def configure(device: str | None = None, precision: str = "f32", cpu_devices: int | None = None) -> None:
    """Choose platform and precision before the first array exists.

    On CPU every core becomes a jax device, so that replicas are spread over cores; or as many as ``cpu_devices``.

    Raises:
        InputError: if no such device is there.
    """
    import jax

    jax.config.update("jax_enable_x64", precision == "f64")
    if device == "cpu":
        jax.config.update("jax_platforms", "cpu")
    with contextlib.suppress(RuntimeError):  # the backend is up already, with the devices it has
        jax.config.update("jax_num_cpu_devices", cpu_devices or os.cpu_count() or 1)
    if device == "gpu" and jax.default_backend() == "cpu":
        raise InputError("--device gpu: jax sees no accelerator here; install jax[cuda12] or leave the option out")


@dataclass(frozen=True)
class RunResult:
    """What a run leaves: directory, results, a table of observables, verdicts on ``expect:``, and what to beware of."""

    directory: Path
    tree: Any
    table: str
    verdicts: list
    notes: tuple[str, ...] = ()

    def __str__(self):
        return "\n".join([self.table, *self.notes, *map(str, self.verdicts), f"files: {self.directory}"])

    __repr__ = __str__


def run(
    scenario: Scenario | str | Path | dict,
    out: str | Path | None = None,
    *,
    set: Mapping[str, Any] | Iterable[str] = (),
    resume: bool = False,
    precision: str = "f32",
    device: str | None = None,
    quiet: bool = False,
):
    """Run a scenario and return its results; ``matterlearn.run`` is this function.

    Without ``out`` the directory is ``runs/NAME-HASH``. What is finished there, with the same scenario, precision and
    versions of matterlearn and jax, is opened; what was begun is gone on with. So a cell of a notebook may be executed
    again, and costs nothing the second time.

    Args:
        scenario: a name, a path, YAML text, a mapping (of plain values or of Configs) or a checked scenario.
        out: directory of the run; one that holds a run already is refused unless ``resume``.
        set: values to put in place, ``{"dynamics.kT": 1.1}``, or a list of assignments as on the command line.
        resume: go on from the checkpoints in ``out``.
        precision: ``"f32"`` or ``"f64"``.
        device: ``"cpu"``, ``"gpu"`` or whatever jax finds.
        quiet: no progress bar.

    Returns:
        xarray.DataTree: what ``results.nc`` holds; ``tree.ml`` has figures, verdicts and more.

    Raises:
        ScenarioError, SimulationError, Interrupted, ResumeError: each with one clear line.

    Example:
        >>> tree = run({"title": "two discs", "system": {"kind": "patchy_particles", "species": 2, "box": 6.0},
        ...             "dynamics": {"kind": "brownian", "dt": 1e-3}, "run": {"steps": 200}},
        ...            out=getfixture("tmp_path") / "r", set={"run.steps": 100}, quiet=True)
        >>> tree["energy"].dims
        ('replica', 'step')
    """
    checked = load(scenario, set)
    directory, found = (Path(out), None) if out else directories.choose(scenario, checked, precision)
    if found is not None:
        return found
    resume = resume or (out is None and (directory / directories.MARK).exists())
    return simulate(checked, directory, resume=resume, quiet=quiet, precision=precision, device=device).tree


def simulate(
    scenario: Scenario | str | Path | dict,
    out: str | Path | None = None,
    *,
    resume: bool = False,
    quiet: bool = True,
    precision: str = "f32",
    device: str | None = None,
) -> RunResult:
    """Run a scenario and write its directory: what `run`, sweeps and the command line do.

    Args:
        scenario: a checked scenario, a path, a name or a mapping.
        out: directory of the run; default ``runs/NAME-HASH``.
        resume: go on from the checkpoints in ``out``.
        quiet: no progress bar.
        precision: ``"f32"`` or ``"f64"``.
        device: ``"cpu"``, ``"gpu"`` or whatever jax finds.

    Raises:
        ScenarioError, SimulationError, Interrupted, ResumeError: each with one clear line.
    """
    source, scenario = scenario, load(scenario)
    configure(device, precision)
    directory = Path(out or directories.standard(source, scenario))
    hint = _hint(directory, precision)
    with guarded(directory, hint):
        _prepare(directory, scenario, precision, resume)
        with occupied(directory):
            return _simulated(scenario, directory, quiet=quiet, precision=precision, hint=hint, resume=resume)


def _simulated(
    scenario: Scenario, directory: Path, *, quiet: bool, precision: str, hint: str, resume: bool
) -> RunResult:
    """The run, or those of its variants, in a directory that is prepared and belongs to this process."""
    clear_leftovers(directory)
    if scenario.variants:
        return _side_by_side(scenario, directory, quiet=quiet, precision=precision, hint=hint)
    log = Log(directory / "log.jsonl")
    log("start", digest=digest(scenario), resume=resume)
    tree = compute(scenario, directory, quiet=quiet, precision=precision, log=log, hint=hint)
    log("done", seconds=json.loads(tree.attrs["matterlearn_provenance"])["wall_time_s"])
    return publish(tree, directory, scenario)


def compute(scenario: Scenario, directory: Path, *, quiet: bool, precision: str, log: Log, hint: str = ""):
    """The results tree of a scenario without variants; only checkpoints are written, below ``directory``."""
    began = time.monotonic()
    experiment = build(scenario)
    records = experiment.run(directory, quiet=quiet, log=log, resume_hint=hint or _hint(directory, precision))
    return assemble.tree(experiment, records, precision=precision, wall_time=time.monotonic() - began)


def _side_by_side(scenario: Scenario, directory: Path, *, quiet: bool, precision: str, hint: str) -> RunResult:
    """Every variant in a folder of its own, those that are finished left alone; then all of them joined."""
    from matterlearn import results, variants
    began, trees = time.monotonic(), {}
    for name in scenario.variants:
        place = directory / variants.FOLDER / folder(name)
        if (place / results.FILE_NAME).exists():
            trees[name] = results.open(place)
            continue
        begun, one = (place / directories.MARK).exists(), variant(scenario, name)
        _prepare(place, one, precision, begun)
        trees[name] = _simulated(one, place, quiet=quiet, precision=precision, hint=hint, resume=begun).tree
    attrs = results.provenance(
        resolve(scenario), seed=scenario.run.seed, device=assemble.devices(), precision=precision,
        wall_time=time.monotonic() - began,
    )  # fmt: skip
    return publish(variants.joined(trees, attrs), directory, scenario)


def publish(tree, directory: Path, scenario: Scenario) -> RunResult:
    """Results file, trajectories, figures and report of a finished run."""
    from matterlearn import notes, report, results, trajectory, verdicts
    from matterlearn.drawing import has_trajectory

    results.save(tree, directory / results.FILE_NAME)
    tree.encoding["source"] = str(directory / results.FILE_NAME)
    if has_trajectory(tree):
        folder = directory / "trajectories"
        folder.mkdir(exist_ok=True)
        for replica in range(min(tree.sizes["replica"], MOST_TRAJECTORIES)):
            trajectory.write_gsd(tree, folder / f"replica-{replica:03d}.gsd", replica)
            trajectory.write_extxyz(tree, folder / f"replica-{replica:03d}.xyz", replica)
    report.write(directory)
    judged = verdicts.judge(tree, resolve(scenario)["expect"])
    return RunResult(directory, tree, verdicts.table(verdicts.summary(tree)), judged, notes.of(tree))


def _hint(directory: Path, precision: str) -> str:
    """How to go on with a run that was stopped."""
    options = " --precision f64" if precision == "f64" else ""
    options += f" --allow {','.join(allowed())}" if allowed() else ""
    return f"go on with: matterlearn run {directory / 'scenario.yaml'} --out {directory} --resume{options}"


def _prepare(directory: Path, scenario: Scenario, precision: str, resume: bool) -> None:
    """Make the run directory, or check that what is there belongs to this scenario and precision."""
    from matterlearn.checkpoints import write_json

    directory.mkdir(parents=True, exist_ok=True)
    mark, wanted = directory / directories.MARK, directories.identity(scenario, precision)
    if not mark.exists():  # it comes last: without it the directory is prepared again
        (directory / "scenario.yaml").write_text(dump(scenario), encoding="utf-8")
        write_json(mark, wanted)
        return
    if not resume:
        raise InputError(f"{directory} already holds a run; use --resume to go on, or another --out")
    found = directories.marked(directory)
    changed = next((name for name in ("digest", "precision") if found.get(name) != wanted[name]), None)
    if changed is not None:
        changed = {"digest": "scenario"}.get(changed, changed)
        raise ResumeError(f"{directory} holds a run with another {changed}; resume with its own scenario.yaml")
