"""Heat-bath (Gibbs) sampling of discrete matter: every site drawn from its conditional law, colour by colour.

    P(s_i = w) = exp(−e_i(w)/kT) / Σ_v exp(−e_i(v)/kT)

| quantity | unit |
|---|---|
| kT | kT_ref |
| step | one draw per site |

Source: [geman1984]. Limits: costs one local energy per value, so Metropolis is cheaper per sweep beyond a handful
of species, unless the system knows its conditional law better (tiles with sparse bonds do).

Example:
    >>> Config(kind="heat_bath", kT=0.5).build().kT(0.0).item()
    0.5
"""

from typing import ClassVar, Literal

import jax
import jax.numpy as jnp
from pydantic import Field

from matterlearn.core.matter import check_matter
from matterlearn.core.sampler import AbstractMove, Sampler, all_energies, colour_by_colour
from matterlearn.core.schedule import schedule
from matterlearn.spec import PositiveSchedule, Spec


class HeatBath(AbstractMove):
    """Draws from the conditional law."""

    def sweep(self, bits, kernel, clamped, parts, kT):
        """One draw at every site."""

        def update(colour, old, environment):
            return kernel.conditional(bits, old, environment, kT)

        return colour_by_colour(kernel, clamped, parts, update)

    def log_choice(self, kernel, old, new, environment, kT):
        """−e(new)/kT − ln Σ_v exp(−e(v)/kT)."""
        log = jax.nn.log_softmax(-all_energies(kernel, old, environment) / kT, axis=0)
        return jnp.take_along_axis(log, new[None], axis=0)[0]


class Config(Spec):
    """Heat-bath sampling in a scenario."""

    kind: Literal["heat_bath"]
    matter: ClassVar[str] = "discrete"
    known_steps: ClassVar[bool] = True
    draws: ClassVar[bool] = True  # from conditional laws, so that values may be real numbers
    kT: PositiveSchedule = Field(default=1.0, description="temperature, kT_ref: a number, a ramp or a cycle")

    def check(self, scenario):
        """There are discrete values to sample."""
        yield from check_matter(self, scenario)

    def build(self) -> Sampler:
        """The sampler."""
        return Sampler(schedule(self.kT), (HeatBath(),))
