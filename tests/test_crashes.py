"""A run that is killed at any moment goes on to the same bits, and nothing half written is taken for a result."""

import collections
import tempfile
from pathlib import Path

import numpy as np
import pytest
from killed_runs import CASES, Moment, Runs, identical

from matterlearn import results
from matterlearn.errors import InputError

SHARES = {"particles": 13, "lattice": 13, "learning": 7, "wake_sleep": 7, "diffusion": 4, "design": 3, "variants": 3}


def moments(random, seconds, count):
    """Moments of kills: half of them anywhere in a run, half when a file is just being written."""
    files = [
        Moment(pattern="**/checkpoints/*.tmp"),
        Moment(pattern="**/checkpoints/*-*-*.npz", count=int(random.integers(2, 30))),
        Moment(pattern="**/results.nc.*.part"), Moment(pattern="**/results.nc"), Moment(pattern="**/figures.part/*"),
        Moment(pattern="**/checkpoints/recall.npz"), Moment(pattern="run.json"),
    ]  # fmt: skip
    anywhere = [Moment(seconds=float(at)) for at in random.uniform(0, seconds, count)]
    return [files[random.integers(len(files))] if random.random() < 0.5 else at for at in anywhere]


def only_whole_results_are_opened(out, reference):
    """What a killed run left is either no result at all, said in one line, or all of it."""
    try:
        results.open(out)
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert identical(out, reference) == []


def kill_and_resume(runs, reference, kills):
    """Kills one run several times, each time it is gone on with, and lets it finish; how many kills met it alive."""
    out, met = Path(tempfile.mkdtemp(prefix="killed-", dir=runs.folder)), 0
    for moment in kills:
        if runs.kill(out, moment) is None:
            break
        met += 1
        only_whole_results_are_opened(out, reference)
    runs.finish(out)
    assert identical(out, reference) == []
    assert (out / "report.html").exists()
    assert not [*out.rglob("*.tmp"), *out.rglob("*.part"), *out.rglob(".running")]
    return met


def check(folder, name, random, kills, together):
    """So many kills of one scenario, `together` of them on the way to one result."""
    runs = Runs(folder, name)
    runs.finish(folder / "first")  # fills the folder of compiled programs
    seconds = runs.finish(folder / "reference")
    assert identical(folder / "first", folder / "reference") == []
    met = 0
    while met < kills:
        some = moments(random, seconds, min(together, kills - met))
        met += kill_and_resume(runs, folder / "reference", some)
    return collections.Counter(runs.phases)


@pytest.mark.slow
def test_three_kills(tmp_path):
    """Within a checkpoint of what is learned, anywhere, and while the results are written."""
    runs = Runs(tmp_path, "wake_sleep")
    runs.finish(tmp_path / "reference")
    kills = [Moment(pattern="checkpoints/*.tmp"), Moment(seconds=1.5), Moment(pattern="results.nc.*.part")]
    assert kill_and_resume(runs, tmp_path / "reference", kills) >= 2


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_fifty_kills(name, tmp_path):
    """Prints in which phases runs were killed."""
    found = check(tmp_path, name, np.random.default_rng(len(name)), SHARES[name], together=3)
    print(name, dict(found))
    assert sum(found.values()) == SHARES[name]
