"""Two species trade places everywhere at once, which carries a condensate over into one of another species.

    a ↔ b on all sites that are not clamped, with probability min(1, exp(−ΔE/kT))

a is the species at a random site, which must not be clamped, b a random one. The chance of a pair depends on how many
free sites the two have together, which a trade does not change, so it and its reverse are attempted equally often.
Where condensates of many species compete, single sites would have to cross the barrier of a nucleus of each: here the
shape of the condensate stays, and only the difference of what the species feel has to be paid.
"""

import jax
import jax.numpy as jnp

from matterlearn.core.bits import integer, uniform
from matterlearn.core.sampler import AbstractMove


class Relabel(AbstractMove):
    """Trades of two species; alone it does not reach all states."""

    def sweep(self, bits, kernel, clamped, parts, kT):
        """As many attempts as there are values; the fraction of them that is accepted."""
        lots = bits.sequence((3,), kernel.values)
        held = [jnp.zeros(part.shape, bool) for part in parts] if clamped is None else clamped
        frozen = jnp.concatenate([h.ravel() for h in held])

        def attempt(number, carry):
            parts, accepted = carry
            high, low = lots(number)
            species = jnp.concatenate([part.ravel() for part in parts])
            site = integer(high[0], species.size)[0]
            a = species[site]
            b = integer(high[1], kernel.values)[0].astype(a.dtype)
            traded, rise = list(parts), jnp.zeros(())
            for colour, old in enumerate(parts):
                new = jnp.where(old == a, b, jnp.where(old == b, a, old))
                new = jnp.where(held[colour], old, new)
                rise = rise + jnp.sum(kernel.change(new, old, kernel.environment(tuple(traded), colour)))
                traded[colour] = new
            accept = ~frozen[site] & (rise <= -jnp.log(uniform(high[2], low[2])) * kT)
            kept = tuple(jnp.where(accept, new, old) for new, old in zip(traded, parts, strict=True))
            return kept, accepted + accept

        parts, accepted = jax.lax.fori_loop(0, kernel.values, attempt, (tuple(parts), jnp.zeros(())))
        return parts, accepted / kernel.values
