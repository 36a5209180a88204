"""Samples along the field lines of charges: data in a plane z = 0 of one more dimension.

    E(x, z) ∝ Σ_k w_k (x − y_k, z)/(|x − y_k|² + z²)^{(N+D)/2},      dx/dz = E_x/E_z,

followed down to z = 0 from z = z_max, where the field is that of one charge and x = R u with a uniform direction u and

    R = z_max √(B/(1 − B)),   B ~ Beta(N/2, D/2);        normal with r = σ√D as D → ∞.

On a line (N = D = 1) the flow is known: the stream function ψ = Σ w_k atan2(z, x − y_k) is constant along it, so a
start far away at the angle ϑ ends at the quantile F^{−1}(1 − ϑ/π) of the data, and the prior is Cauchy's.

Source: D = 1 [xu2022poisson], D > 1 [xu2023pfgmpp]. Lengths in the unit of the data.
"""

import numpy as np
from jaxtyping import Float
from scipy.integrate import solve_ivp
from scipy.optimize import brentq
from scipy.stats import beta

Points = Float[np.ndarray, "charge N"]
Weights = Float[np.ndarray, " charge"]


def field_slope(x: Float[np.ndarray, " N"], z: float, charges: Points, weights: Weights, extra: int = 1):
    """E_x/E_z: how x changes with z along a field line.

    >>> field_slope(np.array([3.0]), 2.0, np.array([[1.0]]), np.ones(1)).tolist()  # straight towards one charge
    [1.0]
    """
    gap = np.asarray(x, float) - charges
    logs = np.log(weights) - (gap.shape[1] + extra) / 2 * np.log((gap**2).sum(1) + z**2)
    share = np.exp(logs - np.logaddexp.reduce(logs))
    return share @ gap / z


def follow(x, charges: Points, weights: Weights, start: float, end: float, extra: int = 1) -> np.ndarray:
    """x at z = end on the field line through (x, start), by an adaptive integrator in ln z.

    >>> follow([5.0], np.array([[1.0]]), np.ones(1), 8.0, 4.0).round(8).tolist()
    [3.0]
    """

    def slope(log_z, x):
        z = np.exp(log_z)
        return z * field_slope(x, z, charges, weights, extra)

    span = (np.log(start), np.log(end))
    return solve_ivp(slope, span, np.asarray(x, float), rtol=1e-10, atol=1e-12, method="DOP853").y[:, -1]


def stream_function(x: float, z: float, charges: Float[np.ndarray, " charge"], weights: Weights) -> float:
    """ψ = Σ w atan2(z, x − y), between 0 (far right) and π (far left).

    >>> round(stream_function(2.0, 1.0, np.array([2.0]), np.ones(1)) / np.pi, 12)
    0.5
    """
    return float(np.asarray(weights) @ np.arctan2(z, x - np.asarray(charges, float)))


def end_of_line(x: float, start: float, end: float, charges: Float[np.ndarray, " charge"], weights: Weights) -> float:
    """x at z = end on the field line through (x, start), on a line: ψ falls with x, so it is the one root.

    >>> round(end_of_line(3.7, 40.0, 1e-4, np.array([-1.0, 0.2, 0.9]), np.array([0.2, 0.5, 0.3])), 6)
    0.200053
    """
    wanted = stream_function(x, start, charges, weights)
    reach = 2 * (abs(x) + np.abs(charges).max() + start)
    found = brentq(lambda y: stream_function(y, end, charges, weights) - wanted, -reach, reach, xtol=1e-13)
    return float(found)  # pyright: ignore[reportArgumentType]


def quantile(angle: float, charges: Float[np.ndarray, " charge"], weights: Weights) -> float:
    """F^{−1}(1 − ϑ/π): the charge at which a start far away, seen at the angle ϑ from the right, ends.

    >>> quantile(1.4, np.array([-1.0, 0.2, 0.9]), np.array([0.2, 0.5, 0.3]))
    0.2
    """
    order = np.argsort(charges)
    place = np.searchsorted(np.cumsum(np.asarray(weights)[order]), 1 - angle / np.pi)
    return float(np.asarray(charges, float)[order][min(place, len(order) - 1)])


def prior_radius_law(radius, height: float, dimension: int, extra: float = 1.0):
    """P(R < radius) on the plane z = height: the incomplete beta function at R²/(R² + z²).

    >>> float(prior_radius_law(2.0, 2.0, 1).round(12))  # Cauchy: half within z
    0.5
    """
    square = np.asarray(radius, float) ** 2
    return beta.cdf(square / (square + height**2), dimension / 2, extra / 2)


def prior_mean_square(height: float, dimension: int, extra: float) -> float:
    """E R² = z² N/(D − 2), infinite up to D = 2.

    >>> prior_mean_square(2.0, 3, 8.0)
    2.0
    """
    return height**2 * dimension / (extra - 2) if extra > 2 else float("inf")


def draw_prior(rng: np.random.Generator, count: int, height: float, dimension: int, extra: float = 1.0):
    """Starts on the plane z = height: [count, dimension].

    >>> draw_prior(np.random.default_rng(0), 2, 1.0, 3).shape
    (2, 3)
    """
    share = rng.beta(dimension / 2, extra / 2, count)
    direction = rng.normal(size=(count, dimension))
    radius = height * np.sqrt(share / (1 - share))
    return radius[:, None] * direction / np.linalg.norm(direction, axis=1, keepdims=True)
