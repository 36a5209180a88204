"""Yield of dimers of two kinds of rigid bodies from their partition function: a function of the couplings alone.

    K(J) = mean_s [U_s < 0] e^{−U_s/kT}/p_s,    U_s = core_s + Σ_ab J_ab χ_ab,s,      s drawn with density p_s
    w(n) ∝ N_a! N_b!/((N_a − n)! (N_b − n)! n!) (K/V)^n e^{−Φ_n/V},    Y = ⟨n/(N_a + N_b − n)⟩_w

The poses s are drawn once, around the docked one; reweighting them makes K a smooth function of J (but for poses that
cross U = 0, where their weight is 1 and K is not). Φ_n, the room that clusters take from each other, is first order in
the concentration; ``crowding: none`` leaves it out. Measured from states, this is ``dimer_yield``.

Source: [curatolo2023computational]; theory in ``matterlearn.theory.rigid_dimer`` and ``dimer_crowding``, which have K's
standard error too. Limits: no clusters but dimers; bound poses near the docked one.
"""

from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from pydantic import Field

from matterlearn.core.observable import Observable
from matterlearn.observables._dimers import Kinds, RigidMatter, check_kinds
from matterlearn.spec import Problem, Spec


class ExactDimerYield(Observable):
    """Y(J)."""

    core: Float[Array, " pose"]
    contact: Float[Array, "pose pair"]
    log_density: Float[Array, " pose"]
    log_ways: Float[Array, " n"]  # ln w(n) at K/V = 1
    log_scale: Float[Array, ""]  # ln of the poses drawn times the volume
    kT: Float[Array, ""]
    bodies: int = eqx.field(static=True)

    def log_constant(self, coupling: Float[Array, " pair"]) -> Float[Array, ""]:
        """ln K/V at the packed couplings."""
        energy = self.core + self.contact @ coupling
        bound = jnp.where(energy < 0, -energy / self.kT - self.log_density, -jnp.inf)
        return jax.nn.logsumexp(bound) - self.log_scale

    def __call__(self, system: RigidMatter, drive, state):
        """The yield; drive and state are not looked at."""
        del drive, state
        n = jnp.arange(len(self.log_ways))
        weight = jax.nn.softmax(self.log_ways + n * self.log_constant(system.seen()))
        return jnp.sum(weight * n / (self.bodies - n))


class Config(Spec):
    """Exact yield of dimers in a scenario."""

    kind: Literal["exact_dimer_yield"]
    every: int = Field(default=1000, ge=1, description="steps between records")
    kinds: Kinds = Field(default=(0, 1), description="the two kinds of bodies, from 0")
    kT: float = Field(default=1.0, gt=0, description="temperature, kT_ref, the dynamics' own")
    crowding: Literal["none", "first_order"] = Field(
        default="first_order", description="whether clusters take room from each other"
    )
    samples: int = Field(default=200_000, ge=1000, le=10_000_000, description="poses that K is sampled with")
    seed: int = Field(default=0, ge=0, description="of the poses")

    def check(self, scenario):
        """There are bodies of both kinds, a dock for them and a box."""
        wrong = list(check_kinds(self, scenario))
        yield from wrong
        if wrong:
            return
        if scenario.system.box is None:
            yield Problem(("kind",), "needs a concentration, but space is free: give the system a box")
        if [kinds for kinds, _ in scenario.system.poses].count(self.kinds) != 1:
            yield Problem(("kinds",), f"needs exactly one dock with bodies {list(self.kinds)}, in this order")

    def build(self, system, task) -> ExactDimerYield:
        """The observable, with all poses drawn."""
        del task
        from matterlearn.theory.dimer_crowding import crowding, log_weights
        from matterlearn.theory.rigid_dimer import pair_samples

        pose = next(p for p in map(system.docks.pose, range(len(system.docks.kinds))) if p[0] == self.kinds)[1]
        first, second = (system.bodies()[kind] for kind in self.kinds)
        coupling, forces = np.asarray(system.seen(), float), system.forces()
        drawn = pair_samples(
            first, second, pose, colours=system.shapes.palette, forces=forces, samples=self.samples, seed=self.seed
        )
        a, b = (int(jnp.sum(system.species == kind)) for kind in self.kinds)
        volume = system.box**3
        crowded = 0.0
        if self.crowding == "first_order":
            crowded = crowding(first, second, pose, coupling, counts=(a, b), volume=volume, forces=forces, kT=self.kT)
        return ExactDimerYield(
            "exact_dimer_yield", (), "1", "yield of dimers, from the partition function", self.every,
            jnp.asarray(drawn.terms.core, float), jnp.asarray(drawn.terms.contact, float),
            jnp.asarray(drawn.log_density, float), jnp.asarray(log_weights(1.0, (a, b), 1.0, crowded), float),
            jnp.asarray(np.log(drawn.drawn * volume), float), jnp.asarray(self.kT), a + b,
        )  # fmt: skip
