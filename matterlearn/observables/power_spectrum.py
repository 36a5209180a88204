"""Power spectrum of a lattice field: how strong its waves are, averaged over shells of equal |k|.

    S(k) = ⟨|φ_k|²⟩,      φ_k = Σ_x φ_x exp(−ikx)/√V,      so that the mean over all waves is ⟨φ²⟩

|k| is in radians per lattice spacing. Waves with |k| in the same interval of 2π/L, L the longest side, make a shell;
the first is the wave k = 0, whose power V⟨M²⟩ is the susceptibility. Errors are those of the jackknife over
replicas; ``power_spectrum_target`` is what the task's training samples have. Source: textbook.

Example:
    >>> shells((4,))[0].round(3).tolist()
    [0.0, 1.571, 3.142]
"""

from typing import ClassVar, Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from matterlearn.observables._fields import FieldSpec, FieldStatistics, training_fields

REPORTED = (("power_spectrum", ("wavenumber",), "1", "power ⟨|φₖ|²⟩"),)


def shells(shape: tuple[int, ...]) -> tuple[Float[np.ndarray, " shell"], Float[np.ndarray, "shell wave"]]:
    """Mean |k| of every shell, and the matrix that averages over its waves."""
    sides = [2 * np.pi * np.fft.fftfreq(n) for n in shape]
    size = np.sqrt(np.sum([k**2 for k in np.meshgrid(*sides, indexing="ij")], axis=0)).ravel()
    number = np.rint(size * max(shape) / (2 * np.pi)).astype(int)
    _, number = np.unique(number, return_inverse=True)
    mean = np.equal.outer(np.arange(number.max() + 1), number).astype(float)
    mean /= mean.sum(1, keepdims=True)
    return mean @ size, mean


def spectrum(field: Float[Array, "*site"], mean: Float[np.ndarray, "shell wave"]) -> Float[Array, " shell"]:
    """Power of one configuration in every shell."""
    return jnp.asarray(mean) @ jnp.ravel(jnp.abs(jnp.fft.fftn(field)) ** 2) / field.size


class Config(FieldSpec):
    """Power spectrum in a scenario."""

    kind: Literal["power_spectrum"]
    provides: ClassVar[tuple[str, ...]] = ("waves", "power_spectrum")

    def build(self, system, task) -> FieldStatistics:
        """The observable."""
        size, mean = shells(system.shape)
        return FieldStatistics(
            "waves", ("wavenumber",), "1", "power of the field's waves", self.every, training_fields(system, task),
            self.discard, lambda field: spectrum(field, mean), lambda power: (power,), REPORTED, tuple(size.tolist()),
        )  # fmt: skip
