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
        self.target = np.zeros(len(seen))
        for pattern, weight in zip(patterns.reshape(len(patterns), -1)[:, sites].tolist(), self.weights, strict=True):
            self.target[order[tuple(pattern)]] += weight

    def ensemble(self, system, kT: float) -> enumeration.Ensemble:
        """Boltzmann weights of all states at the system's couplings."""
        lattices = LatticeState(jnp.asarray(self.states).reshape(-1, *self.visible.shape))
        return enumeration.ensemble(_energies(system, lattices), kT)

    def kl(self, system, kT: float) -> float:
        """KL(target ‖ model) over the visible sites, nats."""
        return enumeration.kl(self.ensemble(system, kT), self.index, self.target)

    def model_marginals(self, system, kT: float, given: Given, species: int) -> Float[np.ndarray, "site species"]:
        """P(species on a site | given) of the model."""
        fits = self._fits(self.states.reshape(-1, *self.visible.shape), given)
        weights = self.ensemble(system, kT).probabilities * fits
        return _marginals(self.states, weights / weights.sum(), species)

    def target_marginals(self, given: Given, species: int) -> Float[np.ndarray, "site species"]:
        """P(species on a site | given) of the target; NaN on hidden sites and where the target excludes ``given``."""
        table = np.full((self.visible.size, species), np.nan)
        weights = self.weights * self._fits(self.patterns, {s: a for s, a in given.items() if self.visible[s]})
        shown = self.visible.ravel()
        if weights.sum() > 0 and all(self.visible[site] for site in given):
            rows = self.patterns.reshape(len(self.patterns), -1)
            table[shown] = _marginals(rows, weights / weights.sum(), species)[shown]
        return table

    @staticmethod
    def _fits(lattices, given: Given) -> Bool[np.ndarray, " state"]:
        fits = np.ones(len(lattices), bool)
        for site, species in given.items():
            fits &= lattices[(slice(None), *site)] == species
        return fits


def _marginals(states, weights, species: int) -> Float[np.ndarray, "site species"]:
    return np.stack([weights @ (states == a) for a in range(species)], -1)


def oracle(system, visible, patterns, weights) -> Oracle | None:
    """The oracle of a lattice mixture, or ``None`` where it has too many states."""
    values = system.mobile + 1
    if values**visible.size > MOST_STATES:
        return None
    states = enumeration.configurations(visible.size, values, composition=system.composition)
    return Oracle(states, visible, patterns, weights)
