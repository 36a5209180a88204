"""Figures of mixtures that compute with their phases: compositions retrieved, inputs told apart by condensation.

Example:
    >>> retrieval(xr.DataTree()) is None and decisions(xr.DataTree()) is None
    True
"""

# The type stubs of xarray and matplotlib are narrower than what they take.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOperatorIssue=false, reportAttributeAccessIssue=false
# pyright: reportOptionalSubscript=false, reportOptionalMemberAccess=false

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from matterlearn import style
from matterlearn.plots_curves import measured, root_of
from matterlearn.plots_states import edges
from matterlearn.verdicts import cross_overlap, cued_overlap

WINDOW = "#DDE7F0"
MOST_CURVES = 5
BOUNDARIES = (
    ("wanted", "-", "wanted boundary"),
    ("binodal", "--", "binodal of learned J"),
    ("spinodal", ":", "spinodal of learned J"),
)


def retrieval(tree: xr.DataTree) -> Figure | None:
    """Overlaps and localisation against temperature for the purest cue, and what came back against purity."""
    root = root_of(tree)
    if not {"overlap", "curve_overlap_theory", "temperature", "cue_purity"} <= set(root.variables):
        return None
    panels = [_overlaps] + [_localisation] * ("participation" in root) + [_purity] * ("retrieved" in root)
    figure = style.new_figure(len(panels), 1, 4.7, 4.4)
    for axes, draw in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        draw(axes, root)
        style.legend_above(axes, columns=1 + (draw is _purity))
    return figure


def _purest(root: xr.Dataset) -> xr.Dataset:
    purity = root["cue_purity"].values
    return root.isel(replica=np.flatnonzero(purity == purity.max()))


def _against(axes: Axes, array: xr.DataArray, name: str, colour: str, label: str) -> None:
    """Mean and standard error over the replicas of every value of a coordinate."""
    values = np.unique(array[name].values)
    groups = [style.over_replicas(array.isel(replica=np.flatnonzero(array[name].values == v))) for v in values]
    mean, sem, _ = zip(*groups, strict=True)
    axes.errorbar(values, mean, yerr=np.nan_to_num(sem), color=colour, marker="o", ls=":", lw=1, capsize=3, label=label)
    axes.set_xlabel(style.label(name, array[name].attrs))


def _window(axes: Axes, root: xr.Dataset) -> None:
    if {"window_low", "window_high"} <= set(root.attrs):
        axes.axvspan(root.attrs["window_low"], root.attrs["window_high"], color=WINDOW, lw=0, zorder=0,
                     label="predicted window")  # fmt: skip


def _final(array: xr.DataArray) -> xr.DataArray:
    return measured(array).isel(step=-1)


def _overlaps(axes: Axes, root: xr.Dataset) -> None:
    pure = _purest(root)
    _window(axes, root)
    others = _final(abs(cross_overlap(pure.assign(overlap=abs(pure["overlap"])))))
    _against(axes, _final(cued_overlap(pure)), "temperature", style.BLUE, "cued target")
    _against(axes, others, "temperature", style.ORANGE, "best other target or complement")
    style.theory(axes, root["curve_temperature_theory"], root["curve_overlap_theory"], "target state, theory")
    purity = float(root["cue_purity"].max())
    axes.set(ylabel=f"final overlap, cue purity {purity:g}", ylim=(-0.03, 1.05))


def _localisation(axes: Axes, root: xr.Dataset) -> None:
    _window(axes, root)
    _against(axes, _final(_purest(root)["participation"]), "temperature", style.BLUE, "measured ± sem")
    style.theory(
        axes, root["curve_temperature_theory"], root["curve_participation_theory"], "target state, theory"
    )
    axes.set(ylabel="effective number of components")
    axes.set_ylim(bottom=0)


def _purity(axes: Axes, root: xr.Dataset) -> None:
    temperatures = np.unique(root["temperature"].values)
    low, high = root.attrs.get("window_low", -np.inf), root.attrs.get("window_high", np.inf)
    inside = [t for t in temperatures if low < t < high][:MOST_CURVES]
    for temperature, colour in zip(inside, style.shades(len(inside)), strict=True):
        here = root["retrieved"].isel(replica=np.flatnonzero(root["temperature"].values == temperature))
        _against(axes, here, "cue_purity", colour, f"kT = {temperature:g}")
    if "correct_theory" in root:
        purities = np.unique(root["cue_purity"].values)
        style.theory(axes, purities, root["correct_theory"].values, "largest overlap wins")
    axes.set(ylabel="fraction that retrieves the cue", ylim=(-0.03, 1.05))


def decisions(tree: xr.DataTree) -> Figure | None:
    """What the mixture answered over the concentrations of two inputs; boundaries wanted, measured and predicted."""
    root = root_of(tree)
    if not {"overlap", "field_wanted_theory", "concentration_1", "concentration_2"} <= set(root.variables):
        return None
    figure = style.new_figure(1, 1, 6.6, 6.0)
    axes = figure.subplots()
    answer = measured(root["overlap"]).isel(memory=-1)
    answer = answer.isel(step=slice(answer.sizes["step"] // 2, None)).mean("step").values
    first, second = (root[f"concentration_{a}"].values for a in (1, 2))
    across, up = np.unique(first), np.unique(second)
    mean = np.array([[answer[(first == x) & (second == y)].mean() for x in across] for y in up])
    image = axes.pcolormesh(edges(across), edges(up), mean, cmap="RdYlBu_r", vmin=0, vmax=1, alpha=0.85)
    figure.colorbar(image, ax=axes, label="measured order: 0 dispersed, 1 condensed", shrink=0.85)
    axes.contour(across, up, mean, levels=[0.5], colors=[style.WRONG], linewidths=2)
    handles = [Line2D([], [], color=style.WRONG, label="measured boundary")]
    for name, dashes, words in BOUNDARIES:
        field = root.get(f"field_{name}_theory")
        place = root["field_concentration_theory"].values
        if field is not None and field.min() < 0 < field.max():
            axes.contour(place, place, field.values.T, levels=[0.0], colors=["black"], linestyles=[dashes])
            handles.append(Line2D([], [], color="black", ls=dashes, label=words))
    handles += _examples(axes, tree)
    axes.set_xlabel(style.label("", root["concentration_1"].attrs))
    axes.set_ylabel(style.label("", root["concentration_2"].attrs))
    axes.set(xlim=edges(across)[[0, -1]], ylim=edges(up)[[0, -1]], aspect="equal")
    figure.legend(handles=handles, loc="outside upper left", ncols=2)
    return figure


def _examples(axes: Axes, tree: xr.DataTree) -> list[Line2D]:
    """Training inputs, filled where condensed was wanted."""
    if "memories" not in tree.children or "answer" not in tree["memories"]:
        return []
    shown = tree["memories"].to_dataset(inherit=False)
    places, answers = shown["concentration"].values, shown["answer"].values
    look = {"marker": "o", "ls": "none", "ms": 5, "mec": "black", "mew": 0.8}
    return [
        axes.plot(*places[answers == value].T[:2], mfc=colour, label=f"training input, {word} wanted", **look)[0]
        for value, colour, word in ((0, "white", "dispersed"), (1, "black", "condensed"))
    ]
