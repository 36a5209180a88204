"""What sequential and parallel dynamics of networks share: what they need, and the field of a drive."""

import jax.numpy as jnp

from matterlearn.core.network import AbstractNetwork, AbstractNetworkKernel
from matterlearn.spec import Problem


def check_network(scenario):
    """Complaint about network dynamics on matter that is no network."""
    if not getattr(scenario.system, "network", False):
        kind = scenario.system.kind
        yield Problem(("kind",), f"moves the units of a network, which {kind!r} does not have; use one of its own")


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
