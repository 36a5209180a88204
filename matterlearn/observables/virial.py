"""The virial and the energy per degree of freedom: what equipartition says of any energy.

    ⟨Σ_i x_i ∂E/∂x_i⟩/N = kT

holds for every energy that confines (integrate by parts), whatever the couplings and the size: a sampler, or a model
that claims this energy, is tested at no cost. For φ⁴ the left side is ⟨2S₂ + 4S₄⟩/V, S₂ and S₄ being the quadratic and
quartic parts of the action. Averages are over records after ``discard`` and over replicas.

| quantity | unit |
|---|---|
| mean_virial, energy_density | kT_ref |

Source: textbook. Limits: flat space, and nothing clamped; particles that may fly apart have no equilibrium.

Example:
    >>> Config(kind="virial").discard
    0.2
"""

from typing import ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from pydantic import Field

from matterlearn.core.matter import matter
from matterlearn.core.observable import Observable, Summary, averaged
from matterlearn.spec import Problem, Spec

PARTS = (("mean_virial", "virial ⟨x·∂E/∂x⟩ per degree of freedom"), ("energy_density", "energy per degree of freedom"))


class Virial(Observable):
    """Virial and energy, per degree of freedom."""

    discard: float = eqx.field(static=True)

    def __call__(self, system, drive, state):
        del drive
        energy, slope = jax.value_and_grad(system.energy)(state.x, state.neighbors)
        place = ravel_pytree(state.x)[0]
        return jnp.stack([jnp.dot(place, ravel_pytree(slope)[0]), energy]) / place.size

    def coords(self):
        """Which is which."""
        return {"part": np.array(["virial", "energy"])}

    def summary(self, values, labels) -> list[Summary]:
        """Means with standard errors over replicas."""
        del labels
        each = np.asarray(values, float)[:, int(self.discard * values.shape[1]) :].mean(1)
        own = zip(PARTS, each.T, strict=True)
        return sum((averaged(name, (), column, "kT_ref", words) for (name, words), column in own), [])


class Config(Spec):
    """Virial in a scenario."""

    kind: Literal["virial"]
    provides: ClassVar[tuple[str, ...]] = ("virial", "mean_virial", "energy_density")
    every: int = Field(default=10, ge=1, description="steps between records")
    discard: float = Field(default=0.2, ge=0, lt=1, description="first fraction of the records that is left out")

    def check(self, scenario):
        """Coordinates on a flat space."""
        system = scenario.system
        if matter(system) != "continuous" or getattr(system, "curved", False):
            yield Problem(("kind",), f"is a sum over coordinates of a flat space, which {system.kind!r} has not")

    def build(self, system, task) -> Virial:
        """The observable."""
        del system, task
        words = "virial and energy per degree of freedom"
        return Virial("virial", ("part",), "kT_ref", words, self.every, self.discard)
