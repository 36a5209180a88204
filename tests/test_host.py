"""Calls to the host from compiled programs: one per replica, whatever is shared, without leaving one device."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from matterlearn.core.host import on_host
from matterlearn.run import simulate

pytestmark = pytest.mark.usefixtures("undrawn")


def weighted(x, weight):
    """Σ w x on the host, and how many numbers there were."""

    def host(x, weight):
        assert isinstance(x, np.ndarray) and x.shape == (3,) and weight.shape == (3,)
        return np.float32(x @ weight), np.int32(len(x))

    shapes = jax.ShapeDtypeStruct((), jnp.float32), jax.ShapeDtypeStruct((), jnp.int32)
    return on_host(host, shapes, x, weight)


def test_alone_and_in_replicas():
    x, weight = jnp.arange(12.0).reshape(4, 3), jnp.array([1.0, 0.0, 2.0])
    assert float(jax.jit(weighted)(x[1], weight)[0]) == 13.0
    shared = jax.jit(jax.vmap(weighted, (0, None)))(x, weight)
    own = jax.jit(jax.vmap(weighted))(x, jnp.stack([weight] * 4))
    for sums, counts in (shared, own):
        np.testing.assert_array_equal(sums, x @ weight)
        assert counts.tolist() == [3] * 4


def test_two_devices_do_not_wait_for_each_other(tmp_path):
    """Replicas of different couplings, an even number of them, several steps: the program stays on one device."""
    scenario = {
        "title": "tiles in continuous time",
        "system": {"kind": "lattice_tiles", "shape": [6, 6], "species": 4, "chemical_potential": 3.0},
        "dynamics": {"kind": "rejection_free", "law": "heat_bath", "duration": 2.0},
        "task": {"kind": "tile_structures", "shape": [2, 2], "count": 1, "chemical_potentials": [2.0, 4.0]},
        "observe": [{"kind": "density", "every": 1}],
        "run": {"steps": 6, "replicas": 4},
    }
    first, again = (simulate(scenario, tmp_path / name).tree["density"].values for name in "ab")
    assert first.shape == (4, 7) and np.ptp(first) > 0
    np.testing.assert_array_equal(first, again)
