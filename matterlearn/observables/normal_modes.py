"""Amplitudes c_k = v_k·x of the normal modes of a quadratic energy: H v_k = λ_k v_k.

Under a gradient flow every mode decays on its own, c_k ∝ e^{−λ_k t}; modes with λ = 0, such as the mean temperature of
a network, never do. ``distance_from_equilibrium`` is √(Σ c_k²) over all modes with λ > 0, at the end.

Limits: modes are those of the system at the start of recall, without clamps and tethers; dense, up to some thousands of
degrees of freedom.

Example:
    >>> Config(kind="normal_modes", every=5).every
    5
"""

from typing import ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Float
from pydantic import Field

from matterlearn.core.observable import Observable, Summary
from matterlearn.core.ports import rest
from matterlearn.core.spectra import dense_complaint, spectrum
from matterlearn.spec import Problem, Spec

ZERO = 1e-5  # of the largest eigenvalue: what is below it is zero in single precision


class NormalModes(Observable):
    """Projections on the eigenvectors of the Hessian."""

    eigenvalues: Float[np.ndarray, " mode"]
    shapes: Float[np.ndarray, "port mode"]

    def __call__(self, system, drive, state):
        return ravel_pytree(state.x)[0] @ jnp.asarray(self.shapes)

    def summary(self, values, labels) -> list[Summary]:
        """Eigenvalues, modes, and how far each replica is from equilibrium at the end."""
        del labels
        decaying = self.eigenvalues > ZERO * self.eigenvalues.max()
        left = np.linalg.norm(values[:, -1][:, decaying], axis=1)
        words = "distance from equilibrium at the end"
        return [
            Summary("mode_eigenvalue", ("mode",), np.where(decaying, self.eigenvalues, 0.0), "1", "eigenvalue"),
            Summary("mode_shape", ("port", "mode"), self.shapes, "1", "normal mode"),
            Summary("distance_from_equilibrium", ("replica",), left, "1", words),
        ]


class Config(Spec):
    """Normal modes in a scenario."""

    kind: Literal["normal_modes"]
    provides: ClassVar[tuple[str, ...]] = ("distance_from_equilibrium",)
    every: int = Field(default=1, ge=1, description="steps between records")

    def check(self, scenario):
        """A quadratic energy of few enough degrees of freedom."""
        system = scenario.system
        if not getattr(system, "quadratic", False):
            yield Problem(("kind",), f"needs a quadratic energy, which {system.kind!r} has not")
            return
        complaint = dense_complaint(system.degrees_of_freedom)
        if complaint:
            yield Problem(("kind",), complaint.partition(";")[0])

    def build(self, system, task) -> NormalModes:
        """The observable."""
        del task
        flat, unravel = ravel_pytree(rest(system))
        hessian = jax.jit(jax.hessian(lambda x: system.energy(unravel(x))))(flat)
        values, shapes = spectrum(np.asarray(hessian, float))
        return NormalModes("mode_amplitude", ("mode",), "1", "amplitude of a mode", self.every, values, shapes)
