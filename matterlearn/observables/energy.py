"""Energy of the material, without that of the drive: E(θ, x) in kT_ref."""

from typing import Literal

from pydantic import Field

from matterlearn.core.observable import Observable
from matterlearn.spec import Spec


class Energy(Observable):
    """E(θ, x)."""

    def __call__(self, system, drive, state):
        return system.energy(state.x, state.neighbors)


class Config(Spec):
    """Energy in a scenario."""

    kind: Literal["energy"]
    every: int = Field(default=1000, ge=1, description="steps between records")

    def build(self, system, task) -> Energy:
        """The observable."""
        del system, task
        return Energy("energy", (), "kT_ref", "energy", self.every)
