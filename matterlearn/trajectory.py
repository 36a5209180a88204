"""Trajectories for other programs: GSD (OVITO, HOOMD, freud, MDAnalysis) and extended XYZ (ASE).

| quantity    | GSD                                    | extended XYZ                           |
|-------------|----------------------------------------|----------------------------------------|
| position    | σ, wrapped into [-L/2, L/2), + image   | σ, wrapped into [0, L), + image        |
| species     | typeid, types "0", "1", …              | species_index, and element k + 1       |
| orientation | quaternion (w, x, y, z) about z        | angle, radians                         |
| bonds       | per frame, types "memory k", …         | not in the format                      |

A two-dimensional sample has z = 0. A free one gets a box that encloses all its frames, because
GSD knows periodic boxes only; extended XYZ then says `pbc="F F F"`.
Limits: chemical elements end at 118; further species are written as `X`, told apart by
`species_index`.

Example:
    >>> import tempfile
    >>> position = ("replica", "frame", "particle", "axis"), np.array([[[[9.0, 1.0]]]])
    >>> node = xr.Dataset({"position": position}, attrs={"box": 8.0, "diameter": 1.0})
    >>> tree = xr.DataTree.from_dict({"/trajectory": node})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     print(write_extxyz(tree, folder + "/one.xyz", 0).read_text().splitlines()[2])
    H 1.00000000 1.00000000 0.00000000 0 1 0 0 0.500000
"""

# The type stubs of xarray and matplotlib are narrower than what they take.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOperatorIssue=false, reportAttributeAccessIssue=false
# pyright: reportOptionalSubscript=false, reportOptionalMemberAccess=false

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from matterlearn.drawing import Frame, frame_of, has_trajectory
from matterlearn.errors import InputError

ELEMENTS = (
    "H", "He", "Li", "Be", "B", "C", "N", "O", "F", "Ne", "Na", "Mg", "Al", "Si", "P", "S",
    "Cl", "Ar", "K", "Ca", "Sc", "Ti", "V", "Cr", "Mn", "Fe", "Co", "Ni", "Cu", "Zn", "Ga",
    "Ge", "As", "Se", "Br", "Kr", "Rb", "Sr", "Y", "Zr", "Nb", "Mo", "Tc", "Ru", "Rh", "Pd",
    "Ag", "Cd", "In", "Sn", "Sb", "Te", "I", "Xe", "Cs", "Ba", "La", "Ce", "Pr", "Nd", "Pm",
    "Sm", "Eu", "Gd", "Tb", "Dy", "Ho", "Er", "Tm", "Yb", "Lu", "Hf", "Ta", "W", "Re", "Os",
    "Ir", "Pt", "Au", "Hg", "Tl", "Pb", "Bi", "Po", "At", "Rn", "Fr", "Ra", "Ac", "Th", "Pa",
    "U", "Np", "Pu", "Am", "Cm", "Bk", "Cf", "Es", "Fm", "Md", "No", "Lr", "Rf", "Db", "Sg",
    "Bh", "Hs", "Mt", "Ds", "Rg", "Cn", "Nh", "Fl", "Mc", "Lv", "Ts", "Og",
)  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """The box the file gets: sides [3] (third 0 in two dimensions), its lower corner, periodic."""

    sides: np.ndarray
    corner: np.ndarray
    periodic: bool
    dimensions: int


def write_gsd(tree: xr.DataTree, path: str | Path, replica: int) -> Path:
    """Writes one replica as GSD, schema hoomd.

    Raises:
        InputError: if the tree has no particles, or no such replica.
    """
    import gsd.hoomd

    cell = _cell(tree, replica)
    with gsd.hoomd.open(str(path), mode="w") as file:
        for frame in _frames(tree, replica):
            file.append(_gsd_frame(frame, cell))
    return Path(path)


def _gsd_frame(frame: Frame, cell: Cell):
    import gsd.hoomd

    out = gsd.hoomd.Frame()
    wrapped, image = _wrap(_three(frame.position), cell)
    flat = cell.dimensions == 2
    out.configuration.step = frame.step
    out.configuration.dimensions = cell.dimensions
    out.configuration.box = [*cell.sides, 0, 0, 0]
    out.particles.N = len(wrapped)
    out.particles.position = wrapped + np.where([1, 1, not flat], -cell.sides / 2, 0.0)
    out.particles.image = image
    out.particles.typeid = frame.species
    out.particles.types = [str(k) for k in range(int(frame.species.max(initial=0)) + 1)]
    out.particles.diameter = np.full(len(wrapped), frame.diameter)
    if frame.orientation is not None and frame.orientation.ndim == 1:
        half = frame.orientation / 2
        out.particles.orientation = np.stack([np.cos(half), 0 * half, 0 * half, np.sin(half)], -1)
    memories = int(frame.bonds[:, 2].max(initial=0)) + 1
    out.bonds.N = len(frame.bonds)
    out.bonds.group = frame.bonds[:, :2]
    out.bonds.types = ["several memories", "no memory", *(f"memory {m}" for m in range(memories))]
    out.bonds.typeid = frame.bonds[:, 2] + 2
    return out


def write_extxyz(tree: xr.DataTree, path: str | Path, replica: int) -> Path:
    """Writes one replica as extended XYZ, one block of lines for each frame.

    Raises:
        InputError: if the tree has no particles, or no such replica.
    """
    cell = _cell(tree, replica)
    # Readers of XYZ want a cell with a volume; along z it is not periodic in two dimensions.
    sides = np.where(cell.sides > 0, cell.sides, 1.0)
    lattice = " ".join(f"{value:.8g}" for value in np.diag(sides).ravel())
    pbc = " ".join("T" if cell.periodic and side > 0 else "F" for side in cell.sides)
    origin = "" if cell.periodic else f' Origin="{" ".join(f"{x:.8g}" for x in cell.corner)}"'
    with open(path, "w", encoding="utf-8") as file:
        for frame in _frames(tree, replica):
            turned = frame.orientation is not None and frame.orientation.ndim == 1
            columns = "species:S:1:pos:R:3:species_index:I:1:image:I:3:radius:R:1"
            columns += ":angle:R:1" if turned else ""
            file.write(
                f'{len(frame.position)}\nLattice="{lattice}"{origin} Properties={columns} '
                f'pbc="{pbc}" step={frame.step}\n'
            )
            file.writelines(_xyz_lines(frame, cell, turned))
    return Path(path)


def _xyz_lines(frame: Frame, cell: Cell, turned: bool) -> Iterator[str]:
    wrapped, image = _wrap(_three(frame.position), cell)
    place = wrapped if cell.periodic else wrapped + cell.corner
    for i, species in enumerate(frame.species):
        name = ELEMENTS[species] if species < len(ELEMENTS) else "X"
        numbers = " ".join(f"{x:.8f}" for x in place[i])
        images = " ".join(str(n) for n in image[i])
        angle = f" {frame.orientation[i]:.8f}" if turned else ""
        yield f"{name} {numbers} {species} {images} {frame.diameter / 2:.6f}{angle}\n"


def _frames(tree: xr.DataTree, replica: int) -> Iterator[Frame]:
    for number in range(tree["trajectory"].sizes["frame"]):
        yield frame_of(tree, replica, number)


def _three(position: np.ndarray) -> np.ndarray:
    missing = 3 - position.shape[1]
    return np.pad(np.asarray(position, float), ((0, 0), (0, missing)))


def _wrap(position: np.ndarray, cell: Cell) -> tuple[np.ndarray, np.ndarray]:
    """Positions in [0, side) from the cell's corner, and how many sides were taken off."""
    sides = np.where(cell.sides > 0, cell.sides, 1.0)
    relative = np.where(cell.sides > 0, position - cell.corner, 0.0)
    image = np.floor(relative / sides).astype(int)
    wrapped = relative - image * sides
    # Rounding can leave a hair below zero exactly one side up.
    over = wrapped >= sides
    return np.where(over, 0.0, wrapped), image + over


def _cell(tree: xr.DataTree, replica: int) -> Cell:
    if not has_trajectory(tree):
        raise InputError("no particle trajectory in these results: nothing to write")
    node = tree["trajectory"].to_dataset(inherit=False)
    if not 0 <= replica < node.sizes["replica"]:
        raise InputError(f"no replica {replica}: the results have 0 to {node.sizes['replica'] - 1}")
    dimensions = node.sizes["axis"]
    inside = np.arange(3) < dimensions
    box = node.attrs.get("box", "free")
    if box != "free":
        return Cell(np.where(inside, float(box), 0.0), np.zeros(3), True, dimensions)
    places = _three(node["position"].isel(replica=replica).values.reshape(-1, dimensions))
    margin = 2.0 * float(node.attrs.get("diameter", 1.0))
    side = float(np.ptp(places, axis=0).max()) + 2 * margin
    middle = (places.max(0) + places.min(0)) / 2
    corner = np.where(inside, middle - side / 2, 0.0)
    return Cell(np.where(inside, side, 0.0), corner, False, dimensions)
