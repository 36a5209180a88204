"""Free-form pair potentials and what is measured of their crystals: splines, g(r), bond-orientational order."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.interpolate import BSpline

from matterlearn import scenario as scenarios
from matterlearn import testing
from matterlearn.core.dynamics import DynState
from matterlearn.core.system import coupling_gradient
from matterlearn.observables import bond_orientational_order, radial_distribution
from matterlearn.systems.pair_potential import Config, PairState
from matterlearn.theory import crystal_distribution

VALUES = [3.0, -2.0, 1.0, 0.5, -4.0, 2.0]


def potential(**given):
    given = {"particles": 2, "splines": 6, "start": 0.8, "cutoff": 2.6, "values": VALUES} | given
    return Config(kind="pair_potential", **given).build(None)


def measure(observable, position, system):
    state = DynState(PairState(jnp.asarray(position)), jnp.zeros((), jnp.int32))
    return np.asarray(observable.build(system, None)(system, None, state))


def honeycomb(columns=5, rows=3):
    """Points and the sides of their box, nearest neighbours at distance one."""
    cell = np.array([[0, 0], [0, 1], [np.sqrt(3) / 2, 1.5], [np.sqrt(3) / 2, 2.5]])
    steps = [(np.sqrt(3) * i, 3.0 * j) for i in range(columns) for j in range(rows)]
    return (cell + np.array(steps)[:, None]).reshape(-1, 2), np.array([np.sqrt(3) * columns, 3.0 * rows])


@pytest.mark.slow
@pytest.mark.parametrize("config", testing.examples_of(Config), ids=lambda c: f"{c.dimension}d_{c.particles}")
def test_conformance(config):
    testing.check_spec(config)
    testing.check_system(config)


@pytest.mark.slow
def test_splines_are_those_of_scipy():
    with jax.enable_x64(True):
        system = potential()
        h = system.spacing
        knots = 0.8 + h * np.arange(10)
        coefficients = np.asarray(system.coefficients)
        expected = BSpline(knots, coefficients, 3, extrapolate=False)
        # BSpline has no value outside its base interval, where fewer than four splines overlap: pad with zeros.
        knots = 0.8 + h * np.arange(-3, 13)
        expected = BSpline(knots, np.pad(coefficients, 3), 3, extrapolate=False)
        r = np.linspace(1.0, 2.599, 200)
        np.testing.assert_allclose(system.potential(jnp.asarray(r)), expected(r), rtol=1e-10, atol=1e-12)
        slope = jax.jit(jax.vmap(jax.grad(lambda r: system.potential(r))))(jnp.asarray(r))
        np.testing.assert_allclose(slope, expected.derivative()(r), rtol=1e-9, atol=1e-10)
        np.testing.assert_allclose(system.potential(jnp.asarray(system.centers[2:])), VALUES[2:], rtol=1e-12)
        assert float(system.potential(jnp.asarray(2.7))) == 0.0


def test_coupling_gradient_counts_pairs_by_distance():
    with jax.enable_x64(True):
        system = potential(particles=9, box=8.0)
        x = system.init_state(jax.random.key(3))
        pairs = np.triu_indices(9, 1)
        apart = np.asarray(x.position)[pairs[0]] - np.asarray(x.position)[pairs[1]]
        r = np.linalg.norm(apart - 8.0 * np.round(apart / 8.0), axis=-1)
        bumps = radial_distribution.bump(jnp.asarray((r[:, None] - system.centers) / system.spacing))
        counted = eqx.filter_jit(coupling_gradient)(system, x).coefficients
        np.testing.assert_allclose(counted, np.asarray(bumps).sum(0), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("dimension", [2, 3])
def test_ideal_gas_has_g_one(dimension):
    """400 samples of 20 independent points: every |z| < 4; a wrong shell volume by 2 % is seen at most distances."""
    system = potential(particles=20, box=6.0, dimension=dimension)
    observable = radial_distribution.Config(kind="radial_distribution", start=0.2, cutoff=3.0, points=10)
    place = jax.random.uniform(jax.random.key(1), (400, 20, dimension), maxval=6.0)
    built = observable.build(system, None)
    state = lambda x: DynState(PairState(x), jnp.zeros((), jnp.int32))  # noqa: E731
    g = np.asarray(jax.jit(jax.vmap(lambda x: built(system, None, state(x))))(place))
    z = (g.mean(0) - 1) / (g.std(0, ddof=1) / np.sqrt(len(g)))
    assert np.abs(z).max() < 4
    assert (g.std(0, ddof=1) / np.sqrt(len(g)))[-5:].max() < 0.02


def test_g_is_smooth_in_positions():
    with jax.enable_x64(True):
        system = potential(particles=6, box=6.0)
        config = radial_distribution.Config(kind="radial_distribution", start=0.4, cutoff=3.0, points=7)
        built = config.build(system, None)
        x = system.init_state(jax.random.key(0)).position
        along = jax.random.normal(jax.random.key(1), x.shape)
        g = jax.jit(lambda t: built(system, None, DynState(PairState(x + t * along), jnp.zeros((), jnp.int32))))
        slope = jax.jit(jax.jacfwd(g))(0.0)
        np.testing.assert_allclose(slope, (g(1e-5) - g(-1e-5)) / 2e-5, rtol=1e-6, atol=1e-8)


def test_crystal_of_displaced_particles_has_the_distribution_of_theory():
    """A square lattice fills its box; 300 samples of independent displacements, every |z| < 4."""
    side, u, h = 8, 0.1, 0.1
    observable = radial_distribution.Config(kind="radial_distribution", start=0.5, cutoff=0.5 + 23 * h, points=20)
    system = potential(particles=side**2, box=float(side))
    built = observable.build(system, None)
    sites = np.stack(np.meshgrid(np.arange(side), np.arange(side)), -1).reshape(-1, 2)
    place = sites + u * jax.random.normal(jax.random.key(2), (300, side**2, 2))
    state = lambda x: DynState(PairState(x), jnp.zeros((), jnp.int32))  # noqa: E731
    g = np.asarray(jax.jit(jax.vmap(lambda x: built(system, None, state(x))))(place))
    ideal = crystal_distribution.radial_distribution(crystal_distribution.SQUARE, u, built.distances, h)
    expected = ideal * side**2 / (side**2 - 1)  # g counts N (N - 1) pairs, the crystal N² of them
    z = (g.mean(0) - expected) / (g.std(0, ddof=1) / np.sqrt(len(g)))
    assert np.abs(z[expected > 0.01]).max() < 4
    assert (g.std(0, ddof=1) / np.sqrt(len(g))).max() < 0.01


def test_target_of_the_scenario_is_a_honeycomb_of_the_same_density():
    scenario = scenarios.load("design_lattice_symmetry")
    (term,), system = scenario.design.objective, scenario.system
    built = radial_distribution.Config(**term.observable.model_dump()).build(None, None)
    honey = crystal_distribution.HONEYCOMB
    ideal = crystal_distribution.radial_distribution(honey, 0.11, built.distances, built.spacing)
    np.testing.assert_allclose(term.target, ideal * system.particles / (system.particles - 1), atol=6e-4)
    assert system.particles / system.box**2 == pytest.approx(honey.density, rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(("symmetry", "neighbors", "honey", "close"), [(3, 3, 1.0, 0.0), (6, 6, 0.5, 1.0)])
def test_order_of_perfect_crystals(symmetry, neighbors, honey, close):
    """Honeycomb and triangular lattice: exact values of ψ for both symmetries; missing neighbours are disorder."""
    order = lambda x, box, inner, outer: bond_orientational_order.bond_order(  # noqa: E731
        jnp.asarray(x), box, symmetry, neighbors, inner, outer
    )
    points, sides = honeycomb(7, 4)
    points = points * (np.sqrt(np.prod(sides)) / sides)  # 1 % of strain makes the box a square
    np.testing.assert_allclose(order(points, float(np.sqrt(np.prod(sides))), 1.3, 1.5), honey, atol=0.01)
    row = np.arange(12.0)
    triangle = np.stack([row[:, None] + 0.5 * (row % 2), np.sqrt(3) / 2 * np.broadcast_to(row, (12, 12))], -1)
    middle = np.argmin(np.linalg.norm(triangle.reshape(-1, 2) - 5.5, axis=1))
    np.testing.assert_allclose(order(triangle.reshape(-1, 2), None, 1.2, 1.5)[middle], close, atol=1e-5)


def test_pairs_and_strangers_are_not_ordered():
    lone = jnp.array([[0.0, 0.0], [1.0, 0.0], [9.0, 0.0]])
    found = bond_orientational_order.bond_order(lone, None, 3, 3, 1.2, 1.5)
    np.testing.assert_allclose(found, [1 / 3, 1 / 3, 0.0], atol=1e-5)


def test_order_has_finite_derivatives():
    position = jnp.array([[0.0, 0.0], [1.0, 0.1], [0.0, 1.3], [5.0, 5.0]])
    order = jax.jit(lambda x: jnp.sum(bond_orientational_order.bond_order(x, None, 3, 3, 1.2, 1.5)))
    with jax.enable_x64(True):
        x = position.astype(float)
        slope = jax.jit(jax.grad(order))(x)
        assert np.all(np.isfinite(slope))
        along = jax.random.normal(jax.random.key(0), x.shape)
        numeric = (order(x + 1e-6 * along) - order(x - 1e-6 * along)) / 2e-6
        np.testing.assert_allclose(jnp.sum(slope * along), numeric, rtol=1e-6)


def test_ordered_fraction_is_a_share_of_particles():
    system = potential(particles=4, box=6.0)
    config = bond_orientational_order.Config(kind="bond_orientational_order", symmetry=3, threshold=0.6)
    built = config.build(system, None)
    values = np.zeros((2, 4, 4))
    values[0, 2:] = [1, 1, 0.7, 0.5]
    found = {summary.name: summary.values for summary in built.summary(values, {})}
    assert found["ordered_fraction"] == pytest.approx(0.375)
    assert found["ordered_fraction_sem"] == pytest.approx(0.375)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"start": 3.0}, "begin before the end"),
        ({"values": [1.0]}, "one per spline"),
        ({"box": 4.0}, "own image"),
        ({"particles": 60, "box": 7.0}, "do not fit"),
    ],
)
def test_complaints(given, complaint):
    config = Config(kind="pair_potential", **{"particles": 2, "splines": 6, "start": 0.8, "cutoff": 2.6} | given)
    problems = [problem.message for problem in config.check(None)]
    assert any(complaint in message for message in problems)
