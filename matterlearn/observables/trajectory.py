"""Frames of the state itself, for pictures, movies and trajectory files."""

from typing import Literal

from pydantic import Field

from matterlearn.core.observable import Observable
from matterlearn.spec import Spec


class Trajectory(Observable):
    """The sample as it is; every leaf of the state becomes a variable over frames."""

    def __call__(self, system, drive, state):
        return state.x


class Config(Spec):
    """Trajectory in a scenario."""

    kind: Literal["trajectory"]
    every: int = Field(default=1000, ge=1, description="steps between frames")

    def build(self, system, task) -> Trajectory:
        """The observable."""
        del system, task
        return Trajectory("trajectory", (), "σ", "configuration", self.every)
