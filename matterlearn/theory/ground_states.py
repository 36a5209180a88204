"""Optimisation as a search for ground states: exact ones of small networks, and how long a search takes to find one.

    E(s) = Σ_<ij> J_ij s_i s_j + Σ_i U_i s_i,        s_i ∈ {low, 1}

*Max-cut* is J_ij = w_ij: the weight of the edges between the two camps of spins is (Σ J − E)/2. *Number partitioning*
is J_ij = a_i a_j: the two piles differ by R with R² = 2E + Σ a² [lucas2014].

All states are visited by halves: with the units split in two, E is a sum over each half and a matrix between them, so
that 2^N energies cost one matrix product.

A search that finds a ground state within t steps with probability p(t), begun again and again, needs

    TTS(t) = t ln(1 − c)/ln(1 − p(t))

steps to have found one with confidence c = 0.99, never less than one search; its smallest value over t says how good
the search is, whatever time it was given [ronnow2014].

Units: those of J; steps. Limits: 28 units, some seconds.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import beta

LARGEST = 28  # units
ROWS = 2**9  # states of the first half that are treated at once


class GroundStates(NamedTuple):
    """The lowest energy, in how many states, and one of them."""

    energy: float
    count: int
    state: Int[np.ndarray, " unit"]


def ground_states(
    pairs: Int[np.ndarray, "pair 2"], J: Float[np.ndarray, " pair"], U: Float[np.ndarray, " unit"], low: int = -1
) -> GroundStates:
    """Ground states by looking at all states; energies that differ by rounding count as equal.

    Raises:
        ValueError: if there are more than 28 units.

    >>> triangle = ground_states(np.array([[0, 1], [0, 2], [1, 2]]), np.ones(3), np.zeros(3))
    >>> triangle.energy, triangle.count    # all states but the two that are uniform
    (-1.0, 6)
    """
    units = len(U)
    if units > LARGEST:
        raise ValueError(
            f"{units} units have too many states to look at all, at most {LARGEST}: give the lowest energy"
        )
    matrix = np.zeros((units, units))
    matrix[pairs[:, 0], pairs[:, 1]] = J
    head = units // 2
    halves = _states(head, low), _states(units - head, low)
    own = [
        np.einsum("si,ij,sj->s", half, matrix[part, part], half, optimize=True) + half @ U[part]
        for half, part in zip(halves, (slice(head), slice(head, None)), strict=True)
    ]
    fields = (matrix + matrix.T)[:head, head:] @ halves[1].T
    rounding = 1e-9 * (1 + np.abs(J).sum() + np.abs(U).sum())
    lowest, count, place = math.inf, 0, (0, 0)
    for start in range(0, len(halves[0]), ROWS):
        rows = slice(start, start + ROWS)
        energies = halves[0][rows] @ fields + own[1] + own[0][rows, None]
        least = energies.min()
        if least > lowest + rounding:
            continue
        here = int((energies <= least + rounding).sum())
        if least < lowest - rounding:
            lowest, count = float(least), here
            row, column = divmod(int(energies.argmin()), energies.shape[1])
            place = start + row, column
        else:
            count += here
    return GroundStates(lowest, count, np.concatenate([halves[0][place[0]], halves[1][place[1]]]).astype(int))


def _states(units, low):
    return low + (1.0 - low) * (np.arange(2**units)[:, None] >> np.arange(units)[::-1] & 1)


def cut_weight(weights: Float[np.ndarray, " pair"], energy) -> Float[np.ndarray, "*k"]:
    """Weight between the two camps at an energy of max-cut.

    >>> float(cut_weight(np.ones(3), np.array(-1.0)))    # two edges of a triangle
    2.0
    """
    return (np.sum(weights) - energy) / 2


def residue(numbers: Float[np.ndarray, " unit"], energy) -> Float[np.ndarray, "*k"]:
    """Difference of the two piles at an energy of number partitioning.

    >>> float(residue(np.array([3.0, 1.0, 1.0]), np.array(3 * -1.0 + 3 * -1.0 + 1.0)))    # 3 against 1 + 1
    1.0
    """
    return np.sqrt(np.maximum(2 * energy + np.sum(np.square(numbers)), 0))


class TimeToSolution(NamedTuple):
    """TTS at every t, and the ends of its 68 % interval; infinite where nothing was found."""

    time: Float[np.ndarray, " t"]
    low: Float[np.ndarray, " t"]
    high: Float[np.ndarray, " t"]


def repeated(time, success, confidence: float = 0.99) -> Float[np.ndarray, "*k"]:
    """TTS from the probability of success by a time.

    >>> repeated(10.0, np.array([0.0, 0.5, 0.99, 1.0])).round(6).tolist()
    [inf, 66.438562, 10.0, 10.0]
    """
    p = np.asarray(success, dtype=float)
    with np.errstate(divide="ignore"):
        searches = math.log1p(-confidence) / np.log1p(-p)
    return time * np.where(p > 0, np.maximum(searches, 1.0), math.inf)


def time_to_solution(
    time: Float[np.ndarray, " t"], found: Int[np.ndarray, " t"], searches: int, confidence: float = 0.99
) -> TimeToSolution:
    """TTS from how many of the searches had found a ground state by each time.

    The interval is that of Jeffreys for the probability of success, which is what decides.

    >>> one = time_to_solution(np.array([10.0]), np.array([50]), 100)
    >>> one.time.round(3).tolist(), bool(one.low[0] < one.time[0] < one.high[0])
    ([66.439], True)
    """
    found = np.asarray(found)
    ends = [np.nan_to_num(beta.ppf(q, found + 0.5, searches - found + 0.5)) for q in (0.8413, 0.1587)]
    low, high = (repeated(time, p, confidence) for p in ends)
    return TimeToSolution(repeated(time, found / searches, confidence), low, np.where(found > 0, high, math.inf))


def best(times: TimeToSolution) -> tuple[float, float]:
    """The shortest TTS and half of its interval: that with the lowest upper end, lest a few lucky searches decide.

    >>> best(TimeToSolution(np.array([3.0, 4.0]), np.array([1.0, 3.5]), np.array([9.0, 4.5])))
    (4.0, 0.5)
    """
    place = int(np.argmin(times.high))
    if not np.isfinite(times.high[place]):
        return math.inf, math.nan
    return float(times.time[place]), float(times.high[place] - times.low[place]) / 2


def guessing(states: float, ground: float, confidence: float = 0.99) -> float:
    """How many guesses have found one of ``ground`` states with confidence.

    >>> round(guessing(2, 1), 4)
    6.6439
    """
    return math.log1p(-confidence) / math.log1p(-ground / states)
