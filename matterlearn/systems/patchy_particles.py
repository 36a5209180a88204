"""Discs with sticky patches in two dimensions: the matter of multifarious self-assembly.

    E = Σ_{i<j} [ k (1 − r_ij/σ)² 1(r_ij < σ) + Σ_{p,q} J_{(s_i,p),(s_j,q)} exp(−d²_{ip,jq}/2w²) ]

Patch p of disc i sits at distance σ/2 from its centre, at angle θ_i + 2πp/P; d is the distance between two
patches and J < 0 sticks. A bond is specific to (species, patch)–(species, patch), stored as the packed upper
triangle over sites s·P + p, so ∂E/∂J counts contacts.

| quantity | unit |
|---|---|
| length | disc diameter σ |
| energy, J, k | kT_ref |
| mobility of position / of orientation | 1 / (3/σ²), the no-slip disc |

Source: [murugan2015multifarious] for species-specific bonds between shared components; the Gaussian patch and
soft core are ours. Limits: two dimensions; patches narrower than w ≈ 0.05 σ need a correspondingly small dt.

Example:
    >>> import jax, jax.numpy as jnp
    >>> discs = Config(kind="patchy_particles", species=2, box=6.0).build(jax.random.key(0))
    >>> touching = discs.arrange(jnp.array([[0.0, 0.0], [1.0, 0.0]]))
    >>> int(discs.bonds(touching).formed.sum())
    1
"""

from typing import ClassVar, Literal, NamedTuple

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
from matterlearn.spec import Spec
from matterlearn.systems._patch_bond import arms, patch_bond_energy
from matterlearn.theory.dimer import corner_volume, patchy_pair

RADIUS = 0.5  # of a disc, in σ: patches sit on the rim
SKIN = 0.5  # of the neighbour list, σ


class PatchyState(NamedTuple):
    """Centres (not wrapped into the box) and orientations in radians."""

    position: Float[Array, "particle 2"]
    orientation: Float[Array, " particle"]


class PatchyParticles(AbstractSystem):
    """Patchy discs; the coupling vector is the only learnable leaf."""

    coupling: Float[Array, " pair"]
    patch_width: Float[Array, ""]
    core_stiffness: Float[Array, ""]
    species: Int[Array, " particle"]
    box: float | None = eqx.field(static=True)
    patches: int = eqx.field(static=True)
    species_count: int = eqx.field(static=True)
    cutoff: float = eqx.field(static=True)
    dimension: int = eqx.field(static=True, default=2)

    dims: ClassVar = {"position": ("particle", "axis"), "orientation": ("particle",)}
    symmetries: ClassVar = frozenset({"translation", "rotation"})

    @property
    def sites(self) -> int:
        """Binding sites: species × patches."""
        return self.species_count * self.patches

    def energy(self, x: PatchyState, neighbors=None) -> Float[Array, ""]:
        """Energy of one configuration (equation above), in kT_ref."""
        fields = (jnp.cos(x.orientation), jnp.sin(x.orientation), self.species)
        return pair_energy(x.position, neighbors, self.box, self._pair, fields)

    def _pair(self, separation, first, second):
        """Core and bonds of pairs; ``separation`` points from the second to the first disc."""
        dx, dy = separation
        distance = jnp.sqrt(jnp.maximum(dx**2 + dy**2, 1e-12))
        core = self.core_stiffness * jnp.maximum(1.0 - distance, 0.0) ** 2
        coupling = self.coupling[self._site_pairs(second[2], first[2])]
        return core + patch_bond_energy(RADIUS, separation, second[:2], first[:2], coupling, self.patch_width)

    def bonds(self, x: PatchyState, neighbors=None) -> Bonds:
        """Every pair of patches on different discs, with its contact χ = exp(−d²/2w²)."""
        n = len(self.species)
        first, second = pair_table(n) if neighbors is None else neighbors.pairs
        used = first < n
        a, b = (jnp.clip(end, 0, n - 1) for end in (first, second))
        gap = minimum_image(x.position[b] - x.position[a], self.box).T
        turns = [(jnp.cos(x.orientation[end]), jnp.sin(x.orientation[end])) for end in (a, b)]
        arm_a, arm_b = (jnp.asarray(arms(RADIUS, turn, self.patches)) for turn in turns)  # [patch axis pair]
        stretch = jnp.sum((gap + arm_b[None, :] - arm_a[:, None]) ** 2, 2)
        contact = jnp.where(used, jnp.exp(-stretch / (2 * self.patch_width**2)), 0.0)
        pair = self._site_pairs(self.species[a], self.species[b])
        a, b = (jnp.broadcast_to(end, contact.shape) for end in (a, b))
        return Bonds(a.ravel(), b.ravel(), pair.ravel(), contact.ravel())

    def allocate(self, x: PatchyState, needed: int = 0) -> Neighbors | None:
        """A neighbour list where it pays, else ``None`` for all pairs."""
        if not pays(len(self.species), self.cutoff, self.box):
            return None
        return allocate(x.position, cutoff=self.cutoff, skin=SKIN, box=self.box, needed=needed)

    def refresh(self, neighbors: Neighbors | None, x: PatchyState) -> Neighbors | None:
        """Rebuild the list once a disc has moved half the skin."""
        return neighbors if neighbors is None else refresh(neighbors, x.position)

    def init_state(self, key: Key[Array, ""]) -> PatchyState:
        """Discs at random grid points with random orientations."""
        return self.arrange(jnp.zeros((0, 2)), key)

    def arrange(self, position: Float[Array, "some 2"], key: Key[Array, ""] | None = None) -> PatchyState:
        """The first discs at the given points with orientation 0, the others scattered around them."""
        rest = len(self.species) - len(position)
        orientation = jnp.zeros(len(position))
        if rest:
            if key is None:
                raise ValueError(f"{rest} of {len(self.species)} discs have no position: pass a key to scatter them")
            place, turn = jax.random.split(key)
            position = jnp.concatenate([position, scatter_points(place, rest, 2, self.box, position)])
            angles = jax.random.uniform(turn, (rest,), maxval=2 * jnp.pi)
            orientation = jnp.concatenate([orientation, angles])
        return PatchyState(position, orientation)

    def with_species(self, species: Int[Array, " particle"]) -> "PatchyParticles":
        """The same couplings in a mixture of other composition."""
        return eqx.tree_at(lambda s: s.species, self, species)

    def learnable(self):
        """Only the couplings learn; patch width and core are geometry."""
        return eqx.tree_at(lambda s: s.coupling, jax.tree.map(lambda _: False, self), True)

    def named_couplings(self):
        """The symmetric site-by-site matrix."""
        return {"couplings": (("site", "site_other"), unpack(self.coupling))}

    def bond_volumes(self, bond: float) -> tuple[float, float]:
        """Room of a disc held by one bond, and by two at a square growth corner (σ², orientations normalised to 1)."""
        lone = np.zeros((self.patches, self.patches))
        lone[0, self.patches // 2] = -bond
        width, core, side = float(self.patch_width), float(self.core_stiffness), max(self.box or 0.0, 4 * self.cutoff)
        pair = patchy_pair(lone, box=side, patch_width=width, stiffness=core, angles=72, radii=48)
        return pair.bond_volume, corner_volume(bond, patch_width=width, stiffness=core)

    def mobility(self) -> PatchyState:
        """A no-slip disc turns with 3/σ² of its translational mobility."""
        return PatchyState(jnp.ones(()), jnp.full((), 3.0))

    def inertia(self) -> PatchyState:
        """Unit mass and the moment of inertia of a uniform disc, σ²/8."""
        return PatchyState(jnp.ones(()), jnp.full((), RADIUS**2 / 2))

    def _site_pairs(self, species_first, species_second) -> Int[Array, "P P *pairs"]:
        """Packed site pair of every two patches of the given species."""
        spread = (-1, *(1,) * jnp.ndim(species_first))
        patch = jnp.arange(self.patches).reshape(spread)
        site_first = species_first * self.patches + patch
        site_second = species_second * self.patches + patch
        return index(site_first[:, None], site_second[None, :], self.sites)


class Config(Spec):
    """Patchy discs in a scenario."""

    kind: Literal["patchy_particles"]
    species: int = Field(ge=1, le=2000, description="number of species", examples=[3])
    copies: int | list[int] = Field(
        default=1, description="particles of each species: one number, or one per species", examples=[2, 40]
    )
    box: float | None = Field(
        default=None, gt=0, description="side of the periodic square, σ; null is free space", examples=[None, 13.5]
    )
    patches: int = Field(default=4, ge=1, le=12, description="patches per disc, at equal angles", examples=[3, 2])
    patch_width: float = Field(default=0.2, gt=0, le=1, description="width w of a patch's Gaussian, σ")
    core: float = Field(default=100.0, gt=0, description="stiffness of the soft core, kT_ref")
    bond: float = Field(default=0.0, description="initial coupling of every pair of sites, kT_ref; negative sticks")

    @property
    def counts(self) -> list[int]:
        """Particles of each species."""
        return counts_of(self)

    @property
    def reach(self) -> float:
        """Distance beyond which two discs do not feel each other: contacts below e⁻¹⁸, single precision's rounding."""
        return 2 * RADIUS + 6 * self.patch_width

    @property
    def stiffness(self) -> float:
        """Largest curvature of the energy that a time step must resolve, kT_ref/σ²."""
        return max(2 * self.core, -self.bond / self.patch_width**2)

    def check(self, scenario):
        """Composition and box are possible."""
        del scenario
        yield from check_mixture(self)

    def build(self, key) -> PatchyParticles:
        """The system; ``key`` is unused because every coupling starts equal."""
        del key
        return PatchyParticles(
            coupling=jnp.full(size(self.species * self.patches), float(self.bond)),
            patch_width=jnp.asarray(float(self.patch_width)),
            core_stiffness=jnp.asarray(float(self.core)),
            species=jnp.repeat(jnp.arange(self.species), jnp.array(self.counts)),
            box=self.box,
            patches=self.patches,
            species_count=self.species,
            cutoff=self.reach,
        )
