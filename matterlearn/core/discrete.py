"""Discrete matter: what a sampler needs of a system whose degrees of freedom take finitely many values.

A sampler changes many sites at once, provided that they do not interact. A system therefore offers a *kernel*: its
local energies, tabulated once for many sweeps, with the sites sorted into colours such that no bond joins two sites
of one colour. Given all other colours, the sites of one are independent and follow

    P(s_i = w) ∝ exp(−e_i(w)/kT),        e_i(w) = energy terms of site i if it had the value w.
"""

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from matterlearn.core.bits import Bits, uniform
from matterlearn.core.system import AbstractSystem, State

Parts = tuple  # of arrays, one per colour


class AbstractKernel(eqx.Module):
    """Local energies of one sample, laid out by colour.

    ``values`` is how many values a move may propose: 0 … values − 1. Whatever an array of the state's shape holds
    (values, clamps, targets), :meth:`split` lays it out and :meth:`join` puts it back.
    """

    values: eqx.AbstractVar[int]

    @abc.abstractmethod
    def split(self, x: State) -> Parts:
        """A state (or anything of its structure) as one array per colour."""

    @abc.abstractmethod
    def join(self, parts: Parts) -> State:
        """Inverse of :meth:`split`."""

    @abc.abstractmethod
    def environment(self, parts: Parts, colour: int) -> Any:
        """What the sites of a colour feel of all others; arrays shaped like ``parts[colour]`` or broadcasting."""

    @abc.abstractmethod
    def site_energy(self, value: Int[Array, "..."], environment: Any) -> Float[Array, "..."]:
        """e_i(w) for one value per site of the colour."""

    def change(
        self, new: Int[Array, "..."], old: Int[Array, "..."], environment: Any
    ) -> Float[Array, "..."]:
        """e_i(new) − e_i(old) for one pair of values per site of the colour."""
        return self.site_energy(new, environment) - self.site_energy(old, environment)

    @property
    def exchanges(self) -> tuple[int, int]:
        """Number of classes of pairs that :meth:`exchange` offers, and of pairs in the largest.

        Raises:
            TypeError: if there are no neighbouring sites. Default.
        """
        raise TypeError(f"{type(self).__name__} has no neighbouring sites whose values could be exchanged")

    def exchange(
        self, parts: Parts, clamped: Parts | None, limits: Float[Array, "class pair"]
    ) -> tuple[Parts, Float[Array, ""]]:
        """Every pair of neighbours once, class by class: they exchange their values if the energy rises by no more

        than the pair's limit and none of the two is clamped. The parts, and the fraction of pairs that changed.
        """
        raise TypeError(f"{type(self).__name__} has no neighbouring sites whose values could be exchanged")

    def conditional(
        self, bits: Bits, value: Int[Array, "..."], environment: Any, kT: Float[Array, ""]
    ) -> Int[Array, "..."]:
        """Values drawn from the conditional law of every site of the colour.

        One pass: value w replaces the one kept so far with probability p_w / Σ_{v ≤ w} p_v. The comparison is made
        with whichever of the two weights is smaller, so probabilities far below the rounding error are right.
        """
        words = bits.sequence(value.shape, self.values)
        like = jnp.zeros_like(value)
        energy = lambda w: self.site_energy(like + w, environment) / kT  # noqa: E731

        def offer(w, carry):
            kept, lowest, total = carry
            e = energy(w)
            least = jnp.minimum(lowest, e)
            before, weight = total * jnp.exp(least - lowest), jnp.exp(least - e)
            smaller = weight <= before
            rare = uniform(*words(w)) * (before + weight) < jnp.where(smaller, weight, before)
            return jnp.where(rare == smaller, w, kept), least, before + weight

        first = energy(0)
        return jax.lax.fori_loop(1, self.values, offer, (like, first, jnp.ones_like(first)))[0]


class AbstractDiscreteSystem(AbstractSystem):
    """A system of finitely many values per degree of freedom."""

    @abc.abstractmethod
    def kernel(self) -> AbstractKernel:
        """Local energies at the present couplings; traced, built once per loop over sweeps."""

    def log_conditionals(self, x: State, kT: Float[Array, ""]) -> State:
        """ln P(s_i | all others) of every entry of x, in the state's shape; differentiable in the couplings."""
        kernel = self.kernel()
        parts = kernel.split(x)

        def one(colour, part):
            environment = kernel.environment(parts, colour)
            energy = lambda w: kernel.site_energy(jnp.zeros_like(part) + w, environment)  # noqa: E731
            log = jax.nn.log_softmax(-jax.vmap(energy)(jnp.arange(kernel.values)) / kT, axis=0)
            return jnp.take_along_axis(log, part[None].astype(int), axis=0)[0]

        return kernel.join(tuple(one(colour, part) for colour, part in enumerate(parts)))
