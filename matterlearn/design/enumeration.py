"""Exact gradients of equilibrium averages of small discrete matter, by summing over every state.

    ⟨O⟩ = Σ_s O(θ, s) e^{−E(θ, s)/kT} / Σ_s e^{−E(θ, s)/kT},      differentiated as it stands

What the drive clamps stays clamped; where the dynamics conserves the numbers of each value, they are as at the start.

Source: the partition function. Limits: ``states`` bounds the number of states, values^sites.

Example:
    >>> Config(kind="enumeration").build().exact
    True
"""

import math
from typing import Any, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from pydantic import Field

from matterlearn.core.discrete import AbstractDiscreteSystem
from matterlearn.core.dynamics import DynState
from matterlearn.core.matter import matter
from matterlearn.core.network import AbstractNetwork
from matterlearn.design._estimator import AbstractEstimator, Setup, Values
from matterlearn.design.equilibrium import check_law
from matterlearn.errors import InputError
from matterlearn.spec import Problem, Spec
from matterlearn.theory.enumeration import configurations


class Enumeration(AbstractEstimator):
    """Sums over all states."""

    states: int = eqx.field(static=True)

    exact: ClassVar[bool] = True
    keeps: ClassVar[bool] = True

    def prepare(self, key, theta, setup: Setup, memory):
        """All states that the drive allows, listed once.

        Raises:
            InputError: if there are too many, or the drive pulls.
        """
        if memory is not None:
            return memory
        if setup.drive.force is not None or setup.drive.stiffness is not None:
            raise InputError(
                "enumeration weighs states by the energy of the material alone, but the task pulls at them; use "
                "equilibrium"
            )
        rest, drive, x = jax.tree.map(lambda leaf: leaf[0], (setup.rest, setup.drive, setup.x))
        conserving = getattr(setup.dynamics, "conserving", False)
        every = all_states(eqx.combine(theta, rest), drive.project(x), self.states, conserving=conserving)
        allowed = np.ones(len(jax.tree.leaves(every)[0]), bool)
        if drive.clamped is not None:
            for held, target, leaf in zip(*map(jax.tree.leaves, (drive.clamped, drive.target, every)), strict=True):
                wrong = np.asarray(held & (leaf != target))
                allowed &= ~wrong.reshape(len(allowed), -1).any(1)
        return jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf)[allowed]), every)

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


def all_states(system: Any, x: Any, most: int, *, conserving: bool) -> Any:
    """Every state of discrete matter that can be reached from x, stacked along a first axis.

    Args:
        most: number of states that is not too many.
        conserving: whether each value is taken as often as in x.

    Raises:
        InputError: if there are more than ``most``, or infinitely many.
    """
    leaf = jax.tree.leaves(x)
    if not isinstance(system, AbstractDiscreteSystem | AbstractNetwork) or len(leaf) != 1:
        raise InputError(f"the states of {type(system).__name__} cannot be enumerated; use another estimator")
    (leaf,) = leaf
    values = 2 if isinstance(system, AbstractNetwork) else system.kernel().values
    numbers = np.bincount(np.ravel(leaf), minlength=values).tolist() if conserving else None
    count = values**leaf.size
    if numbers is not None:
        count = math.factorial(leaf.size) // math.prod(map(math.factorial, numbers))
    if count > most:
        raise InputError(
            f"{count:.3g} states of {leaf.size} sites are more than {most} (design.estimator.states): use fewer sites, "
            "or another estimator"
        )
    table = configurations(leaf.size, values, composition=numbers)
    return jax.tree.unflatten(jax.tree.structure(x), [jnp.asarray(table.reshape(-1, *leaf.shape), leaf.dtype)])


class Config(Spec):
    """Enumeration in a scenario."""

    kind: Literal["enumeration"]
    states: int = Field(default=2**18, ge=2, le=2**24, description="most states that are enumerated")

    def check(self, scenario):
        """There are finitely many states, and one temperature."""
        given = matter(scenario.system)
        if given not in ("discrete", "network"):
            yield Problem(("kind",), f"cannot enumerate {given} matter; use equilibrium")
            return
        yield from check_law(scenario)
        random = getattr(scenario.system, "composition", ()) is None
        if random and scenario.task is None and getattr(scenario.dynamics, "conserving", False):
            yield Problem(("kind",), f"sums over states of one composition, which {scenario.dynamics.kind!r} conserves "
                                     "and every replica draws anew: give system.composition")  # fmt: skip

    def build(self) -> Enumeration:
        """The estimator."""
        return Enumeration(self.states)
