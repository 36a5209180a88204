"""Lattice fields: the law of the magnetisation, spectra, correlations, configurations; beside data of the same law.

Example:
    >>> fields(xr.DataTree(xr.Dataset())) is None
    True
"""

# The type stubs of xarray and matplotlib are narrower than what they take.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOperatorIssue=false, reportAttributeAccessIssue=false

from collections.abc import Callable

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from matterlearn import style
from matterlearn.plots_curves import grid, root_of

BINS = 31
SIDE = 4  # configurations in a row of a mosaic


def fields(tree: xr.DataTree) -> Figure | None:
    """Law of M, power spectrum and two-point function of one run or of all variants; of one run, configurations too."""
    root, several = root_of(tree), "variants" in tree.children
    node = tree["variants"].to_dataset(inherit=False) if several else root
    drawn = [(draw, name) for name, draw in PANELS.items() if name in node]
    if "field_moments" not in node or not drawn:
        return None
    data = None if several else _examples(tree)
    sheets = {} if data is None or data.ndim != 3 else _configurations(tree, data)
    figure, panels = grid(len(drawn) + len(sheets), 5.0, 4.3)
    cases = _cases(node) if several else {"samples": (node, style.BLUE)}
    for axes, (draw, _) in zip(panels, drawn, strict=False):
        for name, (case, colour) in cases.items():
            draw(axes, case, name, colour)
    if data is not None:
        _steps(panels[0], data.reshape(len(data), -1).mean(1), "data", "black", "--")
    for axes, (title, sheet) in zip(panels[len(drawn) :], sheets.items(), strict=True):
        _sheet(axes, sheet, title)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=3 if several else 2)
    return figure


def _cases(node: xr.Dataset) -> dict[str, tuple[xr.Dataset, object]]:
    """Every variant with a colour of its own."""
    names = [str(name) for name in node["variant"].values]
    colours = colormaps["turbo"](np.linspace(0.08, 0.92, len(names)))
    return {name: (node.sel(variant=name), colour) for name, colour in zip(names, colours, strict=True)}


def _histogram(axes: Axes, node: xr.Dataset, name: str, colour) -> None:
    """Density of M over replicas and the second half of the records."""
    M = node["field_moments"].sel(moment="M").transpose("replica", "step").values
    late = M[:, M.shape[1] // 2 :].ravel()
    _steps(axes, late[np.isfinite(late)], name, colour, "-")
    axes.set(xlabel="magnetisation M", ylabel="probability density")


def _steps(axes: Axes, values, name: str, colour, line: str) -> None:
    reach = 1.05 * np.abs(values).max() or 1.0
    density, edges = np.histogram(values, BINS, (-reach, reach), density=True)
    axes.stairs(density, edges, color=colour, ls=line, lw=1.8, label=name)


def _profile(variable: str, axis: str) -> Callable:
    """A drawing of a variable with its standard error, dashed where it is that of data."""

    def draw(axes: Axes, node: xr.Dataset, name: str, colour) -> None:
        x = node[axis].values
        for suffix, look in (("", {"ls": "-", "marker": "o"}), ("_target", {"ls": "--", "marker": ""})):
            if variable + suffix in node:
                y, error = node[variable + suffix].values, node[f"{variable}{suffix}_sem"].values
                known = np.isfinite(y)
                look["color"] = "black" if suffix and name == "samples" else colour
                axes.errorbar(x[known], y[known], np.nan_to_num(error[known]), lw=1.4, ms=4, capsize=2, **look)
        axes.set_yscale("log")
        for ticks in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
            ticks(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "1235" else "")
        axes.set(xlabel=WORDS[axis], ylabel=style.label(variable, node[variable].attrs))

    return draw


WORDS = {"wavenumber": "wavenumber |k| (1/lattice spacing)", "slice_distance": "distance of slices (lattice spacings)"}
PANELS = {
    "field_moments": _histogram,
    "power_spectrum": _profile("power_spectrum", "wavenumber"),
    "two_point_function": _profile("two_point_function", "slice_distance"),
}


def _examples(tree: xr.DataTree) -> np.ndarray | None:
    """Training samples, if there are any."""
    node = tree["memories"].to_dataset(inherit=False) if "memories" in tree.children else xr.Dataset()
    return node["examples"].values if "examples" in node else None


def _configurations(tree: xr.DataTree, examples: np.ndarray) -> dict[str, np.ndarray]:
    """Mosaics of samples, the last frame or pattern of every replica, and data of fields in a plane."""
    frames = tree["trajectory"].to_dataset(inherit=False) if "trajectory" in tree.children else xr.Dataset()
    if "field" in frames:
        last = frames["field"].isel(frame=-1).values
    elif "visible_patterns" in root_of(tree):
        last = root_of(tree)["visible_patterns"].transpose("replica", "step", "entry").values[:, -1]
    else:
        return {}
    found = {"configurations: samples": last.reshape(-1, *examples.shape[1:]), "configurations: data": examples}
    return {title: _mosaic(pictures[: SIDE**2]) for title, pictures in found.items()}


def _mosaic(pictures: np.ndarray) -> np.ndarray:
    """Pictures side by side with a line of NaN between them.

    >>> _mosaic(np.ones((16, 2, 3))).shape
    (11, 15)
    """
    padded = np.pad(pictures, ((0, 0), (0, 1), (0, 1)), constant_values=np.nan)
    rows = [np.concatenate(list(padded[k : k + SIDE]), axis=1) for k in range(0, len(padded) - SIDE + 1, SIDE)]
    return np.concatenate(rows or [padded[0]], axis=0)[:-1, :-1]


def _sheet(axes: Axes, sheet: np.ndarray, title: str) -> None:
    limit = float(np.nanquantile(np.abs(sheet), 0.99)) or 1.0
    image = axes.imshow(sheet, cmap=colormaps["RdBu_r"].with_extremes(bad="white"), vmin=-limit, vmax=limit)
    axes.figure.colorbar(image, ax=axes, shrink=0.8, label="field φ")
    axes.set_title(title)
    axes.set_axis_off()
