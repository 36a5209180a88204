"""What is cited: the scenario's references, those of its kinds, the libraries they import; all without jax."""

import subprocess
import sys
from pathlib import Path

import pytest
import xarray as xr
from typer.testing import CliRunner

import matterlearn as ml
from matterlearn import cite, documents, kinds, results
from matterlearn.cli import app
from matterlearn.errors import InputError, ScenarioError
from matterlearn.kinds import FAMILIES
from matterlearn.scenario import library
from synthetic import SCENARIO

ROOT = Path(__file__).parents[1]


def scenario(**changes):
    return {
        "title": "a",
        "system": {"kind": "landscape", "coefficients": [0.0, 1.0]},
        "dynamics": {"kind": "brownian", "dt": 1e-3},
        "run": {"steps": 1},
    } | changes


def test_kinds_of_all_sections_are_found():
    found = cite.used({
        "system": {"kind": "s"}, "dynamics": {"kind": "d"}, "task": {"kind": "t", "cue": {"kind": "no"}},
        "learning": {"rule": {"kind": "r"}, "optimizer": {"kind": "adam"}}, "observe": [{"kind": "o"}],
        "design": {"estimator": {"kind": "e"}, "fallback": None, "objective": [{"observable": {"kind": "w"}}]},
        "variants": {"other": {"system.kind": "s2"}},
    })  # fmt: skip
    assert set(found) == {
        ("systems", "s"), ("dynamics", "d"), ("tasks", "t"), ("rules", "r"), ("observables", "o"), ("design", "e"),
        ("observables", "w"), ("systems", "s2"),
    }  # fmt: skip


def test_software_is_that_of_the_kinds():
    plain = set(cite.keys(scenario()))
    assert {"jax2018github", "kidger2021equinox", "hoyer2017xarray", "ermak1975"} <= plain
    assert not {"schoenholz2020jaxmd", "deepmind2020jax", "kidger2021diffrax", "cabezas2024"} & plain
    assert "schoenholz2020jaxmd" in cite.keys(scenario(dynamics={"kind": "fire"}))
    assert "cabezas2024" in cite.keys(scenario(dynamics={"kind": "hamiltonian_monte_carlo"}))
    assert "kidger2021diffrax" in cite.keys(scenario(system={"kind": "continuous_flow"}))
    assert {"deepmind2020jax", "ackley1985"} <= set(cite.keys(scenario(learning={"rule": {"kind": "wake_sleep"}})))


def test_every_entry_is_whole():
    for key, entry in cite.entries().items():
        assert entry.count("{") == entry.count("}"), key
        assert "year" in entry, key
    assert set(cite.SOFTWARE.values()) <= set(cite.entries())


def test_every_docstring_and_scenario_cites_what_is_there():
    known = cite.entries()
    for family in FAMILIES:
        for kind in kinds.kinds(family):
            assert set(cite.literature(f"matterlearn.{family}.{kind}")) <= set(known), kind
    for name, file in library().items():
        assert set(cite.keys(documents.read(file).data)) <= set(known), name


def test_an_unknown_reference_is_said():
    text = cite.cite(scenario(references=["nobody2099", "ermak1975"]))
    assert text.rstrip().splitlines()[-1] == "% not in the bibliography of matterlearn: nobody2099"
    assert text.count("@article{ermak1975,") == 1


def test_a_run_says_which_version_made_it(tmp_path):
    attrs = results.provenance(SCENARIO, seed=0, device="cpu", precision="f32", wall_time=1.0, extra={
        "versions": {"matterlearn": "9.8.7"}, "git_revision": "0123456789abcdef"})  # fmt: skip
    tree = xr.DataTree(xr.Dataset(attrs=attrs))
    text = ml.cite(tree)
    assert text == tree.ml.cite()
    assert "version = {9.8.7}," in text
    assert "revision 0123456789ab" in text
    assert "@article{murugan2015multifarious," in text
    results.save(tree, tmp_path / "results.nc")
    assert ml.cite(tmp_path) == ml.cite(tmp_path / "results.nc") == text
    shown = CliRunner().invoke(app, ["cite", str(tmp_path)])
    assert (shown.exit_code, shown.output) == (0, text)


def test_a_run_that_is_not_finished_is_cited_from_its_scenario(tmp_path):
    with pytest.raises(InputError, match="holds no run"):
        ml.cite(tmp_path)
    (tmp_path / "scenario.yaml").write_text(ml.scenario.dump(ml.load(scenario())))
    assert "ermak1975" in ml.cite(tmp_path)
    with pytest.raises(ScenarioError, match="no scenario of this name"):
        ml.cite("nonesuch")


def test_citing_needs_no_jax():
    code = "import sys; sys.modules['jax'] = None; import matterlearn as ml; print(ml.cite('hopfield_recall'))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "hopfield1982neural" in done.stdout
