"""Maps over two quantities that differ between replicas: which state the matter ends in, or how much it recalls.

Example:
    >>> edges([1.0, 2.0, 4.0]).tolist()
    [0.5, 1.5, 3.0, 5.0]
"""

# The type stubs of xarray and matplotlib are narrower than what they take.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOperatorIssue=false, reportAttributeAccessIssue=false

import numpy as np
import xarray as xr
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

from matterlearn import style
from matterlearn.plots_curves import measured, root_of
from matterlearn.verdicts import cued_overlap, swept

STATE_COLOURS = {"dispersed": "#DDDDDD", "recalled": style.BLUE, "chimera": style.ORANGE, "liquid": style.SKY}
LINE = "line_"  # variables line_<name>_theory are boundaries, line_<coordinate>_theory is where they are given
DASHES = ("--", "-", ":", "-.")


def edges(values: list[float]) -> Float[np.ndarray, " edge"]:
    """Borders of cells around values, half-way between them."""
    centres = np.asarray(values, float)
    middle = (centres[1:] + centres[:-1]) / 2
    return np.concatenate([[2 * centres[0] - middle[0]], middle, [2 * centres[-1] - middle[-1]]])


def states(tree: xr.DataTree) -> Figure | None:
    """The final state over the first two swept quantities; where replicas differ, their colours are mixed."""
    root = root_of(tree)
    ranges = list(swept(root).items())[:2]
    if "final_state" not in root or len(ranges) < 2:
        return None
    (x, across), (y, up) = ranges
    names = [str(name) for name in root["final_state"].values]
    palette = _palette(names)
    colours = np.ones((len(up), len(across), 3))
    for row, column in np.ndindex(len(up), len(across)):
        here = (root[x].values == across[column]) & (root[y].values == up[row])
        if here.any():
            colours[row, column] = np.mean([palette[names[r]] for r in np.flatnonzero(here)], 0)
    figure = style.new_figure(1, 1, 6.5, 5.0)
    axes = figure.subplots()
    axes.pcolormesh(edges(across), edges(up), colours)
    _framed(axes, root, ranges)
    handles, labels = axes.get_legend_handles_labels()
    handles = [Patch(color=colour, label=name) for name, colour in palette.items()] + handles
    figure.legend(handles=handles, loc="outside upper left", ncols=3)
    return figure


def recall(tree: xr.DataTree) -> Figure | None:
    """What is left of the cue, over the first two swept quantities: mean over replicas."""
    root = root_of(tree)
    ranges = list(swept(root).items())[:2]
    if "final_state" in root or "overlap" not in root or "cue" not in root or len(ranges) < 2:
        return None
    (x, across), (y, up) = ranges
    final = measured(cued_overlap(root)).isel(step=-1).values
    values = np.full((len(up), len(across)), np.nan)
    for row, column in np.ndindex(values.shape):
        here = (root[x].values == across[column]) & (root[y].values == up[row])
        values[row, column] = final[here].mean() if here.any() else np.nan
    figure = style.new_figure(1, 1, 6.8, 5.0)
    axes = figure.subplots()
    image = axes.pcolormesh(edges(across), edges(up), values, cmap="viridis", vmin=min(0.0, np.nanmin(values)), vmax=1)
    figure.colorbar(image, label="final overlap with the cued memory")
    _framed(axes, root, ranges)
    if axes.get_legend_handles_labels()[0]:
        figure.legend(loc="outside upper left", ncols=2)
    return figure


def _framed(axes: Axes, root: xr.Dataset, ranges) -> None:
    """Labels, limits at the borders of the cells, and boundaries from theory."""
    (x, across), (y, up) = ranges
    _boundaries(axes, root, x)
    axes.set(xlabel=style.label(x, root[x].attrs), ylabel=style.label(y, root[y].attrs))
    axes.set(xlim=edges(across)[[0, -1]], ylim=edges(up)[[0, -1]])


def _palette(names: list[str]) -> dict[str, tuple[float, float, float]]:
    spare = iter([c for c in style.MEMORY_COLOURS if c not in STATE_COLOURS.values()] * len(names))
    known = [name for name in STATE_COLOURS if name in names]
    return {name: to_rgb(STATE_COLOURS.get(name) or next(spare)) for name in [*known, *sorted({*names} - {*known})]}


def _boundaries(axes: Axes, root: xr.Dataset, x: str) -> None:
    place = root.get(f"{LINE}{x}_theory")
    if place is None:
        return
    lines = [n for n in map(str, root.data_vars) if n.startswith(LINE) and n.endswith("_theory") and n != place.name]
    for dashes, name in zip(DASHES, lines, strict=False):
        words = name.removeprefix(LINE).removesuffix("_theory").replace("_", " ")
        outline = [withStroke(linewidth=3.4, foreground="white")]
        axes.plot(place, root[name], color="black", ls=dashes, lw=1.8, label=f"{words}, theory", path_effects=outline)
