"""Classical denoisers as scores: linear in a basis (Wiener), and thresholds in a basis where the data are sparse.

    Wiener      ⟨a|x⟩_k = m_k + α β_k/(α² β_k + σ²) (c_k − α m_k),      β_k, m_k: variance and mean of component k
    threshold   ⟨a|x⟩_k = ρ(c_k/α, T σ/α),     ρ: hard  c [|c| > T],  soft  sign(c) max(|c| − T, 0)

c = U x are components in an orthonormal basis: plane waves, principal axes, wavelets. Where the basis is the principal
axes, the first is the best linear denoiser; in any other it is the best of those that treat components one by one. The
second assumes nothing but that few components are large, so it is the same for all data; it leaves those alone that are
``kept`` (the coarse ones of a wavelet basis). At T = √(2 ln d) hardly any noise is left, and the risk is within a
logarithm of an oracle's (``matterlearn.theory.thresholding``).

What they lose on given data is known, whatever the law of the data: with gains h, Σ_k (h_k − 1)² c_k² + h_k² σ²/α²,
and for thresholds a closed form per component, averaged over the samples (:func:`expected_loss`).

Both answer at any noise level, and so are scores: but while that of Wiener's filter is the score of the normal law with
these variances, thresholding is the posterior mean of no law; soft thresholding is the most likely a under a Laplace
law.

Source: [mallat2009], [donoho1994]. Limits: noise white in the basis used: signal and noise the same for all components,
or the process's own basis.

Example:
    >>> from matterlearn.diffusion.bases import Sites
    >>> from matterlearn.diffusion.processes import Gaussian
    >>> from matterlearn.diffusion.schedules import NoiseLevel
    >>> denoiser = threshold_score(Gaussian(NoiseLevel(), Sites()), Sites(), (2,), end=jnp.asarray(10.0), threshold=2.0)
    >>> denoiser.denoise(jnp.array([3.0, -0.5]), jnp.asarray(1.0)).tolist()
    [3.0, 0.0]
"""

import math
from collections.abc import Callable
from functools import singledispatch
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from matterlearn.diffusion.bases import AbstractBasis, Data
from matterlearn.diffusion.processes import AbstractProcess
from matterlearn.diffusion.schedules import Level, Time
from matterlearn.diffusion.scores import AbstractScore, GaussianScore
from matterlearn.diffusion.wavelets import WaveletBasis
from matterlearn.theory import thresholding


def soft(c: Data, threshold: Level) -> Data:
    """Drawn in towards 0 by the threshold."""
    return c - jnp.clip(c, -threshold, threshold)


def hard(c: Data, threshold: Level) -> Data:
    """Kept or dropped; its derivative does not see the step."""
    return jnp.where(jnp.abs(c) > threshold, c, 0.0)


RULES = {"soft": soft, "hard": hard}


class ThresholdScore(AbstractScore):
    """Thresholds in units of the noise; see the module's docstring."""

    process: AbstractProcess
    basis: AbstractBasis
    threshold: Float[Array, ""]
    kept: Bool[Array, "*component"]
    end: Time
    shrink: Callable[[Data, Level], Data] = eqx.field(static=True)

    def denoise(self, x, t):
        signal = self.process.signal(t)
        c = self.basis.to(x) / signal
        return self.basis.back(jnp.where(self.kept, c, self.shrink(c, self.threshold * self.process.noise(t) / signal)))


def threshold_score(
    process: AbstractProcess, basis: AbstractBasis, shape: tuple[int, ...], end: Time, *,
    rule: str = "hard", threshold: float | None = None,
) -> ThresholdScore:  # fmt: skip
    """Thresholding of arrays of this shape.

    Args:
        process: whose noise is taken away.
        basis: where the data are sparse; of wavelets, what is left coarse is kept.
        shape: of the data.
        end: largest time.
        rule: ``hard`` or ``soft``.
        threshold: T in standard deviations of the noise; default: √(2 ln d), d components.

    Raises:
        ValueError: for a rule that does not exist.
    """
    if rule not in RULES:
        raise ValueError(f"no rule {rule!r}: use hard or soft")
    kept = basis.levels() > basis.depth if isinstance(basis, WaveletBasis) else np.zeros(shape, bool)
    limit = math.sqrt(2 * math.log(math.prod(shape))) if threshold is None else threshold
    return ThresholdScore(
        process=process, basis=basis, threshold=jnp.asarray(float(limit)), kept=jnp.asarray(kept), end=end,
        shrink=RULES[rule],
    )  # fmt: skip


def wiener_score(
    process: AbstractProcess, data: Float[Array, "sample *site"], basis: AbstractBasis, end: Time
) -> GaussianScore:
    """Wiener's filter with the mean of the samples and their variances in a basis.

    On stationary data plane waves are principal axes, and far fewer numbers are estimated than a covariance has.
    """
    components = jax.vmap(basis.to)(data)
    mean, variance = jnp.mean(data, 0), jnp.var(components, 0)
    return GaussianScore(process=process, mean=mean, variance=variance, basis=basis, end=end)


@singledispatch
def expected_loss(score: Any, data: Float[Array, "sample *site"], t: Time) -> float | None:
    """E |⟨a|x⟩ − a|², averaged over these a and over noise, in closed form; ``None`` for scores that have none."""
    del score, data, t
    return None


@expected_loss.register
def _(score: GaussianScore, data, t):
    signal, noise = score.process.signal(t), score.process.schedule.variance(t)
    gain = signal**2 * score.variance / (signal**2 * score.variance + noise)
    square = jnp.mean(jax.vmap(score.basis.to)(data - score.mean) ** 2, 0)
    return float(jnp.sum((gain - 1) ** 2 * square + gain**2 * noise / signal**2))


@expected_loss.register
def _(score: ThresholdScore, data, t):
    width = float(score.process.noise(t) / score.process.signal(t))
    mu = np.asarray(jax.vmap(score.basis.to)(data), float) / width
    risk = (thresholding.soft_risk if score.shrink is soft else thresholding.hard_risk)(float(score.threshold), mu)
    return width**2 * float(np.sum(np.where(score.kept, 1.0, risk))) / len(data)
