"""Whatever validation lets through can be built and traced: every system with every dynamics, task and observable."""

import collections
import functools
import itertools

import jax
import pytest

from matterlearn import testing
from matterlearn.core.dynamics import advance
from matterlearn.core.matter import matter
from matterlearn.errors import ScenarioError
from matterlearn.kinds import kinds
from matterlearn.run import build
from matterlearn.scenario import load
from matterlearn.stages import replica

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


def matter_of(system):
    return matter(testing.examples("systems", system)[0])


def usual(system):
    given = {"title": "any", "system": example("systems", system), "run": {"steps": 10, "replicas": 64}}
    return given | {"dynamics": example("dynamics", USUAL[matter_of(system)])}


def observed(scenario):
    """The scenario with all observables that it can have: those of which nobody complains."""
    each = [example("observables", kind) for kind in kinds("observables")]
    with pytest.raises(ScenarioError) as caught:
        load(scenario | {"observe": each})
    wrong = {problem.path[1] for problem in caught.value.problems}
    return load(scenario | {"observe": [one for i, one in enumerate(each) if i not in wrong]})


def scenarios(system):
    """The system with every dynamics; with its usual one, without and with every task, and all observables at once."""
    given = usual(system)
    yield from filter(None, (valid(given | {"dynamics": example("dynamics", kind)}) for kind in kinds("dynamics")))
    for task in [{}, *({"task": example("tasks", kind)} for kind in kinds("tasks"))]:
        if valid(given | task):
            yield observed(given | task)


@functools.cache
def first_system(own, family, kind):
    """The first system of a matter that goes with a dynamics or a task."""
    part = {{"dynamics": "dynamics", "tasks": "task"}[family]: example(family, kind)}
    return next((one for one in kinds("systems") if matter_of(one) == own and valid(usual(one) | part)), None)


def covering(system):
    """Every observable of this system, or of it with one task if it needs one; what no system before it goes with."""
    given, own = usual(system), matter_of(system)
    tasks = [{"task": example("tasks", kind)} for kind in kinds("tasks")]
    first = [{"task": example("tasks", kind)} for kind in kinds("tasks") if first_system(own, "tasks", kind) == system]
    alone = next((task for task in ({}, *tasks) if valid(given | task)), None)
    for task in filter(lambda task: task is not None, [alone, *(task for task in first if task != alone)]):
        yield observed(given | task)
    for kind in kinds("dynamics"):
        if kind != given["dynamics"]["kind"] and first_system(own, "dynamics", kind) == system:
            yield load(given | {"dynamics": example("dynamics", kind)})


def traced(scenario):
    """Two steps and every observable of the first replica, as shapes alone."""
    experiment = build(scenario)
    recall = experiment.task.recall(jax.random.key(0), experiment.system, 64)
    system, drive, x = replica((recall.system, recall.drive, recall.x), 0)
    lists = system.allocate(x)

    def go():
        start = experiment.dynamics.init(jax.random.key(0), system, drive, x, lists)
        state = advance(jax.random.key(0), system, experiment.dynamics, drive, start, 2)
        return [observable(system, drive, state) for observable in experiment.observables]

    return jax.eval_shape(go)


def every_third():
    """Systems as parameters: a third of those of each matter without the slow tests."""
    seen = collections.Counter()
    for system in kinds("systems"):
        own = matter_of(system)
        yield pytest.param(system, marks=pytest.mark.slow if seen[own] % 3 else ())
        seen[own] += 1


@pytest.mark.parametrize("system", list(every_third()))
def test_every_kind_runs_with_every_matter_that_it_goes_with(system):
    """Of all that is valid, with the slow ones: every system, and with each matter every dynamics and task."""
    for scenario in covering(system):
        traced(scenario)


@pytest.mark.slow
@pytest.mark.parametrize("system", kinds("systems"))
def test_what_is_valid_runs(system):
    seen = 0
    for scenario in scenarios(system):
        traced(scenario)
        seen += max(1, len(scenario.observe))
    assert seen >= 3, "nothing of this system is valid"


@pytest.mark.slow
def test_nothing_is_left_to_the_slow_tests_alone():
    """With each matter every dynamics, task and observable that is valid with some system of it is traced."""

    def met(scenarios):
        for one in itertools.chain.from_iterable(map(scenarios, kinds("systems"))):
            for part in filter(None, (one.dynamics, one.task, *one.observe)):
                yield matter_of(one.system.kind), part.kind

    assert set(met(covering)) == set(met(scenarios))
