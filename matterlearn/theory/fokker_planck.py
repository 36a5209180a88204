"""The Fokker–Planck equation on a grid, by finite volumes that conserve probability and keep it positive.

    ∂p/∂t = −∇·(b p) + D ∇²p,    no flux through the walls

Between the cells i and i + 1, h apart, the drift is taken as constant; the exact flux in one dimension is then

    J = (D/h) [B(−bh/D) p_i − B(bh/D) p_{i+1}],      B(u) = u/(e^u − 1)      [scharfetter1969, chang1970]

so p ∝ e^{−U/D} is stationary to rounding where b = −∇U and differences of U are given, at any h; otherwise errors are
of order h². All matrices have columns that sum to 0 and off-diagonal entries >= 0, hence e^{Lt} and every implicit step
keep p >= 0 and its sum. Units: lengths, times and D in those of the equation.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.sparse import coo_matrix, csc_matrix, identity
from scipy.sparse.linalg import expm_multiply, splu

Density = Float[np.ndarray, "*cell"]
Drift = Callable[..., tuple]


class Grid(NamedTuple):
    """Equal cells of a box: ``low`` and ``high`` of every axis, and the number of cells along it."""

    low: tuple[float, ...]
    high: tuple[float, ...]
    cells: tuple[int, ...]

    @property
    def spacing(self) -> tuple[float, ...]:
        """h along every axis.

        >>> Grid((0.0,), (1.0,), (4,)).spacing
        (0.25,)
        """
        return tuple((b - a) / n for a, b, n in zip(self.low, self.high, self.cells, strict=True))

    @property
    def volume(self) -> float:
        """Of a cell."""
        return float(np.prod(self.spacing))

    def centres(self) -> tuple[Float[np.ndarray, "*cell"], ...]:
        """Coordinates of the cells, one array for each axis.

        >>> Grid((0.0,), (1.0,), (2,)).centres()[0].tolist()
        [0.25, 0.75]
        """
        axes = [a + h * (np.arange(n) + 0.5) for a, h, n in zip(self.low, self.spacing, self.cells, strict=True)]
        return tuple(np.meshgrid(*axes, indexing="ij"))

    def faces(self, axis: int) -> tuple[Float[np.ndarray, "*face"], ...]:
        """Coordinates of the inner faces across an axis: one fewer than cells.

        >>> Grid((0.0,), (1.0,), (2,)).faces(0)[0].tolist()
        [0.5]
        """
        inner = tuple(slice(0, -1) if k == axis else slice(None) for k in range(len(self.cells)))
        shift = [h / 2 if k == axis else 0.0 for k, h in enumerate(self.spacing)]
        return tuple(x[inner] + s for x, s in zip(self.centres(), shift, strict=True))


def bernoulli(u: Float[np.ndarray, "*any"]) -> Float[np.ndarray, "*any"]:
    """B(u) = u/(e^u − 1), 1 at 0.

    >>> bernoulli(np.array([0.0, 1e-9, 800.0])).round(6).tolist()
    [1.0, 1.0, 0.0]
    """
    u = np.asarray(u, float)
    small = np.abs(u) < 1e-5
    safe = np.where(small, 1.0, np.clip(u, -700, 700))
    return np.where(small, 1 - u / 2 + u**2 / 12, safe / np.expm1(safe))


def generator(grid: Grid, peclet: list[Float[np.ndarray, "*face"]], diffusion: float = 1.0) -> csc_matrix:
    """L with dp/dt = L p; ``peclet`` is b h/D on the inner faces across each axis.

    >>> grid = Grid((0.0,), (1.0,), (2,))
    >>> generator(grid, [np.zeros(1)]).toarray().tolist()
    [[-4.0, 4.0], [4.0, -4.0]]
    """
    index = np.arange(np.prod(grid.cells)).reshape(grid.cells)
    rows, columns, rates = [], [], []
    for axis, (h, ratio) in enumerate(zip(grid.spacing, peclet, strict=True)):
        below = np.delete(index, -1, axis).ravel()
        above = np.delete(index, 0, axis).ravel()
        up, down = (diffusion / h**2 * bernoulli(sign * ratio).ravel() for sign in (-1, 1))
        rows += [above, below, below, above]
        columns += [below, below, above, above]
        rates += [up, -up, down, -down]
    size = index.size
    entries = np.concatenate(rates), (np.concatenate(rows), np.concatenate(columns))
    return csc_matrix(coo_matrix(entries, shape=(size, size)))


def with_drift(grid: Grid, drift: Callable, diffusion: float = 1.0) -> csc_matrix:
    """L for a drift field: ``drift(x, …)`` gives its components at the coordinates of faces.

    >>> float(with_drift(Grid((-1.0,), (1.0,), (2,)), lambda x: (-x,)).sum())
    0.0
    """
    peclet = [drift(*grid.faces(axis))[axis] * h / diffusion for axis, h in enumerate(grid.spacing)]
    return generator(grid, peclet, diffusion)


def with_potential(grid: Grid, potential: Callable, diffusion: float = 1.0) -> csc_matrix:
    """L for b = −∇U: its stationary law is e^{−U/D} at the centres of the cells, to rounding.

    >>> grid = Grid((-3.0,), (3.0,), (7,))
    >>> weight = np.exp(-grid.centres()[0] ** 2 / 2)
    >>> float(np.abs(with_potential(grid, lambda x: x**2 / 2) @ weight).max()) < 1e-14
    True
    """
    energy = potential(*grid.centres())
    return generator(grid, [-np.diff(energy, axis=axis) / diffusion for axis in range(energy.ndim)], diffusion)


def evolve(matrix: csc_matrix, density: Density, duration: float) -> Density:
    """e^{Lt} p for rates that do not change: exact in time.

    >>> grid = Grid((0.0,), (1.0,), (2,))
    >>> evolve(with_potential(grid, np.zeros_like), np.array([2.0, 0.0]), 10.0).round(9).tolist()
    [1.0, 1.0]
    """
    flat = expm_multiply(matrix * duration, np.ravel(density))
    return np.asarray(flat).reshape(density.shape)


def evolve_driven(rates: Callable[[float], csc_matrix], density: Density, times: Float[np.ndarray, " time"]) -> Density:
    """p after implicit Euler steps from time to time with L at each step's end: positive, of first order in the steps.

    >>> grid = Grid((-4.0,), (4.0,), (40,))
    >>> start = np.exp(-((grid.centres()[0] - 1) ** 2))
    >>> end = evolve_driven(lambda t: with_drift(grid, lambda x: (-(1 + t) * x,)), start, np.linspace(0, 1, 11))
    >>> bool(end.min() > 0), round(float(end.sum() / start.sum()), 12)
    (True, 1.0)
    """
    flat = np.ravel(density)
    unit = identity(flat.size, format="csc")
    for before, after in zip(times[:-1], times[1:], strict=True):
        flat = splu(csc_matrix(unit - (after - before) * rates(float(after)))).solve(flat)
    return flat.reshape(density.shape)


def cell_means(grid: Grid, points: Float[np.ndarray, "point axis"]) -> Density:
    """Density of an ensemble on the grid, normalised by all points, to be compared with a solution.

    >>> cell_means(Grid((0.0,), (1.0,), (2,)), np.array([[0.1], [0.2], [0.9], [0.3]])).tolist()
    [1.5, 0.5]
    """
    edges = [np.linspace(a, b, n + 1) for a, b, n in zip(grid.low, grid.high, grid.cells, strict=True)]
    return np.histogramdd(np.asarray(points), edges)[0] / (len(points) * grid.volume)
