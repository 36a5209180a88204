"""Numbers in a file of one's own, named in a scenario and known again by their digest. Read without jax.

A scenario says where the file is, seen from the folder in which matterlearn is started. The digest of its bytes is
filled in when the scenario is read and kept with the results, so a run is never resumed, and a point of a sweep never
taken for finished, after the numbers have changed. A file is data: arrays that hold objects are refused.
"""

import hashlib
import os
import stat
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field, model_validator

from matterlearn.spec import Spec
from matterlearn.tasks._samples import divided

MOST_BYTES = 1 << 31
FORMATS = {".npy": None, ".csv": ",", ".txt": None}


class NumbersInAFile(Spec):
    """A rectangular array of finite numbers, one example after the other along its first axis."""

    path: str = Field(
        min_length=1, max_length=4096,
        description="an array of numpy (.npy), or rows of numbers as text (.csv, .txt; # begins a comment)",
    )  # fmt: skip
    sha256: str | None = Field(
        default=None, pattern="^[0-9a-f]{64}$", description="digest that the file must have; null: the one it has now"
    )
    test_fraction: float = Field(default=0.0, ge=0, lt=1, description="fraction held out")
    split: int = Field(default=0, ge=0, description="seed of the division into training and test examples")

    @model_validator(mode="before")
    @classmethod
    def _identify(cls, given: Any) -> Any:
        """Fills the digest in, or compares it; every fault of the file is told here."""
        if not isinstance(given, dict) or not isinstance(given.get("path"), str):
            return given
        digest, _ = contents(given["path"])
        if given.get("sha256") not in (None, digest):
            raise ValueError(f"{given['path']} has changed: its sha256 is {digest}; leave sha256 out to take it so")
        return given | {"sha256": digest}

    @property
    def numbers(self) -> np.ndarray:
        """What is in the file."""
        return contents(self.path)[1]

    def divided(self):
        """Training and test examples."""
        return divided(self.numbers, self.test_fraction, self.split)


def contents(path: str) -> tuple[str, np.ndarray]:
    """Digest and numbers of a file, read once as long as it does not change.

    Raises:
        ValueError: if it cannot be read, is no array of numbers, or holds one that is not finite.
    """
    try:
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode):
            raise ValueError(f"{path}: not a file")
        if found.st_size > MOST_BYTES:
            raise ValueError(f"{path}: larger than {MOST_BYTES >> 30} GiB, too much to learn from in memory")
        return _read(path, found.st_mtime_ns, found.st_size)
    except OSError as error:
        where = "" if os.path.isabs(path) else f" (seen from {Path.cwd()})"
        raise ValueError(f"{path}: {error.strerror or error}{where}") from error


@lru_cache(maxsize=4)
def _read(path: str, changed: int, size: int) -> tuple[str, np.ndarray]:
    del changed, size
    kind = Path(path).suffix.lower()
    if kind not in FORMATS:
        raise ValueError(f"{path}: should end in {', '.join(FORMATS)}")
    try:
        if kind == ".npy":
            numbers = np.load(path, allow_pickle=False)
        else:
            with warnings.catch_warnings(action="ignore"):  # of an empty file, which is refused below
                numbers = np.loadtxt(path, delimiter=FORMATS[kind], ndmin=2, encoding="utf-8")
    except (ValueError, EOFError, MemoryError) as error:
        why, hint = str(error).splitlines()[0].rstrip("."), "; # begins a line that is none" if kind != ".npy" else ""
        raise ValueError(f"{path}: cannot be read as numbers ({why}){hint}") from error
    if numbers.dtype.kind not in "biuf" or numbers.ndim < 2 or not numbers.size:
        found = f"{numbers.dtype} of shape {numbers.shape}"
        raise ValueError(f"{path}: should be numbers, one example in a row; found {found}")
    numbers = numbers.astype(float)
    wrong = np.argwhere(~np.isfinite(numbers))
    if len(wrong):
        raise ValueError(f"{path}: example {wrong[0][0]} holds a number that is not finite")
    numbers.setflags(write=False)
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), numbers
