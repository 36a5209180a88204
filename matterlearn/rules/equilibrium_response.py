"""Gradient descent on an order parameter: couplings move until free matter shows the order of what it was shown.

    L = ½ (⟨O⟩ − O*)²,        ∂L/∂θ = (⟨O⟩ − O*) ∂⟨O⟩/∂θ,        ∂⟨O⟩/∂θ = −Cov(O, ∂E/∂θ)/kT

The response of an equilibrium average is a covariance of its fluctuations, so nothing is differentiated through the
dynamics. O* is the order of the clamped phase, replica by replica. L is averaged over replicas; each has two free
phases that start where the clamped one ended, and the deviation comes from one and the covariance from the other, so
that their product has no bias. Unlike the relative entropy, L cares for nothing but O: where the order is right the
couplings stay. An energy penalty ½ ``decay`` θ² per coupling keeps them finite where O no longer responds.

The order parameter is the task's (``Batch.order``); without one it is the mean square of the state.

| quantity | unit |
|---|---|
| gradient | that of O²/θ |

Source: fluctuation–response theorem, [chandler1987]. Limits: needs a dynamics with a temperature that samples the
Boltzmann law; the covariance over n samples is short by the fraction 1/n of each correlated neighbour.

Example:
    >>> Config(kind="equilibrium_response", samples=5).build().samples
    5
"""

from typing import Any, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
from pydantic import Field

from matterlearn.core.nudging import free_drive
from matterlearn.core.rule import (
    AbstractRule,
    Batch,
    RuleInfo,
    map_replicas,
    phase_averages,
    start_phase,
    statistics,
    with_squares,
)
from matterlearn.core.system import coupling_gradient
from matterlearn.spec import Problem, Spec


def mean_square(system, x) -> Float[Array, ""]:
    """Mean square of all degrees of freedom."""
    del system
    leaves = jax.tree.leaves(x)
    return sum(jnp.sum(leaf.astype(float) ** 2) for leaf in leaves) / sum(leaf.size for leaf in leaves)  # pyright: ignore[reportReturnType]  # noqa: E501


class EquilibriumResponse(AbstractRule):
    """Covariances of the order parameter with ∂E/∂θ."""

    decay: Float[Array, ""]
    samples: int = eqx.field(static=True)
    stride: int = eqx.field(static=True)
    relax: int = eqx.field(static=True)

    def estimate(self, key, system, dynamics: Any, state, batch: Batch, *, parameters):
        """∂L/∂θ with statistics of the clamped and of the first free phase."""
        order = batch.order or mean_square
        keys = jax.random.split(key, 3)

        def measure(now):
            value, moment = order(system, now.x), coupling_gradient(system, now.x, now.neighbors)
            return value, moment, jax.tree.map(lambda m: value * m, moment)

        def phase(key, drive, x, neighbors):
            start = start_phase(key, system, dynamics, drive, x, neighbors)
            settings = {"samples": self.samples, "stride": self.stride, "relax": self.relax}
            every = lambda now: with_squares(map_replicas(measure, now.neighbors)(now))  # noqa: E731
            return phase_averages(key, system, dynamics, drive, start, every, **settings)

        wake, awake = phase(keys[0], batch.drive, batch.x, batch.neighbors)
        free = free_drive(batch)
        sleep, asleep = phase(keys[1], free, awake.x, awake.neighbors)
        again, _ = phase(keys[2], free, awake.x, awake.neighbors)
        kT = dynamics.kT(asleep.step[0].astype(float))
        wanted = wake[0][0]
        deviations = [averages[0] - wanted for averages, _ in (sleep, again)]
        responses = [self.response(averages, kT) for averages, _ in (again, sleep)]
        slope = jax.tree.map(lambda p: self.decay * p, parameters)
        for deviation, response in zip(deviations, responses, strict=True):
            mean = jax.tree.map(lambda r, d=deviation: jnp.tensordot(d, r, 1) / len(d), response)
            slope = jax.tree.map(lambda s, m: s + m / 2, slope, mean)
        phases = {name: statistics(averages[1], squares[1]) for name, (averages, squares) in
                  (("wake", wake), ("sleep", sleep))}  # fmt: skip
        numbers = {"order_loss": jnp.mean(deviations[0] * deviations[1]) / 2}
        return slope, state, RuleInfo(phases, asleep.neighbors, numbers)

    def response(self, averages, kT: Float[Array, ""]):
        """∂⟨O⟩/∂θ of every replica from its averages of O, ∂E/∂θ and their product."""
        value, moment, product = averages
        unbiased = self.samples / (self.samples - 1) / kT

        def one(p, m):
            return -unbiased * (p - value.reshape(-1, *[1] * (m.ndim - 1)) * m)

        return jax.tree.map(one, product, moment)


class Config(Spec):
    """Learning by equilibrium response in a scenario."""

    kind: Literal["equilibrium_response"]
    provides: ClassVar[tuple[str, ...]] = ("order_loss",)
    samples: int = Field(default=10, ge=2, description="samples per phase, update and replica", examples=[6])
    stride: int = Field(default=1, ge=1, description="steps between samples", examples=[2])
    relax: int = Field(default=10, ge=0, description="steps before the first sample of a phase", examples=[20])
    decay: float = Field(default=0.0, ge=0, description="stiffness of a penalty ½ decay θ² on every coupling")

    def check(self, scenario):
        """The dynamics samples at a temperature."""
        if not hasattr(scenario.dynamics, "kT"):
            yield Problem(("kind",), f"needs thermal fluctuations, which {scenario.dynamics.kind!r} does not have")

    def build(self) -> EquilibriumResponse:
        """The rule."""
        return EquilibriumResponse(jnp.asarray(float(self.decay)), self.samples, self.stride, self.relax)
