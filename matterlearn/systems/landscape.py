"""One coordinate per particle in an external polynomial landscape: traps, wells and double wells.

    E = Σ_i Σ_d V(x_id),      V(x) = Σ_{n ≥ 1} c_n x^n

The coefficients c_n are the couplings. c = (0, k/2) is a harmonic trap of stiffness k, c = (0, −2h, 0, h) a double well
with minima at ±1 and a barrier h; a term c_1 tilts it. Particles do not feel each other, so N of them are N samples.

| quantity | unit |
|---|---|
| x | σ |
| c_n | kT_ref/σⁿ |

Source: textbook; the harmonic trap and the double well are where estimators of gradients can be checked by
quadrature. Limits: the highest power must be even with a positive coefficient, or particles escape.

Example:
    >>> import jax, jax.numpy as jnp
    >>> well = Config(kind="landscape", coefficients=[0.0, -6.0, 0.0, 3.0]).build(jax.random.key(0))
    >>> float(well.energy(LandscapeState(jnp.ones((1, 1)))))
    -3.0
"""

from typing import Annotated, ClassVar, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key
from pydantic import Field

from matterlearn.core.system import AbstractSystem
from matterlearn.spec import Problem, Spec


class LandscapeState(NamedTuple):
    """Coordinates of independent particles."""

    position: Float[Array, "particle dim"]


class Landscape(AbstractSystem):
    """Particles in a polynomial potential; its coefficients are the couplings."""

    coefficient: Float[Array, " power"]
    particles: int = eqx.field(static=True)
    dimension: int = eqx.field(static=True)

    dims: ClassVar = {"position": ("particle", "axis")}
    symmetries: ClassVar = frozenset({"permutation"})
    coupling_units: ClassVar = ("kT_ref/σⁿ", "coefficient of the n-th power")

    def energy(self, x: LandscapeState, neighbors=None) -> Float[Array, ""]:
        """Σ V(x) over particles and axes."""
        del neighbors
        value = jnp.zeros_like(x.position)
        for c in self.coefficient[::-1]:  # Horner
            value = (value + c) * x.position
        return jnp.sum(value)

    def init_state(self, key: Key[Array, ""]) -> LandscapeState:
        """Normal around the origin."""
        return LandscapeState(jax.random.normal(key, (self.particles, self.dimension)))

    def learnable(self):
        """The coefficients."""
        return eqx.tree_at(lambda s: s.coefficient, jax.tree.map(lambda _: False, self), True)

    def named_couplings(self):
        """Coefficients by power."""
        return {"couplings": (("power",), self.coefficient)}


class Config(Spec):
    """A landscape in a scenario."""

    kind: Literal["landscape"]
    coefficients: list[float] = Field(
        min_length=1, max_length=12, description="c_1, c_2, … in kT_ref/σⁿ",
        examples=[[0.0, 0.5], [0.2, -6.0, 0.0, 3.0]],
    )  # fmt: skip
    particles: Annotated[int, Field(ge=1, le=10**6, description="independent particles")] = 1
    dimension: Literal[1, 2, 3] = 1

    def check(self, scenario):
        """The landscape confines."""
        top = max((n for n, c in enumerate(self.coefficients, 1) if c != 0), default=0)
        if top % 2 or top == 0 or self.coefficients[top - 1] < 0:
            yield Problem(("coefficients",), "the highest power must be even with a positive coefficient, so that "
                                             "particles stay")  # fmt: skip

    def build(self, key) -> Landscape:
        """The landscape."""
        del key
        return Landscape(jnp.asarray(self.coefficients, float), self.particles, self.dimension)
