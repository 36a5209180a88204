"""Figures of generative models: every variant has its panel and its bars, and they show the tree's numbers."""

import numpy as np
import xarray as xr

from matterlearn import style, variants
from matterlearn.plots_generative import generated, table

NAMES = ["flow", "network without density", "energy"]


def tree(dimension=2):
    """Three variants; the second has no likelihood, the third more records."""
    rng = np.random.default_rng(0)
    data = rng.normal(size=(50, dimension))
    found = {}
    for place, name in enumerate(NAMES):
        drawn = rng.normal(size=(10, 4 + 2 * place, dimension)) + place
        scores = {"sliced_wasserstein": 0.1 + place, "sliced_wasserstein_sem": 0.02, "sliced_wasserstein_floor": 0.05,
                  "sliced_wasserstein_floor_sem": 0.01, "log_likelihood_independent": -3.0}  # fmt: skip
        if place != 1:
            scores |= {"log_likelihood_test": -2.0 - 0.1 * place, "log_likelihood_test_sem": 0.03}
        root = {"visible_patterns": (("replica", "step", "entry"), drawn)} | {n: ((), v) for n, v in scores.items()}
        found[name] = xr.DataTree.from_dict({
            "/": xr.Dataset(root, coords={"step": np.arange(4 + 2 * place)}),
            "/memories": xr.Dataset({"examples": (("example", "entry"), data)}),
        })  # fmt: skip
    return variants.joined(found, {}), data


def test_every_variant_has_its_samples_beside_the_data():
    joined, data = tree()
    with style.look():
        figure = generated(joined)
    assert figure is not None
    panels = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title(loc="left").replace("\n", " ") for axes in panels] == ["training samples", *NAMES]
    np.testing.assert_array_equal(panels[0].lines[0].get_xydata(), data)
    for place, axes in enumerate(panels[1:]):
        points = np.asarray(axes.lines[0].get_xydata())
        assert len(points) == 10 * (2 + place), "the second half of its own records"
        assert abs(points.mean() - place) < 4 / np.sqrt(points.size)


def test_bars_are_the_numbers_of_the_tree():
    joined, _ = tree()
    with style.look():
        figure = table(joined)
    assert figure is not None
    left, right = figure.axes
    assert [round(bar.get_x() + bar.get_width(), 9) for bar in left.patches] == [-2.0, -2.2]
    assert "no density" in "".join(text.get_text() for text in left.texts)
    widths = [bar.get_width() for bar in right.patches[: len(NAMES)]]
    np.testing.assert_allclose(widths, [0.1, 1.1, 2.1])
    np.testing.assert_allclose(right.lines[-1].get_xdata(), 0.05)
    assert [label.get_text().replace("\n", " ") for label in left.get_yticklabels()] == NAMES


def test_models_without_any_density_have_distances_alone():
    joined, _ = tree()
    node = joined["variants"].to_dataset()
    joined["variants"].dataset = node.drop_vars([n for n in node if str(n).startswith("log_likelihood_test")])
    with style.look():
        figure = table(joined)
    assert figure is not None and len(figure.axes) == 1
    assert [bar.get_width() for bar in figure.axes[0].patches[: len(NAMES)]] == [0.1, 1.1, 2.1]


def test_data_beyond_the_plane_have_bars_alone():
    joined, _ = tree(dimension=3)
    with style.look():
        assert generated(joined) is None
        assert table(joined) is not None


def test_what_is_stored_is_joined_only_if_it_is_the_same():
    joined, data = tree()
    np.testing.assert_array_equal(joined["variants/memories"]["examples"], data)
    one, other = (xr.DataTree.from_dict({
        "/": xr.Dataset(), "/memories": xr.Dataset({"examples": (("example", "entry"), data[:n])})
    }) for n in (20, 30))  # fmt: skip
    assert "/variants/memories" not in [n.path for n in variants.joined({"a": one, "b": other}, {}).subtree]
