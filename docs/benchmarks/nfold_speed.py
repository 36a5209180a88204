"""Events per second of the rejection-free dynamics, one thread, CPU time.

    python docs/benchmarks/nfold_speed.py               # tiles at 8 kT, and particles that hop and turn
    python docs/benchmarks/nfold_speed.py --events 1e7  # longer runs

Tiles: 400 species store two random 20 x 20 structures in bonds of -8 kT (union rule) on a 64 x 64 lattice, started
from a 12 x 12 seed. "attempts/event" says how many single-site updates a rejecting sampler of the same law makes for
one change; a heat-bath update there costs a sum over all species. Particles: 25 distinguishable ones with two internal
states on a periodic 15 x 15 lattice.
"""

import argparse
import time

import numpy as np

from matterlearn.dynamics import _nfold as nfold
from matterlearn.dynamics import _nfold_hops as hops
from matterlearn.theory import assembly, bisker_england

SIDE, SPECIES, SEED, STRUCTURE, BOND = 64, 400, 12, 20, 8.0


def neighbor_table(side, periodic):
    """Neighbours on a square lattice in the directions -0, +0, -1, +1."""
    index, columns = np.arange(side * side).reshape(side, side), []
    for axis in (0, 1):
        for step in (-1, 1):
            column = np.roll(index, -step, axis)
            if not periodic:
                np.moveaxis(column, axis, 0)[0 if step < 0 else -1] = side * side
            columns.append(column.ravel())
    return np.stack(columns, 1)


def tiles(cost, law, periodic):
    """Tables and the seeded start."""
    memories = assembly.random_memories(STRUCTURE, 2, 0)
    horizontal, vertical = -BOND * (assembly.bond_counts(memories) > 0)
    bonds = np.zeros((4, SPECIES + 2, SPECIES + 2))
    for k, energy in enumerate((vertical.T, vertical, horizontal.T, horizontal)):
        bonds[k, 1:-1, 1:-1] = energy
    sites, low = np.zeros((SIDE, SIDE), int), (SIDE - SEED) // 2
    inner = slice(4, 4 + SEED)
    sites[low : low + SEED, low : low + SEED] = memories[0, inner, inner] + 1
    field = np.append(0.0, np.full(SPECIES, cost))
    return nfold.tabulate(neighbor_table(SIDE, periodic), bonds, field, law=law), nfold.start(sites.ravel(), (0, 1))


def timed(run, chain, events):
    """The chain after a warm-up and a timed stretch, and events per CPU second."""
    chain = run(chain, 10_000)[0]
    begun, clock = time.process_time(), chain.time
    chain, executed = run(chain, events)[:2]
    return chain, executed / (time.process_time() - begun), (chain.time - clock) / executed


def main():
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=float, default=2e6)
    events = int(parser.parse_args().events)
    print(f"{'lattice':10}{'law':12}{'mu [kT]':>8}{'events/s':>11}{'tiles after':>13}{'attempts/event':>16}")
    for periodic in (True, False):
        for law in ("heat_bath", "metropolis"):
            for cost in (13.0, 14.0, 14.5, 15.5):
                tables, chain = tiles(cost, law, periodic)
                chain, rate, step = timed(lambda c, n, t=tables: nfold.run_events(t, c, n), chain, events)
                attempts = step * SIDE**2 * (1 if law == "heat_bath" else SPECIES)
                name = "periodic" if periodic else "open"
                print(f"{name:10}{law:12}{cost:8}{rate:11.2e}{np.sum(chain.sites > 0):13}{attempts:16.3g}", flush=True)
    print(f"\n{'particles':10}{'-J_s':>8}{'moves/s':>11}")
    targets = bisker_england.random_targets(5, 2, 0)
    for strong in (2.4, 3.0):
        pair = np.pad(bisker_england.couplings(targets, -strong), (0, 1))
        tables = hops.tabulate_hops(
            neighbor_table(15, True), np.broadcast_to(pair, (4, *pair.shape)), np.zeros(51), states=2
        )
        sites = np.zeros(225, int)
        sites[np.random.default_rng(0).permutation(225)[:25]] = 1 + 2 * np.arange(25)
        _, rate, _ = timed(lambda c, n, t=tables: hops.run_hops(t, c, n), nfold.start(sites, (0, 2)), events)
        print(f"{25:<10}{strong:8}{rate:11.2e}", flush=True)


if __name__ == "__main__":
    main()
