"""Noise added in discrete steps, and taken away again: exact laws of one step back.

    q(x_t | x_{t−1}) = N(√α_t x_{t−1}, β_t),   α_t = 1 − β_t,   ᾱ_t = α_1 … α_t,      q(x_t | a) = N(√ᾱ_t a, 1 − ᾱ_t)
    q(x_{t−1} | x_t, a) = N(μ̃, β̃),   β̃_t = β_t (1 − ᾱ_{t−1})/(1 − ᾱ_t)

    −ln p(a) ≤ KL(q(x_T|a) ‖ p(x_T)) + Σ_{t≥2} E KL(q(x_{t−1}|x_t, a) ‖ p(x_{t−1}|x_t)) − E ln p(a|x_1)

Steps are counted from 1, arrays from 0: ``betas[t − 1]`` is β_t, and ᾱ_0 = 1. Source: [ho2020]. Pure numbers, nat.
Limits: scalar noise; the bound is for isotropic normal data, of which the reverse chain is known.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

Steps = Float[np.ndarray, " step"]


def linear_betas(count: int = 1000, first: float = 1e-4, last: float = 0.02) -> Steps:
    """β_t on a line from first to last.

    >>> f"{np.prod(1 - linear_betas()):.6g}"
    '4.03583e-05'
    """
    return np.linspace(first, last, count)


def kept(betas: Steps) -> Float[np.ndarray, " time"]:
    """ᾱ_0 = 1, ᾱ_1, …, ᾱ_T: the fraction of the data's variance that is left.

    >>> kept(np.array([0.5, 0.5])).tolist()
    [1.0, 0.5, 0.25]
    """
    return np.concatenate([[1.0], np.cumprod(1 - np.asarray(betas, float))])


class Posterior(NamedTuple):
    """q(x_{t−1} | x_t, a) = N(of_data a + of_noisy x_t, variance)."""

    of_data: float
    of_noisy: float
    variance: float


def posterior(betas: Steps, t: int) -> Posterior:
    """μ̃ = [√ᾱ_{t−1} β_t a + √α_t (1 − ᾱ_{t−1}) x_t]/(1 − ᾱ_t) and β̃_t.

    Raises:
        ValueError: unless 1 <= t <= T.

    >>> posterior(np.array([0.5, 0.5]), 1)[2]  # the first step is undone exactly if the data are known
    0.0
    """
    if not 1 <= t <= len(betas):
        raise ValueError(f"steps go from 1 to {len(betas)}, got {t}")
    beta, before, now = float(betas[t - 1]), *map(float, kept(betas)[t - 1 : t + 1])
    rest = (1 - before) / (1 - now)
    return Posterior(np.sqrt(before) * beta / (1 - now), np.sqrt(1 - beta) * rest, beta * rest)


def posterior_by_conditioning(betas: Steps, t: int) -> Posterior:
    """The same from the joint normal law of x_{t−1} and x_t given a.

    >>> np.allclose(posterior(linear_betas(), 7), posterior_by_conditioning(linear_betas(), 7))
    True
    """
    before = kept(betas)[t - 1]
    decay, beta = np.sqrt(1 - betas[t - 1]), betas[t - 1]
    early = 1 - before
    covariance = np.array([[early, decay * early], [decay * early, decay**2 * early + beta]])
    gain = covariance[0, 1] / covariance[1, 1]
    of_data = np.sqrt(before) * (1 - gain * decay)
    return Posterior(float(of_data), float(gain), float(covariance[0, 0] - gain * covariance[0, 1]))


def reverse_variance(betas: Steps, t: int, data: float) -> float:
    """Var(x_{t−1} | x_t) of isotropic normal data of this variance: β̃_t at 0, β_t at 1, more than β_t above 1.

    >>> betas = linear_betas()
    >>> bool(np.isclose(reverse_variance(betas, 50, 1.0), betas[49]))
    True
    """
    before = kept(betas)[t - 1]
    early, beta = before * data + 1 - before, betas[t - 1]
    return float(early * beta / ((1 - beta) * early + beta))


def noise_weights(betas: Steps) -> tuple[Steps, Steps]:
    """Two ways to divide 1 − ᾱ_T among the steps: ᾱ_{s−1} β_s, and (ᾱ_T/ᾱ_s) β_s, the noise of step s that is left.

    >>> [round(weights.sum(), 12) for weights in noise_weights(np.array([0.5, 0.2]))]
    [np.float64(0.6), np.float64(0.6)]
    """
    left = kept(betas)
    return left[:-1] * betas, left[-1] / left[1:] * betas


class Bound(NamedTuple):
    """Terms that bound −ln p(a), nat per component, averaged over normal data: prior, steps 2 to T, reconstruction."""

    prior: float
    steps: Steps
    reconstruction: float

    @property
    def total(self) -> float:
        """Their sum."""
        return self.prior + float(self.steps.sum()) + self.reconstruction


def bound(betas: Steps, data: float, variances: Steps | None = None) -> Bound:
    """The bound for normal data of this variance, of which the chain back has the true mean and given variances.

    ``variances[t − 1]`` is that of p(x_{t−1} | x_t); without them, the true ones, where the bound exceeds the entropy
    by nothing but the prior's mismatch.

    >>> betas = linear_betas(100, 1e-3, 0.2)
    >>> gap = bound(betas, 2.0).total - np.log(2 * np.pi * np.e * 2.0) / 2
    >>> last = kept(betas)[-1] * 2.0 + 1 - kept(betas)[-1]  # of x_T, which the prior takes to be 1
    >>> bool(abs(gap - (last - 1 - np.log(last)) / 2) < 1e-12)
    True
    """
    left, times = kept(betas), range(1, len(betas) + 1)
    true = np.array([reverse_variance(betas, t, data) for t in times])
    model = true if variances is None else np.asarray(variances, float)
    noisy = left * data + 1 - left  # variance of x_t
    gain = np.sqrt(1 - betas) * noisy[:-1] / noisy[1:]  # E[x_{t−1} | x_t] = gain x_t
    steps = []
    for t in times[1:]:
        exact = posterior(betas, t)
        # The means differ by of_data a + (of_noisy − gain) x_t, whose variance needs ⟨a x_t⟩ = √ᾱ_t C.
        off = exact.of_noisy - gain[t - 1]
        gap = exact.of_data**2 * data + off**2 * noisy[t] + 2 * exact.of_data * off * np.sqrt(left[t]) * data
        ratio = exact.variance / model[t - 1]
        steps.append((ratio - 1 - np.log(ratio) + gap / model[t - 1]) / 2)
    last = 1 - left[-1]
    prior = (last + left[-1] * data - 1 - np.log(last)) / 2
    first = (np.log(2 * np.pi * model[0]) + true[0] / model[0]) / 2
    return Bound(float(prior), np.array(steps), float(first))
