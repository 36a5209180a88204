"""What a run meets on the machine: a full disk, a file it may not touch, Ctrl-C, too little memory, another process.

Each ends in one line that says what to do; what was computed up to the last checkpoint is there, and ``--resume`` goes
on from it. No jax.
"""

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from matterlearn.errors import DiskError, InputError, Interrupted, SimulationError

REMEDIES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "make room"),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "make it writable"),
}
LOCK = ".running"
OUT_OF_MEMORY = "RESOURCE_EXHAUSTED"


def told(error: OSError, where: Path | str) -> str:
    """What the system said of which file.

    >>> told(FileNotFoundError(2, "No such file or directory", "a.txt"), ".")
    'a.txt: No such file or directory'
    """
    file = error.filename2 or error.filename or where
    words = os.strerror(error.errno) if error.errno else " ".join(str(error).split())[:200]
    return f"{os.fsdecode(file) if isinstance(file, bytes) else file}: {words}"


@contextlib.contextmanager
def guarded(directory: Path, hint: str) -> Iterator[None]:
    """Turns what the machine does to a run in ``directory`` into one line, which ends with ``hint``.

    Raises:
        DiskError: for what the system says of files.
        Interrupted: for Ctrl-C between the stages of a run: while compiling, drawing or saving.
        SimulationError: if memory ran out.
    """
    try:
        yield
    except OSError as error:
        remedy = REMEDIES.get(error.errno or 0, "put it right")
        raise DiskError(f"{told(error, directory)}; {remedy}, then {hint}") from error
    except KeyboardInterrupt:
        raise Interrupted(f"stopped; {hint}") from None
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and OUT_OF_MEMORY not in str(error):
            raise
        words = "out of memory"
        raise SimulationError(words, suggestion="use fewer replicas, or observe less often (every: ...)") from error


@contextlib.contextmanager
def occupied(directory: Path) -> Iterator[None]:
    """Keeps other processes out of a run's directory, for as long as this one lives.

    Raises:
        InputError: if another process is at work there.
    """
    try:
        import fcntl
    except ImportError:  # Windows has none, and there two processes are the user's own affair
        yield
        return
    with open(directory / LOCK, "a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            words = f"{directory}: another process is at work here; wait for it, or use another --out"
            raise InputError(words) from None
        except OSError:  # a file system without locks
            pass
        try:
            yield
        finally:
            (directory / LOCK).unlink(missing_ok=True)


def clear_leftovers(directory: Path) -> None:
    """Removes what a process that was killed had half written; only for who has the directory to himself."""
    for pattern in ("*.part", "*.tmp", "checkpoints/*.tmp"):
        for left in directory.glob(pattern):
            shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)
