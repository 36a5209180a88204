"""Lattice mixture held together by explicit linker molecules, one binding site on every face of a molecule.

A linker for the species pair ab has one end for each. At fugacity z_ab, with affinity K of an end and a bridging
weight χ, every bond of the lattice holds one of

    nothing                      1
    a dangling linker on a       d_a = K Σ_c z_ac        (also on faces towards solvent)
    a dangling linker on b       d_b
    one on each                  d_a d_b
    a bridge                     z_ab K² χ

and E = Σ_x μ[σ_x] − Σ_bonds ln(weight), in units of kT_ref: linkers come and go with a reservoir of chemical
potential ln z. Summed over the linkers this is exactly a :class:`LatticeCondensate` with

    J_ab = −ln[1 + z_ab K² χ / ((1 + d_a)(1 + d_b))],        μ_a → μ_a − c ln(1 + d_a)

on a lattice of coordination c: :meth:`LatticeLinkers.effective`. The linkers' numbers are what learning would change:
the couplings are the fugacities, and ∂E/∂z_ab counts linkers.

| quantity | unit |
|---|---|
| μ | kT_ref |
| z K, χ | dimensionless |

Source: bivalent linkers as in ``matterlearn.theory.linkers``, [xia2020linker]. Limits: periodic sides; kT = 1, at which
the weights are defined; energies beyond ``FORBIDDEN`` mark what cannot be (a linker on a solvent's face).

Example:
    >>> system = Config(kind="lattice_linkers", shape=[4, 4], species=1, fugacity=1.0, bridge=8.0).build(None)
    >>> round(system.effective().coupling.item(), 6)      # −ln(1 + 8/4)
    -1.098612
"""

from typing import Annotated, ClassVar, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int
from pydantic import Field

from matterlearn.core.discrete import AbstractDiscreteSystem, AbstractKernel
from matterlearn.core.lattice import Lattice
from matterlearn.core.mixture import check_lattice
from matterlearn.core.symmetric import pack, size, unpack
from matterlearn.spec import Problem, Spec
from matterlearn.systems.lattice_condensate import LatticeCondensate

FORBIDDEN = 1e4  # kT_ref: never accepted, yet finite, so that differences of two such energies are numbers
NOTHING, FIRST, SECOND, BOTH, BRIDGE = range(5)
LINKS = 5


class LinkedState(NamedTuple):
    """Species at every site, and what the bond to its + neighbour along each axis holds."""

    species: Int[Array, "..."]
    links: Int[Array, "axis ..."]


class LatticeLinkers(AbstractDiscreteSystem):
    """Explicit linkers; see the module's docstring."""

    fugacity: Float[Array, " pair"]
    chemical_potential: Float[Array, " species"]
    affinity: Float[Array, ""]
    bridge: Float[Array, ""]
    lattice: Lattice = eqx.field(static=True)

    def learnable(self):
        """The fugacities: how many linkers of each kind there are."""
        return eqx.tree_at(lambda s: s.fugacity, jax.tree.map(lambda _: False, self), True)

    def constrain(self):
        """No negative concentrations."""
        return eqx.tree_at(lambda s: s.fugacity, self, jnp.maximum(self.fugacity, 0.0))

    @property
    def dims(self):
        """Rows and columns, layers first in a cubic lattice."""
        sides = ("layer", "row", "column")[-len(self.lattice.shape) :]
        return {"species": sides, "links": ("direction", *sides)}

    def named_couplings(self):
        """Fugacities as a matrix over species."""
        return {"fugacity": (("species", "species_other"), unpack(self.fugacity))}

    def tables(self) -> tuple[Float[Array, "link q q"], Float[Array, " q"]]:
        """Energies of a bond [what it holds, first species, second species] and of a site."""
        z = unpack(self.fugacity)
        dangling = jnp.pad(self.affinity * jnp.sum(z, -1), (1, 0))
        q, lost = len(dangling), lambda weight: jnp.where(weight > 0, -jnp.log(jnp.maximum(weight, 1e-30)), FORBIDDEN)
        first, second = (jnp.broadcast_to(lost(d), (q, q)) for d in (dangling[:, None], dangling[None]))
        bridging = lost(jnp.pad(z * self.affinity**2 * self.bridge, ((1, 0), (1, 0))))
        table = jnp.stack([jnp.zeros((q, q)), first, second, first + second, bridging])
        return jnp.minimum(table, FORBIDDEN), jnp.pad(self.chemical_potential, (1, 0))

    def energy(self, x: LinkedState, neighbors=None) -> Float[Array, ""]:
        """Energy, kT_ref."""
        table, mu = self.tables()
        sites = x.species.astype(jnp.int32)
        bonds = [table[x.links[axis].astype(jnp.int32), sites, self.lattice.shifted(sites, axis, 0)]
                 for axis in range(sites.ndim)]  # fmt: skip
        return jnp.sum(mu[sites]) + sum(jnp.sum(bond) for bond in bonds)

    def init_state(self, key) -> LinkedState:
        """Species at random places, no linkers."""
        species = jax.random.randint(key, self.lattice.shape, 0, len(self.chemical_potential) + 1).astype(jnp.int8)
        return LinkedState(species, jnp.zeros((len(self.lattice.shape), *self.lattice.shape), jnp.int8))

    def kernel(self) -> "LinkerKernel":
        """Local energies of links and sites."""
        table, mu = self.tables()
        return LinkerKernel(max(LINKS, len(mu)), self.lattice, table, mu)

    def effective(self) -> LatticeCondensate:
        """The mixture that is left when the linkers are summed over; exact."""
        z = unpack(self.fugacity)
        occupied = 1 + self.affinity * jnp.sum(z, -1)
        weight = z * self.affinity**2 * self.bridge / (occupied[:, None] * occupied[None])
        coordination = 2 * len(self.lattice.shape)
        mu = self.chemical_potential - coordination * jnp.log(occupied)
        return LatticeCondensate(pack(-jnp.log1p(weight)), jnp.zeros((len(mu), 0)), mu, self.lattice)


class LinkerKernel(AbstractKernel):
    """Links, one part per axis, are independent of each other given the species; sites come in colours."""

    values: int = eqx.field(static=True)
    lattice: Lattice = eqx.field(static=True)
    bond: Float[Array, "link q q"]
    field: Float[Array, " q"]

    @property
    def axes(self) -> int:
        """Number of axes."""
        return len(self.lattice.shape)

    def split(self, x: LinkedState):
        """Links by axis, then species by colour."""
        return (*x.links, *self.lattice.layout.split(x.species))

    def join(self, parts) -> LinkedState:
        """Back on the lattice."""
        return LinkedState(self.lattice.layout.join(parts[self.axes :]), jnp.stack(parts[: self.axes]))

    def environment(self, parts, colour: int):
        """Energies [value, …] of every value at the links or sites of a part."""
        x = jax.tree.map(lambda leaf: leaf.astype(jnp.int32), self.join(parts))
        if colour < self.axes:
            table = self.bond[:, x.species, self.lattice.shifted(x.species, colour, 0)]
            return self._filled(table)
        total = jnp.broadcast_to(self.field.reshape(-1, *[1] * self.axes), (len(self.field), *self.lattice.shape))
        for axis in range(self.axes):
            ahead, behind = (jnp.roll(x.species, by, axis) for by in (-1, 1))
            total = total + jnp.moveaxis(self.bond[x.links[axis], :, ahead], -1, 0)
            total = total + jnp.moveaxis(self.bond[jnp.roll(x.links[axis], 1, axis), behind], -1, 0)
        own = jax.vmap(lambda e: self.lattice.layout.split(e)[colour - self.axes])(total)
        return self._filled(own)

    def _filled(self, energies: Float[Array, "value ..."]) -> Float[Array, "value ..."]:
        missing = ((0, self.values - len(energies)), *[(0, 0)] * (energies.ndim - 1))
        return jnp.pad(energies, missing, constant_values=FORBIDDEN)

    def site_energy(self, value, environment):
        """Energy of a value at every link or site of the part, kT_ref."""
        return jnp.take_along_axis(environment, value[None].astype(jnp.int32), 0)[0]


class Config(Spec):
    """Explicit linkers in a scenario."""

    kind: Literal["lattice_linkers"]
    matter: ClassVar[str] = "discrete"
    shape: Annotated[list[int], Field(min_length=2, max_length=3)] = Field(
        description="sides of the periodic lattice, sites", examples=[[4, 4], [3, 3]]
    )
    species: int = Field(ge=1, le=100, description="species, without the solvent", examples=[2])
    fugacity: float = Field(default=1.0, ge=0, description="fugacity z of every pair's linkers, 1/K", examples=[0.5])
    fugacities: list[list[float]] | None = Field(default=None, description="z_ab, symmetric, if they differ")
    affinity: float = Field(default=1.0, gt=0, description="affinity K of a linker's end, 1/fugacity")
    bridge: float = Field(default=8.0, gt=0, description="bridging weight χ")
    chemical_potential: float | list[float] = Field(default=0.0, description="μ of each species, kT_ref")

    periodic: ClassVar[bool] = True

    def check(self, scenario):
        """The lattice is possible, fugacities are symmetric, weights hold at kT = 1."""
        yield from check_lattice(self, scenario)
        rows = self.fugacities
        if rows is not None and (len(rows) != self.species or rows != [list(row) for row in zip(*rows, strict=False)]):
            yield Problem(("fugacities",), f"needs {self.species} rows of {self.species} numbers, symmetric")
        elif rows is not None and min(min(row) for row in rows) < 0:
            yield Problem(("fugacities",), "a fugacity is not negative")
        if getattr(scenario.dynamics, "kT", 1.0) != 1.0:
            yield Problem(("kind",), "weights of linkers are defined at kT = 1; leave dynamics.kT at 1")

    def build(self, key) -> LatticeLinkers:
        """The system; ``key`` is unused because couplings start as given."""
        del key
        n = self.species
        same = jnp.full(size(n), float(self.fugacity))
        return LatticeLinkers(
            fugacity=pack(jnp.asarray(self.fugacities, float)) if self.fugacities else same,
            chemical_potential=jnp.broadcast_to(jnp.asarray(self.chemical_potential, float), (n,)),
            affinity=jnp.asarray(float(self.affinity)),
            bridge=jnp.asarray(float(self.bridge)),
            lattice=Lattice(tuple(self.shape), (True,) * len(self.shape)),
        )
