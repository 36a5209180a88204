"""Mean-field expansions of ln Z of a restricted Boltzmann machine, with its magnetisations held.

Plefka's expansion in the couplings at fixed magnetisations m_i, n_j of the two layers [plefka1982], [georges1991],
[gabrie2015training]:

    Γ(m, n) = Σ S(m_i) + Σ S(n_j) + a·m + b·n + m·W n
              + ½ Σ W_ij² κ₂(m_i) κ₂(n_j) + (1/6) Σ W_ij³ κ₃(m_i) κ₃(n_j) + …

κ_p being the cumulants of a lone unit of mean m: κ₂ = (1 − m)(m − low), κ₃ = κ₂ dκ₂/dm. Order 1 is mean field, order 2
Thouless–Anderson–Palmer; loops, which a machine of two layers has only from four couplings on, come at order 4.
ln Z ≈ Γ at its stationary point, ∂Γ/∂m = ∂Γ/∂n = 0, which is where

    x_i = a_i + ∂/∂m_i [m·W n + ½ Σ W² κ₂κ₂ + (1/6) Σ W³ κ₃κ₃],      m_i = ⟨s⟩ in the field x_i.

Only mean field is a bound: its ln Z never exceeds the exact one at any m. The others are neither bounds nor convex.

Units: weights as papers write them (E = −a·v − b·h − v·W h, kT = 1; lower couplings of this package have the other
sign), units of {low, 1} with low = 0 or −1. Limits: several stationary points where couplings are strong; the one found
is that which follows from free units as all couplings are turned on.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import root
from scipy.special import entr, expit

STEPS = 8  # in which couplings are turned on


class MeanField(NamedTuple):
    """ln Z in some order and the magnetisations at which it is stationary."""

    log_partition: float
    visible: Float[np.ndarray, " visible"]
    hidden: Float[np.ndarray, " hidden"]


def cumulants(mean: Float[np.ndarray, "*k"], low: int) -> Float[np.ndarray, "3 *k"]:
    """κ₁, κ₂ and κ₃ of a unit of {low, 1} of this mean.

    >>> cumulants(np.array([0.5]), -1).tolist()    # m, 1 − m², −2m(1 − m²)
    [[0.5], [0.75], [-0.75]]
    """
    second = (1 - mean) * (mean - low)
    return np.stack([mean, second, second * (1 + low - 2 * mean)])


def gibbs(W, a, b, visible, hidden, *, order: int = 2, low: int = 0) -> float:
    """Γ at any magnetisations; arguments as in `log_partition`.

    >>> half = np.array([0.5])
    >>> round(float(gibbs(np.zeros((1, 1)), np.zeros(1), np.zeros(1), half, half) / np.log(2)), 12)    # two free units
    2.0
    """
    entropy = _entropy(visible, low).sum() + _entropy(hidden, low).sum()
    left, right = cumulants(visible, low)[:order], cumulants(hidden, low)[:order]
    bonds = sum(k @ W**p @ q / factor for p, factor, k, q in zip((1, 2, 3), (1, 2, 6), left, right, strict=False))
    return float(entropy + a @ visible + b @ hidden + bonds)


def _entropy(mean, low):
    up = (mean - low) / (1 - low)
    return entr(up) + entr(1 - up)


def _slopes(mean, low):
    """d/dm of the cumulants."""
    _, second, third = cumulants(mean, low)
    return np.stack([np.ones_like(mean), 1 + low - 2 * mean, (1 + low - 2 * mean) ** 2 - 2 * second])


def log_partition(
    W: Float[np.ndarray, "visible hidden"],
    a: Float[np.ndarray, " visible"],
    b: Float[np.ndarray, " hidden"],
    *,
    order: int = 2,
    low: int = 0,
) -> MeanField:
    """ln Z to an order of 1, 2 or 3 in the couplings, at the stationary magnetisations.

    Raises:
        ValueError: for another order, or if no stationary point was found.

    >>> field = log_partition(np.zeros((1, 2)), np.zeros(1), np.zeros(2))
    >>> round(float(field.log_partition / np.log(2)), 9), field.visible.tolist()
    (3.0, [0.5])
    """
    if order not in (1, 2, 3):
        raise ValueError(f"the expansion is known here to orders 1, 2 and 3, not {order}")
    fields = np.concatenate([a, b])
    for strength in np.linspace(0, 1, STEPS + 1)[1:]:
        solution = root(_residual, fields, args=(strength * W, a, b, order, low), tol=1e-13)
        fields = solution.x
    visible, hidden = np.split(_mean(fields, low), [len(a)])
    if np.abs(_residual(fields, W, a, b, order, low)).max() > 1e-9:
        raise ValueError(f"no stationary magnetisations of order {order} were found: {solution.message}")
    return MeanField(gibbs(W, a, b, visible, hidden, order=order, low=low), visible, hidden)


def _mean(field, low):
    return low + (1 - low) * expit((1 - low) * field)


def _residual(fields, W, a, b, order, low):
    """Fields minus those that the magnetisations in them make."""
    m, n = np.split(_mean(fields, low), [len(a)])
    powers = [W**p / f for p, f in zip((1, 2, 3), (1, 2, 6), strict=True)][:order]
    left, right = cumulants(m, low), cumulants(n, low)
    on_left = sum(slope * (w @ k) for slope, w, k in zip(_slopes(m, low), powers, right, strict=False))
    on_right = sum(slope * (k @ w) for slope, w, k in zip(_slopes(n, low), powers, left, strict=False))
    return fields - np.concatenate([a + on_left, b + on_right])
