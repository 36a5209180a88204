"""Linear noise of reaction networks: steady state, Jacobian and stationary covariance.

A network changes the numbers x by the rows of S at rates w(x). Around the steady state S^T w = 0,

    A C + C A^T + B B^T = 0,    A = S^T dw/dx,    B B^T = S^T diag(w) S.

Exact means and covariances if every rate is linear in x; otherwise the leading order for large numbers.

Source: van Kampen's expansion of the master equation.
Limits: one stable steady state; rates must be analytic functions written with numpy, since derivatives
    are taken by complex steps (exact to rounding).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.linalg import solve_continuous_lyapunov

STEP = 1e-30  # of the complex differentiation, relative


class Network(NamedTuple):
    """Changes of the numbers by every reaction, and their rates [1/time] as a function of the numbers."""

    changes: Float[np.ndarray, "reaction species"]
    rates: Callable


class LinearNoise(NamedTuple):
    """Relaxation matrix A [1/time], noise strength B B^T [1/time] and covariance C."""

    relaxation: Float[np.ndarray, "species species"]
    noise: Float[np.ndarray, "species species"]
    covariance: Float[np.ndarray, "species species"]


def rate_slopes(network: Network, state: Float[np.ndarray, " species"]) -> Float[np.ndarray, "reaction species"]:
    """dw/dx at a state.

    >>> decay = Network(np.array([[1.0], [-1.0]]), lambda x: np.stack([5.0 + 0 * x[0], 2.0 * x[0]]))
    >>> rate_slopes(decay, np.array([3.0])).tolist()
    [[0.0], [2.0]]
    """
    state = np.asarray(state, dtype=float)
    size = STEP * np.maximum(np.abs(state), 1.0)
    columns = [np.imag(network.rates(state + 1j * h * e)) / h for h, e in zip(size, np.eye(len(state)), strict=True)]
    return np.stack(columns, axis=1)


def steady_state(network: Network, guess: Float[np.ndarray, " species"], *, tol=1e-9) -> Float[np.ndarray, " species"]:
    """Numbers at which all changes balance, by Newton's method.

    Args:
        network: reactions.
        guess: positive numbers near the steady state; steps are cut so that they stay positive.
        tol: largest relative step at which to stop.

    Raises:
        RuntimeError: without convergence in 200 steps.

    >>> decay = Network(np.array([[1.0], [-1.0]]), lambda x: np.stack([5.0 + 0 * x[0], 2.0 * x[0]]))
    >>> steady_state(decay, np.array([1.0])).tolist()
    [2.5]
    """
    state = np.asarray(guess, dtype=float)
    for _ in range(200):
        drift = network.changes.T @ network.rates(state)
        matrix = network.changes.T @ rate_slopes(network, state) * state
        rows = np.abs(matrix).max(axis=1)
        step = np.linalg.solve(matrix / rows[:, None], -drift / rows)  # relative to the numbers
        if np.max(np.abs(step)) < tol:
            return state * (1 + step)
        state = state * (1 + step * min(1.0, 0.5 / np.max(np.abs(step))))
    raise RuntimeError(f"no steady state found from {guess}; give a closer guess.")


def linear_noise(network: Network, state: Float[np.ndarray, " species"]) -> LinearNoise:
    """Stationary covariance at a steady state.

    The equation is solved in units of the state, since numbers may differ by many orders.

    Raises:
        ValueError: if the steady state is unstable.

    >>> decay = Network(np.array([[1.0], [-1.0]]), lambda x: np.stack([5.0 + 0 * x[0], 2.0 * x[0]]))
    >>> linear_noise(decay, np.array([2.5])).covariance.round(12).tolist()      # Poisson
    [[2.5]]
    """
    relaxation = network.changes.T @ rate_slopes(network, state)
    noise = (network.changes.T * network.rates(state)) @ network.changes
    if np.max(np.linalg.eigvals(relaxation).real) >= 0:
        raise ValueError("the steady state is unstable: its relaxation matrix has an eigenvalue that is not negative.")
    unit = np.maximum(np.abs(state), 1.0)
    scaled = solve_continuous_lyapunov(relaxation * unit / unit[:, None], -noise / np.outer(unit, unit))
    return LinearNoise(relaxation, noise, scaled * np.outer(unit, unit))
