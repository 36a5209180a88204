"""Rates of a small cluster designed over two decades at one free-energy difference, and the rates measured.

    python docs/benchmarks/design_kinetics.py                      # table to standard output, figure to docs/images
    python docs/benchmarks/design_kinetics.py --targets 1 0.1

Every target is a run of the scenario `design_kinetics` with another `design.objective.0.target`; the couplings that it
ends with are then simulated for about as many flips at every rate. Runs are kept under `--out` and are not repeated.
"""

import argparse
from pathlib import Path

import numpy as np
import xarray as xr

from matterlearn import results, style
from matterlearn.run import simulate
from matterlearn.scenario import load

SCENARIO = Path(__file__).parents[2] / "scenarios" / "design_kinetics.yaml"
SHORTEST = 100_000  # steps of a measurement, many times what a ring takes to forget its start


def once(overrides: list[str], directory: Path) -> xr.DataTree:
    """A run of the scenario, made if it is not there."""
    if not (directory / "results.nc").exists():
        simulate(load(SCENARIO, overrides), directory)
    return results.open(directory)


def measured(target: float, lifetimes: float, replicas: int, seed: int, directory: Path) -> dict[str, float]:
    """Couplings designed for a target, what theory makes of them, and what Brownian motion does with them."""
    short = ["run.steps=100", "run.replicas=2", "observe=[{kind: energy, every: 100}]", "expect={}"]
    designed = once([f"design.objective.0.target={target}", *short], directory / "design")
    couplings = designed["couplings/couplings"].values.astype(float)
    dt = results.scenario_of(designed)["dynamics"]["dt"]
    steps = max(SHORTEST, round(lifetimes / target / dt / 50_000) * 50_000)
    settings = [f"system.bonds={couplings.tolist()}", "design=null", "expect={}"]
    tree = once([*settings, f"run.steps={steps}", f"run.replicas={replicas}", f"run.seed={seed}"],
                directory / "flips")  # fmt: skip
    value = lambda name, *at: float(tree[name].values[at])  # noqa: E731
    return {
        "target": target, "first": couplings[0, 2], "second": couplings[1, 3],
        "theory": value("flip_rate", 0, 0), "rate": value("transition_rate", 0, 1),
        "rate_sem": value("transition_rate_sem", 0, 1), "free_theory": value("flip_free_energy", 0, 0),
        "free": value("isomer_free_energy", 1), "free_sem": value("isomer_free_energy_sem", 1),
    }  # fmt: skip


def table(rows: list[dict[str, float]]) -> str:
    """What was wished for and what was measured; ratios to the first target."""
    head = ("target rate", "J₀₂, J₁₃ (kT)", "rate, theory", "rate, measured", "slower by, target",
            "slower by, measured", "ΔF, theory (kT)", "ΔF, measured (kT)")  # fmt: skip
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    fastest = rows[0]
    for r in rows:
        ratio = fastest["rate"] / r["rate"]
        spread = ratio * np.hypot(r["rate_sem"] / r["rate"], fastest["rate_sem"] / fastest["rate"]) * (r is not fastest)
        cells = [
            f"{r['target']:.3g}", f"{r['first']:.2f}, {r['second']:.2f}", f"{r['theory']:.4g}",
            f"{r['rate']:.4g} ± {r['rate_sem']:.2g}", f"{fastest['target'] / r['target']:.3g}",
            f"{ratio:.3g} ± {spread:.2g}", f"{r['free_theory']:.3f}", f"{r['free']:.2f} ± {r['free_sem']:.2f}",
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def figure(rows: list[dict[str, float]], path: Path) -> None:
    """Measured against designed rates, and the free energy that stays."""
    column = {name: np.array([r[name] for r in rows]) for name in rows[0]}
    with style.look():
        drawing = style.new_figure(2, width=5.0)
        left, right = drawing.subplots(1, 2)
        line = np.array([column["target"].min() / 1.5, column["target"].max() * 1.5])
        left.plot(line, line, color="black", ls="--", lw=1.5, label="as designed")
        left.fill_between(line, 0.8 * line, 1.2 * line, color=style.SHARED, alpha=0.3, lw=0, label="± 20 %")
        left.errorbar(column["target"], column["rate"], column["rate_sem"], color=style.BLUE, ls="", marker="o",
                      label="measured ± sem")  # fmt: skip
        left.set(xscale="log", yscale="log", xlabel="target rate (D/σ²)", ylabel="rate of the flip (D/σ²)")
        left.legend()
        right.axhline(column["free_theory"].mean(), color="black", ls="--", lw=1.5, label="as designed")
        right.errorbar(column["target"], column["free"], column["free_sem"], color=style.BLUE, ls="", marker="o",
                       label="measured ± sem")  # fmt: skip
        right.set(xscale="log", ylim=(0, 1.5 * column["free_theory"].mean()), xlabel="target rate (D/σ²)",
                  ylabel="free-energy difference (kT)")  # fmt: skip
        style.write(drawing, path)


def main():
    """Run what has not been run, print the table and draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--targets", type=float, nargs="+", default=[1.78, 0.563, 0.178, 0.0563, 0.0178])
    parser.add_argument("--lifetimes", type=float, default=1.78, help="length of a replica, in mean times of a flip")
    parser.add_argument("--replicas", type=int, default=128)
    parser.add_argument("--out", type=Path, default=Path("runs/design_kinetics"))
    parser.add_argument("--figure", type=Path, default=Path("docs/images/design_kinetics.png"))
    options = parser.parse_args()
    folder = lambda target: options.out / f"target-{target:g}-{options.lifetimes:g}-{options.replicas}"  # noqa: E731
    # seeds of their own: overdamped motion in nearly equal wells under the same noise would be nearly the same
    rows = [measured(t, options.lifetimes, options.replicas, k, folder(t)) for k, t in enumerate(options.targets, 1)]
    print(table(rows))
    figure(rows, options.figure)


if __name__ == "__main__":
    main()
