"""Gradients of equilibrium averages from fluctuations: no trajectory is differentiated.

    d⟨O⟩/dθ = ⟨∂O/∂θ⟩ − [⟨O ∂E/∂θ⟩ − ⟨O⟩⟨∂E/∂θ⟩]/kT

Samples serve many updates: at other couplings they count with weights w ∝ exp(−[E(θ, x) − E(θ₀, x)]/kT), and are drawn
anew, at the present couplings, once the effective number (Σw)²/Σw² falls below ``threshold`` times their number.

Source: [thaler2021learning]. Limits: the dynamics must sample the Boltzmann law at one temperature, and well; it
answers nothing about kinetics. Averages are ratios, biased by the inverse of the number of effective samples.

Example:
    >>> Config(kind="equilibrium", samples=8, stride=50).build().sampling.window
    400
"""

from typing import Any, ClassVar, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree
from pydantic import Field

from matterlearn.core.dynamics import DynState, advance
from matterlearn.core.task import replicated
from matterlearn.design._estimator import AbstractEstimator, Setup, Values
from matterlearn.design._paths import Sampling, frozen
from matterlearn.spec import Problem, Spec


class Samples(NamedTuple):
    """Samples at the couplings they were drawn with, and the chains that go on from the last."""

    theta: PyTree
    states: DynState  # [replica, sample, …]
    chains: DynState  # [replica, …]
    draws: Int[Array, ""]  # how often samples were drawn


class Equilibrium(AbstractEstimator):
    """Covariance formula with reweighted samples."""

    sampling: Sampling = eqx.field(static=True)
    threshold: float = eqx.field(static=True)

    keeps: ClassVar[bool] = True
    reports: ClassVar[tuple[str, ...]] = ("effective_fraction", "draws")

    def numbers(self, theta, setup: Setup, memory):
        """How much the samples are worth here, and how often they were drawn."""
        return {"effective_fraction": effective_fraction(theta, setup, memory), "draws": memory.draws}

    def prepare(self, key, theta, setup: Setup, memory) -> Samples:
        """Samples that are good enough at these couplings: those there are, or new ones."""
        if memory is None:
            return _first(key, self.sampling, theta, setup)
        if float(effective_fraction(theta, setup, memory)) >= self.threshold:
            return memory
        return _more(key, self.sampling, theta, setup, memory)

    def values(self, key, thetas, setup: Setup, memory) -> Values:
        """Weighted mean of every replica's samples, centred so that weights carry the covariance.

        O_r = Ô + mean_m (w_rm/w̄)(O_rm − Ô)(1 + δ_rm),  δ_rm = d ln w_rm − ⟨d ln w⟩ with the value 0,

        w̄, Ô and ⟨d ln w⟩ over all replicas and constant: the mean over replicas is Ô, its derivative the formula, and
        what a replica's derivative deviates by is its influence on it. Without ⟨d ln w⟩ the mean would be the same, but
        not its standard error.
        """
        del key
        observed = _each(setup.objective.measure, thetas, setup, memory)
        log = _log_weights(thetas, setup, memory)
        relative = frozen(jnp.exp(log - jnp.max(log)))
        relative = relative / jnp.mean(relative)
        mean = lambda theta: jnp.mean(relative * _log_weights(replicated(theta, setup.replicas), setup, memory))  # noqa: E731
        drift = jax.grad(mean)(frozen(jax.tree.map(lambda leaf: leaf[0], thetas)))
        change = log - _along(drift, thetas)[:, None]
        centre = frozen(jnp.mean(relative[..., None] * observed, (0, 1)))
        carried = (relative * (change - frozen(change)))[..., None] * frozen(observed - centre)
        values = centre + jnp.mean(relative[..., None] * (observed - centre) + carried, 1)
        return Values(values, memory.chains.neighbors)


def _kT(setup: Setup):
    return setup.dynamics.kT(jnp.zeros(()))  # pyright: ignore[reportAttributeAccessIssue]


def _each(function, thetas, setup: Setup, memory: Samples):
    """``function(system, drive, state)`` of every stored sample at the couplings of its replica."""

    def one(theta, rest, drive, states):
        system = eqx.combine(theta, rest)
        return jax.vmap(lambda state: function(system, drive, state))(states)

    return jax.vmap(one)(thetas, setup.rest, setup.drive, memory.states)


def _log_weights(thetas, setup: Setup, memory: Samples) -> Float[Array, "replica sample"]:
    """ln w = −[E(θ, x) − E(θ₀, x)]/kT."""
    energy = lambda system, drive, state: system.energy(state.x, state.neighbors)  # noqa: E731
    then = frozen(_each(energy, replicated(memory.theta, setup.replicas), setup, memory))
    return (then - _each(energy, thetas, setup, memory)) / _kT(setup)


def _along(slope: PyTree, thetas: PyTree) -> Float[Array, " replica"]:
    """Σ slope · (θ_r − θ_r) of every replica: zero, with the slope as its derivative."""
    products = jax.tree.map(
        lambda s, t: jnp.sum((frozen(s) * (t - frozen(t))).reshape(len(t), -1), 1), slope, thetas
    )
    return sum(jax.tree.leaves(products), jnp.zeros(()))


@eqx.filter_jit
def effective_fraction(theta: PyTree, setup: Setup, memory: Samples) -> Float[Array, ""]:
    """(Σw)²/(n Σw²) of the stored samples at the couplings ``theta``: 1 where they were drawn."""
    log = _log_weights(replicated(theta, setup.replicas), setup, memory)
    weights = jnp.exp(log - jnp.max(log))
    return jnp.mean(weights) ** 2 / jnp.mean(weights**2)


@eqx.filter_jit
def _first(key, sampling: Sampling, theta, setup: Setup) -> Samples:
    """Samples from chains that begin where the task starts its replicas."""
    _, chains = setup.starts(key, replicated(theta, setup.replicas))
    return _draw(key, sampling, theta, setup, chains, jnp.ones((), jnp.int32))


@eqx.filter_jit
def _more(key, sampling: Sampling, theta, setup: Setup, memory: Samples) -> Samples:
    """Samples from the chains as they were left."""
    return _draw(key, sampling, theta, setup, memory.chains, memory.draws + 1)


def _draw(key, sampling: Sampling, theta, setup: Setup, chains: DynState, draws) -> Samples:
    def one(key, rest, drive, state):
        system: Any = eqx.combine(theta, rest)

        def sample(state, steps):
            state = advance(key, system, setup.dynamics, drive, state, steps)
            return state, state

        steps = jnp.full(sampling.samples, sampling.stride).at[0].add(sampling.relax)
        return jax.lax.scan(sample, state, steps)

    chains, states = setup.map(one, setup.keys(key), setup.rest, setup.drive, chains)
    return Samples(theta, states, chains, draws)


class Config(Spec):
    """Equilibrium gradients in a scenario."""

    kind: Literal["equilibrium"]
    relax: int = Field(default=1000, ge=0, description="steps before the first sample, after every change of couplings")
    samples: int = Field(default=16, ge=1, description="samples per replica")
    stride: int = Field(default=100, ge=1, description="steps between samples")
    threshold: float = Field(default=0.7, gt=0, le=1,
                             description="effective fraction of samples below which new ones are drawn")  # fmt: skip

    provides: ClassVar[tuple[str, ...]] = ("effective_fraction",)

    def check(self, scenario):
        """The dynamics samples the Boltzmann law of one temperature."""
        yield from check_law(scenario)

    def build(self) -> Equilibrium:
        """The estimator."""
        return Equilibrium(Sampling(self.relax, self.samples, self.stride), self.threshold)


def check_law(scenario):
    """What estimators with Boltzmann weights ask of a scenario."""
    dynamics, kT = scenario.dynamics, getattr(scenario.dynamics, "kT", None)
    if getattr(dynamics, "stationary", "boltzmann") != "boltzmann":
        yield Problem(("kind",), f"weighs states by the Boltzmann law, which {dynamics.kind!r} does not sample: use "
                                 "another dynamics")  # fmt: skip
    elif not isinstance(kT, int | float) or not kT > 0:
        yield Problem(("kind",), "weighs states at one temperature: dynamics.kT should be a number above 0")
