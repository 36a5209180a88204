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

STEPS = 100


def divergence(field, x: Data) -> Float[Array, ""]:
    """∇·field(x), the trace of its Jacobian: one forward derivative for every entry.

    >>> divergence(lambda x: x * jnp.array([1.0, 3.0]), jnp.ones(2)).item()
    4.0
    """
    flat = lambda y: field(y.reshape(x.shape)).ravel()  # noqa: E731
    _, turn = jax.linearize(flat, x.ravel())
    return jnp.sum(jax.vmap(lambda e: jnp.dot(e, turn(e)))(jnp.eye(x.size, dtype=x.dtype)))


def flow_log_density(score: AbstractScore, x: Data, start: Time, steps: int = STEPS) -> Float[Array, ""]:
    """ln p at time ``start`` by a Runge–Kutta method of order 5, in steps that are even in ln t from start to end.

    As the steps do not depend on x, the value is a smooth function of x and of the network: derivatives of any order
    are those of the value itself, which adaptive steps, whose number jumps, do not have.

    Limits: with 100 steps and end/start from 10³ to 4·10⁴, values of fitted perceptrons and of narrow clusters came
    within 3·10⁻⁷ of those with 1600; where noise grows exponentially in t (variance_exploding), within 5·10⁻⁴.

    >>> from matterlearn.diffusion.bases import Sites
    >>> from matterlearn.diffusion.processes import Gaussian
    >>> from matterlearn.diffusion.schedules import NoiseLevel
    >>> from matterlearn.diffusion.scores import GaussianScore
    >>> known = GaussianScore(Gaussian(NoiseLevel(), Sites()), jnp.asarray(10.0), jnp.zeros(2), jnp.ones(2), Sites())
    >>> round(float(flow_log_density(known, jnp.zeros(2), jnp.asarray(0.01))), 3)  # −ln 2π
    -1.838
    """

    def slope(u, state, args):
        del args
        t = jnp.exp(u)
        velocity = partial(score.velocity, t=t)
        return t * velocity(state[0]), t * divergence(velocity, state[0])

    flow, method = diffrax.ODETerm(slope), diffrax.Tsit5(scan_kind="bounded")  # bounded loops have reverse derivatives

    @jax.checkpoint  # reverse derivatives keep the state between steps alone
    def step(carry, ends):
        state, memory = carry
        state, _, _, memory, _ = method.step(flow, ends[0], ends[1], state, None, memory, made_jump=False)
        return (state, memory), None

    u = jnp.linspace(jnp.log(start), jnp.log(score.end), steps + 1, dtype=x.dtype)
    begin = (x, jnp.zeros((), x.dtype))
    ((late, gained), _), _ = jax.lax.scan(step, (begin, method.init(flow, u[0], u[1], begin, None)), (u[:-1], u[1:]))
    return score.log_prior(late) + gained
