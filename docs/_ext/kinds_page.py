"""A page of all kinds, from the listing that `matterlearn list` prints."""

import ast
import re
from collections import Counter

from matterlearn import kinds

TITLES = {
    "systems": "Systems: the energy",
    "dynamics": "Dynamics: how the state moves",
    "rules": "Rules: how couplings move",
    "tasks": "Tasks: what is stored, and how it is cued",
    "observables": "Observables: what is measured",
    "design": "Estimators of gradients, for design",
}


def page() -> str:
    """Markdown: one table per family, each kind with its sentence, its keys and its source."""
    count = Counter(kind for family in kinds.FAMILIES for kind in kinds.kinds(family))
    parts = ["# Kinds", "", "What a scenario can name, as `matterlearn list` prints it. Every kind links to its page",
             "in the API, with the equation, units, sources and limits; its keys are in the",
             "[scenario reference](scenario-reference.md).", ""]  # fmt: skip
    for family, title in TITLES.items():
        parts += [f"## {title}", "", "| kind | what it is | keys |", "|---|---|---|"]
        for kind in kinds.kinds(family):
            keys = f"[keys](scenario-reference.md#kind-{kind})" if count[kind] == 1 else ""
            text = kinds.describe(family, kind).replace("|", "∣")
            parts.append(f"| {{py:mod}}`{kind} <matterlearn.{family}.{kind}>` | {text} | {keys} |")
        parts.append("")
    return "\n".join(parts)


def limits() -> str:
    """Markdown: what every kind says of its limits in its docstring."""
    parts = ["# Limits of each kind", "",
             "As their docstrings say; those of the whole are on the page of [limitations](limitations.md).",
             ""]  # fmt: skip
    for family, title in TITLES.items():
        rows = [(kind, text) for kind in kinds.kinds(family) if (text := _limits(family, kind))]
        parts += [f"## {title}", "", "| kind | limits |", "|---|---|"]
        parts += [f"| {{py:mod}}`{kind} <matterlearn.{family}.{kind}>` | {text} |" for kind, text in rows]
        parts.append("")
    return "\n".join(parts)


def _limits(family: str, kind: str) -> str:
    source = kinds.locate(f"matterlearn.{family}.{kind}").read_text(encoding="utf-8")
    found = re.search(r"\bLimits?: (.*?)(?:\n\n|$)", ast.get_docstring(ast.parse(source)) or "", re.S)
    text = " ".join(found[1].split()) if found else ""
    text = re.sub(r"``(.*?)``", r"`\1`", text)
    return "".join(part if part.startswith("`") else re.sub(r"([*_<>\[\]$|])", r"\\\1", part)
                   for part in re.split(r"(`[^`]*`)", text))  # fmt: skip
