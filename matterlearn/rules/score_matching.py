"""Score matching: the slope of ln P is fitted to that of the data, and neither Z nor samples are needed.

    J = ⟨½ |∇ ln P|² + ∇² ln P⟩_data = ½ ⟨|∇ ln P − ∇ ln Q|²⟩_data + const,        ∇ ln P = −∇F/kT
    direction = kT² ∂J/∂θ = ∂/∂θ ⟨½ |∇F|² − kT ∇²F⟩_data

Q is the law of the data, derivatives are by the visible entries, and F is the energy with the hidden part summed out in
closed form. J is least where P = Q, if the model can be that. For energies ⟨θ, Φ(x)⟩ the minimum solves linear
equations, ⟨∇Φ·∇Φᵀ⟩ θ = kT ⟨∇²Φ⟩; for normal laws it is the sample's mean and covariance, as of maximum likelihood. For
others it is consistent, but less efficient, and blind to the weights of wells between which there are no data.

∇²F is the trace of the Hessian, d columns of it by forward derivatives of the gradient: exact, d times the cost.

| quantity | unit |
|---|---|
| J | 1/σ² |
| loss, kT² J | kT_ref²/σ² |

Source: [hyvarinen2005]. Limits: real entries, in flat space; densities that vanish smoothly; d² numbers per sample.

Example:
    >>> Config(kind="score_matching").relax
    0
"""

from typing import Any, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
from pydantic import Field

from matterlearn.core.matter import check_trains
from matterlearn.core.rule import AbstractRule, Batch, RuleInfo, phase_statistics, start_phase
from matterlearn.core.system import couplings, with_couplings
from matterlearn.spec import Problem, Spec


def score_loss(system: Any, x: Any, kT: Float[Array, ""], neighbors: Any = None) -> Float[Array, ""]:
    """½ |∇F|² − kT ∇²F at the visible entries of x, which is kT² times the term of J."""

    def free_energy(visible):
        return system.marginal_energy(system.show(visible)[0], kT, None, neighbors)

    visible = system.read(x)
    slope, turn = jax.linearize(jax.grad(free_energy), visible)
    curvature = jnp.sum(jax.vmap(lambda e: jnp.dot(e, turn(e)))(jnp.eye(len(visible), dtype=visible.dtype)))
    return 0.5 * jnp.sum(slope**2) - kT * curvature


class ScoreMatching(AbstractRule):
    """Descent on kT² J; what is not clamped follows by the dynamics before its score is taken."""

    decay: Float[Array, ""]
    relax: int = eqx.field(static=True)

    def estimate(self, key, system, dynamics, state, batch: Batch, *, parameters):
        """Slope of kT² J, with statistics of ∂E/∂θ over the data."""
        start = start_phase(key, system, dynamics, batch.drive, batch.x, batch.neighbors)
        settings = {"samples": 1, "stride": 1, "relax": self.relax}
        wake, end = phase_statistics(key, system, dynamics, batch.drive, start, **settings)

        def loss(theta):
            taught = with_couplings(system, theta)
            one = lambda x, step, near: score_loss(taught, x, dynamics.temperature(step), near)  # noqa: E731
            return jnp.mean(jax.vmap(one)(end.x, end.step, end.neighbors))

        value, slope = jax.value_and_grad(loss)(couplings(system))
        direction = jax.tree.map(lambda s, p: s + self.decay * p, slope, parameters)
        return direction, state, RuleInfo({"wake": wake}, end.neighbors, {"loss": value})


class Config(Spec):
    """Score matching in a scenario."""

    kind: Literal["score_matching"]
    trains: ClassVar[tuple[str, ...]] = ("continuous",)
    provides: ClassVar[tuple[str, ...]] = ("loss",)
    relax: int = Field(default=0, ge=0, description="steps before scores are taken", examples=[30])
    decay: float = Field(default=0.0, ge=0, description="stiffness of a penalty ½ decay θ² on every coupling")

    def check(self, scenario):
        """Entries are real numbers."""
        yield from check_trains(self, scenario)
        if getattr(scenario.system, "curved", False):
            yield Problem(("kind",), f"{scenario.system.kind!r} has rotations, and scores are those of flat space")

    def build(self) -> ScoreMatching:
        """The rule."""
        return ScoreMatching(jnp.asarray(float(self.decay)), self.relax)
