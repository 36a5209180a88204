"""Pictures and movies: first and last frames of a few replicas, and the way between; particles and lattices.

Which replicas are shown is a rule, not a choice: each cue first, lowest replica number first.
"""

# The type stubs of xarray and matplotlib are narrower than what they take.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOperatorIssue=false, reportAttributeAccessIssue=false
# pyright: reportOptionalSubscript=false, reportOptionalMemberAccess=false

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image

from matterlearn import style
from matterlearn.drawing import centre_of, draw, frame_of, has_trajectory, span_of
from matterlearn.drawing_lattice import LatticePainter, has_lattice
from matterlearn.errors import InputError
from matterlearn.verdicts import swept

MOST_FRAMES = 72
MOST_BYTES = 4_000_000
MOST_COLOURS = 128
MOVIE_DOTS_PER_INCH = 90


def choose_replicas(tree: xr.DataTree, count: int = 4) -> list[int]:
    """Replicas that show the variety: every cue in turn, the lowest replica numbers.

    In a sweep every cue where the mean final overlap is largest, so that the pictures start from
    the working case, then the lowest and the highest value of what was swept first.
    """
    root = tree.to_dataset(inherit=False)
    everyone = list(range(tree["trajectory"].sizes["replica"]))
    cue = root["cue"].values.tolist() if "cue" in root else [0] * len(everyone)
    ranges = swept(root)
    if ranges:
        _, case = np.unique(np.stack([root[name].values for name in ranges]), axis=1, return_inverse=True)
        best = _best_case(root, case.ravel())
        first = _alternate([r for r in everyone if case.ravel()[r] == best], cue)[: len(set(cue))]
        along = root[next(iter(ranges))].values
        ends = [int(np.argmax(along == value)) for value in (along.min(), along.max())]
        return list(dict.fromkeys(first + ends + _alternate(everyone, cue)))[:count]
    return _alternate(everyone, cue)[:count]


def _alternate(replicas: list[int], cue: Sequence[int]) -> list[int]:
    """Reorders so that the cues take turns: how many of its own cue came before decides."""
    turn = {r: sum(cue[q] == cue[r] for q in replicas[:i]) for i, r in enumerate(replicas)}
    return sorted(replicas, key=lambda r: (turn[r], r))


def _best_case(root: xr.Dataset, case: np.ndarray) -> int:
    """Combination of swept values with the largest mean final overlap; the middle one if nothing is known."""
    if "overlap" not in root:
        return int(case.max()) // 2
    final = root["overlap"].dropna("step", how="all").isel(step=-1).max("memory").values
    return int(np.argmax([final[case == number].mean() for number in range(case.max() + 1)]))


def _title(tree: xr.DataTree, replica: int, step: int) -> str:
    root = tree.to_dataset(inherit=False)
    first = f"replica {replica}"
    if "cue" in root:
        cue = int(root["cue"][replica])
        first += ", no cue" if cue < 0 else f", cue: memory {cue}"
    given = [f"{name.replace('_', ' ')} {float(root[name][replica]):g}" for name in swept(root)][:2]
    return "\n".join([first, *given[1:], ", ".join([*given[:1], f"step {step:,}"])])


class ParticlePainter:
    """Draws frames of particles; a film keeps the final cluster in the middle, a still its own."""

    def __init__(self, tree: xr.DataTree):
        self.tree, self.views = tree, {}

    def handles(self) -> list[Line2D]:
        """Entries of a legend: the kinds of bonds."""
        node = self.tree["trajectory"]
        kinds = np.unique(node["bond_memory"].values).tolist() if "bond_memory" in node else []
        none = "bond of no memory" if "memories" in self.tree.children else "bond"
        names = {-1: none, -2: "bond of several memories"}
        return [
            Line2D(
                [], [], color=style.memory_colour(int(kind)), lw=5,
                ls=(0, (0.9, 0.6)) if kind == -1 else "-",
                label=names.get(kind, f"bond of memory {kind}"),
            )
            for kind in sorted(kinds, key=lambda k: (k < 0, abs(k)))
        ]  # fmt: skip

    def still(self, axes: Axes, replica: int, frame: int) -> int:
        """Draws a frame, ``frame`` from the end if negative; returns its step."""
        one = frame_of(self.tree, replica, frame)
        draw(axes, one)
        return one.step

    def film(self, axes: Axes, replica: int, frame: int) -> int:
        """Draws a frame in place of the one before; returns its step."""
        if replica not in self.views:
            centre = centre_of(frame_of(self.tree, replica, -1))
            self.views[replica] = centre, span_of(self.tree, replica, centre)
        for artist in (*axes.collections, *axes.texts):
            artist.remove()
        one = frame_of(self.tree, replica, frame)
        draw(axes, one, *self.views[replica])
        return one.step


def painter_of(tree: xr.DataTree) -> ParticlePainter | LatticePainter | None:
    """What draws the frames of these results, if there are frames of something that can be drawn."""
    if has_trajectory(tree):
        return ParticlePainter(tree)
    return LatticePainter(tree) if has_lattice(tree) else None


def _panels(
    handles: list[Line2D], columns: int, rows: int, panel: float, title: str
) -> tuple[Figure, np.ndarray]:
    """Square panels at exactly known places, so that lines scale with the particles; above them room for a title."""
    gap, head = 0.12, 0.35 + 0.2 * title.count("\n")
    width = columns * panel + (columns + 1) * gap
    across = max(1, int(width / 2.5))
    foot = 0.15 + 0.28 * -(-len(handles) // across)
    height = rows * (panel + head) + foot
    figure = style.new_figure(1, 1, width, height)
    figure.set_layout_engine("none")
    if handles:
        figure.legend(handles=handles, loc="lower center", ncols=across, handlelength=1.4)
    grid = np.empty((rows, columns), object)
    for row, column in np.ndindex(rows, columns):
        left, bottom = gap + column * (panel + gap), height - (row + 1) * (panel + head)
        grid[row, column] = figure.add_axes(
            (left / width, bottom / height, panel / width, panel / height)
        )
    return figure, grid


def snapshots(tree: xr.DataTree) -> Figure | None:
    """First and last frames of a few replicas, at least one for each cue."""
    painter = painter_of(tree)
    if painter is None:
        return None
    replicas = choose_replicas(tree)
    with style.look():
        figure, grid = _panels(painter.handles(), len(replicas), 2, 3.4, _title(tree, replicas[0], 0))
        for column, replica in enumerate(replicas):
            for row, frame in ((0, 0), (1, -1)):
                step = painter.still(grid[row, column], replica, frame)
                title = f"step {step:,}" if row else _title(tree, replica, step)
                grid[row, column].set_title(title, fontsize=12, loc="left")
    return figure


def movie(
    tree: xr.DataTree, path: Path, replicas: Sequence[int] | None = None, seconds: float = 9.0
) -> list[Path]:
    """Writes `path` as GIF, and an MP4 beside it where ffmpeg is installed.

    At most 72 frames of at most four replicas; every other frame is left out of the GIF until it
    is below 4 MB. The shift that centres the final cluster of particles holds for all frames.
    """
    painter = painter_of(tree)
    if painter is None:
        raise InputError("no particle trajectory, nor that of a lattice, in these results: nothing to film")
    chosen = list(choose_replicas(tree) if replicas is None else replicas)[:4]
    total = tree["trajectory"].sizes["frame"]
    numbers = np.unique(np.linspace(0, total - 1, min(total, MOST_FRAMES)).round().astype(int))
    images = _render(tree, painter, chosen, numbers)
    images += [images[-1]] * max(1, len(images) // 10)
    path = Path(path).with_suffix(".gif")
    kept = images
    while _save_gif(kept, path, seconds) > MOST_BYTES and len(kept) > 8:
        kept = [*kept[:-1:2], kept[-1]]
    video = _save_mp4(images, path.with_suffix(".mp4"), seconds)
    return [path, *video]


def _render(
    tree: xr.DataTree, painter, replicas: Sequence[int], numbers: np.ndarray
) -> list[Image.Image]:
    images = []
    with style.look():
        figure, (row,) = _panels(painter.handles(), len(replicas), 1, 3.0, _title(tree, replicas[0], 0))
        for number in numbers:
            for axes, replica in zip(row, replicas, strict=True):
                step = painter.film(axes, replica, int(number))
                axes.set_title(_title(tree, replica, step), fontsize=11)
            figure.set_dpi(MOVIE_DOTS_PER_INCH)
            figure.canvas.draw()
            images.append(Image.fromarray(np.asarray(figure.canvas.buffer_rgba())).convert("RGB"))
    return images


def _save_gif(images: Sequence[Image.Image], path: Path, seconds: float) -> int:
    """One palette for all frames, so that what stands still costs nothing; returns the bytes."""
    palette = _palette([images[0], images[len(images) // 2], images[-1]])
    flat = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    flat[0].save(
        path, save_all=True, append_images=flat[1:], loop=0,
        duration=max(20, round(1000 * seconds / len(flat))),
    )  # fmt: skip
    return path.stat().st_size


def _palette(images: Sequence[Image.Image]) -> Image.Image:
    """The most frequent colours, which keeps flat areas exact, and those that carry meaning."""
    pixels = np.concatenate([np.asarray(image, np.int64).reshape(-1, 3) for image in images])
    codes, counts = np.unique(pixels @ [1 << 16, 1 << 8, 1], return_counts=True)
    frequent = codes[np.argsort(-counts)][:4096]
    found = np.stack([frequent >> 16, (frequent >> 8) & 255, frequent & 255], -1).tolist()
    named = [style.memory_colour(memory) for memory in range(-2, len(style.MEMORY_COLOURS))]
    fixed = [tuple(round(255 * c) for c in to_rgb(name)) for name in named]
    # Pillow looks colours up coarsely: near doubles of white would turn the background grey.
    distinct: dict[tuple, tuple] = {}
    for colour in found:
        distinct.setdefault(tuple(channel >> 3 for channel in colour), tuple(colour))
    colours = (fixed + list(distinct.values()))[:MOST_COLOURS]
    palette = Image.new("P", (1, 1))
    palette.putpalette([channel for colour in colours for channel in colour])
    return palette


def _save_mp4(images: Sequence[Image.Image], path: Path, seconds: float) -> list[Path]:
    program = shutil.which("ffmpeg")
    if program is None:
        return []
    width, height = images[0].size
    command = [
        program, "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24",
        "-s", f"{width}x{height}", "-r", f"{len(images) / seconds:.3f}", "-i", "-",
        "-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", "-pix_fmt", "yuv420p", str(path),
    ]  # fmt: skip
    frames = b"".join(image.tobytes() for image in images)
    done = subprocess.run(command, input=frames, capture_output=True, check=False)
    return [path] if done.returncode == 0 else []
