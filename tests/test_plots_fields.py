"""The figure of lattice fields: its panels, for one run and for variants, and what is drawn in them."""

# The type stubs of matplotlib are narrower than what it gives.
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportOptionalSubscript=false
# pyright: reportOptionalMemberAccess=false

import numpy as np
import xarray as xr

from matterlearn import style
from matterlearn.plots_fields import fields

K = np.array([0.0, 1.0, 2.0])


def measured(seed):
    rng = np.random.default_rng(seed)
    records = rng.normal(size=(5, 8, 2))
    values = {
        "field_moments": (("replica", "step", "moment"), records),
        "power_spectrum": (("wavenumber",), 1 / (1 + K**2)), "power_spectrum_sem": (("wavenumber",), 0.01 * np.ones(3)),
        "power_spectrum_target": (("wavenumber",), 2 / (1 + K**2)),
        "power_spectrum_target_sem": (("wavenumber",), 0.02 * np.ones(3)),
    }  # fmt: skip
    return xr.Dataset(values, coords={"moment": ["φ²", "M"], "wavenumber": K})


def lines(axes):
    """Curves with their y values, by line style."""
    curves = [line for line in axes.lines if len(line.get_xdata()) == len(K)]
    return {line.get_linestyle(): np.asarray(line.get_ydata()) for line in curves}


def test_one_run_shows_law_spectrum_and_configurations_beside_data():
    frames = np.random.default_rng(1).normal(size=(5, 3, 2, 3))
    tree = xr.DataTree.from_dict({
        "/": measured(0),
        "/trajectory": xr.Dataset({"field": (("replica", "frame", "row", "column"), frames)}),
        "/memories": xr.Dataset({"examples": (("example", "row", "column"), np.ones((7, 2, 3)))}),
    })  # fmt: skip
    with style.look():
        figure = fields(tree)
    assert figure is not None
    law, spectrum, samples, data = figure.axes[:4]
    np.testing.assert_allclose(lines(spectrum)["-"], 1 / (1 + K**2))
    np.testing.assert_allclose(lines(spectrum)["--"], 2 / (1 + K**2))
    density = law.patches[0]
    values, edges, _ = density.get_data()
    assert abs(np.sum(values * np.diff(edges)) - 1) < 1e-12
    late = np.asarray(tree["field_moments"].sel(moment="M"))[:, 4:]
    assert abs(np.sum(values * np.diff(edges) * (edges[1:] + edges[:-1]) / 2) - late.mean()) < np.diff(edges)[0]
    assert [axes.get_title("left") for axes in (samples, data)] == ["configurations: samples", "configurations: data"]
    assert samples.images[0].get_array()[0, 0] == frames[0, -1, 0, 0] and data.images[0].get_array().max() == 1.0


def test_variants_lie_over_each_other():
    joined = xr.concat([measured(0), measured(1)], dim=xr.Variable("variant", ["a", "b"]))
    with style.look():
        figure = fields(xr.DataTree.from_dict({"/": xr.Dataset(), "/variants": joined}))
    assert figure is not None and len(figure.axes) == 2
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "b"]


def test_without_moments_there_is_no_figure():
    assert fields(xr.DataTree(measured(0).drop_vars("field_moments"))) is None
