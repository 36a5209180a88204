"""Every replica starts as a rigid cluster, one of its labelled isomers; nothing is stored.

n particles of distinct or equal species form the rigid clusters of n spheres with the most contacts, each with all
particles labelled. ``contacts`` keeps only isomers that have these contacts, ``shape`` only those of one shape.
Replicas take the isomers in turn, in a random order, whatever the couplings: equilibrium must forget them.

Source: clusters and isomers of ``matterlearn.theory.labelled_clusters``. Limits: three to six isotropic particles.

Example:
    >>> Config(kind="rigid_isomers", shape="octahedron").shape
    'octahedron'
"""

from typing import Annotated, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from pydantic import Field

from matterlearn.core.assembly import ParticleSystem
from matterlearn.core.drive import Drive
from matterlearn.core.pair_profile import pair_numbers
from matterlearn.core.task import AbstractTask, Label, Recall, replicated
from matterlearn.errors import InputError
from matterlearn.spec import Problem, Spec

MOST_PARTICLES = 6


NAMED = {  # shapes with a name of their own: particles and dimensions
    "octahedron": (6, 3), "tri-tetrahedron": (6, 3), "trigonal bipyramid": (5, 3), "tetrahedron": (4, 3),
    "parallelogram": (6, 2), "chevron": (6, 2), "triangle": (6, 2),
}  # fmt: skip


class RigidIsomers(AbstractTask):
    """Configurations of the isomers that replicas start from, and the shape of each."""

    position: Float[Array, "isomer particle dim"]
    shape: Int[Array, " isomer"]
    shapes: tuple[str, ...] = eqx.field(static=True)

    @property
    def memory_count(self) -> int:
        return 0

    def recall(self, key, system: ParticleSystem, replicas) -> Recall:
        """Isomers in turn, in a random order; in the middle of the box."""
        count = len(self.shape)
        order = jax.random.permutation(key, count)
        chosen = order[jnp.arange(replicas) % count]
        middle = (system.box or 0.0) / 2
        x = jax.vmap(system.arrange)(self.position[chosen] + middle)
        labels = {
            "cue": Label(np.full(replicas, -1), "1", "no cue"),
            "start": Label(np.array(self.shapes)[np.asarray(self.shape[chosen])], "label", "shape at the start"),
        }
        return Recall(replicated(system, replicas), replicated(Drive(), replicas), x, labels)


class Config(Spec):
    """Rigid clusters to start from in a scenario."""

    kind: Literal["rigid_isomers"]
    contacts: list[tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]]] = Field(
        default=[], description="pairs of particles that touch in every start", examples=[[[0, 1]]]
    )
    shape: str | None = Field(default=None, description="only isomers of this shape", examples=["octahedron"])

    def check(self, scenario):
        """Few enough particles to know all their clusters."""
        counts = getattr(scenario.system, "counts", [])
        if not 3 <= sum(counts) <= MOST_PARTICLES or getattr(scenario.system, "patches", 1) != 1:
            yield Problem(("kind",), f"rigid clusters are known for 3 to {MOST_PARTICLES} isotropic particles; "
                                     f"the system has {sum(counts)}")  # fmt: skip
        elif any(a == b or max(a, b) >= sum(counts) for a, b in self.contacts):
            yield Problem(("contacts",), f"names pairs of different particles, numbered 0 … {sum(counts) - 1}")
        elif self.shape is not None:
            here = sum(counts), getattr(scenario.system, "dimension", 3)
            degrees = (len(self.shape.split("-")), here[1])
            if NAMED.get(self.shape, degrees) != here:
                known = [name for name, size in NAMED.items() if size == here]
                names = ", ".join([*known, "or numbers of contacts, as in 2-2-2"])
                where = f"{here[0]} particles in {here[1]} dimensions"
                yield Problem(("shape",), f"{where} form no {self.shape!r}; use {names}")
        if scenario.learning is not None:
            yield Problem(("kind",), "rigid_isomers has no memories to learn; give a task that has, or drop learning")

    def build(self, system) -> RigidIsomers:
        """The task, with all isomers that start."""
        from matterlearn.theory.labelled_clusters import labelled_isomers

        n = len(system.species)
        isomers = labelled_isomers(n, system.dimension)
        if self.shape not in (None, *isomers.names):
            raise InputError(f"task.shape: {n} particles form {', '.join(isomers.names)}, but no {self.shape}")
        wanted = isomers.contact[:, pair_numbers(self.contacts, n)].all(1)
        if self.shape is not None:
            wanted &= isomers.shape == isomers.names.index(self.shape)
        if not wanted.any():
            raise InputError(f"task.contacts: no rigid cluster of {n} particles has all of {self.contacts}")
        position = jnp.asarray(isomers.position[wanted], float)
        return RigidIsomers(position, jnp.asarray(isomers.shape[wanted]), isomers.names)
