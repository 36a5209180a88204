"""Which isomer a cluster is in, and how fast isomers turn into each other.

An isomer is named by pairs of particles that are bonded in it and not all bonded in another one; ``shared`` are bonds
that all of them have, without which none is seen. Between isomers the matter belongs to the one that it left last; with
T_i the time so assigned and N_ij the number of changes from i to j,

    p_i = T_i / Σ_k T_k,        k_ij = N_ij / T_i,        ΔF_i/kT = −ln(p_i / p_0).

Isomers are core sets, so a hesitation at the top of a barrier counts as nothing, and k_ij is the inverse of the mean
time from reaching i to reaching j where there are two. Errors are those of the jackknife over replicas.

Source: core sets and last-visited states [faradjian2004]. Limits: what happens between two records is not seen; keep
√(D every dt) well below the width of a bond.
"""

from functools import partial
from typing import Annotated, ClassVar, Literal

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int
from pydantic import Field

from matterlearn.core.assembly import ParticleSystem
from matterlearn.core.observable import Observable, Summary
from matterlearn.core.pair_profile import pair_numbers
from matterlearn.spec import Problem, Spec

Pair = tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]]


class Isomer(Observable):
    """1 for the isomer whose bonds are all formed, 0 for the others; all 0 between isomers."""

    bonds: tuple[tuple[int, ...], ...] = eqx.field(static=True)
    names: tuple[str, ...] = eqx.field(static=True)
    dt: float = eqx.field(static=True)
    discard: float = eqx.field(static=True)

    def __call__(self, system: ParticleSystem, drive, state):
        formed = system.bonds(state.x).formed
        whole = jnp.stack([jnp.all(formed[jnp.asarray(pairs)]) for pairs in self.bonds])
        return whole & (jnp.sum(whole) == 1)

    def coords(self) -> dict[str, np.ndarray]:
        """Isomers by their bonds."""
        return {"isomer": np.array(self.names), "isomer_other": np.array(self.names)}

    def summary(self, values, labels) -> list[Summary]:
        """Populations, free energies and rates with their jackknife errors."""
        del labels
        last = last_visited(values[:, int(self.discard * len(values[0])) :])
        time, changes = residence(last, len(self.names))
        own, rates = ("isomer",), partial(_rate, interval=self.every * self.dt)
        return [
            *_with_error("isomer_population", own, "1", "population of the isomer", _population, time),
            *_with_error("isomer_free_energy", own, "kT", "free energy above the first isomer", _free_energy, time),
            *_with_error("transition_rate", (*own, "isomer_other"), "D/σ²", "rate of change", rates, time, changes),
        ]


def _with_error(name, dims, units, words, estimate, *totals) -> list[Summary]:
    value, error = jackknife(estimate, *totals)
    return [
        Summary(name, dims, value, units, words),
        Summary(f"{name}_sem", dims, error, units, f"standard error of the {words}"),
    ]


def last_visited(values: np.ndarray) -> Int[np.ndarray, "replica record"]:
    """Isomer that each record belongs to, −1 before the first was visited.

    >>> last_visited(np.array([[[0, 0], [1, 0], [0, 0], [0, 1], [0, 0]]])).tolist()
    [[-1, 0, 0, 1, 1]]
    """
    values = np.asarray(values)
    inside = values.any(-1)
    latest = np.maximum.accumulate(np.where(inside, np.arange(values.shape[1]), -1), 1)
    which = np.take_along_axis(values.argmax(-1), np.maximum(latest, 0), 1)
    return np.where(latest < 0, -1, which)


def residence(last: Int[np.ndarray, "replica record"], count: int):
    """Records of each replica in every isomer, and its changes between them.

    >>> time, changes = residence(np.array([[0, 0, 1, 1, 0]]), 2)
    >>> time.tolist(), changes.tolist()
    ([[2, 2]], [[[0, 1], [1, 0]]])
    """
    before, after = last[:, :-1], last[:, 1:]
    time = np.stack([(before == i).sum(1) for i in range(count)], -1)
    changes = [[((before == i) & (after == j)).sum(1) * (i != j) for j in range(count)] for i in range(count)]
    return time, np.moveaxis(np.array(changes), -1, 0)


def jackknife(estimate, *totals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A function of sums over replicas (the first axis), and its standard error from leaving out one at a time."""
    n = len(totals[0])
    value = estimate(*(t.sum(0) for t in totals))
    if n < 2:
        return value, np.full_like(value, np.nan)
    without = np.stack([estimate(*(t.sum(0) - t[r] for t in totals)) for r in range(n)])
    with np.errstate(invalid="ignore"):  # an isomer that was hardly visited has no free energy
        return value, np.sqrt((n - 1) / n * np.sum((without - without.mean(0)) ** 2, 0))


def _population(time):
    return time / max(time.sum(), 1)


def _free_energy(time):
    with np.errstate(divide="ignore", invalid="ignore"):
        return -np.log(time / time[0])


def _rate(time, changes, *, interval):
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(time[:, None] > 0, changes / (time[:, None] * interval), np.nan)


class Config(Spec):
    """Isomers in a scenario."""

    kind: Literal["isomer"]
    isomers: list[Annotated[list[Pair], Field(min_length=1)]] = Field(
        min_length=1, description="bonds by which each isomer is known, pairs of particles",
        examples=[[[[0, 2]], [[1, 3]]]],
    )  # fmt: skip
    shared: list[Pair] = Field(default=[], description="bonds that all isomers have", examples=[[[0, 1]]])
    dt: float = Field(gt=0, description="time step of the dynamics, for rates", examples=[1e-3])
    every: int = Field(default=10, ge=1, description="steps between records")
    discard: float = Field(default=0.0, ge=0, lt=1, description="first fraction of the records that is left out")

    provides: ClassVar[tuple[str, ...]] = ("isomer_population", "isomer_free_energy", "transition_rate")

    def check(self, scenario):
        """The particles are there and move in these time steps."""
        counts = getattr(scenario.system, "counts", [])
        if not counts or getattr(scenario.system, "patches", 1) != 1:
            yield Problem(("kind",), f"needs isotropic particles, which {scenario.system.kind!r} does not have")
        elif any(a == b or max(a, b) >= sum(counts) for pairs in [*self.isomers, self.shared] for a, b in pairs):
            yield Problem(("isomers",), f"names pairs of different particles, numbered 0 … {sum(counts) - 1}")
        if getattr(scenario.dynamics, "dt", self.dt) != self.dt:
            yield Problem(("dt",), f"{self.dt:g} is not the time step of the dynamics, {scenario.dynamics.dt:g}; "
                          "give both the same number")  # fmt: skip

    def build(self, system, task) -> Isomer:
        """The observable."""
        del task
        n = len(system.species)
        bonds = tuple(tuple(pair_numbers([*pairs, *self.shared], n).tolist()) for pairs in self.isomers)
        names = tuple(" ".join(f"{a}-{b}" for a, b in pairs) for pairs in self.isomers)
        return Isomer("in_isomer", ("isomer",), "1", "in the isomer", self.every, bonds, names, self.dt, self.discard)
