"""Linear resistor networks in closed form: potentials, effective resistances, gradients, nudged equilibria.

    L V = I,        L = Σ_e k_e b_e b_eᵀ,        b_e = 1 at one end of edge e, −1 at the other

Potentials measured at all nodes under known currents are linear equations for the conductances, Σ_e (b_e·V) b_e k_e = I
at every node that is not clamped. Without currents these are homogeneous: k is known up to a common factor at best.

With the potentials of some nodes clamped, the others follow from one linear solve; tethers of stiffness s to targets y
are resistors to nodes of potential y. The cost ½ Σ (o − y)² of the free equilibrium has the gradient

    dC/dk_e = −(b_e·λ)(b_e·V),        L_ff λ_f = ∂C/∂V_f

| quantity | unit |
|---|---|
| k | conductance |
| V | potential |

Source: [stern2021supervised]; textbook. Limits: dense matrices; every node has to be joined to a clamped one.
"""

import numpy as np
from jaxtyping import Float, Int

Edges = Int[np.ndarray, "edge 2"]


def laplacian(edges: Edges, conductance: Float[np.ndarray, " edge"], nodes: int) -> Float[np.ndarray, "node node"]:
    """L; rows add up to zero.

    >>> laplacian(np.array([[0, 1]]), np.array([2.0]), 2).tolist()
    [[2.0, -2.0], [-2.0, 2.0]]
    """
    ends = np.zeros((len(edges), nodes))
    ends[np.arange(len(edges)), edges[:, 0]], ends[np.arange(len(edges)), edges[:, 1]] = 1.0, -1.0
    return ends.T @ (conductance[:, None] * ends)


def potentials(
    edges: Edges, conductance: Float[np.ndarray, " edge"], clamped: dict[int, float], nodes: int,
    tethers: dict[int, tuple[float, float]] | None = None, currents: dict[int, float] | None = None,
) -> Float[np.ndarray, " node"]:  # fmt: skip
    """V with some nodes clamped, others tethered, node → (stiffness, target), and currents into nodes.

    >>> potentials(np.array([[0, 1], [1, 2]]), np.array([1.0, 2.0]), {0: 1.0, 2: 0.0}, 3).round(6).tolist()
    [1.0, 0.333333, 0.0]
    """
    matrix, current = laplacian(edges, conductance, nodes), np.zeros(nodes)
    for node, (stiffness, target) in (tethers or {}).items():
        matrix[node, node] += stiffness
        current[node] += stiffness * target
    for node, pushed in (currents or {}).items():
        current[node] += pushed
    held, free = np.array(sorted(clamped), int), np.setdiff1d(np.arange(nodes), list(clamped))
    found = np.zeros(nodes)
    found[held] = [clamped[node] for node in held]
    inside = matrix[np.ix_(free, free)]
    found[free] = np.linalg.solve(inside, current[free] - matrix[np.ix_(free, held)] @ found[held])
    return found


def cost_gradient(
    edges: Edges, conductance: Float[np.ndarray, " edge"], clamped: dict[int, float], nodes: int,
    targets: dict[int, float],
) -> tuple[float, Float[np.ndarray, " edge"]]:  # fmt: skip
    """C = ½ Σ (o − y)² of the free equilibrium, and dC/dk.

    >>> cost, slope = cost_gradient(np.array([[0, 1], [1, 2]]), np.array([1.0, 2.0]), {0: 1.0, 2: 0.0}, 3, {1: 0.6})
    >>> round(cost, 10), slope.round(10).tolist()
    (0.0355555556, [-0.0592592593, 0.0296296296])
    """
    found = potentials(edges, conductance, clamped, nodes)
    force, free = np.zeros(nodes), np.setdiff1d(np.arange(nodes), list(clamped))
    for node, target in targets.items():
        force[node] = found[node] - target
    adjoint = np.zeros(nodes)
    adjoint[free] = np.linalg.solve(laplacian(edges, conductance, nodes)[np.ix_(free, free)], force[free])
    slope = -(adjoint[edges[:, 0]] - adjoint[edges[:, 1]]) * (found[edges[:, 0]] - found[edges[:, 1]])
    return float(force @ force / 2), slope


def conductance_equations(
    edges: Edges, found: Float[np.ndarray, "experiment node"], held: Int[np.ndarray, " held"]
) -> Float[np.ndarray, "experiment free edge"]:
    """Coefficients of k in Kirchhoff's law at every node that is not held: their rank says what can be known of k.

    >>> rows = conductance_equations(np.array([[0, 1], [1, 2]]), np.array([[1.0, 0.5, 0.0]]), np.array([0, 2]))
    >>> rows.tolist()
    [[[-0.5, 0.5]]]
    """
    number, nodes = np.arange(len(edges)), found.shape[1]
    drops = found[:, edges[:, 0]] - found[:, edges[:, 1]]
    rows = np.zeros((len(found), nodes, len(edges)))
    rows[:, edges[:, 0], number], rows[:, edges[:, 1], number] = drops, -drops
    return rows[:, np.setdiff1d(np.arange(nodes), held)]


def fitted_conductances(
    edges: Edges, found: Float[np.ndarray, "experiment node"], currents: Float[np.ndarray, "experiment node"],
    held: Int[np.ndarray, " held"],
) -> Float[np.ndarray, " edge"]:  # fmt: skip
    """k by least squares from Kirchhoff's law; up to a factor, with Σ k² = 1, where no current is imposed.

    >>> found, currents = np.array([[1.0, 0.9, 0.0]]), np.array([[0.0, 0.8, 0.0]])
    >>> fitted_conductances(np.array([[0, 1], [1, 2]]), found, 0 * currents, np.array([0, 2])).round(6).tolist()
    [0.993884, 0.110432]
    """
    rows = conductance_equations(edges, found, held).reshape(-1, len(edges))
    known = np.delete(currents, held, axis=1).ravel()
    if np.any(known):
        return np.linalg.lstsq(rows, known, rcond=None)[0]
    direction = np.linalg.svd(rows)[2][-1]
    return direction * np.sign(direction.sum())


def effective_resistance(
    edges: Edges, conductance: Float[np.ndarray, " edge"], nodes: int
) -> Float[np.ndarray, "node node"]:
    """Potential difference per unit current sent from one node to another, by the pseudo-inverse of L.

    >>> effective_resistance(np.array([[0, 1], [1, 2]]), np.array([1.0, 2.0]), 3)[0, 2].round(6).item()
    1.5
    """
    inverse = np.linalg.pinv(laplacian(edges, conductance, nodes), hermitian=True)
    own = np.diag(inverse)
    return own[:, None] + own[None, :] - 2 * inverse
