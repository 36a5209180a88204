"""Rigid clusters of spheres that can be told apart: every labelled isomer, and how often each forms.

Particles with names of their own turn each rigid shape of `clusters` into many isomers, one per contact graph. With
a coupling for every pair,

    p_i  ~  w_i prod_{contacts of i} z_ab,      z_ab = int_0^{r_c} e^{-E_ab(r)/kT} dr,

w_i the rotational and vibrational weight of the shape, shared equally by its isomers: symmetry is nothing but how
many isomers there are. z is the Boltzmann weight of one bond, vibration included; it is all that the depth and width
of a short-ranged well do. With equal couplings the z cancel and the sticky probabilities of the shapes are left.

Units: sphere diameter 1, energies kT_ref. `isomer_probabilities` is the limit of zero range; `isomer_integrals` has
    no such limit: bond lengths are drawn from their own laws and the cluster is solved for.

Source: [holmescerfon2013geometrical] for the limit; the exact integral is that of `cluster_integrals`, bond by bond.
Limits: those of `clusters` (n <= 6); an isomer is told by its contacts, so mirror images count together.
"""

from collections.abc import Callable
from functools import lru_cache
from itertools import permutations
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.integrate import cumulative_trapezoid
from scipy.special import softmax

from .cluster_integrals import Estimate, _rotations, internal_frame, solve_configuration
from .clusters import RigidCluster, contact_matrix, graph_codes, rigid_clusters, sticky_weight

SHORTEST = 0.5  # length below which the core lets no bond be [diameter]

PairEnergy = Callable[[Float[np.ndarray, "... pair"]], Float[np.ndarray, "... pair"]]


class LabelledIsomers(NamedTuple):
    """All rigid clusters of n labelled spheres; pairs are in the order of np.triu_indices(n, 1)."""

    names: tuple[str, ...]
    shape: Int[np.ndarray, " isomer"]
    contact: Bool[np.ndarray, "isomer pair"]
    log_weight: Float[np.ndarray, " isomer"]
    position: Float[np.ndarray, "isomer n d"]


@lru_cache
def labelled_isomers(n: int, dim: int) -> LabelledIsomers:
    """Every labelled isomer of the rigid clusters of n spheres with the isostatic number of contacts.

    Args:
        n: number of spheres, at most 6.
        dim: 2 or 3.

    Returns:
        Names of the shapes, and for each isomer its shape, contacts, log weight and one configuration.

    >>> six = labelled_isomers(6, 3)
    >>> {name: int(np.sum(six.shape == k)) for k, name in enumerate(six.names)}
    {'octahedron': 15, 'tri-tetrahedron': 180}
    """
    shapes = rigid_clusters(n, dim)
    codes, orders = zip(*(_isomers_of(rigid) for rigid in shapes), strict=True)
    counts = [len(found) for found in codes]
    weights = [np.log(sticky_weight(rigid).total / count) for rigid, count in zip(shapes, counts, strict=True)]
    bits = np.arange(n * (n - 1) // 2)
    return LabelledIsomers(
        names=tuple(rigid.name for rigid in shapes),
        shape=np.repeat(np.arange(len(shapes)), counts),
        contact=(np.concatenate(codes)[:, None] >> bits & 1).astype(bool),
        log_weight=np.repeat(weights, counts),
        position=np.concatenate([rigid.position[order] for rigid, order in zip(shapes, orders, strict=True)]),
    )


def _isomers_of(rigid: RigidCluster):
    """Codes of the different graphs that relabelling makes, and a relabelling that makes each."""
    codes, first = np.unique(graph_codes(rigid.contact), return_index=True)
    return codes, np.array(list(permutations(range(len(rigid.contact)))))[first]


def isomer_probabilities(
    isomers: LabelledIsomers, log_bond: Float[np.ndarray, " pair"]
) -> Float[np.ndarray, " isomer"]:
    """p_i of the module's equation in the limit of zero range.

    Args:
        isomers: from `labelled_isomers`.
        log_bond: ln z of every pair, up to a constant.

    >>> six = labelled_isomers(6, 3)
    >>> p = isomer_probabilities(six, np.zeros(15))
    >>> round(float(p[six.shape == six.names.index("octahedron")].sum()), 4)
    0.04
    """
    return softmax(isomers.log_weight + isomers.contact @ np.asarray(log_bond))


def shape_probabilities(isomers: LabelledIsomers, probability: Float[np.ndarray, " isomer"]) -> dict[str, float]:
    """Probability of each shape: the sum over its isomers.

    >>> six = labelled_isomers(6, 2)
    >>> found = shape_probabilities(six, isomer_probabilities(six, np.zeros(15)))
    >>> {name: round(7 * p, 6) for name, p in found.items()}
    {'chevron': 3.0, 'parallelogram': 3.0, 'triangle': 1.0}
    """
    totals = np.bincount(isomers.shape, probability, len(isomers.names))
    return dict(zip(isomers.names, totals.tolist(), strict=True))


def isomer_integrals(
    isomers: LabelledIsomers, which: Int[np.ndarray, " chosen"], energy: PairEnergy, cutoff: float, *,
    kT: float = 1.0, samples: int = 1000, seed: int = 0,
) -> list[Estimate]:  # fmt: skip
    """ln of the configuration integral of chosen isomers at finite range, with its standard error.

    Args:
        isomers: from `labelled_isomers`.
        which: numbers of the isomers.
        energy: energies of all pairs, from their distances [..., pair].
        cutoff: pairs nearer than this are in contact [diameter].
        kT: temperature.
        samples: draws of all bond lengths per isomer.
        seed: of the draws.

    Returns:
        One estimate per chosen isomer, up to a factor that all isomers of this n and d share.

    >>> from matterlearn.theory.cluster_integrals import morse
    >>> two = labelled_isomers(3, 2)
    >>> (found,) = isomer_integrals(two, np.array([0]), lambda r: morse(r, depth=6.0, alpha=60.0), 1.03)
    >>> found.error < 0.01
    True
    """
    length, cumulative = _bond_laws(isomers, energy, cutoff, kT)
    return [_integral(isomers, k, energy, cutoff, length, cumulative, kT, samples, seed + k) for k in which.tolist()]


def _bond_laws(isomers, energy, cutoff, kT):
    """A grid of lengths, and for every pair the integral of e^{-E/kT} up to each of them; the last one is z."""
    length = np.linspace(SHORTEST, cutoff, 20_001)
    law = np.exp(-energy(np.repeat(length[:, None], isomers.contact.shape[1], 1)) / kT)
    return length, cumulative_trapezoid(law, length, axis=0, initial=0.0)


def _integral(isomers, k, energy, cutoff, length, cumulative, kT, samples, seed) -> Estimate:
    position = isomers.position[k]
    contact = contact_matrix(position, 1.0 + 1e-6)
    rigid = RigidCluster("", position - position.mean(0), contact)
    bonds = np.flatnonzero(isomers.contact[k])
    draws = np.random.default_rng(seed).random((samples, len(bonds)))
    total = cumulative[-1, bonds]
    lengths = [np.interp(u * z, cumulative[:, b], length) for u, z, b in zip(draws.T, total, bonds, strict=True)]
    solved_position, gradient, solved = solve_configuration(rigid, np.stack(lengths, 1))
    rotation = np.abs(np.linalg.det(internal_frame(rigid).rotational.T @ _rotations(solved_position)))
    first, second = np.triu_indices(len(position), 1)
    distance = np.linalg.norm(solved_position[:, first] - solved_position[:, second], axis=-1)
    rest = np.sum(np.where(isomers.contact[k], 0.0, energy(distance)), -1)
    same = np.all((distance < cutoff) == isomers.contact[k], -1)
    weight = np.where(solved & same, rotation / np.abs(np.linalg.det(gradient)) * np.exp(-rest / kT), 0.0)
    error = weight.std(ddof=1) / np.sqrt(samples) / weight.mean()
    return Estimate(float(np.log(total).sum() + np.log(weight.mean())), float(error))


def finite_range_probability(
    isomers: LabelledIsomers, name: str, energy: PairEnergy, cutoff: float, *,
    kT: float = 1.0, samples: int = 1000, seed: int = 0, least: float = 1e-5,
) -> Estimate:  # fmt: skip
    """Probability of one shape among the rigid clusters of labelled spheres, range finite.

    Args:
        isomers: from `labelled_isomers`.
        name: of the shape.
        energy, cutoff, kT, samples, seed: as in `isomer_integrals`.
        least: isomers rarer than this times the most frequent one in the limit of zero range are left out.

    Returns:
        The probability and its standard error from the draws.

    >>> from matterlearn.theory.cluster_integrals import morse
    >>> six, bond = labelled_isomers(6, 2), lambda r: morse(r, depth=8.0, alpha=100.0)
    >>> apart = lambda r: bond(r) * np.where(six.contact[0], 1.0, 1e-3)
    >>> p = finite_range_probability(six, six.names[six.shape[0]], apart, 1.01, samples=100)
    >>> 0.95 < p.value <= 1.0
    True
    """
    rough = isomer_probabilities(isomers, np.log(_bond_laws(isomers, energy, cutoff, kT)[1][-1]))
    which = np.flatnonzero(rough > least * rough.max())
    found = isomer_integrals(isomers, which, energy, cutoff, kT=kT, samples=samples, seed=seed)
    share = softmax([integral.value for integral in found])
    inside = isomers.shape[which] == isomers.names.index(name)
    value = float(share[inside].sum())
    # d value = sum_k share_k (inside_k - value) d ln Z_k, the isomers being sampled independently
    error = np.sqrt(np.sum((share * (inside - value) * [integral.error for integral in found]) ** 2))
    return Estimate(value, float(error))
