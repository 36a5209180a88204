"""Couplings straight from moments: the inverse Ising problem in closed form, without a free phase.

    m_i = ⟨σ_i⟩_data,  C_ij = ⟨σ_i σ_j⟩_data − m_i m_j    →    J, U,        direction = parameters − solution

so that plain descent with a learning rate of 1 lands on the solution in every update, and a smaller rate follows it.
Moments are averages over all data shown since learning began: as updates go on, the error from the number of samples
falls like 1/√samples, and what stays is the bias of the method (formulas and known biases:
``matterlearn.theory.inverse_ising``).

| method | exact for | neglects |
|---|---|---|
| naive | weak couplings | J² |
| tap | weak couplings | J³ |
| independent_pair | two units | all loops |
| sessak_monasson | two units | J⁴, loops with fields |
| bethe | trees | loops |

A ``pseudocount`` λ mixes the data with a fraction λ of unbiased independent units, m → (1 − λ) m and
⟨σσ⟩ → (1 − λ) ⟨σσ⟩: few data leave correlations singular, or pairs that never show one of their states.

| quantity | unit |
|---|---|
| J, U | kT_ref |

Source: [nguyen2017inverse]. Limits: two-valued units with one coupling per pair, none hidden. On a graph that does not
join all pairs, couplings of the others are left out. Few data may leave a method without an answer: couplings then stay
as they are, and ``answered`` is 0 instead of 1; show more, or give a pseudocount.

Example:
    >>> Config(kind="mean_field_inversion", method="bethe").build().method
    'bethe'
"""

from typing import Any, ClassVar, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from pydantic import Field

from matterlearn.core.host import on_host
from matterlearn.core.network import spins
from matterlearn.core.pairwise import with_law
from matterlearn.core.rule import (
    AbstractRule,
    Batch,
    PhaseStats,
    RuleInfo,
    phase_averages,
    start_phase,
    statistics,
    with_squares,
)
from matterlearn.core.system import couplings
from matterlearn.spec import Problem, Spec
from matterlearn.theory.inverse_ising import METHODS, Moments


class Seen(NamedTuple):
    """⟨σ⟩ and ⟨σσ⟩ of all data shown so far, and in how many updates."""

    mean: Float[Array, " unit"]
    product: Float[Array, "unit unit"]
    updates: Float[Array, ""]


class MeanFieldInversion(AbstractRule):
    """Parameters minus those that the moments ask for; the rule's state are the moments."""

    pseudocount: Float[Array, ""]
    method: str = eqx.field(static=True)
    samples: int = eqx.field(static=True)
    stride: int = eqx.field(static=True)
    relax: int = eqx.field(static=True)

    def init(self, key, system: Any, dynamics, replicas) -> Seen:
        """Nothing seen."""
        del key, dynamics, replicas
        units = len(system.threshold)
        return Seen(jnp.zeros(units), jnp.zeros((units, units)), jnp.zeros(()))

    def estimate(self, key, system: Any, dynamics, state: Seen, batch: Batch, *, parameters):
        """What is left to the solution for all data so far; ⟨∂E/∂θ⟩ of this update under the phase ``wake``."""
        start = start_phase(key, system, dynamics, batch.drive, batch.x, batch.neighbors)

        def products(state):
            s = spins(state.x.active, system.low)  # [replica, unit]
            return with_squares((s, s[:, :, None] * s[:, None]))

        settings = {"samples": self.samples, "stride": self.stride, "relax": self.relax}
        (averages, squares), end = phase_averages(key, system, dynamics, batch.drive, start, products, **settings)
        wake = statistics(averages, squares)
        state = seen(state, wake, system.low)
        J, h = on_host(
            lambda *moments: solved(self.method, *moments), (state.product, state.mean), *mixed(state, self.pseudocount)
        )
        kT = dynamics.temperature(jnp.zeros((), int))
        solution = couplings(with_law(system, J, h, kT))
        answered = jnp.all(jnp.isfinite(J)) & jnp.all(jnp.isfinite(h))
        direction = jax.tree.map(lambda p, s: jnp.where(answered, p - s, 0.0), parameters, solution)
        mean, sem, variance = (of_couplings(system, part) for part in (wake.mean, wake.sem, wake.variance))
        numbers = {"samples_seen": state.updates * wake.n * self.samples, "answered": answered.astype(float)}
        return direction, state, RuleInfo({"wake": PhaseStats(mean, sem, wake.n, variance)}, end.neighbors, numbers)


def seen(state: Seen, wake: PhaseStats, low: int) -> Seen:
    """The running averages after one more update, as spins σ = [2s − (1 + low)]/(1 − low)."""
    mean, product = wake.mean
    if low == 0:
        shift = mean[:, None] + mean
        mean, product = 2 * mean - 1, 4 * product - 2 * shift + 1
    weight = 1 / (state.updates + 1)
    return Seen(
        state.mean + weight * (mean - state.mean), state.product + weight * (product - state.product), state.updates + 1
    )


def mixed(state: Seen, pseudocount: Float[Array, ""]) -> tuple[Float[Array, " unit"], Float[Array, "unit unit"]]:
    """⟨σ⟩ and ⟨σσ⟩ with a fraction of unbiased independent spins."""
    kept = 1 - pseudocount
    return kept * state.mean, kept * state.product + pseudocount * jnp.eye(len(state.mean))


def solved(method: str, mean: np.ndarray, product: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """J and h of papers in the moments' precision; NaN where the method has no answer.

    >>> solved("naive", np.zeros(2), np.array([[1.0, 0.5], [0.5, 1.0]]))[0].round(6).tolist()
    [[0.0, 0.666667], [0.666667, 0.0]]
    """
    m, both = mean.astype(float), product.astype(float)
    try:
        found = METHODS[method](Moments(m, both - np.outer(m, m)))
    except ValueError:
        found = np.full_like(both, np.nan), np.full_like(m, np.nan)
    return found[0].astype(product.dtype), found[1].astype(mean.dtype)


def of_couplings(system: Any, moments: tuple[Array, Array]) -> Any:
    """Averages of s and s s in the shape of the couplings."""
    mean, product = moments
    first, second = system.pairs.T
    filled = eqx.tree_at(lambda s: (s.coupling, s.threshold), system, (product[first, second], mean))
    return couplings(filled)


class Config(Spec):
    """Mean-field inversion in a scenario."""

    kind: Literal["mean_field_inversion"]
    provides: ClassVar[tuple[str, ...]] = ("samples_seen", "answered")
    method: Literal["naive", "tap", "independent_pair", "sessak_monasson", "bethe"] = Field(
        default="naive", description="the approximation that is inverted",
        examples=["naive", "tap", "independent_pair", "sessak_monasson", "bethe"],
    )  # fmt: skip
    pseudocount: float = Field(
        default=0.0, ge=0, lt=1, description="fraction λ of unbiased independent units mixed in", examples=[0.5]
    )
    samples: int = Field(default=1, ge=1, description="samples of what is shown, per update and replica")
    stride: int = Field(default=1, ge=1, description="steps between samples")
    relax: int = Field(default=0, ge=0, description="steps before the first sample")

    def check(self, scenario):
        """Units have two values and one coupling per pair, and none is hidden."""
        system = scenario.system
        if not getattr(system, "pairwise", False):
            yield Problem(("kind",), f"inverts pairwise couplings of two-valued units, which {system.kind!r} has not: "
                                     "use spin_network or boltzmann_machine")  # fmt: skip
        elif getattr(system, "hidden", 0):
            yield Problem(("kind",), f"units of {system.kind!r} are hidden, and moments of all are needed: use "
                                     "wake_sleep, or hidden: 0")  # fmt: skip
        if getattr(scenario.dynamics, "kT", 1.0) == 0:
            yield Problem(("kind",), "moments tell couplings only at a temperature: give dynamics.kT, such as 1")

    def build(self) -> MeanFieldInversion:
        """The rule."""
        pseudocount = jnp.asarray(float(self.pseudocount))
        return MeanFieldInversion(pseudocount, self.method, self.samples, self.stride, self.relax)
