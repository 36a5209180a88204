"""Scores that are fitted: networks inside a posterior mean.

    ⟨a|x⟩ = m(x, t) + D(t) F(W(t) x, ln σ/α)

m, D and W are posterior mean, posterior deviation and whitening of normal data (``GaussianScore``): the network
corrects a Gaussian posterior, sees unit variance, and is asked for unit variance at all noise levels. With data of one
variance this is the preconditioning of [karras2022]; with the data's own spectrum, on Gaussian data, F = 0 is exact.

Source: [karras2022], [gerdes2024], [kadkhodaie2024].
"""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from matterlearn.diffusion.bases import Data
from matterlearn.diffusion.processes import AbstractProcess
from matterlearn.diffusion.schedules import Time
from matterlearn.diffusion.scores import AbstractScore, GaussianScore


class FittedScore(AbstractScore):
    """A Gaussian reference and a network of (x, noise level) that corrects it."""

    reference: GaussianScore
    network: Any  # Callable[[Data, Float[Array, ""]], Data], its arrays are what is learned

    @property
    def process(self):
        """That of the reference."""
        return self.reference.process

    @property
    def end(self):
        """That of the reference."""
        return self.reference.end

    def denoise(self, x, t):
        seen = self._apparent(x, t)
        return self.reference.denoise(x, seen) + self.reference.uncertainty(self._correction(x, seen), seen)

    def residual(self, a: Data, x: Data, t: Time) -> Data:
        """(a − ⟨a|x⟩) over the reference's posterior deviation: what the network is trained to make small."""
        seen = self._apparent(x, t)
        return self.reference.certainty(a - self.reference.denoise(x, seen), seen) - self._correction(x, seen)

    def prior(self, key, shape):
        return self.reference.prior(key, shape)

    def log_prior(self, x):
        return self.reference.log_prior(x)

    def _apparent(self, x, t):
        """The noise level that x itself tells, where noise has heavy tails; otherwise t."""
        spread = jnp.sum(jnp.broadcast_to(self.reference.variance, x.shape))
        return self.process.apparent_time(x.size, jnp.sum((x - self.reference.mean) ** 2) - spread, t)

    def _correction(self, x, t):
        return self.network(self.reference.standardise(x, t), log_ratio(self.process, t))


class BlindScore(AbstractScore):
    """A network that maps noisy to clean data without being told how much noise there is.

    Without additive constants it is locally linear, f(y) = J_f(y) y, and finds the noise level itself. Limits:
    processes that keep the signal (α = 1).
    """

    process: AbstractProcess
    end: Time
    network: Callable[[Data], Data]

    def denoise(self, x, t):
        del t
        return self.network(x)

    def residual(self, a: Data, x: Data, t: Time) -> Data:
        """(a − ⟨a|x⟩)/σ."""
        return (a - self.denoise(x, t)) / self.process.noise(t)


def log_ratio(process: AbstractProcess, t: Time) -> Float[Array, ""]:
    """ln σ/α, averaged over components: what a network is told of the noise level."""
    return jnp.mean(0.5 * jnp.log(process.schedule.variance(t)) - process.schedule.log_signal(t))
