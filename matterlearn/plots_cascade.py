"""Modes of the data that a restricted Boltzmann machine learns one after the other.

Example:
    >>> cascade(xr.DataTree(xr.Dataset())) is None
    True
"""

# The type stubs of xarray and matplotlib are narrower than what they take.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOperatorIssue=false, reportAttributeAccessIssue=false

import numpy as np
import xarray as xr
from jaxtyping import Float
from matplotlib import colormaps
from matplotlib.figure import Figure

from matterlearn import style
from matterlearn.results import scenario_of
from matterlearn.theory.learning_cascade import linear_fixed_point

MOST_MODES = 6


def mode_strengths(tree: xr.DataTree) -> Float[np.ndarray, "update mode"] | None:
    """|u_kᵀ W| of every principal axis u_k of the data while learning; ``None`` where there are no such modes."""
    if not {"learning", "memories"} <= set(tree.children):
        return None
    learned, data = (tree[name].to_dataset(inherit=False) for name in ("learning", "memories"))
    if "principal_axis" not in data or learned.get("couplings", xr.DataArray()).ndim != 3:
        return None
    axes, couplings = data["principal_axis"].values, learned["couplings"].values
    if axes.shape[1] != couplings.shape[1]:
        return None
    return np.linalg.norm(np.einsum("ke,ueh->ukh", axes, couplings), axis=2)


def cascade(tree: xr.DataTree) -> Figure | None:
    """Strength of modes against updates with their early growth in theory, and singular values of the couplings."""
    strengths = mode_strengths(tree)
    if strengths is None:
        return None
    learned, data = (tree[name].to_dataset(inherit=False) for name in ("learning", "memories"))
    update, variances = learned["update"].values, data["principal_variance"].values
    shown = min(MOST_MODES, len(variances))
    colours = colormaps["viridis"](np.linspace(0, 0.9, shown))
    growth = early_growth(tree, variances)
    figure = style.new_figure(2, 1, 5.6, 4.3)
    left, right = figure.subplots(1, 2)
    for k, colour in enumerate(colours):
        left.plot(update, strengths[:, k], color=colour, label=f"{k + 1}: variance {variances[k]:.2f}")
    values = np.linalg.svd(learned["couplings"].values, compute_uv=False)
    for k in range(values.shape[1]):
        right.plot(update, values[:, k], color=style.BLUE if k < shown else style.SHARED, lw=1.4)
    if growth is not None:
        for k, colour in enumerate(colours):
            line = strengths[0, k] * growth[k] ** update.astype(float)
            early = line < 1.5 * strengths[:, k].max()
            label = "theory, weak couplings" if k == shown - 1 else None
            left.plot(update[early], line[early], color="black", ls="--", lw=1.2, zorder=4, label=label)
            label = "end with Gaussian hidden units" if k == 0 else None
            right.axhline(linear_fixed_point(variances[k]), color=colour, ls=":", lw=1.4, label=label)
        right.legend(loc="upper left")
    left.set(yscale="log", xlabel="update", ylabel="strength of a mode in the couplings")
    left.set_title("Modes of the data")
    left.legend(loc="lower right", fontsize=9)
    right.set(xlabel="update", ylabel="singular values of the couplings", ylim=(0, None))
    right.set_title("Couplings")
    return figure


def early_growth(tree: xr.DataTree, variances: Float[np.ndarray, " mode"]) -> Float[np.ndarray, " mode"] | None:
    """Factor by which an update of plain descent multiplies a weak mode; known for real units of width 1, spins hidden.

    Of more than one width, of decay and of other optimisers nothing is known: ``None``.
    """
    scenario = scenario_of(tree)
    system, learning = scenario.get("system", {}), scenario.get("learning", {})
    optimizer = learning.get("optimizer", {})
    plain = optimizer.get("kind") == "sgd" and optimizer.get("final_rate") is None and optimizer.get("clip") is None
    known = system.get("values") == {"scale": 1.0} and system.get("hidden_values") == "spins"
    if not (plain and known) or learning.get("rule", {}).get("decay"):
        return None
    return 1 + optimizer.get("learning_rate", 1.0) * (variances - 1)
