"""Target phases of a lattice mixture as scenarios give them. Host code, no jax."""

from matterlearn.spec import Problem


def check_phases(phases, scenario):
    """Complaints about fractions that are no dense phases of the moving species."""
    species = getattr(scenario.system, "species", None)
    if species is not None and any(len(phase) != species for phase in phases):
        yield Problem(("phases",), f"needs {species} fractions per phase, one for each moving species")
        return
    if any(not 0 < sum(phase) < 1 for phase in phases):
        yield Problem(("phases",), "the fractions of a phase add up to more than 0 and leave room for solvent, below 1")
    elif any(not any(column) for column in zip(*phases, strict=True)):
        yield Problem(("phases",), "every species belongs to a phase; take out the one that belongs to none")


def phase_names(phases) -> list[str]:
    """Species of every phase, from 1 on.

    >>> phase_names([[0.4, 0.4, 0.0], [0.0, 0.0, 0.9]])
    ['1+2', '3']
    """
    return ["+".join(str(i + 1) for i, share in enumerate(phase) if share > 0) for phase in phases]
