"""A learner that remembers every item it has seen, with right labels for those: scaling laws, and how loops bend them.

    p_i = i^{−β}/ζ(β), i = 1, 2, …, β > 1,        E(T) = Σ_i p_i (1 − p_i)^T → C T^{−c},        c = 1 − 1/β

with C = Γ(c) ζ(β)^{−1/β}/β: what T data have not shown. Three ways to go on from data of a model:

* its tail is cut at item k: E levels off at Σ_{i>k} p_i; with a fraction π of real data among T it goes on falling, as
  C (πT)^{−c}, once πT data reach beyond k;
* it labels fresh inputs, T_0 in each of n generations: an item is lost when a generation lacks it;
* it draws items from what it remembers, T_0 of them (Wright and Fisher's drift without mutation): a copy's line is
  extinct after k generations with s_k = exp(−(1 − s_{k−1})), s_0 = 0, so that E_n → E_1 (1 − s_{n−1})^{−c} ~ (n/2)^c.

Sources: [hutter2021learning], [dohmatob2024tale]. Limits: sums over all items are exact to about ten digits.
"""

import numpy as np
from jaxtyping import Float
from scipy.integrate import quad
from scipy.special import gamma, zeta
from scipy.stats import binom

FIRST = 1_000_000  # items that are summed one by one; the rest is an integral
LARGEST_DRIFT = 4000  # data in a generation up to which Wright and Fisher's matrix is a few seconds
BLOCK = 500  # items at once
Items = Float[np.ndarray, " item"]


def _weight(beta: float, items):
    if beta <= 1:
        raise ValueError(f"items have a law for beta > 1 only; got {beta:g}")
    return items ** (-float(beta)) / zeta(beta)


def zipf(items: int, beta: float) -> Items:
    """The law of the first items alone, p_i ∝ i^{−β}, normalised.

    >>> zipf(2, 1.0).round(4).tolist()
    [0.6667, 0.3333]
    """
    weight = np.arange(1, items + 1) ** (-float(beta))
    return weight / weight.sum()


def missed(p, size):
    """(1 − p)^T, that none of T data is the item."""
    with np.errstate(divide="ignore"):
        return np.exp(size * np.log1p(-np.asarray(p, float)))


def total(lost, beta: float, after: int = 0) -> float:
    """Σ_{i>after} p_i · lost(p_i) over all items, for a smooth probability ``lost`` of not knowing an item.

    Raises:
        ValueError: if β ≤ 1.
    """
    last = max(FIRST, 2 * after)
    p = _weight(beta, np.arange(after + 1, last + 1))

    def density(log_item):
        return np.exp((1 - beta) * log_item) / zeta(beta) * lost(np.exp(-beta * log_item) / zeta(beta))

    start = np.log(last + 0.5)
    rest = quad(density, start, start + 80 / (beta - 1), epsabs=0, epsrel=1e-10, limit=200)[0]
    return float(np.sum(p * lost(p)) + rest)


def unseen_mass(size: float, beta: float) -> float:
    """E(T).

    >>> round(unseen_mass(1000, 2.0), 10)
    0.0218427788
    """
    return total(lambda p: missed(p, size), beta)


def asymptote(size, beta: float):
    """C T^{−c}.

    Raises:
        ValueError: if β ≤ 1.

    >>> round(float(asymptote(1000, 2.0)), 10)
    0.0218509686
    """
    c = exponent(beta)
    return gamma(c) * zeta(beta) ** (-1 / beta) / beta * np.asarray(size, float) ** -c


def exponent(beta: float) -> float:
    """c = 1 − 1/β.

    Raises:
        ValueError: if β ≤ 1.
    """
    if beta <= 1:
        raise ValueError(f"items have a law for beta > 1 only; got {beta:g}")
    return 1 - 1 / beta


def tail_mass(cut: int, beta: float) -> float:
    """Σ_{i>k} p_i ≈ k^{1−β}/((β − 1)ζ(β)).

    >>> round(tail_mass(100, 2.0), 8)
    0.00604898
    """
    _weight(beta, 1.0)
    return float(zeta(beta, cut + 1) / zeta(beta))


def mixed_mass(size: float, beta: float, cut: int, clean: float = 0.0) -> float:
    """E of T data of which a fraction π is real, and the rest knows items up to k only.

    >>> round(mixed_mass(1e4, 2.0, 100), 8), round(mixed_mass(1e5, 2.0, 100, 0.01), 8)
    (0.00793214, 0.00593092)
    """
    p = _weight(beta, np.arange(1, cut + 1))
    return float(np.sum(p * missed(p, size))) + total(lambda p: missed(clean * p, size), beta, after=cut)


def relabelled(p, generation, size: float):
    """Probability that n generations of T_0 fresh inputs, each labelled by the one before, have lost an item.

    >>> float(relabelled(0.5, 2, 1))
    0.75
    """
    return 1 - (1 - missed(p, size)) ** np.asarray(generation, float)


def relabelled_mass(generation: int, size: float, last_size: float, beta: float) -> float:
    """E after n such generations of T_0 data and a last fit to T.

    >>> round(relabelled_mass(1, 1e4, 1e4, 2.0) / relabelled_mass(0, 1e4, 1e4, 2.0), 5)
    1.29288
    """
    return total(lambda p: 1 - (1 - relabelled(p, generation, size)) * (1 - missed(p, last_size)), beta)


def extinction(generation: int) -> float:
    """s_k: the line of one copy is extinct after k generations.

    >>> [round(1 - extinction(k), 8) for k in range(4)]
    [1.0, 0.63212056, 0.46853639, 0.37408231]
    """
    s = 0.0
    for _ in range(generation):
        s = float(np.exp(s - 1))
    return s


def drifted_mass(generation: int, size: float, beta: float) -> float:
    """E_1 (1 − s_{n−1})^{−c}, E_1 = E(T_0): drift in leading order of 1/T_0.

    >>> round(drifted_mass(6, 2000, 2.0), 5)
    0.02984
    """
    return unseen_mass(size, beta) * (1 - extinction(generation - 1)) ** -exponent(beta)


def drift(p: Items, generations: int, size: int) -> Float[np.ndarray, "generation item"]:
    """Probability that T_0 draws, each generation from the frequencies of the one before, have lost an item; exact.

    Powers of the matrix of Wright and Fisher's chain: its cost is T_0² per generation.

    Raises:
        ValueError: for more than 4000 data in a generation.

    >>> drift(np.array([0.5, 0.5]), 2, 2).round(4).tolist()
    [[0.25, 0.25], [0.375, 0.375]]
    """
    if size > LARGEST_DRIFT:
        raise ValueError(f"the exact drift of {size} data is too large; {LARGEST_DRIFT} are sensible")
    copies = np.arange(size + 1)
    step = binom.pmf(copies, size, copies[:, None] / size)
    gone = [np.where(copies == 0, 1.0, 0.0)]
    for _ in range(generations - 1):
        gone.append(step @ gone[-1])
    blocks = [_first_draw(p[i : i + BLOCK], size, np.array(gone)) for i in range(0, len(p), BLOCK)]
    return np.concatenate(blocks, 1)


def _first_draw(p: Items, size: int, gone):
    """Averages over the copies in the first generation, as many as are at all likely."""
    mean = size * p.max()
    copies = np.arange(min(size, int(mean + 12 * np.sqrt(mean) + 40)) + 1)
    return gone[:, copies] @ binom.pmf(copies, size, p[:, None]).T
