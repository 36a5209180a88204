"""Clumps of place cells: profiles around their centres at each temperature, and the density there against it.

Example:
    >>> clumps(xr.DataTree()) is None
    True
"""

# The type stubs of xarray and matplotlib are narrower than what they take.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOperatorIssue=false, reportAttributeAccessIssue=false

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from matterlearn import style
from matterlearn.plots_curves import root_of

LINES = (
    ("line_uniform_unstable", ":", "$T_{PM}$: uniform unstable"),
    ("line_coexistence", "-", "$T_c$: coexistence"),
    ("line_clump_limit", "-.", "$T_{CL}$: last clump"),
)


def clumps(tree: xr.DataTree) -> Figure | None:
    """Left: profiles, measured with standard errors and in theory. Right: the peak against temperature."""
    root = root_of(tree)
    if "clump_density" not in root:
        return None
    figure = style.new_figure(2, 1, 5.6, 4.8)
    left, right = figure.subplots(1, 2)
    place, kT = root["place"].values, root["kT"].values
    for row, shade in enumerate(style.shades(len(kT))):
        mean, error = (root[name].values[row] for name in ("clump_density", "clump_density_sem"))
        left.errorbar(place, mean, yerr=np.nan_to_num(error), color=shade, marker="o", ms=3.5, ls="none", capsize=2,
                      label=f"kT = {kT[row]:g}")  # fmt: skip
        if "clump_density_theory" in root:
            left.plot(place, root["clump_density_theory"].values[row], color=shade, ls="--", lw=1.5)
    left.set(xlabel="distance from the clump's centre", ylabel="density of active cells", xlim=(-0.3, 0.3),
             ylim=(-0.03, 1.05))  # fmt: skip
    style.legend_above(left, columns=3)
    right.errorbar(kT, root["clump_peak"].values, yerr=np.nan_to_num(root["clump_peak_sem"].values), color=style.BLUE,
                   marker="o", ls="none", capsize=3, label="measured ± sem")  # fmt: skip
    if "clump_peak_theory" in root:
        gap = np.searchsorted(kT, root.attrs.get("line_clump_limit", np.inf))  # where the density jumps
        exact = np.insert(root["clump_peak_theory"].values.astype(float), gap, np.nan)
        style.theory(right, np.insert(kT.astype(float), gap, np.nan), exact, "theory, many cells")
    for name, dashes, words in LINES:
        if name in root.attrs:
            right.axvline(root.attrs[name], color=style.SHARED, ls=dashes, lw=1.5, label=words)
    right.set(xlabel=style.label("temperature T", {"units": "kT_ref"}), ylabel="density at the centre")
    right.set_ylim(-0.03, 1.05)
    style.legend_above(right, columns=2)
    return figure
