"""Configurations of lattice fields as data: φ⁴ by Monte Carlo, and the free field exactly.

They are made by ``matterlearn.theory.lattice_field``, which shares no code with the systems and samplers that learn
from them or are compared with them.
"""

import math
from typing import Annotated, Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field

from matterlearn.core.lattice_action import FieldAction, Side
from matterlearn.spec import Spec
from matterlearn.tasks._samples import Samples, divided
from matterlearn.theory.lattice_field import free_samples, samples

Shape = Annotated[list[Side], Field(min_length=1, max_length=3)]


class Configurations(Spec):
    """What samples of lattice fields share."""

    shape: Shape = Field(description="sides of the periodic lattice")
    count: int = Field(default=10_000, ge=2, le=10**6, description="configurations")
    test_fraction: float = Field(default=0.0, ge=0, lt=1, description="fraction held out")
    seed: int = Field(default=0, ge=0, description="of the configurations")

    @property
    def size(self) -> int:
        """Sites."""
        return math.prod(self.shape)

    @property
    def values(self) -> int:
        """Real numbers."""
        return 0

    def draw(self) -> Float[np.ndarray, "sample *site"]:
        """All configurations."""
        raise NotImplementedError

    def build(self) -> Samples:
        """The configurations, divided."""
        fields = self.draw().reshape(self.count, self.size)
        return Samples(*divided(fields, self.test_fraction, self.seed), tuple(self.shape))


class LatticeField(Configurations):
    """φ⁴: nearly independent configurations of Metropolis and cluster updates."""

    source: Literal["lattice_field"]
    action: FieldAction = Field(description="couplings, in the convention lattice, hopping, continuum or wavelet")

    def draw(self):
        """Many chains, a few configurations of each."""
        return samples(tuple(self.shape), self.action.action(len(self.shape)), count=self.count, seed=self.seed)


class FreeField(Configurations):
    """The free field of mass m and stiffness K: independent configurations."""

    source: Literal["free_field"]
    mass_squared: float = Field(default=1.0, gt=0, description="m²")
    stiffness: float = Field(default=1.0, ge=0, description="K of squared differences between neighbours")

    def draw(self):
        """Coloured noise."""
        size = {"count": self.count, "seed": self.seed}
        return free_samples(tuple(self.shape), self.mass_squared, stiffness=self.stiffness, **size)
