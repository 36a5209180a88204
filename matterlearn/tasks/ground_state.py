"""Search for a ground state: every replica starts disordered, and what counts is how soon it has been there.

The couplings are the problem: J_ij = w_ij > 0 is max-cut, J_ij = a_i a_j number partitioning (system
``boltzmann_machine``, fields ``coupling`` and ``weights``). The lowest energy is found by looking at all states of up
to 28 units; larger problems need it given as ``lowest``, the best value known, and success is then to have reached it.
The observable ``energy_above_ground`` tells what the search costs.

Source: [kirkpatrick1983], [lucas2014]. Limits: two-valued units with one coupling per pair.

Example:
    >>> Config(kind="ground_state", lowest=-12.0).lowest
    -12.0
"""

from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from pydantic import Field

from matterlearn.core.drive import Drive
from matterlearn.core.observable import Summary
from matterlearn.core.task import AbstractTask, Label, Recall, replicated
from matterlearn.spec import Problem, Spec
from matterlearn.theory.ground_states import LARGEST, ground_states


class GroundState(AbstractTask):
    """The lowest energy, and in how many states (0: not known)."""

    lowest: float = eqx.field(static=True)
    count: int = eqx.field(static=True)

    @property
    def memory_count(self) -> int:
        return 0

    def recall(self, key, system, replicas) -> Recall:
        """Independent disordered starts."""
        keys = jax.vmap(lambda r: jax.random.fold_in(key, r))(jnp.arange(replicas))
        x = jax.vmap(system.init_state)(keys)
        drive = replicated(Drive(), replicas)
        return Recall(replicated(system, replicas), drive, x, {"cue": Label(np.full(replicas, -1), "1", "no cue")})

    def references(self, system, dynamics: Any) -> list[Summary]:
        """What a step costs: sweeps of one copy."""
        del system
        cost = len(getattr(dynamics, "moves", (None,))) * getattr(dynamics, "every", 1)
        cost *= len(getattr(dynamics, "ladder", (None,)))
        return [Summary("sweeps_per_step", (), np.asarray(cost), "1", "sweeps of one copy in a step")]

    def annotations(self, system: Any) -> dict[str, float]:
        """The lowest energy, its states, and how many states there are."""
        known = {"ground_states": float(self.count)} if self.count else {}
        return {"ground_energy": self.lowest, "units": float(len(system.threshold))} | known


class Config(Spec):
    """Search for a ground state in a scenario."""

    kind: Literal["ground_state"]
    lowest: float | None = Field(
        default=None, description="lowest energy known, kT_ref; default: that of all states, up to 28 units"
    )

    def check(self, scenario):
        """The problem is pairwise, small enough or with a known answer, and nothing is learned."""
        system = scenario.system
        if not getattr(system, "pairwise", False):
            yield Problem(("kind",), f"is about pairwise couplings of two-valued units, which {system.kind!r} has not: "
                                     "use boltzmann_machine or spin_network")  # fmt: skip
        elif self.lowest is None and system.pattern_size + getattr(system, "hidden", 0) > LARGEST:
            yield Problem(("lowest",), f"more than {LARGEST} units have too many states to look at all: give the "
                                       "lowest energy known")  # fmt: skip
        if scenario.learning is not None:
            yield Problem(("kind",), "ground_state has nothing to learn; drop learning")

    def build(self, system) -> GroundState:
        """The task, with the ground states of this system."""
        if self.lowest is not None:
            return GroundState(self.lowest, 0)
        couplings, thresholds = (np.asarray(leaf, float) for leaf in (system.coupling, system.threshold))
        found = ground_states(system.pairs, couplings, thresholds, system.low)
        return GroundState(found.energy, found.count)
