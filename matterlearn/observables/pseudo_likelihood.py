"""How surely stored patterns keep themselves: the mean log-probability of each unit given all others.

    ℓ = mean over memories and units of  ln P(s_i = ξ_i | all others as in ξ) = −ln(1 + exp(∓Δ_i/kT))

Δ_i is the gap of the unit at the memory, the sign that of ξ_i. ℓ is a concave function of the couplings: maximising it
is design by ``closed_form``, and memories are fixed points with a margin as far as there are any such couplings (up
to two memories per unit, where Hebb's rule keeps 0.14).

Source: [besag1975]; capacity [gardner1988space]. Limits: networks; nothing is said of basins but through the margin
that a higher kT asks for.

Example:
    >>> Config(kind="pseudo_likelihood", kT=0.5).kT
    0.5
"""

from typing import Any, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int
from pydantic import Field

from matterlearn.core.observable import Observable
from matterlearn.spec import Problem, Spec


class PseudoLikelihood(Observable):
    """ℓ, one number; memories [memory, unit] are 1 where a unit is active, else 0."""

    memories: Int[Array, "memory unit"]
    kT: Float[Array, ""]

    def __call__(self, system: Any, drive, state):
        del drive, state
        kernel = system.kernel()

        def one(active):
            gaps = kernel.gaps(kernel.summary(active), active, slice(None)) / self.kT
            return jnp.mean(jax.nn.log_sigmoid(jnp.where(active > 0, gaps, -gaps)))

        return jnp.mean(jax.lax.map(one, self.memories))


class Config(Spec):
    """Pseudo-likelihood in a scenario."""

    kind: Literal["pseudo_likelihood"]
    kT: float = Field(default=1.0, gt=0, description="temperature, kT_ref; higher asks for larger margins")
    every: int = Field(default=1000, ge=1, description="steps between records")

    def check(self, scenario):
        """There are patterns of a network."""
        if getattr(scenario.task, "kind", "") != "stored_patterns":
            yield Problem(("kind",), "needs patterns of a network: use task stored_patterns")

    def build(self, system, task) -> PseudoLikelihood:
        """The observable."""
        del system
        words = "log-probability of a unit at a memory, given all others"
        return PseudoLikelihood("pseudo_likelihood", (), "nat", words, self.every,
                                (task.memory > 0).astype(jnp.int8), jnp.asarray(self.kT))  # fmt: skip
