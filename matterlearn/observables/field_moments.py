"""Moments of a lattice field: magnetisation, susceptibilities, Binder's cumulant.

    M = Σ_x φ_x/V,      χ₂ = V⟨M²⟩,      χ_c = V(⟨M²⟩ − ⟨|M|⟩²),      U₄ = 1 − ⟨M⁴⟩/(3⟨M²⟩²),      ⟨φ²⟩,  ⟨φ⁴⟩

U₄ is 0 for a normal law of M, 2/3 for two values, and 0.61 at the transition of a periodic square. Errors are those of
the jackknife over replicas; ``magnetization_target`` and so on are what the task's training samples have. Sources:
textbook, [albergo2019].

Example:
    >>> average = averages(np.array([0.5, 0.25, 0.0625, 0.3, 0.1]), sites=4)
    >>> [float(value.round(4)) for value in average]
    [0.5, 1.0, 0.0, 0.6667, 0.3, 0.1]
"""

from functools import partial
from typing import ClassVar, Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from matterlearn.observables._fields import FieldSpec, FieldStatistics, training_fields

MEASURED = ("|M|", "M²", "M⁴", "φ²", "φ⁴", "M")
REPORTED = (
    ("magnetization", (), "1", "mean |M|"),
    ("susceptibility", (), "1", "susceptibility V⟨M²⟩"),
    ("connected_susceptibility", (), "1", "susceptibility V(⟨M²⟩ − ⟨|M|⟩²)"),
    ("binder_cumulant", (), "1", "Binder cumulant U₄"),
    ("mean_square_field", (), "1", "mean φ²"),
    ("mean_fourth_power", (), "1", "mean φ⁴"),
)


def moments(field: Float[Array, "*site"]) -> Float[Array, " moment"]:
    """|M|, M², M⁴, φ², φ⁴, M of one configuration."""
    M, square = jnp.mean(field), field**2
    return jnp.stack([jnp.abs(M), M**2, M**4, jnp.mean(square), jnp.mean(square**2), M])


def averages(mean: Float[np.ndarray, " moment"], sites: int) -> tuple[Float[np.ndarray, ""], ...]:
    """What is reported, from averages of the moments."""
    size, square, fourth, *local = mean[:5]
    return size, sites * square, sites * (square - size**2), 1 - fourth / (3 * square**2), *local


class Config(FieldSpec):
    """Moments of a field in a scenario."""

    kind: Literal["field_moments"]
    provides: ClassVar[tuple[str, ...]] = ("field_moments", *(name for name, *_ in REPORTED))

    def build(self, system, task) -> FieldStatistics:
        """The observable."""
        return FieldStatistics(
            "field_moments", ("moment",), "1", "moment of the field", self.every, training_fields(system, task),
            self.discard, moments, partial(averages, sites=system.size), REPORTED, MEASURED,
        )  # fmt: skip
