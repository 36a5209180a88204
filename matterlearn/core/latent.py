"""Models with latent variables that come with a guess of them, q(z|x): bounds of likelihoods that need no chains.

    F_q(x) = ⟨E(x, z)⟩_q + ⟨ln q(z|x)⟩_q ≥ F(x) = −ln p(x),        kT = kT_ref

is the variational free energy of Gibbs, Bogoliubov and Feynman; −F_q is the evidence lower bound, ELBO. Importance
weights tighten it: with K guesses,

    L_K = ⟨ln (1/K) Σ_k exp(−E(x, z_k))/q(z_k|x)⟩ ≤ ln p(x),      L_1 = ELBO,    L_K → ln p(x)

Source: [kingma2014], importance weights [burda2016].
"""

import abc

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from matterlearn.core.field import AbstractGenerative
from matterlearn.core.system import State


class AbstractLatent(AbstractGenerative):
    """A generative model of a field with latent variables and a guess of these."""

    @abc.abstractmethod
    def infer(self, key: Key[Array, ""], x: State) -> tuple[State, Float[Array, ""]]:
        """x with latent variables drawn from q(z|x), and ln q(z|x) of them.

        What is returned as ln q depends on the encoder through z alone: the rest of its slope has mean zero.
        """


def log_weight(key: Key[Array, ""], system: AbstractLatent, x: State) -> Float[Array, ""]:
    """ln w = −E(x, z) − ln q(z|x) of one guess; its mean is the ELBO, and ⟨w⟩ = p(x)."""
    guess, log_q = system.infer(key, x)
    return -system.energy(guess) - log_q


@eqx.filter_jit
def importance_weighted(
    key: Key[Array, ""], system: AbstractLatent, patterns: Float[Array, "sample entry"], guesses: int
) -> Float[Array, " sample"]:
    """ln (1/K) Σ_k w_k of every pattern: an estimate of its log-likelihood that on average lies below."""

    def one(item):
        pattern, key = item
        x, _ = system.show(pattern)
        logs = jax.vmap(lambda k: log_weight(k, system, x))(jax.random.split(key, guesses))
        return jax.nn.logsumexp(logs) - jnp.log(guesses)

    return jax.lax.map(one, (patterns, jax.random.split(key, len(patterns))), batch_size=64)
