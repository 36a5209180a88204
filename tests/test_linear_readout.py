"""The linear readout on states whose labels are known, and within a run."""

import numpy as np
import pytest

from matterlearn.observables.linear_readout import Config, averages, classes, numbers
from matterlearn.run import simulate
from matterlearn.scenario import load

pytestmark = pytest.mark.usefixtures("undrawn")

DATA = {
    "title": "readout",
    "system": {"kind": "lattice_condensate", "shape": [2, 3, 3], "periodic": False, "species": 2,
               "surface_species": 18, "cohesion": -1.0, "surface_coupling": 0.0},
    "dynamics": {"kind": "heat_bath"},
    "task": {"kind": "surface_images", "images": {"source": "patterns", "count": 2, "corruption": 0.0}},
    "observe": [{"kind": "linear_readout", "every": 5}],
    "run": {"replicas": 60, "steps": 20},
}  # fmt: skip


def test_classes_that_a_line_separates_are_read_and_others_are_not():
    rng = np.random.default_rng(0)
    target = np.repeat([0, 1, 2], 40)
    clear = np.eye(3)[target] + 0.1 * rng.normal(size=(120, 3))
    assert classes(clear, target, 5)[0] == 1
    # Power: a readout that knew the class of one replica in four would be 4.6 standard errors above chance.
    score, sem, chance = classes(rng.normal(size=(120, 3)), target, 5)
    assert chance == pytest.approx(1 / 3)
    assert abs(score - chance) < 4 * sem


def test_numbers_are_read_as_well_as_noise_allows():
    """y = x + noise of variance 1/4: R² = 0.8; with 400 samples its standard error is 0.016."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(400, 2))
    score, sem, chance = numbers(x, x[:, 0] + 0.5 * rng.normal(size=400), 5)
    assert abs(score - 0.8) < 4 * sem < 0.12
    assert chance == 0
    score, sem, _ = numbers(x, rng.normal(size=400), 5)
    assert abs(score) < 4 * sem


def test_what_cannot_be_learned_from_is_not_a_number():
    rng = np.random.default_rng(2)
    assert np.isnan(classes(rng.normal(size=(9, 2)), np.zeros(9, int), 3)).all()
    assert np.isnan(classes(np.zeros((9, 0)), np.arange(9) % 2, 3)).all()
    assert np.isnan(numbers(rng.normal(size=(9, 2)), np.ones(9), 3)).all()


def test_averages_of_numbers_keep_what_varies():
    values = np.array([[[1.0, 5.0], [3.0, 5.0]], [[0.0, 5.0], [1.0, 5.0]]])
    np.testing.assert_allclose(averages(values, discrete=False), [[2.0], [0.5]])


@pytest.mark.slow
def test_clamped_sites_are_not_read(tmp_path):
    """The surface shows the class itself; the free layer does not feel it, so nothing is to be read (|z| < 4)."""
    tree = simulate(DATA, tmp_path / "r").tree
    assert tree["state"].dims == ("replica", "step", "feature")
    assert not tree["state"].values[..., :9].any()
    score, sem = float(tree["linear_readout"]), float(tree["linear_readout_sem"])
    assert abs(score - float(tree["linear_readout_chance"])) < 4 * sem


def test_a_readout_needs_something_to_read_and_replicas():
    problems = [problem.message for problem in Config(kind="linear_readout", folds=40).check(load(DATA))]
    assert len(problems) == 1 and "60 replicas" in problems[0]
