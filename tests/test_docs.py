"""What the documents say is held to what is there: README's examples run, pages made of sources are up to date."""

import ast
import importlib
import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import yaml

from matterlearn.scenario import load

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(file for file in DOCS.rglob("*.md") if not {"_build", "api"} & set(file.relative_to(DOCS).parts))
MADE = {"kinds", "limits-of-kinds", "equations", "api/index", "gallery/index"}  # written by docs/_ext/generate.py
EQUATIONS = [entry for subject in yaml.safe_load((DOCS / "equations.yaml").read_text(encoding="utf-8"))
             for entry in subject["entries"]]  # fmt: skip
KEPT = sorted((DOCS / "gallery").glob("*.json"))


def blocks(language: str, file: Path = ROOT / "README.md") -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", file.read_text(encoding="utf-8"), re.S)


@cache
def names(file: Path) -> set[str]:
    """Functions and classes at the top of a file, without importing it."""
    return {getattr(node, "name", "") for node in ast.parse(file.read_text(encoding="utf-8")).body}


@cache
def extension(name: str):
    """A module of docs/_ext."""
    sys.path.insert(0, str(DOCS / "_ext"))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(DOCS / "_ext"))


def test_the_python_example_of_the_readme_runs(tmp_path):
    (example,) = blocks("python")
    done = subprocess.run([sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.glob("runs/*/results.nc"))


def test_the_scenario_of_the_readme_is_valid():
    (example,) = blocks("yaml")
    assert load(example).task.memories == 2  # pyright: ignore[reportOptionalMemberAccess]


def test_the_scenario_reference_is_up_to_date():
    page = ROOT / "docs/make_reference.py"
    subprocess.run([sys.executable, str(page), "--check"], check=True, cwd=ROOT)


@pytest.mark.parametrize("file", PAGES, ids=lambda file: str(file.relative_to(DOCS)))
def test_python_examples_are_python(file):
    cells = [cell for cell in blocks(r"\{code-cell\} ipython3", file) if not cell.startswith("%%")]
    for example in [*blocks("python", file), *cells]:
        ast.parse("\n".join(line for line in example.splitlines() if not line.startswith("!")))


def test_scenarios_in_guides_are_valid():
    for text in blocks("yaml", DOCS / "howto/learn-from-two-equilibria.md"):
        load(text)


@pytest.mark.parametrize("file", [ROOT / "README.md", *PAGES], ids=lambda file: str(file.relative_to(ROOT)))
def test_pages_and_pictures_that_are_linked_exist(file):
    text = file.read_text(encoding="utf-8")
    linked = re.findall(r"\]\((?!https?:|#)([^)#\s]+)(?:#[^)]*)?\)", text)
    linked += re.findall(r"```\{(?:figure|literalinclude|include)\} (\S+)", text)
    for target in linked:
        place = (file.parent / target).resolve()
        made = str(place.relative_to(DOCS).with_suffix("")) in MADE if place.is_relative_to(DOCS) else False
        assert made or place.exists(), f"{file}: {target}"


@pytest.mark.parametrize("file", PAGES, ids=lambda file: str(file.relative_to(DOCS)))
def test_entries_of_tables_of_contents_exist(file):
    for body in re.findall(r"```\{toctree\}\n(.*?)```", file.read_text(encoding="utf-8"), re.S):
        for entry in (line for line in body.split() if line[0] not in ":*" and not line.isdigit()):
            place = (file.parent / entry).relative_to(DOCS)
            assert str(place) in MADE or (DOCS / f"{place}.md").exists() or file.parent.name == "gallery", entry


@pytest.mark.parametrize("entry", EQUATIONS, ids=lambda entry: entry["name"])
def test_equations_name_what_there_is(entry):
    module, _, function = entry["function"].rpartition(".")
    assert function in names(ROOT / f"{module.replace('.', '/')}.py")
    file, _, test = entry["test"].partition("::")
    assert test in names(ROOT / "tests" / file)
    assert entry["source"] in extension("generate").bibliography(DOCS)
    assert set(entry.get("correction", {"often": "", "correct": ""})) == {"often", "correct"}


def test_equations_cover_the_subjects():
    assert len(EQUATIONS) >= 80
    assert len({entry["name"] for entry in EQUATIONS}) == len(EQUATIONS)


def test_keys_of_the_bibliography_are_used_once():
    found = re.findall(r"^@\w+\{([^,\s]+),", (DOCS / "references.bib").read_text(encoding="utf-8"), re.M)
    assert len(found) == len(set(found))


def test_every_scenario_has_its_place_in_the_gallery():
    placed = sum(extension("gallery_pages").SUBJECTS.values(), [])
    assert len(placed) == len(set(placed))
    assert set(placed) == {path.stem for path in (ROOT / "scenarios").glob("*.yaml")}


@pytest.mark.parametrize("file", KEPT, ids=lambda file: file.stem)
def test_gallery_keeps_what_belongs_to_the_scenario(file):
    kept = json.loads(file.read_text(encoding="utf-8"))
    today = yaml.safe_load((ROOT / f"scenarios/{file.stem}.yaml").read_text(encoding="utf-8"))
    gallery = extension("gallery_pages")
    assert set(gallery.changed(kept, today)) <= set(gallery.TEXTS), "the run is of another version: make gallery"
    assert bool(kept["verdicts"]) == bool(today.get("expect"))
    for figure in kept["figures"]:
        assert (DOCS / "gallery" / figure["file"]).stat().st_size <= 60_000


def test_gallery_keeps_no_other_files():
    wanted = {figure["file"] for file in KEPT for figure in json.loads(file.read_text(encoding="utf-8"))["figures"]}
    assert {file.name for file in (DOCS / "gallery").glob("*.png")} == wanted


def test_api_pages_have_all_public_modules():
    api = extension("api_pages")
    pages = api.pages(ROOT / "matterlearn", extension("generate").bibliography(DOCS))
    assert {"matterlearn.theory.hopfield", "matterlearn.core.system", "matterlearn.testing"} <= set(pages)
    assert not any("._" in name for name in pages)
    linked = set(re.findall(r"<(matterlearn[\w.]*)>$", "\n".join(pages[name] for name in api.PACKAGES), re.M))
    assert linked == set(pages) - set(api.PACKAGES) - {"index"}


def test_docstrings_become_markup():
    convert = extension("docstrings").Converter({"amit1987"}, {"matterlearn.run.run"})
    assert convert.inline("[amit1987], `matterlearn.run.run`, *not* a_b |x|") == (
        r":cite:p:`amit1987`, :py:obj:`~matterlearn.run.run`, *not* a\_b \|x\|"
    )
    lines = convert.convert("One line.\n\n    E = −J s_i s_j\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n>>> 1 + 1\n2\n")
    assert r"   E = −J s\_i s\_j" in lines and ".. list-table::" in lines and "   >>> 1 + 1" in lines


def test_versions_that_are_pinned_are_those_that_are_asked_for():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    pinned = {line.partition("==")[0].lower().replace("_", "-")
              for line in (ROOT / ".ci/constraints.txt").read_text().splitlines() if "==" in line}  # fmt: skip
    asked = {name.lower() for name in re.findall(r'"([A-Za-z][\w-]*)(?:\[\w+\])?[><=!]+[^"]*"', text)}
    assert asked - {"hatchling"} <= pinned | {"matterlearn"}
