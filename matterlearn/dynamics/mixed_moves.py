"""Several kinds of Monte Carlo moves in turn, for instance exchanges within the lattice and with a reservoir.

Every move leaves the Boltzmann law as it is, so their sequence does; one step is the given number of sweeps of each.
Beside those that are a dynamics of their own there is ``relabel``: two species trade places on all free sites at once,

    a ↔ b with probability min(1, exp(−ΔE/kT)),

a being the species of a random site and b a random one, as many attempts per sweep as there are values. A condensate is
carried over into one of another species without the barrier of a nucleus.

| quantity | unit |
|---|---|
| kT | kT_ref |
| step | ``sweeps`` of every move, in the order given |

Source: [metropolis1953], [geman1984], [kawasaki1966]. Limits: the program that is compiled grows with the number of
sweeps in a step.

Example:
    >>> moves = [{"kind": "kawasaki", "sweeps": 2}, {"kind": "metropolis"}]
    >>> [type(move).__name__ for move in Config(kind="mixed_moves", moves=moves).build().moves]
    ['Kawasaki', 'Kawasaki', 'Metropolis']
"""

from typing import ClassVar, Literal

from pydantic import Field

from matterlearn.core.sampler import Sampler
from matterlearn.core.schedule import schedule
from matterlearn.dynamics._moves import Move, built, check_moves
from matterlearn.spec import PositiveSchedule, Spec


class Config(Spec):
    """A sequence of moves in a scenario."""

    kind: Literal["mixed_moves"]
    matter: ClassVar[str] = "discrete"
    moves: list[Move] = Field(
        min_length=1, description="kinds of moves and how many sweeps of each make a step",
        examples=[[{"kind": "kawasaki"}, {"kind": "heat_bath"}]],
    )  # fmt: skip
    kT: PositiveSchedule = Field(default=1.0, description="temperature, kT_ref: a number, a ramp or a cycle")

    def check(self, scenario):
        """Every move suits the system."""
        yield from check_moves(self.moves, scenario)

    def build(self) -> Sampler:
        """The sampler."""
        return Sampler(schedule(self.kT), built(self.moves))
