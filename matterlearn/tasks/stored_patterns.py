"""Patterns of a network: random memories to learn, and damaged copies to recall them from.

    ξ_i^μ = ±1 independent,        overlap m_μ = (1/N) Σ_i ξ_i^μ σ_i with σ_i = ±1 the spin of unit i

Memories are those that the system stores itself (``count: null``), or drawn here. An exposure clamps the whole
network on one of them. Recall starts every replica from a cue: a memory in which every unit is wrong with probability
(1 − m_0)/2, m_0 from ``cue_overlaps``, or a symmetric mixture, the sign of the sum of the first n memories
(``mixtures``). Replicas go through all combinations of cues, ``loads`` and ``temperatures``, so that a phase diagram
is one run; a combination that comes again takes the next memory.

``loads`` K'/N stores the first K' memories only, ``temperatures`` divides all couplings by T while the dynamics stays
at kT = 1: both need couplings that belong to memories, and an energy that is linear in them (``pattern_network``).

Theory beside the measurement: the replica-symmetric overlap of Amit, Gutfreund and Sompolinsky at each (α, T), where
the system stores by Hebb and the cue is good. Source: [hopfield1982neural], [amit1987statistical]. Limits: memories
are unbiased.

Example:
    >>> Config(kind="stored_patterns", count=3, cue_overlaps=[1.0, 0.5]).combinations[1].cue_overlap
    0.5
"""

import itertools
from typing import Annotated, Any, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from pydantic import Field

from matterlearn.core.drive import Drive
from matterlearn.core.network import NetworkState
from matterlearn.core.observable import Summary
from matterlearn.core.rule import Batch
from matterlearn.core.system import couplings, with_couplings
from matterlearn.core.task import AbstractTask, Label, Recall
from matterlearn.spec import Problem, Spec
from matterlearn.theory import hopfield
from matterlearn.theory import hopfield_phases as phases

SYMMETRIC = "overlap of the retrieval state, replica-symmetric theory"


class Combination(NamedTuple):
    """What a replica starts from, and which couplings it has."""

    cue_overlap: float
    mixture: int
    load: float | None
    temperature: float | None


class StoredPatterns(AbstractTask):
    """Memories ξ [memory, unit], and what recall goes through."""

    memory: Int[Array, "memory unit"]
    combinations: tuple[Combination, ...] = eqx.field(static=True)

    @property
    def memory_count(self) -> int:
        return len(self.memory)

    def teach(self, system, memory):
        """The system itself."""
        del memory
        return system

    def present(self, key, system, memory, replicas, duration) -> Batch:
        """The memory in every replica, every unit clamped."""
        del key, system
        x = NetworkState((self.memory[memory] > 0).astype(jnp.int8))
        drive = Drive(target=x, clamped=NetworkState(jnp.ones(x.active.shape, bool)))
        spread = lambda leaf: jnp.broadcast_to(leaf, (replicas, *jnp.shape(leaf)))  # noqa: E731
        return Batch(jax.tree.map(spread, drive), jax.tree.map(spread, x), jnp.asarray(duration, float))

    def recall(self, key, system, replicas) -> Recall:
        """Replica r takes combination r mod n of n, and as its cue the memory number r div n."""
        chosen = [self.combinations[r % len(self.combinations)] for r in range(replicas)]
        stored = np.array([self._stored(c) for c in chosen])
        cued = np.arange(replicas) // len(self.combinations) % stored
        quality = np.array([c.cue_overlap for c in chosen])
        mixture = np.array([c.mixture for c in chosen])
        wrong = jax.random.bernoulli(key, jnp.asarray((1 - quality) / 2)[:, None], (replicas, self.memory.shape[1]))
        base = jnp.stack([self._cue(int(n), int(mu)) for n, mu in zip(mixture, cued, strict=True)])
        x = NetworkState(((base > 0) ^ wrong).astype(jnp.int8))
        labels = {
            "cue": Label(cued, "1", "memory that the replica was given a part of"),
            "cue_overlap": Label(quality, "1", "overlap of the start with its cue"),
            "mixture": Label(mixture, "1", "memories mixed in the cue"),
            "load": Label(stored / self.memory.shape[1], "1", "load α, memories per unit"),
        }
        temperature = np.array([1.0 if c.temperature is None else c.temperature for c in chosen])
        if chosen[0].temperature is not None:
            labels["temperature"] = Label(temperature, "kT_ref", "temperature T")
        drive = Drive(strength=jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (replicas,)), Drive().strength))
        systems = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (replicas, *leaf.shape)), system)
        return Recall(self._weighted(systems, chosen, stored, temperature), drive, x, labels)

    def _stored(self, combination: Combination) -> int:
        """Memories in the couplings of a replica."""
        if combination.load is None:
            return self.memory_count
        return max(1, round(combination.load * self.memory.shape[1]))

    def _cue(self, mixed: int, memory: int) -> Int[Array, " unit"]:
        """A memory, or the sign of the sum of as many from it on."""
        rows = jnp.arange(memory, memory + mixed) % self.memory_count
        return jnp.sign(jnp.sum(self.memory[rows], 0))

    def _weighted(self, systems, chosen, stored, temperature):
        """Replicas of the system with fewer memories, and with couplings over T."""
        if chosen[0].load is not None:
            kept = jnp.arange(systems.coupling.shape[-1]) < stored[:, None]
            systems = eqx.tree_at(lambda s: s.coupling, systems, jnp.where(kept, systems.coupling, 0.0))
        if chosen[0].temperature is None:
            return systems
        over = lambda leaf: leaf / temperature.reshape(-1, *[1] * (leaf.ndim - 1)).astype(leaf.dtype)  # noqa: E731
        return with_couplings(systems, jax.tree.map(over, couplings(systems)))

    def overlap(self, system, state) -> Float[Array, " memory"]:
        """Mattis overlaps m_μ."""
        spin = 2.0 * state.x.active - 1.0
        return self.memory.astype(spin.dtype) @ spin / len(spin)

    def references(self, system, dynamics: Any) -> list[Summary]:
        """Replica-symmetric overlap over the one quantity that is swept, or the lines of the phase diagram over two."""
        swept = {name: sorted({getattr(c, name) for c in self.combinations}) for name in ("load", "temperature")}
        plain = getattr(system, "stored", True) is None and {c.mixture for c in self.combinations} == {1}
        if not plain or getattr(dynamics, "stationary", "none") != "boltzmann" or swept["load"] == [None]:
            return []
        loads = np.array(swept["load"])
        if swept["temperature"] == [None]:
            kT = float(dynamics.kT(jnp.zeros(())))
            return [Summary("overlap_theory", ("point",), hopfield.overlap(loads, kT), "1", SYMMETRIC)]
        temperatures = np.array(swept["temperature"])
        if len(loads) == 1:
            exact = hopfield.overlap(loads, temperatures)
            return [Summary("overlap_theory", ("point",), exact, "1", SYMMETRIC)]
        if len(temperatures) == 1:
            return [Summary("overlap_theory", ("point",), hopfield.overlap(loads, temperatures), "1", SYMMETRIC)]
        ends = [phases.coexistence(0.0).alpha, phases.largest_load().alpha]  # of two of the lines
        fine = np.unique([*np.linspace(min(loads.min(), 0.002), loads.max(), 20), *ends])
        fine = fine[fine <= loads.max()]
        lines = {"load": (fine, "1", "load of the lines"), **phase_lines(fine)}
        return [Summary(f"line_{name}_theory", ("point",), *given) for name, given in lines.items()]

    def groups(self, system) -> dict[str, list[Summary]]:
        """The memories."""
        pattern = np.asarray(self.memory)
        return {"memories": [Summary("pattern", ("memory", "unit"), pattern, "1", "value of a unit in each memory")]}


def phase_lines(loads: Float[np.ndarray, " point"]) -> dict[str, tuple[np.ndarray, str, str]]:
    """Temperatures of the four transitions at each load; NaN where a line has ended."""

    def along(temperature):
        def one(alpha):
            try:
                return temperature(alpha)
            except ValueError:
                return np.nan

        return np.array([one(alpha) for alpha in loads])

    return {
        "spinodal": (along(phases.spinodal_temperature), "kT_ref", "T_M: retrieval states appear"),
        "coexistence": (along(phases.coexistence_temperature), "kT_ref", "T_c: retrieval is the ground state"),
        "spin_glass": (along(phases.spin_glass_temperature), "kT_ref", "T_g: spins freeze"),
        "instability": (along(phases.instability_temperature), "kT_ref", "T_R: replica symmetry breaks"),
    }


class Config(Spec):
    """Patterns of a network in a scenario."""

    kind: Literal["stored_patterns"]
    count: int | None = Field(
        default=None, ge=1, description="memories to learn, drawn here; null is those that the system stores itself"
    )
    pattern_seed: int = Field(default=0, ge=0, description="seed of the memories that are drawn here")
    cue_overlaps: list[Annotated[float, Field(ge=-1, le=1)]] = Field(
        default=[1.0], min_length=1, description="overlaps m_0 of the start with its cue"
    )
    mixtures: list[Annotated[int, Field(ge=1)]] = Field(
        default=[1], min_length=1, description="numbers of memories mixed in the cue, odd"
    )
    loads: list[Annotated[float, Field(gt=0)]] | None = Field(
        default=None, min_length=1, description="loads α of which replicas store the memories; null is all of them"
    )
    temperatures: list[Annotated[float, Field(gt=0)]] | None = Field(
        default=None, min_length=1, description="temperatures of the replicas; null is that of the dynamics"
    )

    @property
    def memories(self) -> int:
        """Whether there are any: the number is the system's where none is given."""
        return 1 if self.count is None else self.count

    @property
    def combinations(self) -> list[Combination]:
        """All that replicas go through."""
        every = self.cue_overlaps, self.mixtures, self.loads or [None], self.temperatures or [None]
        return [Combination(*c) for c in itertools.product(*every)]

    def check(self, scenario):
        """The system is a network with memories, and what is swept can be."""
        system = scenario.system
        if not getattr(system, "network", False):
            yield Problem(("kind",), f"stores values of units, which {system.kind!r} does not have")
            return
        stored = self.count or getattr(system, "memories", 0)
        if not stored:
            yield Problem(("count",), "the system stores no memories of its own; say how many are to be learned")
        if any(n % 2 == 0 or n > stored for n in self.mixtures):
            yield Problem(("mixtures",), f"needs odd numbers of at most {stored} memories, not {self.mixtures}")
        if self.loads is not None and max(self.loads) * system.units > stored + 0.5:
            most = stored / system.units
            yield Problem(("loads",), f"{max(self.loads):g} needs more than the {stored} memories; at most {most:g}")
        if (self.loads or self.temperatures) and (system.kind != "pattern_network" or scenario.learning):
            word = "loads" if self.loads else "temperatures"
            yield Problem((word,), f"needs couplings that belong to memories: pattern_network, not {system.kind!r}")
        if self.loads and (system.examples or system.storage.rule != "hebb"):
            yield Problem(("loads",), "needs memories that are stored one by one: storage hebb, without examples")
        if self.temperatures and scenario.dynamics.kT != 1.0:
            yield Problem(("temperatures",), "divide the couplings; set dynamics.kT to 1, which is their unit")
        if len(self.combinations) > scenario.run.replicas:
            yield Problem((), f"{len(self.combinations)} combinations need as many replicas; run.replicas is "
                              f"{scenario.run.replicas}")  # fmt: skip

    def build(self, system) -> StoredPatterns:
        """The task."""
        if self.count is None:
            memory = system.memory.T
        else:
            rng = np.random.default_rng(self.pattern_seed)
            memory = rng.integers(0, 2, (self.count, len(system.threshold)), np.int8) * 2 - 1
        return StoredPatterns(jnp.asarray(memory), tuple(Combination(*c) for c in self.combinations))
