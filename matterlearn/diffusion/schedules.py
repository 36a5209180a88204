"""How signal fades and noise grows: c_t = α(t) c_0 + σ(t) z, for all components alike or for each in its own way.

| schedule | α(t) | σ²(t) | times |
|---|---|---|---|
| Relaxation(λ, kT) | e^{−λt} | (kT/λ)(1 − e^{−2λt}) | [0, ∞) |
| VariancePreserving(β₀, β₁) | exp(−¼t²(β₁−β₀) − ½tβ₀) | 1 − α² | [0, 1] |
| SubVariancePreserving(β₀, β₁) | the same | (1 − α²)² | [0, 1] |
| VarianceExploding(σ₀, σ₁) | 1 | σ₀²((σ₁/σ₀)^{2t} − 1) | [0, 1] |
| NoiseLevel | 1 | t² | [0, ∞) |
| Cosine(s) | cos(φ(t))/cos(φ(0)), φ = ½π(t + s)/(1 + s) | 1 − α² | [0, 1) |
| LogRatio(γ₀, γ₁) | sigmoid(−γ)^½ | sigmoid(γ), γ = γ₀ + t(γ₁ − γ₀) | [0, 1] |
| Coloured(schedule, K) | of the schedule | K times that of the schedule | of the schedule |

Relaxation with λ = kT = 1 is the Ornstein–Uhlenbeck process dx = −x dt + √2 dW; with λ the eigenvalues of a Laplacian
or of an elastic matrix it is heat conduction or the relaxation of a network, fluctuations included. LogRatio has one
γ = ln σ²/α² per component, and so orders the scales in which a field is destroyed; Coloured has noise of any spectrum.
VarianceExploding is the exact variance of dx = g dW; σ₀²(σ₁/σ₀)^{2t}, which is often quoted, has σ₀² more.

From α and σ² follow the drift f and the diffusivity g² of dc = f c dt + √2 g dW,

    f = d ln α/dt,        g² = ½ dσ²/dt − f σ²

by forward derivatives, so that a schedule says nothing twice.

Source: [songscore2021], [nichol2021], [karras2022], [gerdes2024].

Example:
    >>> ou = Relaxation(jnp.asarray(1.0), jnp.asarray(1.0))
    >>> rates(ou, jnp.asarray(0.3))[1].round(6).item()
    1.0
"""

import abc

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

Time = Float[Array, ""]
Level = Float[Array, "*component"]  # broadcasts against components; () where all fade alike


class AbstractSchedule(eqx.Module):
    """α and σ² of time, and how long times may become."""

    @abc.abstractmethod
    def log_signal(self, t: Time) -> Level:
        """ln α(t)."""

    @abc.abstractmethod
    def variance(self, t: Time) -> Level:
        """σ²(t)."""

    @property
    def last(self) -> float:
        """The largest time at which α > 0 and σ < ∞ are defined; infinite for processes without an end."""
        return np.inf


class Relaxation(AbstractSchedule):
    """Linear relaxation at rates λ in a bath of temperature kT; λ may vanish (diffusion without drift)."""

    rate: Level
    kT: Level

    def log_signal(self, t):
        return -self.rate * t

    def variance(self, t):
        slow = jnp.abs(self.rate) * t < 1e-6  # below, 1 − e^{−2λt} = 2λt to float precision
        rate = jnp.where(slow, 1.0, self.rate)
        return self.kT * jnp.where(slow, 2 * t, -jnp.expm1(-2 * rate * t) / rate)


class VariancePreserving(AbstractSchedule):
    """Noise at the linear rate β₀ + t(β₁ − β₀); unit variance stays unit variance."""

    first: Float[Array, ""]
    final: Float[Array, ""]

    def log_signal(self, t):
        return -0.25 * t**2 * (self.final - self.first) - 0.5 * t * self.first

    def variance(self, t):
        return -jnp.expm1(2 * self.log_signal(t))

    @property
    def last(self):
        return 1.0


class SubVariancePreserving(VariancePreserving):
    """The same signal with less noise."""

    def variance(self, t):
        return jnp.expm1(2 * self.log_signal(t)) ** 2


class VarianceExploding(AbstractSchedule):
    """Noise at geometrically growing rates; the signal stays."""

    first: Float[Array, ""]
    final: Float[Array, ""]

    def log_signal(self, t):
        return jnp.zeros_like(t)

    def variance(self, t):
        return self.first**2 * jnp.expm1(2 * t * jnp.log(self.final / self.first))

    @property
    def last(self):
        return 1.0


class NoiseLevel(AbstractSchedule):
    """Time is the standard deviation of the noise itself; the signal stays."""

    def log_signal(self, t):
        return jnp.zeros_like(t)

    def variance(self, t):
        return t**2


class Cosine(AbstractSchedule):
    """A signal that fades like a cosine, and is gone at t = 1, where σ/α is infinite."""

    offset: Float[Array, ""]

    def log_signal(self, t):
        phase = lambda t: 0.5 * jnp.pi * (t + self.offset) / (1 + self.offset)  # noqa: E731
        return jnp.log(jnp.cos(phase(t))) - jnp.log(jnp.cos(phase(0.0)))

    def variance(self, t):
        return -jnp.expm1(2 * self.log_signal(t))

    @property
    def last(self):
        return 1.0 - 1e-6  # beyond, the signal is rounding error


class LogRatio(AbstractSchedule):
    """γ = ln σ²/α² grows linearly in time, for every component between its own ends."""

    first: Level
    final: Level

    def _gamma(self, t):
        return self.first + t * (self.final - self.first)

    def log_signal(self, t):
        return 0.5 * jax.nn.log_sigmoid(-self._gamma(t))

    def variance(self, t):
        return jax.nn.sigmoid(self._gamma(t))

    @property
    def last(self):
        return 1.0


class Coloured(AbstractSchedule):
    """Noise with a spectrum: the variance of every component is multiplied by its own number."""

    schedule: AbstractSchedule
    spectrum: Level

    def log_signal(self, t):
        return self.schedule.log_signal(t)

    def variance(self, t):
        return self.spectrum * self.schedule.variance(t)

    @property
    def last(self):
        return self.schedule.last


def rates(schedule: AbstractSchedule, t: Time) -> tuple[Level, Level]:
    """Drift f and diffusivity g² of dc = f c dt + √2 g dW."""
    one = jnp.ones_like(t)
    _, drift = jax.jvp(schedule.log_signal, (t,), (one,))
    variance, growth = jax.jvp(schedule.variance, (t,), (one,))
    return drift, 0.5 * growth - drift * variance


def soft_conditioning(
    variance: Float[Array, "*component"],
    level: Float[Array, "*component"],
    *,
    clean: float,
    noisy: float,
    softness: float,
) -> LogRatio:
    """The linear schedule in which scales follow one another, the sooner destroyed the larger their ``level``.

    γ_i(0) = clean + ln Σ_i + a (l_i − l_max),    γ_i(1) = γ_i(0) + noisy − clean + a (l_max − l_min),    a = 1/softness

    Σ_i are the variances of the components. softness → 0 destroys one level after the other (autoregressive),
    softness → ∞ gives all components the same ratio of signal to noise at all times (noise matched to the spectrum);
    a = 1 with l = −ln Σ is white noise. Source: [gerdes2024].
    """
    a = 1.0 / softness
    top, low = jnp.max(level), jnp.min(level)
    first = clean + jnp.log(variance) + a * (level - top)
    return LogRatio(first, first + (noisy - clean) + a * (top - low))
