"""Results as labelled arrays: build the tree, stamp it, save it in one move, open it anywhere.

A run is one `xarray.DataTree` in one netCDF-4 file (h5netcdf engine). Every variable carries named
dimensions, `units` and a `long_name`; the root carries the resolved scenario and the provenance as
JSON strings, because netCDF attributes hold only text and numbers. Nothing here needs jax.

Numbers drawn from the tree (`reduce`, `summary`, `judge`) live in `matterlearn.verdicts` and are
offered from here as well.

Example:
    >>> import tempfile, numpy as np
    >>> energy = Variable("energy", ("replica", "step"), np.zeros((2, 3)), "kT", "potential energy",
    ...                   coords={"step": [0, 10, 20]})
    >>> extra = Variable("extra", ("replica", "step"), np.ones((2, 2)), "1", "surplus units",
    ...                  coords={"step": [0, 20]})
    >>> tree = to_tree({"/": Group([energy, extra])}, {"title": "two clocks"})
    >>> tree["extra"].values[0]
    array([ 1., nan,  1.])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     opened = open(save(tree, folder + "/results.nc"))
    >>> opened.identical(tree)
    True
"""

import errno
import json
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import import_module, metadata
from numbers import Number
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from matterlearn.errors import InputError
from matterlearn.verdicts import (
    Row,
    Verdict,
    cross_overlap,
    cued_overlap,
    format_value,
    judge,
    reduce,
    summary,
    table,
)

__all__ = [
    "FILE_NAME", "STORE_NAME", "Group", "Row", "Variable", "Verdict", "cross_overlap", "cued_overlap",
    "format_value", "judge",
    "open", "provenance", "reduce", "save", "scenario_of", "summary", "table", "to_tree", "versions",
]  # fmt: skip

FILE_NAME, STORE_NAME = "results.nc", "results.zarr"
PACKAGES = ("jax", "jaxlib", "jax-md", "equinox", "optax", "numpy", "xarray", "matterlearn")
STEP_ATTRS = {"units": "1", "long_name": "dynamics step"}
COMPRESS_FROM_BYTES = 1 << 16


@dataclass(frozen=True)
class Variable:
    """One named array with what a reader needs to understand it.

    `coords` labels this variable's own dimensions, e.g. `{"step": [0, 500, 1000]}`; variables
    measured at different steps are put on the union of their steps, NaN where not measured.
    """

    name: str
    dims: tuple[str, ...]
    values: Any
    units: str
    long_name: str
    coords: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Group:
    """The variables of one node of the tree.

    `coords` holds what is shared by them: a plain sequence labels the dimension of that name, a
    `Variable` is any other coordinate, such as `cue(replica)`. `attrs` are plain values; what is
    neither text nor a number is stored as JSON.
    """

    variables: Sequence[Variable]
    coords: Mapping[str, Any] = field(default_factory=dict)
    attrs: Mapping[str, Any] = field(default_factory=dict)


def to_tree(groups: Mapping[str, Group], attrs: Mapping[str, Any]) -> xr.DataTree:
    """Joins groups by path ("/", "/learning", …) into one tree; `attrs` goes on its root.

    Raises:
        InputError: if values and dims of a variable disagree, or two variables of a group
            disagree about the length of a dimension.
    """
    datasets = {path: _dataset(path, group) for path, group in groups.items()}
    root = datasets.setdefault("/", xr.Dataset())
    root.attrs.update(_plain(attrs))
    for path, dataset in datasets.items():
        for name in set(dataset.variables) & set(root.dims) if path != "/" else ():
            # Every node inherits the root's step; a step(frame) beside it breaks indexing.
            if dataset[name].dims != (name,):
                raise InputError(
                    f"{path}: '{name}' is a dimension of the root, so a variable over "
                    f"{dataset[name].dims} needs another name, such as frame_{name}"
                )
    try:
        return xr.DataTree.from_dict(datasets)
    except ValueError as error:
        raise InputError(
            f"a group disagrees with the root about a dimension both have: {error}"
        ) from error


def _dataset(path: str, group: Group) -> xr.Dataset:
    coords = {
        name: coord
        if isinstance(coord, Variable)
        else Variable(name, (name,), coord, "1", name.replace("_", " "))
        for name, coord in group.coords.items()
    }
    try:
        shared = xr.Dataset(coords={name: _labelled(path, c) for name, c in coords.items()})
    except ValueError as error:
        raise InputError(f"{path}: coordinates disagree: {error}") from error
    arrays = [_labelled(path, variable) for variable in group.variables]
    for array in arrays:
        clash = [d for d in array.dims if d in shared.sizes and d not in array.coords
                 and shared.sizes[d] != array.sizes[d]]  # fmt: skip
        if clash:
            raise InputError(
                f"{path}: {array.name} has {array.sizes[clash[0]]} entries along '{clash[0]}', "
                f"its group has {shared.sizes[clash[0]]}"
            )
    try:
        dataset = xr.merge(
            [shared, *arrays], join="outer", compat="no_conflicts", combine_attrs="override"
        )
    except ValueError as error:
        raise InputError(f"{path}: cannot join its variables: {error}") from error
    for name in ("replica", "step"):
        if name in dataset.dims and name not in dataset.coords:
            dataset = dataset.assign_coords({name: np.arange(dataset.sizes[name])})
    if "step" in dataset.coords:
        dataset["step"].attrs = STEP_ATTRS | dataset["step"].attrs
    dataset.attrs.update(_plain(group.attrs))
    return dataset


def _labelled(path: str, variable: Variable) -> xr.DataArray:
    values = np.asarray(variable.values)
    if values.ndim != len(variable.dims):
        raise InputError(
            f"{path}: {variable.name} has dims {variable.dims} but values of shape {values.shape}"
        )
    attrs: dict[str, Any] = {"units": variable.units, "long_name": variable.long_name}
    steps = variable.coords.get("step")
    if steps is not None and len(steps):
        # Tells "not measured at this step" from "measured and not a number" after the union.
        attrs["last_step"] = int(np.asarray(steps)[-1])
    try:
        return xr.DataArray(
            values, dict(variable.coords), variable.dims, name=variable.name, attrs=attrs
        )
    except ValueError as error:
        raise InputError(f"{path}: {variable.name}: {error}") from error


def _plain(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes a netCDF file can hold: text and numbers as they are, the rest as JSON."""
    return {
        key: value
        if isinstance(value, str) or (isinstance(value, Number) and not isinstance(value, bool))
        else json.dumps(value, default=str)
        for key, value in attrs.items()
    }


def provenance(
    scenario_json: str | Mapping[str, Any],
    *,
    seed: int,
    device: str,
    precision: str,
    wall_time: float,
    extra: Mapping[str, Any] | None = None,
) -> dict[str, str]:
    """Root attributes that say what was run, with what, when and where.

    Args:
        scenario_json: the resolved scenario, as JSON text or as a mapping.
        seed: of the run.
        device: e.g. "cpu" or the accelerator's name.
        precision: "f32" or "f64".
        wall_time: in seconds.
        extra: further entries of the provenance record, anything JSON can hold.
    """
    scenario = json.loads(scenario_json) if isinstance(scenario_json, str) else dict(scenario_json)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    installed = versions()
    record = {
        "seed": seed,
        "device": device,
        "precision": precision,
        "wall_time_s": round(float(wall_time), 3),
        "created": created,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": installed,
        **_git_state(),
        **(extra or {}),
    }
    references = scenario.get("references") or []
    return {
        "Conventions": "CF-1.11",
        "title": str(scenario.get("title", "")),
        "history": f"{created} matterlearn run, seed {seed}",
        "references": ", ".join(map(str, references)),
        "source": f"matterlearn {installed.get('matterlearn', '(not installed)')}",
        "matterlearn_scenario": json.dumps(scenario, default=str),
        "matterlearn_provenance": json.dumps(record, default=str),
    }


def versions(packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Versions of those packages that are installed."""
    found = {}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _git_state() -> dict[str, Any]:
    """Revision and dirty flag of the checkout that tracks this very file; empty elsewhere."""
    here = Path(__file__).resolve()

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(here.parent), *arguments],
            capture_output=True, text=True, check=True, timeout=10,
        ).stdout.strip()  # fmt: skip

    try:
        git("ls-files", "--error-unmatch", here.name)
        return {
            "git_revision": git("rev-parse", "HEAD"),
            "git_dirty": bool(git("status", "--porcelain", "--untracked-files=no")),
        }
    except (OSError, subprocess.SubprocessError):
        return {}


def scenario_of(tree: xr.DataTree) -> dict[str, Any]:
    """The resolved scenario stored in the tree; empty when it has none."""
    return json.loads(tree.attrs.get("matterlearn_scenario", "{}"))


def save(tree: xr.DataTree, path: str | os.PathLike) -> Path:
    """Writes the tree so that `path` holds either all of it or what it held before.

    A temporary file beside `path` is written, flushed to the disk, and renamed over it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(suffix=".part", prefix=path.name + ".", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        _reserve(tree, path)
        tree.to_netcdf(temporary, engine="h5netcdf", encoding=_encoding(tree))
        _flush(temporary)
        # mkstemp makes private files; results follow the user's umask like any other file.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        os.replace(temporary, path)
        _flush(path.parent)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _reserve(tree: xr.DataTree, path: Path) -> None:
    """Refuses at once what may not fit on the disk: HDF5 cannot close a file that it could not write."""
    nodes = [node.to_dataset(inherit=False) for node in tree.subtree]
    needed = sum(node.nbytes + 4096 * len(node.variables) for node in nodes) + (1 << 16)
    if shutil.disk_usage(path.parent).free < needed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def _flush(path: Path) -> None:
    if path.is_dir() and os.name == "nt":
        return  # Windows cannot open a folder to flush it
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _encoding(tree: xr.DataTree) -> dict[str, dict[str, Any]]:
    return {  # pyright: ignore[reportReturnType]
        node.path: {
            name: {"zlib": True, "complevel": 4, "shuffle": True}
            for name, array in node.to_dataset(inherit=False).variables.items()
            if array.dtype.kind in "fiu" and array.nbytes >= COMPRESS_FROM_BYTES
        }
        for node in tree.subtree
    }


def open(path: str | os.PathLike) -> xr.DataTree:  # noqa: A001
    """Reads a results file, or the one in a run directory, into memory; a Zarr store of a large sweep lazily.

    Raises:
        InputError: if there is no such file, or it was not written to the end.
    """
    path = Path(path)
    store = path if path.suffix == ".zarr" else path / STORE_NAME
    if store.is_dir() and not (path / FILE_NAME).exists():
        return _stored(store)
    file = path / FILE_NAME if path.is_dir() else path
    if not file.is_file():
        raise InputError(_why_missing(path, file))
    try:
        with xr.open_datatree(file, engine="h5netcdf") as tree:
            tree.load()
            tree.encoding["source"] = str(file)  # where `tree.ml` finds the rest of the run
            return tree
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise InputError(
            f"{file}: not a complete results file ({error}); was the copy or the run interrupted?"
        ) from error


def _stored(store: Path) -> xr.DataTree:
    try:
        tree = xr.open_datatree(store, engine="zarr", chunks={}, consolidated=False)
        swept = len(json.loads(tree.attrs["matterlearn_sweep"]))
        loaded = lambda node: node.assign_coords(node.coords.to_dataset().load().coords)  # noqa: E731
        tree = tree.map_over_datasets(lambda node: labelled_once(swept, loaded(node)))
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{store}: not a complete results store ({error}); start the sweep again") from error
    tree.encoding["source"] = str(store)
    return tree


def labelled_once(swept: int, node: xr.Dataset) -> xr.Dataset:
    """Labels that are the same at all points, such as how replicas were cued, need no swept dimensions."""
    for name in [name for name, label in node.coords.items() if name not in node.dims and label.ndim >= swept]:
        values = node[name].values.reshape(-1, *node[name].shape[swept:])
        known = [one for one in values if not np.all(np.isnan(one))]  # a point that is missing has no labels
        if known and all(np.array_equal(one, known[0], equal_nan=True) for one in known):
            node = node.assign_coords({name: (node[name].dims[swept:], known[0], node[name].attrs)})
    return node


@xr.register_datatree_accessor("ml")
def _accessor(tree: xr.DataTree):
    """`tree.ml`: see `matterlearn.accessor`, which is imported when it is asked for."""
    return import_module("matterlearn.accessor").Accessor(tree)


def _why_missing(path: Path, file: Path) -> str:
    if not path.exists():
        return f"{path}: no such file or run directory"
    parts = sorted(file.parent.glob(file.name + ".*.part"))
    if parts:
        return f"{path}: no {file.name}, only {parts[0].name}: the run was cut off while writing it"
    have = ", ".join(sorted(p.name for p in path.iterdir())[:8]) or "nothing"
    return f"{path}: no {FILE_NAME} in this directory (has {have}); has the run finished?"
