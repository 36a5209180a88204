"""Excess risk of last models: one more fit, to T data of each generation, averaged over those data in closed form.

For n generations of T_0 data and then T this is E(n, T), without the noise of drawing the last data: the record keeps
the average for every lineage, ``downstream_risk`` over ``generation`` and ``size`` is the mean over lineages. Sizes are
those of the task ``lineages``. NaN where a learner knows no closed form.

Example:
    >>> Config(kind="downstream").every
    1
"""

from typing import Any, ClassVar, Literal

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from pydantic import Field

from matterlearn.core.matter import matter
from matterlearn.core.observable import Observable, Summary, averaged
from matterlearn.spec import Problem, Spec


class Downstream(Observable):
    """``system.downstream`` for all sizes."""

    sizes: tuple[int, ...] = eqx.field(static=True)
    generations: int = eqx.field(static=True)

    def __call__(self, system: Any, drive, state):
        return jnp.stack([system.downstream(state.x, size) for size in self.sizes])

    def coords(self):
        """Sizes, and generations."""
        return {"size": np.array(self.sizes), "generation": np.arange(1, self.generations + 1)}

    def summary(self, values, labels) -> list[Summary]:
        """Means over lineages, without the start."""
        del labels
        kept = values[:, 1 : self.generations + 1].astype(float)
        return averaged("downstream_risk", ("generation", "size"), kept, self.units, self.long_name)


class Config(Spec):
    """Last fits in a scenario."""

    kind: Literal["downstream"]
    provides: ClassVar[tuple[str, ...]] = ("downstream_risk", "downstream_risk_deviation")
    every: int = Field(default=1, ge=1, le=1, description="steps between records: every generation counts")

    def check(self, scenario):
        """There is a learner, and sizes to fit it to."""
        if matter(scenario.system) != "learner":
            yield Problem(("kind",), f"refits learners such as gaussian_learner, not {scenario.system.kind!r}")
        elif not getattr(scenario.task, "sizes", None):
            yield Problem(("kind",), "fits models to so many data as the task says: use task lineages with sizes")

    def build(self, system, task) -> Downstream:
        """The observable."""
        _, units, words = system.quantities[0]
        words = f"{words}, last fit"
        return Downstream("downstream", ("size",), units, words, self.every, task.sizes, task.generations)
