"""Images on a surface: where pixels stand, who is clamped, what is learned from them and how it is recalled."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp, softmax

from matterlearn import scenario as scenarios
from matterlearn.core.lattice_kernel import LatticeState
from matterlearn.errors import ScenarioError
from matterlearn.kinds import load_kind
from matterlearn.run import build, simulate
from matterlearn.tasks._images import Digits, Patterns, kinds
from matterlearn.theory.pattern_recall import hebbian_accuracy

pytestmark = pytest.mark.usefixtures("undrawn")

IMAGES = {"source": "patterns", "count": 3, "corruption": [0.0, 0.1], "copies": 20}
DATA = {
    "title": "patterns",
    "system": {"kind": "lattice_condensate", "shape": [2, 4, 4], "periodic": [False, True, True], "species": 3,
               "surface_species": 32, "cohesion": -1.0, "learn": ["surface_coupling"]},
    "dynamics": {"kind": "heat_bath"},
    "task": {"kind": "surface_images", "images": IMAGES},
    "learning": {"rule": {"kind": "wake_sleep", "samples": 1, "stride": 20, "relax": 0, "chains": "disordered"},
                 "updates": 60, "replicas": 24, "optimizer": {"kind": "sgd", "learning_rate": 0.3}},
    "observe": [{"kind": "accuracy", "every": 4}],
    "run": {"replicas": 120, "steps": 60},
}  # fmt: skip


def changed(**sections):
    return {name: value | sections.get(name, {}) if isinstance(value, dict) else value for name, value in DATA.items()}


@pytest.fixture(scope="module")
def experiment():
    return build(DATA)


def test_every_pixel_and_level_has_its_own_species(experiment):
    task, system = experiment.task, experiment.system
    recall = task.recall(jax.random.key(0), system, 6)
    surface = np.asarray(recall.x.species[:, 0])
    place = np.arange(16).reshape(4, 4)
    np.testing.assert_array_equal(surface, 4 + 2 * place + task.images.test[:6])
    np.testing.assert_array_equal(recall.drive.target.species[:, 0], surface)
    assert np.asarray(recall.drive.clamped.species).all((0, 2, 3)).tolist() == [True, False]


def test_recall_takes_test_images_in_order_from_every_start():
    twice = build(changed(task={"starts": ["disordered", "wrong"]}))
    task, system = twice.task, twice.system
    recall = task.recall(jax.random.key(0), system, 2 * len(task.images.test) + 4)
    labels = {name: label.values for name, label in recall.labels.items()}
    np.testing.assert_array_equal(labels["start"][:6], [0, 1, 0, 1, 0, 1])
    np.testing.assert_array_equal(labels["corruption"][:6], [0, 0, 0.1, 0.1, 0, 0])
    np.testing.assert_array_equal(labels["cue"][:12], np.repeat([0, 1, 2], 4))
    np.testing.assert_array_equal(labels["cue"][-4:], labels["cue"][:4])
    wrong = np.asarray(recall.x.species[1::2, 1])
    assert (wrong == wrong[:, :1, :1]).all()
    assert (wrong[:, 0, 0] - 1 != labels["cue"][1::2]).all()
    np.testing.assert_array_equal(recall.drive.target.species[:, 0], recall.x.species[:, 0])


@pytest.mark.slow
def test_awake_the_label_is_clamped_and_asleep_it_is_free(experiment):
    task, system = experiment.task, experiment.system
    batch = task.present(jax.random.key(0), system, 0, 7, 1.0)
    assert np.asarray(batch.drive.clamped.species).all()
    assert np.asarray(batch.free.clamped.species).all((0, 2, 3)).tolist() == [True, False]
    # as many replicas as images or more: each has its own image, always
    np.testing.assert_array_equal(batch.x.species[:, 1, 0, 0], 1 + np.arange(7) % 3)
    shown = np.asarray(batch.x.species[:, 0] - task.first)
    np.testing.assert_array_equal(shown, task.images.train[np.arange(7) % 3])
    few = task.present(jax.random.key(0), system, 0, 2, 1.0).x.species[:, 1, 0, 0]
    assert few[0] != few[1]


@pytest.mark.slow
def test_uniform_layers_are_logistic_regression(experiment):
    """Exact: energies of uniform layers differ by the sum of the couplings to the pixels that the image shows."""
    with jax.enable_x64(True):
        task, W = experiment.task, np.random.default_rng(0).normal(size=(3, 32))
        system = eqx.tree_at(lambda s: s.surface_coupling, build(DATA).system, jnp.asarray(W))
        surface = task.first + task.images.test[5]
        layers = [jnp.stack([jnp.asarray(surface), jnp.full((4, 4), a)]) for a in (1, 2, 3)]
        energies = np.array([float(system.energy(LatticeState(layer))) for layer in layers])
        logits = -W[:, (surface - 4).ravel()].sum(-1)
        np.testing.assert_allclose(softmax(-energies), softmax(logits), rtol=1e-9)
        rigid = task.references(system, experiment.dynamics)[0]
        all_logits = -W[:, (task.first + task.images.test - 4).reshape(120, -1)].sum(-1)
        assert float(rigid.values) == np.mean(all_logits.argmax(0) == task.images.test_label)


def test_awake_every_kind_of_a_class_has_a_species_of_its_own():
    """One pattern per class is of one kind; three digits of two obvious kinds are told apart, as all of a class are."""
    twice = build(changed(system={"species": 6}, task={"prototypes": 2}))
    batch = twice.task.present(jax.random.key(0), twice.system, 0, 7, 1.0)
    np.testing.assert_array_equal(batch.x.species[:, 1, 0, 0], 1 + 2 * (np.arange(7) % 3))
    rng, label = np.random.default_rng(0), np.repeat([0, 1], 40)
    bright = rng.random(80) < 0.5
    images = np.where(bright[:, None, None], 3, 0) * np.ones((80, 4, 4), int) ^ (rng.random((80, 4, 4)) < 0.1)
    found = kinds(images, label, 2)
    for one in (0, 1):
        assert len(set(zip(found[label == one], bright[label == one], strict=True))) == 2
    assert not kinds(images, label, 1).any()


def test_a_label_is_the_sum_over_its_prototypes():
    """Exact: the weight of a class is the sum over its species, and its overlap what any of them covers."""
    with jax.enable_x64(True):
        twice = build(changed(system={"species": 7}, task={"prototypes": 2}))
        W = np.random.default_rng(1).normal(size=(7, 32))
        task, system = twice.task, eqx.tree_at(lambda s: s.surface_coupling, twice.system, jnp.asarray(W))
        logits = -W[:6, (task.first + task.images.test - 8).reshape(120, -1)].sum(-1)
        answer = np.asarray(logsumexp(logits.reshape(3, 2, 120), axis=1)).argmax(0)
        assert float(task.references(system, twice.dynamics)[0].values) == np.mean(answer == task.images.test_label)
        assert np.any(answer != logits.argmax(0) // 2) or np.any(answer != logits[::2].argmax(0))
    layer = np.zeros((2, 4, 4), np.int8)
    layer[1, 0], layer[1, 1, :2], layer[1, 2], layer[1, 3] = 3, 4, 6, 7  # 7 is hidden, as the solvent is

    class State:
        x = LatticeState(jnp.asarray(layer))

    np.testing.assert_allclose(task.overlap(system, State), [0, 6 / 16, 4 / 16])


def test_overlap_is_the_fraction_that_a_label_covers(experiment):
    task, system = experiment.task, experiment.system
    layer = np.zeros((2, 4, 4), np.int8)
    layer[1, 0], layer[1, 1, :2] = 2, 3

    class State:
        x = LatticeState(jnp.asarray(layer))

    np.testing.assert_allclose(task.overlap(system, State), [0, 4 / 16, 2 / 16])


def test_hebbian_linkers_are_the_patterns(experiment):
    """Exact: without saturation linkers grow by rate x contacts, and a third of the replicas shows each pattern."""
    system, task = experiment.system, experiment.task
    rule = load_kind("rules", "hebbian_linkers")(
        kind="hebbian_linkers", rate=6.0, saturation=1e9, samples=1, stride=1, relax=0
    ).build()
    none = rule.parameters(system)
    step = eqx.filter_jit(
        lambda batch: rule.estimate(jax.random.key(1), system, experiment.dynamics, None, batch, parameters=none)[0]
    )
    linkers = -step(task.present(jax.random.key(0), system, 0, 6, 0.5)).surface_coupling
    expected = np.zeros((3, 32))
    for a, pattern in enumerate(task.images.train):
        expected[a, 2 * np.arange(16) + pattern.ravel()] = 6.0 * 0.5 / 3
    np.testing.assert_allclose(linkers, expected, rtol=1e-5)


@pytest.mark.slow
def test_learning_makes_the_layer_recall_its_patterns(tmp_path):
    """Chance is 1/3. Power: with 120 replicas an accuracy of 0.51 would be four standard errors above it."""
    trained = simulate(DATA, tmp_path / "trained").tree
    accuracy, error = float(trained["accuracy"]), float(trained["accuracy_sem"])
    assert accuracy - 1 / 3 > 4 * max(error, np.sqrt(2 / 9 / 120))
    np.testing.assert_allclose(trained["correct"].mean(), accuracy)
    np.testing.assert_array_equal(trained["correct"], trained["recalled"] == trained["cue"])


def test_hebbian_accuracy_is_that_of_the_closest_pattern():
    """Sampled with 20 000 cues, each with its own patterns: the standard error is 0.0035 where it is largest."""
    rng = np.random.default_rng(0)
    for n, m, p in ((9, 3, 0.2), (25, 6, 0.3), (25, 6, 0.45)):
        patterns = rng.integers(0, 2, (20_000, m, n))
        cue = patterns[:, 0] ^ (rng.random((20_000, n)) < p)
        agreement = (patterns == cue[:, None]).sum(-1) + rng.random((20_000, m)) * 0.5  # ties at random
        right = (agreement.argmax(-1) == 0).mean()
        exact = hebbian_accuracy(n, m, p)
        assert abs(right - exact) < 4 * np.sqrt(exact * (1 - exact) / 20_000)


def test_patterns_are_flipped_as_often_as_said():
    """Power: 100 x 3 x 64 pixels tell 0.2 from 0.21 by 3.5 standard errors."""
    images = Patterns(source="patterns", count=3, corruption=[0.0, 0.2], copies=100).build((8, 8))
    flipped = (images.test != images.train[images.test_label]).reshape(len(images.test), -1).mean(1)
    assert not flipped[images.corruption == 0].any()
    assert abs(flipped[images.corruption == 0.2].mean() - 0.2) < 4 * np.sqrt(0.16 / (300 * 64))


def test_digits_are_divided_by_class():
    images = Digits(source="digits", levels=3, split=1).build((8, 8))
    assert (len(images.train), len(images.test)) == (1198, 599)
    assert sorted(np.unique(images.train)) == [0, 1, 2]
    share = np.bincount(images.test_label) / np.bincount(np.append(images.test_label, images.train_label))
    np.testing.assert_allclose(share, 1 / 3, atol=0.01)
    other = Digits(source="digits", levels=3, split=2).build((8, 8))
    assert not np.array_equal(images.test, other.test)


@pytest.mark.parametrize(
    ("sections", "complaint"),
    [
        ({"system": {"shape": [4, 4], "periodic": False}}, "needs a cubic lattice of two layers"),
        ({"system": {"surface_species": 30}}, "32 surface species are needed"),
        ({"system": {"species": 2}}, "3 label species are needed"),
        ({"task": {"prototypes": 2}}, "6 label species are needed"),
        ({"system": {"periodic": True}}, "must not touch"),
        ({"task": {"images": {"source": "digits"}}}, "digits have 8 x 8 pixels, but the surface is 4 x 4"),
        ({"task": {"images": IMAGES | {"count": 1}, "starts": ["wrong"]}}, "a wrong label needs two classes"),
    ],
)
def test_what_does_not_fit_is_said(sections, complaint):
    with pytest.raises(ScenarioError, match=complaint):
        scenarios.load(changed(**sections))
