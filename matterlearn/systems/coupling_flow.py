"""A normalising flow of affine coupling layers (RealNVP): an invertible network whose density is known exactly.

    x → z = f(x),   z ~ N(0, 1),      E(x) = −ln p(x) = ½ |z|² + ½ d ln 2π − ln |det ∂f/∂x|

Every layer scales and shifts those entries that its mask b leaves free by what a network makes of the others,

    y = b x + (1 − b) (x e^s + t),    (s, t) = g_θ(b x),      ln |det ∂y/∂x| = Σ_{b = 0} s

so the Jacobian is triangular, its determinant a sum, and the inverse x = b y + (1 − b)(y − t) e^{−s} costs as much as
the layer. Masks alternate: even and odd entries of a list, the two colours of a checkerboard in a plane. Scales are
bounded, s = c tanh(·/c), so that one step of learning cannot blow up a layer. ln Z = 0, hence rule maximum_likelihood
descends −⟨ln p⟩ itself, and a sample is one pass backwards (dynamics direct_sampling).

| quantity | unit |
|---|---|
| x | as the data |
| E | kT_ref |

Source: [dinh2017realnvp]. Limits: topology is that of the base, so separate clusters stay joined by filaments; no
batch normalisation, no multi-scale architecture.

Example:
    >>> flow = Config(kind="coupling_flow", shape=[2], layers=2, width=4).build(jax.random.key(0))
    >>> round(flow.energy(FieldState(jnp.zeros(2))).item(), 6)  # it starts as the identity
    1.837877
"""

from typing import ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from pydantic import Field

from matterlearn.core.field import AbstractGenerative, FieldState, normalised
from matterlearn.core.generative import GenerativeSpec, check_temperature, standard_energy
from matterlearn.core.perceptron import Perceptron, perceptron
from matterlearn.spec import Problem


class CouplingFlow(AbstractGenerative):
    """Coupling layers, stacked along the first axis of the network's leaves."""

    shape: tuple[int, ...] = eqx.field(static=True)
    network: Perceptron
    bound: Float[Array, ""]

    coupling_units: ClassVar = ("1", "weight of the network")

    @property
    def masks(self) -> Float[np.ndarray, "layer entry"]:
        """What each layer passes on unchanged: entries whose indices add up to an even number, then an odd one."""
        odd = np.indices(self.shape).sum(0).ravel() % 2
        layers = len(self.network.layers[0].weight)
        return (odd == np.arange(layers)[:, None] % 2).astype(float)

    def to_base(self, x: Float[Array, " entry"]) -> tuple[Float[Array, " entry"], Float[Array, ""]]:
        """z = f(x) and ln |det ∂z/∂x|."""

        def layer(carry, item):
            (x, volume), (network, mask) = carry, item
            scale, shift = self._affine(network, mask, x)
            return (mask * x + (1 - mask) * (x * jnp.exp(scale) + shift), volume + jnp.sum(scale)), None

        return jax.lax.scan(layer, (x, jnp.zeros((), x.dtype)), (self.network, jnp.asarray(self.masks, x.dtype)))[0]

    def from_base(self, z: Float[Array, " entry"]) -> Float[Array, " entry"]:
        """x = f⁻¹(z), the layers backwards."""

        def layer(x, item):
            network, mask = item
            scale, shift = self._affine(network, mask, x)
            return mask * x + (1 - mask) * (x - shift) * jnp.exp(-scale), None

        return jax.lax.scan(layer, z, (self.network, jnp.asarray(self.masks, z.dtype)), reverse=True)[0]

    def _affine(self, network, mask, x):
        """s and t of the free entries, 0 elsewhere; they depend on the others alone."""
        raw, shift = jnp.split(network(mask * x), 2)
        return (1 - mask) * self.bound * jnp.tanh(raw / self.bound), (1 - mask) * shift

    def energy(self, x: FieldState, neighbors=None) -> Float[Array, ""]:
        """−ln p(x), kT_ref."""
        del neighbors
        z, volume = self.to_base(jnp.ravel(x.field))
        return standard_energy(z) - volume

    def log_partition(self, kT):
        """0 at kT_ref."""
        return normalised(kT)

    def draw(self, key) -> FieldState:
        """A normal point of the base, taken back."""
        return FieldState(self.from_base(jax.random.normal(key, (self.size,))).reshape(self.shape))

    def learnable(self):
        """Weights and biases."""
        return eqx.tree_at(lambda s: s.bound, jax.tree.map(eqx.is_inexact_array, self), False)

    def named_couplings(self):
        """Weights and biases of all layers."""
        return {name: (("coupling_layer", *dims), values) for name, (dims, values) in self.network.named().items()}


class Config(GenerativeSpec):
    """A flow of coupling layers in a scenario."""

    kind: Literal["coupling_flow"]
    exact: ClassVar[bool] = True
    layers: int = Field(default=8, ge=2, le=200, description="coupling layers", examples=[2])
    width: int = Field(default=64, ge=1, le=10_000, description="units of a hidden layer of the networks", examples=[5])
    depth: int = Field(default=2, ge=1, le=9, description="hidden layers of the networks", examples=[1])
    activation: Literal["tanh", "softplus", "silu"] = Field(default="silu", description="of hidden units")
    bound: float = Field(default=1.0, gt=0, description="c, largest logarithm of a layer's scale")

    def check(self, scenario):
        """What is passed on and what is changed are both more than nothing; ln Z is known at this temperature."""
        yield from self.check_size()
        yield from check_temperature(scenario)
        if self.pattern_size < 2:
            yield Problem(("shape",), "a layer changes some entries by what it makes of others: use 2 entries or more")

    def build(self, key) -> CouplingFlow:
        """The flow, which starts as the identity: the last layer of every network is zero."""
        sizes = [self.pattern_size, *[self.width] * self.depth, 2 * self.pattern_size]
        networks = eqx.filter_vmap(lambda k: perceptron(k, sizes, self.activation))(jax.random.split(key, self.layers))
        last = lambda net: (net.layers[-1].weight, net.layers[-1].bias)  # noqa: E731
        networks = eqx.tree_at(last, networks, replace_fn=jnp.zeros_like)
        return CouplingFlow(tuple(self.shape), networks, jnp.asarray(float(self.bound)))
