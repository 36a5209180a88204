"""Which class every sample is in, and how often clones agree.

    φ(t) = fraction of pairs whose two clones are in the same class at the last record

with the standard error of independent pairs, by the time t from which clones started. The speciation time is where φ
falls through 0.7752, its value for two equal clusters at t_S, between the two times that enclose it; its error is that
of φ over the slope.

Source: [biroli2024]. Limits: task clone_overlap.
"""

from typing import ClassVar, Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field

from matterlearn.core.observable import Observable, Summary
from matterlearn.core.task import AbstractTask
from matterlearn.spec import Problem, Spec
from matterlearn.theory.speciation import clone_overlap

AT_SPECIATION = float(clone_overlap(1.0))


class CloneOverlap(Observable):
    """The task's classification of one clone."""

    task: AbstractTask
    times: Float[np.ndarray, " time"]

    def __call__(self, system, drive, state):
        return self.task.classify(system, state)

    def coords(self):
        """Times from which clones started."""
        return {"noise_time": self.times}

    def summary(self, values, labels) -> list[Summary]:
        """φ by time, and the speciation time."""
        del labels  # replicas are ordered by time, pair, and clone
        last = np.asarray(values)[:, -1].reshape(len(self.times), -1, 2)
        same = (last[..., 0] == last[..., 1]).astype(float)
        overlap, sem = same.mean(1), np.sqrt(same.var(1) / max(1, same.shape[1] - 1))
        words = "probability that two clones end in the same class"
        return [
            Summary("clone_overlap", ("noise_time",), overlap, "1", words),
            Summary("clone_overlap_sem", ("noise_time",), sem, "1", f"standard error of the {words}"),
            *crossing(self.times, overlap, sem),
        ]


def crossing(times, overlap, sem, level: float = AT_SPECIATION) -> list[Summary]:
    """Where φ falls through a level, with its standard error; nothing if it does not.

    >>> found = crossing(np.array([1.0, 2.0]), np.array([1.0, 0.5]), np.full(2, 0.01), 0.75)
    >>> [s.values.round(3).item() for s in found]
    [1.5, 0.014]
    """
    order = np.argsort(times)
    t, phi, error = times[order], overlap[order], sem[order]
    below = np.flatnonzero((phi[:-1] >= level) & (phi[1:] < level))
    if not len(below):
        return []
    k = below[0]
    share = (phi[k] - level) / (phi[k] - phi[k + 1])
    spread = np.hypot((1 - share) * error[k], share * error[k + 1])
    step = t[k + 1] - t[k]
    words = f"time at which clones agree with probability {level:.4f}"
    return [
        Summary("speciation_time", (), np.asarray(t[k] + share * step), "1", words),
        Summary("speciation_time_sem", (), np.asarray(spread * step / (phi[k] - phi[k + 1])), "1",
                f"standard error of the {words}"),
    ]  # fmt: skip


class Config(Spec):
    """Clones in a scenario."""

    kind: Literal["clone_overlap"]
    provides: ClassVar[tuple[str, ...]] = ("sample_class", "clone_overlap", "speciation_time")
    every: int = Field(default=100, ge=1, description="steps between records")

    def check(self, scenario):
        """There are clones."""
        if getattr(scenario.task, "kind", None) != "clone_overlap":
            yield Problem(("kind",), "counts clones that agree: use task clone_overlap")

    def build(self, system, task) -> CloneOverlap:
        """The observable."""
        del system
        times = np.asarray(task.times, float)
        return CloneOverlap("sample_class", (), "1", "class of a sample", self.every, task, times)
