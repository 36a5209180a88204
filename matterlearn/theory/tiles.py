"""Tiles with directional bonds on the square lattice: coupling lists and the exact corner ambiguity.

Model and memories are those of `assembly`, which also holds the window of the tile cost, the gas
density, shared and distinct bonds, the mean-field ambiguity and its recount. Here are the couplings
themselves, as a lattice simulation needs them, and exact expectations.

An ordered pair (A, B) of species is horizontal if B sits right of A in a memory, vertical if B sits
above A. Union rule: a pair stored in at least one of the m memories binds with -eps. Sum rule: a
pair stored in q memories binds with -q eps.

A *corner* is a site whose left and lower neighbours are the correct tiles of one memory. Any other
species that makes both bonds there can start a chimera.

| symbol | meaning | unit |
| --- | --- | --- |
| l, M = l^2, m | side of a memory, species, memories | 1 |
| eps | strength of one bond | kT |

Source: model of [murugan2015multifarious]; expectations over independent uniform permutations are
    derived below and checked against all permutations.
Limits: full-size square memories; tiles do not rotate.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from matterlearn.theory.assembly import bond_counts


class DirectedPairs(NamedTuple):
    """Ordered pairs of species in one direction, and how many memories store each of them.

    `first` is the left or lower tile, `second` the right or upper one; sorted, without repetition.
    """

    first: Int[np.ndarray, " pair"]
    second: Int[np.ndarray, " pair"]
    multiplicity: Int[np.ndarray, " pair"]


class TileBonds(NamedTuple):
    """All stored bonds; horizontal and vertical ones are never mixed."""

    horizontal: DirectedPairs
    vertical: DirectedPairs


def stored_bonds(memories: Int[np.ndarray, "memory row column"]) -> TileBonds:
    """Lists of the ordered pairs that the memories store, with their multiplicities q.

    The union rule reads the pairs, the sum rule the multiplicities too.

    Args:
        memories: species at [memory, row, column]; rows go upwards, columns to the right.

    Returns:
        `TileBonds`, as long as the number of distinct pairs.

    >>> two = np.array([[[0, 1], [2, 3]], [[0, 1], [3, 2]]])
    >>> stored_bonds(two).horizontal.multiplicity.tolist()      # 0-1 twice, 2-3 and 3-2 once
    [2, 1, 1]
    """
    horizontal = memories[:, :, :-1], memories[:, :, 1:]
    vertical = memories[:, :-1, :], memories[:, 1:, :]
    return TileBonds(_distinct(*horizontal), _distinct(*vertical))


def _distinct(first, second) -> DirectedPairs:
    pairs = np.stack([first.ravel(), second.ravel()], axis=1)
    distinct, multiplicity = np.unique(pairs, axis=0, return_counts=True)
    return DirectedPairs(distinct[:, 0], distinct[:, 1], multiplicity)


def union_couplings(memories: Int[np.ndarray, "memory side side"], eps) -> Float[np.ndarray, "2 M M"]:
    """Bond energies of the union rule, -eps for a pair that any memory stores, else 0 [kT].

    [0, a, b] for b right of a, [1, a, b] for b above a.

    >>> float(union_couplings(np.array([[[0, 1], [2, 3]]] * 2), 5.0).sum())
    -20.0
    """
    return -eps * (bond_counts(memories) > 0).astype(float)


def sum_couplings(memories: Int[np.ndarray, "memory side side"], eps) -> Float[np.ndarray, "2 M M"]:
    """Bond energies of the sum rule, -q eps for a pair that q memories store [kT].

    [0, a, b] for b right of a, [1, a, b] for b above a.

    >>> float(sum_couplings(np.array([[[0, 1], [2, 3]]] * 2), 5.0).sum())
    -40.0
    """
    return -eps * bond_counts(memories).astype(float)


def partner_probability(side: int) -> float:
    """Probability that a random memory stores a given ordered pair in a given direction.

    l (l - 1) places of M (M - 1), i.e. 1/(l (l + 1)).

    >>> partner_probability(4)
    0.05
    """
    return 1.0 / (side * (side + 1))


def exact_corner_ambiguity(side: int, memories: int) -> float:
    """Mean over independent random memories of the wrong species that make both bonds at a corner.

    (M - 3) [1 - 2 (1 - p)^(m-1) + (1 - 2p + p_2)^(m-1)],   p = 1/(l (l + 1)),
    p_2 = (l - 1)^2 / (M (M - 1)(M - 2)).

    A wrong species is neither the correct one nor one of the two neighbours, since none binds itself.
    It misses the horizontal bond in all m - 1 other memories with probability (1 - p)^(m-1), likewise
    the vertical one, and both with (1 - 2p + p_2)^(m-1): p_2 is the chance that one memory supplies
    both bonds. The mean-field form a^2/M of `assembly.corner_ambiguity` lies within 3 % for M >= 100.

    Args:
        side: l >= 2.
        memories: m >= 1.

    Returns:
        Mean of `assembly.measured_corner_ambiguity`.

    >>> exact_corner_ambiguity(20, 1)
    0.0
    >>> round(exact_corner_ambiguity(20, 8), 4)
    0.1088
    """
    species, others = side * side, memories - 1
    p = partner_probability(side)
    both = (side - 1) ** 2 / (species * (species - 1) * (species - 2))
    hit = -2.0 * np.expm1(others * np.log1p(-p)) + np.expm1(others * np.log1p(both - 2 * p))
    return float((species - 3) * hit)


def sparse_corner_ambiguity(species: float, memories: float) -> float:
    """Corner ambiguity for m << M, ((m - 1)(1 - 1/l))^2 / M: no partner is repeated.

    Args:
        species: M; any real number, as scaling arguments need.
        memories: m; likewise.

    >>> round(sparse_corner_ambiguity(400, 20), 3)
    0.815
    """
    return float(((memories - 1) * (1 - 1 / np.sqrt(species))) ** 2 / species)


def corner_capacity(side: int, ambiguity: float = 1.0) -> float:
    """Number of memories at which corners have the given ambiguity, 1 + sqrt(ambiguity M)/(1 - 1/l).

    Inverse of `sparse_corner_ambiguity`; grows as M^(1/2).

    >>> round(corner_capacity(20), 3)
    22.053
    """
    return float(1 + np.sqrt(ambiguity) * side / (1 - 1 / side))


def weakest_bond(memories: int) -> float:
    """Bond strength eps = ln(4 m) [kT] below which no tile cost retrieves.

    There the window eps + ln(4 m) < mu < 2 eps of `assembly.chemical_potential_window` closes.

    >>> round(weakest_bond(4), 4)
    2.7726
    """
    return float(np.log(4 * memories))


def ungrown_error(side: int, seed: int) -> float:
    """Wrong fraction of the footprint when a square seed does not grow, 1 - (seed/l)^2.

    >>> ungrown_error(20, 10)
    0.75
    """
    return 1 - (seed / side) ** 2
