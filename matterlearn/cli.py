"""The command line: run, design, sweep, validate, list, new, schema, report, compare, cite,
doctor.

Exit codes: 0 all is well, 1 the simulation, a disk or an expectation failed, 2 the input is wrong,
130 stopped with Ctrl-C after a checkpoint. Nothing heavy is imported before a command needs it.
"""

import enum
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from matterlearn.errors import DiskError, InputError, MatterlearnError, ScenarioError, did_you_mean
from matterlearn.surroundings import told

app = typer.Typer(
    name="matterlearn",
    help="Simulate matter that learns.",
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
)

# What marks a directory as holding a run, finished or not.
RUN_MARKS = ("scenario.yaml", "results.nc", "checkpoints")
FAMILY_OF = {
    "system": "systems", "dynamics": "dynamics", "rule": "rules", "task": "tasks",
    "observable": "observables", "estimator": "design",
}  # fmt: skip


class Device(enum.StrEnum):
    cpu = "cpu"
    gpu = "gpu"


class Precision(enum.StrEnum):
    f32 = "f32"
    f64 = "f64"


def main() -> None:
    """Runs the command line; an error on purpose is shown as its message alone."""
    try:
        _allow(None)
        app()
    except MatterlearnError as error:
        typer.echo(str(error), err=True)
        sys.exit(error.exit_code)
    except OSError as error:
        typer.echo(told(error, os.getcwd()), err=True)
        sys.exit(DiskError.exit_code)


def _allow(packages: list[str] | None) -> list[str] | None:
    """Code of these packages, and of those that the environment allows, may be used; also where it lies here."""
    from matterlearn.kinds import allow, allowed

    for names in packages or ():
        allow(*names.split(","))
    if allowed() and os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    return packages


def _version(wanted: bool) -> None:
    if wanted:
        import matterlearn

        typer.echo(f"matterlearn {matterlearn.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


Source = Annotated[str, typer.Argument(help="A YAML file, or the name of a known scenario.")]
Assignments = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a value, as in run.seed=3.")
]
Allowed = Annotated[
    list[str] | None,
    typer.Option("--allow", metavar="PACKAGE", callback=_allow, is_eager=True,
                 help="Kinds of this package or module may be used: a scenario alone runs no code."),
]  # fmt: skip
Out = Annotated[Path | None, typer.Option(help="Directory of the run [default: runs/NAME-HASH].")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from a checkpoint.")]
Where = Annotated[Device | None, typer.Option(help="Where to compute [default: what jax finds].")]
Numbers = Annotated[Precision, typer.Option(help="Floating-point numbers.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")]


def _simulation(check):
    """A command that runs a scenario which passes a check."""

    def command(
        scenario: Source,
        assignments: Assignments = None,
        out: Out = None,
        resume: Resume = False,
        device: Where = None,
        precision: Numbers = Precision.f32,
        quiet: Quiet = False,
        allow: Allowed = None,
    ) -> None:
        from matterlearn.directories import standard
        from matterlearn.scenario import load

        source = _source(scenario)
        checked = load(source, assignments or ())
        check(scenario, checked)
        directory = out or standard(source, checked)
        _check_directory(directory, resume)
        options = {"precision": precision.value, "device": device.value if device else None}

        from matterlearn.run import configure, simulate

        configure(**options)
        _tell(simulate(checked, out=directory, resume=resume, quiet=quiet, **options))

    return command


def _designs(scenario: str, checked) -> None:
    if checked.design is None:
        raise InputError(f"{scenario} has no section design; give it one, or use matterlearn run")


app.command("run", help="Simulate a scenario and judge what it expects.")(_simulation(lambda *_: None))
app.command("design", help="Design the couplings of a scenario that says how, and validate them with fresh seeds.")(
    _simulation(_designs)
)


def _tell(result) -> None:
    """Table, notes and verdicts of a run; leaves with 1 if an expectation failed."""
    typer.echo(result.table)
    for note in result.notes:
        typer.echo(note)
    for verdict in result.verdicts:
        typer.echo(str(verdict))
    typer.echo(f"files: {result.directory}")
    failed = [verdict for verdict in result.verdicts if not verdict.passed]
    for verdict in failed:
        typer.echo(f"failed expectation: {verdict}", err=True)
    raise typer.Exit(1 if failed else 0)


@app.command()
def sweep(
    scenario: Source,
    assignments: Annotated[
        list[str],
        typer.Option("--set", metavar="KEY=VALUES", help="As in run.seed=0:64, dynamics.kT=0.2:2.0:19, a=1,2,3."),
    ],
    out: Annotated[Path | None, typer.Option(help="Directory of the sweep [default: runs/NAME-sweep-HASH].")] = None,
    scheduler: Annotated[str | None, typer.Option(metavar="ADDRESS", help="A Dask cluster, tcp://host:8786.")] = None,
    workers: Annotated[int | None, typer.Option(min=0, help="Processes of this machine; 0: this one alone.")] = None,
    batch: Annotated[int, typer.Option(min=1, help="Points that are computed together at most.")] = 16,
    device: Where = None,
    precision: Numbers = Precision.f32,
    allow: Allowed = None,
    quiet: Quiet = False,
) -> None:
    """Simulate a scenario at every point of a grid; points that are there are kept."""
    from matterlearn.sweep import run_sweep

    result = run_sweep(
        _source(scenario), assignments, out, scheduler=scheduler, workers=workers, batch=batch,
        precision=precision.value, device=device.value if device else None, quiet=quiet,
    )  # fmt: skip
    typer.echo(str(result))
    raise typer.Exit(1 if result.failed else 0)


def _source(scenario: str) -> Path:
    """A command-line word is a path or a name, never YAML text."""
    from matterlearn.scenario import find

    return find(scenario)


def _check_directory(directory: Path, resume: bool) -> None:
    if directory.exists() and not directory.is_dir():
        raise InputError(f"{directory} is a file; give another directory with --out")
    holds_run = any((directory / mark).exists() for mark in RUN_MARKS)
    if holds_run and not resume:
        raise InputError(
            f"{directory} already holds a run; go on with --resume, or choose another place"
            " with --out"
        )
    if resume and not holds_run:
        raise InputError(
            f"{directory} holds no run to go on with; leave out --resume, or name the directory"
            " with --out"
        )


@app.command()
def validate(
    files: Annotated[list[str], typer.Argument(help="YAML files, or names of known scenarios.")],
    allow: Allowed = None,
) -> None:
    """Check scenarios completely, without running them."""
    from matterlearn.scenario import load

    bad = 0
    for file in files:
        try:
            load(_source(file))
        except ScenarioError as error:
            bad += 1
            typer.echo(str(error), err=True)
        else:
            typer.echo(f"{file}: ok")
    raise typer.Exit(2 if bad else 0)


def _family(word: str) -> str:
    known = {**FAMILY_OF, **{family: family for family in FAMILY_OF.values()}}
    if word not in known:
        raise InputError(f"unknown family {word!r}{did_you_mean(word, known)}")
    return known[word]


@app.command("list")
def list_(
    family: Annotated[
        str | None, typer.Argument(help="systems, dynamics, rules, tasks, observables, design, scenarios.")
    ] = None,
) -> None:
    """List what there is: kinds of each family, and scenarios."""
    from matterlearn.kinds import FAMILIES, describe, kinds

    if family is None:
        wanted = (*FAMILIES, "scenarios")
    elif family in ("scenario", "scenarios"):
        wanted = ("scenarios",)
    else:
        wanted = (_family(family),)
    for name in wanted:
        rows = _titles() if name == "scenarios" else [(kind, describe(name, kind)) for kind in kinds(name)]
        width = max((len(word) for word, _ in rows), default=0)
        typer.echo(f"{name}:")
        for word, text in rows:
            typer.echo(f"  {word:<{width}}  {text}".rstrip())


def _titles() -> list[tuple[str, str]]:
    from matterlearn import documents
    from matterlearn.scenario import library

    rows = []
    for name, file in sorted(library().items()):
        try:
            data = documents.read(file).data
            title = str(data.get("title", "")) if isinstance(data, dict) else "(not a scenario)"
        except ScenarioError:
            title = "(cannot be read; see matterlearn validate)"
        rows.append((name, title))
    return rows


@app.command()
def new(
    what: Annotated[str, typer.Argument(help="scenario, system, rule, task, and so on.")],
    name: Annotated[str, typer.Argument(help="Name of the new file, without its ending.")],
    source: Annotated[
        str | None, typer.Option("--from", help="For a scenario: the known one to copy.")
    ] = None,
    to: Annotated[Path, typer.Option(help="Directory to write into.")] = Path(),
) -> None:
    """Write a working skeleton to start from."""
    if not name.isidentifier():
        raise InputError(f"name {name!r} should be a word of letters, digits and underscores")
    if what in ("scenario", "scenarios"):
        target, text = to / f"{name}.yaml", _scenario_skeleton(source)
        hint = f"matterlearn validate {target}"
    else:
        target, text = to / f"{name}.py", _kind_skeleton(_family(what), name)
        hint = f'use it as kind: "{name}:Config" from this directory, with --allow {name}'
    if target.exists():
        raise InputError(f"{target} exists; choose another name")
    try:
        to.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{target} cannot be written: {error.strerror}") from None
    typer.echo(f"wrote {target}; next: {hint}")


def _scenario_skeleton(source: str | None) -> str:
    from matterlearn.scenario import find, library

    if source is None:
        raise InputError(f"say which scenario to copy with --from{did_you_mean('', library())}")
    path = find(source)
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from None


def _kind_skeleton(family: str, name: str) -> str:
    template = Path(__file__).parent / "templates" / f"{family}.py.txt"
    if not template.is_file():
        raise InputError(f"there is no template for {family}")
    title = "".join(part.capitalize() for part in name.split("_"))
    text = template.read_text(encoding="utf-8")
    return text.replace("{{name}}", name).replace("{{Name}}", title)


@app.command()
def schema(
    family: Annotated[str | None, typer.Argument(help="Of one family only.")] = None,
) -> None:
    """Print the JSON schema of scenarios, for editors."""
    import json

    from matterlearn import scenario

    found = scenario.schema(None if family is None else _family(family))
    typer.echo(json.dumps(found, indent=2))


@app.command()
def report(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Directory of a run, a sweep or a comparison.")],
) -> None:
    """Write figures and a page for a finished run, a sweep, or a comparison."""
    from matterlearn.report import write

    typer.echo(str(write(directory)))


@app.command()
def compare(
    runs: Annotated[list[str], typer.Argument(metavar="RUN", help="Run directories or results files, two or more.")],
    out: Annotated[Path | None, typer.Option(help="Directory for tables, figures and a page.")] = None,
    names: Annotated[str | None, typer.Option(help="Of the runs, with commas between.")] = None,
) -> None:
    """Hold runs against the first of them: differences with error bars, overlaid figures."""
    from matterlearn.compare import compare as hold

    comparison = hold(runs, names=names.split(",") if names else ())
    place = out or Path("runs") / "-against-".join(name.replace(" ", "-") for name in comparison.names)[:120]
    page = comparison.save(place)
    typer.echo(f"{comparison}\n\nfiles: {page.parent}")


@app.command()
def cite(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Directory of a run, results file, or scenario.")],
) -> None:
    """Print BibTeX of what a run used: software, and the literature it follows."""
    from matterlearn.cite import cite as bibtex

    typer.echo(bibtex(run), nl=False)


@app.command()
def doctor() -> None:
    """Check versions, devices, and known faults of libraries."""
    from matterlearn.doctor import main as examine

    raise typer.Exit(examine() or 0)
