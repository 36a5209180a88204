"""Rigid bodies in a box that is not large: what the ideal mixture of dimers leaves out.

Two bodies alone in a periodic box of volume V are bound with probability, exactly,

    P = K/(K + V - B),      B = int [U < 0] + int (1 - e^{-U/kT}) [U >= 0],

integrals over d^3t dOmega/(8 pi^2), because bound poses count in K and only there. N + N bodies with n dimers have,
to first order in the concentration, the weights

    w(n) = C(N, n)^2 n! (K/V)^n exp(-Phi_n/V),     Phi_n = sum over pairs of clusters of B,

where B of all pairs but that of two free bodies of different kinds is int (1 - e^{-U/kT}), twice the second virial
coefficient. Dimers take less room than their parts, so crowding favours them.

Units: energy kT_ref, length arbitrary but one throughout, B length^3.
Source: virial expansion; with the partition function of [curatolo2023computational]. Limits: first order in the
    concentration; no clusters but dimers in their docked pose.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation
from scipy.special import gammaln, logsumexp

from .rigid_dimer import BATCH, PUBLISHED, Body, Forces, Pose, pair_terms, rotation_matrices


class Room(NamedTuple):
    """Room B that one cluster takes from another, with its standard error [length^3].

    ``unbound`` counts poses of negative energy as taken, ``free`` with their weight e^{-U/kT}.
    """

    unbound: float
    free: float
    error: float


def room(
    first: Body, second: Body, coupling: Float[np.ndarray, " pair"], *, forces: Forces = PUBLISHED, kT: float = 1.0,
    samples: int = 200_000, seed: int = 0,
) -> Room:  # fmt: skip
    """B of two bodies, from poses uniform in the ball of their reach.

    Args:
        first, second: bodies, of one kind or two.
        coupling: packed J [kT_ref].
        forces: laws of spheres and patches.
        kT: temperature.
        samples: poses drawn.
        seed: of the draws.

    >>> ball = Body(np.zeros((1, 3)), np.zeros((0, 3)), np.zeros(0, int))
    >>> hard = room(ball, ball, np.zeros(1), forces=Forces(repulsion=1e9), samples=20_000)
    >>> abs(hard.free - 4 * np.pi / 3 * 2**3) < 4 * hard.error + 0.5
    True
    """
    coupling = np.asarray(coupling, float)
    colours = int((np.sqrt(8 * len(coupling) + 1) - 1) / 2 + 0.5)
    reach = _extent(first, forces) + _extent(second, forces)
    random = np.random.default_rng(seed)
    unbound, free = [], []
    for start in range(0, samples, BATCH):
        n = min(BATCH, samples - start)
        way = random.normal(size=(n, 3))
        radius = reach * random.random((n, 1)) ** (1 / 3)
        translation = way / np.linalg.norm(way, axis=1, keepdims=True) * radius
        rotation = Rotation.random(n, random).as_matrix()
        energy = pair_terms(first, second, translation, rotation, forces, colours).energy(coupling)
        unbound.append(np.where(energy < 0, 1.0, -np.expm1(-np.maximum(energy, 0.0) / kT)))
        free.append(-np.expm1(-energy / kT))
    ball = 4 * np.pi / 3 * reach**3
    unbound, free = (ball * np.concatenate(part) for part in (unbound, free))
    return Room(float(unbound.mean()), float(free.mean()), float(free.std(ddof=1) / np.sqrt(samples)))


def _extent(body: Body, forces: Forces) -> float:
    """Distance from the centre beyond which a body is not felt halfway to another."""
    patches = np.linalg.norm(body.patches, axis=-1).max(initial=0.0) + forces.cutoff / 2
    return max(np.linalg.norm(body.spheres, axis=-1).max(initial=0.0) + body.radius, patches)


def docked(first: Body, second: Body, pose: Pose) -> Body:
    """The dimer as one rigid body about its middle.

    >>> from matterlearn.theory.rigid_dimer import DOCKED, facing_trimers
    >>> docked(*facing_trimers(), DOCKED).spheres.shape
    (6, 3)
    """
    turn = rotation_matrices(np.asarray(pose.turn, float))
    spheres, patches = (
        np.concatenate([here, there @ turn.T + pose.translation])
        for here, there in ((first.spheres, second.spheres), (first.patches, second.patches))
    )
    middle = spheres.mean(0)
    return Body(spheres - middle, patches - middle, np.concatenate([first.colours, second.colours]), first.radius)


def crowding(
    first: Body, second: Body, pose: Pose, coupling: Float[np.ndarray, " pair"], *, counts: tuple[int, int],
    volume: float, forces: Forces = PUBLISHED, kT: float = 1.0, samples: int = 100_000,
) -> Float[np.ndarray, " n"]:  # fmt: skip
    """-Phi_n/V for n = 0 ... min(counts) dimers.

    Args:
        first, second: the two kinds of bodies, with equal radii.
        pose: docked pose.
        coupling: packed J [kT_ref]; the answer hardly depends on it.
        counts: bodies of each kind.
        volume: V [length^3].
        forces: laws of spheres and patches.
        kT: temperature.
        samples: poses per pair of clusters.
    """
    dimer = docked(first, second, pose)
    n = np.arange(min(counts) + 1)
    a, b = (count - n for count in counts)
    law = {"forces": forces, "kT": kT, "samples": samples}
    taken = a * b * room(first, second, coupling, **law).unbound
    for here, there, pairs in (
        (first, first, a * (a - 1) / 2),
        (second, second, b * (b - 1) / 2),
        (first, dimer, a * n),
        (second, dimer, b * n),
        (dimer, dimer, n * (n - 1) / 2),
    ):
        taken = taken + pairs * room(here, there, coupling, **law).free
    return -taken / volume


def log_weights(
    constant: float, counts: tuple[int, int], volume: float, crowded: Float[np.ndarray, " n"] | float = 0.0
) -> Float[np.ndarray, " n"]:
    """ln w(n) of n dimers, up to a constant.

    >>> log_weights(1.0, (1, 1), 1.0).round(6).tolist()
    [0.0, 0.0]
    """
    n = np.arange(min(counts) + 1)
    ways = sum(gammaln(count + 1) - gammaln(count - n + 1) for count in counts) - gammaln(n + 1)
    return ways + n * np.log(constant / volume) + crowded


def crowded_yield(constant: float, counts: tuple[int, int], volume: float, crowded) -> float:
    """<n/(clusters)> over the weights w(n); without crowding that of `yields.heterodimer_yield`.

    >>> from matterlearn.theory.yields import heterodimer_yield
    >>> ideal = crowded_yield(6307.0, (9, 9), 18_000.0, 0.0)
    >>> abs(ideal - heterodimer_yield(6307.0, 9, 0.001).value) < 1e-12
    True
    """
    weight = log_weights(constant, counts, volume, crowded)
    n = np.arange(len(weight))
    return float(np.exp(weight - logsumexp(weight)) @ (n / (sum(counts) - n)))
