"""Tile statistics: enumeration of all permutations, exact expectations, and an independent simulation's table."""

from itertools import permutations

import numpy as np
import pytest

from matterlearn.theory import assembly, tiles


def all_memories(side):
    return np.array(list(permutations(range(side * side)))).reshape(-1, side, side)


def scan_bonds(square):
    """Ordered pairs by walking over the sites."""
    side = len(square)
    horizontal = {(square[r, c], square[r, c + 1]) for r in range(side) for c in range(side - 1)}
    vertical = {(square[r, c], square[r + 1, c]) for r in range(side - 1) for c in range(side)}
    return horizontal, vertical


def test_lists_and_matrices_recounted_from_the_sites():
    made = assembly.random_memories(4, 6, 2)
    union, total = tiles.union_couplings(made, 3.0), tiles.sum_couplings(made, 3.0)
    for direction, pairs in enumerate(tiles.stored_bonds(made)):
        stored = [pair for square in made for pair in scan_bonds(square)[direction]]
        listed = set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))
        assert listed == set(stored)
        assert len(pairs.first) == len(listed)
        for first, second, q in zip(*pairs, strict=True):
            assert stored.count((first, second)) == q
            assert union[direction, first, second] == -3.0
            assert total[direction, first, second] == -3.0 * q
        assert union[direction].sum() == -3.0 * len(listed)
        assert total[direction].sum() == -3.0 * 6 * 4 * 3


def test_shared_and_distinct_bonds_over_all_permutations():
    """Every 2 x 2 memory against one fixed memory: the mean is exact."""
    reference = np.arange(4).reshape(2, 2)
    counts = np.array([assembly.bond_counts(np.stack([reference, other])) for other in all_memories(2)])
    assert np.sum(counts == 2) / 24 == pytest.approx(assembly.shared_bonds(2), rel=1e-14) == pytest.approx(2 / 3)
    assert np.sum(counts > 0) / 24 == pytest.approx(assembly.distinct_bonds(2, 2), rel=1e-13)
    stored = (counts - assembly.bond_counts(reference[None])).mean(axis=0)
    assert stored[0, 0, 1] == pytest.approx(tiles.partner_probability(2), rel=1e-14)


def test_corner_ambiguity_over_all_permutations():
    """All 24^2 choices of two further 2 x 2 memories."""
    reference, others = np.arange(4).reshape(2, 2), all_memories(2)
    draws = (np.stack([reference, a, b]) for a in others for b in others)
    mean = np.mean([assembly.measured_corner_ambiguity(memories) for memories in draws])
    assert mean == pytest.approx(tiles.exact_corner_ambiguity(2, 3), rel=1e-12)


def test_corner_ambiguity_by_walking():
    made = assembly.random_memories(4, 8, 3)
    found = assembly.measured_corner_ambiguity(made).reshape(3, 3)
    horizontal = set().union(*(scan_bonds(square)[0] for square in made))
    vertical = set().union(*(scan_bonds(square)[1] for square in made))
    square = made[0]
    for r in range(1, 4):
        for c in range(1, 4):
            wrong = set(range(16)) - {square[r, c]}
            both = [s for s in wrong if (square[r, c - 1], s) in horizontal and (square[r - 1, c], s) in vertical]
            assert found[r - 1, c - 1] == len(both)


TABLE = [  # side, memories, measured by an independent simulation (4 to 6 draws), mean-field form
    (20, 4, 0.020, 0.020),
    (20, 8, 0.103, 0.109),
    (20, 12, 0.272, 0.267),
    (20, 16, 0.490, 0.491),
    (20, 20, 0.740, 0.781),
    (20, 24, 1.11, 1.13),
    (32, 32, 0.851, 0.856),
]


@pytest.mark.parametrize(("side", "memories", "measured", "formula"), TABLE)
def test_corner_ambiguity_of_random_memories(side, memories, measured, formula):
    """|z| < 4 for our mean against the exact one, and for the tabulated mean against the exact one.

    Power: the standard error of our 24 draws is 8 % at m = 4 and 1 to 3 % beyond, that of the tabulated mean about 2.5
    times larger; a bias of our mean by 12 % (33 % at m = 4) fails half the time.
    """
    draws = 24
    counts = [assembly.measured_corner_ambiguity(assembly.random_memories(side, memories, s)) for s in range(draws)]
    mean, spread = np.mean(counts), np.std(np.mean(counts, axis=1), ddof=1)
    exact = tiles.exact_corner_ambiguity(side, memories)
    assert abs(mean - exact) < 4 * spread / np.sqrt(draws)
    assert abs(measured - exact) < 4 * spread / np.sqrt(4)
    assert assembly.corner_ambiguity(side**2, memories) == pytest.approx(formula, abs=0.005 if formula > 1 else 5e-4)


def test_forms_of_the_ambiguity_agree_in_their_limits():
    for side, memories in [(10, 4), (20, 24), (40, 6)]:
        exact = tiles.exact_corner_ambiguity(side, memories)
        assert assembly.corner_ambiguity(side**2, memories) == pytest.approx(exact, rel=0.03)
    large = tiles.sparse_corner_ambiguity(10**8, 11)
    assert assembly.corner_ambiguity(10**8, 11) == pytest.approx(large, rel=1e-6)
    assert tiles.sparse_corner_ambiguity(400, tiles.corner_capacity(20, 0.3)) == pytest.approx(0.3)


@pytest.mark.parametrize("coordination", [4, 6])
def test_capacity_exponent_is_the_scaling_of_the_corner(coordination):
    """m = M^x leaves m^(z/2)/M^(z/2-1) independent of M."""
    corner = coordination / 2
    for species in (1e3, 1e6):
        memories = species ** assembly.capacity_exponent(coordination)
        assert memories**corner / species ** (corner - 1) == pytest.approx(1.0)


def test_window_brackets_the_simulated_retrieval():
    """20 x 20, m = 4, eps = 10: chimera at mu = 12 and 14, retrieval at 16 to 18, nothing from 20 on."""
    window = assembly.chemical_potential_window(10.0, 4)
    assert 12 < window.lower < 14 < 16 < 18 < window.upper == 20
    closed = assembly.chemical_potential_window(tiles.weakest_bond(4), 4)
    assert closed.lower == pytest.approx(closed.upper)


def test_gas_density_from_the_site_weights_and_error_without_growth():
    weight = 400 * np.exp(-6.0)
    assert assembly.gas_density(6.0, 400) == pytest.approx(weight / (1 + weight))
    assert tiles.ungrown_error(20, 10) == 0.75
