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


def search(tree: xr.DataTree) -> Figure | None:
    """Two panels; None where no ground state was searched for."""
    root = tree.to_dataset(inherit=False)
    if not {"success", "time_to_solution", "sweeps_per_step"} <= set(root):
        return None
    cost = float(root["sweeps_per_step"])
    sweeps = cost * root["search_step"].values[1:]
    figure = style.new_figure(2, 1, 5.4, 4.2)
    left, right = figure.subplots(1, 2)
    success, error = (root[name].values[1:] for name in ("success", "success_sem"))
    left.fill_between(sweeps, success - error, success + error, color=style.BLUE, alpha=0.25, lw=0)
    left.plot(sweeps, success, color=style.BLUE)
    left.set(xscale="log", ylim=(-0.02, 1.02), xlabel="sweeps", ylabel="searches that found a ground state")
    left.set_title("Success")
    times, low, high = (cost * root[f"time_to_solution{end}"].values[1:] for end in ("", "_low", "_high"))
    known = np.isfinite(times)
    right.fill_between(sweeps[known], low[known], high[known], color=style.BLUE, alpha=0.25, lw=0)
    right.plot(sweeps[known], times[known], color=style.BLUE)
    if known.any():
        place = int(np.argmin(high))
        shortest = format_value(times[place], (high[place] - low[place]) / 2)
        right.plot(sweeps[place], times[place], "o", color=style.ORANGE, zorder=4, label=f"shortest: {shortest}")
    right.set(xscale="log", yscale="log", xlabel="sweeps of one search",
              ylabel="sweeps to find a ground state\nwith 99 % confidence")  # fmt: skip
    right.set_title("Time to solution")
    _blind(left, right, root, sweeps)
    for axes in (left, right):
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="best")
    return figure


def _blind(left, right, root: xr.Dataset, sweeps) -> None:
    """What guessing would give: as a sweep looks at one new state per unit, as many guesses as units in a sweep."""
    if "ground_states" not in root.attrs:
        return
    units, ground = root.attrs["units"], root.attrs["ground_states"]
    style.theory(left, sweeps, 1 - (1 - ground / 2.0**units) ** (units * sweeps), "guessing, a state per unit")
    right.axhline(guessing(2.0**units, ground) / units, color="black", ls="--", lw=1.5, label="guessing")
