"""A Hopfield network that never sees its patterns, only M noisy examples of each of them.

Example a of archetype μ has η_i = ξ_i with probability (1 + r)/2 and −ξ_i otherwise; r is its quality, 1 if perfect.

    supervised:    J_ij ∝ Σ_μ (Σ_a η_i^{μa}) (Σ_a η_j^{μa}),       unsupervised:    J_ij ∝ Σ_μ Σ_a η_i^{μa} η_j^{μa}.

One step at T = 0 from the archetype itself, which the network was never shown, gives the overlap erf(1/√(2v)) with

    v = ρ + α (1 + ρ)²    supervised,      v = ρ + α [1 + (1 − r⁴)/(M r⁴)]    unsupervised,      ρ = (1 − r²)/(M r²),

the variance of the field in units of the signal: ρ from the archetype's own examples, the rest, at a load α = K/N, from
those of the K − 1 others. So the examples that make an archetype stable grow in number as r⁻² with a teacher, who sorts
them, and as r⁻⁴ without. At α = 0 the step is a majority vote over the examples of a site.

Source: derivation above; the setting and the scaling are those of [agliari2022emergence, alemanno2023supervised].
Limits: one step; N, K and M large, except where said exact.
"""

import numpy as np
from jaxtyping import Float
from scipy.special import erf, erfinv
from scipy.stats import binom


def example_noise(examples, quality) -> Float[np.ndarray, "*points"]:
    """ρ = (1 − r²)/(M r²), variance of the examples' mean over its squared mean.

    >>> round(float(example_noise(100, 0.2)), 12)
    0.24
    """
    square = np.asarray(quality, dtype=float) ** 2
    return (1 - square) / (np.asarray(examples) * square)


def supervised_overlap(alpha, examples, quality) -> Float[np.ndarray, "*points"]:
    """Overlap with the archetype after one step from it, examples being summed before they are stored.

    >>> round(float(supervised_overlap(0.05, 20, 0.3)), 4)
    0.7963
    """
    rho = example_noise(examples, quality)
    return erf(1 / np.sqrt(2 * (rho + np.asarray(alpha) * (1 + rho) ** 2)))


def unsupervised_overlap(alpha, examples, quality) -> Float[np.ndarray, "*points"]:
    """The same with every example stored for itself.

    >>> round(float(unsupervised_overlap(0.05, 20, 0.3)), 4)
    0.7186
    """
    fourth = np.asarray(quality, dtype=float) ** 4
    others = 1 + (1 - fourth) / (np.asarray(examples) * fourth)
    return erf(1 / np.sqrt(2 * (example_noise(examples, quality) + np.asarray(alpha) * others)))


def supervised_examples(overlap, alpha, quality) -> Float[np.ndarray, "*points"]:
    """Examples per archetype that reach a given overlap, a real number; NaN where no number does.

    The root of αρ² + (1 + 2α)ρ = v − α with v = 1/(2 erfinv² m); M = (1 − r²)/(ρr²).

    >>> round(float(supervised_examples(supervised_overlap(0.05, 20, 0.3), 0.05, 0.3)), 9)
    20.0
    """
    square, alpha = np.asarray(quality, dtype=float) ** 2, np.asarray(alpha, dtype=float)
    spare = _spare(overlap, alpha)
    rho = 2 * spare / (1 + 2 * alpha + np.sqrt((1 + 2 * alpha) ** 2 + 4 * alpha * spare))
    return (1 - square) / (rho * square)


def unsupervised_examples(overlap, alpha, quality) -> Float[np.ndarray, "*points"]:
    """The same without a teacher, M = [(1 − r²)/r² + α(1 − r⁴)/r⁴]/(v − α).

    >>> round(float(unsupervised_examples(unsupervised_overlap(0.05, 20, 0.3), 0.05, 0.3)), 9)
    20.0
    """
    square, alpha = np.asarray(quality, dtype=float) ** 2, np.asarray(alpha, dtype=float)
    return ((1 - square) / square + alpha * (1 - square**2) / square**2) / _spare(overlap, alpha)


def _spare(overlap, alpha):
    """v − α, the variance that the examples may add; NaN where the load alone is too much."""
    spare = 1 / (2 * erfinv(np.asarray(overlap, dtype=float)) ** 2) - alpha
    return np.where(spare > 0, spare, np.nan)


def majority_overlap(examples, quality) -> Float[np.ndarray, "*points"]:
    """Exact overlap of a majority vote over M examples, ties counting half: the limit α = 0 of both networks.

    >>> round(float(majority_overlap(101, 0.2)), 10)
    0.958206618
    """
    votes, right = np.asarray(examples), (1 + np.asarray(quality, dtype=float)) / 2
    return 1 - binom.cdf((votes - 1) // 2, votes, right) - binom.cdf(votes // 2, votes, right)
