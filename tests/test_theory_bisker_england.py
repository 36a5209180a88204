"""Couplings, detection and published yields of particles with internal states that assemble several targets."""

import numpy as np
import pytest

from matterlearn.theory import bisker_england as be


def box(side):
    index = np.arange(side * side).reshape(side, side)
    return np.stack([np.roll(index, -step, axis).ravel() for axis in (0, 1) for step in (-1, 1)], 1)


def placed(target, state, count, side, turn=0, flip=False, at=(0, 0)):
    """A target laid on a periodic box, values 1 + i T + τ."""
    block = np.rot90(target[:, ::-1] if flip else target, turn)
    values = np.zeros((side, side), int)
    values[: len(block), : len(block)] = 1 + block * count + state
    return np.roll(values, at, (0, 1)).ravel()


def energy(values, neighbors, pair):
    return pair[values[:, None], values[neighbors]].sum() / 2


def test_couplings_by_walking_over_the_pairs():
    targets = be.random_targets(3, 3, 1)
    pair = be.couplings(targets, -2.5, -1.0)
    where = [{int(p): (r, c) for r, row in enumerate(t) for c, p in enumerate(row)} for t in targets]

    def single(state, i, j):
        (a, b), (c, d) = where[state][i], where[state][j]
        return -2.5 if abs(a - c) + abs(b - d) == 1 else -1.0

    for i in range(9):
        for j in set(range(9)) - {i}:
            for s in range(3):
                for t in range(3):
                    half = (single(s, i, j) + single(t, i, j)) / 2
                    assert pair[1 + 3 * i + s, 1 + 3 * j + t] == 2 * half
    assert np.array_equal(pair, pair.T)
    assert not pair[0].any()
    assert np.array_equal(be.couplings(targets, -2.5, -1.0, factor=1.0), pair / 2)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("turn", range(4))
def test_a_target_is_found_however_it_lies(turn, flip):
    targets, neighbors = be.random_targets(5, 2, 0), box(15)
    values = placed(targets[1], 1, 2, 15, turn, flip, at=(12, 7))
    assert be.assembled(values, neighbors, targets) == 1
    assert energy(values, neighbors, be.couplings(targets, -2.6)) == pytest.approx(be.assembled_energy(5, -2.6))


def test_what_is_not_a_target():
    targets, neighbors = be.random_targets(5, 2, 0), box(15)
    pair, complete = be.couplings(targets, -2.6), placed(targets[0], 0, 2, 15)
    wrong_state = np.where(complete == complete[0], complete + 1, complete)
    wrong_target = np.where(complete > 0, complete + 1, 0)
    swapped = complete.copy()
    swapped[[0, 1]] = complete[[1, 0]]
    moved = complete.copy()
    moved[0], moved[14] = 0, complete[0]
    for values in (wrong_state, wrong_target, swapped, moved):
        assert be.assembled(values, neighbors, targets) is None
        assert energy(values, neighbors, pair) > be.assembled_energy(5, -2.6)
    with pytest.raises(ValueError, match="exactly once"):
        be.assembled(np.zeros(225, int), neighbors, targets)


def test_shared_contacts_have_the_mean_of_random_permutations():
    """Two random targets share 2 s(s−1) · 4 s(s−1)/(N(N−1)) contacts on average.

    Power: the standard error of 2000 draws is 2 % of that mean, so a shift by 10 % always fails.
    """
    counts = np.concatenate([be.shared_contacts(be.random_targets(5, 2, seed)) for seed in range(2000)])
    contacts, pairs = 40, 25 * 24 / 2
    error = counts.std(ddof=1) / np.sqrt(len(counts))
    assert abs(counts.mean() - contacts**2 / pairs) < 4 * error
    assert error < 0.025 * counts.mean()


def test_published_table():
    for entry in be.PUBLISHED:
        assert entry.strong.shape == entry.fraction.shape == entry.moves.shape
        assert np.all(np.diff(entry.strong) < 0)
        assert np.all((entry.fraction >= 0) & (entry.fraction <= 1))
        assert np.nanmax(entry.moves) <= 2e7
    best = [entry.strong[np.argmax(entry.fraction)] for entry in be.PUBLISHED]
    assert best == [-2.6, -2.8, -2.8, -2.6]  # more targets want stronger bonds
