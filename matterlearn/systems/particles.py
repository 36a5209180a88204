"""Discs or spheres with isotropic, species-specific attractions, in two or three dimensions.

    E = Σ_{i<j} [ J_{s_i s_j} χ(r_ij) + core(r_ij) ],      χ = 2e^{−α(r−σ)} − e^{−2α(r−σ)} beyond σ, 1 within

J < 0 sticks. χ ∈ [0, 1] is the contact, so ∂E/∂J_ab counts the ab contacts (with the ``morse`` core, whose strength
is J itself, minus what the core costs). Couplings are the packed upper triangle over species.

| quantity | unit |
|---|---|
| length | particle diameter σ |
| energy, J | kT_ref |
| range α | 1/σ |

Cores: ``harmonic`` k(1 − r)², ``wca`` ε(r⁻⁶ − 1)², ``morse`` (the well's own repulsive half). Beyond a few hundred
particles a neighbour list is used, chosen from the composition and the box.

Source: [murugan2015multifarious], [meng2010free]. Limits: one diameter for all species; α above 100 needs a time
step below 10⁻⁵ σ²/D.

Example:
    >>> import jax, jax.numpy as jnp
    >>> pair = Config(kind="particles", species=1, copies=2, bond=-5.0, range=6.0).build(jax.random.key(0))
    >>> round(float(pair.energy(pair.arrange(jnp.array([[0.0, 0.0], [1.0, 0.0]])))), 6)
    -5.0
"""

from typing import Annotated, ClassVar, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key
from pydantic import Field

from matterlearn.core.assembly import Bonds
from matterlearn.core.mixture import check_mixture, counts_of, pair_table
from matterlearn.core.neighbors import Neighbors, allocate, pair_energy, pays, refresh
from matterlearn.core.space import minimum_image, scatter_points
from matterlearn.core.symmetric import index, size, unpack
from matterlearn.core.system import AbstractSystem
from matterlearn.spec import Problem, Spec
from matterlearn.systems._pair_potentials import Core, HarmonicCore, MorseCore, MorseWell, WCACore

SKIN = 0.5  # of the neighbour list, σ
REACH = 8.0  # the well is cut off where αr has grown by this: χ = 7·10⁻⁴


class ParticleState(NamedTuple):
    """Centres, not wrapped into the box."""

    position: Float[Array, "particle dim"]


class Particles(AbstractSystem):
    """Isotropic particles; the coupling vector is the only learnable leaf."""

    coupling: Float[Array, " pair"]
    well: MorseWell
    core: Core
    species: Int[Array, " particle"]
    box: float | None = eqx.field(static=True)
    dimension: int = eqx.field(static=True)
    species_count: int = eqx.field(static=True)

    dims: ClassVar = {"position": ("particle", "axis")}
    symmetries: ClassVar = frozenset({"translation", "rotation"})

    @property
    def sites(self) -> int:
        """Binding sites: the species."""
        return self.species_count

    def energy(self, x: ParticleState, neighbors: Neighbors | None = None) -> Float[Array, ""]:
        """Energy of one configuration (equation above), in kT_ref."""
        return pair_energy(x.position, neighbors, self.box, self._pair, self.species)

    def bonds(self, x: ParticleState, neighbors: Neighbors | None = None) -> Bonds:
        """Every pair of particles (of the list, if there is one), with its contact χ."""
        n = len(self.species)
        first, second = pair_table(n) if neighbors is None else neighbors.pairs
        a, b = (jnp.clip(end, 0, n - 1) for end in (first, second))
        apart = minimum_image(x.position[b] - x.position[a], self.box)
        contact = jnp.where(first < n, self.well(jnp.linalg.norm(apart, axis=-1)), 0.0)
        return Bonds(a, b, index(self.species[a], self.species[b], self.sites), contact)

    def init_state(self, key: Key[Array, ""]) -> ParticleState:
        """Particles at random grid points."""
        return self.arrange(jnp.zeros((0, self.dimension)), key)

    def arrange(self, position: Float[Array, "some dim"], key: Key[Array, ""] | None = None) -> ParticleState:
        """The first particles at the given points, the others scattered around them."""
        rest = len(self.species) - len(position)
        if rest:
            if key is None:
                raise ValueError(f"{rest} of {len(self.species)} particles have no position: give a key to scatter")
            around = scatter_points(key, rest, self.dimension, self.box, position)
            position = jnp.concatenate([position, around])
        return ParticleState(position)

    def with_species(self, species: Int[Array, " particle"]) -> "Particles":
        """The same couplings in a mixture of other composition."""
        return eqx.tree_at(lambda s: s.species, self, species)

    def learnable(self):
        """Only the couplings learn."""
        return eqx.tree_at(lambda s: s.coupling, jax.tree.map(lambda _: False, self), True)

    def named_couplings(self):
        """The symmetric species-by-species matrix."""
        return {"couplings": (("site", "site_other"), unpack(self.coupling))}

    def allocate(self, x: ParticleState, needed: int = 0) -> Neighbors | None:
        """A neighbour list where it pays, else ``None`` for all pairs."""
        if not pays(len(self.species), self.well.cutoff, self.box, skin=SKIN):
            return None
        return allocate(x.position, cutoff=self.well.cutoff, skin=SKIN, box=self.box, needed=needed)

    def refresh(self, neighbors: Neighbors | None, x: ParticleState) -> Neighbors | None:
        """Rebuild the list once a particle has moved half the skin."""
        return neighbors if neighbors is None else refresh(neighbors, x.position)

    def _pair(self, separation, first, second):
        r = jnp.sqrt(jnp.maximum(sum(c * c for c in separation), 1e-12))
        coupling = self.coupling[index(first, second, self.sites)]
        return coupling * self.well(r) + self.core(r, coupling)


class HarmonicSpec(Spec):
    """k (1 − r)²."""

    kind: Literal["harmonic"]
    stiffness: float = Field(default=100.0, gt=0, description="k, kT_ref/σ²")


class WCASpec(Spec):
    """ε (r⁻⁶ − 1)²."""

    kind: Literal["wca"]
    strength: float = Field(default=1.0, gt=0, description="ε, kT_ref")


class MorseSpec(Spec):
    """The repulsive half of the Morse potential."""

    kind: Literal["morse"]


class Config(Spec):
    """Isotropic particles in a scenario."""

    kind: Literal["particles"]
    species: int = Field(ge=1, le=5000, description="number of species", examples=[3])
    copies: int | list[int] = Field(
        default=1, description="particles of each species: one number, or one per species", examples=[1, 40]
    )
    dimension: Literal[2, 3] = Field(default=2, description="space dimension")
    box: float | None = Field(
        default=None, gt=0, description="side of the periodic box, σ; null is free space", examples=[None, 13.5]
    )
    range: float = Field(default=6.0, gt=0, le=300, description="steepness α of the Morse well, 1/σ")
    core: Annotated[HarmonicSpec | WCASpec | MorseSpec, Field(discriminator="kind")] = HarmonicSpec(kind="harmonic")
    bond: float = Field(default=0.0, description="initial coupling between all species, kT_ref; negative sticks")
    bonds: list[list[float]] | None = Field(default=None, description="initial couplings J_ab, symmetric, kT_ref")
    cutoff: float | None = Field(default=None, gt=1, description="range of the well, σ; null takes 1 + 8/range")

    @property
    def counts(self) -> list[int]:
        """Particles of each species."""
        return counts_of(self)

    @property
    def reach(self) -> float:
        """Distance beyond which two particles do not feel each other, σ."""
        return self.cutoff or 1.0 + REACH / self.range

    @property
    def stiffness(self) -> float:
        """Largest curvature of the energy that a time step must resolve, kT_ref/σ²."""
        strongest = max([-self.bond, *(-j for row in self.bonds or [] for j in row), 1.0])
        well = 2 * strongest * self.range**2
        core = {"harmonic": lambda c: 2 * c.stiffness, "wca": lambda c: 72 * c.strength, "morse": lambda c: well}
        return max(well, core[self.core.kind](self.core))

    def check(self, scenario):
        """Composition, box and couplings are possible."""
        del scenario
        yield from check_mixture(self)
        rows = self.bonds
        if rows is None:
            return
        if len(rows) != self.species or any(len(row) != self.species for row in rows):
            yield Problem(("bonds",), f"needs {self.species} rows of {self.species} numbers, one per species")
        elif any(rows[a][b] != rows[b][a] for a in range(self.species) for b in range(a)):
            yield Problem(("bonds",), "is not symmetric; J_ab and J_ba are one coupling")

    def build(self, key) -> Particles:
        """The system; ``key`` is unused because couplings start as given."""
        del key
        steepness = jnp.asarray(float(self.range))
        cores = {
            "harmonic": lambda c: HarmonicCore(jnp.asarray(float(c.stiffness))),
            "wca": lambda c: WCACore(jnp.asarray(float(c.strength))),
            "morse": lambda c: MorseCore(steepness),
        }
        rows, columns = np.triu_indices(self.species)
        given = jnp.asarray(np.array(self.bonds, float)[rows, columns], float) if self.bonds else None
        return Particles(
            coupling=given if given is not None else jnp.full(size(self.species), float(self.bond)),
            well=MorseWell(steepness, 1.0 + 0.8 * (self.reach - 1.0), self.reach),
            core=cores[self.core.kind](self.core),
            species=jnp.asarray(np.repeat(np.arange(self.species), self.counts)),
            box=self.box,
            dimension=self.dimension,
            species_count=self.species,
        )
