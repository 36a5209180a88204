"""Checks of learners and of dynamics that refit them; see ``core.learner``."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from matterlearn.core.drive import Drive
from matterlearn.core.dynamics import advance
from matterlearn.core.learner import AbstractLearner
from matterlearn.kinds import load_kind
from matterlearn.testing._examples import Counted, agree, same_bits, trap
from matterlearn.testing.systems import (
    SystemCase,
    energy_is_a_number,
    energy_is_compiled_once,
    in_double,
    state_is_named,
)

SIZE = 12  # data of a fit
FITS = 2000


def learner_case(config: Any) -> SystemCase:
    """A model that was fitted to a few data, and another one as a direction."""
    with jax.enable_x64(True):
        system = config.build(jax.random.key(0))
        x, other = (system.fit(system.statistics(jax.random.key(seed), system.truth(), SIZE)) for seed in (1, 2))
        return SystemCase(system, x, other)


@in_double
def truth_has_no_energy(case: SystemCase) -> None:
    """Energy is 0 at the truth and positive after a fit to few data; energy is the first quantity."""
    system: Any = case.system
    at_truth, fitted = (float(system.energy(x)) for x in (system.truth(), case.x))
    assert abs(at_truth) < 1e-12 < fitted, f"energy is {at_truth:.3g} at the truth, {fitted:.3g} of a fitted model"
    measured = system.measure(case.x)
    assert measured.shape == (len(system.quantities),), "quantities are not as many as their names"
    agree(measured[0], system.energy(case.x), 1e-12, "the first quantity is not the energy")


@in_double
def statistics_add(case: SystemCase) -> None:
    """The order of a sum does not matter, nor do data of weight 0, and twice a set is the set with weight 2."""
    system: Any = case.system
    a, b = (system.statistics(jax.random.key(seed), system.truth(), SIZE) for seed in (3, 4))
    agree(system.fit(a + b), system.fit(b + a), 1e-9, "a + b is not b + a")
    agree(system.fit(a + 0.0 * b), system.fit(a), 1e-9, "data of weight 0 count")
    agree(system.fit(a + a), system.fit(2.0 * a), 1e-9, "a + a is not 2 a")


@in_double
def downstream_is_the_mean_of_one_more_fit(case: SystemCase) -> None:
    """2000 fits to data of one model: their mean energy is the closed form, |z| < 4."""
    system: Any = case.system
    refit = lambda key: system.energy(system.fit(system.statistics(key, case.x, SIZE)))  # noqa: E731
    energy = np.asarray(jax.jit(jax.vmap(refit))(jax.random.split(jax.random.key(5), FITS)))
    law = float(system.downstream(case.x, SIZE))
    z = (energy.mean() - law) / (energy.std(ddof=1) / np.sqrt(FITS))
    assert abs(z) < 4, f"mean energy after one more fit is {energy.mean():.4g}, in closed form {law:.4g}, z = {z:.1f}"


LEARNER_SYSTEM_CHECKS = (
    state_is_named,
    energy_is_a_number,
    energy_is_compiled_once,
    truth_has_no_energy,
    statistics_add,
    downstream_is_the_mean_of_one_more_fit,
)


def _learner(variance: float = 1.0) -> AbstractLearner:
    return load_kind("systems", "gaussian_learner")(kind="gaussian_learner", variance=variance).build(None)


def _start(dynamics, system):
    return dynamics.init(jax.random.key(0), system, Drive(), system.truth())


def generations_are_counted_and_chunked(config: Any) -> None:
    """The same key gives the same bits, however a run is cut into chunks; another key gives another lineage."""
    dynamics, system, go = config.build(), _learner(), eqx.filter_jit(advance)
    ends = []
    for seed, chunks in ((3, (7,)), (3, (3, 4)), (4, (7,))):
        state = _start(dynamics, system)
        for steps in chunks:
            state = go(jax.random.key(seed), system, dynamics, Drive(), state, jnp.asarray(steps))
        ends.append(state)
    assert int(ends[0].step) == 7, f"7 generations count as {int(ends[0].step)}"
    assert same_bits(ends[0], ends[1]), "chunks give other bits"
    assert not same_bits(ends[0].x, ends[2].x), "lineages ignore their key"


def numbers_are_leaves(config: Any) -> None:
    """Another truth, and other numbers of the policy, never recompile."""
    dynamics = config.build()
    run = Counted(lambda dynamics, system: advance(
        jax.random.key(6), system, dynamics, Drive(), _start(dynamics, system), 2).x)  # fmt: skip
    run(dynamics, _learner())
    run(jax.tree.map(lambda leaf: 0.9 * leaf, dynamics), _learner(2.0))
    assert run.traces == 1, "other numbers compile again: make them array leaves"


def fits_feel_no_drive(config: Any) -> None:
    """What pulls on a model is refused."""
    system = _learner()
    try:
        config.build().init(jax.random.key(0), system, trap(system.truth(), 1.0), system.truth())
    except ValueError:
        return
    raise AssertionError("a model takes tethers that it cannot feel")


LEARNER_DYNAMICS_CHECKS = (generations_are_counted_and_chunked, numbers_are_leaves, fits_feel_no_drive)
