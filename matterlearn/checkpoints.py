"""Checkpoints and traces on disk: written to a temporary file, then renamed, so no reader ever sees half of one.

A stage of a run leaves ``<stage>.npz`` (its carry and how far it got, replaced at every checkpoint) and
``<stage>-<from>-<to>.npz`` (the records between two checkpoints). Traces are written before the carry that
goes with them; after a crash in between, the trace beyond the carry is ignored and rewritten.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO
from zipfile import BadZipFile

import jax
import numpy as np

from matterlearn.errors import ResumeError


class Store:
    """The checkpoint directory of one run."""

    def __init__(self, directory: Path):
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)

    def save(self, stage: str, begin: int, done: int, carry: Any, traces: dict[str, np.ndarray]) -> Path:
        """Write the records of (begin, done] and then the carry at ``done``."""
        write_arrays(self.directory / f"{stage}-{begin:012d}-{done:012d}.npz", traces)
        leaves = {f"leaf{n}": np.asarray(leaf) for n, leaf in enumerate(jax.tree.leaves(carry))}
        path = self.directory / f"{stage}.npz"
        write_arrays(path, {"done": np.asarray(done), **leaves})
        return path

    def restore(self, stage: str, template: Any) -> tuple[int, Any, dict[str, np.ndarray]] | None:
        """Steps done, carry and all records of a stage, or ``None`` if it never reached a checkpoint.

        Raises:
            ResumeError: if the checkpoint does not hold what this run's state needs.
        """
        path = self.directory / f"{stage}.npz"
        if not path.exists():
            return None
        saved = read_arrays(path)
        old, treedef = jax.tree.flatten(template)
        new = [saved.get(f"leaf{n}") for n in range(len(old))]
        if len(saved) != len(old) + 1 or any(n is None or n.dtype != o.dtype for n, o in zip(new, old, strict=True)):
            raise ResumeError(
                f"{path} was written by a run with another state or precision; resume with the same scenario, "
                "precision and version, or start afresh with --out"
            )
        done = int(saved["done"])
        return done, treedef.unflatten([jax.numpy.asarray(leaf) for leaf in new]), self.traces(stage, done)

    def traces(self, stage: str, done: int) -> dict[str, np.ndarray]:
        """All records up to ``done``, in order; records beyond it are leftovers of a crash and are removed."""
        parts = []
        for path in sorted(self.directory.glob(f"{stage}-*-*.npz")):
            if int(path.stem.split("-")[-1]) > done:
                path.unlink()
            else:
                parts.append(read_arrays(path))
        return join(parts)


def join(parts: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Records one after the other along their first axis; a name may be missing from some parts."""
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: np.concatenate([part[name] for part in parts if name in part]) for name in names}


def write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write an archive so that it is either wholly there or not at all."""
    _put(path, lambda file: np.savez(file, **arrays))  # pyright: ignore[reportArgumentType]


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Arrays of an archive.

    Raises:
        ResumeError: if the file is damaged.
    """
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise ResumeError(f"{path} cannot be read ({error}); start afresh with --out") from error


def write_json(path: Path, content: dict) -> None:
    """Write a JSON file so that it is either wholly there or not at all."""
    _put(path, lambda file: file.write(json.dumps(content, indent=1).encode()))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file so that it is either wholly there or not at all."""
    _put(path, lambda file: file.write(content))


def _put(path: Path, write: Callable[[BinaryIO], Any]) -> None:
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)  # where it could not be written, it only takes room
