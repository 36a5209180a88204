"""Whether the mixture ends at the target it was cued with, and at no other, nor at a complement.

    retrieved:  m_cue ≥ threshold  and  |m_ν| ≤ m_cue/3 for all others,        m the final overlaps

so neither an even mixture counts, nor one that several targets share.
"""

from typing import ClassVar, Literal

import equinox as eqx
import numpy as np
from pydantic import Field

from matterlearn.core.observable import Observable, Summary
from matterlearn.core.task import AbstractTask
from matterlearn.spec import Problem, Spec

CONTRAST = 3.0  # between the overlap of the cue and all others


class Retrieval(Observable):
    """Overlaps, of which the final ones count."""

    task: AbstractTask
    threshold: float = eqx.field(static=True)

    def __call__(self, system, drive, state):
        return self.task.overlap(system, state)

    def summary(self, values, labels) -> list[Summary]:
        """One answer per replica; NaN where there was no cue."""
        cue = labels["cue"]
        final = values[:, -1]
        mine = np.arange(final.shape[1]) == cue[:, None]
        own = np.where(mine, final, -np.inf).max(1)
        others = np.where(mine, 0.0, np.abs(final)).max(1)
        right = (own >= self.threshold) & (CONTRAST * others <= own)
        words = "whether the cued target was retrieved"
        return [Summary("retrieved", ("replica",), np.where(cue >= 0, right, np.nan), "1", words)]


class Config(Spec):
    """Retrieval in a scenario."""

    kind: Literal["retrieval"]
    provides: ClassVar[tuple[str, ...]] = ("retrieved",)
    every: int = Field(default=1000, ge=1, description="steps between records, of which the last counts")
    threshold: float = Field(default=0.1, gt=0, le=1, description="smallest overlap that counts")

    def check(self, scenario):
        """There are memories to retrieve."""
        if not getattr(scenario.task, "memories", 0):
            yield Problem(("kind",), "retrieval needs memories, but no task stores any; add one or drop this")

    def build(self, system, task) -> Retrieval:
        """The observable."""
        del system
        words = "overlap with stored memory"
        return Retrieval("retrieval_overlap", ("memory",), "1", words, self.every, task, self.threshold)
