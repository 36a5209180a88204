"""Exact statistics of small discrete systems, by summing over every state.

    Z = Σ_s exp(−E(s)/kT),      ⟨f⟩ = Σ_s f(s) exp(−E(s)/kT)/Z.

A system is a column of energies, one per state, and a matrix of *statistics*, one row per state; which model they came
from does not matter here. The lattice functions make both for the multicomponent lattice model [chalk2024learning]

    E(s) = Σ_<x,y> J[s_x, s_y] + Σ_x μ[s_x],      ∂E/∂J_ab = n_ab,      ∂E/∂μ_a = n_a,

J_ab with a <= b being one parameter and n_ab the number of ab contacts in either order. For any other energy, evaluate
it on all states at once: ``ensemble(jax.vmap(system.energy)(states), kT)`` with ``states = configurations(...)``.

Learning with hidden variables: states that share their visible part carry the same index v, a target Q(v) says how
often each visible part should occur, and

    KL(Q ‖ P) = Σ_v Q(v) ln[Q(v)/P(v)],     ∂KL/∂θ = (⟨∂E/∂θ⟩_clamped − ⟨∂E/∂θ⟩_free)/kT,

the clamped average being that of the hidden variables at visible parts drawn from Q.

Units: energies in the unit of kT. Limits: time and memory grow as values^sites; sums are made in double precision.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Int8
from scipy.optimize import minimize

MEMORY = 2**30  # bytes: the largest table of configurations that is made


def configurations(
    sites: int,
    values: int | Sequence[int],
    *,
    fixed: Mapping[int, int] | None = None,
    composition: Sequence[int] | None = None,
) -> Int8[np.ndarray, "states sites"]:
    """Every configuration, in lexicographic order: the last site changes fastest.

    Args:
        sites: number of sites.
        values: a site takes the values 0 … values − 1; one number for all sites or one per site.
        fixed: value of each clamped site.
        composition: how many sites take each value, clamped sites included; default: any number.

    Returns:
        One row per configuration.

    Raises:
        ValueError: if the table would need more than `MEMORY`, if a fixed site or value does not exist, or if the
            composition does not add up to the number of sites.

    >>> configurations(2, 2).tolist()
    [[0, 0], [0, 1], [1, 0], [1, 1]]
    >>> configurations(3, 2, fixed={0: 1}, composition=[1, 2]).tolist()
    [[1, 0, 1], [1, 1, 0]]
    """
    limits, fixed = np.broadcast_to(np.asarray(values, dtype=int), (sites,)), dict(fixed or {})
    if np.any(limits < 1) or np.any(limits > 128):
        raise ValueError(f"values must lie between 1 and 128 on every site, got {values}")
    for site, value in fixed.items():
        if not (0 <= site < sites and 0 <= value < limits[site]):
            raise ValueError(f"fixed[{site}] = {value} is not a value of one of the {sites} sites")
    open_sites = [site for site in range(sites) if site not in fixed]
    if composition is None:
        columns = _product(limits[open_sites], sites)
    else:
        columns = _arrangements(limits[open_sites], _remaining(composition, limits, fixed), sites)
    table = np.empty((columns.shape[1], sites), dtype=np.int8)
    table[:, open_sites] = columns.T
    table[:, list(fixed)] = list(fixed.values())
    return table


def _check_memory(states: int, sites: int) -> None:
    if states * sites > MEMORY:
        raise ValueError(
            f"{states} configurations of {sites} sites need {states * sites / 2**30:.3g} GiB, more than the "
            f"{MEMORY / 2**30:.3g} GiB allowed: use fewer sites or values, fix some sites, or fix the composition"
        )


def _product(limits, sites: int) -> Int8[np.ndarray, "open_sites states"]:
    """All combinations of values, one row per site."""
    states = math.prod(int(limit) for limit in limits)
    _check_memory(states, sites)
    columns = np.empty((len(limits), states), dtype=np.int8)
    inner = states
    for column, limit in zip(columns, limits, strict=True):
        inner //= int(limit)
        column.reshape(-1, limit, inner)[:] = np.arange(limit)[:, None]
    return columns


def _remaining(composition, limits, fixed) -> Int[np.ndarray, " values"]:
    """Counts left for the open sites."""
    counts = np.asarray(composition, dtype=int)
    if len(counts) != limits.max() or counts.sum() != len(limits) or np.any(counts < 0):
        raise ValueError(
            f"composition must give {limits.max()} counts that add up to {len(limits)} sites, got {list(composition)}"
        )
    left = counts - np.bincount(list(fixed.values()), minlength=len(counts)).astype(int)
    if np.any(left < 0):
        raise ValueError(f"the fixed sites hold more of a value than the composition {list(composition)} allows")
    return left


def _arrangements(limits, counts, sites: int) -> Int8[np.ndarray, "open_sites states"]:
    """All arrangements of given counts, grown site by site; growing in order keeps them in order."""
    _check_memory(math.factorial(len(limits)) // math.prod(math.factorial(int(count)) for count in counts), sites)
    columns = np.empty((0, 1), dtype=np.int8)
    left = counts[None].astype(np.int16)  # of each value, per unfinished configuration
    for limit in limits:
        row, value = np.nonzero(left[:, :limit])
        columns = np.vstack([columns[:, row], value[None].astype(np.int8)])
        left = left[row]
        left[np.arange(len(row)), value] -= 1
    return columns


def lattice_bonds(shape: Sequence[int], periodic: bool | Sequence[bool]) -> Int[np.ndarray, "bonds 2"]:
    """Nearest-neighbour bonds of a hypercubic lattice, axis by axis; sites are numbered in C order.

    A periodic side of length 2 has two bonds between the same two sites, one of them around the back.

    Raises:
        ValueError: if a periodic side has length 1, so that a site would be its own neighbour.

    >>> lattice_bonds((2, 2), False).tolist()
    [[0, 2], [1, 3], [0, 1], [2, 3]]
    >>> len(lattice_bonds((2, 2, 2), True))
    24
    """
    sites = np.arange(math.prod(shape)).reshape(shape)
    bonds = []
    for axis, around in enumerate(np.broadcast_to(periodic, (len(shape),))):
        if around and shape[axis] == 1:
            raise ValueError(f"side {axis} of {tuple(shape)} is periodic with length 1: a site would neighbour itself")
        first = sites if around else np.take(sites, range(shape[axis] - 1), axis)
        second = np.take(sites, range(1, shape[axis] + bool(around)), axis, mode="wrap")
        bonds.append(np.stack([first.ravel(), second.ravel()], axis=1))
    return np.concatenate(bonds)


def contact_counts(configurations, bonds, values: int) -> Int[np.ndarray, "states pairs"]:
    """Number n_ab of bonds [bonds, 2] that join the values a and b, a <= b in the order of ``np.triu_indices``.

    >>> contact_counts(np.array([[0, 1, 1]]), np.array([[0, 1], [1, 2]]), 2).tolist()
    [[0, 1, 1]]
    """
    rows, columns = np.triu_indices(values)
    packed = np.zeros((values, values), dtype=int)
    packed[rows, columns] = packed[columns, rows] = np.arange(len(rows))
    counts = np.zeros((len(configurations), len(rows)), dtype=np.int32)
    entry = counts.reshape(-1)
    start = np.arange(len(configurations)) * len(rows)
    for i, j in bonds:  # one bond at a time, so that no entry is met twice in one addition
        entry[start + packed[configurations[:, i], configurations[:, j]]] += 1
    return counts


def compositions(configurations: Int[np.ndarray, "states sites"], values: int) -> Int[np.ndarray, "states values"]:
    """Number n_a of sites that hold each value.

    >>> compositions(np.array([[0, 1, 1]]), 3).tolist()
    [[1, 2, 0]]
    """
    return np.stack([(configurations == value).sum(axis=1) for value in range(values)], axis=1)


def potts_statistics(configurations, bonds, values: int) -> Int[np.ndarray, "states parameters"]:
    """∂E/∂θ of the lattice model for θ = (J_ab with a <= b, μ_a): contacts, then composition.

    >>> potts_statistics(np.array([[0, 1, 1]]), np.array([[0, 1], [1, 2]]), 2).tolist()
    [[0, 1, 1, 1, 2]]
    """
    return np.hstack([contact_counts(configurations, bonds, values), compositions(configurations, values)])


def potts_energies(configurations, bonds, J, mu) -> Float[np.ndarray, " states"]:
    """E = Σ_bonds J[s_x, s_y] + Σ_x μ[s_x]; negative J [values, values] is sticky, positive μ [values] disfavours.

    Raises:
        ValueError: if J is not symmetric with one row per entry of μ.

    >>> potts_energies(np.array([[0, 1, 1]]), np.array([[0, 1], [1, 2]]), [[0, 0], [0, -1.0]], [0, 0.25]).tolist()
    [-0.5]
    """
    J, mu = np.asarray(J, dtype=float), np.asarray(mu, dtype=float)
    if J.shape != (len(mu),) * 2 or not np.array_equal(J, J.T):
        raise ValueError(f"J must be symmetric of shape {(len(mu),) * 2}, one row per entry of mu, got {J.shape}")
    energies = mu[configurations].sum(axis=1)
    for i, j in bonds:
        energies += J[configurations[:, i], configurations[:, j]]
    return energies


class Ensemble(NamedTuple):
    """Canonical ensemble of a list of states. Make one with `ensemble`.

    ``log_partition`` is ln Z, ``log_probabilities`` has one entry per state. Averages take one number or one row of
    numbers per state.
    """

    energies: Float[np.ndarray, " states"]
    kT: float
    log_partition: float
    log_probabilities: Float[np.ndarray, " states"]

    @property
    def probabilities(self) -> Float[np.ndarray, " states"]:
        """exp(−E/kT)/Z."""
        return np.exp(self.log_probabilities)

    def mean(self, statistics: np.ndarray) -> Float[np.ndarray, "*k"]:
        """⟨f⟩; states of probability zero do not count, whatever f is there."""
        return _average(self.probabilities, statistics)

    def variance(self, statistics: np.ndarray) -> Float[np.ndarray, "*k"]:
        """⟨(f − ⟨f⟩)²⟩ of each statistic; the heat capacity is that of the energies over kT²."""
        return _average(self.probabilities, (np.asarray(statistics, dtype=float) - self.mean(statistics)) ** 2)

    def covariance(self, statistics: Float[np.ndarray, "states k"]) -> Float[np.ndarray, "k k"]:
        """⟨f_i f_j⟩ − ⟨f_i⟩⟨f_j⟩ = −kT ∂⟨f_i⟩/∂θ_j for an energy linear in θ with statistics f."""
        deviation = np.asarray(statistics, dtype=float) - self.mean(statistics)
        root = np.sqrt(self.probabilities)[:, None] * deviation
        return root.T @ root


def ensemble(energies: Float[np.ndarray, " states"], kT: float = 1.0) -> Ensemble:
    """Canonical ensemble of states with these energies, from numpy or any array that converts to it.

    An infinite energy forbids a state.

    Raises:
        ValueError: if kT is not positive, an energy is not a number, or no state is allowed.

    >>> two = ensemble([0.0, 1.0], kT=0.5)
    >>> round(two.log_partition, 6), two.probabilities.round(6).tolist()
    (0.126928, [0.880797, 0.119203])
    """
    energies = np.asarray(energies, dtype=float).ravel()
    if not kT > 0:
        raise ValueError(f"kT must be positive, got {kT}")
    if np.isnan(energies).any() or not np.isfinite(energies.min(initial=np.inf)):
        raise ValueError("energies must be numbers, or +inf for forbidden states, and at least one must be finite")
    lowest = energies.min()
    log_partition = np.log(np.exp((lowest - energies) / kT).sum()) - lowest / kT
    return Ensemble(energies, float(kT), float(log_partition), -energies / kT - log_partition)


def _average(weights, statistics):
    statistics, present = np.asarray(statistics), weights > 0
    if present.all():
        return weights @ statistics
    return weights[present] @ statistics[present]  # a forbidden state may have infinite statistics


def visible_patterns(
    configurations: Int[np.ndarray, "states sites"], sites: Sequence[int]
) -> tuple[Int[np.ndarray, "patterns visible"], Int[np.ndarray, " states"]]:
    """Distinct values on the visible sites, sorted, and which of them each configuration shows.

    >>> patterns, visible = visible_patterns(configurations(2, 2), [1])
    >>> patterns.tolist(), visible.tolist()
    ([[0], [1]], [0, 1, 0, 1])
    """
    patterns, visible = np.unique(configurations[:, list(sites)], axis=0, return_inverse=True)
    return patterns, visible.ravel()


def visible_log_probabilities(model: Ensemble, visible, patterns: int) -> Float[np.ndarray, " patterns"]:
    """ln P(v), the hidden variables summed over; −inf for a pattern that no state shows.

    >>> visible_log_probabilities(ensemble(np.zeros(4)), np.array([0, 0, 0, 1]), 2).round(6).tolist()
    [-0.287682, -1.386294]
    """
    marginal = np.full(patterns, -np.inf)
    np.logaddexp.at(marginal, visible, model.log_probabilities)
    return marginal


def clamped_probabilities(model: Ensemble, visible, target) -> Float[np.ndarray, " states"]:
    """Q(v) P(hidden | v): the visible part drawn from the target, the hidden one in equilibrium with it.

    Raises:
        ValueError: if the target is not a distribution, or wants a pattern that no state shows.

    >>> clamped_probabilities(ensemble(np.zeros(4)), np.array([0, 0, 1, 1]), [1.0, 0.0]).tolist()
    [0.5, 0.5, 0.0, 0.0]
    """
    target = _distribution(target)
    marginal = visible_log_probabilities(model, visible, len(target))
    if np.isneginf(marginal[target > 0]).any():
        raise ValueError("the target gives weight to a visible pattern that has no state")
    return target[visible] * np.exp(model.log_probabilities - np.where(np.isneginf(marginal), 0.0, marginal)[visible])


def _distribution(target):
    target = np.asarray(target, dtype=float)
    if target.ndim != 1 or np.any(target < 0) or abs(target.sum() - 1) > 1e-9:
        raise ValueError(f"target must hold one probability >= 0 per visible pattern, adding up to 1, got {target}")
    return target


def clamped_moments(model: Ensemble, statistics: np.ndarray, visible, target) -> Float[np.ndarray, "*k"]:
    """Averages with the visible part drawn from the target; arguments as in `kl_gradient`."""
    return _average(clamped_probabilities(model, visible, target), statistics)


def free_moments(model: Ensemble, statistics: np.ndarray) -> Float[np.ndarray, "*k"]:
    """Averages with nothing clamped."""
    return model.mean(statistics)


def kl(model: Ensemble, visible: Int[np.ndarray, " states"], target: Float[np.ndarray, " patterns"]) -> float:
    """KL(target ‖ model) over visible patterns [nats]; infinite if the model never shows a wanted one.

    >>> round(kl(ensemble(np.zeros(4)), np.array([0, 0, 1, 1]), [1.0, 0.0]), 6)
    0.693147
    """
    target = _distribution(target)
    wanted = target > 0
    marginal = visible_log_probabilities(model, visible, len(target))
    return float(target[wanted] @ (np.log(target[wanted]) - marginal[wanted]))


def kl_gradient(
    model: Ensemble,
    statistics: Float[np.ndarray, "states parameters"],
    visible: Int[np.ndarray, " states"],
    target: Float[np.ndarray, " patterns"],
) -> Float[np.ndarray, " parameters"]:
    """∂KL/∂θ = (⟨∂E/∂θ⟩_clamped − ⟨∂E/∂θ⟩_free)/kT.

    Args:
        model: the ensemble at the present parameters.
        statistics: ∂E/∂θ of every state.
        visible: index of the visible pattern that each state shows, as from `visible_patterns`.
        target: probability of each visible pattern.

    >>> model, field = ensemble([0.0, 0.0]), np.array([[0.0], [1.0]])
    >>> kl_gradient(model, field, np.array([0, 1]), [0.0, 1.0]).tolist()    # descent lowers the field of state 1
    [0.5]
    """
    return (clamped_moments(model, statistics, visible, target) - free_moments(model, statistics)) / model.kT


class Fit(NamedTuple):
    """Parameters of lowest KL [nats] found, and whether the optimiser was satisfied with them."""

    theta: Float[np.ndarray, " parameters"]
    kl: float
    converged: bool


def fit(
    statistics: Float[np.ndarray, "states parameters"],
    visible: Int[np.ndarray, " states"],
    target: Float[np.ndarray, " patterns"],
    *,
    starts: Float[np.ndarray, "starts parameters"] | None = None,
    largest: float | None = None,
    kT: float = 1.0,
) -> Fit:
    """Minimises KL(target ‖ model) for the energy E = statistics @ θ, with exact gradients (L-BFGS).

    This is the best a class of models can do: what sampled learning should be compared with.

    Args:
        statistics: ∂E/∂θ of every state.
        visible: index of the visible pattern that each state shows.
        target: probability of each visible pattern.
        starts: first guesses, the best end is returned; default: θ = 0 alone.
        largest: bound on every |θ| [kT unit]; without it a target that excludes patterns has its minimum at infinity.
        kT: temperature.

    Limits: KL is convex if nothing is hidden, and any start will do. Otherwise it is not, and equivalent hidden
    variables stay equal from θ = 0: give random starts. Directions that change no probability stay put.

    >>> best = fit([[0.0], [1.0]], np.array([0, 1]), [0.25, 0.75])
    >>> best.theta.round(4).tolist(), round(best.kl, 9)    # θ = −ln 3
    ([-1.0986], 0.0)
    """
    statistics = np.asarray(statistics, dtype=float)
    starts = np.zeros((1, statistics.shape[1])) if starts is None else np.asarray(starts, dtype=float)

    def objective(theta):
        model = ensemble(statistics @ theta, kT)
        return kl(model, visible, target), kl_gradient(model, statistics, visible, target)

    bounds = None if largest is None else [(-largest, largest)] * statistics.shape[1]
    options = {"maxiter": 10_000, "maxfun": 100_000, "ftol": 1e-15, "gtol": 1e-10}
    ends = [minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options) for start in starts]
    best = min(ends, key=lambda end: end.fun)
    return Fit(best.x, float(best.fun), bool(best.success))
