"""From noise to data: the reverse of a noising process, in so many steps.

    dx = [−f x + (1 + α) g² ∇ ln p_t(x)] dτ + √(2α) g dW,        t = end → 0

has the law p_t at all times for every α ≥ 0: α = 0 is the probability flow, α = 1 the time-reversed diffusion. Steps
are those of ``matterlearn.diffusion.samplers``; times are even in their ``power``-th root or in ln σ/α, from the
system's ``end`` down to ``first``, and then 0. After the last step the state stays.

| quantity | unit |
|---|---|
| t, first | that of the system's process |
| α | 1 |

Source: [songscore2021], [ho2020], [songddim2021], [karras2022]. Limits: nothing can be clamped or driven; errors of
the score and of finite steps are those of the samples, nothing rejects them.

Example:
    >>> Config(kind="reverse_diffusion", steps=18, step="heun", alpha=0.0, power=7.0, first=2e-3).steps
    18
"""

from typing import Any, ClassVar, Literal

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float
from pydantic import Field

from matterlearn.core.dynamics import AbstractDynamics, DynState, StepInfo
from matterlearn.core.field import FieldState
from matterlearn.diffusion.losses import falling_times
from matterlearn.diffusion.samplers import Adaptive, Corrected, EulerMaruyama, Exponential, Heun
from matterlearn.spec import Problem, Spec

STEPS = {
    "exponential": lambda c: Exponential(_number(c.alpha)),
    "euler_maruyama": lambda c: EulerMaruyama(_number(c.alpha)),
    "heun": lambda c: Heun(_number(c.alpha)),
    "predictor_corrector": lambda c: Corrected(Exponential(_number(c.alpha)), _number(c.size), c.corrections),
    "annealed_langevin": lambda c: Corrected(None, _number(c.size), c.corrections),
    "adaptive": lambda c: Adaptive(_number(c.tolerance)),
}
DETERMINISTIC = ("adaptive",)


class ReverseDiffusion(AbstractDynamics):
    """Steps along falling times of the system's process."""

    stationary: ClassVar[str] = "none"

    method: Any
    first: Float[Array, ""]
    power: Float[Array, ""]
    steps: int = eqx.field(static=True)
    spacing: str = eqx.field(static=True)

    def init(self, key, system, drive, x, neighbors=None) -> DynState:
        """At the end of the noising process."""
        del key, system, drive
        return DynState(x, jnp.zeros((), jnp.int32), None, neighbors)

    def times(self, system) -> Float[Array, " time"]:
        """The times between steps, falling to 0."""
        score = system.score
        first = jnp.where(self.first > 0, self.first, score.end / self.steps)
        return falling_times(score.process, first, score.end, self.steps, self.spacing, self.power)

    def enter(self, system, drive, state):
        """The times, made once."""
        return (system, self.times(system)), drive, state

    def step(self, key, system: Any, drive, state) -> tuple[DynState, StepInfo]:
        """From one time to the next; nothing after the last."""
        del drive
        model, times = system
        k = jnp.minimum(state.step, self.steps - 1)
        moved = self.method(key, model.score, state.x.field, times[k], times[k + 1])
        field = jnp.where(state.step < self.steps, moved, state.x.field)
        return state._replace(x=FieldState(field), step=state.step + 1), StepInfo(jnp.ones(()))

    def temperature(self, step):
        """kT_ref: the energy is −ln p."""
        del step
        return jnp.ones(())


def _number(value: float) -> Float[Array, ""]:
    return jnp.asarray(float(value))


class Config(Spec):
    """Reverse diffusion in a scenario."""

    kind: Literal["reverse_diffusion"]
    stationary: ClassVar[str] = "none"
    reverses: ClassVar[bool] = True
    steps: int = Field(default=100, ge=1, le=10**6, description="from noise to data", examples=[20, 10])
    step: Literal[tuple(STEPS)] = Field(
        default="exponential", description="what is frozen during a step", examples=["exponential", "heun"]
    )
    alpha: float = Field(default=1.0, ge=0, le=1e3, description="noise of the reverse process; 0: probability flow")
    spacing: Literal["time", "log_ratio"] = Field(default="time", description="what the times are even in")
    power: float = Field(default=1.0, gt=0, le=100, description="times are even in their power-th root (spacing: time)")
    first: float | None = Field(
        default=None, gt=0, description="the last time before 0; default: end/steps, even to the last step"
    )
    corrections: int = Field(default=1, ge=1, le=10**4, description="Langevin steps at every noise level")
    size: float = Field(default=0.1, gt=0, le=1, description="of Langevin steps, in units of the noise's variance")
    tolerance: float = Field(default=1e-5, gt=0, le=0.1, description="local error of the adaptive solver")

    def check(self, scenario):
        """A process to reverse, all of it, and nothing that holds the matter."""
        if not getattr(scenario.system, "denoises", False):
            yield Problem(("kind",), f"needs a score, which {scenario.system.kind!r} has not: use system score_model")
            return
        if scenario.run.steps < self.steps:
            yield Problem(("steps",), f"the run ends after {scenario.run.steps} of {self.steps} steps, before "
                          f"there are data: use run.steps: {self.steps}")  # fmt: skip
        if self.first is not None and self.first >= scenario.system.end:
            yield Problem(("first",), f"should come before the end of the process, {scenario.system.end:g}")
        if self.first is None and (self.power != 1.0 or self.spacing != "time"):
            yield Problem(("first",), "is needed unless times are even: the last time before 0")
        if getattr(scenario.task, "given", None):
            yield Problem(("kind",), "cannot hold given entries: use a dynamics that can, or given: []")
        if scenario.system.process.gaussian:
            return
        if self.step in ("predictor_corrector", "annealed_langevin"):
            yield Problem(("step",), "noise that is not Gaussian has no Langevin steps: use heun with alpha: 0")
        if self.alpha and self.step != "adaptive":
            yield Problem(("alpha",), "ways back from noise that is not Gaussian are deterministic: use alpha: 0")

    def build(self) -> ReverseDiffusion:
        """The dynamics."""
        first = 0.0 if self.first is None else self.first
        return ReverseDiffusion(
            method=STEPS[self.step](self), first=_number(first), power=_number(self.power), steps=self.steps,
            spacing=self.spacing,
        )  # fmt: skip
