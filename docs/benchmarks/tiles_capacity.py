"""Error against the number of stored structures, for several numbers of tiles, and how the capacity grows.

    python docs/benchmarks/tiles_capacity.py                      # N = 100, 256, 576; tables to standard output
    python docs/benchmarks/tiles_capacity.py --sides 10 --draws 3

Every draw is the scenario `tiles_capacity` with other structures (another seed) and another size: blocks of side l in a
box of side 3 l/2, seeds of side l/2. Errors are means over draws, with their standard error. Where they pass one half
is interpolated within each draw; the exponent is that of a weighted fit of ln m against ln N. Runs are kept under
`--out` and are not repeated. One process on one core.
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
from matterlearn.theory.tiles import corner_capacity  # noqa: E402

SCENARIO = Path(__file__).parents[2] / "scenarios" / "tiles_capacity.yaml"
LEVELS = (0.05, 0.5)  # errors whose crossings are reported


def counts(side: int) -> list[int]:
    """Numbers of stored structures, from an eighth to twice the square root of the number of tiles."""
    return sorted({max(2, round(side * x)) for x in (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.6)})


def errors(side: int, draw: int, replicas: int, directory: Path) -> np.ndarray:
    """1 − overlap with the cued structure at the end, mean over the replicas of each number of structures."""
    if (directory / "results.nc").exists():
        tree = results.open(directory / "results.nc")
    else:
        m = counts(side)
        overrides = [
            f"run.seed={draw}", f"system.species={side**2}", f"system.shape={[3 * side // 2] * 2}",
            f"task.shape={[side] * 2}", f"task.count={max(m)}", f"task.counts={m}",
            f"run.replicas={replicas * len(m)}", "expect={}", "observe=[{kind: overlap, every: 2000}]",
        ]  # fmt: skip
        tree = simulate(load(SCENARIO, overrides), directory).tree
    final = tree["overlap"].isel(step=-1).values
    cued = final[np.arange(len(final)), tree["cue"].values.astype(int)]
    stored = tree["stored_memories"].values
    return np.array([1 - cued[stored == m].mean() for m in counts(side)])


def crossing(m: np.ndarray, error: np.ndarray, level: float) -> float:
    """Where the error first passes a level, by straight lines; NaN if it does not."""
    above = np.flatnonzero(error > level)
    if not len(above) or above[0] == 0:
        return np.nan
    k = above[0]
    return m[k - 1] + (level - error[k - 1]) / (error[k] - error[k - 1]) * (m[k] - m[k - 1])


def exponent(N: np.ndarray, m: np.ndarray, sem: np.ndarray) -> tuple[float, float]:
    """Slope of ln m against ln N, weighted by the standard errors, with its own."""
    x, y, weight = np.log(N), np.log(m), (m / sem) ** 2
    x = x - np.average(x, weights=weight)
    total = np.sum(weight * x**2)
    return float(np.sum(weight * x * y) / total), float(total**-0.5)


def main():
    """Run what has not been run and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sides", type=int, nargs="+", default=[10, 16, 24])
    parser.add_argument("--draws", type=int, default=6)
    parser.add_argument("--replicas", type=int, default=4, help="replicas per draw and number of structures")
    parser.add_argument("--out", type=Path, default=Path("runs/tiles_capacity"))
    options = parser.parse_args()
    found = []
    for side in options.sides:
        began, m = time.process_time(), np.array(counts(side), float)
        folder = [options.out / f"side-{side}-draw-{draw}" for draw in range(options.draws)]
        error = np.array([errors(side, d, options.replicas, path) for d, path in enumerate(folder)])
        sem = error.std(0, ddof=1) / np.sqrt(options.draws)
        print(f"\nN = {side**2} ({time.process_time() - began:.0f} CPU s)\n", flush=True)
        print("| m | " + " | ".join(f"{v:.0f}" for v in m) + " |\n|" + "---|" * (len(m) + 1))
        print("| error | " + " | ".join(f"{e:.3f} ± {s:.3f}" for e, s in zip(error.mean(0), sem, strict=True)) + " |")
        at = np.array([[crossing(m, e, level) for level in LEVELS] for e in error])
        found.append((at.mean(0), at.std(0, ddof=1) / np.sqrt(options.draws)))
    mean, sem = np.array([f[0] for f in found]), np.array([f[1] for f in found])
    N = np.array(options.sides) ** 2
    print("\n| N | m at 5 % error | m at 50 % error | m / √N there | m of one wrong tile per corner |")
    print("|---" * 5 + "|")
    for n, a, s in zip(N, mean, sem, strict=True):
        row = [f"{a[0]:.1f} ± {s[0]:.1f}", f"{a[1]:.1f} ± {s[1]:.1f}", f"{a[1] / n**0.5:.2f}"]
        print(f"| {n} | {' | '.join(row)} | {corner_capacity(round(n**0.5)):.1f} |")
    if len(N) > 1:
        for k, level in enumerate(LEVELS):
            slope, error = exponent(N, mean[:, k], sem[:, k])
            print(f"\nexponent of m at {level:.0%} error: {slope:.2f} ± {error:.2f}")


if __name__ == "__main__":
    main()
