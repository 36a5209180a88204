"""Lattice samplers against exactly known bulk values: Potts transitions, the lattice gas."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from matterlearn.core.drive import Drive
from matterlearn.core.dynamics import advance
from matterlearn.core.lattice_kernel import LatticeState
from matterlearn.kinds import load_kind
from matterlearn.theory import ising, potts


def averages(system, x, measure, *, relax, samples, stride, move="heat_bath", seed=0):
    """Time average of ``measure`` in each of the chains that start at ``x``."""
    dynamics = load_kind("dynamics", move)(kind=move).build()
    keys = jax.random.split(jax.random.key(seed), len(x.species))

    @eqx.filter_jit
    def run(keys, x):
        def one(key, x):
            def sample(state, _):
                state = advance(key, system, dynamics, Drive(), state, stride)
                return state, measure(state.x)

            state = advance(key, system, dynamics, Drive(), dynamics.init(key, system, Drive(), x), relax)
            return jnp.mean(jax.lax.scan(sample, state, length=samples)[1])

        return jax.vmap(one)(keys, x)

    return np.asarray(run(keys, x), float)


def potts_model(q: int, side: int):
    """E = −β_c Σ δ as a condensate, and −Σ δ per site.

    The gauge u_0 = β/2, u_a = −β/2 makes the solvent's row of J vanish: J_ab = −β δ_ab − β for solutes, μ_a = 4β.
    """
    beta = potts.critical_beta(q)
    couplings = -beta * np.eye(q - 1) - beta * np.ones((q - 1, q - 1))
    config = load_kind("systems", "lattice_condensate")(
        kind="lattice_condensate", shape=[side, side], species=q - 1, couplings=couplings.tolist(),
        chemical_potential=[4 * beta] * (q - 1),
    )  # fmt: skip

    def energy(x):
        """Energy per site, −Σ δ/N."""
        return -sum(jnp.mean(x.species == jnp.roll(x.species, -1, axis)) for axis in (0, 1))

    return config.build(None), energy


def test_the_gauge_maps_potts_onto_the_condensate():
    """Energy differences of random configurations are those of −β Σ δ."""
    system, energy = potts_model(4, 6)
    x = LatticeState(jax.random.randint(jax.random.key(0), (50, 6, 6), 0, 4).astype(jnp.int8))
    ours = np.asarray(jax.jit(jax.vmap(lambda y: system.energy(y)))(x))
    potts_energy = np.asarray(jax.jit(jax.vmap(energy))(x)) * 36 * potts.critical_beta(4)
    assert np.ptp(ours - potts_energy) < 2e-4


@pytest.mark.slow
def test_latent_heat_of_ten_states():
    """64 x 64 at β_c from order and from disorder: both phases live far longer than the run; 24 chains each.

    The standard error, about 0.003, would show a latent heat that is wrong by two percent.
    """
    system, energy = potts_model(10, 64)
    ordered = jnp.zeros((24, 64, 64), jnp.int8)
    random = jax.random.randint(jax.random.key(1), (24, 64, 64), 0, 10).astype(jnp.int8)
    expected = potts.phase_energies(10)
    found = [averages(system, LatticeState(x), energy, relax=600, samples=240, stride=10) for x in (ordered, random)]
    for phase, exact in zip(found, expected, strict=True):
        z = (phase.mean() - exact) / (phase.std(ddof=1) / np.sqrt(len(phase)))
        assert abs(z) < 4, f"{phase.mean():.4f} against {exact:.4f}: z = {z:.1f}"
    heat = found[1].mean() - found[0].mean()
    error = np.sqrt(sum(f.var(ddof=1) / len(f) for f in found))
    assert abs(heat - potts.latent_heat(10)) < 4 * error < 0.02, f"latent heat {heat:.4f} ± {error:.4f}"


@pytest.mark.slow
def test_critical_energy_of_three_states():
    """The energy at β_c, extrapolated from 16, 24 and 32 sites a side with the exact exponent L^(−4/5)."""
    sides, rows = (16, 24, 32), []
    for side in sides:
        system, energy = potts_model(3, side)
        x = LatticeState(jax.random.randint(jax.random.key(side), (48, side, side), 0, 3).astype(jnp.int8))
        rows.append(averages(system, x, energy, relax=4 * side**2, samples=200, stride=side // 2, seed=side))
    mean, error = np.array([[r.mean(), r.std(ddof=1) / np.sqrt(len(r))] for r in rows]).T
    design = np.stack([np.ones(3), np.asarray(sides) ** -0.8], 1) / error[:, None]
    covariance = np.linalg.inv(design.T @ design)
    limit = (covariance @ design.T @ (mean / error))[0]
    z = (limit - potts.critical_energy(3)) / np.sqrt(covariance[0, 0])
    assert abs(z) < 4 and covariance[0, 0] ** 0.5 < 0.02, f"{limit:.4f} ± {covariance[0, 0] ** 0.5:.4f}: z = {z:.1f}"


@pytest.mark.slow
@pytest.mark.parametrize("temperature", [2.0, 2.1])
def test_coexisting_densities_of_the_lattice_gas(temperature):
    """64 x 64 at the coexistence μ from a full and from an empty lattice; Yang's magnetisation gives both densities."""
    J, mu = ising.gas_couplings(4.0 / temperature)
    system = load_kind("systems", "lattice_condensate")(
        kind="lattice_condensate", shape=[64, 64], species=1, coupling=J[1, 1], chemical_potential=mu[1]
    ).build(None)
    for filling, exact in zip((1, 0), ising.gas_densities(temperature / 4.0), strict=True):
        x = LatticeState(jnp.full((32, 64, 64), filling, jnp.int8))
        density = lambda y: jnp.mean(y.species == 1)  # noqa: E731
        found = averages(system, x, density, relax=500, samples=100, stride=10, seed=filling)
        z = (found.mean() - exact) / (found.std(ddof=1) / np.sqrt(len(found)))
        assert abs(z) < 4, f"density {found.mean():.5f} against {exact:.5f}: z = {z:.1f}"
