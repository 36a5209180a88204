"""Lattice fields as matter: conventions, the free field's ln Z and draws, samplers against tables and quadrature."""

import jax
import jax.numpy as jnp
import lattice_fields
import numpy as np
import pytest
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from covering import slow
from matterlearn import run
from matterlearn.core.drive import Drive
from matterlearn.core.dynamics import advance
from matterlearn.core.field import FieldState
from matterlearn.dynamics.embedded_cluster import Config as EmbeddedCluster
from matterlearn.dynamics.embedded_cluster import clusters
from matterlearn.dynamics.hamiltonian_monte_carlo import Config as HamiltonianMonteCarlo
from matterlearn.errors import ScenarioError
from matterlearn.scenario import load
from matterlearn.systems.free_field import Config as FreeField
from matterlearn.systems.lattice_field import Config, LatticeField
from matterlearn.testing import examples
from matterlearn.theory import lattice_field as theory
from matterlearn.theory.lattice_field_values import HOPPING, LATTICE

pytestmark = pytest.mark.usefixtures("undrawn")

ACTIONS = {
    "lattice": ({"mass_squared": -1.3, "coupling": 0.7}, lambda p, d: theory.lattice_action(-1.3, 0.7, d)),
    "hopping": ({"hopping": 0.27, "coupling": 0.3}, lambda p, d: theory.hopping_action(0.27, 0.3, d)),
    "continuum": ({"mass_squared": -0.8, "coupling": 0.9}, lambda p, d: theory.continuum_action(-0.8, 0.9, d)),
    "wavelet": ({"inverse_temperature": 0.68}, lambda p, d: theory.wavelet_action(0.68, d)),
}


@pytest.mark.parametrize("shape", [slow([7]), slow([2, 5]), [2, 3, 4]])
@pytest.mark.parametrize("convention", ACTIONS)
def test_the_energy_is_the_action_in_every_convention(shape, convention):
    parameters, action = ACTIONS[convention]
    field = np.random.default_rng(1).normal(size=shape)
    with jax.enable_x64(True):
        written = {"kind": "lattice_field", "shape": shape, "action": {"convention": convention, **parameters}}
        energy = Config.model_validate(written).build(None).energy(FieldState(jnp.asarray(field)))
        expected = theory.action_value(field, action(parameters, len(shape)), len(shape))
    np.testing.assert_allclose(float(energy), expected, rtol=1e-12)


def test_free_field_is_the_gaussian_that_it_says():
    """ln Z at two temperatures, its slopes −⟨∂E/∂θ⟩/kT, and the energy of one wave."""
    with jax.enable_x64(True):
        system = FreeField(kind="free_field", shape=[8, 8], mass_squared=1.0).build(None)
        assert abs(float(system.log_partition(jnp.asarray(1.0))) + 11.622885) < 1e-6
        hot = float(system.log_partition(jnp.asarray(2.5)))
        np.testing.assert_allclose(hot, theory.free_log_partition((8, 8), 1 / 2.5, 1 / 2.5), rtol=1e-12)
        slope = jax.jit(jax.grad(lambda s: s.log_partition(jnp.asarray(1.0))))(system)
        np.testing.assert_allclose(float(slope.mass_squared), -64 * 0.127086999, rtol=1e-8)
        wave = jnp.cos(2 * np.pi * jnp.arange(8) * 3 / 8)[:, None] * jnp.ones(8)
        curvature = 1.0 + 4 * np.sin(np.pi * 3 / 8) ** 2
        np.testing.assert_allclose(float(system.energy(FieldState(wave))), curvature * float(jnp.sum(wave**2)))


def test_draws_of_the_free_field_have_its_spectrum():
    """4000 draws: power of every wave, largest |z| of 24 below 4.5."""
    system = FreeField(kind="free_field", shape=[4, 6], mass_squared=0.3, stiffness=0.5).build(None)
    fields = np.asarray(jax.jit(jax.vmap(system.draw))(jax.random.split(jax.random.key(0), 4000)).field, float)
    power = np.abs(np.fft.fft2(fields)) ** 2 / 24
    ratio = power.mean(0) / theory.free_spectrum((4, 6), 0.3, 0.5)
    error = power.std(0) / power.mean(0) / np.sqrt(4000)
    assert np.abs((ratio - 1) / error).max() < 4.5 and error.max() < 0.03


def test_clusters_are_connected_components():
    rng = np.random.default_rng(0)
    for shape, chance in (((9,), 0.6), ((2, 2), 0.3), ((8, 8), 0.48), ((5, 7), 0.52), ((2, 3, 4), 0.3)):
        joined = tuple(rng.random(shape) < chance for _ in shape)
        index = np.arange(np.prod(shape)).reshape(shape)
        ends = [np.concatenate([i[j] for i, j in zip(side, joined, strict=True)]) for side in (
            [index] * len(shape), [np.roll(index, -1, axis) for axis in range(len(shape))])]  # fmt: skip
        graph = coo_matrix((np.ones(len(ends[0])), ends), shape=(index.size, index.size))
        _, label = connected_components(graph, directed=False)
        first = np.array([np.flatnonzero(label == k)[0] for k in range(label.max() + 1)])
        found = np.asarray(jax.jit(clusters)(tuple(map(jnp.asarray, joined))))
        np.testing.assert_array_equal(found.ravel(), first[label])


CLUSTER = EmbeddedCluster(kind="embedded_cluster", sweeps=2)
WIDE = EmbeddedCluster(kind="embedded_cluster", width=1.0, sweeps=6)
FLIGHTS = HamiltonianMonteCarlo(kind="hamiltonian_monte_carlo", dt=0.12, leaps=8)


def sampled(row, config, steps, chains):
    """Ends of independent chains of a row's lattice field."""
    couplings = {name: jnp.asarray(value) for name, value in row.action._asdict().items()}
    system = LatticeField(shape=(row.side, row.side), **couplings)
    dynamics = config.build()

    def one(key):
        start = dynamics.init(key, system, Drive(), system.init_state(jax.random.fold_in(key, 2**31)))
        return advance(key, system, dynamics, Drive(), start, steps).x.field

    return np.asarray(jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(3), chains)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("row", "config", "steps"),
    [
        (LATTICE[0], CLUSTER, 40), (LATTICE[1], FLIGHTS, 150), (LATTICE[0], FLIGHTS, 150), (LATTICE[1], CLUSTER, 40),
    ],
    ids=["6-clusters", "8-flights", "6-flights", "8-clusters"],
)  # fmt: skip
def test_samplers_have_the_averages_of_the_tables(row, config, steps):
    """3000 chains; ⟨|M|⟩ to 1 %, ⟨φ²⟩ to 0.3 %, the virial to 0.4 %."""
    lattice_fields.agree(lattice_fields.estimates(sampled(row, config, steps, 3000), row.action), row)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("row", "config", "steps", "chains"),
    [(LATTICE[2], CLUSTER, 60, 10_000), (LATTICE[4], CLUSTER, 60, 5000), (LATTICE[6], CLUSTER, 120, 1000),
     (LATTICE[2], FLIGHTS, 300, 10_000), (HOPPING[1], WIDE, 60, 5000)],
    ids=["8", "12", "20", "8 flights", "8 hopping"],
)  # fmt: skip
def test_samplers_have_the_averages_of_the_tables_on_larger_lattices(row, config, steps, chains):
    lattice_fields.agree(lattice_fields.estimates(sampled(row, config, steps, chains), row.action), row)


@pytest.mark.slow
def test_flights_are_exact_at_any_time_step():
    """Steps as long as nearly all that leapfrog bears, with many refusals, give the averages of quadrature, too."""
    coarse = HamiltonianMonteCarlo(kind="hamiltonian_monte_carlo", dt=0.3, leaps=3)
    action = theory.lattice_action(-4.0, 6.975)
    field = sampled(LATTICE[0]._replace(side=2, action=action), coarse, 150, 8000)
    M, exact = field.mean((1, 2)), theory.two_by_two(action)
    for values, law in (
        (M, 0.0), (np.abs(M), exact.magnetization), (M**2, exact.magnetization_square),
        ((field**2).mean((1, 2)), exact.mean_square), ((field**4).mean((1, 2)), exact.mean_fourth_power),
    ):  # fmt: skip
        assert abs(values.mean() - law) < 4 * values.std() / np.sqrt(len(values))


@pytest.mark.slow
def test_acceptance_falls_with_the_time_step_as_its_error_says():
    """The energy of a flight errs by O(dt²): refusals grow as dt² at a given length."""
    system = FreeField(kind="free_field", shape=[8, 8]).build(None)
    keys = jax.random.split(jax.random.key(0), 2000)
    x = jax.jit(jax.vmap(system.draw))(keys)

    def refused(dt, leaps):
        dynamics = HamiltonianMonteCarlo(kind="hamiltonian_monte_carlo", dt=dt, leaps=leaps).build()

        def one(key, x):
            return dynamics.step(key, system, Drive(), dynamics.init(key, system, Drive(), x))[1].acceptance

        return 1 - float(jnp.mean(jax.jit(jax.vmap(one))(keys, x)))

    small, large = refused(0.05, 20), refused(0.1, 10)
    assert 0 < small < 0.05 and 3 < large / small < 5.5


@pytest.mark.slow
def test_fields_with_opposite_neighbours_are_sampled_too():
    """J < 0 on a lattice of two colours: the staggered field is that with J > 0."""
    action = theory.lattice_action(-4.0, 6.975)
    row = LATTICE[0]._replace(side=2, action=action._replace(hopping=-action.hopping))
    field = sampled(row, CLUSTER, 30, 4000)
    M, exact = (field * np.array([[1, -1], [-1, 1]])).mean((1, 2)), theory.two_by_two(action)
    for values, law in ((M, 0.0), (np.abs(M), exact.magnetization), (M**2, exact.magnetization_square)):
        assert abs(values.mean() - law) < 4 * values.std() / np.sqrt(len(values))


FREE = {
    "title": "Free", "system": {"kind": "free_field", "shape": [4, 4], "mass_squared": 2.0, "stiffness": 0.4},
    "dynamics": {"kind": "direct_sampling"},
    "task": {"kind": "data", "data": {"source": "free_field", "shape": [4, 4], "mass_squared": 0.7, "count": 800}},
    "learning": {"rule": {"kind": "maximum_likelihood"}, "updates": 200, "replicas": 800,
                 "optimizer": {"kind": "adam", "learning_rate": 0.05, "final_rate": 0.0005}},
    "run": {"steps": 1, "replicas": 2},
}  # fmt: skip


@pytest.mark.slow
def test_couplings_of_the_free_field_are_learned_from_its_configurations(tmp_path):
    """Maximum likelihood finds K = 1 and m² = 0.7; errors from the curvature of ln Z."""
    tree = run.simulate(FREE, tmp_path / "r").tree
    curvature = 1 / (2 * theory.free_spectrum((4, 4), 0.7))
    k2 = theory.momenta_squared((4, 4))
    fisher = np.array([[np.sum(a * b / curvature**2) / 2 for a in (k2, k2**0)] for b in (k2, k2**0)]) * 800
    error = np.sqrt(np.diag(np.linalg.inv(fisher)))
    found = [float(tree["couplings"][name]) for name in ("stiffness", "mass_squared")]
    assert (np.abs((np.array(found) - [1.0, 0.7]) / error) < 4).all(), (found, error)
    entropy = float(np.sum(np.log(2 * np.pi / 2 / curvature)) / 2 + 8)
    assert abs(float(tree["log_likelihood_train"]) + entropy) < 4 * np.sqrt(8 / 800)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"system": {"kind": "lattice_field", "shape": [4, 4], "action": {"convention": "lattice", "mass_squared": 1.0,
                                                                          "coupling": 0.0}}}, "greater than 0"),
        ({"system": {"kind": "free_field", "shape": [4, 1]}}, "greater than or equal to 2"),
        ({"system": {"kind": "deep_energy"}, "dynamics": {"kind": "embedded_cluster"}}, "flips signs of a lattice"),
        ({"system": examples("systems", "rigid_bodies")[0].model_dump(mode="json"), "task": {"kind": "relaxation"},
          "dynamics": {"kind": "hamiltonian_monte_carlo"}}, "moves coordinates of flat space"),
        ({"task": {"kind": "data", "data": {"source": "free_field", "shape": [3, 4]}}}, "a sample has 12 entries"),
        ({"observe": [{"kind": "two_point"}], "system": {"kind": "free_field", "shape": [2, 8]}}, "at least 4 slices"),
        ({"observe": [{"kind": "field_moments"}], "system": {"kind": "deep_energy"}}, "is a quantity of fields"),
    ],
)  # fmt: skip
def test_mistakes_are_told(change, words):
    with pytest.raises(ScenarioError, match=words):
        load({**FREE, **change})
