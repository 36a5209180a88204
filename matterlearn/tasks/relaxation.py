"""No memories and no cue: every replica starts disordered and evolves freely or in a trap."""

from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from pydantic import Field

from matterlearn.core.drive import Drive
from matterlearn.core.matter import matter
from matterlearn.core.schedule import Schedule, schedule
from matterlearn.core.task import AbstractTask, Label, Recall, replicated
from matterlearn.spec import NonNegativeSchedule, Problem, Spec


class Relaxation(AbstractTask):
    """Free evolution, optionally in a harmonic trap ½ k x² on every degree of freedom."""

    trap: Float[Array, ""] | None
    strength: Schedule

    @property
    def memory_count(self) -> int:
        return 0

    def recall(self, key, system, replicas) -> Recall:
        """Independent disordered starts."""
        x = _disordered(system, key, replicas)
        drive = Drive(strength=replicated(self.strength, replicas))
        trap = self.trap
        if trap is not None:
            stiffness = jax.tree.map(lambda leaf: jnp.broadcast_to(trap, leaf.shape), x)
            drive = Drive(jax.tree.map(jnp.zeros_like, x), stiffness, strength=drive.strength)
        systems = replicated(system, replicas)
        return Recall(systems, drive, x, {"cue": Label(np.full(replicas, -1), "1", "no cue")})


@eqx.filter_jit
def _disordered(system, key, replicas: int):
    return jax.vmap(lambda r: system.init_state(jax.random.fold_in(key, r)))(jnp.arange(replicas))


class Config(Spec):
    """Relaxation in a scenario."""

    kind: Literal["relaxation"]
    trap: float = Field(default=0.0, ge=0, description="stiffness of a harmonic trap at the origin, kT_ref/σ²")
    strength: NonNegativeSchedule = Field(default=1.0, description="factor on the trap: a number, a ramp or a cycle")

    def check(self, scenario):
        """Nothing can be learned from it, and a trap pulls on what moves continuously."""
        if self.trap and matter(scenario.system) != "continuous":
            yield Problem(("trap",), f"a harmonic trap has no meaning for {scenario.system.kind!r}; leave it out")
        if scenario.learning is not None:
            yield Problem(("kind",), "relaxation has no memories to learn; give a task that has, or drop learning")

    def build(self, system) -> Relaxation:
        """The task."""
        del system
        return Relaxation(jnp.asarray(float(self.trap)) if self.trap else None, schedule(self.strength))
