"""Directories of runs: how they are named, and whether what lies in one may be used again. No jax.

A directory is begun once it holds ``run.json`` (digest of the scenario, precision, versions), and finished once it
holds ``results.nc``.

Example:
    >>> slug("Two structures, recalled from seeds")
    'two-structures-recalled-from-seeds'
"""

import itertools
import json
import re
from pathlib import Path

import xarray as xr

from matterlearn import results
from matterlearn.errors import InputError
from matterlearn.scenario import Scenario, digest, find

RUNS, MARK = Path("runs"), "run.json"
DECISIVE = ("matterlearn", "jax")  # packages that decide which numbers a run gives


def slug(title: str) -> str:
    """A title as a name of files: letters, digits and hyphens, at most 40."""
    return re.sub(r"[\W_]+", "-", title.lower()).strip("-")[:40].rstrip("-") or "run"


def standard(source: str | Path | dict | Scenario, scenario: Scenario) -> Path:
    """``runs/NAME-HASH``: the name of the scenario's file, or else its title, and its content."""
    named = isinstance(source, Path) or (isinstance(source, str) and "\n" not in source and ": " not in source)
    name = find(source).stem if named else slug(scenario.title)  # pyright: ignore[reportArgumentType]
    return RUNS / f"{name}-{digest(scenario)[:8]}"


def versions() -> dict[str, str]:
    """Installed versions of what decides the numbers."""
    return results.versions(DECISIVE)


def identity(scenario: Scenario, precision: str) -> dict:
    """What two runs have in common that give the same numbers on the same machine."""
    return {"digest": digest(scenario), "precision": precision, "versions": versions()}


def marked(directory: Path) -> dict:
    """What run is in a directory; empty if its mark was damaged."""
    try:
        found = json.loads((directory / MARK).read_text(encoding="utf-8"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def choose(source: str | Path | dict | Scenario, scenario: Scenario, precision: str) -> tuple[Path, xr.DataTree | None]:
    """The standard directory, or the next one to it that holds no other run; and its results, if it is finished.

    A run of another precision, or made with other versions, is left as it is: a number is added to the name.
    """
    first, wanted = standard(source, scenario), identity(scenario, precision)
    for number in itertools.count(1):
        directory = first if number == 1 else first.with_name(f"{first.name}-{number}")
        if not (directory / MARK).exists():
            return directory, None
        if marked(directory) == wanted:
            return directory, _finished(directory)
    raise AssertionError  # the loop has no end


def _finished(directory: Path) -> xr.DataTree | None:
    try:
        return results.open(directory)
    except InputError:  # begun, or its results were damaged
        return None
