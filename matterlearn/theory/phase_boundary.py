"""Where a lattice mixture demixes in the quasi-chemical approximation: spinodal and binodal over compositions.

Species a = 0 (solvent), 1, ..., S with concentrations c_a, contact energies J_ab and z neighbours per site. If only the
correlations of neighbours are kept, pairs are P_ab = x_a x_b exp(-J_ab/kT) with sum_b P_ab = c_a, and per site

    f/kT = (1 - z) sum_a c_a ln c_a + z sum_a c_a ln x_a,        mu_a/kT = (1 - z) ln c_a + z ln x_a.

A composition is unstable where the Hessian (1 - z)/c_a delta_ab + z (diag c + P)^-1_ab has a negative eigenvalue at
fixed sum of c (spinodal). It demixes where its tangent plane cuts f elsewhere (binodal): where the *depth*, the lowest
f - tangent at a distance, is negative.

Source: [bethe1935].
Limits: exact on chains (z = 2) and trees; long-ranged fluctuations are missing, so that the square lattice gas demixes
below kT = 0.72 |J| instead of 0.567 |J| (Bragg-Williams: |J|), and finite lattices have no sharp boundary.
"""

import numpy as np
from jaxtyping import Float

ITERATIONS = 400  # of the scaling that finds x; each halves the error or better
CANDIDATES = {1: 400, 2: 80, 3: 24}  # of coexisting phases along each axis, by number of species
APART = 0.03  # by which a concentration of another phase differs at least


def _whole(c: Float[np.ndarray, "*point S"]) -> Float[np.ndarray, "*point S+1"]:
    return np.concatenate([1 - c.sum(-1, keepdims=True), c], -1)


def activities(c: Float[np.ndarray, "*point S"], bonds: Float[np.ndarray, "S S"]) -> Float[np.ndarray, "*point S+1"]:
    """x of the solvent and all solutes; `bonds` is J/kT between solutes, those with the solvent are 0.

    >>> activities(np.array([0.36]), np.zeros((1, 1))).round(9).tolist()          # ideal: x = c
    [0.64, 0.36]
    """
    c = _whole(c)
    weight = np.exp(-np.pad(bonds, ((1, 0), (1, 0))))
    x = c.copy()
    for _ in range(ITERATIONS):
        x = np.sqrt(x * c / (x @ weight))
    return x


def _potentials(c, x, neighbors: float):
    """mu/kT of the solutes minus that of the solvent."""
    mu = (1 - neighbors) * np.log(_whole(c)) + neighbors * np.log(x)
    return mu[..., 1:] - mu[..., :1]


def _free_energy(c, x, neighbors: float):
    whole = _whole(c)
    return (whole * ((1 - neighbors) * np.log(whole) + neighbors * np.log(x))).sum(-1)


def curvature(
    c: Float[np.ndarray, "*point S"], bonds: Float[np.ndarray, "S S"], neighbors: float
) -> Float[np.ndarray, "*point"]:
    """Lowest eigenvalue of the Hessian of f/kT: zero on the spinodal.

    >>> float(curvature(np.array([0.5]), np.array([[-2 * np.log(2)]]), 4).round(9) + 0)      # Bethe's critical point
    0.0
    """
    whole, x = _whole(c), activities(c, bonds)
    pairs = x[..., :, None] * np.exp(-np.pad(bonds, ((1, 0), (1, 0)))) * x[..., None, :]
    own = np.eye(whole.shape[-1])
    hessian = (1 - neighbors) * own / whole[..., None, :] + neighbors * np.linalg.inv(pairs + own * whole[..., None, :])
    exchange = np.concatenate([-np.ones((c.shape[-1], 1)), np.eye(c.shape[-1])], 1)
    return np.linalg.eigvalsh(exchange @ hessian @ exchange.T)[..., 0]


def depth(
    c: Float[np.ndarray, "*point S"], bonds: Float[np.ndarray, "S S"], neighbors: float
) -> Float[np.ndarray, "*point"]:
    """Lowest height of f/kT over the tangent plane at c among distant compositions: negative where c demixes.

    Limits: phases on a grid of 400, 80, 24 steps for one, two, three species.

    Raises:
        ValueError: for more than three species.

    >>> depth(np.array([[0.1], [0.2]]), np.array([[-1.6]]), 4) > 0                # binodal at 0.132
    array([ True, False])
    """
    species = c.shape[-1]
    if species not in CANDIDATES:
        raise ValueError(f"the binodal of {species} species is not looked for; one to three")
    axis = np.concatenate([[1e-3], (np.arange(CANDIDATES[species]) + 0.5) / CANDIDATES[species]])
    grid = np.stack(np.meshgrid(*[axis] * species, indexing="ij"), -1).reshape(-1, species)
    grid = grid[grid.sum(1) < 0.999]
    flat = c.reshape(-1, species)
    here, there = activities(flat, bonds), activities(grid, bonds)
    slope = _potentials(flat, here, neighbors)
    plane = _free_energy(flat, here, neighbors) - (slope * flat).sum(1)
    height = _free_energy(grid, there, neighbors) - slope @ grid.T - plane[:, None]
    near = np.abs(grid - flat[:, None]).max(-1) < APART
    return np.where(near, np.inf, height).min(1).reshape(c.shape[:-1])
