"""One look for every figure: sizes for a slide, colours most eyes tell apart, labels with units.

The categorical colours follow Okabe and Ito's colour-universal palette. Red (always dashed) and
grey are kept for "wrong" and "shared", so that no memory is ever drawn in them.

Example:
    >>> label("overlap", {"long_name": "energy", "units": "kT"})
    'energy (kT)'
    >>> label("time", {"units": "sigma^2/D"})
    'time (σ²/D)'
"""

# The type stubs of xarray and matplotlib are narrower than what they take.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOperatorIssue=false, reportAttributeAccessIssue=false
# pyright: reportOptionalSubscript=false, reportOptionalMemberAccess=false

import io
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#E69F00", "#009E73", "#CC79A7"
SKY, YELLOW, WRONG, SHARED = "#56B4E9", "#C7B800", "#D40000", "#8C8C8C"
MEMORY_COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, YELLOW)
DOTS_PER_INCH, SCREEN = 150, 80
LONGEST_LINE = 30

RC: Mapping[str, Any] = {
    "font.size": 12,
    "axes.titlesize": 13,
    "axes.labelsize": 12,
    "xtick.labelsize": 11,
    "ytick.labelsize": 11,
    "legend.fontsize": 11,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 1.0,
    "axes.titlelocation": "left",
    "axes.formatter.use_mathtext": True,
    "axes.formatter.limits": (-3, 4),
    "lines.linewidth": 2.0,
    "lines.markersize": 6,
    "image.interpolation": "nearest",
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "mathtext.default": "regular",
}
SYMBOLS = (
    ("kT_ref", "$kT_{ref}$"),
    ("sigma", "σ"),
    ("epsilon", "ε"),
    ("tau", "τ"),
    ("^2", "²"),
    ("^3", "³"),
    ("^-1", "⁻¹"),
)


@contextmanager
def look() -> Iterator[None]:
    """Draws what is inside with this style, and leaves the caller's matplotlib as it was."""
    with mpl.rc_context(dict(RC)):
        yield


class Picture(Figure):
    """A figure that notebooks show without pyplot."""

    def _repr_png_(self) -> bytes:
        return png(self, SCREEN)


def new_figure(columns: int = 1, rows: int = 1, width: float = 6.0, height: float = 4.0) -> Figure:
    """An empty figure with room for `columns` × `rows` panels, each width × height inches."""
    figure = Picture(figsize=(width * columns, height * rows), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def png(figure: Figure, dots: int = DOTS_PER_INCH) -> bytes:
    """The figure as PNG, at so many dots per inch."""
    file = io.BytesIO()
    with look():
        figure.savefig(file, dpi=dots, format="png")
    return file.getvalue()


def write(figure: Figure, path: Path) -> Path:
    """Saves as PNG at a resolution fit for a slide."""
    with look():
        figure.savefig(path, dpi=DOTS_PER_INCH)
    return path


def memory_colour(memory: int) -> str:
    """Colour of memory 0, 1, …; of a bond that several (-2) or none (-1) of them have."""
    if memory < 0:
        return WRONG if memory == -1 else SHARED
    return MEMORY_COLOURS[memory % len(MEMORY_COLOURS)]


def label(name: str, attrs: Mapping[str, Any]) -> str:
    """Axis label: the long name, wrapped, with its units; none for a pure number."""
    text = str(attrs.get("long_name") or name.replace("_", " "))
    units = str(attrs.get("units", ""))
    for plain, symbol in SYMBOLS:
        units = units.replace(plain, symbol)
    text = textwrap.fill(text, LONGEST_LINE)
    return text if units in ("", "1") else f"{text} ({units})"


def over_replicas(array: xr.DataArray) -> tuple[np.ndarray, np.ndarray, int]:
    """Mean, standard error (nan for one replica) and their number; nan replicas are left out."""
    if "replica" not in array.dims:
        values = np.asarray(array.values, float)
        return values, np.full(values.shape, np.nan), 1
    values = array.astype(float)
    count = values.notnull().sum("replica")
    sem = values.std("replica", ddof=1) / np.sqrt(count) if values.sizes["replica"] > 1 else None
    mean = values.mean("replica").values
    error = np.full(mean.shape, np.nan) if sem is None else sem.where(count > 1).values
    return mean, error, array.sizes["replica"]


MOST_POINTS = 100  # of a curve; almost twice as many are still drawn one by one


def curve(
    axes: Axes, x: np.ndarray, array: xr.DataArray, colour: str, name: str, *, thin: bool = True
) -> None:
    """Mean over replicas with its standard error as a band, the replicas as thin lines behind.

    Of more than ``MOST_POINTS`` records, means over blocks of as many records are drawn, so that lines do not fill the
    panel.
    """
    x, array = _blocks(x, array)
    mean, sem, replicas = over_replicas(array)
    if thin and replicas > 1:
        each = array.transpose("replica", ...).values
        axes.plot(x, each.T, color=colour, alpha=min(0.35, 4 / replicas), lw=0.7, zorder=1)
    if replicas > 1:
        axes.fill_between(x, mean - sem, mean + sem, color=colour, alpha=0.3, lw=0, zorder=2)
    marker = "o" if len(x) < 3 else ""
    axes.plot(x, mean, color=colour, label=name, marker=marker, zorder=3)


def _blocks(x: np.ndarray, array: xr.DataArray) -> tuple[np.ndarray, xr.DataArray]:
    """Means over blocks of equally many records; those that are left over at the end are not drawn."""
    size = len(x) // MOST_POINTS
    (along,) = (dim for dim in array.dims if dim != "replica")
    if size < 2:
        return x, array
    mean = array.astype(float).drop_vars(array.coords, errors="ignore").coarsen({along: size}, boundary="trim").mean()
    return np.asarray(x)[: len(x) // size * size].reshape(-1, size).mean(1), mean


def theory(axes: Axes, x: np.ndarray, values: np.ndarray, name: str = "theory") -> None:
    """A closed form: dashed black, a horizontal line when it is one number."""
    if np.ndim(values) == 0:
        axes.axhline(float(values), color="black", ls="--", lw=1.5, label=name, zorder=4)
    else:
        axes.plot(x, values, color="black", ls="--", lw=1.5, label=name, zorder=4)


LETTERS_PER_INCH, LETTERS_BESIDE = 12, 6  # of a legend: its font's width, and that of a line and its margins


def legend_above(axes: Axes, columns: int = 3) -> None:
    """A legend that never covers the data, in as many columns as the panel has room for."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        figure, place = axes.get_figure(), axes.get_subplotspec()
        width = figure.get_size_inches()[0] / (place.get_gridspec().ncols if place else 1)  # pyright: ignore[reportOptionalMemberAccess]  # noqa: E501
        room = int(LETTERS_PER_INCH * width // (max(map(len, labels)) + LETTERS_BESIDE))
        axes.legend(
            handles, labels, loc="lower left", bbox_to_anchor=(0, 1.07 if _has_power(axes) else 1.0),
            ncols=max(1, min(columns, room)), borderaxespad=0.3, handlelength=1.6, columnspacing=1.2,
        )  # fmt: skip


def _has_power(axes: Axes) -> bool:
    """Whether a power of ten stands above the axis of ordinates, where a legend would cover it."""
    reach = max(map(abs, axes.get_ylim()))
    least, most = mpl.rcParams["axes.formatter.limits"]
    return axes.get_yscale() == "linear" and not 10.0**least < reach < 10.0**most


def shades(count: int) -> list[str]:
    """An ordered set of colours, dark to light, for the values of a swept quantity."""
    places = np.linspace(0.0, 0.85, count) if count > 1 else [0.0]
    return [to_hex(mpl.colormaps["viridis"](place)) for place in places]
