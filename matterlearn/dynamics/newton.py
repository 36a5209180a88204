"""Quench to an energy minimum by damped Newton steps: exact in one step where the energy is quadratic.

    (H + μ) u = −g,        x ← x ⊕ u  if H + μ is positive definite and the energy does not rise

g and H are gradient and Hessian of material and drive, clamped degrees of freedom left out. The damping μ starts at 0;
it grows tenfold with every refused step and shrinks tenfold with every accepted one (Levenberg–Marquardt), so that
elastic and other non-quadratic energies go downhill first and converge quadratically in the end. No temperature.
Linear resistor networks are in equilibrium after one step; a second one refines the rounding of the first.

Source: [nocedal2006numerical]. Limits: a local minimum; dense Hessians, for hundreds of degrees of freedom.

Example:
    >>> Config(kind="newton").build().stationary
    'none'
"""

from typing import ClassVar, Literal

import jax
import jax.numpy as jnp
from jax.scipy.linalg import cho_factor, cho_solve

from matterlearn.core.curvature import curvature, flat_moves
from matterlearn.core.dynamics import AbstractDynamics, DynState, StepInfo, potential
from matterlearn.core.matter import check_matter
from matterlearn.core.spectra import MOST_DENSE
from matterlearn.spec import Problem, Spec

FIRST, FACTOR, LARGEST = 1e-3, 10.0, 1e9  # of the damping, in units of the mean curvature
ROUNDING = 16  # units in the last place by which the energy of a step downhill may seem to rise


class Newton(AbstractDynamics):
    """Levenberg–Marquardt; the memory of the state is the damping μ in units of the mean curvature."""

    stationary: ClassVar = "none"
    # Factorisations that the threads of several devices of one processor call at once were seen to wait for each other
    # forever (jax 0.10.1).
    hosted: ClassVar = True

    def init(self, key, system, drive, x, neighbors=None) -> DynState:
        """Start from x without damping."""
        del key
        return DynState(drive.project(x), jnp.zeros((), jnp.int32), jnp.zeros(()), neighbors)

    def step(self, key, system, drive, state) -> tuple[DynState, StepInfo]:
        """One trial step; what is refused leaves the state where it is and the next step shorter."""
        del key
        gradient, hessian = curvature(system, drive, state)
        scale = jnp.mean(jnp.abs(jnp.diag(hessian)))
        damped = hessian + state.memory * scale * jnp.eye(len(gradient))
        u = -cho_solve(cho_factor(damped), gradient)  # NaN unless positive definite
        trial = state._replace(x=flat_moves(system, drive, state.x)(u))
        trial = trial._replace(neighbors=system.refresh(state.neighbors, trial.x))
        before, after = (potential(system, drive, s) for s in (state, trial))
        rounding = ROUNDING * jnp.finfo(before.dtype).eps * jnp.abs(before)
        accepted = after <= before + rounding  # false for NaN
        x, neighbors = jax.tree.map(
            lambda new, old: jnp.where(accepted, new, old), (trial.x, trial.neighbors), (state.x, state.neighbors)
        )
        shrunk = jnp.where(state.memory > FIRST, state.memory / FACTOR, 0.0)
        grown = jnp.minimum(jnp.maximum(state.memory * FACTOR, FIRST), LARGEST)
        memory = jnp.where(accepted, shrunk, grown)
        return DynState(x, state.step + 1, memory, neighbors), StepInfo(accepted.astype(float))


class Config(Spec):
    """Newton steps in a scenario."""

    kind: Literal["newton"]
    smooth: ClassVar[bool] = True
    minimises: ClassVar[bool] = True
    curved: ClassVar[bool] = True

    def check(self, scenario):
        """The matter moves continuously, and its Hessian is not too large to be decomposed."""
        yield from check_matter(self, scenario)
        rows = getattr(scenario.system, "degrees_of_freedom", 0)
        if rows > MOST_DENSE:
            yield Problem(("kind",), f"decomposes a Hessian of {rows} rows, more than {MOST_DENSE}: use fire, or "
                          "forward_pass or gradient_flow where the system allows them")  # fmt: skip

    def build(self) -> Newton:
        """The minimiser."""
        return Newton()
