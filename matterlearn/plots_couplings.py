"""Figures of what was learned: coupling matrices, their growth, and what they keep of each memory.

Couplings J are energies, so lower is stickier; `site` is a species, or a species' patch.

Example:
    >>> bonds = np.array([[[0, 1, 0], [1, 0, 0], [0, 0, 0]]])
    >>> float(np.round(retained(-5.0 * bonds, bonds)[0, 0], 6))
    1.0
"""

# The type stubs of xarray and matplotlib are narrower than what they take.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOperatorIssue=false, reportAttributeAccessIssue=false
# pyright: reportOptionalSubscript=false, reportOptionalMemberAccess=false

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure

from matterlearn import style

COLOURS = "RdBu_r"
MOST_TICKS = 12  # species that get a tick each


def _group(tree: xr.DataTree, name: str, *needed: str) -> xr.Dataset | None:
    if name not in tree.children or not set(needed) <= set(tree[name].data_vars):
        return None
    return tree[name].to_dataset(inherit=False)


def _bonds(tree: xr.DataTree, sites: int) -> np.ndarray | None:
    """Bonds of each memory [memory, site, site_other], if they fit the couplings."""
    node = _group(tree, "memories", "bonds")
    if node is None or node["bonds"].shape[1:] != (sites, sites):
        return None
    return node["bonds"].values


def _upper(matrices: np.ndarray) -> np.ndarray:
    """Every pair of sites once, along the last axis; couplings are symmetric."""
    first, second = np.triu_indices(matrices.shape[-1])
    return matrices[..., first, second]


def _is_symmetric(array: xr.DataArray) -> bool:
    """Whether both axes number the same things; the second is then called ``…_other``."""
    return array.ndim == 2 and str(array.dims[1]) == f"{array.dims[0]}_other"


def matrices(tree: xr.DataTree) -> Figure | None:
    """Learned and ideal couplings side by side, and their distributions; nothing of one or of zeros alone."""
    node = _group(tree, "couplings", "couplings")
    if node is None or not _is_symmetric(node["couplings"]):
        return None
    if node["couplings"].size == 1 or not node["couplings"].any():
        return None
    named = [("learned" if "learning" in tree.children else "couplings", node["couplings"])]
    if "ideal" in node and node["ideal"].shape == node["couplings"].shape:
        named.append(("ideal", node["ideal"]))
    bonds = _bonds(tree, node["couplings"].shape[0])
    panels = len(named) + (bonds is not None)
    figure = style.new_figure(panels, 1, 5.0, 4.4)
    axes = figure.subplots(1, panels, squeeze=False)[0]
    reach = max(float(np.abs(array).max()) for _, array in named) or 1.0
    for panel, (title, array) in zip(axes, named, strict=False):
        image = panel.imshow(
            array.values, cmap=COLOURS, norm=TwoSlopeNorm(0.0, -reach, reach), origin="lower"
        )
        name = str(array.dims[0]).replace("_", " ")
        panel.set(title=title, xlabel=name, ylabel=name)
        if len(array) <= MOST_TICKS:
            panel.set(xticks=range(len(array)), yticks=range(len(array)))
        panel.spines[:].set_visible(True)
    units = style.label("J", {"units": node["couplings"].attrs.get("units", "")})
    bar = figure.colorbar(image, ax=list(axes[: len(named)]), shrink=0.9, pad=0.02)
    bar.set_label(f"{units}, lower = stickier")
    if bonds is not None:
        _distribution(axes[-1], node["couplings"].values, bonds, units)
    return figure


def _distribution(axes: Axes, couplings: np.ndarray, bonds: np.ndarray, units: str) -> None:
    values, stored = _upper(couplings), _upper(bonds).any(0)
    edges = np.histogram_bin_edges(values, 40)
    for chosen, colour, name in (
        (~stored, style.SHARED, "in no memory"), (stored, style.BLUE, "in a memory"),
    ):  # fmt: skip
        axes.hist(values[chosen], edges, color=colour, alpha=0.75, label=f"{name} ({chosen.sum()})")
    axes.set_yscale("log")
    axes.set(xlabel=units, ylabel="pairs of sites")
    style.legend_above(axes, columns=2)


def _history(tree: xr.DataTree) -> tuple[xr.Dataset, np.ndarray, np.ndarray, np.ndarray] | None:
    """The learning node, time [update], couplings [update, pair] and bonds [memory, pair]."""
    node = _group(tree, "learning", "couplings")
    if node is None or node["couplings"].dims[0] != "update" or node["couplings"].ndim != 3:
        return None
    bonds = _bonds(tree, node["couplings"].shape[-1])
    if bonds is None:
        return None
    time = node["time"] if "time" in node.coords else node["update"]
    return node, time.values, _upper(node["couplings"].values), _upper(bonds)


def _time_label(node: xr.Dataset) -> str:
    name = "time" if "time" in node.coords else "update"
    return style.label(name, node[name].attrs)


def growth(tree: xr.DataTree) -> Figure | None:
    """Couplings of stored and of other bonds while learning, with theory where there is one."""
    history = _history(tree)
    if history is None:
        return None
    node, time, values, bonds = history
    figure = style.new_figure(1, 1, 6.5, 4.2)
    axes = figure.subplots()
    single = bonds.astype(bool) & (bonds.sum(0) == 1)
    kinds = [(~bonds.any(0), style.SHARED, "in no memory")]
    kinds += [(own, style.memory_colour(m), f"memory {m} only") for m, own in enumerate(single)]
    kinds += [(bonds.sum(0) > 1, "black", "in several")]
    for chosen, colour, name in kinds:
        if chosen.any():
            mean, spread = values[:, chosen].mean(1), values[:, chosen].std(1)
            axes.fill_between(time, mean - spread, mean + spread, color=colour, alpha=0.25, lw=0)
            axes.plot(time, mean, color=colour, label=name)
    for name, array in node.data_vars.items():
        base = str(name).removesuffix("_theory")
        if base != name and array.dims == ("update",) and base not in _curves(node):
            text = str(array.attrs.get("long_name") or base.replace("_", " "))
            style.theory(axes, time, array.values, f"theory: {text}")
    units = {"units": node["couplings"].attrs.get("units", "")}
    axes.set(xlabel=_time_label(node), ylabel=style.label("J", units) + ", lower = stickier")
    _shade_shown(axes, node, time)
    style.legend_above(axes, columns=2)
    return figure


def _curves(node: xr.Dataset) -> list[str]:
    return [str(name) for name, array in node.data_vars.items() if array.dims == ("update",)]


def _shade_shown(axes: Axes, node: xr.Dataset, time: np.ndarray) -> None:
    """A strip along the bottom in the colour of the memory shown on the way to each update."""
    if "memory_shown" not in node.coords:
        return
    shown = node["memory_shown"].values.astype(int)
    for last, now, memory in zip(time, time[1:], shown[1:], strict=False):
        if memory >= 0:
            colour = style.memory_colour(int(memory))
            axes.axvspan(last, now, ymax=0.025, lw=0, color=colour, zorder=0)
    axes.annotate("shown", (1.01, 0.0), xycoords="axes fraction", fontsize=10, va="bottom")


def retained(couplings: np.ndarray, bonds: np.ndarray) -> np.ndarray:
    r"""What couplings keep of each memory: Pearson correlation of -J with the memory's bonds.

    $q_k = \mathrm{corr}_{a \le b}(-J_{ab}, B^k_{ab})$: 1 when only memory k is held, 0 when
    couplings are flat.

    Args:
        couplings: [..., site, site].
        bonds: [memory, site, site], 0 or 1.

    Returns:
        [..., memory].
    """
    return _retained_pairs(_upper(couplings), _upper(bonds))


def _retained_pairs(couplings: np.ndarray, bonds: np.ndarray) -> np.ndarray:
    attraction = -couplings + couplings.mean(-1, keepdims=True)
    wanted = bonds - bonds.mean(-1, keepdims=True)
    norm = np.linalg.norm(attraction, axis=-1)[..., None] * np.linalg.norm(wanted, axis=-1)
    return (attraction @ wanted.T) / np.where(norm > 0, norm, 1.0)


def forgetting(tree: xr.DataTree) -> Figure | None:
    """Correlation of the couplings with each memory against slow time."""
    history = _history(tree)
    if history is None or len(history[3]) < 2:
        return None
    node, time, values, bonds = history
    kept = _retained_pairs(values, bonds)
    figure = style.new_figure(1, 1, 6.5, 4.2)
    axes = figure.subplots()
    for memory in range(len(bonds)):
        axes.plot(time, kept[:, memory], color=style.memory_colour(memory),
                  label=f"memory {memory}")  # fmt: skip
    axes.set(xlabel=_time_label(node), ylabel="correlation of $-J$ with the memory")
    axes.set_ylim(min(-0.03, 1.05 * float(np.nanmin(kept))), 1.03)
    _shade_shown(axes, node, time)
    style.legend_above(axes, columns=4)
    return figure
