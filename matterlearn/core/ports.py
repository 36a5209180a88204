"""Ports: single degrees of freedom of any matter, by number, to give inputs to and read outputs from.

A state is flattened, leaf after leaf; port i is its i-th number. So a port of a resistor network is a node, one of an
elastic network in d dimensions is node ``i // d`` along axis ``i % d``, one of a layered network is a unit, the input
layer first. Values at ports are counted from the state that ``rest()`` of the system returns (the positions in which an
elastic network was made), or from zero where a system has no such method.

A system's Config says with ``ports`` how many there are; systems that say nothing cannot be given inputs by number.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Int

from matterlearn.core.system import AbstractSystem, State
from matterlearn.spec import Problem


def rest(system: Any) -> State:
    """The state from which values at ports are counted."""
    if hasattr(system, "rest"):
        return system.rest()
    return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), system.state_shape())


def read(system: AbstractSystem, x: State, ports: Int[Array, " port"]) -> Float[Array, " port"]:
    """Values at ports."""
    return (ravel_pytree(x)[0] - ravel_pytree(rest(system))[0])[ports]


def write(system: AbstractSystem, x: State, ports: Int[Array, " port"], values: Float[Array, " port"]) -> State:
    """x with other values at ports."""
    flat, unravel = ravel_pytree(x)
    return unravel(flat.at[ports].set(ravel_pytree(rest(system))[0][ports] + values))


def at(system: AbstractSystem, ports: Int[Array, " port"], values: Any, elsewhere: Any) -> State:
    """Something else than values, shaped like the state: ``values`` at ports, ``elsewhere`` at all others."""
    flat, _ = ravel_pytree(rest(system))
    numbers = jnp.full(flat.shape, elsewhere).at[ports].set(values)
    leaves, treedef = jax.tree.flatten(rest(system))
    ends = [sum(leaf.size for leaf in leaves[:i]) for i in range(1, len(leaves))]
    pieces = jnp.split(numbers, ends)
    return treedef.unflatten([p.reshape(leaf.shape) for p, leaf in zip(pieces, leaves, strict=True)])


def check_outputs(scenario):
    """Complaint about what is asked of outputs where the task has none."""
    if not getattr(scenario.task, "outputs", None):
        yield Problem(("kind",), "is about the outputs of a network, but the task has none; use task input_output")
