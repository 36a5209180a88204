"""How strongly a trajectory depends on the couplings, as time goes on: the warning before a pathwise gradient.

    s(t) = |dx_t/dθ · v|  (root mean square over degrees of freedom),      v a random direction of unit length

Where s grows exponentially, gradients through the trajectory lose all meaning after a few e-folds.
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Key, PyTree

from matterlearn.core.dynamics import advance
from matterlearn.core.task import replicated
from matterlearn.design._diagnostics import growth_rate, norm_of
from matterlearn.design._estimator import Setup

RECORDS = 20


class Sensitivity(NamedTuple):
    """Steps, s at them per replica, and the growth rate per step of its median over the second half."""

    steps: Float[Array, " time"]
    norms: Float[Array, "replica time"]
    rate: Float[Array, ""]


@eqx.filter_jit
def sensitivity(key: Key[Array, ""], theta: PyTree, setup: Setup, steps: int) -> Sensitivity:
    """Response of every replica's trajectory of ``steps`` steps to a random change of the couplings, forward mode."""
    flat, unravel = ravel_pytree(theta)
    direction = jax.random.normal(key, flat.shape, flat.dtype)
    direction = unravel(direction / jnp.linalg.norm(direction))
    stride = max(1, steps // RECORDS)
    records = steps // stride

    def trajectory(theta) -> Any:
        systems, states = setup.starts(key, replicated(theta, setup.replicas))

        def one(key, system, drive, state):
            def record(state, _):
                state = advance(key, system, setup.dynamics, drive, state, stride)
                return state, state.x

            return jax.lax.scan(record, state, length=records)[1]

        return setup.map(one, setup.keys(key), systems, setup.drive, states)

    _, change = jax.jvp(trajectory, (theta,), (direction,))
    norms = jax.vmap(jax.vmap(norm_of))(change)
    times = stride * (1.0 + jnp.arange(records))
    return Sensitivity(times, norms, growth_rate(times, norms) if records > 3 else jnp.asarray(jnp.nan))
