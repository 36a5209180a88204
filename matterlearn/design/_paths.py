"""Trajectories that can be differentiated: checkpoints bound the memory, samples are taken on the way.

Reverse mode needs the state before every step. Kept all, that is T states; with L levels of segments, each kept only
by its first state and run again when needed, it is about L·T^{1/L}, for a cost of L − 1 more forward runs.

Source: [griewank2000].
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from matterlearn.core.drive import Drive
from matterlearn.core.dynamics import AbstractDynamics, DynState
from matterlearn.core.system import AbstractSystem

MOST_LEVELS = 4


class Sampling(NamedTuple):
    """When a trajectory is measured: first after ``relax`` + ``stride`` steps, then every ``stride`` steps."""

    relax: int
    samples: int
    stride: int

    @property
    def window(self) -> int:
        """Steps from the first to the last sample, with the stride before the first."""
        return self.samples * self.stride

    @property
    def steps(self) -> int:
        """All steps."""
        return self.relax + self.window


def levels_for(steps: int, state_bytes: int, budget: float) -> int:
    """Fewest levels of checkpoints whose states fit a budget in bytes.

    >>> levels_for(10_000, 12_000, 2e8), levels_for(10_000, 12_000, 2e7)
    (1, 2)
    """
    needed = (level * steps ** (1 / level) * state_bytes <= budget for level in range(1, MOST_LEVELS + 1))
    return next((level for level, fits in enumerate(needed, 1) if fits), MOST_LEVELS)


def tree_bytes(tree: PyTree) -> int:
    """Size of the arrays of a tree, or of what stands for them."""
    leaves = [leaf for leaf in jax.tree.leaves(tree) if hasattr(leaf, "dtype")]
    return sum(math.prod(leaf.shape) * getattr(leaf.dtype, "itemsize", 4) for leaf in leaves)


def checkpointed(body: Callable[[Any], tuple[Any, Any]], carry: Any, steps: int, levels: int) -> tuple[Any, PyTree]:
    """``body`` applied ``steps`` times, with reverse-mode memory of about levels · steps^{1/levels} carries.

    Args:
        body: carry → (carry, output).

    Returns:
        The last carry and the outputs stacked, as of ``jax.lax.scan``.

    >>> f = lambda x: checkpointed(lambda y: (y * 1.5, y), x, 10, 2)[0]
    >>> bool(jnp.isclose(jax.grad(f)(1.0), 1.5**10))
    True
    """
    if levels == 1:
        return jax.lax.scan(lambda y, _: jax.checkpoint(body)(y), carry, length=steps)
    length = max(1, round(steps ** (1 - 1 / levels)))  # of a segment
    segment = jax.checkpoint(lambda y: checkpointed(body, y, length, levels - 1))
    carry, outputs = jax.lax.scan(lambda y, _: segment(y), carry, length=steps // length)
    outputs = jax.tree.map(lambda o: o.reshape(-1, *o.shape[2:]), outputs)
    carry, rest = checkpointed(body, carry, steps % length, levels - 1)
    return carry, jax.tree.map(lambda *parts: jnp.concatenate(parts), outputs, rest)


def frozen(tree: PyTree) -> PyTree:
    """The tree as a constant of differentiation."""
    return jax.tree.map(lambda leaf: jax.lax.stop_gradient(leaf) if hasattr(leaf, "dtype") else leaf, tree)


class Path(NamedTuple):
    """Samples along one trajectory: values, the log-likelihood of the path up to each, and the last state."""

    values: Float[Array, "sample quantity"]
    log_likelihood: Float[Array, " sample"]
    last: DynState


class Carry(NamedTuple):
    """State of the matter, ln p of the path so far, and what the dynamics keeps to compute it."""

    state: DynState
    log_likelihood: Float[Array, ""]
    memory: Any


def respond(dynamics: AbstractDynamics, key, system, drive, carry: Carry) -> Carry:
    """One step of a path that responds to the couplings."""
    key = jax.random.fold_in(key, carry.state.step)
    return carry._replace(state=dynamics.step(key, system, drive, carry.state)[0])


def weigh(dynamics: AbstractDynamics, key, system, drive, carry: Carry) -> Carry:
    """One step of a path that stays as it is while its likelihood responds to the couplings."""
    key, before = jax.random.fold_in(key, carry.state.step), carry.state
    after = frozen(dynamics.step(key, frozen(system), frozen(drive), before)[0])
    change, memory = dynamics.log_probability(system, drive, before, after, carry.memory)
    return Carry(after, carry.log_likelihood + change, memory)


def follow(
    key: Key[Array, ""],
    system: AbstractSystem,
    dynamics: AbstractDynamics,
    drive: Drive,
    state: DynState,
    measure: Callable[[AbstractSystem, DynState], Float[Array, " quantity"]],
    step: Callable[..., Carry],
    sampling: Sampling,
    *,
    ignored: int = 0,
    budget: float = 2**28,
) -> Path:
    """One trajectory of one replica.

    Args:
        measure: values of a state, as the system reads it.
        step: how a step depends on couplings, :func:`respond` or :func:`weigh`.
        ignored: steps at the beginning that are not differentiated, at most ``sampling.relax``.
        budget: bytes that states kept for reverse mode may take.
    """
    inside, bracket, state = dynamics.enter(system, drive, state)
    zero = jnp.zeros(())

    def still(_, state):
        return respond(dynamics, key, frozen(inside), frozen(bracket), Carry(state, zero, None)).state

    if ignored:
        state = frozen(jax.lax.fori_loop(0, ignored, still, frozen(state)))
    carry = Carry(state, zero, dynamics.path_memory(inside, bracket, state))

    def move(carry):
        return step(dynamics, key, inside, bracket, carry), None

    def sample(carry):
        carry, _ = checkpointed(move, carry, sampling.stride, levels)
        return carry, (measure(system, dynamics.leave(inside, carry.state)), carry.log_likelihood)

    size = tree_bytes(carry)
    levels = levels_for(max(sampling.stride, sampling.relax - ignored), size, budget / 2)
    carry, _ = checkpointed(move, carry, sampling.relax - ignored, levels)
    outer = levels_for(sampling.samples, size, budget / 2)
    carry, (values, logs) = checkpointed(sample, carry, sampling.samples, outer)
    return Path(values, logs, frozen(dynamics.leave(inside, carry.state)))
