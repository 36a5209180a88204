"""Composition of mixtures, off and on lattices: counts, pairs, and what cannot exist. Host code, no jax."""

import os

import numpy as np

from matterlearn.core.matter import check_matter
from matterlearn.spec import Problem

SPACING = 1.1  # of freshly placed particles, σ
BYTES_PER_SITE = 12  # of a lattice while it is swept: species twice, two random words, an energy (measured)
LARGEST_MEMORY = 0.8 * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def counts_of(config) -> list[int]:
    """Particles of each species, from ``copies``: one number, or one per species."""
    return config.copies if isinstance(config.copies, list) else [config.copies] * config.species


def pair_table(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices (i < j) of all unordered pairs of n particles."""
    return np.triu_indices(n, 1)


def check_mixture(config):
    """Complaints about a mixture of particles: composition, box against range, crowding."""
    counts, dimension = config.counts, getattr(config, "dimension", 2)
    if len(counts) != config.species:
        yield Problem(("copies",), f"{len(counts)} numbers for {config.species} species; give one per species")
    if min(counts, default=0) < 0 or sum(counts) < 1:
        yield Problem(("copies",), "a species cannot have fewer than 0 particles, nor the mixture none at all")
    if config.box is None:
        return
    if config.box < 2 * config.reach:
        yield Problem(
            ("box",),
            f"side {config.box:g} is smaller than twice the cutoff {config.reach:g}, so a particle would meet its "
            f"own image; use at least {2 * config.reach:g}",
        )
    if sum(counts) > int(config.box / SPACING) ** dimension:
        needed = SPACING * np.ceil(round(sum(counts) ** (1 / dimension), 9))
        side = f"{config.box:g}; use at least {needed:g}"
        yield Problem(("box",), f"{sum(counts)} particles do not fit a box of side {side}")


def check_step(dynamics, scenario, *, stable: float, power: float, step: str = "dt"):
    """Complaints about an integrator: nothing to integrate, or too long a step for the largest curvature k of the

    material, dt k^power > stable.
    """
    yield from check_matter(dynamics, scenario)
    stiffness = getattr(scenario.system, "stiffness", None)
    if stiffness is None:
        return
    longest = stable / stiffness**power
    if getattr(dynamics, step) > longest:
        yield Problem(
            (step,),
            f"{getattr(dynamics, step):g} is too long for this material, whose stiffest direction has curvature "
            f"{stiffness:g}; use at most {longest:.2g}",
        )


def check_particles(scenario):
    """Complaint about bonds between particles where there are none; systems of other packages are trusted."""
    kind = scenario.system.kind
    if not hasattr(scenario.system, "copies") and ":" not in kind:
        yield Problem(("kind",), f"counts bonds between particles, which {kind!r} does not have; leave it out")


def check_species(scenario, most: int | None = None):
    """Complaint about what is asked of species on a lattice where there are none, or more than ``most``."""
    system = scenario.system
    if not hasattr(system, "composition"):
        yield Problem(("kind",), f"needs species on a lattice, which {system.kind!r} does not have")
    elif most is not None and system.species > most:
        yield Problem(("kind",), f"is a table of pairs of species; {system.species} are too many, at most {most}")


def periodic_sides(config) -> tuple[bool, ...]:
    """Whether each side of a lattice wraps around, from one answer or one per side."""
    given = config.periodic
    return tuple(given) if isinstance(given, list) else (given,) * len(config.shape)


def check_lattice(config, scenario):
    """Complaints about a lattice of species: sides, size, composition."""
    if min(config.shape) < 1:
        yield Problem(("shape",), "a side has at least one site")
        return
    sides = periodic_sides(config)
    if len(sides) != len(config.shape):
        yield Problem(("periodic",), f"{len(sides)} answers for {len(config.shape)} sides; give one, or one per side")
        return
    if any(p and n == 1 for n, p in zip(config.shape, sides, strict=True)):
        yield Problem(("shape",), "a periodic side of length 1 would make a site its own neighbour; open it")
    sites, copies = int(np.prod([float(n) for n in config.shape])), scenario.run.replicas
    needed = BYTES_PER_SITE * sites * copies
    if needed > LARGEST_MEMORY:
        yield Problem(
            ("shape",),
            f"{sites:.3g} sites in {copies} replicas need about {needed / 2**30:.0f} GiB; at most "
            f"{LARGEST_MEMORY / 2**30:.0f} GiB fit here. Use fewer replicas or a smaller lattice",
        )
    counts = getattr(config, "composition", None)
    if counts is not None and (len(counts) != config.species + 1 or min(counts) < 0 or sum(counts) != sites):
        yield Problem(
            ("composition",),
            f"needs {config.species + 1} numbers (solvent first) that add up to the {sites} sites; "
            f"these are {len(counts)} adding up to {sum(counts)}",
        )
