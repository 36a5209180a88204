"""The neighbour list against brute force, and pair energies against the plain double sum."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from covering import slow
from matterlearn.core import symmetric
from matterlearn.core.neighbors import (
    allocate,
    overflowed,
    pair_energy,
    pays,
    refresh,
)

CUTOFF, SKIN, SPECIES = 1.5, 0.4, 3


def random_points(n, dim, box, seed=0):
    """Points on both sides of the box, so that wrapping is needed."""
    side = 6.0 if box is None else box
    return np.random.default_rng(seed).uniform(-1.5 * side, 2.5 * side, (n, dim))


def crystal(per_side, dim, box):
    """A lattice whose points lie exactly on faces of the box and of its images."""
    axis = np.arange(per_side) * (box or 6.0) / per_side
    points = np.stack(np.meshgrid(*[axis] * dim, indexing="ij"), -1).reshape(-1, dim)
    images = np.random.default_rng(1).integers(-2, 3, points.shape)
    return points + (0 if box is None else images * box)


def distances(points, box):
    d = np.asarray(points, float)[:, None] - np.asarray(points, float)[None]
    if box is not None:
        d -= box * np.round(d / box)
    return np.sqrt((d**2).sum(-1))


def brute_pairs(points, reach, box):
    i, j = np.nonzero(np.triu(distances(points, box) < reach, 1))
    return set(zip(i.tolist(), j.tolist(), strict=True))


def listed_pairs(neighbors):
    pairs = np.asarray(neighbors.pairs).T
    return [tuple(p) for p in pairs[pairs[:, 0] < neighbors.reference.shape[0]].tolist()]


def square(separation):
    return sum(x * x for x in separation)


def bond(separation):
    """Smooth and of finite range, with two continuous derivatives at the cutoff."""
    return jnp.maximum(1 - square(separation) / CUTOFF**2, 0.0) ** 3


def make_energy(species, box):
    def energy(couplings, position, neighbors):
        def pair(separation, a, b):
            return -couplings[symmetric.index(a, b, SPECIES)] * bond(separation)

        return pair_energy(position, neighbors, box, pair, species)

    return energy


COUPLINGS = jnp.linspace(1.0, 2.0, symmetric.size(SPECIES))

CONFIGURATIONS = [
    pytest.param(random_points(120, 2, 9.0), 9.0, id="random, plane, periodic"),
    pytest.param(random_points(120, 2, None), None, id="random, plane, free"),
    pytest.param(random_points(150, 3, 7.0), 7.0, id="random, space, periodic"),
    pytest.param(random_points(150, 3, None) / 3, None, id="random, space, free"),
    pytest.param(random_points(90, 2, 4.0), 4.0, id="random, box below three ranges"),
    pytest.param(random_points(60, 1, 20.0), 20.0, id="random, line, periodic"),
    pytest.param(crystal(9, 2, 9.0), 9.0, id="square lattice on the faces"),
    pytest.param(crystal(6, 3, 6.0), 6.0, id="cubic lattice on the faces"),
    pytest.param(crystal(5, 3, None), None, id="cubic lattice, free"),
]


@pytest.mark.parametrize(("points", "box"), CONFIGURATIONS)
def test_list_is_complete_sorted_and_tight(points, box):
    position = jnp.asarray(points, jnp.float32)
    neighbors = allocate(position, cutoff=CUTOFF, skin=SKIN, box=box, builder="host")
    pairs = listed_pairs(neighbors)
    must = brute_pairs(position, CUTOFF + SKIN, box)
    may = brute_pairs(position, (CUTOFF + SKIN) * 1.001, box)
    assert must <= set(pairs) <= may
    assert pairs == sorted(set(pairs))
    assert int(neighbors.needed) == len(pairs)
    assert not overflowed(neighbors)


@pytest.mark.parametrize("builder", ["host", "device"])
@pytest.mark.parametrize("exponent", [-30, -8])
def test_points_on_the_faces_of_the_box(builder, exponent):
    tiny, box = 10.0**exponent, 8.0
    line = jnp.array([[-tiny], [0.0], [tiny], [box], [box - tiny], [1.0], [-box]], jnp.float32)
    neighbors = allocate(line, cutoff=1.5, skin=0.0, box=box, builder=builder)
    assert len(listed_pairs(neighbors)) == 21


@pytest.mark.parametrize(("points", "box"), CONFIGURATIONS[1:7:2])
def test_device_list_equals_host_list(points, box):
    position = jnp.asarray(points + 1e-3 * random_points(*points.shape, 1.0), jnp.float32)
    host, device = (
        allocate(position, cutoff=CUTOFF, skin=SKIN, box=box, builder=b) for b in ("host", "device")
    )
    np.testing.assert_array_equal(host.pairs, device.pairs)
    assert host.needed == device.needed


@pytest.mark.parametrize(("n", "box"), [(40, 9.0), slow(150, None)])
def test_derivatives_equal_the_plain_double_sum(n, box):
    """Energy, force, Hessian-vector product and coupling gradient; n selects both dense forms."""
    position = jnp.asarray(random_points(n, 2, box), jnp.float32)
    species = jnp.arange(n) % SPECIES
    energy = make_energy(species, box)
    direction = jax.random.normal(jax.random.key(2), position.shape)
    i, j = np.triu_indices(n, 1)

    def plain(couplings, position, _):
        d = position[i] - position[j]
        d = d if box is None else d - box * jnp.round(d / box)
        strength = couplings[symmetric.index(species[i], species[j], SPECIES)]
        return jnp.sum(-strength * bond(tuple(d.T)))

    @eqx.filter_jit
    def quantities(energy, neighbors):
        force = jax.grad(energy, 1)
        along = jax.jvp(lambda x: force(COUPLINGS, x, neighbors), (position,), (direction,))[1]
        reverse = jax.grad(lambda x: jnp.vdot(force(COUPLINGS, x, neighbors), direction))(position)
        mixed = jax.jacrev(jax.grad(energy, 0), 1)(COUPLINGS, position, neighbors)
        return (
            energy(COUPLINGS, position, neighbors),
            force(COUPLINGS, position, neighbors),
            jax.grad(energy)(COUPLINGS, position, neighbors),
            along,
            reverse,
            mixed,
        )

    neighbors = allocate(position, cutoff=CUTOFF, skin=SKIN, box=box)
    expected = quantities(plain, None)
    for found in (quantities(energy, None), quantities(energy, neighbors)):
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5 * float(jnp.abs(b).max()))


def test_coupling_gradient_counts_contacts_exactly():
    position = jnp.asarray(crystal(9, 2, 9.0), jnp.float32)
    species = jnp.asarray(np.random.default_rng(3).integers(0, SPECIES, len(position)))

    def contacts(couplings, neighbors):
        def pair(separation, a, b):
            touching = jnp.where(square(separation) < 1.2, 1.0, 0.0)
            return couplings[symmetric.index(a, b, SPECIES)] * touching

        return pair_energy(position, neighbors, 9.0, pair, species)

    expected = np.zeros(symmetric.size(SPECIES))
    for i, j in brute_pairs(position, np.sqrt(1.2), 9.0):
        expected[int(symmetric.index(species[i], species[j], SPECIES))] += 1
    assert expected.sum() == 2 * len(position)
    neighbors = allocate(position, cutoff=CUTOFF, skin=SKIN, box=9.0)
    for neighbors_or_none in (None, neighbors):
        counts = eqx.filter_jit(jax.grad(contacts))(COUPLINGS, neighbors_or_none)
        np.testing.assert_array_equal(counts, expected)


def test_particles_may_carry_several_fields_and_sums_may_be_batched():
    position = jnp.asarray(random_points(50, 2, None), jnp.float32)
    fields = {"charge": jnp.linspace(-1.0, 1.0, 50), "kind": jnp.arange(50) % 2}

    def energy(charge, position, neighbors):
        def pair(separation, a, b):
            like = jnp.where(a["kind"] == b["kind"], 1.0, 0.5)
            return like * a["charge"] * b["charge"] * bond(separation)

        return pair_energy(position, neighbors, None, pair, fields | {"charge": charge})

    neighbors = allocate(position, cutoff=CUTOFF, skin=SKIN, box=None)
    gradient = eqx.filter_jit(jax.grad(energy))
    np.testing.assert_allclose(
        gradient(fields["charge"], position, None),
        gradient(fields["charge"], position, neighbors),
        atol=1e-6,
    )
    batch = jnp.stack([position, position + 0.3])
    together = jax.jit(jax.vmap(energy, (None, 0, None)))(fields["charge"], batch, None)
    np.testing.assert_allclose(together[0], energy(fields["charge"], position, None), rtol=1e-5)


def walk(position, neighbors, energy, steps, dt=1e-3):
    """Brownian steps with the energy of every configuration by list and by all pairs."""

    def step(carry, key):
        position, neighbors = carry
        neighbors = refresh(neighbors, position)
        value, gradient = jax.jit(jax.value_and_grad(energy, 1))(COUPLINGS, position, neighbors)
        exact = energy(COUPLINGS, position, None)
        noise = jnp.sqrt(2 * dt) * jax.random.normal(key, position.shape)
        moved = jnp.any(neighbors.reference != position)
        return (position - dt * gradient + noise, neighbors), (value, exact, moved)

    keys = jax.random.split(jax.random.key(5), steps)
    return eqx.filter_jit(jax.lax.scan)(step, (position, neighbors), keys)


@pytest.mark.parametrize(("box", "builder"), [slow(8.0, "host"), (None, "host"), (8.0, "device")])
def test_no_pair_is_dropped_along_a_trajectory(box, builder):
    position = jnp.asarray(random_points(100, 2, box), jnp.float32)
    energy = make_energy(jnp.arange(100) % SPECIES, box)
    options = {"cutoff": CUTOFF, "skin": SKIN, "box": box, "margin": 3.0}
    neighbors = allocate(position, builder=builder, **options)
    (_, neighbors), (listed, exact, moved) = walk(position, neighbors, energy, 400)
    assert not overflowed(neighbors)
    assert 0.5 < float(moved.mean()) < 1.0, "the list should be rebuilt now and then, not always"
    np.testing.assert_allclose(listed, exact, rtol=2e-5)


def test_results_do_not_depend_on_the_capacity_bit_for_bit():
    position = jnp.asarray(random_points(200, 3, 8.0), jnp.float32)
    energy = make_energy(jnp.arange(200) % SPECIES, 8.0)
    lists = [
        allocate(position, cutoff=CUTOFF, skin=SKIN, box=8.0, margin=margin, needed=needed)
        for margin, needed in ((1.25, 0), (2.0, 0))
    ]
    assert lists[0].capacity < lists[1].capacity
    forces = [jax.jit(jax.grad(energy, 1))(COUPLINGS, position, n) for n in lists]
    ends = [walk(position, n, energy, 50)[0][0] for n in lists]
    np.testing.assert_array_equal(*forces)
    np.testing.assert_array_equal(*ends)


@pytest.mark.parametrize("builder", ["host", "device"])
def test_overflow_is_reported_and_cured(builder):
    spread = jnp.asarray(crystal(8, 2, 16.0), jnp.float32)
    dense = spread * 0.3
    options = {"cutoff": CUTOFF, "skin": SKIN, "box": 16.0, "builder": builder}
    neighbors = eqx.filter_jit(refresh)(allocate(spread, **options), dense)
    assert overflowed(neighbors)
    again = eqx.filter_jit(refresh)(neighbors, spread)
    assert overflowed(again), "an overflow must be remembered"
    for _ in range(4):
        neighbors = allocate(spread, needed=int(neighbors.needed), **options)
        neighbors = eqx.filter_jit(refresh)(neighbors, dense)
        if not overflowed(neighbors):
            break
    assert not overflowed(neighbors)
    assert set(listed_pairs(neighbors)) >= brute_pairs(dense, CUTOFF + SKIN, 16.0)


@pytest.mark.parametrize("builder", ["host", "device"])
@pytest.mark.parametrize("bad", [np.nan, -np.inf])
def test_positions_that_are_not_finite_leave_the_list_as_it_was(builder, bad):
    position = jnp.asarray(random_points(30, 2, 8.0), jnp.float32)
    options = {"cutoff": CUTOFF, "skin": SKIN, "box": 8.0, "builder": builder}
    neighbors = allocate(position, **options)
    broken = (position + 1.0).at[4, 1].set(bad)
    after = eqx.filter_jit(refresh)(neighbors, broken)
    assert eqx.tree_equal(after, neighbors)
    with pytest.raises(ValueError, match="NaN"):
        allocate(broken, **options)


def test_positions_that_are_finite_but_absurd_do_not_crash():
    position = jnp.asarray(random_points(30, 2, 8.0), jnp.float32)
    neighbors = allocate(position, cutoff=CUTOFF, skin=SKIN, box=8.0)
    after = eqx.filter_jit(refresh)(neighbors, position.at[0].set(1e30))
    assert np.all(np.isfinite(after.reference))


def test_replicas_share_a_capacity_and_go_through_map():
    position = jnp.stack([jnp.asarray(random_points(80, 2, 8.0, s), jnp.float32) for s in (1, 2)])
    neighbors = allocate(position, cutoff=CUTOFF, skin=SKIN, box=8.0)
    assert neighbors.pairs.shape == (2, 2, neighbors.capacity)
    energy = make_energy(jnp.arange(80) % SPECIES, 8.0)

    def one(inputs):
        position, neighbors = inputs
        return energy(COUPLINGS, position + 1.0, refresh(neighbors, position + 1.0))

    mapped = jax.jit(lambda *inputs: jax.lax.map(one, inputs))(position, neighbors)
    expected = [energy(COUPLINGS, x, None) for x in position]
    np.testing.assert_allclose(mapped, expected, rtol=1e-5)
    assert not overflowed(neighbors)


@pytest.mark.slow
def test_derivatives_pass_through_a_scan_with_rebuilds():
    """Back-propagation sees the pairs as constants: equal to all pairs."""
    position = jnp.asarray(random_points(60, 2, 8.0), jnp.float32)
    energy = make_energy(jnp.arange(60) % SPECIES, 8.0)
    neighbors = allocate(position, cutoff=CUTOFF, skin=0.02, box=8.0)

    def end(couplings, neighbors):
        def step(carry, _):
            position, neighbors = carry
            neighbors = None if neighbors is None else refresh(neighbors, position)
            return (
                position - 5e-3 * jax.grad(energy, 1)(couplings, position, neighbors),
                neighbors,
            ), None

        (last, neighbors), _ = jax.lax.scan(step, (position, neighbors), length=20)
        return energy(couplings, last, neighbors)

    exact = jax.jit(jax.grad(end))(COUPLINGS, None)
    np.testing.assert_allclose(jax.jit(jax.grad(end))(COUPLINGS, neighbors), exact, rtol=1e-4)


def test_a_list_pays_only_for_many_particles_in_a_wide_box():
    assert not pays(25, 2.0, None)
    assert pays(1000, 2.0, None)
    assert not pays(1000, 2.0, 6.0)


def test_one_particle_has_no_pairs():
    alone = jnp.zeros((1, 2))
    neighbors = allocate(alone, cutoff=CUTOFF, skin=SKIN, box=8.0)
    for n in (None, neighbors):
        assert float(pair_energy(alone, n, 8.0, lambda d, a, b: 1.0 + square(d))) == 0.0
