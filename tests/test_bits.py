"""Random numbers of Monte Carlo kernels: nothing is drawn twice, and what is drawn looks independent."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from matterlearn.core import bits as random
from matterlearn.core.bits import Bits, integer
from matterlearn.core.drive import Drive
from matterlearn.core.dynamics import advance
from matterlearn.kinds import load_kind

SAMPLERS = {
    "mixed_moves": {"moves": [{"kind": "metropolis"}, {"kind": "heat_bath"}, {"kind": "kawasaki", "sweeps": 2}]},
    "replica_exchange": {"ladder": [1.0, 1.5, 2.5], "every": 2},
}


@pytest.mark.parametrize("kind", SAMPLERS)
def test_no_two_draws_share_a_key_and_a_counter(kind, monkeypatch):
    """What the cipher was asked for in three steps, every (key, counter) pair once."""
    asked, cipher = [], random.threefry2x32

    def recorded(key, counter, rounds=random.ROUNDS):
        jax.debug.callback(lambda *words: asked.append([np.asarray(w) for w in words]), *key, *counter)
        return cipher(key, counter, rounds)

    monkeypatch.setattr(random, "threefry2x32", recorded)
    dynamics = load_kind("dynamics", kind)(kind=kind, **SAMPLERS[kind]).build()
    system = load_kind("systems", "lattice_condensate")(
        kind="lattice_condensate", shape=[4, 6], periodic=[True, False], species=2
    ).build(None)
    state = dynamics.init(jax.random.key(0), system, Drive(), system.init_state(jax.random.key(1)))
    asked.clear()
    jax.block_until_ready(jax.jit(lambda s: advance(jax.random.key(11), system, dynamics, Drive(), s, 3))(state))
    jax.effects_barrier()
    rows = np.concatenate([np.stack(np.broadcast_arrays(*map(np.ravel, words)), 1) for words in asked])
    assert len(rows) >= 3 * 24 and len(np.unique(rows, axis=0)) == len(rows)


@functools.cache
def stream():
    """Words of 16 draws of 2^16 under one key, and of the first draw under the next key."""
    bits, other = Bits(jax.random.key(12)), Bits(jax.random.key(13))
    draws = np.stack([np.stack(bits.draw((1 << 16,))) for _ in range(16)])
    return draws, np.stack(other.draw((1 << 16,)))


def chi_square_z(counts):
    """|z| of equal frequencies; over 2^20 words a cell of 256 that is off by 2 % is found, one of 4096 by 8 %."""
    expected = counts.sum() / counts.size
    return stats.norm.isf(stats.chi2.sf(((counts - expected) ** 2 / expected).sum(), counts.size - 1))


@pytest.mark.parametrize("word", [0, 1])
def test_bytes_are_uniform(word):
    words = stream()[0][:, word].ravel()
    for shift in (0, 8, 16, 24):
        assert abs(chi_square_z(np.bincount((words >> shift) & 255, minlength=256))) < 4


@pytest.mark.parametrize("shift", [0, 26])
@pytest.mark.parametrize("pair", ["lag 1", "lag 64", "lag 4096", "next draw", "other word", "next key"])
def test_pairs_are_independent(pair, shift):
    """Six bits of one word against six of another: 64 x 64 cells."""
    draws, other = stream()
    first, second = draws[:, 0], draws[:, 1]
    if pair.startswith("lag"):
        lag = int(pair.split()[1])
        a, b = first[:, :-lag], first[:, lag:]
    else:
        pairs = {"next draw": (first[:-1], first[1:]), "other word": (first, second), "next key": (first[0], other[0])}
        a, b = pairs[pair]
    cells = ((a >> shift) & 63) * 64 + ((b >> shift) & 63)
    assert abs(chi_square_z(np.bincount(cells.ravel(), minlength=4096))) < 4


def test_what_is_left_of_a_word_is_independent_of_the_integer():
    value, rest = integer(jnp.asarray(stream()[0][:, 0].ravel()), 10)
    cells = np.asarray(value) * 64 + np.asarray(rest >> np.uint32(26)).astype(int)
    assert abs(chi_square_z(np.bincount(cells, minlength=640))) < 4
