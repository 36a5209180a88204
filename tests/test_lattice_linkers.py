"""Explicit linkers and the couplings they amount to."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from matterlearn.core.drive import Drive
from matterlearn.core.dynamics import advance
from matterlearn.core.lattice_kernel import LatticeState
from matterlearn.kinds import load_kind
from matterlearn.systems.lattice_linkers import LINKS, Config, LinkedState
from matterlearn.theory import enumeration, linkers


def linked(shape, **settings):
    return Config(kind="lattice_linkers", shape=shape, species=2, fugacities=[[1.0, 0.2], [0.2, 0.5]], affinity=0.8,
                  bridge=6.0, chemical_potential=[5.0, 4.0], **settings).build(None)  # fmt: skip


@pytest.mark.slow
def test_summing_over_linkers_gives_the_effective_mixture():
    """Exact: ln of the sum over all links of 2 x 2 periodic sites (8 bonds) against −E of the effective mixture."""
    with jax.enable_x64(True):
        system = linked([2, 2])
        species = enumeration.configurations(4, 3).reshape(-1, 2, 2)[::7]
        effective = system.effective()
        table, mu = system.tables()
        log_weights = []
        for sites in species:
            # bonds are independent given the species: the sum factorises
            total = -float(np.sum(np.asarray(mu)[sites]))
            for axis in range(2):
                pairs = np.asarray(table)[:, sites, np.roll(sites, -1, axis)]
                total += float(np.sum(np.log(np.sum(np.exp(-pairs), 0))))
            log_weights.append(total)
        expected = -np.asarray([float(effective.energy(LatticeState(jnp.asarray(s)))) for s in species])
        np.testing.assert_allclose(log_weights, expected, atol=1e-10)


def test_the_energy_is_that_of_the_weights():
    with jax.enable_x64(True):
        system = linked([2, 2])
        species = jnp.asarray([[1, 2], [1, 0]])
        links = jnp.zeros((2, 2, 2), int).at[0, 0, 0].set(4).at[1, 0, 1].set(3).at[1, 1, 0].set(1)
        z, K, chi = np.array([[1.0, 0.2], [0.2, 0.5]]), 0.8, 6.0
        weights = [z[0, 0] * K**2 * chi, K * z[1].sum() * K * z[0].sum(), K * z[0].sum()]
        expected = 2 * 5.0 + 4.0 - np.log(weights).sum()
        assert system.energy(LinkedState(species, links)).item() == pytest.approx(expected, abs=1e-12)


def test_bond_law_is_that_of_the_theory():
    system = Config(kind="lattice_linkers", shape=[4, 4], species=1, fugacity=0.7, affinity=1.3, bridge=9.0).build(None)
    assert system.effective().coupling.item() == pytest.approx(linkers.linker_bond_energy(0.7, 1.3, 1.3, 9.0), rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("move", ["metropolis", "heat_bath"])
def test_explicit_and_effective_agree_in_equilibrium(move):
    """2 x 3 periodic, 2000 chains of 600 sweeps from disorder: 4 standard errors are some hundredths of a molecule."""
    system = linked([2, 3])
    chains = 2000
    dynamics = load_kind("dynamics", move)(kind=move).build()
    keys = jax.random.split(jax.random.key(1), chains)

    @jax.jit
    def run(key):
        x = system.init_state(key)
        return advance(key, system, dynamics, Drive(), dynamics.init(key, system, Drive(), x), 600).x

    end = jax.vmap(run)(keys)
    states = enumeration.configurations(6, 3)
    effective = system.effective()
    energies = jax.jit(jax.vmap(lambda x: effective.energy(x)))(LatticeState(jnp.asarray(states).reshape(-1, 2, 3)))
    exact = enumeration.ensemble(energies)
    assert int(jnp.max(end.links)) < LINKS and float(jnp.max(jax.vmap(lambda x: system.energy(x))(end))) < 1e3
    bonds = enumeration.lattice_bonds((2, 3), True)
    statistics = enumeration.potts_statistics(states, bonds, 3)
    sampled = enumeration.potts_statistics(np.asarray(end.species).reshape(chains, 6), bonds, 3)
    error = np.sqrt(exact.variance(statistics) / chains)
    z = (sampled.mean(0) - exact.mean(statistics)) / np.maximum(error, 1e-12)
    assert np.abs(z).max() < 4, f"z = {z.round(1)}"
