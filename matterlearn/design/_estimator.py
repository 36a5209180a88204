"""What every estimator of a gradient has in common: what is measured, on which replicas, and how a loss follows.

A loss L(⟨O⟩) of averages ⟨O⟩(θ) has the gradient Σ_k ∂L/∂⟨O_k⟩ · d⟨O_k⟩/dθ. An estimator turns replicas into numbers
O_r(θ) whose mean is its estimate of ⟨O⟩ and whose derivatives have its estimate of d⟨O⟩/dθ as their mean; how it does
so is its only secret. Because every replica has a gradient of its own, all estimators have standard errors, tail
indices and clipping in common.
"""

import abc
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key, PyTree

from matterlearn.core.drive import Drive
from matterlearn.core.dynamics import AbstractDynamics, DynState
from matterlearn.core.system import AbstractSystem, State
from matterlearn.core.task import Recall, replicated
from matterlearn.design._diagnostics import reliable, tail_index
from matterlearn.design._objective import Objective
from matterlearn.design._paths import Sampling, follow
from matterlearn.errors import InputError


class Setup(eqx.Module):
    """Replicas of an experiment whose couplings are still open; arrays have a leading replica axis."""

    dynamics: AbstractDynamics
    objective: Objective
    rest: AbstractSystem  # everything of the systems but the couplings
    drive: Drive
    x: State
    neighbors: Any = None

    @classmethod
    def of(
        cls, system: AbstractSystem, dynamics: AbstractDynamics, objective: Objective, recall: Recall,
        neighbors: Any = None,
    ) -> "Setup":  # fmt: skip
        """From where a task starts its replicas; they all get the couplings of one system, at full strength.

        What a task does to a system for speed alone (tables for the couplings it has) is undone.

        Raises:
            InputError: if the task's systems have other arrays than the system.
        """
        shape, leaves = jax.tree.structure(system), jax.tree.leaves(recall.system)
        if len(leaves) != shape.num_leaves:
            raise InputError(
                f"design: the task gives replicas systems of {len(leaves)} arrays instead of {shape.num_leaves}, which "
                "have no couplings in common; use another task"
            )
        systems = jax.tree.unflatten(shape, leaves)
        rest = eqx.partition(systems, system.learnable())[1]
        return cls(dynamics, objective, rest, recall.drive, recall.x, neighbors)

    @property
    def replicas(self) -> int:
        """Number of replicas."""
        return len(jax.tree.leaves(self.x)[0])

    def one(self, r: int) -> "Setup":
        """The same with one replica."""
        cut = lambda tree: jax.tree.map(lambda leaf: leaf[r : r + 1], tree)  # noqa: E731
        return Setup(self.dynamics, self.objective, cut(self.rest), cut(self.drive), cut(self.x), cut(self.neighbors))

    def starts(self, key: Key[Array, ""], thetas: PyTree) -> tuple[AbstractSystem, DynState]:
        """Systems with couplings of their own per replica, and states of the dynamics there."""
        systems = eqx.combine(thetas, self.rest)
        init = lambda k, s, d, x, n: self.dynamics.init(k, s, d, x, s.refresh(n, x))  # noqa: E731
        keys = self.keys(key)
        return systems, self.map(init, keys, systems, self.drive, self.x, self.neighbors)

    def keys(self, key: Key[Array, ""]) -> Key[Array, " replica"]:
        """One key per replica."""
        return jax.vmap(lambda r: jax.random.fold_in(key, r))(jnp.arange(self.replicas))

    def map(self, function, *args):
        """Over replicas: together, or one after the other where they carry lists, whose branches must stay branches.

        One after the other, a replica is run again in reverse mode instead of being kept.
        """
        if self.neighbors is None:
            return jax.vmap(function)(*args)
        return jax.lax.map(lambda a: jax.checkpoint(function)(*a), args)


class Values(NamedTuple):
    """What replicas measured, differentiable in their couplings, and their neighbour lists at the end."""

    values: Float[Array, "replica quantity"]
    neighbors: Any = None


class AbstractEstimator(eqx.Module):
    """A way to differentiate averages.

    ``exact`` says that there is no chance in it and one replica is enough, ``responds`` that states respond to the
    couplings, so that an observable must be smooth and sensitivities may grow, ``keeps`` that replicas stay the same
    from update to update, ``reports`` what :meth:`numbers` tells.
    """

    exact: ClassVar[bool] = False
    responds: ClassVar[bool] = False
    keeps: ClassVar[bool] = False
    reports: ClassVar[tuple[str, ...]] = ()

    def prepare(self, key: Key[Array, ""], theta: PyTree, setup: Setup, memory: Any) -> Any:
        """Host side, before every estimate: what is kept between updates, such as samples. Default: nothing."""
        del key, theta, setup
        return memory

    def numbers(self, theta: PyTree, setup: Setup, memory: Any) -> dict[str, Any]:
        """What results record beside the gradient. Default: nothing."""
        del theta, setup, memory
        return {}

    @abc.abstractmethod
    def values(self, key: Key[Array, ""], thetas: PyTree, setup: Setup, memory: Any) -> Values:
        """O_r of every replica with its own couplings; traced and differentiated."""


def along_paths(
    key: Key[Array, ""],
    setup: Setup,
    systems: AbstractSystem,
    states: DynState,
    step: Callable[..., Any],
    sampling: Sampling,
    *,
    ignored: int = 0,
    budget: float = 2**29,
) -> Values:
    """What every replica measures along a trajectory of its own; arguments as of ``_paths.follow``."""

    def one(key, system, drive, state):
        measure = lambda s, now: setup.objective.measure(s, drive, now)  # noqa: E731
        share = budget / setup.replicas
        return follow(key, system, setup.dynamics, drive, state, measure, step, sampling, ignored=ignored, budget=share)

    paths = setup.map(one, setup.keys(key), systems, setup.drive, states)
    return Values(setup.objective.reduce(paths.values, paths.log_likelihood, sampling.stride), paths.last.neighbors)


class Evaluation(NamedTuple):
    """Loss, averages and gradient with standard errors over replicas; NaN where there is none to be had.

    ``tail_index`` α is that of the replicas' gradients: below 2 they have no variance, and no error is quoted.
    ``clipped`` is the fraction of replicas whose gradient was shortened, ``trusted`` whether loss and gradient are
    finite and their means reliable at this number of replicas.
    """

    loss: Float[Array, ""]
    loss_sem: Float[Array, ""]
    mean: Float[Array, " quantity"]
    mean_sem: Float[Array, " quantity"]
    gradient: PyTree
    gradient_sem: PyTree
    tail_index: Float[Array, ""]
    clipped: Float[Array, ""]
    trusted: Bool[Array, ""]
    neighbors: Any = None


@eqx.filter_jit
def evaluate(
    estimator: AbstractEstimator,
    key: Key[Array, ""],
    theta: PyTree,
    setup: Setup,
    memory: Any = None,
    *,
    clip: float | None = None,
) -> Evaluation:
    """Loss and gradient at the couplings ``theta``.

    Args:
        estimator: how averages are differentiated.
        theta: couplings, as of :func:`matterlearn.core.system.couplings`.
        setup: what is measured, on which replicas.
        memory: what :meth:`AbstractEstimator.prepare` returned.
        clip: largest norm of a single replica's gradient; longer ones are shortened, which biases the mean.
    """
    n = setup.replicas
    thetas = replicated(theta, n)
    values, pull, neighbors = jax.vjp(lambda t: estimator.values(key, t, setup, memory), thetas, has_aux=True)
    mean = jnp.mean(values, 0)
    loss, slope = jax.value_and_grad(setup.objective)(mean)
    (gradients,) = pull(jnp.broadcast_to(slope, values.shape))
    norms = jnp.sqrt(sum(jnp.sum(leaf.reshape(n, -1) ** 2, 1) for leaf in jax.tree.leaves(gradients)))
    index = jnp.asarray(jnp.inf) if estimator.exact else tail_index(norms)
    shortened = jnp.zeros(n, bool)
    if clip is not None:
        shortened = norms > clip
        factor = jnp.where(shortened, clip / norms, 1.0)
        gradients = jax.tree.map(lambda leaf: leaf * factor.reshape(-1, *[1] * (leaf.ndim - 1)), gradients)
    known = (index > 2) | jnp.any(shortened)  # clipped gradients have a variance
    error = lambda leaf: _error(leaf, estimator.exact)  # noqa: E731
    gradient = jax.tree.map(lambda leaf: jnp.mean(leaf, 0), gradients)
    finite = [jnp.all(jnp.isfinite(leaf)) for leaf in (loss, *jax.tree.leaves(gradient))]
    return Evaluation(
        loss, error(values @ slope), mean, error(values), gradient,
        jax.tree.map(lambda leaf: jnp.where(known, error(leaf), jnp.nan), gradients),
        index, jnp.mean(shortened), reliable(index, n) & jnp.all(jnp.stack(finite)), neighbors,
    )  # fmt: skip


def _error(samples, exact: bool):
    """Standard error of the mean over the first axis."""
    n = len(samples)
    if exact:
        return jnp.zeros(samples.shape[1:])
    return jnp.std(samples, 0, ddof=1) / jnp.sqrt(n) if n > 1 else jnp.full(samples.shape[1:], jnp.nan)
