"""Couplings from moments: the inverse Ising problem.

    P(s) ∝ exp(Σ_{i<j} J_ij s_i s_j + Σ_i h_i s_i),    s_i = ±1,    from m_i = ⟨s_i⟩ and C_ij = ⟨s_i s_j⟩ − m_i m_j.

J and h are those of papers, at kT = 1; an energy +J s s + U s of this package has J → −J kT, U = −h kT. With
L_i = 1 − m_i² = C_ii and C⁻¹ the inverse of the whole matrix [nguyen2017inverse]:

| method | J_ij, i ≠ j | h_i |
|---|---|---|
| naive mean field [kappen1998] | −C⁻¹_ij | atanh m_i − Σ_j J_ij m_j |
| TAP [kappen1998] | C⁻¹_ij = −J − 2 J² m_i m_j | that + m_i Σ_j J_ij² L_j |
| independent pairs | ¼ ln(p₊₊ p₋₋/p₊₋ p₋₊) | (2 − N) atanh m_i + Σ_j ¼ ln(p₊₊ p₊₋/p₋₊ p₋₋) |
| Sessak–Monasson [sessak2009] | loops and pairs less what both count | likewise |
| Bethe [ricci2012bethe] | that of a tree with this C⁻¹ | cavity fields of m and J |

Sessak–Monasson's entropy is that of the loops, Σ_i S(m_i) + ½ ln det(C/√(L L)), with that of each pair put right; its
derivatives are the parameters. What remains wrong where moments are exact, the bias of a method, does not go away with
data. Two ways have no bias: *maximum likelihood*, which meets all moments exactly, and *pseudo-likelihood* [besag1975],
Σ_i ⟨ln P(s_i | all others)⟩, a logistic regression that needs the data but no sum over states.

Units: J, h in 1 (kT). Limits: exact likelihood up to 20 spins or so; a singular C (a spin that never turns, fewer data
than spins) has no inverse.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize
from scipy.special import expit

from matterlearn.theory.enumeration import configurations, ensemble


class Moments(NamedTuple):
    """⟨s⟩ and the connected correlations, with L = 1 − m² on their diagonal."""

    magnetisation: Float[np.ndarray, " N"]
    correlation: Float[np.ndarray, "N N"]


class Model(NamedTuple):
    """Couplings, symmetric with an empty diagonal, and fields."""

    J: Float[np.ndarray, "N N"]
    h: Float[np.ndarray, " N"]


def example(spins: int, strength: float, field: float = 0.2) -> Model:
    """Couplings and fields of both signs without a pattern, J_ij = β √(2/N) cos(1 + 3ij + i + j), h_i = f sin(2i + 1).

    A test problem on which methods can be compared digit by digit: all pairs, of the strength of a spin glass at β.

    >>> example(3, 1.0).J[0].round(6).tolist()
    [0.0, -0.339782, -0.808325]
    """
    i, j = np.indices((spins, spins))
    J = strength * np.sqrt(2 / spins) * np.cos(1 + 3 * i * j + i + j)
    return Model(_off_diagonal(J), field * np.sin(2 * np.arange(spins) + 1))


def probabilities(model: Model) -> Float[np.ndarray, " states"]:
    """P of every state, in the order of `enumeration.configurations`.

    >>> probabilities(Model(np.zeros((2, 2)), np.zeros(2))).tolist()
    [0.25, 0.25, 0.25, 0.25]
    """
    return _law(model, 2.0 * configurations(len(model.h), 2) - 1).probabilities


def moments(states: Float[np.ndarray, "n N"], weights: Float[np.ndarray, " n"] | None = None) -> Moments:
    """Moments of rows of ±1, equally likely by default.

    >>> moments(np.array([[1.0, 1.0], [1.0, -1.0]])).correlation.tolist()
    [[0.0, 0.0], [0.0, 1.0]]
    """
    weights = np.full(len(states), 1 / len(states)) if weights is None else np.asarray(weights)
    mean = weights @ states
    return Moments(mean, (weights[:, None] * states).T @ states - np.outer(mean, mean))


def relative_error(estimate: Model, truth: Model) -> float:
    """√(Σ (J − J*)²/Σ J*²), over couplings.

    >>> relative_error(Model(np.zeros((2, 2)), np.zeros(2)), Model(np.ones((2, 2)), np.zeros(2)))
    1.0
    """
    return float(np.linalg.norm(estimate.J - truth.J) / np.linalg.norm(truth.J))


def naive(of: Moments) -> Model:
    """Naive mean field.

    >>> round(float(naive(Moments(np.zeros(2), np.array([[1, 0.1], [0.1, 1]]))).J[0, 1]), 9)    # 0.1/(1 − 0.1²)
    0.101010101
    """
    J = _off_diagonal(-_inverse(of))
    return Model(J, np.arctanh(of.magnetisation) - J @ of.magnetisation)


def tap(of: Moments) -> Model:
    """Thouless–Anderson–Palmer: the root of the quadratic equation that naive mean field becomes at m = 0.

    Raises:
        ValueError: if the equation has no real root for some pair: couplings are too strong for it.
    """
    m, inverse = of.magnetisation, _inverse(of)
    product = np.outer(m, m)
    square = 1 - 8 * product * inverse
    if np.any(_off_diagonal(square) < 0):
        raise ValueError("TAP has no real couplings for these moments; use bethe or sessak_monasson")
    J = _off_diagonal(-2 * inverse / (1 + np.sqrt(np.maximum(square, 0))))
    return Model(J, np.arctanh(m) - J @ m + m * (J**2 @ (1 - m**2)))


def independent_pair(of: Moments) -> Model:
    """Every pair as if there were no other spins.

    Raises:
        ValueError: if some pair never shows one of its four states.

    >>> round(float(independent_pair(Moments(np.zeros(2), np.array([[1, 0.1], [0.1, 1]]))).J[0, 1]), 9)    # atanh 0.1
    0.100335348
    """
    J, h = _pairs(of)
    return Model(J, h.sum(axis=1) + (2 - len(h)) * np.arctanh(of.magnetisation))


def _pairs(of):
    """Coupling of each pair and field of its first spin, 0 on the diagonal."""
    m = of.magnetisation
    both = of.correlation + np.outer(m, m)
    p = {(a, b): (1 + a * m[:, None] + b * m + a * b * both) / 4 for a in (1, -1) for b in (1, -1)}
    for table in p.values():
        np.fill_diagonal(table, 1.0)
        if table.min() < 1e-14:
            raise ValueError("a pair of spins never shows one of its four states: its own coupling would be infinite")
    log = {signs: np.log(table) for signs, table in p.items()}
    J = (log[1, 1] + log[-1, -1] - log[1, -1] - log[-1, 1]) / 4
    return J, (log[1, 1] + log[1, -1] - log[-1, 1] - log[-1, -1]) / 4


def sessak_monasson(of: Moments) -> Model:
    """Loops of every length and pairs to all orders, what both count taken once.

    Raises:
        ValueError: if some pair never shows one of its four states.

    >>> of = Moments(np.zeros(2), np.array([[1, 0.1], [0.1, 1]]))    # exact for two spins
    >>> bool(np.allclose(sessak_monasson(of).J, independent_pair(of).J))
    True
    """
    m, C = of.magnetisation, of.correlation
    L, inverse, free = 1 - m**2, _inverse(of), np.arctanh(m)
    pair_J, pair_h = _pairs(of)
    determinant = np.outer(L, L) - C**2
    np.fill_diagonal(determinant, 1.0)
    shared_J = _off_diagonal(C / determinant)
    shared_h = m[:, None] * (L / determinant - 1 / L[:, None]) - shared_J * m
    loop_J = _off_diagonal(-inverse)
    loop_h = m * (np.diag(inverse) - 1 / L) - loop_J @ m
    extra = _off_diagonal(pair_h - free[:, None] - shared_h)
    return Model(loop_J + pair_J - shared_J, free + loop_h + extra.sum(axis=1))


def bethe(of: Moments) -> Model:
    """Couplings for which the Bethe approximation, exact on trees, has these moments.

    Raises:
        ValueError: if it has no real couplings for some pair.

    >>> chain = np.array([[1.0, 0.5, 0.25], [0.5, 1.0, 0.5], [0.25, 0.5, 1.0]])    # tanh J = 1/2 between neighbours
    >>> np.tanh(bethe(Moments(np.zeros(3), chain)).J[0, 1:]).round(9) + 0.0
    array([0.5, 0. ])
    """
    m, inverse = of.magnetisation, _inverse(of)
    L, product = 1 - m**2, np.outer(m, m)
    x = np.sqrt(1 + 4 * np.outer(L, L) * inverse**2) - 2 * product * inverse
    square = _off_diagonal(x**2 - 4 * inverse**2)
    if square.min() < 0:
        raise ValueError("the Bethe approximation has no real couplings for these moments")
    t = _off_diagonal(-2 * inverse / (x + np.sqrt(square)))
    cavity = _cavity(m[:, None], m, t)
    return Model(np.arctanh(t), np.arctanh(m) - np.arctanh(t * cavity).sum(axis=1))


def _cavity(own, other, t):
    """Magnetisation of the other spin without this one, t = tanh J between them: what makes (own, other) from both."""
    linear = 1 - t**2
    root = np.sqrt(linear**2 - 4 * t * (own - other * t) * (other - own * t))
    return 2 * (other - t * own) / (linear + root)


METHODS: dict[str, Callable[[Moments], Model]] = {
    "naive": naive,
    "tap": tap,
    "independent_pair": independent_pair,
    "sessak_monasson": sessak_monasson,
    "bethe": bethe,
}


def maximum_likelihood(of: Moments) -> Model:
    """The model that has these moments exactly, by Newton's method on ln Z − J·⟨ss⟩ − h·⟨s⟩ over all 2^N states.

    Raises:
        ValueError: if there is none, moments lying on the edge of what spins can have.

    >>> round(float(maximum_likelihood(Moments(np.zeros(2), np.array([[1, 0.1], [0.1, 1]]))).J[0, 1]), 9)
    0.100335348
    """
    m = of.magnetisation
    spins = len(m)
    rows, columns = np.triu_indices(spins, 1)
    states = 2.0 * configurations(spins, 2) - 1
    statistics = np.hstack([states[:, rows] * states[:, columns], states])
    target = np.concatenate([(of.correlation + np.outer(m, m))[rows, columns], m])

    def cost(theta):
        model = ensemble(-statistics @ theta)
        return model.log_partition - theta @ target, model.mean(statistics) - target

    return _newton(cost, lambda theta: ensemble(-statistics @ theta).covariance(statistics), spins)


def exact_moments(model: Model) -> Moments:
    """Moments of a model, from all its states.

    >>> pair = Model(np.array([[0.0, 0.5], [0.5, 0.0]]), np.zeros(2))
    >>> bool(np.isclose(exact_moments(pair).correlation[0, 1], np.tanh(0.5), rtol=1e-14))
    True
    """
    states = 2.0 * configurations(len(model.h), 2) - 1
    return moments(states, _law(model, states).probabilities)


def _law(model, states):
    return ensemble(-np.einsum("si,ij,sj->s", states, model.J, states) / 2 - states @ model.h)


def sampling_error(truth: Model, samples: int) -> float:
    """√⟨`relative_error`²⟩ of maximum likelihood from many independent samples: √(Σ_J (F⁻¹)_JJ/B)/‖J‖.

    F is the covariance of all s_i s_j and s_i. No unbiased method does better.

    >>> pair = Model(np.array([[0.0, 0.5], [0.5, 0.0]]), np.zeros(2))    # F_JJ = 1 − tanh² J
    >>> bool(np.isclose(sampling_error(pair, 100), 0.1 * np.cosh(0.5) / 0.5, rtol=1e-12))
    True
    """
    rows, columns = np.triu_indices(len(truth.h), 1)
    states = 2.0 * configurations(len(truth.h), 2) - 1
    statistics = np.hstack([states[:, rows] * states[:, columns], states])
    inverse, count = np.linalg.inv(_law(truth, states).covariance(statistics)), len(rows)
    return float(np.sqrt(np.trace(inverse[:count, :count]) / samples) / np.linalg.norm(truth.J[rows, columns]))


def pseudo_likelihood(states: Float[np.ndarray, "n N"], weights: Float[np.ndarray, " n"] | None = None) -> Model:
    """The model in which every spin of the data is best predicted by the others: one J for each pair.

    Minimises −Σ_i ⟨ln P(s_i | others)⟩ = Σ_i ⟨ln(1 + e^{−2 s_i f_i})⟩, f_i = h_i + Σ_j J_ij s_j, by Newton's method.

    Args:
        states: rows of ±1; equal ones may be given once.
        weights: of the rows, adding up to 1; default: equal.

    Raises:
        ValueError: if the data leave some coupling infinite.

    >>> states = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    >>> model = pseudo_likelihood(states, np.array([0.275, 0.225, 0.225, 0.275]))
    >>> round(float(model.J[0, 1]), 9)
    0.100335348
    """
    states = np.asarray(states, dtype=float)
    weights = np.full(len(states), 1 / len(states)) if weights is None else np.asarray(weights)
    spins = states.shape[1]
    rows, columns = np.triu_indices(spins, 1)
    place = np.full((spins, spins), -1)  # of each parameter of a spin's field: its couplings, its own field
    place[rows, columns] = place[columns, rows] = np.arange(len(rows))
    np.fill_diagonal(place, len(rows) + np.arange(spins))

    def fields(theta):
        model = _unpack(theta, spins)
        return states @ model.J + model.h

    def cost(theta):
        margin = 2 * states * fields(theta)
        pull = -2 * weights[:, None] * states * expit(-margin)
        slope = np.zeros(len(theta))
        np.add.at(slope, place, _with_ones(pull, states))
        return weights @ np.logaddexp(0, -margin).sum(axis=1), slope

    def curvature(theta):
        p = expit(2 * fields(theta))
        matrix = np.zeros((len(theta), len(theta)))
        for i, spread in enumerate((4 * weights[:, None] * p * (1 - p)).T):
            seen = states.copy()
            seen[:, i] = 1.0
            matrix[np.ix_(place[i], place[i])] += (spread[:, None] * seen).T @ seen
        return matrix

    return _newton(cost, curvature, spins)


def _with_ones(pull, states):
    """Σ of pull_i times what multiplies each parameter of field i: the other spins, and 1 for its own field."""
    table = pull.T @ states
    np.fill_diagonal(table, pull.sum(axis=0))
    return table


def _newton(cost, curvature, spins):
    """Where a convex cost of packed couplings and fields is lowest."""
    start = np.zeros(spins * (spins + 1) // 2)
    options = {"gtol": 1e-11, "maxiter": 200}
    found = minimize(cost, start, jac=True, hess=curvature, method="trust-exact", options=options)
    matrix, slope = curvature(found.x), cost(found.x)[1]
    if np.linalg.eigvalsh(matrix)[0] < 1e-9:
        raise ValueError("some coupling grows without bound: the data never show what would hold it")
    return _unpack(found.x - np.linalg.solve(matrix, slope), spins)  # the last step, where the cost itself is too flat


def _unpack(theta, spins):
    J = np.zeros((spins, spins))
    J[np.triu_indices(spins, 1)] = theta[:-spins]
    return Model(J + J.T, theta[-spins:])


def _off_diagonal(matrix):
    return matrix - np.diag(np.diag(matrix))


def _inverse(of):
    if np.linalg.cond(of.correlation) > 1e12:
        raise ValueError("correlations are singular: a spin never turns, or there are fewer data than spins")
    return np.linalg.inv(of.correlation)
