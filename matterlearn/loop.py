"""The loop that all runs share: chunks of compiled steps, and between them everything with a side effect.

A stage advances a carry; the loop alone reports progress, writes checkpoints, resumes, reacts to Ctrl-C, stops on
NaN and enlarges neighbour lists. A chunk whose lists overflowed is thrown away and replayed with larger ones.
"""

import contextlib
import json
import signal
import time
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from matterlearn import progress
from matterlearn.checkpoints import Store, join
from matterlearn.errors import Interrupted, SimulationError

CHECKPOINT_SECONDS = 10.0
MOST_REPLAYS = 8


class Stage(Protocol):
    """Something that advances in steps and leaves records.

    ``advance`` never changes its argument; ``status`` says in a few words where the last records stand; ``trouble``
    names the first step at which the numbers went wrong in a chunk and what to change, or ``None``; ``enlarge`` returns
    a carry with room for what overflowed in ``after``, or ``None``.
    """

    name: str
    unit: str
    total: int
    stride: int

    def start(self) -> Any: ...
    def first_records(self, carry: Any) -> dict[str, np.ndarray]: ...
    def advance(self, carry: Any, begin: int, count: int) -> tuple[Any, dict[str, np.ndarray]]: ...
    def status(self, records: dict[str, np.ndarray]) -> str: ...
    def trouble(self, carry: Any, after: Any, begin: int, count: int) -> str | None: ...
    def enlarge(self, carry: Any, after: Any) -> Any | None: ...


class Log:
    """One JSON line per event, appended to ``log.jsonl``."""

    def __init__(self, path: Path):
        self.path = path

    def __call__(self, event: str, **details) -> None:
        with open(self.path, "a") as file:
            file.write(json.dumps({"time": time.strftime("%Y-%m-%dT%H:%M:%S"), "event": event, **details}) + "\n")


class StopRequest:
    """Ctrl-C or a polite kill: finish the chunk, save, leave. A second Ctrl-C leaves at once."""

    def __enter__(self):
        self.asked = False
        self.previous = {}
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(ValueError):  # not in the main thread: whoever owns it handles signals
                self.previous[number] = signal.signal(number, self._ask)
        return self

    def _ask(self, number, frame):
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def __exit__(self, *_):
        for number, handler in self.previous.items():
            signal.signal(number, handler)


def chunk_size(total: int, stride: int, wanted: int | None) -> int:
    """Steps per chunk: a multiple of the record stride that divides the run, near ``wanted`` or 1/50 of the run.

    >>> chunk_size(200_000, 1000, None)
    4000
    """
    records = max(total // stride, 1)
    goal = max(1, round((wanted or total / 50) / stride))
    divisors = [d for d in range(1, min(records, 4 * goal) + 1) if records % d == 0]
    return stride * min(divisors, key=lambda d: abs(np.log(d / goal)))


def run_stage(
    stage: Stage, store: Store, *, chunk: int | None, quiet: bool, log: Log, resume_hint: str
) -> tuple[Any, dict[str, np.ndarray]]:
    """Run a stage to its end from its start or its last checkpoint.

    Returns:
        The final carry and all records, first axis time.

    Raises:
        SimulationError: non-finite or exploding numbers, or lists that overflow whatever their size.
        Interrupted: after a checkpoint, on Ctrl-C or SIGTERM.
    """
    carry = stage.start()
    saved = store.restore(stage.name, carry)
    if saved is None:
        done, parts = 0, [stage.first_records(carry)]
        store.save(stage.name, 0, 0, carry, parts[0])
    else:
        done, carry, records = saved
        parts = [records]
        log("resumed", stage=stage.name, step=done)
    size = chunk_size(stage.total, stage.stride, chunk)
    pending, saved_at, clock, replays = [], done, time.monotonic(), 0
    bar = progress.bar(total=stage.total, initial=done, desc=stage.name, unit=stage.unit, unit_scale=True,
                       mininterval=0.5, quiet=quiet)  # fmt: skip
    with StopRequest() as stop, bar:
        while done < stage.total:
            count = min(size, stage.total - done)
            after, records = stage.advance(carry, done, count)
            larger = stage.enlarge(carry, after)
            if larger is not None:
                replays += 1
                log("neighbour list enlarged", stage=stage.name, step=done)
                if replays > MOST_REPLAYS:
                    raise SimulationError(
                        "neighbour lists overflow again and again", step=done,
                        checkpoint=store.directory / f"{stage.name}.npz",
                        suggestion="particles are collapsing onto each other; use a stiffer core or a smaller dt",
                    )  # fmt: skip
                carry = larger
                continue
            wrong = stage.trouble(carry, after, done, count)
            if wrong is not None:
                log("failed", stage=stage.name, step=done, why=wrong)
                store.save(stage.name, saved_at, done, carry, join(pending)) if pending else None
                raise SimulationError(wrong, checkpoint=f"{store.directory / stage.name}.npz (step {done})")
            carry, done, replays = after, done + count, 0
            pending.append(records)
            parts.append(records)
            bar.set_postfix_str(stage.status(records), refresh=False)
            bar.update(count)
            if done == stage.total or stop.asked or time.monotonic() - clock > CHECKPOINT_SECONDS:
                store.save(stage.name, saved_at, done, carry, join(pending))
                log("checkpoint", stage=stage.name, step=done, status=stage.status(records))
                pending, saved_at, clock = [], done, time.monotonic()
            if stop.asked and done < stage.total:
                raise Interrupted(f"stopped at {stage.unit} {done} of {stage.total} ({stage.name}); {resume_hint}")
    return carry, join([part for part in parts if part])
