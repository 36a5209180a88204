"""Rejection-free hops and turns: rates and averages against enumeration, conserved particles, bits, assembly."""

from itertools import permutations, product

import numpy as np
import pytest

pytest.importorskip("numba")

from test_nfold import neighbor_table, random_bonds

from matterlearn.dynamics import _nfold as nfold
from matterlearn.dynamics import _nfold_hops as hops

LATTICES = [((3, 3), False), ((2, 4), True), ((2, 2, 2), False)]  # periodic sides of 2 have double bonds


def mixture(shape, periodic, seed=0):
    """Three families of two states, one frozen species; bonds of all values, solvent and walls included."""
    generator, neighbors = np.random.default_rng(seed), neighbor_table(shape, periodic)
    bonds, field = random_bonds(generator, neighbors.shape[1], 8) / 3, generator.normal(size=8) / 2
    sites = np.zeros(len(neighbors), int)
    sites[:4] = 1, 3, 5, 7
    frozen = np.arange(len(neighbors)) == len(neighbors) - 1
    return hops.tabulate_hops(neighbors, bonds, field, frozen, states=2, mobile=7), sites, generator


def plain_moves(tables, sites):
    """(rate, sites afterwards, site moved) of every move, from the total energies before and after."""
    before, moves = hops.energy(tables, sites), []
    for i, v in enumerate(sites):
        if v == 0 or v >= tables.mobile or tables.frozen[i]:
            continue
        partner = v + 1 if v % 2 else v - 1  # T = 2: states are 1, 2 | 3, 4 | 5, 6
        targets = [j for j in tables.neighbors[i] if j < len(sites) and sites[j] == 0 and not tables.frozen[j]]
        for j, w in [*((j, v) for j in targets), (i, partner)]:
            after = sites.copy()
            after[i] = 0
            after[j] = w
            moves.append((min(1.0, np.exp(before - hops.energy(tables, after))), after, i))
    return moves


@pytest.mark.parametrize(("shape", "periodic"), LATTICES)
def test_rates_from_total_energies(shape, periodic):
    tables, sites, generator = mixture(shape, periodic)
    for _ in range(20):
        shuffled = generator.permutation(sites)
        plain = np.zeros(len(sites))
        for rate, _, site in plain_moves(tables, shuffled):
            plain[site] += rate
        np.testing.assert_allclose(hops.hop_rates(tables, shuffled), plain, rtol=1e-11)


@pytest.mark.parametrize(("shape", "periodic"), LATTICES)
def test_many_moves_keep_families_sums_and_energy(shape, periodic):
    tables, sites, _ = mixture(shape, periodic)
    chain, executed, energy = hops.run_hops(tables, nfold.start(sites, (1, 1)), 10**5)
    assert executed == 10**5
    assert sorted((chain.sites + 1) // 2) == sorted((sites + 1) // 2)
    assert energy == pytest.approx(hops.energy(tables, chain.sites), abs=1e-8)
    moving, walled, tree, seen = hops._begin(tables, sites)
    hops._run(moving, walled, tree, seen, chain.rng, 0.0, 0.0, 10**5, np.inf, -np.inf)
    np.testing.assert_array_equal(tree, hops._begin(tables, walled[:-1])[2])


def test_a_move_is_picked_in_proportion_to_its_rate():
    """The first of many independent events from one configuration; power: 20000 draws over about ten moves."""
    tables, sites, generator = mixture((3, 3), False, 4)
    shuffled, draws = generator.permutation(sites), 20000
    moves = plain_moves(tables, shuffled)
    expected, counts = {}, {}
    for rate, after, _ in moves:
        expected[tuple(after)] = expected.get(tuple(after), 0) + rate
    moving, walled, tree, seen = hops._begin(tables, shuffled)
    rng, times = nfold.start(shuffled, (3, 4)).rng, []
    for _ in range(draws):
        s, t = walled.copy(), tree.copy()
        seen[:] = 0
        times.append(hops._run(moving, s, t, seen, rng, 0.0, 0.0, 1, np.inf, -np.inf)[0])
        counts[tuple(s[:-1])] = counts.get(tuple(s[:-1]), 0) + 1
    total = sum(expected.values())
    assert set(counts) <= set(expected)
    for after, rate in expected.items():
        p = rate / total
        assert abs(counts.get(after, 0) - draws * p) < 4 * np.sqrt(draws * p * (1 - p)) + 1
    assert abs(np.mean(times) * total - 1) < 4 / np.sqrt(draws)


@pytest.mark.parametrize(("shape", "periodic"), [((2, 3), False), ((2, 3), True)])
def test_equilibrium_of_hops_and_turns(shape, periodic):
    """Two families of two states on six sites, 120 states enumerated. Power: errors below 10 % of each."""
    generator, neighbors = np.random.default_rng(8), neighbor_table(shape, periodic)
    bonds, field = random_bonds(generator, 4, 5) / 3, generator.normal(size=5) / 2
    tables = hops.tabulate_hops(neighbors, bonds, field, states=2)
    states = np.zeros((120, 6), int)
    places = product(permutations(range(6), 2), range(2), range(2))
    for state, ((i, j), a, b) in zip(states, places, strict=True):
        state[i], state[j] = 1 + a, 3 + b
    weight = np.exp([-hops.energy(tables, state) for state in states])
    exact = np.tensordot(weight / weight.sum(), states[..., None] == np.arange(5), axes=1)
    means = []
    for number in range(24):
        moving, walled, tree, seen = hops._begin(tables, states[0])
        rng, time, counts = nfold.start(states[0], (9, number)).rng, 0.0, np.zeros((6, 5))
        for sample in range(1000):
            seen[:] = 0
            time, _, _ = hops._run(moving, walled, tree, seen, rng, time, 0.0, 10**9, (sample + 1) * 20.0, -np.inf)
            counts[np.arange(6), walled[:-1]] += sample >= 100
        means.append(counts / 900)
    error = np.std(means, axis=0, ddof=1) / np.sqrt(24)
    assert np.all(abs(np.mean(means, axis=0) - exact) < 4 * error)
    assert np.all(error < 0.1 * exact)


def test_same_bits_for_any_chunks():
    tables, sites, generator = mixture((3, 3), False)
    begin = nfold.start(sites, (2, 3))
    whole, _, _ = hops.run_hops(tables, begin, 3000)
    parts, done = begin, 0
    while done < 3000:
        until = parts.time + generator.exponential(whole.time / 40)
        parts, new, _ = hops.run_hops(tables, parts, min(int(generator.integers(300)), 3000 - done), until)
        done += new
    assert whole.time == parts.time
    assert np.array_equal(whole.sites, parts.sites)
    assert np.array_equal(whole.rng, parts.rng)


def test_families_are_whole():
    neighbors = neighbor_table((2, 2), False)
    with pytest.raises(ValueError, match="whole families"):
        hops.tabulate_hops(neighbors, np.zeros((4, 5, 5)), np.zeros(4), states=2)
