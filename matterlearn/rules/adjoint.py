"""The exact gradient of a cost at an energy minimum, by one linear solve per replica.

    x* = argmin_x E(θ, x),      H λ = ∂C/∂x,      dC/dθ = −λᵀ ∂²E/∂x∂θ,      H = ∂²E/∂x² at x*

−λ is how far the matter gives way under a nudge. Equilibrium propagation measures it with nudges b → 0 and nothing
but the matter itself; here the Hessian is formed and decomposed, so this is the yardstick for other rules, and no rule
that matter could follow. In a layered network (``layered_network``) it is backpropagation. A system that knows its
minimum as a function of the couplings (``AbstractSystem.minimum``) is differentiated through that function instead, at
the price of a few evaluations.

Source: implicit function theorem [krantz2013implicit]; backpropagation as an adjoint [lecun1988theoretical]. Limits:
``relax`` steps have to reach the minimum; directions in which H vanishes do not answer; H is dense, for hundreds of
degrees of freedom, unless the minimum is known.

Example:
    >>> Config(kind="adjoint", relax=4).build().relax
    4
"""

from functools import partial
from typing import Any, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from pydantic import Field

from matterlearn.core.curvature import curvature, flat_moves, gradient, no_step, response
from matterlearn.core.drive import Drive
from matterlearn.core.dynamics import DynState
from matterlearn.core.matter import check_trains
from matterlearn.core.nudging import cost, free_drive, mean_cost
from matterlearn.core.rule import AbstractRule, Batch, RuleInfo, map_replicas, phase_statistics, start_phase
from matterlearn.core.system import couplings, with_couplings
from matterlearn.spec import Spec


class Adjoint(AbstractRule):
    """Implicit differentiation of the free minimum."""

    relax: int = eqx.field(static=True)

    sign: ClassVar[int] = 0

    def estimate(self, key, system, dynamics, state, batch: Batch, *, parameters):
        """The gradient averaged over replicas, with statistics of the free phase."""
        del parameters
        drive = free_drive(batch)
        start = start_phase(key, system, dynamics, drive, batch.x, batch.neighbors)
        free, rest = phase_statistics(key, system, dynamics, drive, start, samples=1, stride=1, relax=self.relax)
        known = system.minimum(jax.tree.map(lambda leaf: leaf[0], rest.x)) is not None
        one = partial(through_minimum if known else implicit, system)
        slopes = map_replicas(one, rest.neighbors)(drive, batch.drive, rest)
        slope = jax.tree.map(lambda s: jnp.mean(s, 0), slopes)
        return slope, state, RuleInfo({"free": free}, rest.neighbors, {"loss": mean_cost(batch.drive, rest.x)})


def through_minimum(system: Any, free: Drive, drive: Drive, state: DynState) -> Any:
    """dC/dθ of one replica whose minimum is a known function of θ."""
    del free
    return jax.grad(lambda theta: cost(drive, with_couplings(system, theta).minimum(state.x)))(couplings(system))


def implicit(system: Any, free: Drive, drive: Drive, state: DynState) -> Any:
    """−λᵀ ∂²E/∂x∂θ of one replica."""
    x = state.x
    force = gradient(lambda y: cost(drive, y), system, free, x)
    adjoint = response(curvature(system, free, state).hessian, force)
    move = flat_moves(system, free, x)

    def work(theta):
        energy = with_couplings(system, theta).energy
        _, along = jax.jvp(lambda u: energy(move(u), state.neighbors), (no_step(system, x),), (adjoint,))
        return -along

    return jax.grad(work)(couplings(system))


class Config(Spec):
    """The adjoint gradient in a scenario."""

    kind: Literal["adjoint"]
    trains: ClassVar[tuple[str, ...]] = ("continuous",)
    provides: ClassVar[tuple[str, ...]] = ("loss",)
    undriven: ClassVar[bool] = True
    relax: int = Field(default=20, ge=0, description="steps of the dynamics to the minimum", examples=[20])

    def check(self, scenario):
        """The matter moves continuously."""
        yield from check_trains(self, scenario)

    def build(self) -> Adjoint:
        """The rule."""
        return Adjoint(self.relax)
