"""Where the active cells are in every map, and how fast the clump wanders in the map that was cued.

    x = (1/2π) arg Σ_i s_i e^{2πiθ_i}  along each axis,        D = (x(t) − x(0))²/2t

with x followed round the ring from record to record, t the last of them, averaged over axes: ``clump_diffusion`` of
each replica. With one map the energy does not depend on x, and the clump diffuses freely; crosstalk of many maps pins
it. Replicas without a cue have none (NaN).

Source: [monasson2013crosstalk]. Limits: between two records a clump must move less than half the ring; where there is
no clump, x and D mean nothing.

Example:
    >>> Config(kind="clump_position", every=5).every
    5
"""

from typing import Any, ClassVar, Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from pydantic import Field

from matterlearn.core.observable import Observable, Summary
from matterlearn.spec import Problem, Spec


class ClumpPosition(Observable):
    """Phases of the first harmonic."""

    def __call__(self, system: Any, drive, state):
        return jnp.angle(system.harmonic(state.x)) / (2 * jnp.pi) % 1

    def summary(self, values, labels) -> list[Summary]:
        """D of every replica."""
        cue = labels.get("cue", np.full(len(values), -1))
        square = np.square(displacement(values[np.arange(len(values)), :, np.maximum(cue, 0)])).mean(-1)
        D = square / (2 * self.every * max(values.shape[1] - 1, 1))
        words = "diffusion constant of the clump"
        return [Summary("clump_diffusion", ("replica",), np.where(cue >= 0, D, np.nan), "1/step", words)]


def displacement(x: Float[np.ndarray, "replica record axis"]) -> Float[np.ndarray, "replica axis"]:
    """From the first record to the last, round the ring as often as need be.

    >>> displacement(np.array([[[0.4], [0.8], [0.2], [0.6]]])).round(3).tolist()
    [[1.2]]
    """
    step = np.diff(x, axis=1)
    return (step - np.round(step)).sum(1)


class Config(Spec):
    """Position of a clump in a scenario."""

    kind: Literal["clump_position"]
    provides: ClassVar[tuple[str, ...]] = ("clump_diffusion",)
    every: int = Field(default=10, ge=1, description="steps between records")

    def check(self, scenario):
        """There are maps."""
        if scenario.system.kind != "place_cells":
            yield Problem(("kind",), f"needs the maps of place_cells, which {scenario.system.kind!r} does not have")

    def build(self, system, task) -> ClumpPosition:
        """The observable."""
        del system, task
        words = "position of the active cells"
        return ClumpPosition("clump_position", ("memory", "axis"), "1", words, self.every)
