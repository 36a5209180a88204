"""Quantities that change with time: constant, ramp, cycle; pytrees all, to be swept or differentiated."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float


class Constant(eqx.Module):
    """value(t) = value.

    >>> float(Constant(jnp.array(1.5))(jnp.array(7.0)))
    1.5
    """

    value: Float[Array, ""]

    def __call__(self, step: Float[Array, ""]) -> Float[Array, ""]:
        del step
        return self.value


class Ramp(eqx.Module):
    """Linear from ``start`` to ``stop`` over ``steps`` steps, constant afterwards.

    >>> float(Ramp(jnp.array(2.0), jnp.array(1.0), jnp.array(10.0))(jnp.array(5.0)))
    1.5
    """

    start: Float[Array, ""]
    stop: Float[Array, ""]
    steps: Float[Array, ""]

    def __call__(self, step: Float[Array, ""]) -> Float[Array, ""]:
        fraction = jnp.clip(step / self.steps, 0.0, 1.0)
        return self.start + (self.stop - self.start) * fraction


class Cycle(eqx.Module):
    """Triangle wave: ``low`` → ``high`` → ``low`` in each ``period`` steps.

    >>> float(Cycle(jnp.array(1.0), jnp.array(2.0), jnp.array(10.0))(jnp.array(5.0)))
    2.0
    """

    low: Float[Array, ""]
    high: Float[Array, ""]
    period: Float[Array, ""]

    def __call__(self, step: Float[Array, ""]) -> Float[Array, ""]:
        phase = jnp.mod(step, self.period) / self.period
        return self.low + (self.high - self.low) * (1.0 - jnp.abs(1.0 - 2.0 * phase))


Schedule = Constant | Ramp | Cycle


def schedule(value) -> Schedule:
    """A schedule from a number, from a scenario entry, or from a schedule.

    >>> schedule({"ramp": {"start": 2, "stop": 1, "steps": 10}})(0.0).item()
    2.0
    """
    if isinstance(value, Schedule):
        return value
    if hasattr(value, "model_dump"):
        value = value.model_dump()
    if isinstance(value, dict):
        (kind, numbers), *_ = [(k, v) for k, v in value.items() if isinstance(v, dict)]
        form = {"ramp": Ramp, "cycle": Cycle}[kind]
        return form(**{name: jnp.asarray(number, float) for name, number in numbers.items()})
    return Constant(jnp.asarray(value, float))
