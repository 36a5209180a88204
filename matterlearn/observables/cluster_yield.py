"""Yield of every rigid shape of labelled particles, from the partition function: a function of the couplings alone.

    Y_s = Σ_{i of shape s} w_i Π_{contacts ab of i} z_ab / Σ_{all i} (the same),     z_ab = ∫_0^{r_c} e^{−E_ab(r)/kT} dr

i are isomers, one for every contact graph, w_i rotation and vibration. z_ab is the weight of the bond between a and b,
its vibration included: not only e^{−J/kT} but also the width of the well, which narrows as the bond gets stronger. The
sums are over clusters with all their contacts. Measured from states, this is ``cluster_shapes``.

By symmetry, equal couplings cannot choose between isomers of one shape, so the gradient of a shape's whole yield
never breaks the tie. ``apart`` chooses: only isomers in which these pairs do not touch count in the numerator.

Source: [holmescerfon2013geometrical]; theory in ``matterlearn.theory.labelled_clusters``. Limits: short range (at
12/σ the yield of the octahedron is off by one hundredth), at most six isotropic particles.
"""

from typing import Annotated, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int
from pydantic import Field

from matterlearn.core.assembly import ParticleSystem
from matterlearn.core.observable import Observable
from matterlearn.core.pair_profile import (
    Quadrature,
    check_temperature,
    contact_distance,
    log_bond_weights,
    pair_numbers,
)
from matterlearn.errors import InputError
from matterlearn.spec import Problem, Spec

MOST_PARTICLES = 6


class ClusterYield(Observable):
    """Y of every shape."""

    contact: Float[Array, "isomer pair"]
    log_weight: Float[Array, " isomer"]
    shape: Int[Array, " isomer"]
    counted: Bool[Array, " isomer"]
    rule: Quadrature
    shapes: tuple[str, ...] = eqx.field(static=True)
    particles: int = eqx.field(static=True)
    kT: float = eqx.field(static=True)

    def __call__(self, system: ParticleSystem, drive, state):
        """The yields; drive and state are not looked at."""
        del drive, state
        bonds = log_bond_weights(system, *np.triu_indices(self.particles, 1), self.rule, self.kT)
        share = jax.nn.softmax(self.log_weight + self.contact @ bonds)
        return jnp.zeros(len(self.shapes)).at[self.shape].add(jnp.where(self.counted, share, 0.0))

    def coords(self):
        """Names of the shapes."""
        return {"shape": np.array(self.shapes)}


class Config(Spec):
    """Yields from the partition function in a scenario."""

    kind: Literal["cluster_yield"]
    every: int = Field(default=1000, ge=1, description="steps between records")
    kT: float = Field(default=1.0, gt=0, description="temperature, kT_ref, the dynamics' own")
    apart: list[tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]]] = Field(
        default=[], description="pairs of particles that do not touch in the isomers that count", examples=[[[0, 1]]]
    )

    provides: ClassVar[tuple[str, ...]] = ("cluster_yield",)

    def check(self, scenario):
        """Few enough particles to know all their clusters, and an isomer that is asked for."""
        counts = getattr(scenario.system, "counts", [])
        n = sum(counts)
        yield from check_temperature(self, scenario)
        if not 3 <= n <= MOST_PARTICLES or getattr(scenario.system, "patches", 1) != 1:
            yield Problem(("kind",), f"rigid clusters are known for 3 to {MOST_PARTICLES} isotropic particles; "
                                     f"the system has {n}")  # fmt: skip
        elif any(a == b or max(a, b) >= n for a, b in self.apart):
            yield Problem(("apart",), f"names pairs of different particles, numbered 0 … {n - 1}")
        else:
            d = getattr(scenario.system, "dimension", 3)
            free = n * (n - 1) // 2 - (d * n - d * (d + 1) // 2)  # pairs beyond the contacts that make a cluster rigid
            if len(set(map(frozenset, self.apart))) > free:
                yield Problem(("apart",), f"a rigid cluster of {n} particles leaves at most {free} pairs apart")

    def build(self, system, task) -> ClusterYield:
        """The observable, with all isomers."""
        del task
        from matterlearn.theory.labelled_clusters import labelled_isomers

        n = len(system.species)
        isomers = labelled_isomers(n, system.dimension)
        counted = ~isomers.contact[:, pair_numbers(self.apart, n)].any(1)
        if not counted.any():
            raise InputError(f"cluster_yield.apart: no rigid cluster of {n} particles leaves all of {self.apart} apart")
        return ClusterYield(
            "cluster_yield", ("shape",), "1", "yield of the shape, from the partition function", self.every,
            jnp.asarray(isomers.contact, float), jnp.asarray(isomers.log_weight), jnp.asarray(isomers.shape),
            jnp.asarray(counted), Quadrature.upto(contact_distance(system)), isomers.names, n, self.kT,
        )  # fmt: skip
