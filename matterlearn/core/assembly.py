"""Structures that particles can form: bonds, clusters, and how much of a stored structure is there.

A *site* is what binds: the species of an isotropic particle, or a patch of a species (site = species·P + patch).
A stored structure is the set of unordered site pairs that touch in it, as a 0/1 vector over packed pairs.
"""

from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

BOND_CONTACT = 0.5  # a contact above one half counts as a bond
SMALLEST_PIECE = 3  # particles: fewer are a chance meeting, not a piece of a structure


class Bonds(NamedTuple):
    """Candidate bonds: two particles, the packed site pair that would bind, its contact χ ∈ [0, 1]."""

    first: Int[Array, " bond"]
    second: Int[Array, " bond"]
    pair: Int[Array, " bond"]
    contact: Float[Array, " bond"]

    @property
    def formed(self) -> Bool[Array, " bond"]:
        return self.contact > BOND_CONTACT


@runtime_checkable
class ParticleSystem(Protocol):
    """What a task may ask of any system made of particles with species."""

    species: Any
    coupling: Any
    species_count: int
    dimension: int
    box: float | None

    @property
    def sites(self) -> int: ...
    def bonds(self, x: Any, neighbors: Any = None) -> Bonds: ...
    def arrange(self, position: Float[Array, "particle dim"], key: Key[Array, ""] | None = None) -> Any: ...
    def with_species(self, species: Int[Array, " particle"]) -> "ParticleSystem": ...


def pair_counts(bonds: Bonds, size: int) -> Float[Array, " pair"]:
    """Number of formed bonds of each packed site pair."""
    return jnp.zeros(size).at[bonds.pair].add(bonds.formed)


def components(bonds: Bonds, formed: Bool[Array, " bond"], n: int) -> Int[Array, " particle"]:
    """Smallest particle index of each particle's cluster: minimum-label propagation with pointer jumping.

    Args:
        bonds: candidate bonds.
        formed: which of them count.
        n: number of particles.
    """
    first = jnp.where(formed, bonds.first, n)
    second = jnp.where(formed, bonds.second, n)

    def spread(state):
        labels, _ = state
        padded = jnp.append(labels, n)
        lower = jnp.minimum(padded[first], padded[second])
        new = padded.at[first].min(lower).at[second].min(lower)[:n]
        new = new[new]
        return new, jnp.any(new != labels)

    start = jnp.arange(n)
    return jax.lax.while_loop(lambda s: s[1], spread, (start, jnp.asarray(True)))[0]


def sizes(labels: Int[Array, " particle"]) -> Int[Array, " particle"]:
    """Size of each particle's cluster.

    >>> sizes(jnp.array([0, 0, 2])).tolist()
    [2, 2, 1]
    """
    return jnp.zeros_like(labels).at[labels].add(1)[labels]


class Assembly(NamedTuple):
    """Clusters of one configuration, and for each memory the clusters that its own bonds alone hold together."""

    cluster: Int[Array, " particle"]
    cluster_size: Int[Array, " particle"]
    own_size: Int[Array, "memory particle"]


def analyse(bonds: Bonds, memories: Float[Array, "memory pair"], n: int) -> Assembly:
    """Clusters by all formed bonds and by the bonds of each memory alone."""
    cluster = components(bonds, bonds.formed, n)
    own = jax.vmap(lambda memory: sizes(components(bonds, bonds.formed & (memory[bonds.pair] > 0), n)))(memories)
    return Assembly(cluster, sizes(cluster), own)


def overlap(
    bonds: Bonds, memories: Float[Array, "memory pair"], copies: Float[Array, " memory"]
) -> Float[Array, " memory"]:
    """Fraction of each stored structure's bonds that are formed; 1 when every possible copy is complete.

        q_k = Σ_p b_kp min(n_p, c_k) / (c_k Σ_p b_kp)

    with b_kp the structure's bonds, n_p the formed bonds of site pair p and c_k the copies the mixture can make.
    """
    counts = pair_counts(bonds, memories.shape[-1])
    present = jnp.sum(memories * jnp.minimum(counts, copies[:, None]), -1)
    return present / (copies * jnp.sum(memories, -1))


def extra(assembly: Assembly, size: int) -> Float[Array, ""]:
    """Wrong and surplus particles attached to the largest correct piece of any memory, over the structure's size."""
    own = assembly.own_size.max(0)
    core = jnp.argmax(own)
    return (assembly.cluster_size[core] - own[core]) / size


def chimera(assembly: Assembly) -> Float[Array, ""]:
    """Fraction of particles grown onto a correct piece, of three particles or more, without belonging to it.

        Σ_clusters (n_c − max_k n_c^k) / N,        over clusters with max_k n_c^k ≥ 3
    """
    n = assembly.cluster.shape[0]
    best = jnp.zeros(n, assembly.own_size.dtype).at[assembly.cluster].max(assembly.own_size.max(0))
    total = jnp.zeros(n, assembly.own_size.dtype).at[assembly.cluster].add(1)
    return jnp.sum(jnp.where(best >= SMALLEST_PIECE, total - best, 0)) / n
