"""Moves by name, for dynamics that are made of several."""

from typing import Literal

from pydantic import Field

from matterlearn.core.sampler import AbstractMove
from matterlearn.dynamics._relabel import Relabel
from matterlearn.dynamics.heat_bath import HeatBath
from matterlearn.dynamics.kawasaki import Kawasaki
from matterlearn.dynamics.metropolis import Metropolis
from matterlearn.spec import Problem, Spec, config_class


class Move(Spec):
    """A kind of move and how many sweeps of it make a step."""

    kind: Literal["metropolis", "heat_bath", "kawasaki", "relabel"]
    sweeps: int = Field(default=1, ge=1, le=16, description="sweeps per step, one after the other")


def check_moves(moves: list[Move], scenario):
    """What each kind of move says of the scenario when it is alone, once each; one of them must reach all states."""
    kinds = dict.fromkeys(move.kind for move in moves)
    if list(kinds) == ["relabel"]:
        yield Problem(("moves",), "relabel alone never changes where the domains are; add heat_bath or metropolis")
    for kind in dict.fromkeys("kawasaki" if kind == "relabel" else kind for kind in kinds):  # both trade species
        yield from config_class("dynamics", kind)(kind=kind).check(scenario)


def built(moves: list[Move]) -> tuple[AbstractMove, ...]:
    """The moves of one step, in order."""
    named = {"metropolis": Metropolis(), "heat_bath": HeatBath(), "kawasaki": Kawasaki(), "relabel": Relabel()}
    return tuple(named[move.kind] for move in moves for _ in range(move.sweeps))
