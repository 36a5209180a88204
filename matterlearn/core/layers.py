"""Layers of units that do not interact among themselves, for matter made of two such layers.

Each layer hears a *field* g from the other one, one number per feature, and has the energy

    units of two values      Σ_i (U_i + g_i) s_i,                          s_i ∈ {low, 1}
    Potts units              Σ_i (U_i + g_i)[v_i],                         v_i ∈ {0, …, q − 1}
    Gaussian units           Σ_i (v_i − a_i)²/2σ_i² + g_i v_i/σ_i²

so that given the field its units are independent: they are drawn at once, and their partition function is a product.
"""

import abc

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Shaped

from matterlearn.core.bits import Bits, uniform

NEVER = 1e6  # kT_ref: energy of a value that a unit of this layer cannot take

Value = Shaped[Array, " unit"]
Field = Float[Array, " feature"]


class AbstractLayer(eqx.Module):
    """Units that feel a field, but not each other; the array leaves are couplings."""

    @property
    @abc.abstractmethod
    def values(self) -> int:
        """How many values a unit may take; 0 for a continuum."""

    @abc.abstractmethod
    def features(self, value: Value) -> Field:
        """What the field couples to."""

    @abc.abstractmethod
    def local_energies(self, value: Value, field: Field) -> Float[Array, " unit"]:
        """Energy of every unit in a field, kT_ref."""

    @abc.abstractmethod
    def draw(self, bits: Bits, field: Field, kT: Float[Array, ""]) -> Value:
        """Values from the Boltzmann law in a field."""

    @abc.abstractmethod
    def free_energies(self, field: Field, kT: Float[Array, ""]) -> Float[Array, " unit"]:
        """−kT ln of the partition function of every unit in a field, kT_ref."""

    @abc.abstractmethod
    def blank(self) -> Value:
        """Zeros in the shape and type of the layer's values."""

    @property
    def size(self) -> int:
        """Number of units."""
        return self.blank().shape[0]

    def start(self, key) -> Value:
        """Every value equally likely. Gaussian units are drawn without a field, at kT_ref."""
        return jax.random.randint(key, self.blank().shape, 0, self.values, self.blank().dtype)


class BinaryLayer(AbstractLayer):
    """Units of two values: 0 stands for ``low``, 1 for 1."""

    threshold: Float[Array, " unit"]
    low: int = eqx.field(static=True)

    @property
    def values(self) -> int:
        """Two."""
        return 2

    def features(self, value):
        """s."""
        return self.low + (1 - self.low) * value.astype(self.threshold.dtype)

    def local_energies(self, value, field):
        """(U + g) s."""
        energy = (self.threshold + field) * self.features(value)
        return jnp.where(value < self.values, energy, NEVER)

    def draw(self, bits, field, kT):
        """1 with probability 1/(1 + exp[(1 − low)(U + g)/kT])."""
        gap = (self.low - 1) * (self.threshold + field) / kT
        return likely(bits, gap).astype(jnp.int8)

    def free_energies(self, field, kT):
        """−kT ln Σ_s exp(−(U + g) s/kT)."""
        energy = self.threshold + field
        return self.low * energy - kT * softplus((self.low - 1) * energy / kT)

    def blank(self):
        """Zeros."""
        return jnp.zeros(self.threshold.shape, jnp.int8)

    def start(self, key):
        """Tosses of a coin, 32 from every random word."""
        words, _ = Bits(key).draw((-(-self.size // 32), 1))
        return ((words >> jnp.arange(32, dtype=jnp.uint32)) & 1).ravel()[: self.size].astype(jnp.int8)


class PottsLayer(AbstractLayer):
    """Units of q values; a field has one number per unit and value."""

    threshold: Float[Array, "unit value"]

    @property
    def values(self) -> int:
        """q."""
        return self.threshold.shape[1]

    def features(self, value):
        """1 where the unit has the value."""
        return jax.nn.one_hot(value, self.values, dtype=self.threshold.dtype).ravel()

    def _energies(self, field) -> Float[Array, "unit value"]:
        return self.threshold + field.reshape(self.threshold.shape)

    def local_energies(self, value, field):
        """(U + g)[v]."""
        return jnp.take_along_axis(self._energies(field), value.astype(int)[:, None], 1, mode="clip")[:, 0]

    def draw(self, bits, field, kT):
        """By Gumbel's trick: the largest of −(U + g)/kT + noise."""
        noise = -jnp.log(-jnp.log(uniform(*bits.draw(self.threshold.shape)) * (1 - 2**-24)))
        return jnp.argmax(noise - self._energies(field) / kT, -1).astype(jnp.int8)

    def free_energies(self, field, kT):
        """−kT ln Σ_v exp(−(U + g)[v]/kT)."""
        return -kT * jax.nn.logsumexp(-self._energies(field) / kT, -1)

    def blank(self):
        """Zeros."""
        return jnp.zeros(len(self.threshold), jnp.int8)


class GaussianLayer(AbstractLayer):
    """Real numbers, normal around a − g with variance σ² kT."""

    mean: Float[Array, " unit"]
    log_scale: Float[Array, " unit"]

    @property
    def values(self) -> int:
        """A continuum."""
        return 0

    @property
    def precision(self) -> Float[Array, " unit"]:
        """1/σ²."""
        return jnp.exp(-2 * self.log_scale)

    def features(self, value):
        """v/σ²."""
        return value * self.precision

    def local_energies(self, value, field):
        """(v − a)²/2σ² + g v/σ²."""
        return self.precision * ((value - self.mean) ** 2 / 2 + field * value)

    def draw(self, bits, field, kT):
        """a − g + σ √kT · normal, by Box and Muller."""
        first, second = (uniform(*bits.draw(self.mean.shape)) for _ in range(2))
        normal = jnp.sqrt(-2 * jnp.log(first)) * jnp.cos(2 * np.pi * second)
        return self.mean - field + jnp.exp(self.log_scale) * jnp.sqrt(kT) * normal

    def free_energies(self, field, kT):
        """(a g − g²/2)/σ² − ½ kT ln(2π σ² kT)."""
        gained = self.precision * (self.mean * field - field**2 / 2)
        return gained - kT * (0.5 * jnp.log(2 * np.pi * kT) + self.log_scale)

    def blank(self):
        """Zeros."""
        return jnp.zeros_like(self.mean)

    def start(self, key):
        """Normal around a with variance σ²."""
        return self.mean + jnp.exp(self.log_scale) * jax.random.normal(key, self.mean.shape)


@jax.custom_jvp
def softplus(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """ln(1 + e^x); its derivative is written out, since going through the logarithm costs ten times more.

    >>> float(jax.grad(softplus)(0.0))
    0.5
    """
    return jnp.logaddexp(x, 0.0)


@softplus.defjvp
def _(primals, tangents):
    return softplus(primals[0]), jax.nn.sigmoid(primals[0]) * tangents[0]


def likely(bits: Bits, gap: Float[Array, "..."]) -> Int[Array, "..."]:
    """1 with probability 1/(1 + e^{−gap}), else 0; both tails are exact down to 2^-57."""
    rare = uniform(*bits.draw(gap.shape)) * (1 + jnp.exp(jnp.abs(gap))) < 1
    return (rare != (gap > 0)).astype(jnp.int32)


def all_values(layer: AbstractLayer) -> Int[np.ndarray, "state unit"]:
    """Every configuration of a layer of finitely many values."""
    grid = np.indices((layer.values,) * layer.size, dtype=np.int8)
    return grid.reshape(layer.size, -1).T
