"""Checks of models that draw independent samples, and of dynamics that take them; see ``core.matter``."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from matterlearn.core.drive import Drive
from matterlearn.core.dynamics import advance
from matterlearn.core.field import AbstractGenerative, FieldState, normalised
from matterlearn.core.system import couplings, with_couplings
from matterlearn.testing._examples import Counted, dot, moved, noise_like, same_bits, trap
from matterlearn.testing.systems import SystemCase, in_double

DRAWS = 1000


class Urn(AbstractGenerative):
    """Independent normal entries, E = ½ θ |x|² − ½ d ln(θ/2π)."""

    shape: tuple[int, ...] = eqx.field(static=True)
    stiffness: Float[Array, ""]

    def energy(self, x: FieldState, neighbors=None) -> Float[Array, ""]:
        """−ln p(x), kT_ref."""
        return 0.5 * (self.stiffness * jnp.sum(x.field**2) - self.size * jnp.log(self.stiffness / (2 * np.pi)))

    def log_partition(self, kT):
        """0 at kT_ref."""
        return normalised(kT)

    def draw(self, key) -> FieldState:
        """Entries of variance 1/θ."""
        return FieldState(jax.random.normal(key, self.shape) / jnp.sqrt(self.stiffness))


def urn(stiffness: float = 4.0) -> Urn:
    """Four entries."""
    return Urn((4,), jnp.asarray(stiffness))


@in_double
def draws_follow_the_energy(case: SystemCase) -> None:
    """Where ln Z is known: ⟨∂E/∂x⟩ = 0 and ⟨x·∂E/∂x⟩ = d over draws, and ⟨∂E/∂θ⟩ = −∂ ln Z/∂θ, 0 if E is normalised.

    Systems that draw no samples pass, and so do those whose energy is not that of their samples (ln Z unknown).
    """
    system: Any = case.system
    if not isinstance(system, AbstractGenerative) or system.log_partition(jnp.ones(())) is None:
        return
    theta = couplings(system)
    tilt = noise_like(11, theta)

    def one(system, key):
        x = system.draw(key)

        def surprise(t, y):
            model: Any = with_couplings(system, t)
            return model.energy(y) + model.log_partition(jnp.ones(()))

        by_coupling, by_state = jax.grad(surprise, (0, 1))(theta, x)
        size = sum(leaf.size for leaf in jax.tree.leaves(x))
        return dot(by_state, case.direction), dot(by_state, x) - size, dot(by_coupling, tilt)

    found = eqx.filter_jit(lambda s, keys: jax.lax.map(lambda k: one(s, k), keys, batch_size=500))(
        system, jax.random.split(jax.random.key(12), DRAWS)
    )
    for name, values in zip(("⟨∂E/∂x⟩", "⟨x·∂E/∂x⟩ − d", "⟨∂E/∂θ⟩ + ∂ ln Z/∂θ"), map(np.asarray, found), strict=True):
        z = values.mean() / (values.std() / np.sqrt(DRAWS))
        assert abs(z) < 4, f"draws do not follow exp(−E): {name} = {values.mean():.3g}, z = {z:.1f}"


def _chain(dynamics, system, key, steps):
    """The field after each step."""
    state = dynamics.init(key, system, Drive(), system.init_state(key))

    def step(state, _):
        state = advance(key, system, dynamics, Drive(), state, 1)
        return state, state.x.field

    return jax.lax.scan(step, state, length=steps)[1]


def samples_are_independent_draws(config: Any) -> None:
    """Every entry has the variance 1/θ from the first step on, and remembers nothing of the step before."""
    record = np.asarray(eqx.filter_jit(_chain)(config.build(), urn(), jax.random.key(1), DRAWS))
    z = (np.mean(record**2) * 4.0 - 1) / np.sqrt(2 / record.size)
    assert abs(z) < 4, f"variance is {np.mean(record**2):.3f}, not 1/4: z = {z:.1f}"
    z = np.mean(record[1:] * record[:-1]) * 4.0 * np.sqrt(record[1:].size)
    assert abs(z) < 4, f"one sample remembers another: z = {z:.1f}"


def draws_are_counted_and_chunked(config: Any) -> None:
    """The same key gives the same bits, however a run is cut into chunks; another key gives other bits."""
    dynamics, system, key = config.build(), urn(), jax.random.key(3)
    start = dynamics.init(key, system, Drive(), system.init_state(key))
    go = eqx.filter_jit(advance)
    whole = go(key, system, dynamics, Drive(), start, jnp.asarray(7))
    part = go(key, system, dynamics, Drive(), start, jnp.asarray(3))
    assert int(whole.step) == 7, f"7 steps count as {int(whole.step)}"
    assert same_bits(go(key, system, dynamics, Drive(), part, jnp.asarray(4)), whole), "chunks give other bits"
    other = go(jax.random.key(4), system, dynamics, Drive(), start, jnp.asarray(7))
    assert not same_bits(other.x, whole.x), "draws ignore their key"


def shown_matter_stays(config: Any) -> None:
    """Entries that are clamped are on their target; tethers, which a draw would not feel, are refused."""
    dynamics, system, key = config.build(), urn(), jax.random.key(5)
    x = system.init_state(key)
    drive = Drive(target=FieldState(jnp.full(4, 0.3)), clamped=FieldState(jnp.ones(4, bool)))
    end = advance(key, system, dynamics, drive, dynamics.init(key, system, drive, x), 3)
    assert np.all(np.asarray(end.x.field) == np.float32(0.3)), "a clamped entry moved"
    try:
        dynamics.init(key, system, trap(x, 1.0), x)
    except TypeError:
        return
    raise AssertionError("a tether was taken, which draws cannot feel")


def other_couplings_draw_without_compiling(config: Any) -> None:
    """New couplings never recompile."""
    dynamics, system = config.build(), urn()
    run = Counted(lambda system: _chain(dynamics, system, jax.random.key(6), 2))
    run(system)
    run(with_couplings(system, moved(couplings(system), couplings(system), 0.1)))
    assert run.traces == 1, "other couplings compile again"


DIRECT_SYSTEM_CHECKS = (draws_follow_the_energy,)
DIRECT_DYNAMICS_CHECKS = (
    samples_are_independent_draws,
    draws_are_counted_and_chunked,
    shown_matter_stays,
    other_couplings_draw_without_compiling,
)
