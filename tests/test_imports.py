"""Looking, checking and listing import no jax, in a process of their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("jax", "jaxlib", "jax_md", "equinox", "optax", "xarray", "matplotlib", "networkx", "scipy")
TESTS = Path(__file__).parent
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)]),
}
AFTERWARDS = """
import sys
heavy = sorted(set({heavy!r}) & {{name.partition('.')[0] for name in sys.modules}})
if heavy:
    sys.exit(f'imported {{heavy}}')
"""
SCENARIO = """\
title: Wells
system: {kind: "fakes.kind:Config", size: 5}
dynamics: {kind: "fakes.kind:Config"}
task: {kind: "fakes.kind:Config"}
learning: {rule: {kind: "fakes.kind:Config"}}
observe: [{kind: "fakes.kind:Config"}]
run: {steps: 10}
expect: {energy_final: {min: 1}}
"""


def fresh(code, allowed=()):
    """Runs code in a new process that fails if anything heavy was imported by the end."""
    afterwards = AFTERWARDS.format(heavy=tuple(name for name in HEAVY if name not in allowed))
    return subprocess.run(
        [sys.executable, "-c", code + afterwards], env=ENVIRONMENT, capture_output=True,
        text=True, timeout=120, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    "words",
    ["--help", "--version", "run --help", "list", "validate wells.yaml", "schema"],
)
def test_command_imports_nothing_heavy(words, tmp_path):
    (tmp_path / "wells.yaml").write_text(SCENARIO)
    code = f"""
import os, sys
os.chdir({str(tmp_path)!r})
sys.argv = ['matterlearn', *{words.split()!r}]
from matterlearn.cli import main
try:
    main()
except SystemExit as left:
    if left.code:
        raise
"""
    done = fresh(code)
    assert done.returncode == 0, done.stderr


def test_reading_every_kind_and_scenario_imports_nothing_heavy():
    code = """
from matterlearn.kinds import FAMILIES, config_class, kinds
from matterlearn.scenario import dump, library, load
for family in FAMILIES:
    for kind in kinds(family):
        config_class(family, kind)
for file in library().values():
    dump(load(file))
"""
    done = fresh(code, allowed=("networkx",))  # which counts the edges of scenarios that have a graph
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("module", ["matterlearn", "matterlearn.errors", "matterlearn.spec"])
def test_light_modules(module):
    done = fresh(f"import {module}")
    assert done.returncode == 0, done.stderr


def test_package_itself_imports_nothing_of_its_own():
    done = fresh("import matterlearn, sys\nassert 'pydantic' not in sys.modules")
    assert done.returncode == 0, done.stderr


def test_module_is_executable():
    done = subprocess.run(
        [sys.executable, "-m", "matterlearn", "--version"], env=ENVIRONMENT, capture_output=True,
        text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout.startswith("matterlearn ")
