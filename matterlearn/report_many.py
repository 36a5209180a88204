"""What pages about several runs have that those about one have not: tables of a sweep, and of a comparison.

Example:
    >>> print(_number(0.5), _number(float("nan")))
    +0.5 —
"""

import json
from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np
import xarray as xr

from matterlearn import finals, plots_compare, plots_sweep, results
from matterlearn.pages import cell, section, table

MOST_POINTS, MOST_COLUMNS = 400, 6  # of a sweep: what a reader can take in


def sweep(tree: xr.DataTree, pictures: str) -> list[str]:
    """What was swept, how much of it is there, figures, and the final values at every point."""
    root = tree.to_dataset()
    axes = {dim: root[dim] for dim in map(str, root.dims) if "path" in root[dim].attrs}
    rows = [
        (cell(dim), cell(axis.attrs["path"]), cell(axis.size, "number"), cell(_listed(axis)))
        for dim, axis in axes.items()
    ]
    swept = table(("quantity", "path in the scenario", "values", ""), rows) + _missing(root, list(axes))
    return [section("What was swept", swept), section("Figures", pictures), section("Points", _points(tree))]


def _listed(axis: xr.DataArray) -> str:
    values = list(map(finals.text, axis.values.tolist()))
    return ", ".join(values) if len(values) <= 12 else f"{', '.join(values[:3])}, …, {values[-1]}"


def _missing(root: xr.Dataset, axes: list[str]) -> str:
    """How many points have no results."""
    known = [array.notnull().any([d for d in array.dims if d not in axes])
             for array in root.data_vars.values() if set(axes) <= set(array.dims)]  # fmt: skip
    if not known:
        return ""
    there = int(np.logical_or.reduce([array.transpose(*axes).values for array in known]).sum())
    total = int(np.prod([root.sizes[axis] for axis in axes]))
    lost = f'<p class="fail">{total - there} of {total} points have no results.</p>'
    return f'<p class="soft">{total} points, all of them there.</p>' if there == total else lost


def _points(tree: xr.DataTree) -> str:
    """Final values, point by point."""
    frame = plots_sweep.table(tree)
    if len(frame) > MOST_POINTS:
        return f'<p class="soft">More than {MOST_POINTS} rows: they are in the results.</p>'
    names = [name for name in frame.columns if not name.endswith("_sem")][:MOST_COLUMNS]
    rows = [
        [*(cell(finals.text(label)) for label in _labels(key)),
         *(cell(_value(row[name], row[f"{name}_sem"]), "number") for name in names)]
        for key, row in frame.iterrows()
    ]  # fmt: skip
    return table([escape(str(words)) for words in (*frame.index.names, *names)], rows) if names else ""


def _value(mean: Any, sem: Any) -> str:
    return results.format_value(float(mean), float(sem)).removesuffix(" ± —")


def _labels(key: Any) -> tuple:
    return key if isinstance(key, tuple) else (key,)


def comparison(tree: xr.DataTree, pictures: str) -> list[str]:
    """Which runs, what differs in their scenarios and in what was measured, and what could not be compared."""
    record = json.loads(tree.attrs[plots_compare.ATTRIBUTE])
    names = record["names"]
    remarks = "".join(f"<li>{escape(remark)}</li>" for remark in record["remarks"])
    title = f"<h1>{escape(' against '.join(names))}</h1>"
    return [
        title,
        section("Runs", _runs(names, record["sources"])),
        section("Scenarios differ in", _settings(names, record["settings"])),
        section("Differences", _differences(names, record["table"])),
        section("Figures", pictures),
        section("Not compared", f"<ul>{remarks}</ul>" if remarks else ""),
    ]


def _runs(names: list[str], sources: list[Mapping[str, Any]]) -> str:
    keys = [key for key in ("title", "directory", "seed", "precision", "device", "version", "created")
            if any(source.get(key) not in (None, "") for source in sources)]  # fmt: skip
    rows = [
        (cell(name), *(cell(source.get(key, "")) for key in keys)) for name, source in zip(names, sources, strict=True)
    ]
    return table(("run", *keys), rows)


def _settings(names: list[str], packed: Mapping[str, Any]) -> str:
    rows = [
        (cell(key[0]), *map(cell, values)) for key, values in zip(packed["index"], packed["data"], strict=True)
    ]
    same = '<p class="soft">Nothing: these scenarios are the same.</p>'
    return table(("path", *map(escape, names)), rows) if rows else same


def _differences(names: list[str], packed: Mapping[str, Any]) -> str:
    several = len(names) > 2
    rows = []
    for key, values in zip(packed["index"], packed["data"], strict=True):
        row = dict(zip(packed["columns"], values, strict=True))
        pairs = (("a", "a_error"), ("b", "b_error"), ("difference", "error"))
        numbers = [cell(results.format_value(row[v], row[e]), "number") for v, e in pairs]
        units = "" if row["units"] == "1" else row["units"]
        rows.append([*map(cell, key), *numbers, cell(_number(row["z"]), "number"), cell(units), cell(row["long_name"])])
    second = "other run" if several else escape(names[1])
    which = ["run"] if several else []
    head = ("quantity", *which, escape(names[0]), second, "difference", "z", "units", "what it is")
    words = (
        '<p class="soft">Means ± standard errors over replicas, taken as independent samples; z is the difference in '
        "units of its standard error. Of quantities with many labels, the one that differs most.</p>"
    )
    return words + table(head, rows)


def _number(value: float) -> str:
    return "—" if value is None or np.isnan(value) else f"{value:+.1f}"
