"""A kind that does nothing, next to jax code: it stands for every family in the tests."""

import math
from typing import ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
from pydantic import Field, field_validator

from fakes.base import Limits, jitted
from matterlearn.errors import Problem
from matterlearn.spec import PositiveSchedule, Spec

LARGEST = 10
BACKGROUND = jnp.zeros(3)


class System(eqx.Module):
    stiffness: Float[Array, ""]

    def energy(self, x: Float[Array, " n"]) -> Float[Array, ""]:
        return self.stiffness * jnp.sum(x**2) + jitted(x)


class Config(Spec):
    """A well."""

    kind: Literal["fake"]
    size: int = Field(3, gt=0, le=LARGEST, description="number of wells")
    kT: PositiveSchedule = 1.0
    every: int = Field(1, ge=1)
    shape: tuple[int, int] = (2, 2)
    width: float | list[float] = 0.5
    limits: Limits = Limits()
    periodic: bool = True
    provides: ClassVar[tuple[str, ...]] = ("energy", "overlap")

    @field_validator("shape")
    @classmethod
    def _square(cls, value):
        if value[0] != value[1]:
            raise ValueError("should be square")
        return value

    @property
    def stiffness(self) -> Float[Array, ""]:
        return jnp.asarray(1.0)

    def check(self, scenario):
        if self.size == 7:
            yield Problem(("size",), "seven wells are unlucky")
        if scenario.run.steps > longest(self.size):
            yield Problem(("run", "steps"), "too many for so few wells")

    def build(self, key: jax.Array) -> System:
        return System(self.stiffness * self.size)


def longest(size: int) -> Float[Array, ""]:
    return math.prod((size, 10**6))
