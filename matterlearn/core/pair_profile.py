"""What two particles of a mixture do to each other alone: their energy along the distance, and what one bond weighs.

    z_ab = ∫_0^{r_c} e^{−E_ab(r)/kT} dr,        r_c the distance at which the contact χ is one half

All of it through the system's own ``energy`` and ``bonds``, so any isotropic particles will do, whatever their well and
core; differentiable in the couplings.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from scipy.optimize import brentq

from matterlearn.core.assembly import BOND_CONTACT, ParticleSystem
from matterlearn.spec import Problem

# Panels that narrow towards contact resolve a core of any stiffness; the well's minimum is at 1 σ.
EDGES = (0.0, *(1.0 - 0.5**k for k in range(1, 8)), 1.0)
NODES = 16  # of Gauss and Legendre, per panel


def pair_energy(
    system: ParticleSystem, first: Int[Array, ""], second: Int[Array, ""], distance: Float[Array, " grid"]
) -> Float[Array, " grid"]:
    """Energy of two particles, by number, that are alone at the given distances [kT_ref].

    >>> from matterlearn.systems.particles import Config
    >>> three = Config(kind="particles", species=3, bond=-4.0).build(jax.random.key(0))
    >>> round(float(pair_energy(three, jnp.array(0), jnp.array(2), jnp.array([1.0]))[0]), 5)
    -4.0
    """
    two = system.with_species(jnp.stack([system.species[first], system.species[second]]))
    return jax.vmap(lambda r: two.energy(_two_at(two, r)))(distance)  # pyright: ignore[reportAttributeAccessIssue]


def contact_distance(system: ParticleSystem) -> float:
    """r_c [σ]: nearer than this, two particles are bonded. Host code; the same for all pairs, whatever the couplings.

    >>> from matterlearn.systems.particles import Config
    >>> round(contact_distance(Config(kind="particles", species=1, range=10.0).build(jax.random.key(0))), 4)
    1.1228
    """
    two = system.with_species(system.species[:1].repeat(2))
    contact = jax.jit(lambda r: two.bonds(_two_at(two, r)).contact[0])
    surplus = lambda r: float(contact(r)) - BOND_CONTACT  # noqa: E731
    apart = 1.0 + 1e-3 * next(k for k in range(1, 100_000) if surplus(1.0 + 1e-3 * k) < 0)
    return float(brentq(surplus, 1.0, apart, xtol=1e-6))  # pyright: ignore[reportArgumentType]


class Quadrature(eqx.Module):
    """Nodes and weights on (0, r_c)."""

    distance: Float[Array, " grid"]
    weight: Float[Array, " grid"]

    @classmethod
    def upto(cls, cutoff: float) -> "Quadrature":
        """For bonds that end at ``cutoff``.

        >>> round(float(Quadrature.upto(1.25).weight.sum()), 6)
        1.25
        """
        node, weight = np.polynomial.legendre.leggauss(NODES)
        low, high = np.array([*EDGES]), np.array([*EDGES[1:], cutoff])
        half = (high - low)[:, None] / 2
        return cls(jnp.asarray((low[:, None] + half * (1 + node)).ravel()), jnp.asarray((half * weight).ravel()))


@eqx.filter_jit
def log_bond_weights(
    system: ParticleSystem,
    first: Int[np.ndarray, " pair"],
    second: Int[np.ndarray, " pair"],
    rule: Quadrature,
    kT: float,
) -> Float[Array, " pair"]:
    """ln z of pairs of particles; σ is the unit of length.

    For a stiff core and a deep harmonic well, z → e^{−J/kT} √(2π kT/k).
    """
    pair = jax.vmap(lambda a, b: pair_energy(system, a, b, rule.distance))
    return jax.nn.logsumexp(jnp.log(rule.weight) - pair(jnp.asarray(first), jnp.asarray(second)) / kT, axis=1)


def pair_numbers(pairs, n: int) -> Int[np.ndarray, " pair"]:
    """Places of pairs of particles in the order of ``np.triu_indices(n, 1)``.

    >>> pair_numbers([(0, 1), (3, 2)], 4).tolist()
    [0, 5]
    """
    first, second = np.triu_indices(n, 1)
    table = np.zeros((n, n), int)
    table[first, second] = table[second, first] = np.arange(len(first))
    return np.array([table[a, b] for a, b in pairs], int)


def check_temperature(observable, scenario):
    """Complaint about a closed form whose temperature is not that of the dynamics."""
    if getattr(scenario.dynamics, "kT", observable.kT) != observable.kT:
        yield Problem(("kT",), f"{observable.kT:g} is not the temperature of the dynamics, {scenario.dynamics.kT}; "
                      "give both the same number")  # fmt: skip


def _two_at(two: ParticleSystem, distance):
    return two.arrange(jnp.zeros((2, two.dimension)).at[1, 0].set(distance))
