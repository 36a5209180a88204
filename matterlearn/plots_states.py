"""State diagrams: which state the matter ends in, over two quantities that differ between replicas.

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

from matterlearn import style
from matterlearn.verdicts import swept

STATE_COLOURS = {"dispersed": "#DDDDDD", "recalled": style.BLUE, "chimera": style.ORANGE, "liquid": style.SKY}
LINE = "line_"  # variables line_<name>_theory are boundaries, line_<coordinate>_theory is where they are given
DASHES = ("--", ":", "-.")


def edges(values: list[float]) -> Float[np.ndarray, " edge"]:
    """Borders of cells around values, half-way between them."""
    centres = np.asarray(values, float)
    middle = (centres[1:] + centres[:-1]) / 2
    return np.concatenate([[2 * centres[0] - middle[0]], middle, [2 * centres[-1] - middle[-1]]])


def states(tree: xr.DataTree) -> Figure | None:
    """The final state over the first two swept quantities; where replicas differ, their colours are mixed."""
    root = tree.to_dataset(inherit=False)
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
    _boundaries(axes, root, x)
    axes.set(xlabel=style.label(x, root[x].attrs), ylabel=style.label(y, root[y].attrs))
    axes.set(xlim=edges(across)[[0, -1]], ylim=edges(up)[[0, -1]])
    handles, labels = axes.get_legend_handles_labels()
    handles = [Patch(color=colour, label=name) for name, colour in palette.items()] + handles
    figure.legend(handles=handles, loc="outside upper left", ncols=3)
    return figure


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
        words = name.removeprefix(LINE).removesuffix("_theory")
        axes.plot(place, root[name], color="black", ls=dashes, lw=1.8, label=f"{words}, theory")
