"""Whatever validation lets through can be built and traced: every system with every dynamics, task and observable."""

import functools

import jax
import pytest

from matterlearn import testing
from matterlearn.core.dynamics import advance
from matterlearn.core.matter import matter
from matterlearn.errors import ScenarioError
from matterlearn.kinds import kinds
from matterlearn.run import build
from matterlearn.scenario import load

USUAL = {"continuous": "brownian", "discrete": "metropolis", "network": "sequential", "reactions": "gillespie",
         "learner": "generations"}  # fmt: skip


@functools.cache
def example(family, kind):
    return testing.examples(family, kind)[0].model_dump(mode="json")


def valid(scenario):
    try:
        return load(scenario)
    except ScenarioError:
        return None


def scenarios(system):
    """The system with every dynamics; with its usual one, without and with every task, and all observables at once."""
    given = {"title": "any", "system": example("systems", system), "run": {"steps": 10, "replicas": 64}}
    usual = given | {"dynamics": example("dynamics", USUAL[matter(testing.examples("systems", system)[0])])}
    yield from filter(None, (valid(given | {"dynamics": example("dynamics", kind)}) for kind in kinds("dynamics")))
    for task in [{}, *({"task": example("tasks", kind)} for kind in kinds("tasks"))]:
        if valid(usual | task):
            each = [example("observables", kind) for kind in kinds("observables")]
            yield load(usual | task | {"observe": [one for one in each if valid(usual | task | {"observe": [one]})]})


def traced(scenario):
    """Two steps and every observable of the first replica, as shapes alone."""
    experiment = build(scenario)
    recall = experiment.task.recall(jax.random.key(0), experiment.system, 64)
    system, drive, x = jax.tree.map(lambda leaf: leaf[0], (recall.system, recall.drive, recall.x))
    lists = system.allocate(x)

    def go():
        start = experiment.dynamics.init(jax.random.key(0), system, drive, x, lists)
        state = advance(jax.random.key(0), system, experiment.dynamics, drive, start, 2)
        return [observable(system, drive, state) for observable in experiment.observables]

    return jax.eval_shape(go)


@pytest.mark.parametrize("system", kinds("systems"))
def test_what_is_valid_runs(system):
    seen = 0
    for scenario in scenarios(system):
        traced(scenario)
        seen += max(1, len(scenario.observe))
    assert seen >= 3, "nothing of this system is valid"
