"""What is measured on lattices, against counts by hand and exact conditional probabilities."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from covering import slow
from matterlearn.core.lattice import Lattice
from matterlearn.core.lattice_kernel import LatticeState
from matterlearn.core.schedule import Constant
from matterlearn.errors import ScenarioError
from matterlearn.kinds import load_kind
from matterlearn.scenario import load
from matterlearn.theory import enumeration

DISC = {"kind": "target_distribution", "patterns": {"radii": [2.0, 3.6], "species": [1, 2]}}
SITES = [[0, 0, 0], [0, 0, 1], [0, 1, 0], [0, 1, 1]]
TEACHER = {"couplings": [[-1.2, -0.6], [-0.6, 0.8]], "chemical_potential": [1.5, 1.5]}


def condensate(shape, species=2, **more):
    return load_kind("systems", "lattice_condensate")(
        kind="lattice_condensate", shape=shape, species=species, **more
    ).build(None)


def observable(kind, system, task=None, **more):
    return load_kind("observables", kind)(kind=kind, **more).build(system, task)


def target(system, **given):
    return load_kind("tasks", "target_distribution")(**{"kind": "target_distribution", **given}).build(system)


def measured(what, sites):
    seen = jax.jit(lambda species: what(None, None, SimpleNamespace(x=LatticeState(species))))
    return np.asarray(seen(jnp.asarray(sites, jnp.int8)))


def named(summaries):
    return {s.name: np.asarray(s.values) for s in summaries}


def test_neighbours_and_composition_by_hand():
    system = condensate([2, 3], periodic=False)
    sites = [[1, 2, 0], [1, 0, 0]]  # bonds 11 12 10 02 02 00 00
    fractions = measured(observable("neighbor_fractions", system), sites)
    np.testing.assert_allclose(fractions, [[4 / 7, 1 / 7, 2 / 7], [1 / 4, 2 / 4, 1 / 4], [2 / 3, 1 / 3, 0]], rtol=1e-6)
    np.testing.assert_allclose(measured(observable("composition", system), sites), [3 / 6, 2 / 6, 1 / 6], rtol=1e-6)
    assert measured(observable("neighbor_fractions", system), np.zeros((2, 3)))[1].tolist() == [0, 0, 0], "absent"


@pytest.mark.parametrize("shape", [[10, 12], slow([11, 11])])  # centred between sites and on one
@pytest.mark.parametrize("shift", [(0, 0), slow((5, 0)), (3, 8)])
def test_radial_profile_is_that_of_the_drop_wherever_it_lies(shift, shape):
    system = condensate(shape)
    task = target(system, **DISC)
    profile = observable("radial_profile", system, task, discard=0.0)
    drop = np.roll(np.asarray(task.patterns[0]), shift, (0, 1))
    found = named(profile.summary(np.stack([measured(profile, drop)] * 4).reshape(2, 2, 5, 3), {}))
    np.testing.assert_allclose(found["radial_profile"], found["radial_profile_target"], rtol=1e-6)
    np.testing.assert_array_equal(found["radial_profile"][0], [0, 1, 0])
    np.testing.assert_array_equal(found["radial_profile"][-1], [1, 0, 0])
    np.testing.assert_allclose(found["radial_profile_sem"], 0.0, atol=1e-7)
    assert profile.coords()["distance"].tolist() == [0.5, 1.5, 2.5, 3.5, 4.5]


def test_centre_of_mass_on_open_sides():
    from matterlearn.observables.radial_profile import squared_distance

    member = jnp.zeros((4, 6)).at[0, 0].set(1.0).at[0, 5].set(1.0)
    square = squared_distance(Lattice((4, 6), (True, False)), member)
    assert square[0].tolist() == [6.25, 2.25, 0.25, 0.25, 2.25, 6.25]
    np.testing.assert_allclose(square[:, 2] - 0.25, [0, 1, 4, 1], atol=1e-5)


def test_frequencies_of_sites_and_patterns():
    system = condensate([1, 2], periodic=False)
    task = target(system, patterns=[[1, 1], [2, 0]], weights=[3, 1])
    records = np.array([[[1, 1], [1, 1], [2, 0], [0, 0]], [[1, 1]] * 4])  # [replica, record, site]
    seen = observable("marginals", system, discard=0.0)
    found = named(seen.summary(records, {}))
    np.testing.assert_allclose(found["marginal"], [[1 / 8, 6 / 8, 1 / 8], [2 / 8, 6 / 8, 0]])
    np.testing.assert_allclose(found["marginal_sem"][0, 1], 0.25)  # ½ and 1
    patterns = observable("pattern_frequencies", system, task, discard=0.5)
    shown = np.array([[measured(patterns, [row]) for row in replica] for replica in records])
    assert shown.tolist() == [[0, 0, 1, -1], [0, 0, 0, 0]]
    found = named(patterns.summary(shown, {}))
    np.testing.assert_allclose(found["pattern_frequency"], [0.5, 0.25])


def test_teacher_and_its_conditional_probabilities():
    """The target of a teacher is its own equilibrium; references are conditional probabilities summed by hand."""
    given = [{"site": [0, 0, 1], "species": 2}]
    system = condensate([2, 2, 2], periodic=False, couplings=TEACHER["couplings"], chemical_potential=[1.5, 1.5])
    task = target(system, patterns=TEACHER, visible=SITES, given=given)
    dynamics = SimpleNamespace(kT=Constant(jnp.ones(())))
    assert len(task.patterns) == 81 and abs(task.evaluate(system, dynamics)["kl"]) < 1e-6
    states = enumeration.configurations(8, 3)
    J = np.pad(TEACHER["couplings"], (1, 0))
    energies = enumeration.potts_energies(states, enumeration.lattice_bonds((2, 2, 2), False), J, [0, 1.5, 1.5])
    weights = np.exp(-energies) * (states[:, 1] == 2)
    weights /= weights.sum()
    marginals = np.stack([weights @ (states == a) for a in range(3)], -1)
    found = named(task.references(system, dynamics))
    np.testing.assert_allclose(found["marginal_theory"], marginals, rtol=1e-5, atol=1e-12)
    np.testing.assert_allclose(found["marginal_target"][:4], marginals[:4], rtol=1e-5, atol=1e-12)
    assert np.isnan(found["marginal_target"][4:]).all(), "the target says nothing of hidden sites"
    empty = (states[:, :4] == [0, 2, 0, 0]).all(1)
    for name in ("pattern_frequency_theory", "pattern_frequency_target"):
        np.testing.assert_allclose(found[name].sum(), 1.0, rtol=1e-6)
        np.testing.assert_allclose(found[name][18], weights @ empty, rtol=1e-5)  # 0200 in base 3


def test_present_shows_patterns_as_often_as_they_should():
    system = condensate([2, 2, 2], periodic=False)
    task = target(system, patterns=TEACHER, visible=SITES)
    batch = task.present(jax.random.key(0), system, jnp.zeros((), int), 4000, 1.0)
    shown = np.asarray(batch.x.species)[:, 0].reshape(4000, 4) @ [27, 9, 3, 1]
    counts = np.bincount(shown, minlength=81)
    assert np.abs(counts - 4000 * np.asarray(task.weights)).max() < 1.01, "systematic sampling leaves less than one"


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("task.patterns.couplings=[[1, 2], [3, 1]]", "task.patterns.couplings: is not symmetric"),
        ("task.patterns.chemical_potential=[1]", "needs 2 rows of 2 couplings and 2 chemical potentials"),
        ("task.weights=[1, 2]", "weights of their own"),
        ("task.patterns=[[1, 1, 1, 1], [1, 1, 1, 1]]", "twice"),
        ("system.species=40", "too many states"),
        ("observe.0={kind: radial_profile, about: [3]}", "observe.0.about: names a species"),
        ("observe.0={kind: pattern_frequencies, discard: 1}", "observe.0.discard"),
    ],
)
def test_complaints(override, expected):
    with pytest.raises(ScenarioError, match=expected):
        load("conditional_inference", [override])


def test_soft_discs_keep_their_composition():
    discs = {"radii": [2.0, 3.6], "species": [1, 2]}
    hard = target(condensate([10, 12]), **DISC).patterns[0]
    soft = target(condensate([10, 12]), patterns=discs | {"softness": 0.8, "count": 50}).patterns
    counts = np.stack([np.bincount(np.ravel(p), minlength=3) for p in soft])
    assert (counts == np.bincount(np.ravel(hard), minlength=3)).all()
    assert len({p.tobytes() for p in np.asarray(soft)}) == 50
    soft = np.asarray(soft)
    core = [float(np.mean(soft[:, 4, column] == 1)) for column in (5, 7, 9, 11)]  # from the middle outwards
    assert core == sorted(core, reverse=True) and core[0] > core[1] > core[2], "the edge is soft"
    assert (soft[:, 0, 0] == 0).all() and core[-1] == 0, "and the far outside stays solvent"
    again = target(condensate([10, 12]), patterns=discs | {"softness": 0.0}).patterns[0]
    np.testing.assert_array_equal(again, hard)


@pytest.mark.parametrize("kind", ["contacts", "largest_cluster", "cluster_sizes"])
def test_bonds_of_particles_are_not_those_of_a_lattice(kind):
    with pytest.raises(ScenarioError, match="counts bonds between particles, which 'lattice_condensate' does not have"):
        load("conditional_inference", [f"observe=[{{kind: {kind}}}]", "expect={}"])
