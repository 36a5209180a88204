"""Canonical averages at one temperature from samples taken at several: the multistate Bennett acceptance ratio.

    Z_k/Z_0 = e^{−f_k},      e^{−f_k} = Σ_n e^{−β_k E_n} / Σ_j N_j e^{f_j − β_j E_n}
    ⟨A⟩_β = Σ_n w_n A_n,     w_n ∝ e^{−β E_n} / Σ_j N_j e^{f_j − β_j E_n}

n runs over the samples of all temperatures, N_j of them at β_j. It is the maximum-likelihood estimate, and the limit of
the weighted-histogram method for narrow bins [ferrenberg1989], [shirts2008]. Samples of a ladder of replica exchange
may be taken together; they may be restricted to one phase, if those of every temperature are.

| quantity | unit |
|---|---|
| β, 1/E | 1/kT_ref |

Limits: neighbouring temperatures must share energies, which is not checked; see ``effective_samples``. Correlations
between samples do not bias, but standard errors have to come from independent ladders.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax


class Pool(NamedTuple):
    """Samples of all temperatures together; ``log_partition`` is ln Z_k, that of the first temperature being 0."""

    energies: Float[np.ndarray, " sample"]
    beta: Float[np.ndarray, " temperature"]
    counts: Int[np.ndarray, " temperature"]
    log_partition: Float[np.ndarray, " temperature"]

    def weights(self, beta: float) -> Float[np.ndarray, " sample"]:
        """Weights of the samples at β, which sum to one."""
        return softmax(-beta * self.energies - _log_density(self.energies, self.beta, self.counts, self.log_partition))

    def mean(self, beta: float, values: Float[np.ndarray, " sample"] | None = None) -> float:
        """⟨A⟩ at β, of the energy if no values are given."""
        return float(self.weights(beta) @ (self.energies if values is None else values))

    def effective_samples(self, beta: float) -> float:
        """1/Σ w²: how many samples of equal weight would do as well; small where β is far from all that was sampled."""
        return float(1 / np.sum(self.weights(beta) ** 2))


def pool(energies: Sequence[Float[np.ndarray, " sample"]], beta: Sequence[float] | Float[np.ndarray, " _"]) -> Pool:
    """The samples of each temperature, put together.

    Temperatures without samples are left out.

    Raises:
        ValueError: if there is not one list of samples per temperature, or no sample at all.

    >>> found = pool([np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.0, 0.0, 0.0, 1.0])], [0.0, np.log(3.0)])
    >>> round(found.mean(0.0), 6), round(found.mean(np.log(3.0)), 6)
    (0.5, 0.25)
    """
    if len(energies) != len(beta):
        raise ValueError(f"one list of samples per temperature: {len(energies)} lists for {len(beta)} temperatures")
    kept = [(np.asarray(sample, float), b) for sample, b in zip(energies, beta, strict=True) if len(sample)]
    if not kept:
        raise ValueError("there are no samples to reweight")
    samples, betas = [list(column) for column in zip(*kept, strict=True)]
    counts, slope, every = np.array([len(s) for s in samples]), np.asarray(betas, float), np.concatenate(samples)
    middle = every.mean()  # energies count from here, so that exponents stay small
    free = minimize(_objective, np.zeros(len(slope)), (every - middle, slope, counts), "trust-exact", True, _curvature)
    log_partition = -free.x - slope * middle
    return Pool(every, slope, counts, log_partition - log_partition[0])


def _log_terms(energies, beta, counts, log_partition) -> Float[np.ndarray, "sample temperature"]:
    """ln N_k − ln Z_k − β_k E_n."""
    return np.log(counts) - log_partition - np.outer(energies, beta)


def _log_density(energies, beta, counts, log_partition) -> Float[np.ndarray, " sample"]:
    """ln Σ_k N_k e^{−β_k E_n}/Z_k: how many samples of the pool a state of this energy stands for."""
    return np.asarray(logsumexp(_log_terms(energies, beta, counts, log_partition), axis=1))


def _objective(free, energies, beta, counts):
    """−ln likelihood per sample and its gradient, convex in f; flat along a common shift of all f."""
    terms = _log_terms(energies, beta, counts, -free)
    total, share = np.asarray(logsumexp(terms, axis=1)), counts / len(energies)
    return total.mean() - share @ free, softmax(terms, axis=1).mean(0) - share


def _curvature(free, energies, beta, counts):
    """Second derivatives of the objective."""
    chance = softmax(_log_terms(energies, beta, counts, -free), axis=1)
    return np.diag(chance.mean(0)) - chance.T @ chance / len(energies)
