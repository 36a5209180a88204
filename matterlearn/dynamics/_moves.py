"""Moves by name, for dynamics that are made of several."""

from typing import Literal

from pydantic import Field

from matterlearn.core.sampler import AbstractMove
from matterlearn.dynamics.heat_bath import HeatBath
from matterlearn.dynamics.kawasaki import Kawasaki
from matterlearn.dynamics.metropolis import Metropolis
from matterlearn.spec import Spec, config_class


class Move(Spec):
    """A kind of move and how many sweeps of it make a step."""

    kind: Literal["metropolis", "heat_bath", "kawasaki"]
    sweeps: int = Field(default=1, ge=1, le=16, description="sweeps per step, one after the other")


def check_moves(moves: list[Move], scenario):
    """What each kind of move says of the scenario when it is alone, once each."""
    for kind in dict.fromkeys(move.kind for move in moves):
        yield from config_class("dynamics", kind)(kind=kind).check(scenario)


def built(moves: list[Move]) -> tuple[AbstractMove, ...]:
    """The moves of one step, in order."""
    named = {"metropolis": Metropolis(), "heat_bath": HeatBath(), "kawasaki": Kawasaki()}
    return tuple(named[move.kind] for move in moves for _ in range(move.sweeps))
