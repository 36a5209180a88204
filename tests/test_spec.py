"""Specs, schedules, YAML with places, and reading kinds without jax."""

import importlib
import sys
import textwrap

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from fakes.kind import Config as RealConfig
from matterlearn import documents, testing
from matterlearn.errors import InputError, Problem, ScenarioError, SimulationError, did_you_mean
from matterlearn.kinds import FAMILIES, allow, config_class, describe, kinds, load_kind
from matterlearn.spec import (
    NonNegativeSchedule,
    PositiveSchedule,
    Schedule,
    Spec,
    schedule_range,
)

FAKE = "fakes.kind:Config"
EVERY_KIND = [(family, kind) for family in FAMILIES for kind in kinds(family)]


class Well(Spec):
    kT: Schedule = 1.0
    rate: NonNegativeSchedule = 0.0
    dt: PositiveSchedule = 1.0
    count: int = 1
    flag: bool = False


def messages(model, **values):
    with pytest.raises(ValidationError) as caught:
        model(**values)
    return [(error["loc"], error["msg"]) for error in caught.value.errors()]


def line(text, name="a.yaml"):
    with pytest.raises(ScenarioError) as caught:
        documents.parse(text, name)
    assert len(caught.value.problems) == 1
    return str(caught.value)


def test_unknown_key_gets_the_nearest_name():
    assert messages(Well, kt=1) == [(("kt",), "unknown key 'kt'; did you mean 'kT'?")]


def test_values_are_quoted_back():
    assert messages(Well, count="x") == [(("count",), "should be a valid integer; got 'x'")]
    assert messages(Well, kT=float("inf"))[0][1] == "should be a finite number; got inf"


def test_booleans_are_not_numbers_and_the_other_way_round_stays_possible():
    assert messages(Well, count=True, kT=False) == [
        (("kT",), "should not be false"), (("count",), "should not be true"),
    ]  # fmt: skip
    assert Well(flag=True).flag is True


@pytest.mark.parametrize(
    ("value", "low", "high"),
    [
        (2, 2.0, 2.0),
        ({"ramp": {"start": 2, "stop": 1, "steps": 5}}, 1.0, 2.0),
        ({"cycle": {"low": 0, "high": 3, "period": 7}}, 0.0, 3.0),
    ],
)
def test_schedules_round_trip_and_know_their_range(value, low, high):
    well = Well(kT=value)
    assert schedule_range(well.kT) == (low, high)
    assert Well(**well.model_dump(mode="json")) == well


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ({"rmp": {}}, "should be a number, {ramp: {start, stop, steps}} or {cycle: "),
        ({"ramp": {"start": 1, "stop": 1, "steps": 0}}, "greater than or equal to 1; got 0"),
        ({"ramp": {"start": 1, "steps": 1}}, "missing; this key is needed"),
        ({"ramp": {"start": 1, "stop": 2, "steps": 1, "x": 1}}, "unknown key 'x'"),
        ([1], "should be a number, {ramp"),
        ("hot", "should be a valid number; got 'hot'"),
    ],
)
def test_bad_schedules_are_told_in_one_line(value, part):
    found = messages(Well, kT=value)
    assert len(found) == 1
    assert part in found[0][1]


def test_schedule_bounds_hold_at_every_moment():
    ramp = {"ramp": {"start": 1, "stop": -1, "steps": 3}}
    assert messages(Well, rate=ramp)[0][1] == "should be greater than or equal to 0; got -1"
    assert messages(Well, dt=0)[0][1] == "should be greater than 0; got 0"
    assert Well(rate=0).rate == 0


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3), ("200_000", 200_000), ("1.0E+2", 100.0), ("-.5", -0.5), ("5.", 5.0),
        ("1_000.5", 1000.5), ("012", 12), ("yes", "yes"), ("off", "off"), ("true", True),
        ("12:30", "12:30"), ("2020-01-01", "2020-01-01"), ("~", None), ("", None),
        ("'1e-3'", "1e-3"), ("e5", "e5"), ("_1", "_1"), ("1_", "1_"), ("-", [None]),
        (".inf", float("inf")), ("-.inf", float("-inf")), ("f16", "f16"),
    ],
)  # fmt: skip
def test_scalars(text, value):
    data = documents.parse(text).data
    assert data == value
    assert type(data) is type(value)


def test_places_are_lines_and_columns():
    document = documents.parse("a: 1\nb:\n  - {c: 2}\n  - 3\n", "f.yaml")
    assert document.place(("b", 0, "c")) == "f.yaml:3:6"
    assert document.place(("b", 1)) == "f.yaml:4:5"
    assert document.place(("b", 0, "d", 9)) == "f.yaml:3:5"
    assert document.place(("z",)) == "f.yaml"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\na: 2", "a.yaml:2:1: a: key 'a' is given twice"),
        ("a: [1", "a.yaml:1:6: not valid YAML: "),
        ("? [x]\n: 1", "a.yaml:1:3: a key must be a word"),
        ("a: !!python/object:os.system {}", "a.yaml:1:4: a: tag "),
        ("a: !!int x", "a.yaml:1:4: a: 'x' is not a usable int"),
        ("a: \x00", "a.yaml: not valid YAML: "),
        ("a: *b", "a.yaml:1:4: not valid YAML: found undefined alias"),
        ("a: 1\n---\nb: 2", "a.yaml:2:1: not valid YAML: "),
        ("&a [*a]", "a.yaml:1:1: nested more than 40 deep"),
        ("[" * 5000, "a.yaml:1:42: nested more than 40 deep"),
        ("a: " + "9" * 5000, "a.yaml:1:4: a: '9999"),
        ("a: " + "x" * 300_000, "a.yaml: larger than"),
    ],
)
def test_bad_yaml_is_one_clear_line(text, expected):
    assert line(text).startswith(expected)
    assert "\n" not in line(text)


def test_aliases_work_but_cannot_explode():
    assert documents.parse("a: &x [1, 2]\nb: *x").data == {"a": [1, 2], "b": [1, 2]}
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)
    )
    assert "more than 20000 entries" in line(bomb)


def test_files_that_cannot_be_read(tmp_path):
    for name, content in (("latin.yaml", b"a: \xff"), ("missing.yaml", None), ("dir.yaml", "dir")):
        path = tmp_path / name
        if content == "dir":
            path.mkdir()
        elif content is not None:
            path.write_bytes(content)
        with pytest.raises(ScenarioError, match=name):
            documents.read(path)
    (tmp_path / "bom.yaml").write_bytes(b"\xef\xbb\xbfa: 1")
    assert documents.read(tmp_path / "bom.yaml").data == {"a": 1}


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.text(max_size=8)
    | st.floats(allow_nan=False) | st.sampled_from(["1e-3", "200_000", "yes", "~", ".inf", "1_"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(min_size=1, max_size=6), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@example({"\x85 ": "\u2028\ufeff \x85"})
@given(PLAIN)
@settings(max_examples=200, deadline=None)
def test_written_yaml_is_read_back(data):
    assert documents.parse(documents.write(data)).data == data


def test_overrides():
    document = documents.parse("a: {b: [1, {c: 2}]}")
    changed = documents.override(document, "a.b.1.c=[3, 1e-2]")
    assert changed.data == {"a": {"b": [1, {"c": [3, 0.01]}]}}
    assert changed.place(("a", "b", 1, "c", 0)) == "--set a.b.1.c=[3, 1e-2]"
    assert document.data["a"]["b"][1]["c"] == 2
    assert documents.override(document, "new.deep=x=y").data["new"] == {"deep": "x=y"}


@pytest.mark.parametrize("text", ["a", "=3", "a..b=1", "a.b.9=1", "a.b.0.x=1", "a.b.x=1", "a=["])
def test_bad_overrides_name_themselves(text):
    with pytest.raises(ScenarioError, match="--set a" if text != "=3" else "--set =3"):
        documents.override(documents.parse("a: {b: [1, 2]}"), text)


def test_light_class_equals_real_class_without_its_physics():
    light = config_class("systems", FAKE)
    assert light is config_class("systems", FAKE)
    assert light.model_json_schema() == load_kind("systems", FAKE).model_json_schema()
    config = light(kind=FAKE, size=2)
    assert config.limits.high == 1.0
    with pytest.raises(RuntimeError, match="realise"):
        config.build(None)
    real = load_kind("systems", FAKE)(kind=FAKE, size=2)
    assert isinstance(real, RealConfig)
    assert float(real.build(None).stiffness) == 2.0


@pytest.mark.parametrize(("family", "kind"), EVERY_KIND)
def test_every_kind_reads_light_as_it_is(family, kind):
    light, real = config_class(family, kind), load_kind(family, kind)
    assert light.model_json_schema() == real.model_json_schema()
    for config in testing.examples(family, kind):  # what is provided may depend on the fields
        same = light(**config.model_dump())
        assert getattr(same, "provides", ()) == getattr(config, "provides", ())
    assert describe(family, kind).endswith(".")
    assert hasattr(real, "build")


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes a module and gives the reference of its Config."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(source, name="scratch"):
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(source))
        importlib.invalidate_caches()
        sys.modules.pop(name, None)
        return f"{name}:Config"

    return write


@pytest.mark.parametrize(
    ("source", "part"),
    [
        ("import jax\nfrom matterlearn.spec import Spec\nclass Config(Spec):\n    a: jax.Array",
         "scratch.py:4: Config cannot be read without jax: name 'jax' is not defined"),
        ("x = 1", "defines no 'class Config"),
        ("def f(:", "cannot be read"),
        ("class Config: pass", "defines no 'class Config"),
    ],
)  # fmt: skip
def test_modules_that_cannot_be_read_light(module, source, part):
    with pytest.raises(InputError) as caught:
        config_class("systems", module(source))
    assert part in str(caught.value)


def test_unneeded_lines_are_never_run(module):
    kind = module("""
        raise SystemExit
        from pydantic import BaseModel
        UNUSED = 1 / 0
        class Config(BaseModel):
            kind: str
    """)
    assert issubclass(config_class("rules", kind), BaseModel)


@pytest.mark.parametrize(
    "kind", ["nowhere.mod:Config", "a b:Config", "x:", ":Config", "math:Config", 3, None, "none"]
)
def test_unknown_kinds(kind):
    with pytest.raises(InputError):
        config_class("systems", kind)


def test_unknown_family():
    with pytest.raises(InputError, match="did you mean 'rules'"):
        kinds("rule")


def test_errors_speak():
    text = str(SimulationError("energy is nan", step=30, checkpoint="c/20", suggestion="lower dt"))
    assert text == "step 30: energy is nan; lower dt (last good checkpoint: c/20)"
    assert str(Problem(("a", 0), "bad", "f:1:2")) == "f:1:2: a.0: bad"
    many = ScenarioError([Problem((), "x")] * 25)
    assert str(many).endswith("... and 5 more problems")
    assert did_you_mean("x", []) == "; there are none"


def test_code_from_outside_is_not_even_looked_at_before_it_is_allowed(tmp_path, monkeypatch):
    module = tmp_path / "stranger"
    module.mkdir()
    mark = tmp_path / "was_here"
    (module / "__init__.py").write_text("")
    (module / "well.py").write_text(
        "from pathlib import Path\nfrom matterlearn.spec import Spec\n"
        f"class Config(Spec):\n    kind: str\n    size: int = len(str(Path({str(mark)!r}).touch()))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    kind = "stranger.well:Config"
    for find in (config_class, load_kind):
        with pytest.raises(InputError, match="--allow stranger.well") as told:
            find("systems", kind)
        assert "\n" not in str(told.value)
    assert not mark.exists()
    assert "stranger.well" not in sys.modules
    for wrong in ("stranger.wel", "strange", "well", "stranger.well.deeper"):
        monkeypatch.setenv("MATTERLEARN_ALLOW", wrong)
        with pytest.raises(InputError, match="--allow"):
            config_class("systems", kind)
    for right in ("stranger", "os, stranger.well"):
        monkeypatch.setenv("MATTERLEARN_ALLOW", right)
        assert config_class("systems", kind).__name__ == "Config"
    assert mark.exists()
    with pytest.raises(InputError, match="is not the name of a package"):
        allow("os; rm")
