"""Place cells that store one map: the clump of activity, exact for infinitely many cells.

    E(s) = −(1/N) Σ_{i<j: |θ_i − θ_j| < w/2} s_i s_j,    s_i = 0 or 1,    Σ_i s_i = fN fixed    [monasson2013crosstalk],

the places θ of the cells being spread evenly over a ring of length 1, or over a periodic unit square with pairs closer
than the radius of a disk of area w. Every cell meets many others, so that the free energy per cell of a density profile
ρ(θ) is exact:

    F[ρ] = −½ ∫ ρ h + T ∫ [ρ ln ρ + (1 − ρ) ln(1 − ρ)],     h(θ) = ∫_{θ−w/2}^{θ+w/2} ρ,     ∫ρ = f,

stationary where ρ = 1/(1 + exp(−h/T − ν)).

* ρ = f becomes unstable at `uniform_instability`, where the first harmonic grows.
* A clump, active cells that are close in the map, exists up to `clump_limit`, well above that temperature.
* In between, at `coexistence_temperature`, their free energies cross.

Method: Newton's method for an even profile, which leaves no room to drift, from the field of a sharp clump. The clump's
limit is a fold; the share a = h(0) of all cells that are active near the clump's centre goes through it, so there a is
given and T(a) found, and its maximum sought. Convolutions use the harmonics of the continuous kernel, sin(πkw)/πk.

Units: T in the energy of one pair times N; F per cell. Limits: one map, a load of zero; N → ∞; clumps on the ring only,
f not far below w, so that the box is a start; T > 1/cells.
"""

from functools import cache, partial
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import entr, expit, j1

from matterlearn.theory.hopfield import find_root

CELLS = 256  # the grid's error is about exp(−2π² T · cells)


def uniform_instability(f: float, w: float, dimensions: int = 1) -> float:
    """Temperature f(1 − f) Ĵ_1 below which the uniform state is unstable; Ĵ_1 = sin(πw)/π, or R J₁(2πR) for πR² = w.

    Raises:
        ValueError: unless 0 < f < 1, 0 < w < 1 and there are one or two dimensions; a disk must fit, R < ½.

    >>> round(uniform_instability(0.1, 0.05), 7), round(uniform_instability(0.1, 0.05, dimensions=2), 7)
    (0.0044815, 0.0041557)
    """
    _check(f, w)
    if dimensions not in (1, 2) or (dimensions == 2 and w >= np.pi / 4):
        raise ValueError(f"a map has one or two dimensions, in two with w < π/4; got {dimensions} and w = {w}")
    radius = np.sqrt(w / np.pi)
    first = np.sin(np.pi * w) / np.pi if dimensions == 1 else radius * j1(2 * np.pi * radius)
    return float(f * (1 - f) * first)


def uniform_free_energy(f, w, T) -> Float[np.ndarray, "*points"]:
    """−½ w f² + T [f ln f + (1 − f) ln(1 − f)] per cell, in either dimension.

    >>> float(uniform_free_energy(0.5, 0.1, 0.0))
    -0.0125
    """
    return -w * np.square(f) / 2 - T * (entr(f) + entr(1 - np.asarray(f)))


class Clump(NamedTuple):
    """A clump centred at θ = 0: density ρ(θ) on the ring from −½ to ½, ``nu`` = μ/T, free energy per cell."""

    T: float
    theta: Float[np.ndarray, " cells"]
    density: Float[np.ndarray, " cells"]
    nu: float
    free_energy: float


def clump(f: float, w: float, T: float, *, cells: int = CELLS) -> Clump:
    """The clump at temperature T, stable or metastable.

    Args:
        f: fraction of active cells.
        w: length of the map within which a cell has its partners.
        T: temperature, below that of `clump_limit`.
        cells: grid points on the ring, even, at least about 1/T.

    Raises:
        ValueError: if an argument is out of range.
        RuntimeError: if Newton's method fails, as for f far below w or too few cells.

    >>> state = clump(0.1, 0.05, 0.004)
    >>> state.density[[128, 0]].round(5).tolist()    # at its centre and opposite
    [0.99802, 0.00197]
    >>> round(state.free_energy - float(uniform_free_energy(0.1, 0.05, 0.004)), 7)
    -0.0006972
    """
    ring, solutions = _branch(f, w, cells)
    limit = 1 / solutions[-1].beta
    if not 0 < T < limit:
        raise ValueError(f"a clump of activity {f} and width {w} exists at T in (0, {limit:.6g}), got T = {T}")
    if T * solutions[0].beta <= 1:
        return _clump(ring, _cooled(ring, solutions[0], T))
    after = next(i for i, solution in enumerate(solutions) if T * solution.beta < 1)
    start = solutions[after]
    high, low = (float(ring.kernel[0] @ solution.density) for solution in solutions[after - 1 : after + 1])
    share = find_root(lambda share: _newton(ring, start, share).beta * T - 1, low, high)
    return _clump(ring, _newton(ring, start, share))


def clump_limit(f: float, w: float, *, cells: int = CELLS) -> Clump:
    """The last clump: its temperature T_CL is the highest.

    Raises:
        ValueError: unless 0 < f < 1, 0 < w < 1 and the number of grid points is even.

    >>> round(clump_limit(0.1, 0.05).T, 6)
    0.007612
    """
    ring, solutions = _branch(f, w, cells)
    return _clump(ring, solutions[-1])


def coexistence_temperature(f: float, w: float, *, cells: int = CELLS) -> float:
    """T_c, below which the clump is the stable state and above which the uniform one is.

    Raises:
        ValueError: as `clump_limit`.

    >>> round(coexistence_temperature(0.1, 0.05), 5)
    0.00721
    """
    limit, unstable = clump_limit(f, w, cells=cells).T, uniform_instability(f, w)
    if limit < unstable * (1 + 1e-9):
        return unstable  # a continuous transition

    def advantage(T):
        return clump(f, w, T, cells=cells).free_energy - float(uniform_free_energy(f, w, T))

    return find_root(advantage, unstable, limit * (1 - 1e-6))


class _Ring(NamedTuple):
    """Half a ring, for even profiles: ∫ρ = weight·ρ, h = kernel @ ρ."""

    f: float
    w: float
    theta: Float[np.ndarray, " half"]
    weight: Float[np.ndarray, " half"]
    kernel: Float[np.ndarray, "half half"]


class _Solution(NamedTuple):
    density: Float[np.ndarray, " half"]
    nu: float
    beta: float


def _ring(f, w, cells) -> _Ring:
    _check(f, w)
    if cells % 2 or cells < 4:
        raise ValueError(f"an even profile needs an even number of cells, at least 4, got {cells}")
    k = np.arange(cells // 2 + 1)
    weight = np.where(k % (cells // 2), 2, 1) / cells
    waves = np.cos(2 * np.pi * np.outer(k, k) / cells)
    return _Ring(f, w, k / cells, weight, waves * (w * np.sinc(k * w) * weight * cells) @ waves * weight)


@cache
def _branch(f, w, cells) -> tuple[_Ring, list[_Solution]]:
    """Stable clumps, from below the uniform state's instability up to the fold, and the fold itself."""
    ring = _ring(f, w, cells)
    solutions = [_newton(ring, _sharp(ring, 0.9 * uniform_instability(f, w)), None)]
    most, share = min(f, w), ring.kernel[0] @ solutions[0].density
    while _cooling(ring, solutions[-1]) > 0:  # less concentrated clumps live at higher temperatures
        before, share = share, most - 1.4 * (most - share)
        solutions.append(_newton(ring, solutions[-1], share))
    beyond = solutions.pop()
    share = find_root(lambda share: _cooling(ring, _newton(ring, beyond, share)), share, before)
    return ring, [*solutions, _newton(ring, beyond, share)]


def _check(f, w):
    if not (0 < f < 1 and 0 < w < 1):
        raise ValueError(f"activity and width must lie between 0 and 1, got {f} and {w}")


def _sharp(ring, T) -> _Solution:
    """A clump near the solution: the response to the field of a box of active cells, a few times over."""
    density, nu = (ring.theta <= ring.f / 2).astype(float), 0.0
    for _ in range(30):
        field = ring.kernel @ density / T
        nu = find_root(partial(_excess, ring, field), -field.max() - 40, 40)
        density = expit(field + nu)
    return _Solution(density, nu, 1 / T)


def _excess(ring, field, nu) -> float:
    return ring.weight @ expit(field + nu) - ring.f


def _jacobian(ring, solution) -> tuple[np.ndarray, np.ndarray]:
    """Equations ρ = σ(βh + ν), ∫ρ = f, and their derivatives by ρ, ν and β; a last row for the share h(0)."""
    density, nu, beta = solution
    field = ring.kernel @ density
    response = expit(beta * field + nu)
    slope, half = response * (1 - response), len(density)
    matrix = np.zeros((half + 2, half + 2))
    matrix[:half, :half] = np.eye(half) - beta * slope[:, None] * ring.kernel
    matrix[:half, half], matrix[:half, half + 1] = -slope, -slope * field
    matrix[half, :half], matrix[half + 1, :half] = ring.weight, ring.kernel[0]
    return np.append(density - response, ring.weight @ density - ring.f), matrix


def _newton(ring, solution, share) -> _Solution:
    """Solves for ρ and ν at the β of the start, or for β too if the share is given."""
    for _ in range(50):
        error, matrix = _jacobian(ring, solution)
        error = np.append(error, 0.0 if share is None else ring.kernel[0] @ solution.density - share)
        if share is None:  # keep β: its column and the last equation become β' = β
            matrix[-1], matrix[:, -1] = 0.0, 0.0
            matrix[-1, -1] = 1.0
        try:
            step = np.linalg.solve(matrix, error)
        except np.linalg.LinAlgError:
            break
        solution = _Solution(solution.density - step[:-2], solution.nu - step[-2], solution.beta - step[-1])
        if abs(step[:-2]).max() < 1e-11:
            return solution
    raise RuntimeError(f"no clump of activity {ring.f} and width {ring.w} was found on {2 * len(ring.theta) - 2} cells")


def _cooled(ring, solution, T) -> _Solution:
    """The solution at a lower temperature, in steps."""
    while solution.beta < 1 / T:
        solution = _newton(ring, solution._replace(beta=min(1 / T, 1.25 * solution.beta)), None)
    return solution


def _cooling(ring, solution) -> float:
    """dβ/da: a clump that concentrates cools, on the stable side of the fold."""
    matrix = _jacobian(ring, solution)[1]
    return float(np.linalg.solve(matrix, np.eye(len(matrix))[-1])[-1])


def _clump(ring, solution) -> Clump:
    density, T = solution.density, 1 / solution.beta
    energy = -(ring.weight * density) @ ring.kernel @ density / 2
    entropy = ring.weight @ (entr(density) + entr(1 - density))
    whole = np.append(density[:0:-1], density[:-1])
    theta = np.append(-ring.theta[:0:-1], ring.theta[:-1])
    return Clump(float(T), theta, whole, float(solution.nu), float(energy - T * entropy))
