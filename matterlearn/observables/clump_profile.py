"""Density of active cells around the clump's centre, in the map in which they are most localised.

    ρ_b = (active cells in bin b)/(cells in bin b),        bins of equal width, the middle one around the centre

The centre is the mean position of the active cells no further from it than f, which a mean shift finds from the phase
of their first harmonic. Replicas that started from a clump are averaged over time, after a first fraction of the
records, and then over those at one temperature: ``clump_density`` over (kT, place) and ``clump_peak``, the middle bin,
over kT, each with its standard error over replicas. Beside them, for one map: the exact profile of infinitely many
cells, averaged over the same bins, and f where no clump exists.

Source: [monasson2013crosstalk]. Limits: maps on a ring; one load; where there is no clump the middle is wherever the
noise is densest, so that uniform activity shows a small bump.

Example:
    >>> Config(kind="clump_profile", bins=25).bins
    25
"""

from typing import Any, ClassVar, Literal

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from pydantic import Field

from matterlearn.core.observable import Observable, Summary
from matterlearn.spec import Problem, Spec
from matterlearn.theory import place_cells

SHIFTS = 6  # of the centre; each takes off most of what is left
FINE = 64  # points of a bin over which theory is averaged


class ClumpProfile(Observable):
    """Profiles of one map."""

    bins: int = eqx.field(static=True)
    discard: float = eqx.field(static=True)
    temperatures: tuple[float, ...] = eqx.field(static=True)  # of clumps at one load; none, no averages
    single: bool = eqx.field(static=True)  # whether there is one map, for which theory is exact
    activity: float = eqx.field(static=True)
    width: float = eqx.field(static=True)

    def __call__(self, system: Any, drive, state):
        harmonic = system.harmonic(state.x)[:, 0]
        strongest = jnp.argmax(jnp.abs(harmonic))
        centre = jnp.angle(harmonic[strongest]) / (2 * jnp.pi)
        place, active = system.positions()[strongest, :, 0], state.x.active.astype(float)
        for _ in range(SHIFTS):
            away = (place - centre + 0.5) % 1 - 0.5
            near = active * (jnp.abs(away) < self.activity)
            centre += near @ away / jnp.maximum(jnp.sum(near), 1.0)
        place = (place - centre + 0.5) % 1
        bin_of = jnp.minimum((place * self.bins).astype(int), self.bins - 1)
        count = lambda weight: jnp.zeros(self.bins).at[bin_of].add(weight)  # noqa: E731
        return count(active) / jnp.maximum(count(1.0), 1.0)

    def coords(self):
        """Middles of the bins, temperatures."""
        return {"place": (np.arange(self.bins) + 0.5) / self.bins - 0.5, "kT": np.array(self.temperatures)}

    def summary(self, values, labels) -> list[Summary]:
        """Means over time and replicas at each temperature, with theory."""
        if not self.temperatures:
            return []
        settled = values[:, int(self.discard * values.shape[1]) :].mean(1)
        groups = [settled[(labels["cue"] >= 0) & (labels["temperature"] == T)] for T in self.temperatures]
        mean = np.array([group.mean(0) for group in groups])
        error = np.array([_error(group) for group in groups])
        columns = {"": mean, "_sem": error}
        if self.single:
            columns["_theory"] = np.array([exact(self.activity, self.width, T, self.bins) for T in self.temperatures])
        middle, words = self.bins // 2, "density of active cells in the clump"
        found = []
        for suffix, column in columns.items():
            found.append(Summary(f"clump_density{suffix}", ("kT", "place"), column, "1", words))
            found.append(Summary(f"clump_peak{suffix}", ("kT",), column[:, middle], "1", f"{words}, at its centre"))
        return found


def _error(group: Float[np.ndarray, "replica bin"]) -> Float[np.ndarray, " bin"]:
    return group.std(0, ddof=1) / len(group) ** 0.5 if len(group) > 1 else np.full(group.shape[1], np.nan)


def exact(f: float, w: float, T: float, bins: int) -> Float[np.ndarray, " bin"]:
    """The clump's density over bins, or f where there is none.

    >>> exact(0.1, 0.05, 0.004, 25)[[12, 0]].round(3).tolist(), exact(0.1, 0.05, 0.01, 3).tolist()
    ([0.998, 0.002], [0.1, 0.1, 0.1])
    """
    if place_cells.clump_limit(f, w).T <= T:
        return np.full(bins, f)
    clump = place_cells.clump(f, w, T, cells=max(place_cells.CELLS, 2 * round(0.5 / T)))
    at = (np.arange(bins * FINE) + 0.5) / (bins * FINE) - 0.5
    return np.interp(at, clump.theta, clump.density, period=1.0).reshape(bins, FINE).mean(1)


class Config(Spec):
    """Profile of a clump in a scenario."""

    kind: Literal["clump_profile"]
    provides: ClassVar[tuple[str, ...]] = ("clump_density", "clump_peak")
    every: int = Field(default=10, ge=1, description="steps between records")
    bins: int = Field(default=41, ge=3, description="bins on the ring, odd, so that one is around the centre")
    discard: float = Field(default=0.3, ge=0, lt=1, description="first fraction of the records that is left out")

    def check(self, scenario):
        """There are rings, with cells in every bin."""
        if scenario.system.kind != "place_cells" or scenario.system.dimensions != 1:
            yield Problem(("kind",), "needs place_cells with maps on a ring, dimensions: 1")
        elif self.bins % 2 == 0 or self.bins > scenario.system.units / 4:
            most = scenario.system.units // 4
            yield Problem(("bins",), f"needs an odd number of at most {most} bins, four cells each; got {self.bins}")

    def build(self, system, task) -> ClumpProfile:
        """The observable."""
        cases = [c for c in getattr(task, "combinations", ()) if c.start == "clump" and c.temperature is not None]
        temperatures = sorted({c.temperature for c in cases}) if len({c.load for c in cases}) == 1 else []
        words = "density of active cells around the clump's centre"
        return ClumpProfile("profile", ("place",), "1", words, self.every, self.bins, self.discard,
                            tuple(temperatures), len(system.place) == 1, system.fraction, system.width)  # fmt: skip
