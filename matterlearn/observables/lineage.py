"""What a learner knows of its model, in every generation: averages over lineages with standard errors.

The learner says which quantities these are (its ``quantities``: excess risk, variance, …). Each becomes a variable over
``generation`` 1, 2, … with its standard error, next to the theory of the task ``lineages``.

Example:
    >>> Config(kind="lineage").every
    1
"""

from typing import Any, ClassVar, Literal

import equinox as eqx
import numpy as np
from pydantic import Field

from matterlearn.core.matter import matter
from matterlearn.core.observable import Observable, Summary, averaged
from matterlearn.spec import Problem, Spec


class Lineage(Observable):
    """``system.measure``; ``generations`` are those of the task, or all."""

    quantities: tuple[tuple[str, str, str], ...] = eqx.field(static=True)
    generations: int = eqx.field(static=True)

    def __call__(self, system: Any, drive, state):
        return system.measure(state.x)

    def coords(self):
        """Names of the quantities, and generations."""
        return {
            "quantity": np.array([name for name, *_ in self.quantities]),
            "generation": np.arange(1, self.generations + 1),
        }

    def summary(self, values, labels) -> list[Summary]:
        """By quantity, without the start."""
        del labels
        kept = values[:, 1 : self.generations + 1].astype(float)
        return [
            summary for i, (name, units, words) in enumerate(self.quantities)
            for summary in averaged(name, ("generation",), kept[..., i], units, words)
        ]  # fmt: skip


class Config(Spec):
    """Quantities of a learner in a scenario."""

    kind: Literal["lineage"]
    provides: ClassVar[tuple[str, ...]] = (
        "excess_risk", "mean_square", "variance", "log_variance", "squared_norm", "items_known",
        "excess_risk_deviation", "mean_square_deviation", "variance_deviation", "log_variance_deviation",
        "squared_norm_deviation", "items_known_deviation",
    )  # fmt: skip
    every: int = Field(default=1, ge=1, le=1, description="steps between records: every generation counts")

    def check(self, scenario):
        """There is a learner, and theory to compare with."""
        if matter(scenario.system) != "learner":
            yield Problem(("kind",), f"measures learners such as gaussian_learner, not {scenario.system.kind!r}")
        elif getattr(scenario.task, "kind", None) != "lineages":
            yield Problem(("kind",), "averages over the generations of a task: use task lineages")

    def build(self, system, task) -> Lineage:
        """The observable."""
        words = "quantity of the model"
        return Lineage("lineage", ("quantity",), "1", words, self.every, system.quantities, task.generations)
