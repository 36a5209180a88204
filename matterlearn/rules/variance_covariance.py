"""Variance–invariance–covariance: embeddings of two views agree, and a batch of them may not collapse.

    L = a I + b V + c C,      over a batch of n pairs of embeddings z, z' with d features

    I = ⟨|z − z'|²⟩                                        sum over features, mean over the batch: the mean energy
    V = Σ_branches (1/d) Σ_j [γ − √(Var z_j + ε)]₊          Var with n − 1
    C = Σ_branches (1/d) Σ_{i≠j} Cov(z_i, z_j)²            Cov with n − 1

V keeps every feature varying over the batch, C makes features differ: what the embedding tells of its input is made
large instead of raising the energy of other pairs, so nothing is sampled. Weights a = 25, b = 25, c = 1, γ = 1 and
ε = 10⁻⁴ are as published. Other codes take the mean over features in I, n in Var, or half of V.

| quantity | unit |
|---|---|
| z, γ | √kT_ref |
| L | kT_ref where a is a number; ε in kT_ref |

Source: [bardes2022vicreg]. Limits: a batch of at least two; statistics of the batch stand for those of the data.

Example:
    >>> z = jnp.asarray([[1.0, 2.0], [0.0, 1.0], [-1.0, 0.0], [2.0, -1.0]])
    >>> round(float(covariance_excess(z)), 6)
    0.111111
"""

from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
from pydantic import Field

from matterlearn.core.rule import AbstractRule, Batch, RuleInfo, phase_statistics, start_phase
from matterlearn.core.system import couplings, with_couplings
from matterlearn.spec import Problem, Spec


def variance_deficit(z: Float[Array, "sample feature"], target, epsilon) -> Float[Array, ""]:
    """(1/d) Σ_j [γ − √(Var z_j + ε)]₊, 0 where every feature varies enough."""
    return jnp.mean(jax.nn.relu(target - jnp.sqrt(jnp.var(z, axis=0, ddof=1) + epsilon)))


def covariance_excess(z: Float[Array, "sample feature"]) -> Float[Array, ""]:
    """(1/d) Σ_{i≠j} Cov(z_i, z_j)²."""
    centred = z - jnp.mean(z, axis=0)
    table = centred.T @ centred / (len(z) - 1)
    return (jnp.sum(table**2) - jnp.sum(jnp.diag(table) ** 2)) / z.shape[1]


class VarianceCovariance(AbstractRule):
    """Descent on the loss over all replicas as one batch."""

    invariance: Float[Array, ""]
    variance: Float[Array, ""]
    covariance: Float[Array, ""]
    target: Float[Array, ""]
    epsilon: Float[Array, ""]

    def terms(
        self, first: Float[Array, "sample feature"], second: Float[Array, "sample feature"]
    ) -> dict[str, Float[Array, ""]]:
        """I, V, C and L of two branches of embeddings."""
        branches = (first, second)
        gap = jnp.mean(jnp.sum((first - second) ** 2, axis=1))
        deficit = sum(variance_deficit(z, self.target, self.epsilon) for z in branches)
        excess = sum(covariance_excess(z) for z in branches)
        loss = self.invariance * gap + self.variance * deficit + self.covariance * excess
        return {"loss": loss, "invariance": gap, "variance": jnp.asarray(deficit), "covariance": jnp.asarray(excess)}

    def estimate(self, key, system, dynamics, state, batch: Batch, *, parameters):
        """∂L/∂θ, with statistics of ∂E/∂θ over the pairs."""
        del parameters
        start = start_phase(key, system, dynamics, batch.drive, batch.x, batch.neighbors)
        wake, end = phase_statistics(key, system, dynamics, batch.drive, start, samples=1, stride=1, relax=0)

        def loss(theta):
            taught: Any = with_couplings(system, theta)
            found = self.terms(*jax.vmap(taught.embed)(end.x))
            return found["loss"], found

        slope, numbers = jax.grad(loss, has_aux=True)(couplings(system))
        return slope, state, RuleInfo({"wake": wake}, end.neighbors, numbers)


class Config(Spec):
    """Variance–invariance–covariance in a scenario."""

    kind: Literal["variance_covariance"]
    trains: ClassVar[tuple[str, ...]] = ("continuous",)
    provides: ClassVar[tuple[str, ...]] = ("loss", "invariance", "variance", "covariance")
    invariance: float = Field(default=25.0, ge=0, description="weight a of the views' distance")
    variance: float = Field(default=25.0, ge=0, description="weight b of what features lack in variance; 0: collapse")
    covariance: float = Field(default=1.0, ge=0, description="weight c of covariances between features")
    target: float = Field(default=1.0, gt=0, description="γ, wanted standard deviation of a feature, √kT_ref")
    epsilon: float = Field(default=1e-4, gt=0, description="ε, keeps the slope finite where nothing varies, kT_ref")

    def check(self, scenario):
        """There are embeddings, and a batch of them."""
        system, learning = scenario.system, getattr(scenario, "learning", None)
        if not getattr(system, "embeds", False):
            yield Problem(("kind",), f"{system.kind!r} embeds no views: use system joint_embedding")
        elif learning is not None and learning.replicas < 2:
            yield Problem(("kind",), "a batch of one has no variance: use learning.replicas of 2 or more")

    def build(self) -> VarianceCovariance:
        """The rule."""
        numbers = self.invariance, self.variance, self.covariance, self.target, self.epsilon
        a, b, c, target, epsilon = (jnp.asarray(float(value)) for value in numbers)
        return VarianceCovariance(a, b, c, target, epsilon)
