"""What generative models of fields share: how their Configs say so, and the normal law that they begin with.

A generative model draws independent samples (``matterlearn.core.field.AbstractGenerative``). Where its energy is
−ln p, or that of a joint law with latent variables, ln Z = 0 at kT_ref, and likelihoods need no partition function.
"""

import math
from typing import Annotated, ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from pydantic import Field

from matterlearn.spec import Problem, Spec, schedule_range

LARGEST_SHAPE = 10_000  # entries: networks of these models are dense
Length = Annotated[int, Field(ge=1, le=LARGEST_SHAPE)]


def standard_energy(z: Float[Array, "*entry"], scale: Float[Array, "*entry"] | float = 1.0) -> Float[Array, ""]:
    """−ln N(z; 0, scale²) = Σ_i [½ (z_i/s_i)² + ln s_i + ½ ln 2π].

    >>> round(standard_energy(jnp.zeros(2)).item(), 6)
    1.837877
    """
    return jnp.sum(0.5 * (z / scale) ** 2 + jnp.log(scale) + 0.5 * math.log(2 * np.pi))


class GenerativeSpec(Spec):
    """What the Configs of generative models of fields share."""

    positions: ClassVar[bool] = False
    draws_samples: ClassVar[bool] = True
    pattern_values: ClassVar[int] = 0
    shape: list[Length] = Field(
        min_length=1, max_length=3, description="of the field: [entries] or [rows, columns]", examples=[[2], [2, 3]]
    )

    @property
    def pattern_size(self) -> int:
        """Entries of the field."""
        return math.prod(self.shape)

    def check_size(self):
        """Complaint about a field that dense networks do not suit."""
        if self.pattern_size > LARGEST_SHAPE:
            yield Problem(("shape",), f"{self.pattern_size} entries are more than the {LARGEST_SHAPE} that dense "
                          "networks are meant for; use patches of the field")  # fmt: skip


def check_temperature(scenario):
    """Complaint about likelihoods at a temperature other than kT_ref, where ln Z of a normalised model is not known."""
    low, high = schedule_range(getattr(scenario.dynamics, "kT", 1.0))
    if (low, high) != (1.0, 1.0) and getattr(scenario.task, "likelihood", "none") != "none":
        yield Problem(("kind",), f"{scenario.system.kind!r} is normalised at kT = 1 only: set dynamics.kT to 1, or "
                      "task.likelihood to none")  # fmt: skip
