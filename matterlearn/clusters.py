"""Where the batches of a sweep are computed: this process, worker processes of this machine, or any Dask cluster.

Each of the three yields ``(batch, result)`` in the order in which batches are finished. A worker that dies takes
nothing with it: Dask gives its batch to another one, and the embedded cluster starts a new worker in its place.
"""

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from matterlearn.directories import versions
from matterlearn.errors import InputError

PATIENCE = 30.0  # seconds to wait for a scheduler and for its first worker


def here(work: Callable, tasks: Mapping[str, tuple]) -> Iterator[tuple[str, Any]]:
    """One after the other, in this process."""
    for name, arguments in tasks.items():
        yield name, work(*arguments)


def embedded(work: Callable, tasks: Mapping[str, tuple], workers: int) -> Iterator[tuple[str, Any]]:
    """In so many processes of this machine, each with one thread."""
    import dask.config
    from distributed import Client, Nanny, Scheduler
    from distributed.deploy.spec import SpecCluster
    from distributed.deploy.subprocess import SubprocessWorker

    silence: Any = logging.CRITICAL
    options = {"nthreads": 1, "silence_logs": silence, "memory_limit": 0}
    # Workers are programs of their own: scripts and notebooks need no `if __name__ == "__main__"` for them.
    kind = f"{Nanny.__module__}.{Nanny.__qualname__}"
    worker = {"cls": SubprocessWorker, "options": {"worker_class": kind, "worker_kwargs": options}}
    scheduler = {"cls": Scheduler, "options": {"host": "127.0.0.1", "port": 0, "dashboard": False}}
    quiet = {"distributed.logging.distributed": "critical", "distributed.admin.log-format": "%(message)s"}
    with (
        dask.config.set(quiet),
        SpecCluster(dict.fromkeys(range(workers), worker), scheduler, worker, silence_logs=silence) as cluster,
        Client(cluster) as client,
    ):
        yield from _gathered(client, work, tasks)


def existing(work: Callable, tasks: Mapping[str, tuple], address: str) -> Iterator[tuple[str, Any]]:
    """On a cluster that is there already.

    Raises:
        InputError: if nobody answers at this address, it has no workers, or theirs is another matterlearn.
    """
    from distributed import Client

    try:
        client = Client(address, timeout=PATIENCE)
    except (OSError, ValueError, TimeoutError) as error:
        why = " ".join(str(error).split())[:160]
        raise InputError(f"--scheduler {address}: no Dask scheduler answers there ({why})") from None
    with client:
        _check(client, address)
        yield from _gathered(client, work, tasks)


def _check(client, address: str) -> None:
    """The workers compute what this process would."""
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
    except TimeoutError:
        hint = f"start some, as in: dask worker {address}"
        raise InputError(f"--scheduler {address}: it has no workers; {hint}") from None
    try:
        found = client.run(versions)
    except Exception as error:  # whatever kept the workers from importing this module
        why = " ".join(str(error).split())[:160]
        raise InputError(f"--scheduler {address}: its workers cannot import matterlearn ({why})") from None
    for worker, theirs in found.items():
        if theirs != versions():
            raise InputError(
                f"--scheduler {address}: worker {worker} has {_words(theirs)}, here is {_words(versions())};"
                " install the same versions everywhere"
            )


def _words(found: Mapping[str, str]) -> str:
    return ", ".join(f"{package} {version}" for package, version in found.items()) or "no matterlearn"


def _gathered(client, work: Callable, tasks: Mapping[str, tuple]) -> Iterator[tuple[str, Any]]:
    from distributed import as_completed
    from distributed.scheduler import KilledWorker

    futures = {client.submit(work, *arguments, pure=False): name for name, arguments in tasks.items()}
    try:
        for future in as_completed(futures):
            try:
                yield futures[future], future.result()
            except KilledWorker:
                yield futures[future], "its workers were killed again and again; is there enough memory?"
            future.release()
    finally:
        with contextlib.suppress(Exception):  # the cluster may be gone
            client.cancel([future for future in futures if not future.done()])
