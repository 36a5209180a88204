"""Forward processes: how data a become noise, x_t, by a kernel that is known at all times.

    Gaussian    c_t = α(t) c_0 + σ(t) z,        c = U x the components in an orthonormal basis, z white
    Poisson     x = a + R u,   p(x | a) ∝ (|x − a|² + t² D)^{−(N+D)/2}      (D extra dimensions, r = t √D)

A process knows how to perturb, how likely a perturbation was, and how the posterior mean ⟨a|x⟩ = E[a | x_t = x] turns
into a score, into noise, and into the velocity of the flow that carries p_t back:

    score       ∇ ln p_t = (α ⟨a|x⟩ − x)/σ²            (in components)
    noise       ⟨z|x⟩ = (x − α ⟨a|x⟩)/σ = −σ ∇ ln p_t
    velocity    dx/dt = f x − g² ∇ ln p_t

The first is Tweedie's formula. The Poisson kernel is that of the electric field of charges at the data in N + D
dimensions; its flow is dx/dt = (x − ⟨a|x⟩)/t along the field lines, with D = 1 as first proposed and D → ∞ the Gaussian
of standard deviation t.

Source: [songscore2021], [gerdes2024]; Poisson flow [xu2022poisson], [xu2023pfgmpp].

Example:
    >>> process = Gaussian(Relaxation(jnp.asarray(1.0), jnp.asarray(1.0)), Sites())
    >>> process.perturb(jax.random.key(0), jnp.zeros(3), jnp.asarray(0.5)).shape
    (3,)
"""

import abc

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import betaln, gammaln
from jaxtyping import Array, Float, Key

from matterlearn.diffusion.bases import AbstractBasis, Data, Sites
from matterlearn.diffusion.schedules import AbstractSchedule, Level, NoiseLevel, Relaxation, Time, rates

__all__ = ["AbstractProcess", "Gaussian", "Poisson", "Relaxation", "Sites"]


class AbstractProcess(eqx.Module):
    """A noising process in the components of ``basis``."""

    schedule: eqx.AbstractVar[AbstractSchedule]
    basis: eqx.AbstractVar[AbstractBasis]

    def signal(self, t: Time) -> Level:
        """α(t)."""
        return jnp.exp(self.schedule.log_signal(t))

    def noise(self, t: Time) -> Level:
        """σ(t)."""
        return jnp.sqrt(self.schedule.variance(t))

    def rates(self, t: Time) -> tuple[Level, Level]:
        """Drift f and diffusivity g² of dc = f c dt + √2 g dW."""
        return rates(self.schedule, t)

    @abc.abstractmethod
    def perturb(self, key: Key[Array, ""], a: Data, t: Time) -> Data:
        """x_t, drawn given a."""

    @abc.abstractmethod
    def log_kernels(self, x: Data, c: Float[Array, "sample *component"], t: Time) -> Float[Array, " sample"]:
        """ln p(x_t = x | a) of many a, given by their components, up to a term that is the same for all."""

    @abc.abstractmethod
    def log_normalisation(self, x: Data, t: Time) -> Float[Array, ""]:
        """What :meth:`log_kernels` leaves out."""

    def apparent_time(self, size: int, excess: Float[Array, ""], t: Time) -> Time:
        """Time of the Gaussian noise that x looks like. Default: t.

        ``excess`` is how much farther x is, in squares, from the middle of the data than data are; it has ``size``
        entries. It tells of noise only what the spread of the data does not hide.
        """
        del size, excess
        return t

    def score_of(self, x: Data, mean: Data, t: Time) -> Data:
        """∇ ln p_t from the posterior mean."""
        c, m, variance = self.basis.to(x), self.basis.to(mean), self.schedule.variance(t)
        return self.basis.back((self.signal(t) * m - c) / variance)

    def mean_of(self, x: Data, score: Data, t: Time) -> Data:
        """The posterior mean from a score, inverse of :meth:`score_of`."""
        c, s, variance = self.basis.to(x), self.basis.to(score), self.schedule.variance(t)
        return self.basis.back((c + variance * s) / self.signal(t))

    def noise_of(self, x: Data, mean: Data, t: Time) -> Data:
        """Standardised noise ⟨z|x⟩ from the posterior mean."""
        c, m = self.basis.to(x), self.basis.to(mean)
        return self.basis.back((c - self.signal(t) * m) / self.noise(t))

    def velocity_of(self, x: Data, mean: Data, t: Time) -> Data:
        """dx/dt of the flow that has the same p_t, from the posterior mean."""
        drift, diffusivity = self.rates(t)
        c, s = self.basis.to(x), self.basis.to(self.score_of(x, mean, t))
        return self.basis.back(drift * c - diffusivity * s)


class Gaussian(AbstractProcess):
    """Linear fading and Gaussian noise, independent in every component."""

    schedule: AbstractSchedule
    basis: AbstractBasis

    def perturb(self, key, a, t):
        noise = jax.random.normal(key, a.shape, a.dtype)
        return self.basis.back(self.signal(t) * self.basis.to(a) + self.noise(t) * noise)

    def log_kernels(self, x, c, t):
        # Products instead of differences: for many x at once this is one product of matrices.
        pull = self.signal(t) / self.schedule.variance(t)
        flat, weighted = c.reshape(len(c), -1), (pull * self.basis.to(x)).ravel()
        own = jnp.broadcast_to(pull * self.signal(t), x.shape).ravel()
        return flat @ weighted - 0.5 * (flat**2) @ own

    def log_normalisation(self, x, t):
        variance = jnp.broadcast_to(self.schedule.variance(t), x.shape)
        return -0.5 * jnp.sum(self.basis.to(x) ** 2 / variance + jnp.log(2 * jnp.pi * variance))


class Poisson(AbstractProcess):
    """Field lines of charges in D dimensions more than data have; time is r/√D, a length."""

    extra: Float[Array, ""]

    @property
    def schedule(self):
        """Time is a length."""
        return NoiseLevel()

    @property
    def basis(self):
        """Entries as they are."""
        return Sites()

    def perturb(self, key, a, t):
        far, turn = jax.random.split(key)
        # R²/(t² D) is a ratio of gamma variables; logarithms keep its heavy tail finite.
        near, away = (jax.random.loggamma(k, half) for k, half in zip(
            jax.random.split(far), (jnp.asarray(0.5 * a.size), 0.5 * self.extra), strict=True))
        radius = t * jnp.sqrt(self.extra) * jnp.exp(0.5 * (near - away))
        direction = jax.random.normal(turn, a.shape, a.dtype)
        return a + radius * direction / jnp.linalg.norm(direction)

    def apparent_time(self, size, excess, t):
        # The kernel is noise of variance D t²/χ²_D; given x, its inverse is (N + D)/(|x − a|² + D t²) on average.
        # A typical |x − a|² is N t²; what lies within the data cannot say that it is less.
        return jnp.sqrt((jnp.maximum(excess, size * t**2) + self.extra * t**2) / (size + self.extra))

    def log_kernels(self, x, c, t):
        squares = jnp.sum((c - x) ** 2, tuple(range(1, c.ndim)))
        return -0.5 * (x.size + self.extra) * jnp.log1p(squares / (self.extra * t**2))

    def log_normalisation(self, x, t):
        n, extra = x.size, self.extra
        surface = 0.5 * n * np.log(np.pi) - gammaln(0.5 * n) + np.log(2.0)  # of the unit sphere
        return -surface - n * jnp.log(t * jnp.sqrt(extra)) - betaln(0.5 * n, 0.5 * extra) + np.log(2.0)
