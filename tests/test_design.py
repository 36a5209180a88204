"""Design as a run: what is reached, what is reported, what is refused, and that a resumed design is the same."""

import json
from functools import partial
from types import SimpleNamespace
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

import fakes.estimators
from matterlearn import designing, loop, report
from matterlearn.design._constraints import project
from matterlearn.design._estimator import Setup
from matterlearn.design._objective import REDUCTIONS, SCALES, Objective, Term
from matterlearn.designing import Design
from matterlearn.errors import InputError, Interrupted, ScenarioError, SimulationError
from matterlearn.observables.energy import Energy
from matterlearn.run import build, optimizer, simulate
from matterlearn.scenario import load
from matterlearn.sections import ALONG_PATHS, RANGES, Bounds, Budget, DistinctSpecies, Sparsity, Ties

TRAP = {
    "title": "A trap is made as stiff as a width wants it",
    "system": {"kind": "landscape", "coefficients": [0.0, 0.5]},
    "dynamics": {"kind": "langevin", "dt": 0.2},
    "design": {
        "estimator": {"kind": "equilibrium", "relax": 50, "stride": 20, "samples": 8},
        "objective": [{"observable": {"kind": "moment"}, "target": 0.25, "scale": "log"}],
        "optimizer": {"kind": "adam", "learning_rate": 0.3, "final_rate": 0.02},
        "updates": 60,
        "replicas": 256,
    },
    "observe": [{"kind": "moment", "every": 50}],
    "run": {"steps": 200, "replicas": 256, "seed": 3},
}


def changed(**sections):
    """The trap with keys of its design replaced; ``None`` drops one."""
    design = {k: v for k, v in (TRAP["design"] | sections).items() if v is not None}
    return TRAP | {"design": design}


@pytest.fixture(scope="module")
def designed(tmp_path_factory):
    return simulate(TRAP, out=tmp_path_factory.mktemp("design") / "trap")


def test_design_reaches_its_target_and_fresh_seeds_confirm_it(designed):
    """⟨x²⟩ = kT/2c₂ + (c₁/2c₂)²: the design measures the width of what it made, and reached the one it was asked for as
    well as it could measure it; runs that it has never seen have the same width.
    """
    tree = designed.tree
    tilt, half = np.asarray(tree["couplings/couplings"])
    second_moment = 1 / (2 * half) + (tilt / (2 * half)) ** 2
    last, error = (float(tree[f"design/moment_designed{ending}"][-1, 0]) for ending in ("", "_sem"))
    assert abs(last - second_moment) < 4 * error
    assert abs(last - 0.25) < 4 * error and error < 0.02
    late = tree["moment"].isel(step=slice(2, None)).mean("step").values
    assert abs(late.mean() - second_moment) < 4 * late.std(ddof=1) / np.sqrt(len(late))
    before = tree["before/moment_before"].isel(step=slice(2, None)).mean("step").values
    assert abs(before.mean() - 1.0) < 4 * before.std(ddof=1) / np.sqrt(len(before))


@pytest.fixture
def no_figures(monkeypatch):
    monkeypatch.setattr(report, "write", lambda directory: None)


def test_results_of_a_design(designed):
    node = designed.tree["design"]
    assert node["loss"].dims == ("update",) and node.sizes["update"] == 61
    assert node["couplings"].shape == (61, 2) and float(node["couplings"][0, 1]) == 0.5
    assert {"loss_sem", "tail_index", "effective_fraction", "moment_designed_target"} <= set(node.data_vars)
    assert float(node["loss"][-1]) < 0.01 * float(node["loss"][0])
    assert np.all(np.diff(node["draws"].values) >= 0) and 1 < float(node["draws"][-1]) < 61
    names = {path.stem for path in (designed.directory / "figures").iterdir()}
    assert {"design", "validation", "designed_couplings"} <= names


@pytest.mark.usefixtures("no_figures")
def test_resumed_design_has_the_same_bits(tmp_path, designed, monkeypatch):
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    advance = Design.advance

    def dies(self, carry, begin, count):
        if begin >= 30:
            raise KeyboardInterrupt
        return advance(self, carry, begin, count)

    monkeypatch.setattr(Design, "advance", dies)
    with pytest.raises(Interrupted):
        simulate(TRAP, out=tmp_path / "trap")
    monkeypatch.setattr(Design, "advance", advance)
    again = simulate(TRAP, out=tmp_path / "trap", resume=True).tree
    for node in ("/", "design", "before", "couplings"):
        for name, array in designed.tree[node].data_vars.items():
            np.testing.assert_array_equal(array.values, again[node][name].values, err_msg=str(name))


def heavy(**settings):
    return changed(
        estimator={"kind": "fakes.estimators:Config"}, updates=6, replicas=64,
        optimizer={"kind": "sgd", "learning_rate": 1e-9}, **settings,
    )  # fmt: skip


@pytest.mark.usefixtures("no_figures")
def test_no_standard_error_where_there_is_no_variance(tmp_path):
    result = simulate(heavy(), out=tmp_path / "heavy")
    node = result.tree["design"]
    assert np.isnan(node["gradient_noise"].values).all() and (node["tail_index"].values < 2).all()
    assert np.isfinite(node["loss_sem"].values).all()
    assert any("no variance" in note for note in result.notes)


@pytest.mark.usefixtures("no_figures")
def test_fallback_takes_over(tmp_path):
    result = simulate(heavy(fallback=TRAP["design"]["estimator"], patience=2), out=tmp_path / "fallback")
    node = result.tree["design"]
    np.testing.assert_array_equal(node["estimator"].values, [0, 0, 1, 1, 1, 1, 1])
    assert np.isnan(node["gradient_noise"].values[:2]).all() and np.isfinite(node["gradient_noise"].values[2:]).all()
    assert any("took over at update 2" in note for note in result.notes)
    events = [json.loads(line) for line in (tmp_path / "fallback" / "log.jsonl").read_text().splitlines()]
    assert [e["now"] for e in events if e["event"] == "estimator distrusted"] == ["equilibrium"]


@pytest.mark.usefixtures("no_figures")
def test_clipping_is_counted_and_bounds_the_gradient(tmp_path):
    node = simulate(heavy(clip=0.5), out=tmp_path / "clip").tree["design"]
    assert (node["clipped"].values > 0).all()
    np.testing.assert_allclose(node["gradient_norm"].values, 0.5, rtol=1e-6)  # every replica's is longer


@pytest.mark.usefixtures("no_figures")
def test_couplings_change_without_compiling_again(tmp_path):
    fakes.estimators.traces.clear()
    simulate(heavy(clip=0.7), out=tmp_path / "once")
    assert len(fakes.estimators.traces) == 1


def test_pathwise_through_steps_is_refused_in_words(tmp_path):
    wanted = changed(
        estimator={"kind": "pathwise", "stride": 20},
        objective=[{"observable": {"kind": "beyond"}, "goal": "maximise"}],
    )
    with pytest.raises(InputError, match="nothing of it responds.*use score_function or equilibrium"):
        simulate(wanted, out=tmp_path / "steps")


LATTICE = {"kind": "lattice_condensate", "species": 2, "shape": [4, 4]}
NETWORK = {"kind": "spin_network", "units": 4}
BODIES = {"kind": "rigid_bodies", "bodies": "facing_trimers", "numbers": [1, 1], "box": 20.0, "coupling": -8.0}


def designed_on(system, dynamics, estimator):
    """The energy of another system, by another estimator."""
    objective = [{"observable": {"kind": "energy"}, "goal": "minimise"}]
    section = changed(estimator={"kind": estimator}, objective=objective)
    return section | {"system": system, "dynamics": dynamics, "observe": []}


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        ({"component": [1], "target": 0.2}, r"objective.0.component: moment has 1 numbers, counted from 0; got 1"),
        ({"component": [], "target": 0.2}, r"objective.0.component: .* got none"),
        ({"target": [0.2, 0.3]}, r"objective.0.target: 2 targets for 1 numbers of moment"),
    ],
)
def test_what_the_observable_does_not_have_is_told(tmp_path, objective, message):
    with pytest.raises(InputError, match=message):
        simulate(changed(objective=[{"observable": {"kind": "moment"}} | objective]), out=tmp_path / "wrong")


def test_no_couplings_and_other_systems_are_told():
    experiment = build(TRAP)
    section: Any = experiment.scenario.design
    stage = partial(Design, experiment.key, dynamics=experiment.dynamics, section=section,
                    optimizer=optimizer(section.optimizer, 1), log=None)  # fmt: skip
    empty = eqx.tree_at(lambda s: s.coefficient, experiment.system, jnp.zeros(0))
    with pytest.raises(InputError, match="has no couplings to design"):
        stage(system=empty, task=experiment.task)

    class Another:
        def recall(self, key, system, replicas):
            recall = experiment.task.recall(key, system, replicas)
            return recall._replace(system=(recall.system, jnp.ones(replicas)))

    with pytest.raises(InputError, match="systems of 2 arrays instead of 1"):
        recall = Another().recall(experiment.key, experiment.system, 2)
        Setup.of(experiment.system, experiment.dynamics, Objective((), ()), recall)


def test_lists_that_overflow_whatever_their_size_end_the_design(monkeypatch):
    experiment = build(changed(estimator={"kind": "closed_form"}))
    section: Any = experiment.scenario.design
    stage = Design(experiment.key, experiment.system, experiment.dynamics, experiment.task, section,
                   optimizer(section.optimizer, 1), None)  # fmt: skip
    tries = []
    monkeypatch.setattr(designing, "evaluate", lambda *_, **__: tries.append(1) or SimpleNamespace(neighbors=()))
    monkeypatch.setattr(designing, "overflowed", lambda lists: True)
    monkeypatch.setattr(designing, "required", lambda lists: 10)
    with pytest.raises(SimulationError, match="update 0: neighbour lists overflow again and again"):
        stage.advance(stage.start(), 0, 1)
    assert len(tries) == loop.MOST_REPLAYS + 1


@pytest.mark.parametrize(
    ("scenario", "message"),
    [
        (changed(objective=[{"observable": {"kind": "moment"}}]), "should give either target or goal"),
        (changed(objective=[{"observable": {"kind": "moment"}, "target": -1.0, "scale": "log"}]), "between 0 and inf"),
        (changed(objective=[{"observable": {"kind": "moment"}, "target": 1, "reduce": "ever"}]), "needs trajectories"),
        (changed(objective=[{"observable": {"kind": "overlap"}, "goal": "maximise"}]), "overlap needs memories"),
        (changed(estimator={"kind": "pathwise", "samples": 3, "stride": 10, "horizon": 20}), "at least samples"),
        (changed(estimator={"kind": "implicit"}), "use dynamics fire"),
        (changed(estimator={"kind": "enumeration"}), "cannot enumerate continuous matter"),
        (TRAP | {"dynamics": {"kind": "langevin", "dt": 0.2, "kT": {"ramp": {"start": 2, "stop": 1, "steps": 9}}}},
         "weighs states at one temperature"),
        (changed(estimator={"kind": "score_function"}) | {"dynamics": {"kind": "fire"}}, "needs the probability"),
        (changed(estimator={"kind": "score_function"}) | {"dynamics": {"kind": "brownian", "dt": 0.1, "kT": 0}},
         "dynamics.kT: should stay above 0"),
        (changed(estimator={"kind": "score_function"}) | {"dynamics": {"kind": "langevin", "dt": 0.1, "friction": 0}},
         "dynamics.friction: should stay above 0"),
        (designed_on(NETWORK, {"kind": "parallel", "kT": 1.0}, "equilibrium"), "'parallel' does not sample"),
        (designed_on(NETWORK, {"kind": "parallel", "kT": 1.0}, "enumeration"), "'parallel' does not sample"),
        (designed_on(BODIES, {"kind": "association"}, "pathwise"), "those of 'association' do not"),
        (designed_on(BODIES, {"kind": "association"}, "tangent"), "those of 'association' do not"),
        (designed_on(BODIES, {"kind": "langevin", "dt": 1e-4}, "pathwise"), "bodies turn: use brownian"),
        (designed_on(LATTICE, {"kind": "kawasaki"}, "enumeration"), "conserves and every replica draws anew"),
        (changed(estimator={"kind": "pathwise"}, objective=[{"observable": {"kind": "energy"}, "goal": "maximise"}])
         | {"system": LATTICE, "dynamics": {"kind": "heat_bath"}, "observe": []}, "respond smoothly"),
    ],
)  # fmt: skip
def test_what_cannot_be_designed_is_refused(scenario, message):
    with pytest.raises(ScenarioError, match=message):
        load(scenario)


@pytest.mark.parametrize("estimator", ["score_function", "pathwise", "tangent", "implicit"])
def test_dynamics_of_other_packages_are_taken_at_their_word(estimator):
    """What they claim in their Config counts, not what they are called; what claims nothing is refused."""
    load(designed_on(BODIES, {"kind": "fakes.motions:Claiming"}, estimator))
    with pytest.raises(ScenarioError) as refused:
        load(designed_on(BODIES, {"kind": "fakes.motions:Silent"}, estimator))
    assert {problem.path for problem in refused.value.problems} == {("design", "estimator", "kind"), ("system", "kind")}


def test_names_of_scales_and_reductions_are_those_of_the_sections():
    assert set(SCALES) == set(RANGES) and set(REDUCTIONS) == set(ALONG_PATHS)


def test_losses():
    energy = Energy("energy", (), "kT_ref", "energy", 1)
    mean = jnp.asarray([0.2, 0.5])
    linear = Term(energy, jnp.asarray([0.1, 0.1]), jnp.asarray(3.0))
    assert float(linear.loss(mean)) == pytest.approx(3 * (0.1**2 + 0.4**2) / 2)
    logit = Term(energy, jnp.asarray(0.9), jnp.asarray(1.0), scale="logit")
    assert float(logit.loss(mean[1:])) == pytest.approx(np.log(9) ** 2, rel=1e-5)
    best = Term(energy, None, jnp.asarray(2.0), sign=-1, scale="log")
    assert float(best.loss(mean[1:])) == pytest.approx(2 * np.log(2), rel=1e-5)
    both = Objective((linear, best), (2, 1))
    assert float(both(jnp.asarray([0.2, 0.5, 0.5]))) == pytest.approx(3 * 0.085 + 2 * np.log(2), rel=1e-5)


def test_reductions_of_samples():
    """Two replicas, three samples: hit at the second, and never; the score counts only what came before."""
    energy = Energy("energy", (), "kT_ref", "energy", 1)
    values = jnp.asarray([[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]])[..., None]
    logs = jnp.zeros((2, 3))
    found = {
        reduce: Objective((Term(energy, None, jnp.asarray(1.0), reduce=reduce),), (1,)).reduce(values, logs, 10)[:, 0]
        for reduce in REDUCTIONS
    }
    np.testing.assert_allclose(found["mean"], [1 / 3, 0], rtol=1e-6)
    np.testing.assert_allclose(found["final"], [0, 0])
    np.testing.assert_allclose(found["ever"], [1, 0])
    np.testing.assert_allclose(found["survival_time"], [10, 30])


def test_projections_onto_allowed_couplings():
    flat = jnp.asarray([3.0, -2.0, 0.5, -0.1])
    np.testing.assert_allclose(project(flat, (Bounds(kind="bounds", low=-1, high=2),)), [2, -1, 0.5, -0.1], rtol=1e-6)
    np.testing.assert_allclose(project(flat, (Sparsity(kind="sparsity", nonzero=2),)), [3, -2, 0, 0])
    np.testing.assert_allclose(project(flat, (Ties(kind="ties", groups=((0, 2), (1, 3))),)), [1.75, -1.05, 1.75, -1.05],
                               rtol=1e-6)  # fmt: skip
    inside = project(flat, (Budget(kind="budget", total=2.0),))
    # The nearest point of the ball shrinks all by the same amount.
    np.testing.assert_allclose(inside, [1.5, -0.5, 0, 0], atol=1e-5)
    np.testing.assert_allclose(project(flat, (Budget(kind="budget", total=99.0),)), flat)
    with pytest.raises(InputError, match="ties name coupling 7"):
        project(flat, (Ties(kind="ties", groups=((0, 7),)),))


def test_few_distinct_species():
    """Four species of which two pairs are nearly alike become two kinds; a matrix of two kinds stays as it is."""
    from matterlearn.core.symmetric import unpack

    kinds = np.array([0, 1, 0, 1])
    block = np.array([[-5.0, -1.0], [-1.0, -3.0]])
    first, second = np.triu_indices(4)
    exact = jnp.asarray(block[kinds[first], kinds[second]])
    noisy = exact + 0.05 * jnp.asarray(np.random.default_rng(0).normal(size=10))
    two = np.asarray(unpack(project(noisy, (DistinctSpecies(kind="distinct_species", count=2),))))
    np.testing.assert_allclose(two[0, 1], two[2, 3])
    np.testing.assert_allclose(two[0, 0], two[2, 2])
    assert np.abs(two - np.asarray(unpack(exact))).max() < 0.1
    np.testing.assert_allclose(project(exact, (DistinctSpecies(kind="distinct_species", count=2),)), exact, rtol=1e-6)
    np.testing.assert_allclose(project(noisy, (DistinctSpecies(kind="distinct_species", count=4),)), noisy)
    with pytest.raises(InputError, match="pairs of species"):
        project(noisy[:9], (DistinctSpecies(kind="distinct_species", count=2),))
