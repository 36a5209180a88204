"""Weights of rigid clusters with bonds of finite range: Morse pairs, exact up to sampling.

A rigid cluster of n spheres in d dimensions has exactly as many contacts as internal coordinates,
so its bond lengths b ARE coordinates. With x(b) the configuration having those bond lengths, in the
frame that holds no rotation relative to the reference cluster,

    Z = (h/sigma) z^bonds < J(b) e^{-U_rest/kT} [no further contact] >_b,
    z = int_0^{r_c} e^{-U(b)/kT} db,      J = |det(E^T G(x))| / |det(db/dq)|,

q the internal displacements of the reference, E its orthonormal rotations, G(x) the rotations of x.
The average is over independent bonds, each drawn from its own Boltzmann law, so the weights are
nearly equal. For range -> 0 J becomes sqrt(det I) / sqrt(prod' lambda) and Z the sticky weight of
`clusters`.

Units: energy kT_ref, length sphere diameter. Factors shared by all clusters of the same n and d
(volume, 8 pi^2, n^{d/2}) are left out.
Source: the derivation above; the limit of zero range is that of [holmescerfon2013geometrical].
Limits: a "contact" is r < cutoff, so the answer refers to that definition; the branch of x(b)
    continuous with the rigid cluster is counted.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from .clusters import (
    RigidCluster,
    contact_matrix,
    rigid_clusters,
    spring_hessian,
    symmetry,
)

SOLVED = 1e-10  # largest bond-length residual of an accepted configuration


def morse(distance, *, depth: float, alpha: float, diameter: float = 1.0):
    """Morse energy eps (e^{-2 alpha (r - d)} - 2 e^{-alpha (r - d)}) [kT_ref]; -eps at r = d.

    >>> float(morse(1.0, depth=5.0, alpha=30.0))
    -5.0
    """
    decay = np.exp(-alpha * (np.asarray(distance, dtype=float) - diameter))
    return depth * (decay**2 - 2.0 * decay)


class BondLaw(NamedTuple):
    """Boltzmann law of one bond length: grid, cumulative probability, log of its integral."""

    length: Float[np.ndarray, " grid"]
    cumulative: Float[np.ndarray, " grid"]
    log_integral: float


def bond_law(depth: float, alpha: float, cutoff: float, *, kT: float = 1.0) -> BondLaw:
    """Boltzmann law of a Morse bond between contact and `cutoff`, by quadrature on a fine grid.

    >>> law = bond_law(8.0, 30.0, 1.1)
    >>> bool(abs(law.cumulative[-1] - 1.0) < 1e-12)
    True
    """
    # below this length the repulsion exceeds the well by 40 kT
    shortest = max(1e-3, 1.0 - np.log(1.0 + np.sqrt(1.0 + 40.0 * kT / depth)) / alpha)
    length = np.linspace(shortest, cutoff, 20_001)
    weight = np.exp(-(morse(length, depth=depth, alpha=alpha) + depth) / kT)
    pieces = 0.5 * (weight[1:] + weight[:-1]) * np.diff(length)
    cumulative = np.concatenate([[0.0], np.cumsum(pieces)])
    return BondLaw(length, cumulative / cumulative[-1], float(np.log(cumulative[-1]) + depth / kT))


def _rotations(position: Float[np.ndarray, "*batch n d"]) -> Float[np.ndarray, "*batch nd r"]:
    """Displacement of every particle under each infinitesimal rotation of the whole."""
    *batch, n, dim = position.shape
    planes = [(0, 1)] if dim == 2 else [(1, 2), (2, 0), (0, 1)]
    moves = np.zeros((*batch, n, dim, len(planes)))
    for column, (a, b) in enumerate(planes):
        moves[..., b, column] = position[..., a]
        moves[..., a, column] = -position[..., b]
    return moves.reshape(*batch, n * dim, len(planes))


class InternalFrame(NamedTuple):
    """Orthonormal internal and rotational displacements of a reference cluster."""

    internal: Float[np.ndarray, "nd modes"]
    rotational: Float[np.ndarray, "nd r"]


def internal_frame(rigid: RigidCluster) -> InternalFrame:
    """Internal modes (stiff eigenvectors of the spring Hessian) and rotations of a cluster."""
    position = rigid.position - rigid.position.mean(axis=0)
    dim = position.shape[1]
    _, modes = np.linalg.eigh(spring_hessian(position, rigid.contact))
    rotational, _ = np.linalg.qr(_rotations(position))
    return InternalFrame(modes[:, dim * (dim + 1) // 2 :], rotational)


def _bond_lengths(position, first, second):
    difference = position[:, first] - position[:, second]
    length = np.linalg.norm(difference, axis=-1)
    return length, difference / length[..., None]


def _length_gradient(direction, first, second, internal, n):
    """db/dq for every sample: the rigidity matrix projected on the internal modes."""
    samples, bonds, dim = direction.shape
    modes = internal.reshape(n, dim, -1)
    return np.einsum("sbd,bdm->sbm", direction, modes[first] - modes[second])


def solve_configuration(rigid: RigidCluster, lengths: Float[np.ndarray, "samples bonds"]):
    """Configurations near the rigid cluster with the given bond lengths, by Newton's method.

    Args:
        rigid: reference cluster.
        lengths: wanted length of each contact, in the order of np.nonzero(np.triu(contact)).

    Returns:
        positions [samples, n, d], db/dq [samples, bonds, bonds], and a mask of the samples that
        converged.
    """
    n, dim = rigid.position.shape
    reference = rigid.position - rigid.position.mean(axis=0)
    internal = internal_frame(rigid).internal
    first, second = np.nonzero(np.triu(rigid.contact))
    q = np.zeros((len(lengths), internal.shape[1]))
    for _ in range(12):
        position = reference + (q @ internal.T).reshape(-1, n, dim)
        length, direction = _bond_lengths(position, first, second)
        gradient = _length_gradient(direction, first, second, internal, n)
        residual = lengths - length
        if np.max(np.abs(residual)) < SOLVED:
            break
        step = np.linalg.solve(gradient, residual[..., None])[..., 0]
        q = q + np.clip(step, -0.3, 0.3)
    return position, gradient, np.max(np.abs(residual), axis=1) < SOLVED


class ClusterIntegral(NamedTuple):
    """ln Z of a cluster, its standard error, and the fraction of samples solved for."""

    log_weight: float
    error: float
    solved: float


def cluster_integral(
    rigid: RigidCluster,
    *,
    depth: float,
    alpha: float,
    cutoff: float,
    kT: float = 1.0,
    samples: int = 4000,
    seed: int = 0,
) -> ClusterIntegral:
    """Configuration integral of one cluster with Morse pairs, its contacts and no others.

    Args:
        rigid: the cluster, with as many contacts as internal coordinates.
        depth: Morse depth [kT_ref].
        alpha: Morse inverse width [1/diameter].
        cutoff: pairs nearer than this are in contact [diameter].
        kT: temperature.
        samples: number of independent bond-length draws.
        seed: of the draws.

    Returns:
        ln Z (up to the shared factors of the module docstring), its standard error, solved
        fraction.

    >>> from matterlearn.theory.clusters import cluster
    >>> tri = cluster_integral(cluster("triangle"), depth=8.0, alpha=60.0, cutoff=1.1, samples=200)
    >>> tri.solved == 1.0 and tri.error < 0.05
    True
    """
    law = bond_law(depth, alpha, cutoff, kT=kT)
    bonds = int(rigid.contact.sum() // 2)
    draws = np.random.default_rng(seed).random((samples, bonds))
    lengths = np.interp(draws, law.cumulative, law.length)
    position, gradient, solved = solve_configuration(rigid, lengths)
    rotation = np.abs(np.linalg.det(internal_frame(rigid).rotational.T @ _rotations(position)))
    first, second = np.nonzero(np.triu(~rigid.contact, 1))
    apart = np.linalg.norm(position[:, first] - position[:, second], axis=-1)
    rest = np.sum(morse(apart, depth=depth, alpha=alpha), axis=-1)
    same_graph = np.all(contact_matrix(position, cutoff) == rigid.contact, axis=(1, 2))
    weight = rotation / np.abs(np.linalg.det(gradient)) * np.exp(-rest / kT)
    weight = np.where(solved & same_graph, weight, 0.0)
    number, handedness = symmetry(rigid.position, rigid.contact)
    log_weight = bonds * law.log_integral + np.log(weight.mean()) + np.log(handedness / number)
    error = weight.std(ddof=1) / np.sqrt(samples) / weight.mean()
    return ClusterIntegral(float(log_weight), float(error), float(solved.mean()))


class Estimate(NamedTuple):
    """A number and its standard error."""

    value: float
    error: float


def morse_probability(
    name: str,
    *,
    n: int,
    dim: int,
    depth: float,
    alpha: float,
    cutoff: float,
    kT: float = 1.0,
    samples: int = 4000,
    seed: int = 0,
) -> Estimate:
    """Probability of one cluster among the rigid clusters with the isostatic number of contacts.

    Args:
        name: e.g. "octahedron".
        n: number of particles.
        dim: 2 or 3.
        depth: Morse depth [kT_ref].
        alpha: Morse inverse width [1/diameter].
        cutoff: contact distance [diameter].
        kT: temperature.
        samples: draws per cluster.
        seed: of the draws.

    Returns:
        Probability and standard error, given that the contact graph is one of `rigid_clusters(n,
        dim)`.

    >>> bond = {"depth": 8.0, "alpha": 100.0, "cutoff": 1.05}
    >>> p = morse_probability("triangle", n=6, dim=2, samples=500, **bond)
    >>> abs(p.value - 1 / 7) < 0.01
    True
    """
    options = rigid_clusters(n, dim)
    settings = {"depth": depth, "alpha": alpha, "cutoff": cutoff, "kT": kT, "samples": samples}
    found = [cluster_integral(o, **settings, seed=seed + k) for k, o in enumerate(options)]
    log_weights = np.array([integral.log_weight for integral in found])
    share = np.exp(log_weights - log_weights.max())
    share /= share.sum()
    which = [option.name for option in options].index(name)
    # d p_i = p_i (delta_ij - p_j) d ln Z_j, the clusters being sampled independently
    sensitivity = share[which] * ((np.arange(len(share)) == which) - share)
    error = np.sqrt(np.sum((sensitivity * [integral.error for integral in found]) ** 2))
    return Estimate(float(share[which]), float(error))


def sticky_extrapolation(alphas, estimates: list[Estimate], *, order: int = 2) -> Estimate:
    """Limit alpha -> infinity of probabilities at several ranges, weighted polynomial in 1/alpha.

    Args:
        alphas: inverse widths, more of them than `order`.
        estimates: a probability with standard error at each.
        order: degree of the polynomial.

    Returns:
        The intercept and its standard error.

    >>> points = [Estimate(0.04 + 1 / a, 1e-3) for a in (20.0, 40.0, 80.0)]
    >>> round(sticky_extrapolation([20.0, 40.0, 80.0], points, order=1).value, 6)
    0.04
    """
    powers = np.vander(1.0 / np.asarray(alphas, dtype=float), order + 1, increasing=True)
    spread = np.array([estimate.error for estimate in estimates])
    design = powers / spread[:, None]
    covariance = np.linalg.inv(design.T @ design)
    value = covariance @ design.T @ (np.array([e.value for e in estimates]) / spread)
    return Estimate(float(value[0]), float(np.sqrt(covariance[0, 0])))
