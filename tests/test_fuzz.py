"""Whatever stands in a scenario, checking it ends in a scenario or in a few clear lines, soon and in little memory."""

import collections
import contextlib
import copy
import functools
import os
import resource
import shutil
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scenario_texts import LIBRARY, NUMBERS, ODD_TEXT, SNIPPETS, places, spoiled, spoiled_text, whole

from matterlearn import cli, documents, scenario
from matterlearn.errors import MatterlearnError, ScenarioError
from matterlearn.run import simulate

MOST_UNITS = 32
MOST_SECONDS, MOST_MEMORY, MOST_CHARACTERS = 2.0, 200e6, 1000
QUICK = settings(deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
counts: collections.Counter = collections.Counter()


def memory():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def holds(source, overrides=(), label="data"):
    """Refused in a few lines, or a scenario that survives a round trip; the property of this file."""
    began, before = time.process_time(), memory()
    try:
        found = scenario.load(source, overrides)
    except MatterlearnError as error:
        found, lines = None, str(error).split("\n")
        assert error.exit_code == 2
        assert 0 < len(lines) <= ScenarioError.MOST_LINES + 1
        assert all(line.isprintable() and line.strip() and len(line) <= MOST_CHARACTERS for line in lines), lines
    spent = (time.process_time() - began) / (1 + variants_of(source))  # each of them is a scenario
    assert spent < MOST_SECONDS
    assert memory() - before < MOST_MEMORY
    if found is not None:
        text = scenario.dump(found)
        again = scenario.load(text)
        assert again == found
        assert scenario.digest(again) == scenario.digest(found)
        text.encode()  # can be written to a file
    counts[label, "refused" if found is None else "valid"] += 1
    counts["slowest"] = max(counts["slowest"], spent)
    return found


def variants_of(source):
    """How many variants a scenario has, if it can be read at all."""
    with contextlib.suppress(MatterlearnError, AttributeError, TypeError):
        data = source if isinstance(source, dict) else documents.read(source).data
        return len(data.get("variants", ()))
    return 0


def from_file(raw, folder):
    file = folder / "scenario.yaml"
    file.write_bytes(raw)
    return holds(file, label="text")


@st.composite
def assigned(draw):
    """A known scenario and assignments to it, of numbers and of anything."""
    name = draw(st.sampled_from(sorted(LIBRARY)))
    paths = st.sampled_from([".".join(map(str, path)) for path in places(LIBRARY[name])]) | st.text(max_size=9)
    odd = st.sampled_from([*SNIPPETS, *ODD_TEXT, *map(str, NUMBERS[:-1])]) | st.text(max_size=9)
    value = st.one_of(st.integers(-1, 99).map(str), st.floats().map(repr), odd)
    return name, draw(st.lists(st.builds("{}={}".format, paths, value), min_size=1, max_size=2))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def each(strategy, many, examine):
    """The property for many examples of a strategy."""

    @settings(QUICK, max_examples=many)
    @given(strategy)
    def one(example):
        examine(example)

    one()


def of_all_origins(many, folder):
    """Scenarios that are drawn, spoiled, spoiled as text, and changed by assignments: so many of each."""
    each(whole(), many, lambda data: holds(data, label="drawn"))
    each(spoiled(), many, lambda data: holds(data, label="spoiled"))
    each(spoiled_text(), many, lambda raw: from_file(raw, folder))
    each(assigned(), many, lambda pair: holds(copy.deepcopy(LIBRARY[pair[0]]), pair[1], label="assigned"))
    assert os.listdir(folder) == ["scenario.yaml"]  # nothing that a scenario says made a file


def test_what_is_wrong_is_said_and_what_is_right_survives(folder):
    of_all_origins(25, folder)


@pytest.mark.slow
def test_ten_thousand_scenarios(folder):
    """Prints how many were valid."""
    counts.clear()
    of_all_origins(2600, folder)
    print({" ".join(key) if isinstance(key, tuple) else key: round(value, 2) for key, value in counts.items()})
    assert sum(value for key, value in counts.items() if isinstance(key, tuple)) >= 10_000
    assert all(counts[label, "valid"] >= 20 for label in ("drawn", "spoiled", "text"))


def small(data):
    """The same scenario, of few steps, replicas, units; whatever that does to its validity."""
    data = {key: value for key, value in copy.deepcopy(data).items() if key not in ("variants", "expect")}
    for *above, last in places(data):
        target = functools.reduce(lambda inside, key: inside[key], above, data)
        if isinstance(target[last], int) and not isinstance(target[last], bool) and target[last] > MOST_UNITS:
            target[last] = MOST_UNITS
    data["run"] = {"steps": 2, "replicas": 2}
    data["observe"] = [{**each, "every": 1} for each in data.get("observe") or [] if isinstance(each, dict)][:3]
    for name in ("learning", "design"):
        if isinstance(data.get(name), dict):
            data[name] = {**data[name], "updates": 2, "exposures": 1, "replicas": 2}
            data[name] = {key: value for key, value in data[name].items() if name == "learning" or key != "exposures"}
    return data


def runs(data, folder):
    """A valid scenario runs for two steps, or is refused in one line; 0 if it was not valid."""
    try:
        checked = scenario.load(small(data))
    except MatterlearnError:
        return 0
    out = Path(tempfile.mkdtemp(dir=folder))
    try:
        simulate(checked, out)
    except MatterlearnError as error:
        assert "\n" not in str(error)
        assert len(str(error)) < MOST_CHARACTERS
        print(f"refused: {error}")
    shutil.rmtree(out)
    return 1


@pytest.mark.slow
def test_valid_scenarios_run(folder):
    """Small ones, for two steps."""
    found = []
    each(whole(), 60, lambda data: found.append(sum(found) < 12 and runs(data, folder)))
    assert sum(found) >= 12


RUNGS = "".join(f"b{n}: &b{n} [{', '.join([f'*b{n - 1}'] * 9)}]\n" for n in range(1, 12))
HOSTILE = {
    "code": ("!!python/object/apply:os.system ['touch pwned']", "tag"),
    "code in a value": ("title: !!python/object/apply:os.mkdir [pwned]\n", "tag"),
    "module": ("title: a\nsystem: {kind: 'os:system'}\nrun: {steps: 1}\n", "--allow os"),
    "module with a path": ("title: a\nsystem: {kind: '../os:system'}\nrun: {steps: 1}\n", "should look like"),
    "kind with a path": ("title: a\nsystem: {kind: ../../setup}\nrun: {steps: 1}\n", "unknown kind"),
    "bomb": ("b0: &b0 [x]\n" + RUNGS, "more than 20000 entries"),
    "endless": ("&a [*a]", "nested more than 40 deep"),
    "merge": ("a: &a {x: 1}\nb:\n  <<: *a\n", "unknown key"),
    "deep": ("[" * 200_000, "nested more than 40 deep"),
    "long": ("a: [" + "1," * 130_000 + "]", "more than 20000 entries"),
    "digits": ("title: a\nrun: {seed: " + "9" * 100_000 + "}\n", "is not a usable int"),
    "exponent": ("title: a\nrun: {steps: 1e400}\n", "run.steps"),
    "escapes": ('"\\e[2J\\e[1;1H": 1\n', "control characters"),
    "surrogate": ('title: "\\ud800"\n', "control characters"),
    "null byte": ('title: "a\\0b"\n', "control characters"),
    "binary": (b"\x89PNG\r\n\x1a\n\x00\x00", "not UTF-8"),
    "sixteen bits": ("title: a\n".encode("utf-16"), "not UTF-8"),
    "empty": ("", "should be a mapping"),
    "variants of variants": (
        "title: a\nsystem: {kind: boltzmann_machine, graph: {kind: cycle, nodes: 9}}\ndynamics: {kind: sequential}\n"
        "run: {steps: 1}\nvariants: {a: {variants: {b: {run.seed: 1}}}}\n", "cannot differ between variants",
    ),
    "complete graph": (
        "title: a\nsystem: {kind: boltzmann_machine, graph: {kind: complete, nodes: 100000}}\n"
        "dynamics: {kind: sequential}\nrun: {steps: 1}\n", "about 5e+09 edges; at most",
    ),
    "copies": ("title: a\nrun: {steps: 1}\nobserve:\n" + "- {kind: energy}\n" * 6000, "at most 256 items"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files(name, folder):
    text, expected = HOSTILE[name]
    file = folder / "scenario.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ScenarioError) as told:
        scenario.load(file)
    assert expected in str(told.value)
    assert str(told.value).startswith(str(file))
    assert holds(file) is None
    assert os.listdir(folder) == ["scenario.yaml"]


def test_a_gigabyte_is_not_read(folder):
    file = folder / "scenario.yaml"
    with open(file, "wb") as made:
        made.truncate(1 << 30)
    for source in (file, "/dev/zero") if os.path.exists("/dev/zero") else (file,):
        before = memory()
        with pytest.raises(ScenarioError, match=r"larger than 262144 bytes; keep data in files"):
            scenario.load(Path(source))
        assert memory() - before < 20e6


def test_python_hands_in_what_no_file_can(folder):
    endless: dict = {"title": "a"}
    endless["system"] = endless
    for odd in (endless, {1: 2}, {"title": object()}, {"title": "a", "run": {"steps": 10**5000}}, {None: None}):
        assert holds(odd) is None


def test_the_command_line_says_the_same(folder, monkeypatch, capfd):
    words = ["matterlearn", "validate"]
    for number, (text, _) in enumerate(HOSTILE.values()):
        file = folder / f"{number}.yaml"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        words.append(str(file))
    monkeypatch.setattr("sys.argv", [*words, "missing.yaml", str(folder), "hopfield_recall"])
    with pytest.raises(SystemExit) as left:
        cli.main()
    told = capfd.readouterr()
    assert left.value.code == 2
    assert told.out == "hopfield_recall: ok\n"
    lines = told.err.splitlines()
    assert all(line.isprintable() and len(line) <= MOST_CHARACTERS for line in lines)
    assert len({line.partition(":")[0] for line in lines}) == len(HOSTILE) + 2
    assert "missing.yaml: cannot be read: No such file or directory" in lines
    assert f"{folder}: cannot be read: Is a directory" in lines
