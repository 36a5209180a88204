"""A liquid that stores target compositions: Hebbian attraction, repulsion of order p, retrieval, localisation.

N solutes and a solvent, phi_s = 1 - sum_i phi_i, targets xi^mu in {-1, +1}^N (enriched or depleted):

    f = kT (sum_i phi_i ln phi_i + phi_s ln phi_s) - (J/2) sum_mu (xi^mu.phi)^2 + (a/p) N^(p-1) sum_i phi_i^p.

The idea, attraction that is Hebbian and pairwise against a repulsion that is not, is that of
[brazteixeira2024liquid], whose abstract states that non-linear repulsion is needed for retrieval and
that mixtures localise into phases of few components at low temperature. The form of the repulsion, the
solvent and +-1 targets are choices made here, and all results below are derived for them.

**One phase of fixed filling phi = sum_i phi_i.** With q = p - 1, G = J phi and A = a phi^q, the target
state phi_i = (phi/N)(1 + t xi_i) of balanced, orthogonal targets is stationary for

    G t = kT artanh t + (A/2) [(1 + t)^q - (1 - t)^q],        t > 0 for G > kT + q A.            (1)

A stationary composition is a minimum exactly if the *gain* J lambda_max(C) is below 1, where
C_mu,nu = sum_i s_i xi_i^mu xi_i^nu - (sum s xi^mu)(sum s xi^nu)/sum s and s_i is the susceptibility
1/(kT/phi_i + q a N^q phi_i^(q-1)). With S(x) = x/(kT + q A x^q) the gain of (1) is

    towards another target                              (G/2) [S(1 + t) + S(1 - t)],              (2)
    if the product of the two targets is stored too     G max[S(1 + t), S(1 - t)].                (3)

Consequences.

* No repulsion: (2) is G/kT, above 1 wherever t > 0. A single target can be retrieved, two cannot: the
  composition goes on demixing within the enriched half. A spin would saturate; a fraction does not.
* Pairwise repulsion, p = 2: (1) and (3) give a gain above 1 at every temperature. Targets that include a
  product need p > 2 and A well above kT; without products A + kT < G < 2 A + kT suffices when kT << A.
* At kT -> 0 retrieval needs A 2^(q-1) < G < q A 2^q, the upper limit being half as high with products.
* At t close to 1 the limit is q A 2^q + kT. Above it the mixture localises: fewer than N/2 components
  remain. With G > q A 2^q it retrieves only above kT = G - q A 2^q or so and localises below: the
  trade-off of retrieval and localisation.

| symbol | meaning | unit |
| --- | --- | --- |
| phi_i | volume fraction, all sizes equal | 1 |
| J, a, f, kT | attraction, repulsion, free energy per site, temperature | energy |
| t | polarisation of a target state | 1 |

Source: derivation above; [brazteixeira2024liquid] for the question.
Limits: mean field; (1) to (3) need balanced orthogonal targets (for (2) also balanced within each half of the
    other); random targets are treated numerically. Whether a state coexists with other phases, the solvent
    included, is answered by `coexistence.coexist` on `mixture(model)`.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.linalg import hadamard
from scipy.optimize import brentq

from matterlearn.theory.coexistence import Mixture, descend


class LiquidHopfield(NamedTuple):
    """Targets xi [P, N] of +-1, attraction J, repulsion a of integer order p >= 2, temperature kT."""

    targets: Float[np.ndarray, "target N"]
    attraction: float
    repulsion: float
    order: int
    kT: float = 1.0


def hadamard_targets(components: int, rows) -> Float[np.ndarray, "target N"]:
    """Rows of Sylvester's Hadamard matrix: orthogonal, and balanced unless row 0 is among them.

    Row i times row j is row i XOR j: rows 1, 2, 4, ... contain no products.

    Args:
        components: N, a power of 2.
        rows: indices of the rows.

    >>> hadamard_targets(4, [1, 2]).tolist()
    [[1.0, -1.0, 1.0, -1.0], [1.0, 1.0, -1.0, -1.0]]
    """
    return hadamard(components)[list(rows)].astype(float)


def random_targets(rng: np.random.Generator, components: int, count: int) -> Float[np.ndarray, "target N"]:
    """Independent balanced targets, half of the components enriched.

    Raises:
        ValueError: for an odd number of components.

    >>> random_targets(np.random.default_rng(0), 6, 2).sum(axis=1).tolist()
    [0.0, 0.0]
    """
    if components % 2:
        raise ValueError(f"balanced targets need an even number of components, got {components}.")
    half = np.repeat([1.0, -1.0], components // 2)
    return rng.permuted(np.tile(half, (count, 1)), axis=1)


def overlaps(targets: Float[np.ndarray, "target N"], phi: Float[np.ndarray, "*phase N"]):
    """xi^mu.phi / sum phi of the solutes, between -1 and 1; shape [*phase, target].

    >>> overlaps(np.array([[1.0, -1.0]]), np.array([0.3, 0.1])).round(9).tolist()
    [0.5]
    """
    return phi @ targets.T / phi.sum(axis=-1, keepdims=True)


def participation(phi: Float[np.ndarray, "*phase N"]):
    """Effective number of components (sum phi)^2 / sum phi^2: N if even, 1 if localised in one.

    >>> float(participation(np.array([0.2, 0.2, 0.0, 0.0])))
    2.0
    """
    return phi.sum(axis=-1) ** 2 / (phi**2).sum(axis=-1)


def target_composition(target: Float[np.ndarray, " N"], filled: float, polarisation: float):
    """phi_i = (phi/N)(1 + t xi_i) of a balanced target.

    >>> target_composition(np.array([1.0, -1.0]), 0.5, 0.6).round(9).tolist()
    [0.4, 0.1]
    """
    return filled / len(target) * (1 + polarisation * target)


def _solute_energy(model: LiquidHopfield, attraction: float, repulsion: float):
    """Energy, slope and curvature of N solutes with given strengths, in kT."""
    targets, order, components = model.targets, model.order, model.targets.shape[1]
    if order < 2 or order != int(order):
        raise ValueError(f"the repulsion's order must be an integer of at least 2, got {order}.")
    attraction, repulsion = attraction / model.kT, repulsion / model.kT * components ** (order - 1)

    def energy(phi):
        return repulsion / order * (phi**order).sum(axis=-1) - attraction / 2 * ((phi @ targets.T) ** 2).sum(axis=-1)

    def slope(phi):
        return repulsion * phi ** (order - 1) - attraction * (phi @ targets.T) @ targets

    def curvature(phi):
        return np.diag(repulsion * (order - 1) * phi ** (order - 2)) - attraction * targets.T @ targets

    return energy, slope, curvature


def mixture(model: LiquidHopfield) -> Mixture:
    """Solutes and solvent (last), for `coexistence`; energies in kT.

    Raises:
        ValueError: if the order is not an integer of at least 2.

    >>> model = LiquidHopfield(hadamard_targets(4, [1, 2]), 6.0, 1.0, 3)
    >>> mixture(model).sizes.shape
    (5,)
    """
    energy, slope, curvature = _solute_energy(model, model.attraction, model.repulsion)

    def padded_slope(phi):
        return np.concatenate([slope(phi[..., :-1]), np.zeros_like(phi[..., :1])], axis=-1)

    return Mixture(
        lambda phi: energy(phi[..., :-1]),
        padded_slope,
        lambda phi: np.pad(curvature(phi[:-1]), ((0, 1), (0, 1))),
        np.ones(model.targets.shape[1] + 1),
    )


def composition_mixture(model: LiquidHopfield, filled: float) -> Mixture:
    """The solutes alone in a phase of fixed filling, as a mixture of y_i = phi_i/phi; energies in kT per solute.

    Attraction G = J phi and repulsion A = a phi^(p-1) take the place of J and a.

    >>> model = LiquidHopfield(hadamard_targets(4, [1, 2]), 6.0, 1.0, 3)
    >>> float(composition_mixture(model, 0.5).energy(np.array([0.5, 0.0, 0.5, 0.0])).round(9))
    -1.166666667
    """
    strengths = model.attraction * filled, model.repulsion * filled ** (model.order - 1)
    return Mixture(*_solute_energy(model, *strengths), np.ones(model.targets.shape[1]))


def gain(model: LiquidHopfield, phi: Float[np.ndarray, " N"]) -> float:
    """J lambda_max(C) of a stationary composition: below 1 it is a minimum at fixed filling, above a saddle.

    Args:
        model: targets and strengths.
        phi: solute fractions, all positive.

    >>> even = np.full(4, 0.1)
    >>> round(gain(LiquidHopfield(hadamard_targets(4, [1, 2]), 5.0, 0.0, 2), even), 9)     # G / kT
    2.0
    """
    targets, q = model.targets, model.order - 1
    stiffness = model.kT / phi + q * model.repulsion * targets.shape[1] ** q * phi ** (q - 1)
    susceptibility = 1 / stiffness
    mean = targets @ susceptibility / susceptibility.sum()
    shifted = targets - mean[:, None]
    return float(model.attraction * np.linalg.eigvalsh((shifted * susceptibility) @ shifted.T)[-1])


def branch_attraction(field, repulsion: float, order: int, kT: float):
    """G at which a target state has the field h = artanh t, equation (1) [energy]; increasing in h.

    The field is half the logarithm of enriched over depleted fraction and keeps its digits as t -> 1.

    Args:
        field: h > 0, any shape.
        repulsion: A = a phi^(p-1).
        order: p.
        kT: temperature.

    >>> float(branch_attraction(1e-6, 2.0, 3, 1.0).round(6))            # onset kT + (p - 1) A
    5.0
    """
    q = order - 1
    rich, poor = _sides(field)
    return (kT * field + repulsion / 2 * (rich**q - poor**q)) / np.tanh(field)


def _sides(field):
    """1 + t and 1 - t."""
    ratio = np.exp(-2 * np.asarray(field))
    return 2 / (1 + ratio), 2 * ratio / (1 + ratio)


def target_field(attraction: float, repulsion: float, order: int, kT: float) -> float:
    """h = artanh t of the target state, equation (1); zero up to the onset G = kT + (p - 1) A.

    Args:
        attraction: G = J phi.
        repulsion: A = a phi^(p-1).
        order: p.
        kT: temperature, positive.

    >>> round(float(np.tanh(target_field(1.0, 0.0, 2, 0.5))), 6)                # t = tanh(2 t)
    0.957504
    """
    lowest = 1e-4  # t = 1e-4 at an attraction 1e-8 above the onset
    if attraction <= branch_attraction(lowest, repulsion, order, kT):
        return 0.0
    return _root(lambda h: branch_attraction(h, repulsion, order, kT) - attraction, lowest, attraction / kT + 1)


def _root(function: Callable, low: float, high: float) -> float:
    return brentq(function, low, high, xtol=1e-14, rtol=1e-14)  # pyright: ignore[reportArgumentType, reportReturnType]


def transverse_gain(field, repulsion: float, order: int, kT: float):
    """Gain of the target state towards another orthogonal target, equation (2).

    >>> float(transverse_gain(1.0, 0.0, 2, 1.0).round(6))               # h / tanh h > 1 without repulsion
    1.313035
    """
    rich, poor = (_susceptibility(x, repulsion, order, kT) for x in _sides(field))
    return branch_attraction(field, repulsion, order, kT) / 2 * (rich + poor)


def product_gain(field, repulsion: float, order: int, kT: float):
    """Gain towards another target whose product with this one is stored too, equation (3).

    >>> bool(np.all(product_gain(np.geomspace(0.01, 100, 99), 3.0, 2, 0.1) > 1))         # never with p = 2
    True
    """
    rich, poor = (_susceptibility(x, repulsion, order, kT) for x in _sides(field))
    return branch_attraction(field, repulsion, order, kT) * np.maximum(rich, poor)


def _susceptibility(x, repulsion, order, kT):
    q = order - 1
    return x / (kT + q * repulsion * x**q)


class Window(NamedTuple):
    """Range of the attraction G in which target states are minima."""

    low: float
    high: float


def retrieval_window(gain_of: Callable, repulsion: float, order: int, kT: float) -> Window | None:
    """Attractions G = J phi at which all target states are minima at fixed filling, or None.

    Args:
        gain_of: `transverse_gain` for targets without products, `product_gain` with.
        repulsion: A.
        order: p.
        kT: temperature, positive.

    Returns:
        The widest range. For strong polarisation high -> q A 2^q + kT, or half of that with products.

    >>> retrieval_window(transverse_gain, 0.0, 2, 1.0) is None
    True
    >>> round(retrieval_window(transverse_gain, 1.0, 3, 0.1).high, 6)
    8.1
    """
    q = order - 1
    field = np.geomspace(1e-3, 3 + q * repulsion * 2.0**q / kT, 4000)  # beyond, the gain exceeds 1 for good

    def excess(field):
        return gain_of(field, repulsion, order, kT) - 1

    stable = excess(field) < 0
    edges = np.flatnonzero(np.diff(np.concatenate([[False], stable, [False]]).astype(int))).reshape(-1, 2)
    if not len(edges):
        return None

    def attraction(index):
        """G at the crossing just before a grid point; the onset before the first one."""
        if index == 0:
            return float(kT + q * repulsion)
        crossing = _root(excess, float(field[index - 1]), float(field[index]))
        return float(branch_attraction(crossing, repulsion, order, kT))

    ranges = [Window(attraction(first), attraction(last)) for first, last in edges]
    return max(ranges, key=lambda window: window.high - window.low)


def cold_window(repulsion: float, order: int) -> Window:
    """Retrieval of targets without products at kT -> 0: A 2^(p-2) < G < (p - 1) A 2^(p-1).

    With products the upper limit is half as high; for p = 2 nothing is left.

    >>> cold_window(1.0, 3)
    Window(low=2.0, high=8.0)
    """
    q = order - 1
    return Window(repulsion * 2.0 ** (q - 1), q * repulsion * 2.0**q)


class Recall(NamedTuple):
    """Minima reached from the targets: solute fractions, overlaps [start, target], effective components."""

    compositions: Float[np.ndarray, "start N"]
    overlaps: Float[np.ndarray, "start target"]
    participation: Float[np.ndarray, " start"]


def recall(model: LiquidHopfield, filled: float, *, purity: float = 0.9, noise: float = 0.01, seed: int = 0) -> Recall:
    """Local minima at fixed filling downhill from every target, slightly perturbed.

    A target is retrieved where its own overlap stays the largest and the participation near N/2.

    Args:
        model: targets and strengths.
        filled: phi, fraction of solutes.
        purity: polarisation of the starting compositions, below 1.
        noise: relative scatter of the starting fractions, so that no start rests on a saddle.
        seed: of the scatter.

    Returns:
        `Recall`, one row per target.

    >>> model = LiquidHopfield(hadamard_targets(8, [1, 2, 4]), 6.0, 2.0, 3, kT=0.2)
    >>> np.diag(recall(model, 0.9).overlaps).round(3).tolist()
    [1.0, 1.0, 1.0]
    """
    rng = np.random.default_rng(seed)
    start = (1 + purity * model.targets) * np.exp(noise * rng.standard_normal(model.targets.shape))
    start = start / start.sum(axis=1, keepdims=True)
    fractions = descend(composition_mixture(model, filled), start, np.zeros(start.shape[1]), steps=4000, tol=1e-7)
    return Recall(filled * fractions, overlaps(model.targets, fractions), participation(fractions))
