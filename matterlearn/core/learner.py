"""Learners: matter whose state is a model fitted to data, and what becomes of the pool of data between two fits.

    pool → x = fit(pool) → data drawn from the model x → pool → …

The truth is a state as well, so real data are drawn as those of any other model. Data enter a fit by sufficient
statistics alone, which add: ``a + b`` are those of both sets of data, ``w * a`` those of data of weight w. So a policy
is one line, for any learner.

A learner's energy says how far the model is from the truth: an excess risk, a relative entropy, the probability of what
it does not know. Its state is what learns; it has no couplings.
"""

import abc
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from matterlearn.core.system import AbstractSystem, State


class Sums(eqx.Module):
    """Statistics that are sums over data; those of two sets of data are added leaf by leaf.

    >>> class Count(Sums):
    ...     number: Array
    >>> (Count(jnp.asarray(2.0)) + 0.5 * Count(jnp.asarray(3.0))).number.item()
    3.5
    """

    def __add__(self, other):
        return jax.tree.map(jnp.add, self, other)

    def __rmul__(self, weight):
        return jax.tree.map(lambda leaf: weight * leaf, self)


class Verifier(NamedTuple):
    """Accepts data with probability exp(−d²/2 width²), d from its own model, which is ``bias`` from the truth."""

    bias: Any
    width: Any


class Loop(NamedTuple):
    """What theory has to know of a policy: shares of real, kept and new data in each pool, and who verifies."""

    shares: Float[np.ndarray, "generation 3"]
    size: int
    verifier: Verifier | None = None


class AbstractLearner(AbstractSystem):
    """A model and how it is fitted.

    ``quantities`` are (name, units, words) of what :meth:`measure` gives, the energy first.
    """

    largest: ClassVar[float] = 1e30
    quantities: ClassVar[tuple[tuple[str, str, str], ...]]

    @abc.abstractmethod
    def truth(self) -> State:
        """The model that real data come from."""

    @abc.abstractmethod
    def statistics(self, key: Key[Array, ""], x: State, count: int) -> Any:
        """Sufficient statistics of ``count`` data that are drawn from the model x."""

    @abc.abstractmethod
    def fit(self, statistics: Any) -> State:
        """The model fitted to data of these statistics."""

    @abc.abstractmethod
    def measure(self, x: State) -> Float[Array, " quantity"]:
        """The quantities of one model."""

    @abc.abstractmethod
    def downstream(self, x: State, size: int) -> Float[Array, ""]:
        """Mean energy of a model fitted to ``size`` data of the model x, in closed form; NaN where there is none."""

    def init_state(self, key) -> State:
        """Lineages begin with the truth."""
        del key
        return self.truth()

    def learnable(self):
        """No leaf is a coupling."""
        return jax.tree.map(lambda _: False, self)

    def accepted(self, x: State, verifier: Verifier) -> State:
        """The law of data of the model x that a verifier lets pass, as a model of the same kind.

        Raises:
            TypeError: if there is none. Default.
        """
        raise TypeError(f"a {type(self).__name__} knows no law of data that a verifier lets pass; use another policy")

    def exact(self, loop: Loop) -> dict[str, Float[np.ndarray, " generation"]]:
        """Averages over lineages by generation, on the host: ``<quantity>_theory``, or ``_leading_theory`` in a limit.

        NaN is a value that is not known. Default: nothing is known.
        """
        del loop
        return {}

    def exact_downstream(self, loop: Loop, sizes: tuple[int, ...]) -> Float[np.ndarray, "generation size"] | None:
        """Average of :meth:`downstream` over lineages. Default: not known."""
        del loop, sizes


class Replace(eqx.Module):
    """Every model is fitted to data of the one before alone."""

    def pool(self, key, learner: AbstractLearner, x: State, past: Any, size: int) -> Any:
        """Statistics of the next fit."""
        del past
        return learner.statistics(key, x, size)

    def loop(self, size: int, generations: int) -> Loop:
        """What theory has to know."""
        return Loop(np.tile([0.0, 0.0, 1.0], (generations, 1)), size)


class Accumulate(eqx.Module):
    """All data are kept, the real ones of the first generation too."""

    def pool(self, key, learner: AbstractLearner, x: State, past: Any, size: int) -> Any:
        """Statistics of the next fit."""
        return past + learner.statistics(key, x, size)

    def loop(self, size: int, generations: int) -> Loop:
        """What theory has to know."""
        n = np.arange(1, generations + 1)
        return Loop(np.stack([0.0 * n, 1 - 1 / n, 1 / n], 1), size)


class Mix(eqx.Module):
    """As many fresh real data in every generation, with weight w; those of the model have 1 − w."""

    weight: Float[Array, ""]

    def pool(self, key, learner: AbstractLearner, x: State, past: Any, size: int) -> Any:
        """Statistics of the next fit."""
        del past
        real, synthetic = jax.random.split(key)
        fresh = self.weight * learner.statistics(real, learner.truth(), size)
        return fresh + (1 - self.weight) * learner.statistics(synthetic, x, size)

    def loop(self, size: int, generations: int) -> Loop:
        """What theory has to know."""
        weight = float(self.weight)
        return Loop(np.tile([weight, 0.0, 1 - weight], (generations, 1)), size)


class Verify(eqx.Module):
    """Every model is fitted to data of the one before that a verifier accepts."""

    verifier: Verifier

    def pool(self, key, learner: AbstractLearner, x: State, past: Any, size: int) -> Any:
        """Statistics of the next fit."""
        del past
        return learner.statistics(key, learner.accepted(x, self.verifier), size)

    def loop(self, size: int, generations: int) -> Loop:
        """What theory has to know."""
        known = Verifier(*(float(number) for number in self.verifier))
        return Loop(np.tile([0.0, 0.0, 1.0], (generations, 1)), size, known)


Policy = Replace | Accumulate | Mix | Verify
