"""What a step costs: floating-point operations, counted in the program that makes it."""

from typing import Any

import jax
import jax.numpy as jnp

from matterlearn.core.drive import Drive
from matterlearn.core.dynamics import AbstractDynamics, DynState
from matterlearn.core.system import AbstractSystem


def operations_per_step(system: AbstractSystem, dynamics: AbstractDynamics) -> float:
    """Floating-point operations of one step of one replica, as the compiler counts them; NaN where it does not.

    Additions and multiplications count one each; random bits, comparisons and table look-ups do not count. Limits: the
    body of a loop within a step counts once, and what a step does on the host not at all.

    >>> from matterlearn.dynamics.brownian import Config as Brownian
    >>> from matterlearn.testing._examples import well
    >>> operations_per_step(well(), Brownian(kind="brownian", dt=0.001).build()) > 0
    True
    """

    def step(key, system, x):
        drive = Drive()
        state: Any = dynamics.init(key, system, drive, x)
        system, drive, state = dynamics.enter(system, drive, state)

        def move(state: DynState):
            return dynamics.step(key, system, drive, state)[0]

        return jax.lax.fori_loop(0, jnp.asarray(2), lambda _, s: move(s), state)

    x = jax.eval_shape(system.init_state, jax.random.key(0))
    counted = jax.jit(step).lower(jax.random.key(0), system, x).cost_analysis()
    return float(counted["flops"]) if counted else float("nan")
