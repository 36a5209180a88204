"""Which rigid cluster a handful of sticky particles has formed, by its contact graph.

For n ≤ 6 particles: the rigid clusters with the most contacts (six discs: parallelogram, chevron, triangle, 9
contacts; six spheres: octahedron, tri-tetrahedron, 12 contacts). Populations are fractions among those, with the
standard error over replicas (jackknife of the ratio), beside the exact limit of sticky spheres if all are of one
species; ``cluster_yield`` has it for any couplings.

Source: [meng2010free], [perry2015two]; theory in ``matterlearn.theory.clusters``. Limits: at most six particles.
"""

from typing import ClassVar, Literal

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int
from pydantic import Field

from matterlearn.core.assembly import ParticleSystem
from matterlearn.core.observable import Observable, Summary
from matterlearn.spec import Problem, Spec

MOST_PARTICLES = 6


class ClusterShapes(Observable):
    """1 for the shape that the particles are in, 0 for all others; all 0 while no rigid cluster is complete."""

    table: Int[Array, " graph"]
    shapes: tuple[str, ...] = eqx.field(static=True)
    theory: tuple[float, ...] | None = eqx.field(static=True)
    discard: float = eqx.field(static=True)

    def __call__(self, system: ParticleSystem, drive, state):
        bonds = system.bonds(state.x)
        code = jnp.sum(bonds.formed * 2 ** jnp.arange(len(bonds.formed)))
        return (self.table[code] == jnp.arange(len(self.shapes))).astype(float)

    def coords(self):
        """Names of the shapes."""
        return {"shape": np.array(self.shapes)}

    def summary(self, values, labels) -> list[Summary]:
        """Populations among complete clusters, jackknife error over replicas, sticky limit."""
        kept = values[:, int(self.discard * values.shape[1]) :].sum(1)  # [replica, shape]
        total = kept.sum(0)
        population = total / max(total.sum(), 1)
        rest = total - kept
        leave_one_out = rest / np.maximum(rest.sum(1, keepdims=True), 1)
        n = len(kept)
        spread = np.sum((leave_one_out - leave_one_out.mean(0)) ** 2, 0)
        sem = np.sqrt((n - 1) / n * spread) if n > 1 else total * np.nan
        name, words = "cluster_shape_population", "population among complete clusters"
        found = [
            Summary(name, ("shape",), population, "1", words),
            Summary(f"{name}_sem", ("shape",), sem, "1", f"standard error of the {words}"),
        ]
        if self.theory is not None:
            found.append(Summary(f"{name}_theory", ("shape",), np.array(self.theory), "1", "sticky limit, exact"))
        return found


class Config(Spec):
    """Cluster shapes in a scenario."""

    kind: Literal["cluster_shapes"]
    every: int = Field(default=1000, ge=1, description="steps between records")
    discard: float = Field(default=0.2, ge=0, lt=1, description="first fraction of the records that is left out")

    provides: ClassVar[tuple[str, ...]] = ("cluster_shape_population",)

    def check(self, scenario):
        """Few enough particles to know all their clusters."""
        counts = getattr(scenario.system, "counts", [])
        if not 3 <= sum(counts) <= MOST_PARTICLES or getattr(scenario.system, "patches", 1) != 1:
            yield Problem(("kind",), f"rigid clusters are known for 3 to {MOST_PARTICLES} isotropic particles; "
                                     f"the system has {sum(counts)}")  # fmt: skip

    def build(self, system, task) -> ClusterShapes:
        """The observable, with the shape of every possible contact graph looked up once."""
        del task
        from matterlearn.theory.clusters import classify, sticky_probabilities

        n, dimension = len(system.species), system.dimension
        first, second = np.triu_indices(n, 1)
        codes = np.arange(2 ** len(first))
        contact = np.zeros((len(codes), n, n), bool)
        contact[:, first, second] = codes[:, None] >> np.arange(len(first)) & 1
        names = classify(contact | contact.transpose(0, 2, 1), dim=dimension)
        known = sticky_probabilities(n, dimension)
        table = np.full(len(codes), -1)
        for k, shape in enumerate(known):
            table[names == shape] = k
        theory = tuple(map(float, known.values())) if system.species_count == 1 else None
        return ClusterShapes(
            "cluster_shape", ("shape",), "1", "rigid cluster formed", self.every,
            jnp.asarray(table), tuple(known), theory, self.discard,
        )  # fmt: skip
