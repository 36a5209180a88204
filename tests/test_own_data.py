"""Numbers in a file of one's own are learned from as if they stood in the scenario, and are known again."""

import os

import numpy as np
import pytest

from matterlearn import scenario
from matterlearn.errors import ResumeError, ScenarioError
from matterlearn.run import simulate
from matterlearn.tasks._data import File, Rows
from matterlearn.tasks._pairs import File as PairsFile

ROWS = np.array([[1, 0, 1, 0], [0, 0, 1, 1], [1, 1, 0, 0], [1, 0, 0, 1]])
TEXT = "1,0,1,0\n# from here on the second kind\n0,0,1,1\n1,1,0,0\n1,0,0,1\n"


def learning(**data):
    return {
        "title": "own data",
        "system": {"kind": "restricted_boltzmann_machine", "visible": 4, "hidden": 2},
        "dynamics": {"kind": "heat_bath"},
        "task": {"kind": "data", "data": data},
        "learning": {"rule": {"kind": "wake_sleep"}, "updates": 5, "replicas": 4},
        "run": {"steps": 10, "replicas": 4},
    }


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text(TEXT)
    (tmp_path / "rows.txt").write_text(TEXT.replace(",", " "))
    np.save("rows.npy", ROWS.astype(np.int8))
    return tmp_path


def test_all_formats_are_the_same_samples(folder):
    """Those of the scenario's own rows, in random order."""
    filed = [File(source="file", path=path, values=2).build().train for path in ("rows.csv", "rows.txt", "rows.npy")]
    assert all(np.array_equal(one, filed[0]) for one in filed)
    assert sorted(map(tuple, filed[0])) == sorted(map(tuple, Rows(source="rows", rows=ROWS.tolist()).build().train))


def test_images_keep_their_shape_and_some_are_held_out(folder):
    images = np.arange(60.0).reshape(5, 3, 4)
    np.save(folder / "images.npy", images)
    source = File(source="file", path="images.npy", test_fraction=0.4, split=3)
    train, test, shape = source.build()
    assert (source.size, shape, train.shape, test.shape) == (12, (3, 4), (3, 12), (2, 12))
    np.testing.assert_array_equal(np.sort(np.concatenate([train, test])[:, 0]), images[:, 0, 0])


def test_inputs_come_before_targets(folder):
    np.savetxt(folder / "pairs.txt", [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    source = PairsFile(source="file", path="pairs.txt")
    pairs = source.build(2, 1)
    assert pairs.train.tolist() == pairs.test.tolist()
    assert sorted(pairs.train.tolist()) == [[1.0, 2.0], [4.0, 5.0]]
    np.testing.assert_array_equal(pairs.train_target[:, 0], pairs.train[:, 1] + 1)
    assert source.complaint(2, 2) == "every row should have 2 inputs and 2 targets; found shape (3,)"


def test_a_file_that_changed_is_another_scenario(folder, undrawn):
    given = learning(source="file", path="rows.csv", values=2) | {"learning": None}
    out = simulate(given, folder / "run").directory
    first = scenario.load(out / "scenario.yaml").task.data.sha256
    assert len(first) == 64
    os.utime("rows.csv", (1, 1))
    assert scenario.load(given).task.data.sha256 == first
    (folder / "rows.csv").write_text(TEXT.replace("1,1,0,0", "1,1,1,0"))
    assert scenario.load(given).task.data.sha256 != first
    with pytest.raises(ScenarioError, match=r"rows.csv has changed: its sha256 is \w{64}; leave sha256 out"):
        scenario.load(out / "scenario.yaml")
    with pytest.raises(ResumeError, match="another scenario"):
        simulate(given, out, resume=True)


def written(name, content):
    with open(name, "wb") as file:
        file.write(content)
    return name


@pytest.mark.parametrize(("make", "message"), [
    (lambda: "none.csv", r"No such file or directory \(seen from "),
    (lambda: "/none/at.npy", "No such file or directory$"),
    (lambda: "\0.npy", "control characters"),
    (lambda: os.makedirs("folder.npy") or "folder.npy", "not a file"),
    (lambda: os.mkfifo("pipe.csv") or "pipe.csv", "not a file"),
    (lambda: os.truncate(written("big.npy", b""), 1 << 32) or "big.npy", "larger than 2 GiB"),
    (lambda: written("empty.csv", b""), "one example in a row; found float64 of shape"),
    (lambda: written("rows.yaml", b"1"), r"should end in .npy, .csv, .txt"),
    (lambda: written("a.csv", b"a,b\n1,2\n"), r"could not convert string 'a' .*; # begins a line that is none"),
    (lambda: written("b.csv", b"1,2\n1\n"), "the number of columns changed from 2 to 1"),
    (lambda: written("c.csv", b"\xff\xfe1,2"), "cannot be read as numbers"),
    (lambda: written("d.npy", b"\x93NUMPY\x01\x00cut"), "cannot be read as numbers"),
    (lambda: written("e.csv", b"1,nan\n"), "example 0 holds a number that is not finite"),
    (lambda: np.save("f.npy", np.array([[1, "a"]], object), allow_pickle=True) or "f.npy", "allow_pickle=False"),
    (lambda: np.save("g.npy", np.zeros(3)) or "g.npy", r"one example in a row; found float64 of shape \(3,\)"),
    (lambda: np.save("h.npy", np.full((2, 4), 0.5)) or "h.npy", "entries should be whole numbers from 0 to 1"),
    (lambda: np.save("i.npy", np.zeros((2, 5))) or "i.npy", "a sample has 5 entries"),
])  # fmt: skip
def test_what_is_no_table_of_numbers_is_refused_in_one_line(folder, make, message):
    path = make()
    with pytest.raises(ScenarioError, match=message) as told:
        scenario.load(learning(source="file", path=path, values=2))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(("data", "message"), [
    ({"source": "digit"}, "task.data: unknown source 'digit'; did you mean 'digits'?"),
    ({"source": dict.fromkeys(map(str, range(200)), 0)}, "task.data: unknown source "),
    ({"path": "rows.csv"}, "task.data: source is missing; this key is needed"),
])  # fmt: skip
def test_an_unknown_source_is_named_in_short(data, message):
    with pytest.raises(ScenarioError) as told:
        scenario.load(learning(**data))
    assert str(told.value).startswith(message)
    assert len(str(told.value)) < 300
