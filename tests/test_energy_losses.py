"""Score matching, triplet and squared contrast: closed-form minima, slopes by differences, the perceptron."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

from matterlearn import stages
from matterlearn.core.drive import Drive
from matterlearn.core.point import AbstractPoint, PointState, nodes
from matterlearn.core.rule import Batch
from matterlearn.core.system import couplings, with_couplings
from matterlearn.core.task import replicated
from matterlearn.kinds import load_kind
from matterlearn.rules._energy_loss import descend
from matterlearn.rules.score_matching import score_loss
from matterlearn.rules.squared_contrast import Squares
from matterlearn.rules.triplet import Hinge
from matterlearn.systems.landscape import LandscapeState
from matterlearn.testing._examples import dot, moved, noise_like
from matterlearn.testing.systems import in_double


def made(family, kind, *key, **fields):
    return load_kind(family, kind)(kind=kind, **fields).build(*key)


def held_at(target):
    """A batch that holds these states everywhere."""
    held = jax.tree.map(lambda leaf: jnp.ones(leaf.shape, bool), target)
    count = len(jax.tree.leaves(target)[0])
    return Batch(Drive(target=target, clamped=held, strength=jax.vmap(lambda _: Drive().strength)(jnp.arange(count))),
                 target, jnp.ones(()))  # fmt: skip


def estimate(rule, system, batch, dynamics, seed=0):
    state = rule.init(jax.random.key(seed), system, dynamics, len(jax.tree.leaves(batch.x)[0]))
    return eqx.filter_jit(rule.estimate)(
        jax.random.key(seed), system, dynamics, state, batch, parameters=couplings(system)
    )


def brownian(kT=1.0):
    return made("dynamics", "brownian", dt=0.01, kT=kT)


# Score matching ---------------------------------------------------------------------------------------------------


@in_double
def test_score_matching_of_a_normal_law_is_its_moments():
    """The minimum has the sample's mean and covariance, kT included: precision = kT times the inverse covariance."""
    kT = 0.7
    model = made("systems", "exponential_family", None, dimension=2, degree=2, reach=12.0)
    data = np.random.default_rng(0).normal(size=(50, 2)) @ np.array([[1.0, 0.3], [0.0, 0.8]]) + np.array([0.5, -0.2])
    precision = kT * np.linalg.inv(np.cov(data.T, bias=True))
    (a, b), (_, c) = precision
    linear = -precision @ data.mean(0)
    best = eqx.tree_at(lambda s: s.coupling, model, jnp.asarray([linear[1], c / 2, linear[0], b, a / 2]))
    batch = held_at(PointState(jnp.asarray(data)))
    direction, *_ = estimate(made("rules", "score_matching"), best, batch, brownian(kT))
    np.testing.assert_allclose(direction.coupling, 0, atol=1e-12)
    likelihood, *_ = estimate(made("rules", "maximum_likelihood"), best, batch, brownian(kT))
    np.testing.assert_allclose(likelihood.coupling, 0, atol=1e-11)


@in_double
def test_score_matching_of_a_linear_family_solves_linear_equations():
    """direction = ⟨∇Φ·∇Φᵀ⟩ θ − kT ⟨∇²Φ⟩ at any couplings, so one linear solution is the minimum."""
    kT = 0.9
    model = made("systems", "exponential_family", None, dimension=1, degree=4, waves=1, wavenumber=1.3)
    model = eqx.tree_at(lambda s: s.coupling, model, noise_like(1, model.coupling))
    x = np.random.default_rng(1).normal(size=30)
    one, zero = np.ones(30), np.zeros(30)
    first = np.stack([one, 2 * x, 3 * x**2, 4 * x**3, -1.3 * np.sin(1.3 * x), 1.3 * np.cos(1.3 * x)])
    second = np.stack([zero, 2 * one, 6 * x, 12 * x**2, -1.69 * np.cos(1.3 * x), -1.69 * np.sin(1.3 * x)])
    matrix, vector = first @ first.T / 30, second.mean(1)
    batch, rule = held_at(PointState(jnp.asarray(x[:, None]))), made("rules", "score_matching")
    direction, *_ = estimate(rule, model, batch, brownian(kT))
    np.testing.assert_allclose(direction.coupling, matrix @ model.coupling - kT * vector, rtol=1e-12)
    best = eqx.tree_at(lambda s: s.coupling, model, jnp.asarray(kT * np.linalg.solve(matrix, vector)))
    direction, *_ = estimate(rule, best, batch, brownian(kT))
    np.testing.assert_allclose(direction.coupling, 0, atol=1e-10)


@in_double
def test_loss_is_the_distance_of_the_scores():
    """J = ½⟨|∇ ln P − ∇ ln Q|²⟩ − ½⟨|∇ ln Q|²⟩ under Q, by quadrature, with P and Q two deep energies."""
    kT = jnp.asarray(0.8)
    model = made("systems", "deep_energy", jax.random.key(0), dimension=1, width=5, confinement=1.0)
    truth = with_couplings(model, moved(couplings(model), noise_like(2, couplings(model)), 0.3))
    places = nodes(1, 9.0, 400)
    weight = jax.nn.softmax(jax.jit(jax.vmap(lambda x: -truth.energy(PointState(x)) / kT))(places))

    @eqx.filter_jit
    def score_and_loss(system):
        score = jax.vmap(jax.grad(lambda x: -system.energy(PointState(x)) / kT))(places)[:, 0]
        return score, weight @ jax.vmap(lambda x: score_loss(system, PointState(x), kT))(places) / kT**2

    (score, mine), (true_score, best) = score_and_loss(model), score_and_loss(truth)
    gap = 0.5 * weight @ (score - true_score) ** 2 - 0.5 * weight @ true_score**2
    assert abs(mine - gap) < 1e-10
    assert mine > best


class Wells(AbstractPoint):
    """ln P is that of two normal laws at ±4, their weights in the ratio exp(2 tilt)."""

    tilt: Array

    def energy(self, x, neighbors=None):
        logs = jnp.stack([side * self.tilt - (x.point[0] - 4 * side) ** 2 / 0.5 for side in (1, -1)])
        return -jax.nn.logsumexp(logs)

    def init_state(self, key):
        return PointState(jax.random.normal(key, (1,)))


@pytest.mark.slow
@in_double
def test_score_matching_is_blind_to_weights_of_distant_wells():
    """The truth has even weights; likelihood pulls the tilt back with slope tanh(1), the scores feel nothing of it."""
    kT = jnp.asarray(1.0)
    wells = lambda tilt: Wells(1, 9.0, 800, tilt)  # noqa: E731
    places = nodes(1, 9.0, 800)
    even = jax.nn.softmax(jax.jit(jax.vmap(lambda x: -wells(jnp.asarray(0.0)).energy(PointState(x))))(places))
    scores = lambda t: even @ jax.vmap(lambda x: score_loss(wells(t), PointState(x), kT))(places)  # noqa: E731
    energies = lambda t: even @ jax.vmap(lambda x: wells(t).energy(PointState(x)))(places)  # noqa: E731
    tilt = jnp.asarray(1.0)
    log_partition: Any = lambda t: wells(t).log_partition(kT)  # noqa: E731
    slope = jax.grad(lambda t: energies(t) + log_partition(t))(tilt)
    assert abs(slope - np.tanh(1)) < 1e-9
    assert abs(jax.grad(scores)(tilt)) < 1e-6 * slope


@in_double
def test_score_of_what_is_seen_when_latent_variables_are_summed_out():
    """y is normal with precision Λ/kT, Λ = 2(I + (2/κ)WWᵀ)⁻¹: the loss is ½|Λy|² − kT tr Λ."""
    kT = 0.6
    model = made("systems", "linear_decoder", jax.random.key(3), visible=3, hidden=2, disorder=1.0, prior=1.4)
    W = np.asarray(model.coupling)
    stiff = 2 * np.linalg.inv(np.eye(3) + 2 / 1.4 * W @ W.T)
    x = model.init_state(jax.random.key(4))
    expected = 0.5 * np.sum((stiff @ np.asarray(x.visible)) ** 2) - kT * np.trace(stiff)
    assert abs(eqx.filter_jit(score_loss)(model, x, jnp.asarray(kT)) - expected) < 1e-12


@in_double
def test_slope_of_score_matching():
    """Of a deep energy in three dimensions, against differences of the loss."""
    model = made("systems", "deep_energy", jax.random.key(0), dimension=3, width=4, depth=1)
    theta, rule = couplings(model), made("rules", "score_matching")
    batch = held_at(PointState(jax.random.normal(jax.random.key(1), (5, 3))))
    loss = lambda t: estimate(rule, with_couplings(model, t), batch, brownian())[2].numbers["loss"]  # noqa: E731
    tilt = noise_like(5, theta)
    measured = (loss(moved(theta, tilt, 1e-5)) - loss(moved(theta, tilt, -1e-5))) / 2e-5
    assert abs(dot(estimate(rule, model, batch, brownian())[0], tilt) - measured) < 1e-7


# Losses of two energies -------------------------------------------------------------------------------------------

SHOWN, FREE = np.array([0.1, 1.0, 2.0, 0.5]), np.array([2.0, 0.5, 2.2, 0.2])


def ends(x):
    """Replicas of one coordinate at these places, left alone."""
    batch = held_at(LandscapeState(jnp.asarray(x)[:, None, None]))
    state = jax.jit(jax.vmap(lambda drive, y: brownian().init(jax.random.key(0), None, drive, y)))(batch.drive, batch.x)
    return batch.drive, state


def well(stiffness=1.5):
    return made("systems", "landscape", None, coefficients=[0.0, stiffness / 2])


@in_double
def test_hinge_pushes_only_inside_the_margin():
    """E = c x²: c(x⁺² − x⁻²) + m is positive in three replicas of four, and only they count."""
    loss, system = Hinge(jnp.asarray(0.7)), well()
    gaps = 0.7 + 0.75 * (SHOWN**2 - FREE**2)
    assert (gaps > 0).tolist() == [False, True, True, True]
    numbers, slope = descend(system, brownian(), loss, ends(SHOWN), ends(FREE))
    assert abs(numbers["loss"] - np.maximum(gaps, 0).mean()) < 1e-14
    assert abs(slope.coefficient[1] - ((SHOWN**2 - FREE**2) * (gaps > 0)).mean()) < 1e-14
    value = lambda c: float(descend(well(c), brownian(), loss, ends(SHOWN), ends(FREE))[0]["loss"])  # noqa: E731
    assert abs((value(1.5 + 1e-6) - value(1.5 - 1e-6)) / 1e-6 - slope.coefficient[1]) < 1e-8  # c is half the stiffness
    far = ends(np.full(4, 3.0))
    assert descend(system, brownian(), loss, ends(SHOWN), far)[1].coefficient.tolist() == [0.0, 0.0]


@in_double
def test_squares_fix_the_zero_of_energy():
    """Slope ⟨∂E⁺ (1 + 2αE⁺) − ∂E⁻ (1 − 2αE⁻)⟩; over free energies the minimum is a gap of 1/α around 0."""
    loss, alpha = Squares(jnp.asarray(0.2)), 0.2
    _, slope = descend(well(), brownian(), loss, ends(SHOWN), ends(FREE))
    plus, minus = 0.75 * SHOWN**2, 0.75 * FREE**2
    expected = SHOWN**2 * (1 + 2 * alpha * plus) - FREE**2 * (1 - 2 * alpha * minus)
    assert abs(slope.coefficient[1] - expected.mean()) < 1e-13
    at_best = jax.grad(lambda pair: loss(*pair))((jnp.asarray(-0.5 / alpha), jnp.asarray(0.5 / alpha)))
    np.testing.assert_allclose(at_best, 0, atol=1e-14)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "fields"), [("squared_contrast", {"weight": 0.0}), ("triplet", {"margin": 1e6})])
@in_double
def test_without_bounds_both_are_contrastive_divergence(kind, fields):
    """The same chains, so the same numbers as rule wake_sleep with one sample."""
    system = well()
    batch = held_at(LandscapeState(jnp.asarray(SHOWN)[:, None, None]))
    plain, *_ = estimate(made("rules", "wake_sleep", samples=1, relax=7, chains="clamped"), system, batch, brownian())
    bounded, *_ = estimate(made("rules", kind, relax=7, chains="clamped", **fields), system, batch, brownian())
    np.testing.assert_allclose(bounded.coefficient, plain.coefficient, rtol=1e-12)


# The perceptron ---------------------------------------------------------------------------------------------------


def answers(margin, coupling, shown):
    """One output unit with three inputs: the rule's slope for each shown row (inputs, wanted output), near kT = 0."""
    star = {"kind": "edges", "nodes": 4, "edges": [[0, 3], [1, 3], [2, 3]]}
    machine = made("systems", "boltzmann_machine", jax.random.key(0), graph=star, learn=["coupling"])
    machine = eqx.tree_at(lambda s: s.coupling, machine, jnp.asarray(coupling))
    target, held = jax.vmap(machine.show)(jnp.asarray((np.asarray(shown) + 1) / 2))
    inputs = jax.tree.map(lambda leaf: leaf & (jnp.arange(4) < 3), held)
    strength = jax.vmap(lambda _: Drive().strength)(jnp.arange(len(shown)))
    batch = Batch(Drive(target=target, clamped=held, strength=strength), target, jnp.ones(()),
                  free=Drive(target=target, clamped=inputs, strength=strength))  # fmt: skip
    cold = made("dynamics", "heat_bath", kT=1e-3)
    rule = made("rules", "triplet", margin=margin, relax=3, chains="clamped")
    return machine, estimate(rule, machine, batch, cold)[0].coupling


def test_with_a_cold_free_phase_it_is_the_perceptron():
    """∂E/∂J_i = x_i y: the slope is x(y − ŷ) where the answer ŷ = −sign(J·x) is wrong, else nothing."""
    coupling = [-0.5, 0.3, -0.9]  # E = Σ J_i x_i y, so the machine answers −sign(J·x)
    inputs = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, 1]])
    given = -np.sign(inputs @ coupling)
    for wanted in (given, -given, given * [1, -1, 1]):
        shown = np.column_stack([inputs, wanted])
        _, slope = answers(0.0, coupling, shown)
        expected = (inputs * (wanted - given)[:, None]).mean(0)
        np.testing.assert_allclose(slope, expected, atol=1e-6)


@pytest.mark.slow
def test_the_perceptron_learns_what_is_separable():
    """Majority of three, all eight rows: couplings of one sign and no error after few updates."""
    inputs = np.array(np.meshgrid(*[[-1, 1]] * 3)).reshape(3, -1).T
    shown = np.column_stack([inputs, np.sign(inputs.sum(1))])
    coupling = np.array([0.93, -0.21, 0.44])  # no row is ever a tie
    for _ in range(30):
        _, slope = answers(0.0, coupling, shown)
        if not np.abs(slope).max():
            break
        coupling = coupling - np.asarray(slope)
    assert (-np.sign(inputs @ coupling) == shown[:, 3]).all()


@pytest.mark.slow
def test_particles_learn_with_lists_as_with_all_pairs():
    """Energies of both ends are taken with the lists that the phases left."""
    system = made("systems", "particles", jax.random.key(0), species=1, copies=120, bond=-1.0)
    dynamics = made("dynamics", "brownian", dt=1e-4)
    rule = made("rules", "triplet", margin=1e4, relax=10)
    x = jax.vmap(system.init_state)(jax.random.split(jax.random.key(2), 2))
    trap = Drive(jax.tree.map(jnp.zeros_like, x), jax.tree.map(lambda a: jnp.full(a.shape, 10.0), x))
    drive = eqx.tree_at(lambda d: d.strength, trap, jax.vmap(lambda _: Drive().strength)(jnp.arange(2)))
    lists = stages.allocate(replicated(system, 2), x, 3000)
    assert lists is not None
    (listed, _, info), (plain, *_) = (
        estimate(rule, system, Batch(drive, x, jnp.ones(()), near), dynamics) for near in (lists, None)
    )
    assert not stages.overflowed(info.neighbors)
    np.testing.assert_allclose(listed.coupling, plain.coupling, rtol=1e-4)
