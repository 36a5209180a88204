"""Inverse phase diagrams as convex programs: interactions for which given mixtures are coexisting phases.

Given the compositions of n condensed phases of N solutes, find pair interactions eps and chemical potentials mu for
which all of them coexist, with each other and with a dilute phase. In the mean field of Flory and Huggins with an
implicit solvent (the last component of `theory.flory_huggins`, with no interactions),

    mu_i(phi) = (ln phi_i)/L_i - ln(1 - phi_T) - (1 - 1/L_i) + (eps phi)_i,
    P(phi)    = -ln(1 - phi_T) - sum_i (1 - 1/L_i) phi_i + 1/2 phi.eps.phi,        phi_T = sum_i phi_i,

everything that coexistence asks is linear in (eps, mu) at given phi, or a convex cone:

    mu_i(phi^a) = mu_i         for every solute i of phase a,          P(phi^a) = 0
    mu_i(phi^a) >= mu_i        for every other, at phi_i = phi_T zeta/(M (N - M)), M solutes in a
    diag(1/phi_i) + sqrt(L_i L_j) (1/(1 - phi_T) + eps_ij) >= 1        (stable, in fluctuations of sqrt(L) phi)
    eps_ii >= the mean interaction of a for every solute i of a        (likes do not demix from the phase)
    ln sum_i exp(L_i mu_i + L_i - 1) <= ln(0.9 phi_c)                  (the ideal dilute phase is dilute)

Zero pressure stands for the nearly empty dilute phase. Among all solutions the program takes the least specific one,

    minimise   || w o (eps - (dmu_i + dmu_j)/(2 <phi_T>)) ||_F + || L dmu ||_2,      dmu = mu - mean(mu),

w = sqrt 2 on the diagonal and 1 elsewhere: a semidefinite program with one solution, or a proof that there is none.

| symbol | meaning | unit |
| --- | --- | --- |
| phi_i, phi_T | volume fraction; of all solutes | 1 |
| L_i | sites per molecule | 1 |
| eps_ij, mu_i, P | per site; eps_ij < 0 sticks | kT |

Source: [chen2023programmable]; conditions and objective as in the program published with it.
Limits: mean field. The dilute phase has P = phi_T0/L > 0, not 0: for short molecules (L = 1) the phases found here
    coexist with each other but are metastable against it.
"""

import importlib.util
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from matterlearn.theory import flory_huggins
from matterlearn.theory.coexistence import descend

STEPS = 3000  # of a descent
DILUTE = 0.9  # largest total fraction of the ideal dilute phase, in units of the critical one


class Program(NamedTuple):
    """Interactions, chemical potentials, and the value of the objective."""

    interactions: Float[np.ndarray, "N N"]
    potential: Float[np.ndarray, " N"]
    objective: float


def equimolar(members: list[list[int]], count: int, filled: float = 0.95) -> Float[np.ndarray, "phase N"]:
    """Fractions of phases in which the named solutes share `filled` equally.

    >>> equimolar([[0, 1], [2]], 3, 0.9).tolist()
    [[0.45, 0.45, 0.0], [0.0, 0.0, 0.9]]
    """
    present = np.array([[i in phase for i in range(count)] for phase in members], dtype=float)
    return filled * present / present.sum(axis=1, keepdims=True)


def exchange_potential(
    phi: Float[np.ndarray, "*phase N"], interactions: Float[np.ndarray, "N N"], sizes
) -> Float[np.ndarray, "*phase N"]:
    """mu_i: free energy of a volume of solute in place of solvent [kT per site].

    >>> float(exchange_potential(np.array([0.5]), np.array([[-2.0]]), 1)[0])     # the symmetric lattice gas
    -1.0
    """
    empty = np.log1p(-np.sum(phi, axis=-1, keepdims=True))
    return np.log(phi) / sizes - empty - (1 - 1 / np.asarray(sizes, dtype=float)) + phi @ interactions


def pressure(
    phi: Float[np.ndarray, "*phase N"], interactions: Float[np.ndarray, "N N"], sizes
) -> Float[np.ndarray, "*phase"]:
    """P = mu.phi - f, the osmotic pressure [kT per site]; absent solutes are allowed.

    >>> float(pressure(np.array([1e-6, 0.0]), np.zeros((2, 2)), 1).round(10))
    1e-06
    """
    mixing = -np.log1p(-phi.sum(axis=-1)) - ((1 - 1 / np.asarray(sizes, dtype=float)) * phi).sum(axis=-1)
    return mixing + 0.5 * np.einsum("...i,ij,...j->...", phi, interactions, phi)


def mean_interaction(
    phi: Float[np.ndarray, "phase N"], sizes, osmotic: float | np.ndarray = 0.0
) -> Float[np.ndarray, " phase"]:
    """phi.eps.phi / phi_T^2 at a given P, which composition and sizes alone decide [kT].

    >>> phi = np.array([[0.45, 0.45]])
    >>> eps = np.full((2, 2), mean_interaction(phi, 100)[0])
    >>> bool(abs(pressure(phi, eps, 100)) < 1e-12)
    True
    """
    return 2 * (osmotic - pressure(phi, np.zeros((phi.shape[1],) * 2), sizes)) / phi.sum(axis=1) ** 2


def tolerated(phi: Float[np.ndarray, "phase N"], zeta: float) -> Float[np.ndarray, "phase N"]:
    """The phases with phi_T zeta/(M (N - M)) of each of the N - M solutes that do not belong to them.

    >>> tolerated(np.array([[0.4, 0.4, 0.0]]), 0.01).tolist()
    [[0.4, 0.4, 0.004]]
    """
    members = np.sum(phi > 0, axis=1, keepdims=True)
    others = np.maximum(phi.shape[1] - members, 1)
    return np.where(phi > 0, phi, phi.sum(axis=1, keepdims=True) * zeta / (members * others))


def design(
    phi: Float[np.ndarray, "phase N"],
    sizes=100.0,
    *,
    zeta: float = 0.01,
    curvature: float = 1.0,
    osmotic: float | np.ndarray = 0.0,
) -> Program:
    """The least specific interactions for which the given phases coexist.

    Args:
        phi: volume fractions of the solutes in every phase; zero: does not belong to it.
        sizes: L_i, scalar or [N].
        zeta: what a phase may hold of solutes that do not belong to it, about as a fraction of its own.
        curvature: smallest eigenvalue of the scaled Hessian in every phase.
        osmotic: P of the phases, scalar or [phase].

    Returns:
        `Program`. Accuracy about 1e-6.

    Raises:
        ValueError: for fractions that are no phases, or phases that no pair interactions make coexist.
        ModuleNotFoundError: without cvxpy.

    >>> found = design(equimolar([[0], [1]], 2))
    >>> round(found.objective, 2), found.interactions.round(2).tolist()
    (10.75, [[-4.55, -4.04], [-4.04, -4.55]])
    """
    phi = np.asarray(phi, dtype=float)
    if phi.ndim != 2 or np.any(phi < 0) or np.any(phi.sum(axis=1) >= 1) or np.any(phi.sum(axis=0) <= 0):
        raise ValueError("every phase leaves room for solvent, and every solute belongs to a phase.")
    cp = _cvxpy()
    count = phi.shape[1]
    sizes = np.broadcast_to(np.asarray(sizes, dtype=float), count)
    eps, mu = cp.Variable((count, count), symmetric=True), cp.Variable(count)

    critical = 1 / (np.mean(1 / sizes) ** -0.5 + 1)
    constraints = [cp.log_sum_exp(cp.multiply(sizes, mu) + sizes - 1) <= np.log(DILUTE * critical)]
    for target, filled, lowest in zip(phi, tolerated(phi, zeta), mean_interaction(phi, sizes, osmotic), strict=True):
        constraints += _phase(cp, eps, mu, sizes, target, filled, lowest, curvature)

    excess = mu - cp.sum(mu) / count
    columns = cp.reshape(excess, (count, 1), order="C") @ np.ones((1, count))
    energy = eps - (columns + columns.T) / (2 * phi.sum(axis=1).mean())
    weight = np.where(np.eye(count), np.sqrt(2.0), 1.0)
    objective = cp.norm(cp.multiply(weight, energy), "fro") + cp.norm(cp.multiply(sizes, excess), 2)
    problem = cp.Problem(cp.Minimize(objective), constraints)
    problem.solve(solver=cp.CLARABEL)
    if problem.status not in (cp.OPTIMAL, cp.OPTIMAL_INACCURATE):
        raise ValueError(f"no pair interactions make these phases coexist: the program is {problem.status}.")
    return Program(np.asarray(eps.value), np.asarray(mu.value), float(np.asarray(objective.value)))


def design_coexisting(phi: Float[np.ndarray, "phase N"], sizes=1.0, *, zeta: float = 0.01) -> Program:
    """`design` for short molecules: at the pressure of the dilute phase, which is then not zero.

    The pressures of the program are corrected until the minima of the landscape, traces of other solutes included, are
    as deep as the dilute one.

    Args:
        phi: volume fractions of the solutes in every phase.
        sizes: L_i.
        zeta: as in `design`.

    Raises:
        ValueError: as `design`.
        RuntimeError: if the pressures do not converge.

    >>> phases = equimolar([[0, 1], [0, 2]], 3, 0.9)
    >>> bool(np.ptp(landscape(design_coexisting(phases), phases, 1.0).depth) < 1e-6)
    True
    """
    osmotic = np.zeros(len(phi))
    for _ in range(40):
        found = design(phi, sizes, zeta=zeta, osmotic=osmotic)
        depth = landscape(found, phi, sizes, zeta=zeta).depth
        osmotic = osmotic + depth[1:] - depth[0]
        if np.ptp(depth) < 1e-7:
            return found
    raise RuntimeError(f"the pressures of the phases still differ by {np.ptp(depth):.2g}; make them denser.")


def _phase(cp, eps, mu, sizes, target, filled, lowest, curvature) -> list:
    """Constraints of one phase; rows of molecules, L_i mu_i, so that all have the same scale."""
    own, empty = target > 0, 1 - target.sum()
    ideal = np.log(filled) - sizes * np.log(empty) - (sizes - 1)
    owed = cp.multiply(sizes, eps @ target - mu) + ideal
    pull = cp.sum(cp.multiply(np.outer(target, target), eps))
    # A congruence, which leaves the sign of the Hessian as it is, brings its entries to one scale.
    scale = np.sqrt(sizes / (1 / filled + sizes / empty))
    ideal_part = np.diag((1 / filled - curvature) * scale**2 / sizes)
    hessian = cp.multiply(np.outer(scale, scale), eps + 1 / empty) + ideal_part
    found = [owed[own] == 0, pull == lowest * target.sum() ** 2, hessian >> 0]
    if own.sum() > 1:  # else it follows from the pressure, and an interior-point method wants an interior
        found.append(cp.diag(eps)[own] >= lowest)
    return found if own.all() else [*found, owed[~own] >= 0]


def solvable() -> bool:
    """Whether cvxpy is installed."""
    return importlib.util.find_spec("cvxpy") is not None


def _cvxpy():
    try:
        import cvxpy
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("convex programs need cvxpy: pip install 'matterlearn[design]'") from error
    return cvxpy


class Landscape(NamedTuple):
    """Local minima of f - mu.phi: the dilute phase first, then the one reached from every target.

    `depth` is f - mu.phi = -P [kT per site], equal where phases coexist; `curvature` is the lowest eigenvalue of the
    Hessian of f in units of the ideal one, delta_ij/(L_i phi_i): 1 in the ideal mixture, positive in a minimum.
    """

    phases: Float[np.ndarray, "minimum N"]
    depth: Float[np.ndarray, " minimum"]
    curvature: Float[np.ndarray, " minimum"]


def landscape(program: Program, phi: Float[np.ndarray, "phase N"], sizes=100.0, *, zeta: float = 0.01) -> Landscape:
    """Where the dilute phase and the targets end when f - mu.phi runs downhill from them.

    Args:
        program: interactions and potentials, as `design` returns them.
        phi: the target phases.
        sizes: L_i.
        zeta: traces of other solutes at the start.

    >>> phases = equimolar([[0], [1]], 2)
    >>> found = landscape(design(phases), phases)
    >>> (found.curvature > 0).tolist(), (found.phases.sum(1) > 0.5).tolist()
    ([True, True, True], [False, True, True])
    """
    count = phi.shape[1]
    sizes = np.broadcast_to(np.asarray(sizes, dtype=float), count)
    ideal = np.exp(sizes * program.potential + sizes - 1)
    starts = _with_solvent(np.concatenate([ideal[None], tolerated(np.asarray(phi, dtype=float), zeta)]))
    chi, lengths, mu = np.pad(program.interactions, (0, 1)), np.append(sizes, 1.0), np.append(program.potential, 0.0)
    full = descend(flory_huggins.mixture(chi, lengths), starts, mu, steps=STEPS)
    depth = flory_huggins.free_energy(full, chi, lengths) - full @ mu
    root = np.sqrt(sizes * full[:, :-1])
    hessian = np.eye(count) + root[:, :, None] * root[:, None] * (program.interactions + 1 / full[:, -1, None, None])
    return Landscape(full[:, :-1], depth, np.linalg.eigvalsh(hessian)[:, 0])


def _with_solvent(phi):
    return np.concatenate([phi, 1 - phi.sum(axis=-1, keepdims=True)], axis=-1)
