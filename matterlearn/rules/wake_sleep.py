"""Wake–sleep (Boltzmann-machine) learning: the free matter is taught to fluctuate like the clamped one.

    kT ∂KL(Q‖P_θ)/∂θ = ⟨∂E/∂θ⟩_clamped − ⟨∂E/∂θ⟩_free

Awake, the visible part of the matter is clamped to data and the hidden part follows; asleep, nothing but the
batch's own conditions is clamped. Descent on the relative entropy of data Q and model P_θ makes contacts that the
data have more often more attractive (E adds +J n; with the weight convention E = −Σ w s s the sign flips). An
energy penalty ½ ``decay`` θ² per coupling keeps them finite where data are deterministic. Of energy-based models this
is the loss −⟨ln P⟩, with samples for the free average; rule maximum_likelihood has that average from ln Z.

Where the sleeping chains start decides the bias: ``persistent`` goes on from the last update (PCD, exact for small
steps), ``clamped`` from the end of the waking phase (CD-k, blind to all that k steps do not reach), ``disordered``
afresh, for a dynamics that anneals: every phase starts its temperature schedule anew. A buffer of more chains than
replicas, some of which start afresh whenever they are drawn, keeps samples diverse (``{size, restart}``). Chains of
replica exchange keep all copies on their ladder.

| quantity | unit |
|---|---|
| ∂E/∂θ, gradient | that of E/θ; J and μ in kT_ref |

Source: [ackley1985], [chalk2024learning], [tieleman2008training], [hinton2002training]. Limits: correlated samples
bias nothing but widen the error bars, which come from independent replicas; see ``effective_samples`` in results.

Example:
    >>> Config(kind="wake_sleep", samples=5).build().samples
    5
"""

from typing import ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
from pydantic import Field

from matterlearn.core.rule import AbstractRule, Batch, PhaseStats, RuleInfo
from matterlearn.rules._phases import Chains, Start, strategy, wake_and_sleep
from matterlearn.spec import Spec


class WakeSleep(AbstractRule):
    """Clamped minus free moments; the rule's state is what its chains remember."""

    decay: Float[Array, ""]
    chains: Chains
    samples: int = eqx.field(static=True)
    stride: int = eqx.field(static=True)
    relax: int = eqx.field(static=True)

    def init(self, key, system, dynamics, replicas):
        """Memory of the chains."""
        return self.chains.begin(key, system, dynamics, replicas)

    def estimate(self, key, system, dynamics, state, batch: Batch, *, parameters):
        """kT times the gradient of the relative entropy, with statistics of both phases."""
        settings = {"samples": self.samples, "stride": self.stride, "relax": self.relax}
        phases = wake_and_sleep(key, system, dynamics, self.chains, state, batch, **settings)
        wake, sleep = phases.wake, phases.sleep
        slope = jax.tree.map(lambda w, s, p: w - s + self.decay * p, wake.mean, sleep.mean, parameters)
        info = RuleInfo({"wake": wake, "sleep": sleep}, phases.asleep.neighbors, diagnostics(wake, sleep))
        return slope, phases.memory, info


def diagnostics(wake: PhaseStats, sleep: PhaseStats) -> dict[str, Float[Array, ""]]:
    """How large the gradient is, how well it is known, and how many independent samples the sleeping chains gave.

    The effective sample size is that of the worst-known coupling among those that fluctuate: slow modes hide in
    single couplings, not in the energy.
    """
    square = lambda tree: sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(tree))  # noqa: E731
    gap = jax.tree.map(jnp.subtract, wake.mean, sleep.mean)
    counts = jnp.concatenate([jnp.ravel(leaf) for leaf in jax.tree.leaves(sleep.effective_samples())])
    return {
        "gradient_norm": jnp.sqrt(square(gap)),
        "gradient_noise": jnp.sqrt(square(wake.sem) + square(sleep.sem)),
        "effective_samples": jnp.nanmin(counts, initial=jnp.inf),
    }


class Config(Spec):
    """Wake–sleep learning in a scenario."""

    kind: Literal["wake_sleep"]
    provides: ClassVar[tuple[str, ...]] = ("gradient_norm", "gradient_noise", "effective_samples")
    samples: int = Field(default=10, ge=1, description="samples per phase, update and replica", examples=[4])
    stride: int = Field(default=1, ge=1, description="steps between samples", examples=[2])
    relax: int = Field(default=10, ge=0, description="steps before the first sample of a phase", examples=[20])
    chains: Start = Field(
        default="persistent",
        description="start of sleep: end of the last sleep, end of waking, disorder, or a buffer {size, restart}",
        examples=["persistent", "clamped", "disordered", {"size": 5, "restart": 0.1}],
    )  # fmt: skip
    decay: float = Field(default=0.0, ge=0, description="stiffness of a penalty ½ decay θ² on every coupling")

    def build(self) -> WakeSleep:
        """The rule."""
        return WakeSleep(
            jnp.asarray(float(self.decay)), strategy(self.chains), self.samples, self.stride, self.relax
        )
