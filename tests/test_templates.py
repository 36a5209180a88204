"""What `matterlearn new` writes works as it is: checked, conforming, and run together."""

import doctest
import importlib
import os
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

from matterlearn import allow, load, testing
from matterlearn.cli import main
from matterlearn.errors import ScenarioError

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FAMILIES = ("system", "dynamics", "rule", "task", "observable", "estimator")
SCENARIO = """\
title: All templates together
system: {kind: "my_system:Config", count: 40, stiffness: 4.0}
dynamics: {kind: "my_dynamics:Config", dt: 0.05}
task: {kind: "my_task:Config"}
learning: {rule: {kind: "my_rule:Config", rate: 0.1}}
observe:
  - {kind: "my_observable:Config", every: 10}
  - {kind: energy, every: 10}
  - {kind: overlap, every: 10}
run: {steps: 400, replicas: 20}
expect: {overlap_initial: {min: 0.9}}
"""


def new(*words, directory):
    """Runs the command line in a process of its own, in a directory."""
    done = subprocess.run(
        [sys.executable, "-m", "matterlearn", *map(str, words)], cwd=directory, capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": ROOT}, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(autouse=True)
def trusted(monkeypatch):
    """What was written here may be used here."""
    monkeypatch.setenv("MATTERLEARN_ALLOW", "")
    allow(*(f"my_{family}" for family in FAMILIES))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A directory with one kind of every family, which can be imported from."""
    folder = tmp_path_factory.mktemp("kinds")
    for family in FAMILIES:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["matterlearn", "new", family, f"my_{family}", "--to", str(folder)])
            patch.setattr(sys, "path", list(sys.path))
            with pytest.raises(SystemExit) as left:
                main()
            assert not left.value.code
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))
    for family in FAMILIES:
        sys.modules.pop(f"my_{family}", None)


def config(family):
    return testing.examples_of(importlib.import_module(f"my_{family}").Config)[0]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_template_is_a_conforming_kind(written, family):
    testing.check_spec(config(family))
    if family == "system":
        testing.check_system(config(family))
    elif family == "dynamics":
        for check in testing.DYNAMICS_CHECKS:
            if check.__name__ != "samples_the_boltzmann_law":  # slow, and what the run below tests
                check(config(family))
    elif family == "rule":
        for check in testing.RULE_CHECKS:
            check(config(family))
        testing.rule_trains(config(family), config("system"))


@pytest.mark.parametrize("family", FAMILIES)
def test_the_example_in_its_docstring_is_right(written, family):
    failed, tried = doctest.testmod(importlib.import_module(f"my_{family}"))
    assert tried > 0
    assert failed == 0


def test_templates_pass_the_style_of_the_package(written):
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--config", f"{ROOT}/pyproject.toml", "--no-cache", str(written)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "No module named ruff" in done.stderr:
        pytest.skip("ruff is not installed")
    assert done.returncode == 0, done.stdout


def test_a_time_step_too_long_for_the_wells_is_refused(written):
    with pytest.raises(ScenarioError, match=r"system.stiffness: too stiff for dt = 0.05; use at most 20"):
        load(SCENARIO, ["system.stiffness=50"])


@pytest.mark.slow
def test_all_templates_run_together(written):
    """Moments of the held phase and of the free wells are those of a normal law, |z| < 4.

    Held: ⟨∂E/∂k⟩ = kT/2(κ + k) with κ = 10, k = 4, from 400 independent samples of 40 wells; what is learned is 90
    standard errors from nothing. Free: ⟨x²⟩ = kT/k from 420; an error of 6 % would be found.
    """
    (written / "wells.yaml").write_text(SCENARIO)
    new("run", "wells.yaml", "--out", "run", "--quiet", directory=written)
    tree = xr.open_datatree(written / "run" / "results.nc", engine="h5netcdf")
    stiffness = tree["couplings/stiffness"].values
    assert stiffness.shape == (40,)
    held = 1 / (2 * (10 + 4))
    error = 0.1 * held * np.sqrt(2 / (400 * 40))
    assert abs(stiffness.mean() - (4 - 0.1 * held)) < 4 * error
    late = tree["my_observable"].sel(step=slice(200, None)).values
    error = np.sqrt(2 / (late.size * 40)) / stiffness.mean()
    assert abs(late.mean() - 1 / stiffness.mean()) < 4 * error
    assert dict(tree["overlap"].sizes) == {"replica": 20, "step": 41, "memory": 1}
