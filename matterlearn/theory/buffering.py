"""Concentration buffering: a condensate as fast buffer, an active mixture with noise, a PI controller.

Fast-buffer law. Solute is made at k_2 c, decays at k_2 c_1 and leaves the dilute phase for droplets at
k_D (c_1 - c*). Droplets exist above the saturation concentration c*. Balance:

    c_1 = c                         for c < c*,
    c_1 = (c + K c*)/(1 + K)        for c > c*,      K = k_D/k_2.

A noisy total concentration c therefore reaches the dilute phase with slope 1/(1 + K).

The same law with fluctuations is proportional control of the dilute number with gain k_D: slow
disturbances shrink by 1 + K, while the exchange itself adds exactly Poisson noise. An integral term
would remove slow disturbances altogether; `pi_variance` compares them.

| symbol | meaning | unit |
| --- | --- | --- |
| c, c_1, c* | total, dilute, saturation concentration | any, the same |
| k_D, k_2 | exchange with droplets, decay | 1/time |
| K = k_D/k_2 | exchange ratio | 1 |

Source: law and stochastic mixture [zechner2025concentration], experiment [klosin2020phase].
Limits: one droplet phase; the law is the stationary response, without the time that droplets need to
    nucleate.
"""

from typing import NamedTuple

import numpy as np
from scipy.integrate import quad
from scipy.special import gammainc, ndtr

from matterlearn.theory.linear_noise import Network


class BufferFit(NamedTuple):
    """Fit of the fast-buffer law to single cells; concentrations in micromolar."""

    saturation: float
    saturation_error: float
    ratio: float
    ratio_error: float
    regression_slope: float
    regression_intercept: float


# 2NT-DDX4-YFP in nuclei [klosin2020phase], fit in 34 bins and linear regression above c* as published
# with [zechner2025concentration]. The data themselves are not included.
PUBLISHED_FIT = BufferFit(7.471, 0.053, 21.57, 1.43, 0.04637, 7.1256)


def dilute_concentration(total, saturation: float, ratio: float):
    """Dilute concentration of the fast-buffer law, c or (c + K c*)/(1 + K) above c*.

    Args:
        total: c >= 0, any shape.
        saturation: c*.
        ratio: K; infinity gives the plateau c* of phase equilibrium.

    >>> dilute_concentration(np.array([2.0, 6.0]), 4.0, 3.0).tolist()
    [2.0, 4.5]
    """
    total = np.asarray(total, dtype=float)
    return np.minimum(total, saturation + (total - saturation) / (1 + ratio))


def buffered_slope(ratio: float) -> float:
    """dc_1/dc = 1/(1 + K) above c*.

    >>> buffered_slope(3.0)
    0.25
    """
    return 1 / (1 + ratio)


def suppression_above(mean: float, saturation: float, ratio: float) -> float:
    """CV(total)/CV(dilute) when every total lies above c*: 1 + K c*/<c>, for any distribution.

    >>> suppression_above(8.0, 4.0, 3.0)
    2.5
    """
    return 1 + ratio * saturation / mean


class Moments(NamedTuple):
    """Mean and variance of the dilute concentration."""

    mean: float
    variance: float

    @property
    def cv(self) -> float:
        return float(np.sqrt(self.variance) / self.mean)


def _buffered(full, below, share, saturation, ratio) -> Moments:
    """Moments of c_1 from those of c: full <c^n>, below <c^n; c < c*>, share P(c < c*)."""
    slope = 1 / (1 + ratio)
    offset = saturation * (1 - slope)
    first = [whole - part for whole, part in zip(full, below, strict=True)]
    mean = below[0] + offset * (1 - share) + slope * first[0]
    square = below[1] + offset**2 * (1 - share) + 2 * offset * slope * first[0] + slope**2 * first[1]
    return Moments(float(mean), float(square - mean**2))


def gamma_moments(mean: float, cv: float, saturation: float, ratio: float) -> Moments:
    """Dilute mean and variance for a Gamma-distributed total concentration (bursty expression); exact.

    Args:
        mean: <c>.
        cv: standard deviation over mean of c, positive.
        saturation: c*.
        ratio: K.

    >>> gamma_moments(1.0, 0.5, 1e6, 10.0).variance              # below c* nothing changes
    0.25
    """
    shape, scale = 1 / cv**2, mean * cv**2
    edge = saturation / scale
    full = mean, mean**2 * (1 + cv**2)
    below = [whole * gammainc(shape + n, edge) for n, whole in enumerate(full, start=1)]
    return _buffered(full, below, gammainc(shape, edge), saturation, ratio)


def lognormal_moments(mean: float, cv: float, saturation: float, ratio: float) -> Moments:
    """Dilute mean and variance for a log-normal total concentration; exact.

    Args:
        mean: <c>.
        cv: standard deviation over mean of c, positive.
        saturation: c*.
        ratio: K.

    >>> round(lognormal_moments(1.0, 0.5, 1e6, 10.0).variance, 12)
    0.25
    """
    width = np.sqrt(np.log1p(cv**2))
    edge = (np.log(saturation / mean) + width**2 / 2) / width
    full = mean, mean**2 * (1 + cv**2)
    below = [whole * ndtr(edge - n * width) for n, whole in enumerate(full, start=1)]
    return _buffered(full, below, ndtr(edge), saturation, ratio)


def moments(density, saturation: float, ratio: float, *, upper: float = np.inf) -> Moments:
    """Dilute mean and variance for any density of the total concentration, by quadrature.

    Args:
        density: p(c) on c > 0, normalised.
        saturation: c*.
        ratio: K.
        upper: end of the support.

    >>> uniform = moments(lambda c: 0.1, 5.0, np.inf, upper=10.0)
    >>> round(uniform.mean, 9)
    3.75
    """

    def mean_of(function):
        inside = quad(lambda c: function(float(dilute_concentration(c, saturation, ratio))) * density(c), 0, saturation)
        outside = quad(
            lambda c: function(float(dilute_concentration(c, saturation, ratio))) * density(c), saturation, upper
        )
        return inside[0] + outside[0]

    mean = mean_of(lambda c: c)
    return Moments(mean, mean_of(lambda c: (c - mean) ** 2))


class Expression(NamedTuple):
    """Two-stage expression with a buffer: all rates are linear in the numbers.

    mRNA: born at `birth`, dies at `death` each. Solute: made at `translation` per mRNA, decays at
    `decay`, leaves for droplets at `exchange` each and returns at exchange * saturation. Rates per
    time, numbers otherwise.
    """

    birth: float
    death: float
    translation: float
    decay: float
    exchange: float
    saturation: float


def expression_network(expression: Expression) -> Network:
    """Reactions of `Expression` on (mRNA, dilute solute).

    >>> expression_network(Expression(1.0, 1.0, 1.0, 1.0, 0.0, 0.0)).changes.shape
    (6, 2)
    """
    birth, death, translation, decay, exchange, saturation = expression
    changes = np.array([[1, 0], [-1, 0], [0, 1], [0, -1], [0, -1], [0, 1]], dtype=float)

    def rates(x):
        mrna, solute = x
        constant = 0 * mrna
        flows = [birth, death * mrna, translation * mrna, decay * solute, exchange * solute, exchange * saturation]
        return np.stack([constant + flow for flow in flows])

    return Network(changes, rates)


def expression_moments(expression: Expression) -> Moments:
    """Dilute number of `Expression`: fast-buffer mean, Poisson noise plus the filtered noise of mRNA; exact.

    <x> = (k r + k_D x*)/(k_2 + k_D),   Var x = <x> + k^2 r / [(k_2 + k_D)(k_2 + k_D + death)],   r = birth/death.

    The exchange suppresses what mRNA adds but leaves the Poisson noise: that is the floor.

    Limits: droplets never run out, so the mean total must lie well above saturation.

    >>> expression_moments(Expression(10.0, 1.0, 5.0, 1.0, 0.0, 0.0))
    Moments(mean=50.0, variance=175.0)
    """
    birth, death, translation, decay, exchange, saturation = expression
    mrna, loss = birth / death, decay + exchange
    mean = (translation * mrna + exchange * saturation) / loss
    return Moments(mean, mean + translation**2 * mrna / (loss * (loss + death)))


class Controller(NamedTuple):
    """PI control of a deviation x with decay a, disturbed by coloured and white noise.

    dx/dt = -(decay + proportional) x - integral y + d + white,    dy/dt = x,
    dd/dt = -drift d + noise,    <d^2> = disturbance^2,    <white white'> = 2 intrinsic delta.

    Rates in 1/time, `integral` in 1/time^2, `disturbance` in number/time, `intrinsic` in number^2/time.
    """

    decay: float
    proportional: float
    integral: float
    drift: float
    disturbance: float
    intrinsic: float


def pi_variance(controller: Controller) -> float:
    """Stationary variance of the controlled number; exact.

    Var x = D/G + s^2 lambda / [G (lambda^2 + G lambda + k_i)],   G = a + k_p,

    with D intrinsic, s disturbance and lambda drift. Proportional gain k_p = k_D is the fast buffer:
    slow disturbances (lambda -> 0) pass with 1/(a + k_p), i.e. reduced by 1 + K. Any integral gain takes
    them to zero, and leaves D/G untouched; an integrator made of molecules adds `counting_noise`.

    >>> pi_variance(Controller(1.0, 0.0, 0.0, 1.0, 2.0, 0.5))          # 0.5 + 4/2
    2.5
    """
    decay, proportional, integral, drift, disturbance, intrinsic = controller
    damping = decay + proportional
    coloured = disturbance**2 * drift / (damping * (drift**2 + damping * drift + integral))
    return intrinsic / damping + coloured


def counting_noise(controller: Controller, mean: float) -> float:
    """Variance that the integrator adds if it counts molecules, k_i <x>/(a + k_p); exact.

    y grows by one at rate x and shrinks by one at rate <x>: white noise 2 <x> on dy/dt. Strong integral
    control by counting is therefore noisy where weak control is not.

    >>> counting_noise(Controller(1.0, 1.0, 0.5, 1.0, 0.0, 0.0), 8.0)
    2.0
    """
    return controller.integral * mean / (controller.decay + controller.proportional)


def correction_variance(controller: Controller) -> float:
    """Stationary variance of what the integral term corrects, k_i y; exact.

    Var k_i y = D k_i/G + s^2 k_i (G + lambda) / [G (lambda^2 + G lambda + k_i)],   G = a + k_p.

    Slow disturbances are corrected in full. An integrator made of molecules, which are never negative,
    works as long as its mean stays some standard deviations above zero.

    >>> round(correction_variance(Controller(1.0, 1.0, 3.0, 1e-9, 2.0, 0.0)), 6)
    4.0
    """
    decay, proportional, integral, drift, disturbance, intrinsic = controller
    damping = decay + proportional
    resonance = (damping + drift) / (damping * (drift**2 + damping * drift + integral))
    return integral * (intrinsic / damping + disturbance**2 * resonance)


def pi_suppression(controller: Controller) -> float:
    """Var x without control (both gains zero, intrinsic noise unchanged) over Var x with control.

    >>> pi_suppression(Controller(1.0, 1.0, 0.0, 1.0, 2.0, 0.0))
    3.0
    """
    return pi_variance(controller._replace(proportional=0.0, integral=0.0)) / pi_variance(controller)
