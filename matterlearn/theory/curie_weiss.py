"""Diffusion of the Curie–Weiss magnet, whose perfect score is an integral over one variable.

    P₀(a) ∝ exp [β/(2d) (Σ a_i)²],   a_i = ±1,      x_t = e^{−t} a + √D z,   D = 1 − e^{−2t}
    ⟨a_i⟩_{x,t} = E_g tanh h_i,   h_i = √(β/d) g + e^{−t} x_i/D,   weight of g: e^{−g²/2} Π_i cosh h_i   [hubbard1959]
    ∇_i ln p_t = (−x_i + e^{−t} ⟨a_i⟩)/D

For large d the reverse process of μ = Σ x_i/√d moves in V(μ) = ½ μ² − 2 ln cosh(√d m* e^{−t} μ), m* = tanh β m*
[birolimezard2023]. Pure numbers. Limits: no field; V is that of d → ∞ and β > 1.
"""

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq
from scipy.special import gammaln

from matterlearn.theory.enumeration import configurations

Vector = Float[np.ndarray, " d"]


def _grid(x: Vector, t: float, beta: float):
    """Nodes g, their fields h_i, and ln of their weights.

    The integrand is an entire function that decays as a Gaussian, so equal steps converge faster than any power, at
    any d; Hermite's nodes do not reach the two maxima, at |g| ≈ √(βd), of large magnets.
    """
    decay, d = np.exp(-t), len(x)
    reach = np.sqrt(beta * d) + 12.0
    g = np.linspace(-reach, reach, int(reach * 16) + 1)
    field = np.sqrt(beta / d) * g[:, None] + decay * np.asarray(x, float) / (1 - decay**2)
    return g, field, -(g**2) / 2 + (np.logaddexp(field, -field) - np.log(2)).sum(1)


def mean_spins(x: Vector, t: float, beta: float) -> Vector:
    """⟨a_i⟩ given x at time t > 0: the best guess of the noiseless sample.

    >>> mean_spins(np.array([0.5, -0.5]), 1.0, 0.0).round(6).tolist()  # without couplings tanh(e^{−t} x/D)
    [0.209578, -0.209578]
    """
    _, field, logs = _grid(x, t, beta)
    weight = np.exp(logs - np.logaddexp.reduce(logs))
    return weight @ np.tanh(field)


def score(x: Vector, t: float, beta: float) -> Vector:
    """∇ ln p_t(x).

    >>> float(np.abs(score(np.array([0.3, -1.0, 2.0]), 0.4, 0.8) - score_by_enumeration(
    ...     np.array([0.3, -1.0, 2.0]), 0.4, 0.8)).max()) < 1e-13
    True
    """
    decay = np.exp(-t)
    return (-np.asarray(x, float) + decay * mean_spins(x, t, beta)) / (1 - decay**2)


def log_density(x: Vector, t: float, beta: float) -> float:
    """ln p_t(x), normalised, t > 0.

    >>> round(log_density(np.zeros(1), 20.0, 0.7), 9)  # −½ ln 2π
    -0.918938533
    """
    x, decay = np.asarray(x, float), np.exp(-t)
    spread = 1 - decay**2
    g, _, logs = _grid(x, t, beta)
    _, _, prior = _grid(np.zeros(len(x)), 0.5, beta)  # without x the fields are those of any time
    common = -(x**2 + decay**2).sum() / (2 * spread) - len(x) / 2 * np.log(2 * np.pi * spread)
    return float(common + np.logaddexp.reduce(logs) - np.logaddexp.reduce(prior))


def score_by_enumeration(x: Vector, t: float, beta: float) -> Vector:
    """The same by a sum over all 2^d magnets.

    >>> score_by_enumeration(np.array([0.0, 0.0]), 1.0, 1.0).tolist()
    [0.0, 0.0]
    """
    x, decay = np.asarray(x, float), np.exp(-t)
    states = 2.0 * configurations(len(x), 2) - 1
    spread = 1 - decay**2
    logs = beta / (2 * len(x)) * states.sum(1) ** 2 + decay / spread * states @ x
    return (-x + decay * np.exp(logs - np.logaddexp.reduce(logs)) @ states) / spread


def magnetisation_law(d: int, beta: float) -> tuple[Float[np.ndarray, " value"], Float[np.ndarray, " value"]]:
    """Values of M/d and their probabilities: C(d, k) exp [β M²/(2d)] with k spins up.

    >>> [array.round(6).tolist() for array in magnetisation_law(2, 0.0)]
    [[-1.0, 0.0, 1.0], [0.25, 0.5, 0.25]]
    """
    up = np.arange(d + 1)
    m = (2 * up - d) / d
    logs = gammaln(d + 1) - gammaln(up + 1) - gammaln(d - up + 1) + beta * d / 2 * m**2
    return m, np.exp(logs - np.logaddexp.reduce(logs))


def magnetisation_squared(d: int, beta: float) -> float:
    """⟨(M/d)²⟩ of a finite magnet.

    >>> round(magnetisation_squared(10, 0.5), 6)
    0.171464
    """
    m, probability = magnetisation_law(d, beta)
    return float(probability @ m**2)


def spontaneous_magnetisation(beta: float) -> float:
    """m* = tanh β m* > 0; 0 up to the critical point β = 1.

    >>> round(spontaneous_magnetisation(1.5), 6)
    0.85856
    """
    if beta <= 1:
        return 0.0
    low = min(np.sqrt(3 * (beta - 1) / beta**3) / 2, 0.5)  # m* from the cubic is above this, 0 below
    return float(brentq(lambda m: np.tanh(beta * m) - m, low, 1.0, xtol=1e-14, rtol=1e-13))  # pyright: ignore[reportArgumentType]


def potential(mu: Float[np.ndarray, "*point"], t: float, d: int, beta: float) -> Float[np.ndarray, "*point"]:
    """V(μ) in which the reverse process of μ = Σ x_i/√d moves at time t.

    >>> float(potential(np.array(0.0), 1.0, 100, 1.5))
    0.0
    """
    slope = np.sqrt(d) * spontaneous_magnetisation(beta) * np.exp(-t) * np.asarray(mu, float)
    return np.asarray(mu) ** 2 / 2 - 2 * (np.logaddexp(slope, -slope) - np.log(2))


def curvature(t: float, d: int, beta: float) -> float:
    """V''(0) = 1 − 2 d m*² e^{−2t}.

    >>> round(curvature(instability_time(100, 1.5), 100, 1.5), 12)
    0.0
    """
    return float(1 - 2 * d * spontaneous_magnetisation(beta) ** 2 * np.exp(-2 * t))


def speciation_time(d: int, beta: float) -> float:
    """t_S = ½ ln(d m*²): the variance of μ sinks into the noise.

    >>> round(speciation_time(1000, 2.0), 4)
    3.4105
    """
    return float(np.log(d * spontaneous_magnetisation(beta) ** 2) / 2)


def instability_time(d: int, beta: float) -> float:
    """½ ln(2 d m*²): μ = 0 stops being a minimum of V, ½ ln 2 before t_S on the way back.

    >>> round(instability_time(1000, 2.0) - speciation_time(1000, 2.0), 6)
    0.346574
    """
    return speciation_time(d, beta) + float(np.log(2)) / 2


def draw(rng: np.random.Generator, count: int, d: int, beta: float) -> Float[np.ndarray, "count d"]:
    """Independent magnets: M from its law, then which spins are up.

    >>> draw(np.random.default_rng(0), 2, 3, 5.0).shape
    (2, 3)
    """
    _, probability = magnetisation_law(d, beta)
    up = rng.choice(d + 1, size=count, p=probability)
    spins = np.where(np.arange(d) < up[:, None], 1.0, -1.0)
    return rng.permuted(spins, axis=1)
