"""Tasks that ask something about data which are shown, and drawn, as task ``data`` does."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from matterlearn.core.observable import Summary
from matterlearn.core.task import AbstractTask
from matterlearn.tasks.data import Config, Data


class AboutData(AbstractTask):
    """Everything but the question is the data's."""

    data: eqx.AbstractVar[Data]

    @property
    def memory_count(self) -> int:
        """One: samples of all kinds are shown together."""
        return 1

    @property
    def training_samples(self):
        """Those of the data."""
        return self.data.training_samples

    @property
    def train(self):
        """The same, for observables that compare with them."""
        return self.data.train

    @property
    def test(self):
        """Samples that are held out."""
        return self.data.test

    def present(self, key, system, memory, replicas, duration):
        """Clean samples, clamped."""
        return self.data.present(key, system, memory, replicas, duration)

    def recall(self, key, system, replicas):
        """Free matter."""
        return self.data.recall(key, system, replicas)

    def groups(self, system) -> dict[str, list[Summary]]:
        """Examples of the training samples."""
        return self.data.groups(system)


def clean(source: Any) -> Config:
    """The task of modelling the data of a source."""
    return Config.model_validate({"kind": "data", "data": source.model_dump(), "likelihood": "none"})


def at_times(
    function: Callable,
    key: Key[Array, ""],
    samples: Float[Array, "sample *site"],
    times: Float[Array, " time"],
    block: int,
) -> PyTree[Float[Array, "time sample ..."]]:
    """function(key, sample, time) of every sample at every time, each with a key of its own, ``block`` at once."""

    def at(level):
        def one(numbered):
            number, sample = numbered
            return function(jax.random.fold_in(key, number), sample, times[level])

        numbers = level * len(samples) + jnp.arange(len(samples))
        return jax.lax.map(one, (numbers, samples), batch_size=block)

    return jax.lax.map(at, jnp.arange(len(times)))
