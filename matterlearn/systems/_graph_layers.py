"""Layers of networks on graphs: how the features of a node follow from those of its neighbours.

| layer | features of the next layer | source |
|---|---|---|
| convolution | S z W + b | [kipf2017semisupervised] |
| polynomial | Σ_r Sʳ z W_r + b | [defferrard2016convolutional] |
| attention | Ã(z) z W + b, Ã_ij = softmax_j g(a·W z_i + a'·W z_j), g leaky | [velickovic2018graph] |
| residual | z + τ f(S z W + b) | [he2016deep] |
| diffusion | z + τ (S − 1) z, or z + τ (Ã(z) − 1) z with Ã_ij = softmax_j (K z_i·Q z_j/√k) | [chamberlain2021grand] |

S is the propagator of the graph, S z the average that conduction makes of z in one step. Every layer is called with
(S, z), z of shape node × channel. The last two keep the number of channels, so an encoder and a decoder, which know
nothing of the graph, stand before and behind them.
"""

import abc
from collections.abc import Callable
from typing import Annotated, ClassVar, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key
from pydantic import Field

from matterlearn.core.message_passing import Messages
from matterlearn.spec import Spec

ACTIVATIONS = {"relu": jax.nn.relu, "tanh": jnp.tanh, "softplus": jax.nn.softplus, "linear": lambda a: a}
Activation = Literal["relu", "tanh", "softplus", "linear"]
LEAK = 0.2  # slope of g below 0
Features = Float[Array, "node channel"]


class Propagator(eqx.Module):
    """S: the average over neighbours that conduction makes in one step."""

    messages: Messages
    weights: Float[Array, " edge"]

    def __call__(self, z: Features) -> Features:
        """S z."""
        return self.messages.mix(self.weights, z)


class AbstractLayer(eqx.Module):
    """Features of the next layer from those of this one."""

    @abc.abstractmethod
    def __call__(self, propagate: Propagator, z: Features) -> Features:
        """What this layer asks of the next one."""

    def amplification(self, eigenvalues: Float[np.ndarray, " mode"]) -> Float[np.ndarray, " mode"] | None:
        """The factor a(λ) on an eigenvector of S, weights aside. Default: there is no such number."""
        del eigenvalues


class Nodewise(AbstractLayer):
    """z W + b, node by node."""

    weight: Float[Array, "in out"]
    bias: Float[Array, " out"]

    def __call__(self, propagate, z):
        del propagate
        return z @ self.weight + self.bias


class Convolution(AbstractLayer):
    """S z W + b."""

    weight: Float[Array, "in out"]
    bias: Float[Array, " out"]

    def __call__(self, propagate, z):
        return propagate(z @ self.weight) + self.bias

    def amplification(self, eigenvalues):
        """λ."""
        return eigenvalues


class Polynomial(AbstractLayer):
    """Σ_r Sʳ z W_r + b, by Horner's rule."""

    weight: Float[Array, "power in out"]
    bias: Float[Array, " out"]

    def __call__(self, propagate, z):
        total = z @ self.weight[-1]
        for weight in self.weight[-2::-1]:
            total = propagate(total) + z @ weight
        return total + self.bias


class Attention(AbstractLayer):
    """Ã(z) z W + b; how much a node listens to another follows from both."""

    weight: Float[Array, "in out"]
    bias: Float[Array, " out"]
    listens: Float[Array, " out"]
    speaks: Float[Array, " out"]

    def __call__(self, propagate, z):
        sent, messages = z @ self.weight, propagate.messages
        logits = (sent @ self.listens)[messages.receivers] + (sent @ self.speaks)[messages.senders]
        return messages.mix(messages.softmax(jax.nn.leaky_relu(logits, LEAK)), sent) + self.bias


class Diffusion(AbstractLayer):
    """z + τ (S − 1) z."""

    step: float = eqx.field(static=True)

    def __call__(self, propagate, z):
        return z + self.step * (propagate(z) - z)

    def amplification(self, eigenvalues):
        """1 − τ (1 − λ)."""
        return 1 - self.step * (1 - eigenvalues)


class AttentiveDiffusion(AbstractLayer):
    """z + τ (Ã(z) − 1) z."""

    step: float = eqx.field(static=True)
    key: Float[Array, "channel size"]
    query: Float[Array, "channel size"]

    def __call__(self, propagate, z):
        messages = propagate.messages
        heard, asked = (z @ self.key)[messages.receivers], (z @ self.query)[messages.senders]
        logits = jnp.sum(heard * asked, -1) / jnp.sqrt(1.0 * self.key.shape[-1])
        return z + self.step * (messages.mix(messages.softmax(logits), z) - z)


class Activated(AbstractLayer):
    """f of what another layer asks."""

    layer: AbstractLayer
    activation: str = eqx.field(static=True)

    def __call__(self, propagate, z):
        return ACTIVATIONS[self.activation](self.layer(propagate, z))

    def amplification(self, eigenvalues):
        """That of the layer: f is no part of conduction."""
        return self.layer.amplification(eigenvalues)


class Residual(AbstractLayer):
    """z + τ times what another layer asks."""

    layer: AbstractLayer
    step: float = eqx.field(static=True)

    def __call__(self, propagate, z):
        return z + self.step * self.layer(propagate, z)


Make = Callable[[Key[Array, ""]], AbstractLayer]


class Stack(NamedTuple):
    """How to make the layers of one network, each from a key: into the hidden ones, between them, out of them.

    Without hidden ones, ``last`` takes the inputs.
    """

    first: Make
    middle: Make
    last: Make


class Sizes(NamedTuple):
    """Numbers at a node: given, hidden, asked for."""

    features: int
    channels: int
    classes: int


def glorot(key: Key[Array, ""], *shape: int) -> Float[Array, "*shape"]:
    """Uniform with variance 2/(in + out) [glorot2010understanding]."""
    return jax.nn.initializers.glorot_uniform()(key, shape)


def _convolution(n: int, m: int) -> Make:
    return lambda key: Convolution(glorot(key, n, m), jnp.zeros(m))


def _nodewise(n: int, m: int) -> Make:
    return lambda key: Nodewise(glorot(key, n, m), jnp.zeros(m))


def _polynomial(order: int, n: int, m: int) -> Make:
    return lambda key: Polynomial(
        jnp.stack([glorot(k, n, m) for k in jax.random.split(key, order + 1)]) / jnp.sqrt(order + 1.0), jnp.zeros(m)
    )


def _attention(n: int, m: int) -> Make:
    def make(key):
        keys = jax.random.split(key, 3)
        listens, speaks = (glorot(k, m, 1)[:, 0] for k in keys[1:])
        return Attention(glorot(keys[0], n, m), jnp.zeros(m), listens, speaks)

    return make


def _repeated(make: Callable[[int, int], Make], depth: int, sizes: Sizes, activation: str) -> Stack:
    """Layers of one kind, the first from the inputs and the last to the outputs."""
    inputs, channels, classes = sizes
    active = lambda made: lambda key: Activated(made(key), activation)  # noqa: E731
    last = make(channels if depth > 1 else inputs, classes)
    return Stack(active(make(inputs, channels)), active(make(channels, channels)), last)


def _encoded(middle: Make, sizes: Sizes, activation: str) -> Stack:
    """Layers that keep the channels, between an encoder and a decoder."""
    inputs, channels, classes = sizes
    encode = _nodewise(inputs, channels)
    return Stack(lambda key: Activated(encode(key), activation), middle, _nodewise(channels, classes))


class ConvolutionSpec(Spec):
    """Graph convolution."""

    kind: Literal["convolution"]
    beyond: ClassVar[int] = -1  # hidden layers beyond those that see the graph

    def stack(self, depth: int, sizes: Sizes, activation: str) -> Stack:
        """Convolutions from inputs to outputs."""
        return _repeated(_convolution, depth, sizes, activation)


class PolynomialSpec(Spec):
    """A polynomial filter in every layer."""

    kind: Literal["polynomial"]
    beyond: ClassVar[int] = -1
    order: int = Field(default=2, ge=1, le=20, description="highest power of the propagator")

    def stack(self, depth: int, sizes: Sizes, activation: str) -> Stack:
        """Filters from inputs to outputs."""
        return _repeated(lambda n, m: _polynomial(self.order, n, m), depth, sizes, activation)


class AttentionSpec(Spec):
    """Attention to neighbours."""

    kind: Literal["attention"]
    beyond: ClassVar[int] = -1

    def stack(self, depth: int, sizes: Sizes, activation: str) -> Stack:
        """Attention from inputs to outputs."""
        return _repeated(_attention, depth, sizes, activation)


Step = Annotated[float, Field(gt=0, le=1, description="τ; at most 1: averages stay between what they are of")]


class ResidualSpec(Spec):
    """Convolutions that only change what they are given."""

    kind: Literal["residual"]
    beyond: ClassVar[int] = 1
    step: Step = 0.5

    def stack(self, depth: int, sizes: Sizes, activation: str) -> Stack:
        """Changes between an encoder and a decoder."""
        change = _convolution(sizes.channels, sizes.channels)
        return _encoded(lambda key: Residual(Activated(change(key), activation), self.step), sizes, activation)


class DiffusionSpec(Spec):
    """Explicit steps of conduction, by the propagator or by attention."""

    kind: Literal["diffusion"]
    beyond: ClassVar[int] = 1
    step: Step = 0.5
    attention: int | None = Field(default=None, ge=1, le=1000, description="size of keys and queries; null: fixed")

    def stack(self, depth: int, sizes: Sizes, activation: str) -> Stack:
        """Conduction between an encoder and a decoder."""
        return _encoded(self._conduct(sizes.channels), sizes, activation)

    def _conduct(self, channels: int) -> Make:
        size = self.attention
        if size is None:
            return lambda key: Diffusion(self.step)
        return lambda key: AttentiveDiffusion(self.step, *(glorot(k, channels, size) for k in jax.random.split(key)))


Layer = Annotated[
    ConvolutionSpec | PolynomialSpec | AttentionSpec | ResidualSpec | DiffusionSpec, Field(discriminator="kind")
]
