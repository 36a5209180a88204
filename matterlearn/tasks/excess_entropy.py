"""Collapse of an empirical score: at which noise a sample still could have come from any training sample.

    f(t) = −(1/d) E ln w_μ(x_t),       x_t: training sample μ, noised to t;  w: what the score makes responsible for x_t

which is the entropy, per entry, of the question which sample it was, (1/d) E ln p^emp_t + ½ + ½ ln 2πσ² + α in white
noise. ``excess_entropy`` is f/α with α = ln n/d: 1 where all n samples overlap, 0 where one of them is responsible, as
then Y = Σ_μ w_μ² = 1 (``participation_ratio``). From there on the reverse process memorises. Beside it, for clusters of
width s, stand the formula of d → ∞,

    f/α = max(0, 1 + (1/2α) ln [σ²/(σ² + α_t² s²)]),      0 at the collapse time t_C = ½ ln [1 + s²/(n^{2/d} − 1)],

and, above t_C, what finite n and d make of it (``theory.speciation.excess_entropy_finite``). Learning and recall are
those of task data.

Source: [biroli2024]. Limits: scores of the kind empirical; theory for the process ornstein_uhlenbeck and one normal law
or two clusters at ±m.

Example:
    >>> Config(kind="excess_entropy", data={"source": "normal", "size": 4}, times=[1.0]).draws
    200
"""

from typing import Any, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from pydantic import Field

from matterlearn.core.observable import Summary
from matterlearn.diffusion.diagnostics import excess_entropy
from matterlearn.diffusion.schedules import Relaxation
from matterlearn.spec import Problem, Spec
from matterlearn.tasks._about_data import AboutData, at_times, clean
from matterlearn.tasks._data import Source
from matterlearn.tasks.data import Data
from matterlearn.theory import speciation

BLOCK = 50  # noisy samples that are compared with all training samples at once


class ExcessEntropy(AboutData):
    """Clean data, and the times at which they are noised."""

    data: Data
    times: Float[Array, " time"]
    draws: int = eqx.field(static=True)
    law: tuple[float, float] | None = eqx.field(static=True)  # root mean square of the centres, and width

    def references(self, system: Any, dynamics) -> list[Summary]:
        """f/α and the participation ratio by time, beside the formula."""
        del dynamics
        load = np.log(len(self.train)) / self.train.shape[1]
        chosen = self.train[: self.draws].reshape(-1, *system.shape)
        entropy, ratio = (np.asarray(v, float) for v in _noised(jax.random.key(0), system.score, chosen, self.times))
        found = []
        for name, each, words in (
            ("excess_entropy", entropy / load, "excess entropy f/α"),
            ("participation_ratio", ratio, "participation ratio Y of responsibilities"),
        ):
            sem = each.std(1, ddof=1) / np.sqrt(each.shape[1])
            found += [
                Summary(name, ("noise_time",), each.mean(1), "1", words),
                Summary(f"{name}_sem", ("noise_time",), sem, "1", f"standard error of the {words}"),
            ]
        return found + self._formula()

    def coords(self):
        """Times of noising, and of the curve of the formula."""
        return {"noise_time": np.asarray(self.times, float), "curve_time": self._fine}

    @property
    def _fine(self):
        return np.linspace(float(self.times.min()), float(self.times.max()), 120)

    def _formula(self) -> list[Summary]:
        """Of finite and of infinite size; nothing for data of another law."""
        if self.law is None:
            return []
        (samples, size), (mean, width) = self.train.shape, self.law
        collapse = speciation.collapse_time(samples, size, width)

        def finite(times):  # below the collapse it is only a bound
            every = [speciation.excess_entropy_finite(t, samples, size, mean, width) for t in times]
            return np.where(times > collapse, every, np.nan)

        formula = np.asarray(speciation.excess_entropy(self._fine, samples, size, width))
        words = "excess entropy f/α of finite n and d"
        return [
            Summary("excess_entropy_theory", ("noise_time",), finite(self.coords()["noise_time"]), "1", words),
            Summary("excess_entropy_curve", ("curve_time",), finite(self._fine), "1", words),
            Summary("excess_entropy_formula", ("curve_time",), formula, "1", "excess entropy f/α for d → ∞"),
            Summary("collapse_time_theory", (), np.asarray(collapse), "1", "collapse time t_C for d → ∞"),
        ]


@eqx.filter_jit
def _noised(key, score, samples, times):
    """−(1/d) ln w and Σ w² of every sample at every time: [time, sample] each."""

    def one(key, a, t):
        x = score.process.perturb(key, a, t)  # the same draw that the entropy is of
        return excess_entropy(key, score, a, t), score.participation(x, t)

    return at_times(one, key, samples, times, BLOCK)


class Config(Spec):
    """Collapse in a scenario."""

    kind: Literal["excess_entropy"]
    provides: ClassVar[tuple[str, ...]] = ("excess_entropy", "excess_entropy_deviation", "participation_ratio")
    data: Source = Field(
        description="where training samples come from",
        examples=[{"source": "normal", "size": 4, "count": 10}],
    )
    times: list[float] = Field(
        min_length=1, max_length=100, description="at which samples are noised", examples=[[0.5, 2]]
    )
    draws: int = Field(default=200, ge=2, le=10**6, description="noisy samples for each time")

    def check(self, scenario):
        """An empirical score of samples of its size, in noise."""
        if not getattr(getattr(scenario.system, "score", None), "weighs_samples", False):
            yield Problem(("kind",), "is about responsibilities of samples: use system score_model with score "
                          "{kind: empirical}")  # fmt: skip
            return
        if min(self.times) <= 0:
            yield Problem(("times",), f"should be positive, so that there is noise; got {min(self.times):g}")
        yield from clean(self.data).check(scenario)

    def build(self, system) -> ExcessEntropy:
        """The task."""
        ou = type(system.score.process.schedule) is Relaxation
        law = getattr(self.data, "symmetric", None) if ou else None
        return ExcessEntropy(clean(self.data).build(system), jnp.asarray(self.times, float), self.draws, law)
