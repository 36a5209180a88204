"""From a scenario to the objects it speaks of, and to the stages they go through: learning, design, recall.

Example:
    >>> experiment = build({"title": "two discs", "system": {"kind": "patchy_particles", "species": 2, "box": 6.0},
    ...                     "dynamics": {"kind": "brownian", "dt": 1e-3}, "run": {"steps": 100}})
    >>> experiment.recall(experiment.system).total
    100
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import jax
import optax

from matterlearn.assemble import Records
from matterlearn.checkpoints import Store
from matterlearn.designing import Design
from matterlearn.learning import Learning
from matterlearn.loop import run_stage
from matterlearn.scenario import Scenario, load
from matterlearn.stages import Recall


@dataclass(frozen=True)
class Experiment:
    """Everything that a scenario builds, ready to run."""

    scenario: Scenario
    system: Any
    dynamics: Any
    task: Any
    observables: tuple

    def __repr__(self) -> str:
        parts = {"system": self.system, "dynamics": self.dynamics, "task": self.task}
        built = "\n".join(f"  {name:<9} {part!r}".replace("\n", "\n  ") for name, part in parts.items())
        return f"Experiment: {self.scenario.title}\n{built}"

    @property
    def key(self):
        """Random key of the run."""
        return jax.random.key(self.scenario.run.seed)

    def learning(self) -> Learning:
        """The stage in which couplings move."""
        learning: Any = self.scenario.learning
        updates = learning.exposures * self.task.memory_count * learning.updates
        return Learning(
            jax.random.fold_in(self.key, 1), self.system, self.dynamics, learning.rule.build(),
            self.task, optimizer(learning.optimizer, updates), exposures=learning.exposures,
            updates=learning.updates, duration=learning.duration, replicas=learning.replicas,
        )  # fmt: skip

    def design(self, system, log) -> Design:
        """The stage in which couplings are designed, from those of ``system``."""
        section: Any = self.scenario.design
        key = jax.random.fold_in(self.key, 4)
        steps = optimizer(section.optimizer, section.updates)
        return Design(key, system, self.dynamics, self.task, section, steps, log)

    def recall(self, system, name: str = "recall") -> Recall:
        """The stage in which the state moves with the couplings of ``system`` and is observed."""
        run = self.scenario.run
        start = self.task.recall(jax.random.fold_in(self.key, 2), system, run.replicas)
        key = jax.random.fold_in(self.key, 3)
        return Recall(key, self.dynamics, start, self.observables, run.steps, name=name)

    def run(self, directory: Path, *, quiet: bool, log, resume_hint: str) -> Records:
        """Learning and design, if there are any, then recall; before a design, recall with the couplings so far."""
        settings = {"store": Store(directory / "checkpoints"), "quiet": quiet, "log": log, "resume_hint": resume_hint}
        records = Records(self.system)
        if self.scenario.learning is not None:
            if self.scenario.design is not None:
                self.design(records.system, log)  # its mistakes show before anything is learned
            stage = self.learning()
            carry, learned = run_stage(stage, chunk=None, **settings)
            records = Records(stage.learned(carry), learned=learned)
        if self.scenario.design is not None:
            stage = self.design(records.system, log)
            carry, designed = run_stage(stage, chunk=None, **settings)
            blank = stage.designed(stage.start())
            records = Records(
                stage.designed(carry), learned=records.learned, designed=designed, response=stage.sensitivity(carry),
                blank=blank, before=self._recalled(blank, "before", settings),
            )  # fmt: skip
        return records._replace(after=self._recalled(records.system, "recall", settings))

    def _recalled(self, system, name: str, settings: dict):
        """How each replica started, and what was recorded of it."""
        stage = self.recall(system, name)
        return stage.recall, run_stage(stage, chunk=self.scenario.run.chunk, **settings)[1]


def build(scenario: Scenario | str | Path | dict) -> Experiment:
    """Objects of a scenario; imports the modules of the kinds it uses and no others."""
    real = load(scenario).realise()
    system = real.system.build(jax.random.fold_in(jax.random.key(real.run.seed), 0))
    task = (real.task or _free_task()).build(system)
    if task.training_samples is not None and hasattr(real.system, "inform"):
        system = real.system.inform(system, task.training_samples)
    observables = tuple(o.build(system, task) for o in real.observe)
    return Experiment(real, system, real.dynamics.build(), task, observables)


def _free_task():
    from matterlearn.tasks.relaxation import Config

    return Config(kind="relaxation")


@lru_cache  # the same object for the same section, so that runs with equal sections share compiled programs
def optimizer(config, updates: int) -> optax.GradientTransformation:
    """The optax optimiser of a scenario's learning section, for this many updates."""
    rate = config.learning_rate
    if config.final_rate is not None:
        rate = optax.exponential_decay(rate, updates, config.final_rate / rate)

    momentum = {"momentum": lambda rate: optax.sgd(rate, momentum=0.9)}
    step = momentum.get(config.kind) or getattr(optax, config.kind)
    clip = optax.clip_by_global_norm(config.clip) if config.clip is not None else optax.identity()
    return optax.chain(clip, step(rate))
