"""Gradients through trajectories: the chain rule backwards along every step (reverse mode).

    d⟨O⟩/dθ = ⟨ ∂O/∂θ + Σ_t ∂O/∂x_t · dx_t/dθ ⟩  at fixed random numbers

Low noise for smooth observables and short horizons. Sensitivities dx_t/dθ grow exponentially where the motion is
chaotic and are heavy-tailed even where it is not; growth rate and tail index of the replicas' gradients are reported,
and no standard error is quoted that does not exist. Only the last ``horizon`` steps are differentiated, if given.

Memory: segments kept by their first state only and run again (``memory`` is the budget), at most about √T states.

Source: [goodrich2021designing], [griewank2000]. Limits: observables must respond smoothly to the state; a horizon
shorter than the relaxation time biases the gradient towards zero.

Example:
    >>> Config(kind="pathwise", samples=4, stride=10, relax=100).build().sampling.steps
    140
"""

from typing import ClassVar, Literal

import equinox as eqx
from pydantic import Field

from matterlearn.design._estimator import AbstractEstimator, Setup, Values, along_paths
from matterlearn.design._paths import Sampling, respond
from matterlearn.sections import ALONG_PATHS
from matterlearn.spec import Problem, Spec


class Pathwise(AbstractEstimator):
    """Reverse mode through checkpointed trajectories."""

    sampling: Sampling = eqx.field(static=True)
    horizon: int = eqx.field(static=True)
    budget: float = eqx.field(static=True)

    responds: ClassVar[bool] = True

    def values(self, key, thetas, setup: Setup, memory) -> Values:
        """Samples of every replica's trajectory."""
        del memory
        systems, states = setup.starts(key, thetas)
        ignored = max(0, self.sampling.steps - self.horizon)
        return along_paths(key, setup, systems, states, respond, self.sampling, ignored=ignored, budget=self.budget)


class Config(Spec):
    """Pathwise gradients in a scenario."""

    kind: Literal["pathwise"]
    reductions: ClassVar[tuple[str, ...]] = ALONG_PATHS
    relax: int = Field(default=0, ge=0, description="steps before the first sample's stride")
    samples: int = Field(default=1, ge=1, description="samples per trajectory")
    stride: int = Field(default=100, ge=1, description="steps before each sample")
    horizon: int | None = Field(default=None, ge=1, description="last steps that are differentiated; default: all")
    memory: float = Field(default=512.0, gt=0, description="budget for kept states, MiB")

    def check(self, scenario):
        """Samples lie inside the horizon, and trajectories respond smoothly."""
        yield from check_horizon(self, scenario)

    def build(self) -> Pathwise:
        """The estimator."""
        sampling = Sampling(self.relax, self.samples, self.stride)
        return Pathwise(sampling, self.horizon or sampling.steps, self.memory * 2**20)


def check_horizon(config, scenario):
    """What estimators through trajectories ask of a scenario."""
    window = config.samples * config.stride
    if config.horizon is not None and not window <= config.horizon:
        yield Problem(("horizon",), f"ends before the first sample: at least samples × stride = {window}")
    dynamics = scenario.dynamics
    if not getattr(dynamics, "smooth", False):
        yield Problem(("kind",), "goes through trajectories that respond smoothly to couplings; those of "
                                 f"{dynamics.kind!r} do not: use score_function or equilibrium")  # fmt: skip
