"""Gradients from how likely each path is: the likelihood ratio of trajectories, for any observable.

    d⟨O⟩/dθ = ⟨ ∂O/∂θ + (O − b) d ln p(path)/dθ ⟩

ln p is the Gaussian weight of the noise (Brownian, Langevin: Girsanov) or the exact probability of every Monte Carlo
choice. Nothing is differentiated through time, so neither chaos nor steps of the observable do harm; the noise grows
with the square root of the number of steps. The baseline b is the mean over the other replicas, and a sample answers
only for the path before it.

Source: [glynn1990], [girsanov1960]. Limits: dynamics with a known step probability (brownian, langevin, heat_bath,
metropolis); with langevin, observables of positions, not of velocities.

Example:
    >>> Config(kind="score_function", stride=10).build().sampling.steps
    10
"""

from typing import ClassVar, Literal

import equinox as eqx
from pydantic import Field

from matterlearn.design._estimator import AbstractEstimator, Setup, Values, along_paths
from matterlearn.design._paths import Sampling, frozen, weigh
from matterlearn.sections import ALONG_PATHS
from matterlearn.spec import Problem, Spec, schedule_range


class ScoreFunction(AbstractEstimator):
    """Likelihood ratio along the path, with a leave-one-out baseline."""

    sampling: Sampling = eqx.field(static=True)
    budget: float = eqx.field(static=True)

    def values(self, key, thetas, setup: Setup, memory) -> Values:
        """Samples of every replica's trajectory, with its log-likelihood."""
        del memory
        _, states = setup.starts(key, frozen(thetas))
        systems = eqx.combine(thetas, setup.rest)
        return along_paths(key, setup, systems, states, weigh, self.sampling, budget=self.budget)


class Config(Spec):
    """Likelihood-ratio gradients in a scenario."""

    kind: Literal["score_function"]
    reductions: ClassVar[tuple[str, ...]] = ALONG_PATHS
    relax: int = Field(default=0, ge=0, description="steps before the first sample's stride")
    samples: int = Field(default=1, ge=1, description="samples per trajectory")
    stride: int = Field(default=100, ge=1, description="steps before each sample")
    memory: float = Field(default=512.0, gt=0, description="budget for kept states, MiB")

    def check(self, scenario):
        """The probability of a step is known, and there is one."""
        dynamics = scenario.dynamics
        if not getattr(dynamics, "known_steps", False):
            yield Problem(("kind",), f"needs the probability of a step, which {dynamics.kind!r} has not: use brownian, "
                                     "langevin, heat_bath or metropolis")  # fmt: skip
            return
        for name in ("kT", "friction"):
            given = getattr(dynamics, name, None)
            if given is not None and not schedule_range(given)[0] > 0:
                yield Problem(("dynamics", name), "should stay above 0 for score_function: paths are weighed by their "
                                                  "noise, and without it there is only one")  # fmt: skip

    def build(self) -> ScoreFunction:
        """The estimator."""
        return ScoreFunction(Sampling(self.relax, self.samples, self.stride), self.memory * 2**20)
