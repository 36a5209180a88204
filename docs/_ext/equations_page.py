"""The page of equations, from docs/equations.yaml."""

from pathlib import Path

import yaml

HEAD = """# Equations of the subject, and where they live

Each equation is held by one function, and a test holds the function to it: by enumeration, quadrature, an independent
derivation, or numbers that were known before. Signs are those of the whole package: E is an energy, P ∝ exp(−E/kT),
lower J sticks; papers on spins often have the other sign of J. Where a form is often written that is not right, or is
right only in a limit, the row says what is correct.
"""


def load(file: Path) -> list[dict]:
    """Subjects with their entries."""
    return yaml.safe_load(file.read_text(encoding="utf-8"))


def page(file: Path) -> str:
    """Markdown: a section per subject, an entry per equation."""
    subjects = load(file)
    count = sum(len(subject["entries"]) for subject in subjects)
    corrected = sum("correction" in entry for subject in subjects for entry in subject["entries"])
    parts = [HEAD, f"{count} equations, {corrected} with a correction.", ""]
    for subject in subjects:
        parts += [f"## {subject['subject']}", ""]
        for entry in subject["entries"]:
            parts += _entry(entry)
    return "\n".join(parts)


def _entry(entry: dict) -> list[str]:
    test_file, _, test = entry["test"].partition("::")
    parts = ["::::{div} equation-entry", f"**{entry['name']}** {{cite:p}}`{entry['source']}`", ""]
    parts += ["$$", entry["equation"], "$$", ""]
    if "correction" in entry:
        often, correct = (entry["correction"][key] for key in ("often", "correct"))
        parts += [f"Often written as {often}; correct is {correct}.", ""]
    name = entry["function"]
    place = f"`{name}`" if "._" in name else f"{{py:obj}}`{name.removeprefix('matterlearn.')} <{name}>`"
    return [*parts, f"{place}, checked by `{test_file}::{test}`", "::::", ""]

