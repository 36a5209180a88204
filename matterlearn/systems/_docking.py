"""Random bound poses of two rigid bodies, and the density they are drawn with.

A dock is a bound pose of a second kind of body in the frame of a first. Poses around it are a shift s and a rotation
vector v about the pivot, drawn from a mixture of normal laws of several widths; per d³r dΩ/8π² their density is

    g(s, v) = mean_w N(s; w_s) N(v; w_v) · 8π² |v|²/(2 (1 − cos |v|)),        |v| < π.

The measure is that of the relative pose, so g serves whichever of the two is moved. Where several docks fit two kinds,
each is as likely. Draws with |v| ≥ π are refused, so that g is exactly what they are drawn with.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from matterlearn.core import quaternion
from matterlearn.theory.rigid_dimer import WIDTHS, Pose

Kinds = tuple[Int[Array, ""], Int[Array, ""]]


class Docks(eqx.Module):
    """Bound poses of pairs of kinds, in the frame of the first."""

    kinds: Int[Array, "dock 2"]
    translation: Float[Array, "dock 3"]
    rotation: Float[Array, "dock 4"]
    arm: Float[Array, "dock 3"]  # from the centre of the docked body to its pivot

    @classmethod
    def of(cls, poses: list[tuple[tuple[int, int], Pose]]) -> "Docks":
        """Tables of poses, each with its first and second kind."""
        kinds = [pair for pair, _ in poses]
        vectors = np.array([pose for _, pose in poses], float).reshape(-1, 3, 3)
        rotation = quaternion.exp(jnp.asarray(vectors[:, 1]))
        arm = jnp.einsum("dij,dj->di", quaternion.matrix(rotation), jnp.asarray(vectors[:, 2]))
        return cls(jnp.asarray(kinds, int).reshape(-1, 2), jnp.asarray(vectors[:, 0]), rotation, arm)

    def pose(self, dock: int) -> tuple[tuple[int, int], Pose]:
        """Host side: first and second kind, and the pose, as :meth:`of` got them."""
        turn = quaternion.log(self.rotation[dock])
        pivot = quaternion.matrix(self.rotation[dock]).T @ self.arm[dock]
        first, second = self.kinds[dock].tolist()
        return (first, second), Pose(*(tuple(v.tolist()) for v in (self.translation[dock], turn, pivot)))

    def _roles(self, kinds: Kinds) -> Bool[Array, "role dock"]:
        """Docks that fit when the mover is the second body (first row), and when it is the first."""
        mover, partner = kinds
        return jnp.stack([jnp.all(self.kinds == jnp.stack(pair), 1) for pair in ((partner, mover), (mover, partner))])

    def draw(
        self, key: Key[Array, ""], kinds: Kinds, partner: Float[Array, "4"]
    ) -> tuple[tuple[Float[Array, "3"], Float[Array, "4"]], Bool[Array, ""]]:
        """Displacement from the partner and rotation of a mover, and whether the draw counts.

        Args:
            kinds: of the mover and of the partner.
            partner: rotation of the partner.
        """
        if not len(self.kinds):
            return (jnp.zeros(3), partner), jnp.zeros((), bool)
        which, widen, steps = jax.random.split(key, 3)
        fits = self._roles(kinds)
        order = jnp.where(fits, jax.random.uniform(which, fits.shape), -1.0)
        role, dock = jnp.divmod(jnp.argmax(order), fits.shape[1])  # one of those that fit, each as likely
        width = jnp.asarray(WIDTHS, float)[jax.random.randint(widen, (), 0, len(WIDTHS))]
        shift, turn = width[:, None] * jax.random.normal(steps, (2, 3))
        extra, arm = quaternion.exp(turn), self.arm[dock]
        away = self.translation[dock] + shift + arm - _rotated(extra, arm)  # of the second from the first
        rotation = quaternion.multiply(extra, self.rotation[dock])
        as_second = _rotated(partner, away), quaternion.multiply(partner, rotation)
        turned = quaternion.multiply(partner, quaternion.inverse(rotation))
        as_first = -_rotated(turned, away), turned
        pose = jax.tree.map(lambda a, b: jnp.where(role == 0, a, b), as_second, as_first)
        return pose, jnp.any(fits) & (jnp.sum(turn**2) < jnp.pi**2)

    def log_density(
        self, kinds: Kinds, shift: Float[Array, "3"], mover: Float[Array, "4"], partner: Float[Array, "4"]
    ) -> Float[Array, ""]:
        """ln g of a mover displaced by ``shift`` from its partner, −∞ where no dock fits."""
        if not len(self.kinds):
            return jnp.asarray(-jnp.inf)
        fits = self._roles(kinds)
        as_second = self._log_densities(shift, partner, mover)
        as_first = self._log_densities(-shift, mover, partner)
        each = jnp.where(fits, jnp.stack([as_second, as_first]), -jnp.inf)
        return jax.nn.logsumexp(each) - jnp.log(jnp.maximum(jnp.sum(fits), 1))

    def _log_densities(self, away, first, second):
        """ln g about every dock of a second body displaced by ``away`` from the first."""
        home = quaternion.inverse(first)
        relative = quaternion.multiply(home, second)
        extra = quaternion.multiply(relative, quaternion.inverse(self.rotation))
        shift = _rotated(home, away) - self.translation - self.arm + _rotated(extra, self.arm)
        turn = quaternion.log(extra)
        square = jnp.stack([jnp.sum(shift**2, -1), jnp.sum(turn**2, -1)], -1)
        widths = jnp.asarray(WIDTHS, float)
        normal = square @ (-0.5 / widths.T**2) - 3 * jnp.log(2 * jnp.pi * widths.prod(1))
        haar = jnp.sinc(jnp.sqrt(square[:, 1]) / (2 * jnp.pi)) ** 2 / (8 * jnp.pi**2)
        return jax.nn.logsumexp(normal, axis=1) - jnp.log(len(WIDTHS)) - jnp.log(haar)


def _rotated(q, vector):
    return jnp.einsum("...ij,...j->...i", quaternion.matrix(q), vector)
