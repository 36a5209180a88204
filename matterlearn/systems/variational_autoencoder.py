"""A latent-variable model and its encoder: a normal latent code, decoded by a network with normal noise.

    p(z) = N(0, 1),   p(x|z) = N(g_θ(z), σ²),      E(x, z) = −ln p(z) − ln p(x|z)
    q(z|x) = N(m_φ(x), s_φ(x)²)                    the encoder's guess of the code

The energy is that of field and code together, so it is normalised, ln Z = 0 at kT_ref, whatever the decoder; both are
drawn at once. Decoder, ln σ and encoder are the couplings: rule evidence_lower_bound trains them all, and ``task.data``
reports the importance-weighted likelihood (``likelihood: {guesses: 500}``).

Without hidden layers (``depth: 0``) both networks are linear, the code can be summed out,

    p(x) = N(b, W Wᵀ + σ² 1),

and this is probabilistic principal component analysis: likelihoods are exact, and the optimum is known
(``matterlearn.theory.ppca``).

| quantity | unit |
|---|---|
| x, σ | as the data |
| z | 1 |
| E | kT_ref |

Source: [kingma2014], [rezende2014]; the linear model [tipping1999], [lucas2019]. Limits: one noise for all entries;
samples contain that noise.

Example:
    >>> model = Config(kind="variational_autoencoder", shape=[3], latents=1, depth=0).build(jax.random.key(0))
    >>> model.draw(jax.random.key(1)).latent.shape
    (1,)
"""

from typing import ClassVar, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from pydantic import Field

from matterlearn.core.field import AXES
from matterlearn.core.generative import GenerativeSpec, check_temperature, standard_energy
from matterlearn.core.latent import AbstractLatent
from matterlearn.core.perceptron import Perceptron, perceptron


class CodedState(NamedTuple):
    """A field, and the code behind it."""

    field: Float[Array, "*site"]
    latent: Float[Array, " latent"]


class VariationalAutoencoder(AbstractLatent):
    """Decoder, noise and encoder."""

    shape: tuple[int, ...] = eqx.field(static=True)
    decoder: Perceptron
    encoder: Perceptron
    log_noise: Float[Array, ""]

    coupling_units: ClassVar = ("1", "weight of the network")

    @property
    def dims(self):
        """As a field; the code is a list."""
        return {"field": AXES[len(self.shape)], "latent": ("latent",)}

    @property
    def latents(self) -> int:
        """Entries of the code."""
        return self.decoder.layers[0].weight.shape[1]

    @property
    def linear(self) -> bool:
        """Whether the code can be summed out."""
        return len(self.decoder.layers) == 1

    def energy(self, x: CodedState, neighbors=None) -> Float[Array, ""]:
        """−ln p(x, z), kT_ref."""
        del neighbors
        missed = jnp.ravel(x.field) - self.decoder(x.latent)
        return standard_energy(x.latent) + standard_energy(missed, jnp.exp(self.log_noise))

    def marginal_energy(self, x: CodedState, kT, held=None, neighbors=None):
        """F(x) = −kT ln ∫ exp(−E/kT) dz over codes that are not held, if the decoder is linear; otherwise E."""
        del neighbors
        if not self.linear:
            return self.energy(x)
        free = jnp.ones(x.latent.shape, bool) if held is None else ~held.latent
        known, loads = jnp.where(free, 0.0, x.latent), jnp.where(free, self.decoder.layers[0].weight, 0.0)
        noise = jnp.exp(2 * self.log_noise)
        missed = jnp.ravel(x.field) - self.decoder(known)
        curvature = jnp.eye(self.latents) + loads.T @ loads / noise  # 1 for what is held
        pull = loads.T @ missed / noise
        lowest = self.energy(CodedState(x.field, known)) - 0.5 * pull @ jnp.linalg.solve(curvature, pull)
        volume = jnp.sum(free) * jnp.log(2 * np.pi * kT) - jnp.linalg.slogdet(curvature)[1]
        return lowest - 0.5 * kT * volume

    def log_partition(self, kT):
        """Of field and code together, 0 at kT_ref: two normal integrals."""
        entries, codes = self.size * (jnp.log(2 * np.pi) + 2 * self.log_noise), self.latents * jnp.log(2 * np.pi)
        return 0.5 * ((entries + codes) * (1 - 1 / kT) + (self.size + self.latents) * jnp.log(kT))

    def init_state(self, key) -> CodedState:
        """White noise of unit variance."""
        field, code = jax.random.split(key)
        return CodedState(jax.random.normal(field, self.shape), jax.random.normal(code, (self.latents,)))

    def draw(self, key) -> CodedState:
        """A code, decoded, with noise."""
        first, second = jax.random.split(key)
        code = jax.random.normal(first, (self.latents,))
        noise = jnp.exp(self.log_noise) * jax.random.normal(second, self.shape)
        return CodedState(self.decoder(code).reshape(self.shape) + noise, code)

    def infer(self, key, x: CodedState) -> tuple[CodedState, Float[Array, ""]]:
        """A code of the encoder's normal law, and its log-density."""
        mean, log_scale = jnp.split(self.encoder(jnp.ravel(x.field)), 2)
        code = mean + jnp.exp(log_scale) * jax.random.normal(key, mean.shape)
        centre, width = jax.lax.stop_gradient((mean, jnp.exp(log_scale)))
        return CodedState(x.field, code), -standard_energy(code - centre, width)

    def show(self, pattern):
        """The field; nothing is known of the code."""
        field, code = self.state_shape()
        target = CodedState(jnp.reshape(pattern, self.shape).astype(field.dtype), jnp.zeros(code.shape, code.dtype))
        return target, CodedState(jnp.ones(field.shape, bool), jnp.zeros(code.shape, bool))

    def read(self, x):
        """The field, flattened."""
        return jnp.ravel(x.field)

    def named_couplings(self):
        """Weights and biases of both networks, and ln σ."""
        found: dict = {"log_noise": ((), self.log_noise)}
        for part, network in (("decoder", self.decoder), ("encoder", self.encoder)):
            for name, (dims, values) in network.named().items():
                found[f"{part}_{name}"] = tuple(f"{part}_{axis}" for axis in dims), values
        return found


class Config(GenerativeSpec):
    """A variational autoencoder in a scenario."""

    kind: Literal["variational_autoencoder"]
    exact: ClassVar[bool] = True
    infers: ClassVar[bool] = True
    latents: int = Field(default=2, ge=1, le=1000, description="entries of the code", examples=[2, 1])
    width: int = Field(default=64, ge=1, le=10_000, description="units of each hidden layer", examples=[5])
    depth: int = Field(default=2, ge=0, le=9, description="hidden layers; 0: linear", examples=[1, 0])
    activation: Literal["tanh", "softplus", "silu"] = Field(default="silu", description="of hidden units")
    noise: float = Field(default=1.0, gt=0, description="σ at the start, as the data", examples=[0.8])

    @property
    def sampled_hidden(self) -> bool:
        """Whether the code has no closed form and has to be sampled."""
        return self.depth > 0

    def check(self, scenario):
        """ln Z is known at this temperature."""
        yield from self.check_size()
        yield from check_temperature(scenario)

    def build(self, key) -> VariationalAutoencoder:
        """The model, with the usual random weights."""
        first, second = jax.random.split(key)
        hidden = [self.width] * self.depth
        decoder = perceptron(first, [self.latents, *hidden, self.pattern_size], self.activation)
        encoder = perceptron(second, [self.pattern_size, *hidden, 2 * self.latents], self.activation)
        return VariationalAutoencoder(tuple(self.shape), decoder, encoder, jnp.log(jnp.asarray(float(self.noise))))
