"""What theory says about recall from stored patterns: values over all that replicas go through, and lines between."""

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize_scalar

from matterlearn.core.observable import Summary
from matterlearn.theory import dreaming, hopfield, hopfield_mixtures
from matterlearn.theory import hopfield_phases as phases

ALL = 1 << 30  # examples, where replicas do not differ in them


class Combination(NamedTuple):
    """What a replica starts from, and which couplings it has; ``None`` is what the system has."""

    cue_overlap: float
    mixture: int
    load: float | None
    examples: int | None
    temperature: float | None

    def stored(self, memories: int, units: int) -> int:
        """Memories in the couplings."""
        return memories if self.load is None else max(1, round(self.load * units))


def equilibrium(system, dynamics: Any, combinations: tuple[Combination, ...]) -> list[Summary]:
    """Overlap of retrieval states of Hebb's storage; over loads and temperatures, lines of the phase diagram."""
    hebb = getattr(system, "stored", True) is None and system.low == -1
    boltzmann = getattr(dynamics, "stationary", "none") == "boltzmann"
    if not (hebb and boltzmann and {c.cue_overlap for c in combinations} == {1.0}):
        return []
    ranges = swept(combinations)
    if {"load", "temperature"} <= ranges.keys():
        return phase_lines(ranges["load"])
    units, memories = system.memory.shape

    def kT(c: Combination) -> float:
        return float(dynamics.kT(jnp.zeros(()))) if c.temperature is None else c.temperature

    def retrieval(c: Combination):
        return hopfield.overlap(c.stored(memories, units) / units, kT(c))

    def stable(value: Callable[[Combination], Any]):
        return lambda c: value(c) if kT(c) < melting(c.mixture) else np.nan

    if {c.mixture for c in combinations} == {1}:
        return [table("overlap", combinations, retrieval, "overlap of the stationary state, replica-symmetric theory")]
    return [
        table("overlap", combinations, stable(lambda c: hopfield_mixtures.overlap(c.mixture, kT(c))),
              "overlap with a memory of a stable mixture, theory at no load"),
        table("mixed_memories", combinations, stable(lambda c: c.mixture), "memories in a stable mixture, at no load"),
    ]  # fmt: skip


def melting(mixed: int) -> float:
    """Temperature below which a mixture of so many memories is stable, at no load."""
    return 1.0 if mixed == 1 else hopfield_mixtures.stable_below(mixed)


def first_step(system, dynamics: Any, combinations: tuple[Combination, ...]) -> list[Summary]:
    """Overlap after one parallel step from a memory, as the system knows it."""
    del dynamics
    units, memories = system.memory.shape

    def value(c: Combination):
        return system.first_step(c.stored(memories, units), c.examples or ALL)

    return [table("overlap", combinations, value, "overlap after one step from a memory, theory")]


THEORIES = {"equilibrium": equilibrium, "first_step": first_step}


def swept(combinations: tuple[Combination, ...]) -> dict[str, list]:
    """Quantities in which combinations differ, and their values.

    >>> swept((Combination(1.0, 1, None, None, 0.5), Combination(1.0, 3, None, None, 0.5)))
    {'mixture': [1, 3]}
    """
    columns = zip(Combination._fields, zip(*combinations, strict=True), strict=True)
    return {name: sorted(set(column)) for name, column in columns if len(set(column)) > 1}


def table(
    name: str, combinations: tuple[Combination, ...], value: Callable[[Combination], Any], words: str
) -> Summary:
    """``<name>_theory`` over all swept quantities."""
    ranges = swept(combinations)
    points = itertools.product(*ranges.values())
    values = [float(value(combinations[0]._replace(**dict(zip(ranges, p, strict=True))))) for p in points]
    shape = [len(v) for v in ranges.values()]
    return Summary(f"{name}_theory", tuple(f"{n}_value" for n in ranges), np.reshape(values, shape), "1", words)


def phase_lines(loads: list[float]) -> list[Summary]:
    """Temperatures of the four transitions up to the largest load; NaN where a line has ended."""
    ends = np.array([phases.coexistence(0.0).alpha, phases.largest_load().alpha])  # where two of the lines fall steeply
    fine = np.unique([min(*loads, 0.002), *np.outer(ends, 1 - np.linspace(0, 0.95, 9) ** 2).ravel(), max(loads)])
    fine = fine[fine <= max(loads)]
    lines = {
        "load": (fine, "1", "load of the lines"),
        "spinodal": (along(phases.spinodal_temperature, fine), "kT_ref", "T_M: retrieval states appear"),
        "coexistence": (along(phases.coexistence_temperature, fine), "kT_ref", "T_c: retrieval is the ground state"),
        "spin_glass": (along(phases.spin_glass_temperature, fine), "kT_ref", "T_g: spins freeze"),
        "instability": (along(phases.instability_temperature, fine), "kT_ref", "T_R: replica symmetry breaks"),
    }
    return [Summary(f"line_{name}_theory", ("point",), *given) for name, given in lines.items()]


def along(temperature: Callable[[float], Any], loads) -> Float[np.ndarray, " point"]:
    """A temperature at each load, NaN where there is none."""

    def one(alpha):
        try:
            return temperature(alpha)
        except ValueError:
            return np.nan

    return np.array([one(alpha) for alpha in loads])


def stability_temperatures(combinations: tuple[Combination, ...]) -> dict[str, float]:
    """Below which mixtures are stable, at no load, where both are swept."""
    ranges = swept(combinations)
    if not {"mixture", "temperature"} <= ranges.keys():
        return {}
    return {f"transition_mixture_{n}": melting(n) for n in ranges["mixture"] if n > 1}


def dreaming_time(J: Float[np.ndarray, "N N"], patterns: Float[np.ndarray, "K N"]) -> float:
    """Sleep t after which the dreaming kernel of these patterns points most in the direction of J, diagonals apart.

    >>> xi = np.random.default_rng(0).choice([-1.0, 1.0], (6, 20))
    >>> kernel = dreaming.kernel(xi, 2.0)
    >>> round(dreaming_time(kernel - np.diag(kernel.diagonal()), xi), 4)
    2.0
    """
    left, values, _ = np.linalg.svd(np.asarray(patterns, float).T / len(patterns.T) ** 0.5, full_matrices=False)
    along = np.einsum("ik,ij,jk->k", left, J, left, optimize=True)

    def direction(u):  # u = t/(1 + t)
        spectrum = values**2 / (1 - u + u * values**2)
        return -along @ spectrum / np.sqrt(spectrum @ spectrum - np.sum((left**2 @ spectrum) ** 2))

    u = minimize_scalar(direction, bounds=(0.0, 1.0), method="bounded", options={"xatol": 1e-9}).x
    return float(u / (1 - u))


def dreamt(system, memory: Any) -> dict[str, float]:
    """How long a network with a coupling per pair has dreamt, and the fraction of memories stable after such a sleep.

    Units of a memory are taken to fail independently, N of them with the error of one step: (1 − P)^N.
    """
    count, units = memory.shape
    if not hasattr(system, "matrix") or system.low != -1 or not np.array_equal(system.memory.T, memory):
        return {}
    t = dreaming_time(-np.asarray(system.matrix(), float), np.asarray(memory))
    error = dreaming.bit_error(count / units, min(t, 1e8))
    return {"dreaming_time": t, "stable_fraction_theory": float((1 - error) ** units)}
