"""Equilibrium propagation: the gradient of a cost from two equilibria, one nudged a little against the other.

    x_b = argmin_x E(θ, x) + b C(x)
    dC(x_0)/dθ = lim [∂E/∂θ(x_b₂) − ∂E/∂θ(x_b₁)]/(b₂ − b₁),        b₁, b₂ → 0

``one_sided`` compares b = 0 with +b, ``negative`` −b with 0, ``centred`` −b with +b. The bias is O(b) on one side and
O(b²) for centred nudges. All nudged phases start from the free equilibrium. At a temperature, averages take the place
of the minima, and what comes down is ⟨C⟩.

The cost C is the energy of the batch's tethers (``matterlearn.core.nudging``). Every coupling needs its own two moments
only: contrasts are local, and no other network carries errors backwards. ``loss`` in results is C in the free phase,
averaged over replicas.

| quantity | unit |
|---|---|
| b | 1, times the stiffness of the tethers |
| gradient | that of C/θ |

Source: [scellier2017equilibrium], centred: [laborieux2021scaling]. Limits: b k has to stay below the stiffness of the
outputs where b < 0; in single precision the contrast of small b drowns in rounding, use b ≥ 10⁻².

Example:
    >>> Config(kind="equilibrium_propagation", sides="one_sided", b=0.5).build().sides
    (0.0, 1.0)
"""

from typing import ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
from pydantic import Field

from matterlearn.core.matter import check_trains
from matterlearn.core.nudging import free_drive, mean_cost, nudged
from matterlearn.core.rule import AbstractRule, Batch, RuleInfo, phase_statistics, start_phase
from matterlearn.spec import Spec

SIDES = {"one_sided": (0.0, 1.0), "negative": (-1.0, 0.0), "centred": (-1.0, 1.0)}


class EquilibriumPropagation(AbstractRule):
    """Contrast of ∂E/∂θ between two nudges."""

    b: Float[Array, ""]
    sides: tuple[float, float] = eqx.field(static=True)
    samples: int = eqx.field(static=True)
    stride: int = eqx.field(static=True)
    relax: int = eqx.field(static=True)

    sign: ClassVar[int] = 0

    def estimate(self, key, system, dynamics, state, batch: Batch, *, parameters):
        """Gradient of the cost, with statistics of the free and of the nudged phases."""
        del parameters
        free_key, *keys = jax.random.split(key, 3)
        settings = {"samples": self.samples, "stride": self.stride, "relax": self.relax}

        def phase(key, drive, x, neighbors):
            start = start_phase(key, system, dynamics, drive, x, neighbors)
            return phase_statistics(key, system, dynamics, drive, start, **settings)

        free, rest = phase(free_key, free_drive(batch), batch.x, batch.neighbors)
        phases, neighbors, moments = {"free": free}, rest.neighbors, []
        for key, side in zip(keys, self.sides, strict=True):
            stats = free
            if side:
                stats, after = phase(key, nudged(batch.drive, side * self.b), rest.x, neighbors)
                phases["pulled" if side > 0 else "pushed"], neighbors = stats, after.neighbors
            moments.append(stats.mean)
        apart = self.b * (self.sides[1] - self.sides[0])
        gradient = jax.tree.map(lambda before, after: (after - before) / apart, *moments)
        return gradient, state, RuleInfo(phases, neighbors, {"loss": mean_cost(batch.drive, rest.x)})


class Config(Spec):
    """Equilibrium propagation in a scenario."""

    kind: Literal["equilibrium_propagation"]
    trains: ClassVar[tuple[str, ...]] = ("continuous",)
    provides: ClassVar[tuple[str, ...]] = ("loss",)
    b: float = Field(default=0.1, gt=0, description="nudge, times the cost", examples=[0.1])
    sides: Literal[tuple(SIDES)] = Field(
        default="centred", description="nudges compared: 0 with b, −b with 0, or −b with b",
        examples=["centred", "one_sided", "negative"],
    )  # fmt: skip
    relax: int = Field(default=20, ge=0, description="steps before the first sample of a phase")
    samples: int = Field(default=1, ge=1, description="samples per phase and replica; more than one at a temperature")
    stride: int = Field(default=1, ge=1, description="steps between samples")

    def check(self, scenario):
        """The matter moves continuously."""
        yield from check_trains(self, scenario)

    def build(self) -> EquilibriumPropagation:
        """The rule."""
        b = jnp.asarray(float(self.b))
        return EquilibriumPropagation(b, SIDES[self.sides], self.samples, self.stride, self.relax)
