"""A made-up run with the shape of a real one: patchy discs that assemble one of two memories.

Sixteen replicas of 25 patchy discs in a periodic box; each starts from a 3 × 3 piece of its cued
memory and the other tiles dock one after the other, but for a few that go wrong.
"""

import numpy as np

from matterlearn.results import Group, Variable, provenance, to_tree

SIDE, BOX, FRAMES, REPLICAS, MEMORIES, PATCHES = 5, 8.0, 13, 16, 2, 4
TILES = SIDE * SIDE
CONTACT = 1.05
SCENARIO = {
    "title": "A mixture of patchy discs stores two structures <and> recalls either from a seed",
    "description": "Synthetic run.\n\nTwo memories, Hebbian linkers.",
    "references": ["murugan2015multifarious"],
    "system": {"kind": "patchy_particles", "species": 25, "box": 8.0},
    "dynamics": {"kind": "brownian", "dt": 1.0e-3, "kT": 1.0},
    "run": {"seed": 0, "replicas": 16, "steps": 12000},
    "expect": {
        "overlap_final": {"min": 0.8},
        "cross_overlap_final": {"max": 0.05},
        "source": "murugan2015multifarious",
    },
}
NEIGHBOURS = (((1, 0), 0), ((0, 1), 1))  # lattice direction, patch of the first tile


def memories(rng):
    """Species of each tile, and the bonds as species × patch contacts."""
    species = np.stack([np.arange(TILES), rng.permutation(TILES)])
    bonds = np.zeros((MEMORIES, TILES * PATCHES, TILES * PATCHES), np.int8)
    for memory in range(MEMORIES):
        for first, second, patch in lattice_bonds():
            a = species[memory, first] * PATCHES + patch
            b = species[memory, second] * PATCHES + (patch + 2)
            bonds[memory, a, b] = bonds[memory, b, a] = 1
    return species, bonds


def lattice_bonds():
    for x in range(SIDE):
        for y in range(SIDE):
            for (dx, dy), patch in NEIGHBOURS:
                if x + dx < SIDE and y + dy < SIDE:
                    yield x * SIDE + y, (x + dx) * SIDE + y + dy, patch


def trajectory(rng, species, cue):
    """Positions [R, F, N, 2], orientations [R, F, N] and the bond table."""
    grid = np.stack(np.divmod(np.arange(TILES), SIDE), -1) - (SIDE - 1) / 2
    seed_tiles = np.flatnonzero((np.abs(grid) <= 1).all(-1))
    position = np.zeros((REPLICAS, FRAMES, TILES, 2))
    orientation = np.zeros((REPLICAS, FRAMES, TILES))
    docked = np.zeros((REPLICAS, FRAMES, TILES), bool)
    for r in range(REPLICAS):
        angle, centre = rng.uniform(0, 2 * np.pi), rng.uniform(0, BOX, 2)
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        tile_of = np.argsort(species[cue[r]])
        home = centre + CONTACT * grid[tile_of] @ turn
        arrival = rng.integers(1, FRAMES - 1, TILES)
        arrival[rng.random(TILES) < 0.04] = FRAMES + 1
        arrival[np.isin(tile_of, seed_tiles)] = 0
        walk = rng.uniform(0, BOX, (1, TILES, 2)) + np.cumsum(
            rng.normal(0, 0.4, (FRAMES, TILES, 2)), 0
        )
        docked[r] = np.arange(FRAMES)[:, None] >= arrival
        position[r] = np.where(docked[r][..., None], home, walk)
        position[r] += rng.normal(0, 0.02, position[r].shape)
        spin = rng.uniform(0, 2 * np.pi, (FRAMES, TILES))
        orientation[r] = np.where(docked[r], angle, spin) + rng.normal(0, 0.05, spin.shape)
    return position, orientation, docked


def bond_table(rng, species, cue, docked):
    rows = []
    shared = [{frozenset((s[a], s[b])) for a, b, _ in lattice_bonds()} for s in species]
    for r in range(REPLICAS):
        tiles = species[cue[r]]
        for f in range(FRAMES):
            for a, b, _ in lattice_bonds():
                i, j = tiles[a], tiles[b]
                if docked[r, f, i] and docked[r, f, j]:
                    both = all(frozenset((i, j)) in pairs for pairs in shared)
                    memory = -2 if both else -1 if rng.random() < 0.02 else cue[r]
                    rows.append((r, f, i, j, memory))
    return np.array(rows).T


def fabricate(seed=0, swept=None, sequential=False):
    """The whole tree; `swept` gives each replica a bond strength out of these values."""
    rng = np.random.default_rng(seed)
    species, bonds = memories(rng)
    cue = np.arange(REPLICAS) % MEMORIES
    position, orientation, docked = trajectory(rng, species, cue)
    return to_tree(
        {
            "/": root_group(rng, cue, docked, swept),
            "/learning": learning_group(rng, bonds, sequential),
            "/couplings": couplings_group(rng, bonds),
            "/memories": Group(
                [
                    Variable("bonds", ("memory", "site", "site_other"), bonds, "1", "bonds"),
                    Variable("species", ("memory", "tile"), species, "1", "species of a tile"),
                ],
                {"memory": np.arange(MEMORIES)},
            ),
            "/trajectory": trajectory_group(rng, species, cue, position, orientation, docked),
        },
        provenance(SCENARIO, seed=0, device="cpu", precision="f32", wall_time=12.3),
    )


def root_group(rng, cue, docked, swept):
    strength = None if swept is None else np.resize(np.repeat(swept, MEMORIES), REPLICAS)
    quality = np.ones(REPLICAS) if swept is None else np.exp(-((strength - 8.5) ** 2) / 6)
    done = (docked.mean(-1) * quality[:, None] + rng.normal(0, 0.01, docked.shape[:2])).clip(0, 1)
    other = 0.08 * (1.1 - done) + rng.uniform(0, 0.04, done.shape)
    if swept is not None:
        other += 0.3 * (strength > 10)[:, None] * np.linspace(0, 1, FRAMES)
    overlap = np.stack([np.where((cue == m)[:, None], done, other) for m in range(MEMORIES)], -1)
    step = np.arange(FRAMES) * 1000
    fine = np.arange(2 * FRAMES - 1) * 500
    energy = -8.0 * 40 * np.stack([np.interp(fine, step, d) for d in done])
    energy += rng.normal(0, 4, energy.shape)
    over, sparse = ("replica", "step"), {"step": step}
    coords = {"memory": np.arange(MEMORIES)}
    coords["cue"] = Variable("cue", ("replica",), cue, "1", "memory that was cued")
    if swept is not None:
        coords["bond_strength"] = Variable(
            "bond_strength", ("replica",), strength, "kT", "bond strength"
        )
    attrs = {} if swept is None else {"window_low": 7.0, "window_high": 10.0}
    return Group(
        [
            Variable("energy", over, energy, "kT", "potential energy", {"step": fine}),
            Variable("overlap", (*over, "memory"), overlap, "1", "overlap", sparse),
            Variable("extra", over, (0.2 * other), "1", "surplus units", sparse),
            Variable("chimera", over, other * 0.5, "1", "chimeric fraction", sparse),
            Variable("largest_cluster", over, done, "1", "largest cluster", sparse),
        ],
        coords,
        attrs,
    )


def learning_group(rng, bonds, sequential):
    update = np.arange(41)
    time = update * 0.5
    shown = (update // 10) % 2 if sequential else update % 2
    grown = np.zeros((MEMORIES, len(update)))
    for t in update[1:]:
        for m in range(MEMORIES):
            rate = 0.25 if shown[t] == m else 0.0
            grown[m, t] = grown[m, t - 1] + 0.5 * (rate * (8 - grown[m, t - 1]) * 2)
            grown[m, t] -= 0.05 * grown[m, t - 1] if sequential else 0
    couplings = -np.einsum("mt,mij->tij", grown, bonds)
    couplings += rng.normal(0, 0.05, couplings.shape)
    couplings = (couplings + couplings.transpose(0, 2, 1)) / 2
    names = ("update", "site", "site_other")
    theory = -8.0 * (1 - np.exp(-0.25 * time))
    return Group(
        [
            Variable("couplings", names, couplings, "kT", "couplings"),
            Variable("loss", ("update",), np.exp(-time / 5), "1", "loss"),
            Variable("stored_coupling_theory", ("update",), theory, "kT", "saturating growth"),
        ],
        {
            "update": update,
            "time": Variable("time", ("update",), time, "sigma^2/D", "slow time"),
            "memory_shown": Variable("memory_shown", ("update",), shown, "1", "memory shown"),
        },
    )


def couplings_group(rng, bonds):
    ideal = -8.0 * bonds.any(0)
    noise = rng.normal(0, 0.3, ideal.shape)
    names = ("site", "site_other")
    return Group(
        [
            Variable("couplings", names, 0.9 * ideal + (noise + noise.T) / 2, "kT", "learned J"),
            Variable("ideal", names, ideal, "kT", "ideal J"),
        ]
    )


def trajectory_group(rng, species, cue, position, orientation, docked):
    over = ("replica", "frame", "particle")
    names = ("replica", "frame", "first", "second", "memory")
    table = bond_table(rng, species, cue, docked)
    frames = Variable("frame_step", ("frame",), np.arange(FRAMES) * 1000, "1", "dynamics step")
    return Group(
        [
            Variable("position", (*over, "axis"), position, "sigma", "position"),
            Variable("orientation", over, orientation, "rad", "orientation"),
            Variable("species", ("particle",), np.arange(TILES), "1", "species"),
            *(Variable(f"bond_{n}", ("bond",), c, "1", f"bond {n}")
              for n, c in zip(names, table, strict=True)),
        ],
        {"frame_step": frames},
        {"box": BOX, "diameter": 1.0, "patches": PATCHES},
    )  # fmt: skip
