"""Chemical reactions and regulated expression: transition laws, closed forms, detailed balance, results, complaints."""

import math
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.linalg import expm, solve_continuous_lyapunov

from covering import slow
from matterlearn import testing
from matterlearn.core.drive import Drive
from matterlearn.core.dynamics import advance
from matterlearn.core.reactions import AbstractReactionSystem, Numbers, poisson_energy, propensities
from matterlearn.dynamics import chemical_langevin, gillespie
from matterlearn.systems import regulated_expression
from matterlearn.theory import buffering
from matterlearn.theory.buffering import Controller

SMALL = {"kind": "regulated_expression", "volume": 8.0, "mrna": 20.0, "mrna_decay": 2.0, "saturation": 3.0,
         "exchange": 6.0, "proportional": 4.0, "integral": 8.0, "sensing": 5.0, "level": 15.0}  # fmt: skip


def expression(**changes):
    return regulated_expression.Config(**(SMALL | changes)).build(None)


def exact(dt):
    return gillespie.Config(kind="gillespie", dt=dt).build()


def chains(dynamics, system, x, steps, seed=0):
    """Numbers of one chain per row of x after some steps."""

    @eqx.filter_jit
    def run(system, keys, x):
        one = lambda key, x: advance(key, system, dynamics, Drive(), dynamics.init(key, system, Drive(), x), steps).x  # noqa: E731
        return jax.vmap(one)(keys, x).number

    return np.asarray(run(system, jax.random.split(jax.random.key(seed), len(x.number)), x))


def copies_of(*number, count):
    return Numbers(jnp.broadcast_to(jnp.asarray(number, float), (count, len(number))))


def squared_deviation(counts, probability):
    """z of χ² over states that are expected often enough."""
    expected = counts.sum() * probability
    enough = expected > 10
    square = np.sum((counts[enough] - expected[enough]) ** 2 / expected[enough])
    return stats.norm.isf(stats.chi2.sf(square, np.sum(1 - probability[enough])))


class Network(AbstractReactionSystem):
    """What the small networks of these tests share: no energy of interest."""

    def energy(self, x, neighbors=None):
        return jnp.zeros(())

    def init_state(self, key):
        return Numbers(jnp.zeros(len(self.molecules)))


class Dimers(Network):
    """2 A ⇌ B, at rates n(n − 1)/2 and 0.7 b: not linear."""

    molecules: ClassVar = ("A", "B")
    changes: ClassVar = np.array([[-2, 1], [2, -1]])

    def rates(self, x):
        a, b = x.number
        return jnp.stack([0.5 * a * (a - 1), 0.7 * b])


class Queue(Network):
    """Arrivals at rate 1, departures at rate 1.6 whatever their number: only what is there can leave."""

    molecules: ClassVar = ("A",)
    changes: ClassVar = np.array([[1], [-1]])

    def rates(self, x):
        return jnp.asarray([1.0, 1.6]) + 0 * x.number


def test_gillespie_has_the_transition_law_of_the_master_equation():
    """Seven A after 0.3 time units in three steps, against the exponential of the generator; χ², |z| < 4.

    20,000 chains find a probability of a half that is wrong by 0.015.
    """
    a = np.array([7, 5, 3, 1])
    b = (7 - a) // 2
    up, down = 0.5 * a * (a - 1), 0.7 * b
    generator = np.diag(up[:-1], 1) + np.diag(down[1:], -1)
    generator -= np.diag(generator.sum(1))
    law = expm(0.3 * generator)[0]
    number = chains(exact(0.1), Dimers(), copies_of(7, 0, count=20_000), 3)
    assert np.all(number @ [1, 2] == 7)
    counts = np.bincount(number[:, 1].astype(int), minlength=4)
    assert abs(squared_deviation(counts, law)) < 4
    assert squared_deviation(counts, expm(0.33 * generator)[0]) > 4


def test_what_is_not_there_does_not_leave():
    """A queue is geometric, P(n) = (1 − ρ) ρⁿ with ρ = 1/1.6; χ² with 20,000 chains, |z| < 4."""
    number = chains(exact(20.0), Queue(), copies_of(0, count=20_000), 4)[:, 0]
    assert number.min() >= 0 and np.all(number == np.round(number))
    rho = 1 / 1.6
    law = (1 - rho) * rho ** np.arange(60)
    assert abs(squared_deviation(np.bincount(number.astype(int), minlength=60), law)) < 4


def test_nothing_happens_where_nothing_can():
    number = chains(exact(1.0), Dimers(), copies_of(1, 0, count=3), 2)
    np.testing.assert_array_equal(number, [[1, 0]] * 3)


def test_poisson_energy_at_every_size():
    """Against scipy from 0 to 10⁶ molecules, and smooth where its two forms meet."""
    number, mean = np.array([0, 1, 5, 15, 16, 17, 300, 10**6]), np.array([3.0, 0.2, 5.0, 12.0, 16.0, 40.0, 250.0, 1e6])
    with jax.enable_x64(True):
        found = poisson_energy(jnp.asarray(number, float), jnp.asarray(mean))
        np.testing.assert_allclose(found, -stats.poisson.logpmf(number, mean), rtol=1e-10, atol=1e-9)
        slopes = [float(jax.grad(poisson_energy)(jnp.asarray(n), jnp.asarray(9.0))) for n in (16 - 1e-9, 16 + 1e-9)]
        assert slopes[0] == pytest.approx(slopes[1], abs=1e-6)
    single = poisson_energy(jnp.asarray(1.001e6), jnp.asarray(1e6))
    assert float(single) == pytest.approx(-stats.poisson.logpmf(1_001_000, 1e6), abs=0.2)


def test_exchange_and_mrna_obey_detailed_balance_with_the_energy():
    system = expression(regulation="droplets")
    with jax.enable_x64(True):
        system = jax.tree.map(lambda leaf: leaf.astype(float) if eqx.is_inexact_array(leaf) else leaf, system)
        changes = system.changes
        for there, back in ((0, 1), (5, 6)):
            np.testing.assert_array_equal(changes[there], -changes[back])
            for start in ([3.0, 20.0, 4.0, 0.0], [7.0, 31.0, 1.0, 5.0]):
                x = Numbers(jnp.asarray(start))
                y = Numbers(x.number + changes[there])
                forward = propensities(system, x)[there] * jnp.exp(-system.energy(x))
                backward = propensities(system, y)[back] * jnp.exp(-system.energy(y))
                assert float(forward) == pytest.approx(float(backward), rel=1e-9)


@pytest.mark.parametrize("regulation", ["none", "droplets", "pi"])
@pytest.mark.parametrize("level", [1.5, 15.0])
def test_steady_state_is_steady(regulation, level):
    """S^T w = 0; below saturation droplets are gone and the controller's counter is empty, so nothing holds either."""
    system = expression(regulation=regulation, level=level)
    number = system.steady_state()
    drift = np.asarray(propensities(system, Numbers(number)) @ system.changes)
    above = level > 3.0
    assert np.abs(drift).max() < 1e-3 or not above
    assert (number[2] > 0) == (above and regulation == "droplets")
    assert (number[3] > 0) == (above and regulation == "pi")


@pytest.mark.parametrize("regulation", ["none", "droplets", "pi"])
def test_closed_forms_are_the_linear_noise_of_the_reactions(regulation):
    """The rates are linear where nothing runs out, so the Lyapunov equation of the system's own table is exact."""
    used = {"none": [0, 1], "droplets": [0, 1, 2], "pi": [0, 1, 3]}[regulation]
    system = expression(regulation=regulation)
    with jax.enable_x64(True):
        system = jax.tree.map(lambda leaf: leaf.astype(float) if eqx.is_inexact_array(leaf) else leaf, system)
        x = system.steady_state()
        rates = np.asarray(system.rates(Numbers(x)))
        slopes = np.asarray(jax.jit(jax.jacfwd(lambda n: system.rates(Numbers(n))))(x))
    changes = system.changes[:, used]
    noise_strength = (changes.T * rates) @ changes
    covariance = solve_continuous_lyapunov(changes.T @ slopes[:, used], -noise_strength)
    found = system.exact()
    assert found.dilute.mean == pytest.approx(float(x[1]) / system.volume, rel=1e-6)
    assert found.dilute.variance == pytest.approx(covariance[1, 1] / system.volume**2, rel=1e-6)
    protein = np.isin(used, [1, 2]).astype(float)
    assert found.total.variance == pytest.approx(protein @ covariance @ protein / system.volume**2, rel=1e-6)
    if regulation == "droplets":
        law = buffering.dilute_concentration(15.0, 3.0, 6.0)
        assert found.dilute.mean == pytest.approx(law, rel=1e-6)


@pytest.mark.parametrize(("proportional", "integral", "drift"), [(1.5, 2.0, 0.7), (20.0, 0.3, 0.01), (0.0, 9.0, 5.0)])
def test_what_the_integral_corrects(proportional, integral, drift):
    """k_i y from the Lyapunov equation of (x, y, disturbance); slow disturbances are corrected in full."""
    controller = Controller(1.0, proportional, integral, drift, 4.0, 3.0)
    relaxation = np.array([[-1.0 - proportional, -integral, 1.0], [1.0, 0.0, 0.0], [0.0, 0.0, -drift]])
    covariance = solve_continuous_lyapunov(relaxation, -np.diag([2 * 3.0, 0.0, 2 * drift * 4.0**2]))
    assert buffering.correction_variance(controller) == pytest.approx(integral**2 * covariance[1, 1], rel=1e-10)
    slow = buffering.correction_variance(controller._replace(drift=1e-9, intrinsic=0.0))
    assert slow == pytest.approx(16.0, rel=1e-6)


@pytest.mark.parametrize("level", [3.5, 4.0])
@pytest.mark.parametrize("regulation", ["droplets", "pi"])
def test_no_closed_form_where_regulation_runs_out(regulation, level):
    found = expression(regulation=regulation, level=level).exact()
    assert math.isnan(found.dilute.mean) and math.isnan(found.dilute.variance)
    assert math.isnan(found.total.mean) == (regulation == "pi")


CELLS = 2000


def moments_agree(values, expected):
    """Mean and variance of independent values against exact ones, |z| < 4."""
    square = (values - values.mean()) ** 2
    assert abs(values.mean() - expected.mean) < 4 * np.sqrt(expected.variance / len(values))
    assert abs(square.mean() - expected.variance) < 4 * square.std() / np.sqrt(len(values))


@pytest.mark.slow
@pytest.mark.parametrize("regulation", [slow("none"), slow("droplets"), "pi"])
def test_simulated_cells_have_the_exact_moments(regulation):
    """Gillespie, 2000 cells for eight lifetimes.

    Power: variances have a standard error of 4 %, the mRNA contributes more than that to each, and regulation changes
    the dilute variance by more than a factor of two.
    """
    system = expression(regulation=regulation)
    start = jax.jit(jax.vmap(system.init_state))(jax.random.split(jax.random.key(1), CELLS))
    number = chains(exact(1.0), system, start, 8)
    found = jax.jit(jax.vmap(system.concentrations))(Numbers(jnp.asarray(number)))
    total, dilute, condensed = np.asarray(found, float).T
    np.testing.assert_allclose(total, dilute + condensed, rtol=1e-6)
    known = system.exact()
    moments_agree(total, known.total)
    moments_agree(dilute, known.dilute)
    if regulation != "none":
        assert known.dilute.variance < 0.5 * expression(regulation="none").exact().dilute.variance


@pytest.mark.slow
@pytest.mark.parametrize("regulation", ["none", "droplets"])
def test_langevin_cells_of_realistic_size(regulation):
    """10⁵ molecules per cell; the step of 0.005 at a rate of 7 makes variances 1.8 % too large, half an error bar."""
    system = expression(regulation=regulation, volume=1e4)
    start = jax.jit(jax.vmap(system.init_state))(jax.random.split(jax.random.key(2), 2000))
    dynamics = chemical_langevin.Config(kind="chemical_langevin", dt=0.005).build()
    number = chains(dynamics, system, start, 1600)
    known = system.exact()
    moments_agree(number[:, 1] / 1e4, known.dilute)
    moments_agree((number[:, 1] + number[:, 2]) / 1e4, known.total)


@pytest.mark.slow
def test_langevin_makes_no_molecules_where_droplets_are_used_up():
    """Below saturation a step's worth of return from droplets exceeds what they hold; the total must not grow."""
    system = expression(regulation="droplets", level=1.0, volume=1e4)
    start = jax.jit(jax.vmap(system.init_state))(jax.random.split(jax.random.key(3), 400))
    dynamics = chemical_langevin.Config(kind="chemical_langevin", dt=0.01).build()
    number = chains(dynamics, system, start, 600)
    known = system.exact().total
    total = (number[:, 1] + number[:, 2]) / 1e4
    assert abs(total.mean() - known.mean) < 4 * np.sqrt(known.variance / 400)
    assert number.min() >= 0
    assert number[:, 2].mean() < 1.1 * 0.06 * number[:, 1].mean()  # what one step, 6 · 0.01, moves


def test_reactions_refuse_other_matter_and_forces():
    dynamics, well = exact(0.1), testing.well()
    x = well.init_state(jax.random.key(0))
    with pytest.raises(TypeError, match="need a system with reactions, not Well"):
        advance(jax.random.key(0), well, dynamics, Drive(), dynamics.init(jax.random.key(0), well, Drive(), x), 1)
    vessel = testing.vessel()
    x = vessel.init_state(jax.random.key(0))
    drive = testing.trap(x, 1.0)
    with pytest.raises(ValueError, match="clamp them instead"):
        advance(jax.random.key(0), vessel, dynamics, drive, dynamics.init(jax.random.key(0), vessel, drive, x), 1)


@pytest.mark.slow
def test_a_wrong_noise_is_found():
    """The battery has teeth: noise that is a tenth too strong fails."""

    class Loud(chemical_langevin.ChemicalLangevin):
        def step(self, key, system, drive, state):
            after, info = super().step(key, system, drive, state)
            kick = 0.03 * jax.random.normal(key, state.x.number.shape) * jnp.sqrt(state.x.number)
            return after._replace(x=Numbers(jnp.maximum(after.x.number + kick, 0))), info

    class LoudConfig(chemical_langevin.Config):
        def build(self):
            return Loud(super().build().dt)

    law = {check.__name__: check for check in testing.REACTION_DYNAMICS_CHECKS}["follows_the_poisson_law"]
    with pytest.raises(AssertionError, match="variance"):
        law(LoudConfig(kind="chemical_langevin", dt=0.01))
