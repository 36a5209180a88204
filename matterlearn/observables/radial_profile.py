"""Species against the distance from the centre of mass of a drop.

    radial_profile(distance, component) = fraction of the sites in a shell of width 1 that hold the species

The centre is that of all sites which hold the species ``about``; along a periodic side it is the phase of
Σ exp(2πi x/L), so a drop may lie across the seam. ``radial_profile_target`` is the same of the task's patterns, if they
say what stands on every site. Errors are standard errors over replicas.

| quantity | unit |
|---|---|
| distance | lattice constants, middle of the shell |

Limits: one drop; of several, or of a uniform mixture, the centre means nothing.

Example:
    >>> Config(kind="radial_profile", about=[1]).about
    [1]
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
from matterlearn.spec import Problem, Spec

ROUNDING = 1e-4  # sites at a whole distance belong to the outer shell, however the centre was rounded


def squared_distance(lattice: Lattice, member: Float[Array, "..."]) -> Float[Array, "..."]:
    """Squared distance of every site from the centre of mass of the weights ``member``.

    >>> member = jnp.zeros((1, 4)).at[0, 0].set(1.0).at[0, 3].set(1.0)  # two sites across the seam
    >>> squared_distance(Lattice((1, 4), (False, True)), member).round(3).tolist()
    [[0.25, 2.25, 2.25, 0.25]]
    """
    total, square = jnp.maximum(jnp.sum(member), 1e-9), jnp.zeros(())
    for axis, (n, wraps) in enumerate(zip(lattice.shape, lattice.periodic, strict=True)):
        place = jnp.arange(n, dtype=float)
        weight = jnp.sum(member, [a for a in range(member.ndim) if a != axis]) / total
        if wraps:
            angle = 2 * jnp.pi * place / n
            centre = n / (2 * jnp.pi) * jnp.arctan2(weight @ jnp.sin(angle), weight @ jnp.cos(angle))
            apart = place - centre
            apart = apart - n * jnp.round(apart / n)
        else:
            apart = place - weight @ place
        square = square + (apart**2).reshape([-1 if a == axis else 1 for a in range(member.ndim)])
    return square


class RadialProfile(Observable):
    """Sites of every species in every shell."""

    lattice: Lattice = eqx.field(static=True)
    species: int = eqx.field(static=True)
    about: tuple[int, ...] = eqx.field(static=True)
    discard: float = eqx.field(static=True)
    target: Float[Array, "distance species"] | None

    @property
    def shells(self) -> int:
        """Shells that fit between the centre and the nearest of its periodic images."""
        return max(1, min(self.lattice.shape) // 2)

    def counts(self, sites: Int[Array, "..."]) -> Int[Array, "distance species"]:
        """Sites of every species in every shell of one sample."""
        member = jnp.isin(sites, jnp.asarray(self.about)).astype(float)
        distance = jnp.sqrt(squared_distance(self.lattice, member))
        shell = (distance + ROUNDING).astype(jnp.int32)
        size = self.shells * self.species
        entry = jnp.where(shell < self.shells, shell * self.species + sites, size)
        return jnp.bincount(entry.ravel(), length=size + 1)[:size].reshape(self.shells, self.species)

    def __call__(self, system, drive, state):
        return self.counts(state.x.species)

    def coords(self):
        """Middle of every shell."""
        return {"distance": np.arange(self.shells) + 0.5}

    def summary(self, values, labels) -> list[Summary]:
        """The profile with standard errors over replicas, and that of the target."""
        kept = values[:, int(self.discard * values.shape[1]) :].sum(1)  # [replica, distance, species]
        shares = kept / np.maximum(kept.sum(-1, keepdims=True), 1)
        name, dims, words = "radial_profile", ("distance", "component"), "fraction of sites of a species at a distance"
        found = averaged(name, dims, shares, "1", words)
        if self.target is None:
            return found
        return [*found, Summary(f"{name}_target", dims, np.asarray(self.target), "1", f"{words}: target")]


class Config(Spec):
    """Radial profile in a scenario."""

    kind: Literal["radial_profile"]
    provides: ClassVar[tuple[str, ...]] = ("radial_profile",)
    every: int = Field(default=100, ge=1, description="steps between records")
    about: Annotated[list[int], Field(min_length=1)] | None = Field(
        default=None, description="species whose centre of mass is the centre; null is all but the solvent"
    )
    discard: float = Field(default=0.5, ge=0, lt=1, description="first fraction of the records that is left out")

    def check(self, scenario):
        """There are species on sites, and those to centre on are among them."""
        yield from check_species(scenario)
        species = getattr(scenario.system, "species", 0) + getattr(scenario.system, "surface_species", 0)
        if self.about is not None and not 0 <= min(self.about) <= max(self.about) <= species:
            yield Problem(("about",), f"names a species that is not among 0 (solvent) … {species}")

    def build(self, system, task) -> RadialProfile:
        """The observable, with the profile of the task's patterns."""
        species = len(system.site_energies())
        about = tuple(self.about or range(1, species))
        labels = "radial_counts", ("distance", "component"), "1", "sites of a species at a distance", self.every
        blank = RadialProfile(*labels, system.lattice, species, about, self.discard, None)
        if not hasattr(task, "patterns") or not np.all(task.visible):
            return blank
        shown = np.asarray(jax.vmap(blank.counts)(task.patterns))
        mean = np.einsum("k,kds->ds", np.asarray(task.weights), shown)
        target = mean / np.maximum(mean.sum(-1, keepdims=True), 1e-9)
        return RadialProfile(*labels, system.lattice, species, about, self.discard, jnp.asarray(target))
