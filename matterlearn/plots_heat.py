"""Heat on a graph: how fast it spreads, mode by mode, where it is, and conductances found from temperatures.

Example:
    >>> heat(xr.DataTree()) is None and conductances(xr.DataTree()) is None
    True
"""

# The type stubs of xarray and matplotlib are narrower than what they take.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOperatorIssue=false, reportAttributeAccessIssue=false

from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from matterlearn import style
from matterlearn.results import scenario_of
from matterlearn.theory.graph_diffusion import AMPLIFICATION

LAWS = {"explicit": ("1 − z", "-"), "implicit": ("1/(1 + z)", "--"), "exact": ("$e^{-z}$", ":")}
MARKERS = "os^DvPX"
SMALLEST = 1e-3  # of the largest amplitude: below it the ratio of two amplitudes is rounding
COLDEST = 1e-3  # of the hottest node at the start
MOMENTS = (0.0, 0.3, 1.0, 5.0)  # at which the graph is drawn, in units of 1/curvature
MOST_MARKERS = 40
LOWEST = 1e-6  # of the distance at the start


class Course(NamedTuple):
    """One run: how it stepped, and amplitudes of all modes of its first replica."""

    name: str
    dt: float
    scheme: str
    steps: Float[np.ndarray, " record"]
    amplitudes: Float[np.ndarray, "record mode"]

    def factors(self, eigenvalues: Float[np.ndarray, " mode"]) -> Float[np.ndarray, " mode"]:
        """What a step multiplies every mode by."""
        return law(self.scheme)(self.dt * eigenvalues)


def law(scheme: str):
    """1 − z, 1/(1 + z) or e^{−z}."""
    return AMPLIFICATION.get(scheme, AMPLIFICATION["exact"])


def heat(tree: xr.DataTree) -> Figure | None:
    """Distance from equilibrium against time, factors of single steps, and temperatures; None for other matter."""
    node = tree["variants"].to_dataset(False) if "variants" in tree.children else tree.to_dataset(inherit=False)
    courses = _courses(node, scenario_of(tree)) if {"mode_amplitude", "mode_eigenvalue"} <= set(node) else []
    if not courses:
        return None
    eigenvalues, edges = node["mode_eigenvalue"].values, _edges(tree)
    rows = 1 if edges is None else 2
    figure = style.new_figure(2, rows, 6.6, 4.4)
    grid = figure.add_gridspec(rows, 2 * len(MOMENTS), height_ratios=[1.15, 1][:rows])
    left, right = (figure.add_subplot(grid[0, part]) for part in (slice(0, len(MOMENTS)), slice(len(MOMENTS), None)))
    _distances(left, courses, eigenvalues)
    _factors(right, courses, eigenvalues)
    if edges is not None:
        panels = [figure.add_subplot(grid[1, 2 * k : 2 * k + 2]) for k in range(len(MOMENTS))]
        exact = next((course for course in courses if law(course.scheme) is law("exact")), courses[0])
        _temperatures(figure, panels, exact, node["mode_shape"].values, edges)
    return figure


def _courses(node: xr.Dataset, scenario: dict) -> list[Course]:
    def course(name, amplitudes, changes):
        dynamics = scenario["dynamics"] | {
            key.removeprefix("dynamics."): value for key, value in changes.items() if key.startswith("dynamics.")
        }
        known = amplitudes.isel(replica=0).dropna("step", how="all")
        steps = known["step"].values if "step" in known.coords else np.arange(known.sizes["step"])
        return Course(name, float(dynamics["dt"]), dynamics["step"]["scheme"], steps, known.values)

    if scenario.get("dynamics", {}).get("kind") != "gradient_flow":
        return []
    amplitudes = node["mode_amplitude"].transpose(..., "replica", "step", "mode")
    if "variant" not in amplitudes.dims:
        return [course("", amplitudes, {})]
    return [course(name, amplitudes.sel(variant=name), changes) for name, changes in scenario["variants"].items()]


def _edges(tree: xr.DataTree):
    for group in ("variants/memories", "memories"):
        if group in [n.path.strip("/") for n in tree.subtree] and "edge_node" in tree[group]:
            return tree[group]["edge_node"].values.astype(int)
    return None


def _distances(axes: Axes, courses: list[Course], eigenvalues) -> None:
    decaying = eigenvalues > 0
    latest = min(course.dt * course.steps[-1] for course in courses)
    for k, course in enumerate(courses):
        colour, time = style.memory_colour(k), course.dt * course.steps
        start = course.amplitudes[0, decaying]
        predicted = np.linalg.norm(start * course.factors(eigenvalues[decaying]) ** course.steps[:, None], axis=1)
        shown = max(1, int(np.sum(time <= latest)) // MOST_MARKERS)
        axes.plot(time[::shown], np.linalg.norm(course.amplitudes[:, decaying], axis=1)[::shown], MARKERS[k % 7], ms=5,
                  color=colour, label=course.name, mfc="none")  # fmt: skip
        axes.plot(time, predicted, color=colour, ls="--", lw=1.2)
    top = max(np.linalg.norm(course.amplitudes[0, decaying]) for course in courses)
    axes.set(yscale="log", xlabel="time", ylabel="distance from the mean, |x − x̄|", xlim=(0, latest),
             ylim=(LOWEST * top, 2 * top))  # fmt: skip
    if len(courses) > 1:
        style.legend_above(axes, columns=2)


def _factors(axes: Axes, courses: list[Course], eigenvalues) -> None:
    largest = max(course.dt for course in courses) * eigenvalues.max()
    z = np.geomspace(1e-2, largest, 400)
    for scheme in [s for s in LAWS if any(law(c.scheme) is law(s) for c in courses)]:
        words, line = LAWS[scheme]
        axes.plot(z, law(scheme)(z), color="black", lw=1.2, ls=line, label=words)
    for k, course in enumerate(courses):
        if course.steps[1] != 1:
            continue
        before, after = course.amplitudes[:2]
        clear = np.abs(before) > SMALLEST * np.abs(before).max()
        axes.plot(course.dt * eigenvalues[clear], after[clear] / before[clear], MARKERS[k % 7], ms=5, mfc="none",
                  color=style.memory_colour(k))  # fmt: skip
    axes.axhline(-1, color=style.WRONG, ls="--", lw=1.0)
    axes.text(1.1e-2, -0.97, "below: unstable", color=style.WRONG, va="bottom", fontsize=10)
    axes.set(xscale="log", xlabel="z = h λ", ylabel="factor of one step on a mode", ylim=(-1.15, 1.08))
    style.legend_above(axes)


def _temperatures(figure: Figure, panels: list[Axes], course: Course, shapes, edges) -> None:
    import networkx

    drawn = networkx.spring_layout(networkx.Graph(edges.tolist()), seed=0)
    places = np.array([drawn[node] for node in sorted(drawn)])
    temperatures = course.amplitudes @ shapes.T
    hottest = temperatures[0].max()
    scale, points = LogNorm(COLDEST * hottest, hottest), None
    for axes, moment in zip(panels, MOMENTS, strict=True):
        record = int(np.argmin(np.abs(course.dt * course.steps - moment)))
        axes.add_collection(LineCollection(places[edges], linewidths=0.6, colors=style.SHARED, zorder=1))
        points = axes.scatter(*places.T, c=np.maximum(temperatures[record], COLDEST * hottest), norm=scale, s=70,
                              cmap="inferno", edgecolors="black", linewidths=0.6, zorder=2)  # fmt: skip
        axes.set(title=f"time {course.dt * course.steps[record]:.2g}", aspect="equal")
        axes.margins(0.06)
        axes.axis("off")
    figure.colorbar(points, ax=panels, label="temperature", shrink=0.8, extend="min")


def conductances(tree: xr.DataTree) -> Figure | None:
    """Errors of learned conductances; of a single run also the conductances beside the teacher's."""
    place = "variants/learning" if "variants" in tree.children else "learning"
    learned = _group(tree, place)
    if not {"relative_error", "relative_error_up_to_scale"} <= set(learned):
        return None
    stored, solved = _group(tree, "memories"), _group(tree, place.removesuffix("learning").strip("/") or "/")
    single = "teacher_conductance" in stored and "couplings" in learned
    figure = style.new_figure(2 if single else 1, 1, 6.6, 4.6)
    left, *right = np.atleast_1d(figure.subplots(1, 2 if single else 1))
    names = learned["variant"].values if "variant" in learned.dims else ["as learned"]
    for k, name in enumerate(names):
        mine = learned.sel(variant=name) if "variant" in learned.dims else learned
        for error, line in (("relative_error", "-"), ("relative_error_up_to_scale", "--")):
            known = mine[error].dropna("update")
            label = str(name) if line == "-" else None
            left.plot(known["update"], known, color=style.memory_colour(k), ls=line, lw=1.8, label=label)
    left.plot([], [], color="black", ls="--", lw=1.8, label="after the best common factor")
    _least_squares(left, solved)
    left.set(yscale="log", xlabel="update", ylabel="relative error of the conductances")
    style.legend_above(left, columns=2)
    if right:
        _beside_teacher(right[0], stored["teacher_conductance"].values, learned["couplings"])
    return figure


def _group(tree: xr.DataTree, path: str) -> xr.Dataset:
    known = path == "/" or path in [node.path.strip("/") for node in tree.subtree]
    return tree[path].to_dataset() if known else xr.Dataset()


def _least_squares(axes: Axes, node: xr.Dataset) -> None:
    """Where noise limits it, the error of the linear solve of Kirchhoff's equations."""
    for k, error in enumerate(np.atleast_1d(node.get("relative_error_least_squares", np.zeros(0)))):
        if error > 1e-6:
            axes.axhline(float(error), color=style.memory_colour(k), ls=":", lw=1.4)


def _beside_teacher(axes: Axes, teacher, history: xr.DataArray) -> None:
    ends = np.array([0.0, 1.05 * max(teacher.max(), float(history[-1].max()))])
    style.theory(axes, ends, ends, "as the teacher's")
    axes.plot(teacher, history[0], "o", ms=5, mfc="none", color=style.SHARED, label="before")
    axes.plot(teacher, history[-1], "o", ms=6, color=style.BLUE, label="learned")
    axes.set(xlabel="conductance of the teacher", ylabel="conductance of the student", xlim=ends, ylim=(0, None))
    style.legend_above(axes)
