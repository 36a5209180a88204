"""A teacher whose couplings are known shows samples of itself; the student should find them: the inverse Ising problem.

    teacher:  P(σ) ∝ exp(Σ J_ij σσ + Σ h_i σ),   J_ij = β √(2/N) cos(1 + 3ij + i + j),   h_i = f sin(2i + 1),   σ = ±1

Every update clamps each replica to a new independent sample, drawn from the exact law. How far the student is from the
teacher, ``relative_error`` = √(Σ (J − J_teacher)²/Σ J_teacher²), is recorded as learning goes on. Beside it stand the
errors of all inversions of the theory module, for numbers of samples from 10² to 10⁶ (means over ``data_sets`` data
sets with standard errors), their biases, which no number of samples removes, and the bound of Cramér and Rao.

Source: [nguyen2017inverse]. Limits: 16 units, since the teacher's states are listed.

Example:
    >>> Config(kind="ising_teacher", strength=0.5).field
    0.2
"""

from typing import Any, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from pydantic import Field

from matterlearn.core.drive import Drive
from matterlearn.core.observable import Summary
from matterlearn.core.pairwise import law
from matterlearn.core.rule import Batch
from matterlearn.core.task import AbstractTask, Label, Recall, replicated
from matterlearn.spec import Problem, Spec
from matterlearn.theory import inverse_ising as inverse
from matterlearn.theory.enumeration import configurations

LARGEST = 16
SAMPLES = np.array([100, 316, 1000, 3162, 10_000, 31_623, 100_000, 316_228, 1_000_000])


class IsingTeacher(AbstractTask):
    """All states of the teacher with their cumulated probabilities; see the module's docstring."""

    listed: Int[Array, "state unit"]
    cumulated: Float[Array, " state"]
    strength: float = eqx.field(static=True)
    field: float = eqx.field(static=True)
    data_sets: int = eqx.field(static=True)

    @property
    def memory_count(self) -> int:
        """One: samples of all kinds are shown together."""
        return 1

    @property
    def teacher(self) -> inverse.Model:
        """Couplings and fields to be found."""
        return inverse.example(self.listed.shape[1], self.strength, self.field)

    def present(self, key, system, memory, replicas, duration) -> Batch:
        """A new sample for every replica."""
        del memory
        lots = jax.random.uniform(key, (replicas,))
        shown = self.listed[jnp.searchsorted(self.cumulated, lots, side="right")]
        target, held = jax.vmap(system.show)(shown)
        drive = Drive(target=target, clamped=held, strength=replicated(Drive().strength, replicas))
        return Batch(drive, target, jnp.asarray(duration))  # pyright: ignore[reportCallIssue]

    def recall(self, key, system, replicas) -> Recall:
        """Free students that start disordered."""
        keys = jax.vmap(lambda r: jax.random.fold_in(key, r))(jnp.arange(replicas))
        x = jax.vmap(system.init_state)(keys)
        labels = {"cue": Label(np.full(replicas, -1), "1", "no cue")}
        return Recall(replicated(system, replicas), replicated(Drive(), replicas), x, labels)

    def evaluate(self, system: Any, dynamics) -> dict[str, float]:
        """Distance of the student from the teacher: of their couplings, and KL(teacher ‖ student) of their laws."""
        J, h = law(system, dynamics.temperature(jnp.zeros((), int)))
        student = inverse.Model(np.asarray(J, float), np.asarray(h, float))
        found = {"relative_error": inverse.relative_error(student, self.teacher)}
        law_of_teacher, law_of_student = (inverse.probabilities(model) for model in (self.teacher, student))
        return found | {"kl": float(np.sum(law_of_teacher * np.log(law_of_teacher / law_of_student)))}

    def references(self, system, dynamics) -> list[Summary]:
        """Errors of all methods against the number of samples, their biases, and the best that can be done."""
        del system, dynamics
        teacher, words = self.teacher, "relative error of the couplings"
        bound = [inverse.sampling_error(teacher, int(count)) for count in SAMPLES]
        columns = {"sample_number": (SAMPLES, "number of samples"), "error_bound": (bound, f"{words}, Cramér and Rao")}
        for method, errors in errors_from_samples(teacher, self.data_sets).items():
            own = f"{words}, {method.replace('_', ' ')}"
            sem = errors.std(axis=0, ddof=1) / np.sqrt(len(errors))
            columns[f"error_{method}"] = errors.mean(axis=0), own
            columns[f"error_{method}_sem"] = sem, f"standard error of the {own}"
        found = [Summary(name, ("sample_size",), np.asarray(v), "1", own) for name, (v, own) in columns.items()]
        exact = inverse.exact_moments(teacher)
        for method, invert in inverse.METHODS.items():
            bias = inverse.relative_error(invert(exact), teacher)
            found.append(Summary(f"bias_{method}", (), np.asarray(bias), "1", f"{words} from exact moments, {method}"))
        return found


def errors_from_samples(teacher: inverse.Model, data_sets: int) -> dict[str, Float[np.ndarray, "set samples"]]:
    """`relative_error` of every method on independent data sets of every size; NaN where a method has no answer."""
    spins = 2.0 * configurations(len(teacher.h), 2) - 1
    weights = inverse.probabilities(teacher)
    likelihoods = {
        "pseudo_likelihood": lambda of, states, share: inverse.pseudo_likelihood(states, share),
        "maximum_likelihood": lambda of, states, share: inverse.maximum_likelihood(of),
    }
    inversions = {name: lambda of, states, share, f=f: f(of) for name, f in inverse.METHODS.items()}
    methods = inversions | likelihoods
    errors = {name: np.full((data_sets, len(SAMPLES)), np.nan) for name in methods}
    for place in np.ndindex(data_sets, len(SAMPLES)):
        counts = np.random.default_rng(place).multinomial(SAMPLES[place[1]], weights)
        states, share = spins[counts > 0], counts[counts > 0] / counts.sum()
        of = inverse.moments(states, share)
        for name, method in methods.items():
            try:
                errors[name][place] = inverse.relative_error(method(of, states, share), teacher)
            except ValueError:  # stays NaN
                continue
    return errors


class Config(Spec):
    """A teacher with known couplings in a scenario."""

    kind: Literal["ising_teacher"]
    provides: ClassVar[tuple[str, ...]] = ("relative_error", "kl")
    strength: float = Field(default=1.0, gt=0, description="β of the teacher's couplings")
    field: float = Field(default=0.2, ge=0, description="f of the teacher's fields")
    data_sets: int = Field(default=20, ge=2, le=1000, description="data sets over which theory is averaged")

    def check(self, scenario):
        """The student is pairwise and small enough for the teacher to be exact."""
        system = scenario.system
        if not getattr(system, "pairwise", False) or getattr(system, "hidden", 0):
            yield Problem(("kind",), f"is about pairwise couplings of visible units, which {system.kind!r} has not: "
                                     "use spin_network or boltzmann_machine")  # fmt: skip
        elif system.pattern_size > LARGEST:
            yield Problem(("kind",), f"the teacher's states are listed, at most {LARGEST} units; the system has "
                                     f"{system.pattern_size}")  # fmt: skip

        if getattr(scenario.dynamics, "kT", 1.0) == 0:
            yield Problem(("kind",), "a law without temperature says nothing of couplings: give dynamics.kT, such as 1")

    def build(self, system) -> IsingTeacher:
        """The task."""
        teacher = inverse.example(len(system.threshold), self.strength, self.field)
        states = jnp.asarray(configurations(len(teacher.h), 2))
        cumulated = jnp.asarray(np.cumsum(inverse.probabilities(teacher))[:-1], float)
        return IsingTeacher(states, cumulated, self.strength, self.field, self.data_sets)
