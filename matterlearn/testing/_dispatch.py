"""Which checks a Config has to pass: ``discrete``, ``reactions`` or ``network`` say what matter and dynamics are."""

from collections.abc import Callable
from typing import Any

from matterlearn.testing.discrete import DISCRETE_SYSTEM_CHECKS, DiscreteCase, discrete_case
from matterlearn.testing.dynamics import DYNAMICS_CHECKS
from matterlearn.testing.networks import NETWORK_DYNAMICS_CHECKS, NETWORK_SYSTEM_CHECKS, network_case
from matterlearn.testing.reactions import REACTION_DYNAMICS_CHECKS, REACTION_SYSTEM_CHECKS
from matterlearn.testing.samplers import SAMPLER_CHECKS
from matterlearn.testing.systems import SYSTEM_CHECKS, SystemCase, continuous_case


def is_discrete(config: Any) -> bool:
    """Whether a Config (or its class) stands for discrete matter, or for a dynamics of such."""
    return getattr(config, "discrete", False)


def reacts(config: Any) -> bool:
    """Whether a Config (or its class) stands for numbers of molecules, or for a dynamics of such."""
    return getattr(config, "reactions", False)


def is_network(config: Any) -> bool:
    """Whether a Config (or its class) stands for a network of units, or for a dynamics of such."""
    return getattr(config, "network", False)


def system_checks(config: Any) -> tuple[Callable, ...]:
    """Checks of a :func:`system_case`."""
    if reacts(config):
        return SYSTEM_CHECKS + REACTION_SYSTEM_CHECKS
    if is_network(config):
        return NETWORK_SYSTEM_CHECKS
    return DISCRETE_SYSTEM_CHECKS if is_discrete(config) else SYSTEM_CHECKS


def system_case(config: Any) -> SystemCase | DiscreteCase:
    """A system to be checked, with random couplings and a configuration."""
    if is_network(config):
        return network_case(config)
    return discrete_case(config) if is_discrete(config) else continuous_case(config)


def dynamics_checks(config: Any) -> tuple[Callable, ...]:
    """Checks of a dynamics' Config."""
    if reacts(config):
        return REACTION_DYNAMICS_CHECKS
    if is_network(config):
        return NETWORK_DYNAMICS_CHECKS
    return SAMPLER_CHECKS if is_discrete(config) else DYNAMICS_CHECKS


def check_system(config: Any) -> None:
    """All checks of a system."""
    case = system_case(config)
    for check in system_checks(config):
        check(case)


def check_dynamics(config: Any) -> None:
    """All checks of a dynamics."""
    for check in dynamics_checks(config):
        check(config)
