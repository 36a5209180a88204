"""Test accuracy of the digit-recognising condensate on several divisions of the images, beside ordinary classifiers.

    python docs/benchmarks/digits.py                          # five divisions; writes the table to standard output
    python docs/benchmarks/digits.py --splits 0 --steps 12000 # one of them, recalled for twice as long
    python docs/benchmarks/digits.py --scenario digits_prototypes

Each division is the scenario `digits_condensate`, or the one named, with another `task.images.split`: the couplings are
learned anew from two thirds of the images, and the last third is sampled at equilibrium from two kinds of start. Runs
are kept under `--out` and are not repeated. One process on one core.
"""

import argparse
import os
import time
from pathlib import Path

if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

import numpy as np  # noqa: E402

from matterlearn import results  # noqa: E402
from matterlearn.run import simulate  # noqa: E402
from matterlearn.scenario import load  # noqa: E402

SCENARIOS = Path(__file__).parents[2] / "scenarios"
COLUMNS = {
    "condensate": "accuracy",
    "from disorder": ("correct", 0),
    "from a wrong label": ("correct", 1),
    "uniform layer": "accuracy_rigid",
    "logistic regression": "accuracy_logistic_regression",
    "RBM + logistic regression": "accuracy_rbm",
}


def measured(tree, column) -> float:
    """One number of a run."""
    if isinstance(column, str):
        return float(tree[column])
    name, start = column
    return float(tree[name].values[tree["start"].values == start].mean())


def main():
    """Run what has not been run and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--scenario", default="digits_condensate", choices=["digits_condensate", "digits_prototypes"])
    parser.add_argument("--splits", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--steps", type=int, help="steps of recall, if not those of the scenario")
    parser.add_argument("--out", type=Path, default=Path("runs/digits"))
    options = parser.parse_args()
    rows = []
    print(f"| split | {' | '.join(COLUMNS)} | CPU s |\n|{'---|' * (len(COLUMNS) + 2)}", flush=True)
    for split in options.splits:
        overrides = [f"task.images.split={split}"] + ([f"run.steps={options.steps}"] if options.steps else [])
        directory = options.out / f"{options.scenario}-{split}-{options.steps or 'default'}"
        began = time.process_time()
        if (directory / "results.nc").exists():
            tree = results.open(directory / "results.nc")
        else:
            tree = simulate(load(SCENARIOS / f"{options.scenario}.yaml", overrides), directory).tree
        rows.append([measured(tree, column) for column in COLUMNS.values()])
        spent = time.process_time() - began
        print(f"| {split} | {' | '.join(f'{value:.3f}' for value in rows[-1])} | {spent:.0f} |", flush=True)
    if len(rows) > 1:
        mean, error = np.mean(rows, 0), np.std(rows, 0, ddof=1) / np.sqrt(len(rows))
        cells = [f"{m:.4f} ± {e:.4f}" for m, e in zip(mean, error, strict=True)]
        print(f"| mean | {' | '.join(cells)} | |")


if __name__ == "__main__":
    main()
