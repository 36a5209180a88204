"""When a reverse diffusion decides for a class, and when for a training sample.

Two clusters ½N(m, s²) + ½N(−m, s²), |m|² = μ² d, along x_t = e^{−t} a + √D z, D = 1 − e^{−2t}, G = D + s² e^{−2t}:

* speciation: the largest eigenvalue Λ of the data's covariance sinks into the noise, e^{−2t_S} Λ = 1;
* clones: two trajectories that part at t end in one class with probability

      φ(t) = ½ ∫ (G₊² + G₋²)/(G₊ + G₋) dx,      G± = N(x; ±u, 1),   u = μ √d e^{−t}/√G,        φ(u = 1) = 0.775200

* collapse: n training samples stop overlapping when the excess entropy per dimension is used up, α = ln n/d,

      f(t)/α = max(0, 1 + (1/2α) ln [D/(D + s² e^{−2t})]),        t_C = ½ ln [1 + s²/(n^{2/d} − 1)].

Source: [biroli2024]; symmetry breaking of two points [raya2023]. Times are those of Ornstein and Uhlenbeck with
⟨ηη'⟩ = 2δ; pure numbers. Limits: f is that of d → ∞ at fixed α; at d of some hundreds f/α is lower by up to 0.09, which
:func:`excess_entropy_finite` explains.
"""

import numpy as np
from jaxtyping import Float
from numpy.polynomial.hermite_e import hermegauss
from scipy.stats import gamma

Times = Float[np.ndarray, "*time"] | float


def speciation_time(largest_variance: float) -> float:
    """t_S = ½ ln Λ.

    Raises:
        ValueError: if Λ <= 1, where noise hides the classes from the start.

    >>> round(speciation_time(256.0), 5)
    2.77259
    """
    if largest_variance <= 1:
        raise ValueError(f"the largest variance must exceed that of the noise, 1; got {largest_variance:g}")
    return float(np.log(largest_variance) / 2)


def separation(t: Times, dimension: int, mean: float = 1.0, width: float = 1.0) -> Times:
    """u = μ √d e^{−t}/√G: half the distance between the clusters over their width, at time t.

    >>> round(float(separation(speciation_time(256.0), 256)), 12)
    1.0
    """
    decay = np.exp(-np.asarray(t, float))
    return mean * np.sqrt(dimension) * decay / np.sqrt(1 - decay**2 + (width * decay) ** 2)


def clone_overlap(u: Times) -> Times:
    """φ at a separation u: ½ + ½ E tanh²(u x) over either cluster, by quadrature.

    >>> round(float(clone_overlap(1.0)), 6)
    0.7752
    """
    u = np.asarray(u, float)
    x, step = np.linspace(-10.0, 10.0, 801, retstep=True)  # the kink of tanh² at large u is where weights are small
    weight = step * np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
    return 0.5 + 0.5 * (weight * np.tanh(u[..., None] * (x + u[..., None])) ** 2).sum(-1)


def clone_overlap_at(t: Times, dimension: int, mean: float = 1.0, width: float = 1.0) -> Times:
    """φ(t) of the two clusters.

    >>> float(clone_overlap_at(3.0, 256).round(4))
    0.7069
    """
    return clone_overlap(separation(t, dimension, mean, width))


def excess_entropy(t: Times, samples: int, dimension: int, width: float = 1.0) -> Times:
    """f/α of n samples of normal clusters of width s: 1 where no sample stands out, 0 where the nearest one is all.

    >>> excess_entropy(np.array([1.2, 1.728, 2.512]), 20_000, 256).round(3).tolist()
    [0.0, 0.586, 0.915]
    """
    decay = np.exp(-2 * np.asarray(t, float))
    load = np.log(samples) / dimension
    return np.maximum(0.0, 1 - np.log1p(width**2 * decay / (1 - decay)) / (2 * load))


def excess_entropy_finite(t: float, samples: int, dimension: int, mean: float = 0.0, width: float = 1.0) -> float:
    """f/α of finite n and d: E ln [1 + (n − 1) p_t(x)/N(x; e^{−t} a, D)]/ln n, with two clusters at ±μ (one if μ = 0).

    The other samples are replaced by their law, an average inside the logarithm: exact above the collapse time as far
    as their sum does not fluctuate, and an upper bound at all times. Against the limit d → ∞ it knows that the
    logarithms fluctuate by √d, and that only samples of the own cluster count before speciation, which takes ln 2/ln n.
    With u the separation, ν² = s² e^{−2t}/G, Γ and Γ' of the gamma law of shape d/2, and g normal,

        ln p_t(x)/N(x; e^{−t} a, D) = ν (Γ − Γ') + ½ d ln (D/G) + ln ½ (1 + e^{−2u(u + g)}).

    Limits: d >= 8; the direction between the centres is one of many.

    >>> round(excess_entropy_finite(2.512, 20_000, 256, mean=1.0), 3)
    0.868
    """
    decay = np.exp(-2 * t)
    share = (1 - decay) / (1 - decay + width**2 * decay)
    shape = dimension / 2
    low = max(0.0, shape - 10 * np.sqrt(shape))
    grid, step = np.linspace(low, shape + 10 * np.sqrt(shape), 1500, retstep=True)
    law = gamma.pdf(grid, shape)
    law /= law.sum()
    difference, places = np.correlate(law, law, "full"), step * np.arange(-len(law) + 1, len(law))
    g, weight = hermegauss(60)
    u = float(np.asarray(separation(t, dimension, mean, width)))
    own = np.logaddexp(0, -2 * u * (u + g)) - np.log(2)
    logs = np.sqrt(1 - share) * places[:, None] + shape * np.log(share) + own
    entropy = difference @ np.logaddexp(0, np.log(samples - 1) + logs) @ (weight / weight.sum())
    return float(entropy / np.log(samples))


def collapse_time(samples: int, dimension: int, width: float = 1.0) -> float:
    """t_C, where f vanishes.

    >>> round(collapse_time(20_000, 256), 5)
    1.29879
    """
    return float(np.log1p(width**2 / np.expm1(2 * np.log(samples) / dimension)) / 2)


def samples_needed(t: float, dimension: int, width: float = 1.0) -> float:
    """n that keeps the collapse later than t: (1 + s²/(e^{2t} − 1))^{d/2}, exponential in the dimension.

    >>> f"{samples_needed(0.5, 50):.3g}"
    '9.55e+04'
    """
    return float(np.exp(dimension / 2 * np.log1p(width**2 / np.expm1(2 * t))))


def breaking_signal(family: float) -> float:
    """θ_c = e^{−t_c} of two points at ±1: where x = 0 stops being stable in the reverse process of family A.

    θ_c² = √(A² + A) − A. The flow, A = 0, is unstable at all times (θ_c = 0); noise makes the choice later, down to
    t = ½ ln 2 at A → ∞.

    Raises:
        ValueError: if A < 0.

    >>> round(breaking_signal(1.0), 6)
    0.643594
    """
    if family < 0:
        raise ValueError(f"the family parameter must not be negative, got {family}")
    if family == 0:
        return 0.0
    return float(np.sqrt(np.sqrt(family) / (np.sqrt(family + 1) + np.sqrt(family))))  # without cancellation at large A


def breaking_time(family: float) -> float:
    """t_c = −ln θ_c; ∞ for the flow.

    >>> round(breaking_time(1.0), 7), breaking_time(0.0)
    (0.4406868, inf)
    """
    signal = breaking_signal(family)
    return float("inf") if signal == 0 else float(-np.log(signal))


def linear_coefficient(signal: Times, family: float) -> Times:
    """Rate dy/dτ = c y near y = 0 for two points: c = 1 + (1 + A)(−1/v + θ²/v²), v = 1 − θ².

    >>> abs(float(linear_coefficient(breaking_signal(2.0), 2.0))) < 1e-12
    True
    """
    rest = 1 - np.asarray(signal, float) ** 2
    return 1 + (1 + family) * (-1 / rest + np.asarray(signal) ** 2 / rest**2)


def instability_time(largest_variance: float, family: float) -> float:
    """Where the middle of two far clusters (Λ ≫ 1, unit width) stops being stable: ½ ln [Λ (1 + A)/A].

    For A = 1 it is t_S + ½ ln 2: the same scale, another constant.

    >>> round(instability_time(256.0, 1.0) - speciation_time(256.0), 6)
    0.346574
    """
    return float(np.log(largest_variance * (1 + family) / family) / 2)
