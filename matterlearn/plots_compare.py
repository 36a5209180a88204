"""Runs over each other: curves in time, values against what they were measured at, final values.

Every drawing is a function of `{name: results of a run}`. Lines and symbols are means over replicas, bands and bars
their standard errors; dashed lines are theory, black where all runs have the same.

Example:
    >>> energy = lambda e: xr.DataTree(xr.Dataset({"energy": (("replica", "step"), np.full((3, 4), e))}))
    >>> figure = overlaid({"cold": energy(-2.0), "hot": energy(-1.0)}, "/", "energy")
    >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    ['cold', 'hot']
"""

# The type stubs of xarray and matplotlib are narrower than what they take.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOperatorIssue=false, reportAttributeAccessIssue=false

from collections.abc import Mapping

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
MOST_PANELS, MOST_MAPS = 12, 6
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


def quantities(runs: Runs) -> list[tuple[str, str]]:
    """Group and name of what at least two runs measured in the same units against one axis; of most interest first."""
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for tree in runs.values():
        for path, node in finals.groups(tree).items():
            for name, array in finals.measured(node).items():
                axis = _axis(node, name, array)
                if axis:
                    found.setdefault((path, name), []).append((axis, str(array.attrs.get("units", "1"))))
    shared = [key for key, axes in found.items() if len(axes) > 1 and len(set(axes)) == 1]
    return sorted(shared, key=lambda key: FIRST.index(key[1]) if key[1] in FIRST else len(FIRST))


def _axis(node: xr.Dataset, name: str, array: xr.DataArray) -> str | None:
    """What a quantity is drawn against: time, or the one label that its final values have."""
    time = finals.time_of(array)
    others = [d for d in array.dims if d not in ("replica", *TIME_DIMS, *finals.seeds(array))]
    conditions = list(swept(node)) if "replica" in array.dims else []
    if conditions:
        return conditions[0] if len(conditions) == 1 and not others else None
    if time and not others and array.sizes[time] > 1:
        return time
    labelled = [str(d) for d in others if d in array.coords and array[d].dtype.kind in "fiu" and array.sizes[d] > 1]
    return labelled[0] if len(others) == len(labelled) == 1 else None


def overlaid(runs: Runs, path: str, name: str) -> Figure:
    """One quantity of all runs that have it, against time or against its label."""
    figure, (axes,) = grid(1, 6.5, 4.2)
    have = {
        run: (node, array) for run, tree in runs.items()
        if (array := finals.measured(node := finals.group(tree, path)).get(name)) is not None
    }  # fmt: skip
    axis = next(iter(have.values()))
    axis = _axis(*axis[:1], name, axis[1])
    draw = _in_time if axis in TIME_DIMS else _by_label
    hue = colours(list(runs))
    for run, (node, array) in have.items():
        draw(axes, node, name, array, axis, hue[run], run)
    _theories(axes, {run: node for run, (node, _) in have.items()}, name, axis, hue)
    array = next(iter(have.values()))[1]
    axes.set_ylabel(style.label(name, array.attrs))
    _scale(axes)
    style.legend_above(axes)
    return figure


def _in_time(axes: Axes, node: xr.Dataset, name: str, array: xr.DataArray, axis: str, colour: str, run: str) -> None:
    array = finals.samples(array).dropna(axis, how="all")
    x, words = time_axis(array, axis)
    style.curve(axes, x, array, colour, run, thin=False)
    axes.set_xlabel(words)


def _by_label(axes: Axes, node: xr.Dataset, name: str, array: xr.DataArray, axis: str, colour: str, run: str) -> None:
    final = finals.finals(node[[n for n in node.data_vars if str(n) in (name, f"{name}_sem", "overlap")]])
    errors = np.nan_to_num(final[f"{name}_sem"].values)
    axes.errorbar(final[axis].values, final[name].values, yerr=errors, color=colour, marker="o", ms=5, lw=1.4,
                  capsize=3, label=run)  # fmt: skip
    axes.set_xlabel(style.label(axis, node[axis].attrs))


def _theories(axes: Axes, nodes: Mapping[str, xr.Dataset], name: str, axis: str, hue: Mapping[str, str]) -> None:
    """Closed forms: one black line if it is that of all runs."""
    known = {run: node[f"{name}_theory"] for run, node in nodes.items() if f"{name}_theory" in node}
    known = {run: (v.mean("replica") if "replica" in v.dims else v) for run, v in known.items()}
    known = {run: values for run, values in known.items() if set(values.dims) <= {axis}}
    shared = len(known) == len(nodes) and all(v.equals(next(iter(known.values()))) for v in known.values())
    for i, (run, values) in enumerate(known.items()):
        if shared and i:
            return
        colour = "black" if shared else hue[run]
        if not values.dims:
            axes.axhline(float(values), color=colour, ls="--", lw=1.3, label="theory" if i == 0 else "_")
            continue
        values = values.dropna(axis)
        x = time_axis(values, axis)[0] if axis in TIME_DIMS else values[axis].values
        axes.plot(x, values.values, color=colour, ls="--", lw=1.3, label="theory" if i == 0 else "_", zorder=4)


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
    for path, name in [*quantities(runs), *both]:
        title = name if name not in taken else f"{path.strip('/').replace('/', '_')}_{name}"
        taken.add(name)
        if (path, name) in both:
            found.append((title, lambda _, parts=both[path, name], name=name: difference(parts, name), MAP))
        else:
            found.append((title, lambda _, path=path, name=name: overlaid(runs, path, name), CAPTION))
    return [*found, ("last_values", lambda _: last_values(runs), LAST)]
