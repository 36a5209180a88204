"""Searching for ground states: the problems are what they should be, and success follows its exact law."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from matterlearn import plots_search, run
from matterlearn.core.network import NetworkState
from matterlearn.kinds import load_kind
from matterlearn.theory import ground_states as ground
from matterlearn.theory.enumeration import configurations

pytestmark = pytest.mark.usefixtures("undrawn")

PETERSEN = {"kind": "boltzmann_machine", "graph": {"kind": "named", "name": "petersen"}, "coupling": 1.0}


def build(family, kind, **config):
    return load_kind(family, kind)(kind=kind, **config)


def task_of(system, **config):
    return build("tasks", "ground_state", **config).build(system)


def test_the_petersen_graph():
    """15 edges of which 12 can be cut: E₀ = 15 − 2·12."""
    system = build("systems", **PETERSEN).build(None)
    task = task_of(system)
    assert task.lowest == pytest.approx(-9)
    assert task.annotations(system)["ground_states"] == task.count > 0
    assert task_of(system, lowest=-8.0).annotations(system) == {"ground_energy": -8.0, "units": 10.0}


def test_cut_and_energy_of_every_state():
    system = build("systems", **PETERSEN).build(None)
    task = task_of(system)
    observables = [build("observables", kind).build(system, task) for kind in ("cut_weight", "energy_above_ground")]

    def measured(active):
        state = SimpleNamespace(x=NetworkState(active), neighbors=None)
        return [observable(system, None, state) for observable in observables]

    cut, above = map(np.asarray, jax.jit(jax.vmap(measured))(jnp.asarray(configurations(10, 2))))
    assert np.allclose(cut, ground.cut_weight(np.ones(15), above - 9))
    assert above.min() == 0 and (above == 0).sum() == task.count and cut.max() == 12


def test_weights_make_number_partitioning():
    """Energies are (R² − Σ a²)/2 with R the difference of the piles."""
    numbers = [4.0, 5.0, 6.0, 7.0, 9.0]
    graph = {"kind": "complete", "nodes": 5}
    system = build("systems", "boltzmann_machine", graph=graph, coupling=1.0, weights=numbers).build(None)
    states = configurations(5, 2)
    energies = np.asarray(jax.jit(jax.vmap(system.energy))(NetworkState(jnp.asarray(states))))
    rest = np.abs((2.0 * states - 1) @ numbers)
    assert np.allclose(ground.residue(np.array(numbers), energies), rest, atol=1e-3)
    assert task_of(system).lowest == pytest.approx((1 - np.square(numbers).sum()) / 2)


def test_summaries_of_a_record():
    """Four searches, found at steps 2, 6, never and from the start."""
    observable = build("observables", "energy_above_ground", every=2).build(None, SimpleNamespace(lowest=0.0))
    values = np.array([[3, 0, 5, 5], [4, 4, 2, 0], [1, 1, 1, 1], [0, 9, 9, 9.0]])
    found = {s.name: s.values for s in observable.summary(values, {})}
    assert found["search_step"].tolist() == [0, 2, 4, 6]
    assert found["success"].tolist() == [0.25, 0.5, 0.5, 0.75]
    assert found["found"].tolist() == [1, 1, 0, 1]
    assert found["time_to_solution"][1:] == pytest.approx(
        [ground.repeated(t, p) for t, p in ((2, 0.5), (4, 0.5), (6, 0.75))]
    )
    assert np.isinf(found["time_to_solution"][0])


@pytest.mark.slow
def test_success_follows_its_law(tmp_path):
    """Two spins that want to differ: every sweep of heat bath ends apart with q = 1/(1 + e^{−2J/kT}), so that

    p(t) = 1 − ½ (1 − q)^t; 4000 searches know p(3) to 0.006.
    """
    tree = run.simulate(
        {
            "title": "pair",
            "system": {"kind": "boltzmann_machine", "graph": {"kind": "path", "nodes": 2}, "coupling": -0.3},
            "dynamics": {"kind": "heat_bath"}, "task": {"kind": "ground_state"},
            "observe": [{"kind": "energy_above_ground"}], "run": {"steps": 3, "replicas": 4000, "seed": 3},
        },
        tmp_path / "pair",
    ).tree  # fmt: skip
    q = 1 / (1 + np.exp(-0.6))
    expected = 1 - 0.5 * (1 - q) ** np.arange(4)
    success, error = tree["success"].values, np.sqrt(expected * (1 - expected) / 4000)
    assert (np.abs(success - expected) < 4 * error).all()
    assert float(tree["sweeps_per_step"]) == 1
    figure = plots_search.search(tree)
    assert figure is not None and [axes.get_yscale() for axes in figure.axes] == ["linear", "log"]


def test_a_step_of_replica_exchange_costs_all_copies():
    ladder = build("dynamics", "replica_exchange", ladder=[1.0, 2.0, 3.0], every=2).build()
    (cost,) = task_of(build("systems", **PETERSEN).build(None)).references(None, ladder)
    assert cost.values == 6


@pytest.mark.parametrize(
    ("system", "words"),
    [
        ({"kind": "pattern_network", "units": 10, "memories": 1}, "pairwise"),
        ({"kind": "boltzmann_machine", "graph": {"kind": "cycle", "nodes": 29}}, "too many states"),
    ],
)
def test_refusals(system, words):
    scene = SimpleNamespace(system=build("systems", **system), learning=None)
    (problem,) = build("tasks", "ground_state").check(scene)
    assert words in str(problem)
