"""Several targets from one set of distinguishable particles with internal states: couplings, targets, published yields.

N = s² particles, one copy of each, move on a periodic lattice. A target is a permutation of the particles on an s × s
block; a particle's internal state τ names the target that it takes itself to be in. Neighbours i and j in the states
τ_i and τ_j have the energy

    E = 2 · ½ [E_{τ_i}(i, j) + E_{τ_j}(i, j)],     E_τ(i, j) = J_s if i and j are neighbours in target τ, else J_w,

in whatever direction, so a target may be rotated and reflected. The leading 2 is not in the publication: with the
couplings as printed nothing assembles, with both doubled the published yields come out (`CONTACT_FACTOR`).

Particle i in state τ has the value 1 + i T + τ on the lattice, 0 is an empty site. Kinetics: every hop into an empty
neighbour site and every change of state is attempted at the same rate and accepted by the Metropolis rule.

| symbol | meaning | unit |
| --- | --- | --- |
| J_s, J_w | strong and weak coupling, negative | kT |
| T | number of targets | 1 |
| T_FAS | number of accepted moves until a target stands complete, every particle in its state | 1 |

Source: model [bisker2018]; yields from the data files (Data/Fig2, SI_Fig1_2) of the public repository
    michaelfaran/Nonequilibrium-Self-Assembly-Control-by-the-Stochastic-Landscape-Method; the factor from an independent
    simulation at both values.
Limits: square blocks in two dimensions; no drive of the internal states.
"""

from itertools import combinations
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

CONTACT_FACTOR = 2.0
PUBLISHED_RUNS = 288  # per entry of PUBLISHED, each ended after 2e7 moves
PUBLISHED_WEAK = -1.0  # J_w
PUBLISHED_BOX = 15  # side of the lattice


class Published(NamedTuple):
    """Fraction of runs that assembled one of T targets of N particles, and median moves of those that did."""

    targets: int
    particles: int
    strong: Float[np.ndarray, " coupling"]
    fraction: Float[np.ndarray, " coupling"]
    moves: Float[np.ndarray, " coupling"]  # NaN where not given


_STRONG = -np.array([2.2, 2.4, 2.5, 2.6, 2.8, 3.0, 3.1, 3.2, 3.3, 3.4, 3.5, 3.6])
_NAN = float("nan")
PUBLISHED = (
    Published(
        2, 25, _STRONG,
        np.array([0.010, 0.729, 0.951, 0.993, 0.740, 0.590, 0.503, 0.413, 0.365, 0.312, 0.184, 0.170]),
        np.array([_NAN, 7.3e6, 4.4e6, 3.8e6, 4.8e6, 6.0e6, _NAN, _NAN, _NAN, 7.9e6, _NAN, _NAN]),
    ),
    Published(
        3, 25, _STRONG,
        np.array([0, 0.045, 0.278, 0.694, 0.938, 0.715, 0.663, 0.486, 0.434, 0.319, 0.285, 0.198]),
        np.array([_NAN, _NAN, _NAN, 7.5e6, 5.2e6, *[_NAN] * 7]),
    ),
    Published(
        4, 25, _STRONG,
        np.array([0, 0.003, 0.028, 0.184, 0.854, 0.830, 0.771, 0.691, 0.538, 0.413, 0.326, 0.226]),
        np.array([_NAN, _NAN, _NAN, _NAN, 6.3e6, 5.9e6, *[_NAN] * 6]),
    ),
    Published(
        2, 36, _STRONG,
        np.array([0, 0.135, 0.479, 0.653, 0.382, 0.236, 0.142, 0.083, 0.101, 0.038, 0.059, 0.014]),
        np.array([_NAN, _NAN, _NAN, 1.0e7, *[_NAN] * 8]),
    ),
)  # fmt: skip


def random_targets(side: int, targets: int, seed: int) -> Int[np.ndarray, "target side side"]:
    """Independent random permutations of the particles on the block.

    >>> sorted(random_targets(3, 2, 0)[1].ravel().tolist())
    [0, 1, 2, 3, 4, 5, 6, 7, 8]
    """
    generator = np.random.default_rng(seed)
    return np.stack([generator.permutation(side**2).reshape(side, side) for _ in range(targets)])


def target_contacts(targets: Int[np.ndarray, "target side side"]) -> Bool[np.ndarray, "target particle particle"]:
    """Whether two particles are neighbours in a target; 2 s (s − 1) pairs each.

    >>> int(target_contacts(random_targets(5, 1, 0)).sum())    # each pair from both ends
    80
    """
    count, side, _ = targets.shape
    contacts = np.zeros((count, side**2, side**2), bool)
    for contact, target in zip(contacts, targets, strict=True):
        for a, b in ((target[1:], target[:-1]), (target[:, 1:], target[:, :-1])):
            contact[a, b] = contact[b, a] = True
    return contacts


def couplings(
    targets: Int[np.ndarray, "target side side"], strong: float, weak: float = PUBLISHED_WEAK, *,
    factor: float = CONTACT_FACTOR,
) -> Float[np.ndarray, "value value"]:  # fmt: skip
    """Energy of two neighbouring values, factor · ½ [E_{τ_i}(i, j) + E_{τ_j}(i, j)]; zero next to an empty site.

    Args:
        targets: particle at each place of each target.
        strong: J_s as printed [kT].
        weak: J_w as printed [kT].
        factor: what each contact counts; 1 takes the couplings literally.

    Returns:
        Symmetric energies of the 1 + N T values [kT].

    >>> pair = couplings(np.arange(4).reshape(1, 2, 2), -3.0)
    >>> pair[1].tolist()     # of particle 0 with nothing, itself, its two neighbours, the one across
    [0.0, -2.0, -6.0, -6.0, -2.0]
    """
    contacts = target_contacts(targets)
    count, particles, _ = contacts.shape
    of_state = np.where(contacts, strong, weak)
    both = factor / 2 * (of_state[:, None] + of_state[None])  # state of i, state of j, i, j
    energies = np.zeros((1 + particles * count,) * 2)
    energies[1:, 1:] = both.transpose(2, 0, 3, 1).reshape(particles * count, -1)
    return energies


def assembled_energy(side: int, strong: float, *, factor: float = CONTACT_FACTOR) -> float:
    """Energy of a complete target, factor · J_s · 2 s (s − 1) [kT]: the lowest there is.

    >>> assembled_energy(5, -2.6)
    -208.0
    """
    return factor * strong * 2 * side * (side - 1)


def assembled(
    values: Int[np.ndarray, " site"],
    neighbors: Int[np.ndarray, "site direction"],
    targets: Int[np.ndarray, "target side side"],
) -> int | None:
    """The target that stands complete, all its particles in its state and all its contacts made; else None.

    A block has the most contacts that its number of particles can have, so no others are possible.

    Args:
        values: value of every site.
        neighbors: neighbours of every site; the number of sites where there is none.
        targets: as given to :func:`couplings`.

    Raises:
        ValueError: if not every particle is there exactly once.

    >>> line = np.array([[4, 1], [0, 2], [1, 3], [2, 4]])
    >>> pair = np.array([[[0]]])
    >>> assembled(np.array([0, 1, 0, 0]), line, pair)
    0
    """
    count, side, _ = targets.shape
    sites = np.flatnonzero(values)
    particles, states = np.divmod(values[sites] - 1, count)
    if not np.array_equal(np.sort(particles), np.arange(side**2)):
        raise ValueError(f"each of the {side**2} particles must be on the lattice exactly once")
    if np.any(states != states[0]):
        return None
    target, place = int(states[0]), np.empty(side**2, int)
    place[particles] = sites
    made = (neighbors[place][:, None, :] == place[None, :, None]).any(axis=2)
    return target if np.all(made[target_contacts(targets)[target]]) else None


def shared_contacts(targets: Int[np.ndarray, "target side side"]) -> Int[np.ndarray, " pair"]:
    """Contacts that two targets have in common, for every pair of targets: they bind strongly in either state.

    >>> shared_contacts(np.stack([np.arange(9).reshape(3, 3)] * 2)).tolist()
    [12]
    """
    contacts = target_contacts(targets)
    return np.array([np.sum(contacts[a] & contacts[b]) // 2 for a, b in combinations(range(len(targets)), 2)])
