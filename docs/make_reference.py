"""Write docs/scenario-reference.md from the scenario models: every section, key, type, default and meaning.

    python docs/make_reference.py            write the page
    python docs/make_reference.py --check    fail if the page is out of date
"""

import sys
from pathlib import Path

from matterlearn import kinds
from matterlearn.core.graphs import Graph
from matterlearn.sections import (
    Bounds,
    Budget,
    Design,
    DistinctSpecies,
    Expectation,
    Learning,
    Optimizer,
    Run,
    Sparsity,
    Term,
    Ties,
)

PAGE = Path(__file__).with_name("scenario-reference.md")
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
    models = {"run": Run, "learning": Learning, "learning.optimizer": Optimizer, "design": Design,
              "design.objective": Term, "expect.*": Expectation}  # fmt: skip
    for title, model in models.items():
        parts += [f"## {title}", "", *table(model)]
    parts += ["## design.constraints", ""]
    for model in (Bounds, Budget, Sparsity, Ties, DistinctSpecies):
        kind = kind_of(model.model_json_schema()["properties"]["kind"])
        parts += [f"### `kind: {kind}`", "", str(model.__doc__), "", *table(model)]
    return "\n".join(parts).rstrip() + "\n"


def table(model) -> list[str]:
    """One row per key of a model."""
    schema = model.model_json_schema()
    rows = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for name, entry in schema.get("properties", {}).items():
        if name == "kind":
            continue
        default = "needed" if name in schema.get("required", []) else f"`{entry.get('default')}`"
        rows.append(f"| `{name}` | {kind_of(entry)} | {default} | {entry.get('description', '').replace('|', '∣')} |")
    return [*rows, ""] if len(rows) > 2 else ["No keys of its own.", ""]


def kind_of(entry: dict) -> str:
    """A short name of a JSON-schema type."""
    if "anyOf" in entry or "oneOf" in entry:
        return " or ".join(kind_of(option) for option in entry.get("anyOf", entry.get("oneOf")))
    if "$ref" in entry:
        return entry["$ref"].split("/")[-1]
    if "const" in entry:
        return str(entry["const"])
    if "enum" in entry:
        return ", ".join(f"`{value}`" for value in entry["enum"])
    if entry.get("type") == "array":
        return f"list of {kind_of(entry.get('items', {}))}"
    return entry.get("type", "any")


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(0 if PAGE.exists() and PAGE.read_text() == page() else f"{PAGE} is out of date: run python {__file__}")
    PAGE.write_text(page())
