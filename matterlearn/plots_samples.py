"""Models of data: what they have learned of the samples, and what they make of it.

Example:
    >>> samples(xr.DataTree(xr.Dataset())) is None
    True
"""

# The type stubs of xarray and matplotlib are narrower than what they take.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOperatorIssue=false, reportAttributeAccessIssue=false

import numpy as np
import xarray as xr
from jaxtyping import Float
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from matterlearn import style
from matterlearn.plots_curves import root_of

SIDE = 8  # pictures in a row of a mosaic
REFERENCES = {  # of a log-likelihood: variable, colour, line, words
    "log_likelihood_bound": ("black", ":", "bound: entropy of the data"),
    "log_likelihood_independent": (style.SHARED, "--", "independent entries"),
    "log_likelihood_test": (style.ORANGE, "-", "test samples, at the end"),
    "log_likelihood_train": (style.BLUE, "-", "training samples, at the end"),
}


def mosaic(pictures: Float[np.ndarray, "picture row column"], side: int = SIDE) -> Float[np.ndarray, "row column"]:
    """Pictures side by side, with a line of NaN between them.

    >>> mosaic(np.ones((2, 1, 1)), 2).shape
    (1, 3)
    """
    rows = -(-len(pictures) // side)
    height, width = pictures.shape[1:]
    sheet = np.full((rows * (height + 1) - 1, min(side, len(pictures)) * (width + 1) - 1), np.nan)
    for k, picture in enumerate(pictures):
        top, left = k // side * (height + 1), k % side * (width + 1)
        sheet[top : top + height, left : left + width] = picture
    return sheet


def samples(tree: xr.DataTree) -> Figure | None:
    """Mosaics of training samples, of samples of the model, and of the couplings of hidden units."""
    root = root_of(tree)
    examples = _of(tree, "memories", "examples")
    if examples is None or examples.ndim != 3 or "visible_patterns" not in root:
        return None
    shape, most = examples.shape[1:], SIDE * SIDE
    drawn = root["visible_patterns"].transpose("replica", "step", "entry").values[:, -1].reshape(-1, *shape)
    panels = [("training samples", examples.values[:most]), ("samples of the model", drawn[:most])]
    couplings = _of(tree, "couplings", "couplings")
    if couplings is not None and (couplings.ndim != 2 or couplings.shape[0] != np.prod(shape)):
        couplings = None
    count = 2 + (couplings is not None)
    figure = style.new_figure(count, 1, 4.6, 4.9)
    axes = np.atleast_1d(figure.subplots(1, count))
    top = float(np.quantile(np.abs(panels[0][1]), 0.995)) or 1.0  # of real numbers, few are far out
    low = 0.0 if np.nanmin(panels[0][1]) >= 0 else -top
    for axis, (title, pictures) in zip(axes, panels, strict=False):
        _sheet(axis, mosaic(pictures), "gray_r", low, top, title)
    if couplings is not None:
        strength = np.linalg.norm(couplings.values, axis=0)
        strongest = -couplings.values.T[np.argsort(-strength)[:most]].reshape(-1, *shape)
        limit = float(np.quantile(np.abs(strongest), 0.99)) or 1.0
        image = _sheet(axes[2], mosaic(strongest), "RdBu_r", -limit, limit, "hidden units, strongest first")
        figure.colorbar(image, ax=axes[2], shrink=0.7, label="−J ($kT_{ref}$); red favours")
    return figure


def _sheet(axis: Axes, sheet, colours: str, low: float, high: float, title: str):
    shown = colormaps[colours].with_extremes(bad="#C8C8C8")  # lines between pictures
    image = axis.imshow(sheet, cmap=shown, vmin=low, vmax=high)
    axis.set_title(title)
    axis.set_axis_off()
    return image


def _of(tree: xr.DataTree, group: str, name: str) -> xr.DataArray | None:
    """A variable of a group, if there is one."""
    if group not in tree.children:
        return None
    return tree[group].to_dataset(inherit=False).get(name)


def likelihood(tree: xr.DataTree) -> Figure | None:
    """Log-likelihood while learning, between that of independent entries and the entropy of the data."""
    root = root_of(tree)
    learned = _of(tree, "learning", "log_likelihood")
    held = [name for name in REFERENCES if name in root]
    if learned is None and len(held) < 2:
        return None
    figure = style.new_figure(1, 1, 6.5, 4.4)
    axes = figure.subplots()
    if learned is not None:
        axes.plot(learned["update"].values, learned.values, color=style.BLUE, label="training samples, exact ln Z")
        axes.set_xlabel("update")
    for name in held:
        colour, line, words = REFERENCES[name]
        value, error = float(root[name]), float(root.get(f"{name}_sem", xr.DataArray(0.0)))
        if learned is not None and name == "log_likelihood_train":
            continue
        axes.axhline(value, color=colour, ls=line, lw=1.6, label=f"{words}: {_number(value, error)}")
        axes.axhspan(value - error, value + error, color=colour, alpha=0.25, lw=0)
    if learned is None:
        axes.set_xticks([])
    axes.set_ylabel("mean log-likelihood of a sample (nat)")
    style.legend_above(axes, columns=2)
    return figure


def _number(value: float, error: float) -> str:
    if not error > 0:
        return f"{value:.2f}"
    digits = max(0, 1 - int(np.floor(np.log10(error))))
    return f"{value:.{digits}f} ± {error:.{digits}f}"
