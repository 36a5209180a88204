"""Patterns of a network: random memories to learn, and damaged copies to recall them from.

    ξ_i^μ = ±1 independent,        overlap m_μ = (1/N) Σ_i ξ_i^μ σ_i with σ_i = ±1 the spin of unit i

Memories are those that the system stores itself (``count: null``), or drawn here. An exposure clamps the whole
network on one of them. Recall starts every replica from a cue: a memory in which every unit is wrong with probability
(1 − m_0)/2, m_0 from ``cue_overlaps``, or a symmetric mixture, the sign of the sum of the first n memories
(``mixtures``). Replicas go through all combinations of cues, ``loads`` and ``temperatures``, so that a phase diagram
is one run; a combination that comes again takes the next memory. A ``field`` h along the cue, constant or changing
with time, adds −h Σ_i ξ_i σ_i to the energy while recall goes on.

``loads`` K'/N stores the first K' memories only, ``examples`` the first M' of what was shown of each, ``temperatures``
divides all couplings by T while the dynamics stays at kT = 1; what a system can do of this is in its ``sweeps``.
Learning records the ``stable_fraction`` of memories that are fixed points without noise, and where the system began
with these memories in a coupling per pair, the ``dreaming_time`` t whose kernel (1 + t)/(1 + tC) is most like the
couplings, with the stable fraction of that kernel as theory.

Beside the measurement stands, where it is known, the overlap of the stationary state (Amit, Gutfreund and Sompolinsky
at each load and temperature; symmetric mixtures at no load), or that after one parallel step from a memory (signal to
noise). Source: [hopfield1982neural], [amit1987statistical], [amit1985], [fachechi2019dreaming]. Limits: memories are
unbiased; equilibrium is that of Hebb's storage, from undamaged cues.

Example:
    >>> Config(kind="stored_patterns", count=3, cue_overlaps=[1.0, 0.5]).combinations[1].cue_overlap
    0.5
"""

import itertools
from typing import Annotated, Any, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from pydantic import Field

from matterlearn.core.drive import Drive
from matterlearn.core.matter import matter
from matterlearn.core.network import NetworkState
from matterlearn.core.observable import Summary
from matterlearn.core.rule import Batch
from matterlearn.core.schedule import Schedule, schedule
from matterlearn.core.system import couplings, with_couplings
from matterlearn.core.task import AbstractTask, Label, Recall, replicated
from matterlearn.spec import NonNegativeSchedule, Problem, Spec
from matterlearn.tasks._pattern_theory import ALL, THEORIES, Combination, dreamt, stability_temperatures


class StoredPatterns(AbstractTask):
    """Memories ξ [memory, unit], and what recall goes through."""

    memory: Int[Array, "memory unit"]
    combinations: tuple[Combination, ...] = eqx.field(static=True)
    field: Schedule | None
    theory: str = eqx.field(static=True)

    @property
    def memory_count(self) -> int:
        return len(self.memory)

    def present(self, key, system, memory, replicas, duration) -> Batch:
        """The memory in every replica, every unit clamped."""
        del key, system
        x = NetworkState((self.memory[memory] > 0).astype(jnp.int8))
        drive = Drive(target=x, clamped=NetworkState(jnp.ones(x.active.shape, bool)))
        drive, x = replicated((drive, x), replicas)
        return Batch(drive, x, jnp.asarray(duration, float))

    def recall(self, key, system, replicas) -> Recall:
        """Replica r takes combination r mod n of n, and as its cue the memory number r div n."""
        chosen = [self.combinations[r % len(self.combinations)] for r in range(replicas)]
        stored = np.array([c.stored(*self.memory.shape) for c in chosen])
        cued = np.arange(replicas) // len(self.combinations) % stored
        quality, mixture = np.array([c.cue_overlap for c in chosen]), np.array([c.mixture for c in chosen])
        wrong = jax.random.bernoulli(key, jnp.asarray((1 - quality) / 2)[:, None], (replicas, self.memory.shape[1]))
        memory = np.asarray(self.memory)
        base = np.stack([_mixed(memory, int(mu), int(n)) for n, mu in zip(mixture, cued, strict=True)])
        x = NetworkState(jnp.asarray((base > 0) ^ np.asarray(wrong), jnp.int8))
        labels = {
            "cue": Label(cued, "1", "memory that the replica was given a part of"),
            "cue_overlap": Label(quality, "1", "overlap of the start with its cue"),
            "mixture": Label(mixture, "1", "memories mixed in the cue"),
            "load": Label(stored / self.memory.shape[1], "1", "load α, memories per unit"),
        }
        if chosen[0].examples is not None:
            seen = np.array([c.examples for c in chosen])
            labels["examples"] = Label(seen, "1", "examples M of each memory")
        if chosen[0].temperature is not None:
            temperature = np.array([c.temperature for c in chosen])
            labels["temperature"] = Label(temperature, "kT_ref", "temperature T")
        return Recall(self._weighted(system, chosen, stored), self._driven(system, base, chosen), x, labels)

    def _driven(self, system, base, chosen: list[Combination]) -> Drive:
        """The field of every replica, which a temperature divides as it does the couplings."""
        if self.field is None:
            return replicated(Drive(), len(chosen))
        T = np.array([1.0 if c.temperature is None else c.temperature for c in chosen])
        force = 2 / (1 - system.low) * np.where(base > 0, 1.0, -1.0) / T[:, None]  # σ = 2 s − 1 for threshold units
        return Drive(force=NetworkState(jnp.asarray(force, float)), strength=replicated(self.field, len(chosen)))

    def _weighted(self, system, chosen: list[Combination], stored):
        """A replica of the system for each combination: with fewer memories and examples, and couplings over T."""
        systems = replicated(system, len(chosen))
        if chosen[0].load is not None or chosen[0].examples is not None:
            seen = jnp.array([ALL if c.examples is None else c.examples for c in chosen])
            systems = jax.vmap(system.keeping)(jnp.asarray(stored), seen)
        if chosen[0].temperature is None:
            return systems
        T = np.array([c.temperature for c in chosen])
        over = lambda leaf: leaf / T.reshape(-1, *[1] * (leaf.ndim - 1)).astype(leaf.dtype)  # noqa: E731
        return with_couplings(systems, jax.tree.map(over, couplings(systems)))

    def overlap(self, system, state) -> Float[Array, " memory"]:
        """Mattis overlaps m_μ."""
        spin = 2.0 * state.x.active - 1.0
        return self.memory.astype(spin.dtype) @ spin / len(spin)

    def evaluate(self, system, dynamics) -> dict[str, float]:
        """Fraction of the memories that are fixed points without noise, and what dreaming makes of it in theory."""
        del dynamics
        return {"stable_fraction": float(stable_fraction(system, self.memory)), **dreamt(system, self.memory)}

    def references(self, system, dynamics: Any) -> list[Summary]:
        """The overlap in theory over what is swept, or lines of the phase diagram over loads and temperatures."""
        return THEORIES[self.theory](system, dynamics, self.combinations) if self.field is None else []

    def annotations(self, system) -> dict[str, float]:
        """Temperatures at which mixtures become stable."""
        del system
        return stability_temperatures(self.combinations)

    def groups(self, system) -> dict[str, list[Summary]]:
        """The memories."""
        pattern = np.asarray(self.memory)
        return {"memories": [Summary("pattern", ("memory", "unit"), pattern, "1", "value of a unit in each memory")]}


def _mixed(memories: Int[np.ndarray, "memory unit"], first: int, count: int) -> Int[np.ndarray, " unit"]:
    """A memory, or the sign of the sum of as many from it on."""
    return np.sign(memories[np.arange(first, first + count) % len(memories)].sum(0))


@eqx.filter_jit
def stable_fraction(system: Any, memory: Int[Array, "memory unit"]) -> Float[Array, ""]:
    """Fraction of states in which no unit would change at kT = 0.

    >>> from matterlearn.systems.pattern_network import Config as Network
    >>> network = Network(kind="pattern_network", units=20, memories=1).build(None)
    >>> stable_fraction(network, network.memory.T).item()
    1.0
    """
    kernel = system.kernel()

    def stable(pattern):
        active = (pattern > 0).astype(jnp.int8)
        return jnp.all(kernel.gaps(kernel.summary(active), active, slice(None)) * pattern >= 0)

    return jnp.mean(jax.vmap(stable)(memory).astype(float))


WHY = {
    "loads": "does not store memories one by one: pattern_network with storage hebb does, and dense_memory",
    "examples": "does not store examples one by one: pattern_network with storage hebb and unsupervised examples does",
    "temperatures": "learns, or is not linear in its couplings: pattern_network is, without learning",
}


class Config(Spec):
    """Patterns of a network in a scenario."""

    kind: Literal["stored_patterns"]
    provides: ClassVar[tuple[str, ...]] = ("stable_fraction", "dreaming_time")
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
    examples: list[Annotated[int, Field(ge=1)]] | None = Field(
        default=None, min_length=1, description="examples that replicas saw of each memory; null is all that there are"
    )
    temperatures: list[Annotated[float, Field(gt=0)]] | None = Field(
        default=None, min_length=1, description="temperatures of the replicas; null is that of the dynamics"
    )
    field: NonNegativeSchedule = Field(
        default=0.0, description="field h along the cue during recall, kT_ref: a number, a ramp or a cycle"
    )
    theory: Literal["equilibrium", "first_step"] = Field(
        default="equilibrium",
        description="what is drawn beside the overlap: that of the stationary state, or after one parallel step",
    )

    @property
    def memories(self) -> int:
        """Whether there are any: the number is the system's where none is given."""
        return 1 if self.count is None else self.count

    @property
    def combinations(self) -> list[Combination]:
        """All that replicas go through."""
        every = self.cue_overlaps, self.mixtures, self.loads or [None], self.examples or [None], \
            self.temperatures or [None]
        return [Combination(*c) for c in itertools.product(*every)]

    def check(self, scenario):
        """The system is a network with memories, and what is swept can be."""
        system = scenario.system
        if matter(system) != "network":
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
        for word in ("loads", "examples", "temperatures"):
            able = word in getattr(system, "sweeps", ()) and not scenario.learning
            if getattr(self, word) and not able:
                yield Problem((word,), f"cannot be swept here, since {system.kind!r} {WHY[word]}")
        most = getattr(getattr(system, "examples", None), "count", 1)
        if self.examples and max(self.examples) > most:
            yield Problem(("examples",), f"are at most the {most} of system.examples.count, not {max(self.examples)}")
        if self.theory == "first_step" and not self._takes_one_step(scenario):
            yield Problem(("theory",), "first_step needs one step of parallel dynamics at kT 0 from undamaged memories "
                                       "of the system's own")  # fmt: skip
        if self.temperatures and scenario.dynamics.kT != 1.0:
            yield Problem(("temperatures",), "divide the couplings; set dynamics.kT to 1, which is their unit")
        if len(self.combinations) > scenario.run.replicas:
            yield Problem((), f"{len(self.combinations)} combinations need as many replicas; run.replicas is "
                              f"{scenario.run.replicas}")  # fmt: skip

    def _takes_one_step(self, scenario) -> bool:
        """Whether a run is what theory of the first step is about."""
        moved = scenario.dynamics.kind == "parallel" and scenario.dynamics.kT == 0 and scenario.run.steps == 1
        untouched = self.cue_overlaps == [1.0] and self.mixtures == [1] and not self.temperatures
        return moved and untouched and bool(getattr(scenario.system, "sweeps", ())) and not scenario.learning

    def build(self, system) -> StoredPatterns:
        """The task."""
        if self.count is None:
            memory = system.memory.T
        else:
            rng = np.random.default_rng(self.pattern_seed)
            memory = rng.integers(0, 2, (self.count, len(system.threshold)), np.int8) * 2 - 1
        field = None if self.field == 0 else schedule(self.field)
        combinations = tuple(Combination(*c) for c in self.combinations)
        return StoredPatterns(jnp.asarray(memory), combinations, field, self.theory)
