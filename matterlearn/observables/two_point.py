"""Two-point function of a lattice field along its first axis, and the correlation length that it decays with.

    G(t) = L₀ ⟨M_s M_{s+t}⟩,      M_t the mean of the field over the slice t,      averaged over s

    m L = L · mean over t of arccosh[(G(t − 1) + G(t + 1))/(2 G(t))],      t = 1 … L − 1,      ξ = 1/m

On a ring of L slices G ∝ cosh m(t − L/2) has the same m at every t. Where noise leaves no arccosh, t is left out.
Errors are those of the jackknife over replicas; ``…_target`` is what the task's training samples have. The mean of the
field is taken to be zero by symmetry and is not subtracted. Source: the estimator is that of [gerdes2023].

Example:
    >>> G = np.cosh(0.5 * (np.arange(8) - 4))
    >>> round(float(decay(G)[1]), 6)
    4.0
"""

from typing import ClassVar, Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from matterlearn.observables._fields import FieldSpec, FieldStatistics, training_fields
from matterlearn.spec import Problem

REPORTED = (
    ("two_point_function", ("slice_distance",), "1", "two-point function of slices"),
    ("lengths_across", (), "1", "side over correlation length, mL"),
)


def correlations(field: Float[Array, "*site"]) -> Float[Array, " slice_distance"]:
    """L₀ M_s M_{s+t} averaged over s, for every t: the inverse transform of the slices' powers."""
    slices = jnp.mean(field.reshape(len(field), -1), axis=1)
    return jnp.fft.ifft(jnp.abs(jnp.fft.fft(slices)) ** 2).real


def decay(G: Float[np.ndarray, " slice_distance"]) -> tuple[Float[np.ndarray, "..."], ...]:
    """G itself, and mL."""
    ratio = (np.roll(G, 1) + np.roll(G, -1))[1:] / (2 * G[1:])
    ratio = ratio[ratio >= 1]
    return G, np.asarray(len(G) * np.mean(np.arccosh(ratio)) if len(ratio) else np.nan)


class Config(FieldSpec):
    """Two-point function in a scenario."""

    kind: Literal["two_point"]
    provides: ClassVar[tuple[str, ...]] = ("slices", "two_point_function", "lengths_across")

    def check(self, scenario):
        """There are slices to compare."""
        yield from super().check(scenario)
        shape = getattr(scenario.system, "shape", None)
        if shape and shape[0] < 4:
            yield Problem(("kind",), f"needs at least 4 slices, and the first side of the field has {shape[0]}")

    def build(self, system, task) -> FieldStatistics:
        """The observable."""
        return FieldStatistics(
            "slices", ("slice_distance",), "1", "two-point function of slices", self.every,
            training_fields(system, task), self.discard, correlations, decay, REPORTED, tuple(range(system.shape[0])),
        )  # fmt: skip
