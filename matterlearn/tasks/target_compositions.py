"""Target compositions of a mixture, to be stored in its couplings and retrieved from impure cues.

    target μ:  φ_i = (φ/N)(1 + s ξ_i^μ),   ξ = ±1 (enriched or depleted)        cue:  φ_i ∝ (1 + ρ ξ_i) exp(σ g_i)

Learning clamps half of the replicas to the target and half to its complement, the phase that the target leaves
behind: then linkers that grow in proportion to contacts store the targets and no preference for single components.
Recall starts at every target, purity ρ and temperature in turn, with normal scatter g, and lets the composition relax
at fixed filling. The overlap with a target is Σ ξ_i φ_i/φ.

Beside what is measured stand, for balanced orthogonal targets in Hebbian couplings, the overlap and the temperature
window of target states, and the chance that the cued overlap is the largest at the start
(``matterlearn.theory.hebbian_mixture``).

Source: [brazteixeira2024liquid] for the question. Limits: one compartment at fixed filling; noise-free theory.

Example:
    >>> Config(kind="target_compositions", targets={"hadamard": [1, 2, 4]}).memories
    3
"""

from typing import Annotated, Any, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from pydantic import Field

from matterlearn.core.drive import Drive
from matterlearn.core.fractions import FluidMixture, MixtureState
from matterlearn.core.observable import Summary
from matterlearn.core.rule import Batch
from matterlearn.core.symmetric import unpack
from matterlearn.core.task import AbstractTask, Label, Recall, replicated
from matterlearn.spec import Problem, Spec
from matterlearn.theory import hebbian_mixture
from matterlearn.theory.liquid_hopfield import hadamard_targets, random_targets

HEBBIAN = 0.01  # share of the couplings that may be something else for the theory to apply
CURVE = 120  # temperatures of the theory's curve


class TargetCompositions(AbstractTask):
    """Targets of ±1; temperatures and purities of the cues."""

    targets: Float[Array, "memory component"]
    shown: float = eqx.field(static=True)
    noise: float = eqx.field(static=True)
    purities: tuple[float, ...] = eqx.field(static=True)
    temperatures: tuple[float, ...] = eqx.field(static=True)

    @property
    def memory_count(self) -> int:
        """Targets."""
        return len(self.targets)

    def present(self, key, system, memory, replicas, duration) -> Batch:
        """The target in even replicas, its complement in odd ones, clamped."""
        del key, system
        sign = 1 - 2 * (jnp.arange(replicas) % 2)[:, None, None]
        x = _state(1 + self.shown * sign * self.targets[memory])
        held = jax.tree.map(lambda leaf: jnp.ones(leaf.shape, bool), x)
        drive = Drive(target=x, clamped=held, strength=replicated(Drive().strength, replicas))
        return Batch(drive, x, jnp.asarray(duration))

    def recall(self, key, system, replicas) -> Recall:
        """Targets fastest, then purities, then temperatures, over and over."""
        shape = len(self.temperatures), len(self.purities), len(self.targets)
        hot, pure, cue = np.unravel_index(np.arange(replicas) % np.prod(shape), shape)
        temperature, purity = np.asarray(self.temperatures)[hot], np.asarray(self.purities)[pure]
        keys = jax.vmap(lambda r: jax.random.fold_in(key, r))(jnp.arange(replicas))
        scatter = jax.vmap(lambda k: jnp.exp(self.noise * jax.random.normal(k, self.targets.shape[1:])))(keys)
        x = _state(((1 + jnp.asarray(purity)[:, None] * self.targets[cue]) * scatter)[:, None])
        systems = replicated(system, replicas)
        systems = eqx.tree_at(lambda s: s.temperature, systems, jnp.asarray(temperature, float))
        labels = {
            "cue": Label(cue, "1", "target that the replica started near"),
            "temperature": Label(temperature, "kT_ref", "temperature"),
            "cue_purity": Label(purity, "1", "polarisation of the cue"),
        }
        return Recall(systems, replicated(Drive(), replicas), x, labels)

    def overlap(self, system: FluidMixture, state) -> Float[Array, " memory"]:
        """Σ ξ_i φ_i / Σ φ_i."""
        phi = system.fractions(state.x)[0]
        return self.targets @ phi / jnp.sum(phi)

    def _hebbian(self, system: FluidMixture) -> hebbian_mixture.Parts | None:
        """Parts of the couplings where theory applies: balanced orthogonal targets, Hebbian couplings."""
        targets = np.asarray(self.targets)
        parts = hebbian_mixture.hebbian_parts(np.asarray(unpack(system.coupling), float), targets)
        orthogonal = np.array_equal(targets @ targets.T, targets.shape[1] * np.eye(len(targets)))
        return parts if parts.residual < HEBBIAN and orthogonal and not np.any(targets.sum(1)) else None

    def _strengths(self, system: FluidMixture) -> tuple[float, hebbian_mixture.Terms] | None:
        """G and the repulsions at the system's filling, where theory applies."""
        parts, filled = self._hebbian(system), float(system.filling)
        if parts is None:
            return None
        crowding = float(system.repulsion) * filled ** (system.order - 1)
        pairs = parts.repulsion * filled / self.targets.shape[1]
        return parts.attraction * filled, ((crowding, system.order - 1), (pairs, 1))

    def references(self, system: FluidMixture, dynamics: Any) -> list[Summary]:
        """Overlap of target states at the temperatures that are tried and along a curve; chance of being right."""
        del dynamics
        known = self._strengths(system)
        if known is None:
            return []
        grid = np.linspace(min(self.temperatures) / 2, 1.1 * max(self.temperatures), CURVE)
        asked, curve = (
            np.array([hebbian_mixture.polarisation(*known, float(kT)) for kT in temperatures])
            for temperatures in (sorted(self.temperatures), grid)
        )
        components, count = self.targets.shape[1], len(self.targets)
        spreads = [self.noise * np.sqrt((1 + p**2) / components) for p in sorted(self.purities)]
        pairs = zip(sorted(self.purities), spreads, strict=True)
        chance = [hebbian_mixture.winner_chance(p, s, count) if s > 0 else float(p > 0) for p, s in pairs]
        return [
            Summary("overlap_theory", ("degree",), asked, "1", "overlap of target states by temperature"),
            Summary("curve_temperature_theory", ("curve",), grid, "kT_ref", "temperature"),
            Summary("curve_overlap_theory", ("curve",), curve, "1", "overlap of target states"),
            Summary("curve_participation_theory", ("curve",), components * hebbian_mixture.participation(curve), "1",
                    "effective number of components of target states"),
            Summary("correct_theory", ("purity",), np.array(chance), "1", "chance that the cued overlap is largest"),
        ]  # fmt: skip

    def annotations(self, system: FluidMixture) -> dict[str, float]:
        """Temperatures between which target states are minima."""
        known = self._strengths(system)
        window = known and hebbian_mixture.temperature_window(np.asarray(self.targets), *known)
        return {"window_low": window[0], "window_high": window[1]} if window else {}

    def groups(self, system: FluidMixture) -> dict[str, list[Summary]]:
        """The targets, and Hebb's couplings of the strength that was learned."""
        targets = np.asarray(self.targets)
        found = [Summary("target", ("memory", "component"), targets, "1", "1 enriched, −1 depleted")]
        parts = self._hebbian(system)
        if parts is None:
            return {"memories": found}
        ideal = parts.uniform - parts.attraction * targets.T @ targets
        words, dims = "Hebb's couplings, self-attraction included", ("component", "component_other")
        return {"memories": found, "couplings": [Summary("ideal", dims, ideal, "kT_ref", words)]}


def _state(weight: Float[Array, "*batch 1 component"]) -> MixtureState:
    """Compositions in proportion to weights."""
    return MixtureState(jnp.sqrt(weight / jnp.sum(weight, -1, keepdims=True)))


class Hadamard(Spec):
    """Rows of Sylvester's Hadamard matrix: orthogonal, and balanced but for row 0; row i times row j is row i XOR j."""

    hadamard: list[Annotated[int, Field(ge=1)]] = Field(min_length=1)

    @property
    def count(self) -> int:
        return len(self.hadamard)

    def complaints(self, components: int):
        """Why so many components cannot have these targets."""
        if components & (components - 1):
            yield f"Hadamard targets need a power of two of components, not {components}"
        elif max(self.hadamard) >= components or len(set(self.hadamard)) < len(self.hadamard):
            yield f"names a row twice, or one beyond {components - 1}, the last of {components} components"

    def draw(self, components: int) -> Float[np.ndarray, "memory component"]:
        """The targets."""
        return hadamard_targets(components, self.hadamard)


class Random(Spec):
    """Independent balanced targets, half of the components enriched."""

    count: int = Field(ge=1)
    seed: int = Field(default=0, ge=0)

    def complaints(self, components: int):
        """Why so many components cannot have these targets."""
        if components % 2:
            yield f"balanced targets need an even number of components, not {components}"

    def draw(self, components: int) -> Float[np.ndarray, "memory component"]:
        """The targets."""
        return random_targets(np.random.default_rng(self.seed), components, self.count)


class Cue(Spec):
    """Where recall starts."""

    purity: list[Annotated[float, Field(ge=0, lt=1)]] = Field(default=[0.5], min_length=1)
    noise: float = Field(default=0.1, ge=0, description="relative scatter σ of the fractions")


class Config(Spec):
    """Target compositions in a scenario."""

    kind: Literal["target_compositions"]
    provides: ClassVar[tuple[str, ...]] = ("overlap_theory", "correct_theory")
    targets: Hadamard | Random | list[list[Literal[-1, 1]]] = Field(
        description="rows of a Hadamard matrix, random balanced ones, or 1 (enriched) and −1 (depleted) by component",
        examples=[{"hadamard": [1, 2]}],
    )  # fmt: skip
    shown: float = Field(default=0.9, gt=0, lt=1, description="polarisation s of the targets that are learned")
    cue: Cue = Cue()
    temperatures: list[Annotated[float, Field(gt=0)]] | None = Field(
        default=None, min_length=1, description="temperatures of the recall, kT_ref; null: the system's"
    )

    @property
    def memories(self) -> int:
        """Number of targets."""
        return len(self.targets) if isinstance(self.targets, list) else self.targets.count

    def check(self, scenario):
        """The targets suit the components, and every cue gets a replica."""
        system = scenario.system
        if not hasattr(system, "components"):
            yield Problem(("kind",), f"targets are compositions, but {system.kind!r} has no volume fractions")
            return
        if system.totals is not None:
            yield Problem(("kind",), "targets are retrieved at fixed filling; leave the system's totals out")
        n = system.components
        if isinstance(self.targets, list):
            if any(len(row) != n or len(set(row)) < 2 for row in self.targets):
                yield Problem(("targets",), f"a target has {n} numbers, one per component, and both 1 and −1")
        else:
            yield from (Problem(("targets",), words) for words in self.targets.complaints(n))
        if scenario.learning is not None and scenario.learning.replicas % 2:
            yield Problem(
                ("learning", "replicas"), "half of the replicas show targets, half complements: use an even number"
            )
        cues = self.memories * len(self.cue.purity) * len(self.temperatures or [0])
        if scenario.run.replicas < cues:
            yield Problem(("cue",), f"{cues} cues (targets x purities x temperatures) need as many replicas")

    def build(self, system) -> TargetCompositions:
        """The task."""
        given = self.targets
        targets = np.asarray(given, float) if isinstance(given, list) else given.draw(system.components)
        temperatures = self.temperatures or [float(system.temperature)]
        return TargetCompositions(
            jnp.asarray(targets, float), self.shown, self.cue.noise, tuple(self.cue.purity), tuple(temperatures)
        )
