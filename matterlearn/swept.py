"""Results of a grid of runs as one labelled tree. No jax.

Every number that all points have gets one leading dimension per axis of the grid; what points have at other steps is
put on the union of them; a point that is missing or failed is NaN. What cannot be put in one array (frames of
trajectories, couplings while they were learned, weights of networks of different size) stays in the points' own files,
and the attribute ``matterlearn_elsewhere`` of the root names it.

Example:
    >>> from matterlearn.grids import Axis
    >>> one = xr.DataTree(xr.Dataset({"energy": ("step", [1.0, 2.0])}, {"step": [0, 10]}))
    >>> found = {(0,): one, (2,): one}.items
    >>> tree = joined(found, plan(found), [Axis("dynamics.kT", (0.5, 1.0, 2.0))], {})
    >>> tree["energy"].isel(step=1).values.tolist(), tree["kT"].values.tolist()
    ([2.0, nan, 2.0], [0.5, 1.0, 2.0])
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from matterlearn import documents
from matterlearn.grids import Axis, names
from matterlearn.results import labelled_once
from matterlearn.variants import is_light

ELSEWHERE = "matterlearn_elsewhere"
HEAVY = ("/trajectory", "/trajectory_before")
LARGE = 1 << 28  # bytes from which on a tree is kept in a Zarr store, which need not fit in memory


class Slot(NamedTuple):
    """Where a variable of all points goes: its dimensions and labels, and whether it is a coordinate."""

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    attrs: dict[str, Any]
    is_coordinate: bool


class Plan(NamedTuple):
    """What the tree of a grid holds, group by group: labels of dimensions, slots of variables, and what is left out."""

    labels: dict[str, dict[str, xr.DataArray]]
    slots: dict[str, dict[str, Slot]]
    elsewhere: tuple[str, ...]


Found = Callable[[], Iterable[tuple[tuple[int, ...], xr.DataTree]]]  # the finished points, as often as asked


def plan(found: Found) -> Plan:
    """Reads all points, as :func:`light` left them, and says what they have in common."""
    labels: dict[str, dict[str, xr.DataArray]] = {}
    slots: dict[str, dict[str, Slot]] = {}
    elsewhere: set[str] = set()
    for _, tree in found():
        elsewhere |= set(json.loads(tree.attrs.get(ELSEWHERE, "[]")))
        for group, node in _nodes(tree):
            mine, known = labels.setdefault(group, {}), slots.setdefault(group, {})
            for dim in map(str, node.dims):
                if dim in node.coords:
                    mine[dim] = _united(mine.get(dim), node[dim].reset_coords(drop=True))
            for name, array in node.variables.items():
                slot = Slot(tuple(map(str, array.dims)), array.shape, dict(array.attrs), name in node.coords)
                if name not in node.dims and not _alike(known.setdefault(str(name), slot), slot, mine):
                    elsewhere.add(f"{group.rstrip('/')}/{name}")
    kept = {
        group: {name: slot for name, slot in each.items() if f"{group.rstrip('/')}/{name}" not in elsewhere}
        for group, each in slots.items()
    }
    return Plan(labels, kept, tuple(sorted(elsewhere)))


def joined(found: Found, layout: Plan, wide: Sequence[Axis], attrs: Mapping[str, Any]) -> xr.DataTree:
    """One tree of all points, in memory."""
    tree = _blank(layout, wide, attrs, np.full)
    _fill({(g, n): tree[g][n].values for g, each in layout.slots.items() for n in each}, found, layout)
    return tree.map_over_datasets(partial(labelled_once, len(wide)))


def stored(found: Found, layout: Plan, wide: Sequence[Axis], attrs: Mapping[str, Any], store: Path) -> None:
    """The same in a new Zarr store, point by point, so that memory holds one point at a time."""
    import dask.array
    import zarr

    swept = len(wide)
    blank = lambda shape, value: dask.array.full(shape, value, chunks=_chunks(shape, swept))  # noqa: E731
    tree = _blank(layout, wide, attrs, blank)
    tree.to_zarr(store, mode="w", compute=False, consolidated=False)  # pyright: ignore[reportCallIssue]
    root = zarr.open_group(store, mode="r+")
    _fill({(g, n): root[f"{g}/{n}".strip("/")] for g, each in layout.slots.items() for n in each}, found, layout)


def bytes_of(layout: Plan, points: int) -> int:
    """Size of the joined tree."""
    return 8 * points * sum(int(np.prod(s.shape)) for each in layout.slots.values() for s in each.values())


def light(tree: xr.DataTree) -> xr.DataTree:
    """The part of a point's results that can be joined; an attribute of the root names the rest."""
    nodes, rest = {}, [path for path in HEAVY if path in tree.groups]
    for group, node in _nodes(tree):
        if group in HEAVY:
            continue
        heavy = [n for n, array in node.variables.items() if n not in node.dims and not is_light(str(n), array)]
        nodes[group] = _numbered(node.drop_vars(heavy))
        rest += [f"{group.rstrip('/')}/{name}" for name in heavy]
    nodes["/"] = nodes["/"].assign_attrs({ELSEWHERE: json.dumps(rest)})
    return xr.DataTree.from_dict(nodes)


def _numbered(node: xr.Dataset) -> xr.Dataset:
    """Memories with numbers, so that points that store more or fewer of them can be joined."""
    bare = "memory" in node.dims and "memory" not in node.coords
    return node.assign_coords(memory=np.arange(node.sizes["memory"])) if bare else node


def _nodes(tree: xr.DataTree):
    """Groups, parents first."""
    return [(node.path, node.to_dataset(inherit=False)) for node in tree.subtree]


def _alike(known: Slot, slot: Slot, labelled) -> bool:
    """Same dimensions, and the same length along those that have no labels."""
    lengths = zip(known.dims, known.shape, slot.shape, strict=False)
    return known.dims == slot.dims and all(one == other for dim, one, other in lengths if dim not in labelled)


def _united(known: xr.DataArray | None, labels: xr.DataArray) -> xr.DataArray:
    if known is None or known.equals(labels):
        return labels if known is None else known
    union = np.union1d(known.values, labels.values)
    return xr.DataArray(union, dims=labels.dims, name=labels.name, attrs=known.attrs)


def _shape(layout: Plan, group: str, slot: Slot) -> tuple[int, ...]:
    """Lengths with the union of all labels; a group inherits the labels of those above it."""
    sizes = {}
    for above in sorted(g for g in layout.labels if group == g or g == "/" or group.startswith(f"{g}/")):
        sizes |= {dim: len(labels) for dim, labels in layout.labels[above].items()}
    return tuple(sizes.get(dim, length) for dim, length in zip(slot.dims, slot.shape, strict=True))


def _blank(layout: Plan, wide: Sequence[Axis], attrs: Mapping[str, Any], full: Callable) -> xr.DataTree:
    """The tree with NaN in it; root attributes say which axis is which path."""
    taken = {name for each in (*layout.slots.values(), *layout.labels.values()) for name in each}
    swept, lengths = names(wide, taken), tuple(len(one.values) for one in wide)
    nodes = {}
    for group, slots in layout.slots.items():
        variables = {
            name: ((*swept, *slot.dims), full((*lengths, *_shape(layout, group, slot)), np.nan), slot.attrs)
            for name, slot in slots.items()
        }
        node = xr.Dataset(variables, layout.labels.get(group, {}))
        nodes[group] = node.set_coords([name for name, slot in slots.items() if slot.is_coordinate])
    root = nodes.get("/", xr.Dataset()).assign_coords(dict(zip(swept, map(_coordinate, wide, swept), strict=True)))
    paths = {name: one.path for name, one in zip(swept, wide, strict=True)}
    words = {"matterlearn_sweep": json.dumps(paths), ELSEWHERE: json.dumps(layout.elsewhere)}
    return xr.DataTree.from_dict({**nodes, "/": root.assign_attrs({**attrs, **words})})


def _chunks(shape: tuple[int, ...], swept: int) -> tuple[int, ...]:
    """One chunk for each point, or for rows of points where these are short."""
    own = int(np.prod(shape[swept:]))
    chunks = [1] * swept
    for n in reversed(range(swept)):
        chunks[n] = max(1, min(shape[n], 1_000_000 // max(own, 1)))
        own *= chunks[n]
    return (*chunks, *shape[swept:])


def _coordinate(one: Axis, name: str) -> xr.Variable:
    values = one.values
    if not all(isinstance(value, int | float | str) for value in values):
        values = tuple(documents.write(value).strip() for value in values)
    attrs = {"path": one.path, "units": "1", "long_name": one.path.replace("_", " ")}
    return xr.Variable((name,), np.array(values), attrs)


def _fill(arrays: Mapping[tuple[str, str], Any], found: Found, layout: Plan) -> None:
    for index, tree in found():
        for group, node in _nodes(tree):
            places = {
                dim: np.searchsorted(labels.values, node[dim].values) if _is_sorted(labels) else slice(None)
                for dim, labels in layout.labels.get(group, {}).items() if dim in node.coords
            }  # fmt: skip
            for name in layout.slots.get(group, {}):
                if name in node.variables:
                    _put(arrays[group, name], index, node[name], places)


def _is_sorted(labels: xr.DataArray) -> bool:
    return bool(np.all(labels.values[1:] > labels.values[:-1]))


def _put(target, index, array: xr.DataArray, places) -> None:
    """Values at their labels; a whole dimension where the labels are all there."""
    where = [places.get(dim, slice(None)) for dim in array.dims]
    full = [isinstance(w, slice) or len(w) == n for w, n in zip(where, target.shape[len(index) :], strict=True)]
    if all(full):
        target[index] = array.values
        return
    block = np.array(target[index])
    block[np.ix_(*(np.arange(n) if isinstance(w, slice) else w for w, n in zip(where, block.shape, strict=True)))] = (
        array.values
    )
    target[index] = block
