"""Sections of a scenario: how long to run, how couplings learn or are designed, what to expect.

Each is a `matterlearn.spec.Spec`; sections whose class is chosen by a `kind` come from the folder of their family.
No jax here.
"""

import math
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Discriminator, Field, SerializeAsAny, Tag, ValidationError, model_validator

from matterlearn.errors import InputError, Problem, did_you_mean
from matterlearn.kinds import config_class, kinds, load_kind
from matterlearn.spec import Spec, complaint

REDUCTIONS = ("final", "initial", "mean", "max", "min")
ALONG_PATHS = ("mean", "final", "ever", "survival_time")  # what the samples of a trajectory can be reduced to
OPTIMIZERS = ("sgd", "adam", "adamw", "momentum", "rmsprop")
Natural = Annotated[int, Field(ge=1, le=10**12)]


def kind_of(family: str):
    """A section whose class is chosen by its `kind`, from the family's modules."""

    def choose(value, info):
        if isinstance(value, Spec):
            return value
        if not isinstance(value, dict):
            raise ValueError("should be a section with a kind, as in {kind: ..., ...}")
        if "kind" not in value:
            wrong = complaint("missing", "missing; this key is needed"
                              + did_you_mean("", kinds(family)), ("kind",))  # fmt: skip
            raise ValidationError.from_exception_data(family, [wrong])
        find = load_kind if (info.context or {}).get("real") else config_class
        try:
            chosen = find(family, value["kind"])
        except InputError as error:
            wrong = complaint("kind", str(error), ("kind",))
            raise ValidationError.from_exception_data(family, [wrong]) from None
        return chosen.model_validate(value, context=info.context)

    return SerializeAsAny[Annotated[Spec, BeforeValidator(choose)]]


class Run(Spec):
    """How long, how often, from which seed; `chunk` steps are run between progress reports."""

    seed: int = Field(default=0, ge=0, lt=2**32)
    replicas: int = Field(default=1, ge=1, le=10**7)
    steps: Natural = Field(description="steps of the dynamics")
    chunk: Natural | None = None


class Optimizer(Spec):
    """An optax optimiser; `clip` bounds the global norm of the gradient.

    The rate goes exponentially from `learning_rate` to `final_rate` at the last update, or stays.
    """

    kind: Literal[OPTIMIZERS] = "sgd"
    learning_rate: float = Field(default=1.0, gt=0)
    final_rate: float | None = Field(default=None, gt=0)
    clip: float | None = Field(default=None, gt=0)


class Learning(Spec):
    """Every memory is shown `exposures` times, `duration` of slow time each, cut into `updates` steps."""

    provides: ClassVar[tuple[str, ...]] = ("couplings",)
    rule: kind_of("rules")
    optimizer: Optimizer = Optimizer()
    exposures: Natural = Field(default=1, description="times that every memory is shown")
    updates: Natural = Field(default=1, description="updates of the couplings per presentation")
    replicas: Natural = Field(default=8, description="samples of the matter that a presentation is averaged over")
    duration: float = Field(default=1.0, gt=0, description="slow time of one exposure, in units of 1/rate")

    def check(self, scenario):
        """There is something to learn."""
        if scenario.task is None:
            yield Problem(("rule",), "learning needs memories, but the scenario has no task; add one or drop learning")


RANGES = {"linear": (-math.inf, math.inf), "log": (0.0, math.inf), "logit": (0.0, 1.0)}


class Term(Spec):
    """A quantity and what it should be: `target`, or `goal`.

    L = weight · mean[(f(O) − f(target))²], or ± weight · mean f(O); f is `scale`, O the average that `reduce` makes of
    the samples of a trajectory: their mean, the last, whether it ever was 1, or the steps for which it was not yet.
    """

    observable: kind_of("observables")
    component: tuple[Annotated[int, Field(ge=0)], ...] | None = Field(
        default=None, description="which numbers of the observable count, flattened; default: all")  # fmt: skip
    target: float | tuple[float, ...] | None = Field(default=None, description="what they should be")
    goal: Literal["minimise", "maximise"] | None = None
    weight: float = Field(default=1.0, gt=0)
    scale: Literal["linear", "log", "logit"] = "linear"
    reduce: Literal[ALONG_PATHS] = "mean"

    @model_validator(mode="after")
    def _one_wish(self):
        if (self.target is None) == (self.goal is None):
            raise ValueError("should give either target or goal")
        wanted = self.target if isinstance(self.target, tuple) else () if self.target is None else (self.target,)
        low, high = RANGES[self.scale]
        if not all(low < t < high for t in wanted):
            raise ValueError(f"a target on the scale {self.scale} lies between {low:g} and {high:g}")
        if isinstance(self.target, tuple) and self.component and len(self.target) != len(self.component):
            raise ValueError(f"{len(self.target)} targets for {len(self.component)} components")
        return self


class Bounds(Spec):
    """Every coupling between `low` and `high`."""

    kind: Literal["bounds"]
    low: float = -1e9
    high: float = 1e9


class Budget(Spec):
    """Σ|θ| at most `total`."""

    kind: Literal["budget"]
    total: float = Field(gt=0)


class Sparsity(Spec):
    """At most `nonzero` couplings differ from zero: the largest."""

    kind: Literal["sparsity"]
    nonzero: Natural


class Ties(Spec):
    """Couplings of a group are equal; a coupling is numbered as it comes in the flattened couplings."""

    kind: Literal["ties"]
    groups: tuple[tuple[Annotated[int, Field(ge=0)], ...], ...] = Field(min_length=1)


class DistinctSpecies(Spec):
    """At most `count` different kinds of species: species with similar couplings get the same."""

    kind: Literal["distinct_species"]
    count: Natural


Constraint = Annotated[Bounds | Budget | Sparsity | Ties | DistinctSpecies, Field(discriminator="kind")]


class Design(Spec):
    """Couplings by descent along the gradient of an objective, from those learned before if the scenario also learns.

    `run` then validates them with fresh seeds, and those before the design with the same ones.

    Random numbers are drawn anew every `reseed` updates (0: the same ones throughout). `clip` shortens the gradient
    of a single replica. An estimator whose gradient cannot be trusted `patience` times in a row gives way to
    `fallback`, if there is one.
    """

    provides: ClassVar[tuple[str, ...]] = ("couplings", "loss", "gradient_norm", "tail_index", "effective_fraction")
    estimator: kind_of("design")
    fallback: kind_of("design") | None = None
    objective: tuple[Term, ...] = Field(min_length=1)
    constraints: tuple[Constraint, ...] = ()
    optimizer: Optimizer = Optimizer(kind="adam", learning_rate=0.1)
    updates: Natural = Field(default=100, description="steps of the optimizer")
    replicas: Natural = Field(default=64, description="trajectories or chains that a gradient is averaged over")
    reseed: int = Field(default=1, ge=0, le=10**9, description="updates between new random numbers; 0: never")
    clip: float | None = Field(default=None, gt=0, description="largest norm of one replica's gradient")
    patience: Natural = Field(default=3, description="distrusted updates in a row before the fallback takes over")

    def check(self, scenario):
        """Every reduction can be had from the estimators."""
        del scenario
        for name in ("estimator", "fallback"):
            chosen = getattr(self, name)
            able = getattr(chosen, "reductions", ("mean",))
            for i, term in enumerate(self.objective):
                if chosen is not None and term.reduce not in able:
                    yield Problem(("objective", i, "reduce"), f"{term.reduce} needs trajectories, which "
                                  f"{chosen.kind!r} has not: use pathwise, tangent or score_function")  # fmt: skip


class Expectation(Spec):
    """Bounds on one reduced variable at the coordinates `where`; `source` if not the common one."""

    min: float | None = None
    max: float | None = None
    value: float | None = None
    tolerance: float | None = Field(default=None, ge=0)
    where: dict[str, float | int | str] = {}
    source: str | None = None

    @model_validator(mode="after")
    def _says_something(self):
        if self.min is None and self.max is None and self.value is None:
            raise ValueError("should give min, max, or value with tolerance")
        if (self.value is None) != (self.tolerance is None):
            raise ValueError("value and tolerance belong together; give both or neither")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min:g} is above max {self.max:g}")
        return self


Expected = Annotated[
    Annotated[Expectation, Tag("<bounds>")]
    | Annotated[tuple[Expectation, ...], Tag("<list>")]
    | Annotated[str, Tag("<text>")],
    Discriminator(lambda value: {str: "<text>", list: "<list>", tuple: "<list>"}.get(
        type(value), "<bounds>")),
]  # fmt: skip
