"""What a trained network answers, and what became of its edges.

Example:
    >>> answers(xr.DataTree()) is None and network(xr.DataTree()) is None
    True
"""

# The type stubs of xarray and matplotlib are narrower than what they take.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOperatorIssue=false, reportAttributeAccessIssue=false
# pyright: reportIndexIssue=false

import numpy as np
import xarray as xr
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from matterlearn import style

ROLES = (("input", "^"), ("inverted input", "v"), ("fixed", "s"), ("output", "o"))
THINNEST, THICKEST = 0.3, 6.0  # points


def answers(tree: xr.DataTree) -> Figure | None:
    """Error while learning, and outputs against what was wanted of them; None for what has no outputs."""
    if not {"learning", "memories"} <= set(tree.children) or "outputs" not in tree.dataset:
        return None
    wanted, loss = tree["memories"].get("asked_wanted"), tree["learning"].get("loss")
    if wanted is None or loss is None:
        return None
    figure = style.new_figure(2, 1, 5.2, 4.4)
    left, right = figure.subplots(1, 2)
    left.plot(loss["update"], loss, color=style.BLUE)
    left.set(yscale="log", xlabel="update", ylabel="error on training examples")
    final = tree["outputs"].isel(step=-1).values
    asked = wanted.values[np.arange(len(final)) % len(wanted)]
    ends = [min(final.min(), asked.min()), max(final.max(), asked.max())]
    style.theory(right, np.array(ends), np.array(ends), "as wanted")
    for o in range(final.shape[1]):
        right.plot(asked[:, o], final[:, o], "o", ms=5, color=style.memory_colour(o), label=f"output {o}")
    right.set(xlabel="wanted, test examples", ylabel="value at the output")
    right.locator_params(nbins=5)
    style.legend_above(right)
    return figure


def network(tree: xr.DataTree) -> Figure | None:
    """Edges before and after learning, as thick as their couplings; None for what is no network."""
    if not {"learning", "couplings", "memories"} <= set(tree.children) or "edge_node" not in tree["couplings"]:
        return None
    edges = tree["couplings"]["edge_node"].values
    histories = [a for n, a in tree["learning"].data_vars.items()
                 if a.dims == ("update", "edge") and str(n).startswith("couplings")]  # fmt: skip
    if not histories or "port" not in tree["memories"]:
        return None
    places, per_node = _places(tree["couplings"], edges)
    figure = style.new_figure(2, len(histories), 5.2, 4.6)
    for row, history in zip(figure.subplots(len(histories), 2, squeeze=False), histories, strict=True):
        top = float(history.max())
        for axes, values, title in zip(row, (history[0], history[-1]), ("before", "after learning"), strict=True):
            width = THINNEST + (THICKEST - THINNEST) * np.clip(values.values / top, 0, 1)
            axes.add_collection(LineCollection(places[edges], linewidths=width, colors=style.SHARED, zorder=1))
            _terminals(axes, tree["memories"], places, per_node)
            axes.set(title=f"{title}, {float(values.min()):.2g} to {float(values.max()):.2g}", aspect="equal")
            axes.margins(0.05)
            axes.axis("off")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(ROLES))
    return figure


def _terminals(axes, memories: xr.Dataset, places: np.ndarray, per_node: int) -> None:
    axes.plot(*places.T, ".", color="black", ms=3, zorder=2)
    for k, (name, marker) in enumerate(ROLES):
        nodes = np.unique(memories["port"].values[memories["role"].values == k] // per_node)
        if len(nodes):
            colour = style.memory_colour(k)
            axes.plot(*places[nodes].T, marker, ls="", color=colour, ms=9, label=name, zorder=3)


def _places(couplings: xr.Dataset, edges: np.ndarray) -> tuple[np.ndarray, int]:
    """Points in the plane to draw nodes at, and degrees of freedom per node."""
    import networkx

    if "node_position" in couplings:
        made_at = couplings["node_position"].values
        return made_at[:, :2], made_at.shape[1]
    drawn = networkx.spring_layout(networkx.Graph(edges.tolist()), seed=0)
    return np.array([drawn[node] for node in sorted(drawn)]), 1
