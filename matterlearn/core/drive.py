"""What the outside world imposes on the matter during one phase.

    E_drive(x; t) = s(t) [ Σ_i k_i u(x_i, a_i) − Σ_i f_i x_i ],       x ← a where clamped

with u = ½ (x − a)² unless the drive's tethers have another shape: :func:`log_loss` ties rows of outputs to classes.
Tethers (k, a), constant forces f and hard clamps cover exposures to a structure, traps, fields and clamped
visible units; the schedule s(t) ramps or cycles them.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from matterlearn.core.schedule import Constant, Schedule

State = Any


def harmonic(k: Float[Array, "*any"], a: Float[Array, "*any"], x: Float[Array, "*any"]) -> Float[Array, ""]:
    """½ Σ k (x − a)², the energy of springs from x to a."""
    return jnp.sum(0.5 * k * (x - a) ** 2)


def log_loss(
    k: Float[Array, "*any class"], a: Float[Array, "*any class"], x: Float[Array, "*any class"]
) -> Float[Array, ""]:
    """−Σ k a ln softmax(x): x are logits of classes along the last axis, a the classes wanted, one-hot.

    >>> round(float(log_loss(jnp.ones(2), jnp.array([1.0, 0.0]), jnp.zeros(2))), 4)
    0.6931
    """
    return -jnp.sum(k * a * jax.nn.log_softmax(x))


class Drive(eqx.Module):
    """A phase: tethers, forces and clamps; ``Drive()`` is the free phase.

    Attributes:
        target: tether points a, shaped like the state.
        stiffness: tether stiffness k ≥ 0 per degree of freedom (kT_ref/σ²), broadcasting against the state.
        force: constant generalised force f (kT_ref/σ), broadcasting against the state.
        clamped: booleans shaped like the state; clamped entries are held at ``target``.
        strength: schedule s(t) multiplying tethers and forces.
        tether: energy of the tethers of one leaf, as a function of k, a and x.
    """

    target: State = None
    stiffness: State = None
    force: State = None
    clamped: State = None
    strength: Schedule = eqx.field(default_factory=lambda: Constant(jnp.ones(())))
    tether: Callable = eqx.field(static=True, default=harmonic)

    @property
    def holds_everything(self) -> Bool[Array, ""]:
        """Whether every degree of freedom is clamped (in every replica, of a replicated drive)."""
        held, targets = jax.tree.leaves(self.clamped), jax.tree.leaves(self.target)
        if not held or len(held) < len(targets):
            return jnp.zeros((), bool)
        return jnp.all(jnp.stack([jnp.all(leaf) for leaf in held]))

    def energy(self, x: State, step: Float[Array, ""] | float = 0.0) -> Float[Array, ""]:
        """Energy that the drive adds to the material's own, at one sample."""
        total = jnp.zeros(())
        if self.stiffness is not None:
            tethers = jax.tree.map(self.tether, self.stiffness, self.target, x)
            total = total + sum(jax.tree.leaves(tethers))
        if self.force is not None:
            total = total - sum(jax.tree.leaves(jax.tree.map(lambda f, y: jnp.sum(f * y), self.force, x)))
        return self.strength(jnp.asarray(step, float)) * total

    def project(self, x: State) -> State:
        """Put clamped degrees of freedom back on their target."""
        if self.clamped is None:
            return x
        return jax.tree.map(jnp.where, self.clamped, self.target, x)
