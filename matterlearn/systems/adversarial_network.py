"""A generator and a discriminator: samples that a judge cannot tell from data, without a density.

    x = G_θ(z),   z ~ N(0, 1);        E(x) = −ℓ_φ(x),     D(x) = 1/(1 + exp(E(x)/kT_ref))

ℓ is the discriminator's logit: it says data with probability D. Trained to its optimum against a generator of density
p_G, D = p_data/(p_data + p_G), so that

    E(x) = −ln p_data(x) + ln p_G(x):        p_data(x) = p_G(x) exp(−E(x))

The energy of this system is therefore not that of its samples, but what has to be added to the generator's to get the
data's; it is flat once the generator is right. Rule adversarial trains both; dynamics direct_sampling draws G(z).

| quantity | unit |
|---|---|
| x | as the data |
| z | 1 |
| E | kT_ref (nat) |

Source: [goodfellow2014]. Limits: no likelihood; a generator of fewer latent variables than entries has none.

Example:
    >>> model = Config(kind="adversarial_network", shape=[2], latents=3).build(jax.random.key(0))
    >>> model.draw(jax.random.key(1)).field.shape
    (2,)
"""

from typing import ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
from pydantic import Field

from matterlearn.core.field import AbstractGenerative, FieldState
from matterlearn.core.generative import GenerativeSpec
from matterlearn.core.perceptron import Perceptron, perceptron


class AdversarialNetwork(AbstractGenerative):
    """The two networks."""

    shape: tuple[int, ...] = eqx.field(static=True)
    generator: Perceptron
    discriminator: Perceptron

    coupling_units: ClassVar = ("1", "weight of the network")

    def energy(self, x: FieldState, neighbors=None) -> Float[Array, ""]:
        """−ℓ(x), the discriminator's doubt, kT_ref."""
        del neighbors
        return -self.discriminator(jnp.ravel(x.field))[0]

    def draw(self, key) -> FieldState:
        """G(z)."""
        latents = self.generator.layers[0].weight.shape[1]
        return FieldState(self.generator(jax.random.normal(key, (latents,))).reshape(self.shape))

    def named_couplings(self):
        """Weights and biases of both networks."""
        found = {}
        for part, network in (("generator", self.generator), ("discriminator", self.discriminator)):
            for name, (dims, values) in network.named().items():
                found[f"{part}_{name}"] = tuple(f"{part}_{axis}" for axis in dims), values
        return found


class Config(GenerativeSpec):
    """A generator and a discriminator in a scenario."""

    kind: Literal["adversarial_network"]
    adversarial: ClassVar[bool] = True
    latents: int = Field(default=2, ge=1, le=10_000, description="latent variables of the generator")
    width: int = Field(default=64, ge=1, le=10_000, description="units of each hidden layer", examples=[5])
    depth: int = Field(default=2, ge=0, le=9, description="hidden layers of both networks; 0: linear", examples=[1])
    activation: Literal["tanh", "softplus", "silu"] = Field(default="silu", description="of hidden units")

    def check(self, scenario):
        """Dense networks suit the field."""
        del scenario
        yield from self.check_size()

    def build(self, key) -> AdversarialNetwork:
        """Both networks, with the usual random weights."""
        first, second = jax.random.split(key)
        hidden = [self.width] * self.depth
        generator = perceptron(first, [self.latents, *hidden, self.pattern_size], self.activation)
        discriminator = perceptron(second, [self.pattern_size, *hidden, 1], self.activation)
        return AdversarialNetwork(tuple(self.shape), generator, discriminator)
