"""Models refitted to models: what is lost by generation, and what a last fit is worth against the number of its data.

Example:
    >>> lineages(xr.DataTree(xr.Dataset())) is None
    True
"""

# The type stubs of xarray and matplotlib are narrower than what they take.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOperatorIssue=false, reportAttributeAccessIssue=false

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator

from matterlearn import style
from matterlearn.results import scenario_of
from matterlearn.theory import infinite_memory, model_collapse

QUANTITIES = ("excess_risk", "variance", "log_variance", "mean_square", "squared_norm", "items_known")
MOST_PANELS = 3
DECADES = 100.0  # a quantity that spans more than this factor has a logarithmic axis
FEWEST_WEIGHTS = 3  # that make a curve
MOST_POINTS = 20  # on a curve, so that error bars can be told apart
COLOURS = (*style.MEMORY_COLOURS[:4], style.SKY, style.SHARED)
LOOKS = {"theory": "--", "leading_theory": ":"}
MARKERS = "osD^vX"
Cases = list[tuple[str, xr.Dataset, str, str]]


def _cases(tree: xr.DataTree, name: str, dims: tuple[str, ...]) -> Cases:
    """Words, data, colour and marker of every variant (one without words if there are none) that has this variable."""
    if "variants" in tree.children:
        joined = tree["variants"].to_dataset()
        cases = [(str(v), joined.sel(variant=v)) for v in joined["variant"].values] if name in joined else []
    else:
        cases = [("measured", tree.to_dataset(inherit=False))]
    held = [(words, one) for words, one in cases if name in one and one[name].dims == dims]
    found = [(words, one) for words, one in held if bool(one[name].notnull().any())]
    return [(*case, COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]) for i, case in enumerate(found)]


def _thinned(array: xr.DataArray, logarithmic: bool) -> np.ndarray:
    """Places of the values that are known and drawn: spread evenly along the axis, both ends too."""
    known = np.flatnonzero(array.notnull().values)
    spread = np.geomspace if logarithmic else np.linspace
    return known[np.unique(spread(1, len(known), min(len(known), MOST_POINTS)).round().astype(int)) - 1]


def _different(cases: Cases, name: str) -> Cases:
    """Without variants that give the numbers of an earlier one: they differ in something else."""
    kept: Cases = []
    for case in cases:
        if not any(np.array_equal(case[1][name], other[1][name], equal_nan=True) for other in kept):
            kept.append(case)
    return kept


def _points(axes: Axes, case: xr.Dataset, name: str, colour: str, marker: str, words: str) -> None:
    """Means with their standard errors."""
    array, sem = case[name], case.get(f"{name}_sem")
    places, (dim,) = _thinned(array, axes.get_xscale() == "log"), array.dims
    error = None if sem is None else np.nan_to_num(sem.values[places])
    axes.errorbar(array[dim].values[places], array.values[places], yerr=error, color=colour, marker=marker, ms=5,
                  ls="", capsize=2.5, lw=1.3, label=words)  # fmt: skip


def _lines(axes: Axes, case: xr.Dataset, name: str, colour: str) -> None:
    """Theory, exact and of many data."""
    for kind, look in LOOKS.items():
        line = case.get(f"{name}_{kind}")
        if line is not None and bool(line.notnull().any()):
            line = line.dropna(line.dims[0])
            axes.plot(line[line.dims[0]].values, line.values, color=colour, ls=look, lw=1.5, zorder=1)


def lineages(tree: xr.DataTree) -> Figure | None:
    """Quantities by generation, in colours of the variants."""
    drawn = [(name, cases) for name in QUANTITIES if (cases := _cases(tree, name, ("generation",)))][:MOST_PANELS]
    if not drawn:
        return None
    figure = style.new_figure(len(drawn), 1, 5.8, 4.8)
    panels = np.atleast_1d(figure.subplots(1, len(drawn)))
    items = scenario_of(tree).get("system", {}).get("kind") == "item_learner"
    for axes, (name, cases) in zip(panels, drawn, strict=True):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        values = np.concatenate([case[name].values for _, case, *_ in cases])
        if items:  # power laws, in n too
            _logarithmic(axes, "x")
        if items or np.nanmin(values) > 0 and np.nanmax(values) > DECADES * np.nanmin(values):
            _logarithmic(axes, "y")
        for words, case, colour, marker in _different(cases, name):
            _points(axes, case, name, colour, marker, words)
            _lines(axes, case, name, colour)
        axes.set(xlabel="generation", ylabel=style.label(name, cases[0][1][name].attrs))
    _legend(panels[0], figure, drawn[0][1], "excess_risk")
    return figure


def _logarithmic(axes: Axes, name: str) -> None:
    """A logarithmic axis with plain numbers at 1, 2 and 5 of every decade."""
    axes.set(**{f"{name}scale": "log"})
    axis = {"x": axes.xaxis, "y": axes.yaxis}[name]
    axis.set_major_locator(LogLocator(10, (1, 2, 5)))
    axis.set_minor_locator(LogLocator(10, np.arange(1, 10)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(FuncFormatter(lambda *_: ""))


def _legend(axes: Axes, figure: Figure, cases: Cases, name: str) -> None:
    """Variants, and what the lines are, above all panels."""
    handles, labels = axes.get_legend_handles_labels()
    for kind, words in (("theory", "exact"), ("leading_theory", "leading order")):
        if any(f"{name}_{kind}" in case for _, case, *_ in cases):
            (line,) = axes.plot([], [], color="black", ls=LOOKS[kind], lw=1.5)
            handles, labels = [*handles, line], [*labels, words]
    figure.legend(handles, labels, loc="outside upper left", ncols=2 * len(figure.axes))


def weights(tree: xr.DataTree) -> Figure | None:
    """Error of the mean in the end against the weight of real data, of variants that mix."""
    scenario = scenario_of(tree)
    cases = [(_weight(scenario, words), case) for words, case, *_ in _cases(tree, "mean_square", ("generation",))]
    cases = [(weight, case.isel(generation=-1)) for weight, case in cases if weight is not None]
    if len({weight for weight, _ in cases}) < FEWEST_WEIGHTS:
        return None
    w, size = np.array([weight for weight, _ in cases]), float(scenario["dynamics"]["size"])
    mean, sem, law = (size * np.array([float(case[f"mean_square{end}"]) for _, case in cases])
                      for end in ("", "_sem", "_theory"))  # fmt: skip
    figure = style.new_figure(1, 1, 6.4, 4.8)
    axes = figure.subplots()
    line = np.linspace(0.9 * w.min(), 1, 200)
    axes.errorbar(w, mean, yerr=sem, color=style.BLUE, marker="o", ls="", capsize=2.5, label="measured")
    axes.plot(w, law, color=style.ORANGE, marker="x", ls="", ms=9, mew=1.6, label=f"exact, T = {size:g}")
    axes.plot(line, model_collapse.mixing_variance(line), color="black", ls="--", lw=1.5, label="T → ∞", zorder=1)
    golden = model_collapse.GOLDEN_WEIGHT
    axes.axvline(golden, color=style.SHARED, ls=":", lw=1.2)
    axes.annotate("1/φ = 0.618", (golden, axes.get_ylim()[1]), (5, -14), textcoords="offset points")
    axes.set(xlabel="weight w of real data", ylabel="T × squared error of the mean\nover the true variance")
    style.legend_above(axes)
    return figure


def _weight(scenario: dict, variant: str) -> float | None:
    """w of a variant that mixes."""
    changes = scenario.get("variants", {}).get(variant, {})
    policy = changes.get("dynamics.policy", scenario["dynamics"]["policy"])
    weight = changes.get("dynamics.policy.weight", policy.get("weight", model_collapse.GOLDEN_WEIGHT))
    return float(weight) if policy.get("kind") == "mix" else None


def last_fits(tree: xr.DataTree) -> Figure | None:
    """What a last fit is worth against the number of its data, after the first and the last generation."""
    cases = _cases(tree, "downstream_risk", ("generation", "size"))
    if not cases:
        return None
    ends = sorted({int(cases[0][1]["generation"].values[i]) for i in (0, -1)})
    figure = style.new_figure(len(ends), 1, 6.0, 4.8)
    panels = np.atleast_1d(figure.subplots(1, len(ends), sharey=True))
    for axes, generation in zip(panels, ends, strict=True):
        for words, case, colour, marker in cases:
            at = case.sel(generation=generation)
            if bool(at["downstream_risk"].notnull().any()):
                _points(axes, at, "downstream_risk", colour, marker, words)
                _lines(axes, at, "downstream_risk", colour)
        _clean_law(axes, scenario_of(tree), cases[0][1]["size"].values)
        plural = "s" * (generation > 1)
        axes.set(xscale="log", yscale="log", xlabel=f"data of a last fit, after {generation} generation{plural}")
    panels[0].set_ylabel(style.label("downstream_risk", cases[0][1]["downstream_risk"].attrs))
    handles, labels = panels[0].get_legend_handles_labels()
    (line,) = panels[0].plot([], [], color="black", ls="--", lw=1.5)
    figure.legend([*handles, line], [*labels, "exact"], loc="outside upper left", ncols=3)
    return figure


def _clean_law(axes: Axes, scenario: dict, sizes) -> None:
    """Of items: real data alone, and its power law."""
    system = scenario.get("system", {})
    if system.get("kind") != "item_learner":
        return
    p = infinite_memory.zipf(int(system["items"]), float(system["beta"]))
    line = np.geomspace(min(sizes), max(sizes), 60)
    law = [np.sum(p * infinite_memory.missed(p, size)) for size in line]
    power = infinite_memory.asymptote(line, float(system["beta"]))
    c = infinite_memory.exponent(float(system["beta"]))
    axes.plot(line, law, color="black", lw=1.2, label="real data", zorder=1)
    axes.plot(line, power, color=style.SHARED, lw=1.2, ls="-.", label=f"$C\\,T^{{-{c:.2g}}}$", zorder=1)
