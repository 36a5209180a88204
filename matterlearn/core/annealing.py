"""Annealed importance sampling: ln Z of a system, along a line from one whose units do not interact.

    ln Z = ln Z_0 + ln ⟨w⟩,        ln w = −Σ_l [F_l(x_{l−1}) − F_{l−1}(x_{l−1})]/kT,        E_l = E_0 + (l/L)(E − E_0)

x_0 is drawn from the system without couplings, x_l from x_{l−1} by one sweep at E_l; F is the energy with the hidden
part summed out, which makes weights vary less. ⟨w⟩ has no bias for any number of levels, its logarithm one of −½ of
its relative variance. The last states with weights w are a sample of the system itself.

Source: [neal2001], [salakhutdinov2008]. Limits: energies linear in the couplings; sweeps have to be heat bath, because
one of them has to draw x_0 exactly.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key
from pydantic import Field

from matterlearn.core.drive import Drive
from matterlearn.core.dynamics import AbstractDynamics, advance
from matterlearn.core.system import AbstractSystem, State
from matterlearn.spec import Spec

LATE = 2**30  # a step at which schedules of the temperature have ended


class Annealing(NamedTuple):
    """ln Z with its standard error, the sample, its logarithmic weights, and to how many draws it is worth."""

    log_partition: Float[Array, ""]
    sem: Float[Array, ""]
    effective_samples: Float[Array, ""]
    x: State
    log_weight: Float[Array, " chain"]


def anneal(
    key: Key[Array, ""], system: AbstractSystem, dynamics: AbstractDynamics, *, levels: int, chains: int
) -> Annealing:
    """Annealed importance sampling at the temperature with which the dynamics ends.

    Raises:
        TypeError: if the system has no limit without couplings whose ln Z is known.
    """
    kT = dynamics.temperature(jnp.asarray(LATE))
    ends = system.independent(kT)
    if ends is None:
        raise TypeError(f"{type(system).__name__} has no limit of independent units from which to anneal")
    base, begin = ends

    def level(fraction):
        moving = lambda a, b: a + fraction * (b - a) if eqx.is_inexact_array(a) else a  # noqa: E731
        return jax.tree.map(moving, base, system)

    def sweep(key, here, x):
        state = dynamics.init(key, here, Drive(), x)._replace(step=jnp.asarray(LATE))
        return advance(key, here, dynamics, Drive(), state, 1).x

    keys = lambda number: jax.random.split(jax.random.fold_in(key, number), chains)  # noqa: E731
    x = jax.vmap(lambda k: sweep(k, base, system.init_state(k)))(keys(0))

    def climb(carry, number):
        x, log_weight = carry
        below, here = level((number - 1) / levels), level(number / levels)
        work = jax.vmap(lambda y: here.marginal_energy(y, kT) - below.marginal_energy(y, kT))(x)
        x = jax.vmap(lambda k, y: sweep(k, here, y))(keys(number), x)
        return (x, log_weight - work / kT), None

    (x, log_weight), _ = jax.lax.scan(climb, (x, jnp.zeros(chains)), jnp.arange(1, levels + 1))
    weight = jnp.exp(log_weight - jnp.max(log_weight))
    mean = jnp.mean(weight)
    sem = jnp.std(weight, ddof=1) / mean / jnp.sqrt(chains)
    found = begin + jnp.max(log_weight) + jnp.log(mean)
    return Annealing(found, sem, chains * mean**2 / jnp.mean(weight**2), x, log_weight)


class Levels(Spec):
    """Annealed importance sampling in a scenario."""

    levels: int = Field(default=1000, ge=1, le=10**6, description="steps from independent units to the system")
    chains: int = Field(default=200, ge=2, le=10**6, description="independent annealings")
