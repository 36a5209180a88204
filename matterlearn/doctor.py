"""Is this installation fit for physics? A self-test of versions, arithmetic, energies, thermostats and lists.

Each check compares a measured number with one that is known: by arithmetic, by hand, or from the equilibrium law.
Random checks use independent replicas and a fixed seed, and pass at |z| < 4; a temperature that is wrong by 3 %
is found with a probability above 99 %. Half a minute on two cores.

Limits: what is checked is the installation, on the device that jax chooses; the tests check the package.

Example:
    >>> print(Finding("two and two", 2 + 2 == 4, "4", "buy a new computer"))
    ok    two and two: 4
"""

import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

BANNED_JAX = ("0.10.2", "0.11.1")
ROWS = (20_000, 40_000, 80_000, 160_000)  # the known fault shows between 16 384 and some 42 000 rows on two cores
SAMPLES = 100_000  # independent degrees of freedom: the temperature's standard error is √(2/SAMPLES) = 0.45 %
LARGEST_Z = 4.0
SET_TEMPERATURE = 1.3  # not 1, so that a forgotten kT shows
REPORT = "report it with this output"
ENGINE = "install jax-md again, version 0.2.29 or newer"


class Finding(NamedTuple):
    """Outcome of one check; ``cure`` says what to do if it failed, ``passed`` is None for information."""

    name: str
    passed: bool | None
    measured: str
    cure: str = ""

    def __str__(self) -> str:
        mark = "note" if self.passed is None else "ok" if self.passed else "FAIL"
        cure = "" if self.passed or not self.cure else f"; {self.cure}"
        return f"{mark:<4}  {self.name}: {self.measured}{cure}"


def main() -> int:
    """Run all checks, print a line for each, return 0 if none failed and 1 otherwise."""
    began, failed = time.monotonic(), 0
    for check in CHECKS:
        for finding in _findings(check):
            failed += finding.passed is not None and not finding.passed
            print(finding, flush=True)
    verdict = f"{failed} of the checks failed: do not trust results of this installation" if failed else "all is well"
    print(f"{verdict} ({time.monotonic() - began:.0f} s)")
    return int(failed > 0)


def _findings(check: Callable[[], Iterator[Finding]]) -> list[Finding]:
    """The check's findings; a check that crashes is a finding, not a traceback."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # jax-md asks for double precision and warns that it is not there
            return list(check())
    except Exception as error:  # whatever a broken installation raises
        name = check.__name__.replace("_", " ")
        return [Finding(name, False, f"{type(error).__name__}: {error}", "install the pinned versions again")]


def versions() -> Iterator[Finding]:
    """Versions, devices, and the two releases of jax known to compute wrong numbers."""
    import jax

    cure = 'pip install "jax>=0.9,!=0.10.2,!=0.11.1"'
    yield Finding("jax version", jax.__version__ not in BANNED_JAX, jax.__version__, cure)
    devices = sorted({f"{d.platform} ({d.device_kind})" for d in jax.devices()})
    yield Finding("devices", None, f"{', '.join(devices)} x{len(jax.devices())}")


def compiled_arithmetic() -> Iterator[Finding]:
    """Compiled and uncompiled code agree on a batched matrix product of many rows, in both precisions."""
    count = "from matterlearn.doctor import rows_miscompiled; print(rows_miscompiled('float64'))"
    for dtype, wrong in (("float32", rows_miscompiled("float32")), ("float64", int(_double_precision(count)))):
        measured = f"{wrong} of {sum(ROWS)} rows wrong"
        yield Finding(f"compiled arithmetic, {dtype}", wrong == 0, measured, "install another release of jax")


def rows_miscompiled(dtype: str) -> int:
    """Rows of Σ (1 r)² that compiled code gets wrong, for r = (i, 0, 0): each is one rounded product, so 0 is right."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    matrix = jnp.eye(3, dtype=dtype)
    if matrix.dtype != dtype:
        raise TypeError(f"asked for {dtype}, got {matrix.dtype}")
    exact = partial(jnp.matmul, precision="highest")  # an accelerator may otherwise take fewer digits
    squares = jax.jit(lambda x: jax.vmap(lambda row: jnp.sum(exact(matrix, row) ** 2))(x))
    wrong = 0
    for rows in ROWS:
        index = np.arange(rows).astype(dtype)
        points = np.stack([index, 0 * index, 0 * index], 1)
        wrong += int((np.asarray(squares(jnp.asarray(points))) != index**2).sum())
    return wrong


def _double_precision(code: str) -> str:
    """Output of code in a process of its own with 64-bit numbers, which have to be chosen before the first array."""
    environment = os.environ | {"JAX_ENABLE_X64": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "no output")
    return done.stdout


def known_energies() -> Iterator[Finding]:
    """Two patchy discs across the periodic boundary: soft core and one bond, by hand and by the package.

    k (1 − r)² + J exp(−(r − 1)²/2w²) at r = 0.9, k = 100, J = −6, w = 0.2 is 1 − 6 e^(−1/8).
    """
    import equinox as eqx
    import jax
    import jax.numpy as jnp
    import numpy as np

    from matterlearn.core.symmetric import index
    from matterlearn.systems.patchy_particles import Config, PatchyState

    discs = Config(kind="patchy_particles", species=2, box=6.0, patch_width=0.2, core=100.0).build(jax.random.key(0))
    bond = index(jnp.asarray(0), jnp.asarray(4 + 2), 8)  # front patch of one, back patch of the other
    discs = eqx.tree_at(lambda s: s.coupling, discs, discs.coupling.at[bond].set(-6.0))
    x = PatchyState(jnp.array([[5.8, 1.0], [0.7, 1.0]]), jnp.zeros(2))
    energy, gradient = jax.value_and_grad(discs.energy)(x)
    by_hand = 1.0 - 6.0 * np.exp(-1 / 8)
    error = abs(float(energy) - by_hand)
    yield Finding("energy of a patchy dimer", error < 1e-4, f"{float(energy):.5f}, by hand {by_hand:.5f}", REPORT)
    # dE/dr = −2k(1 − r) + J·(1 − r)/w² · e^(−1/8); the second disc lies ahead of the first
    slope = -20.0 - 6.0 * 2.5 * np.exp(-1 / 8)
    pull = float(gradient.position[1, 0])
    yield Finding("force in a patchy dimer", abs(pull - slope) < 1e-3, f"{pull:.4f}, by hand {slope:.4f}", REPORT)


def thermostats() -> Iterator[Finding]:
    """Stationary temperatures in a harmonic well, where each integrator's exact law is known at finite dt.

    Brownian: k⟨x²⟩ = kT/(1 − k dt/2). Langevin (BAOAB): k⟨x²⟩ = kT exactly, ⟨v²⟩ = kT (1 − k dt²/4).
    """
    from matterlearn.dynamics import brownian, langevin

    dt, kT = 0.05, SET_TEMPERATURE
    moved = _in_a_well(brownian.Config(kind="brownian", dt=dt, kT=kT).build(), steps=200)
    yield _temperature("Brownian temperature of positions", moved.x.position, kT / (1 - dt / 2))
    moved = _in_a_well(langevin.Config(kind="langevin", dt=4 * dt, kT=kT, friction=1.0).build(), steps=100)
    yield _temperature("Langevin temperature of positions", moved.x.position, kT)
    yield _temperature("Langevin temperature of velocities", moved.memory[0].position, kT * (1 - (4 * dt) ** 2 / 4))


def _in_a_well(dynamics, steps: int):
    """SAMPLES independent particles after ``steps`` steps from the origin in the well ½ x²."""
    import jax
    import jax.numpy as jnp

    from matterlearn.core.drive import Drive
    from matterlearn.core.dynamics import advance
    from matterlearn.systems.particles import Config, ParticleState

    system = Config(kind="particles", species=1, dimension=2).build(jax.random.key(0))
    one = ParticleState(jnp.zeros((1, 2)))
    drive = Drive(target=one, stiffness=ParticleState(jnp.ones((1, 2))))

    def replica(key):
        begin, walk = jax.random.split(key)
        return advance(walk, system, dynamics, drive, dynamics.init(begin, system, drive, one), steps)

    return jax.jit(jax.vmap(replica))(jax.random.split(jax.random.key(1), SAMPLES // 2))


def _temperature(name: str, values, expected: float) -> Finding:
    import numpy as np

    squares = np.asarray(values, np.float64).ravel() ** 2
    z = (squares.mean() / expected - 1) / np.sqrt(2 / squares.size)
    measured = f"kT = {squares.mean():.4f}, exact {expected:.4f} (z = {z:+.1f})"
    return Finding(name, bool(abs(z) < LARGEST_Z), measured, f"random numbers or integrator are wrong; {REPORT}")


def neighbour_lists() -> Iterator[Finding]:
    """Every pair within the cutoff is listed, even of points outside the box; jax-md's own list for comparison."""
    import jax.numpy as jnp
    import jax_md
    import numpy as np

    from matterlearn.core.neighbors import allocate

    box, cutoff, skin = 8.0, 1.3, 0.3
    points = np.random.default_rng(0).uniform(-box, 2 * box, (400, 2)).astype(np.float32)
    wanted = _pairs_within(points, cutoff, box)

    def missing(listed) -> int:
        pairs = {(int(min(pair)), int(max(pair))) for pair in np.asarray(listed).T}
        return len(wanted - pairs)

    for builder in ("host", "device"):
        lost = missing(allocate(jnp.asarray(points), cutoff=cutoff, skin=skin, box=box, builder=builder).pairs)
        yield Finding(f"neighbour list ({builder})", lost == 0, f"{lost} of {len(wanted)} pairs missing", REPORT)

    sparse = jax_md.partition.NeighborListFormat.OrderedSparse
    make = jax_md.partition.neighbor_list(jax_md.space.periodic(box)[0], box, cutoff, skin, 2.0, format=sparse)  # pyright: ignore[reportArgumentType]  # noqa: E501
    lost = missing(make.allocate(jnp.asarray(points)).idx)
    measured = f"{lost} of {len(wanted)} pairs missing for points outside the box"
    yield Finding("jax-md's neighbour list", None, measured, "matterlearn uses its own" if lost else "")


def _pairs_within(points, cutoff: float, box: float) -> set[tuple[int, int]]:
    import numpy as np

    gap = points[:, None].astype(np.float64) - points[None]
    gap -= box * np.round(gap / box)
    first, second = np.nonzero(np.triu((gap**2).sum(-1) < cutoff**2, 1))
    return set(zip(first.tolist(), second.tolist(), strict=True))


def engine_energies() -> Iterator[Finding]:
    """jax-md's periodic displacement and its Morse dimer, D((1 − e^(−α(r−1)))² − 1) with D = α = 5, r = 1.2."""
    import jax.numpy as jnp
    import jax_md
    import numpy as np

    displacement, _ = jax_md.space.periodic(6.0)  # pyright: ignore[reportArgumentType]
    points = jnp.array([[5.9, 1.0], [1.1, 1.0]])
    step = np.asarray(displacement(points[0], points[1]))
    measured = f"({step[0]:.5f}, {step[1]:.5f}), should be (-1.2, 0)"
    yield Finding("jax-md periodic displacement", np.abs(step - [-1.2, 0.0]).max() < 1e-5, measured, ENGINE)
    pair = jax_md.energy.morse_pair(displacement, sigma=1.0, epsilon=5.0, alpha=5.0, r_onset=2.0, r_cutoff=2.5)  # pyright: ignore[reportArgumentType]  # noqa: E501
    energy, by_hand = float(pair(points)), 5.0 * ((1 - np.exp(-1.0)) ** 2 - 1)
    measured = f"{energy:.5f}, by hand {by_hand:.5f}"
    yield Finding("jax-md Morse dimer", abs(energy - by_hand) < 1e-4, measured, ENGINE)


def gradients() -> Iterator[Finding]:
    """Derivatives through 50 steps of motion are finite and equal finite differences, as design needs."""
    slope = _double_precision("from matterlearn.doctor import design_slopes; print(*design_slopes())").split()
    exact, difference = map(float, slope)
    error = abs(exact / difference - 1)
    measured = f"dE/dJ = {exact:.8f}, by differences {difference:.8f}"
    yield Finding("gradient through a trajectory", error < 1e-5, measured, REPORT)


def design_slopes() -> tuple[float, float]:
    """Slope of the final energy of four discs with the strength of their bonds: by autodiff, by central differences."""
    import equinox as eqx
    import jax
    import jax.numpy as jnp

    from matterlearn.core.drive import Drive
    from matterlearn.core.dynamics import advance
    from matterlearn.dynamics.brownian import Config as Brownian
    from matterlearn.systems.particles import Config, ParticleState

    discs = Config(kind="particles", species=1, copies=4).build(jax.random.key(0))
    dynamics = Brownian(kind="brownian", dt=1e-3, kT=0.1).build()
    start = ParticleState(jnp.array([[0.0, 0.0], [0.9, 0.1], [0.1, 0.85], [0.95, 1.0]]))

    @jax.jit
    def final_energy(coupling):
        system = eqx.tree_at(lambda s: s.coupling, discs, coupling[None])
        state = dynamics.init(jax.random.key(1), system, Drive(), start)
        return system.energy(advance(jax.random.key(2), system, dynamics, Drive(), state, 50).x)

    coupling, h = jnp.asarray(-2.0), 1e-4
    difference = (final_energy(coupling + h) - final_energy(coupling - h)) / (2 * h)
    return float(jax.grad(final_energy)(coupling)), float(difference)


CHECKS = (versions, compiled_arithmetic, known_energies, thermostats, gradients, neighbour_lists, engine_energies)
