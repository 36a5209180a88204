"""Rigid shapes: how a scenario gives them, and the tables that the energy reads."""

from typing import Annotated

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from pydantic import Field

from matterlearn.spec import Spec
from matterlearn.theory.rigid_dimer import Body

NOWHERE = -1e6  # radius of a sphere that is only there to fill a table


class Shapes(eqx.Module):
    """Sites of every kind of body in its own frame, filled up to equal numbers with sites that do nothing."""

    spheres: Float[Array, "kind sphere 3"]
    radii: Float[Array, "kind sphere"]
    patches: Float[Array, "kind patch 3"]
    colours: Int[Array, "kind patch"]  # from 0; ``palette`` means that there is no patch
    palette: int = eqx.field(static=True)

    @classmethod
    def of(cls, bodies: list[Body], colours: int) -> "Shapes":
        """Tables of the given bodies."""
        most = [max(map(len, sites)) for sites in ([b.spheres for b in bodies], [b.patches for b in bodies])]
        spheres, patches = (np.zeros((len(bodies), n, 3)) for n in most)
        radii, painted = np.full(spheres.shape[:2], NOWHERE), np.full(patches.shape[:2], colours)
        for k, body in enumerate(bodies):
            spheres[k, : len(body.spheres)], radii[k, : len(body.spheres)] = body.spheres, body.radius
            patches[k, : len(body.patches)], painted[k, : len(body.patches)] = body.patches, body.colours
        return cls(jnp.asarray(spheres), jnp.asarray(radii), jnp.asarray(patches), jnp.asarray(painted), colours)

    def bodies(self) -> list[Body]:
        """The bodies that the tables were made from."""
        tables = jax.tree.map(np.asarray, self)
        real, sticky = tables.radii > NOWHERE, tables.colours < self.palette
        return [
            Body(tables.spheres[k][real[k]], tables.patches[k][sticky[k]], tables.colours[k][sticky[k]],
                 float(tables.radii[k, 0]))
            for k in range(len(real))
        ]  # fmt: skip


Point = Annotated[list[float], Field(min_length=3, max_length=3)]


class Shape(Spec):
    """One kind of body."""

    spheres: list[Point] = Field(min_length=1, description="centres of repulsive spheres, in the body's frame")
    radius: float = Field(default=1.0, gt=0, description="radius of the spheres")
    patches: list[Point] = Field(default=[], description="patches, in the body's frame")
    colours: list[int] = Field(default=[], description="colour of each patch, from 0")


class Dock(Spec):
    """A bound pose of two bodies."""

    bodies: tuple[int, int] = Field(description="kinds of the first and of the second body, from 0")
    translation: Point = Field(description="centre of the second in the frame of the first")
    turn: Point = Field(default=[0.0, 0.0, 0.0], description="its rotation vector there, radians")
