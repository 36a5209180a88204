"""Lattices: bonds, colourings and layouts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from covering import slow
from matterlearn.core.lattice import Checkerboard, Coloured, Lattice

BOXES = [
    ((4, 6), (True, True)), ((3, 4), (False, True)), slow((2, 2, 2), (True, True, True)), slow((2, 2, 2), (False,) * 3),
    ((3, 3), (True, True)), slow((5, 4), (True, True)), ((2, 3, 4), (True, False, True)), slow((4, 5), (True, False)),
]  # fmt: skip


@pytest.mark.parametrize(("shape", "periodic"), BOXES)
def test_layouts_agree_with_the_neighbour_table(shape, periodic):
    lattice = Lattice(shape, periodic)
    x = jnp.asarray(np.random.default_rng(0).integers(0, 9, shape))
    table = lattice.neighbor_table()
    values = np.append(np.asarray(x).ravel(), 9)
    places = jnp.arange(lattice.sites).reshape(shape)
    layouts = {type(lattice.layout): lattice.layout, Coloured: Coloured(lattice)}
    for layout in layouts.values():
        parts = layout.split(x)
        assert np.array_equal(layout.join(parts), x)
        nearby = jax.jit(lambda parts, layout=layout: [layout.neighbors(parts, c, 9) for c in range(len(parts))])(parts)
        for found, sites in zip(nearby, layout.split(places), strict=True):
            here = np.asarray(sites)
            for direction, neighbors in enumerate(found):
                assert np.array_equal(neighbors, values[table[here, direction]])
            own = table[here.ravel()]
            assert not np.isin(own, here).any(), "two sites of one colour are neighbours"
    assert lattice.bonds == int((table < lattice.sites).sum()) // 2
    ahead = [lattice.shifted(x, axis, 9) for axis in range(len(shape))]
    for axis, shifted in enumerate(ahead):
        assert np.array_equal(shifted.ravel(), values[table[:, 2 * axis + 1]])


def test_even_lattices_take_the_fast_layout():
    assert isinstance(Lattice((3, 4), (False, True)).layout, Checkerboard)
    assert isinstance(Lattice((3, 4), (True, True)).layout, Coloured)
    assert Lattice((3, 3), (True, True)).layout.colours == 3


def test_layouts_vmap():
    layout = Lattice((4, 4), (True, False)).layout
    x = jax.random.randint(jax.random.key(0), (3, 4, 4), 0, 5)
    assert np.array_equal(jax.vmap(lambda y: layout.join(layout.split(y)))(x), x)
