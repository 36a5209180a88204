"""How soon a search finds a ground state: success and time to solution against sweeps, beside guessing.

Example:
    >>> search(xr.DataTree(xr.Dataset())) is None
    True
"""

# The type stubs of xarray and matplotlib are narrower than what they take.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOperatorIssue=false, reportAttributeAccessIssue=false

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from matterlearn import style
from matterlearn.theory.ground_states import guessing
from matterlearn.verdicts import format_value

NEEDED = {"success", "time_to_solution", "sweeps_per_step", "search_step"}


def search(tree: xr.DataTree) -> Figure | None:
    """Two panels, with a curve for every variant of the search; None where no ground state was searched for."""
    runs = searches(tree)
    if not runs:
        return None
    figure = style.new_figure(2, 1, 5.4, 4.2)
    left, right = figure.subplots(1, 2)
    for (name, root), colour in zip(runs.items(), style.MEMORY_COLOURS, strict=False):
        _curves(left, right, name, root, colour)
    left.set(xscale="log", ylim=(-0.02, 1.02), xlabel="sweeps", ylabel="searches that found a ground state")
    left.set_title("Success")
    right.set(xscale="log", yscale="log", xlabel="sweeps of one search",
              ylabel="sweeps to find a ground state\nwith 99 % confidence")  # fmt: skip
    right.set_title("Time to solution")
    longest = max(runs.values(), key=lambda root: float(root["sweeps_per_step"] * root["search_step"].max()))
    _blind(left, right, longest, float(longest["sweeps_per_step"]) * longest["search_step"].values[1:])
    for axes in (left, right):
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="best", fontsize=9)
    return figure


def searches(tree: xr.DataTree) -> dict[str, xr.Dataset]:
    """What was searched, by variant; a search without variants has no name."""
    root = tree.to_dataset(inherit=False)
    if set(root.variables) >= NEEDED:
        return {"": root}
    joined = tree["variants"].to_dataset() if "variants" in tree.children else xr.Dataset()
    if not set(joined.variables) >= NEEDED:
        return {}
    return {str(name): joined.sel(variant=name) for name in joined["variant"].values}


def _curves(left, right, name: str, root: xr.Dataset, colour) -> None:
    """Success and time to solution of one search, with the place where repeating it pays most."""
    cost = float(root["sweeps_per_step"])
    sweeps = cost * root["search_step"].values[1:]
    success, error = (root[part].values[1:] for part in ("success", "success_sem"))
    left.fill_between(sweeps, success - error, success + error, color=colour, alpha=0.25, lw=0)
    left.plot(sweeps, success, color=colour, label=name or None)
    times, low, high = (cost * root[f"time_to_solution{end}"].values[1:] for end in ("", "_low", "_high"))
    known = np.isfinite(times)
    right.fill_between(sweeps[known], low[known], high[known], color=colour, alpha=0.25, lw=0)
    right.plot(sweeps[known], times[known], color=colour)
    if known.any():
        place = int(np.argmin(np.where(known, high, np.inf)))
        shortest = format_value(times[place], (high[place] - low[place]) / 2)
        words = f"{name}, shortest: {shortest}" if name else f"shortest: {shortest}"
        right.plot(sweeps[place], times[place], "o", color=colour, zorder=4, label=words)


def _blind(left, right, root: xr.Dataset, sweeps) -> None:
    """What guessing would give: as a sweep looks at one new state per unit, as many guesses as units in a sweep."""
    if "ground_states" not in root.attrs:
        return
    units, ground = root.attrs["units"], root.attrs["ground_states"]
    style.theory(left, sweeps, 1 - (1 - ground / 2.0**units) ** (units * sweeps), "guessing, a state per unit")
    right.axhline(guessing(2.0**units, ground) / units, color="black", ls="--", lw=1.5, label="guessing")
