"""Heat released on a graph, mode by mode; conductances found from temperatures, and what cannot be found."""

import equinox as eqx
import jax
import jax.numpy as jnp
import networkx
import numpy as np
import pytest

from matterlearn import plots_heat, run
from matterlearn.core.graphs import Graph, edge_array
from matterlearn.dynamics import newton
from matterlearn.errors import ScenarioError
from matterlearn.observables import normal_modes
from matterlearn.rules import adjoint, equilibrium_propagation
from matterlearn.scenario import load
from matterlearn.systems import flow_network, free_field
from matterlearn.tasks import network_teacher, released_heat
from matterlearn.theory.graph_diffusion import modes, spread
from matterlearn.theory.resistor_network import (
    conductance_equations,
    effective_resistance,
    fitted_conductances,
    laplacian,
    potentials,
)

PLATE = Graph(kind="grid", shape=(4, 4))
EDGES = edge_array(PLATE.build())
PLACES = {"currents": ([0, 15], [3, 5, 6, 9, 10, 12]), "temperatures": ([0, 3, 5, 12, 15], [])}


pytestmark = pytest.mark.usefixtures("x64")


def plate(conductance=1.0):
    return flow_network.Config(kind="flow_network", graph=PLATE, conductance=conductance).build(None)


def teacher(case, **options):
    held, currents = PLACES[case]
    options = {"experiments": 32, "disorder": 0.6, **options}
    return network_teacher.Config(kind="network_teacher", held=held, currents=currents, **options).build(plate())


def student(conductance):
    return eqx.tree_at(lambda s: s.conductance, plate(), jnp.asarray(conductance))


QUENCH = newton.Config(kind="newton").build()


@eqx.filter_jit
def estimate(rule, system, batch):
    return rule.estimate(jax.random.key(1), system, QUENCH, None, batch, parameters=None)


def gradient(rule, system, task):
    batch = task.present(jax.random.key(0), system, jnp.asarray(0), 32, 1.0)
    slope, _, info = estimate(rule, system, batch)
    return np.asarray(slope.conductance), float(info.numbers["loss"])


def test_currents_and_resistances():
    found = potentials(EDGES, np.ones(24), {0: 0.0}, 16, currents={15: 1.0})
    assert np.isclose(found[15], effective_resistance(EDGES, np.ones(24), 16)[0, 15])
    assert np.allclose(laplacian(EDGES, np.ones(24), 16) @ found, np.eye(16)[15] - np.eye(16)[0])


@pytest.mark.parametrize("case, unknown", [("currents", 0), ("temperatures", 1)])
def test_what_experiments_can_tell(case, unknown):
    task = teacher(case)
    rows = conductance_equations(EDGES, task.measured, task.held).reshape(-1, 24)
    assert 24 - np.linalg.matrix_rank(rows) == unknown
    found = fitted_conductances(EDGES, task.measured, task.currents, task.held)
    factor = 1.0 if case == "currents" else np.linalg.norm(task.conductance)
    assert np.allclose(factor * found, task.conductance, rtol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["currents", "temperatures"])
def test_the_teacher_is_the_minimum(case):
    task = teacher(case)
    for rule in (
        adjoint.Config(kind="adjoint", relax=2).build(),
        equilibrium_propagation.Config(kind="equilibrium_propagation", relax=2).build(),
    ):
        slope, loss = gradient(rule, student(task.conductance), task)
        assert loss < 1e-25 and np.abs(slope).max() < 1e-12


@pytest.mark.slow
def test_temperatures_alone_do_not_tell_a_common_factor():
    exact = adjoint.Config(kind="adjoint", relax=2).build()
    for case, blind in (("temperatures", True), ("currents", False)):
        task, system = teacher(case), student(1.5 + 0.5 * np.sin(np.arange(24)))
        slope, loss = gradient(exact, system, task)
        along = slope @ np.asarray(system.conductance) / np.linalg.norm(slope) / np.linalg.norm(system.conductance)
        assert loss > 1e-3 and (abs(along) < 1e-12) == blind
        assert blind or along > 0.1  # conducts too well: its currents warm it too little


def test_errors_are_relative_and_up_to_scale():
    task = teacher("currents")
    found = task.evaluate(student(2 * task.conductance), QUENCH)
    assert np.allclose(list(found.values()), (1, 0))
    noisy = {s.name: float(s.values) for s in teacher("currents", noise=0.02).references(plate(), QUENCH)}
    assert noisy["unknown_directions"] == 0 and 1e-3 < noisy["relative_error_least_squares"] < 0.3


def test_modes_are_those_of_the_laplacian():
    observable = normal_modes.Config(kind="normal_modes").build(plate(2.0), None)
    adjacency = np.zeros((16, 16))
    adjacency[EDGES[:, 0], EDGES[:, 1]] = 2.0
    assert np.allclose(observable.eigenvalues, modes(adjacency + adjacency.T)[0], atol=1e-12)
    amplitudes = np.random.default_rng(0).normal(size=(2, 3, 16))
    derived = {s.name: s.values for s in observable.summary(amplitudes, {})}
    assert np.allclose(derived["distance_from_equilibrium"], np.linalg.norm(amplitudes[:, -1, 1:], axis=1))
    field = free_field.Config(kind="free_field", shape=[3, 4]).build(None)
    curvatures = np.sort(2 * np.asarray(field.curvatures()).ravel())
    assert np.allclose(normal_modes.Config(kind="normal_modes").build(field, None).eigenvalues, curvatures)


def test_heat_starts_where_it_is_put():
    task = released_heat.Config(kind="released_heat", temperatures=[(3, 2.0), (0, -1.0)]).build(plate())
    start = task.recall(jax.random.key(0), plate(), 2).x.potential
    assert np.allclose(start, np.tile(2.0 * np.eye(16)[3] - np.eye(16)[0], (2, 1)))


@pytest.mark.slow
def test_a_run_follows_the_spectrum_and_is_drawn(tmp_path):
    with jax.enable_x64(False):
        tree = run.simulate({
            "title": "t", "system": {"kind": "flow_network", "graph": {"kind": "named", "name": "karate_club"}},
            "dynamics": {"kind": "gradient_flow", "dt": 0.11, "step": {"scheme": "explicit"}},
            "task": {"kind": "released_heat", "temperatures": [[0, 1.0]]}, "observe": [{"kind": "normal_modes"}],
            "run": {"seed": 0, "replicas": 1, "steps": 40},
        }, out=tmp_path / "run", quiet=True).tree  # fmt: skip
    amplitudes, eigenvalues = tree["mode_amplitude"].values[0], tree["mode_eigenvalue"].values
    assert np.allclose(amplitudes[40], amplitudes[0] * (1 - 0.11 * eigenvalues) ** 40, atol=2e-6)
    adjacency = networkx.to_numpy_array(networkx.karate_club_graph(), weight=None)  # pyright: ignore[reportArgumentType]
    left = spread(adjacency, np.eye(34)[0], 0.11, 40, "explicit")
    assert np.isclose(tree["distance_from_equilibrium"].item(), left, rtol=1e-4)
    figure = plots_heat.heat(tree)
    assert figure is not None and len(figure.axes) == 7
    assert plots_heat.conductances(tree) is None


def refusal(task, **sections):
    given = {
        "title": "t", "system": {"kind": "flow_network", "graph": {"kind": "path", "nodes": 4}},
        "dynamics": {"kind": "newton"}, "task": task, "observe": [{"kind": "energy"}],
        "run": {"seed": 0, "replicas": 1, "steps": 1}, **sections,
    }  # fmt: skip
    with pytest.raises(ScenarioError) as raised:
        load(given)
    return str(raised.value)


def test_refusals():
    heat, teaching = {"kind": "released_heat"}, {"kind": "network_teacher"}
    field = {"kind": "free_field", "shape": [4]}
    apart = {"kind": "flow_network", "graph": {"kind": "edges", "edges": [[0, 1], [2, 3]]}}
    assert "from 0 to 3; got 4" in refusal({**heat, "temperatures": [[4, 1.0]]})
    assert "names a node twice" in refusal({**heat, "temperatures": [[1, 1.0], [1, 2.0]]})
    assert "puts heat into nodes" in refusal({**heat, "temperatures": [[1, 1.0]]}, system=field)
    assert "held or takes a current" in refusal({**teaching, "held": [0], "currents": [0]})
    assert "joined to no held node" in refusal({**teaching, "held": [0]}, system=apart)
    assert "teaches conductances" in refusal({**teaching, "held": [0]}, system=field)
    assert "needs a quadratic energy" in refusal(
        {"kind": "relaxation"}, observe=[{"kind": "normal_modes"}], dynamics={"kind": "fire"},
        system={"kind": "elastic_network", "graph": {"kind": "triangular", "shape": [2, 4]}},
    )  # fmt: skip
