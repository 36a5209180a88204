"""Checks of chemical reactions: what a system offers, and what a dynamics makes of a network with a known law."""

from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from matterlearn.core.drive import Drive
from matterlearn.core.dynamics import advance
from matterlearn.core.reactions import AbstractReactionSystem, Numbers, poisson_energy, propensities
from matterlearn.testing._examples import Counted, same_bits
from matterlearn.testing.systems import in_double

CHAINS = 4096
DURATION = 20.0  # twelve times the slowest relaxation of a vessel


class ReactionCase(NamedTuple):
    """A :class:`matterlearn.testing.SystemCase` whose system reacts."""

    system: AbstractReactionSystem
    x: Numbers
    direction: Numbers


class Vessel(AbstractReactionSystem):
    """∅ ⇌ A ⇌ B: independent Poisson numbers of means a = supply/loss and b = a forward/back, E = −ln of their weight.

    Every reaction obeys detailed balance, so this is P ∝ exp(−E).
    """

    supply: Float[Array, ""]
    loss: Float[Array, ""]
    forward: Float[Array, ""]
    back: Float[Array, ""]

    molecules: ClassVar = ("A", "B")
    changes: ClassVar = np.array([[1, 0], [-1, 0], [-1, 1], [1, -1]])

    @property
    def means(self) -> Float[Array, "2"]:
        """a and b."""
        a = self.supply / self.loss
        return jnp.stack([a, a * self.forward / self.back])

    def rates(self, x: Numbers) -> Float[Array, "4"]:
        """Supply, loss, forward, back."""
        a, b = x.number
        return jnp.stack([self.supply + 0 * a, self.loss * a, self.forward * a, self.back * b])

    def energy(self, x: Numbers, neighbors=None) -> Float[Array, ""]:
        """Free energy, kT."""
        return jnp.sum(poisson_energy(x.number, self.means))

    def init_state(self, key) -> Numbers:
        """Stationary numbers."""
        return Numbers(jax.random.poisson(key, self.means).astype(self.supply.dtype))


def vessel(a: float = 40.0) -> Vessel:
    """A vessel whose means are a and a/2.

    >>> vessel(10.0).means.tolist()
    [10.0, 5.0]
    """
    return Vessel(*(jnp.asarray(k, float) for k in (a, 1.0, 1.0, 2.0)))


@in_double
def reactions_are_a_table(case: ReactionCase) -> None:
    """One row of whole numbers per rate, one column per kind of molecule; every reaction changes something."""
    system, changes = case.system, np.asarray(case.system.changes)
    count = len(system.molecules)
    assert changes.shape[1:] == (count,), f"changes have shape {changes.shape} for {count} kinds of molecules"
    assert np.issubdtype(changes.dtype, np.integer), "changes are whole numbers"
    assert np.all(np.any(changes != 0, 1)), "a reaction changes nothing"
    start = system.init_state(jax.random.key(0))
    assert start.number.shape == (count,), f"{start.number.shape} numbers for {count} kinds of molecules"
    assert np.all(np.asarray(start.number) == np.round(start.number)), "a start has fractions of molecules"
    assert system.rates(start).shape == (len(changes),), "rates are not one per reaction"


@in_double
def rates_are_possible(case: ReactionCase) -> None:
    """Rates are finite and not negative, at a start and with nothing there; what is not there never reacts."""
    start = case.system.init_state(jax.random.key(0))
    for x in (start, Numbers(jnp.zeros_like(start.number))):
        rates = np.asarray(case.system.rates(x))
        assert np.all(np.isfinite(rates)), f"rates {rates} are not finite"
        assert np.all(rates >= 0), f"rate {rates.min():.3g} is negative"
        impossible = np.any(np.asarray(x.number) + case.system.changes < 0, 1)
        assert np.all(np.asarray(propensities(case.system, x))[impossible] == 0), "molecules react that are not there"


REACTION_SYSTEM_CHECKS = (reactions_are_a_table, rates_are_possible)


def _run(dynamics, system, drive, x, steps):
    """One chain per row of x."""

    def one(key, x):
        return advance(key, system, dynamics, drive, dynamics.init(key, system, drive, x), steps).x

    return jax.vmap(one)(jax.random.split(jax.random.key(0), len(x.number)), x)


_run_compiled = eqx.filter_jit(_run)


def _empty(count: int, first: float = 0.0) -> Numbers:
    return Numbers(jnp.zeros((count, 2)).at[:, 0].set(first))


def follows_the_poisson_law(config: Any) -> None:
    """Vessels that were empty have independent Poisson numbers later: means, variances, covariance, |z| < 4.

    It finds a mean that is wrong by 0.07 and a variance that is wrong by 0.1 of its value.
    """
    system = vessel()
    steps = jnp.asarray(round(DURATION / config.dt))
    number = np.asarray(_run_compiled(config.build(), system, Drive(), _empty(CHAINS), steps).number)
    mean = np.asarray(system.means)
    away = number - mean
    for kind, m, values in zip(system.molecules, mean, away.T, strict=True):
        z = values.mean() / np.sqrt(m / CHAINS)
        assert abs(z) < 4, f"⟨{kind}⟩ = {m + values.mean():.3f}, exactly {m:g}, z = {z:.1f}"
        z = (np.mean(values**2) - m) / np.sqrt((2 * m**2 + m) / CHAINS)  # fourth moment of a Poisson number
        assert abs(z) < 4, f"variance of {kind} is {np.mean(values**2):.3f}, exactly {m:g}, z = {z:.1f}"
    z = np.mean(away[:, 0] * away[:, 1]) / np.sqrt(mean.prod() / CHAINS)
    assert abs(z) < 4, f"A and B are correlated, z = {z:.1f}"


def a_reservoir_holds(config: Any) -> None:
    """Clamped numbers stay; B equilibrates with the reservoir of A, |z| < 4."""
    system = vessel()
    x = _empty(CHAINS, 60.0)
    drive = Drive(target=Numbers(x.number[0]), clamped=Numbers(jnp.asarray([True, False])))
    end = np.asarray(_run_compiled(config.build(), system, drive, x, jnp.asarray(round(DURATION / config.dt))).number)
    assert np.all(end[:, 0] == 60.0), "a clamped number changed"
    z = (end[:, 1].mean() - 30.0) / np.sqrt(30.0 / CHAINS)
    assert abs(z) < 4, f"⟨B⟩ = {end[:, 1].mean():.2f} beside a reservoir that asks for 30, z = {z:.1f}"


def steps_are_counted_and_chunked(config: Any) -> None:
    """The same key gives the same bits, however a run is cut into chunks; another key gives others."""
    dynamics, system, drive = config.build(), vessel(), Drive()
    go = eqx.filter_jit(advance)
    key, x = jax.random.key(3), system.init_state(jax.random.key(2))
    start = dynamics.init(key, system, drive, x)
    whole = go(key, system, dynamics, drive, start, jnp.asarray(12))
    assert int(whole.step) == int(start.step) + 12, f"12 steps count as {int(whole.step - start.step)}"
    for cut in ((5, 7), (1,) * 12):
        state = start
        for steps in cut:
            state = go(key, system, dynamics, drive, state, jnp.asarray(steps))
        assert same_bits(state, whole), f"chunks of {cut} steps give other bits"
    other = go(jax.random.key(4), system, dynamics, drive, start, jnp.asarray(12))
    assert not same_bits(other.x, whole.x), "the noise ignores its key"


def numbers_are_leaves(config: Any) -> None:
    """Other rates or another time step never recompile."""
    run = Counted(lambda dynamics, system, steps: _run(dynamics, system, Drive(), _empty(2), steps).number)
    run(config.build(), vessel(), jnp.asarray(3))
    for name, value in config.model_dump().items():
        if isinstance(value, float):
            changed = type(config).model_validate({**config.model_dump(), name: 0.9 * value}).build()
            run(changed, vessel(), jnp.asarray(3))
            assert run.traces == 1, f"another {name} compiles again: make it an array leaf"
    run(config.build(), vessel(50.0), jnp.asarray(3))
    assert run.traces == 1, "other rates compile again"


REACTION_DYNAMICS_CHECKS = (
    follows_the_poisson_law,
    a_reservoir_holds,
    steps_are_counted_and_chunked,
    numbers_are_leaves,
)
