"""Learning from two equilibria, exactly: closed forms, direct solves, finite differences, backpropagation."""

import equinox as eqx
import jax
import jax.numpy as jnp
import networkx
import numpy as np
import pytest

from covering import slow
from matterlearn.core import nudging, ports
from matterlearn.core.drive import Drive
from matterlearn.core.dynamics import advance
from matterlearn.core.graphs import Graph, edge_array
from matterlearn.core.rule import Batch
from matterlearn.core.system import couplings, with_couplings
from matterlearn.core.task import replicated
from matterlearn.errors import InputError
from matterlearn.kinds import load_kind
from matterlearn.theory import resistor_network as exact

pytestmark = pytest.mark.usefixtures("x64")


def built(family, kind, **fields):
    config = load_kind(family, kind)(kind=kind, **fields)
    return config.build(jax.random.key(0)) if family == "systems" else config.build()


NEWTON = ("dynamics", "newton")


def batch(system, inputs, targets, stiffness=1.0):
    """One replica: ports clamped to inputs, others tethered to targets."""
    where, values = jnp.array(list(inputs)), jnp.array([float(v) for v in inputs.values()])
    out, wanted = jnp.array(list(targets)), jnp.array([float(v) for v in targets.values()])
    target = ports.write(system, ports.write(system, ports.rest(system), where, values), out, wanted)
    clamped = ports.at(system, where, True, False)
    tethers = ports.at(system, out, stiffness, 0.0)
    drive, free = Drive(target, tethers, clamped=clamped), Drive(target, clamped=clamped)
    start = ports.rest(system)
    return Batch(*replicated((drive, start), 1), jnp.ones(()), free=replicated(free, 1))


def estimate(rule, system, shown):
    """Direction, rule's numbers and phases."""
    direction, _, info = eqx.filter_jit(rule.estimate)(
        jax.random.key(0), system, built(*NEWTON), None, shown, parameters=couplings(system)
    )
    return direction, info


def minimum(system, drive, steps=30):
    """The equilibrium from rest."""
    dynamics = built(*NEWTON)
    start = dynamics.init(jax.random.key(0), system, drive, ports.rest(system))
    return eqx.filter_jit(advance)(jax.random.key(0), system, dynamics, drive, start, steps).x


# The voltage divider: V = 1 at node 0, ground at node 2, output node 1 between conductances 1 and 2, y = 0.6.
def divider():
    system = built("systems", "flow_network", graph={"kind": "path", "nodes": 3}, conductance=[1.0, 2.0])
    return system, batch(system, {0: 1.0, 2: 0.0}, {1: 0.6})


TRUE = np.array([-0.0592592593, 0.0296296296])
PROPAGATED = [
    (1.0, "one_sided", (-0.04222222, 0.02444444)),
    slow(1.0, "negative", (-0.09777778, 0.03555556)),
    slow(1.0, "centred", (-0.07, 0.03)),
    slow(0.1, "one_sided", (-0.05697769, 0.02904382)),
    slow(0.1, "negative", (-0.06172546, 0.03022856)),
    slow(0.1, "centred", (-0.05935157, 0.02963619)),
    slow(0.01, "one_sided", (-0.05902314, 0.02957044)),
    (0.01, "negative", (-0.05949722, 0.02968895)),
    (0.01, "centred", (-0.05926018, 0.02962970)),
]


@pytest.mark.parametrize(("b", "sides", "expected"), PROPAGATED)
def test_divider_by_equilibrium_propagation(b, sides, expected):
    system, shown = divider()
    direction, info = estimate(built("rules", "equilibrium_propagation", b=b, sides=sides, relax=3), system, shown)
    np.testing.assert_allclose(direction.conductance, expected, atol=6e-9)
    np.testing.assert_allclose(info.numbers["loss"], 0.0355555556, atol=1e-10)


def test_divider_by_adjoint():
    system, shown = divider()
    direction, info = estimate(built("rules", "adjoint", relax=3), system, shown)
    np.testing.assert_allclose(direction.conductance, TRUE, atol=6e-11)
    np.testing.assert_allclose(info.numbers["loss"], 0.0355555556, atol=1e-10)


def test_divider_by_coupled_learning():
    """Small η: (g1 + g2) = 3 times the gradient; η = 1, clamped outputs: 2.4 and 4.2 times it, another direction."""
    system, shown = divider()
    small, _ = estimate(built("rules", "coupled_learning", eta=1e-3, relax=3), system, shown)
    np.testing.assert_allclose(small.conductance, [-0.17774222, 0.08892444], atol=6e-9)
    full, _ = estimate(built("rules", "coupled_learning", eta=1.0, relax=3), system, shown)
    np.testing.assert_allclose(full.conductance / TRUE, [2.4, 4.2], atol=1e-7)


@pytest.mark.parametrize("stiffness", [0.5, 4.0])
def test_coupled_learning_does_not_care_how_stiff_the_tethers_are(stiffness):
    system, _ = divider()
    shown = batch(system, {0: 1.0, 2: 0.0}, {1: 0.6}, stiffness)
    direction, _ = estimate(built("rules", "coupled_learning", eta=1e-3, relax=3), system, shown)
    np.testing.assert_allclose(direction.conductance, [-0.17774222, 0.08892444], atol=6e-9)


def network(seed=0):
    """A random network of 12 nodes, 3 inputs and 2 outputs, with the same as dictionaries for the closed form."""
    rng = np.random.default_rng(seed)
    graph = Graph(kind="random_regular", nodes=12, degree=4, seed=seed)
    edges = edge_array(graph.build())
    strengths = rng.uniform(0.5, 2.0, len(edges))
    system = built("systems", "flow_network", graph=graph.model_dump(), conductance=strengths.tolist())
    return system, edges, strengths, {0: 1.0, 3: -0.5, 7: 0.2}, {5: 0.3, 9: -0.1}


@pytest.mark.parametrize("seed", [0, slow(1)])
def test_gradients_of_a_network_three_ways(seed):
    """Adjoint rule, closed form, and jax.grad through a direct solve of the Laplacian; then finite differences."""
    system, edges, strengths, inputs, targets = network(seed)
    cost, slope = exact.cost_gradient(edges, strengths, inputs, 12, targets)
    direction, info = estimate(built("rules", "adjoint", relax=3), system, batch(system, inputs, targets))
    np.testing.assert_allclose(info.numbers["loss"], cost, rtol=1e-12)
    np.testing.assert_allclose(direction.conductance, slope, rtol=1e-9, atol=1e-13)

    free = np.setdiff1d(np.arange(12), list(inputs))
    clamped = jnp.zeros(12).at[jnp.array(list(inputs))].set(jnp.array(list(inputs.values())))

    def solved(k):
        ends = jnp.zeros((len(edges), 12)).at[np.arange(len(edges)), edges[:, 0]].set(1)
        ends = ends.at[np.arange(len(edges)), edges[:, 1]].set(-1)
        matrix = ends.T @ (k[:, None] * ends)
        v = jnp.linalg.solve(matrix[np.ix_(free, free)], -(matrix @ clamped)[free])
        whole = clamped.at[free].set(v)
        return sum((whole[node] - y) ** 2 for node, y in targets.items()) / 2

    np.testing.assert_allclose(jax.jit(jax.grad(solved))(jnp.asarray(strengths)), slope, rtol=1e-9, atol=1e-13)
    for edge in (0, 5, 20):
        up, down = (strengths + h * (np.arange(len(edges)) == edge) for h in (1e-5, -1e-5))
        ends = [exact.cost_gradient(edges, k, inputs, 12, targets)[0] for k in (up, down)]
        np.testing.assert_allclose((ends[0] - ends[1]) / 2e-5, slope[edge], rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize(("sides", "order"), [("one_sided", 1), ("negative", 1), slow("centred", 2)])
def test_order_of_the_bias(sides, order):
    """Halving b halves the bias on one side and quarters it for centred nudges."""
    system, edges, strengths, inputs, targets = network()
    slope = exact.cost_gradient(edges, strengths, inputs, 12, targets)[1]
    errors = []
    for b in (0.04, 0.02, 0.01):
        rule = built("rules", "equilibrium_propagation", b=b, sides=sides, relax=3)
        direction, _ = estimate(rule, system, batch(system, inputs, targets))
        errors.append(np.linalg.norm(direction.conductance - slope))
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    # The next order of the expansion is a fraction of b, here at most 0.04 times a susceptibility of order one.
    np.testing.assert_allclose(orders, order, atol=0.05)


def test_nudged_equilibria_are_those_of_resistors_to_the_targets():
    system, edges, strengths, inputs, targets = network()
    shown = jax.tree.map(lambda leaf: leaf[0], batch(system, inputs, targets)._replace(duration=None))
    for b in (0.3, -0.2):
        found = minimum(system, nudging.nudged(shown.drive, b), 3)
        tethers = {node: (b, y) for node, y in targets.items()}
        np.testing.assert_allclose(
            found.potential, exact.potentials(edges, strengths, inputs, 12, tethers), rtol=1e-10, atol=1e-12
        )


def test_held_outputs_are_part_of_the_way():
    system, _, _, inputs, targets = network()
    shown = jax.tree.map(lambda leaf: leaf[0], batch(system, inputs, targets)._replace(duration=None))
    rest = minimum(system, shown.free, 3)
    drive = nudging.held(shown.drive, rest, 0.25)
    out = np.array(list(targets))
    np.testing.assert_allclose(drive.target.potential[out], 0.75 * rest.potential[out] + 0.25 * np.array([0.3, -0.1]))
    assert drive.stiffness is None
    assert set(np.flatnonzero(drive.clamped.potential)) == set(inputs) | set(targets)


def test_a_drive_without_tethers_is_refused_in_words():
    with pytest.raises(InputError, match="tethers nothing"):
        nudging.nudged(Drive(), 0.1)


@pytest.mark.slow
@pytest.mark.parametrize(
    "rule", [{"kind": "equilibrium_propagation"}, {"kind": "coupled_learning", "eta": 1.0}, {"kind": "adjoint"}]
)
def test_lists_that_overflow_in_any_phase_are_reported(rule):
    """Particles that start crowded need larger lists than when they are held far apart, as in the last phase of one."""
    fields = {"particles": 120, "dimension": 2, "box": 14.0, "splines": 4, "cutoff": 1.2, "start": 0.9}
    system = built("systems", "pair_potential", **fields)
    x = system.init_state(jax.random.key(0))
    room = system.allocate(x)
    assert room is not None
    target = x._replace(position=jnp.stack([jnp.arange(120) % 11, jnp.arange(120) // 11], 1) * 1.2)
    drive = Drive(target, x._replace(position=jnp.full_like(x.position, 1.0)))
    close = x._replace(position=0.02 * x.position)
    shown = Batch(*replicated((drive, close), 1), jnp.ones(()), replicated(room, 1))
    rule = built("rules", relax=0, **rule)
    dynamics = built("dynamics", "brownian", dt=1e-9, kT=0.0)
    *_, info = eqx.filter_jit(rule.estimate)(
        jax.random.key(0), system, dynamics, None, shown, parameters=couplings(system)
    )
    assert int(info.neighbors.needed[0]) > room.pairs.shape[-1]


def test_currents_are_conserved():
    """Kirchhoff: what flows out of a node is what is imposed there, and at clamped nodes all adds up to zero."""
    system, edges, _, inputs, _ = network()
    imposed = np.eye(12)[4] * 0.7
    where = jnp.array(list(inputs))
    target = ports.write(system, ports.rest(system), where, jnp.array(list(inputs.values())))
    force, clamped = ports.at(system, jnp.array([4]), 0.7, 0.0), ports.at(system, where, True, False)
    drive = Drive(target, force=force, clamped=clamped)
    currents = np.asarray(system.currents(minimum(system, drive, 3)))
    out = np.zeros(12)
    np.add.at(out, edges[:, 0], currents)
    np.add.at(out, edges[:, 1], -currents)
    free = np.setdiff1d(np.arange(12), list(inputs))
    np.testing.assert_allclose(out[free], imposed[free], atol=1e-12)
    np.testing.assert_allclose(out.sum(), 0.0, atol=1e-12)
    assert np.abs(out[list(inputs)]).max() > 0.1


@pytest.mark.parametrize("pair", [slow((0, 33)), (5, 20)])
def test_effective_resistance_is_that_of_networkx(pair):
    """Unit current through the karate club: its potential difference is networkx's resistance distance."""
    system = built("systems", "flow_network", graph={"kind": "named", "name": "karate_club"})
    club = networkx.karate_club_graph()
    i, j = pair
    current, clamped = ports.at(system, jnp.array([i]), 1.0, 0.0), ports.at(system, jnp.array([j]), True, False)
    drive = Drive(ports.rest(system), force=current, clamped=clamped)
    measured = minimum(system, drive, 3).potential[i]
    np.testing.assert_allclose(measured, networkx.resistance_distance(club, i, j, weight=None), rtol=1e-10)
    edges = np.asarray(system.edges)
    np.testing.assert_allclose(exact.effective_resistance(edges, np.ones(78), 34)[i, j], measured, rtol=1e-9)


def layered():
    """Two layers of tanh units with known weights, input and target."""
    system = built("systems", "layered_network", layers=[2, 2, 2], learn=["weights"])
    weights = (jnp.array([[0.5, -0.3], [0.2, 0.8]]), jnp.array([[1.0, 0.4], [-0.6, 0.3]]))
    system = eqx.tree_at(lambda s: s.weights, system, weights)
    return system, batch(system, {0: 0.7, 1: -1.2}, {4: 0.1, 5: 0.5})


FIRST_WEIGHTS = [[0.2857885264, -0.4899231880], [-0.0542438855, 0.0929895180]]


def test_free_minimum_of_a_layered_network_is_the_forward_pass():
    system, shown = layered()
    forward = system.forward(jnp.array([0.7, -1.2]))
    free = jax.tree.map(lambda leaf: leaf[0], shown.free)
    found = minimum(system, free)
    np.testing.assert_allclose(found.activity, forward.activity, atol=1e-10)
    assert system.energy(found) < 1e-20


def test_adjoint_of_a_layered_network_is_backpropagation():
    system, shown = layered()
    direction, info = estimate(built("rules", "adjoint", relax=30), system, shown)
    np.testing.assert_allclose(info.numbers["loss"], 0.54068192575, atol=1e-10)
    np.testing.assert_allclose(direction.weights[0], FIRST_WEIGHTS, atol=1e-9)

    def cost(theta):
        out = with_couplings(system, theta).forward(jnp.array([0.7, -1.2])).activity[4:]
        return jnp.sum((out - jnp.array([0.1, 0.5])) ** 2) / 2

    backpropagated = jax.jit(jax.grad(cost))(couplings(system))
    for found, expected in zip(direction.weights, backpropagated.weights, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-9)


def test_momenta_of_a_layered_network_are_deviations_per_nudge():
    """λ_2 = (.228057, −1.014571), λ_1 = (.651071, −.142374): minus how far a layer is from what it was asked for."""
    system, shown = layered()
    drive = jax.tree.map(lambda leaf: leaf[0], shown.drive)
    b = 1e-6
    up, down = (minimum(system, nudging.nudged(drive, sign * b)) for sign in (1, -1))

    def deviation(x):
        z = system.split(x)
        return jnp.concatenate([z[1] - system.asked(0, z[0]), z[2] - system.asked(1, z[1])])

    momenta = -(deviation(up) - deviation(down)) / (2 * b)
    np.testing.assert_allclose(momenta, [0.651071, -0.142374, 0.228057, -1.014571], atol=1e-5)


def test_equilibrium_propagation_tends_to_backpropagation():
    system, shown = layered()
    errors = []
    for b in (1e-2, 5e-3):
        direction, _ = estimate(built("rules", "equilibrium_propagation", b=b, relax=30), system, shown)
        errors.append(np.abs(direction.weights[0] - np.array(FIRST_WEIGHTS)).max())
    assert errors[1] < 1e-4
    np.testing.assert_allclose(errors[0] / errors[1], 4.0, rtol=0.05)


ELASTIC = {"kind": "triangular", "shape": [2, 4]}  # 9 joints, 16 springs
STRONG = {"kind": "triangular", "shape": [3, 6]}  # 16 joints, 33 springs


@pytest.mark.parametrize("learn", [slow(["stiffness"]), ["rest_length"], slow(["stiffness", "rest_length"])])
def test_gradient_of_an_elastic_network(learn):
    """Springs under strain, far from linear: adjoint and centred nudges against differences of relaxed costs."""
    system = built("systems", "elastic_network", graph=STRONG, learn=learn, disorder=0.3)
    inputs = {0: 0.0, 1: 0.0, 6: 0.3, 7: 0.1, 26: -0.1, 27: 0.2}  # joints 0, 3 and 13
    targets = {12: 0.1, 13: -0.05}
    shown = batch(system, inputs, targets)
    free, drive = (jax.tree.map(lambda leaf: leaf[0], d) for d in (shown.free, shown.drive))
    direction, info = estimate(built("rules", "adjoint", relax=40), system, shown)
    near, _ = estimate(built("rules", "equilibrium_propagation", b=1e-4, relax=40), system, shown)

    def relaxed(theta):
        return float(nudging.cost(drive, minimum(with_couplings(system, theta), free, 40)))

    np.testing.assert_allclose(info.numbers["loss"], relaxed(couplings(system)), rtol=1e-10)
    for name in learn:
        for edge in (1, 12, 20):
            ends = []
            for h in (1e-5, -1e-5):
                changed = getattr(system, name).at[edge].add(h)
                ends.append(relaxed(couplings(eqx.tree_at(lambda s, n=name: getattr(s, n), system, changed))))
            measured = (ends[0] - ends[1]) / 2e-5
            np.testing.assert_allclose(getattr(direction, name)[edge], measured, rtol=1e-5, atol=1e-9)
            np.testing.assert_allclose(getattr(near, name)[edge], measured, rtol=1e-4, atol=1e-8)


def test_quadratic_energies_need_one_step():
    system, edges, strengths, inputs, _ = network()
    shown = jax.tree.map(lambda leaf: leaf[0], batch(system, inputs, {5: 0.0})._replace(duration=None))
    np.testing.assert_allclose(
        minimum(system, shown.free, 1).potential, exact.potentials(edges, strengths, inputs, 12), atol=1e-13
    )


def test_replicas_that_newton_moves_stay_on_one_device():
    """Spread over two, the recall of the scenario ``coupled_learning`` never ended."""
    assert built(*NEWTON).hosted


def test_newton_finds_minima_and_not_saddles():
    """From where the curvature of a double well is negative, it goes down to a well, not up to the barrier."""
    system = built("systems", "landscape", coefficients=[0.0, -2.0, 0.0, 1.0], particles=4)
    dynamics = built(*NEWTON)
    x = system.init_state(jax.random.key(0))._replace(position=jnp.array([[0.01], [-0.3], [0.5], [3.0]]))
    start = dynamics.init(jax.random.key(0), system, Drive(), x)
    end = eqx.filter_jit(advance)(jax.random.key(0), system, dynamics, Drive(), start, 60)
    np.testing.assert_allclose(jnp.abs(end.x.position), 1.0, atol=1e-9)
    assert end.x.position[0, 0] > 0 > end.x.position[1, 0]


def test_free_networks_do_not_drift():
    """Directions in which nothing holds a network, translation and rotation, stay as they are."""
    system = built("systems", "elastic_network", graph=ELASTIC)
    dynamics = built(*NEWTON)
    x = system.init_state(jax.random.key(3))
    start = dynamics.init(jax.random.key(0), system, Drive(), x)
    end = eqx.filter_jit(advance)(jax.random.key(0), system, dynamics, Drive(), start, 40)
    assert system.energy(end.x) < 1e-18
    np.testing.assert_allclose(end.x.position.mean(0), x.position.mean(0), atol=1e-9)


@pytest.mark.slow
def test_at_a_temperature_the_contrast_is_that_of_averages():
    """E = −x + x² at kT = 1, tethered to 2: ⟨x²⟩ of both nudged laws is known; |z| < 4 with 8000 particles.

    An estimate that took the minima for the averages would be off by 16 standard errors.
    """
    system = built("systems", "landscape", coefficients=[-1.0, 1.0], particles=2000)
    x = system.init_state(jax.random.key(1))
    drive = Drive(x._replace(position=jnp.full_like(x.position, 2.0)), x._replace(position=jnp.ones_like(x.position)))
    shown = Batch(*replicated((drive, x), 4), jnp.ones(()), free=replicated(Drive(), 4))
    b, particles = 0.5, 8000
    rule = built("rules", "equilibrium_propagation", b=b, relax=4000)
    dynamics = built("dynamics", "brownian", dt=1e-3)
    direction, *_ = eqx.filter_jit(rule.estimate)(
        jax.random.key(2), system, dynamics, None, shown, parameters=couplings(system)
    )
    mean = np.array([(1 + s * b * 2) / (2 + s * b) for s in (-1, 1)])
    spread = np.array([1 / (2 + s * b) for s in (-1, 1)])
    second = mean**2 + spread
    expected = (second[1] - second[0]) / (2 * b)
    error = np.sqrt(np.sum(2 * spread**2 + 4 * mean**2 * spread) / particles) / (2 * b)
    z = (direction.coefficient[1] / 2000 - expected) / error
    assert abs(z) < 4, f"z = {z:.1f}"
    minima = (mean[1] ** 2 - mean[0] ** 2) / (2 * b)
    assert abs(minima - expected) > 10 * error, "the test could not tell averages from minima"
