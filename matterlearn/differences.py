"""Tables of what two runs do not have in common: final values at the same labels, and settings.

Example:
    >>> node = lambda values: {"/": xr.Dataset({"energy": ("replica", values, {"units": "kT"})})}
    >>> rows, remarks = table({"cold": node([-4.0, -6.0]), "hot": node([-1.0, -3.0])})
    >>> rows.loc["energy", ["difference", "error", "z"]].tolist()
    [3.0, 1.4142135623730951, 2.1213203435596424]
"""

# The type stubs of xarray and pandas are narrower than what they take.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOperatorIssue=false, reportAttributeAccessIssue=false

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from matterlearn import finals

MOST_ROWS = 12  # of one quantity: of more, the one that differs most
DIGITS = 6  # of labels that count: they pass through single precision on their way to a file
NOT_COMPARED = ("title", "description", "references", "expect")  # of a scenario: words about it
COLUMNS = ("a", "a_error", "b", "b_error", "difference", "error", "z", "units", "long_name")


def table(nodes: Mapping[str, Mapping[str, xr.Dataset]]) -> tuple[pd.DataFrame, list[str]]:
    """Every quantity that the first run shares with another, and what could not be compared.

    Args:
        nodes: groups of every run, by the name of the run.
    """
    first, *others = nodes
    values = {name: measured_values(each) for name, each in nodes.items()}
    rows, remarks = [], []
    for other in others:
        a, b, alone = values[first], values[other], {}
        for name, own in ((first, [n for n in a if n not in b]), (other, [n for n in b if n not in a])):
            if own:
                remarks.append(f"only {name} has: {', '.join(own)}")
        for quantity in (name for name in a if name in b):
            wrong = _mismatch(quantity, a[quantity], b[quantity], first, other)
            if wrong:
                remarks.append(wrong)
                continue
            shared = [
                {"quantity": label, "run": other, **row} for label, row in compared(quantity, a[quantity], b[quantity])
            ]
            for words in _unshared(a[quantity], b[quantity], first, other):
                alone.setdefault(words, []).append(quantity)
            rows += _most_telling(shared)
        remarks += [f"{words}: {', '.join(quantities)}" for words, quantities in alone.items()]
    index = ["quantity"] if len(others) == 1 else ["quantity", "run"]
    table = pd.DataFrame(rows, columns=["quantity", "run", *COLUMNS]).set_index(index)
    return (table.drop(columns="run") if len(others) == 1 else table), list(dict.fromkeys(remarks))


def measured_values(groups: Mapping[str, xr.Dataset]) -> dict[str, xr.Dataset]:
    """Of every measured quantity: value, error and how it is called; the first group that has a name keeps it."""
    found: dict[str, xr.Dataset] = {}
    for node in groups.values():
        final = finals.finals(node)
        for name in (str(n) for n in final.data_vars if f"{n}_sem" in final):
            timed = name in node and finals.time_of(node[name]) or name == "cross_overlap"
            values = xr.Dataset({"value": final[name], "error": final[f"{name}_sem"]}, attrs=final[name].attrs)
            values = values.drop_vars([c for c in values.coords if c not in values.dims])
            found.setdefault(f"{name}_final" if timed else name, values)
    return found


def _mismatch(quantity: str, a: xr.Dataset, b: xr.Dataset, first: str, other: str) -> str | None:
    """Why two quantities of one name cannot be compared."""
    units = [each.attrs.get("units", "1") for each in (a, b)]
    if units[0] != units[1]:
        return f"{quantity} not compared: in {units[0]} in {first}, in {units[1]} in {other}"
    if set(a.dims) != set(b.dims):
        has = [", ".join(map(str, each.dims)) or "nothing" for each in (a, b)]
        return f"{quantity} not compared: measured against {has[0]} in {first}, against {has[1]} in {other}"
    bare = [str(dim) for dim in a.dims if dim not in a.coords or dim not in b.coords]
    if bare:
        return f"{quantity} not compared: {bare[0]!r} has no labels to align by"
    return None


def _rounded(values: xr.Dataset) -> xr.Dataset:
    """Labels cut to the digits that count."""
    labels = {
        dim: [float(f"{label:.{DIGITS}g}") for label in values[dim].values.tolist()]
        for dim in values.dims if values[dim].dtype.kind == "f"
    }  # fmt: skip
    return values.assign_coords(labels)


def compared(quantity: str, a: xr.Dataset, b: xr.Dataset) -> Iterator[tuple[str, dict[str, Any]]]:
    """Label and numbers wherever both have a value."""
    a, b = xr.align(_rounded(a), _rounded(b).transpose(*a["value"].dims), join="inner")
    for place in np.ndindex(*a["value"].shape):
        mean = [float(each["value"].values[place]) for each in (a, b)]
        if not all(map(np.isfinite, mean)):
            continue
        error = [float(each["error"].values[place]) for each in (a, b)]
        difference, sem = mean[1] - mean[0], float(np.hypot(*error))
        z = difference / sem if sem > 0 else 0.0 if sem == 0 == difference else np.nan
        labels = {dim: finals.text(a[dim].values[i]) for dim, i in zip(a["value"].dims, place, strict=True)}
        where = ", ".join(f"{dim} {label}" for dim, label in labels.items())
        numbers = (mean[0], error[0], mean[1], error[1], difference, sem, z)
        yield f"{quantity} at {where}" if where else quantity, dict(
            zip(COLUMNS, (*numbers, a.attrs.get("units", "1"), a.attrs.get("long_name", "")), strict=True)
        )


def _unshared(a: xr.Dataset, b: xr.Dataset, first: str, other: str) -> list[str]:
    """Labels that only one of them has."""
    a, b, said = _rounded(a), _rounded(b), []
    for dim in a.dims:
        for name, mine, theirs in ((first, a, b), (other, b, a)):
            alone = [label for label in mine[dim].values.tolist() if label not in theirs[dim].values.tolist()]
            if alone:
                some = ", ".join(map(finals.text, alone[:6])) + (", …" if len(alone) > 6 else "")
                said.append(f"only {name} was measured at {dim} {some}")
    return said


def _most_telling(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if len(rows) <= MOST_ROWS:
        return rows
    known = [row for row in rows if np.isfinite(row["z"])]
    worst = max(known, key=lambda row: abs(row["z"])) if known else max(rows, key=lambda row: abs(row["difference"]))
    how = "the largest |z|" if known else "the largest difference"
    return [worst | {"quantity": f"{worst['quantity']}, {how} of {len(rows)}"}]


def settings(scenarios: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Where scenarios differ: dotted path against run.

    >>> settings({"a": {"run": {"seed": 0, "steps": 5}}, "b": {"run": {"seed": 1, "steps": 5}}})
              a  b
    run.seed  0  1
    """
    flat = {name: dict(_flat(scenario)) for name, scenario in scenarios.items()}
    paths = sorted({path for each in flat.values() for path in each if path.split(".")[0] not in NOT_COMPARED})
    rows = {path: [each.get(path, "—") for each in flat.values()] for path in paths}
    differ = {path: list(map(str, row)) for path, row in rows.items() if any(value != row[0] for value in row)}
    return pd.DataFrame.from_dict(differ, orient="index", columns=list(flat))


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted paths and values of a scenario."""
    nested = isinstance(value, list) and any(isinstance(item, dict | list) for item in value)
    if (isinstance(value, dict) and value) or nested:
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _flat(item, f"{path}.{key}".lstrip("."))
    elif value not in ({}, None):
        yield path, value
