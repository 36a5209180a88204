"""Distinguishable particles with internal states: starts, overlaps, conserved numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from covering import slow
from matterlearn.core.dynamics import DynState
from matterlearn.core.lattice_kernel import LatticeState
from matterlearn.scenario import load
from matterlearn.systems.lattice_condensate import Config as Condensate
from matterlearn.tasks.single_copy_targets import Config
from matterlearn.theory import bisker_england


def task_and_system(side=3, box=6):
    system = Condensate(kind="lattice_condensate", shape=[box, box], species=2 * side**2).build(None)
    config = Config(kind="single_copy_targets", side=side, strong=[-2.4, -2.8], sets=3)
    return config, config.build(system), system


@pytest.mark.slow
def test_every_particle_is_there_once_and_replicas_take_turns():
    _, task, system = task_and_system()
    recall = task.recall(jax.random.key(0), system, 4)
    values = np.asarray(recall.x.species).reshape(4, -1)
    for row in values:
        assert sorted((row[row > 0] - 1) // 2) == list(range(9))
    assert recall.labels["strong"].values.tolist() == [-2.4, -2.8, -2.4, -2.8]
    assert recall.labels["target_set"].values.tolist() == [0, 0, 1, 1]
    expected = bisker_england.couplings(bisker_england.random_targets(3, 2, 1), -2.8)
    found = jax.tree.map(lambda leaf: leaf[3], recall.system).contact_energies()
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("turns", [slow(0), 1, slow(2), slow(3)])
def test_a_standing_target_is_complete_however_it_is_turned(turns):
    config, task, system = task_and_system()
    recall = task.recall(jax.random.key(0), system, 1)
    target = bisker_england.random_targets(3, 2, config.seed)[1]
    sites = np.zeros((6, 6), np.int8)
    sites[2:5, 1:4] = np.rot90(1 + 2 * target + 1, turns)
    own = jax.tree.map(lambda leaf: leaf[0], recall.system)
    x = LatticeState(jnp.asarray(sites))
    overlap = task.overlap(own, DynState(x, jnp.zeros((), int)))
    assert overlap[1] == pytest.approx(1.0) and overlap[0] < 0.5
    assert own.energy(x).item() == pytest.approx(bisker_england.assembled_energy(3, -2.4), rel=1e-5)
    broken = x._replace(species=x.species.at[2, 1].set(0))
    assert task.overlap(own, DynState(broken, jnp.zeros((), int)))[1] < 1


@pytest.mark.slow
def test_hopping_conserves_every_particle():
    pytest.importorskip("numba")
    from matterlearn.dynamics.hopping import Config as Hopping

    _, task, system = task_and_system()
    recall = task.recall(jax.random.key(1), system, 1)
    one = lambda tree: jax.tree.map(lambda leaf: leaf[0], tree)  # noqa: E731
    dynamics = Hopping(kind="hopping", duration=20.0, states=2, most_events=150).build()
    state = dynamics.init(jax.random.key(2), one(recall.system), one(recall.drive), one(recall.x))
    for step in range(20):
        state, _ = dynamics.step(jax.random.key(step), one(recall.system), one(recall.drive), state)
    values = np.asarray(state.x.species).ravel()
    assert sorted((values[values > 0] - 1) // 2) == list(range(9))
    assert int(state.memory) == 150, "the process goes on after its last event"


def test_mistakes_are_named(tmp_path):
    wrong = {
        "title": "x", "system": {"kind": "lattice_condensate", "shape": [6, 6], "species": 10},
        "dynamics": {"kind": "hopping", "states": 3}, "run": {"steps": 10},
        "task": {"kind": "single_copy_targets", "side": 3, "strong": [-2.0]},
    }  # fmt: skip
    with pytest.raises(Exception, match="18 species") as caught:
        load(wrong)
    assert "dynamics.states: 2" in str(caught.value) and "whole families of 3" in str(caught.value)
