"""Where the free phase of a contrastive rule starts, and what it leaves for the next update.

Every strategy has three functions: ``begin`` makes its memory before the first update, ``start`` says where each
replica's chain starts and hands on what ``store`` needs to file the chain's end. What a dynamics wants to be remembered
of a chain (``AbstractDynamics.remember``) is its sample; of replica exchange, all copies on the ladder.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from matterlearn.core.drive import Drive


def disordered(key, system, dynamics, count: int) -> Any:
    """What is remembered of ``count`` chains that start from disorder."""

    def one(key):
        first, second = jax.random.split(key)
        return dynamics.remember(dynamics.init(second, system, Drive(), system.init_state(first)))

    return jax.vmap(one)(jax.random.split(key, count))


class Persistent(eqx.Module):
    """Chains go on where the last update left them (PCD)."""

    def begin(self, key, system, dynamics, replicas):
        """Disordered chains."""
        return eqx.filter_jit(disordered)(key, system, dynamics, replicas)

    def start(self, key, memory, awake, system, dynamics):
        """The chains."""
        del key, awake, system, dynamics
        return memory, None

    def store(self, memory, place, asleep):
        """The chains as they are now."""
        del memory, place
        return asleep


class Clamped(eqx.Module):
    """Chains start at the end of the clamped phase (CD-k)."""

    def begin(self, key, system, dynamics, replicas):
        """No memory."""
        del key, system, dynamics, replicas

    def start(self, key, memory, awake, system, dynamics):
        """The clamped samples."""
        del key, memory, system
        return jax.vmap(dynamics.remember)(awake), None

    def store(self, memory, place, asleep):
        """Nothing."""
        del memory, place, asleep


class Disordered(eqx.Module):
    """Chains start from disorder in every update, for a dynamics that anneals."""

    def begin(self, key, system, dynamics, replicas):
        """No memory."""
        del key, system, dynamics, replicas

    def start(self, key, memory, awake, system, dynamics):
        """Disorder."""
        del memory
        return disordered(key, system, dynamics, len(awake.step)), None

    def store(self, memory, place, asleep):
        """Nothing."""
        del memory, place, asleep


class Replay(eqx.Module):
    """Chains are drawn from a buffer that is larger than a batch; a few of them start afresh from disorder."""

    restart: Float[Array, ""]
    size: int = eqx.field(static=True)

    def begin(self, key, system, dynamics, replicas):
        """A buffer of disorder, at least as large as a batch."""
        return eqx.filter_jit(disordered)(key, system, dynamics, max(self.size, replicas))

    def start(self, key, memory, awake, system, dynamics):
        """Different entries of the buffer, each replaced by disorder with probability ``restart``."""
        draw, toss, fresh = jax.random.split(key, 3)
        n, size = len(awake.step), len(jax.tree.leaves(memory)[0])
        place = jax.random.permutation(draw, size)[:n]
        anew = jax.random.bernoulli(toss, self.restart, (n,))
        choose = lambda new, old: jnp.where(anew.reshape(-1, *[1] * (old.ndim - 1)), new, old[place])  # noqa: E731
        return jax.tree.map(choose, disordered(fresh, system, dynamics, n), memory), place

    def store(self, memory, place, asleep):
        """Ends of the chains back in their places."""
        return jax.tree.map(lambda old, new: old.at[place].set(new), memory, asleep)
