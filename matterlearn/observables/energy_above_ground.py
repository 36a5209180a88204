"""Energy above the ground state, how often a search has been there, and the time to solution.

    success(t) = fraction of replicas whose lowest energy up to step t is that of the ground state
    TTS(t) = t ln(0.01)/ln(1 − success(t)),        at least t

TTS is the number of steps after which searches of t steps, begun again and again, have found a ground state with 99 %
confidence; the smallest over t is ``shortest_time_to_solution``. Its interval of one standard error is that of the
success (Jeffreys), its half width ``_sem``.

Source: [ronnow2014]. Limits: a ground state that is visited between two records is not seen; give ``every: 1``.

Example:
    >>> Config(kind="energy_above_ground", every=2).tolerance
    0.001
"""

from typing import ClassVar, Literal

import equinox as eqx
import numpy as np
from pydantic import Field

from matterlearn.core.observable import Observable, Summary
from matterlearn.spec import Problem, Spec
from matterlearn.theory.ground_states import best, time_to_solution


class EnergyAboveGround(Observable):
    """E − E₀."""

    lowest: float = eqx.field(static=True)
    tolerance: float = eqx.field(static=True)

    def __call__(self, system, drive, state):
        return system.energy(state.x, state.neighbors) - self.lowest

    def summary(self, values, labels) -> list[Summary]:
        """Success and time to solution by record, and the best of them."""
        del labels
        reached = np.minimum.accumulate(values, axis=1) <= self.tolerance
        searches, steps = len(values), self.every * np.arange(values.shape[1])
        success = reached.mean(axis=0)
        times = time_to_solution(steps[1:], reached.sum(axis=0)[1:], searches)
        shortest, error = best(times)
        words = "time to solution, 99 % confidence"
        by_record = {
            "search_step": (steps, "1", "steps of a search"),
            "success": (success, "1", "probability that a search has found a ground state"),
            "success_sem": (np.sqrt(success * (1 - success) / searches), "1", "standard error of the success"),
            "time_to_solution": (_later(times.time), "step", words),
            "time_to_solution_low": (_later(times.low), "step", f"{words}, lower end of the interval"),
            "time_to_solution_high": (_later(times.high), "step", f"{words}, upper end of the interval"),
        }
        return [Summary(name, ("record",), *rest) for name, rest in by_record.items()] + [
            Summary("found", ("replica",), reached[:, -1].astype(float), "1", "whether a ground state was found"),
            Summary("shortest_time_to_solution", (), np.asarray(shortest), "step", f"shortest {words}"),
            Summary("shortest_time_to_solution_sem", (), np.asarray(error), "step", f"standard error of the {words}"),
        ]


def _later(times):
    """No search ends before its first step."""
    return np.append(np.inf, times)


class Config(Spec):
    """Energy above the ground state in a scenario."""

    kind: Literal["energy_above_ground"]
    provides: ClassVar[tuple[str, ...]] = ("found", "shortest_time_to_solution")
    tolerance: float = Field(default=1e-3, gt=0, description="energy above ground that still counts as there, kT_ref")
    every: int = Field(default=1, ge=1, description="steps between records")

    def check(self, scenario):
        """There is a ground state to compare with."""
        if getattr(scenario.task, "kind", "") != "ground_state":
            yield Problem(("kind",), "needs a ground state: use task ground_state")

    def build(self, system, task) -> EnergyAboveGround:
        """The observable."""
        del system
        words = "energy above the ground state"
        return EnergyAboveGround("energy_above_ground", (), "kT_ref", words, self.every, task.lowest, self.tolerance)
