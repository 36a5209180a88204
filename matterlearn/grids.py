"""Grids of scenarios: which values are swept, what the points are called, which can be computed together. No jax.

An axis is a path into the scenario and the values it takes. On the command line:

======================= =====================================================
``run.seed=0:64``       the integers 0 … 63
``dynamics.kT=0.2:2:19``  19 values from 0.2 to 2, both included, evenly spaced
``dynamics.kT=0.01:1:9:log``  9 values, evenly spaced in the logarithm
``system.size=16,32,64``  these values; each may be any YAML, as in ``[4, 4], [8, 8]``
``run.replicas=8``      one value: not swept
======================= =====================================================

>>> axis("dynamics.kT=0.5:1.5:3")
Axis(path='dynamics.kT', values=(0.5, 1.0, 1.5))
"""

import hashlib
import itertools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from matterlearn import documents
from matterlearn.errors import InputError, Problem, ScenarioError
from matterlearn.scenario import Scenario, digest, load, resolve

MOST_POINTS = 1_000_000
NUMBER = r"[-+]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
RANGE = re.compile(rf"({NUMBER}):({NUMBER})(?::(\d+))?(:log)?")
SIGNIFICANT = 12  # digits of spaced values: 0.3, not 0.30000000000000004


@dataclass(frozen=True)
class Axis:
    """A path into the scenario and the values it takes there."""

    path: str
    values: tuple


@dataclass(frozen=True)
class Point:
    """One point of a grid: its place along every axis, its scenario, and the hash that names its folder."""

    index: tuple[int, ...]
    scenario: Scenario

    @property
    def digest(self) -> str:
        """Hash of the resolved scenario."""
        return digest(self.scenario)


def axis(assignment: str) -> Axis:
    """Reads ``path=values`` as in the module's table.

    Raises:
        ScenarioError: if there is no path, or the values are no YAML.
        InputError: if a range is empty, or logarithmic where that has no meaning.
    """
    path, equals, text = (part.strip() for part in assignment.partition("="))
    if not equals or not path:
        wrong = "should look like section.key=values, as in dynamics.kT=0.2:2.0:19 or run.seed=0:64"
        raise ScenarioError([Problem((), wrong, f"--set {assignment[:80]}")])
    found = RANGE.fullmatch(text)
    if found:
        return Axis(path, _spaced(*found.groups(), label=f"--set {assignment[:80]}"))
    label = f"--set {assignment[:80]}"
    return Axis(path, tuple(documents.parse(part, label).data for part in _split(text)))


def _split(text: str) -> list[str]:
    """Parts between commas that no bracket or quote encloses.

    >>> _split("[4, 4], [8, 8]")
    ['[4, 4]', '[8, 8]']
    """
    parts, depth, quote = [""], 0, ""
    for letter in text:
        if quote or letter in "'\"":
            quote = "" if letter == quote else quote or letter
        depth += (letter in "[{(") - (letter in "]})") if not quote else 0
        if letter == "," and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def _spaced(first: str, last: str, count: str | None, log: str | None, label: str) -> tuple:
    whole = not set(first + last) & set(".eE")
    start, stop = float(first.replace("_", "")), float(last.replace("_", ""))
    if count is None:
        if not whole or log:
            raise InputError(f"{label}: a range of numbers needs how many, as in {first}:{last}:10")
        values = range(int(start), int(stop))
        _not_too_many(len(values), label)
        return _some(tuple(values), label)
    _not_too_many(int(count), label)
    if log and not (start > 0 and stop > 0):
        raise InputError(f"{label}: a logarithmic range lies above 0")
    values = np.geomspace(start, stop, int(count)) if log else np.linspace(start, stop, int(count))
    if whole and not log and np.all(values == np.round(values)):
        return _some(tuple(int(value) for value in values), label)
    return _some(tuple(float(f"{value:.{SIGNIFICANT}g}") for value in values), label)


def _not_too_many(count: int, label: str) -> None:
    if count > MOST_POINTS:
        raise InputError(f"{label}: {count} values; a sweep has at most {MOST_POINTS} points")


def _some(values: tuple, label: str) -> tuple:
    if not values:
        raise InputError(f"{label}: this range is empty")
    return values


def axes(swept: Mapping[str, Iterable] | Sequence[str]) -> tuple[list[Axis], dict[str, Any]]:
    """What is swept, and single values that are only set.

    Raises:
        InputError: if a path is given twice, a value twice on one axis, or nothing is swept.
    """
    if isinstance(swept, Mapping):
        found = [Axis(path, tuple(_plain(value) for value in _values(values))) for path, values in swept.items()]
    else:
        found = [axis(assignment) for assignment in swept]
    if again := [one.path for n, one in enumerate(found) if one.path in [other.path for other in found[:n]]]:
        raise InputError(f"{again[0]} is given twice; write all its values in one place")
    for one in found:
        if len({json.dumps(value) for value in one.values}) < len(one.values):
            raise InputError(f"{one.path}: a value is given twice")
    wide = [one for one in found if len(one.values) > 1]
    if not wide:
        raise InputError("nothing is swept; give several values, as in --set run.seed=0:8 (or use matterlearn run)")
    _not_too_many(int(np.prod([float(len(one.values)) for one in wide])), "the grid")
    return wide, {one.path: one.values[0] for one in found if len(one.values) == 1}


def _values(values) -> Iterable:
    return values if isinstance(values, Iterable) and not isinstance(values, str | Mapping) else (values,)


def _plain(value):
    """Values as YAML would have them: numpy's numbers and arrays become Python's."""
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else value


def names(wide: Sequence[Axis], taken: Iterable[str] = ()) -> list[str]:
    """Name of every axis: the last words of its path that make it unique among axes and what is taken.

    >>> names([Axis("system.J.start", (0, 1)), Axis("dynamics.kT", (1, 2))])
    ['start', 'kT']
    """
    taken = set(taken)

    def tail(one: Axis, words: int) -> str:
        return "_".join(one.path.split(".")[-words:])

    result = []
    for one in wide:
        others, words, longest = [other for other in wide if other is not one], 1, one.path.count(".") + 1
        while words < longest and (
            tail(one, words)[0].isdigit() or tail(one, words) in taken | {tail(other, words) for other in others}
        ):
            words += 1
        result.append(tail(one, words))
    return result


def points(source: Scenario, wide: Sequence[Axis]) -> list[Point]:
    """All points of a grid, the last axis fastest; each is checked like any scenario.

    Raises:
        ScenarioError: with the problems of the first points that are wrong, and where they lie.
    """
    base = documents.Document("", resolve(source))
    problems, found = [], []
    for index in itertools.product(*(range(len(one.values)) for one in wide)):
        document = base
        for one, n in zip(wide, index, strict=True):
            document = documents.assign(document, tuple(one.path.split(".")), one.values[n], f"--set {one.path}=…")
        where = ", ".join(f"{one.path}={one.values[n]}" for one, n in zip(wide, index, strict=True))
        try:
            found.append(Point(index, load(document.data)))
        except ScenarioError as error:
            problems += [problem._replace(place=f"at {where}") for problem in error.problems]
        if len(problems) > ScenarioError.MOST_LINES:
            break
    if problems:
        raise ScenarioError(problems)
    return found


def program(point: Point, wide: Sequence[Axis]) -> str:
    """Hash of what a compiled program depends on at most: the scenario without the seed and swept numbers."""
    document = documents.Document("", resolve(point.scenario))
    document = documents.assign(document, ("run", "seed"), 0, "")
    for one in wide:
        if isinstance(_at(document.data, one.path), float):
            document = documents.assign(document, tuple(one.path.split(".")), 0.0, "")
    return hashlib.sha256(json.dumps(document.data, sort_keys=True).encode()).hexdigest()


def _at(data, path: str):
    """The value at a path, or ``None`` where something else stands."""
    for word in path.split("."):
        try:
            data = data[int(word) if isinstance(data, list) else word]
        except (KeyError, IndexError, TypeError, ValueError):
            return None
    return data


def batches(missing: Sequence[Point], wide: Sequence[Axis], most: int) -> list[list[Point]]:
    """Points that may share a compiled program, at most so many at a time."""
    alike: dict[str, list[Point]] = {}
    for point in missing:
        alike.setdefault(program(point, wide), []).append(point)
    return [group[n : n + most] for group in alike.values() for n in range(0, len(group), most)]
