"""Designed kinetics: the flip of a ring of four discs, isomers as they are measured; theory, gradients, simulation."""

# What depends on couplings alone is asked without drive and state; stubs of scipy are narrower than scipy.
# pyright: reportArgumentType=false, reportCallIssue=false

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.sparse import diags_array
from scipy.sparse.linalg import spsolve
from sticky_clusters import pair_law, with_coupling

from covering import slow
from matterlearn.core.dynamics import DynState
from matterlearn.core.pair_profile import contact_distance
from matterlearn.core.symmetric import unpack
from matterlearn.errors import ScenarioError
from matterlearn.observables import isomer, rhombus_flip
from matterlearn.run import simulate
from matterlearn.scenario import load
from matterlearn.systems.particles import Config as Particles
from matterlearn.tasks import rigid_isomers
from matterlearn.theory import clusters
from matterlearn.theory import rhombus_flip as theory
from matterlearn.theory.labelled_clusters import labelled_isomers

pytestmark = pytest.mark.usefixtures("undrawn")

RING = [(0, 1), (1, 2), (2, 3), (0, 3)]


def discs(first: float, second: float, side=-15.0, alpha=7.0, stiffness=735.0):
    matrix = np.zeros((4, 4))
    for a, b in RING:
        matrix[a, b] = matrix[b, a] = side
    matrix[0, 2] = matrix[2, 0] = first
    matrix[1, 3] = matrix[3, 1] = second
    core = {"kind": "harmonic", "stiffness": stiffness}
    config = Particles(kind="particles", species=4, copies=1, range=alpha, bonds=matrix.tolist(), core=core)
    return config.build(jax.random.key(0))


def diagonal(coupling, alpha=7.0, stiffness=735.0):
    law = pair_law(coupling, alpha, stiffness)
    return lambda r: -np.log(law(r))


def test_sine_and_metric_of_the_opening_angle():
    """√(det I · g) / √(∏' λ) ∝ 1/sin ψ and g = ½, from the Hessian of the four sides at several angles."""
    contact = np.zeros((4, 4), bool)
    for a, b in RING:
        contact[a, b] = contact[b, a] = True

    def ring(angle):
        x, y = np.sin(angle / 2), np.cos(angle / 2)
        return np.array([[x, 0], [0, y], [-x, 0], [0, -y]])

    weights = []
    for angle in (1.1, 1.4, np.pi / 2, 1.9):
        metric = np.sum(((ring(angle + 1e-5) - ring(angle - 1e-5)) / 2e-5) ** 2)
        assert 1 / metric == pytest.approx(theory.ANGULAR_MOBILITY, abs=1e-8)
        stiff = np.linalg.eigvalsh(clusters.spring_hessian(ring(angle), contact))[4:]
        inertia = np.linalg.det(clusters.inertia_tensor(ring(angle)))
        weights.append(np.sqrt(inertia * metric / np.prod(stiff)) * np.sin(angle))
    np.testing.assert_allclose(weights, weights[0], rtol=1e-9)


def generator_times(first, second, cutoff, cells=4000):
    """Mean first-passage times from the generator of hops between cells: another way to the same numbers."""
    a = 2 * np.arcsin(cutoff / 2)
    times = []
    for here, there in ((first, second), (second, first)):
        angle = np.linspace(0.9, np.pi - a, cells)
        width, free = angle[1] - angle[0], theory.free_energy(angle, here, there)
        hop = theory.ANGULAR_MOBILITY / width**2 * np.exp(-0.5 * np.diff(free))
        back = theory.ANGULAR_MOBILITY / width**2 * np.exp(0.5 * np.diff(free))
        leave = np.append(hop, 0.0) + np.append(0.0, back)
        operator = diags_array([leave[:-1], -hop[:-1], -back[:-1]], offsets=[0, 1, -1]).tocsc()
        times.append(np.interp(a, angle[:-1], spsolve(operator, np.ones(cells - 1))))
    return times


@pytest.mark.parametrize(("first", "second", "alpha"), [
    (-2.5, -1.5, 7.0), slow(-9.0, -8.0, 7.0), slow(-5.0, -6.0, 12.0),
])  # fmt: skip
def test_first_passage_agrees_with_a_generator_and_with_populations(first, second, alpha):
    cutoff = 1.0 - np.log(1.0 - np.sqrt(0.5)) / alpha
    energies = diagonal(first, alpha), diagonal(second, alpha)
    rates = theory.flip_rates(*energies, cutoff)
    forth, back = generator_times(*energies, cutoff)
    assert rates.forward == pytest.approx(1 / forth, rel=5e-3)
    assert rates.backward == pytest.approx(1 / back, rel=5e-3)
    assert rates.free_energy == pytest.approx(-np.log(rates.forward / rates.backward), abs=1e-9)
    if min(-first, -second) > 4:  # states by their basins are then states by history
        halves = [quad(lambda y: np.exp(-theory.free_energy(y, *energies)), *ends, limit=200)[0]
                  for ends in ((0.9, 1.15), (np.pi - 1.15, np.pi - 0.9))]  # fmt: skip
        assert rates.free_energy == pytest.approx(-np.log(halves[1] / halves[0]), abs=0.05)


def test_equal_shifts_of_both_diagonals_change_the_rate_and_not_the_free_energy():
    """At the top both diagonals are √2 long, so a shift s lowers the barrier by s (1 − 2 χ(√2)) at most."""
    slow, fast = (theory.flip_rates(diagonal(-14.0 + s), diagonal(-14.0 + s), 1.17) for s in (0.0, 5.0))
    assert abs(slow.free_energy) < 1e-6 > abs(fast.free_energy)
    reach = -2 * diagonal(-1.0)(np.sqrt(2.0))
    assert 0.2 < reach < 0.23
    # widths of well and barrier, which multiply the time, grow no faster than J^(-1/2) each
    assert 9 / 14 < fast.forward / slow.forward / np.exp(5.0 * (1 - reach)) < 1.0


def test_high_barriers_separate_well_and_barrier():
    """Kramers: 1/k = ∫_well e^{−F} ∫_barrier e^F / D_ψ for wells deep enough, without any other approximation."""
    first, second = diagonal(-16.0), diagonal(-15.0)
    free = partial(theory.free_energy, first=first, second=second)
    well = quad(lambda y: np.exp(-free(y)), 0.9, 1.3, points=[np.pi / 3], limit=200)[0]
    barrier = quad(lambda y: np.exp(free(y)), 1.1, np.pi - 1.1, limit=200)[0]
    exact = theory.flip_rates(first, second, 1.17).forward
    assert exact == pytest.approx(theory.ANGULAR_MOBILITY / well / barrier, rel=2e-3)


@pytest.mark.slow
@pytest.mark.parametrize(("couplings", "interval"), [((-2.5, -1.5), 0.0), ((-9.5, -8.4), 2e-3)])
def test_closed_form_of_the_flip_and_its_gradient(x64, couplings, interval):
    system = discs(*couplings)
    cutoff = contact_distance(system)

    def expected(first, second):
        return theory.flip_rates(diagonal(first), diagonal(second), cutoff, interval=interval)

    for quantity, pick in (("rate", lambda r: np.log(r.forward)), ("free_energy", lambda r: r.free_energy)):
        measure = rhombus_flip.Config(kind="rhombus_flip", quantity=quantity, interval=interval).build(system, None)
        scale = jnp.log if quantity == "rate" else lambda v: v
        measured = jax.jit(jax.value_and_grad(lambda c, m=measure, f=scale: f(m(with_coupling(system, c), None, None))))
        value, gradient = measured(system.coupling)
        assert float(value) == pytest.approx(pick(expected(*couplings)), abs=2e-3)
        gradient = np.asarray(unpack(gradient))
        for pair, shift in (((0, 2), (1e-3, 0.0)), ((1, 3), (0.0, 1e-3))):
            ahead, behind = (expected(*(np.array(couplings) + s * np.array(shift))) for s in (1, -1))
            # an off-diagonal coupling stands in two places of the matrix, but is one number
            assert gradient[pair] == pytest.approx((pick(ahead) - pick(behind)) / 2e-3, abs=3e-3)
        assert all(abs(gradient[side]) < 1e-12 for side in RING)


@pytest.mark.slow
def test_looking_from_time_to_time_shrinks_the_cores():
    """Free diffusion on a line between reflecting ends, seen at intervals: rates with and without the correction."""
    diffusion, interval, length, core = 2.0, 4e-3, 1.0, 0.25
    generator = np.random.default_rng(4)
    x = generator.uniform(0, length, 4000)
    seen = []
    for _ in range(4000):
        x = x + np.sqrt(2 * diffusion * interval) * generator.normal(size=len(x))
        x = length - np.abs(length - np.abs(x))  # reflect
        seen.append(np.stack([x < core, x > length - core], -1))
    time, changes = isomer.residence(isomer.last_visited(np.moveaxis(np.array(seen), 0, 1)[:, 500:]), 2)
    rate, error = isomer.jackknife(partial(isomer._rate, interval=interval), time, changes)
    shift = theory.OVERSHOOT * np.sqrt(2 * diffusion * interval)
    predicted = [1 / theory.first_passage(np.zeros_like, 0.0, core - s, length - core + s, diffusion=diffusion)
                 for s in (0.0, shift)]  # fmt: skip
    assert error[0, 1] / rate[0, 1] < 3e-3
    assert predicted[0] / rate[0, 1] > 1.15  # what would be missed without it
    assert predicted[1] == pytest.approx(rate[0, 1], rel=0.02)  # exact to first order in the step over the length


# ---- measured isomers ----


def test_rates_of_a_chain_with_known_rates():
    """Two states with hops of probability p, q per record, and gaps in which none is visited."""
    generator, p, q = np.random.default_rng(0), 0.02, 0.05
    state = np.zeros((200, 3000), int)
    uniform = generator.random(state.shape)
    for t in range(1, state.shape[1]):
        hop = uniform[:, t] < np.where(state[:, t - 1] == 0, p, q)
        state[:, t] = np.where(hop, 1 - state[:, t - 1], state[:, t - 1])
    time, changes = isomer.residence(isomer.last_visited(np.eye(2, dtype=bool)[state]), 2)
    rate, error = isomer.jackknife(partial(isomer._rate, interval=0.5), time, changes)
    free, free_error = isomer.jackknife(isomer._free_energy, time)
    for value, exact, sem in ((rate[0, 1], p / 0.5, error[0, 1]), (rate[1, 0], q / 0.5, error[1, 0]),
                              (free[1], np.log(q / p), free_error[1])):  # fmt: skip
        assert abs(value - exact) < 4 * sem
        assert sem < 0.03 * exact


@pytest.mark.slow
def test_an_isomer_is_seen_when_all_its_bonds_are_formed():
    system = discs(-5.0, -5.0)
    isomers = labelled_isomers(4, 2)
    task = rigid_isomers.Config(kind="rigid_isomers", contacts=RING).build(system)
    observable = isomer.Config(kind="isomer", isomers=[[(0, 2)], [(1, 3)]], dt=1e-3).build(system, task)
    assert len(task.position) == 2 and len(isomers.shape) == 6
    recall = task.recall(jax.random.key(1), system, 8)
    seen = jax.jit(jax.vmap(lambda x: observable(system, None, DynState(x, jnp.zeros((), int)))))(recall.x)
    assert np.asarray(seen).sum(1).tolist() == [1] * 8 and np.asarray(seen).sum(0).tolist() == [4, 4]
    everything = observable(system, None, DynState(system.arrange(jnp.zeros((4, 2))), jnp.zeros((), int)))
    assert not np.asarray(everything).any()  # both at once is neither


def test_bonds_that_isomers_share_tell_an_open_ring_apart():
    system = discs(-5.0, -5.0)
    open_ring = system.arrange(jnp.array([[0.0, 0.0], [2.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(0.75)]]))
    settings = {"kind": "isomer", "isomers": [[(0, 2)], [(1, 3)]], "dt": 1e-3}
    observables = [isomer.Config(**settings, shared=shared).build(system, None) for shared in ([], RING)]
    seen = [o(system, None, DynState(open_ring, jnp.zeros((), int))).tolist() for o in observables]
    assert seen == [[True, False], [False, False]]


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("observe.0.dt=1e-3", "is not the time step of the dynamics"),
        ("observe.0.shared=[[0, 4]]", "numbered 0 … 3"),
        ("observe.1.kT=2", "is not the temperature of the dynamics"),
        ("observe.1.ring=[0, 1, 1, 2]", "names each of the discs"),
        ("task.contacts=[[0, 4]]", "numbered 0 … 3"),
    ],
)
def test_bad_input_is_told_in_one_line(override, told):
    with pytest.raises(ScenarioError, match=told):
        load("design_kinetics", [override])


# ---- simulation against theory ----


@pytest.mark.slow
def test_four_discs_flip_as_often_as_predicted(tmp_path):
    """Brownian motion of the whole ring against one-dimensional first passage; |z| < 4 at errors of a few per cent.

    A missing sine, or a metric of 1 instead of 1/2, would change rates by 15 and by 100 per cent.
    """
    dt, every = 1e-4, 20
    system = discs(-3.5, -3.0)
    result = simulate({
        "title": "flips", "system": {"kind": "particles", "species": 4, "copies": 1, "range": 7.0,
        "bonds": np.asarray(unpack(system.coupling)).tolist(), "core": {"kind": "harmonic", "stiffness": 735.0}},
        "dynamics": {"kind": "brownian", "dt": dt}, "task": {"kind": "rigid_isomers", "contacts": RING},
        "observe": [{"kind": "isomer", "isomers": [[[0, 2]], [[1, 3]]], "shared": RING, "dt": dt, "every": every}],
        "run": {"seed": 2, "replicas": 64, "steps": 120_000},
    }, out=tmp_path / "run")  # fmt: skip
    exact = theory.flip_rates(diagonal(-3.5), diagonal(-3.0), contact_distance(system), interval=every * dt)
    rate, error = (result.tree[f"transition_rate{suffix}"].values for suffix in ("", "_sem"))
    assert error[0, 1] < 0.05 * rate[0, 1] and error[1, 0] < 0.05 * rate[1, 0]
    assert abs(rate[0, 1] - exact.forward) < 4 * error[0, 1]
    assert abs(rate[1, 0] - exact.backward) < 4 * error[1, 0]
    free, sem = (result.tree[f"isomer_free_energy{suffix}"].values[1] for suffix in ("", "_sem"))
    assert abs(free - exact.free_energy) < 4 * sem
