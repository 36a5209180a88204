"""Maps of place cells: clumps of activity to keep, and uniform activity to form them from.

A replica starts as a clump, the fN cells whose places lie closest to a random point of its cued map, or uniform, fN
cells drawn at random (cue −1). Its overlap with map μ says how localised the active cells are there,

    m_μ = |(1/fN) Σ_i s_i e^{2πiθ_i^μ}|        (root mean square over the axes of a square map),

1 for all at one point, about (fN)^{−1/2} for a disordered state. Replicas go through all combinations of starts,
``loads`` and ``temperatures``, so that a phase diagram is one run; a combination that comes again cues the next map.

``loads`` M'/N stores the first M' maps only (a load too small for a map stores one), ``temperatures`` divides all
couplings by T while the dynamics stays at kT = 1, which is then the unit of energies.

Theory beside the measurement: the temperatures at which the uniform state becomes unstable, clump and uniform state
coexist, and clumps cease to exist, for one map of many cells. Source: [monasson2013crosstalk].

Example:
    >>> Config(kind="stored_maps", temperatures=[0.004, 0.006], starts=["clump", "uniform"]).combinations[1]
    Combination(start='clump', load=None, temperature=0.006)
"""

import itertools
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

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
from matterlearn.core.task import AbstractTask, Label, Recall, replicated
from matterlearn.spec import Problem, Spec
from matterlearn.theory import place_cells

LINES = {
    "uniform_unstable": (place_cells.uniform_instability, "T_PM: below, the uniform state is unstable"),
    "coexistence": (place_cells.coexistence_temperature, "T_c: below, the clump is the stable state"),
    "clump_limit": (lambda f, w: place_cells.clump_limit(f, w).T, "T_CL: below, clumps exist"),
}


class Combination(NamedTuple):
    """What a replica starts from, and which couplings it has."""

    start: str
    load: float | None
    temperature: float | None


class StoredMaps(AbstractTask):
    """The maps of a system, and what recall goes through."""

    maps: int = eqx.field(static=True)
    combinations: tuple[Combination, ...] = eqx.field(static=True)

    @property
    def memory_count(self) -> int:
        return self.maps

    def present(self, key, system: Any, memory, replicas, duration) -> Batch:
        """Clumps at random points of the map, every unit clamped."""
        x = NetworkState(clumps(key, system, jnp.full(replicas, memory)))
        held = jnp.ones(x.active.shape, bool)
        drive = Drive(target=x, clamped=NetworkState(held), strength=replicated(Drive().strength, replicas))
        return Batch(drive, x, jnp.asarray(duration, float))

    def recall(self, key, system: Any, replicas) -> Recall:
        """Replica r takes combination r mod n of n, and as its cue the map number r div n."""
        chosen = [self.combinations[r % len(self.combinations)] for r in range(replicas)]
        units = system.place.shape[1]
        stored = np.array([self.maps if c.load is None else max(1, round(c.load * units)) for c in chosen])
        cued = np.arange(replicas) // len(self.combinations) % stored
        localised = np.array([c.start == "clump" for c in chosen])
        scattered = jax.vmap(lambda k: system.init_state(k).active)(jax.random.split(key, replicas))
        x = NetworkState(jnp.where(localised[:, None], clumps(key, system, jnp.asarray(cued)), scattered))
        labels = {"cue": Label(np.where(localised, cued, -1), "1", "map that the replica started localised in")}
        if chosen[0].load is not None:
            labels["load"] = Label(stored / units, "1", "load α, maps per cell")
        temperature = np.array([1.0 if c.temperature is None else c.temperature for c in chosen])
        if chosen[0].temperature is not None:
            labels["temperature"] = Label(temperature, "kT_ref", "temperature T")
        systems = replicated(system, replicas)
        strength = jnp.where(jnp.arange(self.maps) < stored[:, None], systems.coupling, 0.0)
        systems = eqx.tree_at(lambda s: s.coupling, systems, strength)
        over = lambda leaf: leaf / temperature[:, None].astype(leaf.dtype)  # noqa: E731
        systems = with_couplings(systems, jax.tree.map(over, couplings(systems)))
        return Recall(systems, replicated(Drive(), replicas), x, labels)

    def overlap(self, system: Any, state) -> Float[Array, " memory"]:
        """m_μ."""
        return jnp.sqrt(jnp.mean(jnp.abs(system.harmonic(state.x)) ** 2, -1))

    def annotations(self, system: Any) -> dict[str, float]:
        """Transition temperatures of one map on a ring, of T_PM on a square."""
        f, w = system.fraction, system.width
        if system.dimensions == 2:
            return {"line_uniform_unstable": place_cells.uniform_instability(f, w, 2)}
        return {f"line_{name}": float(temperature(f, w)) for name, (temperature, _) in LINES.items()}

    def references(self, system: Any, dynamics: Any) -> list[Summary]:
        """Overlaps of clumps with one map; where loads are swept too, transitions at no load, so at the border."""
        del dynamics
        loads = sorted({c.load for c in self.combinations if c.load is not None})
        temperatures = sorted({c.temperature for c in self.combinations if c.temperature is not None})
        if not temperatures or system.dimensions != 1:
            return []
        if self.maps == 1:
            exact = np.array([clump_overlap(system.fraction, system.width, T) for T in temperatures])
            return [Summary("overlap_theory", ("point",), exact, "1", "overlap of the clump, many cells")]
        if len(loads) < 2:
            return []
        known, border = self.annotations(system), np.array([0.0, np.mean(loads[:2])])
        lines = [
            Summary(f"line_{name}_theory", ("point",), np.full(2, known[f"line_{name}"]), "kT_ref", words)
            for name, (_, words) in LINES.items()
        ]
        return [Summary("line_load_theory", ("point",), border, "1", "load of the lines"), *lines]


def clump_overlap(f: float, w: float, T: float) -> float:
    """|∫ρ e^{2πiθ}|/f of the clump, 0 where there is none.

    >>> round(clump_overlap(0.1, 0.05, 0.004), 4), clump_overlap(0.1, 0.05, 0.01)
    (0.9637, 0.0)
    """
    if place_cells.clump_limit(f, w).T <= T:
        return 0.0
    clump = place_cells.clump(f, w, T, cells=max(place_cells.CELLS, 2 * round(0.5 / T)))
    return float(np.mean(clump.density * np.cos(2 * np.pi * clump.theta)) / f)


def clumps(key, system, cued: Int[Array, " replica"]) -> Int[Array, "replica unit"]:
    """The fN units closest to a random point of the cued map."""
    positions = system.positions()[cued]
    count = round(system.fraction * positions.shape[1])
    apart = jnp.abs(positions - jax.random.uniform(key, (len(cued), 1, positions.shape[2])))
    distance = jnp.sum(jnp.minimum(apart, 1 - apart) ** 2, -1)
    rank = jnp.argsort(jnp.argsort(distance, 1), 1)
    return (rank < count).astype(jnp.int8)


class Config(Spec):
    """Maps of place cells in a scenario."""

    kind: Literal["stored_maps"]
    memories: ClassVar[int] = 1  # whether there are any: the number is the system's
    starts: list[Literal["clump", "uniform"]] = Field(
        default=["clump"], min_length=1, description="a clump in the cued map, or as many cells drawn at random"
    )
    loads: list[Annotated[float, Field(gt=0)]] | None = Field(
        default=None, min_length=1, description="loads α of which replicas store the maps; null is all of them"
    )
    temperatures: list[Annotated[float, Field(gt=0)]] | None = Field(
        default=None, min_length=1, description="temperatures of the replicas; null is that of the dynamics"
    )

    @property
    def combinations(self) -> list[Combination]:
        """All that replicas go through."""
        every = self.starts, self.loads or [None], self.temperatures or [None]
        return [Combination(*c) for c in itertools.product(*every)]

    def check(self, scenario):
        """There are maps, enough of them, and what is swept can be."""
        system = scenario.system
        if system.kind != "place_cells":
            yield Problem(("kind",), f"stores maps of place cells, which {system.kind!r} does not have")
            return
        if self.loads is not None and max(self.loads) * system.units > system.maps + 0.5:
            most = system.maps / system.units
            yield Problem(("loads",), f"{max(self.loads):g} needs more than the {system.maps} maps; at most {most:g}")
        if self.temperatures and scenario.dynamics.kT != 1.0:
            yield Problem(("temperatures",), "divide the couplings; set dynamics.kT to 1, which is their unit")
        if (self.loads or self.temperatures) and scenario.learning:
            word = "loads" if self.loads else "temperatures"
            yield Problem((word,), "cannot be swept with couplings that are learned; leave out one of the two")
        if len(self.combinations) > scenario.run.replicas:
            yield Problem((), f"{len(self.combinations)} combinations need as many replicas; run.replicas is "
                              f"{scenario.run.replicas}")  # fmt: skip

    def build(self, system) -> StoredMaps:
        """The task."""
        return StoredMaps(len(system.place), tuple(self.combinations))
