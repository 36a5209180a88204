"""A protein under regulation, as a scenario: pooled noise, references, figure, determinism, complaints."""

import itertools

import numpy as np
import pytest

import matterlearn as ml
from matterlearn import plots_noise, scenario, style
from matterlearn.errors import ScenarioError
from matterlearn.observables.concentration import Concentration, noise
from matterlearn.run import simulate

pytestmark = pytest.mark.usefixtures("undrawn")

SMALL = {"kind": "regulated_expression", "volume": 8.0, "mrna": 20.0, "mrna_decay": 2.0, "saturation": 3.0,
         "exchange": 6.0, "proportional": 4.0, "integral": 8.0, "sensing": 5.0, "level": 15.0}  # fmt: skip


def test_noise_is_the_jackknife_of_the_pooled_record():
    record = np.random.default_rng(0).gamma(4.0, 2.0, (7, 11))
    mean, sem, cv, error = noise(record)
    assert mean == pytest.approx(record.mean())
    assert sem == pytest.approx(record.mean(1).std(ddof=1) / np.sqrt(7))
    assert cv == pytest.approx(record.std() / record.mean())
    rest = [np.delete(record, k, 0) for k in range(7)]
    left_out = np.array([r.std() / r.mean() for r in rest])
    assert error == pytest.approx(np.sqrt(6 / 7 * np.sum((left_out - left_out.mean()) ** 2)))


def test_summary_by_combination():
    """Replicas take turns; the slope is that of numpy's fit, suppression the ratio of the CVs."""
    regulations, levels = ("none", "droplets"), (1.0, 4.0, 9.0)
    observable = Concentration(
        "concentration", ("phase",), "µM", "", 1, ("total", "dilute", "condensed"),
        (("regulation", regulations), ("level", levels)), 0.0, 4.0,
    )  # fmt: skip
    cell = np.arange(60) % 6
    values = np.random.default_rng(1).gamma(9.0, 1.0, (60, 5, 3)) * (1 + cell)[:, None, None]
    found = {s.name: s.values for s in observable.summary(values, {"combination": cell})}
    own = values[cell == 4, :, 1]
    assert found["dilute_mean"][1, 1] == pytest.approx(own.mean())
    assert found["dilute_cv"][1, 1] == pytest.approx(own.std() / own.mean())
    np.testing.assert_allclose(found["noise_suppression"][1], found["dilute_cv"][0] / found["dilute_cv"][1])
    np.testing.assert_array_equal(found["noise_suppression_sem"][0], 0)
    for row, mean in enumerate(found["dilute_mean"]):
        assert found["buffered_slope"][row] == pytest.approx(np.polyfit(levels[1:], mean[1:], 1)[0])
    sems = found["dilute_mean_sem"][:, 1:]
    np.testing.assert_allclose(found["buffered_slope_sem"], np.hypot(*sems.T) / 5.0)


RUN = {
    "title": "cells",
    "system": SMALL,
    "dynamics": {"kind": "gillespie", "dt": 0.1},
    "task": {"kind": "expression_levels", "levels": [1.0, 12.0, 20.0]},
    "observe": [{"kind": "concentration", "every": 2, "discard": 0.4, "fit_above": 12.0}, {"kind": "energy"}],
    "run": {"replicas": 432, "steps": 100},
}  # fmt: skip


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    return simulate(RUN, out=tmp_path_factory.mktemp("cells") / "run").tree


@pytest.mark.slow
def test_a_run_agrees_with_its_references(cells):
    """48 replicas per combination; closed forms where they are given, everywhere else NaN."""
    root = cells.to_dataset()
    for name in ("total_mean", "total_cv", "dilute_mean", "dilute_cv", "noise_suppression", "buffered_slope"):
        assert float(root[f"{name}_deviation"]) < 4.5, name
    assert root["dilute_mean"].dims == ("regulation", "level")
    assert list(root["regulation"].values) == ["none", "droplets", "pi"]
    given = root["dilute_mean_theory"].notnull().values
    np.testing.assert_array_equal(given, [[True] * 3, [False, True, True], [False, True, True]])
    assert float(root["buffered_slope_theory"].sel(regulation="droplets")) == pytest.approx(1 / 7)
    assert root["published_law_theory"].values == pytest.approx([1, 7.471 + 4.529 / 22.57, 7.471 + 12.529 / 22.57])
    assert cells["couplings"]["exchange"].attrs["units"] == "1/time, µM"
    assert root.attrs["saturation"] == 3.0


@pytest.mark.slow
def test_the_figure_shows_means_and_noise(cells):
    with style.look():
        figure = plots_noise.buffering(cells)
    assert figure is not None
    assert [axes.get_ylabel() for axes in figure.axes[1:]] == ["dilute, mean (µM)", "CV of the dilute concentration"]
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert {"droplets", "PI controller", "unregulated", "theory", "published fit to cells"} <= set(words)


@pytest.mark.slow
def test_same_bits_in_any_chunks_and_company(cells, tmp_path):
    """Chunks of one record, and fewer replicas beside each one, change no bit."""
    short = {**RUN, "run": {"replicas": 18, "steps": 20, "chunk": 2}}
    tree = simulate(short, out=tmp_path / "short").tree
    record = tree["concentration"].values
    np.testing.assert_array_equal(record, cells["concentration"].values[:18, : record.shape[1]])


@pytest.mark.slow
def test_one_kind_of_cell_without_a_task(tmp_path):
    free = {**RUN, "task": None, "observe": [{"kind": "concentration"}], "run": {"replicas": 4, "steps": 3}}
    root = simulate(free, out=tmp_path / "free").tree.to_dataset()
    assert root["dilute_cv"].dims == () and root["concentration"].dims == ("replica", "step", "phase")
    assert plots_noise.buffering(ml.results.open(tmp_path / "free")) is None


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("system.exchange=.inf", "system.exchange: should be a finite number; got inf"),
        ("system.exchange=-1", "system.exchange: should be greater than or equal to 0; got -1"),
        ("system.volume=1e6", "system.volume: about 1.5e+07 molecules; at most 8.4e+06 are counted exactly"),
        ("system.volume=3e5", "dynamics.kind: about 3e+08 events per replica would take hours; use chemical_langevin"),
        ("dynamics={kind: brownian, dt: 0.001}", "dynamics.kind: molecules react rather than move; use gillespie"),
        ("dynamics={kind: chemical_langevin, dt: 0.1}", "dynamics.dt: 0.1 is too long for a relaxation rate of 7"),
        ("task={kind: relaxation, trap: 1.0}", "dynamics.kind: reactions do not feel the trap of the task"),
        ("run.replicas=9", "task.levels: 9 combinations need at least 18 replicas for an error bar"),
        ("task.levels=[1, 1, 12, 20]", "task.levels: names something twice"),
        ("task.levels=[1, 12, 2e6]", "task.levels: about 1.6e+07 molecules; at most 8.4e+06 are counted exactly"),
        ("task.regulations=[droplet]", "task.regulations.0: should be 'none', 'droplets' or 'pi'; got 'droplet'"),
        ("observe.0.fit_above=15", "observe.0.fit_above: a slope needs two levels from 15 µM on"),
        ("system={kind: particles, species: 1, copies: 8, box: 8.0}", "dynamics.kind: moves numbers of molecules"),
        ("system={kind: particles, species: 1, copies: 8, box: 8.0}", "task.kind: needs a regulated_expression"),
        ("system={kind: particles, species: 1, copies: 8, box: 8.0}", "observe.0.kind: needs a protein in phases"),
        ("learning={rule: {kind: hebbian_linkers, rate: 1.0, saturation: 2.0}}", "nothing to learn from; drop"),
    ],
)
def test_complaints(override, expected):
    with pytest.raises(ScenarioError) as caught:
        scenario.load(RUN, [override])
    assert any(expected in line for line in str(caught.value).splitlines()), str(caught.value)


@pytest.mark.slow
def test_the_scenario_meets_its_expectations(tmp_path):
    """About forty seconds on two cores."""
    result = simulate("concentration_buffering", out=tmp_path / "run")
    assert result.verdicts and all(verdict.passed for verdict in result.verdicts), list(map(str, result.verdicts))
    pairs = itertools.pairwise(result.tree["dilute_cv"].sel(regulation="droplets", level=[2.0, 8.0, 12.0]).values)
    assert all(before > after for before, after in pairs)  # noise falls as droplets appear
