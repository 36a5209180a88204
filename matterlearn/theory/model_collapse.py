"""Refit loops: models fitted to data that were drawn from the model before them, as normal laws and regressions.

Generation n + 1 is fitted to a pool in which fresh real data, the pool kept so far, and data of generation n have the
shares r, o and s of the weight (r + o + s = 1); generation 0 is the truth.

| policy | r | o | s |
|---|---|---|---|
| replace | 0 | 0 | 1 |
| accumulate | 0 | (n − 1)/n | 1/n |
| mix | w | 0 | 1 − w |

Normal law, T data in a generation, real variance 1, mean m with V = ⟨m²⟩, second moment Q of the pool, U = ⟨variance⟩:

    V' = (o + s)² V + (r² + s² U)/T,        Q' = r + o Q + s (U + V),        U' = f (Q' − V')

with f = 1 for maximum likelihood and T/(T − r − s) without bias, all exact. Least squares in d dimensions with noise σ:
one fit costs e = σ²d/(T − d − 1) in the norm of the inputs' covariance, whatever it is, and

    E' = (o + s)² E + (r² + s²) e

is exact where data are replaced, and else the leading order in d/T. The end of mixing, E/e = V(w), is least at
w = 1/φ = (√5 − 1)/2, where V(w) = w; that of accumulation is π²/6, which the exact E never reaches: all data are
exchangeable in XᵀX, so that the i-th generation adds σ²d/[i(iT − d − 1)].

Sources: [shumailov2024collapse], [dohmatob2024demystified], [gerstgrasser2024inevitable], [he2025golden]; recursions of
the normal law, and exact accumulation, from first principles.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import digamma

Generations = Float[np.ndarray, " generation"]
Shares = Float[np.ndarray, "generation 3"]

GOLDEN_WEIGHT = (np.sqrt(5.0) - 1) / 2
ACCUMULATION_BOUND = np.pi**2 / 6


class GaussianMoments(NamedTuple):
    """Averages over lineages, by generation: squared error of the mean, and variance, in units of the real variance."""

    mean_square: Generations
    variance: Generations


def gaussian_moments(shares: Shares, size: int, *, unbiased: bool = False) -> GaussianMoments:
    """V and U of generations 1, 2, …

    >>> alone = np.tile([0.0, 0.0, 1.0], (30, 1))
    >>> [round(float(column[-1]), 6) for column in gaussian_moments(alone, 20)]
    [0.785361, 0.214639]
    """
    V, Q, U = 0.0, 1.0, 1.0
    rows = []
    for real, kept, synthetic in shares:
        V, Q = (
            (kept + synthetic) ** 2 * V + (real**2 + synthetic**2 * U) / size,
            real + kept * Q + synthetic * (U + V),
        )
        U = (Q - V) * (size / (size - real - synthetic) if unbiased else 1.0)
        rows.append((V, U))
    return GaussianMoments(*np.transpose(rows))


def mean_log_variance(generation, size: int, *, unbiased: bool = False) -> Generations:
    """⟨ln variance⟩ where data are replaced: n [ψ((T − 1)/2) − ln(T/2)], or ln((T − 1)/2) without bias.

    The mean may stay 1 for ever while almost every lineage collapses.

    >>> round(float(mean_log_variance(30, 20, unbiased=True)), 7)
    -1.6066177
    """
    half = (size - 1 if unbiased else size) / 2
    return np.asarray(generation, float) * (digamma((size - 1) / 2) - np.log(half))


def accumulated_variance(size: int) -> float:
    """⟨variance⟩ that is left for ever where data accumulate, fitted by maximum likelihood: Π_i (1 − 1/(T i²)).

    >>> round(accumulated_variance(20), 6)
    0.919759
    """
    return float(np.sinc(1 / np.sqrt(size)))


def fit_risk(dimension: int, size: int, noise: float) -> float:
    """e = σ²d/(T − d − 1), mean excess risk of least squares on T Gaussian inputs of any covariance.

    Raises:
        ValueError: if T ≤ d + 1, where the mean does not exist.

    >>> round(fit_risk(20, 60, 0.5), 7)
    0.1282051
    """
    if size <= dimension + 1:
        raise ValueError(f"least squares in {dimension} dimensions needs more than {dimension + 1} data; got {size}")
    return noise**2 * dimension / (size - dimension - 1)


def regression_risk(generation, dimension: int, size: int, noise: float, last_size: int, last_noise: float):
    """σ²d/(T − d − 1) + n σ_0²d/(T_0 − d − 1): fitted to T data after n generations of T_0 data each.

    >>> round(float(regression_risk(6, 20, 60, 0.5, 100, 0.3)), 10)
    0.7920155794
    """
    loop = np.asarray(generation, float) * fit_risk(dimension, size, noise)
    return loop + fit_risk(dimension, last_size, last_noise)


def accumulated_risk(generation, dimension: int, size: int, noise: float) -> Generations:
    """Σ_{i≤n} σ²d/[i(iT − d − 1)], exact where data accumulate: e at first, and never above π²/6 e.

    In closed form σ² d/(d + 1) [ψ(n + 1 − a) − ψ(n + 1) − ψ(1 − a) + ψ(1)] with a = (d + 1)/T.

    Raises:
        ValueError: if T ≤ d + 1, where the mean does not exist.

    >>> accumulated_risk(np.array([1, 6, 10**9]), 20, 60, 0.5).round(4).tolist()
    [0.1282, 0.1757, 0.1888]
    """
    fit_risk(dimension, size, noise)
    n, a = np.asarray(generation, float), (dimension + 1) / size
    sums = digamma(n + 1 - a) - digamma(n + 1) - digamma(1 - a) + digamma(1.0)
    return noise**2 * dimension / (dimension + 1) * sums


def pooled_risk(shares: Shares) -> Generations:
    """E/e of generations 1, 2, … in leading order of d/T; exact where data are replaced.

    >>> n = np.arange(1, 4)
    >>> pooled_risk(np.stack([0.0 * n, 1 - 1 / n, 1 / n], 1)).round(4).tolist()
    [1.0, 1.25, 1.3611]
    """
    risk, found = 0.0, []
    for real, kept, synthetic in shares:
        risk = (kept + synthetic) ** 2 * risk + real**2 + synthetic**2
        found.append(risk)
    return np.array(found)


def mixing_variance(weight):
    """V(w) = (w² + (1 − w)²)/(1 − (1 − w)²), to which E/e goes where real data have weight w in every generation.

    >>> round(float(mixing_variance(GOLDEN_WEIGHT)), 10)
    0.6180339887
    """
    kept = 1 - np.asarray(weight, float)
    return ((1 - kept) ** 2 + kept**2) / (1 - kept**2)


class MinimumNorm(NamedTuple):
    """Averages over lineages, by generation: ‖w_n‖² and ‖w_n − w_0‖²."""

    squared_norm: Generations
    risk: Generations


def minimum_norm(generation, dimension: int, size: int, noise: float = 0.0, signal: float = 1.0) -> MinimumNorm:
    """Shortest weights through T < d isotropic data, ‖w_0‖ = signal: each fit projects on T of d directions.

    ⟨‖w_n‖²⟩ = (T/d)^n ‖w_0‖² + σ² T/(d − T − 1) (1 − (T/d)^n)/(1 − T/d): what was known goes even without noise.

    Raises:
        ValueError: if T ≥ d, or T = d − 1 with noise, where the mean does not exist.

    >>> minimum_norm(np.arange(1, 4), 40, 30).squared_norm.tolist()
    [0.75, 0.5625, 0.421875]
    """
    if size >= dimension or (noise and size == dimension - 1):
        raise ValueError(f"{size} data do not leave weights in {dimension} dimensions open, or noise without a mean")
    part = size / dimension
    left = part ** np.asarray(generation, float)
    added = noise**2 * size / (dimension - size - 1) * (1 - left) / (1 - part) if noise else 0.0
    return MinimumNorm(left * signal**2 + added, (1 - left) * signal**2 + added)


def verified_risk(generation, fit: float, strictness: float, bias: float) -> Generations:
    """Least squares on labels that a verifier lets pass, b away from the truth: E → b² and noise that stays bounded.

    Each generation goes a fraction κ of the way to the verifier, κ = σ²/(σ² + s²) for labels accepted with probability
    exp(−(y − verifier)²/2s²), and noise that passes has variance (1 − κ)σ²:

        E_n = b² (1 − q^n)² + e q (1 − q^{2n})/(1 − q²),        q = 1 − κ

    >>> round(float(verified_risk(1000, 0.1, 0.5, 0.3)), 6), round(float(verified_risk(1, 0.1, 0.5, 0.0)), 6)
    (0.156667, 0.05)
    """
    q = 1 - strictness
    left = q ** np.asarray(generation, float)
    return bias**2 * (1 - left) ** 2 + fit * q * (1 - left**2) / (1 - q**2)
