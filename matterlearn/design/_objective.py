"""The loss: what averages should become.

    L = Σ_terms w · mean[ (f(⟨O⟩) − f(target))² ]        or        ± w · mean f(⟨O⟩)  to minimise or maximise

f is the identity, ln or logit. A term also says how the samples of one trajectory become one number: their mean, the
last one, whether the observable ever was 1 (probability of a first passage), or for how many steps it has not been yet.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from matterlearn.core.drive import Drive
from matterlearn.core.dynamics import DynState
from matterlearn.core.observable import Observable
from matterlearn.core.system import AbstractSystem
from matterlearn.errors import InputError

SCALES: dict[str, Callable] = {
    "linear": lambda v: v,
    "log": jnp.log,
    "logit": lambda v: jnp.log(v) - jnp.log1p(-v),
}


class Reduction(NamedTuple):
    """How samples become one number: a transform that looks back only, then weights over the samples."""

    transform: Callable[[Float[Array, "sample quantity"]], Float[Array, "sample quantity"]]
    weights: Callable[[int, int], Float[Array, " sample"]]  # (samples, stride)


def _so_far(values):
    return jax.lax.cummax(values, axis=0)


REDUCTIONS: dict[str, Reduction] = {
    "mean": Reduction(lambda v: v, lambda samples, stride: jnp.full(samples, 1.0 / samples)),
    "final": Reduction(lambda v: v, lambda samples, stride: jnp.zeros(samples).at[-1].set(1.0)),
    "ever": Reduction(_so_far, lambda samples, stride: jnp.zeros(samples).at[-1].set(1.0)),
    "survival_time": Reduction(lambda v: 1.0 - _so_far(v), lambda samples, stride: jnp.full(samples, float(stride))),
}


class Term(eqx.Module):
    """One quantity and what it should be.

    Attributes:
        observable: what is measured.
        component: which numbers of the (flattened) observable count; ``None`` for all.
        target: what they should be, or ``None``.
        sign: 1 to minimise, −1 to maximise, where there is no target.
        weight: w.
        scale: name of f.
        reduce: name of the reduction over samples.
    """

    observable: Observable
    target: Float[Array, "..."] | None
    weight: Float[Array, ""]
    component: tuple[int, ...] | None = eqx.field(static=True, default=None)
    sign: int = eqx.field(static=True, default=1)
    scale: str = eqx.field(static=True, default="linear")
    reduce: str = eqx.field(static=True, default="mean")

    def measure(self, system: AbstractSystem, drive: Drive, state: DynState) -> Float[Array, " quantity"]:
        """The numbers of one sample."""
        values = jnp.ravel(self.observable(system, drive, state)).astype(float)
        return values if self.component is None else values[jnp.asarray(self.component)]

    def loss(self, mean: Float[Array, " quantity"]) -> Float[Array, ""]:
        """From the averages of the numbers."""
        f = SCALES[self.scale]
        if self.target is None:
            return self.weight * self.sign * jnp.mean(f(mean))
        return self.weight * jnp.mean((f(mean) - f(self.target)) ** 2)


class Objective(eqx.Module):
    """All terms; quantities are the numbers of all terms, one after the other.

    >>> from matterlearn.observables.energy import Energy
    >>> energy = Energy("energy", (), "kT_ref", "energy", 1)
    >>> term = Term(energy, jnp.asarray(1.0), jnp.asarray(2.0))
    >>> float(Objective((term,), (1,))(jnp.asarray([3.0])))
    8.0
    """

    terms: tuple[Term, ...]
    sizes: tuple[int, ...] = eqx.field(static=True)

    @classmethod
    def of(cls, terms: tuple[Term, ...], system: AbstractSystem, drive: Drive, state: DynState) -> "Objective":
        """With the sizes that terms have for one sample.

        Raises:
            InputError: if a term names components that its observable has not, or gives it another number of targets.
        """
        return cls(terms, tuple(_size(i, term, system, drive, state) for i, term in enumerate(terms)))

    def parts(self, values: Float[Array, "... quantity"]) -> list[Float[Array, "... quantity"]]:
        """The last axis cut by terms."""
        ends, start = [], 0
        for size in self.sizes:
            ends.append(values[..., start : start + size])
            start += size
        return ends

    def measure(self, system: AbstractSystem, drive: Drive, state: DynState) -> Float[Array, " quantity"]:
        """All numbers of one sample."""
        return jnp.concatenate([term.measure(system, drive, state) for term in self.terms])

    def reduce(
        self, values: Float[Array, "replica sample quantity"], logs: Float[Array, "replica sample"], stride: int
    ) -> Float[Array, "replica quantity"]:
        """One number per replica and quantity; likelihoods of the paths carry derivatives with a baseline.

        A sample answers only for what happened before it, and the mean over the other replicas, which knows nothing
        of this one, is taken off: both leave the mean as it is and make it less noisy.
        """
        ratio = (logs - jax.lax.stop_gradient(logs))[..., None]  # zero; its derivative is the score
        found = []
        for term, part in zip(self.terms, self.parts(values), strict=True):
            reduction = REDUCTIONS[term.reduce]
            seen = jax.vmap(reduction.transform)(part)
            surplus = jax.lax.stop_gradient(seen - _others(seen))
            weights = reduction.weights(seen.shape[1], stride)
            found.append(jnp.einsum("m,rmk->rk", weights, seen + surplus * ratio))
        return jnp.concatenate(found, -1)

    def __call__(self, mean: Float[Array, " quantity"]) -> Float[Array, ""]:
        """L of the averages."""
        return sum((t.loss(p) for t, p in zip(self.terms, self.parts(mean), strict=True)), jnp.zeros(()))


def _size(i: int, term: Term, system: AbstractSystem, drive: Drive, state: DynState) -> int:
    """Numbers of term i; components and targets are checked here, where the size of the observable is known."""
    every = math.prod(jax.eval_shape(lambda: jnp.asarray(term.observable(system, drive, state))).shape)
    name, chosen = term.observable.name, range(every) if term.component is None else term.component
    missing = sorted(set(chosen) - set(range(every)))
    if missing or not chosen:
        got = missing[0] if missing else "none"
        raise InputError(f"design.objective.{i}.component: {name} has {every} numbers, counted from 0; got {got}")
    targets = 0 if term.target is None or not term.target.ndim else term.target.size
    if targets not in (0, len(chosen)):
        raise InputError(
            f"design.objective.{i}.target: {targets} targets for {len(chosen)} numbers of {name}; give one for all, or "
            "one each"
        )
    return len(chosen)


def _others(seen):
    """Mean over all other replicas."""
    n = len(seen)
    return (jnp.sum(seen, 0) - seen) / (n - 1) if n > 1 else jnp.zeros_like(seen)
