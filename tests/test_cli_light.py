"""The command line without physics: a stand-in takes the place of `matterlearn.run`."""

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

import matterlearn
from matterlearn import cli
from matterlearn.errors import Interrupted, SimulationError

TEXT = """\
title: Wells
system: {kind: "fakes.kind:Config", size: 5}
dynamics: {kind: "fakes.kind:Config"}
observe: [{kind: "fakes.kind:Config"}]
run: {steps: 10}
"""


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "wells.yaml").write_text(TEXT)
    return tmp_path


@pytest.fixture
def command(monkeypatch, capsys):
    """Runs a command line; gives exit code, standard output, standard error."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["matterlearn", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        output = capsys.readouterr()
        return left.value.code or 0, output.out, output.err

    return call


class Verdict(SimpleNamespace):
    def __str__(self):
        return f"energy_final {'PASS' if self.passed else 'FAIL'}"


@pytest.fixture
def simulator(monkeypatch):
    """Replaces `matterlearn.run`; remembers how it was called."""
    module = ModuleType("matterlearn.run")
    module.calls, module.outcome = [], True

    def simulate(scenario, **options):
        module.calls.append((scenario, options))
        if isinstance(module.outcome, Exception):
            raise module.outcome
        options["out"].mkdir(parents=True, exist_ok=True)
        (options["out"] / "scenario.yaml").write_text("x")
        verdicts = [Verdict(passed=module.outcome)]
        return SimpleNamespace(directory=options["out"], table="a table", verdicts=verdicts, notes=("note: beware",))

    module.configure = lambda device, precision: module.calls.append((device, precision))
    module.simulate = module.run = simulate
    monkeypatch.setitem(sys.modules, "matterlearn.run", module)
    return module


def test_run_passes_everything_on(command, simulator):
    code, out, _ = command(
        "run", "wells.yaml", "--set", "run.seed=7", "--set", "system.size=2", "--device", "cpu",
        "--precision", "f64", "--quiet", "--out", "here",
    )  # fmt: skip
    assert code == 0
    assert out.splitlines() == ["a table", "note: beware", "energy_final PASS", "files: here"]
    configured, (scenario, options) = simulator.calls
    assert configured == ("cpu", "f64")
    assert (scenario.run.seed, scenario.system.size) == (7, 2)
    assert options == {
        "out": Path("here"), "resume": False, "quiet": True, "precision": "f64", "device": "cpu",
    }  # fmt: skip


def test_run_directory_is_named_after_the_content_and_never_overwritten(command, simulator):
    assert command("run", "wells.yaml")[0] == 0
    (made,) = Path("runs").iterdir()
    assert made.name.startswith("wells-")
    code, _, err = command("run", "wells.yaml")
    assert code == 2
    assert "--resume" in err
    assert "--out" in err
    assert command("run", "wells.yaml", "--resume")[0] == 0
    assert command("run", "wells.yaml", "--set", "run.seed=1")[0] == 0
    assert len(list(Path("runs").iterdir())) == 2


def test_run_directory_complaints(command, simulator):
    assert command("run", "wells.yaml", "--out", "wells.yaml")[0] == 2
    code, _, err = command("run", "wells.yaml", "--resume", "--out", "nothing")
    assert code == 2
    assert "holds no run" in err
    assert simulator.calls == []


def test_exit_codes_of_failures(command, simulator):
    simulator.outcome = False
    code, _, err = command("run", "wells.yaml")
    assert (code, err) == (1, "failed expectation: energy_final FAIL\n")
    simulator.outcome = SimulationError("energy is nan", step=3, suggestion="lower dt")
    assert command("run", "wells.yaml", "--out", "b")[::2] == (
        1, "step 3: energy is nan; lower dt\n",
    )  # fmt: skip
    simulator.outcome = Interrupted("stopped; go on with --resume")
    assert command("run", "wells.yaml", "--out", "c")[::2] == (
        130, "stopped; go on with --resume\n",
    )  # fmt: skip


def test_bad_scenario_stops_before_jax_is_set_up(command, simulator):
    code, out, err = command("run", "wells.yaml", "--set", "run.stps=3")
    assert (code, out, simulator.calls) == (2, "", [])
    assert err == "--set run.stps=3: run.stps: unknown key 'stps'; did you mean 'steps'?\n"
    assert command("run", "nonesuch")[0] == 2
    assert command("run", "title: a")[0] == 2


def test_validate_reports_every_file(command, directory):
    (directory / "bad.yaml").write_text(TEXT.replace("steps", "stesp"))
    code, out, err = command("validate", "bad.yaml", "wells.yaml", "missing.yaml", directory)
    assert (code, out) == (2, "wells.yaml: ok\n")
    assert err.splitlines()[:2] == [
        "bad.yaml:5:1: run.steps: missing; this key is needed (steps of the dynamics)",
        "bad.yaml:5:7: run.stesp: unknown key 'stesp'; did you mean 'steps'?",
    ]
    assert command("validate", "wells.yaml")[0] == 0


def test_list(command, directory):
    (directory / "scenarios").mkdir()
    (directory / "scenarios" / "wells_here.yaml").write_text(TEXT)
    code, out, _ = command("list")
    assert code == 0
    assert [line for line in out.splitlines() if not line.startswith(" ")] == [
        "systems:", "dynamics:", "rules:", "tasks:", "observables:", "design:", "scenarios:",
    ]  # fmt: skip
    assert any(line.split() == ["wells_here", "Wells"] for line in out.splitlines())
    assert command("list", "rule")[1].startswith("rules:")
    code, _, err = command("list", "sistems")
    assert (code, err) == (2, "unknown family 'sistems'; did you mean 'systems'?\n")


def test_new_scenario_is_a_copy(command, directory):
    assert command("new", "scenario", "mine", "--from", "wells.yaml")[0] == 0
    assert (directory / "mine.yaml").read_text() == TEXT
    assert command("new", "scenario", "mine", "--from", "wells.yaml")[0] == 2
    assert command("new", "scenario", "other")[0] == 2
    assert command("new", "scenario", "../other", "--from", "wells.yaml")[0] == 2


def test_new_kind_fills_the_template(command, directory, monkeypatch):
    templates = directory / "package" / "templates"
    templates.mkdir(parents=True)
    (templates / "systems.py.txt").write_text('"""{{Name}} is {{name}}."""\n')
    monkeypatch.setattr(cli, "__file__", str(templates.parent / "cli.py"))
    code, out, _ = command("new", "system", "soft_wall", "--to", "kinds")
    assert code == 0
    assert 'kind: "soft_wall:Config" from this directory, with --allow soft_wall' in out
    assert (directory / "kinds" / "soft_wall.py").read_text() == '"""SoftWall is soft_wall."""\n'
    assert command("new", "rule", "a")[0] == 2
    assert command("new", "rul", "a")[2] == "unknown family 'rul'; did you mean 'rule'?\n"


def test_schema_report_and_version(command):
    assert "properties" in json.loads(command("schema")[1])
    assert command("schema", "rule")[0] == 0
    code, _, err = command("report", "nowhere")
    assert code == 2
    assert "no such file or run directory" in err
    assert command("--version")[1] == f"matterlearn {matterlearn.__version__}\n"
    assert command("--help")[0] == 0
    assert command("run", "wells.yaml", "--device", "tpu")[0] == 2


def test_package_names_are_lazy_and_run_is_callable(simulator, monkeypatch):
    assert matterlearn.load(TEXT).title == "Wells"
    assert matterlearn.Scenario.__name__ == "Scenario"
    assert set(matterlearn.__all__) <= set(dir(matterlearn))
    with pytest.raises(AttributeError):
        matterlearn.nonesuch  # noqa: B018
    monkeypatch.setattr(matterlearn, "run", simulator, raising=False)  # as an import does
    matterlearn.run(matterlearn.load(TEXT), out=Path("out"))
    assert matterlearn.run is importlib.import_module("matterlearn.run")
    assert simulator.calls[0][1] == {"out": Path("out")}


def test_kinds_of_ones_own_are_used_when_the_user_says_so(command, directory, monkeypatch):
    monkeypatch.setenv("MATTERLEARN_ALLOW", "")
    assert command("new", "system", "stiff_wall")[0] == 0
    (directory / "wall.yaml").write_text(TEXT.replace("fakes.kind:Config\", size", "stiff_wall:Config\", count"))
    code, _, err = command("validate", "wall.yaml")
    assert code == 2
    assert "wall.yaml:2:10: system.kind: kind 'stiff_wall:Config' is code from outside matterlearn" in err
    assert "--allow stiff_wall" in err
    assert str(directory) not in sys.path
    code, out, err = command("validate", "wall.yaml", "--allow", "stiff_wall,fakes")
    assert (code, out, err) == (0, "wall.yaml: ok\n", "")
    assert command("validate", "wall.yaml", "--allow", "a b")[0] == 2
