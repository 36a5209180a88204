"""Sums over all states that the dynamics can reach: any composition, that of the start, clamped sites."""

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from covering import slow
from matterlearn.core.drive import Drive
from matterlearn.core.dynamics import DynState
from matterlearn.core.lattice_kernel import LatticeState
from matterlearn.core.network import NetworkState
from matterlearn.core.system import couplings
from matterlearn.core.task import Recall, replicated
from matterlearn.design._estimator import Setup, evaluate
from matterlearn.design._objective import Objective, Term
from matterlearn.design.enumeration import Config as EnumerationConfig
from matterlearn.dynamics.heat_bath import Config as HeatBathConfig
from matterlearn.dynamics.kawasaki import Config as KawasakiConfig
from matterlearn.dynamics.sequential import Config as SequentialConfig
from matterlearn.dynamics.unit_swaps import Config as SwapsConfig
from matterlearn.errors import InputError
from matterlearn.observables.energy import Energy
from matterlearn.systems.lattice_condensate import Config as LatticeConfig
from matterlearn.systems.spin_network import Config as SpinsConfig

kT = 0.8
HEAT_BATH = HeatBathConfig(kind="heat_bath", kT=kT)
ENERGY = Term(Energy("energy", (), "kT_ref", "energy", 1), None, jnp.asarray(1.0))
START = np.array([[0, 1, 1], [0, 0, 1]])


def setup_of(system, dynamics, x, drive=None):
    drive = Drive() if drive is None else drive
    objective = Objective.of((ENERGY,), system, drive, DynState(x, jnp.zeros((), jnp.int32)))
    recall = Recall(replicated(system, 1), replicated(drive, 1), replicated(x, 1), {})
    return Setup.of(system, dynamics.build(), objective, recall)


def estimate(system, setup, most=2**18):
    estimator = EnumerationConfig(kind="enumeration", states=most).build()
    memory = estimator.prepare(jax.random.key(0), couplings(system), setup, None)
    return evaluate(estimator, jax.random.key(0), couplings(system), setup, memory), memory


def mean_energy(system, states):
    """Σ E e^{−E/kT}/Σ e^{−E/kT} in double precision."""
    energy = np.asarray(jax.jit(jax.vmap(system.energy))(states), np.float64)
    weight = np.exp(-(energy - energy.min()) / kT)
    return weight @ energy / weight.sum()


def lattice(composition=None):
    return LatticeConfig(
        kind="lattice_condensate", species=1, shape=[2, 3], periodic=False, coupling=-1.3, composition=composition
    ).build(jax.random.key(0))


@pytest.mark.parametrize("composition", [None, slow([3, 3])])
@pytest.mark.parametrize(("dynamics", "count"), [(HEAT_BATH, 64), (KawasakiConfig(kind="kawasaki", kT=kT), 20)])
def test_a_composition_counts_where_the_dynamics_keeps_it(dynamics, count, composition):
    """A given composition is that of the start alone; exchanges keep it and single sites do not."""
    system, x = lattice(composition), LatticeState(jnp.asarray(START, jnp.int8))
    found, memory = estimate(system, setup_of(system, dynamics, x), most=count)
    every = np.array(list(product((0, 1), repeat=6)), np.int8).reshape(-1, 2, 3)
    reached = every if count == 64 else every[every.sum((1, 2)) == START.sum()]
    assert len(memory.species) == count == len(reached)
    exact = mean_energy(system, LatticeState(jnp.asarray(reached)))
    assert float(found.mean[0]) == pytest.approx(exact, rel=1e-5)


def test_clamped_sites_stay():
    system, x = lattice(), LatticeState(jnp.asarray(START, jnp.int8))
    held = LatticeState(jnp.asarray([[True, True, False], [False, False, False]]))
    drive = Drive(clamped=held, target=LatticeState(jnp.asarray([[1, 1, 0], [0, 0, 0]], jnp.int8)))
    found, memory = estimate(system, setup_of(system, HEAT_BATH, x, drive))
    assert len(memory.species) == 16 and bool(jnp.all(memory.species[:, 0, :2] == 1))
    assert float(found.mean[0]) == pytest.approx(mean_energy(system, memory), rel=1e-5)


@pytest.mark.parametrize(
    ("dynamics", "count"),
    [(SequentialConfig(kind="sequential", kT=kT), 32), (SwapsConfig(kind="unit_swaps", kT=kT), 10)],
)
def test_swaps_keep_the_activity_of_a_network(dynamics, count):
    system = SpinsConfig(kind="spin_network", units=5, disorder=1.0).build(jax.random.key(1))
    active = jnp.asarray([True, False, True, False, False])
    found, memory = estimate(system, setup_of(system, dynamics, NetworkState(active)))
    assert len(memory.active) == count
    assert float(found.mean[0]) == pytest.approx(mean_energy(system, memory), rel=1e-5)


def test_a_field_of_the_task_is_refused():
    system = SpinsConfig(kind="spin_network", units=3).build(jax.random.key(1))
    drive = Drive(force=NetworkState(jnp.ones(3)))
    dynamics = SequentialConfig(kind="sequential", kT=kT)
    with pytest.raises(InputError, match="the task pulls at them"):
        estimate(system, setup_of(system, dynamics, NetworkState(jnp.zeros(3, bool)), drive))


def test_too_many_states_are_told():
    system, x = lattice(), LatticeState(jnp.asarray(START, jnp.int8))
    with pytest.raises(InputError, match=r"64 states of 6 sites are more than 63 \(design.estimator.states\)"):
        estimate(system, setup_of(system, HEAT_BATH, x), most=63)
