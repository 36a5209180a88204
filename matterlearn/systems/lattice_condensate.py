"""Lattice condensate: a mixture of molecular species on a square or cubic lattice, one molecule or solvent per site.

    E(σ) = Σ_bonds J[σ_x, σ_y] + Σ_x μ[σ_x],        σ_x ∈ {0 (solvent), 1 … N, surface species}

in the gauge where the solvent has no energy: J[0, a] = 0 and μ_0 = 0. On a periodic lattice this loses nothing,
because J_ab + u_a + u_b with μ_a − z u_a is the same model for every u. Lower J sticks; a positive μ disfavours a
species. Surface species never move: they stand where a task clamps them, and have no energy among themselves. The
couplings are J (one per unordered pair) and μ, so ∂E/∂J_ab is the number of ab contacts and ∂E/∂μ_a that of a
molecules.

| quantity | unit |
|---|---|
| J, μ | kT_ref |

A periodic side of length 2 joins its two planes twice (24 bonds on 2x2x2); odd periodic sides are sampled in three
colours instead of two. Source: [chalk2024learning]. Limits: nearest neighbours only.

Example:
    >>> import jax.numpy as jnp
    >>> system = Config(kind="lattice_condensate", shape=[2, 2], periodic=False, species=1, coupling=-1.0).build(None)
    >>> system.energy(LatticeState(jnp.ones((2, 2), jnp.int8))).item()
    -4.0
"""

import functools
from typing import Annotated, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from pydantic import Field

from matterlearn.core.bits import Bits, integer, uniform
from matterlearn.core.discrete import AbstractDiscreteSystem
from matterlearn.core.lattice import Lattice
from matterlearn.core.lattice_kernel import LatticeKernel, LatticeState, lattice_kernel, species_dtype
from matterlearn.core.mixture import check_lattice, periodic_sides
from matterlearn.core.symmetric import index_table, pack, size
from matterlearn.spec import Problem, Spec

LEAVES = ("coupling", "surface_coupling", "chemical_potential")
MOST_COUNTED = 64  # species: up to here contacts are counted by matrix products, beyond by table lookups


@functools.lru_cache(maxsize=32)
def places(species: int, surface: int) -> np.ndarray:
    """Where in [J packed, J with the surface, 0] the energy of each pair of values stands, the wall being the last."""
    q, pairs = 1 + species + surface, size(species)
    table = np.full((q + 1, q + 1), pairs + species * surface, np.int32)
    table[1 : species + 1, 1 : species + 1] = index_table(species)
    across = pairs + np.arange(species * surface).reshape(species, surface)
    table[1 : species + 1, species + 1 : q], table[species + 1 : q, 1 : species + 1] = across, across.T
    return table


class LatticeCondensate(AbstractDiscreteSystem):
    """Species with symmetric contact energies; see the module's docstring."""

    coupling: Float[Array, " pair"]
    surface_coupling: Float[Array, "species surface_species"]
    chemical_potential: Float[Array, " species"]
    lattice: Lattice = eqx.field(static=True)
    composition: tuple[int, ...] | None = eqx.field(static=True, default=None)
    learned: tuple[str, ...] = eqx.field(static=True, default=LEAVES)

    def learnable(self):
        """The leaves that are named in ``learned``."""
        blank = jax.tree.map(lambda _: False, self)
        return eqx.tree_at(lambda s: [getattr(s, name) for name in self.learned], blank, [True] * len(self.learned))

    @property
    def dims(self):
        """Rows and columns, layers first in a cubic lattice."""
        return {"species": ("layer", "row", "column")[-len(self.lattice.shape) :]}

    @property
    def mobile(self) -> int:
        """Species that move, without the solvent."""
        return self.surface_coupling.shape[-2]

    @property
    def species_count(self) -> int:
        """All values of a site: solvent, species that move, species of the surface."""
        return 1 + sum(self.surface_coupling.shape[-2:])

    def _energies(self) -> tuple[Float[Array, " entry"], np.ndarray]:
        """Every contact energy once, and where that of each pair of values stands."""
        entries = [self.coupling, self.surface_coupling.ravel(), jnp.zeros(1, self.coupling.dtype)]
        return jnp.concatenate(entries), places(*self.surface_coupling.shape)

    def contact_energies(self) -> Float[Array, "q q"]:
        """J over solvent and all species; 0 among species of the surface, whose contacts never change."""
        entries, place = self._energies()
        return entries[place[:-1, :-1]]

    def site_energies(self) -> Float[Array, " q"]:
        """μ over solvent and all species; 0 for those that never move."""
        return jnp.pad(self.chemical_potential, (1, self.surface_coupling.shape[-1]))

    def energy(self, x: LatticeState, neighbors=None) -> Float[Array, ""]:
        """Energy, kT_ref."""
        sites, q = x.species.astype(jnp.int32), self.species_count
        pairs = [self.lattice.shifted(sites, axis, q) for axis in range(sites.ndim)]
        if q > MOST_COUNTED:
            entries, place = self._energies()
            place = jnp.asarray(place)
            return jnp.sum(self.site_energies()[sites]) + sum(jnp.sum(entries[place[sites, p]]) for p in pairs)
        J = self.contact_energies()
        here = jax.nn.one_hot(sites.ravel(), q, dtype=J.dtype)  # the wall, q, has no entry
        contacts = sum(here.T @ jax.nn.one_hot(pair.ravel(), q, dtype=J.dtype) for pair in pairs)
        return jnp.sum(contacts * J) + jnp.sum(here, 0) @ self.site_energies()

    def init_state(self, key) -> LatticeState:
        """Species at random places, in the given numbers or uniformly."""
        blank = jnp.zeros(self.lattice.shape, species_dtype(self.species_count))
        return self.complete(key, LatticeState(blank), LatticeState(jnp.zeros_like(blank, bool)))

    def complete(self, key, x: LatticeState, held: LatticeState) -> LatticeState:
        """Random species wherever nothing is held; together with what is held they have the given numbers."""
        words = Bits(key).draw(self.lattice.shape)
        if self.composition is None:
            species = integer(words[0], self.mobile + 1)[0]
        else:
            taken = jnp.bincount(jnp.where(held.species, x.species, -1).ravel() + 1, length=self.mobile + 2)[1:]
            left = jnp.cumsum(jnp.asarray(self.composition) - taken)
            lot = jnp.where(held.species, 2.0, uniform(*words)).ravel()
            rank = jnp.argsort(jnp.argsort(lot))  # among the free sites, which come first
            species = jnp.searchsorted(left, rank, side="right").reshape(self.lattice.shape)
        return LatticeState(jnp.where(held.species, x.species, species.astype(x.species.dtype)))

    def pair_energies(self) -> tuple[Float[Array, "2 q q"], Float[Array, " q"]]:
        """Energies [direction, value, neighbour] of bonds, the same along every axis, and of sites."""
        J = self.contact_energies()
        return jnp.stack([J, J]), self.site_energies()

    def kernel(self) -> LatticeKernel:
        """Local energies for samplers."""
        return lattice_kernel(self.lattice, *self.pair_energies(), self.mobile + 1)

    def named_couplings(self):
        """J and μ with the solvent, whose energies are 0, and J of the surface's species where there are any."""
        n = self.mobile + 1
        own = {
            "couplings": (("species", "species_other"), self.contact_energies()[:n, :n]),
            "chemical_potentials": (("species",), self.site_energies()[:n]),
        }
        if self.species_count > n:
            own["surface_couplings"] = (("species", "surface_species"), self.contact_energies()[:n, n:])
        return own


class Config(Spec):
    """Lattice condensate in a scenario."""

    kind: Literal["lattice_condensate"]
    matter: ClassVar[str] = "discrete"
    shape: Annotated[list[int], Field(min_length=2, max_length=3)] = Field(
        description="sides of the lattice, sites", examples=[[4, 4], [3, 3], [2, 2, 2], [4, 5]]
    )
    periodic: bool | list[bool] = Field(
        default=True, description="whether sides wrap around: one answer, or one per side",
        examples=[True, True, False, [True, False]],
    )  # fmt: skip
    species: int = Field(ge=1, le=1000, description="species that move, without the solvent", examples=[2])
    surface_species: int = Field(default=0, ge=0, le=30_000, description="species that stand where they are clamped")
    coupling: float = Field(default=0.0, description="initial J between moving species, kT_ref; negative sticks")
    cohesion: float | None = Field(default=None, description="initial J between like molecules, kT_ref; null: coupling")
    surface_coupling: float = Field(default=0.0, description="initial J with all species of the surface, kT_ref")
    couplings: list[list[float]] | None = Field(
        default=None, description="initial J_ab of the moving species, symmetric, kT_ref",
        examples=[[[-1.0, 0.5], [0.5, -1.0]]],
    )  # fmt: skip
    chemical_potential: float | list[float] = Field(
        default=0.0, description="initial μ of each moving species, kT_ref; positive disfavours", examples=[[0.3, 0.7]]
    )
    learn: list[Literal[LEAVES]] = Field(
        default=list(LEAVES), min_length=1, description="couplings that learning may change", examples=[list(LEAVES)]
    )
    composition: list[int] | None = Field(
        default=None, description="initial numbers of sites of the solvent and each moving species; null is random"
    )

    def check(self, scenario):
        """Lattice, couplings and composition are possible."""
        yield from check_lattice(self, scenario)
        n, rows = self.species, self.couplings
        if rows is not None and (len(rows) != n or any(len(row) != n for row in rows)):
            yield Problem(("couplings",), f"needs {n} rows of {n} numbers, one per moving species without the solvent")
        elif rows is not None:
            wrong = [(a, b) for a in range(n) for b in range(a) if rows[a][b] != rows[b][a]]
            if wrong:
                a, b = wrong[0]
                yield Problem(
                    ("couplings",),
                    f"is not symmetric: J[{a + 1}, {b + 1}] = {rows[a][b]:g} but J[{b + 1}, {a + 1}] = "
                    f"{rows[b][a]:g}; they are one coupling",
                )
        mu = self.chemical_potential
        if isinstance(mu, list) and len(mu) != self.species:
            yield Problem(("chemical_potential",), f"{len(mu)} numbers for {self.species} moving species")

    def build(self, key) -> LatticeCondensate:
        """The system; ``key`` is unused because couplings start as given."""
        del key
        n = self.species
        like = self.coupling if self.cohesion is None else self.cohesion
        matrix = self.couplings or np.where(np.eye(n) > 0, like, self.coupling)
        return LatticeCondensate(
            coupling=pack(jnp.asarray(matrix, float)),
            surface_coupling=jnp.full((n, self.surface_species), float(self.surface_coupling)),
            chemical_potential=jnp.broadcast_to(jnp.asarray(self.chemical_potential, float), (self.species,)),
            lattice=Lattice(tuple(self.shape), periodic_sides(self)),
            composition=None if self.composition is None else tuple(self.composition),
            learned=tuple(self.learn),
        )
