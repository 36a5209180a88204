"""Multifarious assembly: the retrieval window, ambiguity of growth corners, shared bonds.

Model: M = l*l species, m stored structures, each an independent random permutation on an open l x l
    square; bonds are directional (right and up neighbours kept apart); a stored bond has energy
    -eps (union) or -q eps (sum, q = number of memories holding it); a tile costs mu, so at one site
    a species making k bonds weighs e^{(k eps - mu)/kT} against 1 for the empty site. Energies in
    kT.

Source: [murugan2015multifarious] for the model; counting arguments below, each checked by
    recounting random memories.
Limits: lattice arguments; random, full-size memories; corrections from bulk chimeras and slow
    growth are not included.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int


class Window(NamedTuple):
    """Bounds between which a seed grows and nothing else does."""

    lower: float
    upper: float


def chemical_potential_window(bond: float, memories: int) -> Window:
    """Useful cost of a tile: eps + ln(4 m) < mu < 2 eps [kT].

    Upper: two correct bonds at a growth corner must pay, 2 eps > mu, else the seed dissolves.
        Lower: about 4 m species can attach to an edge by one bond (m partners in each of four
        directions); their total weight 4 m e^{eps - mu} must stay below 1, else chimeras grow.

    Args:
        bond: eps > 0.
        memories: m.

    Returns:
        Window(lower, upper) in mu; empty if lower >= upper.

    >>> window = chemical_potential_window(10.0, 4)
    >>> round(window.lower, 3), window.upper
    (12.773, 20.0)
    """
    return Window(float(bond + np.log(4 * memories)), float(2 * bond))


def gas_density(cost, species: int):
    """Density of unbound tiles per site, M e^-mu/(1 + M e^-mu); a liquid once mu < ln M.

    >>> round(float(gas_density(np.log(400.0), 400)), 6)
    0.5
    """
    weight = species * np.exp(-np.asarray(cost, dtype=float))
    return weight / (1.0 + weight)


def effective_cost(concentration, bond_volume):
    """Cost of one particle, mu = -ln(c v_bond) [kT]: the map from particles to the lattice model.

    Derivation. A free particle of a species at concentration c has configuration weight 1/c per
    particle (its share of the volume, orientations normalised to 1). Held by one bond it has
    int_bond e^{-E/kT} dr dOmega/Omega_tot = e^{eps} v_bond, where eps is the depth of the bond and
    v_bond the room left by the Boltzmann factor measured from the bottom of the well. So

        (weight attached)/(weight free) = c v_bond e^{eps} = e^{eps - mu},      mu = -ln(c v_bond).

    For patchy discs v_bond is `dimer.patchy_pair(...).bond_volume` (it contains e^{lowest/kT}, so
    eps = -lowest). The same value of v_bond for the second bond is an approximation: closing a ring
    costs the particle less volume than the first bond did, and v_bond/v_two should be absorbed in
    eps when it matters.

    Args:
        concentration: c of one species [1/length^d].
        bond_volume: v_bond [length^d].

    Returns:
        mu [kT].

    >>> round(float(effective_cost(0.01, 0.01)), 3)
    9.21
    """
    return -np.log(np.asarray(concentration, dtype=float) * bond_volume)


def concentration_window(bond: float, memories: int, bond_volume: float) -> Window:
    """Concentrations per species for retrieval, e^{-2 eps}/v < c < e^{-eps}/(4 m v).

    The image of `chemical_potential_window` under `effective_cost`; same units as 1/bond_volume.

    >>> window = concentration_window(10.0, 4, 0.01)
    >>> bool(window.lower < window.upper)
    True
    """
    costs = chemical_potential_window(bond, memories)
    return Window(
        float(np.exp(-costs.upper) / bond_volume), float(np.exp(-costs.lower) / bond_volume)
    )


def partners(species: int, memories: int) -> float:
    """Expected number a of distinct wrong partners of a species in one direction.

    a = M (1 - (1 - 1/M)^{(m-1)(1 - 1/l)}), l = sqrt(M): each other memory offers a random partner
    unless the species sits on its border.

    >>> round(partners(400, 8), 3)
    6.603
    """
    others = (memories - 1) * (1 - 1 / np.sqrt(species))
    return float(species * (1 - (1 - 1 / species) ** others))


def corner_ambiguity(species: int, memories: int) -> float:
    """Expected number of wrong species making both bonds at a square growth corner, a^2/M.

    Of order one at m ~ sqrt(M): the capacity.

    >>> round(corner_ambiguity(400, 20), 3)
    0.781
    """
    return partners(species, memories) ** 2 / species


def capacity_exponent(coordination: int) -> float:
    """Exponent of m_c ~ M^{(z-2)/z}: a growth corner has z/2 bonds, so m^{z/2}/M^{z/2-1} ~ 1.

    >>> [round(capacity_exponent(z), 3) for z in (2, 4, 6)]
    [0.0, 0.5, 0.667]
    """
    return (coordination - 2) / coordination


def shared_bonds(side: int) -> float:
    """Mean number of oriented bonds that two random memories have in common, 2 (l - 1)/(l + 1).

    Each of the 2 l(l-1) bonds of one is in the other, same direction, with probability
    l(l-1)/(M(M-1)).

    >>> shared_bonds(5)
    1.3333333333333333
    """
    return 2 * (side - 1) / (side + 1)


def distinct_bonds(side: int, memories: int) -> float:
    """Expected number of different stored bonds, i.e. non-zero couplings of the union rule.

    2 M (M-1) (1 - (1-p)^m) with p = l(l-1)/(M(M-1)); the sum rule stores the same pairs with total
    weight 2 m l (l-1).

    >>> round(distinct_bonds(20, 1), 6)
    760.0
    """
    species = side**2
    pairs = species * (species - 1)
    return 2 * pairs * (1 - (1 - side * (side - 1) / pairs) ** memories)


def repeated_bond_fraction(side: int, memories: int) -> float:
    """Expected fraction of stored bonds held by two or more memories: where sum and union differ.

    ~ (m-1)/(2 M) for m << M. Mean of the numerator over mean of the denominator.

    >>> round(repeated_bond_fraction(20, 4) * 2 * 400 / 3, 1)
    1.0
    """
    species = side**2
    p = side * (side - 1) / (species * (species - 1))
    at_least_one = 1 - (1 - p) ** memories
    exactly_one = memories * p * (1 - p) ** (memories - 1)
    return float(1 - exactly_one / at_least_one)


def perfect_density(side: int, box: int) -> float:
    """Site density of one finished structure in an L x L box, (l/L)^2.

    >>> round(perfect_density(20, 30), 4)
    0.4444
    """
    return (side / box) ** 2


def random_memories(side: int, memories: int, seed: int) -> Int[np.ndarray, "memory side side"]:
    """Independent random permutations of the M = l*l species on the square, species index per site.

    >>> sorted(random_memories(3, 1, 0).ravel().tolist())
    [0, 1, 2, 3, 4, 5, 6, 7, 8]
    """
    generator = np.random.default_rng(seed)
    return np.stack([generator.permutation(side**2).reshape(side, side) for _ in range(memories)])


def bond_counts(memories: Int[np.ndarray, "memory side side"]) -> Int[np.ndarray, "2 M M"]:
    """Memories holding each oriented bond: [0, a, b] for b right of a, [1, a, b] for b above a.

    The sum rule is this array, the union rule is its clip to one.

    >>> int(bond_counts(random_memories(4, 3, 0)).sum())        # 2 m l (l - 1)
    72
    """
    species = memories[0].size
    counts = np.zeros((2, species, species), dtype=int)
    np.add.at(counts[0], (memories[:, :, :-1], memories[:, :, 1:]), 1)
    np.add.at(counts[1], (memories[:, :-1, :], memories[:, 1:, :]), 1)
    return counts


def measured_corner_ambiguity(
    memories: Int[np.ndarray, "memory side side"],
) -> Float[np.ndarray, " corner"]:
    """Wrong species making both bonds at each interior corner of the first memory, by recount.

    >>> measured_corner_ambiguity(random_memories(5, 1, 0)).tolist() == [0.0] * 16
    True
    """
    right, up = bond_counts(memories) > 0
    left_neighbour, lower_neighbour = memories[0, 1:, :-1], memories[0, :-1, 1:]
    fitting = right[left_neighbour] & up[lower_neighbour]
    return (fitting.sum(axis=-1) - 1.0).ravel()
