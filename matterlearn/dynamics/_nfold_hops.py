"""Rejection-free dynamics of particles that hop and turn: the number of particles of every family is conserved.

A particle of family f in the internal state τ has the value v = 1 + f T + τ; 0 is an empty site. Two kinds of move,
each attempted at rate 1 and accepted with min(1, exp(−ΔE/kT)):

    hop    of a particle into an empty neighbour site, one attempt per direction;
    turn   of a particle into one of the T − 1 other states of its family.

The energy is that of `_nfold`. Hops keep the composition, so all that the solvent does can be moved into the fields:

    b'[k, w, v] = b[k, w, v] − b[k, w, 0] − b[k, 0, v] + b[k, 0, 0],      u[w] = field[w] + Σ_k b[k, w, 0]

have the same energy differences, and an empty site makes no bonds.

Source: [bortz1975] for the method, [bisker2018] for the moves.
Limits: as `_nfold`. Nothing compiled here is kept on disk, because numba would not notice a change of the generator
and the sum tree, which are those of `_nfold_kernels`; each process compiles anew (seconds).

| quantity | shape | unit |
|---|---|---|
| energies | | kT_ref |
| time | | 1/attempt rate |
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from matterlearn.dynamics._nfold import LARGEST_EXPONENT, Chain, checked, require_numba
from matterlearn.dynamics._nfold_kernels import choose_site, fill, inlined, set_leaf, uncached, uniform


class Hops(NamedTuple):
    """Tables: energies as given [kT_ref], Boltzmann factors of b' [direction, value, neighbour] and of u [value]."""

    neighbors: np.ndarray
    frozen: np.ndarray
    states: int
    mobile: int
    bonds: np.ndarray
    field: np.ndarray
    kT: float
    factor: np.ndarray
    weight: np.ndarray


def tabulate_hops(neighbors, bonds, field, frozen=None, *, states: int = 1, mobile=None, kT: float = 1.0) -> Hops:
    """Tables for :func:`run_hops`.

    Args:
        neighbors: neighbour of every site in every direction [site, direction]; the number of sites where none is.
        bonds: energies [direction, q+1, q+1].
        field: energies [q].
        frozen: sites that no particle enters or leaves [site].
        states: T, internal states per family.
        mobile: values from here on belong to a frozen surface; all are mobile by default.
        kT: temperature, kT_ref.

    Raises:
        ValueError: as `_nfold.tabulate`, and if the mobile values are not whole families.

    >>> ring = np.array([[2, 1], [0, 2], [1, 0]])
    >>> tabulate_hops(ring, np.zeros((2, 6, 6)), np.zeros(5), states=2).factor.shape
    (2, 5, 6)
    """
    neighbors, scaled, u, frozen, mobile = checked(neighbors, bonds, field, frozen, mobile, kT)
    if (mobile - 1) % states:
        raise ValueError(f"{mobile - 1} mobile values besides the empty site are not whole families of {states}")
    effective = scaled - scaled[:, :, :1] - scaled[:, :1, :] + scaled[:, :1, :1]
    u = u + scaled[:, :-1, 0].sum(axis=0)
    largest = np.abs(effective).max(axis=(1, 2)).sum() + np.abs(u).max()
    if not largest < LARGEST_EXPONENT:
        raise ValueError(f"energies reach {largest:g} kT; the limit is {LARGEST_EXPONENT:g} kT")
    factor = np.ascontiguousarray(np.exp(-effective[:, :-1]))
    bonds, field = np.asarray(bonds, float), np.asarray(field, float)
    return Hops(neighbors, frozen, states, mobile, bonds, field, float(kT), factor, np.exp(-u))


def energy(tables: Hops, sites: Int[np.ndarray, " site"]) -> float:
    """Total energy, kT_ref.

    >>> ring = np.array([[2, 1], [0, 2], [1, 0]])
    >>> energy(tabulate_hops(ring, np.full((2, 3, 3), -1.0), np.zeros(2)), np.zeros(3, int))
    -3.0
    """
    n, s = len(sites), np.append(sites, len(tables.field))
    half = np.where(tables.neighbors < n, 0.5, 1.0)  # every bond is seen from both ends, those of the walls from one
    bonds = tables.bonds[np.arange(len(half[0])), s[:n, None], s[tables.neighbors]]
    return float(np.sum(half * bonds) + np.sum(tables.field[s[:n]]))


def hop_rates(tables: Hops, sites: Int[np.ndarray, " site"]) -> Float[np.ndarray, " site"]:
    """Total rate of all moves of the particle at every site, 1/attempt time.

    >>> import pytest; numba = pytest.importorskip("numba")
    >>> ring = np.array([[3, 1], [0, 2], [1, 3], [2, 0]])
    >>> hop_rates(tabulate_hops(ring, np.zeros((2, 3, 3)), np.zeros(2)), np.array([0, 1, 1, 0])).tolist()
    [0.0, 1.0, 1.0, 0.0]
    """
    tree = _begin(tables, sites)[2]
    return tree[len(tree) // 2 :][: len(sites)].copy()


def run_hops(
    tables: Hops, chain: Chain, events: int, max_time: float = np.inf, *, lowest: float = -np.inf
) -> tuple[Chain, int, float]:
    """Run until ``events`` moves are done, the next would come after ``max_time``, or E <= ``lowest``.

    Args:
        tables: of :func:`tabulate_hops`.
        chain: of `_nfold.start` or of an earlier run.
        events: how many at most.
        max_time: latest time of an event.
        lowest: energy at which to stop, kT_ref (met to 1e−6 kT, since it is summed up move by move).

    Returns:
        The chain afterwards, the number of moves made, and the energy.

    Raises:
        ImportError: if numba is missing.
        ValueError: if the sites do not fit the tables.

    >>> import pytest; numba = pytest.importorskip("numba")
    >>> from matterlearn.dynamics._nfold import start
    >>> ring = np.array([[3, 1], [0, 2], [1, 3], [2, 0]])
    >>> sticky = tabulate_hops(ring, -np.pad(np.ones((2, 1, 1)), ((0, 0), (1, 1), (1, 1))), np.zeros(2))
    >>> run_hops(sticky, start(np.array([0, 1, 0, 1]), (0, 1)), 100, lowest=-1.0)[1:]    # one hop makes the bond
    (1, -1.0)
    """
    moving, sites, tree, seen = _begin(tables, chain.sites)
    rng, begun = chain.rng.copy(), energy(tables, chain.sites) / tables.kT
    limits = int(events), float(max_time), lowest / tables.kT + 1e-6
    time, done, reached = _run(moving, sites, tree, seen, rng, float(chain.time), begun, *limits)
    return Chain(sites[:-1].copy(), time, rng), done, reached * tables.kT


class Moving(NamedTuple):
    """What the compiled loops read."""

    neighbors: np.ndarray
    frozen: np.ndarray
    states: int
    factor: np.ndarray
    weight: np.ndarray


def _begin(tables, sites):
    """Tables of a run, sites with the wall behind them, sums of the rates, and marks of the sites renewed last."""
    require_numba()
    n, sites = len(tables.frozen), np.asarray(sites)
    if sites.shape != (n,) or sites.min() < 0 or sites.max() >= len(tables.field):
        raise ValueError(f"sites must be {n} values in 0 … {len(tables.field) - 1}, got shape {sites.shape}")
    frozen = tables.frozen | (sites >= tables.mobile)
    moving = Moving(tables.neighbors, frozen, tables.states, tables.factor, tables.weight)
    walled = np.append(sites, len(tables.field)).astype(np.int32)
    tree = np.zeros(2 << max(1, int(n - 1).bit_length()))
    _fill(moving, walled, tree)
    return moving, walled, tree, np.zeros(n, np.int64)


@inlined
def _bonds(moving, sites, site, value, without):
    """Boltzmann factor of the bonds that a value would make at a site, if the site ``without`` were empty."""
    product = 1.0
    for k in range(moving.neighbors.shape[1]):
        near = moving.neighbors[site, k]
        if near != without:
            product *= moving.factor[k, value, sites[near]]
    return product


@inlined
def _scan(moving, sites, site, left):
    """Moves of one particle until their summed rate passes ``left``: the sum, where to, as what, e^{−ΔE/kT}."""
    v, total, to, value, ratio = sites[site], 0.0, site, sites[site], 1.0
    if v == 0 or moving.frozen[site]:
        return total, to, value, ratio
    own = _bonds(moving, sites, site, v, -1)
    for k in range(moving.neighbors.shape[1]):
        near = moving.neighbors[site, k]
        if sites[near] == 0 and not moving.frozen[near]:
            to, value, ratio = near, v, _bonds(moving, sites, near, v, site) / own
            total += min(1.0, ratio)
            if total > left:
                return total, to, value, ratio
    first = v - (v - 1) % moving.states
    for w in range(first, first + moving.states):
        if w != v:
            to, value = site, w
            ratio = _bonds(moving, sites, site, w, -1) * moving.weight[w] / (own * moving.weight[v])
            total += min(1.0, ratio)
            if total > left:
                return total, to, value, ratio
    return total, to, value, ratio


@uncached
def _fill(moving, sites, tree):
    """Rates of all sites, and their sums."""
    leaves = tree.size >> 1
    for site in range(moving.frozen.size):
        tree[leaves + site] = _scan(moving, sites, site, np.inf)[0]
    fill(tree)


@inlined
def _renew(moving, sites, tree, seen, mark, site):
    """Rate of a site, once per mark."""
    if site < seen.size and seen[site] != mark:
        seen[site] = mark
        leaf = (tree.size >> 1) + site
        if sites[site] != 0 or tree[leaf] != 0.0:
            set_leaf(tree, site, _scan(moving, sites, site, np.inf)[0])


@uncached
def _run(moving, sites, tree, seen, rng, time, energy, events, max_time, lowest):
    """Moves until one of the limits; returns time, number of moves and energy [kT]."""
    leaves, z = tree.size >> 1, moving.neighbors.shape[1]
    for done in range(events):
        before = rng[0], rng[1], rng[2], rng[3]
        then = time - np.log(uniform(rng)) / tree[1]
        if not (tree[1] > 0.0 and then <= max_time and energy > lowest):
            rng[0], rng[1], rng[2], rng[3] = before
            return time, done, energy
        time, site = then, choose_site(tree, rng)
        _, to, value, ratio = _scan(moving, sites, site, uniform(rng) * tree[leaves + site])
        sites[site] = 0
        sites[to] = value
        energy -= np.log(ratio)
        for end in (site, to):  # a move changes rates two bonds away: of those who could hop next to it
            _renew(moving, sites, tree, seen, done + 1, end)
            for k in range(z):
                near = moving.neighbors[end, k]
                if near < seen.size:
                    _renew(moving, sites, tree, seen, done + 1, near)
                    for kk in range(z):
                        _renew(moving, sites, tree, seen, done + 1, moving.neighbors[near, kk])
    return time, events, energy
