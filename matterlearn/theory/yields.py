"""Yield of addressable structures from partition functions and mass action.

A complete cluster of n particles, rigid and small in amplitude, has the configuration integral per
volume

    Z_n/V = e^{-E_0/kT} n^{3/2} prod' sqrt(2 pi kT/lambda) * 8 pi^2 sqrt(det I) / sigma,

with lambda the 3n - 6 non-zero eigenvalues of the Hessian at the minimum. With K =
(Z_n/V)/(Z_1/V)^n mass action reads

    one kind of monomer:    c_1 + n K c_1^n = c,        n kinds at c each:   c_s + K c_s^n = c.

A finite batch of N + N complementary bodies is summed exactly (`heterodimer_yield`).

Units: energy kT, length arbitrary but one throughout, concentration 1/length^3.
Source: [curatolo2023computational]; formulas are standard statistical mechanics. The convention
    behind that work's table for 60 spheres is kept apart in `published_shell_log_constant`, with
    its differences spelled out.
Limits: only the monomer and the complete cluster are populated (no intermediates); classical;
    harmonic.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq, fsolve
from scipy.special import gammaln, logsumexp

ZERO_MODE = 1e-8  # Hessian eigenvalues below this are rigid motions


def _rotation(axis, angle):
    axis = np.asarray(axis, dtype=float) / np.linalg.norm(axis)
    cross = np.cross(np.eye(3), axis)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


@lru_cache
def icosahedral_rotations() -> Float[np.ndarray, "60 3 3"]:
    """The 60 rotations of the icosahedron, generated from a five-fold and a three-fold turn.

    >>> icosahedral_rotations().shape
    (60, 3, 3)
    """
    golden = (1 + np.sqrt(5)) / 2
    generators = [_rotation([0, 1, golden], 2 * np.pi / 5), _rotation([1, 1, 1], 2 * np.pi / 3)]
    group = [np.eye(3)]
    for element in group:
        for generator in generators:
            product = element @ generator
            if all(np.abs(product - known).max() > 1e-9 for known in group):
                group.append(product)
    return np.array(group)


@lru_cache
def snub_dodecahedron() -> Float[np.ndarray, "60 3"]:
    """Sixty points on the unit sphere, one orbit of the rotations, all 150 edges equal.

    The point is placed where its images under neighbouring two-, three- and five-fold turns are
    equally far; edge 0.463857, smallest angle 26.82 degrees. It is the best packing with
    icosahedral symmetry used for 60 addressable spheres.

    >>> points = snub_dodecahedron()
    >>> distance = np.linalg.norm(points[:, None] - points[None], axis=-1)
    >>> touching = (distance > 0) & (distance < 0.5)
    >>> int(touching.sum() // 2), round(float(distance[touching].max()), 6)
    (150, 0.463857)
    """
    golden = (1 + np.sqrt(5)) / 2
    # corners of one fundamental triangle: a five-fold, a three-fold and a two-fold axis
    five = np.array([0.0, 1.0, golden]) / np.linalg.norm([1.0, golden])
    three = np.ones(3) / np.sqrt(3)
    two = np.array([1.0, golden**2, golden]) / np.linalg.norm([1.0, golden**2, golden])
    turns = [_rotation(five, 2 * np.pi / 5), _rotation(three, 2 * np.pi / 3), _rotation(two, np.pi)]

    def point(weights):
        mixed = weights[0] * five + weights[1] * three + (1 - weights[0] - weights[1]) * two
        return mixed / np.linalg.norm(mixed)

    def mismatch(weights):
        where = point(weights)
        lengths = [np.linalg.norm(turn @ where - where) for turn in turns]
        return [lengths[0] - lengths[2], lengths[1] - lengths[2]]

    start = point(fsolve(mismatch, [0.3, 0.3], xtol=1e-13))
    return icosahedral_rotations() @ start


def switched_morse(distance, *, depth, alpha, rest, cutoff):
    """Morse energy faded to zero at the cutoff by a factor that starts at r = 0, and derivatives.

    U(r) = D0 (e^{-2a(r-r0)} - 2 e^{-a(r-r0)}) S(r), S = (rc^2 - r^2)^2 (rc^2 + 2 r^2)/rc^6.

    Because S < 1 already at the rest length, the bond is weaker than D0 and pulled inwards there.

    Args:
        distance: r.
        depth: D0 [kT].
        alpha: a [1/length].
        rest: r0, minimum of the bare Morse.
        cutoff: rc.

    Returns:
        U, U', U''.

    >>> bond = switched_morse(0.463857, depth=1.0, alpha=5.0, rest=0.463857, cutoff=0.75)
    >>> [round(float(x), 4) for x in bond]
    [-0.673, 2.3373, 42.5232]
    """
    decay = np.exp(-alpha * (distance - rest))
    bare = depth * (decay**2 - 2 * decay)
    bare_slope = 2 * depth * alpha * (decay - decay**2)
    bare_curvature = 2 * depth * alpha**2 * (2 * decay**2 - decay)
    square, edge = distance**2, cutoff**2
    fade = (edge - square) ** 2 * (edge + 2 * square) / edge**3
    fade_slope = -12 * distance**3 * (edge - square) / edge**3
    fade_curvature = 12 * square * (5 * square - 3 * edge) / edge**3
    return (
        bare * fade,
        bare_slope * fade + bare * fade_slope,
        bare_curvature * fade + 2 * bare_slope * fade_slope + bare * fade_curvature,
    )


def pair_hessian(
    position: Float[np.ndarray, "n d"], bonds, slope, curvature
) -> Float[np.ndarray, "nd nd"]:
    """Hessian of a sum of central pair energies: U'' along each bond and U'/r across it.

    Args:
        position: coordinates.
        bonds: (first, second) index arrays.
        slope: U' of each bond.
        curvature: U'' of each bond.

    Returns:
        The Hessian, particles major.

    >>> pair = np.array([[0.0, 0.0], [2.0, 0.0]])
    >>> H = pair_hessian(pair, ([0], [1]), np.array([1.0]), np.array([3.0]))
    >>> H[:2, :2].tolist()
    [[3.0, 0.0], [0.0, 0.5]]
    """
    first, second = (np.asarray(side) for side in bonds)
    n, dim = position.shape
    gap = position[first] - position[second]
    length = np.linalg.norm(gap, axis=1)
    direction = gap / length[:, None]
    along = direction[:, :, None] * direction[:, None, :]
    tension = (slope / length)[:, None, None]
    blocks = curvature[:, None, None] * along + tension * (np.eye(dim) - along)
    hessian = np.zeros((n, n, dim, dim))
    corners = (first, first, 1), (second, second, 1), (first, second, -1), (second, first, -1)
    for a, b, sign in corners:
        np.add.at(hessian, (a, b), sign * blocks)
    return hessian.transpose(0, 2, 1, 3).reshape(n * dim, n * dim)


def cluster_log_constant(
    position: Float[np.ndarray, "n 3"],
    hessian: Float[np.ndarray, "3*n 3*n"],
    energy: float,
    *,
    symmetry_number: int,
    kT: float = 1.0,
) -> float:
    """ln K of assembling n point particles into one rigid cluster (K in length^{3(n-1)}).

    ln K = -E_0/kT + (3/2) ln n + sum' ln(2 pi kT/lambda)/2 + ln(8 pi^2 sqrt(det I)) - ln sigma,
    with Z_1/V = 1. The n^{3/2} turns the normalised centre-of-mass coordinate into a volume. One
    enantiomer is counted.

    Args:
        position: the minimum, unit masses.
        hessian: at the minimum [kT_ref/length^2].
        energy: E_0 [kT_ref].
        symmetry_number: sigma; 1 if all particles are distinguishable.
        kT: temperature.

    Raises:
        ValueError: unless exactly six eigenvalues vanish and the rest are positive (not a rigid
            minimum).

    >>> trimer = np.array([[-0.5, 0.0, 0.0], [0.5, 0.0, 0.0], [0.0, np.sqrt(0.75), 0.0]])
    >>> links = ([0, 1, 0], [1, 2, 2])
    >>> H = pair_hessian(trimer, links, np.zeros(3), np.full(3, 500.0))
    >>> K = np.exp(cluster_log_constant(trimer, H, -15.0, symmetry_number=1))
    >>> exact = np.exp(15.0) * 8 * np.pi**2 * (2 * np.pi / 500.0) ** 1.5  # int 8 pi^2 abc da db dc
    >>> round(float(K / exact), 9)
    1.0
    """
    modes = np.linalg.eigvalsh(hessian)
    soft = np.abs(modes) < ZERO_MODE * np.abs(modes).max()
    if soft.sum() != 6 or np.any(modes[~soft] < 0):
        raise ValueError(
            f"the cluster is not a rigid minimum: {soft.sum()} zero modes (need 6), "
            f"{np.sum(modes[~soft] < 0)} negative; relax it first or add bonds."
        )
    centred = position - position.mean(axis=0)
    inertia = np.eye(3) * np.sum(centred**2) - centred.T @ centred
    vibration = 0.5 * np.sum(np.log(2 * np.pi * kT / modes[~soft]))
    rotation = np.log(8 * np.pi**2) + 0.5 * np.linalg.slogdet(inertia)[1]
    translation = 1.5 * np.log(len(position))
    return float(-energy / kT + translation + vibration + rotation - np.log(symmetry_number))


def published_shell_log_constant(
    depth: float, *, alpha: float = 5.0, cutoff: float = 0.75
) -> float:
    """ln K of the 60-sphere shell as published, kT = 1 [curatolo2023computational].

    The table rests on choices that a calculation for distinct point spheres would not make:

    1. the target is not a minimum of the switched Morse, which pulls all 150 bonds inwards, so the
       three rotations have a stiffness; they enter the vibrations (177 modes) and the rotations;
    2. two of the 177 eigenvalues are negative and enter by absolute value;
    3. each free sphere carries an orientational 8 pi^2, a bound one does not;
    4. the factor n^{3/2} of the centre of mass is absent;
    5. sigma = 60, and mass action treats the spheres as one kind;
    6. the quoted fraction is a number fraction, c_60/(c_1 + c_60).

    Without the inward pull 150 bonds cannot hold 174 internal modes: the shell is floppy.

    Args:
        depth: D0 [kT].
        alpha: Morse inverse width.
        cutoff: pairs beyond are unbound.

    Returns:
        ln K for `complete_fraction(log_constant, 60, c)`.

    >>> round(float(complete_fraction(published_shell_log_constant(14.0), 60, 0.0003)), 3)
    0.51
    """
    position = snub_dodecahedron()
    distance = np.linalg.norm(position[:, None] - position[None], axis=-1)
    bonds = np.nonzero(np.triu(distance < cutoff, 1))
    length = distance[bonds]
    energy, slope, curvature = switched_morse(
        length, depth=depth, alpha=alpha, rest=length, cutoff=cutoff
    )
    modes = np.abs(np.linalg.eigvalsh(pair_hessian(position, bonds, slope, curvature)))
    vibration = 0.5 * np.sum(np.log(2 * np.pi / modes[modes > ZERO_MODE]))
    inertia = np.eye(3) * np.sum(position**2) - position.T @ position
    orientation = np.log(8 * np.pi**2)
    rotation = orientation + 0.5 * np.linalg.slogdet(inertia)[1] - np.log(60)
    return float(-energy.sum() + vibration + rotation - 60 * orientation)


def _log_free(log_constant: float, order: int, stoichiometry: int, concentration: float) -> float:
    """ln x solving x + stoichiometry K x^order = c; K spans hundreds of decades."""
    log_total = np.log(concentration)
    log_gain = log_constant + np.log(stoichiometry)

    def excess(log_free):
        return np.logaddexp(log_free, log_gain + order * log_free) - log_total

    lowest = min(log_total, (log_total - log_gain) / order) - np.log(2.0) - 1.0
    return brentq(excess, lowest, log_total, xtol=1e-13, rtol=1e-14)  # pyright: ignore[reportArgumentType, reportReturnType]  # noqa: E501


def complete_fraction(log_constant: float, n: int, concentration: float) -> float:
    """Number fraction of complete clusters, c_n/(c_1 + c_n), of n identical monomers.

    Solves c_1 + n K c_1^n = c.

    Args:
        log_constant: ln K.
        n: particles in the cluster.
        concentration: c, monomers free or bound [1/length^3].

    Returns:
        Fraction in [0, 1].

    >>> round(complete_fraction(0.0, 2, 3.0), 6)         # c_1 = 1, c_2 = 1
    0.5
    """
    log_free = _log_free(log_constant, n, n, concentration)
    return float(1.0 / (1.0 + np.exp(-np.clip(log_constant + (n - 1) * log_free, -700, 700))))


def addressable_yield(log_constant: float, n: int, concentration: float) -> float:
    """Fraction of n distinct species, each at concentration c, that sits in complete clusters.

    Solves c_s + K c_s^n = c; the yield is 1 - c_s/c.

    Args:
        log_constant: ln K, with sigma = 1 since all particles are distinguishable.
        n: number of species.
        concentration: c per species [1/length^3].

    Returns:
        Yield in [0, 1].

    >>> round(addressable_yield(0.0, 2, 2.0), 6)         # c_s = 1
    0.5
    """
    log_free = _log_free(log_constant, n, 1, concentration)
    return float(np.exp(log_constant + n * log_free - np.log(concentration)))


class FiniteYield(NamedTuple):
    """Dimer yield of a finite batch and its derivative with respect to ln K."""

    value: float
    slope: float


def heterodimer_yield(constant: float, count: int, concentration: float) -> FiniteYield:
    """Exact yield of A + B <-> AB with N bodies of each kind in a volume V = 2N/c.

    w(n) = C(N, n)^2 n! (K/V)^n,   Y = <n/(2N - n)>_w,   dY/d ln K = Cov_w(n/(2N - n), n).

    Y is the number of dimers over the number of clusters of any size. dY/dD0 = slope * d ln K/d D0.

    Args:
        constant: K, pair partition function of the bound state [length^3].
        count: N.
        concentration: c of both kinds together [1/length^3].

    Returns:
        Yield and slope.

    >>> round(heterodimer_yield(6307.0, 9, 0.001).value, 3)
    0.43
    """
    n = np.arange(count + 1)
    log_choose = gammaln(count + 1) - gammaln(n + 1) - gammaln(count - n + 1)
    log_bonds = n * np.log(constant * concentration / (2 * count))
    log_weight = 2 * log_choose + gammaln(n + 1) + log_bonds
    weight = np.exp(log_weight - logsumexp(log_weight))
    share = n / (2 * count - n)
    value = float(weight @ share)
    return FiniteYield(value, float(weight @ (share * n) - value * (weight @ n)))
