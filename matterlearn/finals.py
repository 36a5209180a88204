"""Final values with error bars, by what they were measured at: what comparisons and pages of sweeps are made of.

Of every variable the last value in time is taken, then the mean over replicas with its standard error. What is
labelled stays: memories, loads, swept quantities; values that replicas were given on purpose become a dimension.

Seeds that were swept are more samples. Since what is drawn from a seed (patterns, couplings, data) is shared by its
replicas, the error is that of the mean over seeds of the means over replicas.

Example:
    >>> energy = (("replica", "step"), np.array([[0.0, -2.0], [0.0, -4.0]]), {"units": "kT"})
    >>> values = finals(xr.Dataset({"energy": energy}))
    >>> float(values["energy"]), float(values["energy_sem"]), values["energy"].attrs["samples"]
    (-3.0, 1.0, 2)
"""

# The type stubs of xarray are narrower than what it takes.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOperatorIssue=false, reportAttributeAccessIssue=false

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from matterlearn.verdicts import TIME_DIMS, cross_overlap, cued_overlap, reduce_time, reported, swept

GROUPS = ("/", "/before", "/learning", "/design", "/variants", "/variants/learning")
NOT_MEASURED = ("_theory", "_target", "_noise")
SEED = "run.seed"  # path of what is swept for more samples
MOST_CELLS = 100_000  # of one variable, without replicas: more is no table, nor a curve


def group(tree: xr.DataTree, path: str) -> xr.Dataset:
    """One group of a tree; empty if it is not there."""
    return tree[path].to_dataset() if path in tree.groups else xr.Dataset()


def groups(tree: xr.DataTree) -> dict[str, xr.Dataset]:
    """The groups whose variables are measurements."""
    return {path: node for path in GROUPS if (node := group(tree, path)).data_vars}


def time_of(array: xr.DataArray) -> str | None:
    """The dimension along which time passes."""
    return next((dim for dim in TIME_DIMS if dim in array.dims), None)


def measured(node: xr.Dataset) -> dict[str, xr.DataArray]:
    """What was measured; overlaps with the cued memory and with the largest other one."""
    found = {}
    for name in reported(node):
        if name.endswith(NOT_MEASURED):
            continue
        if name == "cross_overlap" and name not in node:
            found[name] = cross_overlap(node)
        elif name == "overlap" and "memory" in node[name].dims and "cue" in node:
            found[name] = cued_overlap(node)
        else:
            found[name] = node[name]
    return found


def finals(node: xr.Dataset) -> xr.Dataset:
    """Final mean of every variable with its error (`<name>_sem`), and its theory if there is one (`<name>_theory`).

    Attributes: units, long_name, and how many samples there are (`samples`).
    """
    conditions, found = swept(node), {}
    for name, array in measured(node).items():
        if np.prod([array.sizes[d] for d in array.dims if d not in ("replica", *TIME_DIMS)]) > MOST_CELLS:
            continue
        stored = node.get(f"{name}_sem")
        value = _statistics(_last(array), conditions if "replica" in array.dims else {})
        if stored is not None and "replica" not in array.dims and not seeds(array):
            value["sem"] = _bare(_last(stored))
        attrs = {"units": str(array.attrs.get("units", "1")), "samples": _samples(array),
                 "long_name": str(array.attrs.get("long_name") or name.replace("_", " "))}  # fmt: skip
        found[name], found[f"{name}_sem"] = value["mean"].assign_attrs(attrs), value["sem"].assign_attrs(attrs)
        known = node.get(f"{name}_theory")
        if known is not None and known.dtype.kind in "fiu":
            found[f"{name}_theory"] = _statistics(_last(known), {})["mean"]
    result = xr.Dataset(found).compute()
    for name in result.dims:
        if name in node.coords:
            result[name] = result[name].assign_attrs(node[name].attrs)
    return result


def text(label: Any) -> str:
    """How a label is written.

    >>> text(0.30000000000000004), text(3), text("cold")
    ('0.3', '3', 'cold')
    """
    return f"{label:g}" if isinstance(label, float | np.floating) else str(label)


def paths(array: xr.DataArray | xr.Dataset) -> dict[str, str]:
    """Swept dimensions and their paths in the scenario."""
    found = {str(dim): array[dim].attrs.get("path") for dim in array.dims if dim in array.coords}
    return {dim: path for dim, path in found.items() if path is not None}


def seeds(array: xr.DataArray | xr.Dataset) -> list[str]:
    """Swept seeds among the dimensions."""
    return [dim for dim, path in paths(array).items() if path == SEED]


def samples(array: xr.DataArray) -> xr.DataArray:
    """Independent samples along `replica`: the replicas, or the means over them of every swept seed."""
    several = seeds(array)
    if not several:
        return array
    each = array.mean("replica") if "replica" in array.dims else array
    return each.rename({several[0]: "replica"}).assign_attrs(array.attrs)


def _last(array: xr.DataArray) -> xr.DataArray:
    """The last value in time: of each point of a sweep its own, since steps and updates may differ between them."""
    time, points = time_of(array), paths(array)
    if time is None:
        return array
    if not points or array.dtype.kind != "f":
        return reduce_time(array, "final")
    array = array.drop_vars([name for name in array.coords if name not in array.dims and time in array[name].dims])
    known = array.notnull().any([dim for dim in array.dims if dim not in (*points, time)])
    last = array.sizes[time] - 1 - known.isel({time: slice(None, None, -1)}).argmax(time).compute()  # may be in a store
    return array.isel({time: last}).drop_vars(time, errors="ignore")


def _samples(array: xr.DataArray) -> int:
    """Independent samples of one condition at most."""
    return int(np.prod([array.sizes[dim] for dim in seeds(array) or [d for d in array.dims if d == "replica"]]))


def _statistics(array: xr.DataArray, conditions: Mapping[str, Any]) -> xr.Dataset:
    """Mean and standard error over samples, for every combination of conditions of the replicas."""
    if conditions:
        (name, values), *rest = conditions.items()
        parts = [_statistics(array.isel(replica=array[name].values == value), dict(rest)) for value in values]
        return xr.concat(parts, dim=pd.Index(values, name=name))
    samples = seeds(array)
    if samples and "replica" in array.dims:
        array = array.mean("replica")
    samples = samples or [dim for dim in array.dims if dim == "replica"]
    array = _bare(array).astype(float)
    if not samples:
        return xr.Dataset({"mean": array, "sem": xr.full_like(array, np.nan)})
    if not array.size:
        empty = array.sum(samples) * np.nan
        return xr.Dataset({"mean": empty, "sem": empty})
    count = array.notnull().sum(samples)
    spread = np.sqrt(((array - array.mean(samples)) ** 2).sum(samples) / (count - 1).where(count > 1))
    return xr.Dataset({"mean": array.mean(samples), "sem": spread / np.sqrt(count)})


def _bare(array: xr.DataArray) -> xr.DataArray:
    """Without labels that are no dimensions."""
    return array.drop_vars([name for name in array.coords if name not in array.dims]).rename(None)
