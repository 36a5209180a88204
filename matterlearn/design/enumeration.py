"""Exact gradients of equilibrium averages of small discrete matter, by summing over every state.

    ⟨O⟩ = Σ_s O(θ, s) e^{−E(θ, s)/kT} / Σ_s e^{−E(θ, s)/kT},      differentiated as it stands

What the drive clamps stays clamped; conserved compositions are respected.

Source: the partition function. Limits: ``states`` bounds the number of states, values^sites.

Example:
    >>> Config(kind="enumeration").build().exact
    True
"""

from typing import Any, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from pydantic import Field

from matterlearn.core.discrete import AbstractDiscreteSystem
from matterlearn.core.dynamics import DynState
from matterlearn.core.network import AbstractNetwork
from matterlearn.design._estimator import AbstractEstimator, Setup, Values
from matterlearn.errors import InputError
from matterlearn.spec import Problem, Spec
from matterlearn.theory.enumeration import configurations


class Enumeration(AbstractEstimator):
    """Sums over all states."""

    states: int = eqx.field(static=True)

    exact: ClassVar[bool] = True
    keeps: ClassVar[bool] = True

    def prepare(self, key, theta, setup: Setup, memory):
        """All states and whether the drive allows them, listed once."""
        if memory is not None:
            return memory
        one = setup.one(0)
        system = eqx.combine(theta, jax.tree.map(lambda leaf: leaf[0], one.rest))
        drive, x = (jax.tree.map(lambda leaf: leaf[0], tree) for tree in (one.drive, one.x))
        every = all_states(system, x, self.states)
        allowed = np.ones(len(jax.tree.leaves(every)[0]), bool)
        if drive.clamped is not None:
            for held, target, leaf in zip(*map(jax.tree.leaves, (drive.clamped, drive.target, every)), strict=True):
                wrong = np.asarray(held & (leaf != target))
                allowed &= ~wrong.reshape(len(allowed), -1).any(1)
        return jax.tree.map(lambda leaf: leaf[allowed], every)

    def values(self, key, thetas, setup: Setup, memory) -> Values:
        """The average at the couplings of every replica."""
        kT = setup.dynamics.kT(jnp.zeros(()))  # pyright: ignore[reportAttributeAccessIssue]

        def one(theta, rest, drive):
            system = eqx.combine(theta, rest)
            log = -jax.vmap(system.energy)(memory) / kT
            state = lambda x: DynState(x, jnp.zeros((), jnp.int32))  # noqa: E731
            observed = jax.vmap(lambda x: setup.objective.measure(system, drive, state(x)))(memory)
            return jax.nn.softmax(log) @ observed

        del key
        return Values(jax.vmap(one)(thetas, setup.rest, setup.drive))


def all_states(system: Any, x: Any, most: int) -> Any:
    """Every state of discrete matter, stacked along a first axis.

    Raises:
        InputError: if there are more than ``most``, or infinitely many.
    """
    leaf = jax.tree.leaves(x)
    if not isinstance(system, AbstractDiscreteSystem | AbstractNetwork) or len(leaf) != 1:
        raise InputError(f"the states of {type(system).__name__} cannot be enumerated; use another estimator")
    values = 2 if isinstance(system, AbstractNetwork) else system.kernel().values
    if values ** leaf[0].size > most:
        raise InputError(
            f"{values}^{leaf[0].size} states are more than {most} (design.estimator.states): use fewer sites, or "
            "another estimator"
        )
    table = configurations(leaf[0].size, values, composition=getattr(system, "composition", None))
    return jax.tree.unflatten(jax.tree.structure(x), [jnp.asarray(table.reshape(-1, *leaf[0].shape), leaf[0].dtype)])


class Config(Spec):
    """Enumeration in a scenario."""

    kind: Literal["enumeration"]
    states: int = Field(default=2**18, ge=2, le=2**24, description="most states that are enumerated")

    def check(self, scenario):
        """There are finitely many states, and one temperature."""
        given = getattr(scenario.system, "matter", "continuous")
        kT = getattr(scenario.dynamics, "kT", None)
        if given not in ("discrete", "network"):
            yield Problem(("kind",), f"cannot enumerate {given} matter; use equilibrium")
        elif not isinstance(kT, int | float) or not kT > 0:
            yield Problem(("kind",), "weighs states at one temperature: dynamics.kT should be a number above 0")

    def build(self) -> Enumeration:
        """The estimator."""
        return Enumeration(self.states)
