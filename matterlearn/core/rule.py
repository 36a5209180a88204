"""How couplings move: phase averages of ∂E/∂θ in, a descent direction out.

    Hebbian      θ̇ = −η ⟨∂E/∂θ⟩_clamped − λθ
    contrastive  Δθ ∝ −( ⟨∂E/∂θ⟩_clamped − ⟨∂E/∂θ⟩_free )

A rule never learns which material it trains; optax turns its direction into a step.
"""

import abc
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key, PyTree

from matterlearn.core.drive import Drive
from matterlearn.core.dynamics import AbstractDynamics, DynState, advance
from matterlearn.core.system import AbstractSystem, State, coupling_gradient, couplings, with_couplings


class Batch(NamedTuple):
    """One presentation: how each replica is driven, where it starts, and for how much slow time it is shown."""

    drive: Drive  # leading replica axis
    x: State  # leading replica axis
    duration: Float[Array, ""]
    neighbors: Any = None  # leading replica axis


class PhaseStats(NamedTuple):
    """⟨∂E/∂θ⟩ in one phase: mean over samples and replicas, its standard error over replicas, replica count."""

    mean: PyTree
    sem: PyTree
    n: Int[Array, ""]


class RuleInfo(NamedTuple):
    """Diagnostics of one update: statistics by phase name, and the neighbour lists as the phases left them."""

    phases: dict[str, PhaseStats]
    neighbors: Any = None


class AbstractRule(eqx.Module):
    """A learning rule over *parameters*, which default to the couplings themselves.

    ``parameter_name`` is what results call them; ``"couplings"`` means there is nothing else to record.
    """

    parameter_name: ClassVar[str] = "couplings"

    def parameters(self, system: AbstractSystem) -> PyTree:
        """What is learned. Default: the couplings."""
        return couplings(system)

    def couple(self, system: AbstractSystem, parameters: PyTree) -> AbstractSystem:
        """The system that the parameters stand for. Default: couplings = parameters."""
        return with_couplings(system, parameters)

    def retention(self, age: float) -> float | None:
        """Fraction of a parameter left ``age`` after its memory was last shown; ``None`` if there is no such law."""
        del age
        return None

    def init(self, key: Key[Array, ""], system: AbstractSystem, dynamics: AbstractDynamics) -> Any:
        """State of the rule (persistent chains, buffers). Default: none."""
        del key, system, dynamics

    @abc.abstractmethod
    def estimate(
        self,
        key: Key[Array, ""],
        system: AbstractSystem,
        dynamics: AbstractDynamics,
        state: Any,
        batch: Batch,
        *,
        parameters: PyTree,
    ) -> tuple[PyTree, Any, RuleInfo]:
        """Descent direction (the negative of dθ/dt), new rule state, diagnostics."""


def phase_statistics(
    key: Key[Array, ""],
    system: AbstractSystem,
    dynamics: AbstractDynamics,
    drive: Drive,
    state: DynState,
    *,
    samples: int,
    stride: int,
    relax: int,
) -> tuple[PhaseStats, DynState]:
    """⟨∂E/∂θ⟩ over ``samples`` samples, ``stride`` steps apart, after ``relax`` steps; drive and state are replicated.

    The standard error is taken over replicas, which are independent, never over correlated samples of one.
    """

    # One loop body for relaxation and sampling: the first sample simply comes after more steps.
    steps = jnp.full(samples, stride).at[0].add(relax)

    def one(key, drive, state):
        def sample(carry, count):
            state, total = carry
            state = advance(key, system, dynamics, drive, state, count)
            moment = coupling_gradient(system, state.x, state.neighbors)
            return (state, jax.tree.map(jnp.add, total, moment)), None

        zero = jax.tree.map(jnp.zeros_like, couplings(system))
        (state, total), _ = jax.lax.scan(sample, (state, zero), steps)
        return jax.tree.map(lambda t: t / samples, total), state

    n = jax.tree.leaves(state.x)[0].shape[0]
    keys = jax.vmap(lambda r: jax.random.fold_in(key, r))(jnp.arange(n))
    moments, state = map_replicas(one, state.neighbors)(keys, drive, state)
    mean = jax.tree.map(lambda m: jnp.mean(m, 0), moments)
    if n > 1:
        sem = jax.tree.map(lambda m: jnp.std(m, 0, ddof=1) / jnp.sqrt(n), moments)
    else:
        sem = jax.tree.map(lambda m: jnp.full_like(m, jnp.nan), mean)
    return PhaseStats(mean, sem, jnp.asarray(n)), state


def map_replicas(function, neighbors: Any):
    """Replicas in parallel, or one after the other where they carry neighbour lists.

    A vmapped ``lax.cond`` evaluates both branches, so a vmapped list is rebuilt at every step.
    """
    if neighbors is None:
        return jax.vmap(function)
    return lambda *args: jax.lax.map(lambda a: function(*a), args)
