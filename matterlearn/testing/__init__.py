"""Conformance battery: what every system, dynamics and rule must satisfy, those of other packages too.

    from matterlearn import testing
    for config in testing.examples_of(MyConfig):
        testing.check_system(config)            # or check_dynamics, check_rule

Small examples come from the Config itself: a field takes its ``Field(examples=[...])``, the i-th entry in the i-th
example (the last one where it has fewer), and its default where it has none. So every required field needs an
example, and a field with several gives several variants, for instance all pairs and a neighbour list.

A Config says what its matter is, or moves: ``matter: ClassVar[str] = "discrete"`` is held to the checks of discrete
matter, its kernel against its energy, its dynamics against exact enumeration; ``"network"`` likewise; dynamics of
``"reactions"`` against Poisson laws; what ``draws_samples`` has to draw them from exp(−E). Derivatives are tested in
double precision, statistics with fixed seeds against |z| < 4. A failed check is an
AssertionError that says what is wrong.
"""

from matterlearn.testing._dispatch import (
    check_dynamics,
    check_system,
    dynamics_checks,
    system_case,
    system_checks,
)
from matterlearn.testing._examples import Well, WellState, check_spec, examples, examples_of, trap, well
from matterlearn.testing.discrete import DISCRETE_SYSTEM_CHECKS, DiscreteCase
from matterlearn.testing.dynamics import DYNAMICS_CHECKS
from matterlearn.testing.reactions import REACTION_DYNAMICS_CHECKS, REACTION_SYSTEM_CHECKS, Vessel, vessel
from matterlearn.testing.rules import RULE_CHECKS, check_rule, goes_with, learns_in_a_well, rule_trains
from matterlearn.testing.samplers import SAMPLER_CHECKS
from matterlearn.testing.systems import SYSTEM_CHECKS, SystemCase

__all__ = [
    "DISCRETE_SYSTEM_CHECKS",
    "DYNAMICS_CHECKS",
    "REACTION_DYNAMICS_CHECKS",
    "REACTION_SYSTEM_CHECKS",
    "RULE_CHECKS",
    "SAMPLER_CHECKS",
    "SYSTEM_CHECKS",
    "DiscreteCase",
    "SystemCase",
    "Vessel",
    "Well",
    "WellState",
    "check_dynamics",
    "check_rule",
    "check_spec",
    "check_system",
    "dynamics_checks",
    "examples",
    "examples_of",
    "goes_with",
    "learns_in_a_well",
    "rule_trains",
    "system_case",
    "system_checks",
    "trap",
    "vessel",
    "well",
]
