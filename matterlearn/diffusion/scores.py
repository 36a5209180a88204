"""Scores as one kind of object: known, estimated from samples, optimal among the linear ones, or fitted.

Each is the posterior mean of the data given a noisy sample,

    ⟨a|x⟩ = E[a | x_t = x],

from which score, noise and velocity follow by the process (``matterlearn.diffusion.processes``). One sample at a time,
no batch axis; ``jax.vmap`` outside.

| score | law of the data |
|---|---|
| GaussianScore | normal, with its variances in a basis: perfect, linear (``linear_score``), free fields |
| MixtureScore | normal clusters: perfect |
| CurieWeissScore | spins with mean-field couplings: perfect, by an integral in one dimension |
| EmpiricalScore | the samples themselves: their noised histogram, which remembers every one |
| FittedScore | whatever a network was shown: a Gaussian posterior and its correction |
| BlindScore | the same by a network that is not told the noise level |
| Guided | of two scores: pushed away from one towards the other |

Source: [songscore2021], [birolimezard2023], [karras2022], [kadkhodaie2024].

Example:
    >>> from matterlearn.diffusion.processes import Gaussian, Relaxation, Sites
    >>> process = Gaussian(Relaxation(jnp.asarray(1.0), jnp.asarray(1.0)), Sites())
    >>> known = GaussianScore(process, jnp.asarray(3.0), jnp.zeros(2), jnp.ones(2), Sites())
    >>> known.score(jnp.ones(2), jnp.asarray(0.7)).tolist()  # unit variance stays unit variance
    [-1.0, -1.0]
"""

import abc

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from matterlearn.diffusion.bases import AbstractBasis, Data, principal_axes
from matterlearn.diffusion.processes import AbstractProcess
from matterlearn.diffusion.schedules import Time

Number = Float[Array, ""]


class AbstractScore(eqx.Module):
    """A posterior mean, and what follows from it. ``end`` is the time at which the reverse process starts."""

    process: eqx.AbstractVar[AbstractProcess]
    end: eqx.AbstractVar[Time]

    @abc.abstractmethod
    def denoise(self, x: Data, t: Time) -> Data:
        """⟨a|x⟩."""

    def score(self, x: Data, t: Time) -> Data:
        """∇ ln p_t(x)."""
        return self.process.score_of(x, self.denoise(x, t), t)

    def noise(self, x: Data, t: Time) -> Data:
        """The standardised noise expected in x."""
        return self.process.noise_of(x, self.denoise(x, t), t)

    def velocity(self, x: Data, t: Time) -> Data:
        """dx/dt of the probability flow."""
        return self.process.velocity_of(x, self.denoise(x, t), t)

    def log_density(self, x: Data, t: Time) -> Number | None:
        """ln p_t(x), where it is known. Default: it is not."""
        del x, t
        return None

    def prior(self, key: Key[Array, ""], shape: tuple[int, ...]) -> Data:
        """A draw of what the reverse process starts from. Default: data at the origin, at time ``end``."""
        return self.process.perturb(key, jnp.zeros(shape), self.end)

    def log_prior(self, x: Data) -> Number:
        """ln of its density."""
        origin = jnp.zeros((1, *x.shape), x.dtype)
        return self.process.log_kernels(x, origin, self.end)[0] + self.process.log_normalisation(x, self.end)


class GaussianScore(AbstractScore):
    """Of normal data with given mean, and variances v in the components of a basis.

        ⟨a|x⟩ = m + α v (c − α m)/(α² v + σ²)

    If signal and noise are the same for all components, the basis is free; otherwise it has to be the process's own.
    The reverse process starts from p_t itself, not from noise alone.
    """

    process: AbstractProcess
    end: Time
    mean: Data
    variance: Data
    basis: AbstractBasis

    def denoise(self, x, t):
        signal, variance = self._total(t)
        gap = self.basis.to(x) - signal * self.basis.to(self.mean)
        return self.mean + self.basis.back(signal * self.variance / variance * gap)

    def score(self, x, t):
        signal, variance = self._total(t)
        return -self.basis.back((self.basis.to(x) - signal * self.basis.to(self.mean)) / variance)

    def log_density(self, x, t):
        signal, variance = self._total(t)
        gap = self.basis.to(x) - signal * self.basis.to(self.mean)
        return -0.5 * jnp.sum(gap**2 / variance + jnp.log(2 * jnp.pi * variance))

    def prior(self, key, shape):
        draw, perturb = jax.random.split(key)
        noise = jnp.sqrt(self.variance) * jax.random.normal(draw, shape)
        return self.process.perturb(perturb, self.mean + self.basis.back(noise), self.end)

    def log_prior(self, x):
        return self.log_density(x, self.end)

    def standardise(self, x: Data, t: Time) -> Data:
        """x with mean 0 and unit variance, if the data are normal."""
        signal, variance = self._total(t)
        return self.basis.back((self.basis.to(x) - signal * self.basis.to(self.mean)) / jnp.sqrt(variance))

    def uncertainty(self, z: Data, t: Time) -> Data:
        """z times the standard deviation of a given x, σ √v/(α² v + σ²)^½, component by component."""
        _, variance = self._total(t)
        return self.basis.back(self._deviation(t, variance) * self.basis.to(z))

    def certainty(self, a: Data, t: Time) -> Data:
        """Inverse of :meth:`uncertainty`."""
        _, variance = self._total(t)
        return self.basis.back(self.basis.to(a) / self._deviation(t, variance))

    def _deviation(self, t, total):
        return self.process.noise(t) * jnp.sqrt(self.variance / total)

    def _total(self, t):
        """α and α² v + σ²."""
        signal = self.process.signal(t)
        return signal, signal**2 * self.variance + self.process.schedule.variance(t)


def linear_score(process: AbstractProcess, data: Float[Array, "sample *site"], end: Time) -> GaussianScore:
    """The best score among the linear ones: W = (σ² + α² C)⁻¹, with mean and covariance C of the samples."""
    variance, axes = principal_axes(np.asarray(data))
    shape = data.shape[1:]
    return GaussianScore(process, end, jnp.mean(data, 0), jnp.asarray(variance, data.dtype).reshape(shape), axes)


def reference_score(
    process: AbstractProcess, end: Time, data: Float[Array, "sample *site"], *, each: bool
) -> GaussianScore:
    """Of the normal law with the mean of the samples and independent components in the process's own basis.

    Their variances are those of the samples, ``each`` its own or one for all; standard normal if there are no samples.
    """
    shape, basis = data.shape[1:], process.basis
    if not len(data):
        return GaussianScore(process, end, jnp.zeros(shape), jnp.ones(shape), basis)
    variance = jnp.var(jax.vmap(basis.to)(data), 0)
    mean = jnp.mean(variance)
    variance = jnp.maximum(variance, 1e-6 * mean) if each else jnp.full(shape, mean)
    return GaussianScore(process, end, jnp.mean(data, 0), variance, basis)


class MixtureScore(AbstractScore):
    """Of normal clusters k with weight w, mean m and variance v (per component of the process, or one number).

    ⟨a|x⟩ = Σ_k P(k|x) [m + α v (c − α m)/(α² v + σ²)]_k
    """

    process: AbstractProcess
    end: Time
    log_weights: Float[Array, " cluster"]
    means: Float[Array, "cluster *component"]
    variances: Float[Array, "cluster *component"]

    def denoise(self, x, t):
        logs, gaps, spread = self._logs(x, t)
        means = self.means + self.process.signal(t) * self.variances * gaps / spread
        return self.process.basis.back(jnp.tensordot(jax.nn.softmax(logs), means, 1))

    def log_density(self, x, t):
        return jax.nn.logsumexp(self._logs(x, t)[0])

    def responsibilities(self, x: Data, t: Time) -> Float[Array, " cluster"]:
        """P(k|x): how likely x came from each cluster."""
        return jax.nn.softmax(self._logs(x, t)[0])

    def _logs(self, x, t):
        signal, noise = self.process.signal(t), self.process.schedule.variance(t)
        gaps = self.process.basis.to(x) - signal * self.means
        spread = jnp.broadcast_to(signal**2 * self.variances + noise, gaps.shape)
        terms = gaps**2 / spread + jnp.log(2 * jnp.pi * spread)
        return self.log_weights - 0.5 * jnp.sum(terms, tuple(range(1, terms.ndim))), gaps, spread


def mixture_score(
    process: AbstractProcess,
    end: Time,
    weights: Float[Array, " cluster"],
    means: Float[Array, "cluster *site"],
    variance: float,
) -> MixtureScore:
    """The score of round clusters around ``means``."""
    centres = jax.vmap(process.basis.to)(means)
    logs = jnp.log(weights / jnp.sum(weights))
    return MixtureScore(process, end, logs, centres, jnp.full(centres.shape, float(variance)))


class CurieWeissScore(AbstractScore):
    """Of spins ±1 with P(a) ∝ exp[β (Σ a)²/2d].

    With a Gaussian field g that the spins share, they are independent: given x and g, a_i has mean tanh h_i with
    h_i = g √(β/d) + α x_i/σ², and g the weight e^{−g²/2} Π 2 cosh h_i. The integral over g is a sum over nodes around
    both maxima of its weight. Limits: one signal and noise for all entries.
    """

    process: AbstractProcess
    end: Time
    beta: Number
    nodes: Float[Array, " node"]

    def denoise(self, x, t):
        fields, logs = self._weights(x, t)
        return jax.nn.softmax(logs) @ jnp.tanh(fields)

    def log_density(self, x, t):
        variance = self.process.schedule.variance(t)
        _, logs = self._weights(x, t)
        free = -0.5 * jnp.sum((x**2 + self.process.signal(t) ** 2) / variance + jnp.log(2 * jnp.pi * variance))
        _, prior = self._weights(jnp.zeros_like(x), t)
        return free + jax.nn.logsumexp(logs) - jax.nn.logsumexp(prior)

    def _weights(self, x, t):
        g = self.nodes
        pull = self.process.signal(t) * x / self.process.schedule.variance(t)
        fields = g[:, None] * jnp.sqrt(self.beta / x.size) + pull
        return fields, -0.5 * g**2 + jnp.sum(jnp.logaddexp(fields, -fields), -1)


def curie_weiss_score(process: AbstractProcess, beta: float, size: int, end: Time) -> CurieWeissScore:
    """The score of ``size`` spins at inverse temperature β.

    At every maximum of its weight |g| = √(βd) |m| with |m| ≤ 1, and the weight is no narrower than a normal law there;
    its poles are π√(d/β)/2 off the real axis. So the sum over nodes with this spacing is exact to rounding.
    """
    reach = float(np.sqrt(beta * size)) + 9.0
    nodes = jnp.linspace(-reach, reach, 2 * int(np.ceil(reach / 0.25)) + 1)
    return CurieWeissScore(process, end, jnp.asarray(float(beta)), nodes)


class EmpiricalScore(AbstractScore):
    """Of the samples themselves: p_t = (1/n) Σ_μ p(x | a^μ), the minimum of the loss over all functions.

        ⟨a|x⟩ = Σ_μ w_μ a^μ,        w = softmax_μ ln p(x | a^μ)

    Samples are streamed in blocks, so memory is bounded by a block, not by their number. The reverse process ends on
    one of the samples: this score memorises. Limits: distances are products in single precision, so at very small
    noise, |a|²/σ² > 10⁷, neighbours are told apart by the leading digits only.
    """

    process: AbstractProcess
    end: Time
    components: Float[Array, "block entry_of_block *component"]
    blanks: Float[Array, "block entry_of_block"]  # 0 for a sample, −inf for what fills the last block
    count: Number

    def denoise(self, x, t):
        return self.process.basis.back(self._moments(x, t)[2])

    def log_density(self, x, t):
        top, total, *_ = self._moments(x, t)
        return top + jnp.log(total) - jnp.log(self.count) + self.process.log_normalisation(x, t)

    def participation(self, x: Data, t: Time) -> Number:
        """Y = Σ_μ w_μ²: 1/Y samples share the responsibility for x; 1 if it has collapsed onto one of them."""
        _, total, _, squares = self._moments(x, t)
        return squares / total**2

    def _moments(self, x, t):
        """Largest log-weight, Σ w, Σ w c/Σ w and Σ w², with w relative to the largest."""

        def block(carry, entry):
            top, total, mean, squares = carry
            c, blank = entry
            logs = self.process.log_kernels(x, c, t) + blank
            new = jnp.maximum(top, jnp.max(logs))
            old, weights = jnp.exp(top - new), jnp.exp(logs - new)
            after = total * old + jnp.sum(weights)
            mean = mean * old + jnp.tensordot(weights, c, 1)
            return (new, after, mean, squares * old**2 + weights @ weights), None

        zero = jnp.zeros((), x.dtype)
        start = (zero - jnp.inf, zero, jnp.zeros_like(x), zero)
        (top, total, mean, squares), _ = jax.lax.scan(block, start, (self.components, self.blanks))
        return top, total, mean / total, squares


def empirical_score(
    process: AbstractProcess, data: Float[Array, "sample *site"], end: Time, block: int = 4096
) -> EmpiricalScore:
    """The score of samples, streamed in blocks of so many."""
    c = jax.vmap(process.basis.to)(data)
    blocks = -(-len(c) // block) if len(c) > block else 1
    block = min(block, len(c))
    fill = blocks * block - len(c)
    padded = jnp.concatenate([c, jnp.zeros((fill, *c.shape[1:]), c.dtype)])
    blanks = jnp.concatenate([jnp.zeros(len(c), c.dtype), jnp.full(fill, -jnp.inf, c.dtype)])
    shaped = padded.reshape(blocks, block, *c.shape[1:])
    return EmpiricalScore(process, end, shaped, blanks.reshape(blocks, block), jnp.asarray(float(len(c))))


class Guided(AbstractScore):
    """Classifier-free guidance: s = s_free + (1 + w)(s_class − s_free) pushes samples away from what all classes share.

    w = 0 is the class itself; for w > 0 the result is the score of no process, since noising and powers of densities
    do not commute. Source: [hosalimans2022].
    """

    towards: AbstractScore
    away: AbstractScore
    weight: Number

    @property
    def process(self):
        """That of the class."""
        return self.towards.process

    @property
    def end(self):
        """That of the class."""
        return self.towards.end

    def denoise(self, x, t):
        free = self.away.denoise(x, t)
        return free + (1 + self.weight) * (self.towards.denoise(x, t) - free)
