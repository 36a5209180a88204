"""Figures of a run, chosen by what the results hold; no pyplot, no jax.

Every drawing is a function of the tree that gives a `matplotlib.figure.Figure`, or None where the
tree lacks what it needs; `DRAWINGS` lists them with their captions. Means over replicas carry
their standard error, as a band or as bars; variables named `*_theory` are dashed black lines.

Example:
    >>> import numpy as np
    >>> root = xr.Dataset({"energy": (("replica", "step"), np.zeros((3, 4)), {"units": "kT"})})
    >>> figure = energy(xr.DataTree(root))
    >>> figure.axes[0].get_ylabel()
    'energy (kT)'
    >>> overlap(xr.DataTree(root)) is None
    True
"""

# The type stubs of xarray and matplotlib are narrower than what they take.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOperatorIssue=false, reportAttributeAccessIssue=false
# pyright: reportOptionalSubscript=false, reportOptionalMemberAccess=false

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from matterlearn import plots_couplings, plots_states, snapshots, style
from matterlearn.verdicts import cross_overlap, cued_overlap, swept

OUTCOMES = ("extra", "chimera", "largest_cluster")
MOST_PANELS = 6


@dataclass(frozen=True)
class Drawing:
    """A figure that can be drawn from results, under the name its file gets."""

    name: str
    draw: Callable[[xr.DataTree], Figure | None]
    caption: str


def figures(tree: xr.DataTree, directory: str | Path) -> list[Path]:
    """Draws all that can be drawn into `directory`, one PNG each; returns their paths."""
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for drawing in DRAWINGS:
        with style.look():
            figure = drawing.draw(tree)
        if figure is not None:
            written.append(style.write(figure, directory / f"{drawing.name}.png"))
    return written


def _root(tree: xr.DataTree) -> xr.Dataset:
    return tree.to_dataset(inherit=False)


def _node(tree: xr.DataTree, name: str) -> xr.Dataset | None:
    return tree[name].to_dataset(inherit=False) if name in tree.children else None


def _is_curve(array: xr.DataArray, time: str = "step") -> bool:
    return set(array.dims) in ({time}, {"replica", time}) and array.dtype.kind in "fiu"


def _measured(array: xr.DataArray) -> xr.DataArray:
    return array.dropna("step", how="all")


def _time(array: xr.DataArray, dim: str = "step") -> tuple[np.ndarray, str]:
    """The physical time where it is known, else the number of steps, with the axis label."""
    for name in ("time", dim):
        if name in array.coords and array[name].dims == (dim,):
            return array[name].values, style.label(name, array[name].attrs)
    return np.arange(array.sizes[dim]), dim


def _theory(axes: Axes, dataset: xr.Dataset, name: str, dim: str = "step") -> None:
    """Draws `<name>_theory` if the dataset has it: a number, a curve, or one curve per replica."""
    known = dataset.get(f"{name}_theory")
    if known is None or not set(known.dims) <= {"replica", dim}:
        return
    if dim in known.dims:
        known = known.dropna(dim, how="all")
    mean = known.mean("replica") if "replica" in known.dims else known
    x = _time(mean, dim)[0] if dim in mean.dims else np.zeros(0)
    style.theory(axes, x, mean.values, f"{name.replace('_', ' ')}, theory")


def _cases(dataset: xr.Dataset) -> list[tuple[str, xr.Dataset]]:
    """The replicas of each value of the first swept coordinate, or all of them at once."""
    for name, values in list(swept(dataset).items())[:1]:
        chosen = values if len(values) <= MOST_PANELS else _spread(values)
        where = dataset[name].values
        return [
            (f"{name.replace('_', ' ')} {v:g}", dataset.isel(replica=where == v)) for v in chosen
        ]
    return [("", dataset)]


def _spread(values: list) -> list:
    picks = np.linspace(0, len(values) - 1, MOST_PANELS).round().astype(int)
    return [values[i] for i in picks]


def _grid(count: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    columns = min(count, 3)
    rows = -(-count // columns)
    figure = style.new_figure(columns, rows, width, height)
    grid = figure.subplots(rows, columns, squeeze=False)
    for spare in grid.flat[count:]:
        spare.remove()
    panels = list(grid.flat[:count])
    for axes in panels:
        axes.xaxis.set_major_locator(MaxNLocator(5 if count > 1 else 7))
    return figure, panels


def overlap(tree: xr.DataTree) -> Figure | None:
    """Overlap with the cued memory and with the best other one, against time."""
    root = _root(tree)
    if "overlap" not in root or "step" not in root["overlap"].dims:
        return None
    cases = _cases(root)
    figure, panels = _grid(len(cases), *((6.5, 4.0) if len(cases) == 1 else (4.2, 3.4)))
    for axes, (title, data) in zip(panels, cases, strict=True):
        for name, array, colour in _overlap_curves(data):
            array = _measured(array)
            style.curve(axes, _time(array)[0], array, colour, name)
            x_label = _time(array)[1]
        _theory(axes, data, "overlap")
        axes.set(xlabel=x_label, ylabel="overlap", ylim=(min(-0.03, axes.get_ylim()[0]), 1.03))
        axes.set_title(title)
    _shared_legend(figure, panels)
    return figure


def _overlap_curves(data: xr.Dataset) -> list[tuple[str, xr.DataArray, str]]:
    array = data["overlap"]
    if "memory" not in array.dims:
        return [("overlap", array, style.BLUE)]
    if "cue" not in data:
        labels = (
            array["memory"].values if "memory" in array.coords else range(array.sizes["memory"])
        )
        return [
            (f"memory {m}", array.isel(memory=i), style.memory_colour(i))
            for i, m in enumerate(labels)
        ]
    cued = data.isel(replica=np.flatnonzero(data["cue"] >= 0))
    free = data.isel(replica=np.flatnonzero(data["cue"] < 0))
    found = []
    if cued.sizes["replica"]:
        found.append(("cued memory", cued_overlap(cued), style.BLUE))
        if array.sizes["memory"] > 1:
            found.append(("best other memory", cross_overlap(cued), style.ORANGE))
    if free.sizes["replica"]:
        found.append(("best memory, no cue", cross_overlap(free), style.SHARED))
    return found


def _shared_legend(figure: Figure, panels: list[Axes]) -> None:
    if len(panels) == 1:
        style.legend_above(panels[0])
        return
    handles, labels = panels[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside upper left", ncols=4)


def energy(tree: xr.DataTree) -> Figure | None:
    """Energy against time, and per particle on the right where their number is known."""
    root = _root(tree)
    if "energy" not in root or not _is_curve(root["energy"]):
        return None
    figure = style.new_figure(1, 1, 6.5, 4.0)
    axes = figure.subplots()
    x_label = _curves_by_case(axes, root, "energy")
    axes.set(xlabel=x_label, ylabel=style.label("energy", root["energy"].attrs))
    particles = tree["trajectory"].sizes.get("particle") if "trajectory" in tree.children else None
    if particles:
        right = axes.secondary_yaxis(
            "right", functions=(lambda e: e / particles, lambda e: e * particles)
        )
        right.set_ylabel("per particle")
        axes.spines["right"].set_visible(True)
    return figure


def _curves_by_case(axes: Axes, root: xr.Dataset, name: str) -> str:
    """One curve, or one per swept value in colours from dark to light; returns the x label."""
    cases = _cases(root)
    shades = style.shades(len(cases))
    for shade, (title, data) in zip(shades, cases, strict=True):
        array = _measured(data[name])
        alone = len(cases) == 1
        style.curve(
            axes, _time(array)[0], array, style.BLUE if alone else shade, title or "mean ± sem",
            thin=alone,
        )  # fmt: skip
    _theory(axes, root, name)
    if "replica" in root[name].dims:
        style.legend_above(axes)
    return _time(_measured(root[name]))[1]


def outcomes(tree: xr.DataTree) -> Figure | None:
    """Surplus units, chimeras and the largest cluster against time."""
    return _small_multiples(_root(tree), OUTCOMES)


def traces(tree: xr.DataTree) -> Figure | None:
    """Every other quantity measured along the run."""
    root = _root(tree)
    names = [
        str(name) for name, array in root.data_vars.items()
        if _is_curve(array) and name not in ("energy", "overlap", *OUTCOMES)
        and not str(name).endswith(("_theory", "_sem"))
    ]  # fmt: skip
    return _small_multiples(root, names)


def _small_multiples(root: xr.Dataset, wanted: tuple[str, ...] | list[str]) -> Figure | None:
    names = [n for n in wanted if n in root and _is_curve(root[n])]
    if not names:
        return None
    figure, panels = _grid(len(names), *((6.5, 4.0) if len(names) == 1 else (4.4, 3.5)))
    for axes, name in zip(panels, names, strict=True):
        x_label = _curves_by_case(axes, root, name)
        if axes.get_legend() is not None and (len(names) > 1):
            axes.get_legend().remove()
        axes.set(xlabel=x_label, ylabel=style.label(name, root[name].attrs))
    if len(names) > 1:
        _shared_legend(figure, panels)
    return figure


def learning(tree: xr.DataTree) -> Figure | None:
    """Scalars followed while learning: loss, accuracy, moments, against the updates."""
    node = _node(tree, "learning")
    if node is None:
        return None
    names = [
        str(n) for n, a in node.data_vars.items()
        if _is_curve(a, "update") and not str(n).endswith(("_theory", "_sem"))
    ]  # fmt: skip
    if not names:
        return None
    figure, panels = _grid(len(names), *((6.5, 4.0) if len(names) == 1 else (4.4, 3.5)))
    for axes, name in zip(panels, names, strict=True):
        x, x_label = _time(node[name], "update")
        style.curve(axes, x, node[name], style.BLUE, name.replace("_", " "))
        _theory(axes, node, name, "update")
        axes.set(xlabel=x_label, ylabel=style.label(name, node[name].attrs))
    return figure


def window(tree: xr.DataTree) -> Figure | None:
    """Final overlaps, surplus and chimeras against the one thing that was swept, with the predicted window."""
    root = _root(tree)
    ranges = swept(root)
    recall, others = _finals(root)
    if len(ranges) != 1 or not (recall or others):
        return None
    coordinate = next(iter(ranges))
    groups = [group for group in (recall, others) if group]
    figure, panels = _grid(len(groups), 5.6, 4.2)
    for axes, group in zip(panels, groups, strict=True):
        if {"window_low", "window_high"} <= set(root.attrs):
            axes.axvspan(
                root.attrs["window_low"], root.attrs["window_high"], color="#DDE7F0", lw=0,
                label="predicted window", zorder=0,
            )  # fmt: skip
        for (name, array), colour in zip(group, style.MEMORY_COLOURS, strict=False):
            grouped = [array.isel(replica=root[coordinate].values == v) for v in ranges[coordinate]]
            mean, sem, _ = zip(*(style.over_replicas(g) for g in grouped), strict=True)
            axes.errorbar(
                ranges[coordinate], mean, yerr=np.nan_to_num(sem), color=colour, marker="o",
                capsize=3, label=name,
            )  # fmt: skip
        axes.set(xlabel=style.label(coordinate, root[coordinate].attrs), ylabel="final value")
        if len(ranges[coordinate]) <= 8:
            axes.set_xticks(ranges[coordinate], [f"{v:g}" for v in ranges[coordinate]])
        axes.set_ylim(bottom=min(0, axes.get_ylim()[0]))
        style.legend_above(axes, columns=2)
    return figure


def _finals(root: xr.Dataset) -> tuple[list, list]:
    """Final values in each replica, named: the overlaps, and everything else."""
    recall, others = [], []
    if "overlap" in root and {"step", "replica"} <= set(root["overlap"].dims):
        recall = [
            (name, _measured(array).isel(step=-1))
            for name, array, _ in _overlap_curves(root)
            if array.sizes["replica"] == root.sizes["replica"]
        ]
    for name in OUTCOMES if recall else map(str, root.data_vars):
        if name in root and set(root[name].dims) == {"replica", "step"}:
            final = _measured(root[name]).isel(step=-1)
            others.append((style.label(name, root[name].attrs), final))
    return recall, others[: len(style.MEMORY_COLOURS)]


def shapes(tree: xr.DataTree) -> Figure | None:
    """Populations of cluster shapes, measured and predicted."""
    root = _root(tree)
    if "cluster_shape_population" not in root:
        return None
    measured = root["cluster_shape_population"]
    if "step" in measured.dims:
        measured = measured.mean("step")
    mean, sem, _ = style.over_replicas(measured)
    if "cluster_shape_population_sem" in root:
        sem = root["cluster_shape_population_sem"].values
    names = [str(s) for s in measured["shape"].values] if "shape" in measured.coords else []
    figure = style.new_figure(1, 1, max(5.0, 0.55 * len(mean) + 2.5), 4.0)
    axes = figure.subplots()
    place = np.arange(len(mean))
    axes.bar(place, mean, width=0.7, color=style.SKY, label="measured ± sem")
    axes.errorbar(place, mean, yerr=np.nan_to_num(sem), fmt="none", ecolor="black", capsize=3)
    known = root.get("cluster_shape_population_theory")
    if known is not None:
        axes.hlines(known.values, place - 0.42, place + 0.42, color="black", ls="--", lw=2,
                    label="theory")  # fmt: skip
    crowded = sum(map(len, names)) > 8 * len(names)
    axes.set_xticks(place, names or [str(i) for i in place], rotation=40 if crowded else 0,
                    ha="right" if crowded else "center")  # fmt: skip
    axes.set(xlabel="cluster shape", ylabel=style.label("population", measured.attrs))
    style.legend_above(axes)
    return figure


def profiles(tree: xr.DataTree) -> Figure | None:
    """Every quantity measured against something other than time: g(r), spectra, phase curves."""
    root = _root(tree)
    names = [str(n) for n, a in root.data_vars.items() if _profile_dim(a) is not None
             and not str(n).endswith(("_theory", "_sem"))]  # fmt: skip
    if not names:
        return None
    figure, panels = _grid(len(names), *((6.5, 4.0) if len(names) == 1 else (4.6, 3.6)))
    for axes, name in zip(panels, names, strict=True):
        dim = _profile_dim(root[name])
        array = root[name].transpose(..., dim)
        x = array[dim].values
        mean, sem, _ = style.over_replicas(array)
        if f"{name}_sem" in root:
            sem = root[f"{name}_sem"].values
        axes.errorbar(x, mean, yerr=np.nan_to_num(sem), color=style.BLUE, marker="o", ms=4,
                      lw=1.2, capsize=2, label="measured ± sem")  # fmt: skip
        if f"{name}_theory" in root and root[f"{name}_theory"].dims == (dim,):
            style.theory(axes, x, root[f"{name}_theory"].values)
        axes.set(xlabel=style.label(dim, array[dim].attrs), ylabel=style.label(name, array.attrs))
        style.legend_above(axes)
    return figure


def _profile_dim(array: xr.DataArray) -> str | None:
    dims = [str(d) for d in array.dims if d != "replica"]
    if len(dims) != 1 or dims[0] in ("step", "shape", "memory") or array.dtype.kind not in "fiu":
        return None
    coordinate = array.coords.get(dims[0])
    return dims[0] if coordinate is not None and coordinate.dtype.kind in "fiu" else None


DRAWINGS = (
    Drawing("snapshots", snapshots.snapshots,
            "First and last frames. Particles: bars are bonds in the colour of the memory they belong to, the "
            "largest cluster is in the middle. Lattices: the memory that most bonds of a tile belong to, or species."),
    Drawing("states", plots_states.states, "Final state over two swept quantities; lines: theory."),
    Drawing("overlap", overlap,
            "Overlap with the cued memory and with the best other one. Thick: mean over replicas "
            "with its standard error; thin: the replicas."),
    Drawing("outcomes", outcomes, "What else came out: surplus, chimeras, the largest cluster."),
    Drawing("window", window, "Final values against the swept quantity, mean ± standard error "
            "over replicas; shaded: the window theory predicts."),
    Drawing("energy", energy, "Energy against time, mean over replicas with its standard error."),
    Drawing("couplings", plots_couplings.matrices, "Learned couplings next to the ideal ones, and "
            "their distribution for bonds that are in a memory and for those that are not. "
            "Couplings are energies: lower is stickier."),
    Drawing("growth", plots_couplings.growth, "Couplings while learning: bonds that are in a "
            "memory and those that are not, mean with the spread over bonds."),
    Drawing("forgetting", plots_couplings.forgetting, "How much of each memory the couplings "
            "hold: correlation of the attraction with the memory's own bonds."),
    Drawing("learning", learning, "Quantities followed while learning."),
    Drawing("shapes", shapes, "Populations of cluster shapes; dashed: theory."),
    Drawing("traces", traces, "Other quantities along the run."),
    Drawing("profiles", profiles, "Quantities measured against something other than time."),
)  # fmt: skip

CAPTIONS = {drawing.name: drawing.caption for drawing in DRAWINGS}
