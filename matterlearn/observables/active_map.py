"""The map in which the active cells are most localised, or −1 where they are localised in none.

    μ* = argmax_μ m_μ  where  m_μ* ≥ threshold,        m_μ = |Σ_i s_i e^{2πiθ_i^μ}|/Σ_i s_i

Source: [monasson2013crosstalk]. Limits: a disordered state of n active cells has overlaps of about n^{−1/2}, the
largest of M of them (ln M/n)^{1/2}: the threshold should be well above.

Example:
    >>> Config(kind="active_map", threshold=0.4).threshold
    0.4
"""

from typing import Literal

import equinox as eqx
import jax.numpy as jnp
from pydantic import Field

from matterlearn.core.observable import Observable
from matterlearn.core.task import AbstractTask
from matterlearn.spec import Problem, Spec


class ActiveMap(Observable):
    """Number of a map."""

    task: AbstractTask
    threshold: float = eqx.field(static=True)

    def __call__(self, system, drive, state):
        overlap = self.task.overlap(system, state)
        return jnp.where(jnp.max(overlap) >= self.threshold, jnp.argmax(overlap), -1)


class Config(Spec):
    """The active map in a scenario."""

    kind: Literal["active_map"]
    every: int = Field(default=10, ge=1, description="steps between records")
    threshold: float = Field(default=0.5, gt=0, lt=1, description="smallest overlap that counts")

    def check(self, scenario):
        """There are maps."""
        if getattr(scenario.task, "kind", "") != "stored_maps":
            yield Problem(("kind",), "needs the task stored_maps")

    def build(self, system, task) -> ActiveMap:
        """The observable."""
        del system
        words = "map in which cells are localised, −1 none"
        return ActiveMap("active_map", (), "1", words, self.every, task, self.threshold)
