"""Inputs and outputs by number: what is clamped, read and asked; what is refused; learning end to end."""

import re
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from matterlearn import plots_networks, testing
from matterlearn.core import ports
from matterlearn.errors import ScenarioError
from matterlearn.kinds import load_kind
from matterlearn.learning import Learning
from matterlearn.run import build, optimizer, simulate
from matterlearn.scenario import load
from matterlearn.tasks.input_output import nearness


def built(family, kind, **fields):
    config = load_kind(family, kind)(kind=kind, **fields)
    return config.build(jax.random.key(0))


def task(system, **fields):
    given = {"inputs": [0, 2], "outputs": [4], "examples": {"source": "xor"}} | fields
    return load_kind("tasks", "input_output")(kind="input_output", **given).build(system)


def flow():
    return built("systems", "flow_network", graph={"kind": "cycle", "nodes": 8})


def test_presentation_clamps_inputs_and_tethers_outputs():
    system = flow()
    shown = task(system, inverted=[1], fixed=[[7, 0.5]], stiffness=3.0).present(jax.random.key(0), system, 0, 8, 1.0)
    clamped = np.asarray(shown.drive.clamped.potential)
    assert [np.flatnonzero(row).tolist() for row in clamped] == [[0, 1, 2, 7]] * 8
    given = np.asarray(shown.x.potential)
    assert sorted({tuple(row) for row in given[:, [0, 2]].tolist()}) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    np.testing.assert_array_equal(given[:, 1], -given[:, 0])
    np.testing.assert_array_equal(given[:, 7], 0.5)
    np.testing.assert_array_equal(shown.drive.target.potential[:, 4], given[:, 0] != given[:, 2])
    np.testing.assert_array_equal(shown.drive.stiffness.potential, 3.0 * np.eye(8)[[4] * 8])
    assert shown.free.stiffness is None
    np.testing.assert_array_equal(shown.free.clamped.potential, clamped)


def test_small_batches_have_no_example_twice():
    system = flow()
    examples = {"source": "linear", "count": 20, "seed": 3}
    batches = [
        task(system, examples=examples).present(jax.random.key(k), system, 0, 8, 1.0).x.potential[:, 0] for k in (0, 1)
    ]
    assert all(len(np.unique(batch)) == 8 for batch in batches) and not np.array_equal(*batches)


def test_recall_knows_the_targets_and_does_not_pull():
    system = flow()
    asked = task(system)
    recall = asked.recall(jax.random.key(0), system, 6)
    one = jax.tree.map(lambda leaf: leaf[1], (recall.drive, recall.x))
    assert recall.drive.stiffness is None
    wrong = ports.write(system, one[1], jnp.array([4]), jnp.array([0.25]))
    np.testing.assert_allclose(asked.error(system, one[0], wrong), 0.5 * 0.75**2)


@pytest.mark.parametrize("kind", ["flow_network", "elastic_network", "layered_network"])
def test_ports_are_written_where_they_are_read(kind):
    for example in testing.examples("systems", kind):
        system = example.build(jax.random.key(0))
        where = jnp.arange(example.ports)
        assert sum(leaf.size for leaf in system.state_shape()) == example.ports
        x = eqx.filter_jit(ports.write)(system, system.init_state(jax.random.key(1)), where[1::2], 0.1 * where[1::2])
        np.testing.assert_allclose(ports.read(system, x, where[1::2]), 0.1 * where[1::2], atol=1e-6)
        np.testing.assert_allclose(ports.read(system, ports.rest(system), where), 0.0)


def test_elastic_ports_are_displacements():
    system = built("systems", "elastic_network", graph={"kind": "grid", "shape": [2, 2]})
    x = ports.write(system, ports.rest(system), jnp.array([5]), jnp.array([0.5]))  # joint 2, second axis
    np.testing.assert_allclose(x.position, [[0, 0], [0, 1], [1, 0.5], [1, 1]])


def test_nearness_of_one_hot_codes_is_the_largest_output():
    codes = jnp.eye(3)
    outputs = jax.random.normal(jax.random.key(0), (50, 3))
    near = jax.vmap(nearness, (0, None))(outputs, codes)
    np.testing.assert_array_equal(near.argmax(-1), outputs.argmax(-1))
    np.testing.assert_allclose(nearness(codes[1], codes), [0, 1, 0], atol=1e-6)


SCENARIO = {
    "title": "any",
    "system": {"kind": "flow_network", "graph": {"kind": "complete", "nodes": 6}},
    "dynamics": {"kind": "newton"},
    "task": {"kind": "input_output", "inputs": [0], "outputs": [2], "inverted": [1], "fixed": [[3, 0.0]],
             "examples": {"source": "linear", "gain": 0.4, "count": 4, "test_count": 4}},
    "learning": {"rule": {"kind": "equilibrium_propagation", "relax": 2}, "updates": 200, "replicas": 4,
                 "optimizer": {"kind": "sgd", "learning_rate": 5.0}},
    "observe": [{"kind": "output_error", "every": 1}, {"kind": "outputs", "every": 1}],
    "run": {"steps": 3, "replicas": 4},
}  # fmt: skip


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("task.inputs=[9]", "ports are numbered from 0 to 5; got 9"),
        ("task.outputs=[0]", "port 0 is used twice"),
        ("task.inverted=[1, 4]", "2 ports for 1 inputs"),
        ("task.examples={source: xor}", "xor has 2 inputs and 1 output, not 1 and 1"),
        ("task.examples={source: iris}", "irises have 4 inputs"),
        ("task.examples.teacher=[[1, 2]]", r"1 row\(s\) of 1 numbers"),
        ("system={kind: landscape, coefficients: [0, 1]}", "gives inputs by number, which 'landscape'"),
        ("task={kind: relaxation}", "the task has none"),
        ("system={kind: spin_network, units: 4}", "trains coordinates that move continuously"),
        ("system.conductance=[1, 2]", "2 numbers for 15 edges"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(override, message):
    with pytest.raises(ScenarioError, match=message):
        load(SCENARIO, [override])


def test_a_network_learns_a_line(tmp_path):
    """y = w x with |w| = 0.4 is within reach of a complete graph; results and figures say how it got there."""
    result = simulate(SCENARIO, out=tmp_path / "run", quiet=True)
    tree = result.tree
    loss = tree["learning"]["loss"].values
    assert loss[-1] < 1e-6 < 1e-3 < np.nanmax(loss)
    assert tree["output_error"].isel(step=-1).max() < 1e-5
    assert tree["couplings"]["edge_node"].shape == (15, 2)
    assert (tmp_path / "run" / "figures" / "answers.png").stat().st_size > 10_000
    assert (tmp_path / "run" / "figures" / "network.png").stat().st_size > 10_000


def trained(override, updates):
    """Loss along the learning stage of a scenario, and the trained system."""
    experiment = build(load(SCENARIO | override))
    section, rule = experiment.scenario.learning, experiment.scenario.learning.rule.build()
    stage = Learning(
        experiment.key, experiment.system, experiment.dynamics, rule, experiment.task,
        optimizer(section.optimizer, updates), exposures=1, updates=updates, duration=1.0, replicas=section.replicas,
    )  # fmt: skip
    carry, records = stage.advance(stage.start(), 0, stage.total)
    return records["loss"], rule.couple(experiment.system, carry.parameters)


@pytest.mark.parametrize("rule", ["coupled_learning", "adjoint"])
def test_other_rules_get_there_too(rule):
    loss, _ = trained({"learning": SCENARIO["learning"] | {"rule": {"kind": rule, "relax": 2}}}, 200)
    assert loss[-1] < 1e-6 < 1e-3 < loss[0]


@pytest.mark.slow
def test_layered_network_learns_what_no_linear_network_can():
    """Exclusive or of signs: least squares cannot get below ½·¼, backpropagation by two equilibria can."""
    rows = {"source": "rows", "inputs": [[-1, -1], [-1, 1], [1, -1], [1, 1]], "targets": [[-0.5], [0.5], [0.5], [-0.5]]}
    override = {
        "system": {"kind": "layered_network", "layers": [2, 6, 1]},
        "task": {"kind": "input_output", "inputs": [0, 1], "outputs": [8], "examples": rows},
        "learning": {"rule": {"kind": "equilibrium_propagation", "relax": 8, "b": 0.05}, "replicas": 4,
                     "optimizer": {"kind": "adam", "learning_rate": 0.05}},
    }  # fmt: skip
    loss, _ = trained(override, 200)
    assert loss[-1] < 0.01 < 0.1 < loss[0]
    experiment = build(load(SCENARIO | override))
    least_squares = experiment.task.references(experiment.system, experiment.dynamics)[0]
    np.testing.assert_allclose(least_squares.values, 0.125)


def test_conductances_stop_at_the_floor():
    """A target out of reach drives conductances to the lowest that is allowed, not through it."""
    rows = {"source": "rows", "inputs": [[1.0]], "targets": [[-5.0]]}
    section = SCENARIO["task"] | {"examples": rows}
    loss, system = trained({"task": section}, 60)
    assert loss[-1] < loss[0]
    np.testing.assert_allclose(system.conductance.min(), system.lowest, rtol=1e-6)


def test_the_example_of_the_documentation_is_valid():
    page = Path(__file__).parent.parent / "docs/howto/learn-from-two-equilibria.md"
    (example,) = re.findall(r"```yaml\n(.*?)```", page.read_text(), re.S)
    assert load(example).system.ports == 3


def test_figures_of_other_runs_are_left_out():
    assert plots_networks.answers(xr.DataTree()) is None and plots_networks.network(xr.DataTree()) is None
