"""A mixture that decides by condensing: inputs are concentrations, the answer is whether a condensate forms.

    input (c_1, c_2)  →  condensed if m > m_c,        m = c (f − f_0)/(1 − f_0)

m is how much condensate there is: c is the concentration of all molecules, f the fraction of the neighbours of a
molecule that are molecules, f_0 its value in a random mixture, so m = 0 if dispersed and near c in one compact drop. By
the lever rule it grows from zero at the phase boundary. The wanted answer is condensed on one side of a boundary in
composition, Σ w_a c_a > b or Π c_a^e_a > b.

Learning shows training inputs at random concentrations: the lattice clamped to one drop of all molecules, well mixed,
where the answer is condensed, and to a random mixture where it is dispersed; asleep the same molecules are free. Recall
asks a grid of compositions, which were not shown, from random mixtures. Species beyond the inputs are hidden: the same
number of them is there with every input.

The overlap with answer 1 (condensed) is 1/(1 + exp(−(m − m_c)/w)), w = m_c/3, with answer 0 the rest, so that
``accuracy`` decides at m_c. Rules that follow an order parameter get the former. Beside the measurement stand the
wanted boundary, and spinodal and binodal of the learned couplings in the quasi-chemical approximation
(``matterlearn.theory.phase_boundary``).

Source: learning of lattice condensates by wake and sleep, [chalk2024learning]; the task is a choice made here.
Limits: the dynamics has to conserve the molecules; finite lattices round the transition; the theory demixes too early.

Example:
    >>> config = Config(kind="phase_classifier", condensed={"weights": [1.0, 2.0], "threshold": 0.3})
    >>> config.condensed.score(np.array([0.1, 0.2])).round(6).item()
    0.2
"""

from typing import Annotated, Any, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int
from pydantic import Field

from matterlearn.core.bits import Bits, uniform
from matterlearn.core.drive import Drive
from matterlearn.core.lattice_kernel import LatticeMixture, LatticeState, species_dtype
from matterlearn.core.mixture import check_species
from matterlearn.core.observable import Summary
from matterlearn.core.rule import Batch
from matterlearn.core.symmetric import unpack
from matterlearn.core.task import AbstractTask, Label, Recall, replicated
from matterlearn.spec import Problem, Spec
from matterlearn.theory import phase_boundary

FIELD = 41  # points per axis of the theory's field
WIDTH = 1 / 3  # of the decision, over the threshold
ROUGHNESS = 0.3  # lattice constants by which the edge of a shown drop is rough


class PhaseClassifier(AbstractTask):
    """Numbers of molecules of every species per training and recall input, with the answers."""

    train: Int[np.ndarray, "input species"]
    train_label: Bool[np.ndarray, " input"]
    test: Int[np.ndarray, "other species"]
    test_label: Bool[np.ndarray, " other"]
    wanted: Any = eqx.field(static=True)
    span: tuple[float, float] = eqx.field(static=True)
    inputs: int = eqx.field(static=True)
    threshold: float = eqx.field(static=True)

    @property
    def memory_count(self) -> int:
        """One: inputs of both answers are shown together."""
        return 1

    def present(self, key, system: LatticeMixture, memory, replicas, duration) -> Batch:
        """A random batch of training inputs in their phases, or all of them in equal numbers; free asleep."""
        del memory
        draw, fill = jax.random.split(key)
        count = len(self.train)
        chosen = jax.random.permutation(draw, count)[:replicas] if replicas < count else jnp.arange(replicas) % count
        numbers, label = jnp.asarray(self.train)[chosen], jnp.asarray(self.train_label)[chosen]
        x = jax.vmap(lambda k, n, l: arrange(k, system, n, l))(jax.random.split(fill, replicas), numbers, label)
        held = LatticeState(jnp.ones(x.species.shape, bool))
        return Batch(
            Drive(target=x, clamped=held, strength=replicated(Drive().strength, replicas)), x, jnp.asarray(duration),
            free=replicated(Drive(), replicas), order=self.decision,
        )  # fmt: skip

    def recall(self, key, system: LatticeMixture, replicas) -> Recall:
        """The grid of inputs over and over, each from a random mixture."""
        chosen = np.arange(replicas) % len(self.test)
        keys = jax.vmap(lambda r: jax.random.fold_in(key, r))(jnp.arange(replicas))
        numbers = jnp.asarray(self.test)[chosen]
        x = jax.vmap(lambda k, n: arrange(k, system, n, jnp.zeros((), bool)))(keys, numbers)
        systems = replicated(system, replicas)
        share = self.test[chosen] / system.lattice.sites
        labels = {"cue": Label(self.test_label[chosen].astype(int), "1", "wanted answer: 1 condensed")}
        for a in range(self.inputs):
            labels[f"concentration_{a + 1}"] = Label(share[:, a], "1", f"concentration of species {a + 1}")
        return Recall(systems, replicated(Drive(), replicas), x, labels)

    def overlap(self, system, state) -> Float[Array, " memory"]:
        """Dispersed and condensed; they add up to 1."""
        condensed = self.decision(system, state.x)
        return jnp.stack([1 - condensed, condensed])

    def decision(self, system: Any, x: LatticeState) -> Float[Array, ""]:
        """Near 0 well below the threshold m_c, near 1 well above, ½ at it."""
        return jax.nn.sigmoid((condensate(system, x) / self.threshold - 1) / WIDTH)

    def references(self, system: Any, dynamics: Any) -> list[Summary]:
        """Score of the wanted boundary, and stability and depth in theory, over compositions of two inputs."""
        if self.inputs != 2:
            return []
        axis = np.linspace(*self.span, FIELD)
        field = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1)
        hidden = self.test[0, 2:] / system.lattice.sites
        whole = np.concatenate([field, np.broadcast_to(hidden, (*field.shape[:2], len(hidden)))], -1)
        bonds = np.asarray(unpack(system.coupling), float) / float(dynamics.kT(jnp.asarray(1e12)))
        theory = whole, bonds, 2 * system.lattice.bonds / system.lattice.sites
        dims = ("field_1", "field_2")
        found = [
            Summary("field_concentration_theory", ("field_1",), axis, "1", "concentration"),
            Summary("field_wanted_theory", dims, self.wanted.score(field), "1", "score of the wanted answer"),
            Summary("field_spinodal_theory", dims, phase_boundary.curvature(*theory), "1", "curvature of f"),
        ]
        if whole.shape[-1] in phase_boundary.CANDIDATES:
            found.append(Summary("field_binodal_theory", dims, phase_boundary.depth(*theory), "1", "depth of f"))
        return found

    def groups(self, system: LatticeMixture) -> dict[str, list[Summary]]:
        """Training inputs with their answers."""
        share = self.train[:, : self.inputs] / system.lattice.sites
        return {
            "memories": [
                Summary("concentration", ("example", "species"), share, "1", "concentration of a training input"),
                Summary("answer", ("example",), self.train_label.astype(int), "1", "1 condensed, 0 dispersed"),
            ]
        }


def condensate(system: LatticeMixture, x: LatticeState) -> Float[Array, ""]:
    """m: concentration, times how many more neighbours of a molecule are molecules than in a random mixture."""
    lattice = system.lattice
    there = (x.species > 0).astype(float)
    shifted = (lattice.shifted(there, axis, 0) for axis in range(there.ndim))  # pyright: ignore[reportArgumentType]
    pairs = sum(jnp.sum(there * other) for other in shifted)
    count = jnp.sum(there)
    found = pairs * lattice.sites / (lattice.bonds * jnp.maximum(count, 1))
    random = jnp.maximum(count - 1, 0) / (lattice.sites - 1)
    return count / lattice.sites * (found - random) / jnp.maximum(1 - random, 1 / lattice.sites)


def arrange(key, system: LatticeMixture, numbers: Int[Array, " species"], drop: Bool[Array, ""]) -> LatticeState:
    """Molecules in a round drop at a random place, or anywhere; species are mixed at random in both."""
    shape = system.lattice.shape
    where, edge, mix = (uniform(*Bits(k).draw(shape)) for k in jax.random.split(key, 3))
    centre = jnp.stack(jnp.unravel_index(jnp.argmin(where), shape))
    distance = 0.0
    for axis, (side, periodic) in enumerate(zip(shape, system.lattice.periodic, strict=True)):
        along = jnp.abs(jnp.arange(side) - centre[axis])
        along = jnp.minimum(along, side - along) if periodic else along
        distance = distance + (along**2).reshape([-1 if k == axis else 1 for k in range(len(shape))])
    lot = jnp.where(drop, jnp.sqrt(distance) + ROUGHNESS * (edge - 0.5), edge).ravel()
    inside = jnp.argsort(jnp.argsort(lot)) < jnp.sum(numbers)
    rank = jnp.argsort(jnp.argsort(jnp.where(inside, mix.ravel(), 2.0)))
    species = 1 + jnp.searchsorted(jnp.cumsum(numbers), rank, side="right")
    dtype = species_dtype(system.species_count)
    return LatticeState(jnp.where(inside, species, 0).reshape(shape).astype(dtype))


class Sum(Spec):
    """Condensed where Σ w_a c_a > threshold."""

    weights: list[float] = Field(min_length=1)
    threshold: float

    def score(self, c: Float[np.ndarray, "*point species"]) -> Float[np.ndarray, "*point"]:
        """Positive where condensed is wanted."""
        return c @ np.array(self.weights) - self.threshold


class Product(Spec):
    """Condensed where Π c_a^e_a > threshold; exponents ½, ½ ask for both species."""

    exponents: list[float] = Field(min_length=1)
    threshold: float = Field(gt=0)

    @property
    def weights(self) -> list[float]:
        return self.exponents

    def score(self, c: Float[np.ndarray, "*point species"]) -> Float[np.ndarray, "*point"]:
        """Positive where condensed is wanted."""
        return np.exp(np.log(c) @ np.array(self.exponents)) - self.threshold


Fraction = Annotated[float, Field(gt=0, lt=1)]


class Config(Spec):
    """Classification by condensation in a scenario."""

    kind: Literal["phase_classifier"]
    condensed: Sum | Product = Field(
        description="where a condensate is wanted", examples=[{"weights": [1.0, 1.0], "threshold": 0.3}]
    )
    low: Fraction = Field(default=0.04, description="lowest concentration of an input")
    high: Fraction = Field(default=0.34, description="highest concentration of an input")
    inputs: int = Field(default=64, ge=2, le=10_000, description="training inputs, at random concentrations")
    margin: float = Field(default=0.0, ge=0, description="training inputs with a score closer to 0 are left out")
    seed: int = Field(default=0, ge=0, description="seed of the training inputs")
    grid: int = Field(default=9, ge=2, le=100, description="concentrations per species that recall asks")
    hidden: list[Fraction] = Field(default=[], description="concentrations of hidden species")
    threshold: float = Field(default=0.15, gt=0, lt=1, description="m_c that divides dispersed from condensed")
    memories: ClassVar[int] = 2

    def check(self, scenario):
        """The inputs fit the lattice, both answers occur, and molecules are conserved."""
        wrong = list(check_species(scenario))
        if wrong:
            yield from wrong
            return
        system, species = scenario.system, len(self.condensed.weights)
        if system.species != species + len(self.hidden):
            yield Problem(
                ("condensed",),
                f"{species} inputs and {len(self.hidden)} hidden species need as many; the system has {system.species}",
            )
        if self.low >= self.high or species * self.high + sum(self.hidden) >= 0.95:
            yield Problem(("high",), "concentrations rise from low to high, and together they leave 5 % of solvent")
        elif min(system.shape) > 0:
            _, trained, _, asked = self.examples(int(np.prod(system.shape)))
            if len(set(asked.tolist())) < 2:
                yield Problem(("condensed",), "one answer for all inputs; move the threshold into the range of scores")
            elif len(set(trained.tolist())) < 2:
                yield Problem(("inputs",), "no training inputs for one of the answers; use more, or a smaller margin")
        if not getattr(scenario.dynamics, "conserving", False):
            yield Problem(("dynamics", "kind"), "inputs are numbers of molecules; use kawasaki, which conserves them")
        if scenario.learning is not None and getattr(scenario.learning.rule, "chains", "clamped") != "clamped":
            yield Problem(("learning", "rule", "chains"), "sleep has to begin with the input's molecules: use clamped")
        if scenario.run.replicas < self.grid**species:
            yield Problem(("grid",), f"{self.grid}^{species} inputs need as many replicas")

    def examples(self, sites: int):
        """Numbers of molecules and answers of training inputs, and of the grid of other inputs that recall asks.

        Concentrations become whole numbers, which decide the answer; inputs of the grid are never trained.
        """
        species = len(self.condensed.weights)
        axis = np.linspace(self.low, self.high, self.grid)
        grid = np.stack(np.meshgrid(*[axis] * species, indexing="ij"), -1).reshape(-1, species)
        drawn = np.random.default_rng(self.seed).uniform(self.low, self.high, (20 * self.inputs, species))
        drawn = drawn[np.abs(self.condensed.score(drawn)) >= self.margin]
        test, train = (np.maximum(np.round(c * sites).astype(int), 1) for c in (grid, drawn))
        code = (sites + 1.0) ** np.arange(species)
        train = train[~np.isin(train @ code, test @ code)][: self.inputs]
        hidden = np.round(np.array(self.hidden) * sites).astype(int)

        def whole(numbers):
            return np.concatenate([numbers, np.broadcast_to(hidden, (len(numbers), len(hidden)))], 1)

        trained, asked = (self.condensed.score(numbers / sites) > 0 for numbers in (train, test))
        return whole(train), trained, whole(test), asked

    def build(self, system) -> PhaseClassifier:
        """The task."""
        species, span = len(self.condensed.weights), (self.low, self.high)
        train, trained, test, asked = self.examples(system.lattice.sites)
        return PhaseClassifier(train, trained, test, asked, self.condensed, span, species, self.threshold)
