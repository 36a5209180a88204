"""Lattice tiles: species that bind a neighbour differently on each side, on a square or cubic lattice.

    E(σ) = Σ_axes Σ_x J[axis, σ_x, σ_{x+axis}] + Σ_x μ[σ_x],        σ_x ∈ {0 (empty), 1 … N}

The first index of J is the tile at the lower coordinate along the axis. Tiles do not turn, so J[axis, a, b] and
J[axis, b, a] are two couplings; the empty site has no energy. Lower J sticks; a positive μ is the cost of putting a
tile on the lattice. ∂E/∂J[axis, a, b] is the number of contacts of a with b along the axis.

| quantity | unit |
|---|---|
| J, μ | kT_ref |

With hundreds of species of which few bind, :meth:`LatticeTiles.sparse` makes the heat bath's cost independent of N.

Source: [murugan2015multifarious]. Limits: nearest neighbours; tiles do not rotate.

Example:
    >>> config = Config(kind="lattice_tiles", shape=[1, 2], species=2, couplings=[[[0, 0], [0, 0]], [[0, -3], [0, 0]]])
    >>> system, pair = config.build(None), LatticeState(jnp.asarray([[1, 2]], jnp.int8))
    >>> system.energy(pair).item(), system.energy(LatticeState(pair.species[:, ::-1])).item()
    (-3.0, 0.0)
"""

import dataclasses
from typing import Annotated, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from pydantic import Field

from matterlearn.core.discrete import AbstractDiscreteSystem, AbstractKernel
from matterlearn.core.lattice import Lattice
from matterlearn.core.lattice_fill import fill
from matterlearn.core.lattice_kernel import LARGEST_TABLE, LatticeState, lattice_kernel, species_dtype
from matterlearn.core.mixture import check_lattice, periodic_sides
from matterlearn.core.partner_kernel import partner_kernel
from matterlearn.spec import Problem, Spec

LEAVES = ("coupling", "chemical_potential")


class LatticeTiles(AbstractDiscreteSystem):
    """Species with directional contact energies; see the module's docstring.

    ``partners`` is how many partners a species has at most on one side, ``None`` where nothing is known.
    """

    coupling: Float[Array, "axis species species"]
    chemical_potential: Float[Array, "..."]
    lattice: Lattice = eqx.field(static=True)
    composition: tuple[int, ...] | None = eqx.field(static=True, default=None)
    learned: tuple[str, ...] = eqx.field(static=True, default=LEAVES[:1])
    partners: int | None = eqx.field(static=True, default=None)

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
        """Number of species."""
        return self.coupling.shape[-1]

    @property
    def species_count(self) -> int:
        """All values of a site: empty and the species."""
        return self.mobile + 1

    def site_energies(self) -> Float[Array, " q"]:
        """μ over the empty site and all species."""
        return jnp.pad(jnp.broadcast_to(self.chemical_potential, (self.mobile,)), (1, 0))

    def bond_energies(self, x: LatticeState) -> list[Float[Array, "..."]]:
        """Energy of the bond of every site with its + neighbour, by axis, kT_ref."""
        sites, wall = x.species.astype(jnp.int32), self.species_count
        # The neighbour may be empty or the wall, neither of which binds.
        J = jnp.pad(self.coupling, ((0, 0), (1, 1), (1, 1)))
        return [J[axis, sites, self.lattice.shifted(sites, axis, wall)] for axis in range(sites.ndim)]

    def energy(self, x: LatticeState, neighbors=None) -> Float[Array, ""]:
        """Energy, kT_ref."""
        field = jnp.sum(self.site_energies()[x.species.astype(jnp.int32)])
        return field + sum(jnp.sum(bonds) for bonds in self.bond_energies(x))

    def init_state(self, key) -> LatticeState:
        """Species at random places, in the given numbers or uniformly."""
        blank = jnp.zeros(self.lattice.shape, species_dtype(self.species_count))
        return self.complete(key, LatticeState(blank), LatticeState(jnp.zeros_like(blank, bool)))

    def complete(self, key, x: LatticeState, held: LatticeState) -> LatticeState:
        """Random species wherever nothing is held; together with what is held they have the given numbers."""
        return fill(key, self.lattice, self.mobile, self.composition, x, held)

    def pair_energies(self) -> tuple[Float[Array, "direction q q"], Float[Array, " q"]]:
        """Energies [direction, value, neighbour] of bonds and of sites; directions as those of the lattice."""
        J = jnp.pad(self.coupling, ((0, 0), (1, 0), (1, 0)))
        both = jnp.stack([jnp.swapaxes(J, 1, 2), J], 1)  # the neighbour behind is the first of its pair
        return both.reshape(-1, *J.shape[1:]), self.site_energies()

    def kernel(self) -> AbstractKernel:
        """Local energies for samplers, with partner tables where ``partners`` is known."""
        bonds, field = self.pair_energies()
        dense = lattice_kernel(self.lattice, bonds, field, self.mobile + 1)
        return dense if self.partners is None else partner_kernel(dense, bonds, field, self.partners)

    def sparse(self) -> "LatticeTiles":
        """The same system with partner tables just wide enough for its couplings, if the heat bath gains by them.

        Host side, since the width of a table must be known before a program is compiled; couplings may have a replica
        axis. A system with a repulsive coupling has no such tables and stays as it is.
        """
        J = np.asarray(self.coupling)
        partners = max(1, int(max(np.count_nonzero(J, axis).max() for axis in (-1, -2))))
        q = self.species_count
        gains = 2 * len(self.lattice.shape) * partners < q and q * (q + 1) ** 2 > LARGEST_TABLE
        return dataclasses.replace(self, partners=partners if gains and J.max() <= 0 else None)

    def named_couplings(self):
        """J over axes and species, and μ if it is learned."""
        couplings = {"couplings": (("axis", "species", "species_other"), self.coupling)}
        potentials = {"chemical_potentials": (("species",), self.site_energies()[1:])}
        return couplings | potentials if "chemical_potential" in self.learned else couplings


class Config(Spec):
    """Lattice tiles in a scenario."""

    kind: Literal["lattice_tiles"]
    matter: ClassVar[str] = "discrete"
    isotropic: ClassVar[bool] = False
    shape: Annotated[list[int], Field(min_length=2, max_length=3)] = Field(
        description="sides of the lattice, sites", examples=[[4, 4], [3, 3], [2, 2, 2], [4, 5]]
    )
    periodic: bool | list[bool] = Field(
        default=False, description="whether sides wrap around: one answer, or one per side",
        examples=[False, True, False, [True, False]],
    )  # fmt: skip
    species: int = Field(ge=1, le=4000, description="species N, without the empty site", examples=[2])
    coupling: float = Field(default=0.0, description="initial J between all species, kT_ref; negative sticks")
    couplings: list[list[list[float]]] | None = Field(
        default=None, description="initial J[axis, a, b], a at the lower coordinate along the axis, kT_ref",
        examples=[[[[-1.0, 0.5], [0.2, -0.4]], [[0.1, -0.8], [0.3, -0.6]]], None],
    )  # fmt: skip
    chemical_potential: float | list[float] = Field(
        default=0.0, description="μ of all species or of each, kT_ref; a positive one is a cost",
        examples=[[0.3, 0.7], 0.4],
    )  # fmt: skip
    learn: list[Literal[LEAVES]] = Field(
        default=["coupling"], min_length=1, description="couplings that learning may change",
        examples=[list(LEAVES), ["coupling"]],
    )  # fmt: skip
    composition: list[int] | None = Field(
        default=None, description="initial numbers of empty sites and of each species; null is random"
    )

    def check(self, scenario):
        """Lattice, couplings and composition are possible."""
        yield from check_lattice(self, scenario)
        n, axes, given = self.species, len(self.shape), self.couplings
        if given is not None and np.shape(np.asarray(given, object)) != (axes, n, n):
            yield Problem(("couplings",), f"needs {axes} tables, one per axis, of {n} rows of {n} numbers")
        mu = self.chemical_potential
        if isinstance(mu, list) and len(mu) != n:
            yield Problem(("chemical_potential",), f"{len(mu)} numbers for {n} species; give one, or one per species")

    def build(self, key) -> LatticeTiles:
        """The system; ``key`` is unused because couplings start as given."""
        del key
        shape = (len(self.shape), self.species, self.species)
        given = self.coupling if self.couplings is None else self.couplings
        return LatticeTiles(
            coupling=jnp.broadcast_to(jnp.asarray(given, float), shape),
            chemical_potential=jnp.asarray(self.chemical_potential, float),
            lattice=Lattice(tuple(self.shape), periodic_sides(self)),
            composition=None if self.composition is None else tuple(self.composition),
            learned=tuple(self.learn),
        )
