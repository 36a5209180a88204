"""Write docs/scenario-reference.md from the scenario models: every section, key, type, default and meaning.

    python docs/make_reference.py            write the page
    python docs/make_reference.py --check    fail if the page is out of date
"""

import sys
from pathlib import Path

from matterlearn import kinds
from matterlearn.core.graphs import Graph
from matterlearn.sections import Design, Expectation, Learning, Optimizer, Run, Term

PAGE = Path(__file__).with_name("scenario-reference.md")
MOST_PLACES = 4
OWN_TABLES = ("Graph", "Optimizer", "Term")
TITLES = {
    "systems": "system: the material",
    "dynamics": "dynamics: how the state moves",
    "tasks": "task: what is asked of the matter",
    "rules": "learning.rule: how couplings move",
    "observables": "observe: what is measured",
    "design": "design.estimator: how averages are differentiated",
}


def page() -> str:
    """The whole page as markdown."""
    parts = ["# Scenario reference", "", "Generated from the models by `python docs/make_reference.py`.", ""]
    parts += ["A scenario has `title`, `system`, `dynamics` and `run`; `task`, `learning`, `design`, `observe`,",
              "`expect`, `description` and `references` are optional.", ""]  # fmt: skip
    for family, title in TITLES.items():
        parts += [f"## {title}", ""]
        for kind in kinds.kinds(family):
            parts += [f"### `kind: {kind}`", "", kinds.describe(family, kind), ""]
            parts += table(kinds.config_class(family, kind))
    parts += ["## system.graph: who interacts with whom", "", "Which keys a graph takes depends on its kind; see "
              "`matterlearn/core/graphs.py`. Nodes are numbered from 0.", "", *table(Graph)]  # fmt: skip
    sections = {"run": Run, "learning": Learning, "learning.optimizer": Optimizer, "design": Design,
              "design.objective": Term, "expect.*": Expectation}  # fmt: skip
    for title, model in sections.items():
        parts += [f"## {title}", "", *table(model)]
    models = [(f"`{kind}`", kinds.config_class(family, kind)) for family in TITLES for kind in kinds.kinds(family)]
    models += [(f"`{name}`", model) for name, model in sections.items()]
    parts += ["## Parts of sections", "", "What stands in the tables above as a part in braces or by its mark.", ""]
    return "\n".join([*parts, *part_tables(models)]).rstrip() + "\n"


def table(model) -> list[str]:
    """One row per key of a model."""
    return rows(model.model_json_schema())


def rows(schema: dict, parts: dict | None = None) -> list[str]:
    """One row per key of a model's schema; `parts` are the models that it refers to."""
    parts = schema.get("$defs", {}) if parts is None else parts
    found = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for name, entry in schema.get("properties", {}).items():
        if name == mark(schema)[0]:
            continue
        default = "needed" if name in schema.get("required", []) else f"`{entry.get('default')}`"
        kind = kind_of(entry, parts)
        found.append(f"| `{name}` | {kind} | {default} | {entry.get('description', '').replace('|', '∣')} |")
    return [*found, ""] if len(found) > 2 else ["No keys of its own.", ""]


def mark(schema: dict) -> tuple[str | None, str]:
    """Key and value by which a model is known among its alternatives."""
    for name, entry in schema.get("properties", {}).items():
        if "const" in entry and name in schema.get("required", []):
            return name, entry["const"]
    return None, ""


def known_as(schema: dict) -> str:
    """How a part is written: by its mark, else by its keys."""
    name, value = mark(schema)
    return f"`{name}: {value}`" if name else "`{" + ", ".join(schema.get("properties", {})) + "}`"


def part_tables(models) -> list[str]:
    """All models that others refer to, once each, in order of what they are known as."""
    found = {}
    for where, model in models:
        schema = model.model_json_schema()
        parts = schema.get("$defs", {})
        for entry in parts.values():
            if entry.get("properties") and entry.get("title") not in OWN_TABLES:
                lines = [entry.get("description", "").partition("\n\n")[0].replace("\n", " "), "", *rows(entry, parts)]
                found.setdefault((known_as(entry), "\n".join(lines)), []).append(where)
    return [
        line for (name, lines), places in sorted(found.items())
        for line in (f"### {name} of {listed(places)}", "", *lines.lstrip("\n").split("\n"))
    ]  # fmt: skip


def listed(places: list[str]) -> str:
    """The first few."""
    return ", ".join(places[:MOST_PLACES]) + ", …" * (len(places) > MOST_PLACES)


def kind_of(entry: dict, parts: dict) -> str:
    """A short name of a JSON-schema type."""
    if "anyOf" in entry or "oneOf" in entry:
        options = entry.get("anyOf", entry.get("oneOf"))
        marks = [mark(parts.get(option.get("$ref", "").split("/")[-1], {})) for option in options]
        if len(marks) > 1 and marks[0][0] and len({name for name, _ in marks}) == 1:
            return f"`{marks[0][0]}:` " + ", ".join(f"`{value}`" for _, value in marks)
        return " or ".join(kind_of(option, parts) for option in options)
    if "$ref" in entry:
        part = parts[entry["$ref"].split("/")[-1]]
        return known_as(part) if "properties" in part else kind_of(part, parts)
    if "const" in entry:
        return str(entry["const"])
    if "enum" in entry:
        return ", ".join(f"`{value}`" for value in entry["enum"])
    if entry.get("type") == "array":
        return f"list of {kind_of(entry.get('items', {}), parts)}"
    return entry.get("type", "any")


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(0 if PAGE.exists() and PAGE.read_text() == page() else f"{PAGE} is out of date: run python {__file__}")
    PAGE.write_text(page())
