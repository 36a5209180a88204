"""Figures of a design: the loss and what it is made of, couplings and matter before and after, trust in gradients.

Example:
    >>> import numpy as np
    >>> node = xr.Dataset({"loss": ("update", np.ones(3))}, {"update": [0, 1, 2]})
    >>> loss(xr.DataTree.from_dict({"/design": node})).axes[0].get_xlabel()
    'update'
"""

# The type stubs of xarray and matplotlib are narrower than what they take.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOperatorIssue=false, reportAttributeAccessIssue=false
# pyright: reportOptionalSubscript=false, reportOptionalMemberAccess=false

import json
from itertools import product

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure

from matterlearn import snapshots, style
from matterlearn.plots_couplings import COLOURS, MOST_TICKS
from matterlearn.plots_curves import grid, root_of
from matterlearn.verdicts import cued_overlap

MOST_COMPONENTS, MOST_BARS, MOST_PANELS = 6, 40, 6
MOST_RATIO = 30  # of numbers on one linear axis
BEFORE, AFTER = style.ORANGE, style.BLUE
SIDES = {"before": BEFORE, "after": AFTER}


def _node(tree: xr.DataTree, path: str) -> xr.Dataset | None:
    return tree[path].to_dataset() if path in [node.path.strip("/") for node in tree.subtree] else None


def _band(axes: Axes, x, array: xr.DataArray, error: xr.DataArray | None, colour: str, name: str) -> None:
    """A curve with its standard error where there is one."""
    if error is not None and bool((np.isfinite(error) & (error > 0)).any()):
        axes.fill_between(x, array - error, array + error, color=colour, alpha=0.3, lw=0)
    axes.plot(x, array, color=colour, label=name)


def loss(tree: xr.DataTree) -> Figure | None:
    """Loss, the averages it is made of beside their targets, and the gradient's norm beside its noise."""
    node = _node(tree, "design")
    if node is None or "loss" not in node:
        return None
    averages = [str(n) for n in node.data_vars if "_designed" in str(n) and not str(n).endswith(("_sem", "_target"))]
    figure, panels = grid(1 + len(averages) + ("gradient_norm" in node), 4.6, 3.6)
    x = node["update"].values
    _band(panels[0], x, node["loss"], node.get("loss_sem"), style.BLUE, "loss")
    panels[0].set(xlabel="update", ylabel="loss")
    if float(node["loss"].min()) > 0 and float(node["loss"].max() / node["loss"].min()) > MOST_RATIO:
        panels[0].set_yscale("log")
        panels[0].set_ylim(0.3 * float(node["loss"].min()), 3 * float(node["loss"].max()))
    for axes, name in zip(panels[1:], averages, strict=False):
        _average(axes, node, name)
    if "gradient_norm" in node:
        _gradient(panels[-1], node)
    return figure


def _average(axes: Axes, node: xr.Dataset, name: str) -> None:
    """The averages of one term by update; where there are many, all of them before and after."""
    array, target, error = node[name], node.get(f"{name}_target"), node.get(f"{name}_sem")
    labels = json.loads(node.attrs.get(f"{name}_labels", "null")) or list(range(array.shape[1]))
    if len(labels) > MOST_COMPONENTS:
        _profile(axes, labels, array, error, target)
        axes.set_xlabel(node.attrs.get(f"{name}_axis", "component"))
    else:
        for i, colour in enumerate(style.shades(len(labels))):
            words = str(labels[i]) if len(labels) > 1 else ""
            _band(axes, node["update"], array[:, i], None if error is None else error[:, i], colour, words)
            if target is not None:
                axes.axhline(float(target[i]), color=colour if len(labels) > 1 else "black", ls="--", lw=1.5)
        axes.set_xlabel("update")
    if target is not None:
        axes.plot([], [], color="black", ls="--", lw=1.5, label="target")
    if node.attrs.get(f"{name}_scale") == "log":
        axes.set_yscale("log")
    axes.set_ylabel(style.label(name, array.attrs))
    style.legend_above(axes)


def _profile(axes: Axes, labels: list, array: xr.DataArray, error, target) -> None:
    """All components at the first and at the last update, beside their targets."""
    x = labels if all(isinstance(v, int | float) for v in labels) else np.arange(len(labels))
    for update, colour, words in ((0, BEFORE, "first update"), (-1, AFTER, "last update")):
        _band(axes, x, array[update], None if error is None else error[update], colour, words)
    if target is not None:
        axes.plot(x, target, color="black", ls="--", lw=1.5, zorder=4)


def _gradient(axes: Axes, node: xr.Dataset) -> None:
    """Its length, and where there is one its standard error."""
    axes.plot(node["update"], node["gradient_norm"], color=style.BLUE, label="length")
    noise = node.get("gradient_noise")
    if noise is not None and bool((noise > 0).any()):
        axes.plot(node["update"], noise, color=style.ORANGE, label="standard error")
    axes.set(xlabel="update", ylabel="gradient of the loss", yscale="log")
    switch = node.attrs.get("fallback_from_update")
    if switch is not None:
        axes.axvline(float(switch), color="black", ls=":", label="fallback")
    style.legend_above(axes)


def trust(tree: xr.DataTree) -> Figure | None:
    """How sensitivities grow along a trajectory, and the tail index of the gradients."""
    node, response = _node(tree, "design"), _node(tree, "design/response")
    if node is None or response is None:
        return None
    figure, panels = grid(2, 5.2, 3.8)
    axes = panels[0]
    for which, colour in (("median", style.BLUE), ("mean", style.ORANGE)):
        axes.plot(response["path_step"], response[f"sensitivity_{which}"], color=colour, label=which)
    axes.set(xlabel="step of the trajectory", ylabel="sensitivity |dx/dθ| (σ/$kT_{ref}$)", yscale="log")
    style.legend_above(axes)
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, high / 100), high)
    shape = 1 / node["tail_index"].where(node["tail_index"] > 0.1, 0.1)
    panels[1].plot(node["update"], shape, color=style.BLUE, marker="o", ls="", ms=3)
    panels[1].axhline(0.5, color="black", ls="--", lw=1.5, label="above: no variance")
    panels[1].set(xlabel="update", ylabel="tails of the gradients, 1/α")
    style.legend_above(panels[1])
    return figure


def couplings(tree: xr.DataTree) -> Figure | None:
    """Couplings before and after the design, as matrices or as bars."""
    after, before = _node(tree, "couplings"), _node(tree, "couplings_before")
    if after is None or before is None or "couplings" not in after or "couplings_before" not in before:
        return None
    pair = [("before", before["couplings_before"]), ("after", after["couplings"])]
    square = pair[0][1].ndim == 2 and len(set(pair[0][1].shape)) == 1
    return _matrices(pair) if square else _bars(pair)


def _matrices(pair) -> Figure:
    figure = style.new_figure(2, 1, 5.0, 4.4)
    panels = figure.subplots(1, 2)
    reach = max(float(np.abs(array).max()) for _, array in pair) or 1.0
    for axes, (title, array) in zip(panels, pair, strict=True):
        image = axes.imshow(array.values, cmap=COLOURS, norm=TwoSlopeNorm(0.0, -reach, reach), origin="lower")
        name = str(array.dims[0]).replace("_", " ")
        axes.set(title=title, xlabel=name, ylabel=name)
        if len(array) <= MOST_TICKS:
            axes.set(xticks=range(len(array)), yticks=range(len(array)))
        axes.spines[:].set_visible(True)
    units = style.label("J", {"units": pair[0][1].attrs.get("units", "")})
    figure.colorbar(image, ax=list(panels), shrink=0.9, pad=0.02).set_label(f"{units}, lower = stickier")
    return figure


def _bars(pair) -> Figure | None:
    values = [np.ravel(array.values) for _, array in pair]
    if len(values[0]) > MOST_BARS:
        return None
    figure = style.new_figure(1, 1, 6.5, 4.0)
    axes, x = figure.subplots(), np.arange(len(values[0]))
    for shift, (title, _), row, colour in zip((-0.2, 0.2), pair, values, (BEFORE, AFTER), strict=True):
        axes.bar(x + shift, row, 0.4, color=colour, label=title)
    axes.axhline(0, color="black", lw=0.8)
    array = pair[1][1]
    name = str(array.dims[0]).replace("_", " ") if array.dims else "coupling"
    axes.set(xlabel=name, xticks=x, ylabel=style.label("coupling", array.attrs))
    style.legend_above(axes)
    return figure


def validation(tree: xr.DataTree) -> Figure | None:
    """What is measured with fresh seeds, with the couplings before and after: averages first, then what has a time."""
    before = _node(tree, "before")
    if before is None:
        return None
    root = root_of(tree)
    both = [n for n in map(str, root.data_vars) if f"{n}_before" in before and root[n].attrs.get("units") != "label"]
    drawn = {n: _numbers for n in both if _is_average(root, n)}
    drawn |= {n: _numbers if _is_constant(root, before, n) else _curves for n in both if _is_series(root, n)}
    names = list(drawn)[:MOST_PANELS]
    if not names:
        return None
    figure, panels = grid(len(names), *((6.5, 4.0) if len(names) == 1 else (4.6, 3.6)))
    for axes, name in zip(panels, names, strict=True):
        drawn[name](axes, root, before, name)
        axes.set_ylabel(style.label(name, root[name].attrs))
        style.legend_above(axes)
    return figure


def _curves(axes: Axes, root: xr.Dataset, before: xr.Dataset, name: str) -> None:
    """By step, mean over replicas with its standard error."""
    for node, full, colour, words in ((before, f"{name}_before", BEFORE, "before"), (root, name, AFTER, "after")):
        array = _series(node, full).dropna("step", how="all")
        style.curve(axes, array["step"].values, array, colour, words, thin=False)
    axes.set_xlabel("step")


def _numbers(axes: Axes, root: xr.Dataset, before: xr.Dataset, name: str) -> None:
    """Averages with their standard errors, and what they were asked to be: along a coordinate, or one by one."""
    array = _settled(root[name])
    found = [_with_error(before, f"{name}_before"), _with_error(root, name)]
    wanted = {ending: root.get(f"{name}_{ending}") for ending in ("target", "theory")}
    wanted = {ending: np.ravel(v) for ending, v in wanted.items() if v is not None and v.size == array.size}
    if array.ndim == 1 and array.size > MOST_COMPONENTS and array[array.dims[0]].dtype.kind == "f":
        _functions(axes, array[array.dims[0]], found, wanted)
    else:
        _points(axes, array, found, wanted)


def _points(axes: Axes, array: xr.DataArray, found, wanted: dict) -> None:
    """Averages one by one, without those that are zero on both sides."""
    kept = np.any([np.isfinite(values) & (values != 0) for values, _ in found], axis=0)
    kept |= not kept.any()
    x, labels = np.arange(kept.sum()), np.array(_labels(array))[kept]
    for shift, (values, errors), (words, colour) in zip((-0.1, 0.1), found, SIDES.items(), strict=True):
        axes.errorbar(x + shift, values[kept], errors[kept], color=colour, label=words, fmt="o", ms=5, capsize=3)
    for ending, values in wanted.items():
        axes.plot(x, values[kept], color="black", ls="", marker="_", ms=18, label=ending, zorder=1)
    _scale(axes, *(values[kept] for values, _ in found), array.attrs.get("units"))
    axes.set_xlim(-0.5, len(x) - 0.5)
    axes.set_xticks([])
    if array.dims:
        crowded = len(x) > 4 and max(map(len, labels)) > 2
        axes.set_xticks(x, labels, rotation=90 if crowded else 0)
        axes.set_xlabel(", ".join(str(d).replace("_", " ") for d in array.dims))


def _functions(axes: Axes, x: xr.DataArray, found, wanted: dict) -> None:
    """Averages along a coordinate."""
    for (values, errors), (words, colour) in zip(found, SIDES.items(), strict=True):
        axes.fill_between(x, values - errors, values + errors, color=colour, alpha=0.3, lw=0)
        axes.plot(x, values, color=colour, label=words)
    for ending, values in wanted.items():
        style.theory(axes, x, values, ending)
    axes.set_xlabel(style.label(str(x.name), x.attrs))


def _scale(axes: Axes, before: np.ndarray, after: np.ndarray, units) -> None:
    """From zero; logarithmic where something with units, such as a rate, changes by orders of magnitude."""
    known = np.concatenate([v[np.isfinite(v)] for v in (before, after)])
    if units not in ("", "1", None) and len(known) and known.min() > 0 and known.max() > MOST_RATIO * known.min():
        axes.set_yscale("log")
        axes.set_ylim(known.min() / 2, known.max() * 2)
        return
    low, high = min(axes.get_ylim()[0], 0.0), max(axes.get_ylim()[1], 0.0)
    room = 0.05 * (high - low)
    axes.set_ylim(low - room * (low < 0), high + room * (high > 0))


def _with_error(node: xr.Dataset, name: str) -> tuple[np.ndarray, np.ndarray]:
    """All numbers of an average, and their standard errors or nan."""
    values, error = np.ravel(_settled(node[name])), node.get(f"{name}_sem")
    return values, np.full(len(values), np.nan) if error is None else np.ravel(error)


def _labels(array: xr.DataArray) -> list[str]:
    """Coordinates of every number of an average."""
    values = [array[d].values if d in array.coords else np.arange(array.sizes[d]) for d in array.dims]
    return [", ".join(v if isinstance(v, str) else f"{v:.3g}" for v in each) for each in product(*values)]


def _settled(array: xr.DataArray) -> xr.DataArray:
    """Without time and replicas, of which a constant does not know; records may miss at some steps."""
    if "step" not in array.dims:
        return array
    return array.max([d for d in ("step", "replica") if d in array.dims], keep_attrs=True).squeeze(drop=True)


def _is_average(root: xr.Dataset, name: str) -> bool:
    array = root[name]
    timeless = not {"step", "replica"} & set(array.dims) and not name.endswith(("_sem", "_theory", "_target"))
    return timeless and array.dtype.kind in "fiu" and array.size <= MOST_BARS


def _is_constant(root: xr.Dataset, before: xr.Dataset, name: str) -> bool:
    """A closed form: it depends on the couplings alone."""
    each = root[name], before[f"{name}_before"]
    alone = all(n == 1 for d, n in root[name].sizes.items() if d not in ("replica", "step"))
    return alone and all(float(array.max()) == float(array.min()) for array in each)


def _series(node: xr.Dataset, name: str) -> xr.DataArray:
    """One number per replica and step: of overlaps that with the cued memory."""
    array = node[name]
    if "memory" in array.dims and "cue" in node.coords:
        return cued_overlap(node, name)
    return array.squeeze([d for d in array.dims if d not in ("replica", "step")])


def _is_series(node: xr.Dataset, name: str) -> bool:
    array = node[name]
    cued = name == "overlap" and "memory" in array.dims and "cue" in node.coords
    alone = all(array.sizes[d] == 1 for d in array.dims if d not in ("replica", "step"))
    return "step" in array.dims and array.dtype.kind in "fiu" and (cued or alone)


def snapshots_before(tree: xr.DataTree) -> Figure | None:
    """First and last frames with the couplings before the design."""
    root, frames = _node(tree, "before"), _node(tree, "trajectory_before")
    if root is None or frames is None:
        return None
    groups = {"/": root, "/trajectory": _plain(frames)}
    if "memories" in tree.children:
        groups["/memories"] = tree["memories"].to_dataset(inherit=False)
    return snapshots.snapshots(xr.DataTree.from_dict(groups))


def _plain(frames: xr.Dataset) -> xr.Dataset:
    return frames.rename({str(n): str(n).removesuffix("_before") for n in frames.data_vars})
