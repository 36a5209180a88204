"""What a run ended with, against what was swept or what it was measured over: windows, populations, profiles.

Example:
    >>> window(xr.DataTree()) is None and profiles(xr.DataTree()) is None
    True
"""

# The type stubs of xarray and matplotlib are narrower than what they take.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOperatorIssue=false, reportAttributeAccessIssue=false
# pyright: reportOptionalSubscript=false, reportOptionalMemberAccess=false

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from matterlearn import style
from matterlearn.plots_curves import OUTCOMES, grid, measured, overlap_curves, root_of
from matterlearn.verdicts import cued_overlap, swept

# Axes that have figures of their own.
DRAWN_ELSEWHERE = ("step", "shape", "memory", "record", "sample_size", "generation")

def window(tree: xr.DataTree) -> Figure | None:
    """Final overlaps, surplus and chimeras against what was swept, with the predicted window; see :func:`curves`."""
    root = root_of(tree)
    ranges = swept(root)
    recall, others = _finals(root)
    if len(ranges) == 2:
        return curves(root, ranges)
    if len(ranges) != 1 or not (recall or others):
        return None
    coordinate = next(iter(ranges))
    groups = [group for group in (recall, others) if group]
    figure, panels = grid(len(groups), 5.6, 4.2)
    for axes, group in zip(panels, groups, strict=True):
        _marks(axes, root)
        for (name, array), colour in zip(group, style.MEMORY_COLOURS, strict=False):
            exact = root.get(f"{array.name}_theory", xr.DataArray())
            known = exact.shape == (len(ranges[coordinate]),)
            _points(axes, array, coordinate, colour, name, joined=not known)
            if known:
                style.theory(axes, ranges[coordinate], exact.values)
        _framed(axes, root, coordinate, ranges[coordinate], "final value")
        style.legend_above(axes, columns=2)
    return figure


def curves(root: xr.Dataset, ranges: dict[str, list]) -> Figure | None:
    """Final values that theory knows over two swept quantities: one curve for each value of one of them."""
    shape = tuple(map(len, ranges.values()))
    names = [n for n in map(str, root.data_vars) if root.get(f"{n}_theory", xr.DataArray()).shape == shape]
    if not names:
        return None
    curve, along = sorted(ranges, key=lambda name: len(ranges[name]))
    figure, panels = grid(len(names), 6.0, 4.8)
    for axes, name in zip(panels, names, strict=True):
        _marks(axes, root)
        exact = root[f"{name}_theory"].values
        final = measured(cued_overlap(root) if name == "overlap" and "cue" in root else root[name]).isel(step=-1)
        for i, (value, colour) in enumerate(zip(ranges[curve], style.shades(len(ranges[curve])), strict=True)):
            here = final.isel(replica=root[curve].values == value)
            _points(axes, here, along, colour, f"{curve.replace('_', ' ')} {value:g}", joined=False)
            known = exact.take(i, list(ranges).index(curve))
            style.theory(axes, ranges[along], known, "theory" if i == 0 else "_")
        _framed(axes, root, along, ranges[along], style.label(name, final.attrs))
        style.legend_above(axes)
    return figure


def _points(axes: Axes, array: xr.DataArray, coordinate: str, colour: str, name: str, *, joined: bool) -> None:
    """Mean and standard error over the replicas of every value of a coordinate."""
    place = array[coordinate].values
    values = np.unique(place)
    mean, sem, _ = zip(*(style.over_replicas(array.isel(replica=place == v)) for v in values), strict=True)
    axes.errorbar(values, mean, yerr=np.nan_to_num(sem), color=colour, marker="o", ls="-" if joined else "none",
                  capsize=3, label=name)  # fmt: skip


def _marks(axes: Axes, root: xr.Dataset) -> None:
    """The predicted window, and the places of predicted transitions."""
    if {"window_low", "window_high"} <= set(root.attrs):
        axes.axvspan(root.attrs["window_low"], root.attrs["window_high"], color="#DDE7F0", lw=0,
                     label="predicted window", zorder=0)  # fmt: skip
    places = [value for name, value in root.attrs.items() if name.startswith("transition_")]
    for place, label in zip(places, ["stability limits, theory", *["_"] * len(places)], strict=False):
        axes.axvline(place, color=style.SHARED, ls=":", lw=1.5, label=label, zorder=0)


def _framed(axes: Axes, root: xr.Dataset, coordinate: str, values: list, words: str) -> None:
    axes.set(xlabel=style.label(coordinate, root[coordinate].attrs), ylabel=words)
    if len(values) <= 8 and np.diff(values).min() > (values[-1] - values[0]) / 12:
        axes.set_xticks(values, [f"{v:g}" for v in values])
    axes.set_ylim(bottom=min(0, axes.get_ylim()[0]))


def _finals(root: xr.Dataset) -> tuple[list, list]:
    """Final values in each replica, named: the overlaps, and everything else."""
    recall, others = [], []
    if "overlap" in root and {"step", "replica"} <= set(root["overlap"].dims):
        recall = [
            (name, measured(array).isel(step=-1))
            for name, array, _ in overlap_curves(root)
            if array.sizes["replica"] == root.sizes["replica"]
        ]
    if "correct" in root:
        recall.append(("fraction correct", root["correct"]))
    for name in OUTCOMES if recall else map(str, root.data_vars):
        if name in root and set(root[name].dims) == {"replica", "step"}:
            final = measured(root[name]).isel(step=-1)
            others.append((style.label(name, root[name].attrs), final))
    return recall, others[: len(style.MEMORY_COLOURS)]


def shapes(tree: xr.DataTree) -> Figure | None:
    """Populations of cluster shapes, measured and predicted."""
    root = root_of(tree)
    if "cluster_shape_population" not in root:
        return None
    measured = root["cluster_shape_population"]
    if "step" in measured.dims:
        measured = measured.mean("step")
    mean, sem, _ = style.over_replicas(measured)
    if "cluster_shape_population_sem" in root:
        sem = root["cluster_shape_population_sem"].values
    names = [str(s) for s in measured["shape"].values] if "shape" in measured.coords else []
    figure = style.new_figure(1, 1, max(5.0, 0.55 * len(mean) + 2.5), 4.0)
    axes = figure.subplots()
    place = np.arange(len(mean))
    before = _before(tree, "cluster_shape_population")
    width = 0.7 if before is None else 0.35
    shift = 0 if before is None else width / 2
    _bars(axes, place + shift, mean, sem, width, style.SKY, "measured ± sem" if before is None else "designed ± sem")
    if before is not None:
        _bars(axes, place - shift, *before, width, style.ORANGE, "before ± sem")
    known = root.get("cluster_shape_population_theory")
    if known is not None:
        axes.hlines(known.values, place - 0.42, place + 0.42, color="black", ls="--", lw=2,
                    label="theory")  # fmt: skip
    crowded = sum(map(len, names)) > 8 * len(names)
    axes.set_xticks(place, names or [str(i) for i in place], rotation=40 if crowded else 0,
                    ha="right" if crowded else "center")  # fmt: skip
    axes.set(xlabel="cluster shape", ylabel=style.label("population", measured.attrs))
    style.legend_above(axes)
    return figure


def _bars(axes, place, mean, sem, width: float, colour: str, name: str) -> None:
    axes.bar(place, mean, width=width, color=colour, label=name)
    axes.errorbar(place, mean, yerr=np.nan_to_num(sem), fmt="none", ecolor="black", capsize=3)


def _before(tree: xr.DataTree, name: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Value and standard error with the couplings before a design."""
    node = tree["before"].to_dataset() if "before" in tree.children else xr.Dataset()
    if f"{name}_before_sem" not in node:
        return None
    return node[f"{name}_before"].values, node[f"{name}_before_sem"].values


def profiles(tree: xr.DataTree) -> Figure | None:
    """Every quantity measured against something other than time: g(r), spectra, phase curves."""
    root = root_of(tree)
    names = [str(n) for n, a in root.data_vars.items() if _profile_dim(a) is not None
             and not str(n).endswith(("_theory", "_target", "_sem"))]  # fmt: skip
    if not names:
        return None
    figure, panels = grid(len(names), *((6.5, 4.0) if len(names) == 1 else (4.6, 3.6)))
    for axes, name in zip(panels, names, strict=True):
        dim = _profile_dim(root[name])
        array = root[name].transpose(..., dim)
        x = array[dim].values
        mean, sem, _ = style.over_replicas(array)
        if f"{name}_sem" in root:
            sem = root[f"{name}_sem"].values
        axes.errorbar(x, mean, yerr=np.nan_to_num(sem), color=style.BLUE, marker="o", ms=4,
                      lw=1.2, capsize=2, label="measured ± sem")  # fmt: skip
        if f"{name}_theory" in root and root[f"{name}_theory"].dims == (dim,):
            style.theory(axes, x, root[f"{name}_theory"].values)
        if f"{name}_target" in root and root[f"{name}_target"].dims == (dim,):
            axes.plot(x, root[f"{name}_target"].values, color=style.ORANGE, lw=1.2, label="target", zorder=4)
        axes.set(xlabel=style.label(dim, array[dim].attrs), ylabel=style.label(name, array.attrs))
        style.legend_above(axes)
    return figure


def _profile_dim(array: xr.DataArray) -> str | None:
    dims = [str(d) for d in array.dims if d != "replica"]
    if len(dims) != 1 or dims[0] in DRAWN_ELSEWHERE or array.dtype.kind not in "fiu":
        return None
    coordinate = array.coords.get(dims[0])
    return dims[0] if coordinate is not None and coordinate.dtype.kind in "fiu" else None
