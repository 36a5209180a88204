"""Embedded clusters: lattice fields whose sizes move by Metropolis and whose signs flip in clusters.

    1. every site, colour by colour:    φ → φ + w ξ,    accepted with probability min(1, exp(−ΔE/kT))
    2. bonds join neighbours with probability 1 − exp(−2 J φ_i φ_j/kT) where J φ_i φ_j > 0
    3. every cluster of joined sites:    φ → ±φ with probability ½ each

At fixed sizes |φ| the signs are Ising spins with couplings J|φ_i||φ_j|, whose clusters Swendsen and Wang flip; without
them the sign of the whole lattice would hardly ever change near and below the transition. Each of the three keeps
Boltzmann's law, so a step does, exactly. A cluster with a clamped site in it is not flipped. Clusters are the connected
components of the bonds: every site tells the one whose number it bears of the smallest number around it, and takes over
that one's, until none changes.

| quantity | unit |
|---|---|
| kT | kT_ref |
| w | that of φ |
| step | ``sweeps`` attempts per site, then one update of all clusters |

Source: [brower1989], [swendsen1987]. Limits: systems with the claim ``embedded_spins``; the recorded acceptance, that
of the first part, should be about a half; far beyond the transition clusters fill the lattice and no longer help.

Example:
    >>> bonds = jnp.array([[True, False, False, True]])  # between sites 0 1 and, around the lattice, 3 0
    >>> clusters((bonds[0],)).tolist()
    [0, 0, 2, 0]
"""

from typing import Any, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int
from pydantic import Field

from matterlearn.core.dynamics import AbstractDynamics, DynState, StepInfo
from matterlearn.core.lattice import colouring
from matterlearn.core.matter import check_matter
from matterlearn.core.schedule import Schedule, schedule
from matterlearn.spec import PositiveSchedule, Problem, Spec


class EmbeddedCluster(AbstractDynamics):
    """Metropolis sweeps of the field and cluster flips of its signs."""

    kT: Schedule
    width: Float[Array, ""]
    sweeps: int = eqx.field(static=True)

    def init(self, key, system, drive, x, neighbors=None) -> DynState:
        """Start from x.

        Raises:
            ValueError: if the drive pulls, so that a flip of signs would change more than bonds.
        """
        del key, system
        if drive.stiffness is not None or drive.force is not None:
            raise ValueError("clusters of signs feel no tethers or forces: clamp sites, or use hamiltonian_monte_carlo")
        return DynState(drive.project(x), jnp.zeros((), jnp.int32), None, neighbors)

    def step(self, key, system: Any, drive, state) -> tuple[DynState, StepInfo]:
        """Sweeps, then clusters."""
        kT = self.kT(state.step.astype(float))
        field = state.x.field
        held = jnp.zeros(field.shape, bool) if drive.clamped is None else drive.clamped.field
        local, global_ = jax.random.split(key)

        def sweep(number, carry):
            field, accepted = carry
            field, share = self.sweep(jax.random.fold_in(local, number), system, held, field, kT)
            return field, accepted + share / self.sweeps

        field, accepted = jax.lax.fori_loop(0, self.sweeps, sweep, (field, jnp.zeros(())))
        field = flip_clusters(global_, system.hopping / kT, held, field)
        return state._replace(x=state.x._replace(field=field), step=state.step + 1), StepInfo(accepted)

    def sweep(
        self, key, system: Any, held: Bool[Array, "*site"], field: Float[Array, "*site"], kT: Float[Array, ""]
    ) -> tuple[Float[Array, "*site"], Float[Array, ""]]:
        """One attempt at every site that is not held; the field, and the fraction accepted."""
        move, decide = jax.random.split(key)
        shift = self.width * jax.random.normal(move, field.shape)
        room = jax.random.exponential(decide, field.shape) * kT
        room = room - system.site_energy(field + shift) + system.site_energy(field)  # what is left of it for bonds

        def update(moved, colour):
            accept = (-system.hopping * around(moved) * shift <= room) & colour & ~held
            return jnp.where(accept, field + shift, moved), None

        # A loop even over two colours: fused with the shifts of the lattice, random words would be made many times.
        moved, _ = jax.lax.scan(update, field, jnp.asarray(colours(field.shape)))
        return moved, jnp.mean(moved != field)


def colours(shape: tuple[int, ...]) -> Bool[np.ndarray, "colour *site"]:
    """Which sites are updated together.

    >>> colours((4,)).astype(int).tolist()
    [[1, 0, 1, 0], [0, 1, 0, 1]]
    """
    label = colouring(shape, (True,) * len(shape))
    return np.stack([label == colour for colour in range(label.max() + 1)])


def around(field: Float[Array, "*site"]) -> Float[Array, "*site"]:
    """Sum over the neighbours of each site."""
    total = jnp.zeros_like(field)
    for axis in range(field.ndim):
        total = total + jnp.roll(field, 1, axis) + jnp.roll(field, -1, axis)
    return total


def flip_clusters(
    key, strength: Float[Array, ""], held: Bool[Array, "*site"], field: Float[Array, "*site"]
) -> Float[Array, "*site"]:
    """Bonds of coupling ``strength`` = J/kT, and every cluster without held sites flipped or not."""
    keys = jax.random.split(key, field.ndim + 1)
    joined = tuple(
        jax.random.exponential(keys[axis], field.shape) < 2 * strength * field * jnp.roll(field, -1, axis)
        for axis in range(field.ndim)
    )
    label = clusters(joined).ravel()
    anchored = jnp.zeros(field.size, bool).at[label].max(held.ravel())
    flip = (jax.random.bernoulli(keys[-1], shape=(field.size,)) & ~anchored)[label].reshape(field.shape)
    return jnp.where(flip, -field, field)


def clusters(joined: tuple[Bool[Array, "*site"], ...]) -> Int[Array, "*site"]:
    """The smallest index in the cluster of each site; ``joined`` are bonds to the next site along each axis."""
    shape, size = joined[0].shape, joined[0].size
    bonds = [(axis, bond, jnp.roll(bond, 1, axis)) for axis, bond in enumerate(joined)]

    def lower(label):
        here = lowest = label.reshape(shape)
        for axis, after, before in bonds:
            lowest = jnp.minimum(lowest, jnp.where(after, jnp.roll(here, -1, axis), size))
            lowest = jnp.minimum(lowest, jnp.where(before, jnp.roll(here, 1, axis), size))
        told = label.at[label].min(lowest.ravel())
        return told[told]

    # Who bears a cluster's label is told of lower ones: rounds grow like the logarithm of a cluster's extent.
    start = jnp.arange(size)
    pair = jax.lax.while_loop(lambda two: jnp.any(two[0] != two[1]), lambda two: (lower(two[0]), two[0]),
                              (lower(start), start))  # fmt: skip
    return pair[0].reshape(shape)


class Config(Spec):
    """Embedded clusters in a scenario."""

    kind: Literal["embedded_cluster"]
    flips_signs: ClassVar[bool] = True
    kT: PositiveSchedule = Field(default=1.0, description="temperature, kT_ref: a number, a ramp or a cycle")
    width: float = Field(default=0.5, gt=0, description="standard deviation w of a proposed change of the field")
    sweeps: int = Field(default=1, ge=1, le=1000, description="Metropolis sweeps before each update of clusters")

    def check(self, scenario):
        """There are signs to flip."""
        yield from check_matter(self, scenario)
        if not getattr(scenario.system, "embedded_spins", False):
            yield Problem(("kind",), f"flips signs of a lattice field, which {scenario.system.kind!r} is not: use "
                          "hamiltonian_monte_carlo, or system lattice_field")  # fmt: skip

    def build(self) -> EmbeddedCluster:
        """The sampler."""
        return EmbeddedCluster(schedule(self.kT), jnp.asarray(float(self.width)), self.sweeps)
