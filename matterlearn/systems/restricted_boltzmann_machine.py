"""Restricted Boltzmann machine: a visible and a hidden layer, coupled to each other but not within.

    E(v, h) = E_v(v) + Σ_j B_j h_j + Σ_ij J_ij φ_i(v) h_j

| visible | values | E_v(v) | φ(v) |
|---|---|---|---|
| threshold | 0, 1 | Σ A_i v_i | v_i |
| spins | −1, 1 | Σ A_i v_i | v_i |
| gaussian | real | Σ (v_i − a_i)²/2σ_i² | v_i/σ_i² |
| potts | 0 … q − 1 | Σ A_i[v_i] | 1 where v_i has the value, one feature per unit and value |

Hidden units take two values. Lower J binds; papers write E = −a v − b h − v W h, with W, a, b the negatives of J, A, B
(for Gaussian units a is the same). The hidden layer is summed out in closed form,

    F(v) = E_v(v) − kT Σ_j ln Σ_h exp(−[B_j + Σ_i J_ij φ_i(v)] h/kT),

so averages over data need no samples of it. ln Z is exact where one of the layers has no more than 2^20 states, by
summing out the other. Heat bath draws a layer at once from its conditional law (block Gibbs).

| quantity | unit |
|---|---|
| J, A, B | kT_ref (Gaussian units: kT_ref times the unit of v) |
| a, σ, v | as the data |

Source: [smolensky1986], [hinton2002training]; Gaussian units [cho2011]; Potts units [salakhutdinov2007]. Limits: one
hidden layer; Gaussian units are sampled by heat_bath alone.

Example:
    >>> machine = Config(kind="restricted_boltzmann_machine", visible=3, hidden=2, disorder=0.0)
    >>> round(float(machine.build(None).log_partition(jnp.ones(()))), 4)  # 5 free units of two values: 5 ln 2
    3.4657
"""

import dataclasses
from typing import Annotated, ClassVar, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped
from pydantic import Field

from matterlearn.core.discrete import AbstractDiscreteSystem, AbstractKernel
from matterlearn.core.layers import AbstractLayer, BinaryLayer, GaussianLayer, PottsLayer, all_values
from matterlearn.spec import Problem, Spec

MOST_STATES = 2**20
BLOCK = 2**10  # states of the enumerated layer that are treated at once


class LayersState(NamedTuple):
    """Values of both layers; two-valued units are 0 or 1, whatever these stand for."""

    visible: Shaped[Array, " visible"]
    hidden: Shaped[Array, " hidden"]


class Heard(NamedTuple):
    """What a layer feels of the other."""

    layer: AbstractLayer
    field: Float[Array, " feature"]


class LayersKernel(AbstractKernel):
    """Two colours: the layers."""

    values: int = eqx.field(static=True)
    layers: tuple[AbstractLayer, AbstractLayer]
    matrix: Float[Array, "feature hidden"]

    def split(self, x):
        """The layers."""
        return tuple(x)

    def join(self, parts):
        """State of two layers."""
        return LayersState(*parts)

    def environment(self, parts, colour):
        """The layer and its field."""
        other = self.layers[1 - colour].features(parts[1 - colour])
        return Heard(self.layers[colour], other @ (self.matrix.T, self.matrix)[colour])

    def site_energy(self, value, environment):
        """Energies of the layer's units."""
        return environment.layer.local_energies(value, environment.field)

    def conditional(self, bits, value, environment, kT):
        """All units of the layer, drawn at once."""
        return environment.layer.draw(bits, environment.field, kT).astype(value.dtype)


class RestrictedBoltzmannMachine(AbstractDiscreteSystem):
    """Two layers and the matrix between them; see the module's docstring."""

    coupling: Float[Array, "feature hidden"]
    visible: AbstractLayer
    hidden: AbstractLayer
    learned: tuple[str, ...] = eqx.field(static=True)

    dims: ClassVar = {"visible": ("unit",), "hidden": ("hidden_unit",)}

    def energy(self, x: LayersState, neighbors=None) -> Float[Array, ""]:
        """Energy, kT_ref."""
        del neighbors
        field = self.coupling @ self.hidden.features(x.hidden)
        own = self.hidden.local_energies(x.hidden, jnp.zeros(self.hidden.size))
        return jnp.sum(self.visible.local_energies(x.visible, field)) + jnp.sum(own)

    def marginal_energy(self, x: LayersState, kT, held=None, neighbors=None):
        """F(v); hidden units that are held stay as they are."""
        del neighbors
        field = self.visible.features(x.visible) @ self.coupling
        free = self.hidden.free_energies(field, kT)
        if held is not None:
            free = jnp.where(held.hidden, self.hidden.local_energies(x.hidden, field), free)
        own = self.visible.local_energies(x.visible, jnp.zeros(len(self.coupling)))
        return jnp.sum(own) + jnp.sum(free)

    def log_partition(self, kT):
        """ln Σ over the layer with fewer states, the other summed out; ``None`` beyond 2^20 states."""
        layers = (self.visible, self.hidden)
        able = [k for k, layer in enumerate(layers) if layer.values and layer.values**layer.size <= MOST_STATES]
        if not able:
            return None
        k = min(able, key=lambda k: layers[k].values ** layers[k].size)
        one, other = layers[k], layers[1 - k]
        matrix = (self.coupling, self.coupling.T)[k]
        silence = jnp.zeros(matrix.shape[0])

        def weight(value):
            free = other.free_energies(one.features(value) @ matrix, kT)
            return -(jnp.sum(one.local_energies(value, silence)) + jnp.sum(free)) / kT

        return jax.nn.logsumexp(jax.lax.map(weight, jnp.asarray(all_values(one)), batch_size=BLOCK))

    def independent(self, kT):
        """No couplings between the layers: ln Z is a sum."""
        parts = (self.visible, len(self.coupling)), (self.hidden, self.hidden.size)
        free = [jnp.sum(layer.free_energies(jnp.zeros(features), kT)) for layer, features in parts]
        return eqx.tree_at(lambda s: s.coupling, self, jnp.zeros_like(self.coupling)), -(free[0] + free[1]) / kT

    def init_state(self, key) -> LayersState:
        """Layers that know nothing of each other: all values equally likely, Gaussian units around their mean."""
        first, second = jax.random.split(key)
        return LayersState(self.visible.start(first), self.hidden.start(second))

    def show(self, pattern):
        """The visible layer."""
        target = LayersState(jnp.ravel(pattern).astype(self.visible.blank().dtype), self.hidden.blank())
        return target, LayersState(jnp.ones(self.visible.size, bool), jnp.zeros(self.hidden.size, bool))

    def read(self, x):
        """The visible layer."""
        return x.visible

    def learnable(self):
        """The leaves that were asked for."""
        blank = jax.tree.map(lambda _: False, self)
        where = {
            "coupling": lambda s: s.coupling,
            "visible_threshold": lambda s: s.visible.mean if not self.visible.values else s.visible.threshold,
            "hidden_threshold": lambda s: s.hidden.threshold,
            "scale": lambda s: s.visible.log_scale,
        }
        return eqx.tree_at(lambda s: [where[name](s) for name in self.learned], blank, [True] * len(self.learned))

    def named_couplings(self):
        """The matrix, thresholds of both layers, and the widths of Gaussian units."""
        matrix = ("visible_feature", "hidden_unit"), self.coupling
        layers = {"visible": (self.visible, matrix[0][:1]), "hidden": (self.hidden, matrix[0][1:])}
        leaves = {
            f"{name}_{field.name}s": (dims, jnp.ravel(getattr(layer, field.name)))
            for name, (layer, dims) in layers.items()
            for field in dataclasses.fields(layer)
            if eqx.is_array(getattr(layer, field.name))
        }
        return {"couplings": matrix, **leaves}

    def kernel(self) -> LayersKernel:
        """Layers as colours."""
        return LayersKernel(max(self.visible.values, 2), (self.visible, self.hidden), self.coupling)


class Potts(Spec):
    """Visible units of q values."""

    values: int = Field(ge=2, le=100, description="values q of a visible unit")


class Gaussian(Spec):
    """Real visible units; a number, or one per unit."""

    scale: Annotated[float, Field(gt=0)] | list[Annotated[float, Field(gt=0)]] = Field(
        default=1.0, description="width σ at the start, in the unit of the data"
    )


LAYERS = {"threshold": 0, "spins": -1}
Learned = Literal["coupling", "visible_threshold", "hidden_threshold", "scale"]


class Config(Spec):
    """Restricted Boltzmann machine in a scenario."""

    kind: Literal["restricted_boltzmann_machine"]
    matter: ClassVar[str] = "discrete"
    visible: int = Field(ge=1, le=100_000, description="visible units", examples=[4, 3, 2])
    hidden: int = Field(ge=1, le=100_000, description="hidden units", examples=[3, 2, 2])
    values: Literal["threshold", "spins"] | Potts | Gaussian = Field(
        default="threshold", description="values of a visible unit: 0 and 1, −1 and 1, {values: q}, or {scale: σ}",
        examples=["threshold", "spins", {"values": 3}],
    )  # fmt: skip
    hidden_values: Literal["threshold", "spins"] = Field(
        default="threshold", description="values of a hidden unit: 0 and 1, or −1 and 1",
        examples=["threshold", "spins"],
    )  # fmt: skip
    disorder: float = Field(default=0.01, ge=0, description="standard deviation of J at the start, kT_ref")
    learn: list[Learned] = Field(
        default=["coupling", "visible_threshold", "hidden_threshold"], min_length=1, description="what is learned"
    )

    @property
    def gaussian(self) -> bool:
        """Whether visible units are real numbers."""
        return isinstance(self.values, Gaussian)

    @property
    def pattern_values(self) -> int:
        """How many values an entry of a visible pattern takes; 0 for real numbers."""
        return 0 if self.gaussian else self.values.values if isinstance(self.values, Potts) else 2

    @property
    def pattern_size(self) -> int:
        """Entries of a visible pattern."""
        return self.visible

    @property
    def exact(self) -> bool:
        """Whether ln Z can be summed."""
        bits = [self.hidden * 1.0]
        if not self.gaussian:
            bits.append(self.visible * float(np.log2(self.pattern_values)))
        return min(bits) <= 20

    def check(self, scenario):
        """Real numbers are drawn, not proposed; widths belong to them."""
        if self.gaussian and not getattr(scenario.dynamics, "draws", False):
            yield Problem(("values",), f"real visible units are drawn from their conditional law, which "
                          f"{scenario.dynamics.kind!r} does not do: use dynamics heat_bath")  # fmt: skip
        if "scale" in self.learn and not self.gaussian:
            yield Problem(("learn",), "only Gaussian units have a scale: use values: {scale: 1.0}, or leave it out")
        if len(set(self.learn)) < len(self.learn):
            yield Problem(("learn",), "names a coupling twice")
        scale = self.values.scale if isinstance(self.values, Gaussian) else 1.0
        if isinstance(scale, list) and len(scale) != self.visible:
            yield Problem(("values", "scale"), f"{len(scale)} widths for {self.visible} visible units")

    def _layer(self) -> AbstractLayer:
        if isinstance(self.values, Gaussian):
            widths = np.broadcast_to(np.asarray(self.values.scale, float), (self.visible,))
            return GaussianLayer(jnp.zeros(self.visible), jnp.asarray(np.log(widths), float))
        if isinstance(self.values, Potts):
            return PottsLayer(jnp.zeros((self.visible, self.values.values)))
        return BinaryLayer(jnp.zeros(self.visible), LAYERS[self.values])

    def build(self, key) -> RestrictedBoltzmannMachine:
        """The machine, with random couplings drawn from ``key``."""
        features = self.visible * (self.values.values if isinstance(self.values, Potts) else 1)
        noise = jnp.zeros(()) if key is None else jax.random.normal(key, (features, self.hidden))
        coupling = jnp.broadcast_to(self.disorder * noise, (features, self.hidden))
        hidden = BinaryLayer(jnp.zeros(self.hidden), LAYERS[self.hidden_values])
        return RestrictedBoltzmannMachine(coupling, self._layer(), hidden, tuple(self.learn))
