"""Speed of network dynamics, per visited unit, one core, CPU time.

    python docs/benchmarks/networks_speed.py                                  # N = 10⁴, K = 10³, 64 replicas
    python docs/benchmarks/networks_speed.py --units 2000 --memories 200

Sequential dynamics against loops that one writes by hand in numba: local field as a sum over patterns, overlaps
renewed when a unit flips; once as it stands, once with fast-math, which lets the sum run in vectors. Parallel dynamics
against NumPy: two matrix products, random numbers, comparison. Contestants take turns; figures are medians of CPU time
over the repeats, ratios medians of the ratio within a repeat. Compilation is not included.
"""

import argparse
import os
import time

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

import equinox as eqx  # noqa: E402
import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numba  # noqa: E402
import numpy as np  # noqa: E402

from matterlearn.core.drive import Drive  # noqa: E402
from matterlearn.core.dynamics import advance  # noqa: E402
from matterlearn.core.network import NetworkState  # noqa: E402
from matterlearn.kinds import load_kind  # noqa: E402

KT = 0.3


def loop(patterns, spins, overlaps, kT):
    """One sweep of random-site heat bath; ``overlaps`` are sums over units."""
    N, K = patterns.shape
    for _ in range(N):
        i = np.random.randint(N)  # noqa: NPY002
        field = np.float32(0)
        for k in range(K):
            field += patterns[i, k] * overlaps[k]
        field = field / N - np.float32(K / N) * spins[i]
        new = np.float32(1) if np.random.rand() < 1 / (1 + np.exp(-2 * field / kT)) else np.float32(-1)  # noqa: NPY002
        if new != spins[i]:
            for k in range(K):
                overlaps[k] += (new - spins[i]) * patterns[i, k]
            spins[i] = new


def ours(system, dynamics, start):
    """A function that makes sweeps of all replicas."""
    keys = jax.random.split(jax.random.key(0), len(start))

    @eqx.filter_jit
    def go(keys, active, steps):
        def one(key, active):
            begin = dynamics.init(key, system, Drive(), NetworkState(active))
            return advance(key, system, dynamics, Drive(), begin, steps).x.active

        return jax.vmap(one)(keys, active)

    return lambda steps: go(keys, start, jnp.asarray(steps)).block_until_ready()


def seconds(function, *args):
    """CPU time of one call."""
    begin = time.process_time()
    function(*args)
    return time.process_time() - begin


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--units", type=int, default=10_000)
    parser.add_argument("--memories", type=int, default=1000)
    parser.add_argument("--replicas", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    N, K, R = options.units, options.memories, options.replicas
    system = load_kind("systems", "pattern_network")(kind="pattern_network", units=N, memories=K).build(None)
    rng = np.random.default_rng(0)
    start = rng.integers(0, 2, (R, N)).astype(np.int8)
    patterns = np.asarray(system.memory, np.float32)
    spins = 2 * start.astype(np.float32) - 1
    plain, fast = numba.njit(loop), numba.njit(fastmath=True)(loop)
    moved = {kind: ours(system, load_kind("dynamics", kind)(kind=kind, kT=KT).build(), jnp.asarray(start))
             for kind in ("sequential", "parallel")}  # fmt: skip

    def by_numpy(state):
        field = (state @ patterns) @ patterns.T / N - np.float32(K / N) * state
        lot = rng.random(state.shape, np.float32)
        return np.where(lot < 1 / (1 + np.exp(-2 * field / np.float32(KT))), np.float32(1), np.float32(-1))

    def one_chain(function):
        return lambda: function(patterns, spins[0].copy(), spins[0] @ patterns, KT)

    contestants = {
        "numba": (one_chain(plain), N), "numba, fast-math": (one_chain(fast), N),
        "NumPy, parallel": (lambda: by_numpy(spins), N * R),
    }  # fmt: skip
    for run in (*(c for c, _ in contestants.values()), *(lambda m=m: m(3) for m in moved.values())):
        run()  # compiles, warms up
    rows = []
    for _ in range(options.repeats):
        row = {name: seconds(run) / updates * 1e9 for name, (run, updates) in contestants.items()}
        for kind, run in moved.items():  # the start and the summary are not part of a step
            row[kind] = (seconds(run, 3) - seconds(run, 1)) / (2 * N * R) * 1e9
        rows.append(row)
    middle = {name: np.median([row[name] for row in rows]) for name in rows[0]}
    ratio = lambda a, b: np.median([row[a] / row[b] for row in rows])  # noqa: E731
    print("Times in ns per visited unit.\n")
    print("| N | K | replicas | sequential | numba | fast-math | ratios | parallel | NumPy | ratio |")
    print("|---" * 10 + "|")
    print(f"| {N} | {K} | {R} | {middle['sequential']:.0f} | {middle['numba']:.0f} | {middle['numba, fast-math']:.0f} "
          f"| **{ratio('numba', 'sequential'):.1f}**, {ratio('numba, fast-math', 'sequential'):.1f} "
          f"| {middle['parallel']:.0f} | {middle['NumPy, parallel']:.0f} "
          f"| **{ratio('NumPy, parallel', 'parallel'):.2f}** |")  # fmt: skip


if __name__ == "__main__":
    main()
