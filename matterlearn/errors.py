"""Errors that say what is wrong, where, why, and how to put it right.

Every error the package raises on purpose derives from `MatterlearnError`; the command line prints
it without a traceback and leaves with its `exit_code` (1: the simulation failed, 2: the input is
wrong, 130: stopped by the user). This module imports nothing heavy.

>>> print(ScenarioError([Problem(("dynamics", "dt"), "should be greater than 0", "a.yaml:3:5")]))
a.yaml:3:5: dynamics.dt: should be greater than 0
"""

import difflib
from collections.abc import Iterable
from typing import ClassVar, NamedTuple


def one_line(text: object, most: int) -> str:
    """Text that a terminal shows as one line: what is not printable is escaped, what is too long is cut.

    >>> one_line("a\\nb" + "c" * 99, 10)
    'a\\\\nbccc...'
    """
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(text)[: most + 1])
    return shown if len(shown) <= most else shown[: most - 3] + "..."


class Problem(NamedTuple):
    """One thing that is wrong with a scenario.

    Attributes:
        path: keys from the top of the scenario, `("observe", 0, "every")`. In `Spec.check` a path
            that does not begin with a section of the scenario is relative to the checked section.
        message: what is wrong; then, after a semicolon, why or how to put it right.
        place: `file:line:column` or the `--set` that brought the value; filled in by the loader.
    """

    path: tuple[str | int, ...]
    message: str
    place: str = ""

    def __str__(self) -> str:
        dotted = ".".join(one_line(part, 60) for part in self.path[:12])
        parts = one_line(self.place, 300), one_line(dotted, 200), one_line(self.message, 1000)
        return ": ".join(part for part in parts if part)


class MatterlearnError(Exception):
    """Base of all errors of the package."""

    exit_code: ClassVar[int] = 1


class InputError(MatterlearnError):
    """Something asked for does not exist or does not fit: a file, a kind, a directory."""

    exit_code = 2


class ScenarioError(MatterlearnError):
    """A scenario is wrong; `problems` lists everything found, `str` gives a line for each of 20."""

    exit_code = 2
    MOST_LINES: ClassVar[int] = 20

    def __init__(self, problems: Iterable[Problem]):
        self.problems = tuple(problems)
        lines = [str(problem) for problem in self.problems[: self.MOST_LINES]]
        if len(self.problems) > len(lines):
            lines.append(f"... and {len(self.problems) - len(lines)} more problems")
        super().__init__("\n".join(lines))


class SimulationError(MatterlearnError):
    """The physics went wrong: a quantity is not finite, a neighbour list overflowed.

    Args:
        message: what happened.
        step: dynamics step at which it was noticed.
        checkpoint: last good checkpoint, if there is one.
        suggestion: what to change, in the scenario's own words.
    """

    def __init__(self, message, *, step=None, checkpoint=None, suggestion=None):
        self.step, self.checkpoint, self.suggestion = step, checkpoint, suggestion
        text = message if step is None else f"step {step}: {message}"
        if suggestion:
            text += f"; {suggestion}"
        if checkpoint is not None:
            text += f" (last good checkpoint: {checkpoint})"
        super().__init__(text)


class DiskError(MatterlearnError):
    """A file could not be written or read: the disk is full, or it may not be touched."""


class ResumeError(MatterlearnError):
    """A run cannot be continued from what its directory holds."""

    exit_code = 2


class Interrupted(MatterlearnError):
    """The user stopped the run after a checkpoint was written; the message says how to go on."""

    exit_code = 130


def did_you_mean(name: str, options: Iterable[str]) -> str:
    """Ends a message about an unknown `name`: the nearest option, or else all of them.

    >>> did_you_mean("kt", ["kT", "dt"]), did_you_mean("zzz", ["kT", "dt"])
    ("; did you mean 'kT'?", '; there are: dt, kT')
    """
    options = sorted({str(option) for option in options})
    lowered = {option.lower(): option for option in options}
    near = difflib.get_close_matches(str(name)[:100].lower(), lowered, n=1)
    if near:
        return f"; did you mean {lowered[near[0]]!r}?"
    return f"; there are: {', '.join(options)}" if options else "; there are none"
