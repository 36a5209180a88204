"""One network, forty patterns, four ways to its couplings: error, samples seen, change of the couplings, robustness.

    python docs/benchmarks/learned_vs_designed.py        # a few minutes; table and figure beside this file

Every way ends with couplings between the same hundred spins; recall is that of scenarios/learned_vs_designed.yaml. What
is spent is Σ|ΔJ| along the way, the most work that moving the couplings can take from states of spins ±1. Robustness is
recall after adding normal noise to all couplings, in units of their root mean square.
"""

import sys
import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from matterlearn import documents, style
from matterlearn.core.system import couplings, with_couplings
from matterlearn.run import build, simulate
from matterlearn.scenario import find
from matterlearn.stages import Recall

NOISES = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
WAKE_SLEEP = {
    "rule": {"kind": "wake_sleep", "chains": "persistent", "samples": 4, "stride": 2, "relax": 2},
    "optimizer": {"kind": "adam", "learning_rate": 0.01, "final_rate": 0.002},
    "exposures": 15, "updates": 1, "replicas": 32,
}  # fmt: skip


def ways() -> dict[str, dict]:
    """Scenarios by name; the last two have the design that the file describes."""
    base = dict(documents.read(find("learned_vs_designed")).data) | {"expect": {}}
    learned = {k: v for k, v in base.items() if k != "design"}
    designed = {k: v for k, v in base.items() if k != "learning"}
    return {
        "Hebbian linkers": learned,
        "wake–sleep": learned | {"learning": WAKE_SLEEP, "dynamics": {"kind": "sequential", "kT": 1.0}},
        "gradient design": designed,
        "Hebb, then design": base,
    }


def samples_seen(scenario: dict) -> int:
    """States of the spins that went into the couplings: memories shown, and states sampled."""
    count, learning, design = scenario["task"]["count"], scenario.get("learning"), scenario.get("design")
    seen = 0
    if learning is not None:
        shown = count * learning.get("exposures", 1) * learning.get("updates", 1)
        rule = learning["rule"]
        sampled = learning["replicas"] * rule["samples"] if rule["kind"] == "wake_sleep" else 0
        seen += shown * (1 + sampled)
    return seen + (count * (design["updates"] + 1) if design is not None else 0)


def recalled(scenario: dict, theta, noise: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Final overlap with the cued memory per replica, and the cues' overlaps, with noisy couplings."""
    experiment = build(scenario | {"dynamics": {"kind": "sequential", "kT": 0.05}})
    J = theta.coupling
    rms = jnp.sqrt(jnp.mean(J**2))
    noisy = J + noise * rms * jax.random.normal(jax.random.key(seed), J.shape)
    system = with_couplings(experiment.system, type(theta)(**{**vars(theta), "coupling": noisy}))
    recall = experiment.task.recall(jax.random.key(seed + 1), system, experiment.scenario.run.replicas)
    stage = Recall(jax.random.key(seed + 2), experiment.dynamics, recall, experiment.observables[:1], 30)
    records = stage.advance(stage.start(), 0, 30)[1]["overlap"][-1]
    cue = recall.labels["cue"].values
    return records[np.arange(len(cue)), cue], recall.labels["cue_overlap"].values


def measured(name: str, scenario: dict) -> dict:
    """One row of the table."""
    with tempfile.TemporaryDirectory() as folder:
        tree = simulate(scenario, out=Path(folder) / "run").tree
    experiment = build(scenario)
    path = [tree[node]["couplings"].values for node in ("learning", "design") if node in tree.children]
    spent = sum(np.abs(np.diff(values, axis=0)).sum() / 2 for values in path)
    matrix = tree["couplings/couplings"].values
    blank = couplings(experiment.system)
    packed = jnp.asarray(matrix[np.triu_indices(len(matrix), 1)], jnp.result_type(float))
    theta = type(blank)(**{**vars(blank), "coupling": packed,
                           "threshold": jnp.asarray(tree["couplings/thresholds"].values)})  # fmt: skip
    curves = []
    for noise in NOISES:
        overlap, cued = recalled(scenario, theta, noise, 10)
        chosen = overlap[cued == min(cued)]
        curves.append((chosen.mean(), chosen.std(ddof=1) / np.sqrt(len(chosen))))
    overlap, cued = recalled(scenario, theta, 0.0, 10)
    return {"name": name, "kept": overlap[cued == 1.0].mean(), "curve": np.array(curves), "spent": spent,
            "samples": samples_seen(scenario)}  # fmt: skip


def figure(rows: list[dict]):
    """Recall from a damaged cue against the noise in the couplings."""
    with style.look():
        drawn = style.new_figure(1, 1, 6.5, 4.2)
        axes = drawn.subplots()
        for row, colour in zip(rows, style.MEMORY_COLOURS, strict=False):
            axes.errorbar(NOISES, row["curve"][:, 0], row["curve"][:, 1], color=colour, marker="o", label=row["name"])
        axes.set(xlabel="noise in the couplings (of their root mean square)", ylabel="overlap with the cued memory",
                 ylim=(0, 1.03))  # fmt: skip
        style.legend_above(axes, columns=2)
    return drawn


def main() -> None:
    """Prints the table and writes the figure."""
    rows = [measured(name, scenario) for name, scenario in ways().items()]
    print("| way | memories kept | recall from cue 0.8 | with noise 0.3 | with noise 0.7 | states seen | Σ∣ΔJ∣, kT |")
    print("|---|---|---|---|---|---|---|")
    for row in rows:
        cells = [f"{m:.3f} ± {e:.3f}" for m, e in row["curve"][[0, NOISES.index(0.3), NOISES.index(0.7)]]]
        print(f"| {row['name']} | {row['kept']:.3f} | {' | '.join(cells)} | {row['samples']} | {row['spent']:.0f} |")
    beside = Path(__file__).parents[1] / "images" / "learned_vs_designed.png"
    style.write(figure(rows), Path(sys.argv[1]) if len(sys.argv) > 1 else beside)


if __name__ == "__main__":
    main()
