"""The same scenarios under other versions of Python, jax and the rest: energies stored as JSON, and compared.

    python docs/benchmarks/versions.py measure here.json
    python docs/benchmarks/versions.py compare here.json there.json ...

The runs are short, so that trajectories which part company exponentially have not done so yet: what is left of a
difference is rounding, and a program or a stream of random numbers that changed shows as a difference of order one.
"""

import json
import platform
import sys
import tempfile
from importlib import metadata
from pathlib import Path

import numpy as np

import matterlearn

PACKAGES = ("jax", "numpy", "scipy", "equinox", "optax", "xarray", "pydantic")
ROUNDING = 1e-5  # of the largest energy, in single precision
ENERGY = {"kind": "energy", "every": 10}
SCENARIOS = {
    "sticky_spheres": {"run.steps": 200, "run.replicas": 16, "observe": [ENERGY], "expect": {}},
    "design_condensate_lattice": {
        "design": None, "run.steps": 200, "run.replicas": 8, "observe": [ENERGY], "expect": {},
    },
    "hopfield_recall": {"expect": {}},
    "hidden_species": {"learning.updates": 20, "run.steps": 200, "observe": [ENERGY], "expect": {}},
    "phi4_lattice": {"variants": {}, "run.steps": 100, "run.replicas": 16, "observe": [ENERGY], "expect": {}},
}


def measure() -> dict:
    """Energies (replica, step) of each scenario, in single precision, and the versions that made them."""
    found = {}
    for name, changes in SCENARIOS.items():
        with tempfile.TemporaryDirectory() as folder:
            tree = matterlearn.run(name, out=folder, set=changes, quiet=True)
        found[name] = np.asarray(tree["energy"].values, float).round(9).tolist()
        print(name, np.shape(found[name]), flush=True)
    versions = {"python": platform.python_version(), **{name: metadata.version(name) for name in PACKAGES}}
    return {"versions": versions, "energies": found}


def differences(one: dict, other: dict) -> dict[str, float]:
    """Largest difference of an energy, over the largest energy, by scenario."""
    pairs = {name: (np.array(one["energies"][name]), np.array(other["energies"][name])) for name in one["energies"]}
    return {name: float(np.abs(a - b).max() / np.abs(a).max()) for name, (a, b) in pairs.items()}


def parted(one: dict, other: dict) -> list[str]:
    """Of what differs by more than rounding: how many starts do, and the difference of the final means."""
    found = []
    for name, difference in differences(one, other).items():
        if difference > ROUNDING:
            a, b = np.array(one["energies"][name]), np.array(other["energies"][name])
            starts = int((np.abs(a - b)[:, 0] > ROUNDING * np.abs(a).max()).sum())
            change = (b - a)[:, -1]
            error = change.std(ddof=1) / np.sqrt(len(change))
            found.append(f"{name}: {starts} of {len(a)} starts differ; final energies {a[:, -1].mean():.4g}, "
                         f"{change.mean():+.2g} ± {error:.2g}")  # fmt: skip
    return found


def table(records: list[dict]) -> str:
    """Markdown: one row per record, differences from the first."""
    rows = ["| " + " | ".join(["python", *PACKAGES, *SCENARIOS]) + " |"]
    rows.append("|" + " --- |" * (1 + len(PACKAGES) + len(SCENARIOS)))
    for record in records:
        numbers = [f"{value:.1g}" if value else "0" for value in differences(records[0], record).values()]
        rows.append("| " + " | ".join([*record["versions"].values(), *numbers]) + " |")
    return "\n".join(rows)


if __name__ == "__main__":
    task, *files = sys.argv[1:]
    if task == "measure":
        Path(files[0]).write_text(json.dumps(measure()))
    else:
        records = [json.loads(Path(file).read_text()) for file in files]
        print(table(records))
        for record in records[1:]:
            for words in parted(records[0], record):
                print(f"jax {record['versions']['jax']}, {words}")
