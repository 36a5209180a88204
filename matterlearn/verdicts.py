"""Numbers out of a results tree: reductions, their error bars over replicas, and verdicts.

A reduction is named `<variable>_<final|initial|mean|max|min>`: the variable is reduced along its
time (`step`, or `update` for what is learned) in each replica, then averaged over replicas with
the standard error of the mean (ddof = 1, so it needs two replicas).
`overlap` is the overlap with the memory a replica was cued with, `cross_overlap` the largest
overlap with any other one.

Example:
    >>> import numpy as np
    >>> root = xr.Dataset({"energy": (("replica", "step"), np.array([[0.0, -2.0], [0.0, -4.0]]),
    ...                               {"units": "kT", "long_name": "energy"})})
    >>> tree = xr.DataTree(root)
    >>> reduce(tree, "energy_final").values
    array([-2., -4.])
    >>> print(judge(tree, {"energy_final": {"max": -1.0}})[0])
    energy_final = -3.0 ± 1.0 (max -1) PASS
"""

# The type stubs of xarray and matplotlib are narrower than what they take.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOperatorIssue=false, reportAttributeAccessIssue=false
# pyright: reportOptionalSubscript=false, reportOptionalMemberAccess=false

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from matterlearn.errors import InputError
from matterlearn.variants import sample_similarity

REDUCTIONS = ("final", "initial", "mean", "max", "min")
TIME_DIMS = ("step", "update")
NOT_SWEPT = ("replica", "cue", "seed")
# What is computed from variables that are there, and of that what is a number for each replica.
DERIVED = {"cross_overlap": {"overlap", "cue"}, "sample_similarity": {"visible_patterns", "variant"}}
TIMELESS = ("sample_similarity",)
MOST_ROWS_PER_VARIABLE = 6
# Coordinates pass through float32 on their way to the file.
COORDINATE_RTOL = 1e-4


@dataclass(frozen=True)
class Row:
    """One line of the table of results; `sem` is nan when there are fewer than two replicas."""

    name: str
    mean: float
    sem: float
    units: str
    replicas: int
    long_name: str = ""

    @property
    def value_text(self) -> str:
        """The mean with its error bar, both cut at the error bar's leading digit."""
        return format_value(self.mean, self.sem)


@dataclass(frozen=True)
class Verdict:
    """One expectation held against the measurement."""

    name: str
    value: float
    sem: float
    bound_text: str
    passed: bool
    source: str = ""

    def __str__(self) -> str:
        word = "PASS" if self.passed else "FAIL"
        value = format_value(self.value, self.sem).removesuffix(" ± —")
        return f"{self.name} = {value} ({self.bound_text}) {word}"


def format_value(mean: float, sem: float) -> str:
    """`0.93 ± 0.02`; `0.93 ± —` where the error bar is unknown."""
    if not math.isfinite(mean):
        return "nan" if math.isnan(mean) else str(mean)
    if not math.isfinite(sem) or sem < 0:
        return f"{mean:.4g} ± —"
    if sem == 0:
        return f"{mean:.4g} ± 0"
    exponent = math.floor(math.log10(sem))
    leading_one = sem / 10.0**exponent < 1.95
    decimals = max(0, -exponent + (1 if leading_one else 0))
    if decimals > 8 or abs(mean) >= 1e7:
        return f"{mean:.4g} ± {sem:.1g}"
    return f"{mean:.{decimals}f} ± {sem:.{decimals}f}"


OVERLAPS = ("overlap", "overlap_before")  # asked of the cued memory unless a memory is named


def cued_overlap(dataset: xr.Dataset, name: str = "overlap") -> xr.DataArray:
    """Overlap with the memory each replica was cued with; nan where it was given no cue (-1)."""
    overlap, own = _overlap_and_own(dataset, name)
    picked = overlap.where(own).max("memory")
    return picked.assign_attrs(overlap.attrs | {"long_name": "overlap with the cued memory"})


def cross_overlap(dataset: xr.Dataset) -> xr.DataArray:
    """Largest overlap with a memory other than the cued one; nan if there is no other one."""
    overlap, own = _overlap_and_own(dataset, "overlap")
    picked = overlap.where(~own).max("memory")
    name = "largest overlap with another memory"
    return picked.rename("cross_overlap").assign_attrs(overlap.attrs | {"long_name": name})


def _overlap_and_own(dataset: xr.Dataset, name: str) -> tuple[xr.DataArray, xr.DataArray]:
    if name not in dataset or "memory" not in dataset[name].dims:
        raise InputError(f"no variable {name}(…, memory) in the results (have: {_names(dataset)})")
    if "cue" not in dataset:
        raise InputError("the results have no coordinate cue(replica): no memory is cued")
    return dataset[name], dataset[name]["memory"] == dataset["cue"]


def reduce(tree: xr.DataTree, name: str, where: Mapping[str, Any] | None = None) -> xr.DataArray:
    """One number per replica, named by the expect grammar.

    Args:
        tree: the results.
        name: `<variable>_<reduction>`, or the bare name of a variable without a time.
        where: coordinate values to select by, nearest one within a relative 1e-4.

    Returns:
        Array over `replica`, or without dimensions for what has no replicas; in that case
        `attrs["sem"]` is the stored error bar `<variable>_sem`, if there is one.

    Raises:
        InputError: for an unknown variable or reduction, for a coordinate value that was
            not simulated, and for dimensions that `where` leaves open.
    """
    where = dict(where or {})
    variable, how, dataset = _parse(tree, name)
    array = _select(_measured(dataset, variable, where), where, name)
    array = reduce_time(array, how)
    array = array.squeeze([d for d in array.dims if d != "replica" and array.sizes[d] == 1])
    left = [d for d in array.dims if d != "replica"]
    if left:
        hint = "; ".join(f"{d}: {_listing(array[d].values)}" for d in left)
        raise InputError(f"{name}: choose with where: {{{left[0]}: …}} ({hint})")
    if not array.dims and f"{variable}_sem" in dataset:
        error = _select(dataset[f"{variable}_sem"], where, name)
        if bool(error.notnull().any()):  # one replica has none
            array = array.assign_attrs(sem=float(reduce_time(error, how).squeeze()))
    return array


def _parse(tree: xr.DataTree, name: str) -> tuple[str, str, xr.Dataset]:
    """Variable, reduction and the dataset that has it; the root is asked first."""
    stem, _, ending = name.rpartition("_")
    tries = [(name, "")] if ending not in REDUCTIONS else [(name, ""), (stem, ending)]
    datasets = [node.to_dataset() for node in tree.subtree]
    for variable, how in tries:
        for dataset in datasets:
            derived = variable in DERIVED and set(dataset.variables) >= DERIVED[variable]
            if variable not in dataset.data_vars and not derived:
                continue
            timeless = variable in TIMELESS or not derived and not set(TIME_DIMS) & set(dataset[variable].dims)
            if how or timeless:
                return variable, how, dataset
            raise InputError(
                f"{name}: say which value in time: {', '.join(f'{name}_{r}' for r in REDUCTIONS)}"
            )
    known = sorted({str(v) for d in datasets for v in d.data_vars} | set(DERIVED))
    raise InputError(
        f"{name}: not <variable>_<{'|'.join(REDUCTIONS)}> of a measured variable "
        f"(have: {', '.join(known)})"
    )


def _measured(dataset: xr.Dataset, variable: str, where: Mapping[str, Any]) -> xr.DataArray:
    if variable == "cross_overlap" and variable not in dataset.data_vars:
        return cross_overlap(dataset)
    if variable == "sample_similarity":
        return sample_similarity(dataset)
    array = dataset[variable]
    cued = variable in OVERLAPS and "memory" in array.dims and "cue" in dataset
    return cued_overlap(dataset, variable) if cued and "memory" not in where else array


def _select(array: xr.DataArray, where: Mapping[str, Any], name: str) -> xr.DataArray:
    for coord, wanted in where.items():
        if coord not in array.coords and coord in array.dims:
            array = array.assign_coords({coord: np.arange(array.sizes[coord])})
        if coord not in array.coords:
            raise InputError(
                f"{name}: no coordinate '{coord}' to select by (have: {_listing(array.coords)})"
            )
        values = array[coord]
        if values.ndim != 1:
            raise InputError(f"{name}: '{coord}' has one value only, {values.values}")
        kept = _matches(values.values, wanted)
        if not kept.any():
            raise InputError(
                f"{name}: no {coord} = {wanted} in the results (have: {_listing(values.values)})"
            )
        array = array.isel({values.dims[0]: np.flatnonzero(kept)})
        if values.dims[0] != "replica" and array.sizes[values.dims[0]] == 1:
            array = array.squeeze(values.dims[0])
    return array


def _matches(values: np.ndarray, wanted: Any) -> np.ndarray:
    if values.dtype.kind not in "fiu" or isinstance(wanted, str):
        return values.astype(str) == str(wanted)
    distance = np.abs(values - wanted)
    allowed = COORDINATE_RTOL * max(abs(wanted), float(np.ptp(values)), 1e-300)
    return (distance <= allowed) & (distance == np.nanmin(distance))


def reduce_time(array: xr.DataArray, how: str) -> xr.DataArray:
    time = next((d for d in TIME_DIMS if d in array.dims), None)
    if time is None:
        return array
    attrs = array.attrs
    array = array.isel({time: np.flatnonzero(_was_measured(array, time))})
    if array.sizes[time] == 0:
        raise InputError(f"{array.name}: never measured")
    if how in ("final", "initial"):
        return array.isel({time: -1 if how == "final" else 0}, drop=True)
    # A value that is not a number is a failed replica, never something to skip.
    return getattr(array, how)(time, skipna=False).assign_attrs(attrs)


def _was_measured(array: xr.DataArray, time: str) -> np.ndarray:
    """Steps that are not empty in every replica, plus the last one this variable was asked for."""
    if array.dtype.kind != "f":
        return np.ones(array.sizes[time], bool)
    measured = array.notnull().any([d for d in array.dims if d != time]).values
    last = array.attrs.get("last_step")
    if last is not None and time in array.coords:
        measured = measured | (array[time].values == last)
    return measured


def summary(tree: xr.DataTree) -> list[Row]:
    """Final value of everything measured, one row per variable and per swept coordinate value."""
    rows: list[Row] = []
    for path in ("/", "/before", "/learning", "/design", "/variants", "/variants/learning"):
        if path not in [node.path for node in tree.subtree]:
            continue
        dataset = tree[path].to_dataset()
        for name in reported(dataset):
            for where in _selections(dataset, name):
                rows.append(_row(tree, name, where))
    return rows


def reported(dataset: xr.Dataset) -> list[str]:
    names = [str(n) for n, v in dataset.data_vars.items()
             if v.dtype.kind in "fiub" and v.attrs.get("units") != "label"  # labels have no mean
             and not str(n).endswith("_sem") and "_moment" not in str(n)
             and (v.dtype.kind != "f" or bool(v.notnull().any()))]  # fmt: skip
    if "overlap" in names and "cue" in dataset.coords and "cross_overlap" not in names:
        names.insert(names.index("overlap") + 1, "cross_overlap")
    return names


def _selections(dataset: xr.Dataset, name: str) -> Iterator[dict[str, Any]]:
    """The ways to pick one number per replica: other dimensions × swept values, when few."""
    array = _measured(dataset, name, {})
    labels: dict[str, list[Any]] = {
        str(dim): (array[dim].values if dim in array.coords else np.arange(array.sizes[dim])).tolist()
        for dim in array.dims if dim not in ("replica", *TIME_DIMS)
    }  # fmt: skip
    if "variant" in labels:  # of which some may not have measured it
        known = array.notnull().any([dim for dim in array.dims if dim != "variant"]).values
        labels["variant"] = [label for label, there in zip(labels["variant"], known, strict=True) if there]
    if math.prod(map(len, labels.values())) > MOST_ROWS_PER_VARIABLE * dataset.sizes.get("variant", 1):
        return
    options = [dict(zip(labels, each, strict=True)) for each in itertools.product(*labels.values())]
    for coord, values in swept(dataset).items():
        if "replica" in array.dims:
            options = [o | {coord: value} for o in options for value in values]
    yield from options


def swept(dataset: xr.Dataset) -> dict[str, list[Any]]:
    """Coordinates that differ between replicas on purpose, with their distinct values."""
    found: dict[str, list[Any]] = {}
    for name, coord in dataset.coords.items():
        if coord.dims == ("replica",) and name not in NOT_SWEPT and coord.dtype.kind in "fiu":
            values = np.unique(coord.values)
            # The same quantity in other units is not a second axis.
            again = any(len(np.unique(np.stack([dataset[f], coord]), axis=1).T) == len(values) for f in found)
            if len(values) > 1 and not again:
                found[str(name)] = values.tolist()
    return found


def _row(tree: xr.DataTree, name: str, where: Mapping[str, Any]) -> Row:
    timed = any(
        name == "cross_overlap" or (name in node and set(TIME_DIMS) & set(node[name].dims))
        for node in tree.subtree
    )
    full = f"{name}_final" if timed else name
    array = reduce(tree, full, where)
    mean, sem = mean_sem(array)
    units, long_name = str(array.attrs.get("units", "")), str(array.attrs.get("long_name", ""))
    return Row(full + _brackets(where), mean, sem, units, array.size, long_name)


def mean_sem(array: xr.DataArray) -> tuple[float, float]:
    """Mean over replicas and its standard error (ddof = 1; nan for a single replica)."""
    values = np.asarray(array.values, dtype=float).ravel()
    if array.dims and values.size > 1:
        return float(values.mean()), float(values.std(ddof=1) / math.sqrt(values.size))
    return float(values.mean()), float(array.attrs.get("sem", math.nan))


def table(rows: Sequence[Row]) -> str:
    """Rows as aligned text, one observable per line."""
    cells = [("observable", "mean ± sem", "units", "replicas")]
    cells += [(r.name, r.value_text, r.units, str(r.replicas)) for r in rows]
    widths = [max(len(cell[i]) for cell in cells) for i in range(4)]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(cell, widths, strict=True)).rstrip()
        for cell in cells
    )


def judge(tree: xr.DataTree, expect_mapping: Mapping[str, Any]) -> list[Verdict]:
    """Holds the measurement against `{name: {min, max | value, tolerance, where, source}}`.

    A list of such entries under one name is several expectations. The entry `source` is the
    default source of all of them. A value that is not a number never passes.
    """
    expectations = dict(expect_mapping)
    source = str(expectations.pop("source", None) or "")
    verdicts = []
    for name, entries in expectations.items():
        for entry in entries if isinstance(entries, list | tuple) else [entries]:
            given = {key: value for key, value in dict(entry).items() if value is not None}
            verdicts.append(_judge_one(tree, name, {"source": source} | given))
    return verdicts


def _judge_one(tree: xr.DataTree, name: str, bound: Mapping[str, Any]) -> Verdict:
    where = dict(bound.get("where") or {})
    mean, sem = mean_sem(reduce(tree, name, where))
    texts, passed = [], math.isfinite(mean)
    if "min" in bound:
        texts.append(f"min {bound['min']:g}")
        passed = passed and mean >= bound["min"]
    if "max" in bound:
        texts.append(f"max {bound['max']:g}")
        passed = passed and mean <= bound["max"]
    if "value" in bound:
        tolerance = bound.get("tolerance", 0.0)
        texts.append(f"expected {bound['value']:g} ± {tolerance:g}")
        passed = passed and abs(mean - bound["value"]) <= tolerance
    if not texts:
        raise InputError(f"expect: {name} has no bound; give min, max, or value + tolerance")
    text = ", ".join(texts)
    return Verdict(name + _brackets(where), mean, sem, text, bool(passed), bound["source"])


def _brackets(where: Mapping[str, Any]) -> str:
    if not where:
        return ""
    inner = ", ".join(f"{k}={v:g}" if isinstance(v, float) else f"{k}={v}"
                      for k, v in where.items())  # fmt: skip
    return f"[{inner}]"


def _names(dataset: xr.Dataset) -> str:
    return ", ".join(map(str, dataset.data_vars)) or "none"


def _listing(values: Any) -> str:
    distinct = list(dict.fromkeys(v.item() if hasattr(v, "item") else v for v in values))
    shown = ", ".join(f"{v:g}" if isinstance(v, float) else str(v) for v in distinct[:12])
    return shown + (", …" if len(distinct) > 12 else "")
