"""Two views of one thing, embedded by one encoder, whose energy is the distance of the embeddings.

    E(x, x') = |s(x) − s(x')|²,        s linear (``depth: 0``) or a multilayer perceptron

Views that belong together should have low energy, others high energy. Lowering the energy of what is shown alone makes
s constant: the embedding collapses, and every pair has energy 0. Contrast with other pairs prevents it (rule triplet),
or demands on the embeddings of a whole batch (rule variance_covariance), which need no second phase.

| quantity | unit |
|---|---|
| x | as the data |
| s | √kT_ref |

Source: [lecun2006tutorial], [bardes2022vicreg]. Limits: E does not confine, so there is no Z, and a free phase drifts
along pairs of equal embeddings.

Example:
    >>> pair = Config(kind="joint_embedding", size=2, features=3).build(jax.random.key(0))
    >>> float(pair.energy(ViewsState(jnp.ones(2), jnp.ones(2))))
    0.0
"""

from typing import ClassVar, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
from pydantic import Field

from matterlearn.core.perceptron import Perceptron, perceptron
from matterlearn.core.system import AbstractSystem
from matterlearn.spec import Spec


class ViewsState(NamedTuple):
    """Two views of one thing."""

    first: Float[Array, " entry"]
    second: Float[Array, " entry"]


class JointEmbedding(AbstractSystem):
    """|s(x) − s(x')|²; the encoder's weights are the couplings."""

    encoder: Perceptron
    size: int = eqx.field(static=True)

    dims: ClassVar = {"first": ("entry",), "second": ("entry",)}
    coupling_units: ClassVar = ("1", "weight of the encoder")

    def embed(self, x: ViewsState) -> tuple[Float[Array, " feature"], Float[Array, " feature"]]:
        """s of both views."""
        return self.encoder(x.first), self.encoder(x.second)

    def energy(self, x: ViewsState, neighbors=None) -> Float[Array, ""]:
        """|s(x) − s(x')|², kT_ref."""
        del neighbors
        first, second = self.embed(x)
        return jnp.sum((first - second) ** 2)

    def init_state(self, key) -> ViewsState:
        """Two unrelated standard normal points."""
        return ViewsState(*jax.random.normal(key, (2, self.size)))

    def named_couplings(self):
        """Weights and biases by layer."""
        return self.encoder.named()


class Config(Spec):
    """A joint embedding in a scenario."""

    kind: Literal["joint_embedding"]
    positions: ClassVar[bool] = False
    embeds: ClassVar[bool] = True
    size: int = Field(ge=1, le=10_000, description="entries of a view", examples=[2, 3])
    features: int = Field(ge=1, le=10_000, description="entries of an embedding", examples=[3, 2])
    width: int = Field(default=64, ge=1, le=10_000, description="units of each hidden layer", examples=[5])
    depth: int = Field(default=2, ge=0, le=9, description="hidden layers; 0: the encoder is linear", examples=[2, 0])

    @property
    def pattern_values(self) -> int:
        """Real numbers."""
        return 0

    @property
    def pattern_size(self) -> int:
        """Entries of both views."""
        return 2 * self.size

    def build(self, key) -> JointEmbedding:
        """The encoder, with the usual random weights."""
        encoder = perceptron(key, [self.size, *[self.width] * self.depth, self.features], "silu")
        return JointEmbedding(encoder, self.size)
