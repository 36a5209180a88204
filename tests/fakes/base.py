"""What the fake kind takes from a second module, heavy as well."""

import jax
from pydantic import Field

from matterlearn.spec import Spec


class Limits(Spec):
    """A section inside a section."""

    low: float = 0.0
    high: float = Field(1.0, gt=0)


@jax.jit
def jitted(x):
    return x.sum()
