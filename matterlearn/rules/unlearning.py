"""Unlearning: free matter dreams, and what it dreamt of becomes less attractive.

    dθ/dt = +η ⟨∂E/∂θ⟩_free        start at noise, relax, raise the energy of what was found

A network that stores too much falls from noise into spurious states more often than into its memories, so that dreams
weaken mostly what nobody taught (Hopfield, Feinstein and Palmer: J_ij grows by η s_i s_j per dream, η = ε/N). Nothing
is shown: of a presentation only its free conditions and its duration count, in dreams. The average is over replicas,
each of which dreams anew; a duration of as many dreams as replicas counts every dream once, all at the same couplings.
That is the sequence of single dreams to leading order, as long as one update moves no coupling by much.

| quantity | unit |
|---|---|
| rate η | that of θ²/E per dream; ε/N in networks |
| duration | dreams |

Source: [hopfield1983unlearning]. Limits: dreams have no end of their own: too many of them weaken the memories too.

Example:
    >>> Config(kind="unlearning", rate=5e-5).build().sign
    1
"""

from typing import ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
from pydantic import Field

from matterlearn.core.nudging import free_drive
from matterlearn.core.rule import AbstractRule, Batch, RuleInfo, phase_statistics, start_phase
from matterlearn.spec import Spec


class Unlearning(AbstractRule):
    """Minus Hebb, of free matter that starts at noise."""

    rate: Float[Array, ""]
    samples: int = eqx.field(static=True)
    stride: int = eqx.field(static=True)
    relax: int = eqx.field(static=True)

    sign: ClassVar = 1
    slow_time: ClassVar = "dream"

    def estimate(self, key, system, dynamics, state, batch: Batch, *, parameters):
        """Minus the change of the couplings in ``batch.duration`` dreams, to be taken with a learning rate of 1."""
        del parameters
        replicas = len(jax.tree.leaves(batch.x)[0])
        noise, sleep = jax.random.split(key)
        x = jax.vmap(system.init_state)(jax.random.split(noise, replicas))
        free = free_drive(batch)
        start = start_phase(sleep, system, dynamics, free, x, batch.neighbors)
        dreams, end = phase_statistics(
            sleep, system, dynamics, free, start, samples=self.samples, stride=self.stride, relax=self.relax
        )
        direction = jax.tree.map(lambda moment: -self.rate * batch.duration * moment, dreams.mean)
        return direction, state, RuleInfo({"dream": dreams}, end.neighbors)


class Config(Spec):
    """Unlearning in a scenario."""

    kind: Literal["unlearning"]
    rate: float = Field(gt=0, description="what one dream adds to a coupling per ∂E/∂θ", examples=[0.01])
    samples: int = Field(default=1, ge=1, description="samples per dream", examples=[2])
    stride: int = Field(default=1, ge=1, description="steps between samples")
    relax: int = Field(default=20, ge=0, description="steps from noise to the first sample", examples=[10])

    def build(self) -> Unlearning:
        """The rule."""
        return Unlearning(jnp.asarray(float(self.rate)), self.samples, self.stride, self.relax)
