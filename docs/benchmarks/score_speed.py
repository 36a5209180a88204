"""Speed of score diffusion beside PyTorch: training, sampling, and the empirical score of many samples.

    python docs/benchmarks/score_speed.py                                     # matterlearn alone
    python docs/benchmarks/score_speed.py --peer PYTHON                       # and PyTorch, where that Python has it

Training is the learning stage of a run (denoising score matching, Adam, average of the weights), sampling is Heun's
step along the probability flow, 24 of them, as `matterlearn run` makes them. The peer (score_speed_torch.py) is a
process of its own with the same weights, data and noise levels; before it is timed its posterior mean is compared with
ours. All are bound to one core with one thread and take turns; figures are medians of CPU time over the repeats, ratios
medians of the ratio within a repeat with half the distance of its quartiles. Compilation is not included.
"""

import argparse
import contextlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

import equinox as eqx  # noqa: E402
import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

from matterlearn import run  # noqa: E402
from matterlearn.core.drive import Drive  # noqa: E402
from matterlearn.core.dynamics import advance  # noqa: E402
from matterlearn.diffusion.losses import level_table  # noqa: E402
from matterlearn.diffusion.processes import Gaussian, Sites  # noqa: E402
from matterlearn.diffusion.schedules import NoiseLevel  # noqa: E402
from matterlearn.diffusion.scores import empirical_score  # noqa: E402
from matterlearn.learning import Learning  # noqa: E402
from matterlearn.scenario import load  # noqa: E402

PEER = Path(__file__).with_name("score_speed_torch.py")
STEPS, SAMPLES = 24, 500
QUERIES, SIZE, BLOCK, NOISE = 256, 64, 4096, 2.0
MODELS = {
    "U-Net, 8 x 8": {
        "shape": [8, 8], "network": {"kind": "u_net", "width": 16, "depth": 2, "edges": "zero"},
        "data": {"source": "digits", "levels": "standardised", "test_fraction": 0.2}, "batch": 128, "updates": 20,
    },
    "perceptron, 2 d": {
        "shape": [2], "network": {"kind": "perceptron", "width": 128, "depth": 3},
        "data": {"source": "points", "shape": "moons", "count": 4000, "noise": 0.1}, "batch": 256, "updates": 200,
    },
}  # fmt: skip


def experiment(model: dict):
    """A scenario with so many updates that those timed fall between two records."""
    return run.build(load({
        "title": "speed",
        "system": {"kind": "score_model", "shape": model["shape"], "start": 0.05, "end": 20.0,
                   "process": {"kind": "noise_level", "basis": "principal"},
                   "score": {"kind": "fitted", "reference": "spectrum", "network": model["network"]}},
        "dynamics": {"kind": "reverse_diffusion", "steps": STEPS, "step": "heun", "alpha": 0.0, "power": 7.0,
                     "first": 0.05},
        "task": {"kind": "data", "data": model["data"], "likelihood": "none"},
        "learning": {"rule": {"kind": "denoising_score_matching", "times": "normal", "centre": -0.7, "width": 1.4},
                     "optimizer": {"kind": "adam", "learning_rate": 3e-3, "final_rate": 1e-4}, "updates": 10**6,
                     "replicas": model["batch"]},
        "run": {"steps": STEPS, "replicas": SAMPLES},
    }))  # fmt: skip


def moved(system):
    """The system with noise on all weights: those of the last layer are zero at first."""
    rng = np.random.default_rng(0)
    shaken = jax.tree.map(lambda w: w + 0.1 * rng.normal(size=w.shape).astype(np.float32), system.score.network)
    return eqx.tree_at(lambda s: s.score.network, system, shaken)


def problem(built, system, model: dict) -> dict:
    """What the peer has to know."""
    score, rule = system.score, built.scenario.learning.rule
    leaves = jax.tree.leaves(score.network)
    rng = np.random.default_rng(1)
    x, t = rng.normal(size=(16, *model["shape"])).astype(np.float32), np.geomspace(0.05, 20, 16, dtype=np.float32)
    flat = lambda a: np.asarray(a).reshape(len(a), -1)  # noqa: E731
    known = {
        "data": flat(built.task.training_samples), "mean": score.reference.mean.ravel(),
        "variance": score.reference.variance.ravel(), "axes": score.process.basis.axes,
        "table": level_table(score.process, system.begin, score.end, "normal", rule.centre, rule.width),
        "times": built.dynamics.times(system), "x": flat(x), "t": t,
        "denoised": flat(jax.vmap(score.denoise)(x, t)),
    }  # fmt: skip
    labels = {"kind": model["network"]["kind"], "depth": model["network"]["depth"], "batch": model["batch"]}
    numbered = {f"leaf_{i}": leaf for i, leaf in enumerate(leaves)}
    arrays = {name: np.asarray(value, np.float32) for name, value in (known | numbered).items()}
    return arrays | labels | {"leaves": len(leaves)}


def train(built, system, model: dict):
    """Updates of the learning stage of a run."""
    section = built.scenario.learning
    stage = Learning(
        jax.random.key(0), system, built.dynamics, section.rule.build(), built.task,
        run.optimizer(section.optimizer, section.updates), exposures=1, updates=section.updates, duration=1.0,
        replicas=model["batch"],
    )  # fmt: skip
    start = stage.start()
    return lambda count: jax.block_until_ready(stage.advance(start, 0, count)[0].parameters)


def draw(built, system):
    """Samples by the dynamics of a run."""

    @eqx.filter_jit
    def go(system, keys):
        def one(key):
            begin = built.dynamics.init(key, system, Drive(), system.init_state(key))
            return advance(key, system, built.dynamics, Drive(), begin, STEPS).x.field

        return jax.vmap(one)(keys)

    return lambda count: go(system, jax.random.split(jax.random.key(0), count)).block_until_ready()


def clock(go, work: int) -> float:
    """CPU time of this process."""
    begin = time.process_time()
    go(work)
    return time.process_time() - begin


def peak() -> float:
    """Largest memory of this process, MB. Not ru_maxrss, which begins with that of the parent."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


def answer(work, before: float) -> None:
    """Works when asked to, and says how long it took and how much memory."""
    print(json.dumps({"version": jax.__version__, "gap": 0.0}), flush=True)
    for line in sys.stdin:
        print(json.dumps({"seconds": clock(work, int(line)), "before": before, "peak": peak()}), flush=True)


@contextlib.contextmanager
def other(*command: str):
    """A process that does so, and its library's version."""
    options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **options) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        asked, answered = process.stdin, process.stdout
        hello = json.loads(answered.readline())
        if hello["gap"] > 1e-3:
            raise SystemExit(f"{command[-2]}: the posterior mean is off by {hello['gap']:.2g}: not the same network")

        def ask(work: int) -> dict:
            print(work, file=asked, flush=True)
            return json.loads(answered.readline())

        yield ask, hello["version"]
        asked.close()


def contest(contestants: dict, work: int, repeats: int) -> dict[str, list[dict]]:
    """What all answer, in turns."""
    for ask in contestants.values():
        ask(work)  # compiles, warms up
    rounds = [{name: ask(work) for name, ask in contestants.items()} for _ in range(repeats)]
    return {name: [each[name] for each in rounds] for name in contestants}


def seconds(answers: list[dict]) -> np.ndarray:
    return np.array([each["seconds"] for each in answers])


def ratio(times: np.ndarray, ours: np.ndarray) -> str:
    """Median within a repeat, and half the distance of the quartiles."""
    ratios = times / ours
    return f"{np.median(ratios):.2f} ± {np.subtract(*np.percentile(ratios, [75, 25])) / 2:.2f}"


def networks(options, folder: Path) -> None:
    """Training and sampling of both networks."""
    print("\n| | | per second | time over ours |\n|---|---|---|---|")
    for name, model in MODELS.items():
        built = experiment(model)
        system, file = moved(built.system), folder / "problem.npz"
        np.savez(file, **problem(built, system, model))
        variants = ("eager", "channels last", "compiled") if len(model["shape"]) == 2 else ("eager", "compiled")
        jobs = {"training": (train(built, system, model), model["updates"]), "sampling": (draw(built, system), SAMPLES)}
        for job, (go, work) in jobs.items():
            with contextlib.ExitStack() as stack:
                contestants: dict[str, Any] = {"matterlearn": lambda work, go=go: {"seconds": clock(go, work)}}
                for variant in variants if options.peer else ():
                    command = options.peer, str(PEER), job, variant, str(file)
                    ask, version = stack.enter_context(other(*command))
                    contestants[f"torch {version}, {variant}"] = ask
                found = contest(contestants, work, options.repeats)
            ours = seconds(found["matterlearn"])
            for contestant, answers in found.items():
                times = seconds(answers)
                print(f"| {job}, {name} | {contestant} | {work / np.median(times):.4g} | {ratio(times, ours)} |")


def empirical(file: str) -> None:
    """Evaluations of the empirical score in a process of its own."""
    given, before = np.load(file), peak()
    shape = int(given["samples"]), int(given["size"])
    score = empirical_score(
        Gaussian(NoiseLevel(), Sites()), jax.random.normal(jax.random.key(0), shape), jnp.asarray(10.0),
        int(given["block"]),
    )  # fmt: skip
    x, t = jnp.asarray(given["x"]), jnp.asarray(given["t"])
    go = eqx.filter_jit(lambda score, x: jax.vmap(lambda x: score.denoise(x, t))(x))

    def work(count):
        for _ in range(count):
            go(score, x).block_until_ready()

    answer(work, before)


def samples(options, folder: Path) -> None:
    """The empirical score: time of an evaluation and peak memory, beside what a dense computation holds."""
    print(f"\nPosterior mean of {QUERIES} points over n samples of dimension {SIZE}\n")
    heads = "n", "", "ms", "time over ours", "peak, MB", "of which before", "samples, MB", "all weights, MB"
    print("| " + " | ".join(heads) + " |\n" + "|---" * len(heads) + "|")
    x = np.random.default_rng(0).standard_normal((QUERIES, SIZE), np.float32)
    for count in options.samples:
        file = folder / "problem.npz"
        np.savez(file, samples=count, size=SIZE, block=BLOCK, x=x, t=np.float32(NOISE))
        commands: dict[str, tuple[str, ...]] = {"matterlearn": (sys.executable, __file__, "--answer", str(file))}
        if options.peer:
            for variant in ("blocks", "dense"):
                commands[f"torch, {variant}"] = options.peer, str(PEER), "empirical", variant, str(file)
        with contextlib.ExitStack() as stack:
            contestants = {name: stack.enter_context(other(*command))[0] for name, command in commands.items()}
            found = contest(contestants, 1, options.repeats)
        ours = seconds(found["matterlearn"])
        for name, answers in found.items():
            times, last = seconds(answers), answers[-1]
            print(f"| {count:.0e} | {name} | {1e3 * np.median(times):.3g} | {ratio(times, ours)} | {last['peak']:.0f} "
                  f"| {last['before']:.0f} | {count * SIZE * 4e-6:.0f} | {count * QUERIES * 4e-6:.0f} |")  # fmt: skip


def main():
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", help="a Python with torch; without it matterlearn is timed alone")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--samples", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--answer", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.answer:
        empirical(options.answer)
        return
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, jax {jax.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        networks(options, Path(folder))
        samples(options, Path(folder))


if __name__ == "__main__":
    main()
