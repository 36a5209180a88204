"""Denoising score matching: a network learns the posterior mean of data from noisy data.

    L = E_t E_a E_{x|a} ‖w(t) (a − ⟨a|x⟩_θ)‖²,        direction = ∂L/∂θ

Every update shows a batch, one sample per replica, noised to times that the rule draws; weights w and laws of times are
those of ``matterlearn.diffusion.losses``. With weight ``score`` and uniform times L is the bound on the likelihood that
DDPM is trained with, up to constants; with ``noise`` it is its simplified loss.

What is kept is an average of the parameters along learning, θ̄ ← θ̄ + (θ − θ̄)(1 − d_k) in update k, with
d_k = min(decay, (1 + k)/(10 + k)), which forgets the beginning fast.

| quantity | unit |
|---|---|
| L | 1, or that of the data (weight: signal) |

Source: [vincent2011], [ho2020], [karras2022]. Limits: systems with a score that is fitted.

Example:
    >>> Config(kind="denoising_score_matching").weight
    'reference'
"""

from typing import Any, ClassVar, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree
from pydantic import Field

from matterlearn.core.matter import check_trains
from matterlearn.core.rule import AbstractRule, Batch, RuleInfo
from matterlearn.core.system import couplings, with_couplings
from matterlearn.diffusion.losses import WEIGHTS, denoising_loss, draw_levels, level_table
from matterlearn.spec import Problem, Spec


class Memory(NamedTuple):
    """The averaged parameters, and after how many updates."""

    average: PyTree
    update: Int[Array, ""]


class DenoisingScoreMatching(AbstractRule):
    """Descent on the squared error of the posterior mean."""

    decay: Float[Array, ""]
    weight: str = eqx.field(static=True)
    times: str = eqx.field(static=True)
    centre: float = eqx.field(static=True)
    width: float = eqx.field(static=True)

    sign: ClassVar[int] = 0

    def init(self, key, system, dynamics, replicas) -> Memory:
        """The parameters as they are."""
        del key, dynamics, replicas
        return Memory(self.parameters(system), jnp.zeros((), jnp.int32))

    def estimate(self, key, system: Any, dynamics, state, batch: Batch, *, parameters):
        """Slope of L over the batch."""
        del dynamics
        draw, fill = jax.random.split(key)
        score = system.score
        table = level_table(score.process, system.begin, score.end, self.times, self.centre, self.width)
        shown = batch.x.field
        keys, levels = jax.random.split(fill, len(shown)), draw_levels(draw, table, len(shown))

        def loss(theta):
            taught: Any = with_couplings(system, theta)
            one = lambda key, a, t: denoising_loss(key, taught.score, a, t, WEIGHTS[self.weight])  # noqa: E731
            return jnp.mean(jax.vmap(one)(keys, shown, levels))

        value, slope = jax.value_and_grad(loss)(couplings(system))
        k = state.update.astype(value.dtype)
        share = 1 - jnp.minimum(self.decay, (1 + k) / (10 + k))
        average = jax.tree.map(lambda mean, now: mean + share * (now - mean), state.average, parameters)
        return slope, Memory(average, state.update + 1), RuleInfo({}, batch.neighbors, {"loss": value})

    def learned(self, parameters, state: Memory):
        """The average."""
        del parameters
        return state.average


class Config(Spec):
    """Denoising score matching in a scenario."""

    kind: Literal["denoising_score_matching"]
    trains: ClassVar[tuple[str, ...]] = ("continuous",)
    fits_scores: ClassVar[bool] = True
    provides: ClassVar[tuple[str, ...]] = ("loss",)
    weight: Literal["reference", "noise", "score", "signal"] = Field(
        default="reference", description="which error is squared", examples=["reference", "noise", "score", "signal"]
    )
    times: Literal["time", "log_ratio", "normal"] = Field(
        default="log_ratio", description="what noise levels are uniform in, or normal: in ln σ/α",
        examples=["log_ratio", "time", "normal", "log_ratio"],
    )  # fmt: skip
    centre: float = Field(default=-1.2, ge=-20, le=20, description="of ln σ/α (times: normal)")
    width: float = Field(default=1.2, gt=0, le=20, description="of ln σ/α (times: normal)")
    decay: float = Field(default=0.999, ge=0, lt=1, description="memory of the average that is kept; 0: the last ones")

    def check(self, scenario):
        """A score that can be fitted."""
        yield from check_trains(self, scenario)
        if not getattr(scenario.system, "denoises", False):
            yield Problem(("kind",), f"fits scores, and {scenario.system.kind!r} has none: use system score_model")
        elif not scenario.system.fitted:
            kind = scenario.system.score.kind
            yield Problem(("kind",), f"a score that is {kind} has nothing to learn: use score fitted, or no learning")

    def build(self) -> DenoisingScoreMatching:
        """The rule."""
        return DenoisingScoreMatching(
            jnp.asarray(float(self.decay)), self.weight, self.times, float(self.centre), float(self.width)
        )
