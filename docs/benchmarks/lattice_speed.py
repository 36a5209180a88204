"""Monte Carlo updates per second of lattice mixtures, one thread: matterlearn, numba, a textbook JAX kernel.

    python docs/benchmarks/lattice_speed.py                # the comparison
    python docs/benchmarks/lattice_speed.py --scaling      # sites and replicas from 10^4 to 10^8

numba runs the sequential kernel that one writes by hand: random site, xorshift64*, int8 species, J in single
precision, exponential only where the energy rises. The textbook JAX kernel masks one colour of the full lattice, takes
neighbours by jnp.roll and random numbers from jax.random. A Metropolis update is one attempt on a site, a Kawasaki
update one on a pair. Kernels take turns within each repeat; columns are medians of CPU time, ratios are medians of the
ratio within a repeat. The process is pinned to one core. numba is left out if it is not installed.
"""

import argparse
import os
import statistics
import time

# Before any numerical library starts its threads.
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

import equinox as eqx  # noqa: E402
import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

from matterlearn.core.drive import Drive  # noqa: E402
from matterlearn.core.dynamics import advance  # noqa: E402
from matterlearn.kinds import load_kind  # noqa: E402

try:
    import numba
except ImportError:
    numba = None

CASES = [
    ("metropolis", 2, 10, 128, 64), ("metropolis", 2, 50, 128, 64), ("metropolis", 3, 10, 32, 32),
    ("kawasaki", 2, 10, 128, 64),
]  # fmt: skip


def symmetric(q: int) -> np.ndarray:
    """Random contact energies of q - 1 species."""
    a = np.random.default_rng(0).normal(size=(q - 1, q - 1))
    return (a + a.T) / 2


class Matterlearn:
    """The package, through its public objects."""

    name = "matterlearn"

    def __init__(self, move, dimension, q, side, replicas):
        system = load_kind("systems", "lattice_condensate")(
            kind="lattice_condensate", shape=[side] * dimension, species=q - 1, couplings=symmetric(q).tolist()
        ).build(None)
        dynamics = load_kind("dynamics", move)(kind=move).build()
        keys = jax.random.split(jax.random.key(0), replicas)
        x = jax.jit(jax.vmap(system.init_state))(keys)
        self.state = jax.vmap(lambda y: dynamics.init(None, system, Drive(), y))(x)
        one = lambda k, s, n: advance(k, system, dynamics, Drive(), s, n)  # noqa: E731
        self.run = eqx.filter_jit(lambda state, n: jax.vmap(one, (0, 0, None))(keys, state, n), donate="all")
        pairs = dimension if move == "kawasaki" else 1
        self.updates = side**dimension * replicas * pairs

    def __call__(self, sweeps):
        self.state = jax.block_until_ready(self.run(self.state, jnp.asarray(sweeps)))


class Textbook:
    """One colour masked out of the full lattice, jnp.roll, jax.random."""

    name = "textbook JAX"

    def __init__(self, move, dimension, q, side, replicas):
        J = jnp.pad(jnp.asarray(symmetric(q), jnp.float32), ((1, 0), (1, 0)))
        parity = sum(jnp.indices((side,) * dimension)) % 2

        def half(species, key, colour):
            near = [jnp.roll(species, by, axis) for axis in range(dimension) for by in (-1, 1)]
            choose, accept = jax.random.split(key)
            new = jax.random.randint(choose, species.shape, 0, q)
            change = sum(J[new, n] - J[species, n] for n in near)
            take = (jax.random.uniform(accept, species.shape) < jnp.exp(-change)) & (parity == colour)
            return jnp.where(take, new, species)

        def sweep(i, carry):
            species, key = carry
            for colour in (0, 1):
                species = half(species, jax.random.fold_in(key, 2 * i + colour), colour)
            return species, key

        def chain(species, key, n):
            return jax.lax.fori_loop(0, n, sweep, (species, key))[0]

        self.keys = jax.random.split(jax.random.key(1), replicas)
        self.species = jax.random.randint(jax.random.key(2), (replicas, *(side,) * dimension), 0, q)
        self.run = jax.jit(jax.vmap(chain, (0, 0, None)))
        self.updates = side**dimension * replicas

    def __call__(self, sweeps):
        self.species = jax.block_until_ready(self.run(self.species, self.keys, jnp.asarray(sweeps)))


class Numba:
    """Sequential sweeps of one lattice."""

    name = "numba"

    def __init__(self, move, dimension, q, side, replicas):
        J = np.pad(symmetric(q), ((1, 0), (1, 0))).astype(np.float32)
        self.species = np.random.default_rng(3).integers(0, q, (side,) * dimension).astype(np.int8)
        kernel = {("metropolis", 2): metropolis_2d, ("metropolis", 3): metropolis_3d, ("kawasaki", 2): kawasaki_2d}
        self.state = np.uint64(88172645463325252)
        self.kernel, self.J, self.q = kernel[move, dimension], J, q
        self.repeats = replicas  # as many updates as the batched kernels do
        self.updates = self.species.size * replicas * (dimension if move == "kawasaki" else 1)

    def __call__(self, sweeps):
        count = self.updates * int(sweeps)
        self.state = np.uint64(self.kernel(self.species, self.J, self.q, count, self.state))


if numba is not None:
    jit = numba.njit(fastmath=True)

    @jit
    def step(x):
        """xorshift64."""
        x ^= x << np.uint64(13)
        x ^= x >> np.uint64(7)
        return x ^ (x << np.uint64(17))

    @jit
    def below(x, shift, n):
        """A number below n from 16 bits of x."""
        return np.int64((((x >> np.uint64(shift)) & np.uint64(0xFFFF)) * np.uint64(n)) >> np.uint64(16))

    @jit
    def accepted(change, x):
        """Metropolis' rule with 24 random bits."""
        return change <= 0 or np.float32(x >> np.uint64(40)) * np.float32(2.0**-24) < np.exp(-change)

    @jit
    def metropolis_2d(s, J, q, count, x):
        side = s.shape[0]
        for _ in range(count):
            x = step(x)
            i, j, new = below(x, 0, side), below(x, 16, side), below(x, 32, q)
            old = s[i, j]
            a, b = s[i - 1 if i > 0 else side - 1, j], s[i + 1 if i < side - 1 else 0, j]
            c, d = s[i, j - 1 if j > 0 else side - 1], s[i, j + 1 if j < side - 1 else 0]
            change = J[new, a] + J[new, b] + J[new, c] + J[new, d] - J[old, a] - J[old, b] - J[old, c] - J[old, d]
            x = step(x)
            if accepted(change, x):
                s[i, j] = new
        return x

    @jit
    def metropolis_3d(s, J, q, count, x):
        side = s.shape[0]
        for _ in range(count):
            x = step(x)
            i, j, k, new = below(x, 0, side), below(x, 16, side), below(x, 32, side), below(x, 48, q)
            old = s[i, j, k]
            change = np.float32(0.0)
            for n in (
                s[i - 1 if i > 0 else side - 1, j, k], s[i + 1 if i < side - 1 else 0, j, k],
                s[i, j - 1 if j > 0 else side - 1, k], s[i, j + 1 if j < side - 1 else 0, k],
                s[i, j, k - 1 if k > 0 else side - 1], s[i, j, k + 1 if k < side - 1 else 0],
            ):  # fmt: skip
                change += J[new, n] - J[old, n]
            x = step(x)
            if accepted(change, x):
                s[i, j, k] = new
        return x

    @jit
    def wrapped(i, side):
        """i on a ring."""
        return i - side if i >= side else i + side if i < 0 else i

    @jit
    def kawasaki_2d(s, J, q, count, x):
        side = s.shape[0]
        for _ in range(count):
            x = step(x)
            i, j = below(x, 0, side), below(x, 16, side)
            down, right = (1, 0) if (x >> np.uint64(63)) == 0 else (0, 1)
            k, l = wrapped(i + down, side), wrapped(j + right, side)
            a, b = s[i, j], s[k, l]
            x = step(x)
            if a == b:
                continue
            change = np.float32(0.0)
            for di, dj in ((-1, 0), (1, 0), (0, -1), (0, 1)):
                if di != down or dj != right:
                    n = s[wrapped(i + di, side), wrapped(j + dj, side)]
                    change += J[b, n] - J[a, n]
                if di != -down or dj != -right:
                    n = s[wrapped(k + di, side), wrapped(l + dj, side)]
                    change += J[a, n] - J[b, n]
            if accepted(change, x):
                s[i, j], s[k, l] = b, a
        return x


def timed(kernel, sweeps: int) -> float:
    """Nanoseconds of CPU time per update."""
    began = time.process_time()
    kernel(sweeps)
    return (time.process_time() - began) / (kernel.updates * sweeps) * 1e9


def compare(repeats: int) -> None:
    """Table of all cases."""
    print("| move | d | q | lattice | kernel | ns/update | range | slower than matterlearn by |")
    print("|---|---|---|---|---|---|---|---|")
    for move, dimension, q, side, replicas in CASES:
        classes = [Matterlearn] + [Numba] * (numba is not None) + [Textbook] * (move == "metropolis")
        kernels = [kernel(move, dimension, q, side, replicas) for kernel in classes]
        for kernel in kernels:
            kernel(1)
        rounds = [[timed(kernel, 5) for kernel in kernels] for _ in range(repeats)]
        for column, kernel in enumerate(kernels):
            mine = [r[column] for r in rounds]
            ratio = statistics.median(r[column] / r[0] for r in rounds)
            lattice = "x".join([str(side)] * dimension) + f", {replicas} replicas"
            print(f"| {move} | {dimension} | {q} | {lattice} | {kernel.name} | {statistics.median(mine):.1f} | "
                  f"{min(mine):.1f}-{max(mine):.1f} | {ratio:.2f} |", flush=True)  # fmt: skip


def scaling(repeats: int) -> None:
    """Cost per update against the number of sites, in one lattice and in many."""
    print("| sites | lattice | ns/update |\n|---|---|---|")
    for side, replicas in ((100, 1), (316, 1), (1000, 1), (3162, 1), (10_000, 1), (32, 10), (32, 1000), (32, 100_000)):
        kernel = Matterlearn("metropolis", 2, 10, side, replicas)
        sweeps = max(1, 4_000_000 // kernel.updates)
        kernel(1)
        cost = statistics.median(timed(kernel, sweeps) for _ in range(repeats))
        print(f"| {kernel.updates:.1e} | {side}x{side}, {replicas} replicas | {cost:.1f} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scaling", action="store_true", help="cost against size instead of the comparison")
    parser.add_argument("--repeats", type=int, default=7, help="interleaved repeats")
    given = parser.parse_args()
    (scaling if given.scaling else compare)(given.repeats)
