"""Trajectories survive the way through other programs' readers."""

import numpy as np
import pytest

from matterlearn.errors import MatterlearnError
from matterlearn.results import Group, Variable, to_tree
from matterlearn.trajectory import write_extxyz, write_gsd
from synthetic import BOX, FRAMES, PATCHES, TILES, fabricate

gsd_hoomd = pytest.importorskip("gsd.hoomd")


@pytest.fixture(scope="module")
def tree():
    return fabricate()


def free(dimensions):
    rng = np.random.default_rng(1)
    position = rng.normal(3.0, 20.0, (1, 4, 6, dimensions))
    names = ("replica", "frame", "particle", "axis")
    group = Group(
        [Variable("position", names, position, "sigma", "position"),
         Variable("species", ("replica", "particle"), [[0, 1, 2, 117, 118, 200]], "1", "species")],
        attrs={"box": "free", "diameter": 1.5, "patches": 0},
    )  # fmt: skip
    return to_tree({"/trajectory": group}, {}), position[0]


def test_gsd_round_trip(tree, tmp_path):
    node = tree["trajectory"]
    with gsd_hoomd.open(write_gsd(tree, tmp_path / "a.gsd", 3)) as file:
        assert len(file) == FRAMES
        frame = file[FRAMES - 1]
        assert frame.configuration.step == int(node["frame_step"][-1])
        assert frame.configuration.dimensions == 2
        assert frame.configuration.box[:3].tolist() == [BOX, BOX, 0]
        place = frame.particles.position
        assert (place[:, :2] >= -BOX / 2).all()
        assert (place[:, :2] < BOX / 2).all()
        unwrapped = place + frame.particles.image * frame.configuration.box[:3] + BOX / 2
        expected = node["position"].values[3, -1]
        np.testing.assert_allclose(unwrapped[:, :2], expected, atol=1e-5)
        assert (place[:, 2] == 0).all()
        assert frame.particles.typeid.tolist() == list(range(TILES))
        w, x, y, z = frame.particles.orientation.T
        turned = node["orientation"].values[3, -1]
        np.testing.assert_allclose(np.exp(2j * np.arctan2(z, w)), np.exp(1j * turned), atol=1e-5)
        assert (x == 0).all()
        assert (y == 0).all()
        here = ((node["bond_replica"] == 3) & (node["bond_frame"] == FRAMES - 1)).values
        np.testing.assert_array_equal(frame.bonds.group[:, 0], node["bond_first"].values[here])
        names = [frame.bonds.types[k] for k in frame.bonds.typeid]
        memory = node["bond_memory"].values[here]
        expected = {-2: "several memories", -1: "no memory", 0: "memory 0", 1: "memory 1"}
        assert names == [expected[m] for m in memory]


@pytest.mark.parametrize("dimensions", [2, 3])
def test_a_free_sample_is_enclosed(dimensions, tmp_path):
    tree, position = free(dimensions)
    with gsd_hoomd.open(write_gsd(tree, tmp_path / "a.gsd", 0)) as file:
        frames = list(file)
    side = frames[0].configuration.box[0]
    for frame, expected in zip(frames, position, strict=True):
        assert not frame.particles.image.any()
        place = frame.particles.position[:, :dimensions]
        assert (np.abs(place) <= side / 2 - 2.9).all()
        shift = place - expected
        np.testing.assert_allclose(shift, np.broadcast_to(shift[0], shift.shape), atol=1e-4)


def test_extxyz_round_trip_by_hand(tree, tmp_path):
    lines = write_extxyz(tree, tmp_path / "a.xyz", 2).read_text().splitlines()
    assert len(lines) == FRAMES * (TILES + 2)
    assert 'pbc="T T F"' in lines[1]
    rows = [line.split() for line in lines[-TILES:]]
    place = np.array([[float(x) for x in row[1:3]] for row in rows])
    image = np.array([[int(x) for x in row[5:7]] for row in rows])
    assert ((place >= 0) & (place < BOX)).all()
    expected = tree["trajectory"]["position"].values[2, -1]
    np.testing.assert_allclose(place + BOX * image, expected, atol=1e-7)
    assert [int(row[4]) for row in rows] == list(range(TILES))


def test_ase_reads_it(tree, tmp_path):
    read = pytest.importorskip("ase.io").read
    frames = read(write_extxyz(tree, tmp_path / "a.xyz", 1), index=":", format="extxyz")
    assert len(frames) == FRAMES
    last = frames[-1]
    assert last.pbc.tolist() == [True, True, False]
    np.testing.assert_allclose(last.cell.lengths()[:2], BOX)
    expected = tree["trajectory"]["position"].values[1, -1] % BOX
    np.testing.assert_allclose(last.positions[:, :2], expected, atol=1e-6)
    assert last.arrays["species_index"].tolist() == list(range(TILES))
    turned = tree["trajectory"]["orientation"].values[1, -1]
    np.testing.assert_allclose(last.arrays["angle"], turned, atol=1e-6)
    assert last.info["step"] == 12000


def test_ase_reads_a_free_sample_with_many_species(tmp_path):
    read = pytest.importorskip("ase.io").read
    tree, position = free(3)
    frames = read(write_extxyz(tree, tmp_path / "a.xyz", 0), index=":", format="extxyz")
    np.testing.assert_allclose(frames[2].positions, position[2], atol=1e-6)
    assert frames[0].get_chemical_symbols() == ["H", "He", "Li", "Og", "X", "X"]
    assert not frames[0].pbc.any()


def test_freud_finds_the_same_contacts(tree, tmp_path):
    freud = pytest.importorskip("freud")
    with gsd_hoomd.open(write_gsd(tree, tmp_path / "a.gsd", 0)) as file:
        frame = file[FRAMES - 1]
        query = freud.locality.AABBQuery.from_system(frame)
        found = query.query(
            frame.particles.position, {"r_max": 1.2, "exclude_ii": True}
        ).toNeighborList()
    close = {tuple(sorted(map(int, pair))) for pair in found[:]}
    bonded = {tuple(sorted(map(int, pair))) for pair in frame.bonds.group}
    assert bonded <= close
    assert query.box.Lx == BOX
    assert query.box.is2D
    assert PATCHES == 4


def test_wrong_requests_are_explained(tree, tmp_path):
    with pytest.raises(MatterlearnError, match="no replica 16: the results have 0 to 15"):
        write_gsd(tree, tmp_path / "a.gsd", 16)
    with pytest.raises(MatterlearnError, match="nothing to write"):
        write_extxyz(to_tree({}, {}), tmp_path / "a.xyz", 0)
    assert not list(tmp_path.iterdir())
