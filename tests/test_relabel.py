"""Trades of two species everywhere at once: the Boltzmann law, clamps, and the barriers that they avoid."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from covering import slow
from matterlearn import scenario as scenarios
from matterlearn.core.drive import Drive
from matterlearn.core.dynamics import advance
from matterlearn.core.lattice_kernel import LatticeState
from matterlearn.core.sampler import Sampler
from matterlearn.core.schedule import Constant
from matterlearn.dynamics._relabel import Relabel
from matterlearn.errors import ScenarioError
from matterlearn.kinds import load_kind
from matterlearn.theory import enumeration

CHAINS = 20_000


def condensate(shape, **fields):
    config = load_kind("systems", "lattice_condensate")
    return config(kind="lattice_condensate", shape=shape, periodic=False, **fields).build(None)


@functools.partial(jax.jit, static_argnames="steps")
def after(key, system, dynamics, drive, x, steps):
    """Chains from x so many steps later."""

    def one(key, y):
        state = dynamics.init(key, system, drive, y)
        return advance(key, system, dynamics, drive, state, steps).x

    return jax.vmap(one)(jax.random.split(key, len(x.species)), x)


def z_scores(values, exact):
    return (values.mean(0) - exact) / (values.std(0, ddof=1) / np.sqrt(len(values)))


@pytest.mark.slow
@pytest.mark.parametrize("shape", [slow([2, 3]), slow([3, 3]), [2, 2, 2]])
def test_trades_alone_keep_the_law_of_the_free_sites(shape):
    """From exact samples with one site clamped, |z| < 4: energy, its square, numbers; 20 000 chains, to 1 %."""
    couplings = [[-0.4, 0.3], [0.3, -0.2]]
    system = condensate(shape, species=2, couplings=couplings, chemical_potential=[0.3, 0.5])
    dynamics = Sampler(Constant(jnp.asarray(1.3)), (Relabel(),))
    table = enumeration.configurations(int(np.prod(shape)), 3)
    table = table[table[:, 0] == 1].reshape(-1, *shape)
    energies = np.asarray(jax.jit(jax.vmap(system.energy))(LatticeState(jnp.asarray(table))), float)
    model = enumeration.ensemble(energies, 1.3)
    rows = np.random.default_rng(0).choice(len(table), CHAINS, p=model.probabilities)
    held = jnp.zeros(shape, bool).at[(0,) * len(shape)].set(True)
    x = LatticeState(jnp.asarray(table[rows], jnp.int8))
    drive = Drive(target=LatticeState(x.species[0]), clamped=LatticeState(held))
    end = np.asarray(after(jax.random.key(1), system, dynamics, drive, x, 5).species)
    assert (end[(slice(None), *(0,) * len(shape))] == 1).all()
    assert np.mean((end != table[rows]).any(tuple(range(1, 1 + len(shape))))) > 0.5, "hardly anything moved"
    found = np.asarray(jax.jit(jax.vmap(system.energy))(LatticeState(jnp.asarray(end))), float)
    numbers = lambda states: np.stack([(states.reshape(len(states), -1) == a).sum(1) for a in range(3)], 1)  # noqa: E731
    columns = np.column_stack([found, found**2, numbers(end)])
    exact = model.probabilities @ np.column_stack([energies, energies**2, numbers(table)])
    z = z_scores(columns, exact)
    assert np.all(np.abs(z) < 4), f"energy, its square, numbers of species: z = {z}"


@pytest.mark.slow
def test_condensates_change_species_without_a_barrier():
    """A full 8 x 8 square of either of two species at 3 kT per bond; exactly half show each, and none the heat bath's.

    512 chains: 0.5 ± 0.022, so 0.41 would be seen.
    """
    system = condensate([8, 8], species=2, couplings=[[-3.0, 0.0], [0.0, -3.0]])
    x = LatticeState(jnp.ones((512, 8, 8), jnp.int8))
    share = {}
    for name, moves in {"alone": [], "with trades": [{"kind": "relabel"}]}.items():
        kind = load_kind("dynamics", "mixed_moves")
        dynamics = kind(kind="mixed_moves", moves=[{"kind": "heat_bath"}, *moves]).build()
        end = np.asarray(after(jax.random.key(2), system, dynamics, Drive(), x, 20).species)
        share[name] = np.mean((end == 2).mean((1, 2)) > 0.5)
    assert share["alone"] == 0
    assert abs(share["with trades"] - 0.5) < 4 * np.sqrt(0.25 / 512)


@pytest.mark.slow
def test_species_of_a_clamped_surface_never_come_loose():
    system = condensate([2, 4, 4], species=2, surface_species=3, cohesion=-1.0, surface_coupling=-0.5)
    kind = load_kind("dynamics", "mixed_moves")
    dynamics = kind(kind="mixed_moves", moves=[{"kind": "relabel", "sweeps": 4}]).build()
    x = np.random.default_rng(0).integers(0, 3, (200, 2, 4, 4))
    x[:, 0] = 3 + x[:, 0]
    held = np.zeros((2, 4, 4), bool)
    held[0] = True
    drive = Drive(target=LatticeState(jnp.asarray(x[0], jnp.int8)), clamped=LatticeState(jnp.asarray(held)))
    x[:, 0] = x[0, 0]
    end = np.asarray(
        after(jax.random.key(3), system, dynamics, drive, LatticeState(jnp.asarray(x, jnp.int8)), 3).species
    )
    np.testing.assert_array_equal(end[:, 0], x[:, 0])
    assert end[:, 1].max() < 3
    assert (np.sort(np.stack([(end[:, 1] == a).sum((1, 2)) for a in range(3)]), 0)
            == np.sort(np.stack([(x[:, 1] == a).sum((1, 2)) for a in range(3)]), 0)).all()  # fmt: skip


def test_trades_alone_are_refused():
    data = {
        "title": "trades", "system": {"kind": "lattice_condensate", "shape": [4, 4], "species": 2},
        "dynamics": {"kind": "mixed_moves", "moves": [{"kind": "relabel", "sweeps": 2}]},
        "observe": [{"kind": "energy"}], "run": {"steps": 1},
    }  # fmt: skip
    with pytest.raises(ScenarioError, match="relabel alone never changes"):
        scenarios.load(data)
