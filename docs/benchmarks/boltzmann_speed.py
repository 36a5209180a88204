"""Speed of Boltzmann machines beside what one would otherwise use, in one process, one BLAS thread, one core.

    python docs/benchmarks/boltzmann_speed.py       # scikit-learn; rbms and thrml as well where they are installed

Training: digits (1797 x 64, binary), persistent contrastive divergence with one sweep per update, batches of 100, plain
gradient steps; seconds for ten epochs. Sampling: block Gibbs of the Ising model on an L x L torus, single spin updates
per second. Contestants take turns; figures are medians over the repeats, ratios medians of the ratio within a repeat.
Compilation is measured by the first call and not included. A contestant that is not installed is left out.
"""

import argparse
import functools
import importlib.util
import os
import platform
import time

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

import equinox as eqx  # noqa: E402
import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import networkx  # noqa: E402
import numpy as np  # noqa: E402

from matterlearn import run  # noqa: E402
from matterlearn.core.drive import Drive  # noqa: E402
from matterlearn.core.dynamics import advance  # noqa: E402
from matterlearn.kinds import load_kind  # noqa: E402
from matterlearn.learning import Learning  # noqa: E402
from matterlearn.scenario import load  # noqa: E402

BATCH, EPOCHS, RATE = 100, 10, 0.05
COUPLING = 0.3


def digits():
    """Binary digits."""
    from sklearn.datasets import load_digits

    return (load_digits(return_X_y=True)[0] / 16 > 0.5).astype(np.float32)


def train_here(hidden: int):
    """Ten epochs in the learning stage of a run, as `matterlearn run` makes it, records included."""
    updates = EPOCHS * -(-1797 // BATCH)
    built = run.build(load({
        "title": "digits", "system": {"kind": "restricted_boltzmann_machine", "visible": 64, "hidden": hidden},
        "dynamics": {"kind": "heat_bath"},
        "task": {"kind": "data", "data": {"source": "digits"}, "likelihood": "none"},
        "learning": {"rule": {"kind": "wake_sleep", "samples": 1, "relax": 0}, "updates": 100 * updates,
                     "replicas": BATCH, "optimizer": {"learning_rate": RATE}},
        "run": {"steps": 1},
    }))  # fmt: skip
    section = built.scenario.learning
    stage = Learning(
        jax.random.key(0), built.system, built.dynamics, section.rule.build(), built.task,
        run.optimizer(section.optimizer, section.updates), exposures=1, updates=section.updates, duration=1.0,
        replicas=BATCH,
    )  # fmt: skip
    start = stage.start()

    def go():
        carry, _ = stage.advance(start, 0, updates)
        carry.parameters.coupling.block_until_ready()

    return go


def train_sklearn(hidden: int):
    """BernoulliRBM."""
    from sklearn.neural_network import BernoulliRBM

    data = digits()
    return lambda: BernoulliRBM(hidden, learning_rate=RATE, batch_size=BATCH, n_iter=EPOCHS, random_state=0).fit(data)


def train_rbms(hidden: int):
    """The update of rbms' own training loop, without its files."""
    import torch
    from rbms.bernoulli_bernoulli.classes import BBRBM
    from rbms.training.pcd import fit_batch_pcd

    torch.set_num_threads(1)
    data = torch.from_numpy(digits())
    weights = torch.ones(BATCH)

    def go():
        model = BBRBM(0.01 * torch.randn(64, hidden), torch.zeros(64), torch.zeros(hidden))
        for parameter in model.parameters():
            parameter.grad = torch.zeros_like(parameter)
        optimizer = torch.optim.SGD(model.parameters(), lr=RATE, maximize=True)
        chains = model.init_chains(BATCH)
        for _ in range(EPOCHS):
            for rows in torch.randperm(len(data)).split(BATCH):
                optimizer.zero_grad(set_to_none=False)
                chains, _ = fit_batch_pcd((data[rows], weights[: len(rows)]), chains, model, 1, 1.0, centered=False)
                optimizer.step()

    return go


def torus(side: int):
    """Edges of a square lattice with periodic sides."""
    return networkx.convert_node_labels_to_integers(networkx.grid_graph((side, side), periodic=True))


def sample_here(side: int, chains: int, sweeps: int):
    """Heat bath of a Boltzmann machine on the graph."""
    config = load_kind("systems", "boltzmann_machine")(
        kind="boltzmann_machine", graph={"kind": "grid", "shape": [side, side], "periodic": True}, coupling=-COUPLING
    )
    system = config.build(None)
    dynamics = load_kind("dynamics", "heat_bath")(kind="heat_bath").build()

    @eqx.filter_jit
    def go(system, x, keys, steps):
        def one(key, x):
            return advance(key, system, dynamics, Drive(), dynamics.init(key, system, Drive(), x), steps).x

        return jax.vmap(one)(keys, x)

    keys = jax.random.split(jax.random.key(0), chains)
    x = jax.vmap(system.init_state)(keys)
    return lambda: go(system, x, keys, jnp.asarray(sweeps)).active.block_until_ready()


def sample_thrml(side: int, chains: int, sweeps: int):
    """Two blocks of spins."""
    from thrml import Block, SamplingSchedule, SpinNode, sample_states
    from thrml.models import IsingEBM, IsingSamplingProgram, hinton_init

    graph = torus(side)
    nodes = [SpinNode() for _ in graph]
    edges = [(nodes[i], nodes[j]) for i, j in graph.edges]
    model = IsingEBM(nodes, edges, jnp.zeros(len(nodes)), jnp.full(len(edges), COUPLING), jnp.ones(()))
    colour = networkx.bipartite.color(graph)
    blocks = [Block([nodes[i] for i in graph if colour[i] == c]) for c in (0, 1)]
    program = IsingSamplingProgram(model, blocks, clamped_blocks=[])
    schedule = SamplingSchedule(n_warmup=sweeps, n_samples=1, steps_per_sample=1)
    start = hinton_init(jax.random.key(0), model, blocks, (chains,))
    keys = jax.random.split(jax.random.key(1), chains)
    one = lambda key, state: sample_states(key, program, schedule, state, [], [Block(nodes)])  # noqa: E731
    go = jax.jit(jax.vmap(one))
    return lambda: jax.block_until_ready(go(keys, start))


def contest(contestants: dict, repeats: int) -> dict[str, tuple[float, np.ndarray]]:
    """First call and wall times of every contestant, in turns."""
    first, times = {}, {name: [] for name in contestants}
    for name, go in contestants.items():
        first[name] = clock(go)
    for _ in range(repeats):
        for name, go in contestants.items():
            times[name].append(clock(go))
    return {name: (first[name], np.array(times[name])) for name in contestants}


def clock(go) -> float:
    begin = time.perf_counter()
    go()
    return time.perf_counter() - begin


def table(title: str, found: dict, work: float, unit: str) -> None:
    """Figures per contestant; ratios of time to ours."""
    ours = found["matterlearn"][1]
    print(f"\n{title}\n| | first call, s | median, s | {unit} | time over ours |\n|---|---|---|---|---|")
    for name, (first, times) in found.items():
        rate = f"{work / np.median(times):.3g}" if work else "–"
        print(f"| {name} | {first:.2f} | {np.median(times):.3f} | {rate} | {np.median(times / ours):.2f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--hidden", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("--chains", type=int, default=8)
    parser.add_argument("--sweeps", type=int, default=1000)
    options = parser.parse_args()
    there = lambda name: importlib.util.find_spec(name) is not None  # noqa: E731
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, jax {jax.__version__}")
    for hidden in options.hidden:
        contestants = {"matterlearn": train_here(hidden), "scikit-learn": train_sklearn(hidden)}
        if there("rbms"):
            contestants["rbms"] = train_rbms(hidden)
        table(f"Training, {hidden} hidden units, batches of {BATCH}, {EPOCHS} epochs",
              contest(contestants, options.repeats), 0, "")  # fmt: skip
    size = options.side, options.chains, options.sweeps
    makers = {"matterlearn": sample_here} | ({"thrml": sample_thrml} if there("thrml") else {})
    contestants = {name: functools.partial(make(*size)) for name, make in makers.items()}
    work = options.side**2 * options.chains * options.sweeps
    table(f"Block Gibbs, {options.side}² Ising torus, {options.chains} chains, {options.sweeps} sweeps",
          contest(contestants, options.repeats), work, "updates/s")  # fmt: skip


if __name__ == "__main__":
    main()
