"""What is inside the droplets: composition of every target phase, measured where the phase is bulk.

A site belongs to the phase, dilute or target, whose composition is closest to that of the block of 3^d sites around it
without itself; it is *inside* if all sites of its block belong to the same phase. So interfaces do not count, and what
stands on a site has no say in where that site is counted.

    phase_composition(phase, component) = fraction of the sites inside that hold the species, solvent first

A phase that is nowhere has the composition 0. Errors are standard errors over replicas.

Limits: droplets thinner than five sites have no inside.

Example:
    >>> Config(kind="phase_composition", phases=[[0.45, 0.45]]).discard
    0.5
"""

from typing import Annotated, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from pydantic import Field

from matterlearn.core.lattice import Lattice
from matterlearn.core.mixture import check_species
from matterlearn.core.observable import Observable, Summary, averaged
from matterlearn.observables._phases import check_phases, phase_names
from matterlearn.spec import Spec


def block_sum(lattice: Lattice, x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Sum over the block of 3^d sites around every site; nothing lies beyond a wall.

    >>> block_sum(Lattice((4,), (True,)), jnp.array([1.0, 0.0, 0.0, 0.0])).tolist()
    [1.0, 1.0, 0.0, 1.0]
    """
    for axis in range(len(lattice.shape)):
        before = jnp.flip(lattice.shifted(jnp.flip(x, axis), axis, 0), axis)
        x = before + x + lattice.shifted(x, axis, 0)
    return x


def inside(
    lattice: Lattice, sites: Int[Array, "..."], compositions: Float[Array, "phase component"]
) -> Float[Array, "... phase"]:
    """1 where a site is inside a phase, else 0."""
    species = jax.nn.one_hot(sites.astype(jnp.int32), compositions.shape[1])
    around = block_sum(lattice, species) - species
    around = around / jnp.sum(around, -1, keepdims=True)
    distance = jnp.sum((around[..., None, :] - compositions) ** 2, -1)
    member = jax.nn.one_hot(jnp.argmin(distance, -1), len(compositions))
    return (block_sum(lattice, member) > 3 ** len(lattice.shape) - 0.5).astype(float)


class PhaseComposition(Observable):
    """Composition inside every phase, the dilute one first."""

    lattice: Lattice = eqx.field(static=True)
    targets: Float[Array, "phase component"]
    names: tuple[str, ...] = eqx.field(static=True)
    discard: float = eqx.field(static=True)

    def __call__(self, system, drive, state):
        sites = state.x.species
        bulk = inside(self.lattice, sites, self.targets).reshape(-1, len(self.names))
        species = jax.nn.one_hot(sites.ravel().astype(jnp.int32), self.targets.shape[1])
        return bulk.T @ species / jnp.maximum(jnp.sum(bulk, 0), 1.0)[:, None]

    def coords(self):
        """Names of the phases."""
        return {"phase": np.array(self.names)}

    def summary(self, values, labels) -> list[Summary]:
        """Mean composition of every phase with standard errors over replicas, and the targets."""
        kept = values[:, int(self.discard * values.shape[1]) :].astype(float)
        seen = kept.sum(-1, keepdims=True).sum(1)  # records in which the phase was somewhere
        name, dims, words = "phase_composition", ("phase", "component"), "fraction of a phase's sites with a species"
        found = averaged(name, dims, kept.sum(1) / np.maximum(seen, 1), "1", words)
        return [*found, Summary(f"{name}_target", dims, np.asarray(self.targets), "1", f"{words}: target")]


class Config(Spec):
    """Compositions of phases in a scenario."""

    kind: Literal["phase_composition"]
    provides: ClassVar[tuple[str, ...]] = ("phase_composition",)
    every: int = Field(default=100, ge=1, description="steps between records")
    phases: Annotated[list[list[Annotated[float, Field(ge=0, lt=1)]]], Field(min_length=1)] = Field(
        description="fractions of the moving species in every target phase", examples=[[[0.45, 0.45], [0.9, 0.0]]]
    )
    discard: float = Field(default=0.5, ge=0, lt=1, description="first fraction of the records that is left out")

    def check(self, scenario):
        """There are species on sites, and phases of them."""
        yield from check_species(scenario)
        yield from check_phases(self.phases, scenario)

    def build(self, system, task) -> PhaseComposition:
        """The observable."""
        del task
        species = len(system.site_energies())
        targets = np.zeros((1 + len(self.phases), species))
        targets[1:, 1 : len(self.phases[0]) + 1] = self.phases
        targets[:, 0] = 1 - targets.sum(1)
        names = ("dilute", *phase_names(self.phases))
        return PhaseComposition(
            "phase_shares", ("phase", "component"), "1", "fraction of a phase's sites with a species", self.every,
            system.lattice, jnp.asarray(targets), names, self.discard,
        )  # fmt: skip
