"""Random numbers for Monte Carlo kernels: the threefry cipher, written inline so that a compiler can fuse it.

    (a, b) = threefry2x32(key, (site, draw)),        13 rounds

``jax.random`` uses the same cipher, but materialises its words, which costs a lattice kernel twelve times more. A
:class:`Bits` hands out one counter word per draw, at trace time: within one step no two draws share a (key, counter)
pair, and steps and replicas differ by their keys.

Source: [salmon2011parallel]; 13 rounds pass BigCrush there. Hashes without rounds fail pair tests and bias energies.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, UInt32

ROUNDS = 13
ROTATIONS = (13, 15, 26, 6, 17, 29, 16, 24)
PARITY = np.uint32(0x1BD11BDA)


def threefry2x32(
    key: tuple[UInt32[Array, ""], UInt32[Array, ""]],
    counter: tuple[UInt32[Array, "..."], UInt32[Array, "..."]],
    rounds: int = ROUNDS,
) -> tuple[UInt32[Array, "..."], UInt32[Array, "..."]]:
    """The cipher; with 20 rounds, the one of ``jax.random``.

    >>> zero = jnp.zeros((), jnp.uint32)
    >>> [hex(int(word)) for word in threefry2x32((zero, zero), (zero, zero), 20)]
    ['0x6b200159', '0x99ba4efe']
    """
    schedule = (*key, key[0] ^ key[1] ^ PARITY)
    a, b = counter[0] + schedule[0], counter[1] + schedule[1]
    for i in range(rounds):
        turn = ROTATIONS[i % 8]
        a = a + b
        b = ((b << np.uint32(turn)) | (b >> np.uint32(32 - turn))) ^ a
        if i % 4 == 3:
            j = i // 4 + 1
            a, b = a + schedule[j % 3], b + schedule[(j + 1) % 3] + np.uint32(j)
    return a, b


class Bits:
    """Random words of one step, every draw from its own counter.

    Not a pytree: it lives while a step is traced.

    Example:
        >>> bits = Bits(jax.random.key(0))
        >>> first, second = bits.draw((3,)), bits.draw((3,))
        >>> bool(jnp.any(first[0] == second[0]))
        False
    """

    def __init__(self, key: Key[Array, ""]):
        words = jax.random.key_data(key).astype(jnp.uint32)
        self.key = (words[0], words[1])
        self.used = 0

    def draw(self, shape: tuple[int, ...]) -> tuple[UInt32[Array, "..."], UInt32[Array, "..."]]:
        """Two independent words per entry of ``shape``, never handed out before."""
        return self.sequence(shape, 1)(0)

    def sequence(self, shape: tuple[int, ...], length: int) -> Callable:
        """A function i → two words per entry, for i < ``length``, which a loop may trace."""
        first, self.used = self.used, self.used + length
        counter = jax.lax.iota(jnp.uint32, int(np.prod(shape))).reshape(shape)

        def words(i: Int[Array, ""] | int):
            draw = jnp.asarray(first + i).astype(jnp.uint32)
            return threefry2x32(self.key, (counter, jnp.broadcast_to(draw, shape)))

        return words


def uniform(high: UInt32[Array, "..."], low: UInt32[Array, "..."]) -> Float[Array, "..."]:
    """Uniform in (0, 1] from two words: exact down to 2^-57, so that rates of e^-39 are still right.

    >>> word = jnp.asarray([0, 2**32 - 1], jnp.uint32)
    >>> low, high = uniform(word, word)
    >>> 0 < float(low) < 1e-16, float(high)
    (True, 1.0)
    """
    fine = (low >> np.uint32(8)).astype(jnp.int32).astype(jnp.float32) + np.float32(0.5)
    # Signed halves: many processors convert only signed integers in vectors.
    coarse = (high >> np.uint32(16)).astype(jnp.int32).astype(jnp.float32) * np.float32(2.0**16)
    coarse = coarse + (high & np.uint32(0xFFFF)).astype(jnp.int32).astype(jnp.float32)
    return (coarse + fine * np.float32(2.0**-24)) * np.float32(2.0**-32)


def integer(word: UInt32[Array, "..."], n: int) -> tuple[Int[Array, "..."], UInt32[Array, "..."]]:
    """floor(n · word / 2³²), and what is left of the word: 32 bits, uniform given the integer up to n/2³².

    Raises:
        ValueError: for n beyond 2^16.

    >>> value, rest = integer(jnp.asarray([0, 2**31, 2**32 - 1], jnp.uint32), 10)
    >>> value.tolist()
    [0, 5, 9]
    """
    if not 1 <= n <= 1 << 16:
        raise ValueError(f"integers below {n} need more than one word; at most 65536")
    q = np.uint32(n)
    upper, lower = word >> np.uint32(16), word & np.uint32(0xFFFF)
    return ((upper * q + ((lower * q) >> np.uint32(16))) >> np.uint32(16)).astype(jnp.int32), word * q
