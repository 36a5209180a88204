"""Diffusion of a normal law: forward processes, their reverses, and what is lost by stopping early.

    dx = f(t) x dt + g(t) η,  ⟨ηη'⟩ = 2δ:     x_t = α a + σ z,   α = exp ∫f,   σ² = 2α² ∫ (g/α)² dt,   z normal

so data of variance C have variance α² C + σ² at time t. That of Ornstein and Uhlenbeck has f = −1, g = 1, and hence
α = e^{−t}, σ² = 1 − e^{−2t}.
The family of reverse processes with the same marginals, along τ = T − t [songscore2021],

    dy = [−f y + (1 + A) g² ∇ln p_t(y)] dτ + √(2A) g dW,       A = 0: probability flow,  A = 1: the reverse of Anderson.

Time, x and variances are pure numbers. In [songscore2021] noise is √β dW, that is f = −β/2, g² = β/2.
Limits: scalar variances (components of C in its eigenbasis); reverse laws are those of Ornstein and Uhlenbeck.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.integrate import quad, solve_ivp


class Law(NamedTuple):
    """Factor α on the data and standard deviation σ of the noise at one time."""

    signal: Float[np.ndarray, "*time"]
    noise: Float[np.ndarray, "*time"]

    def variance(self, data: Float[np.ndarray, "*component"] | float) -> Float[np.ndarray, "..."]:
        """α² C + σ².

        >>> float(Law(np.array(0.5), np.array(2.0)).variance(4.0))
        5.0
        """
        return self.signal**2 * data + self.noise**2


def ornstein_uhlenbeck(t) -> Law:
    """α = e^{−t}, σ² = 1 − e^{−2t}.

    >>> float(ornstein_uhlenbeck(0.7).variance(1.0))
    1.0
    """
    t = np.asarray(t, float)
    return Law(np.exp(-t), np.sqrt(-np.expm1(-2 * t)))


def general(f: Callable[[float], float], g: Callable[[float], float], t: float) -> Law:
    """α and σ of dx = f x dt + g η by quadrature of their definitions.

    >>> general(lambda t: -1.0, lambda t: 1.0, 0.7).noise.round(10) == ornstein_uhlenbeck(0.7).noise.round(10)
    np.True_
    """

    def log_signal(s):
        return quad(f, 0.0, s, epsabs=1e-13, epsrel=1e-12)[0]

    spread = quad(lambda s: (g(s) * np.exp(-log_signal(s))) ** 2, 0.0, t, epsabs=1e-13, epsrel=1e-12)[0]
    signal = np.exp(log_signal(t))
    return Law(np.asarray(signal), np.asarray(signal * np.sqrt(2 * spread)))


def variance_by_ode(f: Callable[[float], float], g: Callable[[float], float], t: float, start: float) -> float:
    """v(t) of v' = 2 f v + 2 g², v(0) = start: the same variance as that of :func:`general`, found otherwise.

    >>> round(variance_by_ode(lambda t: -1.0, lambda t: 1.0, 0.7, 1.0), 10)
    1.0
    """
    found = solve_ivp(lambda s, v: 2 * f(s) * v + 2 * g(s) ** 2, (0.0, t), [start], rtol=1e-12, atol=1e-14)
    return float(found.y[0, -1])


class LinearRate(NamedTuple):
    """β(t) = β₀ + t (β₁ − β₀), 0 ≤ t ≤ 1, of variance-preserving processes."""

    first: float = 0.1
    last: float = 20.0

    def integral(self, t):
        """∫₀ᵗ β.

        >>> round(LinearRate().integral(1.0), 10)
        10.05
        """
        return self.first * t + (self.last - self.first) * t**2 / 2


def variance_preserving(t, rate: LinearRate | None = None) -> Law:
    """α = e^{−∫β/2}, σ² = 1 − e^{−∫β}.

    >>> round(float(variance_preserving(1.0).signal), 8)
    0.00657159
    """
    return ornstein_uhlenbeck((rate or LinearRate()).integral(np.asarray(t, float)) / 2)


def sub_variance_preserving(t, rate: LinearRate | None = None) -> Law:
    """α = e^{−∫β/2} and σ = 1 − e^{−∫β}: the square of the variance above, less noise at every time.

    >>> float(sub_variance_preserving(0.0).noise)
    0.0
    """
    law = variance_preserving(t, rate)
    return Law(law.signal, law.noise**2)


def variance_exploding(t, least: float = 0.01, most: float = 50.0) -> Law:
    """α = 1, σ² = s(t)² − s(0)² with s(t) = s_min (s_max/s_min)ᵗ, since dσ²/dt = 2 s² ln(s_max/s_min) and σ(0) = 0.

    Implementations often take σ = s(t), which adds s_min² to the variance at all times.

    >>> float(variance_exploding(0.0).noise)
    0.0
    """
    t = np.asarray(t, float)
    return Law(np.ones_like(t), least * np.sqrt(np.expm1(2 * t * np.log(most / least))))


def reverse_variance(data: float, duration: float, family: float, start: float | None = None) -> float:
    """Variance at t = 0 of the reverse process of family A that starts at t = T with variance ``start``.

    v − G obeys d(v − G)/dτ = 2 [1 − (1 + A)/G] (v − G) with G = 1 + (C − 1) e^{−2t}, so that

        v(0) = C + (start − G_T) e^{−2AT} (C/G_T)^{1+A}:

    noise forgets a wrong start, the flow does not. Without ``start``, that is from G_T, v(0) = C for every A.

    >>> [round(reverse_variance(2.5, 3.0, family, start=1.0), 6) for family in (0.0, 1.0)]
    [2.490739, 2.499943]
    """
    end = float(ornstein_uhlenbeck(duration).variance(data))
    gap = 0.0 if start is None else start - end
    return float(data + gap * np.exp(-2 * family * duration) * (data / end) ** (1 + family))


def reverse_variance_rate(data: float, t: float, family: float, variance: float) -> float:
    """dv/dτ = 2 [1 − (1 + A)/G] v + 2A of that process; 2G − 2 on the marginal v = G, whatever A.

    >>> {round(reverse_variance_rate(2.5, 0.3, A, 1.823217454141), 6) for A in (0.0, 0.3, 2.0)}
    {1.646435}
    """
    marginal = ornstein_uhlenbeck(t).variance(data)
    return 2 * (1 - (1 + family) / float(marginal)) * variance + 2 * family


def prior_divergence(data: float, duration: float) -> float:
    """KL(p_T ‖ N(0, 1)) = ½ (G − 1 − ln G) per component, nat: what a start from normal noise is wrong by.

    >>> f"{prior_divergence(2.5, 2.0):.3g}"
    '0.000185'
    """
    excess = (data - 1) * np.exp(-2 * duration)
    return float((excess - np.log1p(excess)) / 2)


def euler_maruyama_variance(step: float) -> float:
    """Stationary variance of x' = (1 − h) x + √(2h) z, which imitates Ornstein and Uhlenbeck: 1/(1 − h/2).

    Raises:
        ValueError: if h >= 2, where there is no stationary law.

    >>> round(euler_maruyama_variance(0.1), 6)
    1.052632
    """
    if not 0 < step < 2:
        raise ValueError(f"the step must be between 0 and 2, got {step}; take a smaller one")
    return 1 / (1 - step / 2)


def flow_log_likelihood(x: Float[np.ndarray, " d"], data: Float[np.ndarray, " d"], duration: float) -> float:
    """ln p₀(x) of independent normal components of variances C by the flow ODE, nat.

        ẋ = −x − ∇ln p_t,      ln p₀(x₀) = ln p_T(x_T) + ∫₀ᵀ ∇·ẋ dt

    Exact is Σ ln N(x_i; 0, C_i), so what differs is the integrator's.

    >>> exact = -np.log(2 * np.pi * 2.5) / 2 - 0.3**2 / 5
    >>> bool(abs(flow_log_likelihood(np.array([0.3]), np.array([2.5]), 4.0) - exact) < 1e-9)
    True
    """
    x, data = np.asarray(x, float), np.asarray(data, float)

    def flow(t, state):
        inverse = 1 / ornstein_uhlenbeck(t).variance(data)
        return np.append((inverse - 1) * state[:-1], (inverse - 1).sum())

    end = solve_ivp(flow, (0.0, duration), np.append(x, 0.0), rtol=1e-12, atol=1e-13, method="DOP853").y[:, -1]
    last = ornstein_uhlenbeck(duration).variance(data)
    return float(-(np.log(2 * np.pi * last) + end[:-1] ** 2 / last).sum() / 2 + end[-1])
