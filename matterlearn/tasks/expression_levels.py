"""The same cell at several mean expression levels, under several regulations; nothing is learned.

Replica r takes combination r mod n of the n = (regulations × levels) ones, levels fastest, and starts near its steady
state. Beside what is measured stand closed forms, exact or not given (see ``matterlearn.theory.buffering``), and the
published fit of the fast-buffer law to cells.

    noise_suppression = CV(dilute, unregulated) / CV(dilute),        buffered_slope = d c_dilute / d c_total

Source: [zechner2025concentration], [klosin2020phase]. Limits: replicas of one combination have the same rates.

Example:
    >>> Config(kind="expression_levels", levels=[2.0, 20.0], regulations=["none", "droplets"]).combinations
    4
"""

import itertools
from typing import Annotated, Any, Literal, Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key
from pydantic import Field

from matterlearn.core.drive import Drive
from matterlearn.core.observable import Summary
from matterlearn.core.task import AbstractTask, Label, Recall, replicated
from matterlearn.spec import Problem, Spec

REGULATIONS = ("none", "droplets", "pi")
UNITS = "µM"


class Expression(Protocol):
    """A protein whose mean level and regulation can be chosen."""

    decay: Float[Array, ""]
    exchange: Float[Array, ""]
    saturation: Float[Array, ""]
    volume: float

    def expressing(self, level: float, regulation: str) -> "Expression": ...
    def exact(self) -> Any: ...
    def init_state(self, key: Key[Array, ""]) -> Any: ...


class ExpressionLevels(AbstractTask):
    """Levels and regulations that replicas go through."""

    levels: tuple[float, ...] = eqx.field(static=True)
    regulations: tuple[str, ...] = eqx.field(static=True)

    @property
    def memory_count(self) -> int:
        return 0

    @property
    def grid(self) -> dict[str, tuple]:
        """Axes over which summaries of the replicas are given."""
        return {"regulation": self.regulations, "level": self.levels}

    @property
    def combinations(self) -> list[tuple[str, float]]:
        """Regulation and level, in the order of the replicas."""
        return list(itertools.product(self.regulations, self.levels))

    def recall(self, key, system: Expression, replicas) -> Recall:
        """Replicas near the steady state of their combination."""
        cell = np.arange(replicas) % len(self.combinations)
        cells = [system.expressing(level, regulation) for regulation, level in self.combinations]
        systems = jax.tree.map(lambda *leaves: jnp.stack([jnp.asarray(leaf) for leaf in leaves])[cell], *cells)
        keys = jax.vmap(lambda r: jax.random.fold_in(key, r))(jnp.arange(replicas))
        x = jax.vmap(lambda system, key: system.init_state(key))(systems, keys)
        strength = replicated(Drive().strength, replicas)
        names, levels = zip(*self.combinations, strict=True)
        labels = {
            "cue": Label(np.full(replicas, -1), "1", "no cue"),
            "expression_level": Label(np.array(levels)[cell], UNITS, "mean concentration without regulation"),
            "regulated_by": Label(np.array(names)[cell], "label", "what holds the dilute concentration"),
            "combination": Label(cell, "label", "number of the combination, levels fastest"),
        }
        return Recall(systems, Drive(strength=strength), x, labels)

    def references(self, system: Expression, dynamics) -> list[Summary]:
        """Exact moments, NaN where none are known, and the fast-buffer law as fitted to cells."""
        from matterlearn.theory import buffering

        del dynamics
        shape = len(self.regulations), len(self.levels)
        exact = [system.expressing(level, regulation).exact() for regulation, level in self.combinations]
        found = []
        for phase in ("total", "dilute"):
            moments = [getattr(each, phase) for each in exact]
            for name, unit, words in (("mean", UNITS, "mean"), ("cv", "1", "coefficient of variation")):
                values = np.array([getattr(m, name) for m in moments]).reshape(shape)
                words = f"{words} of the {phase} concentration, exact"
                found.append(Summary(f"{phase}_{name}_theory", ("regulation", "level"), values, unit, words))
        cv = found[-1].values
        if "none" in self.regulations:
            ratio, words = cv[self.regulations.index("none")] / cv, "suppression of noise, exact"
            found.append(Summary("noise_suppression_theory", ("regulation", "level"), ratio, "1", words))
        slopes = {"none": 1.0, "droplets": buffering.buffered_slope(self._ratio(system)), "pi": 0.0}
        values, words = np.array([slopes[name] for name in self.regulations]), "slope of dilute against total, exact"
        found.append(Summary("buffered_slope_theory", ("regulation",), values, "1", words))
        fit = buffering.PUBLISHED_FIT
        values = buffering.dilute_concentration(self.levels, fit.saturation, fit.ratio)
        return [*found, Summary("published_law_theory", ("level",), values, UNITS, "law as fitted to cells")]

    def annotations(self, system: Expression) -> dict[str, float]:
        """Parameters of the fast-buffer law, and molecules per µM, which give the Poisson noise."""
        ratio = self._ratio(system)
        return {"saturation": float(system.saturation), "exchange_ratio": ratio, "volume": float(system.volume)}

    @staticmethod
    def _ratio(system: Expression) -> float:
        return float(system.exchange) / float(system.decay)


class Config(Spec):
    """Expression levels in a scenario."""

    kind: Literal["expression_levels"]
    levels: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=1)] = Field(
        description="mean concentrations without regulation, µM; replicas take turns", examples=[[5.0, 20.0]]
    )
    regulations: Annotated[list[Literal[REGULATIONS]], Field(min_length=1)] = Field(
        default=list(REGULATIONS), description="regulations that replicas are under, in turns"
    )

    @property
    def combinations(self) -> int:
        """How many different replicas there are."""
        return len(self.levels) * len(self.regulations)

    def check(self, scenario):
        """The system expresses something, and there are replicas enough."""
        system = scenario.system
        if system.kind != "regulated_expression":
            yield Problem(("kind",), f"needs a regulated_expression, which {system.kind!r} is not")
            return
        for name in ("levels", "regulations"):
            if len(set(getattr(self, name))) < len(getattr(self, name)):
                yield Problem((name,), "names something twice; replicas already repeat every entry")
        if scenario.run.replicas < 2 * self.combinations:
            yield Problem(
                ("levels",),
                f"{self.combinations} combinations need at least {2 * self.combinations} replicas for an error bar, "
                f"but run.replicas is {scenario.run.replicas}",
            )
        largest = system.model_copy(update={"level": max(self.levels)})
        yield from ((("levels",), problem[1]) for problem in largest.check(scenario) if problem[0] == ("volume",))
        if scenario.learning is not None:
            yield Problem(("kind",), "expression_levels has nothing to learn from; drop learning")

    def build(self, system) -> ExpressionLevels:
        """The task."""
        del system
        return ExpressionLevels(tuple(self.levels), tuple(self.regulations))
