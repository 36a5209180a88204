"""What a scenario says, in a few lines: kinds, and the values that differ from the defaults.

Example:
    >>> from matterlearn.scenario import load
    >>> load({"title": "Eight sticky discs", "system": {"kind": "particles", "species": 1, "copies": 8, "box": 8},
    ...       "dynamics": {"kind": "brownian", "dt": 5e-4}, "run": {"steps": 2000, "replicas": 4}})
    Scenario: Eight sticky discs
      system    particles  species 1, copies 8, box 8
      dynamics  brownian  dt 0.0005
      observe   energy every 10
      run       4 replicas of 2000 steps, seed 0
"""

import textwrap
from typing import Any

WIDTH = 110


def describe(scenario) -> str:
    """A scenario as a physicist would note it down."""
    rows = [(name, _kind(getattr(scenario, name))) for name in ("system", "dynamics", "task")]
    rows += [("learning", _learning(scenario.learning)), ("design", _design(scenario.design))]
    rows += [("observe", "; ".join(_observable(each) for each in scenario.observe))]
    run = scenario.run
    rows += [("run", f"{run.replicas} replica{'s' * (run.replicas > 1)} of {run.steps} steps, seed {run.seed}")]
    rows += [("variants", ", ".join(scenario.variants))]
    rows += [("expect", ", ".join(name for name in scenario.expect if name != "source"))]
    lines = [
        textwrap.fill(f"  {name:<9} {text}", WIDTH, subsequent_indent=" " * 12, break_on_hyphens=False)
        for name, text in rows
        if text
    ]
    return "\n".join([f"Scenario: {scenario.title}", *lines])


def _kind(section) -> str:
    """A section's kind, and what is not as by default."""
    if section is None:
        return ""
    values = section.model_dump(mode="json", exclude_defaults=True)
    values.pop("kind", None)
    return f"{section.kind}  {', '.join(f'{name} {_plain(value)}' for name, value in values.items())}".rstrip()


def _observable(section) -> str:
    values = section.model_dump(mode="json", exclude_defaults=True)
    every = values.pop("every", None)
    values.pop("kind", None)
    said = ", ".join(f"{name} {_plain(value)}" for name, value in values.items())
    return section.kind + (f" {said}" if said else "") + (f" every {every}" if every else "")


def _learning(section) -> str:
    if section is None:
        return ""
    values = section.model_dump(mode="json", exclude_defaults=True, exclude={"rule"})
    return ", ".join([_kind(section.rule), *(f"{name} {_plain(value)}" for name, value in values.items())])


def _design(section) -> str:
    if section is None:
        return ""
    wishes = ", ".join(map(_wish, section.objective))
    return f"{_kind(section.estimator)}: {wishes}, {section.updates} updates"


def _wish(term) -> str:
    name = term.observable.kind
    return f"{name} → {_plain(term.target)}" if term.goal is None else f"{term.goal} {name}"


def _plain(value: Any) -> str:
    """A value on one line, shortened."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_plain(item)}" for key, item in value.items()) + "}"
    text = "[" + ", ".join(map(_plain, value)) + "]" if isinstance(value, list | tuple) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."
