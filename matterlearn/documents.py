"""YAML text with the place of every key: what is read, where it stood, and `--set` overrides.

A `Document` is plain data (dict, list, str, int, float, bool, None) and a table of places, so that
any later complaint can name file, line and column. Scalars follow YAML 1.2 with two additions for
numbers, `1e-3` and `200_000`; only `true` and `false` are booleans and there are no dates.
Text that no honest scenario needs is refused: over a quarter of a megabyte, over 20 000 nodes once
aliases are followed, nested over 40 deep, tags that build objects, the same key twice.
"""

import copy
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from matterlearn.errors import Problem, ScenarioError, did_you_mean

MAX_BYTES, MAX_NODES, MAX_DEPTH = 1 << 18, 20_000, 40
_UNWRITABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")

_RESOLVERS = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+(?:_[0-9]+)*", list("-+0123456789")),
    (
        "float",
        r"[-+]?(?:(?:[0-9][0-9_]*)?\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?"
        r"|[0-9][0-9_]*\.?(?:[eE][-+]?[0-9]+)|[0-9][0-9_]*\.|\.(?:inf|Inf|INF))"
        r"|\.(?:nan|NaN|NAN)",
        list("-+0123456789."),
    ),
)


class _TooMuch(yaml.MarkedYAMLError):
    """Valid YAML, of a size that no scenario has."""


class _Loader(yaml.SafeLoader):
    """Stops at what is too long or too deep while reading it, before it costs seconds."""

    yaml_implicit_resolvers: dict = {}

    def __init__(self, stream):
        super().__init__(stream)
        self.nodes = self.depth = 0

    def compose_node(self, parent, index):
        mark = self.peek_event().start_mark
        self.nodes, self.depth = self.nodes + 1, self.depth + 1
        if self.nodes > MAX_NODES:
            raise _TooMuch(problem=f"more than {MAX_NODES} entries", problem_mark=mark)
        if self.depth > MAX_DEPTH + 1:
            raise _TooMuch(problem=f"nested more than {MAX_DEPTH} deep", problem_mark=mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


class _Dumper(yaml.SafeDumper):
    yaml_implicit_resolvers: dict = {}

    def represent_str(self, text):
        # Unicode's own line ends come back as plain ones unless they are escaped.
        style = '"' if set(text) & set("\x85\u2028\u2029\ufeff") else None
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _Dumper.represent_str)


for _tag, _pattern, _first in _RESOLVERS:
    # Writing with the reader's own rules quotes every string that would come back as a number.
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(
            f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), _first
        )


@dataclass(frozen=True)
class Document:
    """Data and the places its keys came from (key: path from the top)."""

    name: str
    data: Any
    places: dict[tuple, str] = field(default_factory=dict)

    def place(self, path: tuple) -> str:
        """Place of the longest part of `path` that was written somewhere."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.places:
                return self.places[path[:end]]
        return self.name


def read(path: Path) -> Document:
    """Reads a YAML file; raises `ScenarioError` with one line if it cannot."""
    try:
        with open(path, "rb") as file:
            raw = file.read(MAX_BYTES + 1)
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if len(raw) <= MAX_BYTES:
            message = f"not UTF-8 text (byte {error.start}); is it a scenario?"
            raise ScenarioError([Problem((), message, str(path))]) from None
        text = "x" * len(raw)
    except (OSError, ValueError) as error:
        message = f"cannot be read: {getattr(error, 'strerror', None) or error}"
        raise ScenarioError([Problem((), message, str(path))]) from None
    return parse(text, str(path))


def parse(text: str, name: str = "<text>") -> Document:
    """Reads YAML text; `name` stands for the file in error messages."""
    if len(text) > MAX_BYTES:
        message = f"larger than {MAX_BYTES} bytes; keep data in files of their own"
        raise ScenarioError([Problem((), message, name)])
    try:
        node = yaml.compose(text, Loader=_Loader)
        places: dict[tuple, str] = {}
        data = None if node is None else _Reader(name, places).value(node, (), 0)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        message = "; ".join(part for part in (error.problem, error.context) if part)
        told = message if isinstance(error, _TooMuch) else f"not valid YAML: {message}"
        raise ScenarioError([Problem((), told[:300], where)]) from None
    except (yaml.YAMLError, ValueError) as error:
        message = " ".join(str(error).split())[:200]
        raise ScenarioError([Problem((), f"not valid YAML: {message}", name)]) from None
    except RecursionError:
        raise ScenarioError([Problem((), "nested too deeply", name)]) from None
    return Document(name, data, places)


def write(data: Any) -> str:
    """YAML text that `parse` reads back to the same data; innermost collections on one line."""
    style = {"default_flow_style": None, "width": 100, "allow_unicode": True}
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, **style)


class _Reader:
    """Turns composed nodes into data, noting places and refusing what is absurd."""

    def __init__(self, name: str, places: dict[tuple, str]):
        self.name, self.places, self.nodes = name, places, 0

    def fail(self, node, path, message):
        mark = node.start_mark
        where = f"{self.name}:{mark.line + 1}:{mark.column + 1}"
        raise ScenarioError([Problem(path, message, where)])

    def value(self, node, path, depth):
        self.nodes += 1
        if self.nodes > MAX_NODES:
            self.fail(node, (), f"more than {MAX_NODES} entries, aliases followed")
        if depth > MAX_DEPTH:
            self.fail(node, (), f"nested more than {MAX_DEPTH} deep")
        if isinstance(node, yaml.MappingNode) and node.tag.endswith(":map"):
            return self.mapping(node, path, depth)
        if isinstance(node, yaml.SequenceNode) and node.tag.endswith(":seq"):
            return [
                self.entry(item, item, (*path, i), depth) for i, item in enumerate(node.value)
            ]
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node, path)
        return self.fail(node, path, f"tag {node.tag[:60]!r} is not supported; write plain values")

    def mapping(self, node, path, depth):
        result: dict[str, Any] = {}
        for key, item in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.fail(key, path, "a key must be a word, not a list or a mapping")
            name = key.value
            if name in result:
                self.fail(key, (*path, name), f"key {name[:60]!r} is given twice")
            result[name] = self.entry(key, item, (*path, name), depth)
        return result

    def entry(self, marked, node, path, depth):
        mark = marked.start_mark
        self.places[path] = f"{self.name}:{mark.line + 1}:{mark.column + 1}"
        return self.value(node, path, depth + 1)

    def scalar(self, node, path):
        tag, text = node.tag.rpartition(":")[2], node.value
        try:
            if tag == "str":
                return text
            if tag == "null":
                return None
            if tag == "bool":
                return {"true": True, "false": False}[text.lower()]
            if tag == "int":
                return int(text)
            if tag == "float":
                return float(re.sub(r"\.(?=inf|nan)", "", text.lower().replace("_", "")))
        except (KeyError, ValueError):
            return self.fail(node, path, f"{text[:40]!r} is not a usable {tag}")
        return self.fail(node, path, f"tag {node.tag[:60]!r} is not supported; write plain values")


def refuse_absurd(document: Document) -> None:
    """Data from Python obeys the limits of a file, and no text holds what a file of results cannot.

    Raises:
        ScenarioError: at the first thing that is too deep, too much, or cannot be written.
    """
    waiting, seen = [((), document.data)], 0
    while waiting:
        path, value = waiting.pop()
        seen += 1
        wrong = None
        if seen > MAX_NODES:
            path, wrong = (), f"more than {MAX_NODES} entries"
        elif len(path) > MAX_DEPTH:
            wrong = f"nested more than {MAX_DEPTH} deep"
        elif isinstance(value, dict):
            odd = [key for key in value if not isinstance(key, str) or _UNWRITABLE.search(key)]
            wrong = f"keys should be words without control characters; one is {str(odd[0])[:60]!r}" if odd else None
            waiting += [((*path, key), item) for key, item in value.items()]
        elif isinstance(value, list | tuple):
            waiting += [((*path, i), item) for i, item in enumerate(value)]
        elif isinstance(value, str) and (found := _UNWRITABLE.search(value)):
            wrong = f"should be text without control characters; got {found[0]!r}"
        if wrong:
            raise ScenarioError([Problem(path, wrong, document.place(path))])


def plain(value: Any) -> Any:
    """What Python code puts into a scenario, as the values of a YAML file: Configs, ranges, numpy's numbers.

    >>> import numpy as np
    >>> plain({"seed": np.int64(3), "shape": (5, 5), "at": np.linspace(0, 1, 3)})
    {'seed': 3, 'shape': [5, 5], 'at': [0.0, 0.5, 1.0]}
    """
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, list | tuple | range):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def overridden(document: Document, overrides: Mapping[str, Any] | Iterable[str]) -> Document:
    """Applies values by dotted path, or assignments such as `"run.seed=3"`.

    >>> overridden(parse("run: {seed: 1}"), {"run.seed": 3}).data
    {'run': {'seed': 3}}
    """
    if isinstance(overrides, Mapping):
        for path, value in overrides.items():
            document = assign(document, tuple(path.split(".")), plain(value), f"set {path}")
        return document
    for assignment in overrides:
        document = override(document, assignment)
    return document


def override(document: Document, assignment: str) -> Document:
    """Applies `a.b=value` (value in YAML); missing sections on the way are made.

    >>> override(parse("run: {seed: 1}"), "run.seed=3").data
    {'run': {'seed': 3}}
    """
    label = f"--set {assignment if len(assignment) <= 80 else assignment[:77] + '...'}"
    dotted, equals, text = assignment.partition("=")
    keys = tuple(key.strip() for key in dotted.split("."))
    if not equals or not all(keys):
        message = "should look like section.key=value, as in run.seed=3"
        raise ScenarioError([Problem((), message, label)])
    return assign(document, keys, parse(text, label).data, label)


def assign(document: Document, keys: tuple[str, ...], value: Any, label: str) -> Document:
    """Puts a value at a path; missing sections on the way are made. ``label`` says where the value comes from."""
    data = {} if document.data is None else copy.deepcopy(document.data)
    target, path, made = data, (), {}
    for key in keys[:-1]:
        path = (*path, _existing(target, key, path, label))
        if isinstance(target, dict) and target.get(key) is None:
            target[key] = {}
            made[path] = label
        target = target[path[-1]]
    path = (*path, _existing(target, keys[-1], path, label))
    target[path[-1]] = value
    places = {old: at for old, at in document.places.items() if old[: len(path)] != path}
    return Document(document.name, data, {**places, **made, path: label})


def _existing(target, key, path, label):
    """Key or index by which `target` may be entered."""
    if isinstance(target, dict):
        return key
    above = ".".join(map(str, path)) or "the scenario"
    if isinstance(target, list):
        if key.isdecimal() and int(key) < len(target):
            return int(key)
        hint = did_you_mean(key, map(str, range(len(target))))
        raise ScenarioError([Problem(path, f"{above} has no entry {key!r}{hint}", label)])
    message = f"{above} is a plain value, it has no {key!r} inside"
    raise ScenarioError([Problem(path, message, label)])
