"""Inverse phase diagrams: published programs, their closed forms, and the landscapes they promise."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import brentq

from matterlearn.core.dynamics import DynState
from matterlearn.core.lattice_kernel import LatticeState
from matterlearn.observables.coexistence_mismatch import Config as MismatchConfig
from matterlearn.observables.coexistence_mismatch import dilute_phase, mismatch
from matterlearn.observables.phase_composition import Config as CompositionConfig
from matterlearn.observables.phase_composition import inside
from matterlearn.systems.lattice_condensate import Config as LatticeConfig
from matterlearn.theory import flory_huggins, phase_programs
from matterlearn.theory.phase_programs import design, equimolar, landscape

# Objectives and interactions by the published program, at its solver's tolerance of 1e-4 [chen2023programmable].
PUBLISHED = {
    "pure_2": ([[0], [1]], 10.7537),
    "pure_3": ([[0], [1], [2]], 14.6484),
    "pure_4": ([[0], [1], [2], [3]], 18.4061),
    "12_13": ([[0, 1], [0, 2]], 14.5298),
    "12_13_4": ([[0, 1], [0, 2], [3]], 18.9024),
    "12_13_14": ([[0, 1], [0, 2], [0, 3]], 17.7372),
    "12_13_24": ([[0, 1], [0, 2], [1, 3]], 18.4805),
    "12_13_24_34": ([[0, 1], [0, 2], [1, 3], [2, 3]], 19.0592),
}
POTENTIAL = {name: -2.32 if name.startswith("pure") else -2.33 for name in PUBLISHED}
INTERACTIONS = {
    "pure_2": {(0, 0): -4.55, (0, 1): -4.04},
    "pure_3": {(0, 0): -4.55, (0, 1): -3.88, (1, 2): -3.88},
    "pure_4": {(0, 0): -4.55, (0, 1): -3.80, (2, 3): -3.80},
    "12_13": {(0, 0): -3.18, (1, 1): -3.18, (0, 1): -5.93, (0, 2): -5.93, (1, 2): -2.21},
    "12_13_4": {
        (0, 0): -3.20, (1, 1): -3.20, (2, 2): -3.20, (3, 3): -4.55, (0, 1): -5.91, (0, 2): -5.91,
        (1, 2): -1.56, (0, 3): -4.31, (1, 3): -3.56, (2, 3): -3.56,
    },
    "12_13_14": {(0, 0): -3.05, (3, 3): -3.05, (0, 1): -6.05, (0, 3): -6.05, (1, 2): -1.83, (2, 3): -1.83},
    "12_13_24": {
        (0, 0): -3.55, (3, 3): -3.55, (0, 1): -5.56, (0, 2): -5.56, (1, 3): -5.56, (0, 3): -2.61, (1, 2): -2.61,
        (2, 3): -3.75,
    },
    "12_13_24_34": {(0, 0): -3.74, (0, 1): -5.36, (2, 3): -5.36, (0, 3): -2.28, (1, 2): -2.28},
}  # fmt: skip


@pytest.fixture(scope="module", params=PUBLISHED)
def published(request):
    members, objective = PUBLISHED[request.param]
    phases = equimolar(members, 1 + max(map(max, members)))
    return request.param, phases, objective, design(phases)


def test_published_objectives_and_interactions(published):
    """To the tolerance of the published solver, 1e-4 relative; it prints interactions to two decimals."""
    name, _, objective, found = published
    assert found.objective == pytest.approx(objective, rel=1e-4)
    for pair, value in INTERACTIONS[name].items():
        assert found.interactions[pair] == pytest.approx(value, abs=0.0051), pair
    expected = [POTENTIAL[name]] * len(found.potential)
    if name == "12_13_4":
        expected[-1] = -2.32
    np.testing.assert_allclose(found.potential, expected, atol=0.0051)


def test_landscape_has_the_phases_as_minima_of_equal_depth(published):
    """Each target and the dilute phase: a minimum of f - mu.phi, where it should be, as deep as the others."""
    _, phases, _, found = published
    minima = landscape(found, phases)
    assert np.all(minima.curvature > 0)
    assert minima.phases[0].sum() < 1e-6
    shares = minima.phases[1:] / minima.phases[1:].sum(axis=1, keepdims=True)
    assert np.abs(shares - phases / 0.95).max() < 1e-5
    assert np.ptp(minima.depth) < 1e-5
    slope = phase_programs.exchange_potential(minima.phases[1:], found.interactions, 100) - found.potential
    assert np.abs(slope).max() < 1e-6


@pytest.mark.parametrize("count", [2, 3, 4])
def test_pure_phases_against_their_closed_form(count):
    """N pure phases: eps_ii follows from P = 0, and eps_ij is where the smallest eigenvalue of the Hessian is 1.

    The Hessian of a phase, 1 - the identity, has diagonal (A, B, ...) and off-diagonal C = L (1/(1 - phi_T) + eps_ij);
    by symmetry among the others it is singular at A (B + (N - 2) C) = (N - 1) C^2.
    """
    phi, length, zeta = 0.95, 100, 0.01
    own = -2 * (-np.log(1 - phi) - (1 - 1 / length) * phi) / phi**2
    empty = 1 / (1 - phi)
    a = 1 / phi + length * (empty + own) - 1
    b = (count - 1) / (phi * zeta) + length * (empty + own) - 1
    c = brentq(lambda c: a * (b + (count - 2) * c) - (count - 1) * c**2, 0, 1e5)
    cross = c / length - empty
    found = design(equimolar([[i] for i in range(count)], count))
    expected = np.where(np.eye(count), own, cross)
    np.testing.assert_allclose(found.interactions, expected, atol=2e-5)
    assert found.objective == pytest.approx(np.sqrt(2 * count * own**2 + count * (count - 1) * cross**2), rel=1e-6)


@pytest.mark.slow
def test_short_molecules_coexist_with_a_dilute_phase_of_finite_pressure():
    """L = 1: at the dilute phase's own pressure all phases are equally deep, and the tangent-plane test finds them."""
    phases = equimolar([[0, 1], [0, 2]], 3, 0.9)
    found = phase_programs.design_coexisting(phases, 1.0)
    minima = landscape(found, phases, 1.0)
    assert np.ptp(minima.depth) < 1e-6 and minima.depth[0] < -0.05
    mean = minima.phases.mean(axis=0)
    equilibrium = flory_huggins.coexistence(np.append(mean, 1 - mean.sum()), np.pad(found.interactions, (0, 1)), 1.0)
    assert len(equilibrium.volumes) == 3
    order = np.argsort(minima.phases[:, 2] - minima.phases[:, 1])
    solutes = equilibrium.compositions[:, :-1]
    again = np.argsort(solutes[:, 2] - solutes[:, 1])
    np.testing.assert_allclose(solutes[again], minima.phases[order], atol=2e-4)


def test_potential_and_pressure_are_those_of_flory_and_huggins():
    rng = np.random.default_rng(0)
    phi = rng.dirichlet(np.ones(4), size=5)
    eps = rng.normal(size=(3, 3))
    eps, sizes = eps + eps.T, np.array([1.0, 4.0, 9.0])
    chi, lengths = np.pad(eps, (0, 1)), np.append(sizes, 1.0)
    full = flory_huggins.chemical_potential(phi, chi, lengths)
    np.testing.assert_allclose(
        phase_programs.exchange_potential(phi[:, :3], eps, sizes), full[:, :3] - full[:, 3:], atol=1e-12
    )
    osmotic = flory_huggins.osmotic_pressure(phi, chi, lengths)
    np.testing.assert_allclose(phase_programs.pressure(phi[:, :3], eps, sizes), osmotic, atol=1e-12)


def test_what_cannot_be():
    with pytest.raises(ValueError, match="room for solvent"):
        design(np.array([[0.6, 0.6]]))
    with pytest.raises(ValueError, match="belongs to a phase"):
        design(np.array([[0.9, 0.0]]))
    # Four sets of pairs over three solutes: each of the three pairs, and all together, is more than pairs can tell.
    phases = np.concatenate([equimolar([[0], [1], [2]], 3), equimolar([[0, 1, 2]], 3)])
    with pytest.raises(ValueError, match="no pair interactions"):
        design(phases)


def test_mismatch_vanishes_where_phases_coexist_and_only_there():
    """The convex program's answer has none; pressures, potentials and traces fail one at a time when disturbed."""
    phases = equimolar([[0, 1], [0, 2]], 3, 0.9)
    with jax.enable_x64(True):
        measure = lambda eps: np.asarray(mismatch(jnp.asarray(eps), phases, 0.01))  # noqa: E731
        found = phase_programs.design_coexisting(phases).interactions
        assert measure(found).max() < 1e-5
        weaker = measure(0.97 * found)
        assert weaker[1] > 1e-3 and weaker[0] < 1e-10
        lopsided = found + 0.2 * np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0]])
        assert measure(lopsided)[0] > 1e-4
        friendly = found.copy()
        friendly[1, 2] = friendly[2, 1] = 0.0
        assert measure(friendly)[2] > 1.0
        potential = phase_programs.exchange_potential(phase_programs.tolerated(phases, 0.01), found, 1)
        assert np.ptp(potential[:, 0]) < 0.02


def test_mismatch_has_the_slope_of_its_differences():
    phases = equimolar([[0, 1], [0, 2]], 3, 0.9)
    rng = np.random.default_rng(4)
    eps, along = rng.normal(-3, 1, (3, 3)), rng.normal(size=(3, 3))
    eps, along = eps + eps.T, along + along.T
    with jax.enable_x64(True):
        total = jax.jit(lambda t: jnp.sum(mismatch(jnp.asarray(eps) + t * along, phases, 0.01)))
        assert float(jax.jit(jax.grad(total))(0.0)) == pytest.approx(float(total(1e-6) - total(-1e-6)) / 2e-6, rel=1e-6)


def test_dilute_phase_of_one_species_is_that_of_the_symmetric_lattice_gas():
    """On the line mu = eps/2 the lattice gas is symmetric; its dilute binodal is exact."""
    eps = -5.0
    with jax.enable_x64(True):
        gas = dilute_phase(jnp.array([eps / 2]), jnp.array([[eps]]))
    assert float(gas[0]) == pytest.approx(flory_huggins.symmetric_binodal(-eps / 2), rel=1e-6)


def test_compositions_inside_two_slabs_are_exact():
    """Two slabs of known composition and solvent between them: what stands inside is counted, interfaces are not."""
    rng = np.random.default_rng(0)
    sites = np.zeros((8, 8, 32), np.int8)
    sites[..., 1:11] = rng.choice([0, 1, 2], p=[0.1, 0.5, 0.4], size=(8, 8, 10))
    sites[..., 17:27] = rng.choice([0, 1, 3], p=[0.1, 0.4, 0.5], size=(8, 8, 10))
    phases = [[0.45, 0.45, 0.0], [0.45, 0.0, 0.45]]
    system = LatticeConfig(kind="lattice_condensate", shape=[8, 8, 32], species=3).build(None)
    built = CompositionConfig(kind="phase_composition", phases=phases).build(system, None)
    state = DynState(LatticeState(jnp.asarray(sites)), jnp.zeros((), jnp.int32))
    found = np.asarray(built(system, None, state))
    share = lambda block: np.bincount(block.ravel(), minlength=4) / block.size  # noqa: E731
    bulk = np.asarray(inside(system.lattice, jnp.asarray(sites), built.targets))
    for phase, (first, last) in enumerate([(1, 11), (17, 27)], start=1):
        layers = np.flatnonzero(bulk[..., phase].any(axis=(0, 1)))
        assert layers.min() >= first and layers.max() < last and len(layers) >= 6
        counted = np.array([(sites == s)[bulk[..., phase] > 0].mean() for s in range(4)])
        np.testing.assert_allclose(found[phase], counted, atol=1e-6)
        np.testing.assert_allclose(found[phase], share(sites[..., first + 2 : last - 2]), atol=0.06)
    assert found[0].tolist() == [1.0, 0.0, 0.0, 0.0]
    assert list(built.coords()["phase"]) == ["dilute", "1+2", "1+3"]


@pytest.mark.parametrize(
    ("phases", "complaint"),
    [([[0.5, 0.4]], "fractions per phase"), ([[0.5, 0.5, 0.1]], "room for solvent"), ([[0.5, 0.4, 0.0]], "belongs to")],
)
def test_complaints(phases, complaint):
    scenario = SimpleNamespace(system=LatticeConfig(kind="lattice_condensate", shape=[4, 4, 4], species=3))
    for config in (MismatchConfig(kind="coexistence_mismatch", phases=phases),
                   CompositionConfig(kind="phase_composition", phases=phases)):  # fmt: skip
        assert any(complaint in problem.message for problem in config.check(scenario))
