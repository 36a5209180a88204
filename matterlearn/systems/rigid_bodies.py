"""Rigid bodies in three dimensions: repulsive spheres with sticky patches, of several kinds.

    E = Σ_{bodies i<j} [ Σ_{s,t} (A/(a r_m)) (r_m − r_st)^a 1(r_st < r_m) + Σ_{p,q} J_{c_p c_q} χ(d_pq) ]
    χ(d) = S(d) (2 e^{−αd} − e^{−2αd}),      r_m = ρ_s + ρ_t

Spheres s, t and patches p, q are fixed in their bodies; S switches smoothly from 1 at the onset to 0 at the cutoff. A
colour pair's coupling J = −D₀ is a Morse bond of depth D₀ with its minimum where the patches coincide. Couplings are
the packed upper triangle over colours; pairs of colours that are not listed in ``bonds`` do not see each other.

A body's state is its position and a unit quaternion (scalar first); a step is a displacement and a rotation vector in
the laboratory frame, so that forces come with torques.

| quantity | unit |
|---|---|
| length | any, one throughout (the published dimer: radius of a sphere) |
| energy, J, A | kT_ref |
| mobility of position / of rotation | 1 / ``rotational_mobility`` |

``docks`` are known bound poses of two bodies; Monte Carlo jumps aim at them (``matterlearn.dynamics.association``) and
partition functions are sampled around them (``matterlearn.theory.rigid_dimer``).

Source: [curatolo2023computational] for the energy and the facing trimers. Limits: rotational mobility is the same
about all axes; all bodies share one repulsion and one patch law.

Example:
    >>> import jax
    >>> pair = Config(kind="rigid_bodies", bodies="facing_trimers", numbers=[1, 1], box=20.0, coupling=-8.0)
    >>> trimers = pair.build(jax.random.key(0))
    >>> docked = RigidState(jnp.array([[0.0, 0.0, 0.0], [2.0, 0.0, 0.0]]), jnp.array([[1.0, 0, 0, 0]] * 2))
    >>> bool(trimers.energy(docked) < 3 * -8.0)  # and unlike patches of one colour, further away
    False
"""

from typing import ClassVar, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key
from pydantic import Field

from matterlearn.core import quaternion
from matterlearn.core.assembly import Bonds
from matterlearn.core.matter import matter
from matterlearn.core.neighbors import Neighbors, allocate, pair_energy, pays, refresh
from matterlearn.core.space import minimum_image, scatter_points
from matterlearn.core.symmetric import index, pack, unpack
from matterlearn.core.system import AbstractSystem
from matterlearn.spec import Problem, Spec
from matterlearn.systems._docking import Docks
from matterlearn.systems._pair_potentials import MorseWell
from matterlearn.systems._rigid_shapes import Dock, Shape, Shapes
from matterlearn.theory import rigid_dimer

SKIN = 0.5  # of the neighbour list, units of length


class RigidState(NamedTuple):
    """Positions (not wrapped into the box) and unit quaternions; one body has no first axis."""

    position: Float[Array, "particle 3"]
    rotation: Float[Array, "particle 4"]


class RigidBodies(AbstractSystem):
    """Rigid bodies; the coupling vector is the only learnable leaf."""

    coupling: Float[Array, " pair"]
    interacting: Bool[Array, " pair"]
    species: Int[Array, " particle"]
    shapes: Shapes
    docks: Docks
    well: MorseWell
    repulsion: Float[Array, ""]
    rotational_mobility: Float[Array, ""]
    exponent: float = eqx.field(static=True)
    box: float | None = eqx.field(static=True)
    cutoff: float = eqx.field(static=True)  # of two bodies, centre to centre
    spacing: float = eqx.field(static=True)  # from which on no two spheres of two bodies overlap
    dimension: int = eqx.field(static=True, default=3)

    dims: ClassVar = {"position": ("particle", "axis"), "rotation": ("particle", "quaternion")}
    symmetries: ClassVar = frozenset({"translation", "rotation"})

    def energy(self, x: RigidState, neighbors=None) -> Float[Array, ""]:
        """Energy of one configuration (equation above), in kT_ref."""
        return pair_energy(x.position, neighbors, self.box, self._pair, self._sites(x))

    def energy_of(self, x: RigidState, particle: Int[Array, ""]) -> Float[Array, ""]:
        """Energy of one body with all others."""
        pairs = self._energies_with(x, self._sites(x), particle)
        return jnp.sum(jnp.where(jnp.arange(len(pairs)) == particle, 0.0, pairs))

    def pair_energies(self, x: RigidState) -> Float[Array, "particle particle"]:
        """Energy of every two bodies, zero on the diagonal."""
        everyone, sites = jnp.arange(len(self.species)), self._sites(x)
        pairs = jax.vmap(lambda i: self._energies_with(x, sites, i))(everyone)
        return jnp.where(everyone[:, None] == everyone, 0.0, pairs)

    def bonds(self, x: RigidState, neighbors=None) -> Bonds:
        """Every two bodies, in contact where their energy is negative; ``pair`` is their packed pair of kinds."""
        del neighbors
        first, second = np.triu_indices(len(self.species), 1)
        kinds = index(self.species[first], self.species[second], len(self.shapes.colours))
        contact = (self.pair_energies(x)[first, second] < 0).astype(x.position.dtype)
        return Bonds(jnp.asarray(first), jnp.asarray(second), kinds, contact)

    def _energies_with(self, x, sites, i):
        """Energies of body i with every body; with itself, nonsense."""
        apart = minimum_image(x.position[i] - x.position, self.box)
        apart = jnp.where((jnp.arange(len(apart)) == i)[:, None], 1.0, apart)
        one = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf[i], leaf.shape), sites)
        return self._pair(tuple(apart.T), one, sites)

    def _sites(self, x: RigidState):
        """Arms from each centre to spheres and patches in the laboratory frame, as lists of columns; radii; kinds."""
        turn = quaternion.matrix(x.rotation)

        def arms(points):
            return list(jnp.einsum("nij,nsj->sin", turn, points[self.species]).reshape(-1, len(turn)))

        shapes = self.shapes
        return arms(shapes.spheres), list(shapes.radii[self.species].T), arms(shapes.patches), self.species

    def _pair(self, separation, first, second):
        """Energy of pairs of bodies; ``separation`` points from the second to the first."""

        def distances(a, b):
            a, b = (jnp.stack(arms).reshape(len(arms) // 3, 3, *separation[0].shape) for arms in (a, b))
            square = sum((separation[k] + a[:, None, k] - b[None, :, k]) ** 2 for k in range(3))
            return jnp.sqrt(jnp.maximum(square, 1e-12))

        touching = jnp.stack(first[1])[:, None] + jnp.stack(second[1])
        overlap = jnp.maximum(touching - distances(first[0], second[0]), 0.0)
        strength = self.repulsion / (self.exponent * touching)
        core = jnp.sum(strength * overlap**self.exponent, (0, 1))
        distance = distances(first[2], second[2])
        decay = jnp.exp(-self.well.steepness * distance)
        contact = self.well.switch(distance) * decay * (2.0 - decay)
        coupling = jnp.moveaxis(self._coupling_table()[first[3], second[3]], (-2, -1), (0, 1))
        return core + jnp.sum(coupling * contact, (0, 1))

    def _coupling_table(self) -> Float[Array, "kind kind patch patch"]:
        """J of every two patches of every two kinds."""
        seen = jnp.pad(unpack(self.seen()), (0, 1))  # the last colour is none
        colours = self.shapes.colours
        return seen[colours[:, None, :, None], colours[None, :, None, :]]

    def seen(self) -> Float[Array, " pair"]:
        """Packed couplings, zero where two colours do not see each other."""
        return jnp.where(self.interacting, self.coupling, 0.0)

    def displace(self, x: RigidState, step: RigidState) -> RigidState:
        """Moved by the displacement, turned by exp of the rotation vector; quaternions are normalised."""
        turned = quaternion.multiply(quaternion.exp(step.rotation), x.rotation)
        return RigidState(x.position + step.position, quaternion.normalised(turned))

    def difference(self, x: RigidState, other: RigidState) -> RigidState:
        """Displacement and the shortest rotation vector."""
        turn = quaternion.multiply(other.rotation, quaternion.inverse(x.rotation))
        return RigidState(other.position - x.position, quaternion.log(turn))

    def scatter(self, key: Key[Array, ""]) -> RigidState:
        """Uniform pose of one body in the box."""
        place, turn = jax.random.split(key)
        position = jax.random.uniform(place, (3,)) * (jnp.nan if self.box is None else self.box)
        return RigidState(position, quaternion.normalised(jax.random.normal(turn, (4,))))

    def jump(self, key: Key[Array, ""], x: RigidState, particle, partner) -> tuple[RigidState, Bool[Array, ""]]:
        """Pose of one body drawn around its bound poses with another, and whether there is such a pose."""
        kinds = self.species[particle], self.species[partner]
        here, there = RigidState(*(leaf[particle] for leaf in x)), RigidState(*(leaf[partner] for leaf in x))
        (shift, rotation), found = self.docks.draw(key, kinds, there.rotation)
        found &= True if self.box is None else jnp.all(jnp.abs(shift) < self.box / 2)
        drawn = RigidState(there.position + shift, rotation)
        return jax.tree.map(lambda new, old: jnp.where(found, new, old), drawn, here), found

    def jump_log_density(self, x: RigidState, particle, partner) -> Float[Array, ""]:
        """Log density of :meth:`jump` at the present pose, per d³r dΩ/8π²."""
        kinds = self.species[particle], self.species[partner]
        shift = minimum_image(x.position[particle] - x.position[partner], self.box)
        return self.docks.log_density(kinds, shift, x.rotation[particle], x.rotation[partner])

    def allocate(self, x: RigidState, needed: int = 0) -> Neighbors | None:
        """A neighbour list where it pays, else ``None`` for all pairs."""
        if not pays(len(self.species), self.cutoff, self.box):
            return None
        return allocate(x.position, cutoff=self.cutoff, skin=SKIN, box=self.box, needed=needed)

    def refresh(self, neighbors: Neighbors | None, x: RigidState) -> Neighbors | None:
        """Rebuild the list once a body has moved half the skin."""
        return neighbors if neighbors is None else refresh(neighbors, x.position)

    def init_state(self, key: Key[Array, ""]) -> RigidState:
        """Bodies at random grid points where no two spheres overlap, randomly turned."""
        place, turn = jax.random.split(key)
        n = len(self.species)
        position = scatter_points(place, n, 3, self.box, spacing=self.spacing)
        return RigidState(position, quaternion.normalised(jax.random.normal(turn, (n, 4))))

    def learnable(self):
        """Only the couplings learn; shapes, docks and laws are geometry."""
        return eqx.tree_at(lambda s: s.coupling, jax.tree.map(lambda _: False, self), True)

    def named_couplings(self):
        """The symmetric matrix over colours."""
        return {"couplings": (("colour", "colour_other"), unpack(self.seen()))}

    def bodies(self) -> list[rigid_dimer.Body]:
        """Host side: the kinds of bodies, as ``theory.rigid_dimer`` has them."""
        return self.shapes.bodies()

    def forces(self) -> rigid_dimer.Forces:
        """Host side: laws of spheres and patches, as ``theory.rigid_dimer`` has them."""
        well = self.well
        return rigid_dimer.Forces(float(self.repulsion), self.exponent, float(well.steepness), well.onset, well.cutoff)

    def mobility(self) -> RigidState:
        """Translation 1, rotation the same about every axis."""
        return RigidState(jnp.ones(()), self.rotational_mobility)



class Config(Spec):
    """Rigid bodies in a scenario."""

    kind: Literal["rigid_bodies"]
    curved: ClassVar[bool] = True
    dimension: ClassVar[int] = 3
    bodies: Literal["facing_trimers"] | list[Shape] = Field(
        description="the kinds of bodies, or the two of the published dimer", examples=[
            [{"spheres": [[0, 0, 0]], "radius": 0.5, "patches": [[0.5, 0, 0], [-0.3, 0.4, 0]], "colours": [0, 1]},
             {"spheres": [[0, 0, 0], [0, 0, 0.6]], "radius": 0.4, "patches": [[0.5, 0, 0.2]], "colours": [1]}],
            "facing_trimers",
        ],
    )  # fmt: skip
    numbers: list[int] = Field(min_length=1, description="bodies of each kind", examples=[[2, 2], [4, 4]])
    box: float | None = Field(
        default=None, gt=0, description="side of the periodic cube; null is free space", examples=[None, 12.0]
    )
    coupling: float | list[float] = Field(
        default=0.0, description="initial J of the bonds, kT_ref: one number, or one per bond; negative sticks",
        examples=[-2.0],
    )  # fmt: skip
    bonds: list[tuple[int, int]] | None = Field(
        default=None, min_length=1, description="pairs of colours that see each other; null is equal colours"
    )
    docks: list[Dock] = Field(default=[], description="known bound poses; the facing trimers bring theirs")
    repulsion: float = Field(default=500.0, gt=0, description="A of the spheres, kT_ref")
    exponent: float = Field(default=2.5, ge=2, description="exponent a of the spheres' repulsion")
    steepness: float = Field(default=5.0, gt=0, description="inverse width α of the patches, 1/length")
    onset: float = Field(default=0.8, gt=0, description="distance of patches where the switch begins")
    cutoff: float = Field(default=1.6, gt=0, description="distance of patches where it ends", examples=[1.6, 3.0])
    rotational_mobility: float = Field(
        default=0.75, gt=0, description="mobility of rotation over that of position, 1/length²; 3/4 for a unit sphere"
    )

    @property
    def shapes(self) -> list:
        """The kinds of bodies as ``theory.rigid_dimer`` has them."""
        from matterlearn.theory.rigid_dimer import Body, facing_trimers

        if self.bodies == "facing_trimers":
            return list(facing_trimers())
        points = lambda given: np.asarray(given, float).reshape(-1, 3)  # noqa: E731
        return [Body(points(b.spheres), points(b.patches), np.array(b.colours, int), b.radius) for b in self.bodies]

    @property
    def poses(self) -> list:
        """Docks as (kinds, pose), turned about the patches of the second body."""
        from matterlearn.theory.rigid_dimer import DOCKED, about_patches

        own = [((0, 1), DOCKED)] if self.bodies == "facing_trimers" else []
        given = [(dock.bodies, about_patches(dock.translation, dock.turn, self.shapes[dock.bodies[1]]))
                 for dock in self.docks]  # fmt: skip
        return own + given

    @property
    def forces(self):
        """Laws of spheres and patches as ``theory.rigid_dimer`` has them."""
        from matterlearn.theory.rigid_dimer import Forces

        return Forces(self.repulsion, self.exponent, self.steepness, self.onset, self.cutoff)

    @property
    def colours(self) -> int:
        """Number of colours."""
        return 1 + max((int(c) for body in self.shapes for c in body.colours), default=-1)

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Pairs of colours that see each other."""
        return self.bonds if self.bonds is not None else [(c, c) for c in range(self.colours)]

    @property
    def strengths(self) -> list[float]:
        """Initial J of each of the pairs."""
        return self.coupling if isinstance(self.coupling, list) else [self.coupling] * len(self.pairs)

    @property
    def spacing(self) -> float:
        """Distance of centres beyond which no two spheres overlap."""
        return 2 * max(np.linalg.norm(body.spheres, axis=1).max() + body.radius for body in self.shapes)

    @property
    def reach(self) -> float:
        """Distance of centres beyond which two bodies do not feel each other."""
        arms = [np.linalg.norm(body.patches, axis=1).max(initial=0.0) for body in self.shapes]
        return max(self.spacing, 2 * max(arms) + self.cutoff)

    @property
    def stiffness(self) -> float:
        """Largest curvature of the energy: all bonds at their bottom, or spheres as deep as kT pushes them."""
        patches = max(len(body.colours) for body in self.shapes)
        bonds = 2 * self.steepness**2 * patches * max((-j for j in self.strengths), default=0.0)
        a = self.exponent
        strength = self.repulsion / (a * 2 * max(body.radius for body in self.shapes))
        return float(max(bonds, strength * a * (a - 1) * strength ** (-(a - 2) / a)))

    def check(self, scenario):
        """Shapes, bonds, docks and box are possible, and the dynamics can turn things."""
        if self.bodies != "facing_trimers":
            for k, body in enumerate(self.bodies):
                if len(body.colours) != len(body.patches) or min(body.colours, default=0) < 0:
                    message = f"{len(body.colours)} colours for {len(body.patches)} patches; give one each, from 0"
                    yield Problem(("bodies", k, "colours"), message)
                    return
        kinds = len(self.shapes)
        if len(self.numbers) != kinds or min(self.numbers) < 0 or sum(self.numbers) < 1:
            yield Problem(("numbers",), f"needs {kinds} numbers, one per kind of body, and one body at least")
        if any(not 0 <= c < self.colours for pair in self.pairs for c in pair):
            yield Problem(("bonds",), f"names a colour that no patch has; there are 0 to {self.colours - 1}")
        elif len(self.strengths) != len(self.pairs):
            yield Problem(("coupling",), f"{len(self.strengths)} numbers for {len(self.pairs)} bonds; give one each")
        if any(not 0 <= k < kinds for dock in self.docks for k in dock.bodies):
            yield Problem(("docks",), f"names a kind of body that is not there; there are 0 to {kinds - 1}")
        if not self.onset < self.cutoff:
            yield Problem(("onset",), f"{self.onset:g} should be below the cutoff {self.cutoff:g}")
        yield from self._check_box()
        if matter(scenario.dynamics) == matter(self) and not getattr(scenario.dynamics, "curved", False):
            message = f"{scenario.dynamics.kind!r} moves coordinates of flat space, and bodies turn"
            yield Problem(("kind",), f"{message}: use brownian or association")

    def _check_box(self):
        if self.box is None:
            return
        if self.box < 2 * self.reach:
            yield Problem(
                ("box",), f"side {self.box:g} is smaller than twice the range {self.reach:g} of two bodies, so a body "
                f"would meet its own image; use at least {2 * self.reach:g}",
            )  # fmt: skip
        elif sum(self.numbers) > int(self.box / self.spacing) ** 3:
            yield Problem(("box",), f"{sum(self.numbers)} bodies {self.spacing:g} apart do not fit a box of side "
                                    f"{self.box:g}; use a larger one")  # fmt: skip

    def build(self, key) -> RigidBodies:
        """The system; ``key`` is unused because couplings start as given."""
        del key
        n = self.colours
        matrix, seen = np.zeros((n, n)), np.zeros((n, n), bool)
        for (a, b), strength in zip(self.pairs, self.strengths, strict=True):
            matrix[a, b] = matrix[b, a] = strength
            seen[a, b] = seen[b, a] = True
        return RigidBodies(
            coupling=pack(jnp.asarray(matrix, float)),
            interacting=pack(jnp.asarray(seen)),
            species=jnp.repeat(jnp.arange(len(self.numbers)), jnp.array(self.numbers)),
            shapes=Shapes.of(self.shapes, n),
            docks=Docks.of(self.poses),
            well=MorseWell(jnp.asarray(float(self.steepness)), self.onset, self.cutoff),
            repulsion=jnp.asarray(float(self.repulsion)),
            rotational_mobility=jnp.asarray(float(self.rotational_mobility)),
            exponent=self.exponent,
            box=self.box,
            cutoff=float(self.reach),
            spacing=float(self.spacing),
        )
