"""Networks on graphs: what depth does to them, and how much of a hidden division they find.

Example:
    >>> oversmoothing(xr.DataTree()) is None and detection(xr.DataTree()) is None
    True
"""

# The type stubs of xarray and matplotlib are narrower than what they take.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOperatorIssue=false, reportAttributeAccessIssue=false

from itertools import takewhile
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from matterlearn import style
from matterlearn.results import scenario_of
from matterlearn.theory.graph_diffusion import csbm_signal

MEASURES = (
    ("dirichlet_energy", "Dirichlet energy Σ|z_i − z_j|²", "log"),
    ("rayleigh_quotient", "Rayleigh quotient of 1 − S", "log"),
    ("mean_average_distance", "mean average distance", "log"),
    ("stable_rank", "stable rank", "linear"),
    ("effective_rank", "effective rank", "linear"),
)
BASELINES = (("accuracy_harmonic", "harmonic function", "--"), ("accuracy_fiedler", "second eigenvector", ":"))
MARKERS = "osD^vP"
Series = dict[Any, dict[float, list[str]]]


def oversmoothing(tree: xr.DataTree) -> Figure | None:
    """Accuracy against depth, and measures of smoothness layer by layer in the deepest network of each kind."""
    node, series = _series(tree, ("system.layer",), "system.depth", {"accuracy", "dirichlet_energy"})
    if not series:
        return None
    figure = style.new_figure(3, 2, 4.3, 3.9)
    accuracy, *others = figure.subplots(2, 3).ravel()
    for k, by_depth in enumerate(series.values()):
        _with_errors(accuracy, node, by_depth, "accuracy", k, _common([n[0] for n in by_depth.values()]))
    _baselines(accuracy, node)
    accuracy.set(xscale="log", xlabel="depth (layers)", ylabel="accuracy, nodes not told", ylim=(0.4, 1.03))
    depths = sorted({depth for by_depth in series.values() for depth in by_depth})
    accuracy.set_xticks(depths, [f"{depth:g}" for depth in depths], minor=False)
    accuracy.minorticks_off()
    style.legend_above(accuracy, columns=2)
    for axes, (name, words, scale) in zip(others, MEASURES, strict=True):
        for k, by_depth in enumerate(series.values()):
            deepest = by_depth[max(by_depth)][0]
            _by_layer(axes, node.sel(variant=deepest), name, k, deepest)
        axes.set(yscale=scale, xlabel="layer", ylabel=words)
        style.legend_above(axes, columns=2)
    return figure


def detection(tree: xr.DataTree) -> Figure | None:
    """Accuracy on a block model against how much nodes prefer their own block, one point per graph."""
    node, series = _series(tree, ("task.features", "system.features"), "system.graph.signal", {"accuracy"})
    if not series or "accuracy_harmonic" not in node:
        return None
    figure = style.new_figure(1, 1, 6.4, 4.6)
    axes = figure.subplots()
    for k, by_signal in enumerate(series.values()):
        label = _common([name for names in by_signal.values() for name in names])
        _with_errors(axes, node, by_signal, "accuracy", k, f"network, {label}")
        critical = _critical(tree, by_signal)
        if critical is not None:
            axes.axvline(critical, color=style.memory_colour(k), ls=":", lw=1.2)
    _spread(axes, node, next(iter(series.values())), "accuracy_harmonic", style.SHARED, "harmonic function")
    featured = [by for by in series.values() if np.isfinite(_mean_of(node, by, "accuracy_features")).any()]
    if featured:
        _spread(axes, node, featured[0], "accuracy_features", style.PURPLE, "features alone")
    axes.set(xlabel="λ of the blocks", ylabel="accuracy, nodes not told", ylim=(0.4, 1.03))
    style.legend_above(axes, columns=2)
    return figure


def _series(tree, kinds: tuple[str, ...], axis: str, needed: set[str]) -> tuple[xr.Dataset, Series]:
    """Variants that differ in one number, grouped by what else they change; none if it is no such comparison."""
    node = tree["variants"].to_dataset(inherit=False) if "variants" in tree.children else xr.Dataset()
    scenario = scenario_of(tree) if needed <= set(node.variables) else {}
    if not any(axis in changes for changes in scenario.get("variants", {}).values()):
        return node, {}
    series: Series = {}
    for name, changes in scenario["variants"].items():
        at = changes.get(axis, _standard(scenario, axis))
        family = str([changes.get(kind) for kind in kinds])
        series.setdefault(family, {}).setdefault(float(at), []).append(name)
    return node, {family: dict(sorted(by.items())) for family, by in series.items()}


def _standard(scenario: dict, path: str) -> Any:
    for key in path.split("."):
        scenario = scenario[key]
    return scenario


def _common(names: list[str]) -> str:
    """What the names of a series begin with, before the numbers in which they differ."""
    columns = zip(*(name.split() for name in names), strict=False)
    return " ".join(column[0] for column in takewhile(lambda column: len(set(column)) == 1, columns)) or names[0]


def _with_errors(axes: Axes, node, series: dict[float, list[str]], name: str, k: int, label: str) -> None:
    """Means over the variants at one place; the error is theirs, of a single one its own."""
    mean, error = np.array([_pooled(node, names, name) for names in series.values()]).T
    axes.errorbar(list(series), mean, yerr=error, color=style.memory_colour(k), marker=MARKERS[k % len(MARKERS)], ms=5,
                  capsize=3, lw=1.5, label=label)  # fmt: skip


def _pooled(node, names: list[str], name: str) -> tuple[float, float]:
    values = node[name].sel(variant=names).values
    if len(names) == 1:
        return float(values[0]), float(node[f"{name}_sem"].sel(variant=names[0]))
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def _mean_of(node, series: dict[float, list[str]], name: str) -> np.ndarray:
    if name not in node:
        return np.full(len(series), np.nan)
    array = node[name]
    each = [array if "variant" not in array.dims else array.sel(variant=names) for names in series.values()]
    return np.array([float(one.mean()) for one in each])


def _spread(axes: Axes, node, series: dict[float, list[str]], name: str, colour: str, label: str) -> None:
    axes.plot(list(series), _mean_of(node, series, name), color=colour, ls="--", lw=1.3, label=label)


def _baselines(axes: Axes, node: xr.Dataset) -> None:
    for name, words, dashes in BASELINES:
        if name in node and "variant" not in node[name].dims:
            axes.axhline(float(node[name]), color=style.SHARED, ls=dashes, lw=1.1, label=words)


def _by_layer(axes: Axes, one: xr.Dataset, name: str, k: int, label: str) -> None:
    colour, layers = style.memory_colour(k), one["layer"].values
    mean, error = one[name].values, one[f"{name}_sem"].values
    axes.plot(layers, mean, color=colour, lw=1.5, label=label)
    axes.fill_between(layers, np.maximum(mean - error, 0.1 * mean), mean + error, color=colour, alpha=0.2, lw=0)
    prediction = one.get(f"{name}_prediction")
    if prediction is not None:
        axes.plot(layers, prediction, color=colour, ls="--", lw=1.0)


def _critical(tree, series: dict[float, list[str]]) -> float | None:
    """λ above which the division can be found from graph and features together; None beyond any λ."""
    scenario = scenario_of(tree)
    changes = scenario["variants"][next(iter(series.values()))[0]]
    features = changes.get("task.features", scenario["task"].get("features", {}))
    nodes = sum(scenario["system"]["graph"]["blocks"])
    known = 0.0
    if features.get("source") == "spiked":
        known = csbm_signal(0.0, features["strength"], nodes / features["entries"])
    return np.sqrt(1 - known) if known < 1 else None
