"""Stored tiles: what a Hebbian rule learns from them, and what recall does with it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from matterlearn import report
from matterlearn.core.lattice_kernel import LatticeState
from matterlearn.core.system import coupling_gradient
from matterlearn.errors import ScenarioError
from matterlearn.run import build, simulate
from matterlearn.scenario import load
from matterlearn.tasks.tile_structures import STATES
from matterlearn.theory import assembly, tiles

SIDE, BOX, MEMORIES = 6, 9, 2
SCENARIO = {
    "title": "Two squares of 36 tiles",
    "system": {"kind": "lattice_tiles", "shape": [BOX, BOX], "species": SIDE**2, "chemical_potential": 16.0},
    "dynamics": {"kind": "heat_bath"},
    "task": {
        "kind": "tile_structures",
        "shape": [SIDE, SIDE],
        "count": MEMORIES,
        "seed": [4, 4],
        "bond_scales": [1.0, 0.25],
    },
    "learning": {
        "rule": {"kind": "hebbian_linkers", "rate": 500.0, "saturation": 10.0, "samples": 1, "stride": 1, "relax": 0},
        "replicas": 1,
    },
    "observe": [
        {"kind": "overlap", "every": 100},
        {"kind": "extra", "every": 100},
        {"kind": "chimera", "every": 100},
        {"kind": "density", "every": 100},
        {"kind": "assembly_state", "every": 100},
        {"kind": "trajectory", "every": 400},
    ],
    "run": {"seed": 2, "replicas": 6, "steps": 400},
    "expect": {
        "overlap_final": [{"min": 1.0, "where": {"bond_scale": 1.0}}, {"max": 0.1, "where": {"bond_scale": 0.25}}]
    },
}


def changed(**sections):
    return {**SCENARIO, **{name: {**SCENARIO[name], **more} for name, more in sections.items()}}


def memories(tree):
    """The structures as [memory, row, column] of species from 0, the last axis along the rows."""
    patterns = tree["memories/pattern"].values
    rows, columns = np.nonzero(patterns[0])
    return patterns[:, rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] - 1


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "write", lambda directory: None)
        return simulate(SCENARIO, out=tmp_path_factory.mktemp("tiles") / "r")


@pytest.mark.slow
def test_saturated_linkers_are_the_union_rule(finished):
    """Every stored bond −ε, all others exactly 0; axis 0 runs along columns, which are rows of pairs one above."""
    learned = finished.tree["couplings/couplings"].values
    union = tiles.union_couplings(memories(finished.tree), 10.0)[::-1]
    np.testing.assert_allclose(learned, union, rtol=2e-7, atol=0)
    np.testing.assert_array_equal(finished.tree["couplings/ideal"].values < 0, union < 0)
    bonds = finished.tree["memories/bonds"].values
    assert bonds.sum() == 2 * MEMORIES * SIDE * (SIDE - 1)


def test_unsaturated_linkers_are_the_sum_rule():
    """Far from saturation every exposure adds the same to each of its bonds."""
    rule = {**SCENARIO["learning"]["rule"], "rate": 2.0, "saturation": 1e8}
    scenario = load(changed(task={"count": 20}, learning={"rule": rule}))
    experiment, rule = build(scenario), scenario.realise().learning.rule.build()
    count = jax.jit(lambda system, memory: coupling_gradient(system, clamped(experiment.task, memory)))
    linkers = rule.parameters(experiment.system).coupling
    for memory in range(20):
        linkers = rule.flow(linkers, count(experiment.system, memory).coupling, 1.0)
    blocks = np.stack([clamped(experiment.task, memory).species for memory in range(20)])[:, 1:7, 1:7] - 1
    total = tiles.sum_couplings(blocks, 2.0)[::-1]
    assert total.min() < -2.0, "some bond is stored twice"
    np.testing.assert_allclose(rule.law(linkers), total, rtol=1e-6, atol=0)


def clamped(task, memory):
    """The lattice during an exposure."""
    batch = task.present(jax.random.key(0), None, memory, 1, 1.0)
    return jax.tree.map(lambda leaf: leaf[0], batch.drive.project(batch.x))


@pytest.mark.slow
def test_corner_ambiguity_from_learned_couplings(finished):
    """Wrong species that make both bonds at a corner of the first structure, recounted from the couplings."""
    below, left = finished.tree["couplings/couplings"].values < 0
    first = memories(finished.tree)[0]
    fitting = below[first[:-1, 1:]] & left[first[1:, :-1]]
    expected = assembly.measured_corner_ambiguity(memories(finished.tree))
    np.testing.assert_array_equal(fitting.sum(-1).ravel() - 1.0, expected)


@pytest.mark.slow
def test_strong_bonds_recall_and_weak_ones_dissolve(finished):
    """Replicas take the scales in turn, and each the next cue; the seed grows to the whole structure and no further.

    A complete structure fills (6/9)² of the sites exactly, whatever else is there comes on top.
    """
    tree = finished.tree
    assert tree["cue"].values.tolist() == [0, 0, 1, 1, 0, 0]
    np.testing.assert_array_equal(tree["bond_strength"], [10.0, 2.5] * 3)
    last = tree.to_dataset().isel(step=-1)
    own = last["overlap"].values[np.arange(6), last["cue"]]
    assert (own[0::2] == 1).all() and (own[1::2] < 0.1).all(), own
    surplus = last["extra"].values
    assert (surplus < 0.15).all(), surplus
    np.testing.assert_allclose(last["density"][::2], (1 + surplus[::2]) * 4 / 9, rtol=1e-6)
    assert last["final_state"].values.tolist() == ["recalled", "dispersed"] * 3
    assert all(verdict.passed for verdict in finished.verdicts), finished.verdicts
    start = tree["trajectory/species"].isel(frame=0).values
    assert ((start > 0).sum((1, 2)) == 16).all(), "a seed of 4 x 4 tiles and nothing else"
    final, pattern = tree["trajectory/species"].isel(frame=-1).values[2], tree["memories/pattern"].values[1]
    np.testing.assert_array_equal(final[pattern > 0], pattern[pattern > 0])


@pytest.mark.slow
def test_states_of_matter():
    """Hand-made lattices: nothing, the structure, another structure around it, loose tiles."""
    experiment = build(load(changed(task={"bond_scales": [1.0]}, system={"shape": [20, 20]})))
    task, system = experiment.task, experiment.system
    system = type(system)(jnp.asarray(-8.0 * task.contacts(system).any(0)), system.chemical_potential, system.lattice)
    patterns = np.asarray(task.patterns)
    inside = (slice(7, 13), slice(7, 13))
    both, loose = patterns[0].copy(), patterns[0].copy()
    both[0:6, 0:6] = patterns[1][inside]
    loose[(loose == 0) & (np.indices(loose.shape).sum(0) % 2 == 0)] = 1
    dense = np.where(patterns[0] > 0, patterns[0], 1)
    gas = patterns[0].copy()
    gas[0:5:2, 0::2] = 1
    half = np.where(np.arange(20)[:, None] < 9, patterns[0], 0)
    cases = [(0 * patterns[0], 0.0, 0.0), (patterns[0], 1.0, 0.0), (both, 1.0, 1.0), (dense, 1.0, 364 / 36)]
    cases += [(loose, 1.0, 182 / 36), (gas, 1.0, 30 / 36), (half, 12 / 36, 0.0)]
    names = ["dispersed", "recalled", "chimera", "liquid", "liquid", "recalled", "dispersed"]
    for (x, overlap, extra), name in zip(cases, names, strict=True):
        state = type("Holder", (), {"x": LatticeState(jnp.asarray(x))})
        assert STATES[int(task.classify(system, state))] == name
        assert float(task.overlap(system, state).max()) == pytest.approx(overlap)
        assert float(task.extra(system, state)) == pytest.approx(extra)
    chimera = type("Holder", (), {"x": LatticeState(jnp.asarray(both))})
    assert float(task.chimera(system, chimera)) == pytest.approx(0.5)


def test_replicas_carry_the_bonds_of_their_own_memories():
    """Couplings of the first m memories, scaled; cues come from those m alone."""
    sweep = {"count": 4, "counts": [1, 3], "bond_scales": [1.0, 0.5], "chemical_potentials": [11.0, 12.0]}
    experiment = build(load(changed(task=sweep, run={"replicas": 24})))
    task, system = experiment.task, experiment.system
    bonds = task.contacts(system)
    system = type(system)(jnp.asarray(-8.0 * bonds.any(0)), system.chemical_potential, system.lattice)
    recall = task.recall(jax.random.key(0), system, 24)
    coupling, labels = np.asarray(recall.system.coupling), recall.labels
    for r in range(24):
        m, scale = labels["stored_memories"].values[r], labels["bond_scale"].values[r]
        np.testing.assert_array_equal(coupling[r], -8.0 * scale * bonds[:m].any(0))
        assert labels["cue"].values[r] == r // 8 % m
        assert np.asarray(recall.system.chemical_potential)[r] == labels["chemical_potential"].values[r]


@pytest.mark.parametrize(
    ("sections", "expected"),
    [
        ({"system": {"species": 30}}, "needs 36 species; there are 30"),
        ({"system": {"shape": [5, 9]}}, "does not fit a lattice of sides [5, 9]"),
        ({"system": {"shape": [6, 9], "periodic": True}}, "touch itself across a periodic side"),
        ({"task": {"seed": [7, 2]}}, "no part of a structure"),
        ({"task": {"counts": [2, 4]}}, "4 memories out of 2"),
        ({"task": {"chemical_potentials": [1.0, 2.0, 3.0, 4.0]}}, "8 combinations need as many replicas"),
    ],
)
def test_complaints(sections, expected):
    with pytest.raises(ScenarioError) as caught:
        load(changed(**sections))
    assert expected in str(caught.value)
