"""What sequential and parallel dynamics of networks share: what they need, and the field of a drive."""

import jax.numpy as jnp

from matterlearn.core.network import AbstractNetwork, AbstractNetworkKernel


def require_network(system, drive) -> AbstractNetwork:
    """The network; refuses what is none, and tethers.

    Raises:
        TypeError: if the system is not a network.
        ValueError: if the drive tethers.
    """
    if not isinstance(system, AbstractNetwork):
        raise TypeError(f"needs a network, not {type(system).__name__}")
    if drive.stiffness is not None:
        raise ValueError("tethers act on continuous states; clamp units instead, or give them a force")
    return system


def field_gap(kernel: AbstractNetworkKernel, drive, step, chosen):
    """What the drive adds to the gaps of chosen units: (1 − low) s(t) f_i."""
    force = jnp.zeros(()) if drive.force is None else drive.force.active
    return (1 - kernel.low) * drive.strength(step.astype(float)) * jnp.broadcast_to(force, (kernel.units,))[chosen]
