"""Denoisers: what they lose at every noise level, and what they make of pictures.

Example:
    >>> denoising(xr.DataTree(xr.Dataset())) is None
    True
"""

# The type stubs of xarray and matplotlib are narrower than what they take.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOperatorIssue=false, reportAttributeAccessIssue=false

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from matterlearn import style
from matterlearn.plots_curves import root_of

COLOURS = (style.BLUE, style.SKY, style.ORANGE, style.PURPLE, style.GREEN, style.YELLOW)
MARKERS = "osD^v<"
BOUNDS = {"linear": ("-", "best linear denoiser of these samples"), "oracle": (":", "oracle of wavelet components")}


def denoising(tree: xr.DataTree) -> Figure | None:
    """PSNR against noise, and what it gains over doing nothing; crosses: closed forms."""
    node = _of_all(tree)
    if node is None:
        return None
    part = "test" if "psnr_test" in node else "train"
    figure = style.new_figure(2, 1, 6.0, 4.8)
    whole, gain = figure.subplots(1, 2)
    noise = _each(node["noise"])
    nothing = _each(node[f"psnr_{part}"] + 10 * np.log10(node[f"mse_{part}"])) - 20 * np.log10(noise)
    for axes, base in ((whole, 0.0), (gain, nothing)):
        _curves(axes, node, part, noise, base)
        axes.set(xscale="log", xlabel="noise level σ (standard deviations of the data)")
        ticks = noise[:: 2 if len(noise) > 6 else 1]
        axes.set_xticks(ticks, [f"{tick:g}" for tick in np.round(ticks, 3)])
        axes.xaxis.set_minor_locator(NullLocator())
    whole.plot(noise, nothing, color=style.SHARED, lw=1.2, label="noisy samples")
    whole.set(ylabel="peak signal-to-noise ratio (dB)")
    gain.axhline(0, color=style.SHARED, lw=1.2)
    gain.set(ylabel="gain over the noisy samples (dB)")
    handles, labels = whole.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=3)
    return figure


def pictures(tree: xr.DataTree) -> Figure | None:
    """One row per sample: clean, noisy, and what every denoiser makes of it; at the noise level in the middle."""
    node = _of_all(tree)
    if node is None or "picture_denoised" not in node:
        return None
    level = node.sizes["noise_level"] // 2
    now = node.isel(noise_level=level)
    sigma = float(np.ravel(now["noise"].values)[0])
    columns = [("clean", _each(now["picture_clean"])), (f"noisy, σ = {sigma:.2g}", _each(now["picture_noisy"]))]
    columns += [(name, now["picture_denoised"].sel(variant=name).values) for name in _names(now)]
    rows = min(3, node.sizes["picture"])
    figure = style.new_figure(len(columns), rows, 2.1, 2.1)
    grid = figure.subplots(rows, len(columns), squeeze=False)
    clean = columns[0][1]
    for row in range(rows):
        low, high = clean[row].min(), clean[row].max()
        for axes, (title, images) in zip(grid[row], columns, strict=True):
            axes.imshow(images[row], cmap="gray", vmin=low, vmax=high)
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
            if not row:
                axes.set_title(_wrapped(title), loc="center", fontsize=11)
    return figure


def _curves(axes, node: xr.Dataset, part: str, noise, base) -> None:
    for place, name in enumerate(_names(node)):
        own = node.sel(variant=name)
        style_of = {"color": COLOURS[place % len(COLOURS)], "marker": MARKERS[place % len(MARKERS)], "capsize": 3}
        shown = own[f"psnr_{part}"].values - base, own[f"psnr_{part}_sem"].values
        axes.errorbar(noise, shown[0], yerr=shown[1], label=name, lw=1.4, ms=5, **style_of)
        if f"psnr_{part}_theory" in own:
            theory = own[f"psnr_{part}_theory"].values - base
            axes.plot(noise, theory, "+", color="black", ms=10, mew=1.2, zorder=5)
    if f"psnr_{part}_theory" in node:
        axes.plot([], [], "+", color="black", ms=10, mew=1.2, label="closed form")
    for key, (line, words) in BOUNDS.items():
        if f"psnr_{part}_{key}" in node:
            axes.plot(noise, _each(node[f"psnr_{part}_{key}"]) - base, color="black", ls=line, lw=1.3, label=words)


def _of_all(tree: xr.DataTree) -> xr.Dataset | None:
    """What all variants measured, or the run alone as the only one."""
    if "variants" in tree.children:
        node = tree["variants"].to_dataset(inherit=False)
        return node if "mse_train" in node and "noise_level" in node.dims else None
    root = root_of(tree)
    if "mse_train" not in root or "noise_level" not in root.dims:
        return None
    return root.expand_dims(variant=["denoiser"])


def _names(node: xr.Dataset) -> list[str]:
    return [str(name) for name in node["variant"].values]


def _each(array: xr.DataArray) -> np.ndarray:
    """What is the same for all variants, once."""
    return array.isel(variant=0).values if "variant" in array.dims else array.values


def _wrapped(words: str) -> str:
    first, _, rest = words.partition(" ")
    return f"{first}\n{rest}" if len(words) > 14 else words
