"""Lineages of models: every replica is refitted on its own, and averages over them are held against theory.

Nothing is stored or cued. Theory is that of the learner under the policy of the dynamics, for generations 1 … n and, if
``sizes`` are given, for models that are fitted to so many data of each generation (observables ``lineage`` and
``downstream`` measure these). ``_theory`` is exact, ``_leading_theory`` a limit of many data.

Example:
    >>> Config(kind="lineages", generations=5).build(None).memory_count
    0
"""

from typing import Annotated, Any, Literal

import equinox as eqx
import numpy as np
from pydantic import Field

from matterlearn.core.drive import Drive
from matterlearn.core.learner import AbstractLearner
from matterlearn.core.matter import matter
from matterlearn.core.observable import Summary
from matterlearn.core.task import AbstractTask, Label, Recall, alike, replicated
from matterlearn.spec import Problem, Spec

Size = Annotated[int, Field(ge=1, le=10**12)]


class Lineages(AbstractTask):
    """Which generations are compared, and to how many of their data models are fitted."""

    generations: int = eqx.field(static=True)
    sizes: tuple[int, ...] = eqx.field(static=True)

    @property
    def memory_count(self) -> int:
        return 0

    def recall(self, key, system: AbstractLearner, replicas) -> Recall:
        """All lineages begin alike."""
        x = replicated(system.init_state(key), replicas)
        drive = Drive(strength=replicated(Drive().strength, replicas))
        return Recall(alike(system, replicas), drive, x, {"cue": Label(np.full(replicas, -1), "1", "no cue")})

    def coords(self):
        """Generations, and sizes of a last fit."""
        return {"generation": np.arange(1, self.generations + 1), "size": np.array(self.sizes)}

    def references(self, system: AbstractLearner, dynamics: Any) -> list[Summary]:
        """What the learner knows of the loop."""
        loop = dynamics.policy.loop(dynamics.size, self.generations)
        words = {name: (units, long_name) for name, units, long_name in system.quantities}
        found = []
        for name, values in system.exact(loop).items():
            quantity = name.removesuffix("_theory")
            units, long_name = words[quantity.removesuffix("_leading")]
            long_name += ", leading order" if quantity.endswith("_leading") else ", exact"
            found.append(Summary(name, ("generation",), np.asarray(values), units, long_name))
        risk = system.exact_downstream(loop, self.sizes) if self.sizes else None
        if risk is not None:
            units, long_name = words["excess_risk"]
            long_name += ", last fit, exact"
            found.append(Summary("downstream_risk_theory", ("generation", "size"), risk, units, long_name))
        return found


class Config(Spec):
    """Lineages in a scenario."""

    kind: Literal["lineages"]
    generations: int = Field(ge=1, le=10_000, description="that are compared with theory", examples=[4])
    sizes: list[Size] = Field(
        default=[], max_length=200, description="data that last models are fitted to (observable downstream)",
        examples=[[5, 50]],
    )  # fmt: skip

    def check(self, scenario):
        """Learners are refitted, long enough."""
        if matter(scenario.system) != "learner" or matter(scenario.dynamics) != "learner":
            yield Problem(("kind",), "needs a learner that is refitted: a system such as gaussian_learner, and "
                          "dynamics generations")  # fmt: skip
            return
        if self.generations > scenario.run.steps:
            yield Problem(("generations",), f"are {self.generations}, but run.steps is {scenario.run.steps}")
        if len(set(self.sizes)) < len(self.sizes):
            yield Problem(("sizes",), "names a size twice")
        fewest = getattr(scenario.system, "fewest", 1)
        if self.sizes and min(self.sizes) < fewest:
            yield Problem(("sizes",), f"{scenario.system.kind!r} needs at least {fewest} data for a fit")

    def build(self, system) -> Lineages:
        """The task."""
        del system
        return Lineages(self.generations, tuple(self.sizes))
