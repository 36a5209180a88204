"""A linear decoder with latent variables: the probabilistic form of principal components, as an energy.

    E(y, z) = |y − Wz|² + ½ κ |z|²,        y visible, z hidden

Latent variables are normal with variance kT/κ, and y given z is normal around Wz with variance kT/2. Summed out, with
B = 1/kT and n visible, K hidden entries,

    F(y) = yᵀ(I + (2/κ) WWᵀ)⁻¹ y + (kT/2) ln det(I + (2/κ) WᵀW) − ½ K kT ln(2π kT/κ)
    ln Z = ½ n ln(π kT) + ½ K ln(2π kT/κ)

At κ = kT the prior is standard normal, and F without its last term, which is no function of y and W, is the free energy
−kT ln ∫ N(z; 0, I) exp(−B|y − Wz|²) dz. For kT → 0 at fixed κ/kT it becomes min_z |y − Wz|². Z does not depend on W:
maximum likelihood just lowers the mean of F, and ends where W spans the strongest principal components of the data,

    (kT/κ) W Wᵀ = Σ_k (λ_k − kT/2)₊ u_k u_kᵀ,        K largest eigenvalues λ_k of the second moments of the data.

| quantity | unit |
|---|---|
| y, z | as the data; √(kT_ref) sets the scale, since |y − Wz|² is an energy |
| W | 1 |
| κ | kT_ref |

Source: [lecun2006tutorial]; its law [tipping1999]. Limits: noise of one variance in all entries; data have zero mean.

Example:
    >>> model = Config(kind="linear_decoder", visible=2, hidden=1, disorder=0.0).build(jax.random.key(0))
    >>> round(float(model.log_partition(jnp.ones(()))), 4)  # ln π + ½ ln 2π
    2.0637
"""

from typing import ClassVar, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
from pydantic import Field

from matterlearn.core.system import AbstractSystem
from matterlearn.spec import Spec


class DecodedState(NamedTuple):
    """What is seen, and the latent variables behind it."""

    visible: Float[Array, " entry"]
    hidden: Float[Array, " latent"]


class LinearDecoder(AbstractSystem):
    """|y − Wz|² + ½ κ |z|²; the matrix is the coupling."""

    coupling: Float[Array, "entry latent"]
    prior: Float[Array, ""]

    dims: ClassVar = {"visible": ("entry",), "hidden": ("latent",)}
    symmetries: ClassVar = frozenset({"flip"})
    coupling_units: ClassVar = ("1", "entry of the decoder")

    def energy(self, x: DecodedState, neighbors=None) -> Float[Array, ""]:
        """Energy, kT_ref."""
        del neighbors
        missed = x.visible - self.coupling @ x.hidden
        return jnp.sum(missed**2) + 0.5 * self.prior * jnp.sum(x.hidden**2)

    def marginal_energy(self, x: DecodedState, kT, held=None, neighbors=None):
        """F(y), a normal integral over those latent variables that are not held."""
        del neighbors
        free = jnp.ones(x.hidden.shape, bool) if held is None else ~held.hidden
        known = jnp.where(free, 0.0, x.hidden)
        decoder = jnp.where(free, self.coupling, 0.0)  # held columns do not respond, and get curvature κ to leave out
        missed = x.visible - self.coupling @ known
        curvature = 2 * decoder.T @ decoder + self.prior * jnp.eye(len(free))
        pull = 2 * decoder.T @ missed
        lowest = jnp.sum(missed**2) + 0.5 * self.prior * jnp.sum(known**2)
        lowest -= 0.5 * pull @ jnp.linalg.solve(curvature, pull)
        volume = jnp.linalg.slogdet(curvature / self.prior)[1] - jnp.sum(free) * jnp.log(2 * jnp.pi * kT / self.prior)
        return lowest + 0.5 * kT * volume

    def log_partition(self, kT):
        """ln Z, whatever the decoder."""
        entries, latents = self.coupling.shape
        noise, spread = entries * jnp.log(jnp.pi * kT), latents * jnp.log(2 * jnp.pi * kT / self.prior)
        return 0.5 * (noise + spread)

    def init_state(self, key) -> DecodedState:
        """Latent variables of the prior, decoded with noise, at kT_ref."""
        first, second = jax.random.split(key)
        hidden = jax.random.normal(first, self.coupling.shape[1:]) / jnp.sqrt(self.prior)
        noise = jax.random.normal(second, self.coupling.shape[:1]) * jnp.sqrt(0.5)
        return DecodedState(self.coupling @ hidden + noise, hidden)

    def show(self, pattern):
        """The visible entries."""
        entries, latents = self.coupling.shape
        target = DecodedState(jnp.ravel(pattern).astype(self.coupling.dtype), jnp.zeros(latents, self.coupling.dtype))
        return target, DecodedState(jnp.ones(entries, bool), jnp.zeros(latents, bool))

    def read(self, x):
        """The visible entries."""
        return x.visible

    def learnable(self):
        """The decoder."""
        return eqx.tree_at(lambda s: s.coupling, jax.tree.map(lambda _: False, self), True)

    def named_couplings(self):
        """The decoder."""
        return {"couplings": (("visible_entry", "latent_entry"), self.coupling)}


class Config(Spec):
    """A linear decoder in a scenario."""

    kind: Literal["linear_decoder"]
    positions: ClassVar[bool] = False
    visible: int = Field(ge=1, le=10_000, description="visible entries", examples=[3, 4])
    hidden: int = Field(ge=1, le=1000, description="latent variables", examples=[2, 1])
    prior: float = Field(default=1.0, gt=0, description="stiffness κ of latent variables, kT_ref; kT: standard normal")
    disorder: float = Field(default=0.1, ge=0, description="standard deviation of the decoder's entries at the start")

    @property
    def pattern_size(self) -> int:
        """Visible entries."""
        return self.visible

    @property
    def pattern_values(self) -> int:
        """Real numbers."""
        return 0

    @property
    def exact(self) -> bool:
        """ln Z is a closed form."""
        return True

    def build(self, key) -> LinearDecoder:
        """The decoder, with random entries."""
        coupling = self.disorder * jax.random.normal(key, (self.visible, self.hidden))
        return LinearDecoder(coupling, jnp.asarray(float(self.prior)))
