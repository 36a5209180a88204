"""Contact map: formed bonds between every two sites, as a symmetric matrix."""

from typing import Literal

from pydantic import Field

from matterlearn.core.assembly import ParticleSystem, pair_counts
from matterlearn.core.mixture import check_particles
from matterlearn.core.observable import Observable
from matterlearn.core.symmetric import size, unpack
from matterlearn.spec import Spec


class Contacts(Observable):
    """n_ab, the number of formed bonds between sites a and b."""

    def __call__(self, system: ParticleSystem, drive, state):
        return unpack(pair_counts(system.bonds(state.x, state.neighbors), size(system.sites)))


class Config(Spec):
    """Contact map in a scenario."""

    kind: Literal["contacts"]
    every: int = Field(default=1000, ge=1, description="steps between records")

    def check(self, scenario):
        """There are particles that bind."""
        yield from check_particles(scenario)

    def build(self, system, task) -> Contacts:
        """The observable."""
        del system, task
        return Contacts("contacts", ("site", "site_other"), "1", "formed bonds", self.every)
