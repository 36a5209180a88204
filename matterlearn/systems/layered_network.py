"""Layered network whose energy is how far every layer is from what the layer before asks for.

    E = ½ Σ_k |z_{k+1} − f(W_k z_k + b_k)|²,        z_0 clamped to the input

Left free, the minimum is E = 0: the forward pass of a feed-forward network. A cost C on the last layer pulls at it, and

    dC/dW_k = [λ_{k+1} f'(a_k)] z_kᵀ,    λ_K = ∂C/∂z_K,    λ_k = W_kᵀ [λ_{k+1} f'(a_k)],    a_k = W_k z_k + b_k

the adjoint of the minimum, is backpropagation; equilibrium propagation measures the same from two nudged minima. −λ_k
is how far layer k is from what it was asked for, per unit of nudge: with k standing for time, z and λ are position and
momentum of an optimal control problem with Hamiltonian λ_{k+1}·f(W_k z_k + b_k).

| quantity | unit |
|---|---|
| z, W, b | 1 |
| E | kT_ref |

Source: [lecun1988theoretical], [whittington2017approximation]. Limits: all layers weigh the
same; a deep network needs small nudges.

Example:
    >>> net = Config(kind="layered_network", layers=[2, 1], activation="linear").build(jax.random.key(0))
    >>> x = net.forward(jnp.array([0.3, -0.2]))
    >>> float(net.energy(x)) < 1e-12
    True
"""

from itertools import pairwise
from typing import Annotated, ClassVar, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key
from pydantic import Field

from matterlearn.core.system import AbstractSystem
from matterlearn.spec import Spec

ACTIVATIONS = {
    "tanh": jnp.tanh,
    "sigmoid": jax.nn.sigmoid,
    "softplus": jax.nn.softplus,
    "relu": jax.nn.relu,
    "linear": lambda a: a,
}


class LayeredState(NamedTuple):
    """Activities of all units, layer after layer."""

    activity: Float[Array, " unit"]


class LayeredNetwork(AbstractSystem):
    """Weights and biases between layers are the couplings."""

    weights: tuple[Float[Array, "out in"], ...]
    biases: tuple[Float[Array, " out"], ...]
    activation: str = eqx.field(static=True)
    learns: tuple[str, ...] = eqx.field(static=True)

    dims: ClassVar = {"activity": ("unit",)}
    coupling_units: ClassVar = ("1", "weight or bias")

    @property
    def layers(self) -> tuple[int, ...]:
        """Units of every layer, the input first."""
        return (self.weights[0].shape[-1], *(w.shape[-2] for w in self.weights))

    def split(self, x: LayeredState) -> list[Float[Array, " layer"]]:
        """z_0 … z_K."""
        return jnp.split(x.activity, np.cumsum(self.layers)[:-1])

    def asked(self, k: int, z: Float[Array, " in"]) -> Float[Array, " out"]:
        """f(W_k z + b_k)."""
        return ACTIVATIONS[self.activation](self.weights[k] @ z + self.biases[k])

    def energy(self, x: LayeredState, neighbors=None) -> Float[Array, ""]:
        """½ Σ squared deviations, kT_ref."""
        del neighbors
        z = self.split(x)
        return 0.5 * sum(jnp.sum((after - self.asked(k, z[k])) ** 2) for k, after in enumerate(z[1:]))  # pyright: ignore[reportReturnType]  # noqa: E501

    def forward(self, inputs: Float[Array, " in"]) -> LayeredState:
        """The minimum under a clamped input, layer by layer."""
        z = [inputs]
        for k in range(len(self.weights)):
            z.append(self.asked(k, z[-1]))
        return LayeredState(jnp.concatenate(z))

    def init_state(self, key: Key[Array, ""]) -> LayeredState:
        """Standard normal activities."""
        return LayeredState(jax.random.normal(key, (sum(self.layers),)))

    def learnable(self):
        """Weights, biases, or both."""
        count = len(self.weights)
        flags = ((name in self.learns,) * count for name in PARTS)
        return eqx.tree_at(lambda s: (s.weights, s.biases), self, tuple(flags))

    def named_couplings(self):
        """``weight_k`` and ``bias_k`` into layer k + 1."""
        named = {}
        for k, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            if "weights" in self.learns:
                named[f"weight_{k}"] = (f"unit_{k + 1}", f"unit_{k}"), weight
            if "biases" in self.learns:
                named[f"bias_{k}"] = (f"unit_{k + 1}",), bias
        return named


PARTS = ("weights", "biases")


class Config(Spec):
    """A layered network in a scenario."""

    kind: Literal["layered_network"]
    positions: ClassVar[bool] = False
    layers: Annotated[list[Annotated[int, Field(ge=1, le=2000)]], Field(min_length=2, max_length=50)] = Field(
        description="units per layer, the input first", examples=[[2, 3, 1], [3, 2]]
    )
    activation: Literal["tanh", "sigmoid", "softplus", "relu", "linear"] = Field(
        default="tanh", description="f", examples=["tanh", "softplus"]
    )
    scale: float = Field(default=1.0, gt=0, description="of the initial weights, over 1/√(units of the layer before)")
    learn: Annotated[list[Literal["weights", "biases"]], Field(min_length=1, max_length=2)] = Field(
        default=["weights", "biases"], description="what is learned"
    )

    @property
    def ports(self) -> int:
        """Units."""
        return sum(self.layers)

    def build(self, key) -> LayeredNetwork:
        """The network with normal random weights and no biases."""
        keys = jax.random.split(key, len(self.layers) - 1)
        weights = tuple(
            self.scale / np.sqrt(n) * jax.random.normal(k, (m, n))
            for k, (n, m) in zip(keys, pairwise(self.layers), strict=True)
        )
        biases = tuple(jnp.zeros(m) for m in self.layers[1:])
        learns = tuple(name for name in PARTS if name in self.learn)
        return LayeredNetwork(weights, biases, self.activation, learns)
