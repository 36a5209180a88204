"""Likelihoods by the probability flow, which carries p_t along without noise.

    dx/dt = v(x, t),      d ln p_t(x(t))/dt = −∇·v      ⇒      ln p_s(x) = ln π(x(T)) + ∫_s^T ∇·v dt

Source: [songscore2021], [chen2018neural].
"""

from functools import partial

import diffrax
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from matterlearn.diffusion.bases import Data
from matterlearn.diffusion.schedules import Time
from matterlearn.diffusion.scores import AbstractScore

TOLERANCE = {True: 1e-9, False: 1e-5}  # in double and in single precision
MOST_STEPS = 4096


def divergence(field, x: Data) -> Float[Array, ""]:
    """∇·field(x), the trace of its Jacobian: one forward derivative for every entry.

    >>> divergence(lambda x: x * jnp.array([1.0, 3.0]), jnp.ones(2)).item()
    4.0
    """
    flat = lambda y: field(y.reshape(x.shape)).ravel()  # noqa: E731
    _, turn = jax.linearize(flat, x.ravel())
    return jnp.sum(jax.vmap(lambda e: jnp.dot(e, turn(e)))(jnp.eye(x.size, dtype=x.dtype)))


def flow_log_density(score: AbstractScore, x: Data, start: Time) -> Float[Array, ""]:
    """ln p at time ``start`` by an adaptive Runge–Kutta pair of order 5; tolerance 1e-5, or 1e-9 in double precision.

    Differentiable; NaN where the solver does not get through. Limits: second derivatives, which pass through the choice
    of steps, were seen to be off by up to a percent.
    """

    def slope(t, state, args):
        del args
        velocity = partial(score.velocity, t=jnp.asarray(t))
        return velocity(state[0]), divergence(velocity, state[0])

    tolerance = TOLERANCE[x.dtype == jnp.float64]
    found = diffrax.diffeqsolve(
        diffrax.ODETerm(slope), diffrax.Tsit5(), start, score.end, None, (x, jnp.zeros((), x.dtype)),
        stepsize_controller=diffrax.PIDController(rtol=tolerance, atol=tolerance), max_steps=MOST_STEPS, throw=False,
        adjoint=diffrax.DirectAdjoint(),  # forces and curvatures of such energies are derived twice
    )  # fmt: skip
    assert found.ys is not None  # saved at the end
    late, gained = (leaf[0] for leaf in found.ys)
    done = found.result == diffrax.RESULTS.successful
    return jnp.where(done, score.log_prior(late) + gained, jnp.nan)
