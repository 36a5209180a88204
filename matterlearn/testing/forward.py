"""Checks of dynamics that take the minimum from systems that know it; see ``core.matter``."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from matterlearn.core.drive import Drive
from matterlearn.core.dynamics import advance
from matterlearn.core.system import AbstractSystem, couplings, with_couplings
from matterlearn.testing._examples import Counted, moved, same_bits, trap


class SlopeState(NamedTuple):
    """What is given, and what answers."""

    given: Float[Array, " entry"]
    answer: Float[Array, " entry"]


class Slope(AbstractSystem):
    """E = ½ |y − θ x|², so that y = θ x at the minimum."""

    slope: Float[Array, ""]

    def energy(self, x: SlopeState, neighbors=None) -> Float[Array, ""]:
        """½ |y − θ x|², kT_ref."""
        return 0.5 * jnp.sum((x.answer - self.slope * x.given) ** 2)

    def minimum(self, x: SlopeState) -> SlopeState:
        """y = θ x."""
        return SlopeState(x.given, self.slope * x.given)

    def init_state(self, key) -> SlopeState:
        """Standard normal."""
        return SlopeState(*jax.random.normal(key, (2, 3)))


def _start() -> tuple[Slope, SlopeState]:
    system = Slope(jnp.asarray(1.7))
    return system, system.init_state(jax.random.key(0))


def one_step_is_enough(config: Any) -> None:
    """The first step lands on the minimum, with what is clamped in its place, and further steps change no bit."""
    (system, x), dynamics, key = _start(), config.build(), jax.random.key(1)
    clamped = SlopeState(jnp.ones(3, bool), jnp.zeros(3, bool))
    drive = Drive(target=SlopeState(jnp.full(3, 0.5), x.answer), clamped=clamped)
    state = dynamics.init(key, system, drive, x)
    first, again = (advance(key, system, dynamics, drive, state, steps) for steps in (1, 3))
    assert np.allclose(first.x.given, 0.5) and np.allclose(first.x.answer, 0.85), f"it came to {first.x}"
    assert same_bits(first.x, again.x), "a minimum does not stay where it is"
    assert (int(first.step), int(again.step)) == (1, 3), "steps are not counted"


def pulls_are_refused(config: Any) -> None:
    """A tether, which would move the minimum, is not taken in silence."""
    system, x = _start()
    try:
        config.build().init(jax.random.key(2), system, trap(x, 1.0), x)
    except TypeError:
        return
    raise AssertionError("a tether was taken, which the minimum of free matter does not feel")


def other_couplings_need_no_compilation(config: Any) -> None:
    """New couplings never recompile."""
    (system, x), dynamics, key = _start(), config.build(), jax.random.key(3)
    state = dynamics.init(key, system, Drive(), x)
    run = Counted(lambda system: advance(key, system, dynamics, Drive(), state, 1))
    run(system)
    run(with_couplings(system, moved(couplings(system), couplings(system), 0.1)))
    assert run.traces == 1, "other couplings compile again"


def the_minimum_answers_to_couplings(config: Any) -> None:
    """∂y/∂θ = x, through the step."""
    (system, x), dynamics, key = _start(), config.build(), jax.random.key(4)
    state = dynamics.init(key, system, Drive(), x)

    def answer(slope):
        return dynamics.step(key, Slope(slope), Drive(), state)[0].x.answer

    assert np.allclose(jax.jacfwd(answer)(system.slope), x.given), "a step does not respond to couplings"


FORWARD_DYNAMICS_CHECKS = (
    one_step_is_enough,
    pulls_are_refused,
    other_couplings_need_no_compilation,
    the_minimum_answers_to_couplings,
)
