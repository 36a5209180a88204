"""Runs in processes of their own that are killed without warning, at a moment or at what lies in their directory.

Nothing in the package knows of this: the child only saves after every chunk instead of every ten seconds, and keeps
compiled programs in a folder, so that a run takes seconds.
"""

import copy
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from matterlearn import documents, results

ROOT = Path(__file__).resolve().parents[1]
CHILD = """
import sys
import jax
jax.config.update("jax_compilation_cache_dir", sys.argv[1])
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
from matterlearn import loop
from matterlearn.cli import main
loop.CHECKPOINT_SECONDS = 0.0
sys.argv = ["matterlearn", *sys.argv[2:]]
main()
"""
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3"}  # every program from the folder comes with a warning about the processor
LATTICE = {
    "kind": "lattice_condensate", "shape": [1, 4], "periodic": False, "species": 2,
    "couplings": [[0.0, -2.0], [-2.0, 0.0]], "chemical_potential": [0.0, 2.0],
}  # fmt: skip
SPHERES = {
    "kind": "particles", "species": 1, "copies": 6, "dimension": 3, "box": 4.5, "range": 20.0, "bond": -8.0,
    "core": {"kind": "harmonic", "stiffness": 3200.0},
}  # fmt: skip
ADAM = {"kind": "adam", "learning_rate": 0.01}
CASES = {
    "particles": {
        "system": SPHERES, "dynamics": {"kind": "brownian", "dt": 5e-5},
        "observe": [{"kind": "energy", "every": 100}, {"kind": "trajectory", "every": 1000}],
        "run": {"replicas": 4, "steps": 20_000},
    },
    "lattice": {
        "system": LATTICE | {"shape": [16, 16]}, "dynamics": {"kind": "kawasaki", "kT": 1.0},
        "observe": [{"kind": "energy", "every": 10}, {"kind": "composition", "every": 50}],
        "run": {"replicas": 8, "steps": 1000},
    },
    "learning": {
        "system": {"kind": "spin_network", "units": 60, "memories": 12}, "dynamics": {"kind": "sequential"},
        "task": {"kind": "stored_patterns", "cue_overlaps": [0.5, 1.0]},
        "learning": {"rule": {"kind": "unlearning", "rate": 1e-3}, "updates": 4, "duration": 4, "replicas": 4},
        "observe": [{"kind": "overlap", "every": 1}], "run": {"replicas": 24, "steps": 50},
    },
    "wake_sleep": {
        "system": LATTICE, "dynamics": {"kind": "heat_bath", "kT": 1.0},
        "task": {"kind": "target_distribution", "patterns": [[0, 1], [1, 0]], "visible": [[0, 0], [0, 3]]},
        "learning": {"rule": {"kind": "wake_sleep", "samples": 2, "stride": 2, "relax": 2}, "optimizer": ADAM,
                     "updates": 100, "replicas": 10},
        "observe": [{"kind": "pattern_frequencies", "every": 20}], "run": {"replicas": 10, "steps": 1000},
    },
    "diffusion": {
        "system": {"kind": "score_model", "shape": [2], "process": {"kind": "noise_level"},
                   "score": {"kind": "fitted", "network": {"kind": "perceptron", "width": 16, "depth": 1}},
                   "start": 0.05, "end": 5.0},
        "dynamics": {"kind": "reverse_diffusion", "steps": 20, "first": 0.05},
        "task": {"kind": "denoising", "data": {"source": "normal", "size": 2, "count": 64}, "times": [0.5, 1.0],
                 "count": 20},
        "learning": {"rule": {"kind": "denoising_score_matching"}, "optimizer": ADAM, "updates": 100, "replicas": 8},
        "observe": [{"kind": "visible_patterns", "every": 20}], "run": {"replicas": 8, "steps": 20},
    },
    "design": {
        "system": LATTICE | {"shape": [4, 4], "couplings": [[0.0, -1.0], [-1.0, 0.0]]},
        "dynamics": {"kind": "metropolis", "kT": 1.0},
        "design": {"estimator": {"kind": "equilibrium", "samples": 4, "stride": 2, "relax": 4},
                   "objective": [{"observable": {"kind": "energy"}, "target": -4.0}], "updates": 40, "replicas": 8},
        "observe": [{"kind": "energy", "every": 10}], "run": {"replicas": 8, "steps": 200},
    },
}  # fmt: skip
CASES["variants"] = CASES["lattice"] | {"variants": {"warm": {}, "cold": {"dynamics.kT": 0.5}}}


def scenario(name: str) -> dict:
    return {"title": f"Killed: {name}", **copy.deepcopy(CASES[name])}


@dataclass
class Moment:
    """When to kill: so many seconds after the directory was made, or as soon as `count` files match a pattern."""

    seconds: float = 0.0
    pattern: str = ""
    count: int = 1

    def reached(self, directory: Path, began: float) -> bool:
        if self.pattern:
            return len(list(directory.glob(self.pattern))) >= self.count
        return time.monotonic() - began > self.seconds


@dataclass
class Runs:
    """One scenario, run again and again in a folder."""

    folder: Path
    name: str
    python: str = sys.executable
    phases: list[str] = field(default_factory=list)

    def __post_init__(self):
        self.told = self.folder / f"{self.name}.txt"
        self.file = self.folder / f"{self.name}.yaml"
        self.file.write_text(documents.write(scenario(self.name)), encoding="utf-8")

    def start(self, out: Path) -> subprocess.Popen:
        begun = any((out / mark).exists() for mark in ("scenario.yaml", "results.nc", "checkpoints"))
        words = ["run", str(self.file), "--out", str(out), "--quiet", *(["--resume"] if begun else [])]
        with self.told.open("w") as told:
            return subprocess.Popen(
                [self.python, "-c", CHILD, str(self.folder / "programs"), *words], cwd=self.folder,
                env=os.environ | QUIET | {"PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"},
                stdout=told, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def finish(self, out: Path) -> float:
        """Runs to the end; the seconds from the first file on."""
        process, began = self.start(out), None
        while process.poll() is None:
            began = began or ((out / "run.json").exists() and time.monotonic()) or None
            time.sleep(0.005)
        assert process.returncode == 0, self.told.read_text()[-2000:]
        return time.monotonic() - (began or time.monotonic())

    def kill(self, out: Path, moment: Moment) -> str | None:
        """Kills a run at a moment and tells in which phase it was; nothing if it had finished by then."""
        process, began = self.start(out), None
        while process.poll() is None:
            if began is None:
                began = time.monotonic() if (out / "run.json").exists() else None
            elif moment.reached(out, began):
                os.kill(process.pid, signal.SIGKILL)
                break
            time.sleep(0.0005)
        if process.wait() == 0:
            return None
        assert process.returncode == -signal.SIGKILL, self.told.read_text()[-2000:]
        self.phases.append(phase(out))
        return self.phases[-1]


def phase(out: Path) -> str:
    """What a killed process was at, as its directory tells."""
    saved = sorted(out.rglob("checkpoints/*.npz"), key=lambda file: file.stat().st_mtime_ns)
    stage = saved[-1].stem.partition("-")[0] if saved else "compiling"
    if (out / "results.nc").exists():
        return "drawing and reporting"
    if list(out.rglob("*.part")):
        return "writing results"
    if list(out.rglob("*.tmp")):
        return f"writing a checkpoint of {stage}"
    return stage


def identical(one: Path, other: Path) -> list[str]:
    """Names of variables whose bits differ between two results, in any group, and of groups that only one has."""
    trees = [results.open(place) for place in (one, other)]
    groups = [{node.path: node.to_dataset(inherit=False) for node in tree.subtree} for tree in trees]
    found = sorted(groups[0].keys() ^ groups[1].keys())
    for path in groups[0].keys() & groups[1].keys():
        ours, theirs = (group[path].variables for group in groups)
        found += [f"{path}: {name}" for name in ours.keys() ^ theirs.keys()]
        for name in ours.keys() & theirs.keys():
            a, b = ours[name], theirs[name]
            same = (a.dims, a.dtype, a.attrs) == (b.dims, b.dtype, b.attrs)
            bits = [np.array_equal(a, b)] if a.dtype.kind in "OUS" else [a.values.tobytes() == b.values.tobytes()]
            found += [] if same and all(bits) else [f"{path}: {name}"]
    return found
