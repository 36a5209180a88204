"""Rigid bodies: energy and torque, rotation on its own, Monte Carlo with jumps, measured and exact yields."""

from typing import Any, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import iv

from matterlearn.core import quaternion
from matterlearn.core.drive import Drive
from matterlearn.core.dynamics import advance, at_rest, force, normal_like
from matterlearn.core.system import coupling_gradient
from matterlearn.dynamics.association import Config as Association
from matterlearn.dynamics.brownian import Config as Brownian
from matterlearn.errors import ScenarioError
from matterlearn.observables.dimer_yield import Config as DimerYield
from matterlearn.observables.exact_dimer_yield import Config as ExactDimerYield
from matterlearn.scenario import load
from matterlearn.systems.rigid_bodies import Config, RigidState
from matterlearn.theory import rigid_dimer as rd
from matterlearn.theory.dimer_crowding import crowded_yield, crowding, room
from matterlearn.theory.yields import heterodimer_yield

EQUAL = rd.like_colours(3, -1.0)


def trimers(numbers, box, depth) -> Any:
    given = {"bodies": "facing_trimers", "numbers": numbers, "box": box, "coupling": -depth}
    return Config(kind="rigid_bodies", **given).build(jax.random.key(0))


def lone_body(**more):
    body: Any = {"spheres": [[0, 0, 0]], "patches": [[1, 0, 0]], "colours": [0]}
    return Config(kind="rigid_bodies", bodies=[body], numbers=[1], **more).build(jax.random.key(0))


def replicas(system, dynamics, drive, x, steps, seed=0):
    """Independent runs from one start."""

    @eqx.filter_jit
    def go(system, dynamics, keys):
        def one(key):
            return advance(key, system, dynamics, drive, dynamics.init(key, system, drive, x), steps).x

        return jax.vmap(one)(keys)

    return go(system, dynamics, jax.random.split(jax.random.key(seed), REPLICAS))


REPLICAS = 4000


@pytest.fixture(scope="module")
def poses():
    """Random poses around the docked one, in a random frame and in any order of magnitude of binding."""
    drawn = rd.sample_poses(rd.DOCKED, 300, np.random.default_rng(0))
    frame = rd.rotation_matrices(np.random.default_rng(1).normal(size=(300, 3)))
    return drawn, frame


def state_of(drawn, frame):
    from scipy.spatial.transform import Rotation

    def quaternions(matrices):
        return jnp.asarray(Rotation.from_matrix(matrices).as_quat()[:, [3, 0, 1, 2]], float)

    place = np.einsum("nij,nj->ni", frame, drawn.translation)
    position = jnp.asarray(np.stack([np.full_like(place, 7.0), 7.0 + place], 1), float)
    return RigidState(position, jnp.stack([quaternions(frame), quaternions(frame @ drawn.rotation)], 1))


def test_energy_is_that_of_theory(poses):
    drawn, frame = poses
    with jax.enable_x64(True):
        system, x = trimers([1, 1], 30.0, 8.0), state_of(drawn, frame)
        measures = lambda y: (system.energy(y), system.energy_of(y, jnp.asarray(1)), system.pair_energies(y))  # noqa: E731
        energy, alone, pairs = jax.jit(jax.vmap(measures))(x)
    terms = rd.pair_terms(*rd.facing_trimers(), drawn.translation, drawn.rotation, rd.PUBLISHED, 3)
    np.testing.assert_allclose(energy, terms.energy(8.0 * EQUAL), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(alone, energy, rtol=1e-12)
    np.testing.assert_allclose(pairs[:, 0, 1], energy, rtol=1e-12)
    np.testing.assert_allclose(pairs[:, 1, 0], energy, rtol=1e-9, atol=1e-9)


def test_jumps_have_the_density_of_theory_whoever_moves(poses):
    drawn, frame = poses
    inside = np.isfinite(drawn.log_density)
    with jax.enable_x64(True):
        system, x = trimers([1, 1], 100.0, 8.0), state_of(drawn, frame)
        for mover in (0, 1):
            density = lambda y, m=mover: system.jump_log_density(y, jnp.asarray(m), jnp.asarray(1 - m))  # noqa: E731
            found = jax.jit(jax.vmap(density))(x)
            np.testing.assert_allclose(found[inside], drawn.log_density[inside], rtol=1e-6, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("mover", [0, 1])
def test_jumps_are_drawn_with_their_density(mover):
    """E_g[f/g] is the integral of f: here the volume of a ball about the docked pivot, all orientations."""
    system = trimers([1, 1], 30.0, 8.0)
    x = system.init_state(jax.random.key(3))
    partner = 1 - mover

    def draw(key):
        pose, found = system.jump(key, x, jnp.asarray(mover), jnp.asarray(partner))
        y = jax.tree.map(lambda leaf, row: leaf.at[mover].set(row), x, pose)
        place, turn = y.position, quaternion.matrix(y.rotation)
        pivot = jnp.asarray(rd.DOCKED.pivot)
        docked = place[0] + turn[0] @ (jnp.asarray(rd.DOCKED.translation) + pivot)
        near = jnp.sum((place[1] + turn[1] @ pivot - docked) ** 2) < 1.0
        log_density = system.jump_log_density(y, jnp.asarray(mover), jnp.asarray(partner))
        return jnp.where(found & near, jnp.exp(-log_density), 0.0)

    weights = np.asarray(jax.jit(jax.vmap(draw))(jax.random.split(jax.random.key(4), 40_000)))
    error = weights.std(ddof=1) / 200.0
    assert abs(weights.mean() - 4 * np.pi / 3) < 4 * error
    assert error < 0.02 * 4 * np.pi / 3


def test_forces_and_torques_are_derivatives_along_steps(poses):
    with jax.enable_x64(True):
        system = trimers([1, 1], 30.0, 8.0)
        x = jax.tree.map(lambda leaf: leaf[11], state_of(*poses))
        state = Brownian(kind="brownian", dt=1e-4).build().init(jax.random.key(0), system, Drive(), x)
        pushed = eqx.filter_jit(force)(system, Drive(), state)
        assert pushed.rotation.shape == (2, 3)
        along = normal_like(jax.random.key(1), pushed)
        energy_along = jax.jit(lambda h: system.energy(system.displace(x, jax.tree.map(lambda d: h * d, along))))
        ends = [energy_along(h) for h in (1e-5, -1e-5)]
        slope = sum(jnp.sum(f * d) for f, d in zip(pushed, along, strict=True))
        assert (ends[1] - ends[0]) / 2e-5 == pytest.approx(float(slope), rel=1e-6)
        # No force and no torque from outside: momentum and angular momentum are conserved.
        torque = pushed.rotation.sum(0) + jnp.cross(x.position, pushed.position).sum(0)
        np.testing.assert_allclose(torque, 0.0, atol=1e-8)


def test_steps_and_differences_are_inverse():
    with jax.enable_x64(True):
        system = trimers([2, 2], None, 8.0)
        x = system.init_state(jax.random.key(0))
        for scale in (1e-9, 1e-4, 0.7):
            step = jax.tree.map(lambda z: scale * z, normal_like(jax.random.key(1), at_rest(system, x)))  # noqa: B023
            moved = system.displace(x, step)
            np.testing.assert_allclose(jnp.linalg.norm(moved.rotation, axis=-1), 1.0, rtol=1e-14)
            for found, given in zip(system.difference(x, moved), step, strict=True):
                np.testing.assert_allclose(found, given, rtol=1e-6, atol=1e-15)


@pytest.mark.slow
def test_free_rotation_follows_the_diffusion_law():
    """⟨cos θ(t)⟩ = exp(−2 D_r t), D_r = kT times the rotational mobility; 4000 bodies resolve a hundredth."""
    system, dynamics = lone_body(), Brownian(kind="brownian", dt=2e-3, kT=0.8).build()
    start = RigidState(jnp.zeros((1, 3)), jnp.array([[1.0, 0.0, 0.0, 0.0]]))
    for steps in (50, 300):
        end = replicas(system, dynamics, Drive(), start, steps, seed=steps)
        turned = np.asarray(quaternion.matrix(end.rotation[:, 0]))
        cosines = np.trace(turned, axis1=1, axis2=2) / 3  # three axes at once
        exact = np.exp(-2 * 0.8 * 0.75 * 2e-3 * steps)
        z = (cosines.mean() - exact) / (cosines.std(ddof=1) / np.sqrt(REPLICAS))
        assert abs(z) < 4, f"after {steps} steps {cosines.mean()}, not {exact}: z = {z:.1f}"


@pytest.mark.slow
@pytest.mark.parametrize(
    "config",
    [Brownian(kind="brownian", dt=5e-3), Association(kind="association")],
    ids=["brownian", "association"],
)
def test_orientation_in_a_field_has_the_boltzmann_law(config):
    """A tether of the quaternion, ½k|q − a|² = k − k q·a, makes q von Mises–Fisher: ⟨q·a⟩ = I₂(k)/I₁(k)."""
    system, k = lone_body(), 3.0
    at = RigidState(jnp.zeros((1, 3)), jnp.array([[0.5, 0.5, -0.5, 0.5]]))
    drive = Drive(target=at, stiffness=RigidState(jnp.ones((1, 3)), jnp.full((1, 4), k)))
    end = replicas(system, config.build(), drive, at, 1000)
    aligned = np.asarray(end.rotation[:, 0] @ at.rotation[0])
    z = (aligned.mean() - iv(2, k) / iv(1, k)) / (aligned.std(ddof=1) / np.sqrt(REPLICAS))
    assert abs(z) < 4
    z = (np.mean(np.asarray(end.position) ** 2) - 1.0) / np.sqrt(2 / (3 * REPLICAS))
    assert abs(z) < 4


@pytest.mark.slow
def test_two_bodies_are_bound_as_often_as_their_partition_function_says():
    """P = K/(K + V − B), 4000 independent ends resolve a hundredth."""
    side, depth = 13.0, 8.0
    system, bodies = trimers([1, 1], side, depth), rd.facing_trimers()
    constant = rd.pair_constant(rd.pair_samples(*bodies, rd.DOCKED, colours=3, samples=100_000), depth * EQUAL)
    taken = room(*bodies, depth * EQUAL, samples=50_000)
    exact = constant.value / (constant.value + side**3 - taken.unbound)
    x = system.init_state(jax.random.key(0))
    end = replicas(system, Association(kind="association").build(), Drive(), x, 100)
    bound = np.asarray(jax.jit(jax.vmap(system.energy))(end)) < 0
    spread = exact * (1 - exact) * constant.error / constant.value
    z = (bound.mean() - exact) / np.hypot(np.sqrt(exact * (1 - exact) / REPLICAS), spread)
    assert abs(z) < 4, f"bound {bound.mean()}, exactly {exact}: z = {z:.1f}"


@pytest.mark.slow
def test_jumps_and_their_reverses_have_opposite_ratios():
    """ln q(x)/q(x') changes sign when x and x' change places, and what does not count is never accepted."""
    from matterlearn.dynamics.association import _jump

    system = trimers([2, 2], 20.0, 8.0)
    x = system.init_state(jax.random.key(0))

    @jax.jit
    def there_and_back(key):
        particle = jnp.asarray(1)
        pose, ratio = _jump(key, system, Drive(), x, particle)
        new = jax.tree.map(lambda leaf, row: leaf.at[1].set(row), x, pose)
        partner = jax.random.randint(jax.random.split(key, 4)[0], (), 0, 3)
        partner = partner + (partner >= particle)
        log_q = [jnp.logaddexp(system.jump_log_density(y, particle, partner), -3 * jnp.log(20.0)) for y in (x, new)]
        return ratio, log_q[0] - log_q[1]

    many = jax.jit(jax.vmap(there_and_back))(jax.random.split(jax.random.key(1), 200))
    ratios, expected = map(np.asarray, many)
    counts = np.isfinite(ratios)
    assert 0.5 < counts.mean() < 1.0  # body 0 is of the same kind: no bound pose to jump to
    np.testing.assert_allclose(ratios[counts], expected[counts], rtol=1e-5, atol=1e-5)


def built(config, system) -> Any:
    return config.build(system, None)


@pytest.mark.slow
def test_exact_yield_is_that_of_theory_and_so_is_its_gradient():
    side = (18 / 0.001) ** (1 / 3)
    system = trimers([9, 9], side, 8.0)
    ideal = built(ExactDimerYield(kind="exact_dimer_yield", crowding="none", samples=100_000), system)
    drawn = rd.pair_samples(*rd.facing_trimers(), rd.DOCKED, colours=3, samples=100_000)

    def share(coupling):
        return ideal(eqx.tree_at(lambda s: s.coupling, system, coupling), None, None)

    for depth in (6.0, 8.0, 10.0):
        constant = rd.pair_constant(drawn, depth * EQUAL)
        expected = rd.dimer_yield(constant, 9, 0.001, EQUAL)
        value, gradient = jax.jit(jax.value_and_grad(share))(jnp.asarray(depth * EQUAL, float))
        assert float(value) == pytest.approx(expected.value, rel=1e-4)
        assert float(-gradient[jnp.array([0, 3, 5])].sum()) == pytest.approx(expected.slope, rel=2e-3)
        assert np.all(np.asarray(gradient)[[1, 2, 4]] == 0)  # colours that do not see each other
    crowded = built(ExactDimerYield(kind="exact_dimer_yield", samples=100_000), system)
    assert 0.004 < float(crowded(system, None, None)) - float(ideal(system, None, None)) < 0.012


@pytest.mark.slow
def test_unequal_numbers_of_bodies():
    """One body among four partners: bound with 4K/V against 1."""
    system = trimers([1, 4], 30.0, 8.0)
    exact = built(ExactDimerYield(kind="exact_dimer_yield", crowding="none", samples=20_000), system)
    weight = 4 * np.exp(float(exact.log_constant(system.seen())))
    assert float(exact(system, None, None)) == pytest.approx(weight / (1 + weight) / 4, rel=1e-5)


def test_measured_yield_counts_pairs_of_different_kinds():
    system = trimers([2, 2], 40.0, 8.0)
    apart = jnp.array([[5.0, 5.0, 5.0], [25.0, 5.0, 5.0], [7.0, 5.0, 5.0], [5.0, 25.0, 25.0]])
    x = RigidState(apart, jnp.tile(jnp.array([1.0, 0.0, 0.0, 0.0]), (4, 1)))
    state = Brownian(kind="brownian", dt=1e-4).build().init(jax.random.key(0), system, Drive(), x)
    measured = eqx.filter_jit(built(DimerYield(kind="dimer_yield"), system))
    assert float(measured(system, Drive(), state)) == pytest.approx(1 / 3)
    both = state._replace(x=x._replace(position=apart.at[3].set(jnp.array([27.0, 5.0, 5.0]))))
    assert float(measured(system, Drive(), both)) == 1.0


def batch(depth, chains, records, stride):
    """Yield and Σ_c ∂E/∂D0 of 9 + 9 bodies at c = 0.001, [record, chain]."""
    system = trimers([9, 9], (18 / 0.001) ** (1 / 3), depth)
    dynamics = Association(kind="association").build()
    measured = built(DimerYield(kind="dimer_yield"), system)

    @eqx.filter_jit
    def go(keys):
        def one(key):
            state = dynamics.init(key, system, Drive(), system.init_state(key))

            def record(state, _):
                state = advance(key, system, dynamics, Drive(), state, stride)
                moments = cast(Any, coupling_gradient(system, state.x)).coupling
                return state, (measured(system, Drive(), state), moments @ EQUAL)

            return jax.lax.scan(record, state, None, length=records)[1]

        return jax.vmap(one, out_axes=1)(keys)

    shares, moments = (np.asarray(a) for a in go(jax.random.split(jax.random.key(1), chains)))
    kept = slice(records // 5, None)
    return shares[kept], moments[kept]


@pytest.mark.slow
@pytest.mark.parametrize("depth", [8.0])
def test_yield_of_the_batch_and_its_derivative(depth):
    """Nine and nine bodies: ⟨Y⟩ and −Cov(Y, ∂E/∂D0) against the weights of the finite batch, crowding included.

    Chains are independent; 0.004 in Y and 0.02 in dY/dD0 are one standard error.
    """
    shares, moments = batch(depth, 32, 50, 25)
    bodies, volume = rd.facing_trimers(), 18_000.0
    constant = rd.pair_constant(rd.pair_samples(*bodies, rd.DOCKED, colours=3), depth * EQUAL)
    crowded = crowding(*bodies, rd.DOCKED, depth * EQUAL, counts=(9, 9), volume=volume)
    exact = crowded_yield(constant.value, (9, 9), volume, crowded)
    chains = shares.mean(0)
    error = chains.std(ddof=1) / np.sqrt(len(chains))
    assert error < 0.01
    assert abs(chains.mean() - exact) < 4 * error
    h = 1e-3
    ends = [crowded_yield(constant.value * np.exp(s * h), (9, 9), volume, crowded) for s in (1, -1)]
    slope = (ends[0] - ends[1]) / (2 * h) * float(constant.slope @ EQUAL)
    products = -((shares - shares.mean()) * (moments - moments.mean())).mean(0)
    error = products.std(ddof=1) / np.sqrt(len(products))
    assert error < 0.05
    assert abs(products.mean() - slope) < 4 * error
    assert heterodimer_yield(constant.value, 9, 0.001).value == pytest.approx(exact, abs=0.012)


GIVEN = {
    "title": "any",
    "system": {"kind": "rigid_bodies", "bodies": "facing_trimers", "numbers": [2, 2], "box": 20.0},
    "dynamics": {"kind": "association"},
    "run": {"steps": 10},
}


@pytest.mark.parametrize(
    ("section", "change", "words"),
    [
        ("dynamics", {"kind": "langevin", "dt": 1e-3}, "bodies turn: use brownian"),
        ("dynamics", {"kind": "fire"}, "bodies turn: use brownian"),
        ("dynamics", {"kind": "brownian", "dt": 0.5}, "too long"),
        ("system", {"box": None}, "space is free"),
        ("system", {"box": 5.0}, "its own image"),
        ("system", {"numbers": [2]}, "needs 2 numbers"),
        ("system", {"bonds": [[0, 3]]}, "a colour that no patch has"),
        ("system", {"coupling": [-1.0, -2.0]}, "2 numbers for 3 bonds"),
        ("system", {"docks": [{"bodies": [0, 2], "translation": [2, 0, 0]}]}, "a kind of body that is not there"),
        ("system", {"onset": 2.0}, "below the cutoff"),
        ("system", {"bodies": [{"spheres": [[0, 0, 0]], "patches": [[1, 0, 0]]}], "numbers": [3]}, "0 colours for 1"),
    ],
)
def test_what_cannot_be_is_refused(section, change, words):
    system = {k: v for k, v in GIVEN["system"].items()} | {"coupling": -4.0}
    given = GIVEN | {"system": system}
    given[section] = change if section == "dynamics" else given[section] | change
    with pytest.raises(ScenarioError, match=words):
        load(given)
