"""Figures: the right ones are drawn, they show the tree's numbers, and pictures are correct."""

import shutil

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from matplotlib.collections import EllipseCollection, LineCollection
from matplotlib.colors import to_hex
from PIL import Image

from matterlearn import drawing, plots, plots_couplings, snapshots, style
from matterlearn.errors import MatterlearnError
from matterlearn.results import Group, Variable, to_tree
from matterlearn.verdicts import cued_overlap
from synthetic import BOX, FRAMES, MEMORIES, REPLICAS, fabricate


@pytest.fixture(scope="module")
def tree():
    return fabricate()


@pytest.fixture(scope="module")
def sweep():
    return fabricate(swept=[6.0, 8.0, 9.0, 12.0], sequential=True)


def free_pair():
    """Two bonded particles, and a third, without a box."""
    position = np.array([[[[0.0, 0.0], [1.0, 0.0], [9.0, 9.0]]]])
    names = ("replica", "frame", "particle", "axis")
    ends = [("replica", 0), ("frame", 0), ("first", 0), ("second", 1), ("memory", -1)]
    bonds = [Variable(f"bond_{n}", ("bond",), [v], "1", n) for n, v in ends]
    group = Group(
        [Variable("position", names, position, "sigma", "position"), *bonds],
        attrs={"box": "free", "diameter": 1.0, "patches": 0},
    )
    return to_tree({"/trajectory": group}, {})


@pytest.mark.slow
def test_what_is_there_is_drawn(tree, sweep, tmp_path):
    plain = [p.stem for p in plots.figures(tree, tmp_path / "a")]
    assert plain == ["snapshots", "overlap", "outcomes", "energy", "couplings", "growth",
                     "forgetting", "learning"]  # fmt: skip
    assert "window" in [p.stem for p in plots.figures(sweep, tmp_path / "b")]
    assert all(p.stat().st_size > 10_000 for p in tmp_path.glob("*/*.png"))
    assert set(plots.CAPTIONS) >= set(plain)


def test_nothing_to_draw_is_no_error(tmp_path):
    assert plots.figures(xr.DataTree(), tmp_path) == []
    assert plots.figures(to_tree({"/learning": Group([])}, {}), tmp_path) == []


def test_style_does_not_leak(tree, tmp_path):
    before = dict(mpl.rcParams)
    plots.figures(tree.drop_nodes(["trajectory", "learning", "couplings"]), tmp_path)
    assert dict(mpl.rcParams) == before


def test_overlap_curves_are_the_means(tree):
    axes = plots.overlap(tree).axes[0]
    named = {line.get_label(): line.get_ydata() for line in axes.lines}
    expected = cued_overlap(tree.to_dataset()).dropna("step", how="all").mean("replica")
    np.testing.assert_allclose(named["cued memory"], expected)
    assert len(axes.lines) == 2 * (REPLICAS + 1)


def test_uncued_replicas_get_their_own_curve(tree):
    root = tree.to_dataset().copy()
    root["cue"] = root["cue"].where(root["replica"] % 4 > 0, -1).astype(int)
    axes = plots.overlap(xr.DataTree(root)).axes[0]
    labels = axes.get_legend_handles_labels()[1]
    assert labels == ["cued memory", "best other memory", "best memory, no cue"]


def test_long_records_are_drawn_as_means_over_blocks():
    values = np.random.default_rng(0).normal(size=(3, 1001))
    axes = style.new_figure(1, 1, 4, 3).subplots()
    style.curve(axes, np.arange(1001.0), xr.DataArray(values, dims=("replica", "step")), "black", "all", thin=False)
    (line,) = axes.lines
    np.testing.assert_allclose(line.get_xdata(), np.arange(100) * 10 + 4.5)
    np.testing.assert_allclose(line.get_ydata(), values[:, :1000].reshape(3, 100, 10).mean((0, 2)))
    style.curve(axes, np.arange(150.0), xr.DataArray(values[0, :150], dims="step"), "black", "few")
    np.testing.assert_array_equal(axes.lines[1].get_ydata(), values[0, :150])


def test_window_shows_means_bars_and_the_prediction(sweep):
    axes = plots.window(sweep).axes[0]
    container = axes.containers[0]
    x, y = container.lines[0].get_xydata().T
    root = sweep.to_dataset()
    final = cued_overlap(root).dropna("step", how="all").isel(step=-1)
    np.testing.assert_allclose(x, [6.0, 8.0, 9.0, 12.0])
    np.testing.assert_allclose(y, final.groupby("bond_strength").mean().values)
    assert [p.get_x() for p in axes.patches] == [7.0]


def test_theory_is_dashed_black():
    root = xr.Dataset(
        {
            "loss": (("replica", "step"), np.ones((2, 5))),
            "loss_theory": ("step", np.arange(5.0)),
            "g": (("replica", "r"), np.ones((2, 3))),
            "g_theory": ("r", np.arange(3.0)),
        },
        {"r": [0.1, 0.2, 0.3]},
    )
    for draw, points in ((plots.traces, 5), (plots.profiles, 3)):
        lines = [line for line in draw(xr.DataTree(root)).axes[0].lines
                 if line.get_linestyle() == "--" and line.get_color() == "black"]  # fmt: skip
        assert [len(line.get_ydata()) for line in lines] == [points]


def test_shape_populations_beside_theory():
    root = xr.Dataset(
        {
            "cluster_shape_population": (("replica", "shape"), np.full((4, 3), 1 / 3)),
            "cluster_shape_population_theory": ("shape", [0.5, 0.3, 0.2]),
        },
        {"shape": ["monomer", "dimer", "line"]},
    )
    figure = plots.shapes(xr.DataTree(root))
    assert [p.get_height() for p in figure.axes[0].patches] == [1 / 3] * 3
    assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == ["monomer", "dimer", "line"]


def test_matrices_share_a_scale_centred_on_zero(tree):
    figure = plots_couplings.matrices(tree)
    norms = [axes.images[0].norm for axes in figure.axes[:2]]
    assert all(norm(0.0) == 0.5 for norm in norms)
    assert len({norm.vmax for norm in norms}) == 1
    assert any("lower = stickier" in axes.get_ylabel() for axes in figure.axes)


def test_retained_is_a_correlation():
    bonds = np.zeros((2, 6, 6))
    bonds[0, 0, 1] = bonds[0, 1, 0] = bonds[1, 2, 3] = bonds[1, 3, 2] = 1
    kept = plots_couplings.retained(np.stack([-3 * bonds[0] + 7, 0 * bonds[0]]), bonds)
    np.testing.assert_allclose(kept[0], [1.0, -1 / 20])  # 21 pairs, one bond each
    np.testing.assert_allclose(kept[1], 0.0)


def test_the_strip_shows_what_was_shown_on_the_way_to_an_update(sweep):
    axes = plots_couplings.growth(sweep).axes[0]
    strip = [(p.get_x(), p.get_x() + p.get_width()) for p in axes.patches]
    np.testing.assert_allclose(strip[0], (0.0, 0.5))
    np.testing.assert_allclose(strip[-1], (19.5, 20.0))
    assert to_hex(axes.patches[0].get_facecolor()) == style.memory_colour(0).lower()
    assert to_hex(axes.patches[9].get_facecolor()) == style.memory_colour(1).lower()


def test_one_disc_per_particle_and_image(tree):
    frame = drawing.frame_of(tree, 0, -1)
    axes = style.new_figure().subplots()
    drawing.draw(axes, frame)
    discs = next(c for c in axes.collections if isinstance(c, EllipseCollection))
    places = discs.get_offsets() % BOX
    relative = (frame.position - drawing.centre_of(frame)) % BOX
    gaps = np.abs(drawing.minimum_image(places[:, None] - relative[None], BOX)).max(-1)
    assert (gaps.min(0) < 1e-9).all()
    assert (gaps.min(1) < 1e-9).all()


def test_bonds_are_drawn_by_minimum_image(tree):
    axes = style.new_figure().subplots()
    frame = drawing.frame_of(tree, 3, -1)
    drawing._draw_bonds_2d(axes, frame, frame.position * 1.0, 20.0)
    segments = np.concatenate([c.get_segments() for c in axes.collections
                               if isinstance(c, LineCollection)])  # fmt: skip
    assert len(segments) == 2 * len(frame.bonds)
    assert np.linalg.norm(segments[:, 1] - segments[:, 0], axis=-1).max() < 1.0


def test_the_largest_cluster_is_in_the_middle(tree):
    for replica in range(4):
        frame = drawing.frame_of(tree, replica, -1)
        members = drawing.largest_cluster(frame)
        assert len(members) > 15
        offset = drawing.minimum_image(frame.position[members] - drawing.centre_of(frame), BOX)
        assert np.abs(offset).max() < BOX / 2 - 0.4
        np.testing.assert_allclose(offset.mean(0), 0.0, atol=0.2)


def test_free_boxes_and_lone_bonds(tmp_path):
    tree = free_pair()
    frame = drawing.frame_of(tree, 0, 0)
    assert frame.box is None
    np.testing.assert_allclose(drawing.centre_of(frame), [0.5, 0.0])
    style.write(snapshots.snapshots(tree), tmp_path / "free.png")


def test_three_dimensions_are_projected(tmp_path):
    rng = np.random.default_rng(0)
    position = rng.uniform(0, 6, (1, 2, 30, 3))
    group = Group(
        [Variable("position", ("replica", "frame", "particle", "axis"), position, "sigma", "x")],
        attrs={"box": 6.0, "diameter": 1.0, "patches": 0},
    )
    figure = snapshots.snapshots(to_tree({"/trajectory": group}, {}))
    discs = [c for c in figure.axes[0].collections if isinstance(c, EllipseCollection)]
    assert sum(len(c.get_offsets()) for c in discs) == 30


def test_every_cue_is_shown(tree, sweep):
    assert snapshots.choose_replicas(tree) == [0, 1, 2, 3]
    chosen = snapshots.choose_replicas(sweep)
    root = sweep.to_dataset()
    assert set(root["cue"].values[chosen[:2]]) == set(range(MEMORIES))
    assert root["bond_strength"].values[chosen].tolist() in ([8, 8, 6, 12], [9, 9, 6, 12])


def test_movie_is_small_and_moves(tree, tmp_path):
    path, *video = snapshots.movie(tree, tmp_path / "movie", [0, 1])
    assert path.suffix == ".gif"
    assert [v.suffix for v in video] == ([".mp4"] if shutil.which("ffmpeg") else [])
    assert path.stat().st_size < snapshots.MOST_BYTES
    with Image.open(path) as film:
        assert FRAMES <= film.n_frames <= snapshots.MOST_FRAMES + 12
        first = np.asarray(film.convert("RGB"))
        film.seek(FRAMES - 1)
        assert (first != np.asarray(film.convert("RGB"))).mean() > 0.01
    assert (first[2, 2] == 255).all()


def test_a_large_movie_is_thinned(tree, tmp_path, monkeypatch):
    monkeypatch.setattr(snapshots, "MOST_BYTES", 100_000)
    path, *_ = snapshots.movie(tree, tmp_path / "movie.gif", [0])
    with Image.open(path) as film:
        assert film.n_frames < FRAMES


def test_no_particles_no_movie(tmp_path):
    with pytest.raises(MatterlearnError, match="nothing to film"):
        snapshots.movie(xr.DataTree(), tmp_path / "m.gif")
