"""A learned energy of points in the plane, beside the data and the samples it makes.

Example:
    >>> energy_of_points(xr.DataTree(xr.Dataset())) is None
    True
"""

# The type stubs of xarray and matplotlib are narrower than what they take.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOperatorIssue=false, reportAttributeAccessIssue=false

import numpy as np
import xarray as xr
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from matterlearn import style
from matterlearn.plots_curves import root_of

HIGHEST = 10.0  # kT_ref above the lowest energy: the top of the chart
MARGIN = 1.35  # of the chart around the farthest points of the data
MOST_DOTS = 2000


def energy_of_points(tree: xr.DataTree) -> Figure | None:
    """Data, samples and the chart of the energy, in one frame."""
    data, chart = _of(tree, "memories", "examples"), _of(tree, "couplings", "energy_chart")
    root = root_of(tree)
    if data is None or chart is None or chart.ndim != 2 or "visible_patterns" not in root:
        return None
    place = tree["couplings"].to_dataset(inherit=False)["chart_place"].values
    drawn = late_samples(root["visible_patterns"])
    reach = min(MARGIN * float(np.abs(data.values).max()), float(place[-1]))
    figure = style.new_figure(3, 1, 4.4, 4.2)
    left, middle, right = figure.subplots(1, 3)
    _dots(left, data.values, style.BLUE, "training samples")
    _dots(middle, drawn, style.ORANGE, "samples of the model")
    lifted = np.minimum(chart.values - chart.values.min(), HIGHEST)
    levels = np.linspace(0, HIGHEST, 21)
    filled = right.contourf(place, place, lifted.T, levels=levels, cmap="viridis_r")  # a row is a second place there
    figure.colorbar(filled, ax=right, shrink=0.75, label="energy above the lowest ($kT_{ref}$)", ticks=[0, 5, 10])
    right.set_title("learned energy")
    for axes in (left, middle, right):
        axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xlabel="first entry")
    left.set_ylabel("second entry")
    return figure


def late_samples(patterns: xr.DataArray) -> Float[np.ndarray, "sample entry"]:
    """Records of the second half of the run, of all replicas.

    >>> late_samples(xr.DataArray(np.zeros((3, 4, 2)), dims=("replica", "step", "entry"))).shape
    (6, 2)
    """
    values = patterns.transpose("replica", "step", "entry").values
    return values[:, values.shape[1] // 2 :].reshape(-1, values.shape[2])


def _dots(axes: Axes, points, colour: str, title: str) -> None:
    shown = points[np.linspace(0, len(points) - 1, min(MOST_DOTS, len(points))).astype(int)]
    axes.plot(shown[:, 0], shown[:, 1], ".", color=colour, ms=3, alpha=0.6)
    axes.set_title(title)


def _of(tree: xr.DataTree, group: str, name: str) -> xr.DataArray | None:
    """A variable of a group, if there is one."""
    if group not in tree.children:
        return None
    return tree[group].to_dataset(inherit=False).get(name)
