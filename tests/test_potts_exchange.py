"""Reweighting across a ladder of temperatures, and the latent heat that replica exchange finds with it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from matterlearn.core.drive import Drive
from matterlearn.core.dynamics import advance
from matterlearn.core.lattice_kernel import LatticeState
from matterlearn.kinds import load_kind
from matterlearn.theory import enumeration, potts, reweighting


def square(side: int, q: int):
    """Energies −Σ δ of all states of a periodic square."""
    table = enumeration.configurations(side**2, q).reshape(-1, side, side)
    return -np.sum([(table == np.roll(table, -1, axis)).sum((1, 2)) for axis in (1, 2)], 0, dtype=float)


def test_samples_in_their_exact_proportions_reweight_exactly():
    """Not sampled: 3 x 3 sites, 2 values; every level of energy as often as its weight says, to one in 10^7."""
    energies, beta = square(3, 2), np.array([0.2, 0.5, 0.9])
    levels, degeneracy = np.unique(energies, return_counts=True)
    log_z = np.array([np.log(degeneracy @ np.exp(-b * levels)) for b in beta])
    shares = np.array([degeneracy * np.exp(-b * levels - z) for b, z in zip(beta, log_z, strict=True)])
    found = reweighting.pool([np.repeat(levels, np.rint(1e5 * share).astype(int)) for share in shares], beta)
    np.testing.assert_allclose(found.log_partition, log_z - log_z[0], atol=2e-3)
    for b in (0.1, 0.35, 0.9, 1.1):
        weights = degeneracy * np.exp(-b * levels)
        assert found.mean(b) == pytest.approx(weights @ levels / weights.sum(), rel=2e-4)
        assert found.mean(b, found.energies**2) == pytest.approx(weights @ levels**2 / weights.sum(), rel=2e-4)


def test_the_estimate_solves_its_own_equation_and_does_not_depend_on_the_zero_of_energy():
    rng, beta = np.random.default_rng(0), np.array([1.0, 1.1, 1.3])
    samples = [rng.normal(-200 * b, 12.0, size) for b, size in zip(beta, (50, 400, 130), strict=True)]
    found = reweighting.pool(samples, beta)
    density = (found.counts * np.exp(-np.outer(found.energies, beta) - found.log_partition)).sum(1)
    z = (np.exp(-np.outer(found.energies, beta)) / density[:, None]).sum(0)
    np.testing.assert_allclose(np.log(z / z[0]), found.log_partition, atol=1e-6)
    moved = reweighting.pool([s + 1e4 for s in samples], beta)
    np.testing.assert_allclose(moved.weights(1.2), found.weights(1.2), rtol=1e-4)
    np.testing.assert_allclose(found.weights(1.2).sum(), 1)


def test_pooled_samples_agree_with_enumeration():
    """60 ladders of 3 x 200 exact samples of 3 x 3 sites and 3 values: |z| < 4, energy at a β between to 0.3 %."""
    energies, beta, between = square(3, 3), np.array([0.4, 0.8, 1.2]), 0.95
    chances = [enumeration.ensemble(energies, 1 / b).probabilities for b in beta]
    rng = np.random.default_rng(1)
    draws = [[rng.choice(energies, 200, p=p) for p in chances] for _ in range(60)]
    means = np.array([reweighting.pool(draw, beta).mean(between) for draw in draws])
    exact, error = enumeration.ensemble(energies, 1 / between).probabilities @ energies, means.std(ddof=1) / 60**0.5
    assert abs(means.mean() - exact) < 4 * error < 0.012 * abs(exact)


def test_a_sample_at_one_temperature_needs_no_others():
    found = reweighting.pool([np.array([1.0, 2.0]), np.array([])], [0.5, 0.6])
    np.testing.assert_allclose(found.weights(0.5), 0.5)
    assert found.effective_samples(0.5) == pytest.approx(2)
    assert found.effective_samples(5.0) < 1.1


def test_what_cannot_be_reweighted_is_said():
    with pytest.raises(ValueError, match="2 lists for 1 temperatures"):
        reweighting.pool([np.ones(2), np.ones(2)], [1.0])
    with pytest.raises(ValueError, match="no samples"):
        reweighting.pool([np.array([])], [1.0])


# --- latent heat ------------------------------------------------------------------------------------------------------

SIDE, LADDERS, RELAX, SAMPLES, STRIDE = 64, 8, 500, 400, 5
OFFSETS = np.array([0.01, 0.004, 0.0015, 0.0005, 0.0, -0.0005, -0.0015, -0.004, -0.01])  # β − β_c


def ladder_energies(beta):
    """−Σ δ [ladder, sample, temperature] of ten states; the cold half of each ladder starts in order.

    The solvent is a state like any other in the gauge J_ab = −δ_ab − 1, μ_a = 4, up to a constant.
    """
    couplings = -np.eye(9) - np.ones((9, 9))
    system = load_kind("systems", "lattice_condensate")(
        kind="lattice_condensate", shape=[SIDE, SIDE], species=9, couplings=couplings.tolist(),
        chemical_potential=[4.0] * 9,
    ).build(None)  # fmt: skip
    dynamics = load_kind("dynamics", "replica_exchange")(
        kind="replica_exchange", ladder=(1 / beta).tolist(), moves=[{"kind": "heat_bath"}]
    ).build()
    hot = jax.random.randint(jax.random.key(0), (LADDERS, len(beta), SIDE, SIDE), 0, 10)
    start = jnp.where((jnp.arange(len(beta)) <= len(beta) // 2)[:, None, None], 0, hot).astype(jnp.int8)

    def energy(species):
        return -sum(jnp.sum(species == jnp.roll(species, -1, axis)) for axis in (-1, -2))

    @jax.jit
    def run(keys, start):
        def one(key, start):
            def sample(state, _):
                state = advance(key, system, dynamics, Drive(), state, STRIDE)
                others = jax.vmap(energy)(state.memory.copies.species)
                return state, jnp.append(energy(state.x.species), others)

            state = dynamics.init(key, system, Drive(), LatticeState(start[0]))
            state = state._replace(memory=state.memory._replace(copies=LatticeState(start[1:])))
            state = advance(key, system, dynamics, Drive(), state, RELAX)
            end, energies = jax.lax.scan(sample, state, length=SAMPLES)
            return energies, end.memory.acceptance()

        return jax.vmap(one)(keys, start)

    energies, acceptance = run(jax.random.split(jax.random.key(1), LADDERS), start)
    return np.asarray(energies, float), np.asarray(acceptance)


def energy_at_transition(samples, beta, inside) -> float:
    """Energy per site at β_c in one phase, from the samples [sample, temperature] of a ladder that are in it."""
    kept = [column[mask] for column, mask in zip(samples.T, inside.T, strict=True)]
    return reweighting.pool(kept, beta).mean(potts.critical_beta(10)) / SIDE**2


@pytest.mark.slow
def test_latent_heat_by_replica_exchange():
    """Ladders of nine temperatures across β_c, whose cold end supplies order and whose hot end disorder, 64 x 64.

    Phases are told apart at the mean of their energies. States with two flat walls lie there; they are rarer than
    either phase by exp(−L/ξ) = 0.002, ξ = 10.56 being the correlation length [buffenoir1993], and that is what the size
    costs in accuracy. The latent heat, 0.696 ± 0.004, would show one that is wrong by three percent.
    """
    beta = potts.critical_beta(10) + OFFSETS
    energies, acceptance = ladder_energies(beta)
    ordered = energies < potts.critical_energy(10) * SIDE**2
    assert acceptance.mean(0).min() > 0.05, f"trades accepted: {acceptance.mean(0)}"
    assert ordered[..., 0].all() and not ordered[..., -1].any(), "an end of the ladder is not in one phase"
    found = np.array(
        [[energy_at_transition(e, beta, m) for m in (o, ~o)] for e, o in zip(energies, ordered, strict=True)]
    )
    estimates = {"ordered": found[:, 0], "disordered": found[:, 1], "latent heat": found[:, 1] - found[:, 0]}
    for (name, value), exact in zip(estimates.items(), (*potts.phase_energies(10), potts.latent_heat(10)), strict=True):
        mean, error = value.mean(), value.std(ddof=1) / np.sqrt(LADDERS)
        z = (mean - exact) / error
        assert abs(z) < 4 and error < 0.01, f"{name}: {mean:.4f} ± {error:.4f}, exactly {exact:.4f}, z = {z:.1f}"
