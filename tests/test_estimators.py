"""Estimators of gradients against exact derivatives: closed recursions, quadrature, enumeration."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from scipy.integrate import quad

from covering import slow
from matterlearn.core.drive import Drive
from matterlearn.core.dynamics import DynState, normal_like
from matterlearn.core.lattice_kernel import LatticeState
from matterlearn.core.system import couplings, with_couplings
from matterlearn.core.task import replicated
from matterlearn.design._diagnostics import growth_rate, pareto_shape, reliable, tail_count, tail_index
from matterlearn.design._estimator import Setup, evaluate
from matterlearn.design._objective import Objective, Term
from matterlearn.design._paths import checkpointed, levels_for
from matterlearn.design.closed_form import ClosedForm
from matterlearn.design.enumeration import Enumeration
from matterlearn.design.equilibrium import Config as EquilibriumConfig
from matterlearn.design.equilibrium import _log_weights, effective_fraction
from matterlearn.design.pathwise import Config as PathwiseConfig
from matterlearn.design.score_function import Config as ScoreConfig
from matterlearn.design.tangent import Config as TangentConfig
from matterlearn.dynamics.brownian import Config as BrownianConfig
from matterlearn.dynamics.heat_bath import Config as HeatBathConfig
from matterlearn.dynamics.langevin import Config as LangevinConfig
from matterlearn.dynamics.metropolis import Config as MetropolisConfig
from matterlearn.observables.beyond import Beyond
from matterlearn.observables.composition import Config as CompositionConfig
from matterlearn.observables.energy import Energy
from matterlearn.observables.moment import Moment
from matterlearn.systems.landscape import Config as LandscapeConfig
from matterlearn.systems.lattice_condensate import Config as LatticeConfig
from matterlearn.tasks.relaxation import Config as RelaxationConfig

SQUARE = Moment("moment", (), "1", "mean of x^2", 1, 2)


def setup_of(system, dynamics, *terms, replicas=1000, seed=1, x=None):
    recall = RelaxationConfig(kind="relaxation").build(system).recall(jax.random.key(seed), system, replicas)
    if x is not None:
        recall = recall._replace(x=replicated(x, replicas))
    drive = jax.tree.map(lambda leaf: leaf[0], recall.drive)
    state = DynState(system.init_state(jax.random.key(0)), jnp.zeros((), jnp.int32))
    return Setup.of(system, dynamics, Objective.of(terms, system, drive, state), recall)


def one_term(observable, **settings):
    return Term(observable, None, jnp.asarray(1.0), **settings)


def estimate(estimator, system, setup, seed=2):
    theta, key = couplings(system), jax.random.key(seed)
    memory = estimator.prepare(key, theta, setup, None)
    return evaluate(estimator, key, theta, setup, memory)


def trap(stiffness):
    return LandscapeConfig(kind="landscape", coefficients=[0.0, stiffness / 2]).build(jax.random.key(0))


def variance_of_trap(k, dt, steps):
    """⟨x²⟩ of the Euler–Maruyama chain from x = 0 and its derivative with respect to k, by its recursion."""
    value = slope = 0.0
    for _ in range(steps):
        decay = 1 - k * dt
        slope = decay**2 * slope - 2 * dt * decay * value
        value = decay**2 * value + 2 * dt
    return value, slope


STEPS = 40
THROUGH_PATHS = {
    "pathwise": PathwiseConfig(kind="pathwise", stride=STEPS),
    "tangent": TangentConfig(kind="tangent", stride=STEPS),
    "score_function": ScoreConfig(kind="score_function", stride=STEPS),
}


@pytest.mark.parametrize("kind", THROUGH_PATHS)
def test_transient_of_a_trap_has_its_exact_derivative(kind):
    """At a finite time and a finite step: no bias of either is allowed. Power: s.e. 1 % (pathwise), 6 % (score)."""
    k, dt = 1.0, 0.05
    system = trap(k)
    origin = type(system.init_state(jax.random.key(0)))(jnp.zeros((1, 1)))
    setup = setup_of(system, BrownianConfig(kind="brownian", dt=dt).build(), one_term(SQUARE), replicas=4000, x=origin)
    found = estimate(THROUGH_PATHS[kind].build(), system, setup)
    value, slope = variance_of_trap(k, dt, STEPS)
    assert abs(found.mean[0] - value) < 4 * found.mean_sem[0]
    # The coupling is c_2 = k/2.
    assert abs(found.gradient.coefficient[1] - 2 * slope) < 4 * found.gradient_sem.coefficient[1]
    assert found.gradient_sem.coefficient[1] < 0.1 * abs(2 * slope)


@pytest.mark.parametrize(("kind", "motion"), [
    ("pathwise", "brownian"), slow("tangent", "langevin"), slow("score_function", "langevin"),
    slow("equilibrium", "brownian"),
    slow("pathwise", "langevin"), slow("tangent", "brownian"), slow("score_function", "brownian"),
    slow("equilibrium", "langevin"),
])  # fmt: skip
def test_width_of_a_trap_shrinks_as_its_stiffness_grows(kind, motion):
    """d⟨x²⟩/dk = −kT/k², with BAOAB exactly; Euler–Maruyama widens it to kT/k/(1 − k dt/2)."""
    k, dt = 2.0, 0.05
    dynamics = {
        "brownian": BrownianConfig(kind="brownian", dt=dt), "langevin": LangevinConfig(kind="langevin", dt=0.2),
    }[motion].build()  # fmt: skip
    steps = {"brownian": 80, "langevin": 40}[motion]
    estimators = {
        "pathwise": PathwiseConfig(kind="pathwise", stride=steps),
        "tangent": TangentConfig(kind="tangent", stride=steps),
        "score_function": ScoreConfig(kind="score_function", stride=steps),
        "equilibrium": EquilibriumConfig(kind="equilibrium", relax=steps, stride=20, samples=4),
    }
    system = trap(k)
    setup = setup_of(system, dynamics, one_term(SQUARE), replicas=2000)
    found = estimate(estimators[kind].build(), system, setup)
    slope = -1 / k**2 if motion == "langevin" else -(1 - k * dt) / (k * (1 - k * dt / 2)) ** 2
    if kind == "equilibrium" and motion == "brownian":  # the formula knows only the Boltzmann law of the material
        slope = -1 / k**2 / (1 - k * dt / 2) ** 2
    assert abs(found.gradient.coefficient[1] - 2 * slope) < 4 * found.gradient_sem.coefficient[1]


def double_well(tilt, height):
    return LandscapeConfig(kind="landscape", coefficients=[tilt, -2 * height, 0.0, height]).build(jax.random.key(0))


def right_fraction(tilt, height):
    weight = lambda x: np.exp(-(tilt * x - 2 * height * x**2 + height * x**4))  # noqa: E731
    right, left = quad(weight, 0, 4)[0], quad(weight, -4, 0)[0]
    return right / (left + right)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["equilibrium", "score_function"])
def test_step_function_in_a_double_well(kind):
    """The fraction on the right answers to a tilt although its own derivative is zero everywhere."""
    tilt, height, h = 0.3, 1.0, 1e-4
    system = double_well(tilt, height)
    right = Beyond("beyond", (), "1", "right", 1, 0.0, 0.0)
    setup = setup_of(system, BrownianConfig(kind="brownian", dt=0.005).build(), one_term(right), replicas=2000)
    estimator = {
        "equilibrium": EquilibriumConfig(kind="equilibrium", relax=600, stride=200, samples=4),
        "score_function": ScoreConfig(kind="score_function", stride=800),
    }[kind].build()
    found = estimate(estimator, system, setup)
    slope = (right_fraction(tilt + h, height) - right_fraction(tilt - h, height)) / (2 * h)
    assert abs(found.mean[0] - right_fraction(tilt, height)) < 4 * found.mean_sem[0]
    assert abs(found.gradient.coefficient[0] - slope) < 4 * found.gradient_sem.coefficient[0]


def test_pathwise_gradient_of_a_step_is_zero_and_that_of_its_smoothing_is_not():
    system, dynamics = double_well(0.3, 1.0), BrownianConfig(kind="brownian", dt=0.005).build()
    estimator = PathwiseConfig(kind="pathwise", stride=100).build()
    slopes = [
        float(jnp.abs(estimate(estimator, system, setup_of(
            system, dynamics, one_term(Beyond("beyond", (), "1", "right", 1, 0.0, width)), replicas=64
        )).gradient.coefficient[0]))
        for width in (0.0, 0.1)
    ]  # fmt: skip
    assert slopes[0] == 0 and slopes[1] > 0


@pytest.mark.slow
def test_first_passage_by_the_score_function_agrees_with_finite_differences():
    """Probability to have crossed and time not yet crossed, with common random numbers at θ ± h."""
    dynamics = BrownianConfig(kind="brownian", dt=0.01).build()
    crossed = Beyond("beyond", (), "1", "right", 1, 0.0, 0.0)
    terms = [one_term(crossed, reduce=reduce, scale="log") for reduce in ("ever", "survival_time")]
    start = type(trap(1.0).init_state(jax.random.key(0)))(-jnp.ones((1, 1)))
    estimator = ScoreConfig(kind="score_function", stride=10, samples=20).build()
    for term in terms:
        system = double_well(0.0, 1.0)
        setup = setup_of(system, dynamics, term, replicas=8000, x=start)
        found, h = estimate(estimator, system, setup), 0.15
        means = []
        for shift in (-h, h):
            moved = double_well(shift, 1.0)
            means.append(estimate(estimator, moved, setup_of(moved, dynamics, term, replicas=8000, x=start)))
        slope = (means[1].loss - means[0].loss) / (2 * h)
        error = np.hypot(means[0].loss_sem, means[1].loss_sem) / (2 * h)
        gap = abs(float(found.gradient.coefficient[0] - slope))
        assert gap < 4 * np.hypot(error, found.gradient_sem.coefficient[0])


@pytest.fixture(scope="module")
def lattice():
    system = LatticeConfig(kind="lattice_condensate", species=2, shape=[2, 3], periodic=False).build(jax.random.key(0))
    theta = couplings(system)
    leaves, treedef = jax.tree.flatten(theta)
    keys = jax.random.split(jax.random.key(3), len(leaves))
    random = treedef.unflatten([0.5 * jax.random.normal(k, leaf.shape) for k, leaf in zip(keys, leaves, strict=True)])
    return with_couplings(system, random)


def lattice_setup(system, dynamics, replicas):
    observable = CompositionConfig(kind="composition").build(system, None)
    term = Term(observable, None, jnp.asarray(1.0), component=(1,))
    return setup_of(system, dynamics, term, replicas=replicas)


def test_enumeration_is_exact(lattice):
    """Against finite differences in double precision of the enumerated average."""
    dynamics = HeatBathConfig(kind="heat_bath", kT=0.8).build()
    found = estimate(Enumeration(10**6), lattice, lattice_setup(lattice, dynamics, 1))
    states = LatticeState(jnp.asarray(np.stack(np.meshgrid(*[range(3)] * 6, indexing="ij"), -1).reshape(-1, 2, 3)))
    flat, unravel = ravel_pytree(couplings(lattice))

    energies = eqx.filter_jit(lambda system: jax.vmap(system.energy)(states))

    def average(change):
        system = with_couplings(lattice, unravel(flat + change))
        energy = np.asarray(energies(system), np.float64)
        weight = np.exp(-energy / 0.8)
        first = np.asarray(jnp.mean(states.species == 1, (1, 2)), np.float64)
        return weight @ first / weight.sum()

    gradient = ravel_pytree(found.gradient)[0]
    numeric = [(average(h) - average(-h)) / 2e-2 for h in 1e-2 * np.eye(len(flat), dtype=np.float32)]
    assert found.mean[0] == pytest.approx(average(0.0), rel=1e-5)
    np.testing.assert_allclose(gradient, numeric, atol=2e-4)
    assert float(found.loss_sem) == 0


@pytest.mark.parametrize(("kind", "move"), [
    slow("score_function", "metropolis"), ("equilibrium", "heat_bath"), slow("score_function", "heat_bath"),
    slow("equilibrium", "metropolis"),
])  # fmt: skip
def test_lattice_gradients_against_enumeration(lattice, move, kind):
    """Every component of the gradient within 4 s.e. of the exact one."""
    dynamics = {"heat_bath": HeatBathConfig, "metropolis": MetropolisConfig}[move](kind=move, kT=0.8).build()
    exact = estimate(Enumeration(10**6), lattice, lattice_setup(lattice, dynamics, 1))
    estimator = {
        "score_function": ScoreConfig(kind="score_function", stride=12),
        "equilibrium": EquilibriumConfig(kind="equilibrium", relax=20, stride=2, samples=8),
    }[kind].build()
    found = estimate(estimator, lattice, lattice_setup(lattice, dynamics, 4000))
    trees = (found.gradient, found.gradient_sem, exact.gradient)
    for have, error, want in zip(*map(jax.tree.leaves, trees), strict=True):
        z = (have - want) / jnp.where(error > 0, error, 1.0)
        assert float(jnp.max(jnp.abs(z), initial=0.0)) < 4
    assert abs(found.mean[0] - exact.mean[0]) < 4 * found.mean_sem[0]


@pytest.mark.parametrize("config", [HeatBathConfig(kind="heat_bath"), MetropolisConfig(kind="metropolis")])
def test_choices_of_a_move_are_normalised(lattice, config):
    kernel, move = lattice.kernel(), config.build().moves[0]
    parts = kernel.split(LatticeState(jnp.asarray([[0, 1, 2], [2, 0, 1]])))
    for colour, old in enumerate(parts):
        environment, old = kernel.environment(parts, colour), old.astype(int)
        chances = [
            jnp.exp(move.log_choice(kernel, old, jnp.full_like(old, w), environment, 0.7)) for w in range(kernel.values)
        ]
        np.testing.assert_allclose(sum(chances), 1.0, rtol=1e-5)


@pytest.mark.parametrize(
    "config", [BrownianConfig(kind="brownian", dt=0.01, kT=0.7), LangevinConfig(kind="langevin", dt=0.05, kT=0.7)]
)
def test_probability_of_a_path_is_that_of_its_noise(config):
    """ln p = −Σ ξ²/2 exactly, with the random numbers that the step was made of."""
    system, dynamics, drive, key = double_well(0.2, 1.0), config.build(), Drive(), jax.random.key(4)
    state = dynamics.init(jax.random.key(1), system, drive, system.init_state(jax.random.key(2)))
    memory, total, expected = dynamics.path_memory(system, drive, state), 0.0, 0.0
    for _ in range(5):
        here = jax.random.fold_in(key, state.step)
        after = dynamics.step(here, system, drive, state)[0]
        change, memory = dynamics.log_probability(system, drive, state, after, memory)
        total, expected = total + change, expected - jnp.sum(normal_like(here, state.x).position ** 2) / 2
        state = after
    assert float(total) == pytest.approx(float(expected), rel=1e-3)


def jackknife(function, replicas):
    """Value and standard error of a function of all replicas, the first axis, leaving out one at a time."""
    n = len(replicas)
    left = np.array([function(np.delete(replicas, r, 0)) for r in range(n)])
    return function(replicas), np.sqrt((n - 1) * left.var())


def test_reweighting_follows_the_couplings_and_knows_when_it_cannot():
    """Samples drawn at one stiffness answer for another: exact width within 4 s.e., effective fraction as in theory."""
    system, near, far = trap(1.0), trap(1.2), trap(6.0)
    setup = setup_of(system, LangevinConfig(kind="langevin", dt=0.2).build(), one_term(SQUARE), replicas=2000)
    estimator = EquilibriumConfig(kind="equilibrium", relax=60, stride=20, samples=4, threshold=0.5).build()
    samples = estimator.prepare(jax.random.key(2), couplings(system), setup, None)
    kept = estimator.prepare(jax.random.key(2), couplings(near), setup, samples)
    assert int(kept.draws) == 1
    found = evaluate(estimator, jax.random.key(2), couplings(near), setup, kept)
    assert abs(found.mean[0] - 1 / 1.2) < 4 * found.mean_sem[0]
    assert abs(found.gradient.coefficient[1] + 2 / 1.2**2) < 4 * found.gradient_sem.coefficient[1]
    # Weights e^{−δx²/2} with x ~ N(0, 1): (Σw)²/(nΣw²) → √(1 + 2δ)/(1 + δ).
    for other, shift in ((near, 0.2), (far, 5.0)):
        theory, theta = np.sqrt(1 + 2 * shift) / (1 + shift), couplings(other)
        weights = np.exp(np.asarray(_log_weights(replicated(theta, 2000), setup, samples), float))
        measured, error = jackknife(lambda w: w.sum() ** 2 / (w.size * (w**2).sum()), weights)
        assert float(effective_fraction(theta, setup, samples)) == pytest.approx(measured, rel=1e-5)
        assert abs(measured - theory) < 4 * error and error < 0.02 * theory
    assert int(estimator.prepare(jax.random.key(2), couplings(trap(60.0)), setup, samples).draws) == 2


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["equilibrium", "score_function"])
def test_standard_error_is_the_scatter_of_independent_gradients(kind):
    """Thirty gradients with their own seeds scatter as the quoted errors say: a ratio of 1 ± 1/√58, |z| < 4.

    The wells are unequal, so neither the observable nor ∂E/∂θ has a mean of zero.
    """
    system = double_well(0.6, 0.5)
    right = Beyond("beyond", (), "1", "right", 1, 0.0, 0.0)
    dynamics = LangevinConfig(kind="langevin", dt=0.1).build()
    estimator = {
        "equilibrium": EquilibriumConfig(kind="equilibrium", relax=60, stride=20, samples=2),
        "score_function": ScoreConfig(kind="score_function", stride=60),
    }[kind].build()
    setup = setup_of(system, dynamics, one_term(right), replicas=400)
    found = [estimate(estimator, system, setup, seed) for seed in range(30)]
    slopes = np.array([float(f.gradient.coefficient[0]) for f in found])
    quoted = np.array([float(f.gradient_sem.coefficient[0]) for f in found])
    ratio = slopes.std(ddof=1) / np.sqrt(np.mean(quoted**2))
    assert abs(ratio - 1) < 4 / np.sqrt(58)


def test_closed_form_differentiates_what_depends_on_couplings():
    energy = Energy("energy", (), "kT_ref", "energy", 1)
    system = trap(3.0)
    x = type(system.init_state(jax.random.key(0)))(jnp.full((1, 1), 2.0))
    setup = setup_of(system, BrownianConfig(kind="brownian", dt=0.01).build(), one_term(energy), replicas=1, x=x)
    found = estimate(ClosedForm(), system, setup)
    np.testing.assert_allclose(found.gradient.coefficient, [2.0, 4.0], rtol=1e-6)


@pytest.mark.slow
def test_tails_tell_whether_there_is_a_variance():
    """Generalised Pareto shapes of known laws; P(|g| > y) ∝ y^{−α}. Power: s.e. 1.6 % of the shape 1/α."""
    n = 2000
    keys = jax.random.split(jax.random.key(0), 100)
    for alpha in (0.8, 1.5):
        shapes = jax.jit(jax.vmap(lambda k: 1 / tail_index(jax.random.pareto(k, alpha, (n,)))))(keys)  # noqa: B023
        m = tail_count(n)  # values, and ten more that speak for 1/2
        z = (jnp.mean(shapes) - (m / alpha + 5) / (m + 10)) / (jnp.std(shapes, ddof=1) / 10)
        assert abs(float(z)) < 4
    thin = jax.jit(jax.vmap(lambda k: reliable(tail_index(jax.random.normal(k, (n,))), n)))
    heavy = jax.jit(jax.vmap(lambda k: reliable(tail_index(jax.random.pareto(k, 0.5, (n,))), n)))
    assert np.all(thin(keys)) and not np.any(heavy(keys))
    assert float(tail_index(jnp.ones(100))) == np.inf and float(tail_index(jnp.ones(100).at[3].set(jnp.nan))) == 0
    two = jnp.concatenate([jnp.full(1900, 0.01), jnp.full(100, 1.0)]) * (1 + 0.01 * jax.random.normal(keys[0], (n,)))
    assert float(tail_index(two)) == np.inf  # two populations, no tail
    exponential = jnp.sort(jax.random.exponential(jax.random.key(1), (5000,)))
    assert abs(float(pareto_shape(exponential))) < 4 / np.sqrt(5000)


def test_growth_rate_is_that_of_an_inverted_well():
    """Along a hilltop of curvature −κ sensitivities grow as (1 + κ dt)^t."""
    times = jnp.arange(1.0, 21.0)
    assert float(growth_rate(times, jnp.exp(0.2 * times)[None])) == pytest.approx(0.2, rel=1e-5)


@pytest.mark.parametrize(("steps", "levels"), [
    (0, 1), slow(1, 1), slow(7, 1), (7, 2), slow(100, 2), (101, 3), slow(64, 3),
])  # fmt: skip
def test_checkpoints_change_neither_values_nor_gradients(steps, levels):
    body = lambda y: (jnp.sin(y) + 0.3 * y, y**2)  # noqa: E731

    def total(x, checkpoints):
        if checkpoints:
            last, seen = checkpointed(body, x, steps, levels)
        else:
            last, seen = jax.lax.scan(lambda y, _: body(y), x, length=steps)
        return last + jnp.sum(seen)

    assert float(total(0.7, True)) == pytest.approx(float(total(0.7, False)), rel=1e-6)
    assert float(jax.grad(total)(0.7, True)) == pytest.approx(float(jax.grad(total)(0.7, False)), rel=1e-5)


def test_memory_of_checkpoints_grows_as_the_root_of_the_time():
    """Temporary memory of the compiled reverse pass, per level, against that of all states."""

    def bytes_of(steps, levels):
        body = lambda y: (jnp.sin(y), None)  # noqa: E731
        grad = jax.grad(lambda x: jnp.sum(checkpointed(body, x, steps, levels)[0]))
        memory: Any = jax.jit(grad).lower(jnp.ones(1000)).compile().memory_analysis()
        return memory.temp_size_in_bytes

    assert bytes_of(4096, 1) > 4096 * 4000
    assert bytes_of(4096, 2) < 4 * 64 * 4000
    assert bytes_of(4096, 3) < 6 * 16 * 4000
    assert levels_for(4096, 4000, 4096 * 4000) == 1 and levels_for(4096, 4000, 200 * 4000) == 2
