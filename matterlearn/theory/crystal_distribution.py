"""Radial distribution of a crystal in the plane whose particles are displaced at random.

Every particle is displaced from its site by independent normal numbers of standard deviation u per axis, so a pair of
sites at a distance R is found at a distance r with Rice's density of scale sqrt(2) u. Seen through cubic B-splines of
spacing h,

    g(r_k) = (1/rho) sum_R <B((r - r_k)/h)>_R / (2 pi h r_k).

| symbol | meaning | unit |
| --- | --- | --- |
| R, r, h, u | lengths | distance of nearest neighbours |
| rho | number density | 1/length^2 |

Source: independent harmonic oscillators (Einstein's crystal).
Limits: no correlated displacements, which in a real crystal grow with the logarithm of its size.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.interpolate import BSpline
from scipy.stats import rice


class Crystal(NamedTuple):
    """Lattice vectors (rows) and the sites of one cell, nearest neighbours at distance one."""

    vectors: Float[np.ndarray, "2 2"]
    sites: Float[np.ndarray, "site 2"]

    @property
    def density(self) -> float:
        """Sites per area."""
        return len(self.sites) / abs(float(np.linalg.det(self.vectors)))


ROOT = np.sqrt(3.0)
HONEYCOMB = Crystal(np.array([[ROOT, 0.0], [ROOT / 2, 1.5]]), np.array([[0.0, 0.0], [0.0, 1.0]]))
TRIANGULAR = Crystal(np.array([[1.0, 0.0], [0.5, ROOT / 2]]), np.zeros((1, 2)))
SQUARE = Crystal(np.eye(2), np.zeros((1, 2)))


def separations(crystal: Crystal, reach: float) -> Float[np.ndarray, " pair"]:
    """Distances from a site to all others within `reach`, averaged over the sites of the cell by listing all of them.

    >>> [int(np.sum(np.isclose(separations(HONEYCOMB, 2.1), r))) // 2 for r in (1.0, 3**0.5, 2.0)]
    [3, 6, 3]
    """
    most = int(np.ceil(reach / np.linalg.svd(crystal.vectors)[1].min())) + 2
    cells = np.stack(np.meshgrid(*[np.arange(-most, most + 1)] * 2), -1).reshape(-1, 2) @ crystal.vectors
    apart = cells[:, None, None] + crystal.sites[None, :, None] - crystal.sites[None, None]
    distance = np.linalg.norm(apart, axis=-1).ravel()
    return np.sort(distance[(distance > 1e-9) & (distance <= reach)])


def radial_distribution(
    crystal: Crystal, displacement: float, distances: Float[np.ndarray, " k"], spacing: float
) -> Float[np.ndarray, " k"]:
    """g at given distances, through cubic B-splines of the given spacing.

    Args:
        crystal: lattice and sites.
        displacement: u, per axis.
        distances: r_k, at least 2 h.
        spacing: h.

    >>> g = radial_distribution(HONEYCOMB, 0.1, np.array([1.0, 1.35, 1.732]), 0.07)
    >>> g.round(2).tolist()
    [1.69, 0.16, 2.12]
    """
    nodes, weights = np.polynomial.legendre.leggauss(40)
    r = distances[:, None] + 2 * spacing * nodes
    bump = BSpline.basis_element(np.arange(-2.0, 3.0), extrapolate=False)(2 * nodes) * weights * 2 * spacing
    scale = np.sqrt(2.0) * displacement
    far = separations(crystal, float(np.max(distances) + 2 * spacing + 8 * scale))
    seen = sum(rice.pdf(r, at / scale, scale=scale) for at in far) @ bump / len(crystal.sites)
    return seen / (2 * np.pi * spacing * distances * crystal.density)
