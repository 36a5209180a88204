"""Checks of dynamics that reverse a noising process; see ``core.matter``."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from matterlearn.core.drive import Drive
from matterlearn.core.dynamics import advance
from matterlearn.core.field import AbstractField, FieldState
from matterlearn.diffusion.bases import Sites
from matterlearn.diffusion.processes import Gaussian
from matterlearn.diffusion.schedules import NoiseLevel
from matterlearn.diffusion.scores import GaussianScore
from matterlearn.testing._examples import Counted, same_bits

SAMPLES = 20_000
WIDTH = 0.5  # standard deviation of the data


class Noised(AbstractField):
    """Independent normal entries under growing noise, with their perfect score."""

    score: GaussianScore
    shape: tuple[int, ...] = eqx.field(static=True)

    def energy(self, x: FieldState, neighbors=None) -> Float[Array, ""]:
        """−ln p, kT_ref."""
        del neighbors
        known = self.score.log_density(x.field, jnp.asarray(1e-3))
        return -known

    def init_state(self, key) -> FieldState:
        """At the end of the noising process."""
        return FieldState(self.score.prior(key, self.shape))


def noised(width: float = WIDTH) -> Noised:
    """One entry."""
    process = Gaussian(NoiseLevel(), Sites())
    score = GaussianScore(process, jnp.asarray(5.0), jnp.zeros(1), jnp.full(1, width**2), Sites())
    return Noised(score=score, shape=(1,))


def _end(dynamics, system, key, steps):
    state = dynamics.init(key, system, Drive(), system.init_state(key))
    return advance(key, system, dynamics, Drive(), state, steps)


def noise_becomes_data(config: Any) -> None:
    """More and more steps end nearer and nearer to the data's variance; after the last step nothing moves."""
    model = noised()
    keys = jax.random.split(jax.random.key(0), SAMPLES)

    def gap(steps):
        first = 0.002 if config.first is not None or config.spacing != "time" else None
        dynamics = type(config).model_validate({**config.model_dump(), "steps": steps, "first": first}).build()
        end = eqx.filter_jit(jax.vmap(lambda key: _end(dynamics, model, key, steps)))(keys)
        after = eqx.filter_jit(jax.vmap(lambda key: _end(dynamics, model, key, steps + 3)))(keys[:5])
        assert same_bits(after.x.field, end.x.field[:5]), "the state moves after the last step"
        return abs(float(jnp.var(end.x.field)) / WIDTH**2 - 1)

    few, many = gap(16), gap(256)
    noise = np.sqrt(2 / SAMPLES)
    assert many < max(0.4 * few, 4 * noise), f"variance is off by {few:.3f} with 16 steps, {many:.3f} with 256"


def steps_are_counted_and_chunked(config: Any) -> None:
    """The same key gives the same bits, however a run is cut into chunks."""
    dynamics, system, key = config.build(), noised(), jax.random.key(3)
    go = eqx.filter_jit(advance)
    start = dynamics.init(key, system, Drive(), system.init_state(key))
    whole = go(key, system, dynamics, Drive(), start, jnp.asarray(7))
    part = go(key, system, dynamics, Drive(), start, jnp.asarray(3))
    assert int(whole.step) == 7, f"7 steps count as {int(whole.step)}"
    assert same_bits(go(key, system, dynamics, Drive(), part, jnp.asarray(4)), whole), "chunks give other bits"


def other_scores_do_not_compile(config: Any) -> None:
    """Another score of the same shape never recompiles."""
    dynamics = config.build()
    run = Counted(lambda system: _end(dynamics, system, jax.random.key(6), 2).x)
    run(noised())
    run(noised(0.7))
    assert run.traces == 1, "another score compiles again"


REVERSE_DYNAMICS_CHECKS = (noise_becomes_data, steps_are_counted_and_chunked, other_scores_do_not_compile)
