"""Descent on the variational free energy: a model and its encoder learn together, without chains.

    F_q(x) = ⟨E(x, z) + ln q_φ(z|x)⟩_q = −ELBO ≥ −ln p_θ(x),      z = m_φ(x) + s_φ(x) ε,   ε ~ N(0, 1)

    F_q + ln p_θ(x) = KL(q_φ(z|x) ‖ p_θ(z|x))

Averaged over the data, descent on F_q raises the likelihood and brings the guess near the true law of the latent
variables. z is written as a smooth function of noise, so both slopes go through it; of ln q only the way through z is
followed, since the rest of its slope has mean zero: where q is exact, E + ln q is the same for all z, and the slope by
the encoder vanishes without noise.

| quantity | unit |
|---|---|
| F_q, loss | kT_ref (nat) |

Source: [kingma2014], [rezende2014]; the slope of ln q [roeder2017]. Limits: kT = kT_ref; systems that infer
(``matterlearn.core.latent``).

Example:
    >>> Config(kind="evidence_lower_bound").guesses
    1
"""

from typing import Any, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from pydantic import Field

from matterlearn.core.latent import log_weight
from matterlearn.core.rule import AbstractRule, Batch, RuleInfo, statistics, with_squares
from matterlearn.core.system import couplings, with_couplings
from matterlearn.spec import Problem, Spec


class EvidenceLowerBound(AbstractRule):
    """Descent on the mean of E + ln q over the batch."""

    guesses: int = eqx.field(static=True)

    def free_energy(self, key, system: Any, x):
        """F_q of one sample, from so many guesses of its latent variables."""
        keys = jax.random.split(key, self.guesses)
        return -jnp.mean(jax.vmap(lambda k: log_weight(k, system, x))(keys))

    def estimate(self, key, system, dynamics, state, batch: Batch, *, parameters):
        """∂⟨F_q⟩/∂θ, with its statistics over the replicas."""
        del dynamics, parameters
        theta, count = couplings(system), len(jax.tree.leaves(batch.x)[0])
        keys = jax.vmap(lambda r: jax.random.fold_in(key, r))(jnp.arange(count))

        def one(theta, key, x):
            return self.free_energy(key, with_couplings(system, theta), x)

        def loss(theta):
            return jnp.mean(jax.vmap(one, (None, 0, 0))(theta, keys, batch.x))

        value, slope = jax.value_and_grad(loss)(theta)
        each = jax.vmap(jax.grad(one), (None, 0, 0))(theta, keys, batch.x)  # dropped where nobody reads it
        return slope, state, RuleInfo({"wake": statistics(*with_squares(each))}, batch.neighbors, {"loss": value})


class Config(Spec):
    """The evidence lower bound in a scenario."""

    kind: Literal["evidence_lower_bound"]
    trains: ClassVar[tuple[str, ...]] = ("continuous",)
    infers: ClassVar[bool] = True
    provides: ClassVar[tuple[str, ...]] = ("loss",)
    guesses: int = Field(default=1, ge=1, le=10_000, description="guesses of the latent variables, per sample")

    def check(self, scenario):
        """The system guesses its latent variables."""
        if not getattr(scenario.system, "infers", False):
            yield Problem(("kind",), f"{scenario.system.kind!r} has no encoder that guesses latent variables: use "
                          "system variational_autoencoder")  # fmt: skip

    def build(self) -> EvidenceLowerBound:
        """The rule."""
        return EvidenceLowerBound(self.guesses)
