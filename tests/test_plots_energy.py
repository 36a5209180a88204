"""The figure of a learned energy: which panels, and which way round."""

import numpy as np
import xarray as xr

from matterlearn import style
from matterlearn.plots_energy import energy_of_points, late_samples


def tree():
    place = np.linspace(-3, 3, 61)
    first, second = np.meshgrid(place, place, indexing="ij")
    chart = (first - 1.5) ** 2 + (second + 0.5) ** 2
    points = np.array([1.5, -0.5]) + 0.1 * np.random.default_rng(0).normal(size=(20, 2))
    return xr.DataTree.from_dict({
        "/": xr.Dataset({"visible_patterns": (("replica", "step", "entry"), np.stack([points, points], 1))}),
        "/memories": xr.Dataset({"examples": (("example", "entry"), points)}),
        "/couplings": xr.Dataset({
            "energy_chart": (("first_place", "second_place"), chart), "chart_place": (("first_place",), place),
        }),
    })  # fmt: skip


def test_data_samples_and_energy_lie_at_the_same_place():
    with style.look():
        figure = energy_of_points(tree())
    assert figure is not None
    left, middle, right, _ = figure.axes
    for axes in (left, middle):
        points = np.asarray(axes.lines[0].get_xydata())
        np.testing.assert_allclose(points.mean(0), [1.5, -0.5], atol=0.1)
    lowest = right.collections[0].get_paths()[0].get_extents()  # the first level of the contours
    assert lowest.x0 < 1.5 < lowest.x1
    assert lowest.y0 < -0.5 < lowest.y1
    assert right.get_xlim() == left.get_xlim()


def test_what_is_missing_gives_no_figure():
    for name in ("memories", "couplings"):
        partial = tree()
        del partial[name]
        assert energy_of_points(partial) is None


def test_late_samples_are_those_of_the_second_half():
    values = np.arange(24.0).reshape(3, 4, 2)
    late = late_samples(xr.DataArray(values, dims=("replica", "step", "entry")))
    assert late.tolist() == values[:, 2:].reshape(-1, 2).tolist()
