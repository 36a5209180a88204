"""Exact answers about a lattice model and its target, by summing over all states. Host code."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from matterlearn.core.lattice_kernel import LatticeState
from matterlearn.theory import enumeration

MOST_STATES = 1 << 20

Given = dict[tuple[int, ...], int]  # species held on sites

_energies = eqx.filter_jit(lambda system, x: jax.vmap(system.energy)(x))


class Oracle:
    """Target over patterns on the visible sites, and all states of the lattice that a model weighs.

    ``patterns`` are whole lattices of which only the visible sites count.
    """

    def __init__(self, states, visible: Bool[np.ndarray, "..."], patterns: Int[np.ndarray, "pattern ..."], weights):
        self.states, self.visible, self.patterns = states, visible, patterns
        self.weights = np.asarray(weights, float) / np.sum(weights)
        sites = np.flatnonzero(visible.ravel())
        seen, self.index = enumeration.visible_patterns(states, sites.tolist())
        order = {tuple(row): i for i, row in enumerate(seen.tolist())}
        self.place = [order[tuple(row)] for row in patterns.reshape(len(patterns), -1)[:, sites].tolist()]
        self.target = np.bincount(self.place, self.weights, len(seen))

    def ensemble(self, system, kT: float) -> enumeration.Ensemble:
        """Boltzmann weights of all states at the system's couplings."""
        lattices = LatticeState(jnp.asarray(self.states).reshape(-1, *self.visible.shape))
        return enumeration.ensemble(_energies(system, lattices), kT)

    def kl(self, system, kT: float) -> float:
        """KL(target ‖ model) over the visible sites, nats."""
        return enumeration.kl(self.ensemble(system, kT), self.index, self.target)

    def conditional(self, system, kT: float, given: Given) -> Float[np.ndarray, " state"]:
        """P(state | given) of the model."""
        fits = fit(self.states.reshape(-1, *self.visible.shape), given)
        weights = self.ensemble(system, kT).probabilities * fits
        return weights / weights.sum()

    def model_marginals(self, system, kT: float, given: Given, species: int) -> Float[np.ndarray, "site species"]:
        """P(species on a site | given) of the model."""
        return _marginals(self.states, self.conditional(system, kT, given), species)

    def model_patterns(self, system, kT: float, given: Given) -> Float[np.ndarray, " pattern"]:
        """P(pattern on the visible sites | given) of the model."""
        shown = np.bincount(self.index, self.conditional(system, kT, given), len(self.target))
        return shown[self.place]

    def target_marginals(self, given: Given, species: int) -> Float[np.ndarray, "site species"]:
        """P(species on a site | given) of the target; NaN on hidden sites and where the target excludes ``given``."""
        table = np.full((self.visible.size, species), np.nan)
        weights = self.weights * fit(self.patterns, {s: a for s, a in given.items() if self.visible[s]})
        shown = self.visible.ravel()
        if weights.sum() > 0 and all(self.visible[site] for site in given):
            rows = self.patterns.reshape(len(self.patterns), -1)
            table[shown] = _marginals(rows, weights / weights.sum(), species)[shown]
        return table


def fit(lattices, given: Given) -> Bool[np.ndarray, " state"]:
    """Which lattices show the given species on their sites."""
    fits = np.ones(len(lattices), bool)
    for site, species in given.items():
        fits &= np.asarray(lattices)[(slice(None), *site)] == species
    return fits


def _marginals(states, weights, species: int) -> Float[np.ndarray, "site species"]:
    return np.stack([weights @ (states == a) for a in range(species)], -1)


def all_states(system, sites: int) -> Int[np.ndarray, "state site"] | None:
    """Every state of a lattice mixture, or ``None`` where there are too many."""
    values = system.mobile + 1
    if values**sites > MOST_STATES:
        return None
    return enumeration.configurations(sites, values, composition=system.composition)


def oracle(system, visible, patterns, weights) -> Oracle | None:
    """The oracle of a lattice mixture, or ``None`` where it has too many states."""
    states = all_states(system, visible.size)
    return None if states is None else Oracle(states, visible, patterns, weights)


def equilibrium(system, visible: Bool[np.ndarray, "..."]):
    """What a small lattice mixture itself shows on the visible sites at kT = 1: patterns and their probabilities.

    Raises:
        ValueError: if the lattice has too many states.
    """
    states = all_states(system, visible.size)
    if states is None:
        raise ValueError(f"{visible.size} sites have too many states to enumerate; at most {MOST_STATES}")
    seen, index = enumeration.visible_patterns(states, np.flatnonzero(visible.ravel()).tolist())
    patterns = np.zeros((len(seen), *visible.shape), np.int8)
    patterns[:, visible] = seen
    everything = Oracle(states, visible, patterns, np.ones(len(seen)))
    return patterns, everything.model_patterns(system, 1.0, {})
