"""The gallery: a card for every scenario and a page of its own, from the YAML files and what finished runs left."""

import hashlib
import json
import re
from pathlib import Path

import yaml

SUBJECTS = {
    "Assembly": ["multifarious_assembly", "single_structure", "bond_window", "concentration_recall", "forgetting",
                 "learned_vs_designed", "sticky_spheres", "sticky_clusters", "core_shell"],
    "Tiles": ["tiles_states", "tiles_window", "tiles_capacity", "tiles_instability", "bisker_england"],
    "Condensates that learn": ["surface_recall", "conditional_inference", "hidden_species", "digits_condensate",
                               "digits_prototypes", "learning_cascade", "rules_compared"],
    "Mixtures and cells": ["liquid_hopfield", "phase_perceptron", "phase_classifier", "concentration_buffering"],
    "Hopfield networks": ["hopfield_recall", "hopfield_phase_diagram", "spurious_mixtures", "basins",
                          "dreaming_capacity", "dense_memory_capacity", "learning_from_examples", "place_cells",
                          "place_cells_load"],
    "Networks that learn by physics": ["equilibrium_propagation", "coupled_learning", "coupled_learning_iris",
                                       "elastic_allostery", "conductances_learned"],
    "Energy-based models": ["inverse_ising", "rbm_digits", "gaussian_rbm_images", "langevin_ebm_2d", "joint_embedding",
                            "annealed_ising", "number_partitioning"],
    "Design by gradients": ["design_dimer_yield", "design_cluster_selectivity", "design_cluster_from_samples",
                            "design_condensate", "design_condensate_lattice", "design_lattice_symmetry",
                            "design_kinetics", "design_multifarious"],
    "Score diffusion and other generative models": [
        "gaussian_score", "speciation", "collapse", "curie_weiss_diffusion", "unified_schedules", "poisson_flow_2d",
        "digits_diffusion", "memorization_generalization", "wavelet_denoising", "phi4_lattice", "phi4_diffusion",
        "generative_baselines", "assembly_vs_diffusion"],
    "Graphs and heat": ["heat_on_graphs", "karate_gcn", "csbm_threshold", "oversmoothing"],
    "Models that learn from models": ["model_collapse", "variance_collapse", "infinite_memory", "golden_ratio"],
}  # fmt: skip
TEXTS = {"title": "the title", "description": "the description", "references": "the references",
         "expect": "what is expected", "observe": "what is observed"}  # fmt: skip


def sections(data: dict) -> dict[str, str]:
    """A short hash of every section of a scenario file, so that it can be told which ones have changed."""
    canonical = {key: json.dumps(value, sort_keys=True, ensure_ascii=False) for key, value in data.items()}
    return {key: hashlib.sha256(text.encode()).hexdigest()[:12] for key, text in sorted(canonical.items())}


def changed(run: dict, data: dict) -> list[str]:
    """Sections in which today's scenario differs from that of the run."""
    then, now = run["sections"], sections(data)
    return sorted({*run["changed"], *(key for key in then.keys() | now.keys() if then.get(key) != now.get(key))})


def pages(docs: Path, keys: set[str]) -> dict[str, str]:
    """Markdown of the gallery and of every scenario's page."""
    scenarios = {path.stem: path for path in sorted((docs.parent / "scenarios").glob("*.yaml"))}
    texts = {name: _page(name, path, read(docs, name), keys) for name, path in scenarios.items()}
    return texts | {"index": _index(docs, scenarios)}


def read(docs: Path, name: str) -> dict | None:
    """What the gallery keeps of a scenario's run, if there was one."""
    file = docs / "gallery" / f"{name}.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None


def _index(docs: Path, scenarios: dict[str, Path]) -> str:
    parts = ["# Gallery", "", "Every scenario that comes with matterlearn, with figures and measured values of a run.",
             "`matterlearn run NAME` runs one; each page says how long it took. Pictures and values come from",
             "`make gallery`, which takes them from finished runs and says where a text is newer than the run.",
             ""]  # fmt: skip
    grouped = dict(SUBJECTS)
    other = [name for name in scenarios if name not in sum(SUBJECTS.values(), [])]
    grouped |= {"More": other} if other else {}
    for subject, names in grouped.items():
        parts += [f"## {subject}", "", "::::{grid} 1 2 3 4", ":gutter: 3", ""]
        for name in (name for name in names if name in scenarios):
            data, run = yaml.safe_load(scenarios[name].read_text(encoding="utf-8")), read(docs, name)
            parts += [":::{grid-item-card} " + _plain(data["title"]), f":link: {name}", ":link-type: doc"]
            if run and run["figures"]:
                parts += [f":img-top: {run['figures'][0]['file']}", f":img-alt: {_plain(data['title'])}"]
            parts += [":class-card: scenario-card", "", f"`{name}`" + ("" if run else " · not run yet"), ":::", ""]
        parts += ["::::", ""]
    parts += ["```{toctree}", ":hidden:", ""]
    return "\n".join([*parts, *scenarios, "```", ""])


def _page(name: str, path: Path, run: dict | None, keys: set[str]) -> str:
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    parts = [f"# {_plain(data['title'])}", ""]
    parts += [_cited(paragraph, keys) + "\n" for paragraph in str(data.get("description") or "").split("\n\n")]
    known = [key for key in data.get("references") or [] if key in keys]
    if known:
        parts += ["References: " + ", ".join(f"{{cite:t}}`{key}`" for key in known) + ".", ""]
    parts += ["## Run it", "", "```", f"matterlearn run {name} --out runs/{name}", "```", ""]
    parts += [f"or in Python, `ml.run(\"{name}\")`.", ""]
    parts += _finished(run, changed(run, data)) if run else ["**Not run yet** for this page.", ""]
    parts += _expected(data, run, keys)
    if run:
        parts += _measured(run)
    parts += ["## Scenario", "", f"```{{literalinclude}} ../../scenarios/{name}.yaml", ":language: yaml", "```", ""]
    return "\n".join(parts)


def _finished(run: dict, differing: list[str]) -> list[str]:
    parts = [f"The run shown here took {_duration(run['wall_time_s'])} on {_device(run['device'])} "
             f"({run['created'][:10]}, matterlearn {run['versions']['matterlearn']}, jax {run['versions']['jax']}, "
             f"{'single' if run['precision'] == 'f32' else 'double'} precision).", ""]  # fmt: skip
    older = [key for key in differing if key not in TEXTS]
    if older:
        parts += [f"**It is of an older version of the scenario**, which differs in {', '.join(older)}.", ""]
    elif differing:
        parts += [f"It was made before {' and '.join(TEXTS[key] for key in differing)} last changed; nothing that is "
                  "simulated has changed since.", ""]  # fmt: skip
    for figure in run["figures"]:
        parts += [f"```{{figure}} {figure['file']}", ":figclass: figure-white", "", figure["caption"], "```", ""]
    return parts


def _expected(data: dict, run: dict | None, keys: set[str]) -> list[str]:
    if not data.get("expect"):
        return []
    parts = ["## What it expects", ""]
    if run:
        parts += ["| | quantity | measured | expected | source |", "|---|---|---|---|---|"]
        for row in run["verdicts"]:
            mark = {True: "pass", False: "**FAIL**", None: "—"}[row["passed"]]
            cells = (mark, f"`{row['name']}`", row["value"], row["bound"])
            parts.append("| " + " | ".join(_cell(cell) for cell in cells) + f" | {_source(row['source'], keys)} |")
        return [*parts, ""]
    parts += ["| quantity | expected | source |", "|---|---|---|"]
    expect = dict(data["expect"])
    default = expect.pop("source", "")
    for name, entries in expect.items():
        for entry in entries if isinstance(entries, list) else [entries]:
            bound = ", ".join(f"{key} {value}" for key, value in entry.items() if key not in ("source", "where"))
            where = ", ".join(f"{key} = {value}" for key, value in (entry.get("where") or {}).items())
            quantity = f"{name} [{where}]" if where else name
            parts.append(f"| `{quantity}` | {bound} | {_source(entry.get('source') or default, keys)} |")
    return [*parts, ""]


def _measured(run: dict) -> list[str]:
    if not run["measured"]:
        return []
    parts = ["## What was measured", "", "Means over replicas with their standard error, at the end of the run.", ""]
    parts += ["| quantity | mean | units | replicas | what it is |", "|---|---|---|---|---|"]
    for row in run["measured"]:
        units = "" if row["units"] == "1" else row["units"]
        cells = (f"`{row['name']}`", row["value"], units, row["replicas"], row["what"])
        parts.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    return [*parts, ""]


def _cell(value) -> str:
    text = str(value).replace("|", "∣").replace("\n", " ")
    return text if text.startswith(("`", "**")) else _plain(text)


def _source(text: str, keys: set[str]) -> str:
    """A cell with keys of the bibliography as citations."""
    return "".join(f"{{cite:p}}`{part}`" if part in keys else _cell(part) for part in re.split(r"(\w+)", text))


def _plain(text: str) -> str:
    """Text in which Markdown finds nothing to mark up."""
    return re.sub(r"([\\*_`<>\[\]$|#])", r"\\\1", str(text))


def _cited(text: str, keys: set[str]) -> str:
    """A paragraph, with keys of the bibliography as citations and names in backquotes kept."""
    parts = re.split(r"(`[^`\n]+`|\[[\w, ]+\])", text)
    return "".join(part if part.startswith("`") else f"{{cite:p}}`{part[1:-1]}`"
                   if part.startswith("[") and set(re.split(r", *", part[1:-1])) <= keys else _plain(part)
                   for part in parts)  # fmt: skip


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _device(text: str) -> str:
    kind, _, count = text.partition(" x")
    return f"{count} CPU core{'s' if count != '1' else ''}" if kind == "cpu" and count else text
