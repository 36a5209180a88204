"""Phase diagram of the Hopfield network in load α and temperature T.

| line | what happens | at given T | at given α |
| --- | --- | --- | --- |
| T_M | states of retrieval appear | `hopfield.spinodal` | `spinodal_temperature` |
| T_c | they become the ground state | `coexistence` | `coexistence_temperature` |
| T_R | replica symmetry breaks in them | `instability` | `instability_temperature` |
| T_g | the spin glass freezes | | `spin_glass_temperature` |

All of these are met from above, in this order but for T_g, the highest, and T_c, which only loads below 0.0518543 have.
Within replica symmetry α_M(T) is not monotone: it rises from 0.137906 at T = 0 to 0.138189 at T = 0.0229, below the
temperature 0.0251 of the instability on that line, so that the symmetric states are not exact there.

Source: the equations of `hopfield` [amit1987]; the figures are computed here.

Units and limits: those of `hopfield`; one pattern, all bonds present.
"""

from functools import cache

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize_scalar

from matterlearn.theory.hopfield import Branch, State, find_root, retrieval, spin_glass, spinodal


@cache
def largest_load() -> State:
    """The end of all retrieval: the maximum of the spinodal load over the temperature.

    >>> state = largest_load()
    >>> round(state.alpha, 6), round(state.T, 4)
    (0.138189, 0.0229)
    """
    best = minimize_scalar(lambda T: -spinodal(T).alpha, bounds=(0.01, 0.04), method="bounded", options={"xatol": 1e-9})
    return spinodal(best.x)  # pyright: ignore[reportAttributeAccessIssue]


def spinodal_temperature(alpha: float) -> float:
    """T_M: no state of retrieval above it. The upper one of two where the line turns back, above α = 0.137906.

    Raises:
        ValueError: if α is not positive or above `largest_load`.

    >>> round(spinodal_temperature(0.1), 6)
    0.315432
    """
    top = largest_load()
    if not 0 < alpha <= top.alpha:
        raise ValueError(f"retrieval needs a load in (0, {top.alpha:.6g}], got {alpha}")
    # the load vanishes as (1 − T)² towards T = 1
    hottest = 1 - min(0.1, np.sqrt(alpha) / 10)
    return find_root(lambda T: np.sqrt(spinodal(T).alpha / alpha) - 1, top.T, hottest)


def coexistence(T: float) -> State:
    """The retrieval state whose free energy equals that of the spin glass at temperature T; stable at lower loads.

    Raises:
        ValueError: unless 0 <= T < 1.

    >>> round(coexistence(0.0).alpha, 7)
    0.0518543
    """
    most = spinodal(T).alpha
    return retrieval(find_root(lambda alpha: _advantage(alpha, T), 1e-3 * most, most), T)


def coexistence_temperature(alpha: float) -> float:
    """T_c: patterns are the ground state below it.

    Raises:
        ValueError: if α is not positive, or so large that patterns are at most metastable.

    >>> round(coexistence_temperature(0.05), 6)
    0.216383
    """
    most = coexistence(0.0).alpha
    if not 0 < alpha <= most:
        raise ValueError(f"patterns are the ground state at loads in (0, {most:.6g}] only, got {alpha}")
    return find_root(lambda T: _advantage(alpha, T), 0.0, spinodal_temperature(alpha) - 1e-12)


def _advantage(alpha, T):
    return retrieval(alpha, T).free_energy - spin_glass(alpha, T).free_energy


def spin_glass_temperature(alpha) -> Float[np.ndarray, "*points"]:
    """T_g = 1 + √α.

    >>> float(spin_glass_temperature(0.04))
    1.2
    """
    return 1 + np.sqrt(alpha)


@cache
def instability_end() -> State:
    """Where the line T_R meets the spinodal: above this temperature all retrieval is replica symmetric.

    >>> round(instability_end().T, 4)
    0.0251
    """
    return spinodal(find_root(lambda T: spinodal(T).replicon, 0.01, 0.05))


def instability(T: float) -> State:
    """The retrieval state of vanishing replicon at temperature T; at lower loads replica symmetry holds.

    Raises:
        ValueError: unless 0 < T <= that of `instability_end`.

    >>> state = instability(0.01)
    >>> round(state.alpha, 4), abs(state.replicon) < 1e-9
    (0.1308, True)
    """
    hottest = instability_end().T
    if not 0 < T <= hottest:
        raise ValueError(f"replica symmetry of retrieval breaks at T in (0, {hottest:.6g}] only, got T = {T}")
    branch = Branch(T)
    last = branch.last()
    if hottest == T:
        return branch.at(last)
    return branch.at(find_root(lambda sigma: branch.at(sigma).replicon, 1e-2 * last, last))


def instability_temperature(alpha: float) -> float:
    """T_R: the state of retrieval breaks replica symmetry below it; (8α/9π)^½ exp(−1/2α) at small load.

    Raises:
        ValueError: if α is below 0.005, where T_R < 1e-44, or beyond the load of `instability_end`.

    >>> round(instability_temperature(0.12), 4)
    0.005
    """
    end = instability_end()
    if not 0.005 <= alpha <= end.alpha:
        raise ValueError(f"T_R is found for loads in [0.005, {end.alpha:.6g}], got {alpha}")
    coldest = np.log(8 * alpha / 9 / np.pi) / 2 - 1 / 2 / alpha - 0.1
    logarithm = find_root(lambda log: instability(np.exp(log)).alpha - alpha, coldest, np.log(end.T) - 1e-12)
    return float(np.exp(logarithm))
