"""Gradients at an energy minimum, by the implicit function theorem: the path to the minimum does not matter.

    ∂E(θ, x*)/∂x = 0      ⇒      dO/dθ = ∂O/∂θ − ∂O/∂x · H⁻¹ ∂²E/∂x∂θ,      H = ∂²E/∂x²

The dynamics (``fire``) finds x*; one linear solve by conjugate residuals gives the response. Free translations and
rotations, along which H is zero, are left alone.

Source: [krantz2013implicit], [saad2003iterative]. Limits: a minimum that the couplings move smoothly; where contacts
open or close, O is differentiable on one side only. H is taken where the minimiser stops: ``steps`` must be enough to
arrive. Drives count as part of the energy.

Example:
    >>> Config(kind="implicit", steps=500).build().steps
    500
"""

from collections.abc import Callable
from functools import partial
from typing import ClassVar, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Int
from pydantic import Field

from matterlearn.core.dynamics import advance, potential
from matterlearn.design._estimator import AbstractEstimator, Setup, Values
from matterlearn.design._paths import frozen
from matterlearn.spec import Problem, Spec


class Implicit(AbstractEstimator):
    """Response of a minimum to the couplings."""

    steps: int = eqx.field(static=True)
    tolerance: float = eqx.field(static=True)

    responds: ClassVar[bool] = True

    def values(self, key, thetas, setup: Setup, memory) -> Values:
        """Observables at each replica's minimum."""
        del memory
        _, states = setup.starts(key, frozen(thetas))
        systems = eqx.combine(thetas, setup.rest)

        def one(key, system, drive, state):
            state = frozen(advance(key, frozen(system), setup.dynamics, drive, state, self.steps))
            x = self._respond(system, drive, state)
            return setup.objective.measure(system, drive, state._replace(x=x)), state.neighbors

        return Values(*setup.map(one, setup.keys(key), systems, setup.drive, states))

    def _respond(self, system, drive, state):
        """x* − H⁻¹ ∂E/∂x: at the minimum a Newton step of length zero, whose derivative is the response."""
        flat, unravel = ravel_pytree(state.x)
        free = jnp.ones_like(flat)
        if drive.clamped is not None:
            free = 1.0 - ravel_pytree(jax.tree.map(lambda held, y: held * jnp.ones_like(y), drive.clamped, state.x))[0]

        def slope(system, y):
            return free * jax.grad(lambda z: potential(system, drive, state._replace(x=unravel(z))))(y)

        def curvature(v):
            return free * jax.jvp(lambda y: slope(frozen(system), y), (flat,), (free * v,))[1] + (1 - free) * v

        solve = partial(conjugate_residuals, tolerance=self.tolerance)
        step = jax.lax.custom_linear_solve(curvature, slope(system, flat), solve, symmetric=True)
        return unravel(flat - step)


class Iterate(NamedTuple):
    """Where conjugate residuals stand."""

    x: Float[Array, " n"]
    residual: Float[Array, " n"]
    direction: Float[Array, " n"]
    bent: tuple[Float[Array, " n"], Float[Array, " n"]]  # H times residual and direction
    widest: Float[Array, ""]  # largest curvature met
    count: Int[Array, ""]


def conjugate_residuals(
    matvec: Callable[[Float[Array, " n"]], Float[Array, " n"]], b: Float[Array, " n"], *, tolerance: float
) -> Float[Array, " n"]:
    """The x that brings H x nearest to b, for a symmetric H ≥ 0 that may be zero along some directions.

    Conjugate gradients, which jax has, go to infinity along such a direction if b has a part there; what is left of b
    here is that part, and H times it is zero.

    >>> hold = jnp.array([2.0, 0.0])
    >>> conjugate_residuals(lambda v: hold * v, jnp.array([1.0, 1.0]), tolerance=1e-6)[0].item()
    0.5
    """

    def unfinished(now: Iterate):
        far = now.residual @ now.residual > tolerance**2 * (b @ b)
        held = now.bent[0] @ now.bent[0] > (tolerance * now.widest) ** 2 * (now.residual @ now.residual)
        return far & held & (now.residual @ now.bent[0] > 0) & (now.count < 10 * b.size)

    def step(now: Iterate) -> Iterate:
        bent, square = now.bent[1], now.bent[1] @ now.bent[1]
        before = now.residual @ now.bent[0]
        residual = now.residual - before / square * bent
        bent_residual = matvec(residual)
        ratio = (residual @ bent_residual) / before
        widest = jnp.maximum(now.widest, jnp.sqrt(square / (now.direction @ now.direction)))
        return Iterate(
            now.x + before / square * now.direction, residual, residual + ratio * now.direction,
            (bent_residual, bent_residual + ratio * bent), widest, now.count + 1,
        )  # fmt: skip

    bent = matvec(b)
    start = Iterate(jnp.zeros_like(b), b, b, (bent, bent), jnp.zeros((), b.dtype), jnp.zeros((), jnp.int32))
    return jax.lax.while_loop(unfinished, step, start).x


class Config(Spec):
    """Implicit gradients in a scenario."""

    kind: Literal["implicit"]
    steps: int = Field(default=5000, ge=1, description="steps of the minimiser")
    tolerance: float = Field(default=1e-6, gt=0, lt=1, description="relative residual of the linear solve")

    def check(self, scenario):
        """The dynamics goes to a minimum."""
        if not getattr(scenario.dynamics, "minimises", False):
            yield Problem(("kind",), "is the response of an energy minimum: use dynamics fire")

    def build(self) -> Implicit:
        """The estimator."""
        return Implicit(self.steps, self.tolerance)
