"""Pictures of lattices and state diagrams show the numbers of the tree."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_hex
from PIL import Image

from matterlearn import drawing_lattice, plots, plots_states, snapshots, style
from matterlearn.drawing_lattice import EMPTY, UNBOUND, membership
from matterlearn.results import Group, Variable, to_tree

SIDE, BOX = 3, 6


def placed(block):
    """A block in the middle of the box."""
    field = np.zeros((BOX, BOX), int)
    field[2 : 2 + SIDE, 1 : 1 + SIDE] = block
    return field


def patterns():
    random = np.random.default_rng(0)
    return np.stack([placed(1 + random.permutation(SIDE**2).reshape(SIDE, SIDE)) for _ in range(2)])


def fabricated(stored=True, swept=True):
    """Four replicas that go from nothing to a structure, over two bond strengths and two costs."""
    structures = patterns()
    frames = np.stack([np.stack([0 * structures[0], structures[r % 2]]) for r in range(4)])
    words = ("replica", "frame", "row", "column")
    trajectory = Group(
        [Variable("species", words, frames, "1", "species")],
        {"frame_step": Variable("frame_step", ("frame",), [0, 50], "1", "step")},
    )
    states = np.array(["recalled", "chimera", "dispersed", "glass"])
    coords = {"cue": Variable("cue", ("replica",), [0, 1, 0, 1], "1", "cue")}
    if swept:
        coords["bond"] = Variable("bond", ("replica",), [1.0, 1.0, 2.0, 2.0], "kT_ref", "bond")
        coords["cost"] = Variable("cost", ("replica",), [3.0, 5.0, 3.0, 5.0], "kT_ref", "cost")
    line = [Variable("line_bond_theory", ("end",), [1.0, 2.0], "kT_ref", "bond")]
    line.append(Variable("line_melting_theory", ("end",), [3.0, 5.0], "kT_ref", "cost"))
    root = Group([Variable("final_state", ("replica",), states, "label", "state"), *line], coords)
    groups = {"/": root, "/trajectory": trajectory}
    if stored:
        names = ("memory", "row", "column")
        groups["/memories"] = Group([Variable("pattern", names, structures, "1", "pattern")])
    return to_tree(groups, {})


def test_membership_of_structures_and_their_pieces():
    """A structure is its own wherever it stands; a displaced piece of another is seen; loose tiles are unbound."""
    first, second = patterns()
    assert (membership(first, np.stack([first, second]))[first > 0] == 0).all()
    moved = np.roll(second, (-1, 2), (0, 1))
    found = membership(moved, np.stack([first, second]))
    assert (found[moved > 0] == 1).all() and (found[moved == 0] == EMPTY).all()
    alone = np.zeros((BOX, BOX), int)
    alone[0, 0] = alone[4, 4] = 1
    assert membership(alone, first[None])[0, 0] == UNBOUND
    turned = membership(first.T, first[None])
    assert (turned[first.T > 0] == UNBOUND).all(), "tiles do not turn"


def test_pictures_have_the_colours_of_the_memories():
    painter = drawing_lattice.LatticePainter(fabricated())
    axes = style.new_figure().subplots()
    assert painter.still(axes, 1, -1) == 50
    shown, field = axes.images[0].get_array(), patterns()[1]
    assert {to_hex(c) for c in shown[field > 0]} == {style.memory_colour(1).lower()}
    assert {to_hex(c) for c in shown[field == 0]} == {drawing_lattice.BLANK.lower()}
    assert painter.film(axes, 1, 0) == 0
    assert len(axes.images) == 1
    assert [h.get_label() for h in painter.handles()] == ["bound as in no memory", "memory 0", "memory 1"]


@pytest.mark.parametrize("species", [3, 9])
def test_without_memories_species_have_colours(species):
    tree = fabricated(stored=False)
    tree["trajectory"]["species"] = tree["trajectory"]["species"].clip(max=species)
    painter = drawing_lattice.LatticePainter(tree)
    assert len(painter.handles()) == (3 if species == 3 else 0)
    assert len({c.colour for c in painter.categories}) == species + 1


def test_cubic_lattices_show_their_middle_layer():
    layers = np.stack([np.full((2, 2), k) for k in range(3)])[None, None]
    names = ("replica", "frame", "layer", "row", "column")
    tree = to_tree({"/trajectory": Group([Variable("species", names, layers, "1", "species")])}, {})
    painter = drawing_lattice.LatticePainter(tree)
    axes = style.new_figure().subplots()
    assert painter.still(axes, 0, 0) == 0
    assert to_hex(axes.images[0].get_array()[0, 0]) == style.MEMORY_COLOURS[0].lower()


def test_state_diagram_puts_states_where_they_are():
    figure = plots_states.states(fabricated())
    axes = figure.axes[0]
    cells = axes.collections[0].get_array().reshape(2, 2, 3)
    expected = {(0, 0): "recalled", (1, 0): "chimera", (0, 1): "dispersed"}
    for place, state in expected.items():
        assert to_hex(cells[place]) == to_hex(plots_states.STATE_COLOURS[state])
    (line,) = axes.lines
    np.testing.assert_array_equal(np.stack([line.get_xdata(), line.get_ydata()]), [[1.0, 2.0], [3.0, 5.0]])
    assert plots_states.states(fabricated(swept=False)) is None


def test_figures_and_movie(tmp_path):
    drawn = [path.stem for path in plots.figures(fabricated(), tmp_path)]
    assert drawn == ["snapshots", "states"]
    path, *_ = snapshots.movie(fabricated(), tmp_path / "movie", [0, 1])
    with Image.open(path) as film:
        assert film.n_frames >= 2
    assert snapshots.painter_of(xr.DataTree()) is None
