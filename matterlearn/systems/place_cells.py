"""Place cells: threshold units that hold one another active where they are close in one of many maps.

    E(s) = (1/N) Σ_μ c_μ Σ_{i<j: |θ_i^μ − θ_j^μ| < w/2} s_i s_j,        s_i ∈ {0, 1},  Σ_i s_i = fN

Every map μ puts the N cells, shuffled anew, on evenly spaced places of a ring of length 1, or of a periodic unit
square whose disks have the area w. The couplings are the strengths c_μ of the maps: lower sticks, and c_μ = −1 of a
fresh network makes clumps in every map attractors, at any position. (Papers write E = −Σ J s s with J > 0.) The number
of active cells is not in the energy: take dynamics that conserve it, ``unit_swaps``.

| quantity | unit |
|---|---|
| c | kT_ref |
| positions θ, width w | length of the ring or side of the square |

No matrix is written out. The kernel counts, at every place of every map, the active cells in the window around it;
when cells change, counts follow by sums along the rows of a window, exactly, in integers.

Source: [monasson2013crosstalk]. Memory O(NM) for M maps; a block of changes costs O(NM ln wN) on a ring, √(wN) times
as much on a square. Limits: the window is open and has a whole number of places; choose an odd number wN on a ring,
where it then has the width w exactly.

Example:
    >>> system = Config(kind="place_cells", units=20, maps=1, width=0.25, activity=0.25).build(None)
    >>> at = lambda *places: NetworkState(jnp.isin(system.place[0], jnp.array(places)).astype(jnp.int8))
    >>> [round(20 * float(system.energy(at(*places)))) for places in ((0, 1, 2, 3), (0, 5, 10, 15), (0, 19))]
    [-5, 0, -1]
"""

import math
from typing import ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float, Int
from pydantic import Field

from matterlearn.core.network import AbstractNetwork, AbstractNetworkKernel, NetworkState
from matterlearn.spec import Problem, Spec

BLOCK = 64  # units that may change between two updates of the counts


class Window(eqx.Module):
    """Places closer than a radius on a grid with periodic sides; a ring is a grid of one row."""

    shape: tuple[int, int] = eqx.field(static=True)
    square: float = eqx.field(static=True)  # of the radius, in places

    @property
    def reach(self) -> tuple[int, ...]:
        """How far the window goes along the row, for each row offset from 0 on."""
        offsets = range(min(self.shape[0] - 1, math.ceil(self.square**0.5) - 1) + 1)
        return tuple(math.ceil((self.square - offset**2) ** 0.5) - 1 for offset in offsets)

    def sums(self, values: Int[Array, "map place"]) -> Int[Array, "map place"]:
        """Sum over the window around every place, the place itself included."""
        rows, columns = self.shape
        grid = values.reshape(-1, rows, columns)
        total = jnp.zeros_like(grid)
        for offset, reach in enumerate(self.reach):
            along = row_sums(grid, reach)
            total += along if offset == 0 else jnp.roll(along, offset, 1) + jnp.roll(along, -offset, 1)
        return total.reshape(values.shape)

    def near(self, place: Int[Array, "map unit"]) -> Bool[Array, "map unit unit"]:
        """Which units are in each other's windows."""
        square = 0
        for part, side in zip(jnp.divmod(place, self.shape[1]), self.shape, strict=True):
            if side > 1:
                apart = jnp.abs(part[:, :, None] - part[:, None])
                square += jnp.minimum(apart, side - apart) ** 2
        return jnp.asarray(square) < self.square


def row_sums(grid: Int[Array, "*rows place"], reach: int) -> Int[Array, "*rows place"]:
    """Sums of 2 reach + 1 neighbours on rings, put together from sums of 1, 2, 4, … of them.

    >>> row_sums(jnp.array([1, 0, 0, 0, 2]), 1).tolist()
    [3, 1, 0, 2, 3]
    """
    places, length = grid.shape[-1], 2 * reach + 1
    part = jnp.concatenate([grid[..., places - reach :], grid, grid[..., :reach]], -1)
    total, begin, size = jnp.zeros_like(grid), 0, 1
    while size <= length:
        if length & size:
            total, begin = total + part[..., begin : begin + places], begin + size
        part, size = part[..., :-size] + part[..., size:], 2 * size
    return total


def window(units: int, width: float, dimensions: int) -> Window:
    """The interval |θ| < w/2 of a ring of so many places, or the open disk of area w on a square of them.

    >>> window(20, 0.25, 1).reach, window(25, 0.3, 2).reach
    ((2,), (1, 1))
    """
    radius = width / 2 if dimensions == 1 else (width / math.pi) ** 0.5
    columns = units if dimensions == 1 else round(units**0.5)
    return Window((units // columns, columns), (radius * columns) ** 2 * (1 - 1e-12))  # open, whatever the rounding


class CountKernel(AbstractNetworkKernel):
    """Gaps from the numbers of active cells in the window around every place of every map."""

    units: int = eqx.field(static=True)
    block: int = eqx.field(static=True)
    low: int = eqx.field(static=True)
    window: Window
    place: Int[Array, "map unit"]
    coupling: Float[Array, " map"]

    def summary(self, active):
        """Counts at every place of every map."""
        return counts(self.window, self.place, active.astype(jnp.int32))

    def gaps(self, summary, active, chosen):
        """−Σ_μ c_μ n_i^μ/N with n the active cells in the window, the cell itself not counted."""
        at = self.place[:, chosen]
        near = jnp.take_along_axis(summary, at, 1) - active[chosen].astype(jnp.int32)
        return -(self.coupling @ near.astype(self.coupling.dtype)) / self.units

    def response(self, chosen):
        """−J_ab."""
        near = self.window.near(self.place[:, chosen]).astype(self.coupling.dtype)
        J = jnp.tensordot(self.coupling, near, 1) / self.units
        return -J * (1 - jnp.eye(len(J), dtype=J.dtype))

    def absorb(self, summary, chosen, change):
        """Counts after the changes."""
        return summary + counts(self.window, self.place[:, chosen], change.astype(jnp.int32), self.units)


def counts(
    window: Window, place: Int[Array, "map unit"], values: Int[Array, " unit"], places: int | None = None
) -> Int[Array, "map place"]:
    """Sums of the units' values over the window around every place of every map."""
    grid = jnp.zeros((len(place), places or place.shape[1]), jnp.int32)
    return window.sums(grid.at[jnp.arange(len(place))[:, None], place].add(values))


class PlaceCells(AbstractNetwork):
    """Strengths of the maps, and where each map puts each cell; see the module's docstring."""

    coupling: Float[Array, " map"]
    place: Int[Array, "map unit"]  # row-major number of the place
    window: Window
    width: float = eqx.field(static=True)
    activity: float = eqx.field(static=True)

    @property
    def dimensions(self) -> int:
        """Of the maps."""
        return 1 if self.window.shape[0] == 1 else 2

    @property
    def fraction(self) -> float:
        """f, of a whole number of active cells."""
        units = self.place.shape[1]
        return round(self.activity * units) / units

    def energy(self, x: NetworkState, neighbors=None) -> Float[Array, ""]:
        """Energy, kT_ref."""
        s = x.active.astype(jnp.int32)
        near = jnp.take_along_axis(counts(self.window, self.place, s), self.place, 1)
        pairs = jnp.sum(s * (near - s), 1) / 2
        return self.coupling @ pairs.astype(self.coupling.dtype) / len(s)

    def init_state(self, key) -> NetworkState:
        """fN cells active, drawn at random."""
        units = self.place.shape[1]
        active = jnp.arange(units) < round(self.activity * units)
        return NetworkState(jax.random.permutation(key, active).astype(jnp.int8))

    def kernel(self) -> CountKernel:
        """Gaps from counts."""
        units = self.place.shape[1]
        return CountKernel(units, min(BLOCK, units), 0, self.window, self.place, self.coupling)

    def positions(self) -> Float[Array, "map unit axis"]:
        """θ of every cell in every map, from 0 to 1 along each axis."""
        rows, columns = jnp.divmod(self.place, self.window.shape[1])
        axes = [columns] if self.dimensions == 1 else [rows, columns]
        return jnp.stack(axes, -1) / self.window.shape[1]

    def harmonic(self, x: NetworkState) -> Complex[Array, "map axis"]:
        """First harmonic of the active cells, (Σ s e^{2πiθ})/(Σ s): its size is how localised, its phase is where."""
        waves = jnp.exp(2j * jnp.pi * self.positions())
        return jnp.einsum("i,mia->ma", x.active, waves) / jnp.maximum(jnp.sum(x.active), 1)


class Config(Spec):
    """Place cells in a scenario."""

    kind: Literal["place_cells"]
    matter: ClassVar[str] = "network"
    units: int = Field(ge=4, le=1_000_000, description="number of cells N; a square number in two dimensions",
                       examples=[12, 16])  # fmt: skip
    maps: int = Field(ge=1, description="number of maps M, each with its own shuffle of the cells", examples=[2, 3])
    map_seed: int = Field(default=0, ge=0, description="seed of the maps")
    dimensions: Literal[1, 2] = Field(default=1, description="maps on a ring or on a periodic square", examples=[1, 2])
    width: float = Field(default=0.05, gt=0, lt=1, description="length, or area, of the window w", examples=[0.3, 0.3])
    activity: float = Field(default=0.1, gt=0, lt=1, description="fraction f of cells that are active at the start",
                            examples=[0.4])  # fmt: skip

    @property
    def reach(self) -> float:
        """Half the side of the window in places."""
        if self.dimensions == 1:
            return self.width * self.units / 2
        return (self.width * self.units / math.pi) ** 0.5

    def check(self, scenario):
        """Windows hold somebody and fit, squares are square, somebody is active."""
        side = self.units if self.dimensions == 1 else round(self.units**0.5)
        if self.dimensions == 2 and side**2 != self.units:
            yield Problem(("units",), f"needs a square number for a square map, such as {side**2}; got {self.units}")
        if self.reach <= 1:
            least = (2 if self.dimensions == 1 else math.pi) / self.units
            message = f"is too narrow: no cell has a partner; with {self.units} cells take more than {least:.3g}"
            yield Problem(("width",), message)
        if self.dimensions == 2 and self.width >= math.pi / 4:
            yield Problem(("width",), f"is the area of a disk that must fit the square, below π/4; got {self.width}")
        if not 0 < round(self.activity * self.units) < self.units:
            yield Problem(("activity",), f"{self.activity:g} of {self.units} cells leaves all active or none")

    def build(self, key) -> PlaceCells:
        """The system; ``key`` is unused: maps have a seed of their own."""
        del key
        rng = np.random.default_rng(self.map_seed)
        place = np.stack([rng.permutation(self.units) for _ in range(self.maps)])
        return PlaceCells(
            coupling=jnp.full(self.maps, -1.0),
            place=jnp.asarray(place, jnp.int32),
            window=window(self.units, self.width, self.dimensions),
            width=self.width,
            activity=self.activity,
        )
