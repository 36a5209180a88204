"""Response of an energy minimum: closed forms, finite differences, directions that are free, and what is refused."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import brentq

from matterlearn.core.drive import Drive
from matterlearn.core.dynamics import DynState
from matterlearn.core.observable import Observable
from matterlearn.core.system import couplings
from matterlearn.core.task import replicated
from matterlearn.design._estimator import Setup, evaluate
from matterlearn.design._objective import Objective, Term
from matterlearn.design.implicit import Config as ImplicitConfig
from matterlearn.dynamics.fire import Config as FireConfig
from matterlearn.errors import InputError, ScenarioError
from matterlearn.observables.moment import Moment
from matterlearn.run import simulate
from matterlearn.scenario import load
from matterlearn.systems.landscape import Config as LandscapeConfig
from matterlearn.systems.landscape import LandscapeState
from matterlearn.systems.pair_potential import Config as PairConfig
from matterlearn.tasks.relaxation import Config as RelaxationConfig

pytestmark = pytest.mark.usefixtures("undrawn")

PLACE = Moment("moment", (), "1", "mean of x", 1, 1)


class Separation(Observable):
    """Distance of two particles."""

    def __call__(self, system, drive, state):
        return jnp.linalg.norm(state.x.position[1] - state.x.position[0])


class Centre(Observable):
    """Mean position."""

    def __call__(self, system, drive, state):
        return jnp.mean(state.x.position, 0)


class Second(Observable):
    """Place of the second particle along the pair as it lies."""

    def __call__(self, system, drive, state):
        along = state.x.position[1] - state.x.position[0]
        return state.x.position[1] @ jax.lax.stop_gradient(along / jnp.linalg.norm(along))


def respond(system, x, observable, *, drive=None, steps=2000):
    """Value and gradient at the minimum near x."""
    recall = RelaxationConfig(kind="relaxation").build(system).recall(jax.random.key(1), system, 1)
    drive = Drive() if drive is None else drive
    recall = recall._replace(x=replicated(x, 1), drive=replicated(drive, 1))
    term = Term(observable, None, jnp.asarray(1.0))
    objective = Objective.of((term,), system, drive, DynState(x, jnp.zeros((), jnp.int32)))
    setup = Setup.of(system, FireConfig(kind="fire").build(), objective, recall)
    estimator = ImplicitConfig(kind="implicit", steps=steps).build()
    return evaluate(estimator, jax.random.key(2), couplings(system), setup)


def well(coefficients):
    return LandscapeConfig(kind="landscape", coefficients=list(coefficients)).build(jax.random.key(0))


def bottom(coefficients, near):
    """The stationary point of Σ c_n xⁿ nearest to a place, from the roots of its derivative."""
    slope = np.polynomial.Polynomial([0.0, *coefficients]).deriv()
    return min(slope.roots().real, key=lambda x: abs(x - near))


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_minimum_of_a_tilted_double_well(x64, side):
    """dx*/dc_n = −n x*ⁿ⁻¹/V''(x*), and the same from moved roots."""
    c = np.array([0.3, -2.0, 0.1, 1.0])
    found = respond(well(c), LandscapeState(jnp.full((1, 1), 1.3 * side)), PLACE)
    x = bottom(c, side)
    assert float(found.mean[0]) == pytest.approx(x, abs=1e-10)
    power = np.arange(1, 5)
    curvature = np.sum(c * power * (power - 1) * x ** (power - 2.0))
    closed = -power * x ** (power - 1.0) / curvature
    np.testing.assert_allclose(found.gradient.coefficient, closed, rtol=1e-8)
    h = 1e-5
    moved = [(bottom(c + h * e, side) - bottom(c - h * e, side)) / (2 * h) for e in np.eye(4)]
    np.testing.assert_allclose(found.gradient.coefficient, moved, rtol=1e-8)


def test_response_is_that_of_where_the_minimiser_stops(x64):
    """In a parabola the last Newton step is exact, so the value is −c₁/2c₂ after any number of steps; the response is
    −x/c₂ at the place x where fire stopped, and right only once it has arrived.
    """
    c = np.array([0.4, 0.7])
    start = LandscapeState(jnp.full((1, 1), 5.0))
    early, late = (respond(well(c), start, PLACE, steps=steps) for steps in (1, 4000))
    for found in (early, late):
        assert float(found.mean[0]) == pytest.approx(-c[0] / (2 * c[1]), rel=1e-9)
        assert float(found.gradient.coefficient[0]) == pytest.approx(-1 / (2 * c[1]), rel=1e-9)
    assert float(early.gradient.coefficient[1]) == pytest.approx(-5.0 / c[1], rel=1e-3)
    assert float(late.gradient.coefficient[1]) == pytest.approx(c[0] / (2 * c[1] ** 2), rel=1e-6)


@pytest.fixture
def pair(x64):
    """Two particles in free space whose potential has its minimum at a distance of about 1.5."""
    values = [2.0, 0.0, -2.0, -1.0, 0.0]
    return PairConfig(kind="pair_potential", particles=2, splines=5, start=0.8, cutoff=2.2, values=values).build(None)


def test_distance_of_two_particles(pair):
    """dr*/dc_k = −∂V'(r*)/∂c_k / V''(r*): two translations and one rotation are free."""

    @jax.jit
    def slope(coefficients, r):
        return jax.grad(eqx.tree_at(lambda s: s.coefficients, pair, coefficients).potential)(r)

    def rest(c) -> float:
        return float(brentq(lambda r: float(slope(c, r)), 1.4, 1.6, xtol=1e-14))  # pyright: ignore[reportArgumentType]

    r = rest(pair.coefficients)
    x = pair.arrange(jnp.array([[0.1, 0.2], [0.9, 1.1]]))
    found = respond(pair, x, Separation("distance", (), "σ", "distance", 1))
    assert float(found.mean[0]) == pytest.approx(r, abs=1e-9)
    by_coefficients, curvature = jax.jit(jax.grad(slope, (0, 1)))(pair.coefficients, r)
    closed = -by_coefficients / curvature
    assert float(curvature) > 0 and float(jnp.abs(closed).max()) > 0.01
    np.testing.assert_allclose(found.gradient.coefficients, closed, rtol=1e-6, atol=1e-9)
    h = 1e-4
    moved = [(rest(pair.coefficients + h * e) - rest(pair.coefficients - h * e)) / (2 * h) for e in np.eye(5)]
    np.testing.assert_allclose(found.gradient.coefficients, moved, rtol=1e-5, atol=1e-7)


@pytest.mark.slow
def test_free_directions_do_not_respond(pair):
    """Nothing holds the centre of two free particles and no coupling moves it; that of one with the distance, half."""
    x = pair.arrange(jnp.array([[0.1, 0.2], [0.9, 1.1]]))
    found = {o: respond(pair, x, o(o.__name__, (), "σ", "place", 1)) for o in (Centre, Separation, Second)}
    assert all(bool(f.trusted) for f in found.values())
    np.testing.assert_allclose(found[Centre].gradient.coefficients, 0.0, atol=1e-9)
    half = found[Separation].gradient.coefficients / 2
    np.testing.assert_allclose(found[Second].gradient.coefficients, half, rtol=1e-6, atol=1e-9)


@pytest.mark.slow
def test_a_held_particle_stays_and_the_other_answers(pair):
    x = pair.arrange(jnp.array([[0.0, 0.0], [1.3, 0.0]]))
    held = Drive(clamped=pair.arrange(jnp.array([[True, True], [False, True]])), target=x)
    free, bound = (respond(pair, x, Separation("distance", (), "σ", "d", 1), drive=drive) for drive in (None, held))
    np.testing.assert_allclose(bound.gradient.coefficients, free.gradient.coefficients, rtol=1e-6, atol=1e-9)


DESIGN = {
    "title": "the bottom of a well",
    "system": {"kind": "landscape", "coefficients": [0.3, -2.0, 0.0, 1.0]},
    "dynamics": {"kind": "fire"},
    "design": {
        "estimator": {"kind": "implicit", "steps": 2000},
        "objective": [{"observable": {"kind": "moment", "power": 1}, "target": 0.7}],
        "optimizer": {"kind": "adam", "learning_rate": 0.1, "final_rate": 0.01},
        "updates": 40, "replicas": 1, "reseed": 0,
    },
    "run": {"steps": 300, "seed": 2},
}  # fmt: skip


@pytest.mark.slow
def test_a_design_moves_the_minimum_to_its_target(tmp_path):
    """What is recorded is the minimum of the recorded landscape, and one replica, without a standard error, will do."""
    node = simulate(DESIGN, out=tmp_path / "run").tree["design"]
    c = node["couplings"].values[-1]
    last = float(node["moment_designed"][-1, 0])
    assert last == pytest.approx(bottom(c, last), abs=1e-4)
    assert float(node["loss"][-1]) < 1e-2 * float(node["loss"][0])


def test_other_dynamics_are_refused():
    with pytest.raises(ScenarioError, match="is the response of an energy minimum: use dynamics fire"):
        load(DESIGN | {"dynamics": {"kind": "brownian", "dt": 1e-3}})


def test_what_does_not_respond_is_told(tmp_path):
    """A step function of the minimum has no derivative there."""
    objective = [{"observable": {"kind": "beyond"}, "goal": "maximise"}]
    with pytest.raises(InputError, match="nothing of it responds"):
        simulate(DESIGN | {"design": DESIGN["design"] | {"objective": objective}}, out=tmp_path / "step")
