"""Speed and memory of sparse message passing beside torch_geometric: forward, and forward with derivatives.

    python docs/benchmarks/message_passing.py                          # matterlearn alone
    python docs/benchmarks/message_passing.py --peer PYTHON            # and torch_geometric, where that Python has it

One layer y_i = Σ_j w_ij x_j on a random graph, and the derivative of Σ g y by the features, or by features and weights.
The peer (message_passing_torch.py) is a process of its own with the same edges, weights and features; before it is
timed its results are compared with ours. It uses gather and scatter along `edge_index` (`MessagePassing`), a cached
`EdgeIndex`, and a tensor in compressed rows. All are bound to one core with one thread and take turns; figures are
medians of CPU time over the repeats, ratios medians of the ratio within a repeat with half the distance of its
quartiles. Compilation is not included. Memory is what the compiled program holds beside its arguments.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

import equinox as eqx  # noqa: E402
import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

from matterlearn.core.message_passing import joined  # noqa: E402

PEER = Path(__file__).with_name("message_passing_torch.py")
JOBS = {
    "forward": (),
    "by features": (1,),
    "by features and weights": (0, 1),
}


def random_edges(nodes: int, edges: int):
    """Distinct pairs of different nodes."""
    rng = np.random.default_rng(0)
    pairs = np.sort(rng.integers(0, nodes, (edges + edges // 50 + 100, 2)), 1)
    pairs = np.unique(pairs[pairs[:, 0] < pairs[:, 1]], axis=0)
    return rng.permutation(pairs)[:edges]


def problem(nodes: int, edges: int, channels: int):
    """Graph, weights, features and slopes."""
    rng, graph = np.random.default_rng(1), joined(random_edges(nodes, edges), nodes, loops=False)
    arrays = rng.random(len(graph.senders)), rng.normal(size=(nodes, channels)), rng.normal(size=(nodes, channels))
    return jax.tree.map(jnp.asarray, graph), *(jnp.asarray(a, jnp.float32) for a in arrays)


def layer(by: tuple[int, ...]):
    """The layer, and its derivatives by arguments 0 (weights) and 1 (features)."""

    def forward(graph, weights, x, slope):
        if not by:
            return graph.mix(weights, x)
        y, back = jax.vjp(graph.mix, weights, x)
        return y, tuple(back(slope)[n] for n in by)

    return eqx.filter_jit(forward)


def temporary(by, nodes: int, edges: int, channels: int) -> float:
    """MB that the compiled program holds beside arguments and results."""
    compiled = layer(by).lower(*problem(nodes, edges, channels)).compile()
    return compiled.compiled.memory_analysis().temp_size_in_bytes / 1e6


def timed(work) -> float:
    begin = time.process_time()
    jax.block_until_ready(work())
    return time.process_time() - begin


class Peer:
    """torch_geometric in a process of its own."""

    def __init__(self, python: str, variant: str, file: Path):
        words = [python, "-W", "ignore", str(PEER), variant, str(file)]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.hello = json.loads(self._line())

    def _line(self) -> str:
        return self.process.stdout.readline()  # pyright: ignore[reportOptionalMemberAccess]

    def __call__(self) -> float:
        print("go", file=self.process.stdin, flush=True)
        return json.loads(self._line())

    def close(self):
        """End it."""
        self.process.stdin.close()  # pyright: ignore[reportOptionalMemberAccess]
        self.process.wait()


def compare(name: str, options, channels: int):
    """Rows of one job."""
    by = JOBS[name]
    arguments, go = problem(options.nodes, options.edges, channels), layer(by)
    peers = {}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "problem.npz"
        graph, weights, x, slope = arguments
        truth = jax.tree.leaves(go(*arguments))
        arrays = {"senders": graph.senders, "receivers": graph.receivers, "weights": weights, "x": x, "slope": slope}
        np.savez(file, by=np.array(by, int), **arrays, **{f"truth_{n}": t for n, t in enumerate(truth)})
        for variant in ("edge_index", "EdgeIndex", "compressed rows") if options.peer else ():
            peer = Peer(options.peer, variant, file)
            if "error" in peer.hello:
                print(f"{variant}: {peer.hello['error']}", file=sys.stderr)
                peer.close()
            else:
                peers[f"{peer.hello['name']}, {variant}"] = peer
        seconds = {"matterlearn": [], **{label: [] for label in peers}}
        for _ in range(options.repeats):
            seconds["matterlearn"].append(timed(lambda: go(*arguments)))
            for label, peer in peers.items():
                seconds[label].append(peer())
        for peer in peers.values():
            peer.close()
    ours = np.array(seconds["matterlearn"])
    for label, taken in seconds.items():
        ratio = np.array(taken) / ours
        half = np.subtract(*np.quantile(ratio, [0.75, 0.25])) / 2
        print(f"| {name} | {channels} | {label} | {1e3 * np.median(taken):.0f} | {np.median(ratio):.2f} ± {half:.2f} |",
              flush=True)  # fmt: skip


def memory(options):
    """Rows of memory."""
    for name, by in JOBS.items():
        sizes = [temporary(by, options.nodes, edges, 32) for edges in (options.edges // 10, options.edges)]
        print(f"| {name} | {sizes[0]:.1f} | {sizes[1]:.1f} | {8 * options.edges / 1e6:.0f} | "
              f"{8 * options.edges * 32 / 1e6:.0f} |", flush=True)  # fmt: skip


def main():
    """Tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", help="a Python with torch_geometric")
    parser.add_argument("--nodes", type=int, default=100_000)
    parser.add_argument("--edges", type=int, default=1_000_000, help="undirected edges")
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, jax {jax.__version__}; "
          f"{options.nodes} nodes, {options.edges} undirected edges")  # fmt: skip
    print("\n| | channels | | ms | time over ours |\n|---|---|---|---|---|")
    for channels in (32, 64):
        for name in JOBS:
            compare(name, options, channels)
    few, many = options.edges // 10, options.edges
    print(f"\n| | {few:.0e} edges, MB | {many:.0e} edges, MB | weights, MB | edges × channels, MB |")
    print("|---|---|---|---|---|")
    memory(options)


if __name__ == "__main__":
    main()
