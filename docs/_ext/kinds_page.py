"""A page of all kinds, from the listing that `matterlearn list` prints."""

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
