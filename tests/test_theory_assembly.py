"""Multifarious counting laws, recounted from random memories."""

import numpy as np
import pytest

from matterlearn.theory import assembly, dimer


@pytest.mark.parametrize(
    ("species", "memories", "expected"),
    [
        (400, 4, 0.020),
        (400, 8, 0.109),
        (400, 12, 0.267),
        (400, 16, 0.491),
        (400, 20, 0.781),
        (400, 24, 1.13),
        (1024, 32, 0.856),
    ],
)
def test_corner_ambiguity_formula(species, memories, expected):
    tolerance = 0.005 if expected > 1 else 5e-4
    assert assembly.corner_ambiguity(species, memories) == pytest.approx(expected, abs=tolerance)


@pytest.mark.parametrize("memories", [8, 16, 24])
def test_corner_ambiguity_by_recount(memories):
    # power: 24 draws give about 2 % (s.e. over draws), so a wrong border factor (10 %) would show
    draws = [
        assembly.measured_corner_ambiguity(assembly.random_memories(20, memories, seed)).mean()
        for seed in range(24)
    ]
    error = np.std(draws, ddof=1) / np.sqrt(len(draws))
    assert abs(np.mean(draws) - assembly.corner_ambiguity(400, memories)) < 4 * error


def test_shared_bonds_by_recount():
    side = 6
    shared = []
    for seed in range(400):
        counts = assembly.bond_counts(assembly.random_memories(side, 2, seed))
        shared.append(np.sum(counts == 2))
    error = np.std(shared, ddof=1) / np.sqrt(len(shared))
    assert abs(np.mean(shared) - assembly.shared_bonds(side)) < 4 * error


def test_union_and_sum_by_recount():
    side, memories = 8, 6
    distinct, repeated = [], []
    for seed in range(100):
        counts = assembly.bond_counts(assembly.random_memories(side, memories, seed))
        assert counts.sum() == 2 * memories * side * (side - 1)
        distinct.append(np.sum(counts > 0))
        repeated.append(np.sum(counts > 1))
    expected = assembly.distinct_bonds(side, memories)
    assert abs(np.mean(distinct) - expected) < 4 * np.std(distinct, ddof=1) / 10
    share = assembly.repeated_bond_fraction(side, memories) * expected
    assert abs(np.mean(repeated) - share) < 4 * np.std(repeated, ddof=1) / 10


def test_window_holds_the_point_where_retrieval_is_perfect():
    window = assembly.chemical_potential_window(10.0, 4)
    assert window.lower == pytest.approx(12.77, abs=0.005)
    assert window.lower < 17 < window.upper == 20
    assert assembly.perfect_density(20, 30) == pytest.approx(0.4444, abs=5e-5)


def test_capacity_exponents():
    assert [assembly.capacity_exponent(z) for z in (2, 4, 6)] == pytest.approx([0, 1 / 2, 2 / 3])
    # the square-lattice statistic itself scales as m ~ sqrt(M)
    for species in (10**4, 10**8):
        m_at_one = round(np.sqrt(species) + 2)
        assert assembly.corner_ambiguity(species, m_at_one) == pytest.approx(1, rel=0.02)


def test_concentration_window_is_the_image_of_the_cost_window():
    bond, memories, volume = 10.0, 4, 0.02
    costs = assembly.chemical_potential_window(bond, memories)
    window = assembly.concentration_window(bond, memories, volume)
    assert assembly.effective_cost(window.lower, volume) == pytest.approx(costs.upper)
    assert assembly.effective_cost(window.upper, volume) == pytest.approx(costs.lower)


def test_effective_cost_reproduces_the_dimer_balance():
    """One disc meeting one other: weight bound/free must equal e^(eps - mu) at c = 1/area."""
    box = 8.0
    pair = dimer.patchy_pair(np.array([[-7.0]]), box=box, patch_width=0.15, stiffness=200.0)
    cost = assembly.effective_cost(1 / box**2, pair.bond_volume)
    balance = np.exp(-pair.lowest - cost)
    # unbound weight is the box, up to the room the discs take from each other (a few per cent)
    assert balance == pytest.approx(pair.bound / (1 - pair.bound), rel=0.06)
