"""Who may import whom, and that importing starts nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from matterlearn.kinds import FAMILIES, kinds

ROOT = Path(__file__).resolve().parents[1]
NO_JAX = (
    "errors", "spec", "kinds", "documents", "scenario", "cli", "results", "verdicts", "style", "drawing", "plots",
    "plots_couplings", "snapshots", "report", "trajectory", "doctor", "accessor", "cite", "compare", "directories",
)  # fmt: skip


def fresh(code):
    """Runs code in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True,
        text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_contracts_between_modules():
    importlinter = pytest.importorskip("importlinter.cli")
    config = str(ROOT / "pyproject.toml")
    assert importlinter.lint_imports(config_filename=config, no_cache=True) == importlinter.EXIT_STATUS_SUCCESS


def test_importing_these_needs_no_jax():
    imports = "; ".join(f"import matterlearn.{name}" for name in NO_JAX)
    fresh(f"import sys; sys.modules.update(jax=None, equinox=None, jax_md=None); {imports}")


def test_importing_every_kind_starts_no_backend():
    """Precision and devices can still be chosen: no module makes an array when it is imported."""
    names = [f"matterlearn.{family}.{kind}" for family in FAMILIES for kind in kinds(family)]
    imports = "; ".join(f"import {name}" for name in [*names, "matterlearn.loop", "matterlearn.stages"])
    untouched = "assert 'jax_md' not in sys.modules; jax.config.update('jax_num_cpu_devices', 3)"
    fresh(f"import sys, jax; {imports}; {untouched}")
