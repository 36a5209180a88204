"""Which checks a Config has to pass: matter and dynamics that are discrete say so with ``discrete = True``."""

from collections.abc import Callable
from typing import Any

from matterlearn.testing.discrete import DISCRETE_SYSTEM_CHECKS, DiscreteCase, discrete_case
from matterlearn.testing.dynamics import DYNAMICS_CHECKS
from matterlearn.testing.samplers import SAMPLER_CHECKS
from matterlearn.testing.systems import SYSTEM_CHECKS, SystemCase, continuous_case


def is_discrete(config: Any) -> bool:
    """Whether a Config (or its class) stands for discrete matter, or for a dynamics of such."""
    return getattr(config, "discrete", False)


def system_checks(config: Any) -> tuple[Callable, ...]:
    """Checks of a :func:`system_case`."""
    return DISCRETE_SYSTEM_CHECKS if is_discrete(config) else SYSTEM_CHECKS


def system_case(config: Any) -> SystemCase | DiscreteCase:
    """A system to be checked, with random couplings and a configuration."""
    return discrete_case(config) if is_discrete(config) else continuous_case(config)


def dynamics_checks(config: Any) -> tuple[Callable, ...]:
    """Checks of a dynamics' Config."""
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
