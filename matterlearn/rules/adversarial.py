"""A generator against a discriminator: both descend at once, each on a loss of its own.

    discriminator:   L_D = −⟨ln D(x)⟩_data − ⟨ln(1 − D(G(z)))⟩ = ⟨softplus E(x)⟩_data + ⟨softplus(−E(G(z)))⟩
    generator:       L_G = −⟨ln D(G(z))⟩ = ⟨softplus E(G(z))⟩                          (non-saturating)

with D = 1/(1 + e^E). For a fixed generator the best discriminator is D* = p/(p + p_G), and

    −L_D = −ln 4 + 2 JSD(p, p_G):      the recorded (ln 4 − L_D)/2 is a lower bound of the divergence, 0 at best

``generator: saturating`` descends ⟨ln(1 − D(G(z)))⟩ instead, whose slope at D* is that of 2 JSD; the non-saturating
one has the same fixed points and stronger slopes where the discriminator wins, and at D* it descends
KL(p_G ‖ p) − 2 JSD. The rule needs nothing of a system but its energy and its draws, which must be smooth in the
couplings and share none with the energy.

| quantity | unit |
|---|---|
| L_D, L_G, divergence | nat |

Source: [goodfellow2014]; the generator's slopes [arjovsky2017]. Limits: simultaneous steps may circle around their
fixed point instead of reaching it, and modes of the data may be lost; neither shows in the losses.

Example:
    >>> Config(kind="adversarial").generator
    'non_saturating'
"""

from typing import Any, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
from pydantic import Field

from matterlearn.core.rule import AbstractRule, Batch, RuleInfo, statistics, with_squares
from matterlearn.core.system import couplings, with_couplings
from matterlearn.spec import Problem, Spec


def non_saturating(doubt: Float[Array, "*sample"]) -> Float[Array, "*sample"]:
    """−ln D of samples drawn, from their energies."""
    return jax.nn.softplus(doubt)


def saturating(doubt: Float[Array, "*sample"]) -> Float[Array, "*sample"]:
    """ln(1 − D) of samples drawn, from their energies."""
    return -jax.nn.softplus(-doubt)


GENERATORS = {"non_saturating": non_saturating, "saturating": saturating}


class Adversarial(AbstractRule):
    """Simultaneous descent; one drawn sample for every replica."""

    generator: str = eqx.field(static=True)

    def losses(self, key, system: Any, theta, x) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """L_D, which θ feels through the energy alone, and L_G, which it feels through the draw alone."""
        taught: Any = with_couplings(system, theta)
        frozen = with_couplings(system, jax.lax.stop_gradient(theta))
        drawn = taught.draw(key)
        judged = jax.nn.softplus(taught.energy(x)) + jax.nn.softplus(-taught.energy(jax.lax.stop_gradient(drawn)))
        return judged, GENERATORS[self.generator](frozen.energy(drawn))

    def estimate(self, key, system, dynamics, state, batch: Batch, *, parameters):
        """Slopes of both losses at once, with their statistics over the replicas."""
        del dynamics, parameters
        theta, count = couplings(system), len(jax.tree.leaves(batch.x)[0])
        keys = jax.vmap(lambda r: jax.random.fold_in(key, r))(jnp.arange(count))

        def total(theta, key, x):
            return sum(self.losses(key, system, theta, x))

        def mean(theta):
            judged, passed = jax.vmap(lambda k, x: self.losses(k, system, theta, x))(keys, batch.x)
            return jnp.mean(judged) + jnp.mean(passed), (jnp.mean(judged), jnp.mean(passed))

        slope, (judged, passed) = jax.grad(mean, has_aux=True)(theta)
        each = jax.vmap(jax.grad(total), (None, 0, 0))(theta, keys, batch.x)  # dropped where nobody reads it
        numbers = {"discriminator_loss": judged, "generator_loss": passed, "divergence": 0.5 * (jnp.log(4.0) - judged)}
        return slope, state, RuleInfo({"wake": statistics(*with_squares(each))}, batch.neighbors, numbers)


class Config(Spec):
    """Adversarial learning in a scenario."""

    kind: Literal["adversarial"]
    trains: ClassVar[tuple[str, ...]] = ("continuous",)
    provides: ClassVar[tuple[str, ...]] = ("discriminator_loss", "generator_loss", "divergence")
    generator: Literal["non_saturating", "saturating"] = Field(
        default="non_saturating", description="what the generator descends", examples=["non_saturating", "saturating"]
    )

    def check(self, scenario):
        """There are a generator and a discriminator."""
        if not getattr(scenario.system, "adversarial", False):
            yield Problem(("kind",), f"{scenario.system.kind!r} has no discriminator beside its generator: use system "
                          "adversarial_network")  # fmt: skip

    def build(self) -> Adversarial:
        """The rule."""
        return Adversarial(self.generator)
