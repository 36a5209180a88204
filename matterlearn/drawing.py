"""One frame of particles, cut out of the `/trajectory` group and drawn into matplotlib axes.

Discs are coloured by species, with the species number inside when there are few of them; short
marks on the rim are the patches, patch k at the angle `orientation + 2πk/patches`. A bar across
a contact is a bond in the colour of the memory it belongs to (grey: several, dashed red: none).
Periodic boxes are shifted so that the largest bonded cluster sits in the middle.
Limit: three-dimensional samples are projected, with depth as fading, and cluster bonds as lines.
"""

# The type stubs of xarray and matplotlib are narrower than what they take.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOperatorIssue=false, reportAttributeAccessIssue=false
# pyright: reportOptionalSubscript=false, reportOptionalMemberAccess=false

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection, LineCollection, PathCollection
from matplotlib.colors import to_rgb
from matplotlib.path import Path
from matplotlib.textpath import TextPath

from matterlearn import style

MOST_NUMBERED_SPECIES = 40
GOLDEN = 0.61803398875
# A view from above one corner: no two axes coincide.
VIEW = np.array([[0.88, 0.47, 0.0], [-0.16, 0.31, 0.94], [0.44, -0.83, 0.35]])


@dataclass(frozen=True)
class Frame:
    """One replica at one time; `bonds` has rows (first, second, memory), `box` None when free."""

    position: np.ndarray
    orientation: np.ndarray | None
    species: np.ndarray
    bonds: np.ndarray
    box: float | None
    diameter: float
    patches: int
    step: int


def has_trajectory(tree: xr.DataTree) -> bool:
    """Whether there are particles to draw."""
    if "trajectory" not in tree.children or "position" not in tree["trajectory"].data_vars:
        return False
    return tree["trajectory"]["position"].sizes.get("axis", 0) > 1


def frame_of(tree: xr.DataTree, replica: int, frame: int) -> Frame:
    """Cuts one frame out of `/trajectory`; `frame` may be negative, counted from the end."""
    node = tree["trajectory"].to_dataset(inherit=False)
    frame %= node.sizes["frame"]
    one = node.isel(replica=replica, frame=frame)
    box = node.attrs.get("box", "free")
    bonds = np.zeros((0, 3), int)
    if "bond_first" in node:
        here = ((node["bond_replica"] == replica) & (node["bond_frame"] == frame)).values
        names = ("bond_first", "bond_second", "bond_memory")
        bonds = np.stack([node[name].values[here] for name in names], -1).astype(int)
    particles = node.sizes["particle"]
    return Frame(
        position=one["position"].values,
        orientation=one["orientation"].values if "orientation" in one else None,
        species=one["species"].values.astype(int) if "species" in one else np.zeros(particles, int),
        bonds=bonds,
        box=None if box == "free" else float(box),
        diameter=float(node.attrs.get("diameter", 1.0)),
        patches=int(node.attrs.get("patches", 0)),
        step=int(one["frame_step"]) if "frame_step" in one.variables else frame,
    )


def minimum_image(separation: np.ndarray, box: float | None) -> np.ndarray:
    """The shortest of the periodic images of a separation vector."""
    return separation if box is None else separation - box * np.round(separation / box)


def largest_cluster(frame: Frame) -> np.ndarray:
    """Particles of the largest bonded cluster; all of them where nothing is bonded."""
    group = np.arange(len(frame.position))
    for first, second in frame.bonds[:, :2]:
        a, b = group[first], group[second]
        if a != b:
            group[group == max(a, b)] = min(a, b)
    names, counts = np.unique(group, return_counts=True)
    if counts.max() < 2:
        return np.arange(len(group))
    return np.flatnonzero(group == names[counts.argmax()])


def centre_of(frame: Frame) -> np.ndarray:
    """Centre of the largest cluster; periodic: the circular mean of its coordinates."""
    members = frame.position[largest_cluster(frame)]
    if frame.box is None:
        return members.mean(0)
    angle = 2 * np.pi * members / frame.box
    mean = np.arctan2(np.sin(angle).mean(0), np.cos(angle).mean(0))
    return mean * frame.box / (2 * np.pi)


def span_of(tree: xr.DataTree, replica: int, centre: np.ndarray) -> float:
    """Width of the picture that shows all frames of a replica: the box, if there is one."""
    node = tree["trajectory"].to_dataset(inherit=False)
    box = node.attrs.get("box", "free")
    if box != "free":
        return float(box)
    reach = float(np.abs(node["position"].isel(replica=replica) - centre).max())
    return 2 * reach + 2 * float(node.attrs.get("diameter", 1.0))


def species_colours(species: np.ndarray) -> np.ndarray:
    """Pale colours around the wheel, neighbouring numbers far apart, so that black text reads."""
    hue = (species * GOLDEN) % 1.0
    angle = 2 * np.pi * (hue[:, None] + np.array([0.0, 1 / 3, 2 / 3]))
    return 0.83 + 0.14 * np.cos(angle)


def draw(axes: Axes, frame: Frame, centre: np.ndarray | None = None, span: float | None = None):
    """Draws one frame, the point `centre` in the middle (default: the largest cluster's)."""
    centre = centre_of(frame) if centre is None else centre
    offset = minimum_image(frame.position - centre, frame.box)
    if span is None:
        reach = float(np.abs(offset).max()) + frame.diameter
        span = frame.box if frame.box is not None else 2 * reach
    axes.set(xlim=(-span / 2, span / 2), ylim=(-span / 2, span / 2), xticks=[], yticks=[])
    axes.set_aspect("equal")
    for side in axes.spines.values():
        side.set(visible=frame.box is not None and offset.shape[1] == 2, linewidth=1.0)
    if offset.shape[1] == 3:
        _draw_3d(axes, frame, offset, span)
    else:
        _draw_2d(axes, frame, offset, span)


def _points_per_diameter(axes: Axes, frame: Frame, span: float) -> float:
    """Line widths and text are sized in points; they should scale with the particles."""
    width, height = axes.figure.get_size_inches() * axes.get_position().size
    return 72.0 * min(width, height) / span * frame.diameter


def _draw_2d(axes: Axes, frame: Frame, offset: np.ndarray, span: float) -> None:
    points = _points_per_diameter(axes, frame, span)
    which, place = _visible_images(offset, frame, span)
    size = np.full(len(which), 0.97 * frame.diameter)
    _discs(axes, place, size, species_colours(frame.species[which]), 0.025 * points, zorder=2)
    if frame.orientation is not None and frame.patches:
        _draw_patches(axes, frame, which, place, points)
    _draw_bonds_2d(axes, frame, offset, points)
    if 0 < frame.species.max(initial=0) < MOST_NUMBERED_SPECIES and points > 9:
        height = 0.35 * frame.diameter
        numbers = [
            Path(height * _digits(int(number)).vertices + where, _digits(int(number)).codes)
            for number, where in zip(frame.species[which], place, strict=True)
        ]
        axes.add_collection(PathCollection(numbers, facecolors="black", linewidths=0, zorder=6))


@lru_cache
def _digits(number: int) -> Path:
    """A number as an outline around the origin: hundreds of them draw as one collection."""
    outline = TextPath((0, 0), str(number), size=1.0)
    box = outline.get_extents()
    return Path(outline.vertices - (box.p0 + box.p1) / 2, outline.codes)


def _visible_images(offset: np.ndarray, frame: Frame, span: float) -> tuple[np.ndarray, np.ndarray]:
    """Particles with those periodic images of them that reach into the picture."""
    everyone = np.arange(len(offset))
    if frame.box is None:
        return everyone, offset
    shifts = frame.box * np.array([(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1)])
    place = (offset[:, None] + shifts).reshape(-1, 2)
    seen = (np.abs(place) < span / 2 + frame.diameter / 2).all(-1)
    return np.repeat(everyone, len(shifts))[seen], place[seen]


def _discs(axes, place, size, colours, edge, *, zorder) -> None:
    axes.add_collection(EllipseCollection(
        size, size, 0 * size, units="xy", offsets=place, offset_transform=axes.transData,
        facecolors=colours, edgecolors="#666666", linewidths=edge, zorder=zorder,
    ))  # fmt: skip


def _draw_patches(axes, frame: Frame, which: np.ndarray, place: np.ndarray, points: float) -> None:
    turns = 2 * np.pi * np.arange(frame.patches) / frame.patches
    angle = frame.orientation[which][:, None] + turns
    rim = frame.diameter * np.stack([np.cos(angle), np.sin(angle)], -1)
    marks = np.stack([place[:, None] + 0.37 * rim, place[:, None] + 0.48 * rim], axis=2)
    # Patch 0 is black, so that the orientation can be read off.
    for chosen, colour in ((slice(1, None), "#8A8A8A"), (slice(0, 1), "black")):
        axes.add_collection(LineCollection(
            marks[:, chosen].reshape(-1, 2, 2), colors=colour, linewidths=0.11 * points, zorder=3
        ))  # fmt: skip


def _draw_bonds_2d(axes: Axes, frame: Frame, offset: np.ndarray, points: float) -> None:
    """A bar over the middle of each bond, from either end so that cut bonds show on both sides."""
    first, second, memory = frame.bonds.T
    for start, end in ((first, second), (second, first)):
        separation = minimum_image(offset[end] - offset[start], frame.box)
        bars = np.stack(
            [offset[start] + 0.31 * separation, offset[start] + 0.69 * separation], axis=1
        )
        for kind in np.unique(memory):
            wrong = kind == -1
            axes.add_collection(LineCollection(
                bars[memory == kind], colors=style.memory_colour(int(kind)),
                linewidths=0.17 * points, linestyles=(0, (0.9, 0.6)) if wrong else "-", zorder=4,
            ))  # fmt: skip


def _draw_3d(axes: Axes, frame: Frame, offset: np.ndarray, span: float) -> None:
    """Balls and sticks in eight slabs from back to front; what is far is pale."""
    if frame.box is not None:
        corners = span / 2 * np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1).T
        edges = [
            (a, b) for a in corners for b in corners if (a != b).sum() == 1 and a.sum() < b.sum()
        ]
        lines = (np.array(edges) @ VIEW.T)[..., :2]
        axes.add_collection(LineCollection(lines, colors="#BBBBBB", linewidths=0.8, zorder=1))
        axes.set(xlim=(-0.88 * span, 0.88 * span), ylim=(-0.88 * span, 0.88 * span))
        span *= 1.76
    points = _points_per_diameter(axes, frame, span)
    seen = offset @ VIEW.T
    depth = seen[:, 2]
    near = (depth - depth.min()) / max(float(np.ptp(depth)), 1e-12)
    slab = np.minimum((8 * near).astype(int), 7)
    colours = species_colours(frame.species) - 0.15
    first, second, memory = frame.bonds.T
    rod = minimum_image(offset[second] - offset[first], frame.box) @ VIEW.T
    ends = np.stack([seen[first], seen[first] + rod], axis=1)[..., :2]
    for level in range(8):
        pale = 0.55 * (1 - (level + 0.5) / 8)
        rods = slab[first] == level
        tints = [_fade(style.memory_colour(int(m)), pale) for m in memory[rods]]
        axes.add_collection(
            LineCollection(ends[rods], colors=tints, linewidths=0.2 * points, zorder=2 + level)
        )
        balls = slab == level
        size = np.full(balls.sum(), 0.7 * frame.diameter)
        _discs(axes, seen[balls, :2], size, _fade(colours[balls], pale), 0.02 * points,
               zorder=2.5 + level)  # fmt: skip


def _fade(colour, amount: float) -> np.ndarray:
    rgb = np.array(to_rgb(colour)) if isinstance(colour, str) else np.asarray(colour)
    return rgb + amount * (1.0 - rgb)
