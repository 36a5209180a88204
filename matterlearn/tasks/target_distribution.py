"""A distribution over patterns on the visible sites of a lattice, to be learned and then inferred from parts of it.

    Q(v) = Σ_k w_k δ(v, pattern k)

Learning clamps the visible sites to patterns drawn from Q; all other sites are hidden, and species that no pattern
shows are hidden species. Q is a list of patterns with weights, or what a teacher shows: the same matter with known
couplings, so that the model can be exact and its couplings have right answers. Recall clamps the sites in ``given``
and lets the matter infer the rest, so any subset of variables can be asked for given any other. Where the lattice is
small enough the relative entropy KL(Q ‖ P) to the model and all conditional probabilities are exact, by enumeration
(``matterlearn.theory.enumeration``).

Source: [ackley1985], [chalk2024learning]. Limits: enumeration up to 2^20 states.

Example:
    >>> config = Config(kind="target_distribution", patterns=[[1, 1], [2, 2]], visible=[[0, 0], [0, 1]])
    >>> config.weight_list
    [0.5, 0.5]
"""

from typing import Any, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int
from pydantic import Field

from matterlearn.core.drive import Drive
from matterlearn.core.lattice_kernel import LatticeMixture, LatticeState, species_dtype
from matterlearn.core.mixture import check_species
from matterlearn.core.observable import Summary
from matterlearn.core.rule import Batch
from matterlearn.core.symmetric import pack
from matterlearn.core.task import AbstractTask, Label, Recall, replicated
from matterlearn.spec import Problem, Spec
from matterlearn.tasks._oracle import MOST_STATES, Oracle, equilibrium, fit, oracle


class TargetDistribution(AbstractTask):
    """Patterns with weights on visible sites; ``patterns`` are whole lattices, 0 where nothing is visible."""

    patterns: Int[Array, "pattern ..."]
    weights: Float[Array, " pattern"]
    visible: Bool[Array, "..."]
    given: tuple[tuple[tuple[int, ...], int], ...] = eqx.field(static=True)
    oracle: Oracle | None = eqx.field(static=True)

    @property
    def memory_count(self) -> int:
        """One: all patterns are shown together."""
        return 1

    def present(self, key, system: LatticeMixture, memory, replicas, duration) -> Batch:
        """Patterns in proportion to their weights (systematic sampling), clamped on the visible sites."""
        del memory
        draw, fill = jax.random.split(key)
        place = (jnp.arange(replicas) + jax.random.uniform(draw)) / replicas
        shown = self.patterns[jnp.searchsorted(jnp.cumsum(self.weights), place * jnp.sum(self.weights))]
        target = LatticeState(shown)
        held = LatticeState(jnp.broadcast_to(self.visible, shown.shape))
        x = jax.vmap(system.complete)(jax.random.split(fill, replicas), target, held)
        drive = Drive(target=target, clamped=held, strength=replicated(Drive().strength, replicas))
        return Batch(drive, x, jnp.asarray(duration))

    def recall(self, key, system: LatticeMixture, replicas) -> Recall:
        """Disordered starts with the given sites clamped."""
        held, target = np.zeros(self.visible.shape, bool), np.zeros(self.visible.shape, int)
        for site, species in self.given:
            held[site], target[site] = True, species
        keys = jax.vmap(lambda r: jax.random.fold_in(key, r))(jnp.arange(replicas))
        held, target = LatticeState(jnp.asarray(held)), LatticeState(jnp.asarray(target, self.patterns.dtype))
        x = jax.vmap(lambda k: system.complete(k, target, held))(keys)
        drive = replicated(Drive(target=target, clamped=held if self.given else None), replicas)
        return Recall(replicated(system, replicas), drive, x, {"cue": Label(np.full(replicas, -1), "1", "no cue")})

    def overlap(self, system, state) -> Float[Array, " memory"]:
        """Fraction of the visible sites that agree with each pattern."""
        del system
        same = (self.patterns == state.x.species) & self.visible
        return jnp.sum(same, range(1, same.ndim)) / self.visible.sum()

    def evaluate(self, system, dynamics: Any) -> dict[str, float]:
        """KL(Q ‖ P) in nats, where the lattice can be enumerated."""
        return {} if self.oracle is None else {"kl": self.oracle.kl(system, _final(dynamics.kT))}

    def references(self, system: LatticeMixture, dynamics: Any) -> list[Summary]:
        """What the trained model and the target itself say of patterns and sites, given the clamped ones."""
        given = dict(self.given)
        shown = {site: species for site, species in given.items() if self.visible[site]}
        weights = np.asarray(self.weights) * fit(self.patterns, shown)
        with np.errstate(invalid="ignore"):  # the target may exclude what is given
            weights = weights / weights.sum()
        words = "probability of a pattern on the visible sites, given the clamped ones"
        found = [Summary("pattern_frequency_target", ("memory",), weights, "1", f"{words}: target")]
        if self.oracle is None:
            return found
        kT, species = _final(dynamics.kT), len(system.site_energies())
        patterns = self.oracle.model_patterns(system, kT, given)
        found.append(Summary("pattern_frequency_theory", ("memory",), patterns, "1", f"{words}: trained model, exact"))
        words, dims = "probability of a species on a site, given the clamped ones", ("site", "component")
        model = self.oracle.model_marginals(system, kT, given, species)
        target = self.oracle.target_marginals(given, species)
        return [
            *found,
            Summary("marginal_theory", dims, model, "1", f"{words}: exact for the trained model"),
            Summary("marginal_target", dims, target, "1", f"{words}: target"),
        ]


def _final(kT) -> float:
    """Where a temperature schedule ends."""
    return float(kT(jnp.asarray(1e12)))


class Given(Spec):
    """A species clamped on a site during recall."""

    site: list[int]
    species: int = Field(ge=0)


class Discs(Spec):
    """Concentric discs (spheres) around the middle of the lattice, solvent outside.

    Soft discs are drawn with normal errors on the distance of every site, all with the same numbers of species.
    """

    radii: list[float] = Field(description="increasing radii, lattice constants")
    species: list[int] = Field(description="species between each radius and the one before")
    softness: float = Field(default=0.0, ge=0, description="width of the edges, lattice constants")
    count: int = Field(default=1, ge=1, le=10_000, description="patterns to draw; 1 is enough for hard edges")

    def draw(self, shape) -> Int[np.ndarray, "pattern ..."]:
        """Species on the whole lattice, the same patterns every time."""
        centre = np.array([(n - 1) / 2 for n in shape]).reshape(-1, *[1] * len(shape))
        distance = np.sqrt(((np.indices(shape) - centre) ** 2).sum(0)).ravel()
        inside = [int((distance < radius).sum()) for radius in self.radii]
        noise = np.random.default_rng(0).normal(0.0, self.softness, (self.count, len(distance)))
        nearest = np.argsort(distance + noise, axis=1, kind="stable")
        patterns = np.zeros((self.count, len(distance)), int)
        for begin, end, species in zip([0, *inside], inside, self.species, strict=False):
            np.put_along_axis(patterns, nearest[:, begin:end], species, 1)
        return patterns.reshape(self.count, *shape)


class Teacher(Spec):
    """What the same matter shows in equilibrium at kT = 1 if its couplings are these."""

    couplings: list[list[float]] = Field(description="J_ab of the moving species, symmetric, kT_ref")
    chemical_potential: list[float] = Field(description="μ of each moving species, kT_ref")

    def problems(self, system):
        """Why a lattice of this configuration cannot have this teacher."""
        rows, n = self.couplings, system.species
        if not hasattr(system, "couplings"):
            yield Problem(("patterns",), f"a teacher has couplings J and μ, which {system.kind!r} does not have")
        elif (n + 1) ** np.prod([float(side) for side in system.shape]) > MOST_STATES:
            yield Problem(("patterns",), "the lattice has too many states to say what a teacher shows; make it smaller")
        elif [len(row) for row in rows] != [n] * n or len(self.chemical_potential) != n:
            yield Problem(("patterns",), f"needs {n} rows of {n} couplings and {n} chemical potentials")
        elif any(rows[a][b] != rows[b][a] for a in range(n) for b in range(a)):
            yield Problem(("patterns", "couplings"), "is not symmetric")

    def teach(self, system):
        """The system with the teacher's couplings."""
        theirs = pack(jnp.asarray(self.couplings, float)), jnp.asarray(self.chemical_potential, float)
        return eqx.tree_at(lambda s: (s.coupling, s.chemical_potential), system, theirs)


class Config(Spec):
    """Target distribution in a scenario."""

    kind: Literal["target_distribution"]
    provides: ClassVar[tuple[str, ...]] = ("kl", "marginal")
    patterns: list[list[int]] | Discs | Teacher = Field(
        description="species on the visible sites, one list per pattern; or concentric discs; or the couplings of a "
        "teacher", examples=[[[1], [2]]],
    )  # fmt: skip
    weights: list[float] | None = Field(default=None, description="weight of each pattern; null is equal weights")
    visible: list[list[int]] | None = Field(
        default=None, description="visible sites, in the order of the patterns; null is all sites, last index fastest",
        examples=[[[0, 0]]],
    )  # fmt: skip
    given: list[Given] = Field(default=[], description="sites clamped during recall, to infer the others from")

    @property
    def weight_list(self) -> list[float]:
        """Weights, normalised."""
        count = len(self.patterns) if isinstance(self.patterns, list) else getattr(self.patterns, "count", 1)
        weights = self.weights or [1.0] * count
        return [w / sum(weights) for w in weights]

    def rows(self, shape) -> list[list[int]]:
        """Species on the visible sites, one list per pattern; a teacher's are found when the task is built."""
        if isinstance(self.patterns, Teacher):
            return []
        if isinstance(self.patterns, list):
            return self.patterns
        sites = self.visible or list(np.ndindex(*shape))
        return [[int(pattern[tuple(site)]) for site in sites] for pattern in self.patterns.draw(tuple(shape))]

    def check(self, scenario):
        """Patterns fit the lattice, its species and, if nothing changes species, its composition."""
        system = scenario.system
        wrong = list(check_species(scenario))
        if wrong:
            yield from wrong
            return
        yield from self._check_sites(system)
        if isinstance(self.patterns, list) and len(set(map(tuple, self.patterns))) < len(self.patterns):
            yield Problem(("patterns",), "lists a pattern twice; give it more weight instead")
        weights = self.weights or [1.0]
        if min(weights) < 0 or sum(weights) <= 0:
            yield Problem(("weights",), "weights are not negative, and at least one is positive")
        if isinstance(self.patterns, Discs):
            radii = self.patterns.radii
            if len(radii) != len(self.patterns.species) or sorted(radii) != radii:
                yield Problem(("patterns",), "needs one species per radius, and radii that increase")
        elif isinstance(self.patterns, Teacher):
            yield from self.patterns.problems(system)
            if self.weights is not None:
                yield Problem(("weights",), "a teacher's patterns have weights of their own; leave these out")
        elif self.weights is not None and len(self.weights) != len(self.patterns):
            yield Problem(("weights",), f"{len(self.weights)} weights for {len(self.patterns)} patterns")
        yield from self._check_values(scenario)

    def _check_sites(self, system):
        for name, sites in (("visible", self.visible or []), ("given", [g.site for g in self.given])):
            for site in sites:
                inside = len(site) == len(system.shape)
                if not inside or any(not 0 <= i < n for i, n in zip(site, system.shape, strict=True)):
                    yield Problem((name,), f"site {site} does not lie on a lattice of sides {system.shape}")
                    return
            if len({tuple(site) for site in sites}) < len(sites):
                yield Problem((name,), "names a site twice")

    def _check_values(self, scenario):
        system = scenario.system
        sites = len(self.visible) if self.visible else int(np.prod(system.shape))
        rows = self.rows(system.shape)
        for row in rows:
            if len(row) != sites:
                yield Problem(("patterns",), f"a pattern of {len(row)} species for {sites} visible sites")
                return
        named = [s for row in rows for s in row] + [g.species for g in self.given]
        if named and not 0 <= min(named) <= max(named) <= system.species:
            wrong = min(named) if min(named) < 0 else max(named)
            yield Problem(("patterns",), f"species {wrong} is not among 0 (solvent) … {system.species}")
            return
        if system.composition is not None:
            yield from self._check_composition(system, rows)
        elif getattr(scenario.dynamics, "conserving", False) and scenario.learning is not None:
            yield Problem(
                ("dynamics", "kind"),
                f"{scenario.dynamics.kind} conserves the numbers of each species, so the free matter could never show "
                "the patterns; give system.composition theirs, or add moves that change species",
            )

    def _check_composition(self, system, rows):
        """Clamped species never outnumber the composition."""
        for name, row in [("patterns", row) for row in rows] + [("given", [g.species for g in self.given])]:
            for species, available in enumerate(system.composition):
                if row.count(species) > available:
                    yield Problem(
                        (name,),
                        f"clamps {row.count(species)} sites to species {species}, but the composition has {available}; "
                        "moves that conserve it could never show this",
                    )
                    return

    def build(self, system) -> TargetDistribution:
        """The task."""
        shape = system.lattice.shape
        visible = np.zeros(shape, bool)
        sites = [tuple(site) for site in self.visible] if self.visible else list(np.ndindex(*shape))
        for site in sites:
            visible[site] = True
        if isinstance(self.patterns, Teacher):
            patterns, weights = equilibrium(self.patterns.teach(system), visible)
        else:
            patterns, weights = np.zeros((len(self.weight_list), *shape), int), self.weight_list
            for k, row in enumerate(self.rows(shape)):
                for site, species in zip(sites, row, strict=True):
                    patterns[(k, *site)] = species
        given = tuple((tuple(g.site), g.species) for g in self.given)
        exact = oracle(system, visible, patterns, weights)
        shown = jnp.asarray(patterns, species_dtype(len(system.site_energies())))
        return TargetDistribution(shown, jnp.asarray(weights), jnp.asarray(visible), given, exact)
