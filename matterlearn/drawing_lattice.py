"""Lattices as pictures: integers on sites become categories, categories become colours.

Where the results know stored structures, a site shows the memory that most of its bonds belong to: the classic view
of chimeras as patchworks. Otherwise it shows its species. Row 0 is at the bottom. Limit: of a cubic lattice the middle
layer is shown.

Example:
    >>> structure = np.array([[[1, 2], [3, 4]]])
    >>> membership(np.array([[1, 2, 0], [0, 4, 3]]), structure).tolist()    # 4 sits above 2, but right of 3, not left
    [[0, 0, -2], [-2, 0, -1]]
"""

# The type stubs of xarray and matplotlib are narrower than what they take.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOperatorIssue=false, reportAttributeAccessIssue=false

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D

from matterlearn import style
from matterlearn.drawing import species_colours

EMPTY, UNBOUND = -2, -1
BLANK = "#FFFFFF"
MOST_NAMED = 8  # categories in a legend
SITES = ("layer", "row", "column")


class Category(NamedTuple):
    """A value of a site: its number, colour and name; the name is empty where a legend would be too long."""

    number: int
    colour: tuple[float, float, float]
    name: str


def image(field: Int[np.ndarray, "row column"], categories: Sequence[Category]) -> Float[np.ndarray, "row column 3"]:
    """Colours of all sites.

    >>> image(np.array([[0, 1]]), [Category(0, (1, 1, 1), "empty"), Category(1, (0, 0, 0), "one")])[0, 1].tolist()
    [0.0, 0.0, 0.0]
    """
    numbers = np.array([category.number for category in categories])
    order = np.argsort(numbers)
    colours = np.array([category.colour for category in categories], float)
    return colours[order[np.searchsorted(numbers[order], field)]]


def species_categories(species: Sequence[int]) -> list[Category]:
    """One colour per species, 0 blank."""
    own = [s for s in species if s > 0]
    few = len(own) <= len(style.MEMORY_COLOURS)
    pale = species_colours(np.asarray(own, float)) if own else np.zeros((0, 3))
    colours = [to_rgb(style.MEMORY_COLOURS[s - 1]) if few and s <= len(style.MEMORY_COLOURS) else tuple(p)
               for s, p in zip(own, pale, strict=True)]  # fmt: skip
    named = [f"species {s}" if len(own) <= MOST_NAMED else "" for s in own]
    return [Category(0, to_rgb(BLANK), ""), *map(Category, own, colours, named)]


def memory_categories(memories: int) -> list[Category]:
    """One colour per memory, and one for tiles that are bound to nothing as in a memory."""
    named = memories <= MOST_NAMED
    own = [Category(m, to_rgb(style.memory_colour(m)), f"memory {m}" if named else "") for m in range(memories)]
    return [
        Category(EMPTY, to_rgb(BLANK), ""),
        Category(UNBOUND, to_rgb(style.WRONG), "bound as in no memory"),
        *own,
    ]


def membership(
    field: Int[np.ndarray, "row column"], patterns: Int[np.ndarray, "memory row column"]
) -> Int[np.ndarray, "row column"]:
    """Memory that most bonds of every site belong to; ``EMPTY`` and ``UNBOUND`` where there is none.

    Two neighbours are bound as in a memory if the memory has them as neighbours in this direction.
    """
    species = int(max(field.max(initial=0), patterns.max(initial=0))) + 1
    counts = np.zeros((len(patterns), *field.shape), int)
    for own, pattern in zip(counts, patterns, strict=True):
        place = np.full((species, 2), -9)
        cells = np.argwhere(pattern > 0)
        place[pattern[tuple(cells.T)]] = cells
        for axis in (0, 1):
            first = tuple(slice(None, -1) if k == axis else slice(None) for k in (0, 1))
            second = tuple(slice(1, None) if k == axis else slice(None) for k in (0, 1))
            a, b = field[first], field[second]
            step = place[b] - place[a]
            bound = (a > 0) & (b > 0) & (place[a, 0] >= 0) & (step[..., axis] == 1) & (step[..., 1 - axis] == 0)
            own[first] += bound
            own[second] += bound
    best = np.where(counts.max(0) > 0, counts.argmax(0), UNBOUND)
    return np.where(field > 0, best, EMPTY)


def has_lattice(tree: xr.DataTree) -> bool:
    """Whether there are frames of species on a lattice."""
    if "trajectory" not in tree.children or "species" not in tree["trajectory"].data_vars:
        return False
    return {"replica", "frame", "row", "column"} <= set(tree["trajectory"]["species"].dims)


class LatticePainter:
    """Draws frames of one results tree.

    Raises:
        KeyError: if the tree has no lattice; ask :func:`has_lattice`.
    """

    def __init__(self, tree: xr.DataTree):
        self.frames = tree["trajectory"].to_dataset(inherit=False)
        stored = tree["memories"].data_vars if "memories" in tree.children else {}
        self.patterns = _flat(stored["pattern"]).values if "pattern" in stored else None
        if self.patterns is not None:
            self.categories = memory_categories(len(self.patterns))
        else:
            self.categories = species_categories(np.unique(self.frames["species"].values).tolist())

    def handles(self) -> list[Line2D]:
        """Entries of a legend."""
        named = [category for category in self.categories if category.name]
        return [Line2D([], [], ls="", marker="s", ms=11, color=c.colour, label=c.name) for c in named]

    def still(self, axes: Axes, replica: int, frame: int) -> int:
        """Draws a frame, ``frame`` from the end if negative; returns its step."""
        frame %= self.frames.sizes["frame"]
        field = _flat(self.frames["species"].isel(replica=replica, frame=frame)).values.astype(int)
        shown = field if self.patterns is None else membership(field, self.patterns)
        for old in axes.images:
            old.remove()
        axes.imshow(image(shown, self.categories), origin="lower", interpolation="nearest")
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(True)
        return int(self.frames["frame_step"][frame]) if "frame_step" in self.frames.variables else frame

    film = still


def _flat(array: xr.DataArray) -> xr.DataArray:
    """The middle layer, where there are layers."""
    return array.isel(layer=array.sizes["layer"] // 2) if "layer" in array.dims else array
