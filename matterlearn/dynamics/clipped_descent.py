"""Noisy descent with clipped gradients: what image models call Langevin sampling, and what samples nothing.

    x ← x + s ξ,    ξ ~ N(0, 1)
    x ← x − ε clip(∂E/∂x, −c, c),    then x ← clip(x, low, high) where a range is given

Unclipped and unbounded it would be a Langevin step whose noise belongs to the temperature s²/2ε, not to kT: for a step
ε = 10 and noise s = 0.005, as published, 1.25·10⁻⁶. It is descent to the nearest valley, with some noise. No law is
stationary that anyone could write down: with it asleep, a rule digs energies until descent ends where data are, and
what comes out looks like data; depths, widths and weights of the wells are not fitted, and the density that the energy
claims, P ∝ exp(−E/kT), is wrong. Dynamics brownian has the noise that belongs to kT.

| quantity | unit |
|---|---|
| ε | σ²/kT_ref |
| s | σ |
| c | kT_ref/σ |
| kT | kT_ref: that at which the energy is read as a density, in likelihoods; it moves nothing |

Source: [dumordatch2019]. Limits: flat space.

Example:
    >>> Config(kind="clipped_descent", step=10.0, noise=0.005).warmth
    1.25e-06
"""

from typing import ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
from pydantic import Field

from matterlearn.core.dynamics import AbstractDynamics, DynState, StepInfo, force, normal_like
from matterlearn.core.matter import check_matter
from matterlearn.core.schedule import Constant
from matterlearn.spec import Problem, Spec


class ClippedDescent(AbstractDynamics):
    """Noise, then a clipped step downhill."""

    step_size: Float[Array, ""]
    noise: Float[Array, ""]
    limit: Float[Array, ""]
    kT: Constant
    range: tuple[float, float] | None = eqx.field(static=True)

    stationary: ClassVar = "none"

    def init(self, key, system, drive, x, neighbors=None) -> DynState:
        """Start from x; nothing is remembered between steps."""
        del key
        return DynState(drive.project(x), jnp.zeros((), jnp.int32), None, neighbors)

    def step(self, key, system, drive, state) -> tuple[DynState, StepInfo]:
        """Noise first; the gradient is that of the shaken state."""
        shaken = drive.project(jax.tree.map(lambda x, n: x + self.noise * n, state.x, normal_like(key, state.x)))
        pushed = force(system, drive, state._replace(x=shaken))
        x = jax.tree.map(lambda y, f: y + self.step_size * jnp.clip(f, -self.limit, self.limit), shaken, pushed)
        if self.range is not None:
            low, high = self.range
            x = jax.tree.map(lambda y: jnp.clip(y, low, high), x)
        x = drive.project(x)
        return DynState(x, state.step + 1, None, system.refresh(state.neighbors, x)), StepInfo(jnp.ones(()))


class Config(Spec):
    """Clipped descent in a scenario."""

    kind: Literal["clipped_descent"]
    stationary: ClassVar[str] = "none"
    step: float = Field(default=0.1, gt=0, description="ε, σ²/kT_ref")
    noise: float = Field(default=0.005, ge=0, description="s, standard deviation of the noise in a step, σ")
    limit: float = Field(default=1.0, gt=0, description="c, largest entry of the gradient, kT_ref/σ")
    range: list[float] | None = Field(
        default=None, min_length=2, max_length=2, description="[low, high] that entries are kept in, σ"
    )
    density_kT: float = Field(default=1.0, gt=0, description="temperature at which E is read as a density, kT_ref")

    @property
    def warmth(self) -> float:
        """s²/2ε, the temperature that the noise would belong to without clipping, kT_ref."""
        return self.noise**2 / (2 * self.step)

    def check(self, scenario):
        """Matter that moves continuously, in a range that is one."""
        yield from check_matter(self, scenario)
        if self.range is not None and not self.range[0] < self.range[1]:
            low, high = self.range
            yield Problem(("range",), f"the lower end {low:g} should be below the upper one {high:g}")

    def build(self) -> ClippedDescent:
        """The dynamics."""
        step, noise, limit = (jnp.asarray(float(value)) for value in (self.step, self.noise, self.limit))
        ends = None if self.range is None else (self.range[0], self.range[1])
        return ClippedDescent(step, noise, limit, Constant(jnp.asarray(float(self.density_kT))), ends)
