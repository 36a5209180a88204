"""Gradient flow of quadratic energies against matrix functions; its schemes differ in r(z) alone."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from matterlearn.core.drive import Drive, log_loss
from matterlearn.core.dynamics import advance
from matterlearn.core.graphs import Graph
from matterlearn.core.schedule import schedule
from matterlearn.core.spectra import MOST_DENSE, laplacian, largest_eigenvalue, spectrum
from matterlearn.dynamics._gradient_steps import eigenvalue_bound
from matterlearn.dynamics.gradient_flow import Config
from matterlearn.errors import InputError, ScenarioError
from matterlearn.scenario import load
from matterlearn.systems import flow_network, free_field
from matterlearn.systems.flow_network import FlowState

KARATE = Graph(kind="named", name="karate_club")
HEAT = laplacian(KARATE.build()).toarray()
HOT = np.eye(34)[0]
BOUND = 0.1102736685
SCHEMES = {
    "explicit": ({}, lambda z: 1 - z),
    "implicit": ({"tolerance": 1e-14}, lambda z: 1 / (1 + z)),
    "exact": ({}, lambda z: np.exp(-z)),
    "chebyshev": ({"accuracy": 1e-14}, lambda z: np.exp(-z)),
}


pytestmark = pytest.mark.usefixtures("x64")


def karate(**options):
    return flow_network.Config(kind="flow_network", graph=KARATE, **options).build(jax.random.key(0))


def flow(scheme, dt):
    return gradient_flow(dt, scheme=scheme, **SCHEMES[scheme][0])


def gradient_flow(dt, **step):
    return Config.model_validate({"kind": "gradient_flow", "dt": dt, "step": step}).build()


@eqx.filter_jit
def run(dynamics, system, drive, x, steps):
    return advance(jax.random.key(0), system, dynamics, drive, dynamics.init(None, system, drive, x), steps).x


def heated(dynamics, steps, system=None, drive=Drive(), start=HOT):  # noqa: B008
    system = karate() if system is None else system
    return np.asarray(run(dynamics, system, drive, FlowState(jnp.asarray(start)), jnp.asarray(steps)).potential)


def function_of(matrix, function):
    values, modes = np.linalg.eigh(matrix)
    return (modes * function(values)) @ modes.T


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("dt", [0.05, 3.0])
def test_a_step_is_its_function_of_the_laplacian(scheme, dt):
    truth = function_of(HEAT, lambda values: SCHEMES[scheme][1](dt * values) ** 3) @ HOT
    assert np.allclose(heated(flow(scheme, dt), 3), truth, rtol=0, atol=2e-12 * max(1, np.abs(truth).max()))


def test_exact_steps_are_the_heat_kernel_and_conserve_heat():
    kernel = scipy.linalg.expm(-HEAT)
    ends = np.stack([heated(flow("exact", 0.25), 4, start=start) for start in np.eye(34)[[0, 33]]])
    assert np.allclose(ends, kernel[[0, 33]], rtol=0, atol=1e-12)
    assert np.allclose((ends[0, 0], ends[1, 33]), (0.0414423302, 0.0403724797), rtol=0, atol=6e-11)
    assert np.allclose(ends.sum(1), 1, rtol=0, atol=1e-12)


@pytest.mark.parametrize("factor, left", [(0.999, 3.5e-3), (1.0, 0.1937), (1.001, 10.5)])
def test_explicit_steps_at_the_edge_of_stability(factor, left):
    end = heated(flow("explicit", factor * BOUND), 2000)
    assert np.isclose(np.linalg.norm(end - end.mean()), left, rtol=0.015)


def test_explicit_steps_beyond_it_explode():
    assert 81.5 < np.log10(np.linalg.norm(heated(flow("explicit", 1.05 * BOUND), 2000))) < 82.5


@pytest.mark.parametrize("accuracy", [1e-3, 1e-6, 1e-9])
def test_a_series_is_as_accurate_as_was_asked(accuracy):
    error = np.abs(
        heated(gradient_flow(1.0, scheme="chebyshev", accuracy=accuracy), 1) - scipy.linalg.expm(-HEAT) @ HOT
    ).max()
    assert 1e-4 * accuracy < error < 20 * accuracy  # 18 = h λ_max multiplies r, and the first term left out is c_k


@pytest.mark.parametrize("scheme, order", [("explicit", 1), ("implicit", 1)])
def test_order_of_accuracy(scheme, order):
    truth = scipy.linalg.expm(-0.4 * HEAT) @ HOT
    errors = [np.linalg.norm(heated(flow(scheme, 0.4 / n), n) - truth) for n in (400, 800)]
    assert np.isclose(np.log2(errors[0] / errors[1]), order, atol=0.02)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_clamped_forced_and_tethered_nodes(scheme):
    """What is held stays, and the rest obeys ẋ = −(L + K)x + f + K a − L_held a_held."""
    system, dt = karate(disorder=0.5), 0.03
    held, pushed, pulled = np.array([0, 33]), 5, 11
    weights = np.asarray(system.conductance)
    matrix = laplacian(KARATE.build(), weights).toarray()
    free = np.setdiff1d(np.arange(34), held)
    target, clamped, force, tether = np.zeros(34), np.zeros(34, bool), np.zeros(34), np.zeros(34)
    target[[0, 33, pulled]], clamped[held], force[pushed], tether[pulled] = (1.0, -1.0, 0.5), True, 2.0, 3.0
    fields = (FlowState(jnp.asarray(values)) for values in (target, tether, force, clamped))
    drive = Drive(*fields)  # pyright: ignore[reportArgumentType]
    inside = matrix[np.ix_(free, free)] + np.diag(tether[free])
    source = force[free] + (tether * target)[free] - matrix[np.ix_(free, held)] @ target[held]
    settled = np.linalg.solve(inside, source)
    start = np.random.default_rng(0).normal(size=34)
    end = heated(flow(scheme, dt), 7, system, drive, start)
    fading = function_of(inside, lambda values: SCHEMES[scheme][1](dt * values) ** 7)
    assert np.array_equal(end[held], target[held])
    assert np.allclose(end[free], settled + fading @ (start[free] - settled), rtol=0, atol=1e-11)


@pytest.mark.parametrize("scheme", ["exact", "chebyshev", "implicit"])
def test_a_free_field_relaxes_wave_by_wave(scheme):
    field = free_field.Config(kind="free_field", shape=[4, 6], mass_squared=0.3, stiffness=0.7).build(None)
    start = field.draw(jax.random.key(1))
    end = run(flow(scheme, 0.2), field, Drive(), start, jnp.asarray(2))
    factor = SCHEMES[scheme][1](0.4 * np.asarray(field.curvatures())) ** 2
    assert np.allclose(np.fft.fftn(end.field), factor * np.fft.fftn(start.field), rtol=0, atol=1e-11)


def test_one_program_for_all_conductances_and_steps():
    system, traces = karate(), []

    @eqx.filter_jit
    def go(dynamics, system, x):
        traces.append(1)
        return advance(jax.random.key(0), system, dynamics, Drive(), dynamics.init(None, system, Drive(), x), 2)

    for dt, factor in ((0.1, 1.0), (0.2, 2.0), (0.3, 0.5)):
        changed = eqx.tree_at(lambda s: s.conductance, system, factor * system.conductance)
        go(flow("chebyshev", dt), changed, FlowState(jnp.asarray(HOT)))
    assert len(traces) == 1


def test_tethers_that_change_with_time_need_steps_without_a_kept_hessian():
    ones = FlowState(jnp.ones(34))
    ramp = schedule({"ramp": {"start": 0.0, "stop": 1.0, "steps": 5}})
    drive = Drive(ones, ones, strength=ramp)
    with pytest.raises(InputError, match="use explicit or implicit"):
        heated(flow("exact", 0.1), 2, drive=drive)
    with pytest.raises(InputError, match="no springs"):
        heated(flow("implicit", 0.1), 2, drive=Drive(ones, ones, tether=log_loss))
    x = HOT
    for step in range(3):
        matrix = HEAT + np.eye(34) * step / 5
        x = np.linalg.solve(np.eye(34) + 0.3 * matrix, x + 0.3 * step / 5)
    assert np.allclose(heated(flow("implicit", 0.3), 3, drive=drive), x, atol=1e-12)


GRAPHS = [
    {"kind": "star", "nodes": 300},
    {"kind": "preferential", "nodes": 500, "degree": 2},
    {"kind": "path", "nodes": 200},
    {"kind": "complete", "nodes": 30},
    {"kind": "random_geometric", "nodes": 300, "radius": 0.1},
]


@pytest.mark.parametrize("graph", GRAPHS, ids=lambda graph: graph["kind"])
def test_bound_on_the_largest_eigenvalue(graph):
    network = Graph(**graph).build()
    truth, dense = largest_eigenvalue(network), jnp.asarray(laplacian(network).toarray())
    assert np.isclose(truth, np.linalg.eigvalsh(dense)[-1], rtol=1e-12)
    bound = float(eigenvalue_bound(lambda v: dense @ v, jnp.zeros(len(dense))))
    assert truth * (1 - 1e-9) < bound < 2 * truth


def test_dense_decompositions_are_refused_above_a_size():
    with pytest.raises(InputError, match="at most 3000; use a chebyshev series"):
        spectrum(laplacian(Graph(kind="path", nodes=MOST_DENSE + 1).build()))


def complaint(system, task, **dynamics):
    sections = {
        "title": "t", "description": "d", "system": system, "task": task,
        "dynamics": {"kind": "gradient_flow", **dynamics}, "observe": [{"kind": "energy"}],
        "run": {"seed": 0, "replicas": 1, "steps": 1},
    }  # fmt: skip
    try:
        load(sections)
    except ScenarioError as error:
        return str(error)
    return ""


CLUB = {"kind": "flow_network", "graph": {"kind": "named", "name": "karate_club"}}
FIELD = {"kind": "free_field", "shape": [4, 4], "mass_squared": 0.5}
FREE = {"kind": "relaxation"}


@pytest.mark.parametrize(
    "system, task, bound",
    [
        (CLUB, FREE, BOUND),
        ({**CLUB, "graph": {**CLUB["graph"], "weighted": True}}, FREE, 0.0384132699),
        ({**CLUB, "conductance": 2.0, "disorder": 0.5}, FREE, BOUND / 3),
        (CLUB, {**FREE, "trap": 2.0}, 2 / (2 / BOUND + 2)),
        (FIELD, FREE, 2 / 17),
    ],
)
def test_explicit_steps_are_refused_from_the_bound_on(system, task, bound):
    assert not complaint(system, task, dt=bound * (1 - 1e-8), step={"scheme": "explicit"})
    said = complaint(system, task, dt=bound * (1 + 1e-8), step={"scheme": "explicit"})
    assert f"{bound:.8g}"[:8] in said and "dynamics.dt" in said and "\n" not in said
    assert not complaint(system, task, dt=10.0, step={"scheme": "implicit"})


def test_what_a_gradient_flow_refuses():
    long = {"kind": "flow_network", "graph": {"kind": "path", "nodes": MOST_DENSE + 1}}
    assert "use a chebyshev series" in complaint(long, FREE, dt=1.0, step={"scheme": "exact"})
    assert not complaint(long, FREE, dt=1.0, step={"scheme": "chebyshev"})
    springs = {"kind": "elastic_network", "graph": {"kind": "triangular", "shape": [2, 4]}}
    assert "needs a quadratic energy, which 'elastic_network' has not" in complaint(springs, FREE, dt=0.01)
    said = complaint(CLUB, FREE, dt=1.0, step={"scheme": "explicit"})
    assert "18.13669597" in said and "0.05882352941 keeps values between" in said


def test_disorder_never_exceeds_the_bound_at_validation():
    config = flow_network.Config(kind="flow_network", graph=KARATE, disorder=0.9)
    for seed in range(5):
        weights = np.asarray(config.build(jax.random.key(seed)).conductance)
        assert largest_eigenvalue(KARATE.build(), weights) < config.largest_eigenvalue
