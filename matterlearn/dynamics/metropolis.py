"""Metropolis sampling of discrete matter: a new value proposed at every site, colour by colour.

    accept w at site i with probability min(1, exp(−[e_i(w) − e_i(s_i)]/kT)),        w uniform over all values

| quantity | unit |
|---|---|
| kT | kT_ref |
| step | one attempt per site |

Source: [metropolis1953]. Limits: sites of one colour are updated together, so a sweep is stationary but not
reversible; probabilities are exact down to e^−38, bonds beyond that never break.

Example:
    >>> Config(kind="metropolis", kT=0.5).build().kT(0.0).item()
    0.5
"""

from typing import ClassVar, Literal

import jax
import jax.numpy as jnp
from pydantic import Field

from matterlearn.core.bits import integer, uniform
from matterlearn.core.matter import check_matter
from matterlearn.core.sampler import AbstractMove, Sampler, all_energies, colour_by_colour
from matterlearn.core.schedule import schedule
from matterlearn.spec import PositiveSchedule, Spec


class Metropolis(AbstractMove):
    """Single-site moves with uniform proposals."""

    def sweep(self, bits, kernel, clamped, parts, kT):
        """One attempt at every site."""
        largest = max(part.size for part in parts)
        words = bits.sequence((largest,), len(parts))

        def propose(colour):
            first, second = words(colour)
            new, rest = integer(first, kernel.values)
            return new.astype(parts[0].dtype), -jnp.log(uniform(second, rest)) * kT

        # A loop of its own: fused with the gathers of the energies, the cipher would no longer run in vectors.
        new, most = jax.lax.map(propose, jnp.arange(len(parts)))

        def update(colour, old, environment):
            proposed, limit = (a[colour, : old.size].reshape(old.shape) for a in (new, most))
            return jnp.where(kernel.change(proposed, old, environment) <= limit, proposed, old)

        return colour_by_colour(kernel, clamped, parts, update)

    def log_choice(self, kernel, old, new, environment, kT):
        """ln[min(1, e^{−Δe/kT})/q] of a change; staying is what all other proposals leave."""
        energies = all_energies(kernel, old, environment)
        rise = energies - jnp.take_along_axis(energies, old[None], axis=0)
        chance = jnp.exp(-jnp.maximum(rise, 0.0) / kT) / kernel.values
        chosen = jnp.take_along_axis(chance, new[None], axis=0)[0]
        others = jnp.arange(kernel.values).reshape(-1, *[1] * old.ndim) != old
        stay = 1.0 - jnp.sum(jnp.where(others, chance, 0.0), axis=0)
        return jnp.log(jnp.where(new == old, stay, chosen))


class Config(Spec):
    """Metropolis sampling in a scenario."""

    kind: Literal["metropolis"]
    matter: ClassVar[str] = "discrete"
    known_steps: ClassVar[bool] = True
    kT: PositiveSchedule = Field(default=1.0, description="temperature, kT_ref: a number, a ramp or a cycle")

    def check(self, scenario):
        """There are discrete values to sample."""
        yield from check_matter(self, scenario)

    def build(self) -> Sampler:
        """The sampler."""
        return Sampler(schedule(self.kT), (Metropolis(),))
