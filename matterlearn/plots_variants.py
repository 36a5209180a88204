"""Variants of a scenario side by side: what they learned as they went on, and what they are worth in the end.

Example:
    >>> comparison(xr.DataTree(xr.Dataset())) is None
    True
"""

# The type stubs of xarray and matplotlib are narrower than what they take.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOperatorIssue=false, reportAttributeAccessIssue=false

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from matterlearn import style
from matterlearn.plots_curves import grid

MOST_CURVES, MOST_BARS = 3, 6
FIRST = ("kl", "relative_error", "log_likelihood", "loss", "output_error")  # what is compared before anything else
DECADES = 20.0  # a quantity that spans more than this factor has a logarithmic axis
LINE = 0.26  # height of a variant's name, inches


def comparison(tree: xr.DataTree) -> Figure | None:
    """Curves of what all variants recorded while learning; below, what they ended with, as points with error bars."""
    if "variants" not in tree.children:
        return None
    recalled = tree["variants"].to_dataset()
    learned = tree["variants/learning"].to_dataset() if "learning" in tree["variants"].children else xr.Dataset()
    curves = _names(learned, ("variant", "update"), MOST_CURVES)
    points = _names(recalled, ("variant",), None) + _names(recalled, ("variant", "replica", "step"), None)
    points = [name for name in points if not name.endswith(("_sem", "_theory", "_noise", "_target"))][:MOST_BARS]
    if not curves and not points:
        return None
    names = [str(name) for name in recalled["variant"].values]
    colours = dict(zip(names, colormaps["turbo"](np.linspace(0.05, 0.95, len(names))), strict=True))
    figure, panels = grid(len(curves) + len(points), 5.4, max(3.9, LINE * len(names)))
    for axes, name in zip(panels, curves, strict=False):
        _curves(axes, learned[name], colours)
    for axes, name in zip(panels[len(curves) :], points, strict=True):
        _points(axes, recalled, name, colours)
    handles, labels = panels[0].get_legend_handles_labels()
    if curves:
        figure.legend(handles, labels, loc="outside upper left", ncols=min(4, len(names)))
    return figure


def _names(node: xr.Dataset, dims: tuple[str, ...], most: int | None) -> list[str]:
    """Numbers with these dimensions that all variants have and that differ; those of most interest first."""
    found = [str(n) for n, a in node.data_vars.items() if a.dims == dims and "_moment" not in str(n)]
    known = {n: node[n].notnull().any([d for d in dims if d != "variant"]) for n in found}
    found = [n for n in found if bool(known[n].all()) and float(node[n].max() - node[n].min()) > 0]
    return sorted(found, key=lambda n: (FIRST.index(n) if n in FIRST else len(FIRST), n))[:most]


def _curves(axes: Axes, array: xr.DataArray, colours) -> None:
    for name, colour in colours.items():
        if name in array["variant"].values:
            values = array.sel(variant=name)
            known = values.notnull().values
            axes.plot(array["update"].values[known], values.values[known], color=colour, lw=1.6, label=name)
    low, high = float(array.min()), float(array.max())
    if low > 0 and high > DECADES * low:
        axes.set_yscale("log")
    axes.set(xlabel="update", ylabel=style.label(str(array.name), array.attrs))


def _points(axes: Axes, node: xr.Dataset, name: str, colours) -> None:
    array = node[name]
    for row, (variant, colour) in enumerate(colours.items()):
        value = array.sel(variant=variant)
        if value.ndim:
            last = value.isel(step=-1)
            mean, sem = float(last.mean()), float(last.std(ddof=1) / np.sqrt(last.sizes["replica"]))
        else:
            mean, sem = float(value), float(node[f"{name}_sem"].sel(variant=variant)) if f"{name}_sem" in node else 0.0
        axes.errorbar(mean, row, xerr=np.nan_to_num(sem), color=colour, marker="o", capsize=3)
    _targets(axes, node, f"{name}_target", list(colours))
    axes.set(yticks=range(len(colours)), yticklabels=list(colours), xlabel=style.label(name, array.attrs))
    axes.invert_yaxis()


def _targets(axes: Axes, node: xr.Dataset, name: str, variants: list[str]) -> None:
    """Black diamonds: what data have, where there are data to compare with."""
    if f"{name}_sem" not in node or not set(node[name].dims) <= {"variant"}:
        return
    value, error = (node[n].broadcast_like(node["variant"]).sel(variant=variants) for n in (name, f"{name}_sem"))
    axes.errorbar(value.values, range(len(variants)), xerr=np.nan_to_num(error.values), ls="none", marker="D", ms=8,
                  mfc="none", color="black", lw=1.2, label="data")  # fmt: skip
    axes.legend(loc="best")
