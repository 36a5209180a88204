"""Scenarios for fuzzing: whole ones drawn from the fields of all Configs, and ways to spoil them.

`sections` follows the JSON schema of each Config: types, bounds, enumerations, alternatives. `whole` joins sections;
`spoiled` and `spoiled_text` take a scenario and put something odd into its data or its text.
"""

import copy
import functools
import string

from hypothesis import strategies as st

from matterlearn import documents, scenario
from matterlearn.kinds import FAMILIES, config_class, kinds

LIBRARY = {name: documents.read(file).data for name, file in sorted(scenario.library().items())}
MOST = 10**12


def _integers(schema):
    low = schema.get("minimum", schema.get("exclusiveMinimum", -6) + ("exclusiveMinimum" in schema))
    high = schema.get("maximum", schema.get("exclusiveMaximum", MOST) - ("exclusiveMaximum" in schema))
    small = st.integers(low, max(low, min(high, low + 8)))
    return small | small | small | st.integers(low, max(low, high))


def _numbers(schema):
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    span = (-3.0 if low is None else low, 10.0 if low is None else low + 10.0)
    span = (min(span[0], high), min(span[1], high)) if high is not None else span
    usual = st.floats(*span, exclude_min="exclusiveMinimum" in schema and span[0] < span[1],
                      exclude_max="exclusiveMaximum" in schema and span[1] == high and span[0] < high)  # fmt: skip
    whole = st.floats(low, high, exclude_min="exclusiveMinimum" in schema, exclude_max="exclusiveMaximum" in schema,
                      allow_nan=False, allow_infinity=False)  # fmt: skip
    return usual | usual | usual | whole


def _arrays(schema, known):
    if "prefixItems" in schema:
        return st.tuples(*(values(item, known) for item in schema["prefixItems"])).map(list)
    least = schema.get("minItems", 0)
    most = min(schema.get("maxItems", least + 3), least + 3)
    return st.lists(values(schema.get("items", {}), known), min_size=least, max_size=most)


def _objects(schema, known):
    if "properties" not in schema:
        inside = schema.get("additionalProperties")
        inside = values(inside, known) if isinstance(inside, dict) else st.integers(0, 3)
        return st.dictionaries(st.text(string.ascii_lowercase, min_size=1, max_size=6), inside, max_size=2)
    needed, fields = set(schema.get("required", ())), schema["properties"]
    drawn = {name: values(field, known) for name, field in fields.items()}
    must = {name: each for name, each in drawn.items() if name in needed or name == "kind"}
    may = {name: each for name, each in drawn.items() if name not in must}
    some = st.lists(st.sampled_from(sorted(may)), max_size=3, unique=True) if may else st.just([])
    return some.flatmap(lambda names: st.fixed_dictionaries(must | {name: may[name] for name in names}))


def values(schema, known):
    """Values that fit a JSON schema; `known` are its definitions."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return st.deferred(lambda: values(known[name], known))
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return st.one_of([values(each, known) for each in schema[word]])
    found = {
        "integer": _integers, "number": _numbers, "boolean": lambda _: st.booleans(), "null": lambda _: st.none(),
        "string": lambda _: st.text(string.ascii_lowercase + " é", min_size=1, max_size=8),
        "array": lambda each: _arrays(each, known), "object": lambda each: _objects(each, known),
    }.get(schema.get("type", ""), lambda _: st.integers(0, 9))(schema)  # fmt: skip
    examples = [schema["default"]] if schema.get("default") is not None else []
    examples += schema.get("examples", [])
    return st.sampled_from(examples) | found if examples else found


@functools.cache
def section(family, kind):
    """Sections of one kind."""
    schema = config_class(family, kind).model_json_schema()
    return values(schema, schema.get("$defs", {}))


@functools.cache
def sections(family):
    """Sections of all kinds of a family."""
    return st.one_of([section(family, kind) for kind in kinds(family)])


def places(data, path=()):
    """Paths of everything in nested data, but of data itself."""
    inside = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in inside:
        yield (*path, key)
        yield from places(value, (*path, key))


def _at(data, path):
    return functools.reduce(lambda inside, key: inside[key], path, data)


def _numbers_in(data):
    return [path for path in places(data) if type(_at(data, path)) in (int, float) and path[0] != "expect"]


@st.composite
def whole(draw):
    """A known scenario with a few other numbers or other sections, or one of new parts alone."""
    data = copy.deepcopy(LIBRARY[draw(st.sampled_from(sorted(LIBRARY)))])
    new = draw(st.sets(st.sampled_from(["system", "dynamics", "task", "rule", "observe", "run", "variants", "bare"]),
                       min_size=1, max_size=3))  # fmt: skip
    if draw(st.booleans()):  # half of them differ in a few numbers only, and are mostly valid
        for *above, last in draw(st.lists(st.sampled_from(sorted(_numbers_in(data), key=str)), max_size=3)):
            old = _at(data, above)[last]
            _at(data, above)[last] = draw(st.sampled_from([old // 2, old + 1, 2 * old, old / 3, 1, 0.5, 10 * old]))
        return data
    if "bare" in new:
        data = {"title": "Bare", "run": {"steps": 10}}
        new |= {"system", "dynamics", *draw(st.sets(st.sampled_from(["task", "rule", "observe"])))}
    for name, family in (("system", "systems"), ("dynamics", "dynamics"), ("task", "tasks")):
        if name in new:
            data[name] = draw(sections(family))
    if "rule" in new:
        data["learning"] = {"rule": draw(sections("rules")), "updates": draw(st.integers(1, 9))}
    if "observe" in new:
        data["observe"] = draw(st.lists(sections("observables"), max_size=3))
        data.pop("expect", None)
    if "run" in new:
        data["run"] = {"steps": draw(st.integers(1, 10**6)), "replicas": draw(st.integers(1, 100))}
    if "variants" in new:
        data["variants"] = draw(st.dictionaries(
            st.sampled_from(["a", "b 1", "C", "ü"]),
            st.fixed_dictionaries({}, optional={
                "run.seed": st.integers(0, 9), "run.steps": st.integers(-1, 9),
                "system.kind": st.sampled_from(kinds("systems")),
            }), max_size=3))  # fmt: skip
        data.pop("expect", None)
    return data


BOMB = "&a [x, x, x, x, x, x, x, x, x]"
ODD_TEXT = (
    "\x00", "\ufeff", "\u202eabc", "\ud800", "\U0001f600" * 9, "é\u0301", "\x1b[2J", "a\nb", "a\u2028b", " ", "", "~",
    "null", "=", "<<", "__class__", "../../etc/passwd", "/dev/zero", "C:\\x", "os:system",
    "os.path:join", "x" * 5000, "%s{0}", "１",
)  # fmt: skip
NUMBERS = (
    0, -1, -0.0, 1, 2**31, 2**32, 2**63, 2**64, 10**18, 10**400, float("inf"), -float("inf"), float("nan"), 1e308,
    5e-324, 1e-300, 0.5, True, False, int("9" * 4000),
)  # fmt: skip


def _nest(depth):
    return functools.reduce(lambda inside, n: [inside] if n % 2 else {"a": inside}, range(depth), 1)


ODD = st.one_of(
    st.sampled_from(ODD_TEXT), st.sampled_from(NUMBERS), st.none(), st.integers(), st.floats(), st.text(max_size=20),
    st.sampled_from([[], {}, [[]], [None], {"kind": None}, {"kind": ["energy"]}, {"ramp": 3}, {"cycle": {}}, {"": ""}]),
    st.sampled_from([5, 39, 45, 500]).map(_nest), st.just([0] * 30_000), st.just({str(n): n for n in range(300)}),
    st.deferred(lambda: st.sampled_from(FAMILIES).flatmap(sections)),
)  # fmt: skip


@st.composite
def spoiled(draw):
    """A scenario with one to three of its parts deleted, replaced, exchanged, wrapped, or joined by another key."""
    data = copy.deepcopy(draw(whole() | st.sampled_from(sorted(LIBRARY)).map(LIBRARY.get)))
    for _ in range(draw(st.integers(1, 3))):
        known = list(places(data))
        if not known:
            break
        *above, last = draw(st.sampled_from(known))
        target = _at(data, above)
        match draw(st.sampled_from(["delete", "put", "put", "put", "exchange", "wrap", "add", "again"])):
            case "delete":
                del target[last]
            case "put":
                target[last] = copy.deepcopy(draw(ODD))
            case "exchange":
                target[last] = copy.deepcopy(_at(data, draw(st.sampled_from(known))))
            case "wrap":
                target[last] = [target[last]] * draw(st.integers(1, 3))
            case "add" if isinstance(target, dict):
                target[draw(st.sampled_from(ODD_TEXT) | st.text(max_size=9))] = copy.deepcopy(draw(ODD))
            case _ if isinstance(target, list):
                target += copy.deepcopy(target)
    return data


SNIPPETS = (
    "!!python/object/apply:os.system ['touch pwned']", "!!python/name:os.system", "!!binary aGVsbG8=", "!!set {a}",
    "!!timestamp 2001-01-01", "!!int x", "!!float 1e400", "!<tag:yaml.org,2002:python/object:os.P> {}", "!a",
    "!!map []", "<<: *a", "<<: {a: 1}", "*a", "&a", BOMB, "&a [*a]", "? [a, b]\n: c", "- - - - - -", "[" * 60,
    "{a: " * 60, "---", "...", "%YAML 1.1", "%TAG ! x", "\t", "\r\n", "\r", "\x00", "\ufeff", "\x85", "\u2028", "#",
    ": ", "- ", "| ", ">-\n", '"', "'", "9" * 5000, "1e400", ".nan", "-.inf", ".inf", "0x1F", "0o17", "1_000",
    "12:30:45", "yes", "NULL", "2001-01-01", "1.", "-0", "\U0001f600", "\u202e", "é", "`", "@", "%", "\\", "\n", "  ",
    "kind: energy", "seed: 1", "run: {steps: 1}",
)  # fmt: skip


WAYS = ("insert", "insert", "line", "cut", "double", "move", "deeper", "crlf", "tabs", "bomb")


@st.composite
def spoiled_text(draw):
    """Bytes of a YAML file: cut, stained, its lines doubled or exchanged."""
    text = documents.write(LIBRARY[draw(st.sampled_from(sorted(LIBRARY)))])
    for _ in range(draw(st.integers(1, 3))):
        lines = text.splitlines(keepends=True) or [""]
        at, line = draw(st.integers(0, len(text))), draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from(WAYS)):
            case "insert":
                odd = draw(st.sampled_from(SNIPPETS) | st.text(max_size=6))
                text = text[:at] + odd + text[at + draw(st.integers(0, 5)) :]
            case "line":
                lines.insert(line, draw(st.sampled_from(SNIPPETS)) + "\n")
                text = "".join(lines)
            case "cut":
                text = text[:at]
            case "double":
                text = "".join([*lines[:line], lines[line], *lines[line:]])
            case "move":
                moved = lines.pop(line)
                lines.insert(draw(st.integers(0, len(lines))), moved)
                text = "".join(lines)
            case "deeper":
                text = "".join([*lines[:line], *(" " + each for each in lines[line:])])
            case "crlf":
                text = text.replace("\n", "\r\n")
            case "tabs":
                text = text.replace("  ", "\t", draw(st.integers(1, 3)))
            case "bomb":
                rungs = "".join(f"b{n}: &b{n} [{', '.join([f'*b{n - 1}'] * 9)}]\n" for n in range(1, 9))
                text += f"b0: &b0 [x]\n{rungs}"
    raw = text.encode("utf-8", "surrogatepass")
    for _ in range(draw(st.sampled_from([0, 0, 0, 1]))):
        at = draw(st.integers(0, len(raw)))
        raw = raw[:at] + draw(st.binary(max_size=6)) + raw[at:]
    return raw
