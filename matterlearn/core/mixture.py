"""Composition of particle mixtures: counts, pairs, and what cannot exist. Host code, no jax."""

import numpy as np

from matterlearn.spec import Problem

SPACING = 1.1  # of freshly placed particles, σ


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
    """Complaint about a time step too long for the material's largest curvature k: dt k^power > stable."""
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
