"""Stored structures of lattice tiles, and seeds that recall them.

Each of m structures is an independent random permutation of the species on a block of cells in the middle of the
lattice. An exposure clamps the whole lattice on one structure, so that the contacts of its tiles are counted exactly.
Recall starts every replica from a seed, the middle part of one structure, on an otherwise empty lattice; replicas go
through all combinations of ``counts``, ``bond_scales`` and ``chemical_potentials``, which makes a whole state diagram
one run.

    overlap_k = tiles of structure k in their place / M,        extra = other tiles / M,        error = 1 − overlap

A structure's place is where its seed stood. It cannot drift: tiles do not move, and one place further every tile of
the structure would be wrong. Errors outside of the place are what ``extra`` counts.

State of a lattice (``STATES``), with q the largest overlap; the first that applies:

| state | when |
|---|---|
| chimera | extra ≥ 0.2, and at least half of the extra tiles bind a neighbour |
| liquid | extra ≥ 0.2, and at least half of the sites are occupied |
| recalled | q ≥ 0.9 |
| dispersed | otherwise: nothing grew, or nothing is left |

Source: [murugan2015multifarious]. Limits: tiles of the directional kind; all structures have the same shape.

Example:
    >>> Config(kind="tile_structures", shape=[4, 4], count=3).seed_sides
    [2, 2]
"""

import itertools
import math
from typing import Annotated, ClassVar, Literal, NamedTuple, Protocol

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int
from pydantic import Field

from matterlearn.core.drive import Drive
from matterlearn.core.footprint import permutations
from matterlearn.core.lattice import Lattice
from matterlearn.core.lattice_kernel import LatticeState, species_dtype
from matterlearn.core.observable import Summary
from matterlearn.core.rule import Batch
from matterlearn.core.task import AbstractTask, Label, Recall, cue_labels, replicated
from matterlearn.spec import Problem, Spec
from matterlearn.theory.assembly import chemical_potential_window

STATES = ("dispersed", "recalled", "chimera", "liquid")
RECALLED, SURPLUS = 0.9, 0.2  # smallest overlap of a recalled structure, largest surplus over its size


class Tiles(Protocol):
    """Species with directional bonds on a lattice."""

    lattice: Lattice
    coupling: Float[Array, "axis species species"]
    chemical_potential: Float[Array, "..."]

    @property
    def mobile(self) -> int: ...
    @property
    def species_count(self) -> int: ...
    def bond_energies(self, x: LatticeState) -> list[Float[Array, "..."]]: ...
    def sparse(self) -> "Tiles": ...


class Sweep(NamedTuple):
    """One combination: memories whose bonds the replica has, factor on its couplings, cost of a tile."""

    memories: int
    scale: float
    cost: float | None


class TileStructures(AbstractTask):
    """Memories as species in their place on the lattice, 0 where there is nothing."""

    patterns: Int[Array, "memory ..."]
    seed: Bool[Array, "..."]
    sweeps: tuple[Sweep, ...] = eqx.field(static=True)
    states: ClassVar[tuple[str, ...]] = STATES

    @property
    def memory_count(self) -> int:
        return self.patterns.shape[0]

    @property
    def cells(self) -> Int[Array, ""]:
        """Cells M of a structure."""
        return jnp.sum(self.patterns[0] > 0)

    def present(self, key, system: Tiles, memory, replicas, duration) -> Batch:
        """The structure in its place on an empty lattice, every site clamped."""
        del key, system
        x = LatticeState(self.patterns[memory])
        drive = Drive(target=x, clamped=LatticeState(jnp.ones(x.species.shape, bool)))
        return Batch(replicated(drive, replicas), replicated(x, replicas), jnp.asarray(duration, float))

    def recall(self, key, system: Tiles, replicas) -> Recall:
        """Replica r takes combination r mod n of n, and as its cue the first, second, … memory that this one has."""
        del key
        chosen = [self.sweeps[r % len(self.sweeps)] for r in range(replicas)]
        cued = np.array([r // len(self.sweeps) % sweep.memories for r, sweep in enumerate(chosen)])
        scale = np.array([sweep.scale for sweep in chosen])
        learned, contacts = np.asarray(system.coupling), self.contacts(system)
        own = {n: np.where(contacts[:n].any(0), learned, 0) for n in {sweep.memories for sweep in chosen}}
        if set(own) == {self.memory_count}:
            own = {self.memory_count: learned}  # whatever was learned, not only bonds of the structures
        coupling = np.stack([own[sweep.memories] * learned.dtype.type(sweep.scale) for sweep in chosen])
        mu = np.asarray(system.chemical_potential)
        cost = np.stack([mu if sweep.cost is None else np.full_like(mu, sweep.cost) for sweep in chosen])
        systems = replicated(system, replicas)
        leaves = jnp.asarray(coupling), jnp.asarray(cost)
        systems = eqx.tree_at(lambda s: (s.coupling, s.chemical_potential), systems, leaves).sparse()
        strength = replicated(Drive().strength, replicas)
        labels = cue_labels(cued, scale, float(np.max(-learned, initial=0.0))) | {
            "chemical_potential": Label(cost.reshape(replicas, -1).mean(1), "kT_ref", "cost of a tile"),
            "stored_memories": Label(np.array([sweep.memories for sweep in chosen]), "1", "memories in the couplings"),
        }
        x = LatticeState(jnp.where(self.seed, self.patterns[cued], 0))
        return Recall(systems, Drive(strength=strength), x, labels)

    def contacts(self, system: Tiles) -> Bool[np.ndarray, "memory axis species species"]:
        """Pairs of species that are neighbours in each structure, the one at the lower coordinate first."""
        patterns = np.asarray(self.patterns)
        found = np.zeros((len(patterns), *system.coupling.shape), bool)
        for memory, axis in np.ndindex(found.shape[:2]):
            rows = np.moveaxis(patterns[memory], axis, 0)
            bound = (rows[:-1] > 0) & (rows[1:] > 0)
            found[memory, axis, rows[:-1][bound] - 1, rows[1:][bound] - 1] = True
        return found

    def overlap(self, system: Tiles, state) -> Float[Array, " memory"]:
        """Fraction of each structure's tiles that are in their place."""
        del system
        right = (self.patterns == state.x.species) & (self.patterns > 0)
        return jnp.sum(right, range(1, right.ndim)) / self.cells

    def extra(self, system: Tiles, state) -> Float[Array, ""]:
        """Tiles that are not in their place in the best recalled structure, over the structure's size."""
        return jnp.sum(self._wrong(system, state)) / self.cells

    def chimera(self, system: Tiles, state) -> Float[Array, ""]:
        """Fraction of all tiles that bind a neighbour without belonging to the best recalled structure."""
        wrong = self._wrong(system, state) & self._bound(system, state)
        return jnp.sum(wrong) / jnp.maximum(jnp.sum(state.x.species > 0), 1)

    def classify(self, system: Tiles, state) -> Int[Array, ""]:
        """Number of the state that the lattice is in; see the module's docstring."""
        wrong = self._wrong(system, state)
        grown = jnp.sum(wrong) >= SURPLUS * self.cells
        chimera = grown & (jnp.sum(wrong & self._bound(system, state)) >= 0.5 * jnp.sum(wrong))
        liquid = grown & (jnp.mean(state.x.species > 0) >= 0.5)
        recalled = jnp.max(self.overlap(system, state)) >= RECALLED
        return jnp.select([chimera, liquid, recalled], [2, 3, 1], 0).astype(jnp.int32)

    def _wrong(self, system, state) -> Bool[Array, "..."]:
        """Tiles that are not in their place in the best recalled structure."""
        best = self.patterns[jnp.argmax(self.overlap(system, state))]
        return (state.x.species > 0) & (state.x.species != best)

    def _bound(self, system: Tiles, state) -> Bool[Array, "..."]:
        """Sites with at least one attractive bond."""
        bound = jnp.zeros(state.x.species.shape, bool)
        for axis, energies in enumerate(system.bond_energies(state.x)):
            sticks = energies < 0
            bound = bound | sticks | jnp.roll(sticks, 1, axis)  # no bond crosses an open side
        return bound

    def groups(self, system: Tiles) -> dict[str, list[Summary]]:
        """Union and sum of the structures' bonds at the learned strength; bonds, and species in their place."""
        bonds = self.contacts(system)
        strongest = float(jnp.max(-system.coupling, initial=0.0)) or 1.0
        axes, words = ("axis", "species", "species_other"), "ideal Hebbian couplings"
        sites = ("layer", "row", "column")[-len(system.lattice.shape) :]
        pattern = np.asarray(self.patterns)
        return {
            "couplings": [
                Summary("ideal", axes, -strongest * bonds.max(0), "kT_ref", f"{words}, union rule"),
                Summary("ideal_sum", axes, -strongest * bonds.sum(0), "kT_ref", f"{words}, sum rule"),
            ],
            "memories": [
                Summary("bonds", ("memory", *axes), bonds.astype(np.int8), "1", "bonds of the stored structure"),
                Summary("pattern", ("memory", *sites), pattern, "1", "species in its place, 0 where nothing is"),
            ],
        }

    def annotations(self, system: Tiles) -> dict[str, float]:
        """Window of tile costs ε + ln 4m < μ < 2ε, or of bond strengths μ/2 < ε < μ − ln 4m, if one is swept."""
        scales, costs = ({getattr(s, name) for s in self.sweeps} for name in ("scale", "cost"))
        memories = {s.memories for s in self.sweeps}
        strongest = float(jnp.max(-system.coupling, initial=0.0))
        if len(memories) > 1 or len(scales) > 1 < len(costs) or max(len(scales), len(costs)) < 3:
            return {}
        if len(costs) > 1:
            bounds = chemical_potential_window(strongest * self.sweeps[0].scale, self.sweeps[0].memories)
        else:
            cost = self.sweeps[0].cost
            cost = float(jnp.mean(system.chemical_potential)) if cost is None else cost
            bounds = cost / 2, cost - math.log(4 * self.sweeps[0].memories)
        return {"window_low": bounds[0], "window_high": bounds[1]} if bounds[0] < bounds[1] else {}

    def references(self, system: Tiles, dynamics) -> list[Summary]:
        """Ends of the lines that bound the states, where bond strength and cost are both swept."""
        del dynamics
        scales, costs = ({getattr(s, name) for s in self.sweeps} for name in ("scale", "cost"))
        if len(scales) < 2 or len(costs) < 2:
            return []
        strongest = float(jnp.max(-system.coupling, initial=0.0))
        bonds = np.array([min(scales), max(scales)]) * strongest
        windows = np.array([chemical_potential_window(bond, self.sweeps[0].memories) for bond in bonds])
        words = "cost of a tile"
        lines = {
            "bond_strength": (bonds, "strongest bond, at the ends of the lines"),
            "wetting": (windows[:, 0], f"{words} below which single bonds hold tiles, ε + ln 4m"),
            "dissolution": (windows[:, 1], f"{words} above which a corner dissolves, 2ε"),
            "condensation": (np.full(2, np.log(system.mobile)), f"{words} below which unbound tiles condense, ln N"),
        }
        return [Summary(f"line_{n}_theory", ("end",), v, "kT_ref", w) for n, (v, w) in lines.items()]


class Config(Spec):
    """Stored structures of lattice tiles in a scenario."""

    kind: Literal["tile_structures"]
    assembles: ClassVar[bool] = True  # structures, to which units may be surplus
    tells_states: ClassVar[bool] = True
    shape: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=2, max_length=3)] = Field(
        description="sides of a structure, cells", examples=[[2, 2]]
    )
    count: int = Field(default=1, ge=1, description="number of structures m (permutations of the species)")
    structure_seed: int = Field(default=0, ge=0, description="seed of the permutations")
    seed: list[Annotated[int, Field(ge=0)]] | None = Field(
        default=None, description="sides of the seed that recall starts from, cells; null is half of each side"
    )
    bond_scales: list[Annotated[float, Field(ge=0)]] = Field(
        default=[1.0], min_length=1, description="factors on the learned couplings"
    )
    chemical_potentials: list[float] | None = Field(
        default=None, min_length=1, description="costs μ of a tile, kT_ref; null is what the system has"
    )
    counts: list[Annotated[int, Field(ge=1)]] | None = Field(
        default=None, min_length=1, description="numbers of memories whose bonds a replica has; null is all of them"
    )

    @property
    def memories(self) -> int:
        """Number of structures."""
        return self.count

    @property
    def seed_sides(self) -> list[int]:
        """Sides of the seed."""
        return [n // 2 for n in self.shape] if self.seed is None else self.seed

    @property
    def sweeps(self) -> list[tuple]:
        """All combinations: memories, bond scale, cost of a tile."""
        counts = [self.count] if self.counts is None else self.counts
        costs = [None] if self.chemical_potentials is None else self.chemical_potentials
        return list(itertools.product(counts, self.bond_scales, costs))

    def check(self, scenario):
        """The structures fit the lattice and its species, the seed fits the structure, and all is simulated."""
        system = scenario.system
        if system.kind != "lattice_tiles":
            yield Problem(("kind",), f"needs lattice_tiles, not {system.kind!r}; particles have the task structures")
            return
        cells = int(np.prod(self.shape))
        if cells > system.species:
            yield Problem(("shape",), f"a structure of {cells} cells needs {cells} species; there are {system.species}")
        if len(self.shape) != len(system.shape) or any(n > L for n, L in zip(self.shape, system.shape, strict=True)):
            yield Problem(("shape",), f"{self.shape} does not fit a lattice of sides {system.shape}")
            return
        wraps = system.periodic if isinstance(system.periodic, list) else [system.periodic] * len(system.shape)
        if any(p and n == L for p, n, L in zip(wraps, self.shape, system.shape, strict=False)):
            yield Problem(("shape",), "the structure would touch itself across a periodic side; leave a site free")
        sides = self.seed_sides
        if len(sides) != len(self.shape) or any(s > n for s, n in zip(sides, self.shape, strict=True)):
            yield Problem(("seed",), f"a seed of sides {sides} is no part of a structure of sides {self.shape}")
        if max(self.counts or [1]) > self.count:
            yield Problem(("counts",), f"{max(self.counts or [1])} memories out of {self.count}; raise count")
        if len(self.sweeps) > scenario.run.replicas:
            yield Problem((), f"{len(self.sweeps)} combinations need as many replicas; run.replicas is "
                              f"{scenario.run.replicas}")  # fmt: skip

    def build(self, system) -> TileStructures:
        """Structures and seed in the middle of the lattice."""
        lattice = system.lattice.shape
        place = _middle(lattice, self.shape)
        patterns = np.zeros((self.count, *lattice), species_dtype(system.species_count))
        orders = permutations(system.mobile, int(np.prod(self.shape)), self.count, self.structure_seed)
        for memory, order in enumerate(orders):
            patterns[(memory, *place)] = 1 + order.reshape(self.shape)
        seed = np.zeros(lattice, bool)
        inside = _middle(self.shape, self.seed_sides)
        seed[place][inside] = True
        sweeps = tuple(Sweep(*one) for one in self.sweeps)
        return TileStructures(jnp.asarray(patterns), jnp.asarray(seed), sweeps)


def _middle(outer, inner) -> tuple[slice, ...]:
    """Where a block lies in the middle of a larger one."""
    return tuple(slice((L - n) // 2, (L - n) // 2 + n) for L, n in zip(outer, inner, strict=True))
