"""Place cells: couplings against every pair, swaps against enumeration, clumps against mean-field theory."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.sparse.linalg import eigsh
from scipy.special import j1

from covering import slow
from matterlearn.core.drive import Drive
from matterlearn.core.dynamics import DynState, advance
from matterlearn.core.network import NetworkState
from matterlearn.errors import ScenarioError
from matterlearn.kinds import load_kind
from matterlearn.observables.clump_position import displacement
from matterlearn.observables.clump_profile import exact
from matterlearn.run import build
from matterlearn.scenario import load
from matterlearn.testing.samplers import deviation
from matterlearn.theory import enumeration, place_cells

RING = {"units": 40, "maps": 3, "width": 0.2, "activity": 0.25}
SQUARE = {"units": 49, "maps": 3, "width": 0.3, "activity": 0.25, "dimensions": 2}


def cells(**fields):
    return load_kind("systems", "place_cells")(kind="place_cells", **fields).build(None)


def swaps(kT):
    return load_kind("dynamics", "unit_swaps")(kind="unit_swaps", kT=kT).build()


@eqx.filter_jit
def swapped(system, dynamics, key, active, steps):
    """Replicas some steps later."""

    def one(key, active):
        start = dynamics.init(key, system, Drive(), NetworkState(active))
        return advance(key, system, dynamics, Drive(), start, steps)

    return jax.vmap(one)(jax.random.split(key, len(active)), active).x.active


def pair_matrix(system, strength=None):
    """J of every pair, from positions alone."""
    place, side = np.asarray(system.place), round(len(system.place[0]) ** (1 / system.dimensions))
    theta = np.stack([place] if system.dimensions == 1 else np.divmod(place, side), -1) / side
    apart = np.abs(theta[:, :, None] - theta[:, None])
    square = np.sum(np.minimum(apart, 1 - apart) ** 2, -1)
    radius = system.width / 2 if theta.shape[-1] == 1 else np.sqrt(system.width / np.pi)
    J = np.tensordot(system.coupling if strength is None else strength, square < radius**2 - 1e-9, 1) / theta.shape[1]
    return np.asarray(J - np.diag(np.diagonal(J)), float)


@pytest.mark.parametrize("fields", [slow(RING), SQUARE, slow(RING | {"width": 0.7}), slow(SQUARE | {"width": 0.75})])
def test_energy_gaps_and_response_are_those_of_every_pair(fields):
    with jax.enable_x64(True):
        system = eqx.tree_at(lambda s: s.coupling, cells(**fields), jnp.array([-1.0, 0.4, -2.5]))
        J, active = pair_matrix(system), system.init_state(jax.random.key(1)).active
        s, kernel, every = np.asarray(active, float), system.kernel(), jnp.arange(fields["units"])
        energy = eqx.filter_jit(lambda system, x: system.energy(x))(system, NetworkState(active))
        assert float(energy) == pytest.approx(s @ J @ s / 2, abs=1e-12)
        np.testing.assert_allclose(kernel.gaps(kernel.summary(active), active, every), -J @ s, atol=1e-12)
        np.testing.assert_allclose(kernel.response(every), -J, atol=1e-12)


def test_odd_windows_have_their_width():
    """On a ring with wN odd, a cell and its partners are wN of N."""
    assert np.count_nonzero(pair_matrix(cells(units=2020, maps=1))[0]) + 1 == 101


def test_uniform_state_becomes_unstable_at_the_known_temperature():
    """The Hessian of the free energy at s = f, T/f(1 − f) + J, first has a zero mode where theory says.

    J includes its diagonal, which at fixed activity is a constant of the energy. On N cells its first harmonic is
    sin(πw)/(N sin(π/N)): (π/N)²/6 = 4 · 10⁻⁷ above that of a continuous ring.
    """
    J = pair_matrix(cells(units=2020, maps=1)) - np.eye(2020) / 2020
    modes = np.asarray(eigsh(-J, k=3, return_eigenvectors=False))
    T = 0.1 * 0.9 * modes[:2]  # the largest is the uniform mode, which is not free to grow
    np.testing.assert_allclose(T, place_cells.uniform_instability(0.1, 0.05), rtol=1e-6)
    assert T[0] == pytest.approx(0.0044815, abs=5e-8)


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 3, 6, 7])
def test_swaps_sample_the_law_at_fixed_activity(count):
    """All states of 8 spins with so many active, from one of them; 20 000 chains see 1 in 56 wrong by a fifth."""
    units, kT = 8, 0.9
    config = load_kind("systems", "spin_network")(kind="spin_network", units=units, disorder=0.8, threshold=0.3)
    system = config.build(jax.random.key(2))
    states = enumeration.configurations(units, 2)
    states = states[states.sum(1) == count]
    energies = jax.jit(jax.vmap(system.energy))(NetworkState(jnp.asarray(states, jnp.int8)))
    law = enumeration.ensemble(np.asarray(energies, float), kT).probabilities
    start = jnp.broadcast_to(jnp.asarray(states[0], jnp.int8), (20_000, units))
    end = np.asarray(swapped(system, swaps(kT), jax.random.key(3), start, jnp.asarray(200)), int)
    assert (end.sum(1) == count).all()
    powers = 2 ** np.arange(units)
    rows = np.searchsorted(np.sort(states @ powers), end @ powers)
    z = deviation(rows, law[np.argsort(states @ powers)])
    assert abs(z) < 4, f"z = {z:.1f}"


@pytest.mark.slow
@pytest.mark.parametrize("fields", [RING | {"units": 10, "width": 0.41}, SQUARE | {"units": 9, "width": 0.4}])
def test_swaps_of_place_cells_sample_their_law(fields):
    """The same, for cells of three maps, four of them active; blocks reach round the shorter part of the list."""
    system, kT = cells(**fields), 0.12
    states = enumeration.configurations(fields["units"], 2)
    states = states[states.sum(1) == 4]
    energies = np.einsum("si,ij,sj->s", states, pair_matrix(system), states) / 2
    law = enumeration.ensemble(energies, kT).probabilities
    start = jnp.broadcast_to(jnp.asarray(states[0], jnp.int8), (20_000, fields["units"]))
    end = np.asarray(swapped(system, swaps(kT), jax.random.key(5), start, jnp.asarray(60)), int)
    powers = 2 ** np.arange(fields["units"])
    rows = np.searchsorted(np.sort(states @ powers), end @ powers)
    z = deviation(rows, law[np.argsort(states @ powers)])
    assert abs(z) < 4, f"z = {z:.1f}"


def test_nothing_to_swap():
    """All active, or none: nothing moves, and nothing fails."""
    system = cells(**RING)
    for value in (0, 1):
        start = jnp.full((2, RING["units"]), value, jnp.int8)
        np.testing.assert_array_equal(swapped(system, swaps(1.0), jax.random.key(0), start, jnp.asarray(3)), start)


def test_swaps_refuse_more_than_pairs():
    network = load_kind("systems", "dense_memory")(kind="dense_memory", units=8, memories=2, order=4)
    with pytest.raises(TypeError, match="pair couplings"):
        swapped(network.build(jax.random.key(0)), swaps(1.0), jax.random.key(0), jnp.ones((1, 8), jnp.int8), 1)


REPLICAS = 16


@functools.cache
def profiles(kT):
    """Profiles of replicas, averaged over 80 of 120 steps, and theory: the scenario's own task and observable."""
    fields = [f"task.temperatures=[{kT}]", f"run.replicas={REPLICAS}", "system.units=1020", "expect={}"]
    observed = ["observe=[{kind: clump_profile, bins: 41}]"]
    experiment = build(load("scenarios/place_cells.yaml", fields + observed))
    recall = experiment.task.recall(jax.random.key(0), experiment.system, REPLICAS)
    system = jax.tree.map(lambda leaf: leaf[0], recall.system)
    profile = next(o for o in experiment.observables if o.name == "profile")
    shapes, active = [], recall.x.active
    look = jax.jit(jax.vmap(lambda a: profile(system, Drive(), DynState(NetworkState(a), jnp.zeros((), int)))))
    for n in range(30):
        active = swapped(system, experiment.dynamics, jax.random.key(n), active, jnp.asarray(4))
        shapes.append(np.asarray(look(active)))
    labels = {name: label.values for name, label in recall.labels.items()}
    summary = {s.name: s.values for s in profile.summary(np.stack(shapes, 1), labels)}
    return np.mean(shapes[10:], 0), summary


@pytest.mark.slow
@pytest.mark.parametrize(("kT", "peak", "least"), [(0.004, 0.99802, 0.0020), (0.006, 0.98028, 0.0177)])
def test_clumps_have_the_density_of_theory(kT, peak, least):
    """At the centre, a bin of it, and on average over all of the ring beyond 0.1, within 4 standard errors.

    Of 16 replicas: it finds a peak that is wrong by 0.01. Finite clumps leave more cells outside: the background is
    higher by about 2/N at T = 0.006, 3.5/N at 0.0065, and only held against theory where that is not seen.
    """
    theory = place_cells.clump(0.1, 0.05, kT, cells=512)
    assert (theory.density.max(), theory.density.min()) == pytest.approx((peak, least), abs=6e-5)
    shapes, summary = profiles(kT)
    expected, away = exact(0.1, 0.05, kT, 41), np.abs(np.arange(41) - 20) > 4
    np.testing.assert_array_equal(summary["clump_density_theory"][0], expected)
    for part in (np.arange(41) == 20, away)[: 2 if kT == 0.004 else 1]:
        values = shapes[:, part].mean(1)
        z = (values.mean() - expected[part].mean()) / (values.std(ddof=1) / REPLICAS**0.5)
        assert abs(z) < 4, f"z = {z:.1f}"


@pytest.mark.slow
def test_uniform_activity_forms_a_clump_below_its_instability():
    """At T = 0.002 each of 8 uniform replicas is localised soon; at 0.012 none is: (fN)^{−1/2} is 0.16."""
    system = cells(units=420, maps=1)
    start = jax.vmap(lambda k: system.init_state(k).active)(jax.random.split(jax.random.key(1), 8))
    assert np.all(np.sum(start, 1) == 42)
    localised = {}
    for kT in (0.002, 0.012):
        end = swapped(system, swaps(kT), jax.random.key(2), start, jnp.asarray(150))
        localised[kT] = np.abs(jax.jit(jax.vmap(lambda a: system.harmonic(NetworkState(a))[0, 0]))(end))
    assert np.median(localised[0.002]) > 0.9 and np.max(localised[0.012]) < 0.5


@pytest.mark.slow
def test_cues_are_clumps_of_their_map():
    """Neighbouring places of the cued map, an arc or a disk: sin(πf)/πf or J₁(2πR)/πR, up to the lattice."""
    radius = np.sqrt(0.25 / np.pi)
    for fields, whole in ((RING, np.sinc(0.25)), (SQUARE, j1(2 * np.pi * radius) / (np.pi * radius))):
        scenario = {"title": "cues", "system": {"kind": "place_cells", **fields}, "task": {"kind": "stored_maps"},
                    "dynamics": {"kind": "unit_swaps", "kT": 0.01}, "run": {"steps": 1, "replicas": 6}}  # fmt: skip
        experiment = build(load(scenario))
        recall = experiment.task.recall(jax.random.key(0), experiment.system, 6)
        cue = recall.labels["cue"].values
        assert cue.tolist() == [0, 1, 2, 0, 1, 2]
        states = [DynState(NetworkState(active), jnp.zeros((), int)) for active in recall.x.active]
        overlaps = np.array([experiment.task.overlap(experiment.system, state) for state in states])
        np.testing.assert_allclose(overlaps[np.arange(6), cue], whole, atol=1 / fields["units"])
        assert np.all(np.argmax(overlaps, 1) == cue)


def test_loads_and_temperatures_scale_couplings():
    fields = ["system.units=200", "system.maps=10", "task.loads=[0.005, 0.05]", "task.temperatures=[0.5, 1.0]",
              "run.replicas=8", "expect={}"]  # fmt: skip
    experiment = build(load("scenarios/place_cells_load.yaml", fields))
    recall = experiment.task.recall(jax.random.key(0), experiment.system, 8)
    stored = np.where(np.arange(10) < np.array([1, 1, 10, 10] * 2)[:, None], -1.0, 0.0)
    np.testing.assert_allclose(recall.system.coupling, stored / np.array([0.5, 1.0] * 4)[:, None])


def test_displacement_goes_round_the_ring():
    track = np.cumsum(np.full((1, 30, 1), 0.3), 1)
    np.testing.assert_allclose(displacement(track % 1), track[:, -1] - track[:, 0])


@pytest.mark.parametrize(("override", "expected"), [
    ("system.dimensions=2", "needs a square number"),
    ("system.width=0.0005", "no cell has a partner"),
    ("system.activity=0.0001", "leaves all active or none"),
    ("system={kind: pattern_network, units: 20, memories: 2}", "stores maps of place cells"),
    ("task.loads=[0.1]", "needs more than the 1 maps"),
    ("dynamics.kT=0.5", "set dynamics.kT to 1"),
    ("run.replicas=4", "combinations need as many replicas"),
    ("observe=[{kind: clump_profile, bins: 40}]", "needs an odd number"),
    ("dynamics={kind: metropolis}", "moves discrete values"),
])  # fmt: skip
def test_complaints(override, expected):
    with pytest.raises(ScenarioError, match=expected):
        load("scenarios/place_cells.yaml", [override])


def test_swaps_need_a_network_of_pairs():
    for system in ("{kind: dense_memory, units: 20, memories: 2, order: 4}",
                   "{kind: pattern_network, units: 20, memories: 2, self_coupling: 1}"):  # fmt: skip
        with pytest.raises(ScenarioError, match="needs pair couplings"):
            load("scenarios/hopfield_recall.yaml", [f"system={system}", "dynamics={kind: unit_swaps}"])
