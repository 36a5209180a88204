"""Two particles in a box against the quadrature of their partition function: bound fraction, energy, contacts.

Independent replicas, a quarter of them started bound and the others apart, run for many lifetimes of a bond; fixed
seeds, |z| < 4. With 4000 replicas the standard error of a bound fraction near one half is 0.8 percent, what a bond
stronger by 0.03 kT would change. The Euler–Maruyama step itself loosens the patchy bond by a few percent.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from covering import slow
from matterlearn.core.drive import Drive
from matterlearn.core.dynamics import advance
from matterlearn.core.symmetric import index
from matterlearn.core.system import coupling_gradient
from matterlearn.kinds import load_kind
from matterlearn.theory.dimer import bound_fraction, pair_average, patchy_pair

BOX = 6.0


def build(family, kind, *key, **numbers):
    return load_kind(family, kind)(kind=kind, **numbers).build(*key)


@eqx.filter_jit
def equilibrate(dynamics, system, x, steps):
    """Final samples of the replicas, with what is bound, the energy and ∂E/∂J."""

    def one(r, x):
        key = jax.random.fold_in(jax.random.key(11), r)
        start = dynamics.init(jax.random.fold_in(key, 2**31), system, Drive(), x)
        end = advance(key, system, dynamics, Drive(), start, steps).x
        return jnp.any(system.bonds(end).formed), system.energy(end), coupling_gradient(system, end)

    return jax.vmap(one)(jnp.arange(len(x[0])), x)


def mixed(bound, replicas):
    """Starts: the given bound state in every fourth replica, a uniformly random one in the others."""
    place, turn = jax.random.split(jax.random.key(1))
    position = jax.random.uniform(place, (replicas, 2, bound[0].shape[-1]), maxval=BOX)
    apart = (position, jax.random.uniform(turn, (replicas, 2), maxval=2 * jnp.pi))[: len(bound)]
    fourth = jnp.arange(replicas) % 4 == 0

    def choose(b, a):
        return jnp.where(fourth.reshape(-1, *(1,) * (a.ndim - 1)), b, a)

    return type(bound)(*map(choose, bound, apart))


def agrees(label, samples, expected):
    samples = np.asarray(samples, float)
    z = (samples.mean() - expected) / (samples.std(ddof=1) / np.sqrt(len(samples)))
    print(f"{label}: {samples.mean():.4f}, exact {expected:.4f}, z = {z:+.2f}")
    assert abs(z) < 4, f"{label}: {samples.mean():.4f} instead of {expected:.4f}, z = {z:+.1f}"


INTEGRATORS = [
    pytest.param(("brownian", {"dt": 5e-4}, 4000, 2000), id="brownian"),
    pytest.param(("langevin", {"dt": 2e-2, "friction": 2.0}, 1000, 4000), id="langevin", marks=pytest.mark.slow),
]


@pytest.mark.slow
@pytest.mark.parametrize("integrator", INTEGRATORS)
def test_patchy_pair(integrator):
    """Two discs of two species with four different bonds."""
    kind, numbers, steps, replicas = integrator
    bonds = np.array([[-5.0, -1.0], [-3.0, -4.0]])
    discs = build("systems", "patchy_particles", jax.random.key(0),
                  species=2, patches=2, patch_width=0.3, core=20.0, box=BOX)  # fmt: skip
    pairs = index(jnp.arange(2)[:, None], 2 + jnp.arange(2)[None, :], 4)
    discs = eqx.tree_at(lambda s: s.coupling, discs, discs.coupling.at[pairs].set(jnp.asarray(bonds, jnp.float32)))
    bound = discs.arrange(jnp.array([[0.0, 0.0], [1.0, 0.0]]))
    bound = bound._replace(orientation=jnp.array([0.0, jnp.pi]))  # patch 0 of each faces the other
    found, energy, contacts = equilibrate(
        build("dynamics", kind, **numbers), discs, mixed(bound, replicas), jnp.asarray(steps)
    )
    exact = patchy_pair(bonds, box=BOX, patch_width=0.3, stiffness=20.0, angles=120, radii=96)
    agrees(f"{kind} bound", found, exact.bound)
    agrees(f"{kind} energy", energy, exact.energy)
    for p in (0, 1):
        for q in (0, 1):
            agrees(f"{kind} χ_{p}{q}", contacts.coupling[:, pairs[p, q]], exact.contacts[p, q])


@pytest.mark.parametrize("dimension", [slow(2), 3])
def test_isotropic_pair(dimension):
    """Two particles in a Morse well over a harmonic core; bound means a contact above one half."""
    strength = {2: 3.0, 3: 4.0}[dimension]
    pair = build("systems", "particles", jax.random.key(0), species=2, dimension=dimension, range=4.0, box=BOX,
                 bond=-strength, core={"kind": "harmonic", "stiffness": 30.0})  # fmt: skip
    axis = jnp.eye(1, dimension)
    bound = pair.arrange(jnp.concatenate([0.0 * axis, axis]))
    heat = build("dynamics", "langevin", dt=3e-2, friction=2.0)
    found, energy, _ = equilibrate(heat, pair, mixed(bound, 4000), jnp.asarray(1000))
    cutoff, onset = pair.well.cutoff, pair.well.onset

    def well(r):
        if r >= cutoff:
            return 0.0
        outer, inner, s = cutoff**2, onset**2, r**2
        switch = 1.0 if r < onset else (outer - s) ** 2 * (outer + 2 * s - 3 * inner) / (outer - inner) ** 3
        decay = np.exp(-4.0 * max(r - 1.0, 0.0))
        return switch * decay * (2 - decay)

    def potential(r):
        return -strength * well(r) + 30.0 * max(1.0 - r, 0.0) ** 2

    half = 1.0 - np.log(1.0 - np.sqrt(0.5)) / 4.0  # where 2e⁻ˣ − e⁻²ˣ = 1/2
    where = {"box": BOX, "dim": dimension, "breaks": (1.0, onset, cutoff)}
    agrees(f"{dimension}D bound", found, bound_fraction(potential, half, **where))
    agrees(f"{dimension}D energy", energy, pair_average(potential, potential, **where))
