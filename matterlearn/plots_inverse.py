"""Errors of inferred couplings against the number of samples: every method, its bias, and the best that can be done.

Example:
    >>> inversion(xr.DataTree(xr.Dataset())) is None
    True
"""

# The type stubs of xarray and matplotlib are narrower than what they take.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOperatorIssue=false, reportAttributeAccessIssue=false

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from matterlearn import style

LOOKS = {  # of each method: words, colour, marker
    "independent_pair": ("independent pairs", style.SHARED, "v"),
    "naive": ("naive mean field", style.ORANGE, "s"),
    "tap": ("TAP", style.YELLOW, "^"),
    "bethe": ("Bethe", style.PURPLE, "D"),
    "sessak_monasson": ("Sessak–Monasson", style.GREEN, "P"),
    "pseudo_likelihood": ("pseudo-likelihood", style.SKY, "X"),
    "maximum_likelihood": ("maximum likelihood", style.BLUE, "o"),
}


def inversion(tree: xr.DataTree) -> Figure | None:
    """One panel; None where no teacher was asked, or where several were, as in a sweep."""
    root = tree.to_dataset(inherit=False)
    if "sample_number" not in root or "error_bound" not in root or root["error_bound"].ndim > 1:
        return None
    samples = root["sample_number"].values
    figure = style.new_figure(1, 1, 8.4, 5.0)
    axes = figure.subplots()
    for place, (method, (words, colour, marker)) in enumerate(LOOKS.items()):
        error, sem = (root[f"error_{method}{suffix}"].values for suffix in ("", "_sem"))
        shift = 1.02 ** (place - 3)  # so that bars do not hide each other
        axes.errorbar(samples * shift, error, yerr=np.nan_to_num(sem), color=colour, marker=marker, ls="", ms=5.5,
                      capsize=2.0, lw=1.1, label=words, zorder=3)  # fmt: skip
        if f"bias_{method}" in root:
            axes.axhline(float(root[f"bias_{method}"]), color=colour, ls=":", lw=1.4)
    style.theory(axes, samples, root["error_bound"].values, "bound of Cramér and Rao")
    node = tree["learning"].to_dataset(inherit=False) if "learning" in tree.children else {}
    if {"samples_seen", "relative_error"} <= set(node):
        both = node[["samples_seen", "relative_error"]].dropna("update")
        axes.plot(both["samples_seen"], both["relative_error"], color="black", lw=1.2, label="learned in this run")
    axes.set(xscale="log", yscale="log", xlabel="number of samples", ylabel="relative error of the couplings")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure
