"""Maximum likelihood with the partition function itself, instead of chains that sample it.

    L = −⟨ln P(v)⟩_data = ⟨F(v)⟩_data/kT + ln Z
    kT ∂L/∂θ = ⟨∂E/∂θ⟩_data − ⟨∂E/∂θ⟩_free,        ⟨∂E/∂θ⟩_free = −kT ∂ln Z/∂θ

``partition: exact`` sums ln Z over all states: no sampling noise, no bias, and learning is gradient descent on the
relative entropy itself; what chains do can be measured against it. ``partition: {levels, chains}`` anneals instead
(``matterlearn.core.annealing``): the free average is taken over the annealed states with their weights, each update
afresh, and records how many independent draws these are worth. Awake, what is hidden follows the data by the dynamics,
unless it can be summed out in closed form.

| quantity | unit |
|---|---|
| ∂E/∂θ, gradient | that of E/θ; J and μ in kT_ref |

Source: [ackley1985]; annealing [neal2001], [salakhutdinov2008]. Limits: exact sums go up to 2^20 terms; annealing needs
heat bath and energies that are linear in the couplings.

Example:
    >>> Config(kind="maximum_likelihood").partition
    'exact'
"""

from types import SimpleNamespace
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree
from pydantic import Field

from matterlearn.core.annealing import Levels, anneal
from matterlearn.core.dynamics import AbstractDynamics
from matterlearn.core.rule import AbstractRule, Batch, PhaseStats, RuleInfo, phase_statistics, start_phase
from matterlearn.core.system import AbstractSystem, couplings, marginal_gradient, with_couplings
from matterlearn.spec import Problem, Spec


class Exact(eqx.Module):
    """The free average as a derivative of ln Z."""

    def moments(self, key, system: AbstractSystem, dynamics: AbstractDynamics) -> tuple[PyTree, PyTree, dict]:
        """⟨∂E/∂θ⟩, its standard error (none), and numbers to record.

        Raises:
            TypeError: if the system cannot sum its ln Z.
        """
        del key
        kT = dynamics.temperature(jnp.zeros((), int))

        def log_partition(theta) -> Float[Array, ""]:
            found = with_couplings(system, theta).log_partition(kT)
            if found is None:
                raise TypeError(f"{type(system).__name__} cannot sum its partition function; use partition: annealed")
            return found

        value, slope = jax.value_and_grad(log_partition)(couplings(system))
        mean = jax.tree.map(lambda s: -kT * s, slope)
        return mean, jax.tree.map(jnp.zeros_like, mean), {"log_partition": value}


class Annealed(eqx.Module):
    """The free average over annealed states."""

    levels: int = eqx.field(static=True)
    chains: int = eqx.field(static=True)

    def moments(self, key, system: AbstractSystem, dynamics: AbstractDynamics) -> tuple[PyTree, PyTree, dict]:
        """⟨∂E/∂θ⟩, its standard error, and numbers to record."""
        kT = dynamics.temperature(jnp.zeros((), int))
        found = anneal(key, system, dynamics, levels=self.levels, chains=self.chains)
        weight = jax.nn.softmax(found.log_weight)
        each = jax.vmap(lambda x: marginal_gradient(system, x, kT))(found.x)
        mean = jax.tree.map(lambda m: jnp.tensordot(weight, m, 1), each)
        spread = jax.tree.map(lambda m, a: jnp.sqrt(jnp.tensordot(weight**2, (m - a) ** 2, 1)), each, mean)
        return mean, spread, {"log_partition": found.log_partition, "effective_samples": found.effective_samples}


class MaximumLikelihood(AbstractRule):
    """Clamped moments minus those of ln Z."""

    decay: Float[Array, ""]
    partition: Exact | Annealed
    samples: int = eqx.field(static=True)
    stride: int = eqx.field(static=True)
    relax: int = eqx.field(static=True)

    def estimate(self, key, system, dynamics, state, batch: Batch, *, parameters):
        """kT times the gradient of −⟨ln P⟩, with statistics of the data and of the free matter."""
        wake_key, sleep_key = jax.random.split(key)
        start = start_phase(wake_key, system, dynamics, batch.drive, batch.x, batch.neighbors)
        settings = {"samples": self.samples, "stride": self.stride, "relax": self.relax}
        wake, end = phase_statistics(wake_key, system, dynamics, batch.drive, start, **settings)
        mean, sem, numbers = self.partition.moments(sleep_key, system, dynamics)
        slope = jax.tree.map(lambda w, s, p: w - s + self.decay * p, wake.mean, mean, parameters)
        sleep = PhaseStats(mean, sem, wake.n, jax.tree.map(lambda s: wake.n * s**2, sem))
        return slope, state, RuleInfo({"wake": wake, "sleep": sleep}, end.neighbors, numbers)


class Config(Spec):
    """Maximum likelihood in a scenario."""

    kind: Literal["maximum_likelihood"]
    partition: Literal["exact"] | Levels = Field(
        default="exact", description="ln Z: exact, or annealed with {levels, chains}",
        examples=["exact", {"levels": 20, "chains": 16}],
    )  # fmt: skip
    samples: int = Field(default=1, ge=1, description="samples of the clamped phase, per update and replica")
    stride: int = Field(default=1, ge=1, description="steps between samples")
    relax: int = Field(default=0, ge=0, description="steps before the first sample", examples=[20])
    decay: float = Field(default=0.0, ge=0, description="stiffness of a penalty ½ decay θ² on every coupling")

    @property
    def provides(self) -> tuple[str, ...]:
        """Numbers recorded while learning."""
        return ("log_partition",) if self.partition == "exact" else ("log_partition", "effective_samples")

    def check(self, scenario: SimpleNamespace | Any):
        """ln Z can be had in the way that was asked for."""
        system, dynamics = scenario.system, scenario.dynamics
        if self.partition == "exact":
            if not getattr(system, "exact", False):
                yield Problem(("partition",), f"{system.kind!r} cannot sum its partition function, or it has too many "
                              "terms; anneal it with {levels: 100, chains: 100}, or use rule wake_sleep")  # fmt: skip
        elif not (hasattr(system, "exact") and getattr(dynamics, "draws", False)):
            yield Problem(("partition",), "annealing needs a Boltzmann machine and dynamics heat_bath")

    def build(self) -> MaximumLikelihood:
        """The rule."""
        partition = Exact() if self.partition == "exact" else Annealed(self.partition.levels, self.partition.chains)
        return MaximumLikelihood(jnp.asarray(float(self.decay)), partition, self.samples, self.stride, self.relax)
