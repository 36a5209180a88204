"""Generative models of points in the plane side by side: their samples, and what these are worth.

Example:
    >>> generated(xr.DataTree(xr.Dataset())) is None
    True
"""

# The type stubs of xarray and matplotlib are narrower than what they take.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOperatorIssue=false, reportAttributeAccessIssue=false

import textwrap

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from matterlearn import style
from matterlearn.plots_energy import late_samples

MOST_DOTS, MOST_PANELS = 1500, 5  # points in a panel; panels in a row
MARGIN = 1.25  # of a panel around the farthest points of the data
HALF = 0.34  # of a bar's width


def generated(tree: xr.DataTree) -> Figure | None:
    """Test data and samples of every variant in one frame."""
    node = _variants(tree)
    if node is None or "memories" not in tree["variants"].children:
        return None
    data = tree["variants/memories"].to_dataset()["examples"].values
    names = [str(name) for name in node["variant"].values]
    if data.ndim != 2 or data.shape[1] != 2:
        return None
    columns = min(MOST_PANELS, len(names) + 1) if len(names) < MOST_PANELS else -(-(len(names) + 1) // 2)
    rows = -(-(len(names) + 1) // columns)
    figure = style.new_figure(columns, rows, 3.3, 3.5)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    reach = MARGIN * float(np.abs(data).max())
    _dots(panels[0], data, style.BLUE, "training samples")
    for axes, name in zip(panels[1:], names, strict=False):
        drawn = node["visible_patterns"].sel(variant=name).dropna("step", how="all")
        _dots(axes, late_samples(drawn), style.ORANGE, name)
    for number, axes in enumerate(panels):
        axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
        axes.set_visible(number <= len(names))
        axes.set_xlabel("first entry" if number + columns > len(names) else "")
        axes.set_ylabel("" if number % columns else "second entry")
        axes.tick_params(labelbottom=number + columns > len(names))
    return figure


def table(tree: xr.DataTree) -> Figure | None:
    """Sliced Wasserstein distance and, where any has one, test likelihood of every variant, with what bounds them."""
    node = _variants(tree)
    if node is None or "sliced_wasserstein" not in node:
        return None
    names = [str(name) for name in node["variant"].values]
    dense = not np.all(np.isnan(_numbers(node, "log_likelihood_test", names)[0]))
    figure = style.new_figure(1 + dense, 1, 5.6, 1.4 + 0.5 * len(names))
    left, *rest = np.atleast_1d(figure.subplots(1, 1 + dense, sharey=True))
    if dense:
        _likelihoods(left, node, names)
    _distances(rest[0] if dense else left, node, names)
    left.set(yticks=range(len(names)), yticklabels=[textwrap.fill(name, 22) for name in names])
    left.invert_yaxis()
    return figure


def _likelihoods(axes: Axes, node: xr.Dataset, names: list[str]) -> None:
    alone = float(node["log_likelihood_independent"].max())
    for row, (value, error) in enumerate(zip(*_numbers(node, "log_likelihood_test", names), strict=True)):
        if np.isnan(value):
            axes.text(alone, row, " no density", va="center", color=style.SHARED)
        else:
            axes.barh(row, value - alone, 2 * HALF, left=alone, color=style.BLUE, xerr=error, error_kw={"capsize": 3})
            axes.text(value + error, row, f"  {value:.3f}", va="center")
    axes.axvline(alone, color="black", lw=1.2)
    axes.set_xlim(right=axes.get_xlim()[1] + 0.25 * (axes.get_xlim()[1] - alone))
    axes.set_xlabel("mean log-likelihood of test samples (nat)\nbars begin at independent entries")


def _distances(axes: Axes, node: xr.Dataset, names: list[str]) -> None:
    values, errors = _numbers(node, "sliced_wasserstein", names)
    axes.barh(range(len(names)), values, 2 * HALF, color=style.ORANGE, xerr=errors, error_kw={"capsize": 3})
    for row, (value, error) in enumerate(zip(values, errors, strict=True)):
        axes.text(value + error, row, f"  {value:.3f}", va="center")
    if "sliced_wasserstein_floor" in node:
        floors, scatter = _numbers(node, "sliced_wasserstein_floor", names)
        axes.axvspan(np.min(floors - scatter), np.max(floors + scatter), color=style.SHARED, alpha=0.35, lw=0)
        axes.axvline(np.mean(floors), color="black", ls="--", lw=1.5, label="training against test samples")
        style.legend_above(axes)
    axes.set_xlim(right=1.2 * axes.get_xlim()[1])
    axes.set_xlabel("sliced Wasserstein distance of samples\nto test samples (units of the data)")


def _numbers(node: xr.Dataset, name: str, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Values and standard errors by variant; NaN where there is none."""
    values, errors = (
        np.broadcast_to(node[key].values if key in node else missing, len(names))
        for key, missing in ((name, np.nan), (f"{name}_sem", 0.0))
    )
    return values, np.nan_to_num(errors)


def _variants(tree: xr.DataTree) -> xr.Dataset | None:
    """What variants measured, if they drew samples of data."""
    if "variants" not in tree.children:
        return None
    node = tree["variants"].to_dataset()
    return node if "visible_patterns" in node else None


def _dots(axes: Axes, points, colour: str, title: str) -> None:
    shown = points[np.linspace(0, len(points) - 1, min(MOST_DOTS, len(points))).astype(int)]
    axes.plot(shown[:, 0], shown[:, 1], ".", color=colour, ms=2.5, alpha=0.6)
    axes.set_title(textwrap.fill(title, 24))
