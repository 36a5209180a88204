"""What to cite for a run, as BibTeX: matterlearn, the libraries that its kinds use, and the literature they follow.

The literature is that of the scenario's `references` and of the docstrings of its kinds (`[key]` of
`docs/references.bib`). Docstrings and imports are read, not executed: no jax.

Example:
    >>> scenario = {"title": "discs", "system": {"kind": "particles"}, "dynamics": {"kind": "brownian"}}
    >>> "ermak1975" in keys(scenario) and "jax2018github" in keys(scenario)
    True
"""

import ast
import functools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import xarray as xr
import yaml

from matterlearn import documents, kinds, results, scenario
from matterlearn.errors import InputError, MatterlearnError

ALWAYS = ("jax", "equinox", "numpy", "xarray")
SOFTWARE = {  # package: its entry in software.bib, or in references.bib
    "jax": "jax2018github", "jax_md": "schoenholz2020jaxmd", "equinox": "kidger2021equinox",
    "optax": "deepmind2020jax", "numpy": "harris2020array", "xarray": "hoyer2017xarray", "scipy": "virtanen2020scipy",
    "diffrax": "kidger2021diffrax", "blackjax": "cabezas2024", "sklearn": "pedregosa2011scikit",
    "networkx": "hagberg2008networkx", "pywt": "lee2019pywavelets", "numba": "lam2015numba",
    "cvxpy": "diamond2016cvxpy",
}  # fmt: skip
SECTIONS = {"system": "systems", "dynamics": "dynamics", "task": "tasks", "rule": "rules", "estimator": "design",
            "fallback": "design", "observable": "observables", "observe": "observables"}  # fmt: skip
SHARED = ("matterlearn.core", "matterlearn.theory")  # where an import inside a function serves some kinds only


def cite(source: xr.DataTree | scenario.Scenario | Mapping[str, Any] | str | Path) -> str:
    """BibTeX of what a run used.

    Args:
        source: results, a run directory, a results file, or a scenario in any form that `matterlearn.load` takes.

    Returns:
        BibTeX; a reference that is no entry of the bibliography is named in a line that begins with ``%``.

    Raises:
        InputError, ScenarioError: if there is no such run or scenario.
    """
    tree = _tree(source)
    data = results.scenario_of(tree) if tree is not None else _scenario(source)
    known = entries()
    wanted = list(keys(data))
    found = [own(tree), *(known[key] for key in wanted if key in known)]
    unknown = [f"% not in the bibliography of matterlearn: {key}" for key in wanted if key not in known]
    return "\n\n".join([*found, *unknown]) + "\n"


def keys(data: Mapping[str, Any]) -> Iterable[str]:
    """Keys of all entries that a scenario calls for: its references, those of its kinds, then software."""
    modules = [module for family, kind in used(data) if (module := _module(family, kind))]
    written = [str(key) for key in data.get("references") or ()]
    followed = [key for module in modules for key in literature(module) if key in entries()]
    packages = [*ALWAYS, *(["optax"] if data.get("learning") or data.get("design") else []), *_packages(modules)]
    return dict.fromkeys([*written, *followed, *(SOFTWARE[package] for package in packages)])


def literature(module: str) -> list[str]:
    """Keys that the docstring of a module gives as its source.

    >>> literature("matterlearn.dynamics.brownian")
    ['ermak1975']
    """
    return re.findall(r"\[([a-z]+\d{4}[a-z]*)\]", ast.get_docstring(_syntax(module)) or "")


def used(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Family and kind of every section of a scenario and of its variants.

    >>> used({"system": {"kind": "particles"}, "variants": {"cold": {"dynamics.kind": "fire"}}})
    [('systems', 'particles'), ('dynamics', 'fire')]
    """
    found = list(_kinds(data))
    for changes in (data.get("variants") or {}).values():
        document = documents.Document("", {key: value for key, value in data.items() if key != "variants"})
        for path, value in changes.items():
            document = documents.assign(document, tuple(path.split(".")), value, "variants")
        found += _kinds(document.data)
    return list(dict.fromkeys(found))


def _kinds(section: Any, name: str = "") -> Iterator[tuple[str, str]]:
    for key, value in section.items() if isinstance(section, Mapping) else enumerate(section):
        place = name if isinstance(key, int) else key
        if isinstance(value, Mapping) and place in SECTIONS and isinstance(value.get("kind"), str):
            yield SECTIONS[place], value["kind"]
        if isinstance(value, Mapping | list | tuple):
            yield from _kinds(value, place)


def own(tree: xr.DataTree | None = None) -> str:
    """The entry of matterlearn itself, with the version that made these results.

    >>> print(own().splitlines()[0])
    @software{matterlearn,
    """
    about = yaml.safe_load(_file("CITATION.cff").read_text(encoding="utf-8"))
    record = json.loads(tree.attrs.get("matterlearn_provenance", "{}")) if tree is not None else {}
    people = (author.get("name") or f"{author['family-names']}, {author['given-names']}" for author in about["authors"])
    version = record.get("versions", {}).get("matterlearn", about["version"])
    revision = f"revision {record['git_revision'][:12]}" if "git_revision" in record else None
    fields = {
        "author": "{" + " and ".join(people) + "}", "title": about["title"], "version": version,
        "url": about.get("repository-code"), "doi": about.get("doi"), "note": revision,
    }  # fmt: skip
    lines = [f"  {name:<7} = {{{value}}}," for name, value in fields.items() if value]
    return "\n".join(["@software{matterlearn,", *lines, "}"])


@functools.cache
def entries() -> dict[str, str]:
    """All entries of the bibliography by key, as they are written."""
    text = "\n".join(_file(f"docs/{name}.bib").read_text(encoding="utf-8") for name in ("references", "software"))
    found = re.finditer(r"^@\w+\{([^,\s]+),.*?^\}", text, re.MULTILINE | re.DOTALL)
    return {entry[1]: entry[0] for entry in found}


def _file(name: str) -> Path:
    """A file of the checkout, or its copy in the installed package."""
    here = Path(__file__).resolve().parent
    copy = here / "_references" / Path(name).name
    return copy if copy.is_file() else here.parent / name


def _tree(source) -> xr.DataTree | None:
    """The results meant by a tree, a directory or a results file; none for a scenario."""
    if isinstance(source, xr.DataTree):
        return source
    if not isinstance(source, str | Path):
        return None
    path = Path(source)
    finished = path.is_dir() and (path / results.FILE_NAME).is_file()
    return results.open(path) if finished or path.suffix == ".nc" else None


def _scenario(source) -> dict[str, Any]:
    if isinstance(source, str | Path) and Path(source).is_dir():
        source = Path(source) / "scenario.yaml"
        if not source.is_file():
            raise InputError(f"{source.parent} holds no run: neither {results.FILE_NAME} nor scenario.yaml")
    return scenario.resolve(scenario.load(source))


def _module(family: str, kind: str) -> str | None:
    """Module of a kind; none where it is not there, or not trusted here."""
    try:
        module, _ = kinds.reference(family, kind)
        kinds.locate(module)
    except MatterlearnError:
        return None
    return module


@functools.lru_cache(maxsize=512)
def _syntax(module: str) -> ast.Module:
    return ast.parse(kinds.locate(module).read_bytes())


def _packages(modules: Iterable[str]) -> list[str]:
    """Packages to be cited that these modules import, themselves or through modules of ours."""
    waiting, seen, found = list(modules), set(), {}
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        for name in _imports(module):
            root = name.partition(".")[0]
            if root == "matterlearn":
                waiting += [name] if _is_module(name) else []
            elif root in SOFTWARE:
                found[root] = None
    return list(found)


def _imports(module: str) -> Iterator[str]:
    """Names of modules, and of what might be one, that a module imports."""
    syntax = _syntax(module)
    for node in syntax.body if module.startswith(SHARED) else ast.walk(syntax):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@functools.lru_cache(maxsize=4096)
def _is_module(name: str) -> bool:
    path = Path(__file__).resolve().parent.joinpath(*name.split(".")[1:])
    return path.with_suffix(".py").is_file()
