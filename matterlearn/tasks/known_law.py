"""Data of a known law: how far a score is from the perfect one, and what moments its samples should have.

    error(t) = (1/d) E |s(x) − ∇ ln p_t(x)|²,    power(t) = (1/d) E |∇ ln p_t|²,    x noised to t from fresh samples

Beside it stands, for normal data, what it is exactly, (1/d) Tr [(W − W*) G (W − W*)] plus the part of the mean, and for
scores from n samples of white data its limit for many entries at d/n fixed (Marchenko and Pastur). Moments of samples,
(1/d) Σ x_i² and ((1/d) Σ x_i)², are those of the law at t = 0; Heun's method without noise, on levels of
[karras2022], misses the width of normal data by a known factor. Learning and recall are those of task data.

| quantity | unit |
|---|---|
| x | as the data |
| error, power | 1/x² |

Source: [birolimezard2023], [karras2022], [marchenko1967]. Limits: systems with a score; the laws of ``tasks/_laws.py``.

Example:
    >>> Config(kind="known_law", data={"source": "curie_weiss", "size": 4, "beta": 1.0}, times=[1.0]).draws
    1000
"""

from typing import Any, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from pydantic import Field

from matterlearn.core.observable import Summary
from matterlearn.diffusion.samplers import Heun
from matterlearn.diffusion.schedules import NoiseLevel
from matterlearn.diffusion.scores import GaussianScore
from matterlearn.spec import Problem, Spec
from matterlearn.tasks._about_data import AboutData, at_times, clean
from matterlearn.tasks._laws import Laws
from matterlearn.tasks.data import Data
from matterlearn.theory import edm
from matterlearn.theory.random_matrices import marchenko_pastur_mean

BLOCK = 100  # samples whose scores are computed at once


class KnownLaw(AboutData):
    """Clean data, fresh samples of the same law, and the times at which they are noised."""

    data: Data
    fresh: Float[Array, "sample entry"]
    times: Float[Array, " time"]
    law: Any = eqx.field(static=True)

    def references(self, system: Any, dynamics) -> list[Summary]:
        """Errors of the score by time; moments."""
        score = system.score
        perfect = self.law.score(score.process, score.end, system.shape)
        fresh = self.fresh.reshape(-1, *system.shape)
        errors, powers = (
            np.asarray(v, float) for v in _errors(jax.random.key(0), score, perfect, fresh, self.times)
        )
        sem = errors.std(1, ddof=1) / np.sqrt(len(fresh))
        words = "squared error of the score per entry"
        square, mean = self.law.moments()
        return [
            Summary("score_error", ("noise_time",), errors.mean(1), "1", words),
            Summary("score_error_sem", ("noise_time",), sem, "1", f"standard error of the {words}"),
            Summary("score_power", ("noise_time",), powers.mean(1), "1", "mean square of the perfect score per entry"),
            *self._linear(score, perfect),
            Summary("mean_square_theory", (), np.asarray(square), "1", "mean of x² of the law"),
            Summary("squared_mean_theory", (), np.asarray(mean), "1", "square of the mean of a sample of the law"),
            *self._width(score, dynamics),
        ]

    def coords(self):
        """Times of noising."""
        return {"noise_time": np.asarray(self.times, float)}

    def width_ratio(self, system: Any) -> float | None:
        """C/(α² C + σ²) of normal data at the end of the process; ``None`` for other laws."""
        square, score = self.law.moments()[0], system.score
        signal, noise = (float(level(score.end)) for level in (score.process.signal, score.process.noise))
        return square / (signal**2 * square + noise**2) if self.law.source == "normal" else None

    def _linear(self, score, perfect) -> list[Summary]:
        """Of normal laws: exact, and in the limit of many entries."""
        if not (isinstance(score, GaussianScore) and isinstance(perfect, GaussianScore)):
            return []
        exact = np.array([_linear_error(score, perfect, t) for t in self.times])
        found = [Summary("score_error_theory", ("noise_time",), exact, "1", "error of the linear score, exact")]
        variance = self.law.width
        if variance is None or not float(jnp.ptp(score.variance)):
            return found
        size, q = self.law.size, self.law.size / len(self.train)
        levels = [(float(score.process.signal(t)) ** 2 * variance**2, float(score.process.noise(t)) ** 2)
                  for t in self.times]  # fmt: skip
        limit = [marchenko_pastur_mean(lambda l, a=a, s=s: (1 / (s + a * l) - 1 / (s + a)) ** 2 * (s + a), q)
                 for a, s in levels]  # fmt: skip
        words = f"error of the linear score for d → ∞ at d/n = {q:g} (d = {size})"
        return [*found, Summary("score_error_limit", ("noise_time",), np.array(limit), "1", words)]

    def _width(self, score, dynamics: Any) -> list[Summary]:
        """Relative error of the width of samples of the perfect score that Heun's steps make."""
        method, width = dynamics.method, getattr(self.law, "width", None)
        if not (isinstance(method, Heun) and isinstance(score.process.schedule, NoiseLevel)) or width is None:
            return []
        if float(method.alpha) or not isinstance(score, GaussianScore) or float(jnp.ptp(score.variance)):
            return []
        ends = {"least": float(dynamics.first), "most": float(score.end), "exponent": float(dynamics.power)}
        error = edm.heun_error(dynamics.steps, width, **ends)
        return [Summary("width_error_exact", (), np.asarray(error), "1", "relative error of the width, step by step")]


def _linear_error(score: GaussianScore, perfect: GaussianScore, t) -> float:
    """(1/d) E |s − s*|² of two normal laws, in white noise."""
    size, signal, noise = perfect.mean.size, float(score.process.signal(t)), float(score.process.noise(t))

    def parts(known):
        axes = np.asarray(jax.vmap(known.basis.to)(jnp.eye(size).reshape(-1, *known.mean.shape)), float)
        axes = axes.reshape(size, size)  # row i: components of entry i
        spread = signal**2 * np.asarray(known.variance, float).ravel() + noise**2
        return (axes / spread) @ axes.T, (axes * spread) @ axes.T, signal * np.asarray(known.mean, float).ravel()

    (W, _, shift), (best, spread, centre) = parts(score), parts(perfect)
    gap, offset = W - best, W @ (shift - centre)
    return float((np.trace(gap @ spread @ gap.T) + offset @ offset) / size)


@eqx.filter_jit
def _errors(key, score, perfect, samples, times):
    """Squared error and squared perfect score per entry, of every sample at every time."""

    def one(key, a, t):
        x = score.process.perturb(key, a, t)
        best = perfect.score(x, t)
        return jnp.mean((score.score(x, t) - best) ** 2), jnp.mean(best**2)

    return at_times(one, key, samples, times, BLOCK)


class Config(Spec):
    """Data of a known law in a scenario."""

    kind: Literal["known_law"]
    provides: ClassVar[tuple[str, ...]] = (
        "score_error", "score_error_deviation", "mean_square_deviation", "squared_mean_deviation",
    )  # fmt: skip
    data: Laws = Field(
        description="normal, normal_clusters or curie_weiss", examples=[{"source": "normal", "size": 4, "count": 10}]
    )
    times: list[float] = Field(
        min_length=1, max_length=100, description="at which scores are compared", examples=[[0.5, 2]]
    )
    draws: int = Field(default=1000, ge=2, le=10**6, description="fresh samples for each time")

    def check(self, scenario):
        """A score, of samples of its size, in noise."""
        if not getattr(scenario.system, "denoises", False):
            yield Problem(("kind",), f"{scenario.system.kind!r} has no score: use system score_model")
            return
        if min(self.times) <= 0:
            yield Problem(("times",), f"should be positive, so that there is noise; got {min(self.times):g}")
        process = scenario.system.process
        if not (process.gaussian and process.uniform):
            yield Problem(("kind",), "compares scores in white noise: use a white process")
        yield from clean(self.data).check(scenario)

    def build(self, system) -> KnownLaw:
        """The task."""
        fresh = self.data.model_copy(update={"count": self.draws}).draw(np.random.default_rng(self.data.seed + 10**6))
        data, times = clean(self.data).build(system), jnp.asarray(self.times, float)
        return KnownLaw(data, jnp.asarray(fresh, float), times, self.data)
