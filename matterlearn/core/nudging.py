"""Two equilibria to learn from: what a presentation's drive becomes when it only nudges, holds, or is absent.

A presentation of an input with the output wanted for it clamps the inputs, in ``batch.drive`` and ``batch.free`` alike,
and ``batch.drive`` also tethers the outputs to their targets. The energy of those tethers is the cost

    C(x) = Σ_i k_i u(x_i, a_i),        u = ½ (x − a)², or another shape of tether (``core.drive``)

| phase | imposed |
|---|---|
| free | the inputs |
| nudged by b | the inputs, and b C; b may be negative as long as b k stays above the stiffness of the outputs |
| held at η | the inputs, and outputs clamped at x_i + η (a_i − x_i), x the free equilibrium |
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from matterlearn.core.drive import Drive, harmonic
from matterlearn.core.rule import Batch
from matterlearn.core.system import State
from matterlearn.errors import InputError


def free_drive(batch: Batch) -> Drive:
    """What stays imposed in the free phase; for a batch that does not say, nothing, at the strength of its drive."""
    return batch.free if batch.free is not None else Drive(strength=batch.drive.strength)


def nudged(drive: Drive, b: Float[Array, ""] | float) -> Drive:
    """The drive with its tethers b times as stiff.

    Raises:
        InputError: if nothing is tethered.
    """
    return eqx.tree_at(lambda d: d.stiffness, drive, jax.tree.map(lambda k: b * k, _tethers(drive)))


def held(drive: Drive, x: State, fraction: Float[Array, ""] | float) -> Drive:
    """What was tethered is clamped instead, at ``fraction`` of the way from x to its target.

    Raises:
        InputError: if nothing is tethered, or not by springs: then there is no way to the target to go.
    """
    if drive.tether is not harmonic:
        raise InputError("clamping outputs nearer to their targets needs targets that outputs can reach: use squares "
                         "as the task's loss")  # fmt: skip
    tied = jax.tree.map(lambda k, y: jnp.broadcast_to(k > 0, y.shape), _tethers(drive), x)
    before = drive.clamped if drive.clamped is not None else jax.tree.map(jnp.zeros_like, tied)
    clamped = jax.tree.map(jnp.logical_or, tied, before)

    def place(tied, before, y, a):
        return jnp.where(tied & ~before, y + fraction * (a - y), a)

    target = jax.tree.map(place, tied, before, x, drive.target)
    return Drive(target=target, force=drive.force, clamped=clamped, strength=drive.strength)


def cost(drive: Drive, x: State) -> Float[Array, ""]:
    """C(x), the energy of the drive's tethers alone.

    Raises:
        InputError: if nothing is tethered.
    """
    return Drive(drive.target, _tethers(drive), strength=drive.strength, tether=drive.tether).energy(x)


def mean_cost(drive: Drive, x: State) -> Float[Array, ""]:
    """C averaged over replicas; drive and x are replicated."""
    return jnp.mean(jax.vmap(cost)(drive, x))


def _tethers(drive: Drive) -> State:
    if drive.stiffness is None:
        raise InputError(
            "this rule learns from a cost, but the task tethers nothing to a target; use a task such as input_output"
        )
    return drive.stiffness
