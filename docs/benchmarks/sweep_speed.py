"""How much faster sixteen points of a sweep are as one program than one after the other.

    python docs/benchmarks/sweep_speed.py

Both run the same steps with the same random numbers, compiled before the clock starts; medians of interleaved repeats.
"""

import statistics
import sys
import time

import jax
import numpy as np

from matterlearn.experiment import build
from matterlearn.grids import axes, points
from matterlearn.run import configure
from matterlearn.scenario import load
from matterlearn.together import Recalls, joint

POINTS, REPEATS = 16, 7
SMALL = {
    "spin network, 100 units": {
        "system": {"kind": "spin_network", "units": 100},
        "dynamics": {"kind": "sequential", "kT": 0.5},
        "task": {"kind": "stored_patterns", "count": 5},
        "run": {"steps": 200, "replicas": 4},
    },
    "Boltzmann machine on 64 sites": {
        "system": {"kind": "boltzmann_machine", "graph": {"kind": "grid", "shape": [8, 8]}},
        "dynamics": {"kind": "heat_bath", "kT": 2.0},
        "run": {"steps": 2000, "replicas": 4},
    },
    "lattice condensate, 16 x 16": {
        "system": {"kind": "lattice_condensate", "species": 3, "shape": [16, 16]},
        "dynamics": {"kind": "metropolis", "kT": 1.0},
        "run": {"steps": 2000, "replicas": 4},
    },
    "eight patchy discs": {
        "system": {"kind": "patchy_particles", "species": 8, "box": 8.0},
        "dynamics": {"kind": "brownian", "dt": 5e-4, "kT": 1.0},
        "run": {"steps": 2000, "replicas": 4},
    },
}


def seconds(work) -> float:
    """Wall time of one call."""
    began = time.perf_counter()
    jax.block_until_ready(work())
    return time.perf_counter() - began


def main() -> None:
    """Prints a table."""
    configure("cpu", cpu_devices=1)
    print("| matter | one after the other, ms per point | together, ms per point | ratio |\n|---|---|---|---|")
    for name, sections in SMALL.items():
        scenario = load({"title": name, "observe": [{"kind": "energy", "every": sections["run"]["steps"]}], **sections})
        wide, _ = axes({"dynamics.kT": list(np.linspace(0.5, 2.0, POINTS))})
        members = [(one := build(point.scenario)).recall(one.system) for point in points(scenario, wide)]
        stage = joint(Recalls, members)
        if stage is None:
            print(f"| {name} | points do not go together | | |")
            continue
        starts, start, steps = [one.start() for one in members], stage.start(), stage.total
        alone = lambda: [one.advance(x, 0, steps) for one, x in zip(members, starts, strict=True)]  # noqa: B023, E731
        at_once = lambda: stage.advance(start, 0, steps)  # noqa: B023, E731
        alone(), at_once()
        times = [(seconds(alone), seconds(at_once)) for _ in range(REPEATS)]
        first, second = (1e3 * statistics.median(column) / POINTS for column in zip(*times, strict=True))
        ratio = statistics.median(a / b for a, b in times)
        print(f"| {name} | {first:.2f} | {second:.2f} | {ratio:.1f} |")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
