"""The minimum at once, where couplings give it explicitly: the forward pass of a network of layers.

    x ← argmin_x E(θ, x) with the inputs of x

One step is enough, and further steps change nothing. The minimum is that of the free matter with its inputs clamped;
tethers would move it, so rules that pull at outputs need another minimiser, such as ``newton`` or ``fire``.

Source: textbook. Limits: systems with an explicit ``minimum``; no temperature.

Example:
    >>> Config(kind="forward_pass").build().stationary
    'none'
"""

from typing import Any, ClassVar, Literal

import jax.numpy as jnp

from matterlearn.core.dynamics import AbstractDynamics, DynState, StepInfo
from matterlearn.core.matter import check_matter
from matterlearn.spec import Problem, Spec


class ForwardPass(AbstractDynamics):
    """x ← ``system.minimum(x)``."""

    stationary: ClassVar = "none"

    def init(self, key, system, drive, x, neighbors=None) -> DynState:
        """Start from x.

        Raises:
            TypeError: if the drive tethers or pushes; the minimum is that of the free matter.
        """
        del key, system
        if drive.stiffness is not None or drive.force is not None:
            raise TypeError("the forward pass is the minimum of free matter, which feels no tethers or forces")
        return DynState(drive.project(x), jnp.zeros((), jnp.int32), None, neighbors)

    def step(self, key, system: Any, drive, state) -> tuple[DynState, StepInfo]:
        """To the minimum."""
        del key
        x = drive.project(system.minimum(state.x))
        return state._replace(x=x, step=state.step + 1), StepInfo(jnp.ones(()))


class Config(Spec):
    """The forward pass in a scenario."""

    kind: Literal["forward_pass"]
    smooth: ClassVar[bool] = True
    minimises: ClassVar[bool] = True
    explicit: ClassVar[bool] = True

    def check(self, scenario):
        """The system knows its minimum, and nothing pulls at it."""
        yield from check_matter(self, scenario)
        if getattr(scenario.task, "trap", 0):
            yield Problem(("kind",), "is the minimum of free matter, which feels no trap: use newton or fire")
        rule = getattr(getattr(scenario, "learning", None), "rule", None)
        if not getattr(scenario.system, "explicit_minimum", False):
            yield Problem(("kind",), f"{scenario.system.kind!r} does not know its minimum: use newton or fire, or a "
                          "system such as graph_network")  # fmt: skip
        elif rule is not None and not getattr(rule, "undriven", False):
            yield Problem(("kind",), f"is the minimum of free matter, but rule {rule.kind!r} pulls at it: use newton "
                          "or fire, or rule adjoint")  # fmt: skip

    def build(self) -> ForwardPass:
        """The minimiser."""
        return ForwardPass()
