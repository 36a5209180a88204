"""The potential near a state to second order, in steps of the state's tangent space.

    E(x ⊕ u) ≈ E + g·u + ½ uᵀ H u,        E of material and drive, clamped degrees of freedom held

Minimisers step to where g + H u = 0; what a minimum answers to a force f is u = H⁻¹ f. Directions in which nothing
changes, the clamped ones above all, have a row of zeros in H: there H gets a 1 on the diagonal, so that they neither
move nor make H singular.

Limits: H is dense, (degrees of freedom)² numbers per replica: for hundreds of them, not thousands.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from matterlearn.core.drive import Drive
from matterlearn.core.dynamics import DynState, at_rest, potential
from matterlearn.core.system import AbstractSystem, State

Energy = Callable[[State], Float[Array, ""]]


class Curvature(NamedTuple):
    """Gradient and Hessian at a state, over flattened steps."""

    gradient: Float[Array, " step"]
    hessian: Float[Array, "step step"]


def flat_moves(system: AbstractSystem, drive: Drive, x: State) -> Callable[[Float[Array, " step"]], State]:
    """u ↦ x moved by the flattened step u, with what is clamped where it belongs."""
    _, unravel = ravel_pytree(at_rest(system, x))
    return lambda u: drive.project(system.displace(x, unravel(u)))


def no_step(system: AbstractSystem, x: State) -> Float[Array, " step"]:
    """u = 0."""
    return ravel_pytree(at_rest(system, x))[0]


def gradient(energy: Energy, system: AbstractSystem, drive: Drive, x: State) -> Float[Array, " step"]:
    """Slope at x of any function of the state, along flattened steps that respect the drive's clamps."""
    move = flat_moves(system, drive, x)
    return jax.grad(lambda u: energy(move(u)))(no_step(system, x))


def curvature(system: AbstractSystem, drive: Drive, state: DynState) -> Curvature:
    """g and H of the potential at a state."""
    move, origin = flat_moves(system, drive, state.x), no_step(system, state.x)

    def along(u):
        return potential(system, drive, state._replace(x=move(u)))

    hessian = jax.hessian(along)(origin)
    still = jnp.all(hessian == 0, -1)
    return Curvature(jax.grad(along)(origin), hessian + jnp.diag(still.astype(hessian.dtype)))


def response(hessian: Float[Array, "step step"], force: Float[Array, " step"]) -> Float[Array, " step"]:
    """H⁺ f: what a minimum does under a small force; directions without stiffness do not answer."""
    stiffness, modes = jnp.linalg.eigh(hessian)
    tiny = jnp.finfo(hessian.dtype).eps * len(force) * jnp.max(jnp.abs(stiffness))
    held = jnp.abs(stiffness) > tiny
    return modes @ (jnp.where(held, 1 / jnp.where(held, stiffness, 1), 0) * (modes.T @ force))
