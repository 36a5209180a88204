"""Entropy, Fisher information and mean squared error of denoising along the Ornstein–Uhlenbeck process.

    x_t = e^{−t} a + √D z,   D = 1 − e^{−2t};     H = −∫ p ln p,    I = ∫ p |∇ln p|²,    mmse = E |a − E[a|x]|²

    de Bruijn:  dH/dt = I − d              [stam1959]
    I-MMSE:     mmse = (d D − D² I) e^{2t}        [guo2005]

Entropies in nat, the rest pure numbers. Laws: a mixture of normal distributions on a line (points have width 0), or a
normal law in any dimension, given by the eigenvalues of its covariance. Limits: t > 0 where a component has no width;
integrals by the trapezoidal rule, exact to rounding since densities are analytic, with 2·10⁵ nodes at most (widths
below 10⁻⁴ of the range need more).
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

REACH, PER_WIDTH, MOST = 12.0, 12, 200_001  # the integrals: standard deviations to either side, nodes in each


class Mixture(NamedTuple):
    """A mixture of normal laws on a line."""

    weights: Float[np.ndarray, " component"]
    means: Float[np.ndarray, " component"]
    variances: Float[np.ndarray, " component"]

    def at(self, t: float) -> "Mixture":
        """The law at time t.

        >>> two_points().at(0.5).variances.round(6).tolist()
        [0.632121, 0.632121]
        """
        decay = np.exp(-t)
        return Mixture(self.weights, self.means * decay, self.variances * decay**2 - np.expm1(-2 * t))

    def density(self, x: Float[np.ndarray, "*point"]) -> Float[np.ndarray, "*point"]:
        """p(x).

        >>> float(Mixture(*np.ones((3, 1))).density(np.array(1.0)).round(6))
        0.398942
        """
        return np.exp(self._logs(x)).sum(-1)

    def score(self, x: Float[np.ndarray, "*point"]) -> Float[np.ndarray, "*point"]:
        """d ln p/dx.

        >>> float(Mixture(*np.ones((3, 1))).score(np.array(3.0)))
        -2.0
        """
        share = np.exp(self._logs(x) - np.logaddexp.reduce(self._logs(x), axis=-1)[..., None])
        return (share * (self.means - np.asarray(x)[..., None]) / self.variances).sum(-1)

    def _logs(self, x):
        gap = np.asarray(x, float)[..., None] - self.means
        return np.log(self.weights) - (gap**2 / self.variances + np.log(2 * np.pi * self.variances)) / 2

    def nodes(self) -> tuple[Float[np.ndarray, " node"], float]:
        """Places, and the distance between them, at which a sum is the integral."""
        width = np.sqrt(self.variances)
        low, high = (self.means - REACH * width).min(), (self.means + REACH * width).max()
        return np.linspace(low, high, min(MOST, int((high - low) / width.min() * PER_WIDTH)), retstep=True)


def two_points(distance: float = 1.0) -> Mixture:
    """Half the weight at each of ±distance.

    >>> two_points(2.0).means.tolist()
    [-2.0, 2.0]
    """
    return Mixture(np.full(2, 0.5), np.array([-distance, distance]), np.zeros(2))


def entropy(law: Mixture) -> float:
    """H of a law with density.

    >>> round(entropy(Mixture(*np.ones((3, 1)))), 9)  # ½ ln 2πe
    1.418938533
    """
    x, step = law.nodes()
    log_density = np.logaddexp.reduce(law._logs(x), axis=-1)
    return float(-step * (np.exp(log_density) * log_density).sum())


def fisher_information(law: Mixture) -> float:
    """I of a law with density: 1/variance if it is normal, more if it is not.

    >>> round(fisher_information(two_points().at(0.5)), 7)
    1.0202556
    """
    x, step = law.nodes()
    return float(step * (law.density(x) * law.score(x) ** 2).sum())


def entropy_rate(data: Mixture, t: float) -> float:
    """dH/dt = I − 1.

    >>> round(entropy_rate(two_points(), 0.5), 7)
    0.0202556
    """
    return fisher_information(data.at(t)) - 1


def denoising_error(data: Mixture, t: float) -> float:
    """mmse from the Fisher information.

    >>> round(denoising_error(two_points(), 0.5), 8)
    0.61011976
    """
    spread = -np.expm1(-2 * t)
    return float((spread - spread**2 * fisher_information(data.at(t))) * np.exp(2 * t))


def denoising_error_direct(data: Mixture, t: float) -> float:
    """mmse from its definition, with the posterior mean and variance of every component.

    >>> abs(denoising_error_direct(two_points(), 0.5) - denoising_error(two_points(), 0.5)) < 1e-9
    True
    """
    now, decay, spread = data.at(t), np.exp(-t), -np.expm1(-2 * t)
    x, step = now.nodes()
    joint = np.exp(now._logs(x))  # [node, component]
    gain = data.variances * decay / now.variances
    mean = data.means + gain * (x[:, None] - now.means)
    second = mean**2 + data.variances * spread / now.variances
    total = joint.sum(-1)
    guess = (joint * mean).sum(-1) / np.where(total > 0, total, 1.0)
    return float(step * ((joint * second).sum(-1) - total * guess**2).sum())


def normal_information(variances: Float[np.ndarray, " d"], t: float) -> float:
    """I of a normal law with these eigenvalues of its covariance, at time t: Σ 1/(D + e^{−2t} λ).

    >>> normal_information(np.ones(3), 0.4)
    3.0
    """
    return float((1 / (-np.expm1(-2 * t) + np.exp(-2 * t) * np.asarray(variances, float))).sum())


def normal_denoising_error(variances: Float[np.ndarray, " d"], t: float) -> float:
    """mmse of a normal law: Σ λ D/(D + e^{−2t} λ), the risk of Wiener's filter.

    >>> variances = np.array([4.0, 1.0])
    >>> spread = 1 - np.exp(-1.0)
    >>> found = (2 * spread - spread**2 * normal_information(variances, 0.5)) * np.e
    >>> bool(abs(normal_denoising_error(variances, 0.5) - found) < 1e-12)
    True
    """
    variances, spread = np.asarray(variances, float), -np.expm1(-2 * t)
    return float((variances * spread / (spread + np.exp(-2 * t) * variances)).sum())
