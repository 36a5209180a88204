"""Variants of a scenario side by side: their results joined along a dimension ``variant``.

    /variants            what recall measured, and what theory says of it
    /variants/learning   what was recorded while learning; couplings are left to the variants' own files
    /variants/memories   what was stored, if it is the same in all variants

Every variant is a run of its own, in a folder of its own, with its own report. What only some of them measured is NaN
in the others. No jax.

Example:
    >>> one = xr.DataTree(xr.Dataset({"error": ("replica", np.array([1.0, 2.0]))}))
    >>> joined({"a": one, "b": one}, {})["variants"]["error"].dims
    ('variant', 'replica')
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import xarray as xr

FOLDER = "variants"
GROUPS = {"/": "/variants", "/learning": "/variants/learning"}
ALIKE = 0.99  # mean cosine of beginnings that are the same noise, up to its width
MOST_NUMBERS = 1_000_000  # of one variable in one variant: trajectories and matrices stay where they are


def sample_similarity(node: xr.Dataset) -> xr.DataArray:
    """Cosine of the last visible patterns of two variants: (variant, variant_other, replica).

    It says whether two models make the same of the same noise: NaN where two variants did not begin alike.

    >>> patterns = np.array([[[[1.0, 0.0], [1.0, 0.0]]], [[[1.0, 0.0], [3.0, 4.0]]]])
    >>> node = xr.Dataset({"visible_patterns": (("variant", "replica", "step", "entry"), patterns)})
    >>> float(sample_similarity(node).isel(variant=0, variant_other=1, replica=0))
    0.6
    """
    patterns = node["visible_patterns"]
    unit = patterns / np.sqrt((patterns**2).sum("entry", skipna=False))
    cosine = xr.dot(unit, unit.rename(variant="variant_other"), dim="entry")
    alike = cosine.isel(step=0).mean("replica") > ALIKE
    words = "cosine of samples of two variants from the same noise"
    return cosine.isel(step=-1, drop=True).where(alike).assign_attrs(units="1", long_name=words)


def joined(trees: Mapping[str, xr.DataTree], attrs: Mapping[str, Any]) -> xr.DataTree:
    """One tree of all variants; the root holds the attributes alone."""
    found = {"/": xr.Dataset(attrs=dict(attrs))}
    for group, place in GROUPS.items():
        nodes = {name: tree[group].to_dataset() for name, tree in trees.items() if _has(tree, group)}
        if nodes:
            names = xr.Variable("variant", np.array(list(nodes)))
            together = _once(xr.concat(
                _comparable(nodes.values()), dim=names, data_vars="all", coords="minimal",
                compat="override", join="outer", combine_attrs="override",
            ))  # fmt: skip
            found[place] = together.reindex(variant=list(trees))  # not all variants learn
    stored = [tree["/memories"].to_dataset(False) for tree in trees.values() if _has(tree, "/memories")]
    if len(stored) == len(trees) and all(one.equals(stored[0]) for one in stored):
        found["/variants/memories"] = _light(stored[0])
    return xr.DataTree.from_dict(found)


def _once(node: xr.Dataset) -> xr.Dataset:
    """What theory says of all variants alike stands there once."""
    fixed = [name for name, array in node.data_vars.items() if not {"replica", "update"} & set(array.dims)]
    values = {name: node[name].transpose("variant", ...).values for name in fixed}
    same = [name for name, each in values.items() if all(np.array_equal(one, each[0], equal_nan=True) for one in each)]
    once = [name for name in same if str(name).removesuffix("_sem") in same]  # an error bar stands beside its value
    return node.assign({name: node[name].isel(variant=0, drop=True) for name in once})


def _has(tree: xr.DataTree, group: str) -> bool:
    return group in [node.path for node in tree.subtree]


def _comparable(nodes: Iterable[xr.Dataset]) -> list[xr.Dataset]:
    """Light parts of the variants, without what has axes of other lengths in each: weights of other networks."""
    light = [_light(node) for node in nodes]
    lengths = [{dim: node.sizes[dim] for dim in node.dims if dim not in node.coords} for node in light]
    ragged = {dim for one in lengths for other in lengths for dim in one if other.get(dim, one[dim]) != one[dim]}
    return [node.drop_dims(ragged & set(node.dims)) for node in light]


def is_light(name: str, array: xr.DataArray | xr.Variable) -> bool:
    """Whether these are numbers, few enough to be held side by side.

    Couplings, or moments of them, that were recorded while learning are not.
    """
    recorded = "update" in array.dims and array.ndim > 1 and (name.startswith("couplings") or "_moment" in name)
    return array.dtype.kind in "fiub" and array.size <= MOST_NUMBERS and not recorded


def _light(node: xr.Dataset) -> xr.Dataset:
    """Numbers that can be compared; integers become real, so that what is missing can be NaN."""
    kept = [name for name, array in node.data_vars.items() if is_light(str(name), array)]
    light = node[kept].drop_vars([n for n, c in node.coords.items() if n not in c.dims and n != "cue"])
    return light.map(lambda array: array.astype(np.float64), keep_attrs=True)
