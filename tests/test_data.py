"""Data as a task: likelihoods, completion, updates between records, and mistakes that are told."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from matterlearn import loop, run
from matterlearn.checkpoints import Store
from matterlearn.core.dynamics import advance
from matterlearn.errors import ScenarioError
from matterlearn.learning import Learning
from matterlearn.scenario import load

pytestmark = pytest.mark.usefixtures("undrawn")

MODEL = {
    "title": "Bars and stripes",
    "system": {"kind": "restricted_boltzmann_machine", "visible": 4, "hidden": 6, "disorder": 0.1},
    "dynamics": {"kind": "heat_bath"},
    "task": {"kind": "data", "data": {"source": "bars_and_stripes", "side": 2}},
    "learning": {"rule": {"kind": "maximum_likelihood"}, "updates": 400, "replicas": 6,
                 "optimizer": {"kind": "adam", "learning_rate": 0.05}},
    "run": {"steps": 1},
}  # fmt: skip


@pytest.mark.slow
def test_exact_likelihood_climbs_to_the_entropy_of_the_data(tmp_path):
    """Six images: no model exceeds −ln 6, and this one comes near; independent pixels stay at −4 ln 2."""
    tree = run.simulate(MODEL, tmp_path / "r").tree
    assert abs(tree["log_likelihood_bound"] + np.log(6)) < 1e-12
    assert abs(tree["log_likelihood_independent"] + 4 * np.log(2)) < 1e-12
    learned = tree["learning"]["log_likelihood"].values
    assert -np.log(6) - 0.1 < learned[-1] < -np.log(6) + 1e-5 and learned[-1] == learned.max()
    assert abs(float(tree["log_likelihood_train"]) - learned[-1]) < 1e-5


@pytest.mark.slow
def test_given_entries_stay_and_others_are_completed(tmp_path):
    """Recall clamps two pixels to samples; a coupled third follows them, an uncoupled fourth does not."""
    scene = {
        "title": "Completion", "system": {"kind": "boltzmann_machine", "graph": {"kind": "path", "nodes": 4}},
        "dynamics": {"kind": "heat_bath"},
        "task": {"kind": "data", "data": {"source": "rows", "rows": [[1, 1, 1, 0], [0, 0, 0, 1]]}, "given": [0, 1]},
        "observe": [{"kind": "visible_patterns", "every": 1}], "run": {"steps": 20, "replicas": 400},
    }  # fmt: skip
    built = run.build(load(scene))
    system = eqx.tree_at(lambda s: s.coupling, built.system, jnp.array([0.0, -2.0, 0.0]))
    recall = built.task.recall(jax.random.key(0), system, 400)
    assert np.array_equal(recall.labels["cue"].values, np.arange(400) % 2)

    @jax.jit
    def ends(keys):
        def one(key, drive, x):
            return advance(key, system, built.dynamics, drive, built.dynamics.init(key, system, drive, x), 20).x.active

        return jax.vmap(one)(keys, recall.drive, recall.x)

    found, wanted = np.asarray(ends(jax.random.split(jax.random.key(1), 400))), 1 - np.arange(400) % 2
    assert np.array_equal(found[:, :2], np.stack([wanted, wanted], 1)), "what was given has moved"
    follows, free = (found[:, 2] == wanted).mean(), (found[:, 3] == wanted).mean()
    law = 1 / (1 + np.exp(-4.0))
    assert abs(follows - law) < 4 * np.sqrt(law * (1 - law) / 400)
    assert abs(free - 0.5) < 4 * 0.5 / 20


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """Final couplings and records of 410 updates, in chunks of a given size; compiled once."""
    changed = MODEL["learning"] | {"rule": {"kind": "wake_sleep", "relax": 0}, "updates": 410}
    built = run.build(load(MODEL | {"learning": changed}))
    section = built.scenario.learning
    stage = Learning(
        jax.random.key(7), built.system, built.dynamics, section.rule.build(), built.task,
        run.optimizer(section.optimizer, 410), exposures=1, updates=410, duration=1.0, replicas=6,
    )  # fmt: skip
    assert stage.record == 3

    def run_in(chunk):
        here = tmp_path_factory.mktemp("chunks")
        settings = {"quiet": True, "log": loop.Log(here / "log"), "resume_hint": ""}
        carry, records = loop.run_stage(stage, Store(here), chunk=chunk, **settings)
        return carry.parameters, carry.update, records

    return run_in


@pytest.mark.slow
def test_updates_between_records_are_the_same_in_any_chunk(learned):
    """Of three updates, two are those of a compiled loop, wherever chunks begin."""
    _, update, records = first = learned(410)
    assert len(records["update"]) == 138 and int(update) == 410
    for chunk in (1, 4, 41):
        for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(learned(chunk)), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("path", "value", "words"), [
    (("task", "data", "side"), 3, "a sample has 9 entries, but 'restricted_boltzmann_machine' shows 4"),
    (("system", "values"), {"values": 3}, "entries of a sample take 2 values"),
    (("system", "values"), {"scale": 1.0}, "entries of a sample take 2 values"),
    (("task", "given"), [4], "entries are numbered 0 … 3"),
    (("system", "learn"), ["scale"], "only Gaussian units have a scale"),
    (("system", "hidden"), 40, None),
    (("dynamics", "kind"), "kawasaki", "needs species on a lattice"),
    (("learning", "rule"), {"kind": "pseudo_likelihood"}, "are hidden"),
])  # fmt: skip
def test_a_mistake_gets_one_clear_line(path, value, words):
    data = jax.tree.map(lambda leaf: leaf, MODEL)
    here = data
    for name in path[:-1]:
        here = here[name]
    here[path[-1]] = value
    if words is None:
        load(data)  # forty hidden units are no obstacle where four visible ones are summed over
        return
    with pytest.raises(ScenarioError, match=words):
        load(data)
