"""One point in d dimensions whose energy is a neural network: an energy-based model of anything continuous.

    E(x) = f_θ(x) + ½ k |x|²,        f_θ a multilayer perceptron with one output

The activation is smooth and grows no faster than its argument, so f grows at most linearly, the confining term wins far
out, and Z exists for all weights. In one or two dimensions

    ln Z = ln ∫ exp(−E/kT) dx

is summed on a grid (``matterlearn.core.point``), differentiable in the weights: likelihoods are known, and rule
maximum_likelihood descends them without sampling, the yardstick of what sampled learning reaches. The grid's error is
what lies beyond its range plus what is finer than its spacing; doubling ``points`` shows the second.

| quantity | unit |
|---|---|
| x | σ, or as the data |
| k | kT_ref/σ² |
| f | kT_ref |

Source: [lecun2006tutorial], [dumordatch2019]. Limits: Langevin chains need many steps between distant wells; k is not
learned; ln Z up to two dimensions.

Example:
    >>> model = Config(kind="deep_energy", width=4, depth=1).build(jax.random.key(0))
    >>> model.energy(PointState(jnp.zeros(2))).shape
    ()
"""

from typing import ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
from pydantic import Field

from matterlearn.core.perceptron import Perceptron, perceptron
from matterlearn.core.point import AbstractPoint, PointSpec, PointState


class DeepEnergy(AbstractPoint):
    """A network in a harmonic well; its weights are the couplings."""

    network: Perceptron
    confinement: Float[Array, ""]

    coupling_units: ClassVar = ("1", "weight of the network")

    def energy(self, x: PointState, neighbors=None) -> Float[Array, ""]:
        """f(x) + ½ k |x|², kT_ref."""
        del neighbors
        return self.network(x.point)[0] + 0.5 * self.confinement * jnp.sum(x.point**2)

    def init_state(self, key) -> PointState:
        """As the confining term alone would have it, at kT_ref."""
        return PointState(jax.random.normal(key, (self.dimension,)) / jnp.sqrt(self.confinement))

    def learnable(self):
        """Weights and biases."""
        every = jax.tree.map(eqx.is_inexact_array, self)
        return eqx.tree_at(lambda s: s.confinement, every, False)

    def named_couplings(self):
        """Weights and biases by layer."""
        return self.network.named()


class Config(PointSpec):
    """A deep energy in a scenario."""

    kind: Literal["deep_energy"]
    width: int = Field(default=64, ge=1, le=10_000, description="units of each hidden layer", examples=[6])
    depth: int = Field(default=2, ge=1, le=9, description="hidden layers", examples=[2, 1])
    activation: Literal["tanh", "softplus", "silu"] = Field(
        default="silu", description="of hidden units", examples=["silu", "tanh", "softplus"]
    )
    confinement: float = Field(default=0.1, gt=0, description="stiffness k of the confining term, kT_ref/σ²")

    def build(self, key) -> DeepEnergy:
        """The model, with the usual random weights."""
        network = perceptron(key, [self.dimension, *[self.width] * self.depth, 1], self.activation)
        grid = self.dimension, float(self.reach), self.points
        return DeepEnergy(*grid, network, jnp.asarray(float(self.confinement)))
