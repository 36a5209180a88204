"""Sweeps: final values over one swept quantity as curves, over two as phase diagrams, over three as rows of them.

What is drawn is a Dataset of final values (`matterlearn.finals`): dimensions that were swept carry their path as the
attribute `path`, and swept seeds have been averaged over. Dashed lines are theory; grey points are missing.

Example:
    >>> values = finals.finals(xr.Dataset(
    ...     {"energy": (("kT", "replica"), [[-4.0, -6.0], [-1.0, -3.0]], {"units": "kT"})},
    ...     {"kT": ("kT", [0.5, 1.0], {"path": "dynamics.kT"})}))
    >>> drawing(values, "energy").axes[0].get_xlabel()
    'kT'
"""

# The type stubs of xarray and matplotlib are narrower than what they take.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOperatorIssue=false, reportAttributeAccessIssue=false

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from matterlearn import finals, style
from matterlearn.plots_curves import grid

ATTRIBUTE = "matterlearn_sweep"
MOST_CURVES, MOST_PANELS = 8, 6  # values of what is not along the axis
SPREAD = 20.0  # swept values that span more than this factor in even ratios have a logarithmic axis
MOST_TICKS = 7
LEVELS = 5  # contours
FIRST = ("overlap", "cross_overlap", "accuracy", "magnetisation", "loss", "energy")
CAPTION = "Final values over what was swept: means over replicas, or over seeds. Dashed: theory; grey: missing."
MISSING = "#D9D9D9"


def axes_of(values: xr.Dataset | xr.DataArray) -> list[str]:
    """Swept dimensions, seeds left out."""
    return [dim for dim, path in finals.paths(values).items() if path != finals.SEED]


def values_of(tree: xr.DataTree) -> dict[str, xr.Dataset]:
    """Final values of all groups in which something was swept."""
    found = {path: finals.finals(node) for path, node in finals.groups(tree).items()}
    return {path: values for path, values in found.items() if values.data_vars}


def quantities(values: Mapping[str, xr.Dataset]) -> list[tuple[str, str]]:
    """Group and name of what can be drawn; of most interest first."""
    found = [(path, str(name)) for path, node in values.items() for name in node.data_vars]
    fit = [(path, name) for path, name in found if _fits(values[path], name)]
    return sorted(fit, key=lambda key: FIRST.index(key[1]) if key[1] in FIRST else len(FIRST))


def _fits(values: xr.Dataset, name: str) -> bool:
    if f"{name}_sem" not in values or not bool(values[name].notnull().any()):
        return False
    swept = [d for d in axes_of(values[name]) if values.sizes[d] > 1]
    dims = [d for d in values[name].dims if values.sizes[d] > 1]
    labelled = all(d in values.coords or values.sizes[d] <= MOST_CURVES for d in dims)
    return bool(swept) and len(dims) <= 3 and labelled


def drawing(values: xr.Dataset, name: str) -> Figure:
    """The figure of one quantity: curves over one swept axis, maps over two or three."""
    chosen = values[[n for n in (name, f"{name}_sem", f"{name}_theory") if n in values]].squeeze(drop=True)
    swept = axes_of(chosen[name])
    dims = sorted(map(str, chosen[name].dims), key=lambda d: (d in swept, chosen.sizes[d]))
    if len(dims) == 1 or (len(dims) == 2 and dims[0] not in swept and chosen.sizes[dims[0]] <= MOST_CURVES):
        return curves(chosen, name, dims[-1])
    return maps(chosen, name, dims)


def curves(values: xr.Dataset, name: str, along: str) -> Figure:
    """Mean with its standard error against what was swept; a curve for each value of another label."""
    figure, (axes,) = grid(1, 6.5, 4.2)
    other = next((str(d) for d in values[name].dims if d != along), None)
    labels = values[other].values.tolist() if other in values.coords else range(values.sizes.get(other, 1))
    place = _place(values[along])
    known = values.get(f"{name}_theory")
    hues = style.MEMORY_COLOURS if len(labels) <= len(style.MEMORY_COLOURS) else style.shades(len(labels))
    for i, (label, colour) in enumerate(zip(labels, hues, strict=False)):
        one = values if other is None else values.isel({other: i})
        words = "mean ± standard error" if other is None else f"{other.replace('_', ' ')} {finals.text(label)}"
        axes.errorbar(place, one[name].values, yerr=np.nan_to_num(one[f"{name}_sem"].values), color=colour, marker="o",
                      ms=5, lw=0 if known is not None else 1.4, elinewidth=1.4, capsize=3, label=words)  # fmt: skip
        exact = one.get(f"{name}_theory")
        if exact is not None and exact.dims == (along,):
            black = "black" if other is None else colour
            axes.plot(place, exact.values, color=black, ls="--", lw=1.5, label="theory" if i == 0 else "_", zorder=4)
    _ticks(axes.set_xticks, axes.set_xscale, values[along])
    axes.set(xlabel=axis_label(values[along]), ylabel=style.label(name, values[name].attrs))
    style.legend_above(axes)
    return figure


def maps(values: xr.Dataset, name: str, swept: list[str]) -> Figure:
    """Phase diagrams over the two axes with most values, side by side for the values of a third; and their errors."""
    *third, up, along = swept
    count = values.sizes[third[0]] if third else 0
    chosen = np.unique(np.linspace(0, count - 1, min(count, MOST_PANELS)).round().astype(int))
    panels = [{third[0]: i} for i in chosen.tolist()] if third else [{}]
    figure, found = grid(len(panels), *((6.4, 4.8) if len(panels) == 1 else (4.9, 4.0)))
    low, high = float(values[name].min()), float(values[name].max())
    mesh = None
    for axes, panel in zip(found, panels, strict=True):
        here = values.isel(panel)
        mesh = cells(axes, here, name, up, along, (low, high))
        words = [f"{dim} {finals.text(values[dim].values[i])}" for dim, i in panel.items()]
        words += [_errors(here[f"{name}_sem"].values), "dashed: theory" if f"{name}_theory" in here else ""]
        axes.set_title(("\n" if third else ", ").join(filter(None, words)), fontsize=11)
    figure.colorbar(mesh, ax=found, label=style.label(name, values[name].attrs), shrink=0.9)
    return figure


def cells(
    axes: Axes, values: xr.Dataset, name: str, up: str, along: str, limits: tuple[float, float], cmap: str = "viridis"
):
    """Coloured cells at the values of two axes, with contours of theory; returns what a colour bar is made of."""
    x, y = _place(values[along]), _place(values[up])
    field = np.ma.masked_invalid(values[name].transpose(up, along).values)
    axes.set_facecolor(MISSING)
    mesh = axes.pcolormesh(_edges(x, values[along]), _edges(y, values[up]), field, cmap=cmap,
                           vmin=limits[0], vmax=limits[1])  # fmt: skip
    exact = values.get(f"{name}_theory")
    if exact is not None and set(exact.dims) == {up, along} and limits[1] > limits[0] and min(exact.shape) > 1:
        levels = np.linspace(*limits, LEVELS + 2)[1:-1]
        known = axes.contour(x, y, exact.transpose(up, along).values, levels, colors="white", linestyles="--",
                             linewidths=1.3)  # fmt: skip
        axes.clabel(known, fontsize=9, fmt=lambda level: f"{level:.3g}")
    _ticks(axes.set_xticks, axes.set_xscale, values[along])
    _ticks(axes.set_yticks, axes.set_yscale, values[up])
    axes.set(xlabel=axis_label(values[along]), ylabel=axis_label(values[up]))
    return mesh


def _errors(sem: np.ndarray) -> str:
    """How large the standard errors are."""
    known = sem[np.isfinite(sem)]
    return f"errors up to {known.max():.2g}, median {np.median(known):.2g}" if known.size else ""


def axis_label(axis: xr.DataArray) -> str:
    """What was swept: its name, with its path where that says more, and units."""
    if "path" not in axis.attrs:
        return style.label(str(axis.name), axis.attrs)
    units = str(axis.attrs.get("units", "1"))
    name = str(axis.name).replace("_", " ")
    return name if units in ("", "1") else style.label(name, {"units": units})


def _numeric(axis: xr.DataArray) -> bool:
    return axis.dtype.kind in "fiu"


def _place(axis: xr.DataArray) -> np.ndarray:
    """Where the values of an axis stand: at themselves, or one after the other."""
    return axis.values.astype(float) if _numeric(axis) else np.arange(axis.size, dtype=float)


def _logarithmic(axis: xr.DataArray) -> bool:
    """Whether values go up by about the same factor, over more than a decade."""
    values = _place(axis)
    if not _numeric(axis) or values.size < 3 or values.min() <= 0 or values.max() < SPREAD * values.min():
        return False
    steps, ratios = np.diff(values), np.diff(np.log(values))
    return bool(np.std(ratios) / abs(np.mean(ratios)) < np.std(steps) / abs(np.mean(steps)))


def _edges(place: np.ndarray, axis: xr.DataArray) -> np.ndarray:
    """Boundaries between cells half-way between the values."""
    log = _logarithmic(axis)
    at = np.log(place) if log else place
    order = np.argsort(at)
    if place.size == 1:
        edges = np.array([at[0] - 0.5, at[0] + 0.5])
    else:
        inner = (at[order][1:] + at[order][:-1]) / 2
        edges = np.concatenate([[2 * at[order][0] - inner[0]], inner, [2 * at[order][-1] - inner[-1]]])
    edges = edges if np.array_equal(order, np.arange(place.size)) else edges[::-1]
    return np.exp(edges) if log else edges


def _ticks(set_ticks, set_scale, axis: xr.DataArray) -> None:
    """A tick at every value where there are few, words where values are words."""
    if not _numeric(axis):
        set_ticks(range(axis.size), [finals.text(value) for value in axis.values.tolist()])
        return
    log = _logarithmic(axis)
    if log:
        set_scale("log")
        set_ticks([], minor=True)
    if log or axis.size <= MOST_TICKS:
        some = axis.values[:: -(-axis.size // MOST_TICKS)]
        set_ticks(some.astype(float), [f"{value:.3g}" for value in some.tolist()])


def drawn(tree: xr.DataTree) -> list[tuple]:
    """Name, drawing and caption of every figure of a sweep."""
    values, found, taken = values_of(tree), [], set()
    for path, name in quantities(values):
        title = name if name not in taken else f"{path.strip('/').replace('/', '_')}_{name}"
        taken.add(name)
        found.append((title, lambda _, node=values[path], name=name: drawing(node, name), CAPTION))
    return found


def table(tree: xr.DataTree) -> pd.DataFrame:
    """Final values and standard errors at every point, of what has the same labels as the quantity drawn first."""
    values = values_of(tree)
    fit = quantities(values)
    if not fit:
        return pd.DataFrame()
    node, dims = values[fit[0][0]], values[fit[0][0]][fit[0][1]].dims
    alike = [name for path, name in fit if path == fit[0][0] and node[name].dims == dims]
    both = node[[each for name in alike for each in (name, f"{name}_sem")]]
    return both.to_dataframe(dim_order=[*axes_of(both), *(d for d in dims if d not in axes_of(both))])
