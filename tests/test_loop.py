"""Runs that are killed, interrupted, cut into other chunks or short of room give the bits of one that is left alone."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

import matterlearn.loop as loop
from covering import slow
from matterlearn import report, results
from matterlearn.checkpoints import Store
from matterlearn.cli import app
from matterlearn.errors import InputError, Interrupted, ResumeError, SimulationError
from matterlearn.run import simulate
from matterlearn.scenario import dump, load

STEPS = 12_000
SCENARIO = {
    "title": "Three sticky discs",
    "system": {"kind": "particles", "species": 3, "box": 6.0, "bond": -3.0},
    "dynamics": {"kind": "brownian", "dt": 1e-3},
    "observe": [{"kind": "energy", "every": 50}, {"kind": "trajectory", "every": 4000}],
    "run": {"seed": 3, "replicas": 2, "steps": STEPS, "chunk": 50},
}
# A run of its own process that writes a checkpoint after every chunk and draws no figures.
CHILD = """
import sys
from matterlearn import cli, loop, report
loop.CHECKPOINT_SECONDS = 0.0
report.write = lambda directory: None
sys.argv = ["matterlearn", "run", *sys.argv[1:], "--quiet"]
cli.main()
"""


@pytest.fixture(autouse=True)
def no_figures(monkeypatch):
    monkeypatch.setattr(report, "write", lambda directory: None)


class Walk:
    """A random walk in numpy whose list has room for ``room`` entries and needs one for each unit of distance."""

    name, unit, stride = "walk", "step", 10

    def __init__(self, total=200, breaks_at=None, room=1000, on_chunk=lambda done: None):
        self.total, self.breaks_at, self.room, self.on_chunk = total, breaks_at, room, on_chunk

    def start(self):
        zero = np.zeros((), np.float32)
        return {"x": zero, "needed": zero, "room": np.asarray(self.room, np.float32)}

    def first_records(self, carry):
        return {"step": np.array([0]), "x": carry["x"][None]}

    def advance(self, carry, begin, count):
        x, needed, room = (np.asarray(carry[name]) for name in ("x", "needed", "room"))
        records = []
        for step in range(begin + 1, begin + count + 1):
            x = x + np.random.default_rng(step).normal(size=()).astype(np.float32)
            needed = np.maximum(needed, np.minimum(np.ceil(np.abs(x)), room + 1))
            x = np.where(needed > room, np.float32(1e6), x)  # what comes out of too small a list is wrong
            x = np.where(step == self.breaks_at, np.float32(np.nan), x)
            if step % self.stride == 0:
                records.append((step, x))
        self.on_chunk(begin + count)
        step, values = zip(*records, strict=True)
        return {"x": x, "needed": needed, "room": room}, {"step": np.array(step), "x": np.array(values)}

    def status(self, records):
        return ""

    def trouble(self, carry, after, begin, count):
        return None if np.isfinite(after["x"]) else f"step {self.breaks_at}: the walk has no end; take smaller steps"

    def enlarge(self, carry, after):
        return {**carry, "room": after["needed"] + 8} if after["needed"] > after["room"] else None


def walk(stage, directory, chunk=None):
    log = loop.Log(directory / "log.jsonl")
    settings = {"quiet": True, "log": log, "resume_hint": "go on with: …"}
    return loop.run_stage(stage, Store(directory / "checkpoints"), chunk=chunk, **settings)


def events(directory):
    return [json.loads(line)["event"] for line in (directory / "log.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("chunk", [10, 40, 70, 10_000])
def test_any_chunk_gives_the_same_records(tmp_path, chunk):
    _, records = walk(Walk(), tmp_path / "a")
    _, other = walk(Walk(), tmp_path / "b", chunk)
    assert records["step"].tolist() == list(range(0, 201, 10))
    for name in records:
        np.testing.assert_array_equal(records[name], other[name])


def test_overflow_is_replayed(tmp_path):
    _, records = walk(Walk(), tmp_path / "large")
    carry, replayed = walk(Walk(room=1), tmp_path / "small", chunk=20)
    np.testing.assert_array_equal(replayed["x"], records["x"])
    assert events(tmp_path / "small").count("neighbour list enlarged") >= 2
    assert carry["room"] < 100


def test_list_that_always_overflows_is_an_error(tmp_path):
    class Hopeless(Walk):
        def enlarge(self, carry, after):
            return carry

    with pytest.raises(SimulationError, match="step 0: .*overflow.*checkpoint"):
        walk(Hopeless(), tmp_path)


def test_trouble_names_step_checkpoint_and_remedy(tmp_path):
    with pytest.raises(SimulationError) as caught:
        walk(Walk(breaks_at=137), tmp_path, chunk=20)
    message = str(caught.value)
    assert message.startswith("step 137:") and "take smaller steps" in message and "\n" not in message
    saved = Store(tmp_path / "checkpoints").restore("walk", Walk().start())
    assert saved[0] == 120 and f"step {saved[0]}" in message, "the last good chunk is kept, and named"
    assert np.isfinite(saved[1]["x"]) and saved[2]["step"][-1] == 120
    # From there a run that does not break reaches the end as if nothing had happened.
    _, records = walk(Walk(), tmp_path)
    np.testing.assert_array_equal(records["x"], walk(Walk(), tmp_path / "whole")[1]["x"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stop_request_saves_and_goes_on(tmp_path, number):
    def ask(done):
        if done == 80:
            os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    with pytest.raises(Interrupted, match="stopped at step 80 of 200") as caught:
        walk(Walk(on_chunk=ask), tmp_path, chunk=20)
    assert caught.value.exit_code == 130 and "go on with" in str(caught.value)
    assert signal.getsignal(number) == before, "whoever handled the signal before handles it again"
    _, records = walk(Walk(), tmp_path)
    np.testing.assert_array_equal(records["x"], walk(Walk(), tmp_path / "whole")[1]["x"])
    assert "resumed" in events(tmp_path)


def test_crash_between_records_and_carry_leaves_no_gap(tmp_path, monkeypatch):
    """Records are written first; when the process dies before the carry is, they are dropped and made again."""
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1.0)
    save = Store.save

    def dies(self, stage, begin, done, carry, traces):
        if done == 80:
            monkeypatch.setattr("matterlearn.checkpoints.np.savez", torn)
        return save(self, stage, begin, done, carry, traces)

    calls = []
    savez = np.savez

    def torn(file, **arrays):
        calls.append(1)
        if len(calls) == 2:
            file.write(b"half of it")
            raise MemoryError
        savez(file, **arrays)

    monkeypatch.setattr(Store, "save", dies)
    with pytest.raises(MemoryError):
        walk(Walk(), tmp_path, chunk=20)
    monkeypatch.undo()
    store = Store(tmp_path / "checkpoints")
    done, _, records = store.restore("walk", Walk().start())
    assert done == 60 and records["step"][-1] == 60
    _, records = walk(Walk(), tmp_path, chunk=40)
    np.testing.assert_array_equal(records["x"], walk(Walk(), tmp_path / "whole")[1]["x"])


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"x" * 100])
def test_damaged_checkpoint_is_one_line(tmp_path, damage):
    store = Store(tmp_path)
    path = store.save("walk", 0, 10, Walk().start(), {"x": np.zeros(3)})
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ResumeError, match=r"cannot be read.*--out") as caught:
        store.restore("walk", Walk().start())
    assert "\n" not in str(caught.value)


def test_checkpoint_of_another_precision_is_one_line(tmp_path):
    store = Store(tmp_path)
    store.save("walk", 0, 10, {"x": np.zeros(3, np.float32)}, {})
    with pytest.raises(ResumeError, match="precision"):
        store.restore("walk", {"x": np.zeros(3, np.float64)})


# The same with real physics --------------------------------------------------------------------------------------


def identical(a, b):
    """Two results trees hold the same numbers; attributes hold wall times and may differ."""
    assert list(a.groups) == list(b.groups)
    for node in a.subtree:
        xr.testing.assert_equal(node.to_dataset(), b[node.path].to_dataset())


def edited(scenario, **sections):
    return {**scenario, **{name: {**scenario.get(name, {}), **changes} for name, changes in sections.items()}}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "write", lambda directory: None)
        return simulate(SCENARIO, out=tmp_path_factory.mktemp("alone") / "r").tree


def interrupted(tmp_path, number):
    """A run in its own process that gets a signal after a few checkpoints; its exit code, errors and directory."""
    file, out = tmp_path / "discs.yaml", tmp_path / "r"
    file.write_text(dump(load(SCENARIO)))
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(file), "--out", str(out)],
        env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while len(list((out / "checkpoints").glob("recall-*.npz"))) < 4:
        assert child.poll() is None and time.monotonic() < deadline, child.communicate()[1]
        time.sleep(0.05)
    time.sleep(np.random.default_rng(os.getpid()).uniform(0, 0.1))  # any moment must do
    child.send_signal(number)
    errors = child.communicate(timeout=60)[1]
    return child.returncode, errors, out


def test_killed_run_resumes_to_the_same_bits(tmp_path, uninterrupted):
    code, _, out = interrupted(tmp_path, signal.SIGKILL)
    assert code == -signal.SIGKILL and not (out / "results.nc").exists()
    for file in (out / "checkpoints").glob("*.npz"):
        np.load(file)["done" if file.stem == "recall" else "step"]
    assert int(np.load(out / "checkpoints" / "recall.npz")["done"]) < STEPS
    identical(simulate(SCENARIO, out=out, resume=True).tree, uninterrupted)
    identical(results.open(out), uninterrupted)


@pytest.mark.slow
def test_ctrl_c_says_how_to_go_on(tmp_path, uninterrupted):
    code, errors, out = interrupted(tmp_path, signal.SIGINT)
    assert code == 130, errors
    assert errors.startswith("stopped at step ") and errors.count("\n") == 1, errors
    command = shlex.split(errors.partition("go on with: matterlearn ")[2])
    again = CliRunner().invoke(app, command)
    assert again.exit_code == 0, again.output
    identical(results.open(out), uninterrupted)


def test_any_chunk_gives_the_same_bits(tmp_path, uninterrupted):
    whole = simulate(edited(SCENARIO, run={"chunk": None, "steps": 4000}), out=tmp_path / "a").tree
    cut = simulate(edited(SCENARIO, run={"chunk": 1000, "steps": 4000}), out=tmp_path / "b").tree
    identical(whole, cut)
    np.testing.assert_array_equal(whole["energy"].values, uninterrupted["energy"].sel(step=slice(0, 4000)).values)


def test_resume_refuses_another_scenario_or_precision(tmp_path):
    short = edited(SCENARIO, run={"steps": 100})
    simulate(short, out=tmp_path)
    other = edited(short, run={"seed": 4})
    for scenario, options, word in [(other, {}, "scenario"), (short, {"precision": "f64"}, "precision")]:
        with pytest.raises(ResumeError, match=word) as caught:
            simulate(scenario, out=tmp_path, resume=True, **options)
        assert "\n" not in str(caught.value) and caught.value.exit_code == 2
    with pytest.raises(InputError, match="--resume"):
        simulate(short, out=tmp_path)
    identical(simulate(short, out=tmp_path, resume=True).tree, results.open(tmp_path))


def test_not_a_number_is_told_with_its_step(tmp_path, monkeypatch):
    from matterlearn.dynamics.brownian import Brownian

    step = Brownian.step

    def breaks(self, key, system, drive, state):
        state, info = step(self, key, system, drive, state)
        spoilt = jax.tree.map(lambda leaf: jnp.where(state.step == 137, jnp.nan, leaf), state.x)
        return state._replace(x=spoilt), info

    monkeypatch.setattr(Brownian, "step", breaks)
    # Three replicas: another shape than all runs before, so nothing compiled without the fault is used again.
    scenario = edited(SCENARIO, run={"replicas": 3, "steps": 400, "chunk": 50})
    with pytest.raises(SimulationError) as caught:
        simulate(scenario, out=tmp_path / "r")
    message = str(caught.value)
    assert message.startswith("step 137: ") and "replica" in message and "smaller dynamics.dt" in message
    assert "(step 100)" in message and not (tmp_path / "r" / "results.nc").exists()
    assert not list((tmp_path / "r").rglob("*.tmp"))


@pytest.mark.parametrize(("rate", "remedy"), [
    (1e8, "step [01]: .*; use weaker couplings; .* smaller learning.optimizer.learning_rate"),
    slow(1e38, "update [12]: .*; use a smaller learning.optimizer.learning_rate, or learning.optimizer.clip"),
])  # fmt: skip
def test_too_large_a_learning_rate_is_told(rate, remedy, tmp_path):
    """Sampling has no time step that could be at fault; it is learning that went too far."""
    scenario = {
        "title": "Real numbers, learned too fast",
        "system": {"kind": "restricted_boltzmann_machine", "visible": 2, "hidden": 2, "values": {"scale": 1.0}},
        "dynamics": {"kind": "heat_bath"},
        "task": {"kind": "data", "data": {"source": "rows", "rows": [[0.0, 1.0], [2.0, -1.0]], "values": 0}},
        "learning": {"rule": {"kind": "wake_sleep"}, "optimizer": {"learning_rate": rate}, "updates": 2},
        "run": {"steps": 2, "replicas": 2},
    }
    with pytest.raises(SimulationError, match=remedy):
        simulate(scenario, out=tmp_path / "r")


@pytest.mark.slow
def test_list_that_overflows_within_a_chunk_changes_nothing(tmp_path, monkeypatch):
    """A trap pulls 120 discs together until their list is full; replayed with more room they move as with much room."""
    from matterlearn.systems import particles

    allocate = particles.allocate
    scenario = {
        **SCENARIO,
        "system": {"kind": "particles", "species": 1, "copies": 120, "bond": -1.0},
        "task": {"kind": "relaxation", "trap": 10.0},
        "observe": [{"kind": "energy", "every": 50}, {"kind": "trajectory", "every": 50}],
        "run": {"seed": 1, "replicas": 1, "steps": 100, "chunk": 50},
    }

    def trees(margin, name):
        monkeypatch.setattr(particles, "allocate", lambda *args, **more: allocate(*args, margin=margin, **more))
        return simulate(scenario, out=tmp_path / name).tree

    little, much = trees(1.0, "little"), trees(1000.0, "much")  # the latter has room for all pairs
    assert "neighbour list enlarged" in events(tmp_path / "little")
    assert "neighbour list enlarged" not in events(tmp_path / "much")
    np.testing.assert_array_equal(little["trajectory/position"].values, much["trajectory/position"].values)
    np.testing.assert_allclose(little["energy"].values, much["energy"].values, rtol=1e-5)
