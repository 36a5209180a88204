"""Classes of neighbouring pairs, and what an exchange costs, against brute force."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from covering import slow
from matterlearn.core import lattice_kernel as kernels
from matterlearn.core.lattice import Lattice
from matterlearn.core.lattice_kernel import LatticeState, lattice_kernel
from matterlearn.core.lattice_pairs import Bricks, PairList, pair_layout

CASES = [
    Bricks(Lattice((4, 8), (True, True))), Bricks(Lattice((4, 6), (True, False))),
    Bricks(Lattice((3, 2, 2), (False,) * 3)), PairList(Lattice((4, 4), (True, True))),
    PairList(Lattice((5, 3), (True, True))), PairList(Lattice((2, 4), (True, True))),
    PairList(Lattice((5, 4, 2), (True, False, True))), PairList(Lattice((1, 5), (False, True))),
]  # fmt: skip
NEVER, ALWAYS = -1e9, 1e9


def one_class_each(layout, limit):
    """Limits under which only the pairs of one class may move, for each class in turn."""
    classes, largest = layout.classes
    return np.where(np.eye(classes, dtype=bool)[:, :, None], limit, NEVER) * np.ones(largest, np.float32)


@functools.cache
def pairs_by_class(layout):
    """What moves if nothing costs anything, found by looking at it."""
    lattice = layout.lattice
    start = np.arange(lattice.sites)
    x = jnp.asarray(start.reshape(lattice.shape), jnp.int16)
    free = lambda pair, around: jnp.zeros(pair[0].shape)  # noqa: E731
    exchange = jax.jit(jax.vmap(lambda limits: layout.exchange(x, lattice.sites, None, limits, free)))
    found, changed = exchange(one_class_each(layout, ALWAYS))
    classes = []
    for partner, count in zip(np.asarray(found).reshape(len(found), -1), changed, strict=True):
        assert np.array_equal(partner[partner], start) and 2 * count == np.sum(partner != start)
        classes.append([(i, partner[i]) for i in start if i < partner[i]])
    return classes


@pytest.mark.parametrize("layout", CASES)
def test_every_bond_is_a_pair_of_one_class_and_pairs_of_a_class_do_not_interact(layout):
    table, wall, classes = layout.lattice.neighbor_table(), layout.lattice.sites, pairs_by_class(layout)
    bonds = [tuple(sorted((i, j))) for i in range(wall) for j in table[i, 1::2] if j < wall]
    assert sorted(bonds) == sorted(tuple(map(int, pair)) for pairs in classes for pair in pairs)
    for pairs in classes:
        owner = {site: pair for pair in pairs for site in pair}
        assert all(owner.get(j, owner[i]) == owner[i] for i in owner for j in table[i])


@pytest.mark.parametrize(
    ("layout", "largest_table"),
    [slow(layout, kernels.LARGEST_TABLE) for layout in (*CASES[1:3], *CASES[4:6])]
    + [(CASES[6], kernels.LARGEST_TABLE), (CASES[5], 1)],
)
def test_pairs_move_if_the_energy_rises_by_no_more_than_the_limit(layout, largest_table, monkeypatch):
    """Couplings that differ between directions, walls and frozen sites."""
    monkeypatch.setattr(kernels, "LARGEST_TABLE", largest_table)
    monkeypatch.setattr(kernels, "pair_layout", lambda lattice: layout)
    lattice, q, rng = layout.lattice, 3, np.random.default_rng(0)
    wall, axes, table = lattice.sites, len(lattice.shape), lattice.neighbor_table()
    bonds = rng.normal(size=(2 * axes, q, q)).astype(np.float32)
    bonds[0::2] = bonds[1::2].swapaxes(1, 2)
    kernel = lattice_kernel(lattice, jnp.asarray(bonds), jnp.asarray(rng.normal(size=q), jnp.float32), q)
    walled = np.pad(bonds, ((0, 0), (0, 1), (0, 1)))

    def energy(s):
        s = np.append(s, q)
        return sum(walled[k, s[:wall], s[table[:, k]]].sum() for k in range(1, 2 * axes, 2))

    before, frozen = rng.integers(0, q, wall).astype(np.int8), rng.random(wall) < 0.15
    x, held = (kernel.split(LatticeState(jnp.asarray(a.reshape(lattice.shape)))) for a in (before, frozen))
    moved = jax.jit(jax.vmap(lambda limits: kernel.join(kernel.exchange(x, held, limits)[0]).species))
    for limit in (-1.0, 0.4):
        results = np.asarray(moved(one_class_each(layout, limit)))
        for after, pairs in zip(results, pairs_by_class(layout), strict=True):
            expected = before.copy()
            for i, j in pairs:
                swapped = before.copy()
                swapped[[i, j]] = before[[j, i]]
                if energy(swapped) - energy(before) <= limit and not frozen[[i, j]].any():
                    expected[[i, j]] = before[[j, i]]
            assert np.array_equal(after.ravel(), expected)


def test_long_lines_are_laid_in_bricks():
    assert isinstance(pair_layout(Lattice((64, 128), (True, True))), Bricks)
    assert isinstance(pair_layout(Lattice((64, 101), (True, False))), Bricks)
    assert isinstance(pair_layout(Lattice((66, 64), (True, True))), PairList)
    assert isinstance(pair_layout(Lattice((2, 2, 2), (False,) * 3)), PairList)


def test_many_species_need_wider_words():
    lattice, q = Lattice((4, 4), (True, True)), 300
    kernel = lattice_kernel(lattice, jnp.zeros((2, q, q)), jnp.zeros(q), q)
    x = jnp.arange(16, dtype=jnp.int16).reshape(4, 4) + 280
    parts, fraction = jax.jit(lambda x: kernel.exchange(kernel.split(x), None, jnp.ones(kernel.exchanges)))(
        LatticeState(x)
    )
    moved = kernel.join(parts).species
    assert moved.dtype == x.dtype and np.array_equal(np.sort(moved.ravel()), x.ravel()) and float(fraction) == 1.0
