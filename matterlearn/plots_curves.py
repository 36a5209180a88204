"""Quantities against time: recall, what else came out, energy, learning; and what all figures of a run share.

Example:
    >>> root = xr.Dataset({"energy": (("replica", "step"), np.zeros((3, 4)), {"units": "kT"})})
    >>> energy(xr.DataTree(root)).axes[0].get_ylabel()
    'energy (kT)'
"""

# The type stubs of xarray and matplotlib are narrower than what they take.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOperatorIssue=false, reportAttributeAccessIssue=false
# pyright: reportOptionalSubscript=false, reportOptionalMemberAccess=false

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from matterlearn import style
from matterlearn.verdicts import cross_overlap, cued_overlap, swept

OUTCOMES = ("extra", "chimera", "largest_cluster")
MOST_PANELS = 6


def root_of(tree: xr.DataTree) -> xr.Dataset:
    """The root group alone."""
    return tree.to_dataset(inherit=False)


def _node(tree: xr.DataTree, name: str) -> xr.Dataset | None:
    return tree[name].to_dataset(inherit=False) if name in tree.children else None


def _is_curve(array: xr.DataArray, time: str = "step") -> bool:
    return set(array.dims) in ({time}, {"replica", time}) and array.dtype.kind in "fiu"


def measured(array: xr.DataArray) -> xr.DataArray:
    """Without the records at which the quantity was not due."""
    return array.dropna("step", how="all")


def time_axis(array: xr.DataArray, dim: str = "step") -> tuple[np.ndarray, str]:
    """The physical time where it is known, else the number of steps, with the axis label."""
    for name in ("time", dim):
        if name in array.coords and array[name].dims == (dim,):
            return array[name].values, style.label(name, array[name].attrs)
    return np.arange(array.sizes[dim]), dim


def _theory(axes: Axes, dataset: xr.Dataset, name: str, dim: str = "step") -> None:
    """Draws `<name>_theory` if the dataset has it: a number, a curve, or one curve per replica."""
    known = dataset.get(f"{name}_theory")
    if known is None or not set(known.dims) <= {"replica", dim}:
        return
    if dim in known.dims:
        known = known.dropna(dim, how="all")
    mean = known.mean("replica") if "replica" in known.dims else known
    x = time_axis(mean, dim)[0] if dim in mean.dims else np.zeros(0)
    style.theory(axes, x, mean.values, f"{name.replace('_', ' ')}, theory")


def _cases(dataset: xr.Dataset) -> list[tuple[str, xr.Dataset]]:
    """The replicas of each value of the first swept coordinate, or all of them at once."""
    for name, values in list(swept(dataset).items())[:1]:
        chosen = values if len(values) <= MOST_PANELS else _spread(values)
        where = dataset[name].values
        return [
            (f"{name.replace('_', ' ')} {v:g}", dataset.isel(replica=where == v)) for v in chosen
        ]
    return [("", dataset)]


def _spread(values: list) -> list:
    picks = np.linspace(0, len(values) - 1, MOST_PANELS).round().astype(int)
    return [values[i] for i in picks]


def grid(count: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """A figure of ``count`` panels, three in a row, each of the given size in inches."""
    columns = min(count, 3)
    rows = -(-count // columns)
    figure = style.new_figure(columns, rows, width, height)
    grid = figure.subplots(rows, columns, squeeze=False)
    for spare in grid.flat[count:]:
        spare.remove()
    panels = list(grid.flat[:count])
    for axes in panels:
        axes.xaxis.set_major_locator(MaxNLocator(5 if count > 1 else 7))
    return figure, panels


def overlap(tree: xr.DataTree) -> Figure | None:
    """Overlap with the cued memory and with the best other one, against time."""
    root = root_of(tree)
    if "overlap" not in root or "step" not in root["overlap"].dims:
        return None
    cases = _cases(root)
    figure, panels = grid(len(cases), *((6.5, 4.0) if len(cases) == 1 else (4.2, 3.4)))
    for axes, (title, data) in zip(panels, cases, strict=True):
        for name, array, colour in overlap_curves(data):
            array = measured(array)
            style.curve(axes, time_axis(array)[0], array, colour, name)
            x_label = time_axis(array)[1]
        _theory(axes, data, "overlap")
        axes.set(xlabel=x_label, ylabel="overlap", ylim=(min(-0.03, axes.get_ylim()[0]), 1.03))
        axes.set_title(title)
    _shared_legend(figure, panels)
    return figure


def overlap_curves(data: xr.Dataset) -> list[tuple[str, xr.DataArray, str]]:
    """Name, values and colour of the overlaps with the cued memory, with the best other one, or with each."""
    array = data["overlap"]
    if "memory" not in array.dims:
        return [("overlap", array, style.BLUE)]
    if "cue" not in data:
        labels = (
            array["memory"].values if "memory" in array.coords else range(array.sizes["memory"])
        )
        return [
            (f"memory {m}", array.isel(memory=i), style.memory_colour(i))
            for i, m in enumerate(labels)
        ]
    cued = data.isel(replica=np.flatnonzero(data["cue"] >= 0))
    free = data.isel(replica=np.flatnonzero(data["cue"] < 0))
    found = []
    if cued.sizes["replica"]:
        found.append(("cued memory", cued_overlap(cued), style.BLUE))
        if array.sizes["memory"] > 1:
            found.append(("best other memory", cross_overlap(cued), style.ORANGE))
    if free.sizes["replica"]:
        found.append(("best memory, no cue", cross_overlap(free), style.SHARED))
    return found


def _shared_legend(figure: Figure, panels: list[Axes]) -> None:
    if len(panels) == 1:
        style.legend_above(panels[0])
        return
    handles, labels = panels[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside upper left", ncols=4)


def energy(tree: xr.DataTree) -> Figure | None:
    """Energy against time, and per particle on the right where their number is known."""
    root = root_of(tree)
    if "energy" not in root or not _is_curve(root["energy"]):
        return None
    figure = style.new_figure(1, 1, 6.5, 4.0)
    axes = figure.subplots()
    x_label = _curves_by_case(axes, root, "energy")
    axes.set(xlabel=x_label, ylabel=style.label("energy", root["energy"].attrs))
    particles = tree["trajectory"].sizes.get("particle") if "trajectory" in tree.children else None
    if particles:
        right = axes.secondary_yaxis(
            "right", functions=(lambda e: e / particles, lambda e: e * particles)
        )
        right.set_ylabel("per particle")
        axes.spines["right"].set_visible(True)
    return figure


def _curves_by_case(axes: Axes, root: xr.Dataset, name: str) -> str:
    """One curve, or one per swept value in colours from dark to light; returns the x label."""
    cases = _cases(root)
    shades = style.shades(len(cases))
    for shade, (title, data) in zip(shades, cases, strict=True):
        array = measured(data[name])
        alone = len(cases) == 1
        style.curve(
            axes, time_axis(array)[0], array, style.BLUE if alone else shade, title or "mean ± sem",
            thin=alone,
        )  # fmt: skip
    _theory(axes, root, name)
    if "replica" in root[name].dims:
        style.legend_above(axes)
    return time_axis(measured(root[name]))[1]


def outcomes(tree: xr.DataTree) -> Figure | None:
    """Surplus units, chimeras and the largest cluster against time."""
    return _small_multiples(root_of(tree), OUTCOMES)


def traces(tree: xr.DataTree) -> Figure | None:
    """Every other quantity measured along the run."""
    root = root_of(tree)
    names = [
        str(name) for name, array in root.data_vars.items()
        if _is_curve(array) and name not in ("energy", "overlap", *OUTCOMES)
        and not str(name).endswith(("_theory", "_sem"))
    ]  # fmt: skip
    return _small_multiples(root, names)


def _small_multiples(root: xr.Dataset, wanted: tuple[str, ...] | list[str]) -> Figure | None:
    names = [n for n in wanted if n in root and _is_curve(root[n])]
    if not names:
        return None
    figure, panels = grid(len(names), *((6.5, 4.0) if len(names) == 1 else (4.4, 3.5)))
    for axes, name in zip(panels, names, strict=True):
        x_label = _curves_by_case(axes, root, name)
        if axes.get_legend() is not None and (len(names) > 1):
            axes.get_legend().remove()
        axes.set(xlabel=x_label, ylabel=style.label(name, root[name].attrs))
    if len(names) > 1:
        _shared_legend(figure, panels)
    return figure


def learning(tree: xr.DataTree) -> Figure | None:
    """Scalars followed while learning: loss, accuracy, moments, against the updates."""
    node = _node(tree, "learning")
    if node is None:
        return None
    names = [
        str(n) for n, a in node.data_vars.items()
        if _is_curve(a, "update") and not str(n).endswith(("_theory", "_sem"))
    ]  # fmt: skip
    if not names:
        return None
    figure, panels = grid(len(names), *((6.5, 4.0) if len(names) == 1 else (4.4, 3.5)))
    for axes, name in zip(panels, names, strict=True):
        x, x_label = time_axis(node[name], "update")
        style.curve(axes, x, node[name], style.BLUE, name.replace("_", " "))
        _theory(axes, node, name, "update")
        axes.set(xlabel=x_label, ylabel=style.label(name, node[name].attrs))
        if f"{name}_theory" in node:
            style.legend_above(axes)
    return figure
