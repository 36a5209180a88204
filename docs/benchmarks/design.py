"""Gradients of averages, measured: noise per unit of compute, memory, cost, and how sensitivities grow.

    python docs/benchmarks/design.py estimators|growth|memory|all

Writes tables to the terminal; docs/benchmarks/design.md holds those of one machine. The pair of discs is the published
test: Morse, ε = 5 kT, α = 5/σ, switched off between 1.5 and 1.9 σ, in a periodic square of side 4 σ.
"""

import os
import sys
import time

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import equinox as eqx  # noqa: E402
import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from jaxtyping import Array, Float  # noqa: E402
from scipy.integrate import quad  # noqa: E402

from matterlearn.core.dynamics import DynState  # noqa: E402
from matterlearn.core.observable import Observable  # noqa: E402
from matterlearn.core.system import AbstractSystem, couplings, with_couplings  # noqa: E402
from matterlearn.design._estimator import Setup, evaluate  # noqa: E402
from matterlearn.design._objective import Objective, Term  # noqa: E402
from matterlearn.design._paths import Sampling, follow, respond  # noqa: E402
from matterlearn.design._sensitivity import sensitivity  # noqa: E402
from matterlearn.design.enumeration import Enumeration  # noqa: E402
from matterlearn.design.equilibrium import Config as EquilibriumConfig  # noqa: E402
from matterlearn.design.pathwise import Config as PathwiseConfig  # noqa: E402
from matterlearn.design.score_function import Config as ScoreConfig  # noqa: E402
from matterlearn.design.tangent import Config as TangentConfig  # noqa: E402
from matterlearn.dynamics.brownian import Config as BrownianConfig  # noqa: E402
from matterlearn.dynamics.heat_bath import Config as HeatBathConfig  # noqa: E402
from matterlearn.dynamics.langevin import Config as LangevinConfig  # noqa: E402
from matterlearn.observables.beyond import Beyond  # noqa: E402
from matterlearn.observables.composition import Config as CompositionConfig  # noqa: E402
from matterlearn.observables.energy import Energy  # noqa: E402
from matterlearn.observables.moment import Moment  # noqa: E402
from matterlearn.systems.landscape import Config as LandscapeConfig  # noqa: E402
from matterlearn.systems.landscape import LandscapeState  # noqa: E402
from matterlearn.systems.lattice_condensate import Config as LatticeConfig  # noqa: E402
from matterlearn.systems.particles import Config as ParticlesConfig  # noqa: E402
from matterlearn.tasks.relaxation import Config as RelaxationConfig  # noqa: E402

BOX, ONSET, CUTOFF = 4.0, 1.5, 1.9


class TwoDiscs(AbstractSystem):
    """The separation of two Morse discs in a periodic square; its depth ε is the coupling."""

    depth: Float[Array, ""]
    steep: float = eqx.field(static=True, default=5.0)

    def energy(self, x, neighbors=None):
        """ε (e^{−2α(r−1)} − 2e^{−α(r−1)}), switched off smoothly."""
        del neighbors
        return self.depth * self.well(jnp.sqrt(jnp.maximum(separation(x) @ separation(x), 1e-12)))

    def well(self, r):
        """The potential over ε."""
        inside, outside = ONSET**2, CUTOFF**2
        switch = (outside - r**2) ** 2 * (outside + 2 * r**2 - 3 * inside) / (outside - inside) ** 3
        switch = jnp.where(r < ONSET, 1.0, jnp.where(r < CUTOFF, switch, 0.0))
        return switch * (jnp.exp(-2 * self.steep * (r - 1)) - 2 * jnp.exp(-self.steep * (r - 1)))

    def init_state(self, key):
        """Apart."""
        return LandscapeState(1.5 + jax.random.uniform(key, (1, 2)))

    def mobility(self):
        """Two discs move towards each other with twice the mobility of one."""
        return LandscapeState(jnp.asarray(2.0))


def separation(x):
    """Minimum image."""
    return x.position[0] - BOX * jnp.round(x.position[0] / BOX)


class Bonded(Observable):
    """1/(1 + e^{(r − 1.4)/0.05})."""

    def __call__(self, system, drive, state):
        return jax.nn.sigmoid((1.4 - jnp.linalg.norm(separation(state.x))) / 0.05)


def pair_bond_exact(depth: float = 5.0) -> tuple[float, float]:
    """⟨O⟩ and d⟨O⟩/dε by quadrature over the square (eight triangles)."""
    system = TwoDiscs(jnp.asarray(depth))
    r = np.linspace(1e-3, BOX / np.sqrt(2), 400_001)
    angle = np.where(r <= BOX / 2, 2 * np.pi, 2 * np.pi - 8 * np.arccos(np.minimum(BOX / 2 / r, 1)))
    well = np.asarray(system.well(jnp.asarray(r)), float)
    bonded = 1 / (1 + np.exp((r - 1.4) / 0.05))
    weight = np.exp(-depth * np.minimum(well, 200)) * r * angle
    weight /= weight.sum()
    mean, contact = weight @ bonded, weight @ well
    return mean, -(weight @ (bonded * well) - mean * contact)


def setup_of(system, dynamics, observable, replicas, x=None, component=None):
    """Replicas of a relaxation with one quantity to differentiate."""
    recall = RelaxationConfig(kind="relaxation").build(system).recall(jax.random.key(1), system, replicas)
    if x is not None:
        recall = recall._replace(x=x)
    drive = jax.tree.map(lambda leaf: leaf[0], recall.drive)
    term = Term(observable, None, jnp.asarray(1.0), component=component)
    state = DynState(system.init_state(jax.random.key(0)), jnp.zeros((), jnp.int32))
    return Setup.of(system, dynamics, Objective.of((term,), system, drive, state), recall)


def measured(estimator, system, setup, pick):
    """Value, standard error, tail index and seconds of one component of the gradient, samples drawn included."""
    theta = couplings(system)
    seconds = []
    for seed in (0, 1, 2):  # the first compiles
        key, began = jax.random.key(10 + seed), time.perf_counter()
        memory = estimator.prepare(key, theta, setup, None)
        found = jax.block_until_ready(evaluate(estimator, key, theta, setup, memory))
        seconds.append(time.perf_counter() - began)
    return float(pick(found.gradient)), float(pick(found.gradient_sem)), float(found.tail_index), min(seconds[1:])


def table(title, exact, rows):
    """One line per estimator; noise is the standard error that one second of compute buys."""
    print(f"\n### {title}: exact {exact:.4f}\n")
    print("| estimator | value | z | tail index | seconds | noise, s.e. × √s |\n|---|---|---|---|---|---|")
    for name, (value, error, index, seconds) in rows.items():
        known = np.isfinite(error) and error > 0
        score = f"{(value - exact) / error:+.2f}" if known else "none"
        text = f"{value:.4f} ± {error:.4f}" if known else f"{value:.4f}"
        noise = f"{error * seconds**0.5:.4f}" if known else "-"
        print(f"| {name} | {text} | {score} | {index:.2g} | {seconds:.2f} | {noise} |", flush=True)


def estimators():
    """Every estimator on problems with known derivatives."""
    trap, double_well, pair_bond, lattice = _trap(), _double_well(), _pair_bond(), _lattice()
    for title, exact, system, setup, pick, chosen in (*trap, *double_well, *pair_bond, *lattice):
        table(title, exact, {name: measured(e.build(), system, setup, pick) for name, e in chosen.items()})


def _through_paths(steps, relax, stride, samples):
    return {
        "pathwise": PathwiseConfig(kind="pathwise", stride=steps),
        "tangent": TangentConfig(kind="tangent", stride=steps),
        "score_function": ScoreConfig(kind="score_function", stride=steps),
        "equilibrium": EquilibriumConfig(kind="equilibrium", relax=relax, stride=stride, samples=samples),
    }


def _trap():
    system = LandscapeConfig(kind="landscape", coefficients=[0.0, 0.5]).build(jax.random.key(0))
    setup = setup_of(system, LangevinConfig(kind="langevin", dt=0.2).build(), Moment("m", (), "1", "m", 1, 2), 4000)
    yield ("Harmonic trap, d⟨x²⟩/dk = −kT/k²", -1.0, system, setup, lambda g: g.coefficient[1] / 2,
           _through_paths(60, 60, 10, 8))  # fmt: skip


def _double_well():
    tilt, height, h = 0.3, 2.0, 1e-4

    def right(tilt):
        weight = lambda x: np.exp(-(tilt * x - 2 * height * x**2 + height * x**4))  # noqa: E731
        soft = lambda x: weight(x) / (1 + np.exp(-x / 0.1))  # noqa: E731
        return quad(soft, -4, 4, limit=200)[0] / quad(weight, -4, 4, limit=200)[0]

    system = LandscapeConfig(kind="landscape", coefficients=[tilt, -2 * height, 0.0, height]).build(jax.random.key(0))
    observable = Beyond("b", (), "1", "b", 1, 0.0, 0.1)
    setup = setup_of(system, LangevinConfig(kind="langevin", dt=0.05).build(), observable, 4000)
    exact = (right(tilt + h) - right(tilt - h)) / (2 * h)
    yield ("Double well, barrier 2 kT, d⟨right⟩/d tilt", exact, system, setup, lambda g: g.coefficient[0],
           _through_paths(1000, 400, 50, 8))  # fmt: skip


def equilibrated(system, replicas, seed=0):
    """Separations drawn from the exact law of the pair, by rejection."""
    rng, kept = np.random.default_rng(seed), []
    while sum(map(len, kept)) < replicas:
        x = rng.uniform(-BOX / 2, BOX / 2, (400_000, 2))
        energy = np.asarray(jax.vmap(lambda p: system.energy(LandscapeState(p[None])))(jnp.asarray(x)), float)
        kept.append(x[rng.random(len(x)) < np.exp(-energy - float(system.depth) * 1.01)])
    return LandscapeState(jnp.asarray(np.concatenate(kept)[:replicas, None], jnp.result_type(float)))


def _pair_bond():
    system, replicas = TwoDiscs(jnp.asarray(5.0)), 2000
    x = equilibrated(system, replicas)
    dynamics = BrownianConfig(kind="brownian", dt=5e-4).build()
    setup = setup_of(system, dynamics, Bonded("bonded", (), "1", "bonded", 1), replicas, x)
    yield ("Pair bond, d⟨O⟩/dε, 10 000 steps from equilibrium", pair_bond_exact()[1], system, setup,
           lambda g: g.depth, _through_paths(10_000, 0, 10_000, 1))  # fmt: skip
    # Euler's step of 5e-4 widens the well by a tenth; a fifth of it shows what the formula itself gives.
    finer = setup_of(system, BrownianConfig(kind="brownian", dt=1e-4).build(), Bonded("bonded", (), "1", "bonded", 1),
                     replicas, x)  # fmt: skip
    chain = EquilibriumConfig(kind="equilibrium", relax=20_000, stride=2000, samples=10)
    yield ("Pair bond, the same with a time step of 1e-4, samples 0.2 apart", pair_bond_exact()[1], system, finer,
           lambda g: g.depth, {"equilibrium": chain})


def _lattice():
    system = LatticeConfig(kind="lattice_condensate", species=2, shape=[2, 3], periodic=False).build(jax.random.key(0))
    leaves, treedef = jax.tree.flatten(couplings(system))
    keys = jax.random.split(jax.random.key(3), len(leaves))
    random = [0.5 * jax.random.normal(k, leaf.shape) for k, leaf in zip(keys, leaves, strict=True)]
    system = with_couplings(system, treedef.unflatten(random))
    observable = CompositionConfig(kind="composition").build(system, None)
    setup = setup_of(system, HeatBathConfig(kind="heat_bath").build(), observable, 4000, component=(1,))
    pick = lambda g: max(jax.tree.leaves(g), key=lambda leaf: leaf.size).ravel()[0]  # noqa: E731
    sums, one, theta, key = Enumeration(10**6), setup.one(0), couplings(system), jax.random.key(0)
    exact = pick(evaluate(sums, key, theta, one, sums.prepare(key, theta, one, None)).gradient)
    chosen = _through_paths(20, 20, 4, 8)
    yield ("Lattice of 2 × 3 sites, two species, d⟨fraction⟩/dJ₁₁", float(exact), system, setup, pick,
           {name: chosen[name] for name in ("score_function", "equilibrium")})  # fmt: skip


def discs(copies, box, dimension=2):
    """Morse particles of one species."""
    config = ParticlesConfig(kind="particles", species=1, copies=copies, box=box, dimension=dimension, bond=-5.0,
                             range=5.0, core={"kind": "morse"})  # fmt: skip
    return config.build(jax.random.key(0))


def growth():
    """|dx/dε| along trajectories of 20 discs at area fraction 0.3, double precision."""
    system = discs(20, 7.24)
    energy = Energy("energy", (), "kT_ref", "energy", 1)
    print("\n### Sensitivity |dx/dε| per degree of freedom, median (mean) over 32 replicas\n")
    print("| dynamics | 500 steps | 1000 | 5000 | 10 000 | growth rate per unit time |\n|---|---|---|---|---|---|")
    for name, config in {
        "brownian, dt 5e-4": BrownianConfig(kind="brownian", dt=5e-4),
        "langevin, γ 10, dt 2e-3": LangevinConfig(kind="langevin", dt=2e-3, friction=10.0),
        "langevin, γ 1, dt 5e-3": LangevinConfig(kind="langevin", dt=5e-3, friction=1.0),
        "langevin, γ 0.1, dt 5e-3": LangevinConfig(kind="langevin", dt=5e-3, friction=0.1),
    }.items():
        setup = setup_of(system, BrownianConfig(kind="brownian", dt=2e-4).build(), energy, 32)
        relaxed = EquilibriumConfig(kind="equilibrium", relax=20_000, stride=1, samples=1).build()
        start = relaxed.prepare(jax.random.key(1), couplings(system), setup, None).chains.x
        setup = setup_of(system, config.build(), energy, 32, x=start)
        found = sensitivity(jax.random.key(2), couplings(system), setup, 10_000)
        norms = np.asarray(found.norms)
        cells = [f"{np.median(norms[:, i]):.2g} ({norms[:, i].mean():.2g})" for i in (0, 1, 9, 19)]
        print(f"| {name} | {' | '.join(cells)} | {float(found.rate) / config.dt:.3g} |", flush=True)


def memory(long: bool):
    """Reverse mode through trajectories of 1000 spheres: temporary memory of the program, seconds against forward."""
    system = discs(1000, (1000 / 0.4) ** (1 / 3), 3)
    x = system.init_state(jax.random.key(1))
    lists, dynamics = system.allocate(x), BrownianConfig(kind="brownian", dt=1e-4).build()
    from matterlearn.core.drive import Drive

    drive, key = Drive(), jax.random.key(2)

    def run(theta, steps, budget):
        material = with_couplings(system, theta)
        state = dynamics.init(key, material, drive, x, lists)
        path = follow(key, material, dynamics, drive, state, lambda s, now: s.energy(now.x, now.neighbors)[None],
                      respond, Sampling(0, 1, steps), budget=budget)  # fmt: skip
        return path.values[0, 0]

    print("\n### 1000 spheres, gradient through a trajectory\n")
    print("| steps | mode | temporary memory, MiB | seconds | × forward | finite |\n|---|---|---|---|---|---|")
    cases = [(1000, "forward", None), (1000, "reverse, every state kept", 2**40), (1000, "reverse, two levels", 2**25)]
    cases += [(100_000, "reverse, two levels", 2**31)]
    forward = None
    for steps, mode, budget in cases:
        function = run if budget is None else jax.grad(run)
        compiled = jax.jit(function, static_argnums=(1, 2)).lower(couplings(system), steps, budget or 0.0).compile()
        size = compiled.memory_analysis().temp_size_in_bytes / 2**20
        seconds, finite = np.nan, ""
        if steps <= 1000 or long:
            times = []
            for _ in range(3 if steps <= 1000 else 1):
                began = time.perf_counter()
                result = jax.block_until_ready(compiled(couplings(system)))
                times.append(time.perf_counter() - began)
            seconds = float(np.median(times))
            finite = all(bool(jnp.all(jnp.isfinite(leaf))) for leaf in jax.tree.leaves(result))
        forward = forward or seconds
        per_step = seconds / steps / (forward / 1000)
        print(f"| {steps} | {mode} | {size:.0f} | {seconds:.1f} | {per_step:.1f} | {finite} |", flush=True)


if __name__ == "__main__":
    wanted = sys.argv[1] if len(sys.argv) > 1 else "all"
    if wanted in ("estimators", "all"):
        estimators()
    if wanted in ("growth", "all"):
        jax.config.update("jax_enable_x64", True)
        growth()
        jax.config.update("jax_enable_x64", False)
    if wanted in ("memory", "all"):
        memory("--long" in sys.argv)
