"""Ground states of small networks by halves, against every state one by one, and what a search costs."""

import math

import networkx as nx
import numpy as np
import pytest
from scipy.stats import binom

from matterlearn.theory import ground_states as ground
from matterlearn.theory.enumeration import configurations


@pytest.mark.parametrize("units", [1, 2, 5, 10, 11])
@pytest.mark.parametrize("low", [-1, 0])
def test_against_every_state(units, low):
    rng = np.random.default_rng(units)
    pairs = np.array([(i, j) for i in range(units) for j in range(i + 1, units)], int).reshape(-1, 2)
    J, U = rng.integers(-3, 4, len(pairs)) * 1.0, rng.integers(-2, 3, units) * 1.0
    states = low + (1 - low) * configurations(units, 2).astype(int)
    energies = (states[:, pairs[:, 0]] * states[:, pairs[:, 1]]) @ J + states @ U
    found = ground.ground_states(pairs, J, U, low)
    assert found.energy == energies.min()
    assert found.count == (energies == energies.min()).sum()
    s = found.state
    assert (s[pairs[:, 0]] * s[pairs[:, 1]]) @ J + s @ U == found.energy


def test_more_states_than_one_block():
    """A ferromagnetic ring of 22 in weak fields against all: two blocks' worth of rows, one ground state."""
    ring = np.array(nx.cycle_graph(22).edges)
    found = ground.ground_states(ring, -np.ones(22), np.full(22, 0.1))
    assert (found.energy, found.count) == (pytest.approx(-22 - 2.2), 1)
    assert (found.state == -1).all()
    assert ground.ground_states(ring, -np.ones(22), np.zeros(22)).count == 2


@pytest.mark.parametrize(
    ("graph", "cut"),
    [(nx.petersen_graph(), 12), (nx.complete_graph(9), 20), (nx.cycle_graph(11), 10), (nx.cubical_graph(), 12)],
)
def test_known_cuts(graph, cut):
    """Petersen 12; K_n ⌊n²/4⌋; an odd ring all edges but one; bipartite graphs all."""
    pairs = np.array(graph.edges)
    found = ground.ground_states(pairs, np.ones(len(pairs)), np.zeros(len(graph)))
    assert ground.cut_weight(np.ones(len(pairs)), found.energy) == pytest.approx(cut)
    side = {n for n in graph if found.state[n] > 0}
    assert nx.cut_size(graph, side) == cut


def test_partition():
    """4 + 5 + 6 = 7 + 8: three against two, and no smaller residue than 1 for an odd sum."""
    for numbers, rest in ((np.array([4.0, 5, 6, 7, 8]), 0), (np.array([4.0, 5, 6, 7, 9]), 1)):
        pairs = np.array([(i, j) for i in range(5) for j in range(i + 1, 5)])
        found = ground.ground_states(pairs, numbers[pairs].prod(axis=1), np.zeros(5))
        assert ground.residue(numbers, np.array(found.energy)) == pytest.approx(rest, abs=1e-6)
        assert abs(found.state @ numbers) == rest


def test_time_to_solution():
    assert ground.repeated(10.0, 0.5) == pytest.approx(10 * math.log(0.01) / math.log(0.5))
    assert ground.guessing(1024, 2) == pytest.approx(math.log(0.01) / math.log(1 - 2 / 1024))


def test_intervals_hold_as_often_as_they_say():
    """Over all outcomes of 200 searches at p = 0.1, intervals cover the truth in 68 % of cases, within 4 %."""
    found = np.arange(201)
    times = ground.time_to_solution(np.ones(201), found, 200)
    truth = ground.repeated(1.0, 0.1)
    held = (times.low <= truth) & (truth <= times.high)
    assert binom.pmf(found, 200, 0.1) @ held == pytest.approx(0.6826, abs=0.04)
    assert np.isinf(times.time[0]) and np.isinf(times.high[0])


def test_refusal():
    with pytest.raises(ValueError, match="at most 28"):
        ground.ground_states(np.zeros((0, 2), int), np.zeros(0), np.zeros(29))
