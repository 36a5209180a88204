"""Rigid clusters of sticky spheres: which exist, how often each forms, and how to recognise them.

With bonds of range -> 0 a cluster of n identical particles holding the same number of bonds has
weight

    Z  ~  (h / sigma) * sqrt(det I) / sqrt(prod' lambda),

sigma the rotational symmetry number, h = 2 if the mirror image is a different cluster and 1
otherwise, I the inertia tensor of unit masses about the centre and lambda the non-zero eigenvalues
of the Hessian of unit springs on the bonds. Depth and shape of the bond cancel between clusters
with equally many bonds.

Units: sphere diameter 1, mass 1. Clusters are not typed in: every graph with the isostatic number
    of bonds is tried for an embedding (`rigid_clusters`), and symmetry is found by trying every
    permutation.

Sources: [holmescerfon2013geometrical] for the limit, [meng2010free] and [perry2015two] for the
    experiments (six spheres; six discs). Limits: n <= 7, because permutations and graphs are
    enumerated; `cluster_integrals` treats a finite range.
"""

from functools import lru_cache
from itertools import combinations, permutations
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import least_squares

SAME_PLACE = 1e-6  # length below which two exact coordinates are the same

# Sorted contact numbers -> name in the literature; other clusters are named after the numbers.
COMMON_NAMES = {
    (4, 4, 4, 4, 4, 4): "octahedron",
    (3, 3, 4, 4, 5, 5): "tri-tetrahedron",
    (2, 2, 3, 3, 4, 4): "parallelogram",
    (2, 2, 3, 3, 3, 5): "chevron",
    (2, 2, 2, 4, 4, 4): "triangle",
    (3, 3, 3, 3): "tetrahedron",
    (3, 3, 4, 4, 4): "trigonal bipyramid",
}


class RigidCluster(NamedTuple):
    """A rigid packing of unit spheres: name, centred positions [n, d] and contact matrix [n, n]."""

    name: str
    position: Float[np.ndarray, "n d"]
    contact: Bool[np.ndarray, "n n"]


def contact_matrix(
    position: Float[np.ndarray, "*batch n d"], cutoff: float
) -> Bool[np.ndarray, "*batch n n"]:
    """Pairs closer than `cutoff`; the diagonal is False.

    >>> contact_matrix(np.array([[0.0, 0.0], [1.0, 0.0]]), 1.1).astype(int).tolist()
    [[0, 1], [1, 0]]
    """
    separation = np.linalg.norm(position[..., :, None, :] - position[..., None, :, :], axis=-1)
    return (separation < cutoff) & ~np.eye(position.shape[-2], dtype=bool)


@lru_cache
def _edges(n: int) -> tuple[Int[np.ndarray, " pairs"], Int[np.ndarray, " pairs"]]:
    return np.triu_indices(n, 1)


@lru_cache
def _edge_permutations(n: int) -> Int[np.ndarray, "permutations pairs"]:
    """For each relabelling, where each edge slot of the packed upper triangle moves to."""
    if n > 7:
        raise ValueError(
            f"clusters of {n} particles need {n}! relabellings; at most 7 particles are supported."
        )
    slot = np.zeros((n, n), dtype=int)
    first, second = _edges(n)
    slot[first, second] = slot[second, first] = np.arange(len(first))
    order = np.array(list(permutations(range(n))))
    return slot[order[:, first], order[:, second]]


def graph_codes(contact: Bool[np.ndarray, "n n"]) -> Int[np.ndarray, " permutations"]:
    """Integer code (one bit per pair) of the graph under each relabelling.

    Two graphs are isomorphic if and only if they have a code in common.
    """
    bits = np.asarray(contact)[_edges(len(contact))].astype(np.int64)
    return bits[_edge_permutations(len(contact))] @ (1 << np.arange(len(bits)))


def _graphs(n: int, dim: int, edges: int) -> list[Bool[np.ndarray, "n n"]]:
    """One labelled graph per isomorphism class, with every vertex holding at least `dim` bonds."""
    first, second = _edges(n)
    seen: set[int] = set()
    found = []
    for chosen in combinations(range(len(first)), edges):
        code = sum(1 << k for k in chosen)
        if code in seen:
            continue
        contact = np.zeros((n, n), dtype=bool)
        contact[first[list(chosen)], second[list(chosen)]] = True
        contact |= contact.T
        if contact.sum(axis=0).min() < dim:
            continue
        if dim == 2 and np.any(np.triu(contact.astype(int) @ contact, 1) > 2):
            continue  # two unit circles meet in at most two points
        seen.update(graph_codes(contact).tolist())
        found.append(contact)
    return found


def embed(contact: Bool[np.ndarray, "n n"], dim: int, *, tries: int = 30, seed: int = 0):
    """Positions with |r_i - r_j| = 1 on every contact and > 1 elsewhere, or None if not found.

    Minimises sum over contacts of (|r_ij|^2 - 1)^2 from random starts. None is evidence, not proof,
    of absence.

    Args:
        contact: contact matrix.
        dim: 2 or 3.
        tries: number of random starts.
        seed: of the starts.

    Returns:
        Centred positions [n, dim] or None.

    >>> embed(~np.eye(4, dtype=bool), 3).shape, embed(~np.eye(4, dtype=bool), 2)
    ((4, 3), None)
    """
    n = len(contact)
    first, second = np.nonzero(np.triu(contact))
    generator = np.random.default_rng(seed)

    def stretch(flat):
        position = flat.reshape(n, dim)
        return np.sum((position[first] - position[second]) ** 2, axis=1) - 1.0

    def slope(flat):
        position, rows = flat.reshape(n, dim), np.arange(len(first))
        jacobian = np.zeros((len(first), n, dim))
        difference = 2.0 * (position[first] - position[second])
        jacobian[rows, first] += difference
        jacobian[rows, second] -= difference
        return jacobian.reshape(len(first), -1)

    for _ in range(tries):
        start = generator.normal(scale=0.7, size=n * dim)
        answer = least_squares(stretch, start, slope, xtol=1e-15, gtol=1e-15)  # pyright: ignore[reportArgumentType]
        position = answer.x.reshape(n, dim)
        touching = contact_matrix(position, 1.0 + SAME_PLACE)
        if np.max(np.abs(answer.fun)) < 1e-9 and np.array_equal(touching, contact):
            return position - position.mean(axis=0)
    return None


def spring_hessian(
    position: Float[np.ndarray, "n d"], contact: Bool[np.ndarray, "n n"]
) -> Float[np.ndarray, "nd nd"]:
    """Hessian of unit springs at rest on every contact, made of blocks n_ij n_ij^T.

    >>> H = spring_hessian(np.array([[0.0, 0.0], [1.0, 0.0]]), ~np.eye(2, dtype=bool))
    >>> np.linalg.eigvalsh(H).round(6).tolist()
    [0.0, 0.0, 0.0, 2.0]
    """
    n, dim = position.shape
    first, second = np.nonzero(np.triu(contact))
    direction = position[first] - position[second]
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    rigidity = np.zeros((len(first), n, dim))
    rows = np.arange(len(first))
    rigidity[rows, first], rigidity[rows, second] = direction, -direction
    rigidity = rigidity.reshape(len(first), -1)
    return rigidity.T @ rigidity


@lru_cache
def rigid_clusters(n: int, dim: int) -> tuple[RigidCluster, ...]:
    """Every rigid cluster of n unit spheres with the isostatic number of contacts d n - d(d+1)/2.

    All graphs with that many edges and at least d edges per vertex are enumerated up to
    relabelling, each is embedded, and those whose springs leave only rigid motions soft are kept.

    Args:
        n: number of particles, at most 6 in reasonable time.
        dim: 2 or 3.

    Returns:
        The clusters, sorted by name.

    >>> [cluster.name for cluster in rigid_clusters(5, 3)]
    ['trigonal bipyramid']
    """
    rigid_motions = dim * (dim + 1) // 2
    clusters = []
    for contact in _graphs(n, dim, dim * n - rigid_motions):
        position = embed(contact, dim)
        if position is None:
            continue
        stiffness = np.linalg.eigvalsh(spring_hessian(position, contact))
        if np.sum(stiffness < 1e-8) == rigid_motions:
            degrees = tuple(sorted(contact.sum(axis=0).tolist()))
            name = COMMON_NAMES.get(degrees, "-".join(map(str, degrees)))
            clusters.append(RigidCluster(name, position, contact))
    return tuple(sorted(clusters, key=lambda cluster: cluster.name))


def cluster(name: str) -> RigidCluster:
    """A six-particle cluster by name.

    In space octahedron, tri-tetrahedron; in the plane parallelogram, chevron, triangle.

    Raises:
        KeyError: if no six-particle isostatic cluster has that name.

    >>> int(cluster("octahedron").contact.sum() // 2)
    12
    """
    for dim in (3, 2):
        for found in rigid_clusters(6, dim):
            if found.name == name:
                return found
    known = sorted(found.name for dim in (3, 2) for found in rigid_clusters(6, dim))
    raise KeyError(f"no six-particle cluster '{name}'; have {known}")


class Symmetry(NamedTuple):
    """Rotational symmetry number sigma, and h: 2 if the mirror image is another cluster, else 1."""

    number: int
    handedness: int


def symmetry(position: Float[np.ndarray, "n d"], contact: Bool[np.ndarray, "n n"]) -> Symmetry:
    """Symmetry by trying all n! permutations; those made by a proper rotation count in sigma.

    A permutation that keeps the graph is accepted if the best orthogonal map (Kabsch) superposes it
    exactly; an improper map anywhere means the cluster equals its mirror image.

    >>> symmetry(cluster("octahedron").position, cluster("octahedron").contact)
    Symmetry(number=24, handedness=1)
    >>> symmetry(cluster("parallelogram").position, cluster("parallelogram").contact)
    Symmetry(number=2, handedness=2)
    """
    position = position - position.mean(axis=0)
    codes = graph_codes(contact)
    keeping = np.array(list(permutations(range(len(contact)))))[codes == codes[0]]
    proper, improper = 0, 0
    for order in keeping:
        left, _, right = np.linalg.svd(position[order].T @ position)
        rotation = left @ right
        if np.abs(position[order] @ rotation - position).max() < SAME_PLACE:
            proper += np.linalg.det(rotation) > 0
            improper += np.linalg.det(rotation) < 0
    return Symmetry(int(proper), 1 if improper else 2)


class StickyWeight(NamedTuple):
    """The three factors of the sticky-limit weight; `total` is their product."""

    symmetry: float
    rotation: float
    vibration: float

    @property
    def total(self) -> float:
        """Relative probability of the cluster, unnormalised."""
        return self.symmetry * self.rotation * self.vibration


def inertia_tensor(position: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "r r"]:
    """Inertia of unit masses about the centre: [3, 3] in space, [1, 1] (polar moment) in the plane.

    >>> inertia_tensor(np.array([[1.0, 0.0], [-1.0, 0.0]])).tolist()
    [[2.0]]
    """
    position = position - position.mean(axis=0)
    if position.shape[1] == 2:
        return np.array([[np.sum(position**2)]])
    return np.eye(3) * np.sum(position**2) - position.T @ position


def sticky_weight(rigid: RigidCluster) -> StickyWeight:
    """Factors (h/sigma, sqrt(det I), prod' lambda^(-1/2)) of a cluster in the limit of zero range.

    >>> a, b = sticky_weight(cluster("tri-tetrahedron")), sticky_weight(cluster("octahedron"))
    >>> round(a.total / b.total, 3)
    24.0
    """
    number, handedness = symmetry(rigid.position, rigid.contact)
    rotation = np.sqrt(np.linalg.det(inertia_tensor(rigid.position)))
    stiffness = np.linalg.eigvalsh(spring_hessian(rigid.position, rigid.contact))
    dim = rigid.position.shape[1]
    vibration = np.exp(-0.5 * np.sum(np.log(stiffness[dim * (dim + 1) // 2 :])))
    return StickyWeight(handedness / number, float(rotation), float(vibration))


def sticky_probabilities(n: int, dim: int) -> dict[str, float]:
    """Probability of each rigid cluster among those of equally many contacts, range -> 0.

    >>> {name: round(p, 4) for name, p in sticky_probabilities(6, 3).items()}
    {'octahedron': 0.04, 'tri-tetrahedron': 0.96}
    """
    weights = {rigid.name: sticky_weight(rigid).total for rigid in rigid_clusters(n, dim)}
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()}


def morse_sticky_parameter(
    depth: float, alpha: float, *, kT: float = 1.0, diameter: float = 1.0
) -> float:
    """Sticky parameter of a Morse bond, kappa = e^(eps/kT) sqrt(2 pi kT/(2 eps alpha^2)) / d.

    The one number that fixes the population of clusters with different bond counts, Z ~
    kappa^bonds.

    Args:
        depth: eps [kT_ref].
        alpha: inverse width [1/length].
        kT: temperature.
        diameter: d [length].

    Limits: depth >> kT (the well is treated as a parabola).

    >>> round(morse_sticky_parameter(5.0, 30.0), 3)
    3.921
    """
    return float(np.exp(depth / kT) * np.sqrt(np.pi * kT / depth) / (alpha * diameter))


@lru_cache
def _names_by_code(n: int, dims: tuple[int, ...]) -> np.ndarray:
    table = np.full(1 << (n * (n - 1) // 2), "other", dtype="<U32")
    for dim in dims:
        for rigid in rigid_clusters(n, dim):
            table[graph_codes(rigid.contact)] = rigid.name
    return table


def classify(contact: Bool[np.ndarray, "*batch n n"], *, dim: int) -> np.ndarray:
    """Name of the rigid cluster whose contact graph each sample has, "other" if none.

    Exact graph isomorphism.

    Each graph is packed into an integer and looked up among all relabellings of the known clusters,
    so a batch costs one matrix product.

    Args:
        contact: symmetric contact matrices, n <= 6.
        dim: 2 or 3, the space whose clusters are looked for.

    Returns:
        Array of names with the batch shape.

    >>> classify(np.stack([cluster("chevron").contact, ~np.eye(6, dtype=bool)]), dim=2).tolist()
    ['chevron', 'other']
    """
    contact = np.asarray(contact, dtype=bool)
    n = contact.shape[-1]
    first, second = _edges(n)
    codes = contact[..., first, second].astype(np.int64) @ (1 << np.arange(len(first)))
    return _names_by_code(n, (dim,))[codes]
