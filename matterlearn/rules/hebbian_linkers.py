"""Hebbian linkers: bonds that grow between sites measured to be in contact.

    dL_p/dt = η c⁺ (1 − L_p/L_max) − a η c⁻ (1 + L_p/L_max) − λ L_p,        c_p = ⟨∂E/∂J_p⟩,
    J_p = −U(L)

c_p is the number of contacts of site pair p, c⁺ and c⁻ its positive and negative part. Contacts of molecules are
counts, and negative averages (deep overlap of cores) do not matter: a = 0. Units of a network also disagree,
c = s_i s_j < 0; with ``inhibition`` a = 1 their synapse follows dL/dt = η (c − |c| L/L_max) − λ L, Hebb's rule with
bounded synapses of both signs, which forget what is old as new memories come (palimpsest).

During an exposure the contacts are averaged over the fast dynamics of the driven matter; the linkers then follow
the flow above exactly for the exposure's duration, so no slow time step enters. The law U turns linkers into
couplings: ``linear`` (J = −ε L) or ``bivalent`` (the exact bond of a heterobifunctional linker; see the classes).

| quantity | unit |
|---|---|
| linkers L | dimensionless (bivalent: fugacity times reference volume) |
| rate η, decay λ | inverse slow time |

Source: the Hebbian rule dw_ij/dt ~ s_i s_j for molecules, [murugan2015multifarious], [sternmurugan2023learning];
the stationary values J* are in ``matterlearn.theory.linkers``; bounded synapses: [parisi1986memory].

Example:
    >>> Config(kind="hebbian_linkers", rate=1.0, saturation=8.0).build().saturation.item()
    8.0
"""

from typing import Annotated, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree
from pydantic import Field

from matterlearn.core.rule import AbstractRule, Batch, RuleInfo, phase_statistics, start_phase
from matterlearn.core.symmetric import pack, unpack
from matterlearn.core.system import couplings, with_couplings
from matterlearn.spec import Spec


class Linear(eqx.Module):
    """J = −ε L: every linker adds the same energy. With L_max the strongest bond is −ε L_max."""

    energy: Float[Array, ""]

    def __call__(self, linkers: Float[Array, " pair"]) -> Float[Array, " pair"]:
        return -self.energy * linkers


class Bivalent(eqx.Module):
    """Effective bond of ideal linkers with one end for each of two sites, integrated out exactly.

        exp(−J_ij) = 1 + z_ij K_i K_j χ / [(1 + Σ_k z_ik K_i)(1 + Σ_k z_jk K_j)],        z_ij = L_ij

    with one affinity K for all sites. Linkers of different partners compete for a site through the sums; without
    competition the bond is strongest at zK = 1 and vanishes beyond (hook effect). Energies in kT_ref.
    """

    affinity: Float[Array, ""]
    bridge: Float[Array, ""]

    def __call__(self, linkers: Float[Array, " pair"]) -> Float[Array, " pair"]:
        z = unpack(linkers)
        occupied = 1 + self.affinity * jnp.sum(z, -1)
        weight = z * self.affinity**2 * self.bridge / (occupied[:, None] * occupied[None, :])
        return pack(-jnp.log1p(weight))


class HebbianLinkers(AbstractRule):
    """Linkers on every learnable leaf; the leaf's couplings are the law of its linkers."""

    rate: Float[Array, ""]
    decay: Float[Array, ""]
    saturation: Float[Array, ""]
    inhibition: Float[Array, ""]
    law: Linear | Bivalent
    samples: int = eqx.field(static=True)
    stride: int = eqx.field(static=True)
    relax: int = eqx.field(static=True)

    parameter_name: ClassVar = "linkers"
    slow_time: ClassVar = "1/η"

    def parameters(self, system) -> PyTree:
        """Linkers of a blank material: none, whatever its couplings were."""
        return jax.tree.map(jnp.zeros_like, couplings(system))

    def couple(self, system, parameters):
        """The system whose bonds these linkers make."""
        return with_couplings(system, jax.tree.map(self.law, parameters))

    def retention(self, age: float) -> float:
        """e^{−λ age}: without contacts, linkers only decay."""
        return float(jnp.exp(-self.decay * age))

    def flow(self, linkers: Float[Array, " pair"], contacts: Float[Array, " pair"], duration) -> Float[Array, " pair"]:
        """Linkers after ``duration`` at constant contacts: exponential approach to the stationary value."""
        gain = self.rate * jnp.where(contacts > 0, contacts, self.inhibition * contacts)
        relaxation = jnp.abs(gain) / self.saturation + self.decay
        # −expm1(−k t)/k → t as k → 0, so a pair never in contact keeps what it has.
        safe = jnp.where(relaxation > 0, relaxation, 1.0)
        growth = jnp.where(relaxation > 0, -jnp.expm1(-safe * duration) / safe, duration)
        return linkers * jnp.exp(-relaxation * duration) + gain * growth

    def estimate(self, key, system, dynamics, state, batch: Batch, *, parameters):
        """Minus the change of the linkers in one exposure, to be taken with a learning rate of 1."""
        start = start_phase(key, system, dynamics, batch.drive, batch.x, batch.neighbors)
        wake, end = phase_statistics(
            key, system, dynamics, batch.drive, start, samples=self.samples, stride=self.stride, relax=self.relax
        )
        new = jax.tree.map(lambda l, c: self.flow(l, c, batch.duration), parameters, wake.mean)
        return jax.tree.map(jnp.subtract, parameters, new), state, RuleInfo({"wake": wake}, end.neighbors)


class LinearLaw(Spec):
    """J = −energy · L."""

    law: Literal["linear"]
    energy: float = Field(default=1.0, gt=0, description="bond energy per linker, kT_ref")


class BivalentLaw(Spec):
    """Effective bond of heterobifunctional linkers."""

    law: Literal["bivalent"]
    affinity: float = Field(gt=0, description="affinity K of a linker's end, in inverse fugacity")
    bridge: float = Field(gt=0, description="bridging weight χ at contact")


class Config(Spec):
    """Hebbian linkers in a scenario."""

    kind: Literal["hebbian_linkers"]
    provides: ClassVar[tuple[str, ...]] = ("linkers", "retention")
    rate: float = Field(gt=0, description="growth rate η per contact, inverse slow time", examples=[0.5])
    decay: float = Field(default=0.0, ge=0, description="decay rate λ, inverse slow time")
    saturation: float = Field(gt=0, description="L_max, linkers that a site pair can hold", examples=[8.0])
    inhibition: float = Field(
        default=0.0, ge=0, le=1, description="weight a of negative contacts: 0 for molecules, 1 for synapses",
        examples=[0.0],
    )  # fmt: skip
    coupling: Annotated[LinearLaw | BivalentLaw, Field(discriminator="law")] = LinearLaw(law="linear")
    samples: int = Field(default=20, ge=1, description="contact samples per exposure and replica", examples=[4])
    stride: int = Field(default=50, ge=1, description="steps between contact samples", examples=[5])
    relax: int = Field(default=500, ge=0, description="steps before the first sample", examples=[20])

    def build(self) -> HebbianLinkers:
        """The rule."""
        law = self.coupling
        if law.law == "linear":
            form = Linear(jnp.asarray(float(law.energy)))
        else:
            form = Bivalent(jnp.asarray(float(law.affinity)), jnp.asarray(float(law.bridge)))
        return HebbianLinkers(
            jnp.asarray(float(self.rate)),
            jnp.asarray(float(self.decay)),
            jnp.asarray(float(self.saturation)),
            jnp.asarray(float(self.inhibition)),
            form,
            self.samples,
            self.stride,
            self.relax,
        )
