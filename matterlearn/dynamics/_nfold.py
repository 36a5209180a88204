"""Rejection-free (continuous-time, n-fold way) dynamics of lattice mixtures, event by event.

Every site i holds a value s_i in 0 … q−1; its local energy with value w, given the neighbours, is

    e_i(w) = field[w] + Σ_k bonds[k, w, s_k],        P ∝ exp(−E/kT).

Each site attempts each other value w ≠ s at rate 1, and the attempt succeeds with probability

    metropolis   min(1, exp(−(e_i(w) − e_i(s))/kT)),
    heat_bath    exp(−e_i(w)/kT) / Σ_v exp(−e_i(v)/kT).

All these rates are kept summed; the next event is drawn in proportion to its rate and the clock advances by an
exponential time of mean 1/(total rate). Nothing is ever rejected, so strong bonds cost no more than weak ones.

| quantity | shape | unit |
|---|---|---|
| sites | int32 [site] | 0 … q−1, 0 is the solvent |
| neighbors | int32 [site, direction] | directions −axis 0, +axis 0, −axis 1, …; number of sites = none, a wall |
| bonds | [direction, q+1, q+1] | kT_ref; bonds[k, w, v] = bonds[k ^ 1, v, w]; row and column q are the wall |
| field | [q] | kT_ref |
| time | | 1/attempt rate |

A chain is (sites, clock, random state) and nothing else: the sums are functions of the sites, bit by bit. Any cut of
a run into pieces, by events or by times, therefore gives the same bits.

Source: [bortz1975] for the method, [blackman2021] for the generator xoshiro256++.
Limits: needs numba (``pip install "matterlearn[fast]"``); energies at one site within ±700 kT; rates below 1e−16 of
the largest are not resolved.
"""

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, UInt

LARGEST_EXPONENT = 700.0  # products of Boltzmann factors stay within double precision
DEARER = 20  # an entry of the sparse tables against one of the dense, on crowded sites (measured, 10 to 400 values)
LARGEST_MEMO = 14  # 2^14 remembered rates fill the second-level cache

Law = Literal["metropolis", "heat_bath"]


class Chain(NamedTuple):
    """One sample in continuous time: its sites, the time of its last event, the state of its random numbers."""

    sites: Int[np.ndarray, " site"]
    time: float
    rng: UInt[np.ndarray, " 4"]


class Dense(NamedTuple):
    """Weights of all mobile values w: e^{−field/kT} [w], factors of a bond [direction, neighbour, w], scratch."""

    neighbors: np.ndarray
    heat_bath: bool
    weight: np.ndarray
    factor: np.ndarray
    product: np.ndarray


class Sparse(NamedTuple):
    """Weights of all mobile values and, per direction and neighbour, only the factors that differ from 1.

    Row k (q+1) + v of ``start`` delimits the partners w of neighbour v in direction k. Places sort the values by
    falling weight (``order`` and its inverse ``place``); a level is a run of equal weights. ``alone[s]`` is the sum
    over w ≠ s of min(C, b_w) where s makes no bond. Then scratch.
    """

    neighbors: np.ndarray
    heat_bath: bool
    weight: np.ndarray
    rows: int
    start: np.ndarray
    partner: np.ndarray
    factor: np.ndarray
    order: np.ndarray
    place: np.ndarray
    level: np.ndarray
    level_start: np.ndarray
    level_of: np.ndarray
    suffix: np.ndarray
    alone: np.ndarray
    found: np.ndarray
    at: np.ndarray
    product: np.ndarray


class Memo(NamedTuple):
    """Rates of environments met before: their exact keys and values, by hash."""

    base: np.uint64
    shift: np.uint64
    key: np.ndarray
    rate: np.ndarray


class Changes(NamedTuple):
    """Tables for one lattice, temperature and law. One of ``dense`` and ``sparse`` is None."""

    neighbors: Int[np.ndarray, "site direction"]
    frozen: Bool[np.ndarray, " site"]
    values: int
    mobile: int
    dense: Dense | None
    sparse: Sparse | None


def start(sites: Int[np.ndarray, " site"], seed: tuple[int, int]) -> Chain:
    """A chain at time 0 whose random numbers follow from two 32-bit words.

    >>> start(np.zeros(3), (1, 2)).rng.dtype
    dtype('uint64')
    """
    state, words = (int(seed[0]) << 32) | int(seed[1]), []
    for _ in range(4):  # splitmix64, as the authors of the generator advise
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        word = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
        word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) % 2**64
        words.append(word ^ (word >> 31))
    return Chain(np.array(sites, np.int32), 0.0, np.array(words, np.uint64))


def tabulate(neighbors, bonds, field, frozen=None, *, mobile=None, kT: float = 1.0, law: Law = "heat_bath") -> Changes:
    """Tables of the representation that costs less: sparse where few bonds attract and none repels, else dense.

    Args:
        neighbors: neighbour of every site in every direction [site, direction]; the number of sites where none is.
        bonds: energies [direction, q+1, q+1].
        field: energies [q].
        frozen: sites that never change [site]; sites that hold a value from ``mobile`` on never change either.
        mobile: values 0 … mobile−1 may be proposed; all by default.
        kT: temperature, kT_ref.
        law: "metropolis" or "heat_bath".

    Returns:
        Tables for :func:`run_events` and :func:`site_rates`.

    Raises:
        ValueError: for shapes that do not fit, bonds that differ when seen from the other end, energies beyond
            700 kT, a law that does not exist, or too many values for the key of an environment.

    >>> ring = np.array([[2, 1], [0, 2], [1, 0]])
    >>> tabulate(ring, np.full((2, 3, 3), 0.5), np.array([0.0, 1.0])).sparse is None    # bonds that repel
    True
    """
    bonds = np.asarray(bonds, float)
    rows = bonds[:, : mobile or len(field)]
    attractive = bool(np.all(rows <= 0))
    few = DEARER * np.count_nonzero(rows) < rows.size
    make = tabulate_sparse if attractive and few else tabulate_dense
    return make(neighbors, bonds, field, frozen, mobile=mobile, kT=kT, law=law)


def tabulate_dense(
    neighbors, bonds, field, frozen=None, *, mobile=None, kT: float = 1.0, law: Law = "heat_bath"
) -> Changes:
    """As :func:`tabulate`, with all values summed at every site; any bonds, cost proportional to q.

    >>> ring = np.array([[2, 1], [0, 2], [1, 0]])
    >>> tabulate_dense(ring, np.zeros((2, 3, 3)), np.zeros(2)).dense.factor.shape    # direction, neighbour, value
    (2, 3, 2)
    """
    neighbors, bonds, field, frozen, mobile = checked(neighbors, bonds, field, frozen, mobile, kT)
    heat_bath = _is_heat_bath(law)
    factor = np.ascontiguousarray(np.exp(-bonds[:, :mobile].transpose(0, 2, 1)))
    dense = Dense(neighbors, heat_bath, np.exp(-field[:mobile]), factor, np.empty(mobile))
    return Changes(neighbors, frozen, len(field), mobile, dense, None)


def tabulate_sparse(
    neighbors, bonds, field, frozen=None, *, mobile=None, kT: float = 1.0, law: Law = "heat_bath"
) -> Changes:
    """As :func:`tabulate`, for bonds that never repel: a site costs as much as its neighbours have partners.

    Raises:
        ValueError: also if a bond of a mobile value repels.

    >>> ring = np.array([[2, 1], [0, 2], [1, 0]])
    >>> tabulate_sparse(ring, np.zeros((2, 3, 3)), np.zeros(2)).sparse.partner.size
    0
    """
    neighbors, bonds, field, frozen, mobile = checked(neighbors, bonds, field, frozen, mobile, kT)
    heat_bath = _is_heat_bath(law)
    seen = bonds[:, :mobile].transpose(0, 2, 1)  # direction, neighbour, value
    if np.any(seen > 0):
        raise ValueError("the sparse tables need bonds that attract or are zero; use tabulate_dense for repulsive ones")
    direction, near, partner = np.nonzero(seen)
    starts = np.searchsorted(direction * seen.shape[1] + near, np.arange(seen.shape[0] * seen.shape[1] + 1))
    weight = np.exp(-field[:mobile])
    longest = np.diff(starts).reshape(seen.shape[:2]).max(axis=1).sum()
    sparse = Sparse(
        neighbors, heat_bath, weight, seen.shape[1], starts.astype(np.int32), partner.astype(np.int32),
        np.exp(-seen[direction, near, partner]), **_background(weight, heat_bath),
        found=np.empty(longest + 1, np.int32), at=np.zeros(mobile, np.int32), product=np.empty(longest + 1),
    )  # fmt: skip
    return Changes(neighbors, frozen, len(field), mobile, None, sparse)


def _background(weight, heat_bath) -> dict:
    """Bare weights sorted into levels, and their sums."""
    order = np.argsort(-weight, kind="stable")
    place = np.argsort(order)
    level, first, size = np.unique(-weight[order], return_index=True, return_counts=True)
    level = -level
    level_of = np.repeat(np.arange(len(level)), size)[place]
    caps = np.full_like(level, np.inf) if heat_bath else level
    others = size - np.eye(len(level), dtype=int)
    alone = np.sum(others * np.minimum(caps[:, None], level), axis=1)
    return {
        "order": order.astype(np.int32), "place": place.astype(np.int32), "level": level,
        "level_start": np.append(first, len(weight)).astype(np.int32), "level_of": level_of.astype(np.int32),
        "suffix": np.append(np.cumsum((size * level)[::-1])[::-1], 0.0), "alone": alone[level_of],
    }  # fmt: skip


def _is_heat_bath(law: str) -> bool:
    if law not in ("metropolis", "heat_bath"):
        raise ValueError(f"law is metropolis or heat_bath, not {law!r}")
    return law == "heat_bath"


def checked(neighbors, bonds, field, frozen, mobile, kT):
    """The arguments of :func:`tabulate` as arrays, energies in kT.

    Raises:
        ValueError: as :func:`tabulate`.
    """
    neighbors, field = np.ascontiguousarray(neighbors, np.int32), np.asarray(field, float) / kT
    bonds, (sites, directions), q = np.asarray(bonds, float) / kT, neighbors.shape, len(field)
    frozen = np.zeros(sites, bool) if frozen is None else np.asarray(frozen, bool)
    mobile = q if mobile is None else mobile
    if directions % 2 or bonds.shape != (directions, q + 1, q + 1) or frozen.shape != (sites,):
        raise ValueError(
            f"{sites} sites with {directions} directions and {q} values need an even number of directions, bonds of "
            f"shape {(directions, q + 1, q + 1)} and frozen of shape {(sites,)}; got {bonds.shape} and {frozen.shape}"
        )
    if not 2 <= mobile <= q:
        raise ValueError(f"mobile must be 2 to {q}, got {mobile}")
    if not np.array_equal(bonds, bonds[np.arange(directions) ^ 1].transpose(0, 2, 1)):
        raise ValueError("a bond has one energy, seen from either end: bonds[k, w, v] must equal bonds[k ^ 1, v, w]")
    largest = np.abs(bonds).max(axis=(1, 2)).sum() + np.abs(field).max()
    if not largest < LARGEST_EXPONENT:
        raise ValueError(f"energies reach {largest:g} kT; the limit is {LARGEST_EXPONENT:g} kT")
    if (q + 1) ** (directions // 2 + 1) >= 2**64:
        raise ValueError(f"{q} values are too many for {directions} directions")
    return neighbors, bonds, field, frozen, mobile


class Workspace(NamedTuple):
    """What a run needs besides its tables: sites with the wall behind them, what is frozen, sums, remembered rates."""

    dense: Dense | None
    sparse: Sparse | None
    memo: Memo
    neighbors: np.ndarray
    frozen: np.ndarray
    sites: np.ndarray
    tree: np.ndarray


def workspace(tables: Changes, sites) -> Workspace:
    """Fresh working memory with all sums made, so that runs may share tables.

    Raises:
        ImportError: if numba is missing.
        ValueError: if the sites do not fit the tables.
    """
    kernels = require_numba()
    n, sites = len(tables.frozen), np.asarray(sites)
    if sites.shape != (n,) or sites.min() < 0 or sites.max() >= tables.values:
        raise ValueError(f"sites must be {n} values in 0 … {tables.values - 1}, got shape {sites.shape}")
    bits = max(1, int(n - 1).bit_length())
    slots = min(max(bits + 2, 6), LARGEST_MEMO)
    memo = Memo(
        np.uint64(tables.values + 1), np.uint64(64 - slots),
        np.full((1 << slots, 2), np.iinfo(np.uint64).max), np.empty(1 << slots),
    )  # fmt: skip
    dense, sparse = tables.dense, tables.sparse
    if dense is not None:
        dense = dense._replace(product=np.empty_like(dense.product))
    if sparse is not None:
        scratch = {"found": sparse.found, "at": sparse.at, "product": sparse.product}
        sparse = sparse._replace(**{name: np.zeros_like(array) for name, array in scratch.items()})
    frozen = tables.frozen | (sites >= tables.mobile)
    work = Workspace(
        dense, sparse, memo, tables.neighbors, frozen,
        np.append(sites, tables.values).astype(np.int32), np.zeros(2 << bits),
    )  # fmt: skip
    kernels.fill_changes(*work)
    return work


def require_numba():
    """The compiled loops; only here is numba imported.

    Raises:
        ImportError: with what to install, if numba is missing.
    """
    from matterlearn.dynamics import _nfold_kernels

    if _nfold_kernels.numba is None:
        raise ImportError('rejection-free dynamics is compiled by numba; run: pip install "matterlearn[fast]"')
    return _nfold_kernels


def site_rates(tables: Changes, sites: Int[np.ndarray, " site"]) -> Float[np.ndarray, " site"]:
    """Total rate of change of every site, 1/attempt time.

    >>> import pytest; numba = pytest.importorskip("numba")
    >>> ring = np.array([[2, 1], [0, 2], [1, 0]])
    >>> site_rates(tabulate(ring, np.zeros((2, 3, 3)), np.zeros(2)), np.zeros(3)).tolist()
    [0.5, 0.5, 0.5]
    """
    tree = workspace(tables, sites).tree
    return tree[len(tree) // 2 :][: len(tables.frozen)].copy()


def run_events(tables: Changes, chain: Chain, events: int, max_time: float = np.inf) -> tuple[Chain, int]:
    """Run until ``events`` events are done or the next would come after ``max_time``.

    The chain keeps the time of its last event; its sites are the state at ``max_time`` (or at that event). To
    average over time, stop at equally spaced times.

    Args:
        tables: of :func:`tabulate`.
        chain: of :func:`start` or of an earlier run.
        events: how many at most.
        max_time: latest time of an event.

    Returns:
        The chain afterwards, and how many events it went through (fewer than ``events`` only if ``max_time`` was
        reached or nothing can change any more).

    Raises:
        ImportError: if numba is missing.
        ValueError: if the sites do not fit the tables.

    >>> import pytest; numba = pytest.importorskip("numba")
    >>> ring = np.array([[2, 1], [0, 2], [1, 0]])
    >>> free = tabulate(ring, np.zeros((2, 3, 3)), np.zeros(2))
    >>> chain, executed = run_events(free, start(np.zeros(3), (0, 1)), 10)
    >>> executed, chain.time > 0
    (10, True)
    """
    work, rng = workspace(tables, chain.sites), chain.rng.copy()
    time, executed = require_numba().run_changes(*work, rng, float(chain.time), int(events), float(max_time))
    return Chain(work.sites[:-1].copy(), time, rng), executed
