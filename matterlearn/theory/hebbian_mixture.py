r"""A liquid that stores target compositions in couplings that grew from contacts: what is retrieved, and when.

Contacts of pairs of different components are phi_i phi_j, those of a component with itself phi_i^2/2. Linkers that grow
in proportion to them while targets phi_i = (phi/N)(1 + s xi_i) and their complements (xi -> -xi) are shown therefore
leave half of the self-attraction out: with dose c per target and complement,

    J_ij = -c [P + s^2 sum_mu xi_i xi_j] + (c/2) P (1 + s^2) delta_ij.

The uniform part does nothing at fixed filling. What remains is the mixture of `liquid_hopfield` with attraction
J = c s^2 and a pair repulsion b = (c/2) P (1 + s^2) beside that of order p. With terms A_k x^q_k, x = N phi_i/phi, of
which the pair repulsion is A = b phi/N, q = 1, and the other a phi^(p-1), q = p - 1, the target state of balanced
orthogonal targets, x = 1 +- t, is stationary for G = J phi with

    G t = kT artanh t + 1/2 sum_k A_k [(1 + t)^q_k - (1 - t)^q_k],        t > 0 for kT < G - sum_k q_k A_k,

and a minimum at fixed filling where G/N times the largest eigenvalue of the covariance of targets is below one, their
weights being the susceptibilities S(x) = x/(kT + sum_k q_k A_k x^q_k) of the components.

| symbol | meaning | unit |
| --- | --- | --- |
| phi_i, phi, t | fraction of a component, of all solutes, polarisation of a target state | 1 |
| J, b, G, A, kT | per site | energy |

Source: derivation above, on [brazteixeira2024liquid] and [hopfield1982neural].
Limits: mean field at fixed filling; balanced orthogonal targets.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.stats import norm

Terms = tuple[tuple[float, int], ...]  # repulsions A_k x^q_k


class Parts(NamedTuple):
    """Couplings as -attraction sum xi xi + repulsion delta_ij + uniform; `residual` is what is left, by norm."""

    attraction: float
    repulsion: float
    uniform: float
    residual: float


def hebbian_parts(couplings: Float[np.ndarray, "N N"], targets: Float[np.ndarray, "target N"]) -> Parts:
    """Least-squares parts of couplings; the residual vanishes for Hebbian ones.

    >>> targets = np.array([[1.0, -1, 1, -1], [1, 1, -1, -1]])
    >>> parts = hebbian_parts(-2 * targets.T @ targets + 0.5 * np.eye(4) - 3.0, targets)
    >>> np.round(parts, 9).tolist()
    [2.0, 0.5, -3.0, 0.0]
    """
    shapes = np.stack([-targets.T @ targets, np.eye(len(couplings)), np.ones_like(couplings)])
    columns = shapes.reshape(3, -1).T
    values = np.linalg.lstsq(columns, couplings.ravel())[0]
    left = np.linalg.norm(couplings.ravel() - columns @ values) / max(np.linalg.norm(couplings), 1e-300)
    return Parts(*map(float, values), residual=float(left))


def grown(count: int, dose: float, shown: float) -> Parts:
    """What Hebbian growth leaves after targets of polarisation s and their complements were shown.

    >>> grown(4, 1.0, 1.0)
    Parts(attraction=1.0, repulsion=4.0, uniform=-4.0, residual=0.0)
    """
    return Parts(dose * shown**2, dose * count * (1 + shown**2) / 2, -dose * count, 0.0)


def _branch(field: float, terms: Terms, kT: float) -> float:
    """G at which the target state has the field h = artanh t; increasing in h."""
    t = np.tanh(field)
    rich, poor = 1 + t, 2 / (1 + np.exp(2 * field))
    return float((kT * field + sum(a * (rich**q - poor**q) for a, q in terms) / 2) / t)


def onset(attraction: float, terms: Terms) -> float:
    """Temperature kT = G - sum q A below which the even mixture is unstable to every target.

    >>> onset(10.0, ((1.0, 2),))
    8.0
    """
    return attraction - sum(q * a for a, q in terms)


def polarisation(attraction: float, terms: Terms, kT: float) -> float:
    """t of the target state: its overlap with the target.

    >>> round(polarisation(1.0, (), 0.5), 6)                                 # t = tanh 2t
    0.957504
    """
    lowest = 1e-4
    if attraction <= _branch(lowest, terms, kT):
        return 0.0
    field = brentq(lambda h: _branch(h, terms, kT) - attraction, lowest, attraction / kT + 1, xtol=1e-14)
    return float(np.tanh(field))  # pyright: ignore[reportArgumentType, reportCallIssue]


def participation(t):
    """Effective number of components of a target state, over N: 1/(1 + t^2).

    >>> participation(1.0)
    0.5
    """
    return 1 / (1 + t**2)


def gain(targets: Float[np.ndarray, "target N"], attraction: float, terms: Terms, kT: float) -> float:
    """Largest gain of the first target's state towards any combination of targets; a minimum below 1.

    >>> targets = np.array([[1.0, -1, 1, -1], [1, 1, -1, -1]])
    >>> round(gain(targets, 1.0, (), 0.5), 9)                                 # G/kT without repulsion
    2.0
    """
    x = 1 + polarisation(attraction, terms, kT) * targets[0]
    weight = x / (kT + sum(q * a * x**q for a, q in terms))
    shifted = targets - (targets @ weight / weight.sum())[:, None]
    return float(attraction * np.linalg.eigvalsh((shifted * weight) @ shifted.T)[-1] / len(x))


def temperature_window(targets: Float[np.ndarray, "target N"], attraction: float, terms: Terms):
    """Lowest and highest kT at which target states are minima, or None; below, the mixture localises.

    >>> targets = np.array([[1.0, -1, 1, -1, 1, -1, 1, -1], [1, 1, -1, -1, 1, 1, -1, -1]])
    >>> np.round(temperature_window(targets, 10.0, ((1.0, 2),)), 6).tolist()       # kT = G - 8 A cold, G - 2 A warm
    [2.020311, 8.0]
    >>> temperature_window(targets, 1.0, ()) is None                          # without repulsion never
    True
    """
    highest = onset(attraction, terms)
    if highest <= 0:
        return None
    grid = highest * np.linspace(0.995, 0.005, 400)
    stable = np.array([gain(targets, attraction, terms, kT) < 1 for kT in grid])
    if not stable[0]:
        return None
    if stable.all():
        return 0.0, highest
    last = int(np.argmin(stable))
    lowest = brentq(lambda kT: gain(targets, attraction, terms, kT) - 1, grid[last], grid[last - 1])
    return float(lowest), highest  # pyright: ignore[reportArgumentType, reportReturnType]


def winner_chance(purity: float, spread: float, count: int) -> float:
    r"""Chance that the cued target has the largest overlap, targets and complements counted.

    Overlaps are independent and normal with standard deviation `spread`, the cued one with mean `purity`:
    int_0^inf du n(u; purity, spread) [2 Phi(u/spread) - 1]^(P - 1). For even mixtures unstable to all targets alike the
    largest overlap grows to be the only one.

    >>> winner_chance(0.0, 1.0, 4)                                            # P targets and P complements
    0.125
    """

    def density(u):
        return norm.pdf(u, purity, spread) * (2 * norm.cdf(u / spread) - 1) ** (count - 1)

    peak = max(purity, 0.0)
    limits = max(0.0, peak - 9 * spread), peak + 9 * spread
    return round(float(quad(density, *limits, epsabs=1e-12)[0]), 12)
