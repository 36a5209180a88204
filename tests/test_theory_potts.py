"""Potts transition: known digits, exact self-dual graphs, and the energy of few flipped sites at large q."""

import numpy as np
import pytest

from matterlearn.theory import enumeration, ising, potts

BETA = {2: 0.8813735870, 3: 1.0050525387, 4: 1.0986122887, 5: 1.1743590056, 10: 1.4260624389}
ENERGY = {2: -1.7071067812, 3: -1.5773502692, 4: -1.5, 5: -1.4472135955, 10: -1.3162277660}
LATENT = {5: 0.0529187579, 6: 0.2014641400, 8: 0.4863580795, 10: 0.6960494315, 20: 1.1941552547}


@pytest.mark.parametrize("q", BETA)
def test_known_transitions(q):
    assert potts.critical_beta(q) == pytest.approx(BETA[q], abs=6e-11)
    assert potts.critical_energy(q) == pytest.approx(ENERGY[q], abs=6e-11)


@pytest.mark.parametrize("q", LATENT)
def test_known_latent_heats(q):
    assert potts.latent_heat(q) == pytest.approx(LATENT[q], abs=6e-11)
    ordered, disordered = potts.phase_energies(q)
    assert disordered - ordered == pytest.approx(LATENT[q], abs=6e-11)
    assert (ordered + disordered) / 2 == pytest.approx(potts.critical_energy(q), rel=1e-14)


def test_phases_of_ten_values():
    np.testing.assert_allclose(potts.phase_energies(10), (-1.6642524818, -0.9682030503), rtol=0, atol=6e-11)


def self_dual_bonds(around, rings):
    """Square lattice on a cylinder, all sites of one end joined to one more site: a planar graph equal to its dual."""
    sites = np.arange(around * rings).reshape(rings, around)
    rim = np.stack([sites.ravel(), np.roll(sites, -1, axis=1).ravel()], axis=1)
    inward = np.vstack([np.full((1, around), around * rings), sites[:-1]])
    return np.vstack([rim, np.stack([sites.ravel(), inward.ravel()], axis=1)])


@pytest.mark.parametrize(("q", "around", "rings"), [(2, 4, 3), (3, 5, 2), (4, 3, 2), (5, 6, 1), (7, 3, 1)])
def test_self_dual_graphs_have_the_critical_energy_exactly(q, around, rings):
    """Z(v) ∝ v^bonds Z(q/v) with v = e^β − 1, so at v = √q half the bonds of the random clusters are there.

    Hence ⟨E⟩ per bond is −(1 + 1/√q)/2 at β_c on every self-dual planar graph, however small.
    """
    table, bonds = enumeration.configurations(around * rings + 1, q), self_dual_bonds(around, rings)
    energies = enumeration.potts_energies(table, bonds, *potts.couplings(q))
    mean = enumeration.ensemble(energies, 1 / potts.critical_beta(q)).mean(energies)
    assert 2 * mean / len(bonds) == pytest.approx(potts.critical_energy(q), rel=1e-12)


@pytest.mark.parametrize("q", [1e4, 1e6, 1e8])
def test_ordered_phase_at_large_q_is_a_gas_of_flipped_sites(q):
    """e_o + 2 from the fewest flips, weight e^-β = x per broken contact: one site breaks four, two unlike ones seven.

    What is left out (two equal neighbours, excluded volume, larger clusters) is of order q⁻²; its coefficient is
    measured between 61 and 65 here, while either term alone misses by far more.
    """
    x = np.exp(-potts.critical_beta(q))
    series = 4 * (q - 1) * x**4 + 7 * 2 * (q - 1) * (q - 2) * x**7
    assert abs(potts.phase_energies(q).ordered + 2 - series) < 80 / q**2


def test_transition_is_continuous_up_to_four_values():
    assert [potts.latent_heat(q) for q in (1, 2, 3, 4)] == [0.0] * 4
    assert potts.latent_heat(4 + 1e-12) == 0.0
    heats = [potts.latent_heat(q) for q in np.linspace(4.05, 30, 60)]
    assert np.all(np.diff(heats) > 0) and heats[0] > 0


def test_latent_heat_vanishes_with_an_essential_singularity():
    """L = constant × exp(−π²/(4Θ)) as Θ → 0 with 2 cosh Θ = √q; Σ ln tanh(nΘ) is an integral up to a power of Θ."""
    theta = np.array([0.05, 0.04])
    heat = np.log([potts.latent_heat(q) for q in 4 * np.cosh(theta) ** 2])
    assert np.diff(heat)[0] == pytest.approx(-(np.pi**2) / 4 * np.diff(1 / theta)[0], rel=1e-3)


def test_two_values_are_the_ising_model():
    assert 1 / potts.critical_beta(2) == pytest.approx(ising.critical_temperature(0.5), rel=1e-14)
    assert potts.critical_energy(2) == pytest.approx(ising.infinite_energy(ising.critical_temperature(0.5), 0.5) - 1)
    table, bonds = enumeration.configurations(12, 2), enumeration.lattice_bonds((3, 4), True)
    energies = enumeration.potts_energies(table, bonds, *potts.couplings(2))
    model, torus = enumeration.ensemble(energies, 0.8), ising.torus((3, 4), 0.8, J=0.5)
    assert model.mean(energies) == pytest.approx(torus.energy - len(bonds) / 2, rel=1e-12)
    assert model.log_partition == pytest.approx(torus.log_partition + len(bonds) / 2 / 0.8, rel=1e-13)


@pytest.mark.parametrize("function", [potts.critical_beta, potts.critical_energy, potts.latent_heat])
def test_fewer_than_one_value_is_refused(function):
    with pytest.raises(ValueError, match="at least 1"):
        function(0.5)


@pytest.mark.parametrize("q", [0, 2.5])
def test_couplings_need_an_integer(q):
    with pytest.raises(ValueError, match="integer"):
        potts.couplings(q)
