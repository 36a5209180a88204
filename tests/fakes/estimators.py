"""Estimators of known faults: heavy tails, and a count of how often they are traced."""

from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp

from matterlearn.design._estimator import AbstractEstimator, Values
from matterlearn.design._paths import frozen
from matterlearn.spec import Spec

traces = []


class HeavyTailed(AbstractEstimator):
    """The right values; slopes from a Pareto law of index ``alpha``."""

    alpha: float = eqx.field(static=True)

    def values(self, key, thetas, setup, memory) -> Values:
        """∂O_r/∂θ is the same noise for all quantities and couplings of a replica."""
        traces.append(self.alpha)
        systems, states = setup.starts(key, frozen(thetas))
        values = jax.vmap(setup.objective.measure)(systems, setup.drive, states)
        noise = jax.random.pareto(jax.random.fold_in(key, 7), self.alpha, (setup.replicas,))
        change = sum(jnp.sum((leaf - frozen(leaf)).reshape(setup.replicas, -1), 1) for leaf in jax.tree.leaves(thetas))
        return Values(frozen(values) + (noise * change)[:, None])


class Config(Spec):
    """In a scenario."""

    kind: Literal["fakes.estimators:Config"]
    alpha: float = 0.5

    def build(self) -> HeavyTailed:
        """The estimator."""
        return HeavyTailed(self.alpha)
