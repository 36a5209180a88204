"""Rejection-free dynamics: rates against their formulas, averages against enumeration, bits against chunking."""

from itertools import product

import numpy as np
import pytest

pytest.importorskip("numba")

from matterlearn.dynamics import _nfold as nfold
from matterlearn.dynamics import _nfold_kernels as kernels

LAWS = ("metropolis", "heat_bath")


def neighbor_table(shape, periodic):
    index, columns = np.arange(np.prod(shape)).reshape(shape), []
    for axis in range(len(shape)):
        for step in (-1, 1):
            column = np.roll(index, -step, axis)
            if not periodic:
                edge = [slice(None)] * len(shape)
                edge[axis] = 0 if step < 0 else -1
                column[tuple(edge)] = index.size
            columns.append(column.ravel())
    return np.stack(columns, 1)


def random_bonds(generator, directions, q, *, share=1.0, attractive=False):
    """Bonds of either sign (or none that repels) for a share of the pairs, walls included."""
    bonds = np.zeros((directions, q + 1, q + 1))
    for k in range(0, directions, 2):
        energy = generator.normal(size=(q + 1, q + 1)) * 2
        energy = np.where(generator.random(energy.shape) < share, -abs(energy) if attractive else energy, 0)
        bonds[k], bonds[k + 1] = energy, energy.T
    return bonds


def plain_energy(neighbors, bonds, field, sites):
    """Total energy, bond by bond: half the bonds of the sites, all those of the walls."""
    s = np.append(sites, len(field))
    both = sum(bonds[k, sites, s[near]] * np.where(near < len(sites), 0.5, 1) for k, near in enumerate(neighbors.T))
    return float(np.sum(both + field[sites]))


def plain_rates(neighbors, bonds, field, sites, law, mobile, frozen):
    """Rate of every change [site, value], straight from the definition at kT = 1."""
    s, rates = np.append(sites, len(field)), np.zeros((len(sites), mobile))
    for i, row in enumerate(neighbors):
        if frozen[i] or sites[i] >= mobile:
            continue
        energy = field + sum(bonds[k, :-1, s[near]] for k, near in enumerate(row))
        if law == "metropolis":
            rates[i] = np.minimum(1, np.exp(energy[sites[i]] - energy[:mobile]))
        else:
            weight = np.exp(energy[:mobile].min() - energy[:mobile])
            rates[i] = weight / weight.sum()
        rates[i, sites[i]] = 0
    return rates


def case(name, seed=0):
    """Neighbours, bonds, fields, frozen sites and mobile values of a small mixture."""
    generator = np.random.default_rng(seed)
    if name == "repulsive":
        neighbors, q, mobile = neighbor_table((3, 4), False), 5, 4
        bonds, field = random_bonds(generator, 4, q), generator.normal(size=q)
    else:
        neighbors, q, mobile = neighbor_table((3, 3, 4), name == "levels"), 30, 28
        bonds, field = random_bonds(generator, 6, q, share=0.15, attractive=True), generator.normal(size=q) * 2
        if name == "levels":
            field = np.repeat([0.0, 2.5, -1.0], 10)
    return neighbors, bonds, field, generator.random(len(neighbors)) < 0.1, mobile, generator


CASES = [("repulsive", nfold.tabulate_dense)]
CASES += [(name, make) for name in ("levels", "distinct") for make in (nfold.tabulate_dense, nfold.tabulate_sparse)]


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize(("name", "make"), CASES)
def test_rates_of_random_configurations(name, make, law):
    neighbors, bonds, field, frozen, mobile, generator = case(name)
    tables = make(neighbors, bonds, field, frozen, mobile=mobile, law=law)
    for _ in range(20):
        sites = generator.integers(0, len(field), len(neighbors))
        plain = plain_rates(neighbors, bonds, field, sites, law, mobile, frozen)
        np.testing.assert_allclose(nfold.site_rates(tables, sites), plain.sum(1), rtol=1e-12)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize(("name", "make"), CASES)
def test_values_are_picked_in_proportion_to_their_rates(name, make, law):
    """A value owns at most two intervals of fractions, and a grid measures an interval to one step."""
    neighbors, bonds, field, frozen, mobile, generator = case(name, 1)
    tables = make(neighbors, bonds, field, frozen, mobile=mobile, law=law)
    sites = generator.integers(0, len(field), len(neighbors))
    work, plain = nfold.workspace(tables, sites), plain_rates(neighbors, bonds, field, sites, law, mobile, frozen)
    for site in np.flatnonzero(plain.sum(1)):
        picked = np.empty(3000, np.int64)
        kernels.pick_changes(work.dense, work.sparse, work.sites, site, (np.arange(3000) + 0.5) / 3000, picked)
        shares = np.bincount(picked, minlength=mobile) / 3000
        np.testing.assert_allclose(shares, plain[site] / plain[site].sum(), rtol=0, atol=2.001 / 3000)


def test_sparse_tables_are_taken_where_they_cost_less():
    neighbors, bonds, field, *_ = case("levels")
    assert nfold.tabulate(neighbors, bonds, field).sparse is None  # 15 % of the pairs bind
    bonds[:, 1:, 1:] = 0
    assert nfold.tabulate(neighbors, bonds, field).dense is None
    assert nfold.tabulate(neighbors, -bonds, field).sparse is None
    with pytest.raises(ValueError, match="repulsive"):
        nfold.tabulate_sparse(neighbors, -bonds, field)


def time_averages(tables, initial, measure, *, samples, spacing, chains=24):
    """Mean over chains and its standard error, each chain sampled at equal times after a tenth of its length."""
    means = []
    for chain in range(chains):
        work = nfold.workspace(tables, initial)
        rng, time, seen = nfold.start(initial, (7, chain)).rng, 0.0, []
        for sample in range(samples):
            time, _ = kernels.run_changes(*work, rng, time, 10**9, (sample + 1) * spacing)
            seen.append(work.sites[:-1].copy())
        means.append(np.mean([measure(sites) for sites in seen[samples // 10 :]], axis=0))
    return np.mean(means, axis=0), np.std(means, axis=0, ddof=1) / np.sqrt(chains)


GOLDEN = [  # lattice, time between samples; mean energy, its variance, mean numbers of the three values by enumeration
    ((2, 2, 2), False, 20.0, (-6.6656140940, 10.0159309861, 0.8781078869, 6.4740578071, 0.6478343061)),
    ((3, 3), True, 500.0, (-14.0475070672, 5.7400571735, 0.2805407326, 8.4226677711, 0.2967914963)),
]


@pytest.mark.slow
@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize(("shape", "periodic", "spacing", "golden"), GOLDEN)
def test_time_averages_of_a_condensate(shape, periodic, spacing, golden, law):
    """Power: standard errors are below 1 % of the energy and below 8 % of the variance and of each number."""
    coupling, field = np.array([[0, 0, 0], [0, -1, 0.5], [0, 0.5, -1]]), np.array([0, 0.3, 0.7])
    neighbors, golden = neighbor_table(shape, periodic), np.array(golden)
    bonds = np.broadcast_to(np.pad(coupling, (0, 1)), (neighbors.shape[1], 4, 4))
    tables = nfold.tabulate(neighbors, bonds, field, law=law)

    def measure(sites):
        energy = plain_energy(neighbors, bonds, field, sites)
        return [energy, (energy - golden[0]) ** 2, *np.bincount(sites, minlength=3)]

    mean, error = time_averages(tables, np.ones(len(neighbors), int), measure, samples=300, spacing=spacing)
    assert np.all(error < [0.01 * -golden[0], *(0.08 * golden[1:])])
    assert np.all(abs(mean - golden) < 4 * error)


@pytest.mark.parametrize("law", LAWS)
def test_time_averages_of_sparse_tables(law):
    """Six sites, three mobile values and one frozen site, against enumeration. Power: errors below 5 % of each."""
    generator, neighbors = np.random.default_rng(3), neighbor_table((2, 3), False)
    bonds, field = random_bonds(generator, 4, 4, share=0.5, attractive=True) / 4, np.array([0, 1.5, 1.5, 0.5])
    frozen = np.arange(6) == 5
    tables = nfold.tabulate_sparse(neighbors, bonds, field, frozen, mobile=3, law=law)
    states = np.array([[*state, 3] for state in product(range(3), repeat=5)])
    weight = np.exp([-plain_energy(neighbors, bonds, field, sites) for sites in states])
    exact = np.tensordot(weight / weight.sum(), states[..., None] == np.arange(4), axes=1)
    one_hot = np.arange(4)
    mean, error = time_averages(tables, states[0], lambda sites: sites[:, None] == one_hot, samples=1000, spacing=10.0)
    assert np.all(abs(mean - exact) <= 4 * error + 1e-12)
    assert np.all(error < 0.05 * exact + 1e-12)


def strong_tiles(law):
    """Bonds of 6 kT between few of 60 species on an open 8 x 8 lattice, started from random sites."""
    generator, neighbors = np.random.default_rng(5), neighbor_table((8, 8), False)
    bonds = -6.0 * (random_bonds(generator, 4, 61, share=0.03, attractive=True) < 0)
    tables = nfold.tabulate_sparse(neighbors, bonds, np.append(0, np.full(60, 7.0)), law=law)
    return tables, nfold.start(generator.integers(0, 61, 64), (5, 6))


@pytest.mark.parametrize("law", LAWS)
def test_sums_after_many_events_are_those_of_the_sites(law):
    tables, chain = strong_tiles(law)
    work = nfold.workspace(tables, chain.sites)
    assert kernels.run_changes(*work, chain.rng, 0.0, 10**5, np.inf)[1] == 10**5
    np.testing.assert_array_equal(work.tree, nfold.workspace(tables, work.sites[:-1]).tree)


@pytest.mark.parametrize("law", LAWS)
def test_same_bits_for_any_chunks(law):
    tables, begin = strong_tiles(law)
    whole, executed = nfold.run_events(tables, begin, 5000)
    assert executed == 5000
    parts, done, generator = begin, 0, np.random.default_rng(0)
    while done < 5000:
        until = parts.time + generator.exponential(whole.time / 40)
        parts, new = nfold.run_events(tables, parts, min(int(generator.integers(400)), 5000 - done), until)
        assert parts.time <= until
        done += new
    assert whole.time == parts.time
    assert np.array_equal(whole.sites, parts.sites)
    assert np.array_equal(whole.rng, parts.rng)
    assert not np.array_equal(begin.sites, whole.sites)


def test_nothing_happens_where_all_is_frozen():
    neighbors = neighbor_table((2, 2), False)
    tables = nfold.tabulate(neighbors, np.zeros((4, 4, 4)), np.zeros(3), np.ones(4, bool))
    chain, executed = nfold.run_events(tables, nfold.start(np.zeros(4), (0, 0)), 10)
    assert executed == 0
    assert chain.time == 0


def test_generator_gives_its_published_numbers():
    """First words of xoshiro256++ from the state 1, 2, 3, 4 and of splitmix64 from 1234567."""
    rng = np.array([1, 2, 3, 4], np.uint64)
    for word in (41943041, 58720359, 3588806011781223, 3591011842654386):
        assert kernels.uniform(rng) == ((word >> 11) + 0.5) * 2.0**-53
    assert nfold.start(np.zeros(1), (0, 1234567)).rng[:2].tolist() == [6457827717110365317, 3203168211198807973]


def test_what_is_wrong_is_said(monkeypatch):
    neighbors, bonds, field, *_ = case("repulsive")
    with pytest.raises(ValueError, match="shape"):
        nfold.tabulate(neighbors, bonds, field[:-1])
    with pytest.raises(ValueError, match="either end"):
        nfold.tabulate(neighbors, bonds + np.arange(6), field)
    with pytest.raises(ValueError, match="700 kT"):
        nfold.tabulate(neighbors, bonds, field, kT=1e-3)
    with pytest.raises(ValueError, match="law is"):
        nfold.tabulate(neighbors, bonds, field, law="glauber")
    tables = nfold.tabulate(neighbors, bonds, field)
    with pytest.raises(ValueError, match="sites must be"):
        nfold.site_rates(tables, np.full(12, 5))
    monkeypatch.setattr(kernels, "numba", None)
    with pytest.raises(ImportError, match=r"matterlearn\[fast\]"):
        nfold.site_rates(tables, np.zeros(12, int))
