"""Yield of dimers of two kinds of rigid bodies, measured: dimers over all clusters, n/(N_a + N_b − n).

Two bodies of different kinds are a dimer when their energy is negative. ``mean_dimer_yield`` is the mean over the
records that are left after ``discard``, with the standard error over replicas.

Source: [curatolo2023computational]. Limits: a body bound to two others counts as two dimers.
"""

from typing import ClassVar, Literal

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool
from pydantic import Field

from matterlearn.core.observable import Observable, averaged
from matterlearn.observables._dimers import Kinds, RigidMatter, check_kinds
from matterlearn.spec import Spec


class DimerYield(Observable):
    """n/(N_a + N_b − n)."""

    partners: Bool[Array, "particle particle"]
    bodies: int = eqx.field(static=True)
    discard: float = eqx.field(static=True)

    def __call__(self, system: RigidMatter, drive, state):
        """Counted in one state."""
        n = jnp.sum((system.pair_energies(state.x) < 0) & self.partners)
        return n / jnp.maximum(self.bodies - n, 1)

    def summary(self, values, labels):
        """Mean over the later records, with its standard error over replicas."""
        del labels
        kept = values[:, int(self.discard * values.shape[1]) :].mean(1)
        return averaged("mean_dimer_yield", (), kept, "1", "yield of dimers")


class Config(Spec):
    """Measured yield of dimers in a scenario."""

    kind: Literal["dimer_yield"]
    every: int = Field(default=100, ge=1, description="steps between records")
    kinds: Kinds = Field(default=(0, 1), description="the two kinds of bodies, from 0")
    discard: float = Field(default=0.2, ge=0, lt=1, description="first fraction of the records that is left out")

    provides: ClassVar[tuple[str, ...]] = ("mean_dimer_yield",)

    def check(self, scenario):
        """There are bodies of both kinds."""
        yield from check_kinds(self, scenario)

    def build(self, system, task) -> DimerYield:
        """The observable."""
        del task
        first, second = (system.species == kind for kind in self.kinds)
        return DimerYield(
            "dimer_yield", (), "1", "yield of dimers", self.every,
            first[:, None] & second, int(jnp.sum(first | second)), self.discard,
        )  # fmt: skip
