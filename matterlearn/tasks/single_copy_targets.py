"""Targets on one set of distinguishable particles, one copy of each, with internal states that name a target.

Every target is a random permutation of N = s² particles on an s × s block. Neighbours i, j in the states τ_i, τ_j have

    E = factor · ½ [E_{τ_i}(i, j) + E_{τ_j}(i, j)],        E_τ = J_s for neighbours in target τ, else J_w.

Recall gives every replica its own targets and one strong coupling of ``strong``, and starts it from random places and
states. A replica has assembled a target when all particles are in its state and all its contacts are made.

Source: [bisker2018], with both couplings doubled (``factor`` 2), which the published data need; see
``matterlearn.theory.bisker_england``. Limits: square lattices; nothing to learn.

Example:
    >>> Config(kind="single_copy_targets", side=3, targets=2, strong=[-2.6]).particles
    9
"""

from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float
from pydantic import Field

from matterlearn.core.drive import Drive
from matterlearn.core.lattice_kernel import LatticeState
from matterlearn.core.symmetric import pack
from matterlearn.core.task import AbstractTask, Label, Recall, replicated
from matterlearn.spec import Problem, Spec
from matterlearn.theory import bisker_england
from matterlearn.theory.bisker_england import CONTACT_FACTOR, PUBLISHED_WEAK


class SingleCopyTargets(AbstractTask):
    """Contacts of the targets and couplings of every replica's set; sets are shared by all couplings."""

    contacts: Bool[Array, "set target particle particle"]
    couplings: Float[Array, "set strong pair"]
    strong: tuple[float, ...] = eqx.field(static=True)

    @property
    def memory_count(self) -> int:
        """Targets of a set."""
        return self.contacts.shape[1]

    def recall(self, key, system: Any, replicas) -> Recall:
        """Random starts; replica r has the coupling r modulo their number, and a set of targets of its own."""
        chosen, which = np.arange(replicas) % len(self.strong), np.arange(replicas) // len(self.strong)
        sets = which % len(self.contacts)
        systems = replicated(system, replicas)
        systems = eqx.tree_at(lambda s: s.coupling, systems, self.couplings[sets, chosen])
        targets, particles = self.contacts.shape[1:3]

        def scattered(key):
            place, state = jax.random.split(key)
            values = 1 + targets * jnp.arange(particles) + jax.random.randint(state, (particles,), 0, targets)
            everything = jnp.zeros(system.lattice.sites, jnp.int8).at[:particles].set(values.astype(jnp.int8))
            return LatticeState(jax.random.permutation(place, everything).reshape(system.lattice.shape))

        x = jax.vmap(lambda r: scattered(jax.random.fold_in(key, r)))(jnp.arange(replicas))
        strength = replicated(Drive().strength, replicas)
        labels = {
            "cue": Label(np.full(replicas, -1), "1", "no cue"),
            "strong": Label(np.asarray(self.strong)[chosen], "kT_ref", "strong coupling as published"),
            "target_set": Label(sets, "1", "set of targets"),
        }
        return Recall(systems, Drive(strength=strength), x, labels)

    def overlap(self, system: Any, state) -> Float[Array, " memory"]:
        """Fraction of each target's contacts that are made by particles in its state; a whole target gives 1.

        The couplings say which set of targets a replica has: they are strong where a target has a contact.
        """
        targets, particles = self.contacts.shape[1:3]
        energies = system.contact_energies()[1:, 1:].reshape(particles, targets, particles, targets)
        own = jnp.stack([energies[:, t, :, t] for t in range(targets)])
        wanted = own < (jnp.min(own) + jnp.max(own)) / 2
        sites = state.x.species.astype(jnp.int32)
        here = jax.nn.one_hot(sites.ravel() - 1, particles * targets)
        ahead = [jax.nn.one_hot(jnp.roll(sites, -1, axis).ravel() - 1, particles * targets) for axis in (0, 1)]
        made = here.T @ ahead[0] + here.T @ ahead[1]
        made = ((made + made.T) > 0).reshape(particles, targets, particles, targets)
        right = jnp.stack([made[:, t, :, t] for t in range(targets)]) & wanted
        return jnp.sum(right, (1, 2)) / jnp.sum(wanted, (1, 2))


class Config(Spec):
    """Targets of single-copy particles in a scenario."""

    kind: Literal["single_copy_targets"]
    side: int = Field(default=5, ge=2, le=7, description="side s of a target", examples=[2])
    targets: int = Field(default=2, ge=1, le=4, description="targets, which are also the internal states")
    strong: list[float] = Field(description="J_s as published, kT_ref; replicas take turns", examples=[[-2.6]])
    weak: float = Field(default=PUBLISHED_WEAK, description="J_w as published, kT_ref")
    factor: float = Field(default=CONTACT_FACTOR, gt=0, description="what each contact counts")
    sets: int = Field(default=64, ge=1, description="different sets of targets, over which replicas go")
    seed: int = Field(default=0, ge=0, description="seed of the first set")

    @property
    def particles(self) -> int:
        """N."""
        return self.side**2

    @property
    def memories(self) -> int:
        """Targets."""
        return self.targets

    def check(self, scenario):
        """The lattice has as many species as particles have states, and room for them."""
        system = scenario.system
        needed = self.particles * self.targets
        if system.kind != "lattice_condensate" or len(system.shape) != 2:
            yield Problem(("kind",), "needs a square lattice_condensate")
            return
        if system.species != needed:
            yield Problem(("targets",), f"{self.particles} particles in {self.targets} states are {needed} species, "
                          f"but the system has {system.species}")  # fmt: skip
        if needed > 126 or self.particles > int(np.prod(system.shape)):
            yield Problem(("side",), "too many particles for the lattice, or more than 126 species")
        if getattr(scenario.dynamics, "states", self.targets) != self.targets:
            yield Problem(("targets",), f"{self.targets} targets need dynamics.states: {self.targets}")
        if scenario.learning is not None:
            yield Problem(("kind",), "these targets are given, not learned; drop learning")

    def build(self, system) -> SingleCopyTargets:
        """The task."""
        del system
        sets = [bisker_england.random_targets(self.side, self.targets, self.seed + k) for k in range(self.sets)]
        contacts = jnp.asarray(np.stack([bisker_england.target_contacts(targets) for targets in sets]))
        packed = [pack(jnp.asarray(self._couplings(t, strong), float)) for t in sets for strong in self.strong]
        couplings = jnp.stack(packed).reshape(len(sets), len(self.strong), -1)
        return SingleCopyTargets(contacts, couplings, tuple(self.strong))

    def _couplings(self, targets, strong):
        return bisker_england.couplings(targets, strong, self.weak, factor=self.factor)[1:, 1:]
