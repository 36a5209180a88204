"""Inputs with the outputs wanted for them: given, in a file, from a linear teacher, irises, exclusive or. Host code."""

from typing import Annotated, ClassVar, Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from pydantic import Field

from matterlearn.spec import Spec
from matterlearn.tasks._files import NumbersInAFile

Row = Annotated[list[float], Field(min_length=1)]


class Pairs(NamedTuple):
    """Inputs and targets to learn and to be asked about.

    ``label`` is the class of what is asked, −1 for none; ``codes`` are the targets of the classes.
    """

    train: Float[np.ndarray, "example input"]
    train_target: Float[np.ndarray, "example output"]
    test: Float[np.ndarray, "other input"]
    test_target: Float[np.ndarray, "other output"]
    label: Int[np.ndarray, " other"]
    codes: Float[np.ndarray, "class output"]


def _unclassified(train, train_target, test, test_target) -> Pairs:
    return Pairs(train, train_target, test, test_target, np.full(len(test), -1), np.zeros((0, train_target.shape[1])))


class Rows(Spec):
    """Examples written out; recall asks the same ones."""

    source: Literal["rows"]
    inputs: list[Row] = Field(min_length=1, description="one row per example")
    targets: list[Row] = Field(min_length=1, description="one row per example")
    classes: ClassVar[int] = 0

    def complaint(self, inputs: int, outputs: int) -> str | None:
        """What does not fit so many input and output ports."""
        if len(self.inputs) != len(self.targets):
            return f"{len(self.inputs)} rows of inputs, but {len(self.targets)} of targets"
        if {len(row) for row in self.inputs} != {inputs}:
            return f"every row of inputs should have {inputs} numbers, one per input"
        if {len(row) for row in self.targets} != {outputs}:
            return f"every row of targets should have {outputs} numbers, one per output"
        return None

    def build(self, inputs: int, outputs: int) -> Pairs:
        """The rows, twice."""
        del inputs, outputs
        rows = np.array(self.inputs), np.array(self.targets)
        return _unclassified(*rows, *rows)


class File(NumbersInAFile):
    """Examples of one's own: in every row first the inputs, then the targets; recall asks what is held out, or all."""

    source: Literal["file"]
    classes: ClassVar[int] = 0

    def complaint(self, inputs: int, outputs: int) -> str | None:
        """What does not fit so many input and output ports."""
        found = self.numbers.shape[1:]
        fits = found == (inputs + outputs,)
        return None if fits else f"every row should have {inputs} inputs and {outputs} targets; found shape {found}"

    def build(self, inputs: int, outputs: int) -> Pairs:
        """The rows, divided."""
        del outputs
        train, test = self.divided()
        test = test if len(test) else train
        return _unclassified(*np.split(train, [inputs], axis=1), *np.split(test, [inputs], axis=1))


class Linear(Spec):
    """y = T x + noise with normal x; a random teacher has Σ_i |T_oi| = ``gain`` for every output.

    A passive network without sources averages what is clamped, so it can follow gains below 1 only.
    """

    source: Literal["linear"]
    count: int = Field(default=32, ge=1, le=100_000, description="training examples")
    test_count: int = Field(default=32, ge=1, le=100_000, description="examples that recall asks")
    teacher: list[Row] | None = Field(default=None, description="T, a row per output; null: random")
    gain: float = Field(default=0.5, gt=0, description="Σ_i |T_oi| of a random teacher")
    noise: float = Field(default=0.0, ge=0, description="standard deviation added to training targets")
    seed: int = Field(default=0, ge=0, description="seed of teacher and examples")
    classes: ClassVar[int] = 0

    def complaint(self, inputs: int, outputs: int) -> str | None:
        """What does not fit so many input and output ports."""
        if self.teacher is not None and [len(row) for row in self.teacher] != [inputs] * outputs:
            return f"a teacher has {outputs} row(s) of {inputs} numbers, for as many outputs and inputs"
        return None

    def build(self, inputs: int, outputs: int) -> Pairs:
        """Teacher, then training and test examples."""
        rng = np.random.default_rng(self.seed)
        drawn = rng.uniform(-1, 1, (outputs, inputs))
        teacher = self.gain * drawn / np.abs(drawn).sum(1, keepdims=True)
        teacher = teacher if self.teacher is None else np.array(self.teacher)
        train, test = rng.normal(size=(self.count, inputs)), rng.normal(size=(self.test_count, inputs))
        noisy = train @ teacher.T + self.noise * rng.normal(size=(self.count, outputs))
        return _unclassified(train, noisy, test, test @ teacher.T)


class Iris(Spec):
    """150 irises of three kinds by four lengths [fisher1936use], divided into training and test examples.

    Lengths are scaled so that the training examples lie between ``low`` and ``high``. Each kind has a target; the
    answer is the kind whose target is nearest. With one output per kind a linear network overlooks the kind in the
    middle; with the kinds in a row at one output (−1, 0, 1) it does not.
    """

    source: Literal["iris"]
    low: float = Field(default=0.0, description="input of the smallest length")
    high: float = Field(default=1.0, description="input of the largest length")
    codes: list[Row] | None = Field(default=None, description="target of every kind; null: an output of 1 for each")
    test_fraction: float = Field(default=1 / 3, gt=0, lt=1, description="fraction held out for recall")
    split: int = Field(default=0, ge=0, description="seed of the division into training and test examples")
    classes: ClassVar[int] = 3

    def complaint(self, inputs: int, outputs: int) -> str | None:
        """What does not fit so many input and output ports."""
        if inputs != 4:
            return f"irises have 4 inputs, not {inputs}"
        if self.codes is None and outputs != 3:
            return f"there are 3 kinds of irises for {outputs} outputs: give their codes, or an output to each"
        if self.codes is not None and [len(code) for code in self.codes] != [outputs] * 3:
            return f"codes should be 3 rows of {outputs} number(s), for 3 kinds and as many outputs"
        return None if self.low < self.high else "low should be below high"

    def build(self, inputs: int, outputs: int) -> Pairs:
        """Divided so that every kind is in both parts in proportion."""
        from sklearn.datasets import load_iris
        from sklearn.model_selection import train_test_split

        del inputs
        lengths, kind = map(np.asarray, load_iris(return_X_y=True))
        parts = train_test_split(
            np.arange(len(kind)), test_size=self.test_fraction, random_state=self.split, stratify=kind
        )
        train, test = map(np.asarray, parts)
        bottom, top = lengths[train].min(0), lengths[train].max(0)
        scaled = self.low + (self.high - self.low) * (lengths - bottom) / (top - bottom)
        codes = np.eye(outputs) if self.codes is None else np.array(self.codes)
        return Pairs(scaled[train], codes[kind[train]], scaled[test], codes[kind[test]], kind[test], codes)


class Xor(Spec):
    """Exclusive or of two inputs 0 or 1: no linear network can do it."""

    source: Literal["xor"]
    classes: ClassVar[int] = 0

    def complaint(self, inputs: int, outputs: int) -> str | None:
        """What does not fit so many input and output ports."""
        return None if (inputs, outputs) == (2, 1) else f"xor has 2 inputs and 1 output, not {inputs} and {outputs}"

    def build(self, inputs: int, outputs: int) -> Pairs:
        """The four rows, twice."""
        del inputs, outputs
        rows = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), np.array([[0.0], [1.0], [1.0], [0.0]])
        return _unclassified(*rows, *rows)


Source = Annotated[Rows | File | Linear | Iris | Xor, Field(discriminator="source")]
