"""Which checks a Config has to pass, by the matter that it is or moves; see ``matterlearn.core.matter``."""

from collections.abc import Callable
from typing import Any

from matterlearn.core.matter import matter
from matterlearn.testing.denoising import REVERSE_DYNAMICS_CHECKS
from matterlearn.testing.direct import DIRECT_DYNAMICS_CHECKS, DIRECT_SYSTEM_CHECKS
from matterlearn.testing.discrete import DISCRETE_SYSTEM_CHECKS, DiscreteCase, discrete_case
from matterlearn.testing.dynamics import DYNAMICS_CHECKS
from matterlearn.testing.fields import FIELD_DYNAMICS_CHECKS
from matterlearn.testing.forward import FORWARD_DYNAMICS_CHECKS
from matterlearn.testing.learners import LEARNER_DYNAMICS_CHECKS, LEARNER_SYSTEM_CHECKS, learner_case
from matterlearn.testing.networks import NETWORK_DYNAMICS_CHECKS, NETWORK_SYSTEM_CHECKS, network_case
from matterlearn.testing.reactions import REACTION_DYNAMICS_CHECKS, REACTION_SYSTEM_CHECKS
from matterlearn.testing.samplers import SAMPLER_CHECKS
from matterlearn.testing.systems import SYSTEM_CHECKS, SystemCase, continuous_case

SYSTEMS = {
    "continuous": (continuous_case, SYSTEM_CHECKS),
    "discrete": (discrete_case, DISCRETE_SYSTEM_CHECKS),
    "network": (network_case, NETWORK_SYSTEM_CHECKS),
    "reactions": (continuous_case, SYSTEM_CHECKS + REACTION_SYSTEM_CHECKS),
    "learner": (learner_case, LEARNER_SYSTEM_CHECKS),
}
DYNAMICS = {
    "continuous": DYNAMICS_CHECKS,
    "discrete": SAMPLER_CHECKS,
    "network": NETWORK_DYNAMICS_CHECKS,
    "reactions": REACTION_DYNAMICS_CHECKS,
    "learner": LEARNER_DYNAMICS_CHECKS,
}


def system_checks(config: Any) -> tuple[Callable, ...]:
    """Checks of a :func:`system_case`."""
    drawn = DIRECT_SYSTEM_CHECKS if getattr(config, "draws_samples", False) else ()
    return SYSTEMS[matter(config)][1] + drawn


def system_case(config: Any) -> SystemCase | DiscreteCase:
    """A system to be checked, with random couplings and a configuration."""
    return SYSTEMS[matter(config)][0](config)


def dynamics_checks(config: Any) -> tuple[Callable, ...]:
    """Checks of a dynamics' Config."""
    if getattr(config, "reverses", False):
        return REVERSE_DYNAMICS_CHECKS
    if getattr(config, "explicit", False):
        return FORWARD_DYNAMICS_CHECKS
    if getattr(config, "flips_signs", False):
        return FIELD_DYNAMICS_CHECKS
    return DIRECT_DYNAMICS_CHECKS if getattr(config, "independent", False) else DYNAMICS[matter(config)]


def check_system(config: Any) -> None:
    """All checks of a system."""
    case = system_case(config)
    for check in system_checks(config):
        check(case)


def check_dynamics(config: Any) -> None:
    """All checks of a dynamics."""
    for check in dynamics_checks(config):
        check(config)
