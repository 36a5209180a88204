"""Couplings written by linkers: how they grow with time, and what bond a linker reservoir makes.

Learning. A linker population L_ij (the bond energy is E_ij = -L_ij, so more linkers means stickier)
obeys

    dL_ij/dt = eta q_ij - lambda L_ij,        q_ij = <C_i C_j>,

with the co-localisation q_ij of species i and j in the pattern being shown. Everything below
integrates this law, or its saturating form, exactly.

Binding. Ideal linkers with two different ends in a grand-canonical reservoir make the pair energy

    exp(-U_ij/kT) = 1 + z K_i K_j chi / [(1 + z K_i)(1 + z K_j)],

which is proportional to z only while z K << 1, is strongest at z K = 1, and vanishes again in
excess linker (the hook).

| symbol | unit |
| --- | --- |
| L, U | kT |
| eta q | kT / time |
| lambda | 1 / time |
| z | linker number density times the standard volume (dimensionless) |
| K | dimensionless affinity at unit fugacity |
| chi | dimensionless bridging weight (0 beyond the linker's reach) |

Source: direct integration, and the two-site partition function (`enumerate_two_sites` repeats it by
    brute force); the general multivalent theory is [angioletti2013communication].
Limits: one site per particle, ideal linkers, reservoir never depleted; `competing_bond_energy` is a
    pair energy, so three particles sharing one site are not covered.
"""

from itertools import product
from typing import NamedTuple

import numpy as np
from jaxtyping import Float


def stationary_coupling(rate, correlation, decay):
    """Coupling at which growth and decay balance, J* = eta q / lambda.

    Args:
        rate: eta, learning rate [kT/time].
        correlation: q, co-localisation of the pair (any shape).
        decay: lambda > 0 [1/time].

    Returns:
        J* [kT], the shape of `correlation`.

    >>> stationary_coupling(0.5, 1.0, 0.25)
    2.0
    """
    return rate * correlation / decay


def coupling_flow(time, *, rate, correlation, decay, initial=0.0):
    """Coupling while one pattern is held, J0 e^(-lambda t) + eta q (1 - e^(-lambda t))/lambda.

    Args:
        time: t (broadcasts against the couplings).
        rate: eta [kT/time].
        correlation: q of the pattern shown.
        decay: lambda >= 0 [1/time]; zero gives the plain sum J0 + eta q t.
        initial: J0 [kT].

    Returns:
        J(t) [kT].

    >>> float(coupling_flow(3.0, rate=0.5, correlation=1.0, decay=0.0))
    1.5
    >>> round(float(coupling_flow(40.0, rate=0.5, correlation=1.0, decay=0.5)), 6)
    1.0
    """
    time = np.asarray(time, dtype=float)
    return initial * np.exp(-decay * time) + rate * correlation * _relaxed_time(time, decay)


def _relaxed_time(time, decay):
    """(1 - e^(-decay t)) / decay, and its limit t where decay is zero."""
    decay = np.asarray(decay, dtype=float)
    safe = np.where(decay == 0, 1.0, decay)
    return np.where(decay == 0, time, -np.expm1(-safe * time) / safe)


def rotation_coupling(rate, correlations: Float[np.ndarray, "memory ..."], decay):
    """Stationary coupling under m patterns in equal, fast rotation, (eta/lambda) mean_k q_k.

    Args:
        rate: eta [kT/time].
        correlations: q_k of each pattern, memories first.
        decay: lambda [1/time].

    Returns:
        J* [kT], without the memory axis.

    Limits: the period of the rotation must be short against 1/lambda.

    >>> rotation_coupling(1.0, np.array([[1.0, 0.0], [0.0, 1.0]]), 0.5).tolist()
    [1.0, 1.0]
    """
    return rate * np.mean(correlations, axis=0) / decay


def forgetting_weights(count: int, gap: float, decay: float) -> Float[np.ndarray, " count"]:
    """Weight of the k-th most recent pattern of a sequence at spacing tau, e^(-lambda tau k).

    >>> forgetting_weights(3, gap=1.0, decay=float(np.log(2))).round(3).tolist()
    [1.0, 0.5, 0.25]
    """
    return np.exp(-decay * gap * np.arange(count))


def sequential_coupling(correlations: Float[np.ndarray, "memory ..."], *, rate, decay, duration):
    """Coupling after patterns 0..m-1 were each held for one duration tau, oldest first.

    J = eta (1 - e^(-lambda tau))/lambda * sum_k q_(m-1-k) e^(-lambda tau k); exact for any lambda
    tau.

    Args:
        correlations: q_k in the order shown.
        rate: eta [kT/time].
        decay: lambda >= 0 [1/time].
        duration: tau, the time each pattern is held; there is no pause between patterns.

    Returns:
        J [kT], without the memory axis.

    >>> sequential_coupling(np.eye(2), rate=1.0, decay=0.0, duration=2.0).tolist()
    [2.0, 2.0]
    """
    correlations = np.asarray(correlations, dtype=float)
    weights = forgetting_weights(len(correlations), duration, decay)[::-1]
    return rate * _relaxed_time(duration, decay) * np.tensordot(weights, correlations, axes=1)


def saturating_stationary(rate, correlation, decay, maximum):
    """Stationary linker number under dL/dt = eta q (1 - L/Lmax) - lambda L.

    L* = eta q Lmax / (eta q + lambda Lmax): linear in q while eta q << lambda Lmax, Lmax beyond.

    >>> saturating_stationary(1.0, 4.0, 0.5, 8.0)
    4.0
    """
    drive = rate * correlation
    return drive * maximum / (drive + decay * maximum)


def saturating_flow(time, *, rate, correlation, decay, maximum, initial=0.0):
    """Linker number at time t under the saturating law; exact, because the law is linear in L.

    L(t) = L0 e^(-r t) + eta q (1 - e^(-r t))/r with r = eta q / Lmax + lambda.

    Args:
        time: t.
        rate: eta [kT/time].
        correlation: q.
        decay: lambda >= 0 [1/time].
        maximum: Lmax [kT]; infinity recovers `coupling_flow`.
        initial: L0 [kT].

    Returns:
        L(t) [kT]; the bond energy is -L(t).

    >>> round(float(saturating_flow(1e3, rate=1.0, correlation=4.0, decay=0.5, maximum=8.0)), 9)
    4.0
    """
    drive = rate * correlation
    relaxation = drive / maximum + decay
    time = np.asarray(time, dtype=float)
    return initial * np.exp(-relaxation * time) + drive * _relaxed_time(time, relaxation)


def linker_bond_energy(fugacity, affinity_i, affinity_j, chi):
    """Pair energy made by linkers with one end for i and one end for j [kT].

    U = -ln(1 + z K_i K_j chi / [(1 + z K_i)(1 + z K_j)]).

    Args:
        fugacity: z of the linker.
        affinity_i: K_i.
        affinity_j: K_j.
        chi: bridging weight at the pair's separation, zero out of reach.

    Returns:
        U <= 0 [kT].

    >>> round(float(linker_bond_energy(1.0, 1.0, 1.0, 4.0)), 6)    # -ln(1 + K chi / 4)
    -0.693147
    """
    crowding = (1.0 + fugacity * affinity_i) * (1.0 + fugacity * affinity_j)
    return -np.log1p(fugacity * affinity_i * affinity_j * chi / crowding)


def hebbian_bond_energy(fugacity, affinity_i, affinity_j, chi):
    """Dilute-linker limit of the bond, U = -z K_i K_j chi [kT]: a coupling *is* a linker number.

    Limits: needs z K << 1 and z K_i K_j chi << 1.

    >>> hebbian_bond_energy(0.01, 1.0, 1.0, 2.0)
    -0.02
    """
    return -fugacity * affinity_i * affinity_j * chi


def optimal_fugacity(affinity_i, affinity_j):
    """Fugacity of the strongest bond, z = 1/sqrt(K_i K_j); equal affinities give z K = 1.

    Independent of chi. Beyond it the bond weakens: both sites fill with linkers of their own.

    >>> float(optimal_fugacity(4.0, 4.0))
    0.25
    """
    return 1.0 / np.sqrt(np.asarray(affinity_i, dtype=float) * affinity_j)


def strongest_bond_energy(affinity_i, affinity_j, chi):
    """Deepest bond any linker concentration can make [kT]; -ln(1 + K chi/4) for equal affinities K.

    In general U = -ln(1 + chi K_i K_j / (sqrt(K_i) + sqrt(K_j))^2).

    >>> round(float(strongest_bond_energy(2.0, 2.0, 6.0)), 6) == round(-float(np.log(4)), 6)
    True
    """
    root = np.sqrt(np.asarray(affinity_i, dtype=float)) + np.sqrt(affinity_j)
    return -np.log1p(chi * affinity_i * affinity_j / root**2)


def competing_bond_energy(
    fugacity: Float[np.ndarray, "species species"],
    affinity: Float[np.ndarray, " species"],
    chi,
) -> Float[np.ndarray, "species species"]:
    """Pair energies when one site per particle is shared by the linkers to every partner.

    exp(-U_ij) = 1 + z_ij K_i K_j chi / (A_i A_j),   A_i = 1 + K_i sum_k z_ik.

    The row sum normalises the couplings of a species: a new memory weakens the older ones even
    without decay.

    Args:
        fugacity: symmetric z_ij >= 0 of the linker with ends i and j. A linker with two equal ends
            may bind either way round, as a dangler and as a bridge alike; that factor 2 is part of
            z_ii.
        affinity: K_i of a site for its end.
        chi: bridging weight, scalar or [species, species].

    Returns:
        U_ij [kT].

    Raises:
        ValueError: if `fugacity` is not square and symmetric.

    >>> z = np.array([[0.0, 1.0], [1.0, 0.0]])
    >>> energy = competing_bond_energy(z, np.ones(2), 4.0)    # one linker: linker_bond_energy
    >>> round(float(energy[0, 1]), 6)
    -0.693147
    """
    fugacity, affinity = np.asarray(fugacity, dtype=float), np.asarray(affinity, dtype=float)
    if fugacity.shape != (len(affinity),) * 2 or not np.allclose(fugacity, fugacity.T):
        raise ValueError(
            f"fugacity must be symmetric of shape {(len(affinity),) * 2}, got {fugacity.shape}; "
            "average it with its transpose or give one row and column per affinity."
        )
    occupancy = 1.0 + affinity * fugacity.sum(axis=1)
    bridge = fugacity * np.outer(affinity, affinity) * chi
    return -np.log1p(bridge / np.outer(occupancy, occupancy))


class SitePair(NamedTuple):
    """Exact result for two facing sites: pair energy [kT] and mean numbers of linkers."""

    energy: float
    dangling_i: float
    dangling_j: float
    bridges: float


def enumerate_two_sites(fugacity, affinity, i: int, j: int, chi: float) -> SitePair:
    """Sum over every occupation of two facing sites: empty, one dangling linker, or a bridge.

    A dangling linker i-k weighs z_ik K_i, a bridge z_ij K_i K_j chi. The energy is -ln(Z /
    Z_apart), Z_apart having no bridge. This is the brute-force check of `competing_bond_energy` and
    of the single-linker bond.

    Args:
        fugacity: symmetric z [species, species].
        affinity: K [species].
        i: species of the first site.
        j: species of the second site.
        chi: bridging weight.

    Returns:
        The pair energy and the mean number of danglers on each site and of bridges.

    >>> pair = enumerate_two_sites([[0.0, 1.0], [1.0, 0.0]], [1.0, 1.0], 0, 1, 4.0)
    >>> round(pair.energy, 6), pair.bridges
    (-0.693147, 0.5)
    """
    fugacity, affinity = np.asarray(fugacity, dtype=float), np.asarray(affinity, dtype=float)
    choices = [None, *range(len(affinity))]
    states = []
    for left, right in product(choices, choices):
        weight = 1.0 if left is None else fugacity[i, left] * affinity[i]
        weight *= 1.0 if right is None else fugacity[j, right] * affinity[j]
        states.append((weight, left is not None, right is not None, 0))
    apart = sum(state[0] for state in states)
    states.append((fugacity[i, j] * affinity[i] * affinity[j] * chi, 0, 0, 1))
    weights = np.array([state[0] for state in states])
    numbers = np.array([state[1:] for state in states], dtype=float)
    mean = weights @ numbers / weights.sum()
    return SitePair(float(-np.log(weights.sum() / apart)), *(float(value) for value in mean))
