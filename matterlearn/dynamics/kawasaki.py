"""Kawasaki sampling of lattices: neighbouring sites exchange their species, so that the composition is conserved.

    exchange a pair with probability 1/(1 + exp(ΔE/kT))

This draws the order of every pair from its conditional law. Many pairs are updated together; a rule that always
accepts ΔE = 0 would carry lone molecules along ballistically.

| quantity | unit |
|---|---|
| kT | kT_ref |
| step | one attempt per bond |

Source: [kawasaki1966]. Limits: conserved matter diffuses, so domains of size l take l³ steps to form. Fastest where
periodic sides are multiples of 4; pairs of others are found by index. Pairs of one class are updated together and
classes in turn, so a sweep is stationary but not reversible.

Example:
    >>> Config(kind="kawasaki", kT=0.5).build().kT(0.0).item()
    0.5
"""

from typing import ClassVar, Literal

import jax
import jax.numpy as jnp
from pydantic import Field

from matterlearn.core.bits import uniform
from matterlearn.core.matter import check_matter, matter
from matterlearn.core.mixture import check_species
from matterlearn.core.sampler import AbstractMove, Sampler
from matterlearn.core.schedule import schedule
from matterlearn.spec import PositiveSchedule, Spec


class Kawasaki(AbstractMove):
    """Exchanges of neighbours."""

    conserving: ClassVar[bool] = True

    def sweep(self, bits, kernel, clamped, parts, kT):
        """One attempt at every bond."""
        classes, pairs = kernel.exchanges
        words = bits.sequence((pairs,), classes)

        def limit(c):
            u = uniform(*words(c))
            return jnp.log((1 - u) / u) * kT

        # A loop of its own: fused with the gathers of the energies, the cipher would no longer run in vectors.
        return kernel.exchange(parts, clamped, jax.lax.map(limit, jnp.arange(classes)))


class Config(Spec):
    """Kawasaki sampling in a scenario."""

    kind: Literal["kawasaki"]
    matter: ClassVar[str] = "discrete"
    conserving: ClassVar[bool] = True
    kT: PositiveSchedule = Field(default=1.0, description="temperature, kT_ref: a number, a ramp or a cycle")

    def check(self, scenario):
        """There are neighbours to exchange."""
        yield from check_matter(self, scenario)
        if matter(scenario.system) == "discrete":
            yield from check_species(scenario)

    def build(self) -> Sampler:
        """The sampler."""
        return Sampler(schedule(self.kT), (Kawasaki(),))
