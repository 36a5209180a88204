"""How regulation holds a concentration: a trace, the dilute phase against the total, and the noise that is left.

Example:
    >>> buffering(xr.DataTree(xr.Dataset())) is None
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
from matterlearn.theory.buffering import PUBLISHED_FIT, dilute_concentration
from matterlearn.verdicts import format_value

LOOKS = {  # of each regulation: words, colour, marker
    "none": ("unregulated", style.SHARED, "s"),
    "droplets": ("droplets", style.BLUE, "o"),
    "pi": ("PI controller", style.ORANGE, "D"),
}
SHOWN_LEVEL = 3.0  # of the trace, over saturation


def buffering(tree: xr.DataTree) -> Figure | None:
    """Three panels where levels and regulations were swept, None elsewhere."""
    root = tree.to_dataset(inherit=False)
    if not {"dilute_mean", "dilute_cv"} <= set(root) or {"regulation", "level"} != set(root["dilute_mean"].dims):
        return None
    figure = style.new_figure(3, 1, 4.9, 4.3)
    panels = list(figure.subplots(1, 3))
    for axes, draw in zip(panels, (_trace, _means, _noises), strict=True):
        draw(axes, root)
    named = [pair for axes in panels[1:] for pair in zip(*axes.get_legend_handles_labels(), strict=True)]
    handles = {words: handle for handle, words in named}
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=len(handles))
    return figure


def _regulations(root: xr.Dataset) -> list[str]:
    return [str(name) for name in root["regulation"].values]


def _trace(axes: Axes, root: xr.Dataset) -> None:
    """Total and dilute concentration of one replica, well above saturation."""
    saturation, name = root.attrs["saturation"], "droplets"
    name = name if name in _regulations(root) else _regulations(root)[-1]
    level = min(root["level"].values, key=lambda c: abs(c - SHOWN_LEVEL * saturation))
    own = (root["regulated_by"].values == name) & np.isclose(root["expression_level"].values, level)
    record = root["concentration"].isel(replica=np.flatnonzero(own)[0])
    words, colour, _ = LOOKS[name]
    axes.plot(record["step"], record.sel(phase="total"), color=style.GREEN, lw=1.6)
    axes.plot(record["step"], record.sel(phase="dilute"), color=colour, lw=1.6)
    axes.axhline(saturation, color="black", ls=":", lw=1.2)
    axes.set(xlabel="dynamics step", ylabel="concentration (µM)", ylim=(0, None), title=f"One cell with {words}")
    last = float(record["step"][-1])
    axes.set_xlim(0, 1.22 * last)  # room for the names
    for phase, place in (("total", style.GREEN), ("dilute", colour)):
        axes.text(1.03 * last, float(record.sel(phase=phase)[-1]), phase, color=place, va="center")
    axes.text(0.02 * last, 0.9 * saturation, "saturation", va="top", fontsize=10)


def _means(axes: Axes, root: xr.Dataset) -> None:
    """Dilute against total, with the laws and the published fit."""
    level, saturation = root["level"].values, root.attrs["saturation"]
    fine = np.linspace(0, 1.05 * level.max(), 400)
    fit = PUBLISHED_FIT
    axes.plot(fine, dilute_concentration(fine, fit.saturation, fit.ratio), color=style.SKY, lw=8, alpha=0.45,
              label="published fit to cells", solid_capstyle="butt", zorder=1)  # fmt: skip
    laws = {"none": fine, "droplets": dilute_concentration(fine, saturation, root.attrs["exchange_ratio"]),
            "pi": np.where(fine > saturation, saturation, np.nan)}  # fmt: skip
    for name in _regulations(root):
        style.theory(axes, fine, laws[name])
        _points(axes, root, "dilute_mean", name)
    held = root["dilute_mean"].sel(regulation=[name for name in _regulations(root) if name != "none"])
    top = 1.6 * float(held.max()) if held.size else None
    axes.set(xlabel="total made, mean (µM)", ylabel="dilute, mean (µM)", xlim=(0, fine[-1]), ylim=(0, top))
    axes.set_title("Mean: what stays dilute")
    if {"buffered_slope", "buffered_slope_theory"} <= set(root) and "droplets" in _regulations(root):
        slope, error, law = (
            float(root[f"buffered_slope{suffix}"].sel(regulation="droplets")) for suffix in ("", "_sem", "_theory")
        )
        words = f"slope with droplets {format_value(slope, error)}\nlaw: 1/(1 + K) = {law:.4f}"
        axes.text(0.97, 0.06, words, transform=axes.transAxes, ha="right", color=style.BLUE)


def _noises(axes: Axes, root: xr.Dataset) -> None:
    """CV of the dilute concentration, with closed forms where there are any, and the Poisson floor."""
    for name in _regulations(root):
        theory = root["dilute_cv_theory"].sel(regulation=name).values
        axes.plot(root["level"], theory, color="black", ls="--", lw=1.5, zorder=4)
        _points(axes, root, "dilute_cv", name)
    held = [name for name in _regulations(root) if name != "none"]
    if held:
        floor = _poisson_cv(root["dilute_mean"].sel(regulation=held[0]).values, root.attrs["volume"])
        axes.plot(root["level"], floor, color="black", ls=":", lw=1.5, label="Poisson noise alone")
    axes.set(xlabel="total made, mean (µM)", ylabel="CV of the dilute concentration", xlim=(0, None), ylim=(0, None))
    axes.set_title("Noise: what is left of it")


def _poisson_cv(mean: Float[np.ndarray, " level"], volume: float) -> Float[np.ndarray, " level"]:
    return 1 / np.sqrt(mean * volume)


def _points(axes: Axes, root: xr.Dataset, variable: str, name: str) -> None:
    words, colour, marker = LOOKS[name]
    mean, error = (root[f"{variable}{suffix}"].sel(regulation=name).values for suffix in ("", "_sem"))
    axes.errorbar(root["level"], mean, yerr=np.nan_to_num(error), color=colour, marker=marker, ls="", ms=5.5,
                  capsize=2.5, lw=1.2, label=words, zorder=3)  # fmt: skip
