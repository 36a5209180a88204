"""Conformance battery: what every system, dynamics and rule must satisfy, those of other packages too.

    from matterlearn import testing
    for config in testing.examples_of(MyConfig):
        testing.check_system(config)            # or check_dynamics, check_rule

Small examples come from the Config itself: a field takes its ``Field(examples=[...])``, the i-th entry in the i-th
example (the last one where it has fewer), and its default where it has none. So every required field needs an
example, and a field with several gives several variants, for instance all pairs and a neighbour list.

Derivatives are tested in double precision, statistics with fixed seeds against |z| < 4. A failed check is an
AssertionError that says what is wrong.
"""

from matterlearn.testing._examples import Well, WellState, check_spec, examples, examples_of, trap, well
from matterlearn.testing.dynamics import DYNAMICS_CHECKS, check_dynamics
from matterlearn.testing.rules import RULE_CHECKS, check_rule, rule_trains
from matterlearn.testing.systems import SYSTEM_CHECKS, SystemCase, check_system, system_case

__all__ = [
    "DYNAMICS_CHECKS",
    "RULE_CHECKS",
    "SYSTEM_CHECKS",
    "SystemCase",
    "Well",
    "WellState",
    "check_dynamics",
    "check_rule",
    "check_spec",
    "check_system",
    "examples",
    "examples_of",
    "rule_trains",
    "system_case",
    "trap",
    "well",
]
