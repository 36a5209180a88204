"""Figures of a design show what was asked for, what was measured, and how well."""

# The type stubs of xarray and matplotlib are narrower than what they take and give.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOptionalMemberAccess=false
# pyright: reportAttributeAccessIssue=false

import json

import numpy as np
import pytest
import xarray as xr

from matterlearn import plots_design

STEPS, REPLICAS = 5, 4


def variable(dims, values, units, words):
    return xr.Variable(dims, np.asarray(values, float), {"units": units, "long_name": words})


@pytest.fixture
def tree():
    """A rate that falls a hundredfold, a population, a closed form, a label and an energy; before and after."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(REPLICAS, STEPS))
    sides = {}
    for ending, rate, share in (("_before", 2.0, 0.1), ("", 0.02, 0.9)):
        sides[ending] = xr.Dataset({
            f"rate{ending}": variable(("isomer", "isomer_other"), [[0, rate], [2 * rate, 0]], "D/σ²", "rate"),
            f"rate{ending}_sem": variable(("isomer", "isomer_other"), [[0, rate / 9], [rate / 9, 0]], "D/σ²", "error"),
            f"share{ending}": variable(("shape",), [share, 1 - share], "1", "population"),
            f"share{ending}_sem": variable(("shape",), [0.01, 0.02], "1", "error"),
            f"exact{ending}": variable(("replica", "step"), np.full((REPLICAS, STEPS), share), "1", "closed form"),
            f"outcome{ending}": variable(("replica", "step"), np.ones((REPLICAS, STEPS)), "label", "0 or 1"),
            f"energy{ending}": variable(("replica", "step"), noise, "kT_ref", "energy"),
        }, {"step": np.arange(STEPS), "replica": np.arange(REPLICAS), "isomer": ["a", "b"], "isomer_other": ["a", "b"],
            "shape": ["square", "line"]})  # fmt: skip
    sides[""]["share_target"] = variable(("shape",), [1.0, 0.0], "1", "target")
    return xr.DataTree.from_dict({"/": sides[""], "/before": sides["_before"]})


def test_validation_shows_averages_with_errors_and_what_was_asked(tree):
    figure = plots_design.validation(tree)
    panels = {axes.get_ylabel(): axes for axes in figure.axes}
    assert len(panels) == 4  # labels have no mean
    rate, share, exact = (panels[words] for words in ("rate (D/σ²)", "population", "closed form"))
    assert rate.get_yscale() == "log" and share.get_yscale() == "linear"
    assert [t.get_text() for t in rate.get_xticklabels()] == ["a, b", "b, a"]  # not what is zero by definition
    assert len(rate.containers) == len(share.containers) == 2  # error bars before and after
    assert {t.get_text() for t in share.get_legend().get_texts()} == {"before", "after", "target"}
    assert share.get_ylim()[0] <= 0 and exact.get_ylim()[0] <= 0  # differences are not blown up
    bars = share.containers[1].lines[2][0].get_segments()
    np.testing.assert_allclose(bars[0][:, 1], [0.89, 0.91])


def test_many_components_are_a_profile_and_few_are_curves_by_name():
    updates, count = np.arange(3), 9
    r = np.linspace(0.8, 2.4, count)
    node = xr.Dataset({
        "loss": ("update", [3.0, 2.0, 1.0]),
        "g_designed": (("update", "bin"), np.outer([1, 2, 3], r)), "g_designed_target": (("bin",), r),
        "k_designed": (("update", "case"), np.ones((3, 2))),
    }, {"update": updates}, {"g_designed_labels": json.dumps(r.tolist()), "g_designed_axis": "distance",
        "k_designed_labels": json.dumps(["up", "down"]), "k_designed_scale": "log"})  # fmt: skip
    figure = plots_design.loss(xr.DataTree.from_dict({"/design": node}))
    profile, curves = figure.axes[1:3]
    assert profile.get_xlabel() == "distance" and curves.get_xlabel() == "update"
    np.testing.assert_allclose(profile.lines[1].get_xydata(), np.stack([r, 3 * r], -1))
    assert {t.get_text() for t in profile.get_legend().get_texts()} == {"first update", "last update", "target"}
    assert [t.get_text() for t in curves.get_legend().get_texts()] == ["up", "down"] and curves.get_yscale() == "log"
