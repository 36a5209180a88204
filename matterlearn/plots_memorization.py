"""From copies to one score: models fitted to more and more samples, in pairs that have none in common.

Example:
    >>> memorization(xr.DataTree(xr.Dataset())) is None
    True
"""

# The type stubs of xarray and matplotlib are narrower than what they take.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOperatorIssue=false, reportAttributeAccessIssue=false

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from matterlearn import style
from matterlearn.plots_samples import mosaic
from matterlearn.results import scenario_of
from matterlearn.variants import sample_similarity

NEEDED = {"visible_patterns", "copies", "mse_gap"}
HALVES = ((style.BLUE, "o", "one half"), (style.ORANGE, "s", "other half"))
SHOWN = 8  # samples of each of two models
Sizes = dict[int, list[str]]


def memorization(tree: xr.DataTree) -> Figure | None:
    """Copies, gap of the denoising error and similarity of two models, against the number of training samples."""
    node, sizes = _measured(tree)
    if not sizes:
        return None
    figure = style.new_figure(3, 1, 4.4, 4.3)
    copies, gap, similarity = figure.subplots(1, 3)
    _copies(copies, node, sizes)
    _gaps(gap, node, sizes)
    _similarities(similarity, node, sizes)
    for axes in (copies, gap, similarity):
        axes.set(xscale="log", xlabel="training samples N")
        style.legend_above(axes, columns=2)
    return figure


def same_noise(tree: xr.DataTree) -> Figure | None:
    """What two models without a training sample in common make of the same noise, one row of samples for each."""
    node, sizes = _measured(tree)
    shape = scenario_of(tree).get("system", {}).get("shape", [])
    pairs = {count: names for count, names in sizes.items() if len(names) == 2}
    if not pairs or len(shape) != 2:
        return None
    rows = -(-len(pairs) // 2)
    figure = style.new_figure(2, rows, 6.6, 2.1)
    panels, similar = figure.subplots(rows, 2, squeeze=False).ravel(), sample_similarity(node)
    for axes in panels[len(pairs) :]:
        axes.set_visible(False)
    for axes, (count, (one, other)) in zip(panels, pairs.items(), strict=False):
        drawn = [_last(node, name)[:SHOWN].reshape(-1, *shape) for name in (one, other)]
        limit = float(np.quantile(np.abs(drawn), 0.99))
        axes.imshow(mosaic(np.concatenate(drawn), SHOWN), cmap="gray", vmin=-limit, vmax=limit)
        cosine = float(similar.sel(variant=one, variant_other=other).mean())
        axes.set_title(f"N = {count}, mean cosine {cosine:.2f}")
        height = shape[0] + 1
        axes.set_yticks([height / 2 - 1, 3 * height / 2 - 1], [words for *_, words in HALVES])
        axes.set_xticks([])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    return figure


def _measured(tree: xr.DataTree) -> tuple[xr.Dataset, Sizes]:
    """What variants measured, and their names by the number of training samples; none if it is no such comparison."""
    node = tree["variants"].to_dataset(inherit=False) if "variants" in tree.children else xr.Dataset()
    if not set(node.variables) >= NEEDED:
        return node, {}
    scenario, sizes = scenario_of(tree), {}
    standard = scenario["task"].get("subset") or {}
    for name, changes in scenario["variants"].items():
        subset = changes.get("task.subset", standard)
        count = int(changes.get("task.subset.count", subset.get("count", 0)))
        sizes.setdefault(count, []).append(name)
    return node, dict(sorted(sizes.items())) if len(sizes) > 1 and 0 not in sizes else {}


def _copies(axes: Axes, node: xr.Dataset, sizes: Sizes) -> None:
    for half, (colour, marker, words) in enumerate(HALVES):
        there = {count: names[half] for count, names in sizes.items() if len(names) > half}
        each = node.sel(variant=list(there.values()))
        axes.errorbar(list(there), each["copies"].values, yerr=each["copies_sem"].values, color=colour, marker=marker,
                      capsize=3, lw=1.5, label=words)  # fmt: skip
    axes.set(ylabel="fraction of samples that are copies", ylim=(-0.03, 1.03))


def _gaps(axes: Axes, node: xr.Dataset, sizes: Sizes) -> None:
    """(test − train)/test at every noise level, of the first model of each size."""
    each = node.sel(variant=[names[0] for names in sizes.values()])
    test = each["mse_test"].transpose("variant", "noise_level").values
    gap, sem = (each[name].transpose("variant", "noise_level").values / test for name in ("mse_gap", "mse_gap_sem"))
    levels = np.broadcast_to(each["noise"].values, test.shape)[0]
    for k, colour in enumerate(style.shades(len(levels))):
        axes.errorbar(list(sizes), gap[:, k], yerr=sem[:, k], color=colour, marker="o", capsize=3, lw=1.5,
                      label=f"σ = {levels[k]:.2g}")  # fmt: skip
    axes.axhline(0.0, color=style.SHARED, lw=0.9, ls=":")
    axes.set(ylabel="denoising error: (test − train)/test")


def _similarities(axes: Axes, node: xr.Dataset, sizes: Sizes) -> None:
    """Mean and median of the cosine of samples from the same noise; two samples that have no noise in common below."""
    pairs = {count: names for count, names in sizes.items() if len(names) == 2}
    similar, counts = sample_similarity(node), list(pairs)
    cosines = np.array([similar.sel(variant=a, variant_other=b).values for a, b in pairs.values()])
    sem = cosines.std(1, ddof=1) / np.sqrt(cosines.shape[1])
    axes.errorbar(counts, cosines.mean(1), yerr=sem, color=style.BLUE, marker="o", capsize=3, lw=1.5, label="mean")
    axes.plot(counts, np.median(cosines, 1), color=style.BLUE, marker="o", mfc="white", ls="--", lw=1.2, label="median")
    apart = [_cosines(_last(node, a), np.roll(_last(node, b), 1, 0)).mean() for a, b in pairs.values()]
    axes.plot(counts, apart, color=style.SHARED, marker="^", ls=":", lw=1.2, label="other noise")
    axes.set(ylabel="cosine of samples of the two halves", ylim=(min(-0.1, *apart, *cosines.mean(1)), 1.03))


def _last(node: xr.Dataset, name: str) -> np.ndarray:
    """Samples of a variant at the end of its run: [replica, entry]."""
    return node["visible_patterns"].sel(variant=name).isel(step=-1).transpose("replica", "entry").values


def _cosines(x: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.sum(x * other, -1) / (np.linalg.norm(x, axis=-1) * np.linalg.norm(other, axis=-1))
