"""What the documents say is run: README's Python and YAML examples, and the generated scenario reference."""

import re
import subprocess
import sys
from pathlib import Path

from matterlearn.scenario import load

ROOT = Path(__file__).parent.parent


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / "README.md").read_text(), re.S)


def test_the_python_example_of_the_readme_runs(tmp_path):
    (example,) = blocks("python")
    done = subprocess.run([sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.glob("runs/eight-sticky-discs-*/results.nc"))


def test_the_scenario_of_the_readme_is_valid():
    (example,) = blocks("yaml")
    assert load(example).task.memories == 2


def test_the_scenario_reference_is_up_to_date():
    page = ROOT / "docs/make_reference.py"
    subprocess.run([sys.executable, str(page), "--check"], check=True, cwd=ROOT)
