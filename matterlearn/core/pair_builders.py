"""Ways of finding all pairs within reach: a k-d tree on the host, a cell list on a device."""

from dataclasses import dataclass
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.spatial import cKDTree  # pyright: ignore[reportAttributeAccessIssue]

from matterlearn.core.space import minimum_image


def _slack(extent, dtype) -> float:
    """Rounding of a coordinate in `dtype`: added to the range so that no pair falls between."""
    return 16 * float(jnp.finfo(dtype).eps) * extent


def tree_pairs(position: np.ndarray, reach: float, box: float | None, dtype) -> np.ndarray:
    """Sorted pairs within reach, `[count, 2]`."""
    reach = reach + _slack(np.abs(position).max(initial=0.0), dtype)
    if box is not None:
        position = np.mod(position, box)
        position[position >= box] = 0.0  # mod of a tiny negative number rounds to the box itself
    tree = cKDTree(position, boxsize=box, balanced_tree=False, compact_nodes=False)
    pairs = tree.query_pairs(reach, output_type="ndarray").astype(np.int64, copy=False)
    # One sort of 64-bit keys is ten times faster than a lexicographic sort of two columns.
    keys = np.sort((pairs[:, 0] << 32) | pairs[:, 1])
    return np.stack([keys >> 32, keys & 0xFFFFFFFF], axis=1)


@dataclass(frozen=True)
class HostBuilder:
    """Finds pairs with a k-d tree on the host, in double precision; fastest next to a CPU."""

    reach: float
    box: float | None

    def __call__(self, position: Float[Array, "N dim"], capacity: int):
        n = position.shape[0]

        def build(position):
            pairs = np.full((2, capacity), n, np.int32)
            points = np.asarray(position, np.float64)
            if not np.isfinite(points).all():
                return pairs, np.int32(0)
            found = tree_pairs(points, self.reach, self.box, position.dtype)
            kept = min(len(found), capacity)
            pairs[:, :kept] = found[:kept].T
            return pairs, np.int32(len(found))

        shapes = (
            jax.ShapeDtypeStruct((2, capacity), jnp.int32),
            jax.ShapeDtypeStruct((), jnp.int32),
        )
        return jax.pure_callback(build, shapes, position, vmap_method="sequential")


@dataclass(frozen=True)
class DeviceBuilder:
    """Finds pairs with a cell list in jax, for accelerators: nothing leaves the device.

    Space is cut into cells no smaller than the range and folded onto a periodic grid of `cells`
    per side. In free space the fold only costs candidates: pairs are judged by true distance.
    `crowd` is the room in a cell; a fuller cell is reported as an overflow of the list.
    """

    reach: float
    box: float | None
    side: float
    cells: int
    crowd: int

    @classmethod
    def covering(cls, samples: np.ndarray, reach: float, box: float | None, room: float):
        """Choose the grid for these positions, `[replicas, N, dim]`."""
        least = 1.01 * reach  # the hundredth covers rounding of coordinates up to 1e4 lengths
        extent = np.ptp(samples, axis=1).max(initial=0.0) if box is None else box
        fit = extent / least
        cells = int(np.clip(np.ceil(fit), 3, 64)) if box is None else min(int(fit), 64)
        side = least if box is None else box / max(cells, 1)
        if cells < 3:
            return cls(reach, box, side, 1, samples.shape[1])
        probe = cls(reach, box, side, cells, 1)
        cell = jax.jit(probe.cell)
        fullest = max(int(np.bincount(np.asarray(cell(jnp.asarray(x)))).max()) for x in samples)
        return cls(reach, box, side, cells, min(int(np.ceil(room * fullest)), samples.shape[1]))

    def cell(self, position, shift=0):
        """Flat index of the cell of each particle, displaced by `shift` cells."""
        dim = position.shape[1]
        grid = jnp.mod(jnp.floor(position / self.side).astype(jnp.int32) + shift, self.cells)
        return grid @ jnp.array([self.cells**k for k in range(dim)], jnp.int32)

    def __call__(self, position: Float[Array, "N dim"], capacity: int):
        n, dim = position.shape
        home = self.cell(position)
        order = jnp.argsort(home).astype(jnp.int32)
        starts = jnp.searchsorted(home[order], jnp.arange(self.cells**dim + 1)).astype(jnp.int32)
        shifts = list(product((-1, 0, 1) if self.cells > 1 else (0,), repeat=dim))
        around = jnp.stack([self.cell(position, jnp.array(s)) for s in shifts], axis=1)  # pyright: ignore[reportArgumentType]  # noqa: E501
        slot = starts[around][..., None] + jnp.arange(self.crowd, dtype=jnp.int32)
        other = order.at[slot].get(mode="clip").reshape(n, -1)
        present = (slot < starts[around + 1][..., None]).reshape(n, -1)
        itself = jnp.arange(n, dtype=jnp.int32)[:, None]
        reach = self.reach + _slack(1.0, position.dtype) * jnp.max(jnp.abs(position))
        squared = sum(
            minimum_image(position[:, k][:, None] - position[:, k][other], self.box) ** 2
            for k in range(dim)
        )
        near = present & (itself < other) & (squared <= reach**2)
        where = jnp.nonzero(near.ravel(), size=capacity, fill_value=near.size)[0]
        i = jnp.where(where < near.size, where // other.shape[1], n).astype(jnp.int32)
        j = other.ravel().at[where].get(mode="fill", fill_value=n)
        pairs = jnp.stack(jax.lax.sort((i, j), num_keys=2))
        fullest = jnp.max(jnp.diff(starts))
        lost = jnp.ceil(capacity * (fullest / self.crowd)).astype(jnp.int32) + 1
        count = jnp.sum(near, dtype=jnp.int32)
        return pairs, jnp.where(fullest > self.crowd, jnp.maximum(count, lost), count)
