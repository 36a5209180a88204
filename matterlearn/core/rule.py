"""How couplings move: phase averages of ∂E/∂θ in, a descent direction out.

    Hebbian      θ̇ = −η ⟨∂E/∂θ⟩_clamped − λθ
    contrastive  Δθ ∝ −( ⟨∂E/∂θ⟩_clamped − ⟨∂E/∂θ⟩_free )
    unlearning   θ̇ = +η ⟨∂E/∂θ⟩_free

A rule never learns which material it trains; optax turns its direction into a step.
"""

import abc
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key, PyTree

from matterlearn.core.drive import Drive
from matterlearn.core.dynamics import AbstractDynamics, DynState, advance
from matterlearn.core.system import AbstractSystem, State, couplings, marginal_gradient, with_couplings


class Batch(NamedTuple):
    """One presentation: how each replica is driven, where it starts, and for how much slow time it is shown."""

    drive: Drive  # leading replica axis
    x: State  # leading replica axis
    duration: Float[Array, ""]
    neighbors: Any = None  # leading replica axis
    free: Drive | None = None  # what stays imposed in the free phase; leading replica axis
    order: Callable | None = None  # order parameter O(system, x) that the task is about, if it is about one


class PhaseStats(NamedTuple):
    """⟨∂E/∂θ⟩ in one phase over samples and replicas.

    ``sem`` is the standard error over replicas, ``n`` their number, ``variance`` that of a single sample: how far
    ``variance / sem²`` falls short of the number of samples tells how correlated they are.
    """

    mean: PyTree
    sem: PyTree
    n: Int[Array, ""]
    variance: PyTree

    def effective_samples(self) -> PyTree:
        """Independent samples that would give the same standard error; NaN where ∂E/∂θ does not fluctuate."""
        return jax.tree.map(lambda v, s: jnp.where(s > 0, v / s**2, jnp.nan), self.variance, self.sem)


class RuleInfo(NamedTuple):
    """Diagnostics of one update: statistics by phase name, the neighbour lists as the phases left them, numbers."""

    phases: dict[str, PhaseStats]
    neighbors: Any = None
    numbers: dict[str, Float[Array, ""]] = {}


class AbstractRule(eqx.Module):
    """A learning rule over *parameters*, which default to the couplings themselves.

    ``parameter_name`` is what results call them; ``"couplings"`` means there is nothing else to record.
    ``slow_time`` is the unit of a presentation's duration, for rules to which it matters. ``sign`` is what becomes of
    the energy of the states in a rule's first phase: −1 lowers it, for what is shown, 1 raises it, for what is dreamt,
    0 for rules that lower a cost instead.
    """

    parameter_name: ClassVar[str] = "couplings"
    sign: ClassVar[int] = -1
    slow_time: ClassVar[str | None] = None

    def parameters(self, system: AbstractSystem) -> PyTree:
        """What is learned. Default: the couplings."""
        return couplings(system)

    def couple(self, system: AbstractSystem, parameters: PyTree) -> AbstractSystem:
        """The system that the parameters stand for. Default: couplings = parameters."""
        return with_couplings(system, parameters)

    def learned(self, parameters: PyTree, state: Any) -> PyTree:
        """What is kept when learning ends: parameters, or an average of them in the state. Default: the last ones."""
        del state
        return parameters

    def retention(self, age: float) -> float | None:
        """Fraction of a parameter left ``age`` after its memory was last shown; ``None`` if there is no such law."""
        del age
        return None

    def init(self, key: Key[Array, ""], system: AbstractSystem, dynamics: AbstractDynamics, replicas: int) -> Any:
        """State of the rule (persistent chains, buffers). Default: none."""
        del key, system, dynamics, replicas

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


def phase_averages(
    key: Key[Array, ""],
    system: AbstractSystem,
    dynamics: AbstractDynamics,
    drive: Drive,
    state: DynState,
    measure: Callable[[DynState], PyTree],
    *,
    samples: int,
    stride: int,
    relax: int,
) -> tuple[PyTree, DynState]:
    """Averages over samples of what ``measure`` makes of all replicas; drive and state are replicated.

    The first of ``samples`` samples comes after ``relax`` steps, the others ``stride`` steps apart.
    """
    # One loop body for relaxation and sampling: the first sample simply comes after more steps.
    # Matter that is held everywhere does not move, however long one waits.
    steps = jnp.where(drive.holds_everything, 0, jnp.full(samples, stride).at[0].add(relax))
    keys = jax.vmap(lambda r: jax.random.fold_in(key, r))(jnp.arange(len(state.step)))

    def sample(carry, count):
        state, total = carry
        one = lambda key, drive, state: advance(key, system, dynamics, drive, state, count)  # noqa: E731
        state = map_replicas(one, state.neighbors)(keys, drive, state)
        return (state, jax.tree.map(jnp.add, total, measure(state))), None

    zero = jax.tree.map(lambda v: jnp.zeros(v.shape, v.dtype), jax.eval_shape(measure, state))
    (state, total), _ = jax.lax.scan(sample, (state, zero), steps)
    return jax.tree.map(lambda t: t / samples, total), state


def with_squares(values: PyTree) -> tuple[PyTree, PyTree]:
    """Values and their squares, as :func:`statistics` wants their averages."""
    return values, jax.tree.map(jnp.square, values)


def statistics(averages: PyTree, squares: PyTree) -> PhaseStats:
    """Of the averages over each replica; the standard error is taken over replicas, never over correlated samples."""
    n = jax.tree.leaves(averages)[0].shape[0]
    mean = jax.tree.map(lambda m: jnp.mean(m, 0), averages)
    if n > 1:
        sem = jax.tree.map(lambda m: jnp.std(m, 0, ddof=1) / jnp.sqrt(n), averages)
    else:
        sem = jax.tree.map(lambda m: jnp.full_like(m, jnp.nan), mean)
    variance = jax.tree.map(lambda s, m: jnp.maximum(jnp.mean(s, 0) - m**2, 0.0), squares, mean)
    return PhaseStats(mean, sem, jnp.asarray(n), variance)


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
    """⟨∂E/∂θ⟩ over ``samples`` samples, ``stride`` steps apart, after ``relax`` steps; drive and state replicated.

    Hidden parts of the matter that are not clamped are averaged over in closed form, where there is one.
    """

    kT = lambda state: dynamics.temperature(state.step)  # noqa: E731

    def moment(drive, state):
        return marginal_gradient(system, state.x, kT(state), drive.clamped, state.neighbors)

    def energy(theta, drive, state):
        taught = with_couplings(system, theta)
        return taught.marginal_energy(state.x, kT(state), drive.clamped, state.neighbors)

    def mean_energy(theta, state):
        return jnp.mean(jax.vmap(energy, (None, 0, 0))(theta, drive, state))

    def measure(state):
        each = map_replicas(moment, state.neighbors)(drive, state)
        if state.neighbors is not None:
            return jax.tree.map(lambda m: jnp.mean(m, 0), each), with_squares(each)
        # The gradient of a mean sums over replicas as it goes: of two layers it is one product of matrices. Where
        # nobody asks for the scatter over replicas, the compiler drops what each of them contributes.
        return jax.grad(mean_energy)(couplings(system), state), with_squares(each)

    (mean, averages), state = phase_averages(
        key, system, dynamics, drive, state, measure, samples=samples, stride=stride, relax=relax
    )
    return statistics(*averages)._replace(mean=mean), state


def start_phase(
    key: Key[Array, ""], system: AbstractSystem, dynamics: AbstractDynamics, drive: Drive, x: State, neighbors: Any
) -> DynState:
    """State of the dynamics at the start of a phase; drive, x and lists are replicated."""

    def one(key, drive, x, neighbors):
        return dynamics.init(key, system, drive, x, system.refresh(neighbors, x))

    return _with_keys(one, key, neighbors)(drive, x, neighbors)


def resume_phase(
    key: Key[Array, ""], system: AbstractSystem, dynamics: AbstractDynamics, drive: Drive, kept: Any, neighbors: Any
) -> DynState:
    """State of the dynamics that goes on from what it remembers of another phase; all replicated."""

    def one(key, drive, kept, neighbors):
        state = dynamics.resume(key, system, drive, kept, neighbors)
        return state._replace(neighbors=system.refresh(neighbors, state.x))

    return _with_keys(one, key, neighbors)(drive, kept, neighbors)


def _with_keys(function: Callable, key: Key[Array, ""], neighbors: Any) -> Callable:
    """The function of one replica for all of them, each with its own key."""

    def each(drive, start, lists):
        keys = jax.vmap(lambda r: jax.random.fold_in(key, r))(jnp.arange(len(jax.tree.leaves(start)[0])))
        return map_replicas(function, neighbors)(keys, drive, start, lists)

    return each


def map_replicas(function: Callable, neighbors: Any) -> Callable:
    """Replicas in parallel, or one after the other where they carry neighbour lists.

    A vmapped ``lax.cond`` evaluates both branches, so a vmapped list is rebuilt at every step.
    """
    if neighbors is None:
        return jax.vmap(function)
    return lambda *args: jax.lax.map(lambda a: function(*a), args)
