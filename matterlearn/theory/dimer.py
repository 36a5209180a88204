"""Two particles in a periodic box, exactly: bound fraction, mean energy, derivatives.

Isotropic pair. The minimum-image separation r is uniform over the square or cube, so with the
measure g(r) of `minimum_image_measure` (sphere area up to L/2, then only what lies inside the box),

    P_bound = int_0^{r_b} g e^{-U/kT} dr / int_0^{r_max} g e^{-U/kT} dr,     r_max = sqrt(d) L/2.

Patchy discs in the plane. Disc a carries P patches on radius sigma/2 at angles theta + 2 pi p/P,
and

    E = k (1 - r/sigma)^2 [r < sigma] + sum_pq J_pq chi_pq,    chi_pq = exp(-d_pq^2 / (2 w^2)),

d_pq the distance between patch p of one disc and q of the other. Lower J is stickier. Bound means
some chi_pq > 1/2. One rotation is free, so a quadrature over r and two angles is exact up to its
grid.

Units: energy kT_ref, length sigma. Source: quadrature of the two-particle partition function.
Limits: two particles only; patch bonds must end before r = L/2.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.integrate import quad


def minimum_image_measure(distance, box: float, dim: int):
    """Measure of the sphere of radius r inside the periodic cell, normalised to box^dim.

    With a = L/2, in the plane 2 pi r up to a and r (2 pi - 8 arccos(a/r)) to sqrt(2) a; in space,
    with c = a/r, 4 pi r^2 up to a, then six caps of area 2 pi r^2 (1 - c) are cut off, and beyond
    sqrt(2) a their twelve overlaps r^2 (2 pi - 2 arccos(-c^2/(1-c^2)) - 4 c arccos(c/sqrt(1-c^2)))
    are restored.

    Args:
        distance: r (any shape).
        box: side length L.
        dim: 2 or 3.

    Returns:
        g(r) [length^(dim - 1)], zero beyond the corner of the cell.

    >>> round(float(minimum_image_measure(1.0, 4.0, 3)) / np.pi, 6)
    4.0
    >>> r = (np.arange(4000) + 0.5) * np.sqrt(3) * 2 / 4000
    >>> volume = minimum_image_measure(r, 4.0, 3).sum() * np.sqrt(3) * 2 / 4000
    >>> round(float(volume), 3)
    64.0
    """
    if dim not in (2, 3):
        raise ValueError(f"dim must be 2 or 3, got {dim}")
    r = np.asarray(distance, dtype=float)
    cosine = np.minimum(0.5 * box / np.maximum(r, 1e-300), 1.0)
    if dim == 2:
        inside = r * (2.0 * np.pi - 8.0 * np.arccos(cosine))
        return np.where(r < box / np.sqrt(2.0), inside, 0.0)
    tangent = cosine / np.sqrt(np.maximum(1.0 - cosine**2, 1e-300))
    tangent = np.minimum(tangent, 1.0)
    overlap = 2 * np.pi - 2 * np.arccos(-(tangent**2)) - 4 * cosine * np.arccos(tangent)
    inside = r**2 * (4 * np.pi - 12 * np.pi * (1 - cosine) + 12 * overlap)
    return np.where(r < box * np.sqrt(3.0) / 2.0, inside, 0.0)


def pair_average(
    observable: Callable, potential: Callable, *, box: float, dim: int, kT: float = 1.0, breaks=()
) -> float:
    """Equilibrium average of a function of the minimum-image distance of two particles.

    Args:
        observable: O(r).
        potential: U(r) [kT_ref]; scalar in, scalar out.
        box: side length.
        dim: 2 or 3.
        kT: temperature.
        breaks: distances where O or U jumps or bends (cutoffs, contact); they split the quadrature.

    Returns:
        <O>.

    >>> near = pair_average(lambda r: r < 1.0, lambda r: 0.0, box=4.0, dim=2, breaks=(1.0,))
    >>> round(near * 16 / np.pi, 9)
    1.0
    """
    corner = 0.5 * box * np.sqrt(dim)
    natural = 0.5 * box * np.sqrt(np.arange(1, dim + 1))
    edges = np.unique([0.0, *(b for b in breaks if 0 < b < corner), *natural])

    def integral(function):
        panels = zip(edges[:-1], edges[1:], strict=True)
        return sum(quad(function, a, b, limit=400, epsabs=0, epsrel=1e-11)[0] for a, b in panels)

    def density(r):
        return float(minimum_image_measure(r, box, dim) * np.exp(-potential(r) / kT))

    return integral(lambda r: float(observable(r)) * density(r)) / integral(density)


def bound_fraction(
    potential: Callable, bound_distance: float, *, box: float, dim: int, kT: float = 1.0, breaks=()
) -> float:
    """Probability that two particles are closer than `bound_distance`.

    Args:
        potential: U(r) [kT_ref].
        bound_distance: r_b.
        box: periodic side length.
        dim: 2 or 3.
        kT: temperature.
        breaks: further distances where U bends (its cutoff, contact).

    Returns:
        P_bound in [0, 1].

    >>> well = lambda r: -3.0 if r < 1.0 else 0.0
    >>> p, volume = bound_fraction(well, 1.0, box=6.0, dim=3), 4 * np.pi / 3
    >>> bool(np.isclose(p, volume * np.exp(3) / (volume * np.exp(3) + 216 - volume)))
    True
    """
    marks = (bound_distance, *breaks)
    return pair_average(
        lambda r: r < bound_distance, potential, box=box, dim=dim, kT=kT, breaks=marks
    )


def average_derivative(
    observable: Callable,
    potential: Callable,
    sensitivity: Callable,
    *,
    box: float,
    dim: int,
    kT: float = 1.0,
    breaks=(),
) -> float:
    """d<O>/d theta = -Cov(O, dU/d theta)/kT for an observable that does not depend on theta itself.

    Args:
        observable: O(r).
        potential: U(r; theta) [kT_ref].
        sensitivity: dU/d theta as a function of r.
        box: periodic side length.
        dim: 2 or 3.
        kT: temperature.
        breaks: distances where any of the three bends.

    Returns:
        The derivative.

    >>> harmonic = lambda r: 0.5 * r**2
    >>> slope = average_derivative(lambda r: r**2, harmonic, harmonic, box=40.0, dim=2)
    >>> round(slope, 6)                                    # <r^2> = 2 kT / k
    -2.0
    """
    where = {"potential": potential, "box": box, "dim": dim, "kT": kT, "breaks": breaks}
    both = pair_average(lambda r: observable(r) * sensitivity(r), **where)
    apart = pair_average(observable, **where) * pair_average(sensitivity, **where)
    return (apart - both) / kT


class PatchyPair(NamedTuple):
    """Exact equilibrium of two patchy discs in a periodic square.

    bound: probability of a patch bond (some chi > 1/2).
    energy: mean energy [kT_ref].
    bound_weight: int over bound states of e^{-E/kT} d^2r dtheta_1 dtheta_2/(2 pi)^2 [sigma^2].
    lowest: lowest energy on the quadrature grid [kT_ref].
    bond_volume: bound_weight * e^{lowest/kT}, the room of a bond of depth -lowest [sigma^2].
    contacts: mean chi_pq, which is d(-kT ln Z)/d J_pq.
    """

    bound: float
    energy: float
    bound_weight: float
    lowest: float
    bond_volume: float
    contacts: Float[np.ndarray, "patch patch"]


def patchy_pair(
    coupling: Float[np.ndarray, "patch patch"],
    *,
    box: float,
    patch_width: float,
    stiffness: float,
    kT: float = 1.0,
    diameter: float = 1.0,
    angles: int = 120,
    radii: int = 96,
) -> PatchyPair:
    """Quadrature of the pair partition function of two patchy discs in a periodic square.

    Gauss-Legendre in r on [0, sigma] and [sigma, sigma + 6.5 w] (beyond, chi < 1e-9), the periodic
    trapezoid rule in both angles; the rest of the square is free space. The smooth averages
    converge exponentially; `bound` and `bond_volume` contain a step and converge as a power of the
    grid (about 1e-3 at the default).

    Args:
        coupling: J_pq between patch p of the first disc and q of the second [kT_ref]; need not be
            symmetric.
        box: side of the square, > 2 (sigma + 6.5 w).
        patch_width: w [length].
        stiffness: k of the core [kT_ref].
        kT: temperature.
        diameter: sigma.
        angles: grid points per angle, rounded up to a multiple of the patch number.
        radii: grid points in r.

    Returns:
        A `PatchyPair`.

    Raises:
        ValueError: if the box is too small for the quadrature region.

    >>> grid = {"angles": 24, "radii": 16}
    >>> free = patchy_pair(np.zeros((1, 1)), box=6.0, patch_width=0.1, stiffness=0.0, **grid)
    >>> round(free.energy, 12), free.bound < 0.05
    (0.0, True)
    """
    coupling = np.asarray(coupling, dtype=float)
    patches = len(coupling)
    reach = diameter + 6.5 * patch_width
    if box <= 2.0 * reach:
        raise ValueError(f"box must exceed 2*(sigma + 6.5 w) = {2 * reach:.3g}, got {box}")
    angles = -(-angles // patches) * patches
    theta = 2.0 * np.pi * np.arange(angles) / angles
    tip = 0.5 * diameter * np.stack([np.cos(theta), np.sin(theta)], axis=-1)
    radius, radius_weight = _panels((0.0, diameter, reach), radii)
    sums = np.zeros(4)
    contacts = np.zeros((patches, patches))
    lowest = 0.0
    shift = angles // patches
    for r, dr in zip(radius, radius_weight, strict=True):
        gap = np.array([r, 0.0]) + tip[None, :] - tip[:, None]
        chi_first = np.exp(-np.sum(gap**2, axis=-1) / (2.0 * patch_width**2))
        # turning a disc by one patch spacing rolls the grid, so one chi table serves all pairs
        chi = [
            [np.roll(chi_first, (-p * shift, -q * shift), (0, 1)) for q in range(patches)]
            for p in range(patches)
        ]
        chi = np.array(chi)
        energy = np.tensordot(coupling, chi, axes=2)
        energy += stiffness * (1.0 - r / diameter) ** 2 * (r < diameter)
        measure = 2.0 * np.pi * r * dr / angles**2
        boltzmann = measure * np.exp(-energy / kT)
        bound = np.any(chi > 0.5, axis=(0, 1))
        sums += [
            boltzmann.sum(),
            (boltzmann * energy).sum(),
            (boltzmann * bound).sum(),
            measure * angles**2,
        ]
        contacts += np.tensordot(chi, boltzmann, axes=2)
        lowest = min(lowest, float(energy.min()))
    total = sums[0] + box**2 - np.pi * reach**2
    volume = float(sums[2] * np.exp(lowest / kT))
    return PatchyPair(
        float(sums[2] / total),
        float(sums[1] / total),
        float(sums[2]),
        lowest,
        volume,
        contacts / total,
    )


def _panels(edges, count: int):
    """Gauss-Legendre nodes and weights on consecutive intervals, `count` points shared equally."""
    nodes, weights = np.polynomial.legendre.leggauss(count // (len(edges) - 1))
    half = 0.5 * np.diff(edges)
    middle = 0.5 * (np.asarray(edges)[1:] + np.asarray(edges)[:-1])
    return (middle[:, None] + half[:, None] * nodes).ravel(), (half[:, None] * weights).ravel()


def corner_volume(bond: float, *, patch_width: float, stiffness: float, points: int = 61) -> float:
    """Room of a patchy disc held by two bonds at a growth corner of a square structure [sigma^2].

        v_two = int d^2r dtheta/(2 pi) exp(-E - 2 eps),

    with correct neighbours held at (-1, 0) and (0, -1); orientations are normalised to 1, so
    c v_two e^{2 eps} is the weight of the corner site filled against free. For a deep bond the soft
    core is idle and v_two -> sqrt(2 pi) (w^2/eps)^{3/2}. Trapezoid rule over |x|, |y| < 5 widths.

    Args:
        bond: eps > 0 [kT].
        patch_width: w [sigma].
        stiffness: k of the core [kT].
        points: grid points per coordinate.

    >>> tight = corner_volume(200.0, patch_width=0.02, stiffness=1e-6)
    >>> round(float(tight / (np.sqrt(2 * np.pi) * (0.02**2 / 200.0) ** 1.5)), 2)
    1.01
    """
    reach = 6 * patch_width / np.sqrt(bond)
    turn_reach = min(2.5 * reach, np.pi)
    x, y = (np.linspace(-reach, reach, points) for _ in range(2))
    turn = np.linspace(-turn_reach, turn_reach, points)
    x, y, turn = np.meshgrid(x, y, turn, indexing="ij")
    energy = np.zeros_like(x)
    for angle, neighbour in ((np.pi, (-1.0, 0.0)), (1.5 * np.pi, (0.0, -1.0))):
        arm = 0.5 * np.cos(turn + angle), 0.5 * np.sin(turn + angle)
        gap = (x + arm[0] - neighbour[0] / 2) ** 2 + (y + arm[1] - neighbour[1] / 2) ** 2
        apart = np.hypot(x - neighbour[0], y - neighbour[1])
        energy += bond * (1 - np.exp(-gap / (2 * patch_width**2)))
        energy += stiffness * np.maximum(1 - apart, 0) ** 2
    cell = (2 * reach / (points - 1)) ** 2 * 2 * turn_reach / (points - 1)
    return float(np.exp(-energy).sum() * cell / (2 * np.pi))
