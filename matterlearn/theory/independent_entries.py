"""The model without correlations: every entry of a sample by itself, with the frequencies of the training set.

    ln P(v) = Σ_i ln p_i(v_i)

It is what any model of the correlations has to exceed. A value that was never seen is given the weight of one more
sample, 1/(n + 1). Real numbers are given a normal law with the mean and variance of the training set.

Limits: no smoothing of what was seen.
"""

import numpy as np
from jaxtyping import Float


def log_likelihood(
    train: Float[np.ndarray, "n entry"], asked: Float[np.ndarray, "m entry"], values: int
) -> Float[np.ndarray, " m"]:
    """ln P of samples whose entries are 0 … values − 1.

    >>> log_likelihood(np.array([[0], [0], [1], [1]]), np.array([[1]]), 2).round(4).tolist()
    [-0.6931]
    """
    counts = (np.asarray(train)[:, :, None] == np.arange(values)).sum(0)
    share = np.where(counts > 0, counts / len(train), 1 / (len(train) + 1))
    return np.log(share)[np.arange(share.shape[0]), np.asarray(asked, int)].sum(-1)


def gaussian_log_likelihood(
    train: Float[np.ndarray, "n entry"], asked: Float[np.ndarray, "m entry"]
) -> Float[np.ndarray, " m"]:
    """ln P of real samples; entries that do not vary in the training set are left out.

    >>> gaussian_log_likelihood(np.array([[-1.0], [1.0]]), np.array([[0.0]])).round(4).tolist()
    [-0.9189]
    """
    mean, width = np.mean(train, 0), np.std(train, 0)
    varies = width > 0
    z = (np.asarray(asked)[:, varies] - mean[varies]) / width[varies]
    return -(z**2 / 2 + np.log(width[varies]) + np.log(2 * np.pi) / 2).sum(-1)
