"""Networks inside fitted scores: perceptrons, periodic convolutions with and without constants, small U-Nets.

Every network but the blind one is a function of (x, ℓ): data of zero mean and unit variance, and the noise level
ℓ = ln σ/α. The last layer starts at zero, so that a fit begins with the Gaussian posterior it corrects.

Example:
    >>> network = perceptron_network(jax.random.key(0), (2,), width=8, depth=2)
    >>> network(jnp.ones(2), jnp.asarray(0.0)).tolist()
    [0.0, 0.0]
"""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from matterlearn.core.perceptron import Perceptron, perceptron
from matterlearn.diffusion.bases import Data
from matterlearn.diffusion.stencils import stencil

FREQUENCIES = (0.25, 0.5, 1.0, 2.0)  # per unit of ℓ = ln σ/α, of which a process spans about ten
EMBEDDED = 1 + 2 * len(FREQUENCIES)
Plane = Float[Array, "row column channel"]


def embed(level: Float[Array, ""]) -> Float[Array, " feature"]:
    """The noise level, and waves of it."""
    phases = jnp.asarray(FREQUENCIES) * level
    return jnp.concatenate([0.25 * level[None], jnp.sin(phases), jnp.cos(phases)])


class PerceptronNetwork(eqx.Module):
    """Layers that see all entries, and the noise level beside them."""

    perceptron: Perceptron

    def __call__(self, x: Data, level: Float[Array, ""]) -> Data:
        return self.perceptron(jnp.concatenate([x.ravel(), embed(level)])).reshape(x.shape)


@eqx.filter_jit  # eagerly, every shape of weights would be compiled on its own
def perceptron_network(key: Key[Array, ""], shape: tuple[int, ...], *, width: int, depth: int) -> PerceptronNetwork:
    """With so many hidden layers of this width."""
    size = math.prod(shape)
    built = perceptron(key, [size + EMBEDDED, *[width] * depth, size], "silu")
    # The usual weights have variance 1/3n, with which signals fade from layer to layer; 2/n keeps them.
    hidden = [eqx.tree_at(lambda layer: layer.weight, each, each.weight * math.sqrt(6)) for each in built.layers[:-1]]
    last = jax.tree.map(jnp.zeros_like, built.layers[-1])
    return PerceptronNetwork(eqx.tree_at(lambda p: p.layers, built, (*hidden, last)))


class Convolution(eqx.Module):
    """A stencil of 3 × 3 sites between channels, constant added or not."""

    weight: Float[Array, "3 3 channel output"]
    bias: Float[Array, " output"] | None
    edges: str = eqx.field(static=True)

    def __call__(self, x: Plane) -> Plane:
        out = stencil(x[None], self.weight, self.edges)[0]
        return out if self.bias is None else out + self.bias


def convolution(key, channels: int, output: int, edges: str, *, constant: bool, gain: float = 2.0) -> Convolution:
    """With weights of variance gain/(9 channels), which keeps that of rectified signals."""
    weight = jnp.sqrt(gain / (9 * channels)) * jax.random.normal(key, (3, 3, channels, output))
    return Convolution(weight, jnp.zeros(output) if constant else None, edges)


class BiasFreeNetwork(eqx.Module):
    """Rectified convolutions without constants: f(y) = J_f(y) y, whatever the noise level.

    What they find is the noise, which is taken away: little noise needs little change.
    """

    layers: tuple[Convolution, ...]

    def __call__(self, x: Float[Array, "row column"]) -> Float[Array, "row column"]:
        h = x[:, :, None]
        for layer in self.layers[:-1]:
            h = jax.nn.relu(layer(h))
        return x - self.layers[-1](h)[:, :, 0]


@eqx.filter_jit
def bias_free_network(key: Key[Array, ""], *, width: int, depth: int, edges: str) -> BiasFreeNetwork:
    """With so many hidden layers of ``width`` channels."""
    sizes = [1, *[width] * depth, 1]
    keys = jax.random.split(key, depth + 1)
    gains = [2.0] * depth + [0.0]
    drawn = zip(keys, sizes[:-1], sizes[1:], gains, strict=True)
    return BiasFreeNetwork(tuple(convolution(k, m, n, edges, constant=False, gain=g) for k, m, n, g in drawn))


class Block(eqx.Module):
    """Two convolutions around the noise level, and what came in."""

    first: Convolution
    second: Convolution
    shift: eqx.nn.Linear
    across: eqx.nn.Linear

    def __call__(self, x: Plane, features: Float[Array, " feature"]) -> Plane:
        h = jax.nn.silu(self.first(x) + self.shift(features))
        return x @ self.across.weight.T + self.second(h)


def block(key, channels: int, output: int, edges: str) -> Block:
    """From ``channels`` to ``output`` channels."""
    keys = jax.random.split(key, 4)
    across = eqx.nn.Linear(channels, output, use_bias=False, key=keys[3])
    across = eqx.tree_at(lambda layer: layer.weight, across, across.weight * math.sqrt(3))  # variance 1/n: signals stay
    return Block(
        convolution(keys[0], channels, output, edges, constant=True),
        convolution(keys[1], output, output, edges, constant=True, gain=0.1),
        eqx.nn.Linear(EMBEDDED, output, key=keys[2]),
        across,
    )


class UNet(eqx.Module):
    """Blocks on coarser and coarser lattices and back, each scale joined to itself."""

    down: tuple[Block, ...]
    up: tuple[Block, ...]
    last: Convolution

    def __call__(self, x: Float[Array, "row column"], level: Float[Array, ""]) -> Float[Array, "row column"]:
        features, h, kept = embed(level), x[:, :, None], []
        for number, each in enumerate(self.down):
            if number:
                h = coarsened(h)
            h = each(h, features)
            kept.append(h)
        for each, fine in zip(self.up, kept[-2::-1], strict=True):
            h = each(jnp.concatenate([refined(h), fine], -1), features)
        return self.last(h)[:, :, 0]


@eqx.filter_jit
def u_net(key: Key[Array, ""], shape: tuple[int, int], *, width: int, depth: int, edges: str) -> UNet:
    """With ``depth`` scales; the channels double from one to the next.

    Raises:
        ValueError: if the sides cannot be halved that often.
    """
    if any(side % 2 ** (depth - 1) for side in shape):
        raise ValueError(f"sides {shape} cannot be halved {depth - 1} times: choose fewer scales")
    channels = [1, *[width * 2**scale for scale in range(depth)]]
    keys = jax.random.split(key, 2 * depth)
    down = [block(k, m, n, edges) for k, m, n in zip(keys, channels[:-1], channels[1:], strict=False)]
    pairs = list(zip(channels[:0:-1], channels[-2:0:-1], strict=False))  # coarse and the finer one above it
    up = [block(k, coarse + fine, fine, edges) for k, (coarse, fine) in zip(keys[depth:], pairs, strict=False)]
    return UNet(tuple(down), tuple(up), convolution(keys[-1], width, 1, edges, constant=True, gain=0.0))


def coarsened(x: Plane) -> Plane:
    """Averages over squares of four sites."""
    rows, columns, channels = x.shape
    return x.reshape(rows // 2, 2, columns // 2, 2, channels).mean((1, 3))


def refined(x: Plane) -> Plane:
    """Every site four times."""
    return x.repeat(2, 0).repeat(2, 1)
