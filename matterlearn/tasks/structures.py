"""Stored structures of particles, and the cues that recall them.

Each structure puts every one of its species on one cell of a footprint: m random permutations of the species on
an l × l square or a hexagon, or layouts, images and graphs given in the scenario. Exposures hold a structure by
tethers; recall starts from a seed, from a raised concentration of neighbouring species, from strengthened bonds
between them, or from nothing.

Cells are one bond length (σ) apart. A structure's bonds are whatever its system measures as bonds when the
particles sit on the cells, so the same task serves patchy discs, isotropic discs and spheres.

Source: [murugan2015multifarious] for permutations as memories and the three ways of recall. Limits: all structures
of one task have the same number of cells; each species occurs at most once in a structure.

Example:
    >>> config = Config(kind="structures", shape=[5, 5], count=2, cue={"by": "seed", "size": 9})
    >>> config.cells
    25
"""

from typing import Annotated, Any, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from pydantic import Field, model_validator

from matterlearn.core.assembly import Assembly, ParticleSystem, analyse, chimera, extra, overlap, pair_counts
from matterlearn.core.drive import Drive
from matterlearn.core.footprint import HEXAGONS, cells_of, centred, compact, make, most_structures, permutations
from matterlearn.core.observable import Summary
from matterlearn.core.rule import Batch
from matterlearn.core.symmetric import size as packed_size
from matterlearn.core.symmetric import unpack
from matterlearn.core.task import AbstractTask, Recall, cue_labels, replicated
from matterlearn.spec import Problem, Spec
from matterlearn.theory.assembly import chemical_potential_window, effective_cost


class Structures(AbstractTask):
    """Memories as species on cells, with their bonds."""

    position: Float[Array, "memory cell dim"]
    species: Int[Array, "memory cell"]
    bonds: Float[Array, "memory pair"]
    tether: Float[Array, ""]
    copies: Float[Array, " memory"]
    cue: "Cue" = eqx.field(static=True)
    scales: tuple[float, ...] = eqx.field(static=True)

    @property
    def memory_count(self) -> int:
        return self.species.shape[0]

    def teach(self, system: ParticleSystem, memory):
        """One particle of each species of the structure, in the order of its cells."""
        return system.with_species(self.species[memory])

    def present(self, key, system: ParticleSystem, memory, replicas, duration) -> Batch:
        """The structure on its cells, held there by tethers on position and orientation."""
        x = system.arrange(self.position[memory])
        drive = Drive(target=x, stiffness=jax.tree.map(lambda leaf: jnp.full_like(leaf, self.tether), x))
        stacked = replicated((drive, x), replicas)
        return Batch(stacked[0], stacked[1], jnp.asarray(duration, float))

    def recall(self, key, system: ParticleSystem, replicas) -> Recall:
        """Replica r is cued with memory r mod m; blocks of m replicas take the bond scales in turn."""
        cued = np.arange(replicas) % self.memory_count
        scale = np.asarray(self.scales)[np.arange(replicas) // self.memory_count % len(self.scales)]
        keys = [jax.random.fold_in(key, r) for r in range(replicas)]
        starts = [self._start(k, system, int(m), float(s)) for k, m, s in zip(keys, cued, scale, strict=True)]
        systems, samples = zip(*starts, strict=True)
        stack = lambda trees: jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)  # noqa: E731
        drive = stack([Drive()] * replicas)
        strongest = float(jnp.max(-system.coupling, initial=0.0))
        labels = cue_labels(cued, scale, strongest)
        return Recall(stack(systems), drive, stack(samples), labels)

    def overlap(self, system: ParticleSystem, state) -> Float[Array, " memory"]:
        """Fraction of each structure's bonds that are formed."""
        return overlap(system.bonds(state.x, state.neighbors), self.bonds, self.copies)

    def assembly(self, system: ParticleSystem, state) -> Assembly:
        """Clusters, and the pieces of each structure in them."""
        return analyse(system.bonds(state.x, state.neighbors), self.bonds, len(system.species))

    def extra(self, system: ParticleSystem, state) -> Float[Array, ""]:
        """Wrong and surplus particles attached to the largest correct piece, over the structure's size."""
        return extra(self.assembly(system, state), self.species.shape[-1])

    def chimera(self, system: ParticleSystem, state) -> Float[Array, ""]:
        """Fraction of particles grown onto a correct piece without belonging to it."""
        return chimera(self.assembly(system, state))

    def groups(self, system: ParticleSystem) -> dict[str, list[Summary]]:
        """Union and sum of the structures' bonds at the learned strength; bonds, cells and species."""
        bonds = np.asarray(jax.vmap(unpack)(self.bonds))
        strongest = float(jnp.max(-system.coupling, initial=0.0)) or 1.0
        pair = ("site", "site_other")
        words, cells = "ideal Hebbian couplings", np.asarray(self.position)
        return {
            "couplings": [
                Summary("ideal", pair, -strongest * bonds.max(0), "kT_ref", f"{words}, union rule"),
                Summary("ideal_sum", pair, -strongest * bonds.sum(0), "kT_ref", f"{words}, sum rule"),
            ],
            "memories": [
                Summary("bonds", ("memory", *pair), bonds, "1", "bonds of the stored structure"),
                Summary("position", ("memory", "tile", "axis"), cells, "σ", "cell of the structure"),
                Summary("species", ("memory", "tile"), np.asarray(self.species), "1", "species on the cell"),
            ],
        }

    def annotations(self, system: Any) -> dict[str, float]:
        """Window of bond strengths in which a seed grows and nothing else does, if strengths are compared.

        A corner must fill, c v₂ e^{2ε} > 1, and no edge be wetted by wrong species, 4m c v₁ e^{ε} < 1: the lattice
        window ε + ln 4m < μ_eff < 2ε with the room v of one and of two bonds in its effective costs −ln(c v).
        """
        if len(set(self.scales)) < 3 or system.box is None or not hasattr(system, "bond_volumes"):
            return {}
        strengths = np.linspace(3.0, 14.0, 12)
        concentration = float(jnp.max(self.copies)) / system.box**system.dimension
        costs = effective_cost(concentration, np.array([system.bond_volumes(e) for e in strengths]))
        fine = np.linspace(strengths[0], strengths[-1], 1101)
        single, corner = (np.interp(fine, strengths, cost) for cost in costs.T)
        bounds = np.array([chemical_potential_window(e, self.memory_count) for e in fine])
        inside = fine[(bounds[:, 0] < single) & (corner < bounds[:, 1])]
        return {"window_low": float(inside[0]), "window_high": float(inside[-1])} if len(inside) else {}

    def _start(self, key, system, memory: int, scale: float):
        """System and sample of one replica: the cue applied to a mixture of everything else."""
        part = compact(np.asarray(self.position[memory]), self.cue.size)
        chosen = np.asarray(self.species[memory])[part]
        counts = np.bincount(np.asarray(system.species), minlength=system.species_count)
        coupling = system.coupling * scale
        held = np.zeros((0, system.dimension))
        if self.cue.by == "seed":
            held = np.asarray(self.position[memory])[part] + (system.box or 0.0) / 2
        elif self.cue.by == "concentration":
            counts[chosen] = np.round(counts[chosen] * self.cue.factor).astype(int)
        elif self.cue.by == "bonds":
            subset = system.with_species(jnp.asarray(chosen))
            within = subset.bonds(subset.arrange(self.position[memory][part]))
            inside = pair_counts(within, self.bonds.shape[-1]) > 0
            coupling = jnp.where(inside, coupling * self.cue.factor, coupling)
        counts[chosen[: len(held)]] -= 1
        order = np.concatenate([chosen[: len(held)], np.repeat(np.arange(len(counts)), counts)])
        mixture = eqx.tree_at(lambda s: s.coupling, system.with_species(jnp.asarray(order)), coupling)
        return mixture, mixture.arrange(jnp.asarray(held, float), key)


class Cue(Spec):
    """What a replica is given of its structure: ``size`` neighbouring cells around the centre."""

    by: Literal["seed", "concentration", "bonds", "nothing"] = "seed"
    size: int = Field(default=0, ge=0, description="cells of the cue")
    factor: float = Field(default=2.0, gt=0, description="how much more concentrated, or how much stronger")


class Config(Spec):
    """Stored structures in a scenario; exactly one of shape, hexagon, image, layouts, graph."""

    kind: Literal["structures"]
    assembles: ClassVar[bool] = True  # structures, to which units may be surplus
    shape: list[Annotated[int, Field(ge=1)]] | None = Field(default=None, min_length=2, max_length=3, examples=[[2, 2]])
    hexagon: int | None = Field(default=None, description="cells of a hexagon: 7, 19, 37, …")
    image: list[str] | None = Field(default=None, description="rows of a picture; all but '.' and ' ' are cells")
    layouts: list[list[list[int | None]]] | None = Field(default=None, description="species of the cells, null: empty")
    graph: list[tuple[int, int]] | None = Field(default=None, description="bonds between cells 0 … n−1")
    count: int = Field(default=1, ge=1, description="number of structures m (permutations of the species)")
    structure_seed: int = Field(default=0, ge=0, description="seed of the permutations")
    tether: float = Field(default=300.0, gt=0, description="stiffness of the tethers in an exposure, kT_ref/σ²")
    cue: Cue = Cue()
    bond_scales: list[Annotated[float, Field(ge=0)]] = Field(default=[1.0], min_length=1)

    @model_validator(mode="after")
    def _one_footprint(self):
        given = [n for n in ("shape", "hexagon", "image", "layouts", "graph") if getattr(self, n) is not None]
        if len(given) != 1:
            said = " and ".join(given) or "none"
            raise ValueError(f"give exactly one of shape, hexagon, image, layouts, graph; got {said}")
        return self

    @property
    def cells(self) -> int:
        """Cells of a structure."""
        if self.layouts is not None:
            return sum(s is not None for row in self.layouts[0] for s in row)
        if self.image is not None:
            return sum(c not in ". " for row in self.image for c in row)
        if self.graph is not None:
            return 1 + max(max(bond) for bond in self.graph)
        return int(np.prod(self.shape)) if self.shape is not None else self.hexagon or 0

    @property
    def memories(self) -> int:
        """Number of structures."""
        return len(self.layouts) if self.layouts is not None else self.count

    def check(self, scenario):
        """The structures can exist in this mixture and the cue is part of one."""
        yield from check_structures(self, scenario.system)

    def build(self, system) -> Structures:
        """Positions, species and bonds of every structure in this system."""
        species, position = self._species_and_positions(system.species_count)
        task_bonds = []
        for cells, order in zip(position, species, strict=True):
            taught = system.with_species(jnp.asarray(order))
            counted = pair_counts(taught.bonds(taught.arrange(jnp.asarray(cells))), packed_size(system.sites))
            task_bonds.append(counted > 0)
        counts = np.bincount(np.asarray(system.species), minlength=system.species_count)
        return Structures(
            position=jnp.asarray(np.stack(position), float),
            species=jnp.asarray(np.stack(species), jnp.int32),
            bonds=jnp.stack(task_bonds).astype(float),
            tether=jnp.asarray(float(self.tether)),
            copies=jnp.asarray([max(counts[order].min(), 1) for order in species], float),
            cue=self.cue,
            scales=tuple(self.bond_scales),
        )

    def _species_and_positions(self, species_count: int):
        if self.layouts is not None:
            grids = [np.array([[-1 if s is None else s for s in row] for row in grid]) for grid in self.layouts]
            cells = [cells_of(grid >= 0) for grid in grids]
            return [grid[grid >= 0] for grid in grids], [centred(c) for c in cells]
        cells = make(shape=self.shape, hexagon=self.hexagon, image=self.image, graph=self.graph)
        return permutations(species_count, len(cells), self.count, self.structure_seed), [cells] * self.count


def check_structures(task: Config, system):
    """Complaints about structures that the mixture cannot hold."""
    cells, species = task.cells, getattr(system, "species", None)
    if species is None:
        yield Problem((), f"structures are made of particles, but the system {system.kind!r} has no species")
        return
    if task.hexagon is not None and task.hexagon not in HEXAGONS:
        yield Problem(("hexagon",), f"no hexagon has {task.hexagon} cells; use one of {HEXAGONS[:5]}")
    if cells > species:
        yield Problem((), f"a structure of {cells} cells needs {cells} species; the system has {species}")
    if task.cue.size > cells:
        yield Problem(("cue", "size"), f"the cue has {task.cue.size} cells but the structure only {cells}")
    for k, grid in enumerate(task.layouts or []):
        used = [s for row in grid for s in row if s is not None]
        if len({len(row) for row in grid}) != 1 or len(used) != cells:
            yield Problem(("layouts", k), f"needs rows of equal length and {cells} cells, as the first layout has")
        if len(set(used)) != len(used) or not all(0 <= s < species for s in used):
            yield Problem(("layouts", k), f"each cell needs a species of its own between 0 and {species - 1}")
    yield from _check_room(task, system)
    fits = most_structures(species, cells, getattr(system, "patches", 1))
    if task.memories > fits:
        yield Problem(
            ("count",),
            f"{task.memories} structures of {cells} cells do not fit {species} species: beyond {fits} every pair of "
            "sites would be bonded; store fewer or use more species",
        )


def _check_room(task: Config, system):
    """The footprint has the system's dimension, and its two sides do not meet through the periodic box."""
    if task.layouts is not None or task.graph is not None or (task.hexagon or 7) not in HEXAGONS:
        return
    cells = make(shape=task.shape, hexagon=task.hexagon, image=task.image)
    dimension = getattr(system, "dimension", 2)
    if cells.shape[1] != dimension:
        yield Problem((), f"a footprint in {cells.shape[1]} dimensions does not fit a system in {dimension}")
    needed = float(np.ptp(cells, axis=0).max()) + system.reach
    if system.box is not None and system.box < needed:
        yield Problem((), f"the structure and its image across the box of side {system.box:g} would touch; "
                          f"use a box of at least {needed:.3g}")  # fmt: skip
