"""Whatever validation lets through can be designed: every system with every dynamics and estimator.

Traced as shapes alone, every matter with all estimators; slow: every system with all
of them, with other dynamics than the usual ones, and one update in numbers.
"""

from functools import cache, partial
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from matterlearn import testing
from matterlearn.core.drive import Drive
from matterlearn.core.dynamics import AbstractDynamics
from matterlearn.core.matter import matter
from matterlearn.core.system import couplings
from matterlearn.design._estimator import evaluate
from matterlearn.designing import Design
from matterlearn.errors import InputError, ScenarioError
from matterlearn.kinds import config_class, kinds
from matterlearn.run import build, optimizer
from matterlearn.scenario import load

USUAL = {"continuous": "brownian", "discrete": "metropolis", "network": "sequential", "reactions": "gillespie",
         "learner": "generations"}  # fmt: skip
FIRST = ("particles", "lattice_condensate", "spin_network")  # of their matter
PATHS = {"stride": 2}
ESTIMATORS = {
    "pathwise": PATHS, "tangent": PATHS, "score_function": PATHS,
    "equilibrium": {"relax": 0, "stride": 2, "samples": 2},
    "implicit": {"steps": 500}, "enumeration": {"states": 2**17}, "closed_form": {},
}  # fmt: skip


@cache
def example(family, kind):
    return testing.examples(family, kind)[0].model_dump(mode="json")


def matter_of(system):
    return matter(testing.examples("systems", system)[0])


def design(system, dynamics, estimator):
    """Two replicas, two steps, one update towards a lower energy."""
    return {
        "title": "any", "system": example("systems", system), "dynamics": example("dynamics", dynamics),
        "design": {
            "estimator": {"kind": estimator, **ESTIMATORS[estimator]}, "updates": 1, "replicas": 2,
            "objective": [{"observable": {"kind": "energy"}, "goal": "minimise"}],
        },
        "run": {"steps": 2, "replicas": 2},
    }  # fmt: skip


def valid(system, dynamics):
    """Combinations that validation lets through."""
    for move, estimator in product(dynamics, ESTIMATORS):
        try:
            yield load(design(system, move, estimator))
        except ScenarioError:
            continue


def stage_of(scenario) -> Design:
    experiment = build(scenario)
    section: Any = experiment.scenario.design
    steps = optimizer(section.optimizer, 1)
    return Design(experiment.key, experiment.system, experiment.dynamics, experiment.task, section, steps, print)


def test_every_estimator_is_here():
    assert set(ESTIMATORS) == set(kinds("design"))


def gradient(stage):
    """Shapes of the first gradient; what is listed on the host is listed."""
    (estimator,), theta, key = stage.estimators, couplings(stage.system), jax.random.key(0)
    setup = stage._setup(estimator, 0, jnp.zeros((), jnp.int32))
    prepare = partial(estimator.prepare, key, theta, setup, None)
    memory = prepare() if stage.names == ("enumeration",) else None
    evaluated = lambda: evaluate(estimator, key, theta, setup, prepare() if memory is None else memory)  # noqa: E731
    return jax.eval_shape(evaluated).gradient


def usual(system):
    """The usual dynamics of the matter, or the first that the system takes."""
    first = USUAL[matter_of(system)]
    return next((s.dynamics.kind for s in valid(system, [first, *kinds("dynamics")])), first)


def traced(scenario):
    """Name of the estimator whose gradients have the shapes of the couplings; none if there are too many states.

    Of those only they are told later than by validation.
    """
    try:
        stage = stage_of(scenario)
    except InputError as refused:
        assert "no couplings" in str(refused)
        pytest.skip(str(refused))
    try:
        found = gradient(stage)
    except InputError:
        return None
    assert jax.tree.map(jnp.shape, found) == jax.tree.map(jnp.shape, couplings(stage.system)), stage.names
    return stage.names


@cache
def estimators(system):
    """Estimators that validation lets through with the usual dynamics."""
    return [scenario.design.estimator.kind for scenario in valid(system, [usual(system)])]


@pytest.mark.parametrize("own", USUAL)
def test_every_matter_and_estimator_can_be_traced(own):
    """Of all that is valid with the usual dynamics; that every system can be designed is one of the slow tests."""
    systems = sorted((s for s in kinds("systems") if matter_of(s) == own), key=lambda system: system not in FIRST)
    valid_ones = [(estimator, system) for system in systems for estimator in estimators(system)]
    assert valid_ones
    seen = []
    for estimator, system in dict(reversed(valid_ones)).items():
        (scenario,) = (s for s in valid(system, [usual(system)]) if s.design.estimator.kind == estimator)
        seen.append(traced(scenario))
    assert any(seen)


@pytest.mark.slow
@pytest.mark.parametrize("system", kinds("systems"))
@pytest.mark.parametrize("dynamics", ["usual", "others"])
def test_what_is_valid_can_be_traced(system, dynamics):
    """With every estimator, and with every dynamics."""
    moves = [usual(system)] if dynamics == "usual" else [kind for kind in kinds("dynamics") if kind != usual(system)]
    seen = [traced(scenario) for scenario in valid(system, moves)]
    assert any(seen) or dynamics == "others"


@pytest.mark.slow
@pytest.mark.parametrize("system", kinds("systems"))
def test_what_is_valid_is_designed_or_refused_in_words(system):
    moves = {"brownian": ["brownian", "fire", "association"]}.get(usual(system), [usual(system)])
    for scenario in valid(system, moves):
        try:
            stage = stage_of(scenario)
            carry, records = stage.advance(stage.start(), 0, 1)
        except InputError:
            continue
        # FIRE divides by the length of the force; it is zero between particles out of reach, where paths have no slope.
        slopeless = scenario.dynamics.kind == "fire" and stage.names[0] in ("pathwise", "tangent")
        fine = stage.trouble(None, carry, 0, 1) is None and bool(jnp.isfinite(records["loss"]).all())
        assert fine or slopeless, scenario


def known(dynamics: AbstractDynamics, system) -> bool:
    """Whether the probability of a step can be computed."""
    def step(key):
        state = dynamics.init(key, system, Drive(), system.init_state(key), None)
        inside, drive, state = dynamics.enter(system, Drive(), state)
        after, _ = dynamics.step(key, inside, drive, state)
        return dynamics.log_probability(inside, drive, state, after, dynamics.path_memory(inside, drive, state))[0]

    try:
        jax.eval_shape(step, jax.random.key(0))
    except TypeError:
        return False
    return True


@pytest.mark.parametrize("kind", kinds("dynamics"))
def test_dynamics_know_the_probability_of_their_steps_if_they_say_so(kind):
    config = testing.examples("dynamics", kind)[0]
    system = {"continuous": "landscape", "discrete": "lattice_condensate", "network": "spin_network",
              "reactions": "regulated_expression", "learner": "gaussian_learner"}[matter(config)]  # fmt: skip
    own = {"independent": "coupling_flow", "flips_signs": "lattice_field", "reverses": "score_model",
           "explicit": "graph_network"}  # fmt: skip
    system = next((name for claim, name in own.items() if getattr(config, claim, False)), system)
    material = testing.examples("systems", system)[0].build(jax.random.key(0))  # pyright: ignore[reportAttributeAccessIssue]
    claimed = getattr(config_class("dynamics", kind), "known_steps", False)
    assert known(config.build(), material) == claimed  # pyright: ignore[reportAttributeAccessIssue]
