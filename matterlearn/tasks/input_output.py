"""Inputs clamped on some degrees of freedom, answers read from others: regression and classification by a network.

    C = ½ s Σ_o (x_o − y_o)²,        output_error = ½ Σ_o (x_o − y_o)²

Degrees of freedom are ports, by number (``matterlearn.core.ports``): nodes of a resistor network, coordinates of an
elastic one, units of a layered one; their values are counted from the state in which the network was made. A
presentation clamps the inputs and tethers the outputs to their targets with stiffness s; free, and in recall, nothing
but the inputs is clamped. A class is answered by the outputs that come nearest to its targets.

Conductances and stiffnesses are positive, so what they make of their inputs are averages. ``inverted`` ports carry the
inputs with the opposite sign, so that such a network can subtract; ``fixed`` ports hold constants (a ground, a bias).

Beside the measured error stands that of least squares on the same inputs, ``output_error_least_squares``: no linear
network does better on training examples. Beside the accuracy stand those of least squares and of logistic regression.

Source: [stern2021supervised], [dillavou2022demonstration]; irises: [fisher1936use] through scikit-learn. Limits: one
example per replica, so ``learning.replicas`` is the size of a batch; recall asks as many test examples as there are
replicas, over and over if there are more.

Example:
    >>> task = Config(kind="input_output", inputs=[0, 1], outputs=[4], examples={"source": "xor"})
    >>> task.memories
    0
"""

from typing import Annotated, Any, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from pydantic import Field

from matterlearn.core import ports
from matterlearn.core.drive import Drive
from matterlearn.core.observable import Summary
from matterlearn.core.rule import Batch
from matterlearn.core.task import AbstractTask, Label, Recall, replicated, shown
from matterlearn.spec import Problem, Spec
from matterlearn.tasks._pairs import Pairs, Source


class InputOutput(AbstractTask):
    """Examples, and the ports at which they are given and read."""

    pairs: Pairs
    inputs: Int[np.ndarray, " input"]
    inverted: Int[np.ndarray, " inverted"]
    fixed: Int[np.ndarray, " fixed"]
    constants: Float[np.ndarray, " fixed"]
    outputs: Int[np.ndarray, " output"]
    stiffness: float = eqx.field(static=True)
    classes: int = eqx.field(static=True)

    @property
    def memory_count(self) -> int:
        """One: all examples are shown together."""
        return 1

    def _scene(self, system: Any, given: Float[Array, " input"], wanted: Float[Array, " output"]) -> tuple[Drive, Any]:
        """One replica's drive with its inputs clamped and its targets written at the outputs, and where it starts."""
        where = jnp.concatenate([self.inputs, self.inverted, self.fixed])
        values = jnp.concatenate([given, -given[: len(self.inverted)], jnp.asarray(self.constants, given.dtype)])
        start = ports.write(system, ports.rest(system), where, values)
        target = ports.write(system, start, jnp.asarray(self.outputs), wanted)
        return Drive(target, clamped=ports.at(system, where, True, False)), start

    @eqx.filter_jit
    def _scenes(self, system: Any, given, wanted):
        return jax.vmap(lambda a, b: self._scene(system, a, b))(jnp.asarray(given, float), jnp.asarray(wanted, float))

    def present(self, key, system, memory, replicas, duration) -> Batch:
        """A random batch of different training examples, or all of them over and over."""
        del memory
        chosen = shown(key, len(self.pairs.train), replicas)
        given, wanted = jnp.asarray(self.pairs.train)[chosen], jnp.asarray(self.pairs.train_target)[chosen]
        free, x = self._scenes(system, given, wanted)
        tethers = replicated(ports.at(system, jnp.asarray(self.outputs), self.stiffness, 0.0), replicas)
        drive = Drive(free.target, tethers, clamped=free.clamped, strength=free.strength)
        return Batch(drive, x, jnp.asarray(duration), free=free)

    def recall(self, key, system, replicas) -> Recall:
        """Test examples in their order, over and over if there are more replicas than that."""
        del key
        chosen = np.arange(replicas) % len(self.pairs.test)
        drive, x = self._scenes(system, self.pairs.test[chosen], self.pairs.test_target[chosen])
        labels = {"cue": Label(self.pairs.label[chosen], "1", "class of the example, −1 if there are no classes")}
        return Recall(replicated(system, replicas), drive, x, labels)

    def answer(self, system: Any, x: Any) -> Float[Array, " output"]:
        """Values at the outputs."""
        return ports.read(system, x, jnp.asarray(self.outputs))

    def error(self, system: Any, drive: Drive, x: Any) -> Float[Array, ""]:
        """½ Σ (x_o − y_o)²; the drive knows the targets, whether it pulls there or not."""
        return 0.5 * jnp.sum((self.answer(system, x) - self.answer(system, drive.target)) ** 2)

    def overlap(self, system, state) -> Float[Array, " memory"]:
        """1 − |x_o − y|/d for the targets y of every class, d the largest distance between targets."""
        return nearness(self.answer(system, state.x), jnp.asarray(self.pairs.codes))

    def references(self, system, dynamics) -> list[Summary]:
        """What least squares makes of the same examples, and of classes logistic regression."""
        from sklearn.linear_model import LinearRegression, LogisticRegression

        del system, dynamics
        pairs = self.pairs
        guess = np.asarray(LinearRegression().fit(pairs.train, pairs.train_target).predict(pairs.test))
        guess = guess.reshape(pairs.test_target.shape)
        lost = 0.5 * np.sum((guess - pairs.test_target) ** 2, -1)
        words = "output error of least squares, test examples"
        found = [Summary("output_error_least_squares", (), np.mean(lost), "1", words)]
        if self.classes:
            near = np.asarray(jax.vmap(nearness, (0, None))(jnp.asarray(guess), jnp.asarray(pairs.codes)))
            kind = np.argmin(np.abs(pairs.train_target[:, None] - pairs.codes).sum(-1), -1)
            model = LogisticRegression(max_iter=5000).fit(pairs.train, kind)
            right = {
                "least_squares": (near.argmax(-1) == pairs.label, "least squares"),
                "logistic_regression": (model.predict(pairs.test) == pairs.label, "logistic regression"),
            }
            found += [
                Summary(f"accuracy_{name}", (), np.mean(hits), "1", f"test accuracy of {words} on the same inputs")
                for name, (hits, words) in right.items()
            ]
        return found

    def groups(self, system) -> dict[str, list[Summary]]:
        """Training examples, and those that recall asks, in the order of the replicas."""
        del system
        terminals = (self.inputs, self.inverted, self.fixed, self.outputs)
        role = np.repeat(np.arange(len(terminals)), [len(part) for part in terminals])
        kinds = (
            ("port", ("terminal",), np.concatenate(terminals), "port"),
            ("role", ("terminal",), role, "0: input, 1: inverted input, 2: fixed, 3: output"),
            ("given", ("example", "input"), self.pairs.train, "input of a training example"),
            ("wanted", ("example", "output"), self.pairs.train_target, "target of a training example"),
            ("asked_given", ("asked", "input"), self.pairs.test, "input of a test example"),
            ("asked_wanted", ("asked", "output"), self.pairs.test_target, "target of a test example"),
        )
        return {"memories": [Summary(name, dims, values, "1", words) for name, dims, values, words in kinds]}


def nearness(output: Float[Array, " output"], codes: Float[Array, "class output"]) -> Float[Array, " class"]:
    """1 at the code of a class, 0 as far from it as the farthest codes are from each other.

    >>> nearness(jnp.array([0.5]), jnp.array([[0.0], [1.0], [2.0]])).tolist()
    [0.75, 0.75, 0.25]
    """
    apart = jnp.max(jnp.linalg.norm(codes[:, None] - codes[None], axis=-1))
    return 1 - jnp.linalg.norm(output - codes, axis=-1) / apart


Port = Annotated[int, Field(ge=0)]


class Config(Spec):
    """Inputs and outputs in a scenario."""

    kind: Literal["input_output"]
    provides: ClassVar[tuple[str, ...]] = (
        "output_error_least_squares", "accuracy_least_squares", "accuracy_logistic_regression",
    )  # fmt: skip
    inputs: list[Port] = Field(min_length=1, description="ports that are clamped to the inputs", examples=[[0]])
    outputs: list[Port] = Field(min_length=1, description="ports where the answer is read", examples=[[1]])
    inverted: list[Port] = Field(default=[], description="ports that are clamped to minus the inputs, in their order")
    fixed: list[tuple[Port, float]] = Field(default=[], description="ports with what they are always clamped to")
    examples: Source = Field(
        description="what is to be answered with what",
        examples=[{"source": "rows", "inputs": [[1.0], [0.5]], "targets": [[0.5], [0.25]]}],
    )
    stiffness: float = Field(default=1.0, gt=0, description="s, of the tethers to the targets, kT_ref per port²")

    @property
    def memories(self) -> int:
        """Classes, if the examples have any."""
        return self.examples.classes

    def check(self, scenario):
        """The system has the ports, none is used twice, and the examples fit."""
        count = getattr(scenario.system, "ports", None)
        if count is None:
            yield Problem(("kind",), f"gives inputs by number, which {scenario.system.kind!r} does not take; use a "
                                     "network such as flow_network")  # fmt: skip
            return
        used = [*self.inputs, *self.inverted, *(port for port, _ in self.fixed), *self.outputs]
        if max(used) >= count:
            yield Problem(("outputs",), f"ports are numbered from 0 to {count - 1}; got {max(used)}")
        twice = sorted({port for port in used if used.count(port) > 1})
        if twice:
            yield Problem(("outputs",), f"port {twice[0]} is used twice")
        if len(self.inverted) > len(self.inputs):
            yield Problem(("inverted",), f"{len(self.inverted)} ports for {len(self.inputs)} inputs")
        complaint = self.examples.complaint(len(self.inputs), len(self.outputs))
        if complaint:
            yield Problem(("examples",), complaint)

    def build(self, system) -> InputOutput:
        """The task."""
        del system
        integers = lambda ports: np.array(ports, np.int32)  # noqa: E731
        return InputOutput(
            pairs=self.examples.build(len(self.inputs), len(self.outputs)),
            inputs=integers(self.inputs), inverted=integers(self.inverted),
            fixed=integers([port for port, _ in self.fixed]), constants=np.array([value for _, value in self.fixed]),
            outputs=integers(self.outputs), stiffness=float(self.stiffness), classes=self.memories,
        )  # fmt: skip
