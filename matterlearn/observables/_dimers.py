"""What observables of dimers ask of matter and of a scenario."""

from typing import Annotated, Any, Protocol

from jaxtyping import Array, Float
from pydantic import Field

from matterlearn.spec import Problem

Kinds = tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]]


class RigidMatter(Protocol):
    """Rigid bodies: energies of pairs, and couplings that are seen."""

    def pair_energies(self, x: Any) -> Float[Array, "particle particle"]: ...
    def seen(self) -> Float[Array, " pair"]: ...


def check_kinds(config, scenario):
    """Complaint unless there are rigid bodies of both kinds."""
    kinds, system = config.kinds, scenario.system
    if not hasattr(system, "poses"):
        yield Problem(("kind",), f"counts dimers of rigid bodies, which {system.kind!r} does not have; leave it out")
    elif kinds[0] == kinds[1] or max(kinds) >= len(system.numbers) or not all(system.numbers[k] for k in kinds):
        yield Problem(("kinds",), f"names two different kinds of bodies that are there; got {list(kinds)}")
