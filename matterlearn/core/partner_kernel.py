"""Heat bath for very many species of which few bind: a cost that does not grow with their number.

Most species at a site are bound to none of the neighbours and weigh e^{−μ_a/kT}. The others are partners of at least
one neighbour, and each species has few partners. With b_k(a) ≤ 0 the energy of the bond with the neighbour in
direction k, the weight of species a telescopes into

    e^{−μ_a/kT} Π_k e^{−b_k(a)/kT}  =  e^{−μ_a/kT} [ 1 + Σ_k (e^{−b_k(a)/kT} − 1) Π_{k'<k} e^{−b_k'(a)/kT} ],

so the law is a mixture of: the empty site; all species as if nothing bound; and one term per direction and partner
of the neighbour there. All terms are positive, and a species that several neighbours bind is simply drawn by several
terms. The cost is one term per direction and partner.

Source: decomposition derived above. Limits: attractive couplings; no species may have more partners in one direction
than the tables are wide.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from matterlearn.core.bits import Bits, uniform
from matterlearn.core.discrete import AbstractKernel
from matterlearn.core.lattice_kernel import LatticeKernel, gather


class Terms(NamedTuple):
    """Terms of one direction: species, strength x of its bond over kT, logarithm of the weight over 1 − e^{−x}."""

    species: Int[Array, "partner ..."]
    strength: Float[Array, "partner ..."]
    height: Float[Array, "partner ..."]


class PartnerKernel(AbstractKernel):
    """A lattice kernel with one table per direction, and the partners of every species.

    ``partners`` and ``strengths`` are [direction, neighbour, partner], flattened per direction; the neighbour is empty,
    a species or the wall. A strength is −b ≥ 0, 0 where there are fewer partners than columns.
    """

    values: int = eqx.field(static=True)
    width: int = eqx.field(static=True)
    lattice: LatticeKernel
    partners: Int[Array, "direction entry"]
    strengths: Float[Array, "direction entry"]
    field: Float[Array, " value"]

    def split(self, x):
        """One array of species per colour."""
        return self.lattice.split(x)

    def join(self, parts):
        """Species on the lattice."""
        return self.lattice.join(parts)

    def environment(self, parts, colour: int) -> list[Int[Array, "..."]]:
        """Neighbours by direction."""
        return self.lattice.environment(parts, colour)

    def site_energy(self, value, environment):
        """Energy of a value at every site of the colour, kT_ref."""
        return self.lattice.site_energy(value, environment)

    @property
    def exchanges(self) -> tuple[int, int]:
        """Those of the lattice."""
        return self.lattice.exchanges

    def exchange(self, parts, clamped, limits):
        """That of the lattice."""
        return self.lattice.exchange(parts, clamped, limits)

    def unbound(self, kT: Float[Array, ""]) -> tuple[Float[Array, " species"], Float[Array, ""]]:
        """Probabilities of the species as if nothing bound, summed up; and the logarithm of their weight."""
        energy = self.field[1:] / kT
        return jnp.cumsum(jax.nn.softmax(-energy)), jax.nn.logsumexp(-energy)

    def terms(self, environment: list[Int[Array, "..."]], kT: Float[Array, ""]) -> list["Terms"]:
        """The terms of every direction."""
        columns = jnp.arange(self.width, dtype=jnp.int32).reshape(-1, *[1] * environment[0].ndim)
        tables, entries = self.lattice.tables.reshape(-1), self.lattice.tables.shape[1]
        found = []
        for direction, neighbor in enumerate(environment):
            where = (direction * (self.lattice.wall + 1) + neighbor) * self.width + columns
            species, strength = gather(self.partners, where), gather(self.strengths, where)
            # Every table of the lattice holds an equal share of the field besides its bond.
            height = strength - (1 - direction / len(environment)) * gather(self.field, species)
            row = species * (self.lattice.wall + 1)
            for earlier in range(direction):
                height = height - gather(tables, row + (environment[earlier] + earlier * entries))
            found.append(Terms(species, strength / kT, height / kT))
        return found

    def conditional(self, bits: Bits, value, environment, kT):
        """Values drawn term by term: each replaces the one kept so far with its share of the weight up to here."""
        # A compiler fuses what it can, and computes anew in each loop what several loops use; small loops of their own
        # prevent that.
        environment = [jax.lax.map(lambda row: row, neighbor) for neighbor in environment]
        terms, (levels, background) = self.terms(environment, kT), self.unbound(kT)
        highest = jnp.full(value.shape, jnp.maximum(background, 0.0))
        for t in terms:
            highest = jax.lax.fori_loop(0, self.width, lambda i, h, t=t: jnp.maximum(h, t.height[i]), highest)
        words = bits.sequence(value.shape, 2 + len(terms) * self.width)

        def offer(draw, species, weight, carry):
            # Compared with the smaller of the two weights, so that tiny probabilities are right.
            kept, before = carry
            smaller = weight <= before
            rare = uniform(*words(draw)) * (before + weight) < jnp.where(smaller, weight, before)
            return jnp.where(rare == smaller, species, kept), before + weight

        unbound = 1 + jnp.searchsorted(levels, uniform(*words(0)) * levels[-1]).astype(jnp.int32)
        carry = offer(1, unbound, jnp.exp(background - highest), (jnp.zeros_like(unbound), jnp.exp(-highest)))
        for direction, (species, strength, height) in enumerate(terms):
            # 1 − e^{−x} to the rounding error of 1 is enough: the same species is unbound with weight 1.
            weight = jax.lax.map(lambda t: (1 - jnp.exp(-t[0])) * jnp.exp(t[1] - highest), (strength, height))
            first = 2 + direction * self.width
            one = lambda i, c, s=species, w=weight, f=first: offer(f + i, s[i], w[i], c)  # noqa: E731
            carry = jax.lax.fori_loop(0, self.width, one, carry)
        return carry[0]


def partner_kernel(
    dense: LatticeKernel, bonds: Float[Array, "direction q q"], field: Float[Array, " q"], width: int
) -> PartnerKernel:
    """Tables of the ``width`` strongest partners of every species, from bonds [direction, w, neighbour].

    Raises:
        ValueError: if the lattice's kernel has tables of pairs of neighbours, which are for few species.
    """
    if dense.paired:
        raise ValueError("partners are looked up by direction; with so few species tabulate pairs of neighbours")
    strengths, partners = jax.lax.top_k(-jnp.swapaxes(bonds[:, 1:, :], 1, 2), width)
    directions, q, _ = strengths.shape
    walled = jnp.zeros((directions, q + 1, width), strengths.dtype).at[:, :q].set(jnp.maximum(strengths, 0.0))
    species = jnp.ones((directions, q + 1, width), jnp.int32).at[:, :q].set(partners + 1)
    return PartnerKernel(dense.values, width, dense, species.ravel(), walled.ravel(), field)
