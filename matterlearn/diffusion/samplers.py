"""Reverse steps: from noise back to data, from time t to an earlier time u.

All follow the family of reverse processes that have the same p_t for every α ≥ 0 (τ runs backwards in time),

    dx = [−f x + (1 + α) g² ∇ ln p_t(x)] dτ + √(2α) g dW:

α = 0 is the probability-flow ODE, α = 1 the time-reversed diffusion, large α equilibrates at every noise level.

| step | what is frozen from t to u | |
|---|---|---|
| Exponential(α) | the posterior mean ⟨a⟩; the rest is solved exactly | α = 0: DDIM; α = 1: the ancestral step of DDPM |
| EulerMaruyama(α) | drift and noise | the textbook's |
| Heun(α) | nothing to second order, in v = x/α_t and r = σ/α_t | α = 0: the sampler of EDM |
| Corrected(step, …) | as the step, then Langevin steps at u | predictor–corrector; alone: annealed Langevin |
| Adaptive(tolerance) | nothing: an ODE solver chooses its own steps | α = 0 |

With r = σ/α the family is dv = (1 + α)(v − ⟨a⟩) dr/r plus noise of variance α d(r²) (r falls): with ⟨a⟩ frozen,

    v_u = ⟨a⟩ + q^{1+α} (v_t − ⟨a⟩) + r_u (1 − q^{2α})^½ z,        q = r_u/r_t,

which for α = 1 is p(x_u | x_t, a = ⟨a⟩) with the variance β̃, and for α = 0 the deterministic step that keeps the
direction of the noise: DDIM and DDPM differ in α alone. Where components have their own schedules, each has its own q.

Source: [songscore2021], [ho2020], [songddim2021]; the family [karras2022], [albergo2023].

Example:
    >>> Exponential(jnp.asarray(1.0)).alpha.item()
    1.0
"""

import abc

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from matterlearn.diffusion.bases import Data
from matterlearn.diffusion.processes import AbstractProcess
from matterlearn.diffusion.schedules import Time
from matterlearn.diffusion.scores import AbstractScore

Number = Float[Array, ""]


class AbstractStep(eqx.Module):
    """One step of a reverse process."""

    @abc.abstractmethod
    def __call__(self, key: Key[Array, ""], score: AbstractScore, x: Data, t: Time, u: Time) -> Data:
        """x at the earlier time u, from x at t."""


class Exponential(AbstractStep):
    """Exact but for the posterior mean, which is frozen; a step to u = 0 returns it."""

    alpha: Number

    def __call__(self, key, score, x, t, u):
        process = score.process
        to, back = process.basis.to, process.basis.back
        q = _ratio(process, u) / _ratio(process, t)
        fade = q ** (1 + self.alpha)
        late = process.signal(u)
        noise = process.noise(u) * jnp.sqrt(1 - q ** (2 * self.alpha)) * jax.random.normal(key, x.shape, x.dtype)
        mean = to(score.denoise(x, t))
        return back(late * (1 - fade) * mean + late / process.signal(t) * fade * to(x) + noise)


class EulerMaruyama(AbstractStep):
    """Drift and noise of time t for all of the step."""

    alpha: Number

    def __call__(self, key, score, x, t, u):
        process = score.process
        to, back = process.basis.to, process.basis.back
        drift, diffusivity = process.rates(t)
        slope = -drift * to(x) + (1 + self.alpha) * diffusivity * to(score.score(x, t))
        noise = jnp.sqrt(2 * self.alpha * diffusivity * (t - u)) * jax.random.normal(key, x.shape, x.dtype)
        return back(to(x) + slope * (t - u) + noise)


class Heun(AbstractStep):
    """Trapezoids in r = σ/α; a step to u = 0 returns the posterior mean."""

    alpha: Number

    def __call__(self, key, score, x, t, u):
        process = score.process
        to, back = process.basis.to, process.basis.back
        far, near = _ratio(process, t), _ratio(process, u)
        v = to(x) / process.signal(t)
        noise = jnp.sqrt(self.alpha * (far**2 - near**2)) * jax.random.normal(key, x.shape, x.dtype)

        def slope(v, time, r):
            mean = to(score.denoise(back(process.signal(time) * v), time))
            return (1 + self.alpha) * (v - mean) / r, mean

        first, mean = slope(v, t, far)
        guess = v + (near - far) * first + noise
        inside = u > 0
        safe = jnp.where(inside, u, t)
        second, _ = slope(guess, safe, _ratio(process, safe))
        after = v + 0.5 * (near - far) * (first + second) + noise
        return back(process.signal(u) * jnp.where(inside, after, mean))


class Corrected(AbstractStep):
    """A predictor, then Langevin steps x ← x + ε s + √(2ε) z at the new time, with ε = ``size`` times σ²(u).

    Without a predictor it is annealed Langevin dynamics: the signal is only rescaled between noise levels. Limits:
    biased at finite ``size``; the last noise level has to be above 0.
    """

    predictor: AbstractStep | None
    size: Number
    count: int = eqx.field(static=True)

    def __call__(self, key, score, x, t, u):
        process = score.process
        to, back = process.basis.to, process.basis.back
        first, rest = jax.random.split(key)
        if self.predictor is None:
            start = back(to(x) * process.signal(u) / process.signal(t))
        else:
            start = self.predictor(first, score, x, t, u)
        step = self.size * process.schedule.variance(u)

        def langevin(number, x):
            noise = jax.random.normal(jax.random.fold_in(rest, number), x.shape, x.dtype)
            return back(to(x) + step * to(score.score(x, u)) + jnp.sqrt(2 * step) * noise)

        moved = jax.lax.fori_loop(0, self.count, langevin, start)
        return jnp.where(u > 0, moved, start)  # at u = 0 there is no noise left to correct


class Adaptive(AbstractStep):
    """The probability flow by an embedded Runge–Kutta pair of order 5 whose local error is below the tolerance."""

    tolerance: Number

    def __call__(self, key, score, x, t, u):
        del key
        field = diffrax.ODETerm(lambda time, x, args: score.velocity(x, jnp.asarray(time)))
        control = diffrax.PIDController(rtol=self.tolerance, atol=self.tolerance)
        found = diffrax.diffeqsolve(
            field, diffrax.Tsit5(), t, u, None, x, stepsize_controller=control, max_steps=MOST_STEPS
        )
        assert found.ys is not None  # saved at the end
        return found.ys[0]


MOST_STEPS = 10_000  # of an adaptive solver between two times


def _ratio(process: AbstractProcess, t: Time) -> Float[Array, "*component"]:
    """σ/α."""
    return process.noise(t) / process.signal(t)


def sample(
    key: Key[Array, ""],
    score: AbstractScore,
    step: AbstractStep,
    times: Float[Array, " time"],
    shape: tuple[int, ...],
    count: int,
) -> Float[Array, "sample *site"]:
    """Independent samples by the reverse process along falling times: one compiled loop, whatever the device."""

    def one(number):
        mine = jax.random.fold_in(key, number)
        start = score.prior(jax.random.fold_in(mine, len(times)), shape)

        def body(k, x):
            return step(jax.random.fold_in(mine, k), score, x, times[k], times[k + 1])

        return jax.lax.fori_loop(0, len(times) - 1, body, start)

    return jax.vmap(one)(jnp.arange(count))


def power_grid(
    first: Number | float, last: Number | float, steps: int, power: Number | float
) -> Float[Array, " time"]:
    """Noise levels from ``last`` down to ``first``, evenly spaced in their power-th root, then 0.

    There are ``steps`` levels above 0, and as many steps. Source: [karras2022].

    >>> power_grid(1.0, 3.0, 3, 1.0).tolist()
    [3.0, 2.0, 1.0, 0.0]
    """
    ends = last ** (1 / power), first ** (1 / power)
    return jnp.append(jnp.linspace(*ends, steps) ** power, 0.0)
