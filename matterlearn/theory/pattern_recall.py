"""Recall of random patterns by Hebbian couplings: how often a corrupted pattern is closest to its original.

With couplings W[a, (i, ℓ)] = −w where pattern a has level ℓ at pixel i, and 0 elsewhere, a surface s binds a layer of
label a by −w times the number of pixels on which s and pattern a agree. For n pixels of independent fair patterns and
a cue with each pixel flipped with probability p, the agreement is Binomial(n, 1 − p) with the right pattern and
Binomial(n, 1/2), independently, with each of the m − 1 others. Ties being broken at random, the label of lowest
energy is right with probability

    Σ_k B(k; n, 1 − p) [F(k)^m − F(k − 1)^m] / (m f(k)),        f, F: probability and distribution of Binomial(n, 1/2).

Source: derivation above; the signal-to-noise argument of [hopfield1982neural] for a winner-take-all readout.
Limits: mean over patterns and over cues; a layer that is all of one species, at the lowest energy.
"""

import numpy as np
from scipy.stats import binom


def hebbian_accuracy(pixels: int, patterns: int, corruption: float) -> float:
    """Probability that the right one of ``patterns`` random patterns of ``pixels`` pixels wins.

    >>> hebbian_accuracy(100, 5, 0.0) > 1 - 1e-12
    True
    >>> round(hebbian_accuracy(100, 5, 0.5), 12)  # nothing left of the cue: one in five
    0.2
    """
    k = np.arange(pixels + 1)
    up_to = binom.cdf(k, pixels, 0.5)
    below = np.append(0.0, up_to[:-1])
    # [F^m − (F − f)^m]/(m f) without dividing by a vanishing f: the mean of F^(m−1−j) (F − f)^j over j
    j = np.arange(patterns)[:, None]
    wins = np.mean(up_to ** (patterns - 1 - j) * below**j, 0)
    return float(np.sum(binom.pmf(k, pixels, 1 - corruption) * wins))
