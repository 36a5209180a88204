"""Runs held against each other: what differs between their scenarios, and what that does to what was measured.

Values are compared where both runs have them: at the same labels (loads, temperatures, memories), never interpolated.
Replicas of two runs are taken as independent samples, so the error of a difference is √(σ_a² + σ_b²) of the standard
errors, and z is the difference in units of it. A run may be a sweep, or have variants; swept seeds are samples.

    DIR/results.nc    /aligned       every variable along `run`, on the union of all labels
                      /runs/NAME     what can be compared of one run, as it was measured
    DIR/report.html, DIR/figures

No jax.

Example:
    >>> energy = lambda values: xr.DataTree(xr.Dataset({"energy": ("replica", values, {"units": "kT"})}))
    >>> both = compare({"cold": energy([-4.0, -6.0]), "hot": energy([-1.0, -3.0])})
    >>> both.table.loc["energy", ["a", "b", "difference", "error"]].tolist()
    [-5.0, -2.0, 3.0, 1.4142135623730951]
"""

# The type stubs of xarray and pandas are narrower than what they take.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOperatorIssue=false, reportAttributeAccessIssue=false

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from matterlearn import differences, directories, finals, report, results, variants
from matterlearn.errors import InputError
from matterlearn.plots_compare import ATTRIBUTE

Source = xr.DataTree | str | Path


@dataclass(frozen=True, repr=False)
class Comparison:
    """Runs side by side.

    Attributes:
        tree: the aligned variables and what they came from; see the module.
    """

    tree: xr.DataTree

    @cached_property
    def _record(self) -> dict[str, Any]:
        return json.loads(self.tree.attrs[ATTRIBUTE])

    @property
    def names(self) -> list[str]:
        """Names of the runs; the first is what the others are compared with."""
        return self._record["names"]

    @cached_property
    def table(self) -> pd.DataFrame:
        """Differences, quantity by quantity: a is the first run, b another one; `error` of the difference, and z."""
        return _unpacked(self._record["table"])

    @cached_property
    def settings(self) -> pd.DataFrame:
        """What the scenarios do not have in common: dotted path against run."""
        return _unpacked(self._record["settings"])

    @property
    def remarks(self) -> tuple[str, ...]:
        """What could not be compared, and why."""
        return tuple(self._record["remarks"])

    @property
    def plot(self):
        """Overlaid figures: `plot()` all, `plot("energy")` or `plot.energy()` one; printed, what there is."""
        return self.tree.ml.plot

    def report(self, path: str | Path) -> Path:
        """Writes one page with tables and figures."""
        return report.write_tree(self.tree, Path(path))

    def save(self, out: str | Path) -> Path:
        """Writes results, figures and the page into a directory, in place of a comparison that is there.

        Raises:
            InputError: if the directory holds a run.
        """
        out = Path(out)
        if any((out / mark).exists() for mark in ("run.json", "sweep.json", "scenario.yaml")):
            raise InputError(f"{out} holds a run; choose another --out for the comparison")
        results.save(self.tree, out / results.FILE_NAME)
        self.tree.encoding["source"] = str(out / results.FILE_NAME)
        return report.write(out)

    def __repr__(self) -> str:
        return "\n\n".join(filter(None, [self._title, self._differences, self._settings, *self.remarks]))

    @property
    def _title(self) -> str:
        return "a: " + self.names[0] + "".join(f"\nb: {name}" for name in self.names[1:])

    @property
    def _differences(self) -> str:
        rows = [
            (label, results.format_value(row.a, row.a_error), results.format_value(row.b, row.b_error),
             results.format_value(row.difference, row.error), "" if np.isnan(row.z) else f"{row.z:+.1f}", row.units)
            for label, row in zip(map(_words, self.table.index), self.table.itertuples(), strict=True)
        ]  # fmt: skip
        return _aligned([("quantity", "a", "b", "b − a", "z", "units"), *rows])

    @property
    def _settings(self) -> str:
        rows = [(str(path), *map(str, row)) for path, *row in self.settings.itertuples()]
        return _aligned([("scenario", *map(str, self.settings.columns)), *rows]) if rows else ""

    def _repr_html_(self) -> str:
        remarks = "".join(f"<p>{escape(remark)}</p>" for remark in self.remarks)
        title = "".join(f"<div>{escape(line)}</div>" for line in self._title.splitlines())
        shown = self.table.drop(columns="long_name").to_html(float_format="%.4g", na_rep="—")
        return title + shown + (self.settings.to_html() if len(self.settings) else "") + remarks


def compare(
    sources: Mapping[str, Source] | Sequence[Source],
    out: str | Path | None = None,
    *,
    names: Iterable[str] = (),
) -> Comparison:
    """Holds runs against the first of them.

    Args:
        sources: results, run directories or results files, by name or in a list; the directory of one run with
            variants stands for its variants.
        out: directory for results, figures and a page; default: nothing is written.
        names: of the runs in a list; default: those of their directories.

    Raises:
        InputError: if there are fewer than two runs, a file cannot be read, or nothing can be compared.
    """
    trees = {name: _opened(source) for name, source in _named(sources, tuple(names)).items()}
    if len(trees) < 2:
        raise InputError("a comparison needs two runs or more; name another directory, or one run with variants")
    nodes = {name: finals.groups(tree) for name, tree in trees.items()}
    rows, remarks = differences.table(nodes)
    if not len(rows):
        raise InputError("; ".join(["these runs have no quantity in common", *remarks]))
    settings = differences.settings({name: results.scenario_of(tree) for name, tree in trees.items()})
    record = {
        "names": list(trees), "remarks": remarks, "table": _packed(rows), "settings": _packed(settings),
        "sources": [_origin(tree) for tree in trees.values()],
    }  # fmt: skip
    light = {name: {path: _light(node) for path, node in each.items()} for name, each in nodes.items()}
    parts = {f"/runs/{name}{path.rstrip('/')}": node for name, each in light.items() for path, node in each.items()}
    parts |= {f"/aligned{path.rstrip('/')}": node for path, node in _side_by_side(light).items()}
    attrs = {"title": " against ".join(trees), ATTRIBUTE: json.dumps(record)}
    result = Comparison(xr.DataTree.from_dict({"/": xr.Dataset(attrs=attrs), **parts}))
    if out is not None:
        result.save(out)
    return result


def _named(sources: Mapping[str, Source] | Sequence[Source], names: Sequence[str]) -> dict[str, Source]:
    """The runs by names that can be groups of a tree, no two alike."""
    if isinstance(sources, Mapping):
        found = list(sources.items())
    else:
        sources = [sources] if isinstance(sources, Source) else list(sources)
        if len(sources) == 1:
            sources = _variants(sources[0]) or sources
        if names and len(names) != len(sources):
            raise InputError(f"there are {len(sources)} runs but {len(names)} names")
        found = list(zip(names or map(_name, sources), sources, strict=True))
    clean = [str(name).replace("/", "-").strip() or "run" for name, _ in found]
    unique = [name if clean.count(name) == 1 else f"{name} ({i + 1})" for i, name in enumerate(clean)]
    return dict(zip(unique, (source for _, source in found), strict=True))


def _variants(source: Source) -> list[Source]:
    """Folders of the variants of a run."""
    directory = source.ml.directory if isinstance(source, xr.DataTree) else Path(source)
    found = directory.glob(f"{variants.FOLDER}/*/{results.FILE_NAME}") if directory else ()
    return sorted(file.parent for file in found)


def _name(source: Source) -> str:
    if isinstance(source, xr.DataTree):
        directory = source.ml.directory
        return directory.name if directory else directories.slug(str(source.attrs.get("title", "run")))
    path = Path(source)
    return (path.parent if path.suffix == ".nc" else path).resolve().name


def _opened(source: Source) -> xr.DataTree:
    tree = source if isinstance(source, xr.DataTree) else results.open(source)
    if ATTRIBUTE in tree.attrs:
        raise InputError(f"{_name(source)} is a comparison already; compare the runs that it was made of")
    return tree


def _origin(tree: xr.DataTree) -> dict[str, Any]:
    record = json.loads(tree.attrs.get("matterlearn_provenance", "{}"))
    kept = {key: record[key] for key in ("seed", "precision", "device", "created", "git_revision") if key in record}
    return {"title": tree.attrs.get("title", ""), "directory": str(tree.ml.directory or ""), **kept,
            "version": record.get("versions", {}).get("matterlearn", "")}  # fmt: skip


def _light(node: xr.Dataset) -> xr.Dataset:
    """Numbers that figures are drawn from."""
    return node[[name for name, array in node.data_vars.items() if variants.is_light(str(name), array)]]


def _side_by_side(runs: Mapping[str, Mapping[str, xr.Dataset]]) -> dict[str, xr.Dataset]:
    """Variables with the same labelled dimensions in all runs that have them, along `run`."""
    found = {}
    for path in finals.GROUPS:
        have = {name: each[path] for name, each in runs.items() if path in each}
        if len(have) > 1:
            plain = [node.drop_vars([n for n, c in node.coords.items() if n not in c.dims]) for node in have.values()]
            alike = [n for n in plain[0].data_vars if all(n in o and _same_axes(plain[0][n], o[n]) for o in plain[1:])]
            parts = [node[alike].astype(float) for node in plain]
            if alike:
                found[path] = xr.concat(parts, pd.Index(list(have), name="run"), join="outer", combine_attrs="override")
    return found


def _same_axes(a: xr.DataArray, b: xr.DataArray) -> bool:
    lengths = all(a.sizes[dim] == b.sizes[dim] for dim in a.dims if dim in b.dims and dim not in a.coords)
    same = a.attrs.get("units") == b.attrs.get("units") and set(a.dims) == set(b.dims) and lengths
    return same and all((dim in a.coords) == (dim in b.coords) for dim in a.dims)


def _packed(frame: pd.DataFrame) -> dict[str, Any]:
    """A table as JSON can hold it."""
    return {"names": list(frame.index.names), "index": list(map(list, frame.index.to_frame().values.tolist())),
            "columns": list(frame.columns), "data": frame.values.tolist()}  # fmt: skip


def _unpacked(packed: Mapping[str, Any]) -> pd.DataFrame:
    index = pd.MultiIndex.from_tuples(map(tuple, packed["index"]), names=packed["names"])
    frame = pd.DataFrame(packed["data"], index, packed["columns"])
    return frame if index.nlevels > 1 else frame.set_axis(index.get_level_values(0))


def _words(label: Any) -> str:
    return label if isinstance(label, str) else " · ".join(map(str, label))


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows of text, column below column."""
    short = [[cell if len(cell) <= 90 else cell[:87] + "..." for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*short, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in short
    )
