"""Score diffusion: clones that part, collapse onto training samples, errors of scores, and magnets.

Example:
    >>> clones(xr.DataTree(xr.Dataset())) is None
    True
"""

# The type stubs of xarray and matplotlib are narrower than what they take.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOperatorIssue=false, reportAttributeAccessIssue=false

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from matterlearn import style
from matterlearn.results import scenario_of
from matterlearn.theory import curie_weiss

AT_SPECIATION = 0.7752
POTENTIALS = {"$t_S$ + 1": 1.0, "$t_S$ + ½ ln 2": np.log(2) / 2, "$t_S$": 0.0, "$t_S$ − ½": -0.5}  # drawn of a magnet
FARTHEST = 5.0  # μ, drawn
VALUES_PER_BIN = 5  # of a magnetisation, which is discrete
Cases = list[tuple[str, xr.Dataset]]


def _cases(tree: xr.DataTree, name: str) -> Cases:
    """What was measured, by variant (one without a name if there are none); those without this variable left out."""
    if "variants" in tree.children:
        joined = tree["variants"].to_dataset()
        if name not in joined:
            return []
        cases = [(str(v), joined.sel(variant=v)) for v in joined["variant"].values]
    else:
        cases = [("", tree.to_dataset(inherit=False))]
    return [(words, one) for words, one in cases if name in one and bool(one[name].notnull().any())]


def _by_time(case: xr.Dataset, name: str):
    """Times, values and errors of a quantity, where it is known."""
    array = case[name]
    known = array.notnull().values
    sem = case[f"{name}_sem"].values if f"{name}_sem" in case else np.zeros(len(known))
    return array[array.dims[0]].values[known], array.values[known], np.nan_to_num(sem[known])


def _points(axes: Axes, case: xr.Dataset, name: str, colour: str, words: str, shift: float = 0.0, marker="o") -> None:
    t, values, sem = _by_time(case, name)
    axes.errorbar(t - shift, values, yerr=sem, color=colour, marker=marker, ls="", capsize=2.5, lw=1.3, label=words)


def _line(axes: Axes, case: xr.Dataset, name: str, colour: str, look: str = "--", shift: float = 0.0, words=None):
    if name in case and bool(case[name].notnull().any()):
        t, values, _ = _by_time(case, name)
        axes.plot(t - shift, values, color=colour, ls=look, lw=1.5, label=words, zorder=1)


def clones(tree: xr.DataTree) -> Figure | None:
    """How often clones agree, against the time at which they part; on the right from the speciation time on."""
    cases = _cases(tree, "clone_overlap")
    if not cases:
        return None
    collapsed = any("speciation_time_theory" in case for _, case in cases)
    figure = style.new_figure(1 + collapsed, 1, 6.0, 4.6)
    left, *rest = np.atleast_1d(figure.subplots(1, 1 + collapsed, sharey=True))
    for (words, case), colour in zip(cases, style.shades(len(cases)), strict=True):
        _points(left, case, "clone_overlap", colour, words or "measured")
        _line(left, case, "clone_overlap_curve", colour)
        if "speciation_time_theory" in case:
            start = float(case["speciation_time_theory"])
            left.axvline(start, color=colour, lw=0.9, ls=":")
            _points(rest[0], case, "clone_overlap", colour, words or "measured", start)
            _line(rest[0], case, "clone_overlap_curve", colour, shift=start)
    left.axhline(AT_SPECIATION, color=style.SHARED, lw=0.9, ls=":")
    left.set(xlabel="time t at which clones part", ylabel="probability φ that clones agree")
    for right in rest:
        right.axhline(AT_SPECIATION, color=style.SHARED, lw=0.9, ls=":")
        right.set(xlabel="$t − t_S$")
        right.axvline(0.0, color=style.SHARED, lw=0.9, ls=":")
        right.annotate("φ = 0.7752", (0.0, AT_SPECIATION), (6, 6), textcoords="offset points")
    style.legend_above(left)
    return figure


def collapse(tree: xr.DataTree) -> Figure | None:
    """Excess entropy and participation ratio of an empirical score against the noise time."""
    cases = _cases(tree, "excess_entropy")
    if not cases:
        return None
    figure = style.new_figure(2, 1, 6.0, 4.6)
    left, right = figure.subplots(1, 2)
    for (words, case), colour in zip(cases, style.shades(len(cases)), strict=True):
        _points(left, case, "excess_entropy", colour, words or "measured")
        _line(left, case, "excess_entropy_formula", colour)
        _line(left, case, "excess_entropy_curve", colour, "-")
        _points(right, case, "participation_ratio", colour, words or "measured")
        if "collapse_time_theory" in case:
            for axes in (left, right):
                axes.axvline(float(case["collapse_time_theory"]), color=colour, lw=0.9, ls=":")
    left.plot([], [], color="black", ls="-", lw=1.5, label="finite n and d")
    left.plot([], [], color="black", ls="--", lw=1.5, label="d → ∞")
    left.plot([], [], color="black", ls=":", lw=0.9, label="$t_C$")
    left.set(xlabel="noise time t", ylabel="excess entropy f/α", ylim=(-0.03, 1.03))
    right.set(xlabel="noise time t", ylabel="participation ratio $Y = Σ w^2$", ylim=(-0.03, 1.03))
    style.legend_above(left, columns=3)
    return figure


def score_errors(tree: xr.DataTree) -> Figure | None:
    """Errors of scores against the noise time, and of the widths of samples that Heun's method makes of them."""
    cases = [(words, case) for words, case in _cases(tree, "score_error") if float(case["score_error"].max()) > 1e-9]
    widths = [(words, case) for words, case in _cases(tree, "width_error_exact") if "width_error" in case]
    if not cases and not widths:
        return None
    figure = style.new_figure(bool(cases) + bool(widths), 1, 6.2, 4.6)
    panels = list(np.atleast_1d(figure.subplots(1, bool(cases) + bool(widths))))
    if cases:
        axes = panels.pop(0)
        for (words, case), colour in zip(cases, style.MEMORY_COLOURS, strict=False):
            _points(axes, case, "score_error", colour, f"{words} score".strip())
            _line(axes, case, "score_error_theory", colour, words="exact")
            _line(axes, case, "score_error_limit", colour, ":", words="d → ∞")
        _line(axes, cases[0][1], "score_power", style.SHARED, "-", words="the score itself")
        axes.set(xlabel="noise time t", ylabel="mean square per entry", xscale="log", yscale="log")
        style.legend_above(axes)
    if widths:
        _widths(panels[0], widths, scenario_of(tree))
    return figure


def _widths(axes: Axes, cases: Cases, scenario: dict) -> None:
    """Errors of the width against the number of steps."""
    steps = [_steps(scenario, words) for words, _ in cases]
    for name, look in (("width_error", "o"), ("width_error_exact", "--")):
        values = np.array([float(case[name]) for _, case in cases])
        if look == "o":
            sem = [float(case["width_error_sem"]) for _, case in cases]
            axes.errorbar(steps, values, yerr=sem, color=style.BLUE, marker="o", ls="", capsize=2.5, label="measured")
        else:
            axes.plot(steps, values, color="black", ls=look, lw=1.5, label="exact")
    axes.set(xscale="log", yscale="log", xlabel="steps of Heun's method",
             ylabel="relative error of the width of samples", xticks=steps, xticklabels=steps)  # fmt: skip
    axes.minorticks_off()
    style.legend_above(axes)


def _steps(scenario: dict, variant: str) -> int:
    """Steps of the dynamics of a variant."""
    changes = scenario.get("variants", {}).get(variant, {})
    dynamics = changes.get("dynamics", scenario["dynamics"])
    return int(changes.get("dynamics.steps", dynamics["steps"]))


def magnets(tree: xr.DataTree) -> Figure | None:
    """Magnetisations of reverse diffusion beside their exact law, and the potential in which they decide."""
    scenario = scenario_of(tree)
    law = (scenario.get("task") or {}).get("data", {})
    cases = _cases(tree, "sample_moments")
    if law.get("source") != "curie_weiss" or not cases:
        return None
    figure = style.new_figure(3, 1, 5.2, 4.4)
    left, middle, right = figure.subplots(1, 3)
    betas = [_beta(scenario, words) for words, _ in cases]
    size, colours = int(law["size"]), style.shades(len(cases))
    for beta, (_, case), colour in zip(betas, cases, colours, strict=True):
        moments = case["sample_moments"].transpose("replica", "step", "moment").values[:, -1, -1]
        m, probability = curie_weiss.magnetisation_law(size, beta)
        bins = np.arange(-1 - 1 / size, 1 + 2 * VALUES_PER_BIN / size, 2 * VALUES_PER_BIN / size)
        middle.hist(moments, bins, density=True, color=colour, alpha=0.45)
        middle.plot(m, probability * size / 2, color=colour, lw=1.6, label=f"β = {beta:g}")
        left.errorbar(beta, float(case["squared_mean"]), yerr=float(case["squared_mean_sem"]), color=colour, marker="o",
                      capsize=3)  # fmt: skip
    line = np.linspace(0.5 * min(betas), 1.1 * max(betas), 60)
    left.plot(line, [curie_weiss.magnetisation_squared(size, b) for b in line], color="black", ls="--", lw=1.5,
              label="exact sum", zorder=1)  # fmt: skip
    left.plot(line, [curie_weiss.spontaneous_magnetisation(b) ** 2 for b in line], color=style.SHARED, ls=":", lw=1.5,
              label="d → ∞", zorder=1)  # fmt: skip
    left.set(xlabel="inverse temperature β", ylabel=f"⟨(M/d)²⟩, d = {size}")
    middle.set(xlabel="magnetisation M/d", ylabel="probability density")
    _potentials(right, size, max(betas))
    for axes in (left, middle, right):
        style.legend_above(axes, columns=2)
    return figure


def _beta(scenario: dict, variant: str) -> float:
    """β of a variant."""
    changes = scenario.get("variants", {}).get(variant, {})
    data = changes.get("task", scenario["task"])["data"]
    return float(changes.get("task.data.beta", data["beta"]))


def _potentials(axes: Axes, size: int, beta: float) -> None:
    """V(μ) before, at and after the speciation time."""
    if beta <= 1:
        return
    start = curie_weiss.speciation_time(size, beta)
    mu = np.linspace(-FARTHEST, FARTHEST, 301)
    for (words, shift), colour in zip(POTENTIALS.items(), style.shades(len(POTENTIALS)), strict=True):
        axes.plot(mu, curie_weiss.potential(mu, start + shift, size, beta), color=colour, label=words)
    axes.set(xlabel="$μ = Σ x_i/√d$", ylabel=f"potential V(μ), β = {beta:g}", ylim=(-5, 5))
