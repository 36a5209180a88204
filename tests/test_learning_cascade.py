"""Modes of the data in the couplings: their first growth in a run, measured as the figure does."""

import numpy as np
import pytest
import xarray as xr

from matterlearn import plots_cascade, run

pytestmark = pytest.mark.usefixtures("undrawn")

ROWS = [[2.0, 0.5], [-2.0, -0.5], [2.0, -0.5], [-2.0, 0.5]]  # variances 4 and ¼ along the axes


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return run.simulate(
        {
            "title": "two modes",
            "system": {"kind": "restricted_boltzmann_machine", "visible": 2, "hidden": 3, "values": {"scale": 1.0},
                       "hidden_values": "spins", "disorder": 1e-4, "learn": ["coupling"]},
            "dynamics": {"kind": "heat_bath", "kT": 1.0},
            "task": {"kind": "data", "data": {"source": "rows", "rows": ROWS, "values": 0}},
            "learning": {"rule": {"kind": "maximum_likelihood"}, "updates": 20, "replicas": 4,
                         "optimizer": {"kind": "sgd", "learning_rate": 0.05}},
            "observe": [{"kind": "energy"}], "run": {"steps": 1},
        },
        tmp_path_factory.mktemp("cascade") / "run",
    ).tree  # fmt: skip


def test_principal_axes(tree):
    assert tree["memories/principal_variance"].values == pytest.approx([4, 0.25])
    assert abs(tree["memories/principal_axis"].values) == pytest.approx(np.eye(2), abs=1e-7)


def test_strong_modes_grow_and_weak_ones_are_forgotten(tree):
    """Every update multiplies them by 1 + 0.05 (λ − 1): 1.15 and 0.9625."""
    strengths = plots_cascade.mode_strengths(tree)
    assert strengths is not None
    updates = tree["learning"]["update"].values
    for mode, factor in enumerate((1.15, 0.9625)):
        assert strengths[:, mode] == pytest.approx(strengths[0, mode] * factor**updates, rel=2e-3)
    growth = plots_cascade.early_growth(tree, np.array([4.0, 0.25]))
    assert growth == pytest.approx([1.15, 0.9625])


def test_figure(tree):
    figure = plots_cascade.cascade(tree)
    assert figure is not None and [axes.get_title(loc="left") for axes in figure.axes]
    assert plots_cascade.cascade(xr.DataTree(xr.Dataset())) is None
