"""Scenarios: loading, complaints in their places, overrides, round trip; never a traceback."""

import copy
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.kind import System
from matterlearn import scenario as scenarios
from matterlearn.documents import write
from matterlearn.errors import ScenarioError

FAKE = "fakes.kind:Config"
DATA = {
    "title": "Wells",
    "references": ["hopfield1982neural"],
    "system": {"kind": FAKE, "size": 5, "kT": {"ramp": {"start": 2, "stop": 1, "steps": 10}}},
    "dynamics": {"kind": FAKE},
    "task": {"kind": FAKE},
    "learning": {"rule": {"kind": FAKE}, "optimizer": {"kind": "adam"}},
    "observe": [{"kind": FAKE, "every": 10}],
    "run": {"seed": 3, "steps": 2000},
    "expect": {
        "energy_final": {"min": 0.5, "where": {"memory": 0}},
        "cross_overlap_mean": [{"max": 1.0}, {"value": 0.2, "tolerance": 0.1, "source": "here"}],
        "source": "1e-3",
    },
}
TEXT = f"""\
title: Wells
system: {{kind: "{FAKE}", size: 5}}
dynamics:
  kind: {FAKE}
observe:
  - kind: {FAKE}
    every: 1_000
run:
  steps: 20_000
expect: {{energy_final: {{min: 0.8}}}}
"""


def lines(source, *overrides):
    with pytest.raises(ScenarioError) as caught:
        scenarios.load(source, overrides)
    return str(caught.value).splitlines()


def test_round_trip_and_digest():
    scenario = scenarios.load(DATA)
    again = scenarios.load(scenarios.dump(scenario))
    assert again == scenario
    assert scenarios.load(scenarios.resolve(scenario)) == scenario
    assert scenarios.digest(again) == scenarios.digest(scenario)
    other = scenarios.load(DATA, ["run.seed=4"])
    assert scenarios.digest(other) != scenarios.digest(scenario)
    assert scenario.learning.optimizer.learning_rate == 1.0
    assert scenario.expect["cross_overlap_mean"][1].tolerance == 0.1


def test_real_scenario_builds_and_has_the_same_content():
    scenario = scenarios.load(TEXT)
    real = scenario.realise()
    assert isinstance(real.system.build(None), System)
    assert scenarios.resolve(real) == scenarios.resolve(scenario)


def test_file_by_path_and_by_name(tmp_path, monkeypatch):
    (tmp_path / "scenarios").mkdir()
    path = tmp_path / "scenarios" / "wells_of_test.yaml"
    path.write_text(TEXT)
    monkeypatch.chdir(tmp_path)
    assert scenarios.load(path) == scenarios.load("wells_of_test") == scenarios.load(TEXT)
    (told,) = lines("wells_of_tst")
    assert told == "wells_of_tst: no scenario of this name; did you mean 'wells_of_test'?"
    (told,) = lines("no/such.yaml")
    assert told == "no/such.yaml: cannot be read: No such file or directory"


def test_all_problems_are_reported_each_in_its_place(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text(TEXT.replace("size: 5", "sise: 5").replace("1_000", "0").replace("Wells", "3"))
    assert lines(path) == [
        f"{path}:1:1: title: should be a valid string; got 3",
        f"{path}:2:37: system.sise: unknown key 'sise'; did you mean 'size'?",
        f"{path}:7:5: observe.0.every: should be greater than or equal to 1; got 0",
    ]


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("system.kind=patchy", ": system.kind: unknown kind 'patchy'"),
        ("task.size=3", ": task.kind: missing; this key is needed"),
        ("system.shape=[1, 2]", ": system.shape: should be square"),
        ("system.limits.high=-1", ": system.limits.high: should be greater than 0; got -1"),
        ("system.limits.hihg=1", ": system.limits.hihg: unknown key 'hihg'; did you mean 'high'?"),
        ("system.width=thin", ": system.width: should be a valid number; got 'thin', or "),
        ("run.replicas=true", ": run.replicas: should not be true"),
        ("run.seed=-1", ": run.seed: should be greater than or equal to 0; got -1"),
        ("run.steps=null", ": run.steps: should be a valid integer; got null"),
        ("run=3", ": run: should be a section, as in {key: value, ...}"),
        ("observe=energy", ": observe: should be a list, as in [a, b]"),
        ("observe.1.every=2", ": observe: observe has no entry '1'; there are: 0"),
        ("learning.optimizer.kind=adma", ": learning.optimizer.kind: should be 'sgd'"),
        ("expect.enrgy_final.min=1", ": expect.enrgy_final: 'enrgy' is not observed; did you mean"),
        ("expect.energy_finl.min=1", ": expect.energy_finl: should end in a reduction"),
        ("expect.energy_max={}", ": expect.energy_max: should give min, max, or value"),
        ("expect.energy_max=high", ": expect.energy_max: should give bounds"),
        ("expect.energy_max.value=1", ": expect.energy_max: value and tolerance belong together"),
        ("expect.energy_max={min: 1, max: 0}", ": expect.energy_max: min 1 is above max 0"),
        ("expect.source={min: 1}", ": expect.source: should be text"),
        ("system.size=7", ": system.size: seven wells are unlucky"),
        ("run.steps=6_000_000", ": run.steps: too many for so few wells"),
    ],
)
def test_override_complaints(override, expected):
    found = lines(TEXT, override)
    assert any(each.startswith(f"--set {override}{expected}") for each in found), found


def test_overrides_apply_in_order_and_reach_into_lists():
    scenario = scenarios.load(TEXT, ["run.seed=1", "run.seed=2", "observe.0.every=1e1"])
    assert (scenario.run.seed, scenario.observe[0].every) == (2, 10)


def test_unwritten_observables_are_the_energy_about_200_times():
    data = {key: value for key, value in DATA.items() if key not in ("observe", "expect")}
    filled = scenarios.Scenario._observe_something(data)
    assert filled["observe"] == [{"kind": "energy", "every": 10}]
    assert scenarios.load({**data, "observe": []}).observe == ()


@pytest.mark.parametrize("text", ["", "- 1\n", "title\n", "null\n", "3: 4\n", "title: [\n"])
def test_what_is_no_scenario(text):
    assert lines(text + "\n")


def test_a_faulty_check_is_a_problem(monkeypatch):
    scenario = scenarios.load(TEXT)
    monkeypatch.setattr(type(scenario.system), "check", lambda self, scenario: 1 / 0)
    assert "its check failed (ZeroDivisionError" in lines(TEXT)[0]


def test_schemas():
    assert scenarios.schema()["properties"].keys() >= {"system", "observe", "expect"}
    for family in scenarios.FAMILIES:
        assert scenarios.schema(family)


@pytest.mark.parametrize("name", sorted(scenarios.library()))
def test_scenarios_that_come_with_the_package_are_valid(name):
    scenario = scenarios.load(name)
    assert scenarios.load(scenarios.dump(scenario)) == scenario


ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12),
    st.sampled_from([10**400, -1, 0, "1e-3", "energy", FAKE, "fakes.kind:Nothing", "::", "a:b"]),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=5), st.integers() | st.none(), max_size=3),
)  # fmt: skip


def paths(data, path=()):
    yield path
    inside = data.items() if isinstance(data, dict) else enumerate(data)
    for key, value in inside if isinstance(data, dict | list) else ():
        if isinstance(value, dict | list):
            yield from paths(value, (*path, key))
        else:
            yield (*path, key)


@pytest.mark.slow
@given(st.lists(st.tuples(st.sampled_from(sorted(paths(DATA), key=str)), ODD), max_size=3),
       st.data())  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_mutated_data_never_ends_in_a_traceback(changes, draw):
    data = copy.deepcopy(DATA)
    for path, value in changes:
        target = data
        try:
            for key in path[:-1]:
                target = target[key]
            extra = draw.draw(st.booleans()) and isinstance(target, dict)
            target[draw.draw(st.text(max_size=5)) if extra or not path else path[-1]] = value
        except (LookupError, TypeError):
            continue
    for source in (data, write(data) + "\n"):
        accepted(source)


@pytest.mark.slow
@given(st.integers(0, len(TEXT)), st.integers(0, 12),
       st.text(st.sampled_from(string.printable + "é\x00\u2028"), max_size=6))  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_mutated_text_never_ends_in_a_traceback(start, length, inserted):
    accepted(TEXT[:start] + inserted + TEXT[start + length :] + "\n")


@given(st.text(st.sampled_from("abserv.012=[]{}:&*! \n\"'-eyrunptko"), max_size=30))
@settings(max_examples=200, deadline=None)
def test_any_override_never_ends_in_a_traceback(assignment):
    accepted(TEXT, [assignment])


def accepted(source, overrides=()):
    """Either refused in words, or a scenario that survives a round trip."""
    try:
        scenario = scenarios.load(source, overrides)
    except ScenarioError as error:
        assert error.problems
        assert all(problem.message for problem in error.problems)
    else:
        assert scenarios.load(scenarios.dump(scenario)) == scenario
