"""Runs over each other: curves in time, values against what they were measured at, final values.

Every drawing is a function of `{name: results of a run}`. Lines and symbols are means over replicas, bands and bars
their standard errors; dashed lines are theory, black where all runs have the same.

Example:
    >>> energy = lambda e: xr.DataTree(xr.Dataset({"energy": (("replica", "step"), np.full((3, 4), e))}))
    >>> figure = overlaid({"cold": energy(-2.0), "hot": energy(-1.0)}, "/", "energy")
    >>> [text.get_text() for text in figure.legends[0].get_texts()]
    ['cold', 'hot']
"""

# The type stubs of xarray and matplotlib are narrower than what they take.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOperatorIssue=false, reportAttributeAccessIssue=false

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from matterlearn import finals, style
from matterlearn.plots_curves import grid, time_axis
from matterlearn.plots_sweep import cells
from matterlearn.verdicts import TIME_DIMS, swept

ATTRIBUTE = "matterlearn_comparison"
Runs = Mapping[str, xr.DataTree]
DECADES = 30.0  # positive values that span more than this factor are drawn on a logarithmic axis
MOST_PANELS, MOST_MAPS, MOST_SPLIT = 12, 6, 6
LETTERS = 75  # of a legend in one line
CAPTION = "Mean over replicas with its standard error. Dashed: theory."
MAP = "Final values of a run minus those of the first, where both have them."
LAST = "Final values, mean ± standard error over replicas."
FIRST = ("overlap", "cross_overlap", "accuracy", "loss", "kl", "log_likelihood", "energy")


def runs_of(tree: xr.DataTree) -> dict[str, xr.DataTree]:
    """The runs that a comparison was made of."""
    return {name: node.copy() for name, node in tree["runs"].children.items()} if "runs" in tree.children else {}


def colours(names) -> dict[str, str]:
    """One colour for each run."""
    if len(names) <= len(style.MEMORY_COLOURS):
        return dict(zip(names, style.MEMORY_COLOURS, strict=False))
    return dict(zip(names, colormaps["turbo"](np.linspace(0.05, 0.95, len(names))), strict=True))


class Layout(NamedTuple):
    """What a quantity is drawn against, and by which label it is split into panels."""

    along: str
    panel: str | None = None


def quantities(runs: Runs) -> list[tuple[str, str]]:
    """Group and name of what at least two runs measured in the same units, the same way; of most interest first."""
    found: dict[tuple[str, str], list[tuple[Layout, str]]] = {}
    for tree in runs.values():
        for path, node in finals.groups(tree).items():
            for name, array in finals.measured(node).items():
                if layout := _layout(node, array):
                    found.setdefault((path, name), []).append((layout, str(array.attrs.get("units", "1"))))
    shared = [key for key, ways in found.items() if len(ways) > 1 and len(set(ways)) == 1]
    return sorted(shared, key=lambda key: FIRST.index(key[1]) if key[1] in FIRST else len(FIRST))


def _layout(node: xr.Dataset, array: xr.DataArray) -> Layout | None:
    """Against time; else against a label with numbers, in panels if there is another one with few values."""
    time = finals.time_of(array)
    others = [str(d) for d in array.dims if d not in ("replica", *TIME_DIMS, *finals.seeds(array))]
    labels = [dim for dim in others if array.sizes[dim] > 1]
    labels += list(swept(node)) if "replica" in array.dims else []
    if not labels:
        return Layout(time) if time and array.sizes[time] > 1 else None
    swept_twice = len(finals.paths(array)) - len(finals.seeds(array)) > 1  # subtracted instead
    if not set(labels) <= set(node.coords) or len(labels) > 2 or swept_twice:
        return None
    *few, along = sorted(labels, key=lambda label: (node[label].dtype.kind in "fiu", len(np.unique(node[label]))))
    if node[along].dtype.kind not in "fiu" or (few and len(np.unique(node[few[0]])) > MOST_SPLIT):
        return None
    return Layout(along, *few)


def overlaid(runs: Runs, path: str, name: str) -> Figure:
    """One quantity of all runs that have it, against time or against its label."""
    nodes = {run: finals.group(tree, path) for run, tree in runs.items()}
    have = {run: array for run, node in nodes.items() if (array := finals.measured(node).get(name)) is not None}
    nodes, first = {run: nodes[run] for run in have}, next(iter(have))
    layout, array = _layout(nodes[first], have[first]), have[first]
    assert layout is not None, "a quantity of `quantities`"
    hue, by_time = colours(list(runs)), layout.along in TIME_DIMS
    labels = np.unique(nodes[first][layout.panel]).tolist() if layout.panel else [None]
    figure, panels = grid(len(labels), *((6.5, 4.2) if len(labels) == 1 else (4.6, 3.7)))
    values = have if by_time else {run: _final(node, name) for run, node in nodes.items()}
    for axes, label in zip(panels, labels, strict=True):
        where = {layout.panel: label} if layout.panel else {}
        if by_time:
            _in_time(axes, values, layout.along, hue)
        else:
            _by_label(axes, values, name, layout.along, where, hue)
            axes.set_xlabel(style.label(layout.along, nodes[first][layout.along].attrs))
            axes.set_title("".join(f"{dim} {value}" for dim, value in where.items()))
        _theories(axes, nodes, name, layout.along, where, hue)
        axes.set_ylabel(style.label(name, array.attrs) if axes is panels[0] or len(panels) > 3 else "")
        _scale(axes)
    handles, words = panels[0].get_legend_handles_labels()
    figure.legend(handles, words, loc="outside upper left", ncols=max(1, int(LETTERS // (max(map(len, words)) + 6))))
    return figure


def _in_time(axes: Axes, arrays: Mapping[str, xr.DataArray], along: str, hue: Mapping[str, str]) -> None:
    """Curves; against the number of steps where the clocks of the runs have different units."""
    clocks = {run: time_axis(array, along)[1] for run, array in arrays.items()}
    for run, array in arrays.items():
        if len(set(clocks.values())) > 1:
            array = array.drop_vars("time", errors="ignore")
        array = finals.samples(array).dropna(along, how="all")
        x, words = time_axis(array, along)
        style.curve(axes, x, array, hue[run], run, thin=False)
        axes.set_xlabel(words)


def _final(node: xr.Dataset, name: str) -> xr.Dataset:
    return finals.finals(node[[n for n in node.data_vars if str(n) in (name, f"{name}_sem", "overlap")]])


def _by_label(axes: Axes, values: Mapping[str, xr.Dataset], name: str, along: str, where, hue) -> None:
    for run, final in values.items():
        if all(label in final[dim].values for dim, label in where.items()):
            one = final[[name, f"{name}_sem"]].sel(where).squeeze(drop=True).dropna(along, subset=[name])
            axes.errorbar(one[along].values, one[name].values, yerr=np.nan_to_num(one[f"{name}_sem"].values),
                          color=hue[run], marker="o", ms=5, lw=1.4, capsize=3, label=run)  # fmt: skip


def _theories(axes: Axes, nodes: Mapping[str, xr.Dataset], name: str, axis: str, where, hue) -> None:
    """Closed forms: one black line if it is that of all runs."""
    known = {run: node[f"{name}_theory"] for run, node in nodes.items() if f"{name}_theory" in node}
    known = {run: (v.mean("replica") if "replica" in v.dims else v) for run, v in known.items()}
    known = {run: v.sel(where) if set(where) <= set(v.dims) else v for run, v in known.items()}
    known = {run: values for run, values in known.items() if set(values.dims) <= {axis}}
    shared = len(known) == len(nodes) and all(v.equals(next(iter(known.values()))) for v in known.values())
    for i, (run, values) in enumerate(known.items()):
        if shared and i:
            return
        colour, words = "black" if shared else hue[run], "theory" if i == 0 else "_"
        if not values.dims:
            axes.axhline(float(values), color=colour, ls="--", lw=1.3, label=words)
            continue
        values = values.dropna(axis)
        x = time_axis(values, axis)[0] if axis in TIME_DIMS else values[axis].values
        axes.plot(x, values.values, color=colour, ls="--", lw=1.3, label=words, zorder=4)


def _scale(axes: Axes) -> None:
    """A logarithmic axis for what is positive and spans decades."""
    values = np.concatenate([np.asarray(line.get_ydata(), float) for line in axes.get_lines()])
    values = values[np.isfinite(values)]
    if values.size and values.min() > 0 and values.max() > DECADES * values.min():
        axes.set_yscale("log")


def last_values(runs: Runs) -> Figure | None:
    """Final values that need no label, one panel for each quantity."""
    found: dict[str, dict[str, tuple[float, float]]] = {}
    words: dict[str, str] = {}
    for run, tree in runs.items():
        for node in finals.groups(tree).values():
            final = finals.finals(node)
            for name in (str(n) for n in final.data_vars if f"{n}_sem" in final and not final[n].dims):
                value = float(final[name]), float(final[f"{name}_sem"])
                label = style.label(name, final[name].attrs)
                if np.isfinite(value[0]) and words.setdefault(name, label) == label:
                    found.setdefault(name, {}).setdefault(run, value)
    found = {name: values for name, values in found.items() if len(values) > 1}
    if not found:
        return None
    order = sorted(found, key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))[:MOST_PANELS]
    figure, panels = grid(len(order), 4.6, 1.3 + 0.42 * len(runs))
    hue, rows = colours(list(runs)), {run: row for row, run in enumerate(runs)}
    for panel, (axes, name) in enumerate(zip(panels, order, strict=True)):
        for run, (mean, sem) in found[name].items():
            axes.errorbar(mean, rows[run], xerr=np.nan_to_num(sem), color=hue[run], marker="o", capsize=3)
        shown = list(runs) if panel % 3 == 0 else [""] * len(runs)
        axes.set(yticks=range(len(runs)), yticklabels=shown, xlabel=words[name], ylim=(len(runs) - 0.5, -0.5))
        axes.grid(axis="y", color="#E3E7EB", lw=0.8)
        axes.margins(x=0.15)
    return figure




def planes(runs: Runs) -> dict[tuple[str, str], dict[str, xr.Dataset]]:
    """Final values that at least two runs measured in the same units against the same two labels."""
    found: dict[tuple, dict[str, xr.Dataset]] = {}
    for run, tree in runs.items():
        for path, node in finals.groups(tree).items():
            final = finals.finals(node)
            for name in (str(n) for n in final.data_vars if f"{n}_sem" in final):
                values = final[[name, f"{name}_sem"]].squeeze(drop=True)
                if len(values.dims) == 2 and set(values.dims) <= set(values.coords):
                    kind = path, name, frozenset(values.dims), values[name].attrs["units"]
                    found.setdefault(kind, {})[run] = values
    return {kind[:2]: each for kind, each in found.items() if len(each) > 1}


def difference(runs: Mapping[str, xr.Dataset], name: str) -> Figure | None:
    """Maps of what other runs have more than the first, at the labels that both have."""
    (first, a), *others = runs.items()
    pairs = {run: xr.align(a, b, join="inner") for run, b in others[:MOST_MAPS]}
    pairs = {run: pair for run, pair in pairs.items() if pair[0][name].size}
    if not pairs:
        return None
    figure, panels = grid(len(pairs), *((6.4, 4.8) if len(pairs) == 1 else (4.9, 4.0)))
    gaps = {run: pair[1][name] - pair[0][name] for run, pair in pairs.items()}
    limit = max(float(abs(gap).max()) for gap in gaps.values()) or 1.0
    up, along = sorted(map(str, a.dims), key=lambda dim: a.sizes[dim])
    mesh = None
    for axes, (run, pair) in zip(panels, pairs.items(), strict=True):
        shown = xr.Dataset({name: gaps[run]}).assign_coords(pair[0].coords)
        mesh = cells(axes, shown, name, up, along, (-limit, limit), "RdBu_r")
        z = abs(gaps[run]) / np.hypot(*(each[f"{name}_sem"] for each in pair))
        z = z.where(np.isfinite(z))
        words = f"\nlargest |z| {float(z.max()):.1f} of {int(z.count())}" if int(z.count()) else ""
        axes.set_title(f"{run} − {first}{words}", fontsize=11)
    words = style.label(name, a[name].attrs)
    figure.colorbar(mesh, ax=panels, label=f"difference in {words}", shrink=0.9)
    return figure


def drawn(tree: xr.DataTree) -> list[tuple]:
    """Name, drawing and caption of every figure of a comparison."""
    runs, found, taken = runs_of(tree), [], set()
    both = planes(runs)
    curves = quantities(runs)
    for path, name in dict.fromkeys([*curves, *both]):
        title = name if name not in taken else f"{path.strip('/').replace('/', '_')}_{name}"
        taken.add(name)
        if (path, name) not in curves:
            found.append((title, lambda _, parts=both[path, name], name=name: difference(parts, name), MAP))
        else:
            found.append((title, lambda _, path=path, name=name: overlaid(runs, path, name), CAPTION))
    return [*found, ("last_values", lambda _: last_values(runs), LAST)]
