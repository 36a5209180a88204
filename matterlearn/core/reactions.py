"""Chemical reactions: matter that is numbers of molecules, and changes by a table of reactions.

    n → n + S_r   at rate w_r(n) per time,        r = 1 … R

A system offers the table S (its stoichiometry) and the rates w (its propensities); dynamics that move any such system
need nothing else. A reaction that would take away more molecules than there are does not happen, whatever its rate.

Numbers are floating-point arrays that hold whole numbers under exact simulation: exact up to 2²⁴ molecules in single
precision. The energy is the free energy of the mixture in kT; a network whose reactions all obey detailed balance with
it, w_r(n) exp(−E(n)) = w_−r(n + S_r) exp(−E(n + S_r)), has P ∝ exp(−E) as its stationary law, others are driven.
"""

import abc
from typing import ClassVar, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaln
from jaxtyping import Array, Float, Int

from matterlearn.core.drive import Drive
from matterlearn.core.matter import check_matter
from matterlearn.core.system import AbstractSystem
from matterlearn.spec import Problem

MOST_MOLECULES = 2.0**24  # beyond it single precision does not count one by one
STIRLING = 16.0  # molecules from which on ln n! is its asymptotic series, which loses no digits to cancellation


class Numbers(NamedTuple):
    """Numbers of the molecules of each kind."""

    number: Float[Array, " molecule"]


class AbstractReactionSystem(AbstractSystem):
    """Molecules of several kinds and the reactions between them.

    ``molecules`` names the kinds, ``changes`` are the rows of S, in the order of :meth:`rates`.
    """

    dims: ClassVar = {"number": ("molecule",)}
    largest: ClassVar[float] = MOST_MOLECULES
    molecules: ClassVar[tuple[str, ...]]
    changes: ClassVar[Int[np.ndarray, "reaction molecule"]]

    @abc.abstractmethod
    def rates(self, x: Numbers) -> Float[Array, " reaction"]:
        """Rate of every reaction, 1/time; not negative."""


def propensities(system: AbstractReactionSystem, x: Numbers) -> Float[Array, " reaction"]:
    """Rates, 0 for reactions that would leave a number negative."""
    possible = jnp.all(x.number + system.changes >= 0, axis=-1)
    return jnp.where(possible, system.rates(x), 0.0)


def check_reacting(system, drive: Drive) -> None:
    """What a reaction dynamics can move.

    Raises:
        TypeError: if the system has no reactions.
        ValueError: if the drive pulls: reactions follow rates, not forces.
    """
    if not isinstance(system, AbstractReactionSystem):
        raise TypeError(f"reaction dynamics need a system with reactions, not {type(system).__name__}")
    if drive.stiffness is not None or drive.force is not None:
        raise ValueError("tethers and forces do not act on numbers of molecules; clamp them instead")


def poisson_energy(number: Float[Array, "..."], mean: Float[Array, "..."]) -> Float[Array, "..."]:
    """−ln of the Poisson weight of a number, ln n! − n ln m + m, in kT: free energy of an ideal solute.

    Defined for real n > −1, so that it has derivatives. Relative accuracy is that of n ln(n/m) at any size.

    >>> round(float(poisson_energy(jnp.asarray(2.0), jnp.asarray(3.0))), 4)         # −ln(3² e⁻³/2!)
    1.4959
    """
    n = jnp.maximum(number, STIRLING)
    large = n * jnp.log(n / mean) - n + mean + 0.5 * jnp.log(2 * jnp.pi * n) + 1 / (12 * n) - 1 / (360 * n**3)
    small = jnp.minimum(number, STIRLING)
    direct = gammaln(small + 1) - small * jnp.log(mean) + mean
    return jnp.where(number > STIRLING, large, direct)


def check_reactions(dynamics, scenario):
    """Complaints about a reaction dynamics: nothing that reacts, or a trap that reactions do not feel."""
    yield from check_matter(dynamics, scenario)
    if getattr(scenario.task, "trap", 0.0):
        yield Problem(("kind",), "reactions do not feel the trap of the task; leave task.trap out")
