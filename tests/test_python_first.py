"""From Python: what runs, where it lies, what is run only once, and what is shown of it."""

import inspect
import io
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

import matterlearn as ml
from matterlearn import directories, progress, results
from matterlearn.errors import InputError, ScenarioError
from synthetic import SCENARIO, fabricate

DISCS = {
    "title": "Four sticky discs",
    "system": {"kind": "particles", "species": 1, "copies": 4, "box": 6.0, "bond": -4.0},
    "dynamics": {"kind": "brownian", "dt": 5e-4},
    "run": {"steps": 40, "replicas": 2},
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_cell_may_be_executed_again(here, monkeypatch):
    first = ml.run(DISCS)
    place = first.ml.directory
    assert place.parent.name == "runs"
    assert place.name.startswith("four-sticky-discs-")
    assert (place / "report.html").is_file()
    written = (place / "results.nc").stat().st_mtime_ns
    again = ml.run(DISCS)
    xr.testing.assert_identical(again.to_dataset(), first.to_dataset())
    assert (place / "results.nc").stat().st_mtime_ns == written

    (place / "results.nc").unlink()  # begun, not finished
    resumed = ml.run(ml.load(DISCS))
    xr.testing.assert_equal(resumed.to_dataset(), first.to_dataset())
    assert '"resumed"' in (place / "log.jsonl").read_text()

    other = ml.run(DISCS, set={"run.seed": 1})
    assert other.ml.directory != place
    assert not np.array_equal(other["energy"], first["energy"])
    monkeypatch.setattr(directories, "versions", lambda: {"jax": "another"})
    assert ml.run(DISCS).ml.directory == place.with_name(place.name + "-2")
    assert (place / "results.nc").is_file()


def test_a_directory_that_is_given_is_never_overwritten(here):
    (here / "a").mkdir()
    (here / "a" / "run.json").write_text("{}")
    with pytest.raises(InputError, match="already holds a run"):
        ml.run(DISCS, "a")
    with pytest.raises(ScenarioError, match="did you mean 'steps'"):
        ml.run(DISCS, set={"run.stps": 3})


def test_every_form_of_a_scenario_is_the_same_scenario(here):
    from matterlearn.dynamics import brownian
    from matterlearn.systems import particles

    (here / "discs.yaml").write_text(ml.scenario.dump(ml.load(DISCS)))
    configs = DISCS | {
        "system": particles.Config(**DISCS["system"]),
        "dynamics": brownian.Config(kind="brownian", dt=np.float64(5e-4)),
        "run": {"steps": np.int64(40), "replicas": np.arange(3).max()},
    }
    forms = [
        DISCS, configs, "discs", "discs.yaml", here / "discs.yaml", (here / "discs.yaml").read_text(), ml.load(DISCS)
    ]  # fmt: skip
    (here / "scenarios").mkdir()
    (here / "scenarios" / "discs.yaml").write_text((here / "discs.yaml").read_text())
    assert len({ml.scenario.digest(ml.load(form)) for form in forms}) == 1
    assignments = ml.load(DISCS, ["run.seed=3", "dynamics.kT=0.5"])
    assert ml.load(DISCS, {"run.seed": np.uint8(3), "dynamics.kT": 0.5}) == assignments
    assert ml.load(ml.load(DISCS), {"run.seed": 3, "dynamics.kT": 0.5}) == assignments
    assert {directories.standard(form, ml.load(form)).name[:6] for form in forms[2:5]} == {"discs-"}


def test_objects_print_themselves():
    from matterlearn.run import RunResult, build

    text = repr(ml.load(DISCS))
    assert text.splitlines()[0] == "Scenario: Four sticky discs"
    assert "particles  species 1, copies 4, box 6, bond -4" in text
    experiment = repr(build(DISCS))
    assert experiment.startswith("Experiment: Four sticky discs\n  system    ")
    assert "dynamics  Brownian(" in experiment
    assert str(RunResult(directories.RUNS, None, "a table", ["a verdict"], ("a note",))).splitlines() == [
        "a table", "a note", "a verdict", "files: runs",
    ]  # fmt: skip


def test_submodules_that_are_called_have_their_functions_signatures():
    assert list(inspect.signature(ml.run).parameters)[:3] == ["scenario", "out", "set"]
    assert list(inspect.signature(ml.cite).parameters) == ["source"]


@pytest.fixture(scope="module")
def tree():
    return fabricate()


def test_accessor_speaks_of_the_run(tree, tmp_path):
    assert tree.ml.scenario == SCENARIO
    assert tree.ml.directory is None
    assert all(verdict.passed for verdict in tree.ml.verdicts)
    final = tree["energy"].isel(step=-1)
    row = tree.ml.table.loc["energy_final"]
    assert row["mean"] == pytest.approx(float(final.mean()), rel=1e-12)
    assert row["sem"] == pytest.approx(float(final.std(ddof=1)) / 4, rel=1e-12)
    assert "overlap_final" in repr(tree.ml)
    assert "&lt;and&gt;" in tree.ml._repr_html_()
    results.save(tree.drop_nodes("trajectory"), tmp_path / "results.nc")
    opened = ml.open(tmp_path)
    assert opened.ml.directory == tmp_path
    assert str(tmp_path) in repr(opened.ml)


def test_accessor_draws_the_standard_figures(tree):
    small = tree.drop_nodes("trajectory")
    assert isinstance(small.ml.plot.overlap(), Figure)
    assert small.ml.plot("overlap").axes[0].get_ylabel() == "overlap"
    figures = small.ml.plot()
    assert {"overlap", "energy", "couplings"} <= set(figures)
    assert all(f"  {name} " in repr(small.ml.plot) for name in figures)
    assert figures["energy"]._repr_png_().startswith(b"\x89PNG")
    assert "overlap" in dir(small.ml.plot)
    with pytest.raises(InputError, match="did you mean 'overlap'"):
        small.ml.plot("overlab")
    with pytest.raises(AttributeError, match="did you mean 'overlap'"):
        small.ml.plot.overlab  # noqa: B018
    with pytest.raises(InputError, match="lack what the figure 'clones' needs; there are: .*overlap"):
        small.ml.plot.clones()


def test_accessor_writes_the_page(tree, tmp_path):
    small = tree.drop_nodes("trajectory")
    with pytest.raises(InputError, match="say where the page should go"):
        small.ml.report()
    page = small.ml.report(tmp_path / "deep" / "page.html")
    assert "overlap_final" in page.read_text(encoding="utf-8")
    assert [path.name for path in page.parent.iterdir()] == ["page.html"]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_bar_is_shown_where_somebody_looks(monkeypatch):
    shown = []
    for stream in (io.StringIO(), Terminal()):
        monkeypatch.setattr(sys, "stderr", stream)
        with progress.bar(total=2, quiet=False, file=stream) as one:
            one.update(2)
        shown.append(bool(stream.getvalue()))
    assert shown == [False, True]
    with progress.bar(total=2, quiet=True, file=stream) as one:
        assert one.disable


def test_notebooks_without_widgets_get_text_and_no_warning(monkeypatch):
    shell = ModuleType("IPython")
    shell.get_ipython = type("ZMQInteractiveShell", (SimpleNamespace,), {})
    monkeypatch.setitem(sys.modules, "IPython", shell)
    monkeypatch.setattr(progress.importlib.util, "find_spec", lambda name: None)
    assert progress.in_notebook()
    stream = io.StringIO()
    with progress.bar(total=2, quiet=False, file=stream) as one:
        one.update(2)
    assert "2/2" in stream.getvalue()
